/* The reading cursor. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/bytes.h"

void reader_init(struct reader *reader, struct bytes data)
{
    static const uint8_t nothing;
    const uint8_t *start = data.data != NULL ? data.data : &nothing;
    *reader = (struct reader){.next = start, .end = start + (data.data != NULL ? data.len : 0)};
}

size_t reader_left(const struct reader *reader)
{
    return reader->failed ? 0 : (size_t)(reader->end - reader->next);
}

struct bytes reader_take(struct reader *reader, size_t len)
{
    if (len > reader_left(reader)) {
        reader->failed = true;
        return (struct bytes){0};
    }
    struct bytes taken = reader->failed ? (struct bytes){0} : bytes_of(reader->next, len);
    if (!reader->failed)
        reader->next += len;
    return taken;
}

void reader_skip(struct reader *reader, size_t len)
{
    (void)reader_take(reader, len);
}

static uint64_t read_number(struct reader *reader, size_t len)
{
    struct bytes taken = reader_take(reader, len);
    uint64_t value = 0;
    for (size_t i = 0; i < taken.len; i++)
        value = value << 8 | taken.data[i];
    return value;
}

uint8_t reader_u8(struct reader *reader)
{
    return (uint8_t)read_number(reader, 1);
}

uint16_t reader_u16(struct reader *reader)
{
    return (uint16_t)read_number(reader, 2);
}

uint32_t reader_u24(struct reader *reader)
{
    return (uint32_t)read_number(reader, 3);
}

uint32_t reader_u32(struct reader *reader)
{
    return (uint32_t)read_number(reader, 4);
}

uint64_t reader_u64(struct reader *reader)
{
    return read_number(reader, 8);
}
