/* Hints where the device of an identity is. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "id_hints_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct bytes name(char out[static 32], unsigned number)
{
    snprintf(out, 32, "lamp-%u", number);
    return bytes_of_text(out);
}

static void test_many_are_found(void **state)
{
    enum { MANY = 200000 };
    struct id_hints hints;
    char text[32];
    unsigned missing = 0;
    (void)state;
    id_hints_init(&hints);
    for (unsigned i = 1; i <= MANY; i++)
        id_hints_note(&hints, name(text, i), i);
    for (unsigned i = 1; i <= MANY; i++) {
        int64_t id = id_hints_find(&hints, name(text, i));
        assert_true(id == i || id == 0 || id <= MANY);
        missing += id != i;
    }
    /* Where a bucket was full, or two have the same half hash. */
    assert_true(missing < MANY / 50);
    assert_true(hints.count <= 4 * (size_t)MANY);
    assert_int_equal(id_hints_find(&hints, bytes_of_text("nobody")), 0);
    id_hints_clear(&hints);
}

static void test_the_last_word_counts(void **state)
{
    struct id_hints hints;
    (void)state;
    id_hints_init(&hints);
    id_hints_note(&hints, bytes_of_text("a"), 1);
    id_hints_note(&hints, bytes_of_text("a"), 2);
    assert_int_equal(id_hints_find(&hints, bytes_of_text("a")), 2);
    assert_int_equal(hints.used, 1);
    id_hints_note(&hints, bytes_of_text("b"), INT64_C(0x100000000));
    assert_int_equal(id_hints_find(&hints, bytes_of_text("b")), 0);
    id_hints_clear(&hints);
}

/* Few devices that change their identities for ever. */
static void test_memory_is_bounded_by_devices(void **state)
{
    enum { CHANGES = 100000, DEVICES = 500 };
    struct id_hints hints;
    char text[32];
    (void)state;
    id_hints_init(&hints);
    for (unsigned i = 1; i <= CHANGES; i++)
        id_hints_note(&hints, name(text, i), i % DEVICES + 1);
    assert_true(hints.count <= 4096);
    unsigned found = 0;
    for (unsigned i = CHANGES - DEVICES; i <= CHANGES; i++)
        found += id_hints_find(&hints, name(text, i)) == i % DEVICES + 1;
    assert_true(found > DEVICES / 2);
    id_hints_clear(&hints);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_are_found),
        cmocka_unit_test(test_the_last_word_counts),
        cmocka_unit_test(test_memory_is_bounded_by_devices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
