/* SPDX-License-Identifier: Apache-2.0 */
/* An event as text of Server-Sent Events with JSON data. On the path of a bootstrap: spans are
 * copied whole, the second's text is kept. */
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

static bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7f;
}

static void put_string(struct buf *out, struct bytes text)
{
    size_t at = 0;
    buf_put_u8(out, '"');
    while (at < text.len) {
        size_t begin = at;
        while (at < text.len && is_plain(text.data[at]))
            at++;
        buf_put(out, text.data + begin, at - begin);
        if (at == text.len)
            break;
        if (text.data[at] == '"' || text.data[at] == '\\')
            buf_put(out, (const uint8_t[]){'\\', text.data[at]}, 2);
        else
            buf_printf(out, "\\u%04x", text.data[at]);
        at++;
    }
    buf_put_u8(out, '"');
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
    char text[24];
    size_t at = sizeof text;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        text[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (number < 0)
        text[--at] = '-';
    buf_put(out, text + at, sizeof text - at);
}

static void put_text(struct buf *out, const char *text)
{
    struct bytes data = bytes_of_text(text != NULL ? text : "");
    if (text == NULL)
        buf_put_text(out, "null");
    else if (bytes_is_utf8(data))
        put_string(out, data);
    else
        put_bytes(out, data);
}

void event_put_field(struct buf *out, const struct log_field *field)
{
    buf_put_text(out, ",\"");
    buf_put_text(out, field->key);
    buf_put_text(out, "\":");
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
static void put_time(struct event_lane *lane, int64_t wall_ms, struct buf *out)
{
    enum { TO_SECONDS = 19 }; /* 2026-11-23T09:18:10 */
    int64_t second = wall_ms / 1000;
    unsigned rest = (unsigned)(wall_ms % 1000);
    if (second != lane->second || lane->second_text[0] == '\0') {
        char text[CLOCK_TEXT_SIZE];
        clock_wall_text(second * 1000, text);
        memcpy(lane->second_text, text, TO_SECONDS);
        lane->second_text[TO_SECONDS] = '\0';
        lane->second = second;
    }
    const char tail[] = {'.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10),
                         (char)('0' + rest % 10), 'Z'};
    buf_put_u8(out, '"');
    buf_put(out, lane->second_text, TO_SECONDS);
    buf_put(out, tail, sizeof tail);
    buf_put_u8(out, '"');
}

static const char *or_null(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

bool event_encode(const struct event *event, struct event_lane *lane, struct buf *out)
{
    const char *name = event_kind_name(event->kind);
    buf_put_text(out, "event: ");
    buf_put_text(out, name);
    buf_put_text(out, "\ndata: {\"event\":\"");
    buf_put_text(out, name);
    buf_put_text(out, "\",\"time\":");
    put_time(lane, event->wall_ms, out);
    buf_put_text(out, ",\"endpoint\":");
    put_text(out, or_null(event->endpoint));
    buf_put_text(out, ",\"class\":");
    put_text(out, or_null(event->class_name));
    for (size_t i = 0; i < event->field_count; i++)
        event_put_field(out, &event->fields[i]);
    buf_put_text(out, "}\n\n");
    return !out->failed;
}
