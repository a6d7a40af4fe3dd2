/* SPDX-License-Identifier: Apache-2.0 */
/* A plan as people read it: secrets as references, text in quotes, bytes in hexadecimal. */
#include "plan_priv.h"

#include "usher/codec.h"

#include <inttypes.h>

enum { NAME_COLUMN = 14 };

static bool is_shown_as_text(struct bytes bytes)
{
    if (!bytes_is_utf8(bytes))
        return false;
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.data[i] < 0x20 || bytes.data[i] == 0x7f ||
            (bytes.data[i] == 0xc2 && i + 1 < bytes.len && bytes.data[i + 1] < 0xa0))
            return false;
    return true;
}

static void put_quoted(struct bytes text, struct buf *out)
{
    buf_put_u8(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        if (byte == '"' || byte == '\\')
            buf_printf(out, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7f)
            buf_printf(out, "\\x%02x", byte);
        else
            buf_put_u8(out, byte);
    }
    buf_put_u8(out, '"');
}

static void put_hex(struct bytes bytes, struct buf *out)
{
    buf_put_text(out, "hex:");
    for (size_t i = 0; i < bytes.len; i++)
        buf_printf(out, "%02x", bytes.data[i]);
}

static void put_secret(const struct secret_ref *secret, struct buf *out)
{
    buf_printf(out, "<%s", secret_kind_name(secret->kind));
    if (secret->ssid != 0)
        buf_printf(out, " of server %u", secret->ssid);
    if (secret->generation > 0)
        buf_printf(out, ", generation %" PRIu64, secret->generation);
    buf_put_text(out, ">");
}

static void put_value(const struct value *value, struct buf *out)
{
    switch (value->type) {
    case VALUE_STRING:
        put_quoted(value->bytes, out);
        break;
    case VALUE_OPAQUE:
        if (is_shown_as_text(value->bytes))
            put_quoted(value->bytes, out);
        else
            put_hex(value->bytes, out);
        break;
    case VALUE_INTEGER:
    case VALUE_TIME:
        buf_printf(out, "%" PRId64, value->integer);
        break;
    case VALUE_UNSIGNED:
        buf_printf(out, "%" PRIu64, value->natural);
        break;
    case VALUE_FLOAT:
        buf_printf(out, "%.17g", value->real);
        break;
    case VALUE_BOOLEAN:
        buf_put_text(out, value->boolean ? "true" : "false");
        break;
    case VALUE_OBJLINK:
        buf_printf(out, "%u:%u", value->link.object, value->link.instance);
        break;
    case VALUE_SECRET:
        put_secret(&value->secret, out);
        break;
    case VALUE_NONE:
    case VALUE_TYPE_COUNT:
        buf_put_text(out, "nothing");
        break;
    }
}

static void put_record(const struct record *record, struct buf *out)
{
    const struct resource_definition *definition =
        object_table_resource(record->path.ids[0], record->path.ids[2]);
    char path[PATH_TEXT_SIZE];
    path_text(&record->path, path);
    buf_printf(out, "    %-*s %-8s ", NAME_COLUMN, path, value_type_name(record->value.type));
    put_value(&record->value, out);
    if (definition)
        buf_printf(out, "  # %s", definition->name);
    buf_put_text(out, "\n");
}

static void put_operation(const struct operation *operation, struct buf *out)
{
    char path[PATH_TEXT_SIZE];
    path_text(&operation->path, path);
    if (operation->kind == OPERATION_FINISH)
        buf_put_text(out, "finish");
    else
        buf_printf(out, "%s %s%s", operation_kind_name(operation->kind), path,
                   operation->optional ? " (optional)" : "");
    buf_put_text(out, "\n");
    for (size_t i = 0; i < operation->record_count; i++)
        put_record(&operation->records[i], out);
}

void plan_print_text(const struct plan *plan, struct buf *out)
{
    buf_printf(out, "class %s, LwM2M 1.%d, formats", plan->class_name,
               (int)plan->version - (int)LWM2M_1_0);
    for (size_t i = 0; i < plan->format_count; i++)
        buf_printf(out, "%s %s", i > 0 ? "," : "", codec_name(plan->formats[i]));
    buf_put_text(out, "\n");
    for (size_t i = 0; i < plan->count; i++)
        put_operation(&plan->operations[i], out);
    for (size_t i = 0; i < plan->note_count; i++)
        buf_printf(out, "note: %s\n", plan->notes[i]);
    for (size_t i = 0; i < plan->warning_count; i++)
        buf_printf(out, "warning: %s\n", plan->warnings[i]);
}
