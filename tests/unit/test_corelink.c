/* Bootstrap-Discover answers: the forms seen in the field, and hostile ones. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/corelink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct capability read_text(const char *text)
{
    struct capability capability;
    struct err err;
    capability_init(&capability);
    assert_int_equal(ERR_OK, corelink_read(bytes_of_text(text), &capability, &err));
    assert_true(capability.discovered);
    return capability;
}

static const struct capability_instance *find(const struct capability *capability, uint16_t object,
                                              uint16_t instance)
{
    for (size_t i = 0; i < capability->instance_count; i++) {
        if (capability->instances[i].object == object &&
            capability->instances[i].instance == instance)
            return &capability->instances[i];
    }
    return NULL;
}

static void assert_bootstrap_at(const struct capability *capability, uint16_t expected)
{
    uint16_t instance = 999;
    assert_true(capability_bootstrap_instance(capability, &instance));
    assert_int_equal(expected, instance);
}

/* The example of OMA Core 1.1. */
static void reads_1_1(void **state)
{
    struct capability c =
        read_text("</>;lwm2m=1.1,</0/0>;uri=\"coaps://bs.example\",</0/1>;ssid=101;uri=\"coaps://"
                  "dm.example\",</1/0>;ssid=101,</2>,</3/0>,</5>,</21/0>;ssid=101,</3303>;ver=1.1");
    uint8_t major = 0, minor = 0;
    assert_int_equal(LWM2M_1_1, c.version);
    assert_bootstrap_at(&c, 0);
    assert_int_equal(5, c.instance_count);
    assert_true(find(&c, 0, 0)->has_uri);
    assert_false(find(&c, 0, 0)->has_ssid);
    assert_int_equal(101, find(&c, 0, 1)->ssid);
    assert_true(find(&c, 0, 1)->has_ssid && find(&c, 0, 1)->has_uri);
    assert_int_equal(101, find(&c, 21, 0)->ssid);
    assert_true(capability_has_object(&c, 2) && capability_has_object(&c, 5));
    capability_object_version(&c, 3303, &major, &minor);
    assert_int_equal(1, major);
    assert_int_equal(1, minor);
    assert_false(c.truncated);
}

static void reads_1_0(void **state)
{
    struct capability c = read_text("lwm2m=\"1.0\",</0/0>,</0/1>;ssid=101,</1/0>;ssid=101");
    assert_int_equal(LWM2M_1_0, c.version);
    assert_bootstrap_at(&c, 0);
    assert_int_equal(3, c.instance_count);
}

static void takes_what_clients_make_of_it(void **state)
{
    struct capability c =
        read_text("</>;lwm2m=\"1.2\" , </0/0/> ; ssid=0,\r\n </0/1/>;ssid=\"101\"; "
                  "uri = coaps://dm.example ;foo;bar=\"a,b;</9/9>\",,</1/0>;");
    assert_int_equal(LWM2M_1_2, c.version);
    assert_bootstrap_at(&c, 0);
    assert_int_equal(3, c.instance_count);
    assert_int_equal(101, find(&c, 0, 1)->ssid);
    assert_true(find(&c, 0, 1)->has_uri);
    assert_null(find(&c, 9, 9));
}

static void skips_other_links(void **state)
{
    struct capability c =
        read_text("</.well-known/core>,</lwm2m>;rt=\"oma.lwm2m\",</0/0>,</1/x>,<>,"
                  "</70000>,</0/1/2>;ssid=7,<coap://h/0/1>,</1/0>;ssid=101");
    assert_int_equal(2, c.instance_count);
    assert_int_equal(0, c.object_count);
    assert_bootstrap_at(&c, 0);
}

static void versions_have_many_spellings(void **state)
{
    assert_int_equal(LWM2M_1_2, read_text("</>;lwm2m=1.2.1").version);
    assert_int_equal(LWM2M_1_2, read_text("</>;lwm2m=1.3").version);
    assert_int_equal(LWM2M_1_0, read_text("</>;lwm2m=1").version);
    assert_int_equal(LWM2M_VERSION_UNKNOWN, read_text("</>;lwm2m=2.0").version);
    assert_int_equal(LWM2M_VERSION_UNKNOWN, read_text("</>;lwm2m=").version);
    assert_int_equal(LWM2M_VERSION_UNKNOWN, read_text("</>;lwm2m=1.x").version);
    assert_int_equal(LWM2M_VERSION_UNKNOWN, read_text("</>").version);
    struct capability c = read_text("</21/0>;ver=\"2.0\";ssid=101");
    uint8_t major = 0, minor = 9;
    capability_object_version(&c, 21, &major, &minor);
    assert_int_equal(2, major);
    assert_int_equal(0, minor);
}

static void a_hinted_version_and_format_stay(void **state)
{
    struct capability c;
    capability_init(&c);
    c.version = LWM2M_1_1;
    c.preferred_format = 112;
    assert_int_equal(ERR_OK, corelink_read(bytes_of_text("</0/0>"), &c, NULL));
    assert_int_equal(LWM2M_1_1, c.version);
    assert_int_equal(112, c.preferred_format);
}

/* Were it taken for "no ssid", the account would pass for the bootstrap account. */
static void an_unreadable_ssid_is_still_one(void **state)
{
    struct capability c = read_text("</0/0>;ssid=abc,</0/1>,</0/2>;ssid=70000,</0/3>;ssid=");
    assert_bootstrap_at(&c, 1);
    assert_true(find(&c, 0, 0)->has_ssid && find(&c, 0, 2)->has_ssid && find(&c, 0, 3)->has_ssid);
}

static void a_second_reading_replaces_the_first(void **state)
{
    struct capability c = read_text("</0/0>,</1/0>;ssid=1,</5>");
    assert_int_equal(ERR_OK, corelink_read(bytes_of_text("</0/4>"), &c, NULL));
    assert_int_equal(1, c.instance_count);
    assert_int_equal(0, c.object_count);
    assert_bootstrap_at(&c, 4);
}

static void repeated_instances_are_one(void **state)
{
    struct capability c = read_text("</0/0>,</0/1>,</0/1>;ssid=101,</0/0>");
    assert_int_equal(2, c.instance_count);
    assert_bootstrap_at(&c, 0);
}

static void nothing_readable_is_an_error(void **state)
{
    static const char *const texts[] = {"",         " ", ",,,", ";;;", "hello",   "<html>",
                                        "</lwm2m>", "=", "<",   "\"",  "ssid=101"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct capability c, before;
        struct err err = {0};
        memset(&c, 0x55, sizeof c);
        c.instance_count = c.object_count = 0;
        before = c;
        assert_int_equal(ERR_INVALID, corelink_read(bytes_of_text(texts[i]), &c, &err));
        assert_memory_equal(&before, &c, sizeof c);
        assert_true(strlen(err.text) > 0);
    }
    struct capability c;
    capability_init(&c);
    assert_int_equal(ERR_INVALID, corelink_read((struct bytes){0}, &c, NULL));
}

static void broken_parts_do_not_spoil_the_rest(void **state)
{
    struct capability c = read_text("</0/0,</0/1>;ssid=101,</1/0>;uri=\"never ends,</2/0>");
    assert_int_equal(2, c.instance_count);
    assert_non_null(find(&c, 0, 1));
    assert_non_null(find(&c, 1, 0));
    static const char with_nul[] = "</0/0>\0;,</0/1>\0\0,\0=\0;ssid,</1/0>;ssid=1";
    capability_init(&c);
    assert_int_equal(ERR_OK, corelink_read(bytes_of(with_nul, sizeof with_nul), &c, NULL));
    assert_non_null(find(&c, 1, 0));
}

static void tables_have_caps(void **state)
{
    struct buf buf;
    struct corelink_writer writer;
    buf_init(&buf, 100000);
    corelink_begin(&writer, &buf);
    for (uint16_t i = 0; i <= CAPABILITY_INSTANCES_MAX; i++) {
        struct path path = path_instance(0, i);
        corelink_put(&writer, &path, i == 0 ? "" : ";ssid=1");
    }
    struct capability c = read_text(buf_text(&buf));
    assert_true(c.truncated);
    assert_int_equal(CAPABILITY_INSTANCES_MAX, c.instance_count);
    assert_bootstrap_at(&c, 0);
    buf_reset(&buf);
    corelink_begin(&writer, &buf);
    for (uint16_t i = 0; i <= CAPABILITY_OBJECTS_MAX; i++) {
        struct path path = path_object(i);
        corelink_put(&writer, &path, "");
    }
    c = read_text(buf_text(&buf));
    assert_true(c.truncated);
    assert_int_equal(CAPABILITY_OBJECTS_MAX, c.object_count);
    buf_clear(&buf);
}

static void writes_exactly(void **state)
{
    struct buf buf;
    struct corelink_writer writer;
    struct path root = path_root(), bootstrap = path_instance(0, 0), server = path_instance(0, 1),
                object = path_object(2);
    buf_init(&buf, 1000);
    corelink_begin(&writer, &buf);
    corelink_put(&writer, &root, ";lwm2m=1.1");
    corelink_put(&writer, &bootstrap, "");
    corelink_put(&writer, &server, ";ssid=101;uri=\"coaps://x\"");
    corelink_put(&writer, &object, "");
    assert_string_equal("</>;lwm2m=1.1,</0/0>,</0/1>;ssid=101;uri=\"coaps://x\",</2>",
                        buf_text(&buf));
    buf_clear(&buf);
}

/* Every cut and every flipped bit of a real answer: no crash, no endless loop. */
static void survives_damage(void **state)
{
    static const char text[] =
        "</>;lwm2m=\"1.1\",</0/0>;uri=\"coaps://b\",</0/1>;ssid=101,</3303>;ver=1.1";
    size_t len = sizeof text - 1;
    for (size_t cut = 0; cut <= len; cut++) {
        char *copy = malloc(cut + 1);
        struct capability c;
        memcpy(copy, text, cut);
        capability_init(&c);
        corelink_read(bytes_of(copy, cut), &c, NULL);
        free(copy);
    }
    for (size_t bit = 0; bit < len * 8; bit++) {
        char copy[sizeof text];
        struct capability c;
        memcpy(copy, text, len);
        copy[bit / 8] ^= (char)(1 << bit % 8);
        capability_init(&c);
        corelink_read(bytes_of(copy, len), &c, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_1_1),
        cmocka_unit_test(reads_1_0),
        cmocka_unit_test(takes_what_clients_make_of_it),
        cmocka_unit_test(skips_other_links),
        cmocka_unit_test(versions_have_many_spellings),
        cmocka_unit_test(a_hinted_version_and_format_stay),
        cmocka_unit_test(an_unreadable_ssid_is_still_one),
        cmocka_unit_test(a_second_reading_replaces_the_first),
        cmocka_unit_test(repeated_instances_are_one),
        cmocka_unit_test(nothing_readable_is_an_error),
        cmocka_unit_test(broken_parts_do_not_spoil_the_rest),
        cmocka_unit_test(tables_have_caps),
        cmocka_unit_test(writes_exactly),
        cmocka_unit_test(survives_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
