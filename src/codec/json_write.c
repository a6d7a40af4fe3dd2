/* JSON values, written straight into the output. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "json_priv.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void put_escape(struct buf *out, uint8_t c)
{
    static const char digits[] = "0123456789abcdef";
    switch (c) {
    case '"':
    case '\\':
        buf_put(out, (const uint8_t[]){'\\', c}, 2);
        break;
    case '\n':
        buf_put_text(out, "\\n");
        break;
    case '\r':
        buf_put_text(out, "\\r");
        break;
    case '\t':
        buf_put_text(out, "\\t");
        break;
    default:
        buf_put_text(out, "\\u00");
        buf_put_u8(out, (uint8_t)digits[c >> 4]);
        buf_put_u8(out, (uint8_t)digits[c & 15]);
        break;
    }
}

void json_put_string(struct buf *out, struct bytes text)
{
    buf_put_u8(out, '"');
    size_t plain = 0; /* start of what was not written yet */
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_put(out, text.data + plain, i - plain);
        put_escape(out, c);
        plain = i + 1;
    }
    if (plain < text.len)
        buf_put(out, text.data + plain, text.len - plain);
    buf_put_u8(out, '"');
}

void json_put_base64(struct buf *out, struct bytes data, bool url)
{
    /* Group by group: the encoder's final NUL then needs no room in the output, and the only copy
     * elsewhere is the last group, wiped. */
    char group[BYTES_BASE64_SIZE(3)];
    while (data.len > 0) {
        size_t here = data.len < 3 ? data.len : 3;
        bytes_to_base64(bytes_of(data.data, here), url, group);
        buf_put_text(out, group);
        data.data += here;
        data.len -= here;
    }
    bytes_wipe(group, sizeof group);
}

/* The fewest digits that give the same number back; 17 always do. */
static void put_real(struct buf *out, double value)
{
    char text[32];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buf_put_text(out, text);
}

enum err_code json_put_number(struct buf *out, const struct value *value, struct err *err)
{
    switch (value->type) {
    case VALUE_UNSIGNED:
        buf_printf(out, "%" PRIu64, value->natural);
        return ERR_OK;
    case VALUE_FLOAT:
        if (!isfinite(value->real))
            return err_set(err, ERR_INVALID, "infinity and NaN cannot be written as text");
        put_real(out, value->real);
        return ERR_OK;
    default:
        buf_printf(out, "%" PRId64, value->integer);
        return ERR_OK;
    }
}
