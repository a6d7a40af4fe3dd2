/* Key material: setting, comparing, wiping. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void holds_what_was_set(void **state)
{
    struct secret secret = {0};
    assert_true(secret_set(&secret, bytes_of("0123456789abcdef", 16)));
    assert_true(bytes_equal(bytes_of("0123456789abcdef", 16), secret_bytes(&secret)));
    assert_true(secret_set(&secret, (struct bytes){0}));
    assert_int_equal(0, secret_bytes(&secret).len);
}

static void a_shorter_one_leaves_nothing_of_the_longer(void **state)
{
    struct secret secret = {0};
    static const uint8_t zero[SECRET_MAX];
    secret_set(&secret, bytes_of("0123456789abcdef", 16));
    secret_set(&secret, bytes_of("xy", 2));
    assert_memory_equal(zero, secret.data + 2, SECRET_MAX - 2);
}

static void too_long_changes_nothing(void **state)
{
    uint8_t large[SECRET_MAX + 1] = {0};
    struct secret secret = {0};
    secret_set(&secret, bytes_of("key", 3));
    assert_false(secret_set(&secret, bytes_of(large, sizeof large)));
    assert_true(bytes_equal(bytes_of("key", 3), secret_bytes(&secret)));
    assert_true(secret_set(&secret, bytes_of(large, SECRET_MAX)));
}

static void may_be_set_from_its_own_part(void **state)
{
    struct secret secret = {0};
    secret_set(&secret, bytes_of("headkey", 7));
    assert_true(secret_set(&secret, bytes_of(secret.data + 4, 3)));
    assert_true(bytes_equal(bytes_of("key", 3), secret_bytes(&secret)));
}

static void random_ones_differ(void **state)
{
    struct secret a = {0}, b = {0};
    secret_random(&a, 16);
    secret_random(&b, 16);
    assert_int_equal(16, a.len);
    assert_false(secret_equal(&a, &b));
    assert_true(secret_equal(&a, &a));
    secret_set(&b, secret_bytes(&a));
    assert_true(secret_equal(&a, &b));
}

static void clearing_wipes(void **state)
{
    struct secret secret = {0};
    static const struct secret empty;
    secret_random(&secret, SECRET_MAX);
    secret_clear(&secret);
    assert_memory_equal(&empty, &secret, sizeof secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_what_was_set),
        cmocka_unit_test(a_shorter_one_leaves_nothing_of_the_longer),
        cmocka_unit_test(too_long_changes_nothing),
        cmocka_unit_test(may_be_set_from_its_own_part),
        cmocka_unit_test(random_ones_differ),
        cmocka_unit_test(clearing_wipes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
