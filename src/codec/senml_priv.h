/* Names of SenML records (RFC 8428 section 4.5.1), the same in JSON, CBOR and OMA JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_SENML_PRIV_H
#define USHER_SENML_PRIV_H

#include "codec_priv.h"

enum { SENML_NAME_SIZE = 32 };

/* What all names begin with: the path that all records share, at most down to an instance, and
 * "/". Returns its depth. There is at least one record. */
unsigned senml_base_name(const struct encoder *encoder, char out[static SENML_NAME_SIZE]);
/* The ids from `depth` on: bn + n is the path. */
void senml_name(const struct path *path, unsigned depth, char out[static SENML_NAME_SIZE]);

/* One record while it is read. */
struct senml_record {
    size_t index; /* from 1, for messages */
    bool has_name, has_value;
    struct bytes name;
    struct value value;
};

/* The base name in force. */
struct senml_base {
    size_t len;
    char name[SENML_NAME_SIZE];
};

enum err_code senml_set_base(struct decoder *decoder, struct senml_base *base, struct bytes name,
                             size_t index);
/* Adds the record under base name + name; a record without name and value only set a base. */
enum err_code senml_add(struct decoder *decoder, const struct senml_base *base,
                        const struct senml_record *record);

#endif
