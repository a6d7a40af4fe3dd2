/* CBOR items, written in their shortest form (RFC 8949 section 4.1). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cbor_priv.h"

#include <string.h>

void cbor_put_head(struct buf *out, enum cbor_major major, uint64_t argument)
{
    uint8_t first = (uint8_t)((unsigned)major << 5);
    if (argument < 24) {
        buf_put_u8(out, (uint8_t)(first | argument));
    } else if (argument <= UINT8_MAX) {
        buf_put_u8(out, first | 24);
        buf_put_u8(out, (uint8_t)argument);
    } else if (argument <= UINT16_MAX) {
        buf_put_u8(out, first | 25);
        buf_put_u16(out, (uint16_t)argument);
    } else if (argument <= UINT32_MAX) {
        buf_put_u8(out, first | 26);
        buf_put_u32(out, (uint32_t)argument);
    } else {
        buf_put_u8(out, first | 27);
        buf_put_u64(out, argument);
    }
}

void cbor_put_integer(struct buf *out, int64_t value)
{
    if (value < 0)
        cbor_put_head(out, CBOR_NEGATIVE, (uint64_t)(-(value + 1)));
    else
        cbor_put_head(out, CBOR_UNSIGNED, (uint64_t)value);
}

void cbor_put_text(struct buf *out, const char *text)
{
    cbor_put_head(out, CBOR_TEXT, strlen(text));
    buf_put_text(out, text);
}

/* 32 bits where they lose nothing; 16 bits are not, as small decoders lack them. */
static void put_float(struct buf *out, double value)
{
    float narrow = (float)value;
    if ((double)narrow == value || value != value) {
        uint32_t bits;
        memcpy(&bits, &narrow, sizeof bits);
        buf_put_u8(out, 0xfa);
        buf_put_u32(out, bits);
    } else {
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        buf_put_u8(out, 0xfb);
        buf_put_u64(out, bits);
    }
}

void cbor_put_value(struct buf *out, const struct value *value)
{
    switch (value->type) {
    case VALUE_STRING:
    case VALUE_OPAQUE:
        cbor_put_head(out, value->type == VALUE_STRING ? CBOR_TEXT : CBOR_BYTES, value->bytes.len);
        buf_put_bytes(out, value->bytes);
        break;
    case VALUE_UNSIGNED:
        cbor_put_head(out, CBOR_UNSIGNED, value->natural);
        break;
    case VALUE_FLOAT:
        put_float(out, value->real);
        break;
    case VALUE_BOOLEAN:
        buf_put_u8(out, value->boolean ? 0xf5 : 0xf4);
        break;
    default:
        cbor_put_integer(out, value->integer);
        break;
    }
}
