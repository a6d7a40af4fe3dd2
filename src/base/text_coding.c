/* Hexadecimal and base64 (RFC 4648). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/bytes.h"

#include <string.h>

size_t bytes_to_decimal(uint64_t number, char out[static BYTES_DECIMAL_SIZE])
{
    char digits[BYTES_DECIMAL_SIZE];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    size_t len = sizeof digits - at;
    memcpy(out, digits + at, len);
    out[len] = '\0';
    return len;
}

void bytes_to_hex(struct bytes data, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < data.len; i++) {
        *out++ = digits[data.data[i] >> 4];
        *out++ = digits[data.data[i] & 15];
    }
    *out = '\0';
}

int bytes_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool bytes_from_hex(const char *text, size_t text_len, uint8_t *out, size_t cap, size_t *len)
{
    if (text_len % 2 != 0 || text_len / 2 > cap)
        return false;
    for (size_t i = 0; i < text_len / 2; i++) {
        int high = bytes_hex_digit(text[2 * i]), low = bytes_hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    *len = text_len / 2;
    return true;
}

void bytes_to_base64(struct bytes data, bool url, char *out)
{
    static const char common[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const char last[2] = {url ? '-' : '+', url ? '_' : '/'};
    for (size_t i = 0; i < data.len; i += 3) {
        size_t here = data.len - i < 3 ? data.len - i : 3;
        uint32_t group = 0;
        for (size_t j = 0; j < 3; j++)
            group = group << 8 | (j < here ? data.data[i + j] : 0);
        for (size_t j = 0; j <= here; j++) {
            uint32_t sextet = group >> (18 - 6 * j) & 63;
            *out++ = sextet < 62 ? common[sextet] : last[sextet - 62];
        }
        for (size_t j = here; j < 3 && !url; j++)
            *out++ = '=';
    }
    *out = '\0';
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    return -1;
}

/* Length without the padding, which must fill the last group when it is there at all. */
static bool strip_padding(const char *text, size_t *len)
{
    size_t padding = 0;
    while (padding < 2 && padding < *len && text[*len - 1 - padding] == '=')
        padding++;
    if (padding > 0 && *len % 4 != 0)
        return false;
    *len -= padding;
    return *len % 4 != 1;
}

bool bytes_from_base64(const char *text, size_t text_len, uint8_t *out, size_t cap, size_t *len)
{
    if (!strip_padding(text, &text_len))
        return false;
    size_t size = text_len / 4 * 3 + (text_len % 4 != 0 ? text_len % 4 - 1 : 0);
    if (size > cap)
        return false;
    uint32_t group = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < text_len; i++) {
        int digit = base64_digit(text[i]);
        if (digit < 0)
            return false;
        group = (group << 6 | (uint32_t)digit) & 0xffffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *out++ = (uint8_t)(group >> bits);
        }
    }
    /* Bits left over must be zero: else two texts would name one key (RFC 4648 section 3.5). */
    if ((group & ((1u << bits) - 1)) != 0)
        return false;
    *len = size;
    return true;
}
