/* Enrolments: names allowed, copies, lookups. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/enrollment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static enum err_code endpoint(const char *text, struct err *err)
{
    return enrollment_check_endpoint(bytes_of_text(text), err);
}

static void endpoints(void **state)
{
    char text[257];
    struct err err;
    memset(text, 'e', 256);
    text[256] = '\0';
    assert_int_equal(ERR_RANGE, endpoint(text, &err));
    assert_string_equal("endpoint has 256 bytes; at most 255 are allowed", err.text);
    text[255] = '\0';
    assert_int_equal(ERR_OK, endpoint(text, NULL));
    assert_int_equal(ERR_OK, endpoint("urn:dev:os:0042-lamp7", NULL));
    assert_int_equal(ERR_OK, endpoint("Lampe \xc3\x84 7", NULL));
    assert_int_equal(ERR_INVALID, endpoint("", NULL));
    assert_int_equal(ERR_INVALID, endpoint("a\xff", NULL));
    assert_int_equal(ERR_INVALID, endpoint("a\nb", &err));
    assert_string_equal("endpoint has a control character at byte 2", err.text);
    assert_int_equal(ERR_INVALID, endpoint("a\x7f", NULL));
    assert_int_equal(ERR_INVALID, endpoint("a\xc2\x9b", NULL));
    assert_int_equal(ERR_OK, endpoint("a\xc2\xa0", NULL));
    assert_int_equal(ERR_INVALID, enrollment_check_endpoint(bytes_of("a\0b", 3), NULL));
}

static void classes(void **state)
{
    char text[65];
    memset(text, 'c', 64);
    text[64] = '\0';
    assert_int_equal(ERR_RANGE, enrollment_check_class(bytes_of_text(text), NULL));
    assert_int_equal(ERR_OK, enrollment_check_class(bytes_of(text, 63), NULL));
    assert_int_equal(ERR_OK, enrollment_check_class(bytes_of_text("street-light-2"), NULL));
    static const char *const bad[] = {"", "Street", "a b", "a_b", "a.b", "a/b", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(ERR_INVALID, enrollment_check_class(bytes_of_text(bad[i]), NULL));
}

static void identities(void **state)
{
    uint8_t data[129] = {0};
    assert_int_equal(ERR_OK, enrollment_check_identity(bytes_of(data, 1), NULL));
    assert_int_equal(ERR_OK, enrollment_check_identity(bytes_of(data, 128), NULL));
    assert_int_equal(ERR_RANGE, enrollment_check_identity(bytes_of(data, 129), NULL));
    assert_int_equal(ERR_INVALID, enrollment_check_identity(bytes_of(data, 0), NULL));

    struct identity identity = {0};
    assert_false(identity_set(&identity, bytes_of(data, 129)));
    assert_false(identity_set(&identity, bytes_of(data, 0)));
    assert_true(identity_set(&identity, bytes_of("long identity", 13)));
    assert_true(identity_set(&identity, bytes_of("short", 5)));
    assert_true(bytes_equal(bytes_of("short", 5), identity_bytes(&identity)));
    assert_int_equal(0, identity.data[5]); /* nothing of the longer one stays */
}

static void tags(void **state)
{
    char name[65], value[257];
    memset(name, 'n', 64);
    name[64] = '\0';
    memset(value, 'v', 256);
    value[256] = '\0';
    assert_int_equal(ERR_OK, enrollment_check_tag("Street_1.a-b", "", NULL));
    assert_int_equal(ERR_OK, enrollment_check_tag("s", value + 1, NULL));
    assert_int_equal(ERR_RANGE, enrollment_check_tag("s", value, NULL));
    assert_int_equal(ERR_RANGE, enrollment_check_tag(name, "v", NULL));
    assert_int_equal(ERR_OK, enrollment_check_tag(name + 1, "v", NULL));
    assert_int_equal(ERR_INVALID, enrollment_check_tag("", "v", NULL));
    assert_int_equal(ERR_INVALID, enrollment_check_tag("a b", "v", NULL));
    assert_int_equal(ERR_INVALID, enrollment_check_tag("a", "x\ty", NULL));
    assert_int_equal(ERR_INVALID, enrollment_check_tag("a", "\xff", NULL));
}

static void copies_are_independent(void **state)
{
    struct enrollment from = {.endpoint = "lamp7", .revision = 3, .tag_count = 2};
    from.tags = calloc(2, sizeof *from.tags);
    strcpy(from.tags[0].name, "street");
    strcpy(from.tags[0].value, "Main");
    strcpy(from.tags[1].name, "pole");
    struct enrollment to;
    assert_true(enrollment_copy(&to, &from));
    strcpy(from.tags[0].value, "Side");
    assert_string_equal("Main", enrollment_tag(&to, "street"));
    assert_string_equal("Side", enrollment_tag(&from, "street"));
    assert_string_equal("", enrollment_tag(&to, "pole"));
    assert_null(enrollment_tag(&to, "Street"));
    enrollment_clear(&from);
    assert_string_equal("Main", enrollment_tag(&to, "street"));
    assert_string_equal("lamp7", to.endpoint);
    enrollment_clear(&to);
    assert_null(to.tags);
    enrollment_clear(&to);
}

static void credentials_are_found_by_server_and_status(void **state)
{
    struct enrollment enrollment = {.credential_count = 3};
    enrollment.credentials[0] =
        (struct enrolled_credential){.ssid = 101, .status = CREDENTIAL_ACTIVE, .generation = 1};
    enrollment.credentials[1] =
        (struct enrolled_credential){.ssid = 101, .status = CREDENTIAL_PENDING, .generation = 2};
    enrollment.credentials[2] =
        (struct enrolled_credential){.ssid = 0, .status = CREDENTIAL_ACTIVE, .generation = 9};
    assert_int_equal(1, enrollment_credential(&enrollment, 101, CREDENTIAL_ACTIVE)->generation);
    assert_int_equal(2, enrollment_credential(&enrollment, 101, CREDENTIAL_PENDING)->generation);
    assert_int_equal(9, enrollment_credential(&enrollment, 0, CREDENTIAL_ACTIVE)->generation);
    assert_null(enrollment_credential(&enrollment, 101, CREDENTIAL_RETIRING));
    assert_null(enrollment_credential(&enrollment, 102, CREDENTIAL_ACTIVE));
}

static void statuses_have_names(void **state)
{
    assert_string_equal("pending", credential_status_name(CREDENTIAL_PENDING));
    assert_string_equal("active", credential_status_name(CREDENTIAL_ACTIVE));
    assert_string_equal("retiring", credential_status_name(CREDENTIAL_RETIRING));
    assert_string_equal("unknown", credential_status_name((enum credential_status)9));
    for (int i = 0; i < CREDENTIAL_KIND_COUNT; i++) {
        enum credential_kind kind;
        assert_true(
            credential_kind_from_name(credential_kind_name((enum credential_kind)i), &kind));
        assert_int_equal(i, kind);
    }
    enum credential_kind untouched = CREDENTIAL_KIND_X509;
    assert_false(credential_kind_from_name("est", &untouched));
    assert_int_equal(CREDENTIAL_KIND_X509, untouched);
    assert_string_equal("unknown", credential_kind_name(CREDENTIAL_KIND_COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints),
        cmocka_unit_test(classes),
        cmocka_unit_test(identities),
        cmocka_unit_test(tags),
        cmocka_unit_test(copies_are_independent),
        cmocka_unit_test(credentials_are_found_by_server_and_status),
        cmocka_unit_test(statuses_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
