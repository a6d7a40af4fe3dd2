/* SPDX-License-Identifier: Apache-2.0 */
/* module: vault */
/* A device's key out of its group's, so that neither end has to keep a list. */
#ifndef USHER_DERIVE_H
#define USHER_DERIVE_H

#include "usher/err.h"
#include "usher/secret.h"

enum derive_scheme {
    /* HKDF-SHA256 (RFC 5869): no salt, info = label, a zero byte, the name. */
    DERIVE_HKDF = 1,
    /* HMAC-SHA256 of the name, as the DPS of Azure documents for its symmetric group keys; 32
     * bytes, no label. */
    DERIVE_HMAC = 2,
};

enum {
    DERIVE_LABEL_MAX = 63,
    DERIVE_GROUP_KEY_LEAST = 16, /* bytes */
    DERIVE_GROUP_KEY_MOST = 64,
    DERIVE_KEY_LEAST = 16,
    DERIVE_KEY_MOST = 64, /* OMA Transport 1.2 section 5.2.8 */
};

#define DERIVE_DEFAULT_LABEL "usher bootstrap psk"

const char *derive_scheme_name(enum derive_scheme scheme); /* "hkdf-sha256", "hmac-sha256" */
bool derive_scheme_from_name(const char *name, enum derive_scheme *out);

/* What of a group's key is the same for all its devices, worked out once. Holds key material: wipe
 * it with derive_clear. */
struct derive {
    enum derive_scheme scheme;
    size_t key_len;
    char label[DERIVE_LABEL_MAX + 1];
    uint64_t inner[16], outer[16]; /* states of SHA-256 after the padded key */
};

/* `key_len` of the keys to come; HMAC always gives 32. ERR_RANGE: a length; ERR_INVALID: the label.
 */
enum err_code derive_begin(struct derive *derive, enum derive_scheme scheme, struct bytes group_key,
                           const char *label, size_t key_len, struct err *err);
void derive_key(const struct derive *derive, struct bytes name, struct secret *out);
void derive_clear(struct derive *derive);

#endif
