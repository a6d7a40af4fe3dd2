/* SenML JSON, writing (RFC 8428 section 5; OMA Core 1.2 section 7.4.4). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "json_priv.h"
#include "senml_priv.h"

static enum err_code put_value(const struct encoder *encoder, const struct value *value)
{
    struct buf *out = encoder->out;
    char link[OBJLINK_TEXT_SIZE];
    switch (value->type) {
    case VALUE_STRING:
        buf_put_text(out, "\"vs\":");
        json_put_string(out, value->bytes);
        return ERR_OK;
    case VALUE_OPAQUE:
        buf_put_text(out, "\"vd\":\"");
        json_put_base64(out, value->bytes, true);
        buf_put_u8(out, '"');
        return ERR_OK;
    case VALUE_BOOLEAN:
        buf_put_text(out, value->boolean ? "\"vb\":true" : "\"vb\":false");
        return ERR_OK;
    case VALUE_OBJLINK:
        objlink_text(value->link, link);
        buf_printf(out, "\"vlo\":\"%s\"", link);
        return ERR_OK;
    default:
        buf_put_text(out, "\"v\":");
        return json_put_number(out, value, encoder->err);
    }
}

enum err_code senml_json_encode(const struct encoder *encoder)
{
    struct buf *out = encoder->out;
    unsigned depth = 0;
    buf_put_u8(out, '[');
    for (size_t i = 0; i < encoder->count; i++) {
        char name[SENML_NAME_SIZE];
        struct value value;
        enum err_code code = encoder_value(encoder, &encoder->records[i], true, &value);
        if (code != ERR_OK)
            return code;
        buf_put_text(out, i > 0 ? ",{" : "{");
        if (i == 0) {
            depth = senml_base_name(encoder, name);
            buf_printf(out, "\"bn\":\"%s\",", name);
        }
        senml_name(&encoder->records[i].path, depth, name);
        buf_printf(out, "\"n\":\"%s\",", name);
        code = put_value(encoder, &value);
        if (code != ERR_OK)
            return code;
        buf_put_u8(out, '}');
    }
    buf_put_u8(out, ']');
    return ERR_OK;
}
