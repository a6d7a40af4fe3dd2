/* The object table: its rows hang together, lookups find them, values are checked. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/object_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static const uint16_t known_objects[] = {0, 1, 2, 3, 4, 5, 6, 7, 11, 13, 21, 23, 24};
enum { OBJECTS = sizeof known_objects / sizeof known_objects[0] };

static void every_object_is_there(void **state)
{
    for (size_t i = 0; i < OBJECTS; i++) {
        const struct object_definition *object = object_table_object(known_objects[i]);
        size_t count = 0;
        assert_non_null(object);
        assert_int_equal(known_objects[i], object->id);
        assert_non_null(object_table_resources(known_objects[i], &count));
        assert_true(count > 0);
    }
    size_t count = 9;
    assert_null(object_table_object(8));
    assert_null(object_table_resources(8, &count));
    assert_int_equal(0, count);
    assert_null(object_table_resource(8, 0));
}

static void rows_are_in_order_and_found(void **state)
{
    for (size_t i = 0; i < OBJECTS; i++) {
        size_t count = 0;
        const struct resource_definition *rows = object_table_resources(known_objects[i], &count);
        for (size_t j = 0; j < count; j++) {
            assert_true(j == 0 || rows[j].id > rows[j - 1].id);
            assert_int_equal(known_objects[i], rows[j].object);
            assert_ptr_equal(&rows[j], object_table_resource(known_objects[i], rows[j].id));
            assert_true(strlen(rows[j].name) > 0);
            assert_int_equal(rows[j].executable, rows[j].type == VALUE_NONE);
            assert_true(rows[j].since >= object_table_object(known_objects[i])->since);
        }
        assert_null(object_table_resource(known_objects[i], rows[count - 1].id + 1));
        assert_null(object_table_resource(known_objects[i], 65535));
    }
    assert_null(object_table_resource(5, 4)); /* a gap */
    assert_null(object_table_resource(6, 7));
}

/* The number of resources an enabler version has, per object (OMA Core 1.0, 1.1, 1.2). */
static void versions_hold_what_they_introduced(void **state)
{
    static const struct {
        uint16_t object;
        size_t in_1_0, in_1_1, in_1_2;
    } expected[] = {{0, 13, 18, 31}, {1, 9, 24, 28}, {2, 4, 4, 4},
                    {21, 0, 7, 7},   {23, 0, 0, 3},  {24, 0, 0, 9}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        size_t count = 0, in_1_0 = 0, in_1_1 = 0;
        const struct resource_definition *rows = object_table_resources(expected[i].object, &count);
        for (size_t j = 0; j < count; j++) {
            in_1_0 += rows[j].since <= LWM2M_1_0;
            in_1_1 += rows[j].since <= LWM2M_1_1;
        }
        assert_int_equal(expected[i].in_1_0, in_1_0);
        assert_int_equal(expected[i].in_1_1, in_1_1);
        assert_int_equal(expected[i].in_1_2, count);
    }
}

static void mandatory_and_multiple_are_marked(void **state)
{
    for (uint16_t id = 0; id <= 5; id++)
        assert_true(object_table_resource(OBJECT_SECURITY, id)->mandatory);
    assert_false(object_table_resource(OBJECT_SECURITY, 10)->mandatory);
    assert_true(object_table_resource(OBJECT_SECURITY, 16)->multiple);
    assert_false(object_table_resource(OBJECT_SECURITY, 17)->multiple);
    assert_true(object_table_resource(OBJECT_ACCESS_CONTROL, 2)->multiple);
    assert_true(object_table_resource(OBJECT_SERVER, 8)->executable);
    assert_true(object_table_object(OBJECT_SERVER)->multiple);
    assert_false(object_table_object(OBJECT_DEVICE)->multiple);
}

static void oscore_changed_its_types(void **state)
{
    static const uint16_t changed[] = {0, 1, 2, 5, 6};
    for (size_t i = 0; i < sizeof changed / sizeof changed[0]; i++) {
        assert_int_equal(VALUE_STRING, object_table_type(OBJECT_OSCORE, changed[i], LWM2M_1_1));
        assert_int_equal(VALUE_STRING,
                         object_table_type(OBJECT_OSCORE, changed[i], LWM2M_VERSION_UNKNOWN));
        assert_int_equal(VALUE_OPAQUE, object_table_type(OBJECT_OSCORE, changed[i], LWM2M_1_2));
    }
    assert_int_equal(VALUE_INTEGER, object_table_type(OBJECT_OSCORE, 3, LWM2M_1_1));
    assert_int_equal(VALUE_OPAQUE, object_table_type(OBJECT_SECURITY, 5, LWM2M_1_0));
    assert_int_equal(VALUE_NONE, object_table_type(9999, 0, LWM2M_1_2));
    assert_int_equal(VALUE_NONE, object_table_type(OBJECT_SERVER, 8, LWM2M_1_2));
    struct value key = {.type = VALUE_STRING, .bytes = bytes_of("\xff\x01", 2)};
    struct err err;
    assert_int_equal(ERR_OK,
                     object_table_check(object_table_resource(OBJECT_OSCORE, 0), &key, &err));
    assert_int_equal(ERR_INVALID,
                     object_table_check(object_table_resource(OBJECT_SERVER, 7), &key, &err));
}

static struct value integer(int64_t number)
{
    return (struct value){.type = VALUE_INTEGER, .integer = number};
}

static struct value natural(uint64_t number)
{
    return (struct value){.type = VALUE_UNSIGNED, .natural = number};
}

static struct value string(const char *text)
{
    return (struct value){.type = VALUE_STRING, .bytes = bytes_of_text(text)};
}

static enum err_code check(uint16_t object, uint16_t resource, struct value value, struct err *err)
{
    return object_table_check(object_table_resource(object, resource), &value, err);
}

static void ranges_hold_at_their_ends(void **state)
{
    assert_int_equal(ERR_OK, check(0, 10, integer(1), NULL));
    assert_int_equal(ERR_OK, check(0, 10, integer(65534), NULL));
    assert_int_equal(ERR_OK, check(0, 10, natural(65534), NULL));
    assert_int_equal(ERR_RANGE, check(0, 10, integer(0), NULL));
    assert_int_equal(ERR_RANGE, check(0, 10, natural(0), NULL));
    assert_int_equal(ERR_RANGE, check(0, 10, integer(65535), NULL));
    assert_int_equal(ERR_RANGE, check(0, 10, natural(UINT64_MAX), NULL));
    assert_int_equal(ERR_OK, check(13, 1, integer(-48), NULL));
    assert_int_equal(ERR_RANGE, check(13, 1, integer(-47), NULL));
    assert_int_equal(ERR_RANGE, check(13, 1, natural(48), NULL));
    assert_int_equal(ERR_OK, check(1, 1, integer(4294967295), NULL));
    assert_int_equal(ERR_RANGE, check(1, 1, integer(-1), NULL));
}

static void floats_have_ranges_too(void **state)
{
    struct value value = {.type = VALUE_FLOAT, .real = -90.0};
    assert_int_equal(ERR_OK, check(6, 0, value, NULL));
    value.real = -90.5;
    assert_int_equal(ERR_RANGE, check(6, 0, value, NULL));
    assert_int_equal(ERR_OK, check(6, 0, integer(48), NULL));
    assert_int_equal(ERR_RANGE, check(6, 0, integer(91), NULL));
}

static void lengths_have_ranges(void **state)
{
    char uri[257];
    memset(uri, 'u', 256);
    uri[256] = '\0';
    assert_int_equal(ERR_RANGE, check(0, 0, string(uri), NULL));
    uri[255] = '\0';
    assert_int_equal(ERR_OK, check(0, 0, string(uri), NULL));
    struct value sms = {.type = VALUE_OPAQUE, .bytes = bytes_of("123456", 6)};
    assert_int_equal(ERR_OK, check(0, 7, sms, NULL));
    sms.bytes.len = 5;
    struct err err;
    assert_int_equal(ERR_RANGE, check(0, 7, sms, &err));
    assert_string_equal("SMS Binding Key Parameters must be of a length in bytes of 6", err.text);
}

static void wrong_types_are_refused(void **state)
{
    struct err err;
    assert_int_equal(ERR_INVALID, check(1, 1, string("86400"), &err));
    assert_string_equal("Lifetime must be of type integer, not string", err.text);
    assert_int_equal(ERR_INVALID, check(1, 7, integer(1), NULL));
    assert_int_equal(ERR_INVALID, check(1, 6, integer(1), NULL));
    assert_int_equal(ERR_INVALID, check(0, 5, string("key"), NULL));
    assert_int_equal(ERR_INVALID, check(1, 8, integer(1), &err));
    assert_string_equal("Registration Update Trigger can only be executed, not written", err.text);
    assert_int_equal(ERR_INVALID, check(1, 7, string("\xff"), NULL));
    struct value value = {.type = VALUE_FLOAT, .real = 1.0};
    assert_int_equal(ERR_INVALID, check(1, 1, value, NULL));
}

static void the_sign_is_checked_without_a_range(void **state)
{
    struct err err;
    assert_int_equal(ERR_RANGE, check(1, 13, integer(-1), &err));
    assert_string_equal("Registration Priority Order must not be negative", err.text);
    assert_int_equal(ERR_OK, check(1, 13, natural(UINT64_MAX), NULL));
    assert_int_equal(ERR_RANGE, check(11, 13, natural(UINT64_MAX), NULL));
    assert_int_equal(ERR_OK, check(11, 13, natural(INT64_MAX), NULL));
}

static void messages_say_what_is_allowed(void **state)
{
    struct err err;
    assert_int_equal(ERR_RANGE, check(0, 2, integer(5), &err));
    assert_string_equal("Security Mode must be 0 to 4 (0 PSK, 1 raw public key, 2 certificate, "
                        "3 none, 4 EST)",
                        err.text);
}

static void references_stand_for_bytes(void **state)
{
    struct value secret = {.type = VALUE_SECRET, .secret = {.kind = SECRET_PSK_KEY, .ssid = 101}};
    assert_int_equal(ERR_OK, check(0, 5, secret, NULL));
    assert_int_equal(ERR_OK, check(23, 2, secret, NULL));
    assert_int_equal(ERR_INVALID, check(0, 10, secret, NULL));
    assert_int_equal(ERR_OK, check(21, 1, string("lamp7"), NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_object_is_there),
        cmocka_unit_test(rows_are_in_order_and_found),
        cmocka_unit_test(versions_hold_what_they_introduced),
        cmocka_unit_test(mandatory_and_multiple_are_marked),
        cmocka_unit_test(oscore_changed_its_types),
        cmocka_unit_test(ranges_hold_at_their_ends),
        cmocka_unit_test(floats_have_ranges_too),
        cmocka_unit_test(lengths_have_ranges),
        cmocka_unit_test(wrong_types_are_refused),
        cmocka_unit_test(the_sign_is_checked_without_a_range),
        cmocka_unit_test(messages_say_what_is_allowed),
        cmocka_unit_test(references_stand_for_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
