/* What the formats share: the encoder's and the decoder's side of codec.c. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_CODEC_PRIV_H
#define USHER_CODEC_PRIV_H

#include "usher/codec.h"

/* One call of codec_encode. The records are checked before a format sees them: each has depth 3 or
 * 4, lies under the base, none contains another, and those of one instance and of one multiple
 * resource stand together. */
struct encoder {
    const struct path *base;
    const struct record *records;
    size_t count;
    const struct codec_reveal *reveal;
    struct buf *out; /* latches: a format need not look */
    struct err *err;
};

/* Makes sure of all that. */
enum err_code encoder_check(const struct encoder *encoder);
/* The value of a record; a reference is replaced by its bytes, which are valid until the next
 * call. `text` tells whether strings must be UTF-8 in this format. */
enum err_code encoder_value(const struct encoder *encoder, const struct record *record, bool text,
                            struct value *out);
/* End of the run of records from `from` on that share their first `depth` ids. */
size_t encoder_run_end(const struct encoder *encoder, size_t from, unsigned depth);
/* Ids that a and b share from the front. */
unsigned path_shared_depth(const struct path *a, const struct path *b);

/* One call of codec_decode. */
struct decoder {
    const struct path *base;
    struct bytes payload;
    const struct codec_types *types;
    struct records *out;
    size_t first;        /* records of `out` before this are not ours */
    struct path highest; /* highest path added so far; root = none */
    struct err *err;
};

/* The type expected at a path, VALUE_NONE when unknown. */
enum value_type decoder_type(const struct decoder *decoder, const struct path *path);
/* Fails when a record with this path, under it or above it was added already, or when the path has
 * nothing to do with the base. For containers as well as for values. */
enum err_code decoder_claim(struct decoder *decoder, const struct path *path);
/* Claims the path and appends the value, bytes copied. `value` has its final type. */
enum err_code decoder_append(struct decoder *decoder, const struct path *path,
                             const struct value *value);
/* The same for a value in the type its format gives it: INTEGER, UNSIGNED (only beyond INT64_MAX),
 * FLOAT, BOOLEAN, STRING, OPAQUE or OBJLINK. Converted to the type expected or refused. */
enum err_code decoder_add(struct decoder *decoder, const struct path *path,
                          const struct value *natural);
/* ERR_TRUNCATED, naming the byte. */
enum err_code decoder_truncated(const struct decoder *decoder);

/* "21:1" (OMA Core 1.2 appendix C). */
enum { OBJLINK_TEXT_SIZE = 12 };
void objlink_text(struct objlink link, char out[static OBJLINK_TEXT_SIZE]);
bool objlink_parse(struct bytes text, struct objlink *out);

enum err_code tlv_encode(const struct encoder *encoder);
enum err_code tlv_decode(struct decoder *decoder);
enum err_code senml_json_encode(const struct encoder *encoder);
enum err_code senml_json_decode(struct decoder *decoder);
enum err_code senml_cbor_encode(const struct encoder *encoder);
enum err_code senml_cbor_decode(struct decoder *decoder);
enum err_code lwm2m_cbor_encode(const struct encoder *encoder);
enum err_code lwm2m_cbor_decode(struct decoder *decoder);
enum err_code oma_json_encode(const struct encoder *encoder);
enum err_code oma_json_decode(struct decoder *decoder);
enum err_code text_encode(const struct encoder *encoder);
enum err_code text_decode(struct decoder *decoder);
enum err_code cbor_encode(const struct encoder *encoder);
enum err_code cbor_decode(struct decoder *decoder);
enum err_code opaque_encode(const struct encoder *encoder);
enum err_code opaque_decode(struct decoder *decoder);

#endif
