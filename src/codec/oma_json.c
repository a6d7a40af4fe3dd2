/* The JSON of LwM2M 1.0, writing and reading (OMA TS 1.0.2 section 6.4.4). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "json_priv.h"
#include "senml_priv.h"

#include <string.h>

static enum err_code put_value(const struct encoder *encoder, const struct value *value)
{
    struct buf *out = encoder->out;
    char link[OBJLINK_TEXT_SIZE];
    switch (value->type) {
    case VALUE_STRING:
        buf_put_text(out, "\"sv\":");
        json_put_string(out, value->bytes);
        return ERR_OK;
    case VALUE_OPAQUE:
        buf_put_text(out, "\"sv\":\"");
        json_put_base64(out, value->bytes, false);
        buf_put_u8(out, '"');
        return ERR_OK;
    case VALUE_BOOLEAN:
        buf_put_text(out, value->boolean ? "\"bv\":true" : "\"bv\":false");
        return ERR_OK;
    case VALUE_OBJLINK:
        objlink_text(value->link, link);
        buf_printf(out, "\"ov\":\"%s\"", link);
        return ERR_OK;
    default:
        buf_put_text(out, "\"v\":");
        return json_put_number(out, value, encoder->err);
    }
}

enum err_code oma_json_encode(const struct encoder *encoder)
{
    struct buf *out = encoder->out;
    char name[SENML_NAME_SIZE];
    if (encoder->count == 0)
        return err_set(encoder->err, ERR_INVALID, "there is nothing to write");
    unsigned depth = senml_base_name(encoder, name);
    buf_printf(out, "{\"bn\":\"%s\",\"e\":[", name);
    for (size_t i = 0; i < encoder->count; i++) {
        struct value value;
        enum err_code code = encoder_value(encoder, &encoder->records[i], true, &value);
        if (code != ERR_OK)
            return code;
        senml_name(&encoder->records[i].path, depth, name);
        buf_printf(out, "%s{\"n\":\"%s\",", i > 0 ? "," : "", name);
        code = put_value(encoder, &value);
        if (code != ERR_OK)
            return code;
        buf_put_u8(out, '}');
    }
    buf_put_text(out, "]}");
    return ERR_OK;
}

static enum err_code fail(const struct decoder *decoder, size_t index, const char *what)
{
    return err_set(decoder->err, ERR_INVALID, "entry %zu: %s", index, what);
}

/* "sv" holds strings and, in base64, opaque values: only the resource's type tells which. */
static bool read_string(struct decoder *decoder, const json_t *json, const struct path *path,
                        struct value *out)
{
    if (!json_is_string(json))
        return false;
    *out = (struct value){.type = VALUE_STRING, .bytes = json_text(json)};
    if (path->depth < 3 || decoder_type(decoder, path) != VALUE_OPAQUE)
        return true;
    *out = (struct value){.type = VALUE_OPAQUE, .bytes = json_base64(decoder, json)};
    return out->bytes.data != NULL;
}

static bool read_link(const json_t *json, struct value *out)
{
    *out = (struct value){.type = VALUE_OBJLINK};
    return json_is_string(json) && objlink_parse(json_text(json), &out->link);
}

static bool read_number(const json_t *json, struct value *out)
{
    if (json_is_integer(json))
        *out = (struct value){.type = VALUE_INTEGER, .integer = json_integer_value(json)};
    else
        *out = (struct value){.type = VALUE_FLOAT, .real = json_real_value(json)};
    return json_is_number(json);
}

static enum err_code read_value(struct decoder *decoder, const json_t *entry,
                                const struct path *path, size_t index, struct value *out)
{
    const json_t *v = json_object_get(entry, "v"), *sv = json_object_get(entry, "sv");
    const json_t *bv = json_object_get(entry, "bv"), *ov = json_object_get(entry, "ov");
    if ((v != NULL) + (sv != NULL) + (bv != NULL) + (ov != NULL) != 1)
        return fail(decoder, index, "must have one of v, sv, bv, ov");
    bool good = json_is_boolean(bv);
    if (good)
        *out = (struct value){.type = VALUE_BOOLEAN, .boolean = json_is_true(bv)};
    else if (v != NULL)
        good = read_number(v, out);
    else if (sv != NULL)
        good = read_string(decoder, sv, path, out);
    else if (ov != NULL)
        good = read_link(ov, out);
    return good ? ERR_OK : fail(decoder, index, "the value is not of its type");
}

static enum err_code read_entry(struct decoder *decoder, const json_t *entry,
                                const struct senml_base *base, size_t index)
{
    const json_t *n = json_object_get(entry, "n");
    struct bytes name = json_is_string(n) ? json_text(n) : (struct bytes){0};
    char text[2 * SENML_NAME_SIZE];
    struct path path;
    if (!json_is_object(entry) || (n != NULL && !json_is_string(n)) || name.len >= SENML_NAME_SIZE)
        return fail(decoder, index, "must be an object whose n is a name");
    memcpy(text, base->name, base->len);
    if (name.len > 0)
        memcpy(text + base->len, name.data, name.len);
    if (!path_parse(text, base->len + name.len, &path))
        return fail(decoder, index, "base name and name together are no LwM2M path");
    struct value value;
    enum err_code code = read_value(decoder, entry, &path, index, &value);
    return code == ERR_OK ? decoder_add(decoder, &path, &value) : code;
}

/* Without "bn", names are relative to the path asked for. */
static enum err_code read_base(struct decoder *decoder, const json_t *document,
                               struct senml_base *base)
{
    const json_t *bn = json_object_get(document, "bn");
    if (bn != NULL && !json_is_string(bn))
        return err_set(decoder->err, ERR_INVALID, "bn must be a string");
    if (bn != NULL)
        return senml_set_base(decoder, base, json_text(bn), 0);
    path_text(decoder->base, base->name);
    strcat(base->name, "/");
    base->len = strlen(base->name);
    return ERR_OK;
}

static enum err_code read_document(struct decoder *decoder, const json_t *document)
{
    struct senml_base base = {0};
    const json_t *entries = json_object_get(document, "e");
    if (!json_is_array(entries))
        return err_set(decoder->err, ERR_INVALID, "must be an object with an array e");
    enum err_code code = read_base(decoder, document, &base);
    for (size_t i = 0; code == ERR_OK && i < json_array_size(entries); i++)
        code = read_entry(decoder, json_array_get(entries, i), &base, i + 1);
    return code;
}

enum err_code oma_json_decode(struct decoder *decoder)
{
    json_t *document = NULL;
    enum err_code code = json_read(decoder, &document);
    if (code != ERR_OK)
        return code;
    code = read_document(decoder, document);
    json_decref(document);
    return code;
}
