/* SenML CBOR, writing (RFC 8428 section 6; OMA Core 1.2 section 7.4.4). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cbor_priv.h"
#include "senml_cbor_priv.h"
#include "senml_priv.h"

static void put_value(struct buf *out, const struct value *value)
{
    char link[OBJLINK_TEXT_SIZE];
    switch (value->type) {
    case VALUE_STRING:
        cbor_put_integer(out, LABEL_STRING);
        break;
    case VALUE_OPAQUE:
        cbor_put_integer(out, LABEL_DATA);
        break;
    case VALUE_BOOLEAN:
        cbor_put_integer(out, LABEL_BOOLEAN);
        break;
    case VALUE_OBJLINK:
        objlink_text(value->link, link);
        cbor_put_text(out, LABEL_OBJLINK);
        cbor_put_text(out, link);
        return;
    default:
        cbor_put_integer(out, LABEL_VALUE);
        break;
    }
    cbor_put_value(out, value);
}

enum err_code senml_cbor_encode(const struct encoder *encoder)
{
    struct buf *out = encoder->out;
    unsigned depth = 0;
    cbor_put_head(out, CBOR_ARRAY, encoder->count);
    for (size_t i = 0; i < encoder->count; i++) {
        char name[SENML_NAME_SIZE];
        struct value value;
        enum err_code code = encoder_value(encoder, &encoder->records[i], true, &value);
        if (code != ERR_OK)
            return code;
        cbor_put_head(out, CBOR_MAP, i == 0 ? 3 : 2);
        if (i == 0) {
            depth = senml_base_name(encoder, name);
            cbor_put_integer(out, LABEL_BASE_NAME);
            cbor_put_text(out, name);
        }
        senml_name(&encoder->records[i].path, depth, name);
        cbor_put_integer(out, LABEL_NAME);
        cbor_put_text(out, name);
        put_value(out, &value);
    }
    return ERR_OK;
}
