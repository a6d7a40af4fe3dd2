/* Values: names, equality; lists of records. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

static void types_have_names(void **state)
{
    for (int i = VALUE_NONE + 1; i < VALUE_TYPE_COUNT; i++) {
        enum value_type back = VALUE_NONE;
        assert_true(value_type_from_name(value_type_name((enum value_type)i), &back));
        assert_int_equal(i, back);
    }
    enum value_type untouched = VALUE_TIME;
    assert_false(value_type_from_name("none", &untouched));
    assert_false(value_type_from_name("Integer", &untouched));
    assert_int_equal(VALUE_TIME, untouched);
    assert_string_equal("objlink", value_type_name(VALUE_OBJLINK));
    assert_string_equal("unknown", value_type_name((enum value_type)99));
}

static void secret_kinds_have_names(void **state)
{
    assert_string_equal("psk-identity", secret_kind_name(SECRET_PSK_IDENTITY));
    assert_string_equal("psk-key", secret_kind_name(SECRET_PSK_KEY));
    assert_string_equal("bootstrap-key", secret_kind_name(SECRET_BOOTSTRAP_KEY));
    assert_string_equal("oscore-master", secret_kind_name(SECRET_OSCORE_MASTER));
    assert_string_equal("unknown", secret_kind_name(SECRET_KIND_COUNT));
}

static void equality_is_by_type_and_content(void **state)
{
    const struct value values[] = {
        {.type = VALUE_NONE},
        {.type = VALUE_STRING, .bytes = bytes_of("U", 1)},
        {.type = VALUE_STRING, .bytes = bytes_of("UQ", 2)},
        {.type = VALUE_OPAQUE, .bytes = bytes_of("U", 1)},
        {.type = VALUE_INTEGER, .integer = 1},
        {.type = VALUE_INTEGER, .integer = -1},
        {.type = VALUE_UNSIGNED, .natural = 1},
        {.type = VALUE_TIME, .integer = 1},
        {.type = VALUE_FLOAT, .real = 1.0},
        {.type = VALUE_FLOAT, .real = (double)NAN},
        {.type = VALUE_BOOLEAN, .boolean = true},
        {.type = VALUE_BOOLEAN, .boolean = false},
        {.type = VALUE_OBJLINK, .link = {21, 1}},
        {.type = VALUE_OBJLINK, .link = {21, 2}},
        {.type = VALUE_SECRET, .secret = {.kind = SECRET_PSK_KEY, .ssid = 101, .generation = 1}},
        {.type = VALUE_SECRET, .secret = {.kind = SECRET_PSK_KEY, .ssid = 102, .generation = 1}},
        {.type = VALUE_SECRET,
         .secret = {.kind = SECRET_PSK_KEY, .ssid = 101, .as_text = true, .generation = 1}},
        {.type = VALUE_SECRET, .secret = {.kind = SECRET_PSK_KEY, .ssid = 101, .generation = 2}},
        {.type = VALUE_SECRET,
         .secret = {.kind = SECRET_PSK_KEY, .ssid = 101, .as_sec1 = true, .generation = 1}},
        {.type = VALUE_SECRET,
         .secret = {.kind = SECRET_OSCORE_MASTER, .ssid = 101, .generation = 1}},
    };
    size_t count = sizeof values / sizeof values[0];
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++)
            assert_int_equal(i == j, value_equal(&values[i], &values[j]));
    }
    char other[] = "U";
    struct value copy = {.type = VALUE_STRING, .bytes = bytes_of_text(other)};
    assert_true(value_equal(&values[1], &copy));
}

static void records_grow_and_are_found(void **state)
{
    struct records records = {.arena = arena_new(0)};
    for (uint16_t i = 0; i < 1000; i++) {
        const struct record record = {.path = path_resource(1, 0, i),
                                      .value = {.type = VALUE_INTEGER, .integer = i}};
        assert_int_equal(ERR_OK, records_add(&records, &record));
    }
    assert_int_equal(1000, records.count);
    for (uint16_t i = 0; i < 1000; i++) {
        struct path path = path_resource(1, 0, i);
        const struct record *found = records_find(&records, &path);
        assert_non_null(found);
        assert_int_equal(i, found->value.integer);
    }
    struct path absent = path_resource(1, 1, 0);
    assert_null(records_find(&records, &absent));
    arena_free(records.arena);
}

static void records_keep_to_their_cap(void **state)
{
    struct records records = {.arena = arena_new(0), .max = 20};
    const struct record record = {.path = path_resource(1, 0, 0)};
    for (int i = 0; i < 20; i++)
        assert_int_equal(ERR_OK, records_add(&records, &record));
    assert_int_equal(ERR_TOO_LARGE, records_add(&records, &record));
    assert_int_equal(20, records.count);

    struct records usual = {.arena = records.arena};
    while (records_add(&usual, &record) == ERR_OK)
        ;
    assert_int_equal(4096, usual.count);
    arena_free(records.arena);
}

static void records_report_a_full_arena(void **state)
{
    struct records records = {.arena = arena_new(10)};
    const struct record record = {.path = path_resource(1, 0, 0)};
    assert_int_equal(ERR_NO_MEMORY, records_add(&records, &record));
    assert_int_equal(0, records.count);
    arena_free(records.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_have_names),
        cmocka_unit_test(secret_kinds_have_names),
        cmocka_unit_test(equality_is_by_type_and_content),
        cmocka_unit_test(records_grow_and_are_found),
        cmocka_unit_test(records_keep_to_their_cap),
        cmocka_unit_test(records_report_a_full_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
