/* The formats of one value without structure: text/plain, octet-stream and CBOR. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cbor_priv.h"
#include "codec_priv.h"
#include "json_priv.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_TEXT_MAX = 40 };

static enum err_code single_value(const struct encoder *encoder, bool text, struct value *out)
{
    if (encoder->count != 1 || !path_equal(&encoder->records[0].path, encoder->base))
        return err_set(encoder->err, ERR_UNSUPPORTED,
                       "this content format holds exactly the one value it is addressed to");
    return encoder_value(encoder, &encoder->records[0], text, out);
}

enum err_code opaque_encode(const struct encoder *encoder)
{
    struct value value;
    enum err_code code = single_value(encoder, false, &value);
    if (code != ERR_OK)
        return code;
    if (value.type != VALUE_OPAQUE)
        return err_set(encoder->err, ERR_UNSUPPORTED, "only opaque values fit this content format");
    buf_put_bytes(encoder->out, value.bytes);
    return ERR_OK;
}

enum err_code opaque_decode(struct decoder *decoder)
{
    const struct value natural = {.type = VALUE_OPAQUE, .bytes = decoder->payload};
    return decoder_add(decoder, decoder->base, &natural);
}

/* A link is the text "21:1", as in LwM2M CBOR (OMA Core 1.2 section 7.4.2). */
enum err_code cbor_encode(const struct encoder *encoder)
{
    struct value value;
    char link[OBJLINK_TEXT_SIZE];
    enum err_code code = single_value(encoder, true, &value);
    if (code != ERR_OK)
        return code;
    if (value.type != VALUE_OBJLINK) {
        cbor_put_value(encoder->out, &value);
        return ERR_OK;
    }
    objlink_text(value.link, link);
    cbor_put_text(encoder->out, link);
    return ERR_OK;
}

enum err_code cbor_decode(struct decoder *decoder)
{
    struct reader reader;
    struct cbor_item item;
    struct value value = {0};
    reader_init(&reader, decoder->payload);
    if (!cbor_next(&reader, &item))
        return cbor_fail(decoder, &reader, "is not well-formed CBOR");
    enum err_code code = cbor_value(decoder, &reader, &item, &value);
    if (code == ERR_OK && reader_left(&reader) > 0)
        code = cbor_fail(decoder, &reader, "something follows after the value");
    return code == ERR_OK ? decoder_add(decoder, decoder->base, &value) : code;
}

enum err_code text_encode(const struct encoder *encoder)
{
    struct value value;
    enum err_code code = single_value(encoder, true, &value);
    if (code != ERR_OK)
        return code;
    char link[OBJLINK_TEXT_SIZE];
    switch (value.type) {
    case VALUE_STRING:
        buf_put_bytes(encoder->out, value.bytes);
        return ERR_OK;
    case VALUE_OPAQUE:
        json_put_base64(encoder->out, value.bytes, false);
        return ERR_OK;
    case VALUE_BOOLEAN:
        buf_put_text(encoder->out, value.boolean ? "1" : "0");
        return ERR_OK;
    case VALUE_OBJLINK:
        objlink_text(value.link, link);
        buf_put_text(encoder->out, link);
        return ERR_OK;
    default:
        return json_put_number(encoder->out, &value, encoder->err);
    }
}

/* A number as strtod and strtoll take it, but without blanks, hexadecimal, "inf" and "nan". */
static bool number_text(struct bytes text, char out[NUMBER_TEXT_MAX])
{
    if (text.len == 0 || text.len >= NUMBER_TEXT_MAX)
        return false;
    memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    return strspn(out, "0123456789+-.eE") == text.len;
}

static bool parse_number(struct bytes payload, struct value *out)
{
    char text[NUMBER_TEXT_MAX];
    if (!number_text(payload, text))
        return false;
    char *end = NULL;
    errno = 0;
    *out = (struct value){.type = VALUE_INTEGER, .integer = strtoll(text, &end, 10)};
    if (errno == 0 && *end == '\0')
        return true;
    errno = 0;
    *out = (struct value){.type = VALUE_UNSIGNED, .natural = strtoull(text, &end, 10)};
    if (errno == 0 && *end == '\0' && text[0] != '-')
        return true;
    *out = (struct value){.type = VALUE_FLOAT, .real = strtod(text, &end)};
    /* Too large a number comes back as infinity. */
    return end != text && *end == '\0' && isfinite(out->real);
}

static enum err_code parse_opaque(struct decoder *decoder, struct value *out)
{
    size_t cap = decoder->payload.len / 4 * 3 + 3, len = 0;
    uint8_t *data = arena_alloc(decoder->out->arena, cap);
    if (data == NULL)
        return err_set(decoder->err, ERR_NO_MEMORY, "too little memory for the payload");
    if (!bytes_from_base64((const char *)decoder->payload.data, decoder->payload.len, data, cap,
                           &len))
        return err_set(decoder->err, ERR_INVALID, "an opaque value must be base64");
    *out = (struct value){.type = VALUE_OPAQUE, .bytes = bytes_of(data, len)};
    return ERR_OK;
}

enum err_code text_decode(struct decoder *decoder)
{
    struct bytes payload = decoder->payload;
    struct value value = {.type = VALUE_STRING, .bytes = payload};
    switch (decoder_type(decoder, decoder->base)) {
    case VALUE_INTEGER:
    case VALUE_UNSIGNED:
    case VALUE_TIME:
    case VALUE_FLOAT:
        if (!parse_number(payload, &value))
            return err_set(decoder->err, ERR_INVALID, "is not a number");
        break;
    case VALUE_BOOLEAN:
        if (payload.len != 1 || (payload.data[0] != '0' && payload.data[0] != '1'))
            return err_set(decoder->err, ERR_INVALID, "a boolean must be 0 or 1");
        value = (struct value){.type = VALUE_BOOLEAN, .boolean = payload.data[0] == '1'};
        break;
    case VALUE_OPAQUE: {
        enum err_code code = parse_opaque(decoder, &value);
        if (code != ERR_OK)
            return code;
        break;
    }
    default:
        break;
    }
    return decoder_add(decoder, decoder->base, &value);
}
