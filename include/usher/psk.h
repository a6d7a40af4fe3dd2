/* SPDX-License-Identifier: Apache-2.0 */
/* module: cred */
/* Pre-shared keys: making them, and the false one that hides which identities are known. */
#ifndef USHER_PSK_H
#define USHER_PSK_H

#include "usher/err.h"
#include "usher/secret.h"

enum {
    PSK_KEY_LEAST = 16, /* bytes that are worth calling a key */
    PSK_KEY_MOST = 64,  /* OMA Transport 1.2 section 5.2.8 */
    PSK_DECOY_LEN = 16,
    PSK_SERVER_SECRET_SIZE = 32,
};

/* A fresh random key of `len` bytes. ERR_RANGE: `out` untouched. */
enum err_code psk_generate(struct secret *out, size_t len);

/* The key for an identity that is unknown or blocked: always the same for one identity, known to
 * nobody, so that the handshake ends as with a wrong key and takes as long. Cannot fail. */
void psk_decoy(const uint8_t server_secret[static PSK_SERVER_SECRET_SIZE], struct bytes identity,
               struct secret *out);

#endif
