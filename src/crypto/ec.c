/* SPDX-License-Identifier: Apache-2.0 */
/* Elliptic curves by libcrypto. All use of libcrypto is in this module; the calls that OpenSSL 3
 * calls deprecated (EC_KEY, ECDSA_do_*, SHA256_Transform) are here because their successors cost
 * more than they replace, see docs/decisions/0004-curves-by-libcrypto.md. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "usher/ec.h"

#include <assert.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <string.h>

static const struct {
    int name;
    size_t size;
} curves[] = {
    [EC_P256] = {NID_X9_62_prime256v1, 32},
    [EC_P384] = {NID_secp384r1, 48},
};
static_assert(sizeof curves / sizeof curves[0] == EC_CURVE_COUNT, "a row for each curve");

size_t ec_size(enum ec_curve curve)
{
    return curves[curve].size;
}

/* ---- what is made once: the groups, and scratch numbers for each thread ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EC_GROUP *groups[EC_CURVE_COUNT]; /* never changed once made */
static pthread_key_t scratch_key;
static bool ready;

static void scratch_free(void *scratch)
{
    BN_CTX_free(scratch);
}

static void prepare(void)
{
    if (pthread_key_create(&scratch_key, scratch_free) != 0)
        return;
    for (size_t i = 0; i < EC_CURVE_COUNT; i++) {
        groups[i] = EC_GROUP_new_by_curve_name(curves[i].name);
        if (groups[i] == NULL)
            return;
    }
    ready = true;
}

/* The calling thread's scratch numbers, freed when it ends; NULL without memory. */
static BN_CTX *thread_scratch(void)
{
    pthread_once(&once, prepare);
    if (!ready)
        return NULL;
    BN_CTX *scratch = pthread_getspecific(scratch_key);
    if (scratch == NULL) {
        scratch = BN_CTX_new();
        if (scratch != NULL && pthread_setspecific(scratch_key, scratch) != 0) {
            BN_CTX_free(scratch);
            scratch = NULL;
        }
    }
    return scratch;
}

/* One operation: a frame of scratch numbers and a point; frames of one thread never overlap. */
struct work {
    const EC_GROUP *group;
    const BIGNUM *order;
    size_t size;
    BN_CTX *scratch;
    EC_POINT *point;
    BIGNUM *secrets[3]; /* wiped by work_end */
    size_t secret_count;
};

static bool work_begin(struct work *work, enum ec_curve curve)
{
    *work = (struct work){.scratch = thread_scratch(), .size = curves[curve].size};
    if (work->scratch == NULL)
        return false;
    work->group = groups[curve];
    work->order = EC_GROUP_get0_order(work->group);
    work->point = EC_POINT_new(work->group);
    if (work->point == NULL)
        return false;
    BN_CTX_start(work->scratch);
    return true;
}

static void work_end(struct work *work)
{
    for (size_t i = 0; i < work->secret_count; i++)
        BN_clear(work->secrets[i]);
    EC_POINT_clear_free(work->point);
    BN_CTX_end(work->scratch);
    ERR_clear_error(); /* the queue would keep our failures for the next user of libcrypto */
}

/* An empty number of the frame that is wiped at its end; NULL without memory. */
static BIGNUM *new_secret(struct work *work)
{
    BIGNUM *number = BN_CTX_get(work->scratch);

    if (number == NULL)
        return NULL;
    BN_set_flags(number, BN_FLG_CONSTTIME);
    assert(work->secret_count < sizeof work->secrets / sizeof work->secrets[0]);
    work->secrets[work->secret_count++] = number;
    return number;
}

static bool in_range(const struct work *work, const BIGNUM *number)
{
    return !BN_is_zero(number) && BN_ucmp(number, work->order) < 0;
}

static enum ec_result read_secret(struct work *work, const uint8_t *bytes, BIGNUM **out)
{
    BIGNUM *number = new_secret(work);

    if (number == NULL || BN_bin2bn(bytes, (int)work->size, number) == NULL)
        return EC_FAILED;
    if (!in_range(work, number))
        return EC_BAD_NUMBER;
    *out = number;
    return EC_OK;
}

/* Into work->point. The octet form is the one reader that holds coordinates to their range. */
static enum ec_result read_point(struct work *work, const uint8_t *bytes)
{
    uint8_t octets[1 + EC_POINT_MAX] = {POINT_CONVERSION_UNCOMPRESSED};

    memcpy(octets + 1, bytes, 2 * work->size);
    return EC_POINT_oct2point(work->group, work->point, octets, 1 + 2 * work->size,
                              work->scratch) == 1
               ? EC_OK
               : EC_BAD_POINT;
}

/* work->point's coordinates; y may be NULL. False for infinity, too. */
static bool affine(struct work *work, BIGNUM *x, BIGNUM *y)
{
    return EC_POINT_get_affine_coordinates(work->group, work->point, x, y, work->scratch) == 1;
}

/* ---- operations ---- */

static enum ec_result make_public(struct work *work, const uint8_t *private, uint8_t *point)
{
    BIGNUM *number;
    BIGNUM *x = BN_CTX_get(work->scratch);
    BIGNUM *y = BN_CTX_get(work->scratch);

    enum ec_result result = read_secret(work, private, &number);
    if (result != EC_OK)
        return result;
    if (y == NULL ||
        EC_POINT_mul(work->group, work->point, number, NULL, NULL, work->scratch) != 1 ||
        !affine(work, x, y))
        return EC_FAILED;
    BN_bn2binpad(x, point, (int)work->size);
    BN_bn2binpad(y, point + work->size, (int)work->size);
    return EC_OK;
}

static enum ec_result make_shared(struct work *work, const uint8_t *private, const uint8_t *point,
                                  uint8_t *shared)
{
    BIGNUM *number;
    BIGNUM *x = new_secret(work);

    if (x == NULL)
        return EC_FAILED;
    enum ec_result result = read_point(work, point);
    if (result == EC_OK)
        result = read_secret(work, private, &number);
    if (result != EC_OK)
        return result;
    if (EC_POINT_mul(work->group, work->point, NULL, work->point, number, work->scratch) != 1 ||
        !affine(work, x, NULL))
        return EC_FAILED;
    BN_bn2binpad(x, shared, (int)work->size);
    return EC_OK;
}

/* What libcrypto's signing takes ready-made: r and the inverse of the nonce. The inverse is by
 * Fermat, the order being a prime: n - 2 is no secret, and the power's time not the nonce's. */
static bool prepare_nonce(struct work *work, const BIGNUM *nonce, BIGNUM *inverse, BIGNUM *r)
{
    BN_MONT_CTX *montgomery = EC_GROUP_get_mont_data(work->group);
    BIGNUM *power = BN_CTX_get(work->scratch);

    return power != NULL && BN_copy(power, work->order) != NULL && BN_sub_word(power, 2) == 1 &&
           BN_mod_exp_mont_consttime(inverse, nonce, power, work->order, work->scratch,
                                     montgomery) == 1 &&
           EC_POINT_mul(work->group, work->point, nonce, NULL, NULL, work->scratch) == 1 &&
           affine(work, r, NULL) && BN_nnmod(r, r, work->order, work->scratch) == 1;
}

static enum ec_result write_signature(const struct work *work, EC_KEY *key, struct bytes hash,
                                      const BIGNUM *inverse, const BIGNUM *prepared_r, uint8_t *r,
                                      uint8_t *s)
{
    ECDSA_SIG *signature = ECDSA_do_sign_ex(hash.data, (int)hash.len, inverse, prepared_r, key);

    if (signature == NULL)
        return ERR_GET_REASON(ERR_peek_last_error()) == EC_R_NEED_NEW_SETUP_VALUES ? EC_TRY_AGAIN
                                                                                   : EC_FAILED;
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), r, (int)work->size);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), s, (int)work->size);
    ECDSA_SIG_free(signature);
    return EC_OK;
}

static enum ec_result make_signature(struct work *work, const uint8_t *private,
                                     const uint8_t *nonce, struct bytes hash, uint8_t *r,
                                     uint8_t *s)
{
    BIGNUM *number, *nonce_number;
    BIGNUM *inverse = new_secret(work);
    BIGNUM *prepared_r = BN_CTX_get(work->scratch);

    enum ec_result result = read_secret(work, private, &number);
    if (result == EC_OK)
        result = read_secret(work, nonce, &nonce_number);
    if (result != EC_OK)
        return result;
    if (prepared_r == NULL || inverse == NULL ||
        !prepare_nonce(work, nonce_number, inverse, prepared_r))
        return EC_FAILED;
    if (BN_is_zero(prepared_r))
        return EC_TRY_AGAIN;
    EC_KEY *key = EC_KEY_new();
    result = EC_FAILED;
    if (key != NULL && EC_KEY_set_group(key, work->group) == 1 &&
        EC_KEY_set_private_key(key, number) == 1)
        result = write_signature(work, key, hash, inverse, prepared_r, r, s);
    EC_KEY_free(key); /* wipes its copy of the private number */
    return result;
}

static enum ec_result check_signature(struct work *work, const uint8_t *point, struct bytes hash,
                                      const uint8_t *r, const uint8_t *s)
{
    enum ec_result result = read_point(work, point);
    ECDSA_SIG *signature = ECDSA_SIG_new();
    EC_KEY *key = EC_KEY_new();
    BIGNUM *signature_r = BN_bin2bn(r, (int)work->size, NULL);
    BIGNUM *signature_s = BN_bin2bn(s, (int)work->size, NULL);

    if (result != EC_OK)
        goto out;
    result = EC_FAILED;
    if (signature == NULL || key == NULL || signature_r == NULL || signature_s == NULL ||
        EC_KEY_set_group(key, work->group) != 1 || EC_KEY_set_public_key(key, work->point) != 1)
        goto out;
    result = EC_BAD_SIGNATURE;
    if (!in_range(work, signature_r) || !in_range(work, signature_s))
        goto out;
    ECDSA_SIG_set0(signature, signature_r, signature_s);
    signature_r = signature_s = NULL;
    int verified = ECDSA_do_verify(hash.data, (int)hash.len, signature, key);
    result = verified == 1 ? EC_OK : verified == 0 ? EC_BAD_SIGNATURE : EC_FAILED;
out:
    BN_free(signature_r);
    BN_free(signature_s);
    ECDSA_SIG_free(signature);
    EC_KEY_free(key);
    return result;
}

/* ---- the public face ---- */

enum ec_result ec_public(enum ec_curve curve, const uint8_t *private, uint8_t *point)
{
    struct work work;

    if (!work_begin(&work, curve))
        return EC_FAILED;
    enum ec_result result = make_public(&work, private, point);
    work_end(&work);
    return result;
}

enum ec_result ec_shared(enum ec_curve curve, const uint8_t *private, const uint8_t *point,
                         uint8_t *shared)
{
    struct work work;

    if (!work_begin(&work, curve))
        return EC_FAILED;
    enum ec_result result = make_shared(&work, private, point, shared);
    work_end(&work);
    return result;
}

enum ec_result ec_sign(enum ec_curve curve, const uint8_t *private, const uint8_t *nonce,
                       struct bytes hash, uint8_t *r, uint8_t *s)
{
    struct work work;

    if (!work_begin(&work, curve))
        return EC_FAILED;
    enum ec_result result = make_signature(&work, private, nonce, hash, r, s);
    work_end(&work);
    return result;
}

enum ec_result ec_verify(enum ec_curve curve, const uint8_t *point, struct bytes hash,
                         const uint8_t *r, const uint8_t *s)
{
    struct work work;

    if (!work_begin(&work, curve))
        return EC_FAILED;
    enum ec_result result = check_signature(&work, point, hash, r, s);
    work_end(&work);
    return result;
}

void ec_sha256_block(uint32_t state[static 8], const uint8_t block[static 64])
{
    SHA256_CTX sha256;

    memcpy(sha256.h, state, sizeof sha256.h);
    SHA256_Transform(&sha256, block);
    memcpy(state, sha256.h, sizeof sha256.h);
    bytes_wipe(sha256.h, sizeof sha256.h);
}
