/* HKDF and HMAC with SHA-256, with the work that depends on the group alone done once. */
/* SPDX-License-Identifier: Apache-2.0 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "usher/derive.h"

#include "usher/digest.h"

#include <assert.h>
#include <openssl/sha.h>
#include <string.h>

enum { BLOCK = 64 };

static_assert(sizeof(SHA256_CTX) <= sizeof(((struct derive *)0)->inner), "the context has room");

static const char *const names[] = {
    [DERIVE_HKDF] = "hkdf-sha256",
    [DERIVE_HMAC] = "hmac-sha256",
};

const char *derive_scheme_name(enum derive_scheme scheme)
{
    return scheme == DERIVE_HKDF || scheme == DERIVE_HMAC ? names[scheme] : "unknown";
}

bool derive_scheme_from_name(const char *name, enum derive_scheme *out)
{
    for (enum derive_scheme scheme = DERIVE_HKDF; scheme <= DERIVE_HMAC; scheme++) {
        if (strcmp(names[scheme], name) == 0) {
            *out = scheme;
            return true;
        }
    }
    return false;
}

static SHA256_CTX *context_of(uint64_t *state)
{
    return (SHA256_CTX *)(void *)state;
}

/* The two halves of HMAC (RFC 2104) up to where the message begins. */
static void set_key(struct derive *derive, const uint8_t *key, size_t len)
{
    uint8_t block[BLOCK] = {0};
    memcpy(block, key, len); /* at most a block, which derive_begin has seen to */
    for (size_t i = 0; i < BLOCK; i++)
        block[i] ^= 0x36;
    SHA256_Init(context_of(derive->inner));
    SHA256_Update(context_of(derive->inner), block, BLOCK);
    for (size_t i = 0; i < BLOCK; i++)
        block[i] ^= 0x36 ^ 0x5c;
    SHA256_Init(context_of(derive->outer));
    SHA256_Update(context_of(derive->outer), block, BLOCK);
    bytes_wipe(block, sizeof block);
}

static void finish(const struct derive *derive, SHA256_CTX *inner, uint8_t out[static DIGEST_SIZE])
{
    SHA256_CTX outer;
    memcpy(&outer, derive->outer, sizeof outer);
    SHA256_Final(out, inner);
    SHA256_Update(&outer, out, DIGEST_SIZE);
    SHA256_Final(out, &outer);
    bytes_wipe(&outer, sizeof outer);
}

/* HKDF-Extract with no salt: HMAC under a block of zeros. */
static void extract(struct derive *derive, struct bytes group_key)
{
    uint8_t zeros[DIGEST_SIZE] = {0}, prk[DIGEST_SIZE];
    SHA256_CTX inner;
    set_key(derive, zeros, sizeof zeros);
    memcpy(&inner, derive->inner, sizeof inner);
    SHA256_Update(&inner, group_key.data, group_key.len);
    finish(derive, &inner, prk);
    set_key(derive, prk, sizeof prk);
    bytes_wipe(prk, sizeof prk);
    bytes_wipe(&inner, sizeof inner);
}

enum err_code derive_begin(struct derive *derive, enum derive_scheme scheme, struct bytes group_key,
                           const char *label, size_t key_len, struct err *err)
{
    *derive = (struct derive){.scheme = scheme, .key_len = key_len};
    if (group_key.len < DERIVE_GROUP_KEY_LEAST || group_key.len > DERIVE_GROUP_KEY_MOST)
        return err_set(err, ERR_RANGE, "the group key has %zu bytes; it must have %d to %d",
                       group_key.len, DERIVE_GROUP_KEY_LEAST, DERIVE_GROUP_KEY_MOST);
    if (scheme == DERIVE_HMAC) {
        derive->key_len = DIGEST_SIZE;
        set_key(derive, group_key.data, group_key.len);
        return ERR_OK;
    }
    if (key_len < DERIVE_KEY_LEAST || key_len > DERIVE_KEY_MOST)
        return err_set(err, ERR_RANGE, "derived keys of %zu bytes: %d to %d are possible", key_len,
                       DERIVE_KEY_LEAST, DERIVE_KEY_MOST);
    if (strlen(label) > DERIVE_LABEL_MAX)
        return err_set(err, ERR_INVALID, "the label is longer than %d bytes", DERIVE_LABEL_MAX);
    strcpy(derive->label, label);
    extract(derive, group_key);
    return ERR_OK;
}

/* HKDF-Expand, RFC 5869 section 2.3. */
static void expand(const struct derive *derive, struct bytes name, struct secret *out)
{
    uint8_t block[DIGEST_SIZE];
    SHA256_CTX inner;
    size_t done = 0;
    for (uint8_t counter = 1; done < derive->key_len; counter++) {
        memcpy(&inner, derive->inner, sizeof inner);
        if (counter > 1)
            SHA256_Update(&inner, block, sizeof block);
        SHA256_Update(&inner, derive->label, strlen(derive->label) + 1);
        SHA256_Update(&inner, name.data, name.len);
        SHA256_Update(&inner, &counter, 1);
        finish(derive, &inner, block);
        size_t some = derive->key_len - done < DIGEST_SIZE ? derive->key_len - done : DIGEST_SIZE;
        memcpy(out->data + done, block, some);
        done += some;
    }
    out->len = (uint16_t)derive->key_len;
    bytes_wipe(block, sizeof block);
    bytes_wipe(&inner, sizeof inner);
}

void derive_key(const struct derive *derive, struct bytes name, struct secret *out)
{
    SHA256_CTX inner;
    if (derive->scheme == DERIVE_HKDF) {
        expand(derive, name, out);
        return;
    }
    memcpy(&inner, derive->inner, sizeof inner);
    SHA256_Update(&inner, name.data, name.len);
    finish(derive, &inner, out->data);
    out->len = DIGEST_SIZE;
    bytes_wipe(&inner, sizeof inner);
}

void derive_clear(struct derive *derive)
{
    bytes_wipe(derive, sizeof *derive);
}
