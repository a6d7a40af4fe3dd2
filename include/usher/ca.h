/* SPDX-License-Identifier: Apache-2.0 */
/* module: ca */
/* A small issuing CA in a folder: its certificate (ca.pem), its key (ca.key, mode 0600) and a
 * register of what it has issued and revoked (issued.jsonl). ECDSA on P-256 with SHA-256 (RFC
 * 5280); one level: what it issues cannot issue. docs/certificates.md tells how it is used.
 *
 * A certificate is in the register, and the register on the disk, before anybody gets it. One
 * process at a time changes a CA (flock). Functions of one CA are for one thread. */
#ifndef USHER_CA_H
#define USHER_CA_H

#include "usher/buf.h"
#include "usher/err.h"
#include "usher/secret.h"

struct ca;

enum { CA_SERIAL_SIZE = 33, CA_NAME_MAX = 255, CA_DAYS_MAX = 36500 };

/* RFC 5280 section 5.3.1 */
enum ca_reason {
    CA_UNSPECIFIED = 0,
    CA_KEY_COMPROMISE = 1,
    CA_AFFILIATION_CHANGED = 3,
    CA_SUPERSEDED = 4,
    CA_CESSATION = 5,
};
const char *ca_reason_name(enum ca_reason reason); /* "key-compromise" */
bool ca_reason_from_name(const char *name, enum ca_reason *out);

struct ca_entry {
    char serial[CA_SERIAL_SIZE]; /* lower case hexadecimal */
    char name[CA_NAME_MAX + 1];  /* the endpoint, or the server's host name */
    bool server;                 /* for a server, else for a device */
    int64_t issued_ms, expires_ms;
    int64_t revoked_ms; /* 0 = it is good until it expires */
    enum ca_reason reason;
    char fingerprint[65]; /* SHA-256 of the certificate */
};

/* Makes the folder and the CA in it. ERR_EXISTS: there is one. `name`: its common name, at most 64
 * bytes; `days`: 1 to CA_DAYS_MAX. */
enum err_code ca_init(const char *folder, const char *name, unsigned days, struct err *err);
/* ERR_DENIED: others can use the key; ERR_INVALID: no CA, or one that is damaged; ERR_BUSY: another
 * process changes it. */
enum err_code ca_open(const char *folder, struct ca **out, struct err *err);
/* Certificate and key alone, without the register and its lock: for ca_certify, from any thread. */
enum err_code ca_open_to_sign(const char *folder, struct ca **out, struct err *err);
void ca_close(struct ca *ca); /* NULL accepted */

struct ca_wish {
    const char *name; /* an endpoint (1 to 255 bytes of UTF-8), or a host name or address */
    struct bytes csr; /* PKCS#10 in PEM or DER: its key is certified, what else it says is not;
                         empty: a key is made */
    unsigned days;    /* cut where the CA itself ends */
    bool server;      /* TLS server authentication rather than client */
};

struct ca_issued {
    struct ca_entry entry;
    char *certificate; /* PEM */
    char *key;         /* PKCS#8 in PEM; NULL with a request */
};

/* ERR_INVALID: the name cannot stand in a certificate, or the request is none or was not signed
 * with the key that it names (proof of possession, RFC 2986 section 4.2). */
enum err_code ca_issue(struct ca *ca, const struct ca_wish *wish, struct ca_issued *out,
                       struct err *err);
void ca_issued_clear(struct ca_issued *issued); /* wipes */

/* A device's certificate and its fresh key (PKCS#8), both DER. The register does not know of it:
 * whoever asks for it keeps it, and ca_adopt takes it in when it has to be revoked. */
enum err_code ca_certify(const struct ca *ca, const char *name, unsigned days, struct secret *key,
                         struct buf *certificate, struct err *err);

/* By serial, or everything issued to a name. `revoked` counts those that were good until now: 0
 * when all had been revoked before. ERR_NOT_FOUND. */
enum err_code ca_revoke(struct ca *ca, const char *what, enum ca_reason reason, size_t *revoked,
                        struct err *err);
/* The serial of a certificate in PEM or DER, of this CA; one that ca_certify made comes into the
 * register. */
enum err_code ca_adopt(struct ca *ca, struct bytes certificate, char out[static CA_SERIAL_SIZE],
                       struct err *err);
/* A list of what is revoked and has not expired, good for so many days; PEM, to be freed. Its
 * number is higher than any before. */
enum err_code ca_crl(struct ca *ca, unsigned days, char **out, struct err *err);

size_t ca_count(const struct ca *ca);
const struct ca_entry *ca_at(const struct ca *ca, size_t index); /* oldest first */
const char *ca_certificate(const struct ca *ca);                 /* its own, PEM */

#endif
