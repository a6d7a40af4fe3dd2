/* LwM2M CBOR, writing (OMA Core 1.2 section 7.4.7): {[object, instance]: {resource: value}}. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cbor_priv.h"

static enum err_code put_value(const struct encoder *encoder, const struct record *record)
{
    struct value value;
    enum err_code code = encoder_value(encoder, record, true, &value);
    if (code != ERR_OK)
        return code;
    if (value.type == VALUE_OBJLINK) {
        char link[OBJLINK_TEXT_SIZE];
        objlink_text(value.link, link);
        cbor_put_text(encoder->out, link);
    } else {
        cbor_put_value(encoder->out, &value);
    }
    return ERR_OK;
}

static size_t count_runs(const struct encoder *encoder, size_t from, size_t to, unsigned depth)
{
    size_t runs = 0;
    for (; from < to; runs++)
        from = encoder_run_end(encoder, from, depth);
    return runs;
}

static enum err_code put_multiple(const struct encoder *encoder, size_t from, size_t to)
{
    enum err_code code = ERR_OK;
    cbor_put_head(encoder->out, CBOR_MAP, to - from);
    for (size_t i = from; i < to && code == ERR_OK; i++) {
        cbor_put_head(encoder->out, CBOR_UNSIGNED, encoder->records[i].path.ids[3]);
        code = put_value(encoder, &encoder->records[i]);
    }
    return code;
}

static enum err_code put_instance(const struct encoder *encoder, size_t from, size_t to)
{
    const struct path *path = &encoder->records[from].path;
    struct buf *out = encoder->out;
    enum err_code code = ERR_OK;
    cbor_put_head(out, CBOR_ARRAY, 2);
    cbor_put_head(out, CBOR_UNSIGNED, path->ids[0]);
    cbor_put_head(out, CBOR_UNSIGNED, path->ids[1]);
    cbor_put_head(out, CBOR_MAP, count_runs(encoder, from, to, 3));
    for (size_t next; from < to && code == ERR_OK; from = next) {
        const struct record *record = &encoder->records[from];
        next = encoder_run_end(encoder, from, 3);
        cbor_put_head(out, CBOR_UNSIGNED, record->path.ids[2]);
        code = record->path.depth == 3 ? put_value(encoder, record)
                                       : put_multiple(encoder, from, next);
    }
    return code;
}

enum err_code lwm2m_cbor_encode(const struct encoder *encoder)
{
    /* Readers refuse empty maps. */
    if (encoder->count == 0)
        return err_set(encoder->err, ERR_INVALID, "there is nothing to write");
    enum err_code code = ERR_OK;
    cbor_put_head(encoder->out, CBOR_MAP, count_runs(encoder, 0, encoder->count, 2));
    for (size_t from = 0, next; from < encoder->count && code == ERR_OK; from = next) {
        next = encoder_run_end(encoder, from, 2);
        code = put_instance(encoder, from, next);
    }
    return code;
}
