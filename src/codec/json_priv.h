/* Writing JSON values with exact spacing, and reading with jansson what two formats share. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_JSON_PRIV_H
#define USHER_JSON_PRIV_H

#include "codec_priv.h"

#include <jansson.h>

void json_put_string(struct buf *out, struct bytes text); /* with quotes */
void json_put_base64(struct buf *out, struct bytes data, bool url);
/* A number in its shortest exact form. ERR_INVALID for infinity and NaN, which JSON lacks. */
enum err_code json_put_number(struct buf *out, const struct value *value, struct err *err);

/* The payload as a document; the caller owns it. Fails on anything after it, on a member that
 * appears twice and on a NUL in a string. */
enum err_code json_read(struct decoder *decoder, json_t **out);
struct bytes json_text(const json_t *string); /* borrowed from it */
/* base64 of a string, decoded into the arena; data is NULL when it is none. */
struct bytes json_base64(struct decoder *decoder, const json_t *string);

#endif
