/* SPDX-License-Identifier: Apache-2.0 */
/* An event as text of Server-Sent Events with JSON data: spans are copied whole, the second's text
 * is kept. */
#include "events_priv.h"

#include "usher/clock.h"

#include <string.h>

static const char *const kind_names[] = {
    [EVENT_HANDSHAKE] = "handshake", [EVENT_REQUEST] = "request", [EVENT_OPERATION] = "operation",
    [EVENT_OUTCOME] = "outcome",     [EVENT_REJECT] = "reject",   [EVENT_RELOAD] = "reload",
    [EVENT_ENROLMENT] = "enrolment", [EVENT_IMPORT] = "import",
};
_Static_assert(sizeof kind_names / sizeof kind_names[0] == EVENT_KIND_COUNT,
               "a name for each kind");

const char *event_kind_name(enum event_kind kind)
{
    return (unsigned)kind < EVENT_KIND_COUNT ? kind_names[kind] : "unknown";
}

bool event_kind_from_name(const char *name, enum event_kind *out)
{
    for (int i = 0; i < EVENT_KIND_COUNT; i++) {
        if (strcmp(name, kind_names[i]) == 0) {
            *out = (enum event_kind)i;
            return true;
        }
    }
    return false;
}

/* As buf_put, with the usual case in place: an event is some eighty pieces. */
static inline void put(struct buf *out, const void *data, size_t len)
{
    if (out->failed || len > out->cap - out->len) {
        buf_put(out, data, len);
        return;
    }
    memcpy(out->data + out->len, data, len);
    out->len += len;
}

#define PUT(out, literal) put(out, literal, sizeof(literal) - 1)

static bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7f;
}

static void put_string(struct buf *out, struct bytes text)
{
    size_t at = 0;
    PUT(out, "\"");
    while (at < text.len) {
        size_t begin = at;
        while (at < text.len && is_plain(text.data[at]))
            at++;
        put(out, text.data + begin, at - begin);
        if (at == text.len)
            break;
        if (text.data[at] == '"' || text.data[at] == '\\')
            buf_put(out, (const uint8_t[]){'\\', text.data[at]}, 2);
        else
            buf_printf(out, "\\u%04x", text.data[at]);
        at++;
    }
    PUT(out, "\"");
}

/* Text as a person can read it, else "hex:" and the bytes, as everywhere in the API. */
static void put_bytes(struct buf *out, struct bytes data)
{
    static const char digits[] = "0123456789abcdef";
    bool readable = bytes_is_utf8(data) && !(data.len >= 4 && memcmp(data.data, "hex:", 4) == 0);
    for (size_t i = 0; i < data.len && readable; i++)
        readable = data.data[i] >= 0x20 && data.data[i] != 0x7f;
    if (readable) {
        put_string(out, data);
        return;
    }
    buf_put_text(out, "\"hex:");
    for (size_t i = 0; i < data.len; i++) {
        buf_put_u8(out, (uint8_t)digits[data.data[i] >> 4]);
        buf_put_u8(out, (uint8_t)digits[data.data[i] & 15]);
    }
    buf_put_u8(out, '"');
}

static void put_number(struct buf *out, int64_t number)
{
    char digits[BYTES_DECIMAL_SIZE];
    if (number < 0)
        PUT(out, "-");
    put(out, digits,
        bytes_to_decimal(number < 0 ? 0 - (uint64_t)number : (uint64_t)number, digits));
}

/* ASCII that stands for itself, as nearly every text here is. */
static bool is_simple(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] >= 0x80 || !is_plain(text.data[i]))
            return false;
    return true;
}

static void put_text(struct buf *out, const char *text)
{
    struct bytes data = bytes_of_text(text != NULL ? text : "");
    if (text == NULL) {
        PUT(out, "null");
    } else if (is_simple(data)) {
        PUT(out, "\"");
        put(out, data.data, data.len);
        PUT(out, "\"");
    } else if (bytes_is_utf8(data)) {
        put_string(out, data);
    } else {
        put_bytes(out, data);
    }
}

void event_put_field(struct buf *out, const struct log_field *field)
{
    PUT(out, ",\"");
    put(out, field->key, strlen(field->key));
    PUT(out, "\":");
    switch (field->type) {
    case LOG_FIELD_TEXT:
        put_text(out, field->text);
        break;
    case LOG_FIELD_BYTES:
        put_bytes(out, field->bytes);
        break;
    case LOG_FIELD_NUMBER:
        put_number(out, field->number);
        break;
    case LOG_FIELD_BOOL:
        buf_put_text(out, field->boolean ? "true" : "false");
        break;
    case LOG_FIELD_END:
        buf_put_text(out, "null");
        break;
    }
}

/* The text of the second is made once a second. */
static void put_time(struct event_clock *clock, int64_t wall_ms, struct buf *out)
{
    enum { TO_SECONDS = 19 }; /* 2026-11-23T09:18:10 */
    int64_t second = wall_ms / 1000;
    unsigned rest = (unsigned)(wall_ms % 1000);
    if (second != clock->second || clock->text[0] == '\0') {
        char text[CLOCK_TEXT_SIZE];
        clock_wall_text(second * 1000, text);
        memcpy(clock->text, text, TO_SECONDS);
        clock->text[TO_SECONDS] = '\0';
        clock->second = second;
    }
    const char tail[] = {'.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10),
                         (char)('0' + rest % 10), 'Z'};
    PUT(out, "\"");
    put(out, clock->text, TO_SECONDS);
    put(out, tail, sizeof tail);
    PUT(out, "\"");
}

static const char *or_null(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

bool event_encode(const struct event *event, struct event_clock *clock, struct buf *out)
{
    const char *name = event_kind_name(event->kind);
    size_t name_len = strlen(name);
    PUT(out, "event: ");
    put(out, name, name_len);
    PUT(out, "\ndata: {\"event\":\"");
    put(out, name, name_len);
    PUT(out, "\",\"time\":");
    put_time(clock, event->wall_ms, out);
    PUT(out, ",\"endpoint\":");
    put_text(out, or_null(event->endpoint));
    PUT(out, ",\"class\":");
    put_text(out, or_null(event->class_name));
    for (size_t i = 0; i < event->field_count; i++)
        event_put_field(out, &event->fields[i]);
    PUT(out, "}\n\n");
    return !out->failed;
}
