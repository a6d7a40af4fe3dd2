/* Keys: fresh ones differ, the decoy is steady and is the HMAC it claims to be. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/psk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_generate_gives_fresh_keys(void **state)
{
    struct secret a, b;
    for (size_t len = PSK_KEY_LEAST; len <= PSK_KEY_MOST; len++) {
        assert_int_equal(psk_generate(&a, len), ERR_OK);
        assert_int_equal(psk_generate(&b, len), ERR_OK);
        assert_int_equal(a.len, len);
        assert_false(secret_equal(&a, &b));
    }
}

static void test_generate_refuses_bad_lengths(void **state)
{
    struct secret key = {.len = 1, .data = {7}}, before = key;
    const size_t bad[] = {0, 1, PSK_KEY_LEAST - 1, PSK_KEY_MOST + 1, SECRET_MAX + 1};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(psk_generate(&key, bad[i]), ERR_RANGE);
        assert_memory_equal(&key, &before, sizeof key);
    }
}

/* Computed with: printf %s IDENTITY | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102..1f */
static void test_decoy_is_truncated_hmac(void **state)
{
    uint8_t server_secret[32];
    for (size_t i = 0; i < sizeof server_secret; i++)
        server_secret[i] = (uint8_t)i;
    const uint8_t expected[PSK_DECOY_LEN] = {0x1e, 0xad, 0x89, 0xfe, 0xca, 0x77, 0x30, 0x2c,
                                             0x77, 0xda, 0xb6, 0x8f, 0xca, 0xd7, 0x72, 0x8d};
    const uint8_t expected_empty[PSK_DECOY_LEN] = {0xd3, 0x8b, 0x42, 0x09, 0x6d, 0x80, 0xf4, 0x5f,
                                                   0x82, 0x6b, 0x44, 0xa9, 0xd5, 0x60, 0x7d, 0xe7};
    struct secret key;
    psk_decoy(server_secret, bytes_of_text("urn:dev:os:0042-lamp7"), &key);
    assert_int_equal(key.len, PSK_DECOY_LEN);
    assert_memory_equal(key.data, expected, sizeof expected);
    psk_decoy(server_secret, bytes_of(NULL, 0), &key);
    assert_memory_equal(key.data, expected_empty, sizeof expected_empty);
}

static void test_decoy_depends_on_both(void **state)
{
    uint8_t server_secret[32] = {1};
    struct secret a, same, other_identity, other_server;
    psk_decoy(server_secret, bytes_of_text("a"), &a);
    psk_decoy(server_secret, bytes_of_text("a"), &same);
    psk_decoy(server_secret, bytes_of_text("b"), &other_identity);
    server_secret[31] = 1;
    psk_decoy(server_secret, bytes_of_text("a"), &other_server);
    assert_true(secret_equal(&a, &same));
    assert_false(secret_equal(&a, &other_identity));
    assert_false(secret_equal(&a, &other_server));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generate_gives_fresh_keys),
        cmocka_unit_test(test_generate_refuses_bad_lengths),
        cmocka_unit_test(test_decoy_is_truncated_hmac),
        cmocka_unit_test(test_decoy_depends_on_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
