/* SPDX-License-Identifier: Apache-2.0 */
/* module: crypto */
/* ECDSA and ECDH on P-256 and P-384, and the SHA-256 block, by libcrypto.
 *
 * Numbers and coordinates are big-endian byte strings of exactly ec_size(curve) bytes, points are
 * X then Y. All functions may be called by any thread at any time; outputs change only on EC_OK.
 * Secret numbers take paths of libcrypto whose time does not depend on them, and are wiped from its
 * scratch memory before the functions return. */
#ifndef USHER_EC_H
#define USHER_EC_H

#include "usher/bytes.h"

enum ec_curve { EC_P256, EC_P384, EC_CURVE_COUNT };

enum {
    EC_SIZE_MAX = 48, /* of a number or coordinate */
    EC_POINT_MAX = 2 * EC_SIZE_MAX,
};

enum ec_result {
    EC_OK = 0,
    EC_BAD_POINT,     /* a coordinate not below the field's prime, or not on the curve */
    EC_BAD_NUMBER,    /* a secret number that is zero or not below the group's order */
    EC_BAD_SIGNATURE, /* does not verify; also r or s out of range */
    EC_TRY_AGAIN,     /* this nonce gives no signature: take another (never seen in practice) */
    EC_FAILED,        /* libcrypto is out of memory */
};

size_t ec_size(enum ec_curve curve);

/* The public point of a private number. */
enum ec_result ec_public(enum ec_curve curve, const uint8_t *private, uint8_t *point);

/* ECDH (SEC 1 section 3.3.1): the X of private times point. */
enum ec_result ec_shared(enum ec_curve curve, const uint8_t *private, const uint8_t *point,
                         uint8_t *shared);

/* ECDSA (FIPS 186-4 section 6.4) of a hash of any length with the nonce given; the caller draws it
 * evenly from 1 to order - 1, once for each signature. */
enum ec_result ec_sign(enum ec_curve curve, const uint8_t *private, const uint8_t *nonce,
                       struct bytes hash, uint8_t *r, uint8_t *s);
enum ec_result ec_verify(enum ec_curve curve, const uint8_t *point, struct bytes hash,
                         const uint8_t *r, const uint8_t *s);

/* The SHA-256 compression function (FIPS 180-4 section 6.2.2). */
void ec_sha256_block(uint32_t state[static 8], const uint8_t block[static 64]);

#endif
