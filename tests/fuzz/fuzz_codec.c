/* Fuzzes the payload decoders: the first byte picks format and base path. What decodes and can be
 * encoded again must decode to the same. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/codec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int formats[8] = {FORMAT_TLV,        FORMAT_SENML_CBOR, FORMAT_SENML_JSON,
                               FORMAT_LWM2M_CBOR, FORMAT_OMA_JSON,   FORMAT_TEXT,
                               FORMAT_OPAQUE,     FORMAT_TLV};

static const struct path bases[16] = {
    {{0, 1}, 2},     {{0}, 1},       {{1, 0}, 2},     {{2}, 1},
    {{21, 1}, 2},    {{0, 2}, 2},    {{0, 1, 5}, 3},  {{0}, 0},
    {{0, 1, 16}, 3}, {{1, 0, 1}, 3}, {{6, 0, 0}, 3},  {{1, 0, 13}, 3},
    {{3416}, 1},     {{3416, 0}, 2}, {{1, 0, 10}, 3}, {{0, 1, 16, 0}, 4},
};

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_same(const struct records *a, const struct records *b)
{
    check(a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        const struct path *path = &a->items[i].path;
        check(path_equal(path, &b->items[i].path));
        /* Without a type, a whole float may come back as an integer. */
        if (codec_types_from_table(NULL, path->ids[0], path->ids[2]) != VALUE_NONE)
            check(value_equal(&a->items[i].value, &b->items[i].value));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    int format = formats[data[0] & 7];
    const struct path *base = &bases[data[0] >> 3 & 15];
    enum lwm2m_version version = data[0] & 0x80 ? LWM2M_1_1 : LWM2M_1_2;
    const struct codec_types types = {codec_types_from_table, &version};
    struct records got = {.arena = arena_new(1 << 24)};
    struct records again = {.arena = got.arena};
    struct err err;
    struct buf out;
    buf_init(&out, 1 << 20);
    if (codec_decode(format, base, bytes_of(data + 1, size - 1), &types, &got, &err) != ERR_OK) {
        check(got.count == 0);
    } else if (codec_encode(format, base, got.items, got.count, NULL, &out, &err) == ERR_OK &&
               out.len <= 65536) {
        check(codec_decode(format, base, buf_bytes(&out), &types, &again, &err) == ERR_OK);
        check_same(&got, &again);
    }
    buf_clear(&out);
    arena_free(got.arena);
    return 0;
}
