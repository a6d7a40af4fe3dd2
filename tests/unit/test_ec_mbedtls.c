/* Curves and SHA-256 as Mbed TLS gives them, whoever computes them: the same answers and refusals
 * with -Dcrypto=libcrypto, -Dcrypto=mbedtls and -Dmbedtls=system. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "ec_vectors.h"

#include <mbedtls/ecdh.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/md.h>
#include <mbedtls/version.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#if MBEDTLS_VERSION_NUMBER < 0x03000000
#define MBEDTLS_PRIVATE(member) member
#endif

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const mbedtls_ecp_group_id group_ids[EC_CURVE_COUNT] = {
    [EC_P256] = MBEDTLS_ECP_DP_SECP256R1,
    [EC_P384] = MBEDTLS_ECP_DP_SECP384R1,
};

struct numbers {
    mbedtls_ecp_group group;
    mbedtls_ecp_point point;
    mbedtls_mpi private, r, s;
    uint8_t hash[64];
    size_t hash_len;
};

static void read_number(mbedtls_mpi *number, const char *hex, size_t len)
{
    uint8_t bytes[EC_SIZE_MAX];
    size_t size;

    assert_true(bytes_from_hex(hex, len, bytes, sizeof bytes, &size));
    assert_int_equal(mbedtls_mpi_read_binary(number, bytes, size), 0);
}

static void read_point(mbedtls_ecp_point *point, const char *hex)
{
    size_t half = strlen(hex) / 2;

    read_number(&point->MBEDTLS_PRIVATE(X), hex, half);
    read_number(&point->MBEDTLS_PRIVATE(Y), hex + half, half);
    assert_int_equal(mbedtls_mpi_lset(&point->MBEDTLS_PRIVATE(Z), 1), 0);
}

static void numbers_init(struct numbers *n, const struct ecdsa_vector *vector)
{
    mbedtls_ecp_group_init(&n->group);
    mbedtls_ecp_point_init(&n->point);
    mbedtls_mpi_init(&n->private);
    mbedtls_mpi_init(&n->r);
    mbedtls_mpi_init(&n->s);
    assert_int_equal(mbedtls_ecp_group_load(&n->group, group_ids[vector->curve]), 0);
    read_point(&n->point, vector->point);
    if (vector->private != NULL)
        read_number(&n->private, vector->private, strlen(vector->private));
    read_number(&n->r, vector->r, strlen(vector->r));
    read_number(&n->s, vector->s, strlen(vector->s));
    assert_true(
        bytes_from_hex(vector->hash, strlen(vector->hash), n->hash, sizeof n->hash, &n->hash_len));
}

static void numbers_clear(struct numbers *n)
{
    mbedtls_ecp_group_free(&n->group);
    mbedtls_ecp_point_free(&n->point);
    mbedtls_mpi_free(&n->private);
    mbedtls_mpi_free(&n->r);
    mbedtls_mpi_free(&n->s);
}

static int verify(struct numbers *n)
{
    return mbedtls_ecdsa_verify(&n->group, n->hash, n->hash_len, &n->point, &n->r, &n->s);
}

/* A source of random bytes that gives what is wanted first, then a counter. */
struct source {
    const char *hex;
    unsigned calls;
};

static int source_read(void *context, unsigned char *out, size_t len)
{
    struct source *source = context;
    size_t got;

    if (source->calls++ == 0 && strlen(source->hex) == 2 * len)
        return bytes_from_hex(source->hex, 2 * len, out, len, &got) ? 0 : -1;
    memset(out, (int)source->calls, len);
    return 0;
}

static int source_fails(void *context, unsigned char *out, size_t len)
{
    return MBEDTLS_ERR_ECP_RANDOM_FAILED;
}

/* The nonce is the first that the caller's source gives. */
static void test_sign_with_given_nonce(void **state)
{
    for (size_t i = 0; i < COUNT(ecdsa_vectors); i++) {
        struct numbers n;
        mbedtls_mpi r, s;
        struct source source = {.hex = ecdsa_vectors[i].nonce};

        if (ecdsa_vectors[i].private == NULL)
            continue;
        numbers_init(&n, &ecdsa_vectors[i]);
        mbedtls_mpi_init(&r);
        mbedtls_mpi_init(&s);
        assert_int_equal(mbedtls_ecdsa_sign(&n.group, &r, &s, &n.private, n.hash, n.hash_len,
                                            source_read, &source),
                         0);
        assert_int_equal(mbedtls_mpi_cmp_mpi(&r, &n.r), 0);
        assert_int_equal(mbedtls_mpi_cmp_mpi(&s, &n.s), 0);
        mbedtls_mpi_free(&r);
        mbedtls_mpi_free(&s);
        numbers_clear(&n);
    }
}

static void test_sign_needs_a_key_in_range_and_random_numbers(void **state)
{
    struct numbers n;
    mbedtls_mpi zero;
    struct source source = {.hex = ecdsa_vectors[0].nonce};

    numbers_init(&n, &ecdsa_vectors[0]);
    mbedtls_mpi_init(&zero);
    assert_int_not_equal(
        mbedtls_ecdsa_sign(&n.group, &n.r, &n.s, &zero, n.hash, 32, source_read, &source), 0);
    assert_int_not_equal(
        mbedtls_ecdsa_sign(&n.group, &n.r, &n.s, &n.group.N, n.hash, 32, source_read, &source), 0);
    assert_int_not_equal(
        mbedtls_ecdsa_sign(&n.group, &n.r, &n.s, &n.private, n.hash, 32, source_fails, NULL), 0);
    mbedtls_mpi_free(&zero);
    numbers_clear(&n);
}

static void test_verify(void **state)
{
    for (size_t i = 0; i < COUNT(ecdsa_vectors); i++) {
        struct numbers n;

        numbers_init(&n, &ecdsa_vectors[i]);
        assert_int_equal(verify(&n), 0);
        n.hash[0] ^= 1;
        assert_int_equal(verify(&n), MBEDTLS_ERR_ECP_VERIFY_FAILED);
        numbers_clear(&n);
    }
}

static void check_signature_refused(struct numbers *n)
{
    assert_int_equal(verify(n), MBEDTLS_ERR_ECP_VERIFY_FAILED);
}

/* r and s: zero, the order, beyond it by far, and negative. */
static void test_signatures_out_of_range(void **state)
{
    for (size_t i = 0; i < COUNT(ecdsa_vectors); i++) {
        for (int which = 0; which < 2; which++) {
            struct numbers n;
            numbers_init(&n, &ecdsa_vectors[i]);
            mbedtls_mpi *number = which == 0 ? &n.r : &n.s;

            assert_int_equal(mbedtls_mpi_add_mpi(number, number, &n.group.N), 0);
            check_signature_refused(&n); /* the same number modulo the order */
            assert_int_equal(mbedtls_mpi_lset(number, 0), 0);
            check_signature_refused(&n);
            assert_int_equal(mbedtls_mpi_copy(number, &n.group.N), 0);
            check_signature_refused(&n);
            assert_int_equal(mbedtls_mpi_shift_l(number, 400), 0);
            check_signature_refused(&n);
            numbers_clear(&n);
            numbers_init(&n, &ecdsa_vectors[i]);
            number->MBEDTLS_PRIVATE(s) = -1;
            check_signature_refused(&n);
            numbers_clear(&n);
        }
    }
}

static void check_point_refused(struct numbers *n)
{
    struct source source = {.hex = ""};
    mbedtls_mpi shared;

    mbedtls_mpi_init(&shared);
    assert_int_not_equal(verify(n), 0);
    assert_int_not_equal(mbedtls_ecdh_compute_shared(&n->group, &shared, &n->point, &n->private,
                                                     source_read, &source),
                         0);
    mbedtls_mpi_free(&shared);
}

static void test_points_that_are_none(void **state)
{
    for (size_t i = 2; i <= 4; i += 2) { /* one of each curve */
        struct numbers n;
        mbedtls_mpi *y;

        numbers_init(&n, &ecdsa_vectors[i]);
        y = &n.point.MBEDTLS_PRIVATE(Y);
        assert_int_equal(mbedtls_mpi_add_int(y, y, 1), 0);
        check_point_refused(&n); /* beside the curve */
        assert_int_equal(mbedtls_mpi_sub_int(y, y, 1), 0);
        assert_int_equal(mbedtls_mpi_add_mpi(y, y, &n.group.P), 0);
        check_point_refused(&n); /* beyond the prime */
        assert_int_equal(mbedtls_ecp_set_zero(&n.point), 0);
        check_point_refused(&n); /* infinity */
        read_point(&n.point, ecdsa_vectors[i == 2 ? 4 : 2].point);
        check_point_refused(&n); /* of the other curve */
        numbers_clear(&n);
    }
}

static void test_ecdh(void **state)
{
    for (size_t i = 0; i < COUNT(ecdh_vectors); i++) {
        const struct ecdh_vector *vector = &ecdh_vectors[i];
        struct source source = {.hex = vector->private};
        mbedtls_ecp_group group;
        mbedtls_ecp_point made, other, expected_point;
        mbedtls_mpi private, expected, shared;

        mbedtls_ecp_group_init(&group);
        mbedtls_ecp_point_init(&made);
        mbedtls_ecp_point_init(&other);
        mbedtls_ecp_point_init(&expected_point);
        mbedtls_mpi_init(&private);
        mbedtls_mpi_init(&expected);
        mbedtls_mpi_init(&shared);
        assert_int_equal(mbedtls_ecp_group_load(&group, group_ids[vector->curve]), 0);
        read_point(&expected_point, vector->point);
        read_point(&other, vector->other_point);
        read_number(&expected, vector->shared, strlen(vector->shared));
        assert_int_equal(mbedtls_ecdh_gen_public(&group, &private, &made, source_read, &source), 0);
        assert_int_equal(mbedtls_ecp_point_cmp(&made, &expected_point), 0);
        assert_int_equal(
            mbedtls_ecdh_compute_shared(&group, &shared, &other, &private, source_read, &source),
            0);
        assert_int_equal(mbedtls_mpi_cmp_mpi(&shared, &expected), 0);
        assert_int_not_equal(mbedtls_ecdh_gen_public(&group, &private, &made, source_fails, NULL),
                             0);
        mbedtls_ecp_group_free(&group);
        mbedtls_ecp_point_free(&made);
        mbedtls_ecp_point_free(&other);
        mbedtls_ecp_point_free(&expected_point);
        mbedtls_mpi_free(&private);
        mbedtls_mpi_free(&expected);
        mbedtls_mpi_free(&shared);
    }
}

/* FIPS 180-4: a million times "a", fed in uneven pieces; RFC 4231 case 2. */
static void test_sha256(void **state)
{
    static const char *const expected =
                                 "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
                             *const expected_mac =
                                 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    const mbedtls_md_info_t *info = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    mbedtls_md_context_t md;
    uint8_t piece[997], out[32];
    char hex[65];

    memset(piece, 'a', sizeof piece);
    mbedtls_md_init(&md);
    assert_int_equal(mbedtls_md_setup(&md, info, 0), 0);
    assert_int_equal(mbedtls_md_starts(&md), 0);
    for (size_t left = 1000000; left > 0;) {
        size_t len = left < sizeof piece ? left : 1 + left % sizeof piece;
        assert_int_equal(mbedtls_md_update(&md, piece, len), 0);
        left -= len;
    }
    assert_int_equal(mbedtls_md_finish(&md, out), 0);
    mbedtls_md_free(&md);
    bytes_to_hex(bytes_of(out, sizeof out), hex);
    assert_string_equal(hex, expected);
    assert_int_equal(mbedtls_md_hmac(info, (const uint8_t *)"Jefe", 4,
                                     (const uint8_t *)"what do ya want for nothing?", 28, out),
                     0);
    bytes_to_hex(bytes_of(out, sizeof out), hex);
    assert_string_equal(hex, expected_mac);
}

/* What the build was asked for is what it does. */
static void test_who_computes(void **state)
{
#if defined(USHER_REPLACE_IN_MBEDTLS)
#if !defined(MBEDTLS_ECDSA_SIGN_ALT) || !defined(MBEDTLS_ECDSA_VERIFY_ALT) ||                      \
    !defined(MBEDTLS_ECDH_GEN_PUBLIC_ALT) || !defined(MBEDTLS_ECDH_COMPUTE_SHARED_ALT) ||          \
    !defined(MBEDTLS_SHA256_PROCESS_ALT)
    fail_msg("-Dcrypto=libcrypto, and Mbed TLS keeps its own code");
#endif
    /* Each curve that is enabled has to have its row in src/crypto/mbedtls_alt.c. */
    for (const mbedtls_ecp_curve_info *curve = mbedtls_ecp_curve_list();
         curve->grp_id != MBEDTLS_ECP_DP_NONE; curve++)
        assert_true(curve->grp_id == MBEDTLS_ECP_DP_SECP256R1 ||
                    curve->grp_id == MBEDTLS_ECP_DP_SECP384R1);
#elif defined(MBEDTLS_ECDSA_SIGN_ALT) || defined(MBEDTLS_SHA256_PROCESS_ALT)
    fail_msg("a part of Mbed TLS is replaced that was not to be");
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_computes),
        cmocka_unit_test(test_sign_with_given_nonce),
        cmocka_unit_test(test_sign_needs_a_key_in_range_and_random_numbers),
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_signatures_out_of_range),
        cmocka_unit_test(test_points_that_are_none),
        cmocka_unit_test(test_ecdh),
        cmocka_unit_test(test_sha256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
