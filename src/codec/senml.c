/* Names of SenML records, written and read. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "senml_priv.h"

#include <stdio.h>
#include <string.h>

unsigned senml_base_name(const struct encoder *encoder, char out[static SENML_NAME_SIZE])
{
    struct path base = encoder->records[0].path;
    base.depth = 2;
    for (size_t i = 1; i < encoder->count; i++)
        base.depth = (uint8_t)path_shared_depth(&base, &encoder->records[i].path);
    path_text(&base, out);
    if (base.depth > 0)
        strcat(out, "/");
    return base.depth;
}

void senml_name(const struct path *path, unsigned depth, char out[static SENML_NAME_SIZE])
{
    size_t len = 0;
    for (unsigned i = depth; i < path->depth; i++)
        len += (size_t)snprintf(out + len, SENML_NAME_SIZE - len, i > depth ? "/%u" : "%u",
                                path->ids[i]);
}

static enum err_code fail(const struct decoder *decoder, size_t index, const char *what)
{
    return err_set(decoder->err, ERR_INVALID, "record %zu: %s", index, what);
}

enum err_code senml_set_base(struct decoder *decoder, struct senml_base *base, struct bytes name,
                             size_t index)
{
    if (name.len >= sizeof base->name)
        return fail(decoder, index, "the base name is too long for an LwM2M path");
    base->len = name.len;
    if (name.len > 0)
        memcpy(base->name, name.data, name.len);
    return ERR_OK;
}

enum err_code senml_add(struct decoder *decoder, const struct senml_base *base,
                        const struct senml_record *record)
{
    if (!record->has_value && !record->has_name)
        return ERR_OK;
    if (!record->has_value)
        return fail(decoder, record->index, "has no value");
    char text[2 * SENML_NAME_SIZE];
    if (record->name.len >= SENML_NAME_SIZE)
        return fail(decoder, record->index, "the name is too long for an LwM2M path");
    memcpy(text, base->name, base->len);
    if (record->name.len > 0)
        memcpy(text + base->len, record->name.data, record->name.len);
    struct path path;
    if (!path_parse(text, base->len + record->name.len, &path))
        return fail(decoder, record->index, "base name and name together are no LwM2M path");
    enum err_code code = decoder_add(decoder, &path, &record->value);
    if (code != ERR_OK)
        err_prefix(decoder->err, "record %zu", record->index);
    return code;
}
