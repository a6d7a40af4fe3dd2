/* SPDX-License-Identifier: Apache-2.0 */
/* Inside ca: the register, and what libcrypto does. */
#ifndef USHER_CA_PRIV_H
#define USHER_CA_PRIV_H

#include "usher/ca.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

struct ca {
    char *folder;
    int fd; /* of the register, locked */
    X509 *certificate;
    EVP_PKEY *key;
    char *pem; /* of the certificate */
    struct ca_entry *entries;
    size_t count, cap;
    uint64_t crl_number; /* the last one given */
};

/* "FOLDER/NAME"; NULL: no memory. To be freed. */
char *ca_path(const char *folder, const char *name);
/* A file that is not there yet, whole and on the disk, or not at all. */
enum err_code ca_write_new(const char *path, const char *text, unsigned mode, struct err *err);
/* NUL-terminated, to be freed; wiped by the caller when it is a secret. `secret`: nobody else may
 * have access to it. */
enum err_code ca_read_file(const char *path, bool secret, char **out, struct err *err);

/* ---- the register ---- */
enum err_code ca_register_load(struct ca *ca, struct err *err);
/* Durable when they return; the entries in memory are changed as well. */
enum err_code ca_register_issued(struct ca *ca, const struct ca_entry *entry, struct err *err);
enum err_code ca_register_revoked(struct ca *ca, struct ca_entry *entry, struct err *err);
enum err_code ca_register_crl(struct ca *ca, int64_t now_ms, struct err *err);

/* ---- certificates ---- */
/* False: libcrypto is out of memory, as for all of these that give a bool or NULL. */
EVP_PKEY *ca_make_key(void);
X509 *ca_make_root(EVP_PKEY *key, const char *name, unsigned days);
/* Takes nothing over. Fills serial, times and fingerprint of the entry; its name is set. */
enum err_code ca_make_certificate(const struct ca *ca, EVP_PKEY *public_key, unsigned days,
                                  struct ca_entry *entry, X509 **out, struct err *err);
char *ca_certificate_pem(X509 *certificate);
char *ca_key_pem(EVP_PKEY *key); /* a secret */
/* The key of a request that was signed with it. */
enum err_code ca_read_request(struct bytes csr, EVP_PKEY **out, struct err *err);
enum err_code ca_make_crl(const struct ca *ca, int64_t now_ms, unsigned days, char **out,
                          struct err *err);
bool ca_serial_text(const X509 *certificate, char out[static CA_SERIAL_SIZE]);
X509 *ca_read_certificate(struct bytes text);
/* Serial, times, fingerprint and name of a certificate as an entry. */
bool ca_describe(X509 *certificate, struct ca_entry *entry);
bool ca_key_der(EVP_PKEY *key, struct secret *out);
bool ca_certificate_der(X509 *certificate, struct buf *out);

#endif
