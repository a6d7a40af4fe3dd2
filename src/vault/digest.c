/* SHA-256 by libcrypto. */
/* SPDX-License-Identifier: Apache-2.0 */
/* The plain functions of libcrypto's first API: no allocation and no look-up by name at each hash,
 * which cost more than hashing the few bytes of an audit record. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "usher/digest.h"

#include <assert.h>
#include <openssl/sha.h>
#include <string.h>

static_assert(sizeof(SHA256_CTX) <= sizeof(struct digest), "the context has room");
static_assert(DIGEST_SIZE == SHA256_DIGEST_LENGTH, "the size is SHA-256's");

static SHA256_CTX *context_of(struct digest *digest)
{
    return (SHA256_CTX *)(void *)digest->state;
}

void digest_begin(struct digest *digest)
{
    SHA256_Init(context_of(digest));
}

void digest_add(struct digest *digest, const void *data, size_t len)
{
    if (len > 0)
        SHA256_Update(context_of(digest), data, len);
}

void digest_end(struct digest *digest, uint8_t out[static DIGEST_SIZE])
{
    SHA256_Final(out, context_of(digest));
    bytes_wipe(digest, sizeof *digest);
}

void digest_fingerprint(struct bytes key, char out[static DIGEST_FINGERPRINT_SIZE])
{
    static const char label[] = "usher key fingerprint";
    enum { SHOWN = 8 };
    struct digest digest;
    uint8_t hash[DIGEST_SIZE];
    digest_begin(&digest);
    digest_add(&digest, label, sizeof label);
    digest_add(&digest, key.data, key.len);
    digest_end(&digest, hash);
    memcpy(out, "sha256:", 7);
    bytes_to_hex(bytes_of(hash, SHOWN), out + 7);
}
