/* SPDX-License-Identifier: Apache-2.0 */
/* A store that answers late, or not at all: only who waits for it waits (D6), and what it did not
 * keep did not happen (I1). */
#include "net.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { LIMIT_MS = 400000 };

static bool second_is_done(struct net *net)
{
    return net->devices[1].state == SIM_BOOTSTRAPPED;
}

/* The look-up for one handshake takes two seconds. Another device is bootstrapped meanwhile, as
 * fast as ever. */
static void test_slow_lookup_delays_one_handshake(void **state)
{
    const struct net_settings settings = {.devices = 2};
    struct net *net = net_new(&settings);
    uint64_t start = net->now;

    net->trouble = (struct net_store){.find_ms = 2000, .slow_identity = "lamp0"};
    net_start(net, 0, false, 0);
    net_run(net, 100);
    assert_int_equal(net->trouble.finds, 1);
    net_start(net, 1, false, 0);
    net_run_until(net, second_is_done, 500);
    assert_int_equal(net->devices[0].state, SIM_HANDSHAKE);
    assert_true(net->now - start < 500);
    net_finish(net, LIMIT_MS);
    net_assert_bootstrapped(net, 0);
    net_assert_bootstrapped(net, 1);
    /* It repeated its part while it waited; that asked for nothing new. */
    assert_int_equal(net_counters(net, 0).handshakes_done, 2);
    assert_int_equal(net->trouble.finds, 4); /* one for the key, one for the request */
    net_free(net);
}

/* Longer than the piggyback window: the 2.04 comes as a message of its own. */
static void test_late_commit(void **state)
{
    static const uint64_t delays[] = {1, 500, 799, 801, 1500, 5000, 20000};

    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        struct net *net = net_new(NULL);
        net->trouble.commit_ms = delays[i];
        net_start(net, 0, false, 0);
        net_finish(net, LIMIT_MS);
        net_assert_bootstrapped(net, 0);
        assert_int_equal(net->trouble.commits, 1);
        net_free(net);
    }
}

/* The outcome becomes durable when the device is long gone: until then it shows as verifying. */
static void test_late_record(void **state)
{
    struct net *net = net_new(NULL);
    struct live_entry entry;

    net->trouble.record_ms = 60000;
    net_start(net, 0, false, 0);
    net_run(net, 30000);
    assert_int_equal(net->devices[0].state, SIM_BOOTSTRAPPED);
    assert_int_equal(net->outcome_count, 0);
    assert_true(live_get(net->live, "lamp0", &entry));
    assert_int_equal(entry.state, STATE_VERIFYING);
    net_run(net, 60000);
    assert_int_equal(net->outcome_count, 1);
    assert_false(live_get(net->live, "lamp0", &entry));
    net_assert_bootstrapped(net, 0);
    net_free(net);
}

/* The device comes back while the outcome of its last bootstrap is still on its way to the store:
 * whatever the store says then, each key is made once. */
static void test_back_before_the_record(void **state)
{
    for (uint64_t wait = 200; wait < 4000; wait += 150) {
        struct net *net = net_new(NULL);
        net->trouble.record_ms = 2000;
        net_start(net, 0, false, 0);
        net_run(net, wait);
        net_start(net, 0, true, 0);
        net_finish(net, LIMIT_MS);
        net_assert_bootstrapped(net, 0);
        net_free(net);
    }
}

static void finish_and_come_back(struct net *net)
{
    net_finish(net, LIMIT_MS);
    net->trouble = (struct net_store){0};
    net_start(net, 0, true, 0);
    net_finish(net, LIMIT_MS);
    net_assert_bootstrapped(net, 0);
    assert_int_equal(net_generation(net, 0, CREDENTIAL_ACTIVE), 1);
    net_free(net);
}

/* No answer at all, so that the device tries again in its own time; nothing is counted against it.
 */
static void test_lookup_fails(void **state)
{
    struct net *net = net_new(NULL);

    net->trouble.find_fails = true;
    net_start(net, 0, false, 0);
    net_run(net, 100);
    assert_int_equal(net_counters(net, 0).half_open, 0);
    net_finish(net, LIMIT_MS);
    assert_int_equal(net->devices[0].state, SIM_FAILED);
    assert_string_equal(sim_device_report(net->devices[0].sim)->reason, "handshake-timeout");
    assert_int_equal(net->outcome_count, 0);
    finish_and_come_back(net);
}

static bool is_seen(struct net *net)
{
    struct live_entry entry;

    return live_get(net->live, "lamp0", &entry);
}

static void test_lookup_for_the_request_fails(void **state)
{
    struct net *net = net_new(NULL);

    net_start(net, 0, false, 0);
    net_run_until(net, is_seen, 1000);
    net->trouble.find_fails = true;
    net_run(net, 1000);
    assert_false(is_seen(net));
    assert_int_equal(net->trouble.commits, 0);
    finish_and_come_back(net);
}

/* I1: what was not kept is not sent. */
static void test_commit_fails(void **state)
{
    struct net *net = net_new(NULL);

    net->trouble.commit_fails = true;
    net_start(net, 0, false, 0);
    net_run(net, 1000);
    assert_int_equal(net->trouble.commits, 1);
    assert_int_equal(sim_device_report(net->devices[0].sim)->operation_count, 0);
    assert_int_equal(net_last(net)->cause, CAUSE_STORE_UNAVAILABLE);
    finish_and_come_back(net);
}

/* The device is bootstrapped and the store does not know: its key stays pending, and is the one
 * that it gets the next time. */
static void test_record_fails(void **state)
{
    struct net *net = net_new(NULL);

    net->trouble.record_fails = true;
    net_start(net, 0, false, 0);
    net_run(net, 60000);
    assert_int_equal(net->devices[0].state, SIM_BOOTSTRAPPED);
    assert_int_equal(net_generation(net, 0, CREDENTIAL_PENDING), 1);
    assert_int_equal(net_generation(net, 0, CREDENTIAL_ACTIVE), 0);
    finish_and_come_back(net);
}

/* The association goes while its key is being looked up or made: the late answer finds nobody, or
 * the session that came after it. */
static void test_late_answers_find_nobody(void **state)
{
    for (uint64_t wait = 0; wait <= 300; wait += 5) {
        struct net *net = net_new(NULL);
        net->trouble = (struct net_store){.find_ms = 150, .commit_ms = 150};
        net_start(net, 0, false, 0);
        net_run(net, wait);
        net_restart(net, 0, wait % 2 == 0, 0);
        net_finish(net, LIMIT_MS);
        net_assert_bootstrapped(net, 0);
        net_free(net);
    }
}

/* The answer to a look-up for a session that is over must not claim the name back from the session
 * that came after it. */
static void test_late_answer_for_an_ended_session(void **state)
{
    struct net *net = net_new(NULL);

    net_start(net, 0, false, 0);
    net_run_until(net, is_seen, 1000);
    net->trouble.find_ms = 5000;
    net_run(net, 200);
    net->trouble.find_ms = 0;
    net->trouble.commit_ms = 6000;
    net_restart(net, 0, false, 0); /* its handshake ends the session that waits */
    net_run(net, 1000);
    assert_int_equal(net_counters(net, 0).replaced_by_candidate, 1);
    assert_int_equal(net->trouble.commits, 1);
    net_finish(net, LIMIT_MS);
    net_assert_bootstrapped(net, 0);
    assert_int_equal(sim_device_report(net->devices[0].sim)->reboots, 1);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_lookup_delays_one_handshake),
        cmocka_unit_test(test_late_commit),
        cmocka_unit_test(test_late_record),
        cmocka_unit_test(test_back_before_the_record),
        cmocka_unit_test(test_lookup_fails),
        cmocka_unit_test(test_lookup_for_the_request_fails),
        cmocka_unit_test(test_commit_fails),
        cmocka_unit_test(test_record_fails),
        cmocka_unit_test(test_late_answers_find_nobody),
        cmocka_unit_test(test_late_answer_for_an_ended_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
