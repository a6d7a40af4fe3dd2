/* SPDX-License-Identifier: Apache-2.0 */
/* SIGTERM: what runs may finish, newcomers are not served, and a device that has vanished holds
 * nobody up. */
#include "net.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { LIMIT_MS = 60000 };

static void drain(struct net *net)
{
    for (unsigned i = 0; i < net->settings.drivers; i++)
        driver_drain(net->drivers[i]);
}

static bool is_served(struct net *net)
{
    return net->devices[0].state == SIM_SERVED;
}

static bool nothing_runs(struct net *net)
{
    return net_running(net) == 0;
}

static void slow(struct net *net, const struct net_datagram *datagram, struct net_fate *fate)
{
    fate->delay_ms = 4000;
}

/* Everybody answers, if slowly: twelve seconds for an operation whose first sending was lost. */
static void test_running_sessions_finish(void **state)
{
    static const uint64_t delays[] = {10, 1000, 4000};

    for (size_t i = 0; i < 3; i++) {
        const struct net_settings settings = {.delay_ms = (uint32_t)delays[i],
                                              .handshake_min_ms = 15000};
        struct net *net = net_new(&settings);
        net_start(net, 0, false, 0);
        net_run_until(net, is_served, LIMIT_MS);
        drain(net);
        net_run_until(net, nothing_runs, LIMIT_MS);
        net_finish(net, LIMIT_MS);
        net_assert_bootstrapped(net, 0);
        net_free(net);
    }
}

/* A network that has become slow after the handshake has ten seconds at least. */
static void test_slow_answers_are_awaited(void **state)
{
    struct net *net = net_new(NULL);

    net_start(net, 0, false, 0);
    net_run_until(net, is_served, LIMIT_MS);
    net->fault = slow;
    drain(net);
    net_run_until(net, nothing_runs, LIMIT_MS);
    net_finish(net, LIMIT_MS);
    net_assert_bootstrapped(net, 0);
    net_free(net);
}

static void test_vanished_device_is_given_up(void **state)
{
    struct net *net = net_new(NULL);

    net_start(net, 0, false, 0);
    net_run_until(net, is_served, LIMIT_MS);
    net->devices[0].vanished = true;
    uint64_t start = net->now;
    drain(net);
    net_run_until(net, nothing_runs, LIMIT_MS);
    assert_in_range(net->now - start, 9000, 11000);
    assert_int_equal(net->outcome_count, 1);
    assert_int_equal(net_last(net)->cause, CAUSE_SHUTDOWN);
    net_free(net);
}

/* The time that a silent device is given grows with what its network needs. */
static void test_slow_devices_are_given_more(void **state)
{
    const struct net_settings settings = {.delay_ms = 5000, .handshake_min_ms = 15000};
    struct net *net = net_new(&settings);

    net_start(net, 0, false, 0);
    net_run_until(net, is_served, LIMIT_MS);
    net->devices[0].vanished = true;
    uint64_t start = net->now;
    drain(net);
    net_run_until(net, nothing_runs, LIMIT_MS);
    assert_in_range(net->now - start, 30000, 36000);
    net_free(net);
}

/* It is the store that is slow, not the device that is silent. */
static void test_waiting_for_the_store_is_no_silence(void **state)
{
    struct net *net = net_new(NULL);

    net->trouble.commit_ms = 30000;
    net_start(net, 0, false, 0);
    net_run(net, 1000);
    drain(net);
    net_run_until(net, nothing_runs, LIMIT_MS);
    net_finish(net, LIMIT_MS);
    net_assert_bootstrapped(net, 0);
    net_free(net);
}

static void test_newcomers_are_not_served(void **state)
{
    const struct net_settings settings = {.devices = 2};
    struct net *net = net_new(&settings);

    net_start(net, 0, false, 0);
    net_run_until(net, is_served, LIMIT_MS);
    drain(net);
    net_start(net, 1, false, 0);
    net_run_until(net, nothing_runs, LIMIT_MS);
    net_run(net, 5000);
    net_assert_bootstrapped(net, 0);
    assert_int_equal(net->devices[1].state, SIM_HANDSHAKE);
    assert_int_equal(net_counters(net, 0).handshakes_done, 1);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_running_sessions_finish),
        cmocka_unit_test(test_slow_answers_are_awaited),
        cmocka_unit_test(test_vanished_device_is_given_up),
        cmocka_unit_test(test_slow_devices_are_given_more),
        cmocka_unit_test(test_waiting_for_the_store_is_no_silence),
        cmocka_unit_test(test_newcomers_are_not_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
