/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8_priv.h"

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Sequence length a first byte announces and the least code point that may use it. */
static size_t announced(uint8_t first, uint32_t *bits, uint32_t *least)
{
    if ((first & 0xe0) == 0xc0) {
        *bits = first & 0x1f;
        *least = 0x80;
        return 2;
    }
    if ((first & 0xf0) == 0xe0) {
        *bits = first & 0x0f;
        *least = 0x800;
        return 3;
    }
    if ((first & 0xf8) == 0xf0) {
        *bits = first & 0x07;
        *least = 0x10000;
        return 4;
    }
    return 0;
}

size_t utf8_next(struct bytes text, uint32_t *code_point)
{
    if (text.len == 0)
        return 0;
    if (text.data[0] < 0x80) {
        *code_point = text.data[0];
        return 1;
    }
    uint32_t value = 0, least = 0;
    size_t len = announced(text.data[0], &value, &least);
    if (len == 0 || len > text.len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if (!is_continuation(text.data[i]))
            return 0;
        value = value << 6 | (text.data[i] & 0x3f);
    }
    if (value < least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *code_point = value;
    return len;
}

bool bytes_is_utf8(struct bytes text)
{
    while (text.len > 0) {
        uint32_t code_point = 0;
        size_t len = utf8_next(text, &code_point);
        if (len == 0 || code_point == 0)
            return false;
        text.data += len;
        text.len -= len;
    }
    return true;
}
