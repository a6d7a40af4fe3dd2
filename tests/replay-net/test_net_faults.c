/* SPDX-License-Identifier: Apache-2.0 */
/* Each single datagram of a bootstrap in turn is lost, doubled, overtaken, or late: the device is
 * bootstrapped in the end. */
#include "net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { LIMIT_MS = 400000 };

typedef void (*fault_fn)(struct net *net, const struct net_datagram *datagram,
                         struct net_fate *fate);

/* Devices that make a bootstrap longer: answers in messages of their own, small blocks. */
static void answers_apart(struct sim_config *config)
{
    config->separate = true;
    config->separate_delay_ms = 100;
}

static void answers_apart_unconfirmed(struct sim_config *config)
{
    config->separate = config->separate_non = true;
}

static void takes_small_blocks(struct sim_config *config)
{
    config->block_szx = 2;
    config->payload_max = 64;
}

static void (*const behaviours[])(struct sim_config *config) = {
    NULL,
    answers_apart,
    answers_apart_unconfirmed,
    takes_small_blocks,
};
enum { BEHAVIOURS = sizeof behaviours / sizeof behaviours[0] };

static struct net *net_behaving(unsigned behaviour)
{
    const struct net_settings settings = {.behave = behaviours[behaviour]};

    return net_new(&settings);
}

struct clean_run {
    unsigned sent[2];
};

static struct clean_run measure(unsigned behaviour)
{
    struct net *net = net_behaving(behaviour);

    net_start(net, 0, false, 0);
    net_finish(net, LIMIT_MS);
    net_assert_bootstrapped(net, 0);
    struct clean_run run = {{net->sent[0], net->sent[1]}};
    net_free(net);
    assert_in_range(run.sent[0], 8, 60);
    assert_in_range(run.sent[1], 8, 60);
    return run;
}

static bool is_chosen(const struct net *net, const struct net_datagram *datagram)
{
    return datagram->ordinal == net->chosen && datagram->to_server == net->chosen_to_server;
}

static void lose(struct net *net, const struct net_datagram *datagram, struct net_fate *fate)
{
    if (is_chosen(net, datagram))
        fate->copies = 0;
}

static void lose_two(struct net *net, const struct net_datagram *datagram, struct net_fate *fate)
{
    if (datagram->to_server == net->chosen_to_server &&
        (datagram->ordinal == net->chosen || datagram->ordinal == net->chosen + 1))
        fate->copies = 0;
}

static void repeat(struct net *net, const struct net_datagram *datagram, struct net_fate *fate)
{
    if (is_chosen(net, datagram))
        fate->copies = 3;
}

/* The next one of its flight, or of its direction, arrives before it. */
static void overtake(struct net *net, const struct net_datagram *datagram, struct net_fate *fate)
{
    if (is_chosen(net, datagram))
        fate->delay_ms += 25;
}

/* It arrives when both sides have repeated themselves: DTLS after 1 s, CoAP after 2 to 3 s. */
static void delay(struct net *net, const struct net_datagram *datagram, struct net_fate *fate)
{
    if (is_chosen(net, datagram))
        fate->delay_ms += 3500;
}

/* Late by more than all repeats of a message and the lingering of the session together. */
static void delay_much(struct net *net, const struct net_datagram *datagram, struct net_fate *fate)
{
    if (is_chosen(net, datagram))
        fate->delay_ms += 100000;
}

static void bootstrap_with(fault_fn fault, unsigned behaviour, unsigned ordinal, bool to_server)
{
    struct net *net = net_behaving(behaviour);

    net->fault = fault;
    net->chosen = ordinal;
    net->chosen_to_server = to_server;
    print_message("behaviour %u, %s server, datagram %u\n", behaviour, to_server ? "to" : "from",
                  ordinal);
    net_start(net, 0, false, 0);
    net_finish(net, LIMIT_MS);
    bool given_up = net_last(net)->state != STATE_BOOTSTRAPPED;
    if (given_up) {
        /* Nobody repeats an answer that is lost after its empty ACK and is not confirmable (RFC
         * 7252 section 5.2.3): the server gives up, and the device tries again. */
        assert_ptr_equal(behaviours[behaviour], answers_apart_unconfirmed);
        assert_true(net_last(net)->cause == CAUSE_TIMEOUT || net_last(net)->cause == CAUSE_CLOSED);
        net_start(net, 0, false, 0);
        net_finish(net, LIMIT_MS);
    }
    net_assert_bootstrapped(net, 0);
    assert_int_equal(net->outcome_count, 1 + given_up);
    assert_int_equal(net->trouble.commits, 1); /* the second time with the same key */
    net_free(net);
}

static void each_in_turn(fault_fn fault)
{
    for (unsigned behaviour = 0; behaviour < BEHAVIOURS; behaviour++) {
        struct clean_run run = measure(behaviour);
        for (unsigned direction = 0; direction < 2; direction++)
            for (unsigned ordinal = 1; ordinal <= run.sent[direction]; ordinal++)
                bootstrap_with(fault, behaviour, ordinal, direction != 0);
    }
}

static void test_each_lost(void **state)
{
    each_in_turn(lose);
}

static void test_each_two_lost(void **state)
{
    each_in_turn(lose_two);
}

static void test_each_repeated(void **state)
{
    each_in_turn(repeat);
}

static void test_each_overtaken(void **state)
{
    each_in_turn(overtake);
}

static void test_each_late(void **state)
{
    each_in_turn(delay);
}

static void test_each_very_late(void **state)
{
    each_in_turn(delay_much);
}

/* A good network: nothing is sent twice. */
static void test_nothing_is_repeated_without_need(void **state)
{
    for (unsigned behaviour = 0; behaviour < BEHAVIOURS; behaviour++) {
        struct net *net = net_behaving(behaviour);
        net_start(net, 0, false, 0);
        net_finish(net, LIMIT_MS);
        net_assert_bootstrapped(net, 0);
        struct endpoint_counters counters = net_counters(net, 0);
        assert_int_equal(counters.coap_retransmissions, 0);
        assert_int_equal(counters.coap_duplicates, 0);
        assert_int_equal(sim_device_report(net->devices[0].sim)->duplicates, 0);
        net_free(net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_repeated_without_need),
        cmocka_unit_test(test_each_lost),
        cmocka_unit_test(test_each_two_lost),
        cmocka_unit_test(test_each_repeated),
        cmocka_unit_test(test_each_overtaken),
        cmocka_unit_test(test_each_late),
        cmocka_unit_test(test_each_very_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
