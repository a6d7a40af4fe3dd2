/* CBOR items, read without trust: no allocation by an announced length, no deep recursion. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cbor_priv.h"

#include <math.h>
#include <string.h>

enum {
    INFO_ONE_BYTE = 24,
    INFO_EIGHT_BYTES = 27,
    INFO_INDEFINITE = 31,
    BREAK = 0xff,
    SIMPLE_FALSE = 20,
    SIMPLE_TRUE = 21,
    FLOAT_16 = 25,
    FLOAT_32 = 26,
    FLOAT_64 = 27,
    SKIP_DEPTH_MAX = 8,
    TAG_EPOCH_TIME = 1,
};

enum err_code cbor_fail(const struct decoder *decoder, const struct reader *reader,
                        const char *what)
{
    if (reader->failed)
        return decoder_truncated(decoder);
    return err_set(decoder->err, ERR_INVALID, "before byte %zu: %s",
                   (size_t)(reader->next - decoder->payload.data), what);
}

static uint64_t read_argument(struct reader *reader, uint8_t info)
{
    switch (info) {
    case INFO_ONE_BYTE:
        return reader_u8(reader);
    case 25:
        return reader_u16(reader);
    case 26:
        return reader_u32(reader);
    case INFO_EIGHT_BYTES:
        return reader_u64(reader);
    default:
        return info;
    }
}

bool cbor_next(struct reader *reader, struct cbor_item *out)
{
    uint8_t first = reader_u8(reader);
    out->major = (enum cbor_major)(first >> 5);
    out->info = first & 0x1f;
    out->indefinite = out->info == INFO_INDEFINITE;
    if (out->info > INFO_EIGHT_BYTES && !out->indefinite)
        return false;
    if (out->indefinite && (out->major < CBOR_BYTES || out->major > CBOR_MAP))
        return false;
    out->argument = out->indefinite ? 0 : read_argument(reader, out->info);
    return !reader->failed;
}

void cbor_walk_begin(struct cbor_walk *walk, const struct cbor_item *item)
{
    *walk = (struct cbor_walk){.indefinite = item->indefinite, .left = item->argument};
}

bool cbor_walk_next(struct cbor_walk *walk, struct reader *reader)
{
    if (reader->failed)
        return false;
    if (!walk->indefinite)
        return walk->left > 0 && walk->left-- > 0;
    if (reader_left(reader) > 0 && *reader->next == BREAK) {
        reader_skip(reader, 1);
        return false;
    }
    /* At the end of the input the next read fails, and says so. */
    return true;
}

/* Adds up the chunks of an indefinite string, or copies them when `out` is not NULL. */
static bool walk_chunks(struct reader *reader, enum cbor_major major, uint8_t *out, size_t *len)
{
    struct cbor_walk walk = {.indefinite = true};
    *len = 0;
    while (cbor_walk_next(&walk, reader)) {
        struct cbor_item chunk;
        if (!cbor_next(reader, &chunk) || chunk.major != major || chunk.indefinite)
            return false;
        if (chunk.argument > reader_left(reader)) {
            reader->failed = true;
            return false;
        }
        struct bytes part = reader_take(reader, (size_t)chunk.argument);
        if (out != NULL && part.len > 0)
            memcpy(out + *len, part.data, part.len);
        *len += part.len;
    }
    return !reader->failed;
}

enum err_code cbor_string(struct decoder *decoder, struct reader *reader,
                          const struct cbor_item *item, struct bytes *out)
{
    if (!item->indefinite) {
        if (item->argument > reader_left(reader))
            reader->failed = true;
        *out = reader_take(reader, (size_t)item->argument);
        return reader->failed ? cbor_fail(decoder, reader, "") : ERR_OK;
    }
    struct reader measured = *reader;
    size_t len = 0;
    if (!walk_chunks(&measured, item->major, NULL, &len))
        return cbor_fail(decoder, &measured, "a string of chunks is broken");
    uint8_t *joined = arena_alloc(decoder->out->arena, len);
    if (joined == NULL)
        return err_set(decoder->err, ERR_NO_MEMORY, "too little memory for the payload");
    walk_chunks(reader, item->major, joined, &len);
    *out = bytes_of(joined, len);
    return ERR_OK;
}

static double half_to_double(uint16_t half)
{
    int exponent = half >> 10 & 0x1f;
    int mantissa = half & 0x3ff;
    double value;
    if (exponent == 0)
        value = ldexp(mantissa, -24);
    else if (exponent == 31)
        value = mantissa == 0 ? (double)INFINITY : (double)NAN;
    else
        value = ldexp(mantissa + 1024, exponent - 25);
    return half & 0x8000 ? -value : value;
}

static bool simple_value(const struct cbor_item *item, struct value *out)
{
    uint32_t narrow = (uint32_t)item->argument;
    float single;
    out->type = VALUE_FLOAT;
    switch (item->info) {
    case SIMPLE_FALSE:
    case SIMPLE_TRUE:
        *out = (struct value){.type = VALUE_BOOLEAN, .boolean = item->info == SIMPLE_TRUE};
        return true;
    case FLOAT_16:
        out->real = half_to_double((uint16_t)item->argument);
        return true;
    case FLOAT_32:
        memcpy(&single, &narrow, sizeof single);
        out->real = (double)single;
        return true;
    case FLOAT_64:
        memcpy(&out->real, &item->argument, sizeof out->real);
        return true;
    default:
        return false;
    }
}

static bool integer_value(const struct cbor_item *item, struct value *out)
{
    bool fits = item->argument <= INT64_MAX;
    if (fits && item->major == CBOR_UNSIGNED)
        *out = (struct value){.type = VALUE_INTEGER, .integer = (int64_t)item->argument};
    else if (fits)
        *out = (struct value){.type = VALUE_INTEGER, .integer = -1 - (int64_t)item->argument};
    else if (item->major == CBOR_UNSIGNED)
        *out = (struct value){.type = VALUE_UNSIGNED, .natural = item->argument};
    return fits || item->major == CBOR_UNSIGNED;
}

enum err_code cbor_value(struct decoder *decoder, struct reader *reader,
                         const struct cbor_item *item, struct value *out)
{
    struct cbor_item tagged;
    /* Times go untagged in LwM2M, yet a generic library may tag them (RFC 8949 section 3.4.2). */
    if (item->major == CBOR_TAG && item->argument == TAG_EPOCH_TIME) {
        if (!cbor_next(reader, &tagged))
            return cbor_fail(decoder, reader, "is not well-formed CBOR");
        item = &tagged;
    }
    switch (item->major) {
    case CBOR_UNSIGNED:
    case CBOR_NEGATIVE:
        if (integer_value(item, out))
            return ERR_OK;
        break;
    case CBOR_BYTES:
    case CBOR_TEXT:
        out->type = item->major == CBOR_TEXT ? VALUE_STRING : VALUE_OPAQUE;
        return cbor_string(decoder, reader, item, &out->bytes);
    case CBOR_SIMPLE:
        if (simple_value(item, out))
            return ERR_OK;
        break;
    default:
        break;
    }
    return cbor_fail(decoder, reader, "is no value that LwM2M knows");
}

static bool skip_nested(struct reader *reader, unsigned depth);

static bool skip_children(struct reader *reader, const struct cbor_item *item, unsigned depth)
{
    struct cbor_walk walk;
    cbor_walk_begin(&walk, item);
    while (cbor_walk_next(&walk, reader)) {
        if (!skip_nested(reader, depth + 1))
            return false;
        if (item->major == CBOR_MAP && !skip_nested(reader, depth + 1))
            return false;
    }
    return !reader->failed;
}

static bool skip_nested(struct reader *reader, unsigned depth)
{
    struct cbor_item item;
    size_t len;
    if (depth > SKIP_DEPTH_MAX || !cbor_next(reader, &item))
        return false;
    switch (item.major) {
    case CBOR_BYTES:
    case CBOR_TEXT:
        if (item.indefinite)
            return walk_chunks(reader, item.major, NULL, &len);
        if (item.argument > reader_left(reader))
            reader->failed = true;
        reader_skip(reader, (size_t)item.argument);
        return !reader->failed;
    case CBOR_ARRAY:
    case CBOR_MAP:
        return skip_children(reader, &item, depth);
    case CBOR_TAG:
        return skip_nested(reader, depth + 1);
    default:
        return true;
    }
}

bool cbor_skip(struct reader *reader)
{
    return skip_nested(reader, 0);
}
