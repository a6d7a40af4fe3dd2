/* SPDX-License-Identifier: Apache-2.0 */
/* module: base */
/* A writing cursor over fixed or growing memory that latches errors: write all, check once. */
#ifndef USHER_BUF_H
#define USHER_BUF_H

#include "usher/bytes.h"

struct buf {
    uint8_t *data;
    size_t len;   /* bytes written */
    size_t cap;   /* bytes allocated, or the size of the fixed memory */
    size_t max;   /* growing buffers never exceed this */
    bool growing; /* owns `data` */
    bool failed;  /* something did not fit; `len` then stays at the last whole write */
};

/* A buffer that owns and grows its memory up to `max` bytes. */
void buf_init(struct buf *buf, size_t max);
/* A buffer over the caller's memory. */
void buf_init_fixed(struct buf *buf, void *memory, size_t cap);
/* Wipes what was written, frees owned memory, leaves an empty buffer of the same kind. */
void buf_clear(struct buf *buf);
/* Forgets the content (wiped) and the error, keeps the memory. */
void buf_reset(struct buf *buf);

void buf_put(struct buf *buf, const void *data, size_t len);
void buf_put_bytes(struct buf *buf, struct bytes data);
void buf_put_text(struct buf *buf, const char *text); /* without the final NUL */
void buf_put_decimal(struct buf *buf, int64_t value);
void buf_put_u8(struct buf *buf, uint8_t value);
void buf_put_u16(struct buf *buf, uint16_t value); /* network order, as all below */
void buf_put_u24(struct buf *buf, uint32_t value);
void buf_put_u32(struct buf *buf, uint32_t value);
void buf_put_u64(struct buf *buf, uint64_t value);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Room for `len` more bytes, counted as written; NULL when it does not fit. */
uint8_t *buf_claim(struct buf *buf, size_t len);
struct bytes buf_bytes(const struct buf *buf);
/* The content as a C string (adds a NUL beyond `len`); NULL when the buffer failed. */
const char *buf_text(struct buf *buf);

#endif
