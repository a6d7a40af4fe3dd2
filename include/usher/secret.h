/* SPDX-License-Identifier: Apache-2.0 */
/* module: base */
/* Key material: one type, no allocation, wiped when cleared, never printed. */
#ifndef USHER_SECRET_H
#define USHER_SECRET_H

#include "usher/bytes.h"

/* Holds a PSK (at most 64 bytes, OMA Transport 1.2 section 5.2.8) or a P-384 key as PKCS#8. */
enum { SECRET_MAX = 256 };

struct secret {
    uint16_t len;
    uint8_t data[SECRET_MAX];
};

bool secret_set(struct secret *secret, struct bytes data); /* false when too long */
void secret_random(struct secret *secret, size_t len);     /* len <= SECRET_MAX */
void secret_clear(struct secret *secret);                  /* wipes */
struct bytes secret_bytes(const struct secret *secret);
bool secret_equal(const struct secret *a, const struct secret *b); /* constant time */

#endif
