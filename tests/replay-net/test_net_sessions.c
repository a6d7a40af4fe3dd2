/* SPDX-License-Identifier: Apache-2.0 */
/* Devices that restart, move, ask twice, or vanish at every moment of a bootstrap; networks with
 * ten seconds there and back. */
#include "net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { LIMIT_MS = 700000 };

/* Runs `try` for each datagram that a bootstrap sends to the device, or to the server. */
static void at_each_moment(void (*try)(unsigned ordinal, bool to_server))
{
    struct net *net = net_new(NULL);

    net_start(net, 0, false, 0);
    net_finish(net, LIMIT_MS);
    unsigned sent[2] = {net->sent[0], net->sent[1]};
    net_free(net);
    assert_true(sent[0] > 8 && sent[1] > 8);
    for (unsigned direction = 0; direction < 2; direction++)
        for (unsigned ordinal = 1; ordinal <= sent[direction]; ordinal++) {
            print_message("%s server, datagram %u\n", direction ? "to" : "from", ordinal);
            try(ordinal, direction != 0);
        }
}

static bool is_chosen(const struct net *net, const struct net_datagram *datagram)
{
    return datagram->ordinal == net->chosen && datagram->to_server == net->chosen_to_server;
}

static struct net *net_choosing(const struct net_settings *settings, unsigned ordinal,
                                bool to_server)
{
    struct net *net = net_new(settings);

    net->chosen = ordinal;
    net->chosen_to_server = to_server;
    return net;
}

/* ---- restarts ---- */

/* The device restarts instead of hearing it, or right after having sent it. */
static bool restart_now(struct net *net, const struct net_datagram *datagram)
{
    if (!is_chosen(net, datagram))
        return true;
    net->chosen = 0;
    net_restart(net, 0, false, 0);
    return datagram->to_server;
}

static void restart_at(unsigned ordinal, bool to_server)
{
    /* The same message ids and tokens as before. */
    const struct net_settings settings = {.first_mid = 7};
    struct net *net = net_choosing(&settings, ordinal, to_server);

    net->arrives = restart_now;
    net_start(net, 0, false, 0);
    net_finish(net, LIMIT_MS);
    net_assert_bootstrapped(net, 0);
    net_free(net);
}

static void test_restart_from_the_same_port_at_each_moment(void **state)
{
    at_each_moment(restart_at);
}

static bool move_now(struct net *net, const struct net_datagram *datagram)
{
    if (!is_chosen(net, datagram))
        return true;
    net->chosen = 0;
    net_restart(net, 0, true, (net->devices[0].driver + 1) % net->settings.drivers);
    return datagram->to_server;
}

static void move_at(unsigned ordinal, bool to_server)
{
    struct net *net = net_choosing(NULL, ordinal, to_server);

    net->arrives = move_now;
    net_start(net, 0, false, 0);
    net_finish(net, LIMIT_MS);
    net_assert_bootstrapped(net, 0);
    net_free(net);
}

static void test_restart_from_another_port_at_each_moment(void **state)
{
    at_each_moment(move_at);
}

/* The kernel hashes the new port to another worker; the message that ends the older session takes
 * its time, longer than the newer session needs. */
static void move_to_other_worker_at(unsigned ordinal, bool to_server)
{
    const struct net_settings settings = {.drivers = 2};

    for (unsigned mail_ms = 0; mail_ms <= 400; mail_ms += 40) {
        struct net *net = net_choosing(&settings, ordinal, to_server);
        net->arrives = move_now;
        net->mail_ms = mail_ms;
        net_start(net, 0, false, 0);
        net_finish(net, LIMIT_MS);
        net_assert_bootstrapped(net, 0);
        net_free(net);
    }
}

static void test_restart_at_another_worker_at_each_moment(void **state)
{
    at_each_moment(move_to_other_worker_at);
}

/* ---- two requests at once ---- */

static bool ask_again_now(struct net *net, const struct net_datagram *datagram)
{
    if (is_chosen(net, datagram)) {
        net->chosen = 0;
        sim_device_ask_again(net->devices[0].sim, net->now);
    }
    return true;
}

static void ask_again_at(unsigned ordinal, bool to_server)
{
    struct net *net = net_choosing(NULL, ordinal, to_server);

    net->arrives = ask_again_now;
    net_start(net, 0, false, 0);
    net_finish(net, LIMIT_MS);
    if (net->devices[0].state == SIM_FAILED) { /* the request crossed the server's close_notify */
        net_start(net, 0, false, 0);
        net_finish(net, LIMIT_MS);
    }
    net_assert_bootstrapped(net, 0);
    assert_true(net_generation(net, 0, CREDENTIAL_ACTIVE) <= net->devices[0].successes);
    net_free(net);
}

static void test_second_request_on_the_association_at_each_moment(void **state)
{
    at_each_moment(ask_again_at);
}

static bool twin_is_served(struct net *net)
{
    return net->devices[0].state == SIM_SERVED;
}

static void slow_down_first(struct net *net, const struct net_datagram *datagram,
                            struct net_fate *fate)
{
    if (datagram->device == 0)
        fate->delay_ms = 300;
}

static bool no_operation_arrives(struct net *net, const struct net_datagram *datagram)
{
    return datagram->to_server;
}

/* Two devices with one name and key: the newer one gets the bootstrap, the older session ends, and
 * is history only. */
static void two_of_one_name(unsigned drivers)
{
    const struct net_settings settings = {.devices = 2, .drivers = drivers, .twins = true};
    struct net *net = net_new(&settings);

    net->fault = slow_down_first;
    net_start(net, 0, false, 0);
    net_run_until(net, twin_is_served, 10000);
    net_start(net, 1, false, drivers - 1);
    net_finish(net, LIMIT_MS);
    net_assert_bootstrapped(net, 1);
    assert_int_equal(net->devices[0].state, SIM_FAILED);
    assert_int_equal(net->outcome_count, 2);
    assert_int_equal(net->outcomes[0].cause, CAUSE_SUPERSEDED);
    assert_int_equal(net->outcomes[1].state, STATE_BOOTSTRAPPED);
    assert_int_equal(net_generation(net, 0, CREDENTIAL_ACTIVE), 1);
    net_free(net);
}

static void test_two_associations_of_one_endpoint(void **state)
{
    two_of_one_name(1);
}

static void test_two_workers_with_one_endpoint(void **state)
{
    two_of_one_name(2);
}

/* Both ask in the very same moment: one of them wins, and both workers agree on which. */
static void test_two_workers_at_the_same_moment(void **state)
{
    const struct net_settings settings = {.devices = 2, .drivers = 2, .twins = true};

    for (unsigned mail_ms = 0; mail_ms <= 200; mail_ms += 10) {
        struct net *net = net_new(&settings);
        net->mail_ms = mail_ms;
        net_start(net, 0, false, 0);
        net_start(net, 1, false, 1);
        net_finish(net, LIMIT_MS);
        unsigned winner = net->devices[1].state == SIM_BOOTSTRAPPED ? 1 : 0;
        net_assert_bootstrapped(net, winner);
        net_free(net);
    }
}

/* The older one asks again while the message that would end it is under way: now it is the newest,
 * and the message comes too late to hurt. */
static void test_superseded_one_asks_again(void **state)
{
    const struct net_settings settings = {.devices = 2, .drivers = 2, .twins = true};
    struct net *net = net_new(&settings);

    net->mail_ms = 2000;
    net->fault = slow_down_first;
    net_start(net, 0, false, 0);
    net_run_until(net, twin_is_served, 10000);
    net_start(net, 1, false, 1);
    net_run(net, 100); /* it has asked: the message is on its way to the first */
    assert_non_null(net->mail);
    assert_true(sim_device_ask_again(net->devices[0].sim, net->now));
    net_finish(net, LIMIT_MS);
    net_assert_bootstrapped(net, 0);
    net_free(net);
}

/* What was open when the device asked again is not repeated while the store is asked. */
static void test_asking_again_ends_what_was_open(void **state)
{
    struct net *net = net_new(NULL);

    net_start(net, 0, false, 0);
    net_run_until(net, twin_is_served, 10000);
    net->arrives = no_operation_arrives;
    net_run(net, 500);
    net->arrives = NULL;
    net->trouble.find_ms = 20000;
    assert_true(sim_device_ask_again(net->devices[0].sim, net->now));
    net_run(net, 19000);
    assert_int_equal(net_counters(net, 0).coap_retransmissions, 0);
    net_finish(net, LIMIT_MS);
    net_assert_bootstrapped(net, 0);
    net_free(net);
}

/* ---- Finish ---- */

static bool is_finishing(struct net *net)
{
    struct live_entry entry;

    return live_get(net->live, "lamp0", &entry) && entry.state == STATE_VERIFYING;
}

static void lose_to_server(struct net *net, const struct net_datagram *datagram,
                           struct net_fate *fate)
{
    if (datagram->to_server)
        fate->copies = 0;
}

/* Finish reaches the device, its answer never comes back: nobody knows. The key stays pending, and
 * is sent again (I2). */
static void test_finish_answer_lost(void **state)
{
    struct net *net = net_new(NULL);

    net_start(net, 0, false, 0);
    net_run_until(net, is_finishing, 1000);
    net->fault = lose_to_server;
    net_finish(net, LIMIT_MS);
    assert_int_equal(net->devices[0].state, SIM_BOOTSTRAPPED);
    assert_int_equal(net_last(net)->state, STATE_UNCONFIRMED);
    assert_int_equal(net_last(net)->cause, CAUSE_TIMEOUT);
    assert_int_equal(net_generation(net, 0, CREDENTIAL_PENDING), 1);
    assert_int_equal(net_generation(net, 0, CREDENTIAL_ACTIVE), 0);
    net->fault = NULL;
    net_start(net, 0, false, 0);
    net_finish(net, LIMIT_MS);
    net_assert_bootstrapped(net, 0);
    assert_int_equal(net_generation(net, 0, CREDENTIAL_ACTIVE), 1);
    net_free(net);
}

/* Finish itself never arrives, nor do its repeats. The device gives up, and comes back. */
static bool lose_finish(struct net *net, const struct net_datagram *datagram)
{
    return datagram->to_server || !is_finishing(net);
}

static void test_finish_lost(void **state)
{
    struct net *net = net_new(NULL);

    net->arrives = lose_finish;
    net_start(net, 0, false, 0);
    net_run_until(net, is_finishing, 1000);
    net_run(net, 200000);
    assert_int_equal(net->devices[0].finishes, 0);
    assert_int_equal(net->outcome_count, 1);
    assert_int_equal(net_last(net)->state, STATE_UNCONFIRMED);
    assert_int_equal(net_generation(net, 0, CREDENTIAL_PENDING), 1);
    net->arrives = NULL;
    net_start(net, 0, true, 0);
    net_finish(net, LIMIT_MS);
    net_assert_bootstrapped(net, 0);
    assert_int_equal(net_generation(net, 0, CREDENTIAL_ACTIVE), 1);
    net_free(net);
}

/* The key of a server that the profile has dropped since was not given to the device this time: it
 * stays pending. */
static void test_only_what_was_written_is_promoted(void **state)
{
    const struct net_settings settings = {
        .profile = "class: lamp\n"
                   "servers:\n"
                   "  - { id: 101, uri: \"coaps://a.example\",\n"
                   "      security: { mode: psk, credential: generate } }\n"
                   "  - { id: 102, uri: \"coaps://b.example\",\n"
                   "      security: { mode: psk, credential: generate } }\n",
    };
    struct net *net = net_new(&settings);
    struct store_device stored = {0};

    net_start(net, 0, false, 0);
    net_run_until(net, is_finishing, 1000);
    net->fault = lose_to_server;
    net_finish(net, LIMIT_MS);
    net->fault = NULL;
    net_set_profile(net, net_usual_profile);
    net_start(net, 0, false, 0);
    net_finish(net, LIMIT_MS);
    net_get(net, 0, &stored);
    assert_int_equal(stored.state, STATE_BOOTSTRAPPED);
    assert_non_null(enrollment_credential(&stored.enrollment, 101, CREDENTIAL_ACTIVE));
    assert_non_null(enrollment_credential(&stored.enrollment, 102, CREDENTIAL_PENDING));
    assert_null(enrollment_credential(&stored.enrollment, 102, CREDENTIAL_ACTIVE));
    store_device_clear(&stored);
    net_free(net);
}

/* ---- devices that vanish ---- */

static bool vanish_now(struct net *net, const struct net_datagram *datagram)
{
    if (is_chosen(net, datagram))
        net->devices[0].vanished = true;
    return !is_chosen(net, datagram);
}

static bool nothing_is_left(struct net *net)
{
    struct endpoint_counters counters = net_counters(net, 0);
    uint64_t states[STATE_COUNT], shown = 0;

    live_counts(net->live, states);
    for (unsigned i = 0; i < STATE_COUNT; i++)
        shown += states[i];
    return net_running(net) == 0 && counters.open + counters.half_open == 0 && shown == 0;
}

/* The server forgets it in the end, says what happened, and serves it when it comes back: with the
 * key that it was given before. */
static void vanish_at(unsigned ordinal, bool to_server)
{
    struct net *net = net_choosing(NULL, ordinal, to_server);

    net->arrives = vanish_now;
    net_start(net, 0, false, 0);
    net_run(net, 1000);
    bool asked = net->trouble.commits > 0;
    net_run_until(net, nothing_is_left, LIMIT_MS);
    assert_int_equal(net->outcome_count, asked);
    if (asked && net_last(net)->state != STATE_BOOTSTRAPPED) {
        assert_true(net_last(net)->state == STATE_FAILED ||
                    net_last(net)->state == STATE_UNCONFIRMED);
        assert_int_equal(net_last(net)->cause, CAUSE_TIMEOUT);
    }
    net->arrives = NULL;
    net_start(net, 0, false, 0);
    net_finish(net, LIMIT_MS);
    net_assert_bootstrapped(net, 0);
    assert_int_equal(net_generation(net, 0, CREDENTIAL_ACTIVE), net->devices[0].successes);
    net_free(net);
}

static void test_vanishing_at_each_moment(void **state)
{
    at_each_moment(vanish_at);
}

/* ---- states shown ---- */

static void lose_the_request(struct net *net, const struct net_datagram *datagram,
                             struct net_fate *fate)
{
    if (datagram->to_server && datagram->ordinal >= 4) /* two hellos and a flight */
        fate->copies = 0;
}

/* Between handshake and request a device shows as seen; when it goes, it is not any more. */
static void test_seen_after_the_handshake(void **state)
{
    struct net *net = net_new(NULL);
    struct live_entry entry;

    net->fault = lose_the_request;
    net_start(net, 0, false, 0);
    net_run(net, 500);
    assert_int_equal(net->trouble.finds, 1);
    assert_true(live_get(net->live, "lamp0", &entry));
    assert_int_equal(entry.state, STATE_SEEN);
    assert_int_equal(net_running(net), 0);
    net_run_until(net, nothing_is_left, LIMIT_MS);
    assert_false(live_get(net->live, "lamp0", &entry));
    assert_int_equal(net->outcome_count, 0);
    net_free(net);
}

/* An operator blocks or removes a device that has shaken hands and not asked: it is not left with
 * an association that serves it nothing. */
static void test_removed_before_it_asked(void **state)
{
    struct net *net = net_new(NULL);
    struct live_entry entry;

    net->fault = lose_the_request;
    net_start(net, 0, false, 0);
    net_run(net, 500);
    assert_true(live_get(net->live, "lamp0", &entry));
    driver_abort(net->drivers[0], &entry.holder, CAUSE_REMOVED);
    assert_true(nothing_is_left(net));
    driver_abort(net->drivers[0], &entry.holder, CAUSE_REMOVED); /* it has gone: nothing happens */
    net_run(net, 100);
    assert_int_equal(net->devices[0].state, SIM_FAILED);
    assert_string_equal(sim_device_report(net->devices[0].sim)->reason, "closed-by-server");
    net_free(net);
}

/* An association that was opened with a key which has been replaced since serves nothing, and
 * leaves no trace at the device; with the new key it comes in. */
static void test_key_replaced_before_it_asked(void **state)
{
    struct net *net = net_new(NULL);
    struct store_device device;
    enum store_change change;
    struct err err = {0};

    net->fault = lose_the_request;
    net_start(net, 0, false, 0);
    net_run(net, 500);
    net_get(net, 0, &device);
    assert_true(secret_set(&device.bootstrap_key, bytes_of_text("another key now!")));
    assert_int_equal(store_enroll(net->admin, &device, true, &change, &err), ERR_OK);
    store_device_clear(&device);
    net->fault = NULL;
    net_run_until(net, nothing_is_left, LIMIT_MS);
    assert_int_equal(net->devices[0].state, SIM_FAILED);
    assert_int_equal(net->devices[0].operations, 0);
    net_get(net, 0, &device);
    assert_int_equal(device.state, STATE_NEW);
    store_device_clear(&device);
    assert_int_equal(net->outcome_count, 0);
    net_free(net);
}

/* ---- slow networks (trap 8) ---- */

static void jitter(struct net *net, const struct net_datagram *datagram, struct net_fate *fate)
{
    fate->delay_ms += net_random(net, 1000);
}

/* Ten seconds there and back, and up to two more: the listener's times are meant for that, and the
 * handshake has shown what to expect. Nothing goes twice. */
static void test_ten_seconds_round_trip(void **state)
{
    static const uint32_t ack_timeouts[] = {2000, 9000, 15000};

    for (unsigned i = 0; i < 3; i++)
        for (unsigned seed = 1; seed <= 10; seed++) {
            const struct net_settings settings = {
                .delay_ms = 5000,
                .handshake_min_ms = 15000,
                .ack_timeout_ms = ack_timeouts[i],
                .profile = "class: lamp\n"
                           "servers:\n"
                           "  - id: 101\n"
                           "    uri: coaps://lwm2m.city.example:5684\n"
                           "    security: { mode: psk, credential: generate }\n",
            };
            struct net *net = net_new(&settings);
            net->random = seed;
            net->fault = jitter;
            net_start(net, 0, false, 0);
            net_finish(net, LIMIT_MS);
            net_assert_bootstrapped(net, 0);
            assert_int_equal(net_counters(net, 0).coap_retransmissions, 0);
            net_free(net);
        }
}

static void slow_after_handshake(struct net *net, const struct net_datagram *datagram,
                                 struct net_fate *fate)
{
    if (datagram->ordinal > 3)
        fate->delay_ms = 5000 + net_random(net, 1000);
}

/* The handshake was quick and shows nothing; the class says what its devices need. */
static void test_ten_seconds_by_class(void **state)
{
    for (unsigned seed = 1; seed <= 10; seed++) {
        const struct net_settings settings = {
            .profile = "class: lamp\n"
                       "servers:\n"
                       "  - id: 101\n"
                       "    uri: coaps://lwm2m.city.example:5684\n"
                       "    security: { mode: psk, credential: generate }\n"
                       "client: { ack-timeout: 15s }\n",
        };
        struct net *net = net_new(&settings);
        net->random = seed;
        net->fault = slow_after_handshake;
        net_start(net, 0, false, 0);
        net_finish(net, LIMIT_MS);
        net_assert_bootstrapped(net, 0);
        assert_int_equal(net_counters(net, 0).coap_retransmissions, 0);
        net_free(net);
    }
}

/* The server's flight is lost several times, and then an operation. */
static void lose_flights(struct net *net, const struct net_datagram *datagram,
                         struct net_fate *fate)
{
    bool flight = net->now < 1060000 && datagram->ordinal > 1;

    if (!datagram->to_server && (flight || datagram->ordinal == net->chosen))
        fate->copies = 0;
    if (!datagram->to_server && !flight && net->chosen == 0 && net->devices[0].state == SIM_SERVED)
        net->chosen = datagram->ordinal + 2;
}

/* Flights that were lost look like a long round trip; there must be time for repeats all the same.
 */
static void test_lost_flights_leave_time_for_repeats(void **state)
{
    const struct net_settings settings = {.handshake_min_ms = 9000};
    struct net *net = net_new(&settings);

    net->fault = lose_flights;
    net_start(net, 0, false, 0);
    net_finish(net, LIMIT_MS);
    net_assert_bootstrapped(net, 0);
    assert_true(net_counters(net, 0).coap_retransmissions > 0);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_restart_from_the_same_port_at_each_moment),
        cmocka_unit_test(test_restart_from_another_port_at_each_moment),
        cmocka_unit_test(test_restart_at_another_worker_at_each_moment),
        cmocka_unit_test(test_second_request_on_the_association_at_each_moment),
        cmocka_unit_test(test_two_associations_of_one_endpoint),
        cmocka_unit_test(test_two_workers_with_one_endpoint),
        cmocka_unit_test(test_two_workers_at_the_same_moment),
        cmocka_unit_test(test_superseded_one_asks_again),
        cmocka_unit_test(test_asking_again_ends_what_was_open),
        cmocka_unit_test(test_finish_answer_lost),
        cmocka_unit_test(test_finish_lost),
        cmocka_unit_test(test_only_what_was_written_is_promoted),
        cmocka_unit_test(test_vanishing_at_each_moment),
        cmocka_unit_test(test_seen_after_the_handshake),
        cmocka_unit_test(test_removed_before_it_asked),
        cmocka_unit_test(test_key_replaced_before_it_asked),
        cmocka_unit_test(test_ten_seconds_round_trip),
        cmocka_unit_test(test_ten_seconds_by_class),
        cmocka_unit_test(test_lost_flights_leave_time_for_repeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
