/* SPDX-License-Identifier: Apache-2.0 */
/* Inside x509: the snapshot, and how findings of loading are said. */
#ifndef USHER_X509_PRIV_H
#define USHER_X509_PRIV_H

#include "usher/x509.h"

#include <mbedtls/pk.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crl.h>
#include <mbedtls/x509_crt.h>
#include <stdatomic.h>

#if MBEDTLS_VERSION_NUMBER < 0x03000000
#define MBEDTLS_PRIVATE(member) member
#endif

struct x509 {
    atomic_uint references;
    mbedtls_x509_crt chain, authorities;
    uint8_t (*authority_hashes)[PIN_HASH_SIZE]; /* of the keys of `authorities`, in that order */
    mbedtls_pk_context key;
    mbedtls_x509_crl crls;
    bool has_crl, expired_crl_is_good, pinned;
    unsigned names;
};

/* While a snapshot is loaded. */
struct x509_loading {
    struct x509 *x509;
    const struct x509_settings *settings;
    int64_t wall_ms;
    x509_warn_fn warn;
    void *context;
    struct err *err;
};

/* ECDSA on P-256 and P-384 with SHA-256 and better. */
extern const mbedtls_x509_crt_profile x509_profile;

int x509_random(void *context, unsigned char *out, size_t len); /* for Mbed TLS */
int64_t x509_time_ms(const mbedtls_x509_time *time);
/* The subject's common name, else the whole subject; for messages. */
void x509_subject(const mbedtls_x509_crt *certificate, char out[static IDENTITY_MAX + 1]);
/* Name constraints (RFC 5280 section 4.2.1.10) bind the names below; Mbed TLS does not apply them.
 */
bool x509_has_name_constraints(const mbedtls_x509_crt *certificate);

/* device.c; false: no memory. */
bool x509_hash_authorities(struct x509 *x509);

/* check.c: what parsing does not see. */
enum err_code x509_check_own(struct x509_loading *loading);
enum err_code x509_check_authorities(struct x509_loading *loading);
void x509_check_crls(struct x509_loading *loading);

#endif
