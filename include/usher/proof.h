/* SPDX-License-Identifier: Apache-2.0 */
/* module: model */
/* How a device has proved in its handshake who it is, and the names that a certificate gave it. */
#ifndef USHER_PROOF_H
#define USHER_PROOF_H

#include "usher/enrollment.h"

/* An identity of one kind never stands for one of the other, whatever its bytes (I8). */
enum proof {
    PROOF_PSK = 0,         /* the identity of its pre-shared key; empty = no security at all */
    PROOF_CERTIFICATE = 1, /* the names that its certificate vouches for */
};

enum { NAMES_MAX = 8, NAMES_TEXT_MAX = 1024 };

/* Usable endpoint names, each NUL-terminated, one after another; the first comes first. */
struct names {
    uint16_t count, used;
    char text[NAMES_TEXT_MAX];
    bool unvouched; /* no CA of ours vouches for them: only a pin lets the device in */
    bool hashed;    /* devices enrolled by a pin are looked for; of their certificate: */
    uint8_t hashes[2][PIN_HASH_SIZE]; /* by enum pin_kind */
    bool has_authority;               /* the CA in client-ca that vouches for them: */
    uint8_t authority[PIN_HASH_SIZE]; /* SHA-256 of its SubjectPublicKeyInfo */
};

/* False, and nothing changes: no name that a device can have (enrollment_check_endpoint), there
 * already, or no room left. */
bool names_add(struct names *names, struct bytes name);
/* Byte for byte. */
bool names_have(const struct names *names, const char *name);
const char *names_first(const struct names *names); /* "" = none */
/* Whether the identity is a pin of this certificate. */
bool names_fit_pin(const struct names *names, const struct identity *identity);

#endif
