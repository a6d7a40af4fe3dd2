/* SPDX-License-Identifier: Apache-2.0 */
/* module: vault */
/* SHA-256 (FIPS 180-4), piece by piece. */
#ifndef USHER_DIGEST_H
#define USHER_DIGEST_H

#include "usher/bytes.h"

enum { DIGEST_SIZE = 32 };

/* No memory beside it; wiped by digest_end. */
struct digest {
    uint64_t state[16]; /* libcrypto's own, of which only its size is known here */
};

void digest_begin(struct digest *digest);
void digest_add(struct digest *digest, const void *data, size_t len);
void digest_end(struct digest *digest, uint8_t out[static DIGEST_SIZE]);

/* "sha256:0123456789abcdef": by which people tell keys apart. Not for keys that can be guessed. */
enum { DIGEST_FINGERPRINT_SIZE = 7 + 16 + 1 };
void digest_fingerprint(struct bytes key, char out[static DIGEST_FINGERPRINT_SIZE]);

#endif
