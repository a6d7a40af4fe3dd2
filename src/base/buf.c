/* The writing cursor. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/buf.h"
#include "usher/pool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ALLOCATION = 256 };

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max, .growing = true};
}

void buf_init_fixed(struct buf *buf, void *memory, size_t cap)
{
    *buf = (struct buf){.data = memory, .cap = cap, .max = cap};
}

void buf_reset(struct buf *buf)
{
    bytes_wipe(buf->data, buf->len);
    buf->len = 0;
    buf->failed = false;
}

void buf_clear(struct buf *buf)
{
    buf_reset(buf);
    if (!buf->growing)
        return;
    pool_free(buf->data);
    buf->data = NULL;
    buf->cap = 0;
}

/* Moves to larger memory. Not realloc(): it may leave a copy of a key behind. One byte more than
 * `cap` is allocated, for the NUL of buf_text. */
static bool grow(struct buf *buf, size_t need)
{
    size_t cap = buf->cap > 0 ? buf->cap : FIRST_ALLOCATION;
    while (cap < need)
        cap = cap > buf->max / 2 ? buf->max : cap * 2;
    if (cap > buf->max)
        cap = buf->max;
    uint8_t *data = pool_alloc(cap + 1);
    if (data == NULL)
        return false;
    if (buf->len > 0)
        memcpy(data, buf->data, buf->len);
    bytes_wipe(buf->data, buf->len);
    pool_free(buf->data);
    buf->data = data;
    buf->cap = cap;
    return true;
}

uint8_t *buf_claim(struct buf *buf, size_t len)
{
    if (buf->failed)
        return NULL;
    bool fits = buf->data != NULL && len <= buf->cap - buf->len;
    if (!fits && buf->growing && len <= buf->max - buf->len)
        fits = grow(buf, buf->len + len);
    if (!fits) {
        buf->failed = true;
        return NULL;
    }
    uint8_t *room = buf->data + buf->len;
    buf->len += len;
    return room;
}

void buf_put(struct buf *buf, const void *data, size_t len)
{
    if (len == 0)
        return;
    uint8_t *room = buf_claim(buf, len);
    if (room != NULL)
        memcpy(room, data, len);
}

void buf_put_bytes(struct buf *buf, struct bytes data)
{
    buf_put(buf, data.data, data.len);
}

void buf_put_text(struct buf *buf, const char *text)
{
    buf_put(buf, text, strlen(text));
}

void buf_put_decimal(struct buf *buf, int64_t value)
{
    char digits[BYTES_DECIMAL_SIZE];
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    if (value < 0)
        buf_put_u8(buf, '-');
    buf_put(buf, digits, bytes_to_decimal(size, digits));
}

static void put_number(struct buf *buf, uint64_t value, size_t len)
{
    uint8_t *room = buf_claim(buf, len);
    for (size_t i = 0; room != NULL && i < len; i++)
        room[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
}

void buf_put_u8(struct buf *buf, uint8_t value)
{
    uint8_t *room = buf_claim(buf, 1);
    if (room != NULL)
        *room = value;
}

void buf_put_u16(struct buf *buf, uint16_t value)
{
    put_number(buf, value, 2);
}

void buf_put_u24(struct buf *buf, uint32_t value)
{
    put_number(buf, value, 3);
}

void buf_put_u32(struct buf *buf, uint32_t value)
{
    put_number(buf, value, 4);
}

void buf_put_u64(struct buf *buf, uint64_t value)
{
    put_number(buf, value, 8);
}

/* Text too long for the stack of buf_printf. */
__attribute__((format(printf, 2, 0))) static void put_long_format(struct buf *buf,
                                                                  const char *format, va_list args)
{
    char *text = NULL;
    int len = vasprintf(&text, format, args);
    if (len < 0) {
        buf->failed = true;
        return;
    }
    buf_put(buf, text, (size_t)len);
    bytes_wipe(text, (size_t)len);
    free(text);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len >= 0 && (size_t)len < sizeof text) {
        buf_put(buf, text, (size_t)len);
    } else {
        va_start(args, format);
        put_long_format(buf, format, args);
        va_end(args);
    }
    bytes_wipe(text, sizeof text);
}

struct bytes buf_bytes(const struct buf *buf)
{
    return bytes_of(buf->data, buf->len);
}

const char *buf_text(struct buf *buf)
{
    if (buf->failed)
        return NULL;
    bool room = buf->data != NULL && (buf->growing || buf->len < buf->cap);
    if (!room && (!buf->growing || !grow(buf, 0))) {
        buf->failed = true;
        return NULL;
    }
    buf->data[buf->len] = '\0';
    return (const char *)buf->data;
}
