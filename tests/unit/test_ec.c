/* Curves by libcrypto: known answers, and every kind of bad number and point. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "ec_vectors.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { THREADS = 6, ROUNDS = 12 };

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct bytes unhex(const char *text, uint8_t *out, size_t cap)
{
    size_t len;

    assert_true(bytes_from_hex(text, strlen(text), out, cap, &len));
    return bytes_of(out, len);
}

/* A vector in bytes. */
struct ecdsa_case {
    enum ec_curve curve;
    uint8_t private[EC_SIZE_MAX], nonce[EC_SIZE_MAX], point[EC_POINT_MAX], hash_bytes[64];
    uint8_t r[EC_SIZE_MAX], s[EC_SIZE_MAX];
    struct bytes hash;
    size_t size;
};

static void read_case(const struct ecdsa_vector *vector, struct ecdsa_case *out)
{
    out->curve = vector->curve;
    out->size = ec_size(vector->curve);
    if (vector->private != NULL) {
        unhex(vector->private, out->private, out->size);
        unhex(vector->nonce, out->nonce, out->size);
    }
    unhex(vector->point, out->point, 2 * out->size);
    out->hash = unhex(vector->hash, out->hash_bytes, sizeof out->hash_bytes);
    unhex(vector->r, out->r, out->size);
    unhex(vector->s, out->s, out->size);
}

static enum ec_result verify(const struct ecdsa_case *given)
{
    return ec_verify(given->curve, given->point, given->hash, given->r, given->s);
}

static void test_sign_with_given_nonce(void **state)
{
    struct ecdsa_case given;
    uint8_t r[EC_SIZE_MAX], s[EC_SIZE_MAX], point[EC_POINT_MAX];

    for (size_t i = 0; i < COUNT(ecdsa_vectors); i++) {
        if (ecdsa_vectors[i].private == NULL)
            continue;
        read_case(&ecdsa_vectors[i], &given);
        assert_int_equal(ec_sign(given.curve, given.private, given.nonce, given.hash, r, s), EC_OK);
        assert_memory_equal(r, given.r, given.size);
        assert_memory_equal(s, given.s, given.size);
        assert_int_equal(ec_public(given.curve, given.private, point), EC_OK);
        assert_memory_equal(point, given.point, 2 * given.size);
    }
}

/* The kinds of change of NIST's SigVer files: message, r, s, key; every byte of each. */
static void check_each_byte(struct ecdsa_case *given, uint8_t *bytes, size_t len,
                            enum ec_result least)
{
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= 0x10;
        assert_true(verify(given) >= least && verify(given) <= EC_BAD_SIGNATURE);
        bytes[i] ^= 0x10;
    }
}

static void test_verify(void **state)
{
    struct ecdsa_case given;

    for (size_t i = 0; i < COUNT(ecdsa_vectors); i++) {
        read_case(&ecdsa_vectors[i], &given);
        assert_int_equal(verify(&given), EC_OK);
    }
    for (size_t i = 0; i < COUNT(ecdsa_vectors); i += COUNT(ecdsa_vectors) - 1) {
        read_case(&ecdsa_vectors[i], &given);
        check_each_byte(&given, given.hash_bytes, given.hash.len, EC_BAD_SIGNATURE);
        check_each_byte(&given, given.r, given.size, EC_BAD_SIGNATURE);
        check_each_byte(&given, given.s, given.size, EC_BAD_SIGNATURE);
        check_each_byte(&given, given.point, 2 * given.size, EC_BAD_POINT);
        assert_int_equal(verify(&given), EC_OK);
    }
}

/* Only the leftmost bits of a hash that is longer than the order count (FIPS 186-4 section 6.4). */
static void test_a_long_hash_is_cut(void **state)
{
    struct ecdsa_case given;

    read_case(&ecdsa_vectors[0], &given);
    memset(given.hash_bytes + 32, 0xa5, 32);
    given.hash.len = 64;
    assert_int_equal(verify(&given), EC_OK);
}

static void test_ecdh(void **state)
{
    for (size_t i = 0; i < COUNT(ecdh_vectors); i++) {
        const struct ecdh_vector *vector = &ecdh_vectors[i];
        size_t size = ec_size(vector->curve);
        uint8_t private[2][EC_SIZE_MAX], point[2][EC_POINT_MAX], made[EC_POINT_MAX];
        uint8_t expected[EC_SIZE_MAX], shared[EC_SIZE_MAX];

        unhex(vector->private, private[0], size);
        unhex(vector->point, point[0], 2 * size);
        unhex(vector->other_private, private[1], size);
        unhex(vector->other_point, point[1], 2 * size);
        unhex(vector->shared, expected, size);
        for (int side = 0; side < 2; side++) {
            assert_int_equal(ec_public(vector->curve, private[side], made), EC_OK);
            assert_memory_equal(made, point[side], 2 * size);
            assert_int_equal(ec_shared(vector->curve, private[side], point[1 - side], shared),
                             EC_OK);
            assert_memory_equal(shared, expected, size);
        }
    }
}

/* Refused wherever a number is secret, and where it is r or s; nothing is written. */
static void check_number_refused(enum ec_curve curve, const uint8_t *number)
{
    struct ecdsa_case given;
    uint8_t out[EC_POINT_MAX], before[EC_POINT_MAX], other[EC_SIZE_MAX];

    read_case(&ecdsa_vectors[curve == EC_P256 ? 2 : 4], &given);
    memset(out, 0x5a, sizeof out);
    memcpy(before, out, sizeof out);
    assert_int_equal(ec_public(curve, number, out), EC_BAD_NUMBER);
    assert_int_equal(ec_shared(curve, number, given.point, out), EC_BAD_NUMBER);
    assert_int_equal(ec_sign(curve, number, given.nonce, given.hash, out, other), EC_BAD_NUMBER);
    assert_int_equal(ec_sign(curve, given.private, number, given.hash, out, other), EC_BAD_NUMBER);
    assert_memory_equal(out, before, sizeof out);
    assert_int_equal(ec_verify(curve, given.point, given.hash, number, given.s), EC_BAD_SIGNATURE);
    assert_int_equal(ec_verify(curve, given.point, given.hash, given.r, number), EC_BAD_SIGNATURE);
}

static void test_numbers_out_of_range(void **state)
{
    for (enum ec_curve curve = 0; curve < EC_CURVE_COUNT; curve++) {
        uint8_t number[EC_SIZE_MAX] = {0};
        size_t size = ec_size(curve);

        check_number_refused(curve, number);
        unhex(ec_domains[curve].order, number, size);
        check_number_refused(curve, number);
        number[size - 1]++;
        check_number_refused(curve, number);
        memset(number, 0xff, size);
        check_number_refused(curve, number);
    }
}

static void test_the_ends_of_the_range_are_in_it(void **state)
{
    for (enum ec_curve curve = 0; curve < EC_CURVE_COUNT; curve++) {
        uint8_t number[EC_SIZE_MAX] = {0}, point[EC_POINT_MAX], generator[EC_POINT_MAX];
        size_t size = ec_size(curve);

        unhex(ec_domains[curve].generator, generator, 2 * size);
        number[size - 1] = 1;
        assert_int_equal(ec_public(curve, number, point), EC_OK);
        assert_memory_equal(point, generator, 2 * size);
        unhex(ec_domains[curve].order, number, size);
        number[size - 1]--; /* minus one: the generator's mirror image */
        assert_int_equal(ec_public(curve, number, point), EC_OK);
        assert_memory_equal(point, generator, size);
        assert_memory_not_equal(point + size, generator + size, size);
    }
}

static void check_point_refused(enum ec_curve curve, const uint8_t *point)
{
    struct ecdsa_case given;
    uint8_t out[EC_SIZE_MAX], before[EC_SIZE_MAX];

    read_case(&ecdsa_vectors[curve == EC_P256 ? 2 : 4], &given);
    memset(out, 0x5a, sizeof out);
    memcpy(before, out, sizeof out);
    assert_int_equal(ec_shared(curve, given.private, point, out), EC_BAD_POINT);
    assert_memory_equal(out, before, sizeof out);
    assert_int_equal(ec_verify(curve, point, given.hash, given.r, given.s), EC_BAD_POINT);
}

/* Adds a big-endian number in place; the sum has to fit. */
static void add(uint8_t *to, const uint8_t *number, size_t size)
{
    unsigned carry = 0;

    for (size_t i = size; i-- > 0;) {
        carry += (unsigned)to[i] + number[i];
        to[i] = (uint8_t)carry;
        carry >>= 8;
    }
    assert_int_equal(carry, 0);
}

static void test_points_that_are_none(void **state)
{
    for (enum ec_curve curve = 0; curve < EC_CURVE_COUNT; curve++) {
        uint8_t point[EC_POINT_MAX] = {0}, prime[EC_SIZE_MAX];
        size_t size = ec_size(curve);

        check_point_refused(curve, point); /* what stands for infinity elsewhere */
        unhex(ec_domains[curve].generator, point, 2 * size);
        point[2 * size - 1] ^= 1;
        check_point_refused(curve, point); /* beside the curve */
        unhex(ec_domains[curve].prime, prime, size);
        memcpy(point, prime, size);
        check_point_refused(curve, point);
        memset(point, 0xff, 2 * size);
        check_point_refused(curve, point);
    }
}

/* The x of this point of P-256 is 5: the same point again with x + p, which fits 32 bytes. */
static void test_a_coordinate_beyond_the_prime(void **state)
{
    static const char small_x[] =
        "0000000000000000000000000000000000000000000000000000000000000005"
        "459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbcc";
    uint8_t point[EC_POINT_MAX], prime[EC_SIZE_MAX], shared[EC_SIZE_MAX], one[EC_SIZE_MAX] = {0};

    one[31] = 1;
    unhex(small_x, point, 64);
    assert_int_equal(ec_shared(EC_P256, one, point, shared), EC_OK);
    assert_memory_equal(shared, point, 32);
    unhex(ec_domains[EC_P256].prime, prime, 32);
    add(point, prime, 32);
    check_point_refused(EC_P256, point);
}

/* A point of one curve, or a part of it, is none of the other. */
static void test_points_of_the_other_curve(void **state)
{
    uint8_t point[EC_POINT_MAX], padded[EC_POINT_MAX] = {0};

    unhex(ec_domains[EC_P384].generator, point, 96);
    check_point_refused(EC_P256, point);
    unhex(ec_domains[EC_P256].generator, point, 64);
    memcpy(padded + 16, point, 32);
    memcpy(padded + 64, point + 32, 32);
    check_point_refused(EC_P384, padded);
}

/* SHA-256 of up to 119 bytes by the block function alone. */
static void sha256(struct bytes data, uint8_t out[static 32])
{
    uint32_t words[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    uint8_t padded[128] = {0};
    size_t blocks = data.len < 56 ? 1 : 2;

    assert_true(data.len <= 119);
    if (data.len > 0)
        memcpy(padded, data.data, data.len);
    padded[data.len] = 0x80;
    padded[64 * blocks - 2] = (uint8_t)(data.len * 8 >> 8);
    padded[64 * blocks - 1] = (uint8_t)(data.len * 8);
    for (size_t i = 0; i < blocks; i++)
        ec_sha256_block(words, padded + 64 * i);
    for (size_t i = 0; i < 32; i++)
        out[i] = (uint8_t)(words[i / 4] >> (24 - 8 * (i % 4)));
}

/* FIPS 180-4 examples and NIST CAVS short messages. */
static void test_sha256_block(void **state)
{
    static const char *const vectors[][2] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"616263", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"6162636462636465636465666465666765666768666768696768696a68696a6b"
         "696a6b6c6a6b6c6d6b6c6d6e6c6d6e6f6d6e6f706e6f7071",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"bd", "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b"},
        {"5fd4", "7c4fbf484498d21b487b9d61de8914b2eadaf2698712936d47c3ada2558f6788"},
        {"c98c8e55", "7abc22c0ae5af26ce93dbb94433a0e0b2e119d014f8e7f65bd56c61ccccd9504"},
    };

    for (size_t i = 0; i < COUNT(vectors); i++) {
        uint8_t data[128], expected[32], got[32];
        struct bytes message = unhex(vectors[i][0], data, sizeof data);
        unhex(vectors[i][1], expected, sizeof expected);
        sha256(message, got);
        assert_memory_equal(got, expected, sizeof got);
    }
}

/* No assertions here: cmocka's jump out of a thread that is not its own. */
static void *work(void *context)
{
    const struct ecdsa_case *given = context;
    uint8_t r[EC_SIZE_MAX], s[EC_SIZE_MAX], shared[EC_SIZE_MAX];
    bool good = true;

    for (int i = 0; i < ROUNDS; i++) {
        good = good &&
               ec_sign(given->curve, given->private, given->nonce, given->hash, r, s) == EC_OK &&
               memcmp(r, given->r, given->size) == 0 && memcmp(s, given->s, given->size) == 0 &&
               verify(given) == EC_OK &&
               ec_shared(given->curve, given->private, given->point, shared) == EC_OK;
    }
    return good ? context : NULL;
}

static void test_many_threads(void **state)
{
    struct ecdsa_case given[THREADS];
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++)
        read_case(&ecdsa_vectors[i], &given[i]);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &given[i]), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *good;
        assert_int_equal(pthread_join(threads[i], &good), 0);
        assert_ptr_equal(good, &given[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sign_with_given_nonce),
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_a_long_hash_is_cut),
        cmocka_unit_test(test_ecdh),
        cmocka_unit_test(test_numbers_out_of_range),
        cmocka_unit_test(test_the_ends_of_the_range_are_in_it),
        cmocka_unit_test(test_points_that_are_none),
        cmocka_unit_test(test_a_coordinate_beyond_the_prime),
        cmocka_unit_test(test_points_of_the_other_curve),
        cmocka_unit_test(test_sha256_block),
        cmocka_unit_test(test_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
