/* The part of CBOR (RFC 8949) that SenML and LwM2M CBOR use. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_CBOR_PRIV_H
#define USHER_CBOR_PRIV_H

#include "codec_priv.h"

enum cbor_major {
    CBOR_UNSIGNED,
    CBOR_NEGATIVE,
    CBOR_BYTES,
    CBOR_TEXT,
    CBOR_ARRAY,
    CBOR_MAP,
    CBOR_TAG,
    CBOR_SIMPLE,
};

void cbor_put_head(struct buf *out, enum cbor_major major, uint64_t argument);
void cbor_put_integer(struct buf *out, int64_t value);
void cbor_put_text(struct buf *out, const char *text);
/* Any type but OBJLINK, which the two formats write differently. */
void cbor_put_value(struct buf *out, const struct value *value);

/* The head of one data item. */
struct cbor_item {
    enum cbor_major major;
    uint8_t info; /* low five bits */
    bool indefinite;
    uint64_t argument;
};

/* False at the end of the input (the reader then failed) and for heads that are not well-formed. */
bool cbor_next(struct reader *reader, struct cbor_item *out);

/* Walks an array or a map; one call per element or pair. False at its end and on errors. */
struct cbor_walk {
    bool indefinite;
    uint64_t left;
};
void cbor_walk_begin(struct cbor_walk *walk, const struct cbor_item *item);
bool cbor_walk_next(struct cbor_walk *walk, struct reader *reader);

/* The content of a text or byte string whose head was read; chunks are joined in the arena. */
enum err_code cbor_string(struct decoder *decoder, struct reader *reader,
                          const struct cbor_item *item, struct bytes *out);
/* A value whose head was read, in its natural type. */
enum err_code cbor_value(struct decoder *decoder, struct reader *reader,
                         const struct cbor_item *item, struct value *out);
/* Passes over one item, whatever it is; false when it is broken or nested too deeply. */
bool cbor_skip(struct reader *reader);

/* ERR_TRUNCATED when the reader failed, else ERR_INVALID with the byte it is at. */
enum err_code cbor_fail(const struct decoder *decoder, const struct reader *reader,
                        const char *what);

#endif
