/* Rates by source: who is over his, who is not touched by it, and that the table keeps its size. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "limits_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { START_MS = 5000000 };

static struct net_address ipv4(uint32_t host)
{
    struct net_address address = {.family = 4, .port = 40000};

    for (unsigned i = 0; i < 4; i++)
        address.ip[i] = (uint8_t)(host >> (24 - 8 * i));
    return address;
}

static struct limits *make(uint32_t handshakes, uint32_t failures)
{
    struct endpoint_limits settings = {.handshakes_per_second = handshakes,
                                       .failures_per_second = failures};
    struct limits *limits = limits_new(&settings);

    assert_non_null(limits);
    return limits;
}

static unsigned passes(struct limits *limits, enum limit_kind kind, struct net_address source,
                       unsigned tries, uint64_t now)
{
    unsigned passed = 0;

    for (unsigned i = 0; i < tries; i++)
        passed += limits_count(limits, kind, &source, now);
    return passed;
}

static void test_rate(void **state)
{
    struct limits *limits = make(100, 10);
    struct net_address source = ipv4(1);

    /* A second's worth at once, then as time goes on. */
    assert_int_equal(passes(limits, LIMIT_HANDSHAKES, source, 1000, START_MS), 100);
    assert_int_equal(passes(limits, LIMIT_HANDSHAKES, source, 1000, START_MS + 50), 5);
    assert_int_equal(passes(limits, LIMIT_HANDSHAKES, source, 1000, START_MS + 1050), 100);
    unsigned passed = 0;
    for (uint64_t now = START_MS + 2000; now < START_MS + 12000; now++)
        passed += passes(limits, LIMIT_HANDSHAKES, source, 3, now);
    assert_in_range(passed, 1000, 1100);
    limits_free(limits);
}

static void test_kinds_and_sources_apart(void **state)
{
    struct limits *limits = make(100, 10);
    struct net_address source = ipv4(1), other = ipv4(2);

    assert_int_equal(passes(limits, LIMIT_FAILURES, source, 1000, START_MS), 10);
    assert_true(limits_reached(limits, LIMIT_FAILURES, &source, START_MS));
    assert_false(limits_reached(limits, LIMIT_HANDSHAKES, &source, START_MS));
    assert_false(limits_reached(limits, LIMIT_FAILURES, &other, START_MS));
    assert_false(limits_reached(limits, LIMIT_FAILURES, &source, START_MS + 1000));
    assert_int_equal(passes(limits, LIMIT_HANDSHAKES, source, 1000, START_MS), 100);
    source.port++; /* a port is no source of its own */
    assert_int_equal(passes(limits, LIMIT_HANDSHAKES, source, 1000, START_MS), 0);
    limits_free(limits);
}

/* One host has a whole network of IPv6. */
static void test_ipv6_counts_by_network(void **state)
{
    struct limits *limits = make(100, 10);
    struct net_address source = {.family = 6, .ip = {0x20, 1, 0x0d, 0xb8, 0, 0, 0, 1}};

    assert_int_equal(passes(limits, LIMIT_HANDSHAKES, source, 1000, START_MS), 100);
    source.ip[15] = 9;
    assert_int_equal(passes(limits, LIMIT_HANDSHAKES, source, 1000, START_MS), 0);
    source.ip[7] = 2;
    assert_int_equal(passes(limits, LIMIT_HANDSHAKES, source, 1000, START_MS), 100);
    limits_free(limits);
}

static void test_zero_is_any(void **state)
{
    struct limits *limits = make(0, 0);
    struct net_address source = ipv4(1);

    assert_int_equal(passes(limits, LIMIT_HANDSHAKES, source, 100000, START_MS), 100000);
    assert_false(limits_reached(limits, LIMIT_FAILURES, &source, START_MS));
    limits_free(limits);
}

static void test_exempt(void **state)
{
    struct net_prefix prefixes[2];
    struct endpoint_limits settings = {
        .handshakes_per_second = 1, .exempt = prefixes, .exempt_count = 2};

    assert_true(net_prefix_parse("0.0.0.0/24", &prefixes[0]));
    assert_true(net_prefix_parse("2001:db8::/32", &prefixes[1]));
    struct limits *limits = limits_new(&settings);
    assert_non_null(limits);
    memset(prefixes, 0xff, sizeof prefixes); /* they were copied */
    assert_int_equal(passes(limits, LIMIT_HANDSHAKES, ipv4(7), 100, START_MS), 100);
    assert_int_equal(passes(limits, LIMIT_HANDSHAKES, ipv4(0x107), 100, START_MS), 1);
    limits_free(limits);
}

/* More sources than the table has room for: each is let in, and the busy one is not forgotten for
 * those that come once. */
static void test_many_sources(void **state)
{
    struct limits *limits = make(100, 10);
    struct net_address busy = ipv4(0xc0000201);

    assert_int_equal(passes(limits, LIMIT_HANDSHAKES, busy, 100, START_MS), 100);
    for (uint32_t host = 0; host < 100000; host++)
        assert_int_equal(passes(limits, LIMIT_HANDSHAKES, ipv4(host), 1, START_MS), 1);
    assert_true(limits_reached(limits, LIMIT_HANDSHAKES, &busy, START_MS));
    limits_free(limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_kinds_and_sources_apart),
        cmocka_unit_test(test_ipv6_counts_by_network),
        cmocka_unit_test(test_zero_is_any),
        cmocka_unit_test(test_exempt),
        cmocka_unit_test(test_many_sources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
