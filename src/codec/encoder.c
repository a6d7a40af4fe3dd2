/* The encoder's checks, and the values behind references. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "codec_priv.h"

#include <stdio.h>

unsigned path_shared_depth(const struct path *a, const struct path *b)
{
    unsigned depth = 0;
    while (depth < a->depth && depth < b->depth && a->ids[depth] == b->ids[depth])
        depth++;
    return depth;
}

static enum err_code fail_at(const struct encoder *encoder, const struct record *record,
                             enum err_code code, const char *what)
{
    char text[PATH_TEXT_SIZE];
    path_text(&record->path, text);
    return err_set(encoder->err, code, "%s: %s", text, what);
}

/* Against all earlier records: no path twice, no run of an instance or resource split in two. */
static enum err_code check_order(const struct encoder *encoder, size_t index)
{
    const struct record *record = &encoder->records[index];
    unsigned with_previous =
        index > 0 ? path_shared_depth(&record->path, &record[-1].path) : PATH_DEPTH_MAX;
    for (size_t i = 0; i < index; i++) {
        const struct path *earlier = &encoder->records[i].path;
        unsigned shared = path_shared_depth(&record->path, earlier);
        if (shared == record->path.depth || shared == earlier->depth)
            return fail_at(encoder, record, ERR_INVALID, "is written twice");
        if (shared >= 2 && shared > with_previous)
            return fail_at(encoder, record, ERR_INVALID, "does not stand with its like");
    }
    return ERR_OK;
}

enum err_code encoder_check(const struct encoder *encoder)
{
    for (size_t i = 0; i < encoder->count; i++) {
        const struct record *record = &encoder->records[i];
        if (record->path.depth < 3 || record->path.depth > 4)
            return fail_at(encoder, record, ERR_INVALID, "is not a resource");
        if (!path_under(&record->path, encoder->base))
            return fail_at(encoder, record, ERR_INVALID, "lies outside the path written to");
        enum err_code code = check_order(encoder, i);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

size_t encoder_run_end(const struct encoder *encoder, size_t from, unsigned depth)
{
    size_t end = from + 1;
    while (end < encoder->count &&
           path_shared_depth(&encoder->records[from].path, &encoder->records[end].path) >= depth)
        end++;
    return end;
}

static enum err_code reveal_secret(const struct encoder *encoder, const struct record *record,
                                   struct value *out)
{
    const struct secret_ref *ref = &record->value.secret;
    struct bytes secret = {0};
    if (encoder->reveal == NULL ||
        !encoder->reveal->reveal(encoder->reveal->context, ref, &secret)) {
        char what[96];
        snprintf(what, sizeof what, "the %s of server %u is not at hand",
                 secret_kind_name(ref->kind), ref->ssid);
        return fail_at(encoder, record, ERR_NOT_FOUND, what);
    }
    *out = (struct value){.type = ref->as_text ? VALUE_STRING : VALUE_OPAQUE, .bytes = secret};
    return ERR_OK;
}

enum err_code encoder_value(const struct encoder *encoder, const struct record *record, bool text,
                            struct value *out)
{
    struct value value = record->value;
    if (value.type == VALUE_SECRET) {
        enum err_code code = reveal_secret(encoder, record, &value);
        if (code != ERR_OK)
            return code;
        /* Object 21 before 2.0 calls raw keys String: only formats that mark text mind. */
        if (text && value.type == VALUE_STRING && !bytes_is_utf8(value.bytes))
            return fail_at(encoder, record, ERR_INVALID,
                           "the key is no text, as this content format wants; use TLV");
    } else if (value.type == VALUE_STRING && !bytes_is_utf8(value.bytes)) {
        return fail_at(encoder, record, ERR_INVALID, "the string is not valid UTF-8");
    }
    if (value.type == VALUE_NONE || value.type >= VALUE_SECRET)
        return fail_at(encoder, record, ERR_INVALID, "has no value");
    *out = value;
    return ERR_OK;
}
