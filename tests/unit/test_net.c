/* Prefixes of addresses. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/net.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct net_address address(const char *text)
{
    struct net_address out = {.family = 4, .port = 5684};

    if (inet_pton(AF_INET, text, out.ip) != 1) {
        out.family = 6;
        assert_int_equal(inet_pton(AF_INET6, text, out.ip), 1);
    }
    return out;
}

static void test_contains(void **state)
{
    static const struct {
        const char *prefix, *inside, *outside;
    } cases[] = {
        {"192.0.2.0/24", "192.0.2.255", "192.0.3.0"},
        {"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
        {"10.0.0.0/7", "11.255.255.255", "12.0.0.0"},
        {"192.0.2.7", "192.0.2.7", "192.0.2.6"},
        {"192.0.2.7/32", "192.0.2.7", "192.0.2.8"},
        {"0.0.0.0/0", "255.255.255.255", "::"},
        {"2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"},
        {"2001:db8::8000/113", "2001:db8::ffff", "2001:db8::7fff"},
        {"::1", "::1", "::2"},
        {"::/0", "ffff::", "0.0.0.0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct net_prefix prefix;
        struct net_address inside = address(cases[i].inside), outside = address(cases[i].outside);
        assert_true(net_prefix_parse(cases[i].prefix, &prefix));
        assert_true(net_prefix_contains(&prefix, &inside));
        assert_false(net_prefix_contains(&prefix, &outside));
    }
}

static void test_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "/",
        "192.0.2.0/",
        "192.0.2.0/33",
        "192.0.2.0/-1",
        "192.0.2/24",
        "x",
        "2001:db8::/129",
        "::/0x10",
        "192.0.2.1/24",
        "::1/127",
        "1.2.3.4/0",
        "192.0.2.0/24/24",
        "10.0.0.0/0008",
        "10.0.0.0/ 8",
        "10.0.0.0/8 ",
        "00000000000000000000000000000000000000000000000000000000000000000000000/1",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct net_prefix prefix = {.bits = 99};
        assert_false(net_prefix_parse(cases[i], &prefix));
        assert_int_equal(prefix.bits, 99);
    }
}

static void test_texts(void **state)
{
    static const struct {
        uint8_t family;
        const char *ip;
        uint16_t port;
        const char *without, *with;
    } cases[] = {
        {4, "192.0.2.7", 5684, "192.0.2.7", "192.0.2.7:5684"},
        {4, "0.0.0.0", 0, "0.0.0.0", "0.0.0.0:0"},
        {4, "255.255.255.255", 65535, "255.255.255.255", "255.255.255.255:65535"},
        {6, "2001:db8::1", 5684, "2001:db8::1", "[2001:db8::1]:5684"},
        {6, "::", 1, "::", "[::]:1"},
        {6, "::ffff:192.0.2.7", 80, "192.0.2.7", "192.0.2.7:80"},
        {6, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535,
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
    };
    char text[NET_TEXT_SIZE];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct net_address address = {.family = cases[i].family, .port = cases[i].port};
        assert_int_equal(
            inet_pton(address.family == 4 ? AF_INET : AF_INET6, cases[i].ip, address.ip), 1);
        net_text(&address, false, text);
        assert_string_equal(text, cases[i].without);
        net_text(&address, true, text);
        assert_string_equal(text, cases[i].with);
    }
    net_text(&(struct net_address){0}, true, text);
    assert_string_equal(text, "[?]:0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_contains),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
