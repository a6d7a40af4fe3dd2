/* One CoAP option from and to bytes, by libcoap's option codec. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "option_wire_priv.h"

#include <coap3/coap.h>

/* Bytes that a nibble of 13 or 14 adds; 15 is reserved (RFC 7252 section 3.1). */
static bool extension_size(unsigned nibble, size_t *size)
{
    if (nibble == 15)
        return false;
    *size = nibble < 13 ? 0 : nibble - 12;
    return true;
}

/* The codec logs what it finds malformed and its 16-bit delta wraps (e1 fe ff reads as option 12),
 * so the header is checked before it sees it. */
static bool header_is_sound(struct bytes rest, uint32_t *delta)
{
    size_t delta_size, length_size;
    if (rest.len == 0 || !extension_size(rest.data[0] >> 4, &delta_size) ||
        !extension_size(rest.data[0] & 15, &length_size) || rest.len < 1 + delta_size + length_size)
        return false;
    if (delta_size == 2)
        *delta = 269 + ((uint32_t)rest.data[1] << 8 | rest.data[2]);
    else if (delta_size == 1)
        *delta = 13 + (uint32_t)rest.data[1];
    else
        *delta = rest.data[0] >> 4;
    return *delta <= UINT16_MAX;
}

bool option_take(struct bytes *rest, uint32_t *delta, struct bytes *value)
{
    uint32_t step = 0;
    coap_option_t option;
    if (!header_is_sound(*rest, &step))
        return false;
    size_t size = coap_opt_parse(rest->data, rest->len, &option);
    if (size == 0 || size > rest->len || option.length > size)
        return false;
    *value = bytes_of(option.value, option.length);
    *delta = step;
    *rest = bytes_of(rest->data + size, rest->len - size);
    return true;
}

bool option_put(struct buf *out, uint16_t delta, struct bytes value)
{
    static const uint8_t nothing;
    if (value.len > OPTION_LENGTH_MAX) {
        out->failed = true;
        return false;
    }
    size_t size = coap_opt_encode_size(delta, value.len);
    uint8_t *place = buf_claim(out, size);
    if (place == NULL)
        return false;
    return coap_opt_encode(place, size, delta, value.data != NULL ? value.data : &nothing,
                           value.len) == size;
}
