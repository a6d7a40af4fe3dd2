/* TLV, writing (OMA Core 1.2 section 7.4.5). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "codec_priv.h"
#include "tlv_priv.h"

#include <string.h>

enum { HEADER_MAX = 6 };

static size_t make_header(enum tlv_kind kind, uint16_t id, size_t len, uint8_t out[HEADER_MAX])
{
    unsigned length_bytes = len < 8 ? 0 : len <= 0xff ? 1 : len <= 0xffff ? 2 : 3;
    size_t size = 0;
    unsigned first = (unsigned)kind << TLV_KIND_SHIFT | length_bytes << TLV_LENGTH_SHIFT;
    if (length_bytes == 0)
        first |= (unsigned)len;
    out[size++] = (uint8_t)(first | (id > 0xff ? TLV_WIDE_ID : 0));
    if (id > 0xff)
        out[size++] = (uint8_t)(id >> 8);
    out[size++] = (uint8_t)id;
    while (length_bytes > 0)
        out[size++] = (uint8_t)(len >> 8 * --length_bytes);
    return size;
}

static enum err_code too_long(const struct encoder *encoder, size_t len)
{
    return err_set(encoder->err, ERR_TOO_LARGE, "%zu bytes are too long for one TLV", len);
}

static enum err_code put_bytes(const struct encoder *encoder, enum tlv_kind kind, uint16_t id,
                               struct bytes value)
{
    uint8_t header[HEADER_MAX];
    if (value.len > TLV_LENGTH_MAX)
        return too_long(encoder, value.len);
    buf_put(encoder->out, header, make_header(kind, id, value.len, header));
    buf_put_bytes(encoder->out, value);
    return ERR_OK;
}

/* Puts the header before a body written since `start`. The body moves within the output: that
 * needs neither a second buffer (which would hold keys) nor sizes computed beforehand. */
static enum err_code wrap_body(const struct encoder *encoder, enum tlv_kind kind, uint16_t id,
                               size_t start)
{
    struct buf *out = encoder->out;
    size_t len = out->len - start;
    uint8_t header[HEADER_MAX];
    if (len > TLV_LENGTH_MAX)
        return too_long(encoder, len);
    size_t size = make_header(kind, id, len, header);
    if (buf_claim(out, size) == NULL)
        return ERR_OK; /* latched; codec_encode reports it */
    memmove(out->data + start + size, out->data + start, len);
    memcpy(out->data + start, header, size);
    return ERR_OK;
}

/* Shortest of 1, 2, 4, 8 bytes that a signed reader gets right: so 49320 takes 4, not 2. */
static size_t integer_size(int64_t value)
{
    if (value >= INT8_MIN && value <= INT8_MAX)
        return 1;
    if (value >= INT16_MIN && value <= INT16_MAX)
        return 2;
    return value >= INT32_MIN && value <= INT32_MAX ? 4 : 8;
}

static size_t big_endian(uint64_t value, size_t size, uint8_t out[8])
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(value >> 8 * (size - 1 - i));
    return size;
}

/* Four bytes where they lose nothing. */
static size_t float_bytes(double value, uint8_t out[8])
{
    float narrow = (float)value;
    if ((double)narrow == value || value != value) {
        uint32_t bits;
        memcpy(&bits, &narrow, sizeof bits);
        return big_endian(bits, 4, out);
    }
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return big_endian(bits, 8, out);
}

static size_t scalar_bytes(const struct value *value, uint8_t out[8])
{
    switch (value->type) {
    case VALUE_BOOLEAN:
        out[0] = value->boolean;
        return 1;
    case VALUE_UNSIGNED:
        return big_endian(value->natural,
                          value->natural > INT64_MAX ? 8 : integer_size((int64_t)value->natural),
                          out);
    case VALUE_FLOAT:
        return float_bytes(value->real, out);
    case VALUE_OBJLINK:
        return big_endian((uint32_t)value->link.object << 16 | value->link.instance, 4, out);
    default:
        return big_endian((uint64_t)value->integer, integer_size(value->integer), out);
    }
}

static enum err_code put_value(const struct encoder *encoder, enum tlv_kind kind, uint16_t id,
                               const struct record *record)
{
    struct value value;
    enum err_code code = encoder_value(encoder, record, false, &value);
    if (code != ERR_OK)
        return code;
    if (value.type == VALUE_STRING || value.type == VALUE_OPAQUE)
        return put_bytes(encoder, kind, id, value.bytes);
    uint8_t scalar[8];
    return put_bytes(encoder, kind, id, bytes_of(scalar, scalar_bytes(&value, scalar)));
}

static enum err_code put_multiple(const struct encoder *encoder, size_t from, size_t to)
{
    size_t start = encoder->out->len;
    for (size_t i = from; i < to; i++) {
        const struct record *record = &encoder->records[i];
        enum err_code code = put_value(encoder, TLV_RESOURCE_INSTANCE, record->path.ids[3], record);
        if (code != ERR_OK)
            return code;
    }
    return wrap_body(encoder, TLV_MULTIPLE_RESOURCE, encoder->records[from].path.ids[2], start);
}

static enum err_code put_resources(const struct encoder *encoder, size_t from, size_t to)
{
    enum err_code code = ERR_OK;
    for (size_t next; from < to && code == ERR_OK; from = next) {
        const struct record *record = &encoder->records[from];
        next = encoder_run_end(encoder, from, 3);
        if (record->path.depth == 3)
            code = put_value(encoder, TLV_RESOURCE, record->path.ids[2], record);
        else
            code = put_multiple(encoder, from, next);
    }
    return code;
}

enum err_code tlv_encode(const struct encoder *encoder)
{
    if (encoder->base->depth > 1)
        return put_resources(encoder, 0, encoder->count);
    enum err_code code = ERR_OK;
    for (size_t from = 0, next; from < encoder->count && code == ERR_OK; from = next) {
        size_t start = encoder->out->len;
        next = encoder_run_end(encoder, from, 2);
        code = put_resources(encoder, from, next);
        if (code == ERR_OK)
            code =
                wrap_body(encoder, TLV_OBJECT_INSTANCE, encoder->records[from].path.ids[1], start);
    }
    return code;
}
