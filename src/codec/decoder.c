/* The decoder's common part: types, duplicates, and the list of records. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "codec_priv.h"

enum { ID_RESERVED = 65535 };

static enum err_code fail_at(const struct decoder *decoder, const struct path *path,
                             enum err_code code, const char *what)
{
    char text[PATH_TEXT_SIZE];
    path_text(path, text);
    return err_set(decoder->err, code, "%s %s", text, what);
}

enum err_code decoder_truncated(const struct decoder *decoder)
{
    return err_set(decoder->err, ERR_TRUNCATED, "ends too early, after %zu bytes",
                   decoder->payload.len);
}

enum value_type decoder_type(const struct decoder *decoder, const struct path *path)
{
    return decoder->types->type_of(decoder->types->context, path->ids[0], path->ids[2]);
}

static bool is_taken(const struct decoder *decoder, const struct path *path)
{
    /* Payloads are nearly always in ascending order: then the highest path decides. Nothing lies
     * between a path and what is under it. */
    if (decoder->out->count == decoder->first)
        return false;
    if (path_compare(&decoder->highest, path) < 0)
        return path_under(path, &decoder->highest);
    for (size_t i = decoder->first; i < decoder->out->count; i++) {
        const struct path *earlier = &decoder->out->items[i].path;
        if (path_under(earlier, path) || path_under(path, earlier))
            return true;
    }
    return false;
}

enum err_code decoder_claim(struct decoder *decoder, const struct path *path)
{
    for (unsigned i = 0; i < path->depth; i++) {
        if (path->ids[i] == ID_RESERVED)
            return fail_at(decoder, path, ERR_RANGE, "uses the reserved id 65535");
    }
    if (!path_under(path, decoder->base) && !path_under(decoder->base, path)) {
        char base[PATH_TEXT_SIZE];
        path_text(decoder->base, base);
        char text[PATH_TEXT_SIZE];
        path_text(path, text);
        return err_set(decoder->err, ERR_INVALID, "%s lies outside %s", text, base);
    }
    if (is_taken(decoder, path))
        return fail_at(decoder, path, ERR_INVALID, "appears twice");
    return ERR_OK;
}

/* Object 21 before 2.0 calls raw keys String: there alone a string need not be text. */
static bool is_readable(const struct path *path, const struct value *value)
{
    return value->type != VALUE_STRING || path->ids[0] == OBJECT_OSCORE ||
           bytes_is_utf8(value->bytes);
}

enum err_code decoder_append(struct decoder *decoder, const struct path *path,
                             const struct value *value)
{
    if (path->depth < 3)
        return fail_at(decoder, path, ERR_INVALID, "is not a resource");
    enum err_code code = decoder_claim(decoder, path);
    if (code != ERR_OK)
        return code;
    if (!path_under(path, decoder->base))
        return fail_at(decoder, path, ERR_INVALID, "is not the resource instance addressed");
    if (!is_readable(path, value))
        return fail_at(decoder, path, ERR_INVALID, "holds a string that is not valid UTF-8");
    struct record record = {.path = *path, .value = *value};
    if (value->type == VALUE_STRING || value->type == VALUE_OPAQUE) {
        record.value.bytes = arena_bytes(decoder->out->arena, value->bytes);
        if (record.value.bytes.data == NULL)
            return err_set(decoder->err, ERR_NO_MEMORY, "too little memory for the payload");
    }
    code = records_add(decoder->out, &record);
    if (code == ERR_TOO_LARGE)
        return err_set(decoder->err, code, "has too many values");
    if (code != ERR_OK)
        return err_set(decoder->err, code, "too little memory for the payload");
    if (path_compare(path, &decoder->highest) > 0)
        decoder->highest = *path;
    return ERR_OK;
}

static bool to_integer(const struct value *natural, int64_t *out)
{
    const double limit = 9223372036854775808.0; /* 2^63 */
    if (natural->type == VALUE_INTEGER) {
        *out = natural->integer;
        return true;
    }
    if (natural->type != VALUE_FLOAT || !(natural->real >= -limit && natural->real < limit))
        return false;
    *out = (int64_t)natural->real;
    return (double)*out == natural->real;
}

static bool to_natural(const struct value *natural, uint64_t *out)
{
    int64_t integer = 0;
    if (natural->type == VALUE_UNSIGNED) {
        *out = natural->natural;
        return true;
    }
    if (!to_integer(natural, &integer) || integer < 0)
        return false;
    *out = (uint64_t)integer;
    return true;
}

static bool to_real(const struct value *natural, double *out)
{
    if (natural->type == VALUE_FLOAT)
        *out = natural->real;
    else if (natural->type == VALUE_INTEGER)
        *out = (double)natural->integer;
    else if (natural->type == VALUE_UNSIGNED)
        *out = (double)natural->natural;
    else
        return false;
    return true;
}

/* Senders write a whole float as an integer and the reverse, and LwM2M CBOR has links as text. */
static bool convert(enum value_type type, const struct value *natural, struct value *out)
{
    out->type = type;
    switch (type) {
    case VALUE_INTEGER:
    case VALUE_TIME:
        return to_integer(natural, &out->integer);
    case VALUE_UNSIGNED:
        return to_natural(natural, &out->natural);
    case VALUE_FLOAT:
        return to_real(natural, &out->real);
    case VALUE_OBJLINK:
        if (natural->type == VALUE_STRING)
            return objlink_parse(natural->bytes, &out->link);
        break;
    case VALUE_NONE:
        *out = *natural;
        return true;
    default:
        break;
    }
    *out = *natural;
    return natural->type == type;
}

enum err_code decoder_add(struct decoder *decoder, const struct path *path,
                          const struct value *natural)
{
    enum value_type type = path->depth >= 3 ? decoder_type(decoder, path) : VALUE_NONE;
    struct value value = {0};
    if (!convert(type, natural, &value)) {
        char text[PATH_TEXT_SIZE];
        path_text(path, text);
        return err_set(decoder->err, ERR_INVALID, "%s must be of type %s, and is %s%s", text,
                       value_type_name(type), value_type_name(natural->type),
                       natural->type == VALUE_FLOAT ? " (not whole, or too large)" : "");
    }
    return decoder_append(decoder, path, &value);
}
