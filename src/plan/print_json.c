/* SPDX-License-Identifier: Apache-2.0 */
/* A plan as one JSON object, for scripts and the HTTP interface. */
#include "plan_priv.h"

#include "usher/codec.h"

#include <inttypes.h>

/* The text is UTF-8: endpoints, tags and profiles are checked where they come in. */
static void put_string(struct bytes text, struct buf *out)
{
    buf_put_u8(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        if (byte == '"' || byte == '\\')
            buf_printf(out, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7f)
            buf_printf(out, "\\u%04x", byte);
        else
            buf_put_u8(out, byte);
    }
    buf_put_u8(out, '"');
}

static void put_text(const char *text, struct buf *out)
{
    put_string(bytes_of_text(text), out);
}

static void put_path(const struct path *path, struct buf *out)
{
    char text[PATH_TEXT_SIZE];
    path_text(path, text);
    buf_printf(out, "\"path\":\"%s\"", text);
}

static void put_hex_digits(struct bytes bytes, struct buf *out)
{
    for (size_t i = 0; i < bytes.len; i++)
        buf_printf(out, "%02x", bytes.data[i]);
}

static void put_hex(struct bytes bytes, struct buf *out)
{
    buf_put_text(out, "\"hex\":\"");
    put_hex_digits(bytes, out);
    buf_put_text(out, "\"");
    if (bytes.len > 0 && bytes_is_utf8(bytes)) {
        buf_put_text(out, ",\"text\":");
        put_string(bytes, out);
    }
}

static void put_value(const struct value *value, struct buf *out)
{
    switch (value->type) {
    case VALUE_STRING:
        buf_put_text(out, "\"value\":");
        put_string(value->bytes, out);
        break;
    case VALUE_OPAQUE:
        put_hex(value->bytes, out);
        break;
    case VALUE_INTEGER:
    case VALUE_TIME:
        buf_printf(out, "\"value\":%" PRId64, value->integer);
        break;
    case VALUE_UNSIGNED:
        buf_printf(out, "\"value\":%" PRIu64, value->natural);
        break;
    case VALUE_FLOAT:
        buf_printf(out, "\"value\":%.17g", value->real);
        break;
    case VALUE_BOOLEAN:
        buf_printf(out, "\"value\":%s", value->boolean ? "true" : "false");
        break;
    case VALUE_OBJLINK:
        buf_printf(out, "\"value\":\"%u:%u\"", value->link.object, value->link.instance);
        break;
    case VALUE_SECRET:
        buf_printf(out, "\"secret\":\"%s\",\"server\":%u,\"generation\":%" PRIu64,
                   secret_kind_name(value->secret.kind), value->secret.ssid,
                   value->secret.generation);
        break;
    case VALUE_NONE:
    case VALUE_TYPE_COUNT:
        buf_put_text(out, "\"value\":null");
        break;
    }
}

static void put_record(const struct record *record, struct buf *out)
{
    const struct resource_definition *definition =
        object_table_resource(record->path.ids[0], record->path.ids[2]);
    buf_put_text(out, "{");
    put_path(&record->path, out);
    if (definition) {
        buf_put_text(out, ",\"name\":");
        put_text(definition->name, out);
    }
    buf_printf(out, ",\"type\":\"%s\",", value_type_name(record->value.type));
    put_value(&record->value, out);
    buf_put_text(out, "}");
}

/* The bytes of the write, and which of them are filler. */
static enum err_code put_payload(const struct operation *operation, int format, struct buf *out,
                                 struct err *err)
{
    struct plan_payload payload;
    enum err_code code = plan_payload(operation, format, &payload, err);
    if (code != ERR_OK)
        goto out;
    buf_put_text(out, ",\"payload\":\"");
    put_hex_digits(buf_bytes(&payload.bytes), out);
    buf_put_text(out, "\",\"payload_secrets\":[");
    for (size_t i = 0; i < payload.span_count; i++) {
        const struct plan_span *span = &payload.spans[i];
        buf_printf(out, "%s{\"offset\":%zu,\"length\":%zu,\"secret\":\"%s\",\"server\":%u}",
                   i > 0 ? "," : "", span->offset, span->len, secret_kind_name(span->secret.kind),
                   span->secret.ssid);
    }
    buf_put_text(out, "]");
out:
    plan_payload_clear(&payload);
    return code;
}

static enum err_code put_operation(const struct operation *operation, int format, struct buf *out,
                                   struct err *err)
{
    enum err_code code = ERR_OK;
    buf_printf(out, "{\"operation\":\"%s\"", operation_kind_name(operation->kind));
    if (operation->kind != OPERATION_FINISH) {
        buf_put_text(out, ",");
        put_path(&operation->path, out);
    }
    if (operation->kind == OPERATION_WRITE) {
        buf_printf(out, ",\"optional\":%s,\"values\":[", operation->optional ? "true" : "false");
        for (size_t i = 0; i < operation->record_count; i++) {
            buf_put_text(out, i > 0 ? "," : "");
            put_record(&operation->records[i], out);
        }
        buf_put_text(out, "]");
        if (format != FORMAT_NONE)
            code = put_payload(operation, format, out, err);
    }
    buf_put_text(out, "}");
    return code;
}

enum err_code plan_print_json(const struct plan *plan, int format, struct buf *out, struct err *err)
{
    enum err_code code = ERR_OK;
    buf_put_text(out, "{\"class\":");
    put_text(plan->class_name, out);
    buf_printf(out, ",\"version\":\"1.%d\",\"hash\":\"%016" PRIx64 "\",\"formats\":[",
               (int)plan->version - (int)LWM2M_1_0, plan->hash);
    for (size_t i = 0; i < plan->format_count; i++)
        buf_printf(out, "%s\"%s\"", i > 0 ? "," : "", codec_name(plan->formats[i]));
    buf_put_text(out, "],");
    if (format != FORMAT_NONE)
        buf_printf(out, "\"payload_format\":\"%s\",\"payload_keys\":\"zeros\",",
                   codec_name(format));
    buf_put_text(out, "\"operations\":[");
    for (size_t i = 0; i < plan->count && code == ERR_OK; i++) {
        buf_put_text(out, i > 0 ? "," : "");
        code = put_operation(&plan->operations[i], format, out, err);
    }
    buf_put_text(out, "],\"notes\":[");
    for (size_t i = 0; i < plan->note_count; i++) {
        buf_put_text(out, i > 0 ? "," : "");
        put_text(plan->notes[i], out);
    }
    buf_put_text(out, "],\"warnings\":[");
    for (size_t i = 0; i < plan->warning_count; i++) {
        buf_put_text(out, i > 0 ? "," : "");
        put_text(plan->warnings[i], out);
    }
    buf_put_text(out, "]}");
    return code;
}
