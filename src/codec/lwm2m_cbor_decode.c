/* LwM2M CBOR, reading (OMA Core 1.2 section 7.4.7): nested maps whose keys are one id or an array
 * of several. Each key adds an id to the path, so four levels are the deepest. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cbor_priv.h"

static enum err_code add_id(struct decoder *decoder, const struct reader *reader,
                            const struct cbor_item *item, struct path *path)
{
    if (item->major != CBOR_UNSIGNED || item->argument > UINT16_MAX)
        return cbor_fail(decoder, reader, "a key must be an id or an array of ids");
    if (path->depth == PATH_DEPTH_MAX)
        return cbor_fail(decoder, reader, "is nested deeper than a resource instance");
    path->ids[path->depth++] = (uint16_t)item->argument;
    return ERR_OK;
}

/* Lengthens `path` by the ids of one key. */
static enum err_code read_key(struct decoder *decoder, struct reader *reader, struct path *path)
{
    struct cbor_item item;
    if (!cbor_next(reader, &item))
        return cbor_fail(decoder, reader, "is not well-formed CBOR");
    if (item.major != CBOR_ARRAY)
        return add_id(decoder, reader, &item, path);
    unsigned before = path->depth;
    struct cbor_walk walk;
    cbor_walk_begin(&walk, &item);
    while (cbor_walk_next(&walk, reader)) {
        if (!cbor_next(reader, &item))
            return cbor_fail(decoder, reader, "is not well-formed CBOR");
        enum err_code code = add_id(decoder, reader, &item, path);
        if (code != ERR_OK)
            return code;
    }
    if (reader->failed || path->depth == before)
        return cbor_fail(decoder, reader, "a key is empty");
    return ERR_OK;
}

static enum err_code read_map(struct decoder *decoder, struct reader *reader,
                              const struct cbor_item *map, const struct path *prefix);

static enum err_code read_entry(struct decoder *decoder, struct reader *reader,
                                const struct path *prefix)
{
    struct path path = *prefix;
    struct cbor_item item;
    enum err_code code = read_key(decoder, reader, &path);
    if (code != ERR_OK)
        return code;
    if (!cbor_next(reader, &item))
        return cbor_fail(decoder, reader, "is not well-formed CBOR");
    if (item.major == CBOR_MAP) {
        code = decoder_claim(decoder, &path);
        return code == ERR_OK ? read_map(decoder, reader, &item, &path) : code;
    }
    struct value value = {0};
    code = cbor_value(decoder, reader, &item, &value);
    return code == ERR_OK ? decoder_add(decoder, &path, &value) : code;
}

/* Recursion ends: every key adds at least one id, and read_key refuses the fifth. */
static enum err_code read_map(struct decoder *decoder, struct reader *reader,
                              const struct cbor_item *map, const struct path *prefix)
{
    struct cbor_walk walk;
    size_t entries = 0;
    cbor_walk_begin(&walk, map);
    while (cbor_walk_next(&walk, reader)) {
        enum err_code code = read_entry(decoder, reader, prefix);
        if (code != ERR_OK)
            return code;
        entries++;
    }
    if (reader->failed || entries == 0)
        return cbor_fail(decoder, reader, "a map is empty");
    return ERR_OK;
}

enum err_code lwm2m_cbor_decode(struct decoder *decoder)
{
    struct reader reader;
    struct cbor_item item;
    const struct path root = path_root();
    reader_init(&reader, decoder->payload);
    if (!cbor_next(&reader, &item) || item.major != CBOR_MAP)
        return cbor_fail(decoder, &reader, "must be a map");
    enum err_code code = read_map(decoder, &reader, &item, &root);
    if (code == ERR_OK && reader_left(&reader) > 0)
        code = cbor_fail(decoder, &reader, "something follows after the map");
    return code;
}
