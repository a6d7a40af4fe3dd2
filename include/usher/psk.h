/* SPDX-License-Identifier: Apache-2.0 */
/* module: cred */
/* Pre-shared keys: making them, and the key of an identity that has none. Any thread. */
#ifndef USHER_PSK_H
#define USHER_PSK_H

#include "usher/enrollment.h"
#include "usher/secret.h"

enum { PSK_SERVER_SECRET_SIZE = 32, PSK_DECOY_SIZE = 16 };

/* A fresh key of `len` bytes (at most SECRET_MAX) from the kernel's random source. */
void psk_generate(struct secret *key, size_t len);
/* HMAC-SHA256(server secret, identity), cut to 16 bytes: what an unknown or blocked identity is met
 * with, so that it looks like a wrong key from outside and is the same at every try. False: the
 * library failed; `key` is then random. */
bool psk_decoy(const uint8_t server_secret[static PSK_SERVER_SECRET_SIZE], struct bytes identity,
               struct secret *key);

#endif
