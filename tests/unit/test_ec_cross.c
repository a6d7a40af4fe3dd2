/* Our curves and SHA-256 against Mbed TLS's own code, in both directions, on random input. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/ec.h"

#include <mbedtls/ecdh.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/sha256.h>
#include <mbedtls/version.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { ROUNDS = 40 };

#if MBEDTLS_VERSION_NUMBER < 0x03000000
#define MBEDTLS_PRIVATE(member) member
#endif

/* Both forms of one key pair. */
struct pair {
    enum ec_curve curve;
    size_t size;
    mbedtls_ecp_group group;
    mbedtls_ecp_point point;
    mbedtls_mpi private;
    uint8_t private_bytes[EC_SIZE_MAX], point_bytes[EC_POINT_MAX];
};

static int system_random(void *context, unsigned char *out, size_t len)
{
    bytes_random(out, len);
    return 0;
}

static void point_to_bytes(const struct pair *pair, const mbedtls_ecp_point *point, uint8_t *out)
{
    uint8_t octets[1 + EC_POINT_MAX];
    size_t len;

    assert_int_equal(mbedtls_ecp_point_write_binary(&pair->group, point,
                                                    MBEDTLS_ECP_PF_UNCOMPRESSED, &len, octets,
                                                    sizeof octets),
                     0);
    assert_int_equal(len, 1 + 2 * pair->size);
    memcpy(out, octets + 1, 2 * pair->size);
}

static void pair_init(struct pair *pair, enum ec_curve curve)
{
    pair->curve = curve;
    pair->size = ec_size(curve);
    mbedtls_ecp_group_init(&pair->group);
    mbedtls_ecp_point_init(&pair->point);
    mbedtls_mpi_init(&pair->private);
    assert_int_equal(mbedtls_ecp_group_load(&pair->group, curve == EC_P256
                                                              ? MBEDTLS_ECP_DP_SECP256R1
                                                              : MBEDTLS_ECP_DP_SECP384R1),
                     0);
    assert_int_equal(
        mbedtls_ecdh_gen_public(&pair->group, &pair->private, &pair->point, system_random, NULL),
        0);
    assert_int_equal(mbedtls_mpi_write_binary(&pair->private, pair->private_bytes, pair->size), 0);
    point_to_bytes(pair, &pair->point, pair->point_bytes);
}

static void pair_clear(struct pair *pair)
{
    mbedtls_ecp_group_free(&pair->group);
    mbedtls_ecp_point_free(&pair->point);
    mbedtls_mpi_free(&pair->private);
}

static void check_public(struct pair *pair)
{
    uint8_t made[EC_POINT_MAX];

    assert_int_equal(ec_public(pair->curve, pair->private_bytes, made), EC_OK);
    assert_memory_equal(made, pair->point_bytes, 2 * pair->size);
}

static void check_shared(struct pair *mine, struct pair *theirs)
{
    uint8_t ours[EC_SIZE_MAX], expected[EC_SIZE_MAX];
    mbedtls_mpi shared;

    mbedtls_mpi_init(&shared);
    assert_int_equal(mbedtls_ecdh_compute_shared(&mine->group, &shared, &theirs->point,
                                                 &mine->private, system_random, NULL),
                     0);
    assert_int_equal(mbedtls_mpi_write_binary(&shared, expected, mine->size), 0);
    assert_int_equal(ec_shared(mine->curve, mine->private_bytes, theirs->point_bytes, ours), EC_OK);
    assert_memory_equal(ours, expected, mine->size);
    mbedtls_mpi_free(&shared);
}

/* They sign, we verify; we sign, they verify. */
static void check_signatures(struct pair *pair, struct bytes hash)
{
    uint8_t r_bytes[EC_SIZE_MAX], s_bytes[EC_SIZE_MAX];
    struct pair nonce;
    mbedtls_mpi r, s;

    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    assert_int_equal(mbedtls_ecdsa_sign(&pair->group, &r, &s, &pair->private, hash.data, hash.len,
                                        system_random, NULL),
                     0);
    assert_int_equal(mbedtls_mpi_write_binary(&r, r_bytes, pair->size), 0);
    assert_int_equal(mbedtls_mpi_write_binary(&s, s_bytes, pair->size), 0);
    assert_int_equal(ec_verify(pair->curve, pair->point_bytes, hash, r_bytes, s_bytes), EC_OK);
    s_bytes[pair->size - 1] ^= 1;
    assert_int_equal(ec_verify(pair->curve, pair->point_bytes, hash, r_bytes, s_bytes),
                     EC_BAD_SIGNATURE);

    pair_init(&nonce, pair->curve);
    assert_int_equal(
        ec_sign(pair->curve, pair->private_bytes, nonce.private_bytes, hash, r_bytes, s_bytes),
        EC_OK);
    assert_int_equal(mbedtls_mpi_read_binary(&r, r_bytes, pair->size), 0);
    assert_int_equal(mbedtls_mpi_read_binary(&s, s_bytes, pair->size), 0);
    assert_int_equal(mbedtls_ecdsa_verify(&pair->group, hash.data, hash.len, &pair->point, &r, &s),
                     0);
    pair_clear(&nonce);
    mbedtls_mpi_free(&r);
    mbedtls_mpi_free(&s);
}

static void check_curve(enum ec_curve curve)
{
    static const size_t hash_lengths[] = {20, 32, 48, 64};
    struct pair a, b;
    uint8_t hash[64];

    for (int round = 0; round < ROUNDS; round++) {
        size_t hash_len = hash_lengths[round % 4];
        bytes_random(hash, sizeof hash);
        pair_init(&a, curve);
        pair_init(&b, curve);
        check_public(&a);
        check_shared(&a, &b);
        check_signatures(&a, bytes_of(hash, hash_len));
        pair_clear(&a);
        pair_clear(&b);
    }
}

static void test_p256(void **state)
{
    check_curve(EC_P256);
}

static void test_p384(void **state)
{
    check_curve(EC_P384);
}

/* The library's whole blocks against ours, each in the middle of a message. */
static void test_sha256_block(void **state)
{
    uint8_t data[1024];
    mbedtls_sha256_context theirs;
    uint32_t ours[8];

    bytes_random(data, sizeof data);
    mbedtls_sha256_init(&theirs);
#if MBEDTLS_VERSION_NUMBER < 0x03000000
    assert_int_equal(mbedtls_sha256_starts_ret(&theirs, 0), 0);
#else
    assert_int_equal(mbedtls_sha256_starts(&theirs, 0), 0);
#endif
    memcpy(ours, theirs.MBEDTLS_PRIVATE(state), sizeof ours);
    for (size_t at = 0; at < sizeof data; at += 64) {
#if MBEDTLS_VERSION_NUMBER < 0x03000000
        assert_int_equal(mbedtls_sha256_update_ret(&theirs, data + at, 64), 0);
#else
        assert_int_equal(mbedtls_sha256_update(&theirs, data + at, 64), 0);
#endif
        ec_sha256_block(ours, data + at);
        assert_memory_equal(ours, theirs.MBEDTLS_PRIVATE(state), sizeof ours);
    }
    mbedtls_sha256_free(&theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_p256),
        cmocka_unit_test(test_p384),
        cmocka_unit_test(test_sha256_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
