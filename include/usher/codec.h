/* SPDX-License-Identifier: Apache-2.0 */
/* module: codec */
/* LwM2M payloads to flat lists of records and back: one pair of functions, one table of formats.
 * Encoders are deterministic: records in the order given. Any thread. */
#ifndef USHER_CODEC_H
#define USHER_CODEC_H

#include "usher/buf.h"
#include "usher/object_table.h"

/* CoAP Content-Format numbers (IANA; OMA Core 1.2 section 7.4). */
enum content_format {
    FORMAT_NONE = -1,
    FORMAT_TEXT = 0,
    FORMAT_LINK = 40,
    FORMAT_OPAQUE = 42,
    FORMAT_CBOR = 60, /* of one resource */
    FORMAT_SENML_JSON = 110,
    FORMAT_SENML_CBOR = 112,
    /* Text, TLV and JSON as they were numbered before LwM2M 1.0 had numbers of its own. */
    FORMAT_OLD_TEXT = 1541,
    FORMAT_OLD_TLV = 1542,
    FORMAT_OLD_JSON = 1543,
    FORMAT_TLV = 11542,
    FORMAT_OMA_JSON = 11543,
    FORMAT_LWM2M_CBOR = 11544,
};

bool codec_can_encode(int format);
bool codec_can_decode(int format);
/* True when it can hold a whole instance, as a Write of one wants. */
bool codec_can_encode_instance(int format);
const char *
codec_name(int format); /* "tlv" "senml-cbor" "senml-json" "lwm2m-cbor" ...; "unknown" */
int codec_from_name(const char *name); /* FORMAT_NONE when unknown */

/* Gives the bytes behind a reference while encoding. The bytes stay valid until the encoder asks
 * for the next one; the encoder keeps no copy but the output. */
struct codec_reveal {
    bool (*reveal)(void *context, const struct secret_ref *ref, struct bytes *out);
    void *context;
};

/* Encodes records that all lie under `base`: an object path (TLV then uses instance wrappers), an
 * instance path (no wrapper) or a resource path. Records of one multiple resource stand together.
 * `reveal` may be NULL when no record holds a VALUE_SECRET. On failure `out` is as before. */
enum err_code codec_encode(int format, const struct path *base, const struct record *records,
                           size_t count, const struct codec_reveal *reveal, struct buf *out,
                           struct err *err);

/* The type of a resource in a payload that does not carry types (TLV), and the check of those that
 * do. Returns VALUE_NONE when unknown: then TLV gives VALUE_OPAQUE, the others their natural type.
 */
struct codec_types {
    enum value_type (*type_of)(void *context, uint16_t object, uint16_t resource);
    void *context;
};
/* The object table as of a version; context points to an enum lwm2m_version. */
enum value_type codec_types_from_table(void *version, uint16_t object, uint16_t resource);

/* Decodes a payload addressed to `base` and appends its records (bytes copied into out->arena).
 * Refuses paths outside `base`, duplicates, broken nesting, depth and sizes beyond sane caps,
 * wrong types. On failure out->count is as before. `types` NULL = the table of LwM2M 1.2. */
enum err_code codec_decode(int format, const struct path *base, struct bytes payload,
                           const struct codec_types *types, struct records *out, struct err *err);

#endif
