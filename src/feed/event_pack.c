/* SPDX-License-Identifier: Apache-2.0 */
/* Events as they wait for a reader: numbers and texts one behind the other, keys by address, since
 * they are literals. Written and read by this file alone, within one process. */
#include "events_priv.h"

#include <string.h>

enum {
    NO_TEXT = UINT16_MAX,
    TEXT_OF_BYTE = 6,    /* at the most: \u001f */
    TEXT_OF_FIELD = 32,  /* beside key and value: quotes, a comma, a colon; or a number */
    TEXT_OF_EVENT = 160, /* the rest of an event's text */
};

/* A cursor of its own: an event has dozens of parts of a few bytes. */
struct packing {
    uint8_t *next, *end;
    bool failed;
};

static inline void put(struct packing *out, const void *data, size_t len)
{
    if (len > (size_t)(out->end - out->next)) {
        out->failed = true;
        return;
    }
    memcpy(out->next, data, len);
    out->next += len;
}

/* Its length, its bytes, and a NUL, so that what is read again is text as it was. */
static void put_text(struct packing *out, const char *data, size_t len)
{
    uint16_t stored = (uint16_t)len;
    put(out, &stored, sizeof stored);
    if (len > 0)
        put(out, data, len);
    put(out, "", 1);
}

static void put_no_text(struct packing *out)
{
    put(out, &(uint16_t){NO_TEXT}, sizeof(uint16_t));
}

static size_t text_len(const char *text)
{
    return text != NULL ? strlen(text) : 0;
}

static size_t value_len(const struct log_field *field)
{
    switch (field->type) {
    case LOG_FIELD_TEXT:
        return text_len(field->text);
    case LOG_FIELD_BYTES:
        return field->bytes.len;
    case LOG_FIELD_NUMBER:
    case LOG_FIELD_BOOL:
    case LOG_FIELD_END:
        break;
    }
    return 0;
}

static void put_field(struct packing *out, const struct log_field *field, size_t len)
{
    uint8_t type = (uint8_t)field->type;
    put(out, &type, sizeof type);
    put(out, &field->key, sizeof field->key);
    if (field->type == LOG_FIELD_TEXT && field->text == NULL)
        put_no_text(out);
    else if (field->type == LOG_FIELD_TEXT)
        put_text(out, field->text, len);
    else if (field->type == LOG_FIELD_BYTES)
        put_text(out, (const char *)field->bytes.data, len);
    else if (field->type == LOG_FIELD_NUMBER)
        put(out, &field->number, sizeof field->number);
    else if (field->type == LOG_FIELD_BOOL)
        put(out, &field->boolean, sizeof field->boolean);
}

/* Whether its text fits is decided here, so that what was taken can always be told. */
static bool text_fits(const struct event *event)
{
    char text[EVENT_TEXT_MAX];
    struct event_clock clock = {0};
    struct buf out;
    buf_init_fixed(&out, text, sizeof text);
    return event_encode(event, &clock, &out);
}

size_t event_pack(const struct event *event, char memory[static EVENT_TEXT_MAX])
{
    uint8_t *start = (uint8_t *)memory;
    struct packing out = {.next = start, .end = start + EVENT_TEXT_MAX};
    size_t endpoint_len = text_len(event->endpoint), class_len = text_len(event->class_name);
    size_t most = TEXT_OF_EVENT + TEXT_OF_BYTE * (endpoint_len + class_len);
    if (event->field_count > EVENT_FIELDS_MAX)
        return 0;
    uint8_t count = (uint8_t)event->field_count;
    put(&out, &event->wall_ms, sizeof event->wall_ms);
    put_text(&out, event->endpoint, endpoint_len);
    put_text(&out, event->class_name, class_len);
    put(&out, &count, sizeof count);
    for (size_t i = 0; i < event->field_count; i++) {
        size_t len = value_len(&event->fields[i]);
        most += TEXT_OF_FIELD + strlen(event->fields[i].key) + TEXT_OF_BYTE * len;
        put_field(&out, &event->fields[i], len);
    }
    bool fits = !out.failed && (most <= EVENT_TEXT_MAX || text_fits(event));
    return fits ? (size_t)(out.next - start) : 0;
}

/* ---- reading again ---- */

static void take(struct bytes *rest, void *out, size_t len)
{
    memcpy(out, rest->data, len);
    *rest = bytes_of(rest->data + len, rest->len - len);
}

static bool take_text(struct bytes *rest, struct bytes *out)
{
    uint16_t len;
    take(rest, &len, sizeof len);
    if (len == NO_TEXT)
        return false;
    *out = bytes_of(rest->data, len);
    *rest = bytes_of(rest->data + len + 1, rest->len - len - 1);
    return true;
}

static void take_field(struct bytes *rest, struct log_field *field)
{
    uint8_t type;
    struct bytes text = {0};
    *field = (struct log_field){0};
    take(rest, &type, sizeof type);
    take(rest, &field->key, sizeof field->key);
    field->type = (enum log_field_type)type;
    if (field->type == LOG_FIELD_TEXT)
        field->text = take_text(rest, &text) ? (const char *)text.data : NULL;
    else if (field->type == LOG_FIELD_BYTES && take_text(rest, &text))
        field->bytes = text;
    else if (field->type == LOG_FIELD_NUMBER)
        take(rest, &field->number, sizeof field->number);
    else if (field->type == LOG_FIELD_BOOL)
        take(rest, &field->boolean, sizeof field->boolean);
}

void event_unpack(enum event_kind kind, struct bytes packed, struct unpacked_event *out)
{
    struct bytes endpoint = {0}, class_name = {0};
    uint8_t count;
    out->event = (struct event){.kind = kind, .fields = out->fields};
    take(&packed, &out->event.wall_ms, sizeof out->event.wall_ms);
    take_text(&packed, &endpoint);
    take_text(&packed, &class_name);
    take(&packed, &count, sizeof count);
    out->event.endpoint = (const char *)endpoint.data;
    out->event.class_name = (const char *)class_name.data;
    out->event.field_count = count;
    for (size_t i = 0; i < count; i++)
        take_field(&packed, &out->fields[i]);
}
