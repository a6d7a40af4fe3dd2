/* SPDX-License-Identifier: Apache-2.0 */
/* module: x509 */
/* Certificates in the handshake: our chain and key, the CAs of devices and their CRLs as one
 * immutable snapshot; and what a device's certificate says. docs/certificates.md. */
#ifndef USHER_X509_H
#define USHER_X509_H

#include "usher/err.h"
#include "usher/proof.h"

struct mbedtls_ssl_config;
struct mbedtls_x509_crt;

/* A snapshot with counted references; any thread. */
struct x509;

/* Where a certificate says the endpoint name. */
enum x509_names { X509_CN = 1, X509_URI = 2, X509_DNS = 4, X509_ALL = 7 };

/* Paths of files, PEM or DER. */
struct x509_settings {
    const char *certificate; /* ours first, then its issuers: X509_CHAIN_MAX at most */
    const char *key;         /* not encrypted; mode 0600 or less */
    const char *client_ca;
    const char *const *crls;
    size_t crl_count;
    bool expired_crl_is_good; /* else every certificate of its CA is refused */
    bool pinned;    /* a certificate need not come from a CA of ours; whoever shows one has to be
                       enrolled by it or its key then */
    unsigned names; /* enum x509_names, several */
};

enum { X509_CHAIN_MAX = 3, X509_WARN_DAYS = 30 };

/* Gets one sentence for people, that names the file. */
typedef void (*x509_warn_fn)(void *context, const char *text);

/* Reads and checks everything; all or nothing. ERR_IO, ERR_DENIED (key file), ERR_INVALID,
 * ERR_UNSUPPORTED, ERR_TOO_LARGE, ERR_NO_MEMORY: err names the file and what to do. What works and
 * will not for long, or not for all, goes to `warn`. */
enum err_code x509_load(const struct x509_settings *settings, int64_t wall_ms, x509_warn_fn warn,
                        void *context, struct x509 **out, struct err *err);
struct x509 *x509_ref(struct x509 *x509); /* NULL accepted */
void x509_unref(struct x509 *x509);       /* wipes the key with the last one; NULL accepted */

/* For status and metrics; times since 1970, 0 = there is none. */
struct x509_facts {
    int64_t certificate_until_ms; /* the chain's earliest end */
    int64_t crl_issued_ms;        /* of the oldest CRL: its age */
    int64_t crl_until_ms;         /* the earliest next update */
    size_t authorities, crls;
};
void x509_read_facts(const struct x509 *x509, struct x509_facts *out);

/* ---- inside DTLS ---- */

/* Our chain and key, the CAs, and that a device has to show a certificate. `config` borrows from
 * the snapshot. */
enum err_code x509_configure(struct x509 *x509, struct mbedtls_ssl_config *config);

/* What the certificate of a device says. */
struct x509_device {
    struct names names;
    bool unvouched;
    const uint8_t *authority;       /* hash of its key; NULL = none */
    char subject[IDENTITY_MAX + 1]; /* for people: the common name, or the whole subject; whether
                                       it is true is another question */
};
/* Mbed TLS's verify callback, for each certificate of the chain, the device's last (depth 0): fills
 * `device` and amends `flags`. */
int x509_check(const struct x509 *x509, struct x509_device *device,
               struct mbedtls_x509_crt *certificate, int depth, uint32_t *flags);
/* Why a chain was refused: "has expired", to follow a certificate's name; "" when flags are 0. */
const char *x509_explain(uint32_t flags);

#endif
