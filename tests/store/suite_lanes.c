/* Several threads, full queues, and callbacks that run exactly once. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

#include "usher/clock.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- four lanes, one endpoint (I2) ---- */

enum { LANES = 4, ROUNDS = 150 };

struct hammer {
    struct bed *bed;
    unsigned number;
    unsigned promoted;
    const char *failure; /* cmocka's assertions are for the main thread only */
};

static void check(struct hammer *hammer, bool good, const char *what)
{
    if (!good && hammer->failure == NULL)
        hammer->failure = what;
}

static void wait_in_thread(struct store_lane *lane, const struct answer *answer)
{
    while (answer->calls == 0) {
        struct pollfd ready = {.fd = store_lane_fd(lane), .events = POLLIN};
        poll(&ready, 1, 1000);
        store_lane_poll(lane);
    }
}

static void keep_device(void *context, enum err_code result, const struct store_device *device)
{
    struct answer *answer = context;
    answer->calls++;
    answer->result = result;
    if (device != NULL)
        assert_true(store_device_copy(&answer->device, device));
}

static void keep_result(void *context, enum err_code result)
{
    struct answer *answer = context;
    answer->calls++;
    answer->result = result;
}

static bool one_of_each(const struct store_device *device)
{
    unsigned seen[3] = {0};
    for (size_t i = 0; i < device->enrollment.credential_count; i++)
        seen[device->enrollment.credentials[i].status]++;
    return seen[0] <= 1 && seen[1] <= 1 && seen[2] <= 1;
}

static void run_round(struct hammer *hammer, struct store_lane *lane, unsigned round)
{
    struct store_new_credential credential = {.ssid = 101};
    struct answer answer = {0}, done = {0}, found = {0};
    struct outcome outcome;
    char key[32];
    snprintf(key, sizeof key, "%u-%u", hammer->number, round);
    identity_set(&credential.identity, bytes_of_text(key));
    secret_set(&credential.key, bytes_of_text(key));
    store_make_pending(lane, bytes_of_text("lamp-7"), &credential, 1, keep_device, &answer);
    wait_in_thread(lane, &answer);
    uint64_t generation = generation_of(&answer.device, 101, CREDENTIAL_PENDING);
    check(hammer, answer.result == ERR_OK && generation > 0, "no pending credential");
    check(hammer, one_of_each(&answer.device), "two credentials of one status");
    outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, hammer->number * 1000 + round);
    struct store_promotion promotion = {.ssid = 101, .generation = generation};
    store_record(lane, &outcome, &promotion, 1, keep_result, &done);
    wait_in_thread(lane, &done);
    check(hammer, done.result == ERR_OK, "outcome not recorded");
    if (round % 4 == 0)
        store_lane_rest(lane);
    store_find_identity(lane, bytes_of_text("id-lamp-7"), keep_device, &found);
    wait_in_thread(lane, &found);
    check(hammer, found.result == ERR_OK, "device not found");
    check(hammer, one_of_each(&found.device), "two credentials of one status");
    check(hammer, generation_of(&found.device, 101, CREDENTIAL_ACTIVE) >= generation,
          "an older credential became active");
    store_device_clear(&answer.device);
    store_device_clear(&found.device);
}

static void *hammer_main(void *argument)
{
    struct hammer *hammer = argument;
    struct store_lane *lane = NULL;
    struct err err;
    if (store_lane_open(hammer->bed->store, &lane, &err) != ERR_OK) {
        hammer->failure = "no lane";
        return NULL;
    }
    for (unsigned round = 0; round < ROUNDS && hammer->failure == NULL; round++)
        run_round(hammer, lane, round);
    store_lane_close(lane);
    return NULL;
}

static void test_lanes_share_one_endpoint(void **state)
{
    struct bed *bed = *state;
    struct hammer hammers[LANES] = {0};
    pthread_t threads[LANES];
    struct answer answer = {0};
    enroll(bed->lane, "lamp-7");
    for (unsigned i = 0; i < LANES; i++) {
        hammers[i] = (struct hammer){.bed = bed, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, hammer_main, &hammers[i]), 0);
    }
    for (unsigned i = 0; i < LANES; i++) {
        pthread_join(threads[i], NULL);
        if (hammers[i].failure != NULL)
            fail_msg("%s", hammers[i].failure);
    }
    assert_int_equal(find_endpoint(bed->lane, "lamp-7", &answer), ERR_OK);
    assert_int_equal(answer.device.enrollment.bootstraps, LANES * ROUNDS);
    uint64_t active = generation_of(&answer.device, 101, CREDENTIAL_ACTIVE);
    assert_true(active >= 1 && active <= LANES * ROUNDS);
    assert_int_equal(count_of(bed->store, "lamp", STATE_BOOTSTRAPPED), 1);
    answer_clear(&answer);
}

/* ---- readers see all that is durable, whatever is being folded ---- */

struct watcher {
    struct bed *bed;
    bool rests;          /* and so shares looks */
    bool enrolled;       /* with a key for another server */
    atomic_uint durable; /* bootstraps reported so far */
    atomic_uint made;    /* generation of the last credential that was reported */
    atomic_bool stop;
    const char *failure;
    unsigned reads;
};

static uint64_t newest_generation(const struct store_device *device, uint16_t ssid)
{
    uint64_t pending = generation_of(device, ssid, CREDENTIAL_PENDING);
    uint64_t active = generation_of(device, ssid, CREDENTIAL_ACTIVE);
    return pending > active ? pending : active;
}

static void *watch_main(void *argument)
{
    struct watcher *watcher = argument;
    struct store_lane *lane = NULL;
    struct err err;
    if (store_lane_open(watcher->bed->store, &lane, &err) != ERR_OK)
        watcher->failure = "no lane";
    while (watcher->failure == NULL && !atomic_load(&watcher->stop)) {
        struct answer answer = {0};
        unsigned before = atomic_load(&watcher->durable), made = atomic_load(&watcher->made);
        store_find_identity(lane, bytes_of_text("id-lamp-7"), keep_device, &answer);
        wait_in_thread(lane, &answer);
        if (watcher->rests)
            store_lane_rest(lane);
        /* One more may be durable and its report under way. */
        unsigned after = atomic_load(&watcher->durable) + 1;
        uint64_t seen = answer.device.enrollment.bootstraps;
        if (answer.calls != 1 || answer.result != ERR_OK)
            watcher->failure = "not found";
        else if (seen < before || seen > after)
            watcher->failure = "a durable outcome is missing, or counted twice";
        else if (newest_generation(&answer.device, 101) < made)
            watcher->failure = "a durable credential is missing";
        else if (watcher->enrolled && generation_of(&answer.device, 102, CREDENTIAL_ACTIVE) != 1)
            watcher->failure = "the credential that it was enrolled with is missing";
        watcher->reads++;
        store_device_clear(&answer.device);
    }
    store_lane_close(lane);
    return NULL;
}

static void test_readers_see_every_durable_outcome(void **state)
{
    struct bed *bed = *state;
    struct watcher watcher = {.bed = bed};
    struct store_filter filter = {.state = -1, .cause = -1, .limit = 1};
    struct outcome outcome;
    struct err err;
    pthread_t thread;
    enroll(bed->lane, "lamp-7");
    assert_int_equal(pthread_create(&thread, NULL, watch_main, &watcher), 0);
    for (unsigned i = 1; i <= 400; i++) {
        outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, i);
        assert_int_equal(record(bed->lane, &outcome, 0, 0), ERR_OK);
        atomic_store(&watcher.durable, i);
        /* A list folds. */
        if (i % 3 == 0)
            assert_int_equal(store_list(bed->lane, &filter, ignore_row, NULL, &err), ERR_OK);
    }
    atomic_store(&watcher.stop, true);
    pthread_join(thread, NULL);
    if (watcher.failure != NULL)
        fail_msg("%s", watcher.failure);
    assert_true(watcher.reads > 0);
}

/* By sessions, by somebody else, and brought from one table to another. */
static void make_credentials(struct bed *bed, struct watcher *watcher)
{
    struct store_filter filter = {.state = -1, .cause = -1, .limit = 1};
    struct answer answer = {0};
    struct outcome outcome;
    struct err err;
    enum store_change change;
    for (unsigned i = 1; i <= 120; i++) {
        assert_int_equal(make_pending(bed->lane, "lamp-7", 101, "fresh", &answer), ERR_OK);
        atomic_store(&watcher->made, i);
        if (i % 5 == 0)
            assert_int_equal(store_set_place(bed->lane, bytes_of_text("lamp-7"), 101,
                                             i % 2 == 0 ? "north" : "south", &change, &err),
                             ERR_OK);
        outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, i);
        assert_int_equal(record(bed->lane, &outcome, 101, i), ERR_OK);
        atomic_store(&watcher->durable, i);
        if (i % 3 == 0)
            assert_int_equal(store_list(bed->lane, &filter, ignore_row, NULL, &err), ERR_OK);
    }
    answer_clear(&answer);
}

static void watch_credentials(struct bed *bed, bool rests)
{
    struct watcher watcher = {.bed = bed, .rests = rests, .enrolled = true};
    pthread_t thread;
    enroll_with_key(bed->lane, "lamp-7", 102, "enrolled");
    assert_int_equal(pthread_create(&thread, NULL, watch_main, &watcher), 0);
    make_credentials(bed, &watcher);
    atomic_store(&watcher.stop, true);
    pthread_join(thread, NULL);
    if (watcher.failure != NULL)
        fail_msg("%s", watcher.failure);
    assert_true(watcher.reads > 0);
}

static void test_readers_see_every_durable_credential(void **state)
{
    watch_credentials(*state, false);
}

static void test_sharing_readers_see_every_durable_credential(void **state)
{
    watch_credentials(*state, true);
}

/* ---- full queue, closing ---- */

struct tally {
    unsigned calls, good, busy, unavailable, other;
};

static void tally_result(void *context, enum err_code result)
{
    struct tally *tally = context;
    tally->calls++;
    if (result == ERR_OK)
        tally->good++;
    else if (result == ERR_BUSY)
        tally->busy++;
    else if (result == ERR_UNAVAILABLE)
        tally->unavailable++;
    else
        tally->other++;
}

static void drain(struct bed *bed, const struct tally *tally, unsigned expected)
{
    uint64_t deadline = clock_monotonic_ms() + 30000;
    while (tally->calls < expected) {
        struct pollfd ready = {.fd = store_lane_fd(bed->lane), .events = POLLIN};
        assert_true(clock_monotonic_ms() < deadline);
        poll(&ready, 1, 1000);
        store_lane_poll(bed->lane);
    }
}

static void test_full_queue_is_busy(void **state)
{
    enum { REQUESTS = 500 };
    struct bed *bed = *state;
    struct tally tally = {0};
    struct outcome outcome;
    bed_close(bed);
    bed_prepare(bed, suite_backend);
    bed->config.queue_max = 5;
    bed->config.gather_ms = 50;
    bed_start(bed);
    enroll(bed->lane, "lamp-7");
    for (unsigned i = 0; i < REQUESTS; i++) {
        outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, i);
        store_record(bed->lane, &outcome, NULL, 0, tally_result, &tally);
    }
    assert_true(tally.busy > 0); /* at once */
    drain(bed, &tally, REQUESTS);
    assert_int_equal(tally.calls, REQUESTS);
    assert_int_equal(tally.good + tally.busy, REQUESTS);
    assert_true(tally.good >= 5);
    struct answer answer = {0};
    assert_int_equal(find_endpoint(bed->lane, "lamp-7", &answer), ERR_OK);
    assert_int_equal(answer.device.enrollment.bootstraps, tally.good);
    answer_clear(&answer);
}

/* Closing a lane answers what is under way; what was accepted becomes durable all the same. */
static void test_closing_a_lane_answers_everything(void **state)
{
    enum { REQUESTS = 100 };
    struct bed *bed = *state;
    struct tally tally = {0};
    struct outcome outcome;
    struct answer answer = {0};
    struct err err;
    enroll(bed->lane, "lamp-7");
    for (unsigned i = 0; i < REQUESTS; i++) {
        outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, i);
        store_record(bed->lane, &outcome, NULL, 0, tally_result, &tally);
    }
    store_lane_close(bed->lane);
    assert_int_equal(tally.calls, REQUESTS);
    assert_int_equal(tally.good + tally.unavailable, REQUESTS);
    assert_int_equal(store_lane_open(bed->store, &bed->lane, &err), ERR_OK);
    enroll(bed->lane, "barrier");
    assert_int_equal(find_endpoint(bed->lane, "lamp-7", &answer), ERR_OK);
    assert_int_equal(answer.device.enrollment.bootstraps, REQUESTS);
    assert_int_equal(tally.calls, REQUESTS);
    answer_clear(&answer);
}

struct again {
    struct bed *bed;
    struct tally inner;
    unsigned calls;
};

static void ask_again(void *context, enum err_code result)
{
    struct again *again = context;
    struct outcome outcome;
    again->calls++;
    outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, 2);
    store_record(again->bed->lane, &outcome, NULL, 0, tally_result, &again->inner);
}

static void test_callbacks_may_call_the_store(void **state)
{
    struct bed *bed = *state;
    struct again again = {.bed = bed};
    struct outcome outcome;
    struct err err;
    enroll(bed->lane, "lamp-7");
    outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, 1);
    store_record(bed->lane, &outcome, NULL, 0, ask_again, &again);
    drain(bed, &again.inner, 1);
    assert_int_equal(again.calls, 1);
    assert_int_equal(again.inner.good, 1);
    /* Also while the lane closes: nothing new is taken then. */
    bed_close(bed);
    bed_prepare(bed, suite_backend);
    bed->config.gather_ms = 200;
    bed_start(bed);
    enroll(bed->lane, "lamp-7");
    again = (struct again){.bed = bed};
    store_record(bed->lane, &outcome, NULL, 0, ask_again, &again);
    store_lane_close(bed->lane);
    assert_int_equal(again.calls, 1);
    assert_int_equal(again.inner.unavailable, 1);
    assert_int_equal(store_lane_open(bed->store, &bed->lane, &err), ERR_OK);
}

static enum err_code find_on(struct store_lane *lane, const char *identity, struct answer *answer)
{
    answer_clear(answer);
    return find_identity(lane, identity, answer);
}

static void replace_key(struct store_lane *lane, const char *endpoint, const char *identity)
{
    struct store_device device;
    enum store_change change;
    struct err err;
    device_make(&device, endpoint);
    assert_true(identity_set(&device.enrollment.identity, bytes_of_text(identity)));
    assert_true(secret_set(&device.bootstrap_key, bytes_of_text("another key")));
    assert_int_equal(store_enroll(lane, &device, true, &change, &err), ERR_OK);
    assert_int_equal(change, STORE_CHANGED);
    store_device_clear(&device);
}

/* A lane that rests keeps devices and looks for its next finds; what was reported changed is seen
 * all the same, whoever changed it. */
static void test_finds_of_a_resting_lane_are_true(void **state)
{
    struct bed *bed = *state;
    struct store_lane *lane;
    struct answer answer = {0};
    struct outcome outcome;
    enum store_change change;
    struct err err;
    enroll(bed->lane, "lamp-7");
    assert_int_equal(store_lane_open(bed->store, &lane, &err), ERR_OK);
    store_lane_rest(lane);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(find_on(lane, "id-lamp-7", &answer), ERR_OK);
        assert_int_equal(answer.device.enrollment.bootstraps, 0);
        assert_int_equal(answer.device.enrollment.credential_count, 0);
        assert_true(
            bytes_equal(secret_bytes(&answer.device.bootstrap_key), bytes_of_text("key-lamp-7")));
    }
    outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, 1);
    for (uint64_t bootstraps = 1; bootstraps < 4; bootstraps++) {
        assert_int_equal(record(bed->lane, &outcome, 0, 0), ERR_OK);
        assert_int_equal(find_on(lane, "id-lamp-7", &answer), ERR_OK);
        assert_int_equal(answer.device.enrollment.bootstraps, bootstraps);
    }
    answer_clear(&answer);
    assert_int_equal(make_pending(bed->lane, "lamp-7", 101, "fresh", &answer), ERR_OK);
    assert_int_equal(find_on(lane, "id-lamp-7", &answer), ERR_OK);
    assert_non_null(key_of(&answer.device, 101, CREDENTIAL_PENDING));
    replace_key(bed->lane, "lamp-7", "id-lamp-7");
    assert_int_equal(find_on(lane, "id-lamp-7", &answer), ERR_OK);
    assert_true(
        bytes_equal(secret_bytes(&answer.device.bootstrap_key), bytes_of_text("another key")));
    replace_key(bed->lane, "lamp-7", "id-new");
    assert_int_equal(find_on(lane, "id-lamp-7", &answer), ERR_NOT_FOUND);
    assert_int_equal(find_on(lane, "id-new", &answer), ERR_OK);
    assert_int_equal(store_set_blocked(bed->lane, bytes_of_text("lamp-7"), true, &change, &err),
                     ERR_OK);
    assert_int_equal(find_on(lane, "id-new", &answer), ERR_OK);
    assert_true(answer.device.enrollment.blocked);
    assert_int_equal(store_remove(bed->lane, bytes_of_text("lamp-7"), &err), ERR_OK);
    assert_int_equal(find_on(lane, "id-new", &answer), ERR_NOT_FOUND);
    assert_int_equal(find_on(lane, "id-lamp-8", &answer), ERR_NOT_FOUND);
    enroll(bed->lane, "lamp-8");
    assert_int_equal(find_on(lane, "id-lamp-8", &answer), ERR_OK);
    /* Something is kept, and wants to be let go in time. */
    assert_true(store_lane_rest(lane) <= clock_monotonic_ms() + 2000);
    answer_clear(&answer);
    store_lane_close(lane);
}

static void enroll_as(struct store_lane *lane, const char *endpoint, const char *class_name)
{
    struct store_device device;
    enum store_change change;
    struct err err;
    device_make(&device, endpoint);
    strcpy(device.enrollment.class_name, class_name);
    assert_int_equal(store_enroll(lane, &device, true, &change, &err), ERR_OK);
    store_device_clear(&device);
}

static enum err_code record_state(struct store_lane *lane, const char *endpoint,
                                  enum device_state state, unsigned number)
{
    struct outcome outcome;
    outcome_make(&outcome, endpoint, state, number);
    return record(lane, &outcome, 0, 0);
}

static unsigned count_history(struct bed *bed, const char *endpoint)
{
    unsigned count = 0;
    struct err err;
    assert_int_equal(
        store_history(bed->lane, bytes_of_text(endpoint), NULL, 100, count_outcome, &count, &err),
        ERR_OK);
    return count;
}

typedef enum err_code (*look_fn)(struct store_lane *lane, struct answer *answer);

static enum err_code look_by_find(struct store_lane *lane, struct answer *answer)
{
    return find_on(lane, "id-lamp-7", answer);
}

static enum err_code look_by_pending(struct store_lane *lane, struct answer *answer)
{
    answer_clear(answer);
    return make_pending(lane, "lamp-7", 101, "key", answer);
}

static void outcomes_are_true(struct bed *bed, look_fn look)
{
    struct store_lane *lane;
    struct answer answer = {0};
    enum store_change change;
    struct err err;
    const struct bytes name = bytes_of_text("lamp-7");
    enroll(bed->lane, "lamp-7");
    assert_int_equal(store_lane_open(bed->store, &lane, &err), ERR_OK);
    store_lane_rest(lane);
    assert_int_equal(look(lane, &answer), ERR_OK);
    assert_int_equal(record_state(lane, "lamp-7", STATE_FAILED, 1), ERR_OK);
    assert_int_equal(count_of(bed->store, "lamp", STATE_FAILED), 1);
    /* Its own outcome came between, and another without a find. */
    assert_int_equal(record_state(lane, "lamp-7", STATE_BOOTSTRAPPED, 2), ERR_OK);
    assert_int_equal(count_of(bed->store, "lamp", STATE_FAILED), 0);
    assert_int_equal(look(lane, &answer), ERR_OK);
    assert_int_equal(record_state(lane, "lamp-7", STATE_BOOTSTRAPPED, 3), ERR_OK);
    assert_int_equal(count_history(bed, "lamp-7"), 3);
    /* Which has folded all of them into the device's row. */
    assert_int_equal(record_state(lane, "lamp-7", STATE_BOOTSTRAPPED, 30), ERR_OK);
    assert_int_equal(count_history(bed, "lamp-7"), 4);

    assert_int_equal(look(lane, &answer), ERR_OK);
    enroll_as(bed->lane, "lamp-7", "meter");
    assert_int_equal(record_state(lane, "lamp-7", STATE_FAILED, 4), ERR_OK);
    assert_int_equal(count_of(bed->store, "meter", STATE_FAILED), 1);
    assert_int_equal(count_of(bed->store, "lamp", STATE_BOOTSTRAPPED), 0);

    assert_int_equal(look(lane, &answer), ERR_OK);
    assert_int_equal(store_set_blocked(bed->lane, name, true, &change, &err), ERR_OK);
    assert_int_equal(record_state(lane, "lamp-7", STATE_BOOTSTRAPPED, 5), ERR_OK);
    assert_int_equal(count_of(bed->store, "meter", STATE_BLOCKED), 1);
    assert_int_equal(count_of(bed->store, "meter", STATE_BOOTSTRAPPED), 0);
    assert_int_equal(look(lane, &answer), ERR_OK);
    assert_int_equal(record_state(lane, "lamp-7", STATE_FAILED, 6), ERR_OK);
    assert_int_equal(store_set_blocked(bed->lane, name, false, &change, &err), ERR_OK);
    assert_int_equal(count_of(bed->store, "meter", STATE_FAILED), 1);
    assert_int_equal(count_history(bed, "lamp-7"), 7);

    assert_int_equal(look(lane, &answer), ERR_OK);
    assert_int_equal(store_remove(bed->lane, name, &err), ERR_OK);
    assert_int_equal(record_state(lane, "lamp-7", STATE_FAILED, 7), ERR_NOT_FOUND);
    enroll(bed->lane, "lamp-7");
    assert_int_equal(record_state(lane, "lamp-7", STATE_FAILED, 8), ERR_OK);
    assert_int_equal(count_history(bed, "lamp-7"), 1);
    answer_clear(&answer);
    store_lane_close(lane);
}

/* An outcome is recorded with what a find or a change by the session told, unless somebody else has
 * changed the device since. */
static void test_outcomes_after_finds_are_true(void **state)
{
    outcomes_are_true(*state, look_by_find);
}

static void test_outcomes_after_pending_are_true(void **state)
{
    outcomes_are_true(*state, look_by_pending);
}

struct enroller {
    struct store_lane *lane;
    struct store_device device;
    enum store_change change;
    enum err_code code;
};

static void *enroll_main(void *argument)
{
    struct enroller *enroller = argument;
    struct err err;
    enroller->code = store_enroll(enroller->lane, &enroller->device, true, &enroller->change, &err);
    return NULL;
}

/* The same where the change and the outcome share a commit. */
static void test_outcome_behind_a_change_is_true(void **state)
{
    struct bed *bed = *state;
    struct store_lane *lane;
    struct answer answer = {0};
    struct store_metrics metrics;
    struct enroller enroller;
    struct err err;
    pthread_t thread;
    bed_close(bed);
    bed_prepare(bed, suite_backend);
    bed->config.gather_ms = 60000;
    bed->config.patience_ms = 60000;
    bed->config.gather_rows = 2;
    bed_start(bed);
    enroll(bed->lane, "lamp-7"); /* at once: the store was idle */
    store_metrics(bed->store, &metrics);
    const uint64_t commits = metrics.commits;
    assert_int_equal(store_lane_open(bed->store, &lane, &err), ERR_OK);
    store_lane_rest(lane);
    assert_int_equal(find_on(lane, "id-lamp-7", &answer), ERR_OK);
    enroller.lane = bed->lane;
    device_make(&enroller.device, "lamp-7");
    strcpy(enroller.device.enrollment.class_name, "meter");
    assert_int_equal(pthread_create(&thread, NULL, enroll_main, &enroller), 0);
    do {
        sched_yield();
        store_metrics(bed->store, &metrics);
    } while (metrics.queue_depth == 0);
    assert_int_equal(record_state(lane, "lamp-7", STATE_FAILED, 1), ERR_OK);
    pthread_join(thread, NULL);
    assert_int_equal(enroller.code, ERR_OK);
    assert_int_equal(enroller.change, STORE_CHANGED);
    store_device_clear(&enroller.device);
    store_metrics(bed->store, &metrics);
    assert_int_equal(metrics.commits - commits, 1);
    assert_int_equal(count_of(bed->store, "meter", STATE_FAILED), 1);
    assert_int_equal(count_of(bed->store, "lamp", STATE_NEW), 0);
    answer_clear(&answer);
    store_lane_close(lane);
}

/* No device waits for its outcome to be written: outcomes wait for company, and go along with the
 * first change that somebody waits for. */
static void test_outcomes_wait_for_company(void **state)
{
    enum { MINUTE_MS = 60000, OUTCOMES = 3 };
    struct bed *bed = *state;
    struct tally tally = {0};
    struct outcome outcome;
    struct answer answer = {0};
    struct store_metrics before, after;
    bed_close(bed);
    bed_prepare(bed, suite_backend);
    bed->config.gather_ms = 1;
    bed->config.patience_ms = MINUTE_MS;
    bed_start(bed);
    enroll(bed->lane, "lamp-7");
    store_metrics(bed->store, &before);
    for (unsigned i = 0; i < OUTCOMES; i++) {
        outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, i);
        store_record(bed->lane, &outcome, NULL, 0, tally_result, &tally);
    }
    assert_int_equal(make_pending(bed->lane, "lamp-7", 101, "key", &answer), ERR_OK);
    drain(bed, &tally, OUTCOMES);
    assert_int_equal(tally.good, OUTCOMES);
    store_metrics(bed->store, &after);
    assert_int_equal(after.commits - before.commits, 1);
    answer_clear(&answer);
}

/* Under load changes share commits. */
static void test_changes_share_commits(void **state)
{
    enum { REQUESTS = 2000 };
    struct bed *bed = *state;
    struct tally tally = {0};
    struct outcome outcome;
    struct store_metrics metrics;
    enroll(bed->lane, "lamp-7");
    for (unsigned i = 0; i < REQUESTS; i++) {
        outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, i);
        store_record(bed->lane, &outcome, NULL, 0, tally_result, &tally);
    }
    drain(bed, &tally, REQUESTS);
    assert_int_equal(tally.good, REQUESTS);
    store_metrics(bed->store, &metrics);
    assert_int_equal(metrics.rows, REQUESTS + 1);
    assert_true(metrics.commits < REQUESTS / 10);
}

/* ---- a backend that answers later (D6) ---- */

static void test_slow_lookups_come_through_the_descriptor(void **state)
{
    struct bed *bed = *state;
    struct answer answers[3] = {0};
    struct err err;
    if (strcmp(suite_backend, "memory") != 0)
        skip();
    bed_close(bed);
    bed_prepare(bed, suite_backend);
    bed->config.path = "delay=100";
    bed_start(bed);
    enroll(bed->lane, "lamp-7");
    uint64_t start = clock_monotonic_ms();
    store_find_identity(bed->lane, bytes_of_text("id-lamp-7"), answer_device, &answers[0]);
    store_find_endpoint(bed->lane, bytes_of_text("lamp-7"), answer_device, &answers[1]);
    store_find_identity(bed->lane, bytes_of_text("nobody"), answer_device, &answers[2]);
    store_lane_poll(bed->lane);
    for (int i = 0; i < 3; i++)
        assert_int_equal(answers[i].calls, 0);
    for (int i = 0; i < 3; i++)
        answer_wait(bed->lane, &answers[i]);
    assert_true(clock_monotonic_ms() - start >= 99);
    assert_int_equal(answers[0].result, ERR_OK);
    assert_string_equal(answers[1].device.enrollment.endpoint, "lamp-7");
    assert_int_equal(answers[2].result, ERR_NOT_FOUND);
    for (int i = 0; i < 3; i++)
        answer_clear(&answers[i]);
    /* Closed before the answer comes. */
    store_find_identity(bed->lane, bytes_of_text("id-lamp-7"), answer_device, &answers[0]);
    store_lane_close(bed->lane);
    assert_int_equal(answers[0].calls, 1);
    assert_int_equal(answers[0].result, ERR_UNAVAILABLE);
    assert_int_equal(store_lane_open(bed->store, &bed->lane, &err), ERR_OK);
    answer_clear(&answers[0]);
}

/* ---- a database that another process has locked (D6) ---- */

/* Holds every lock of the write-ahead log's index, as a recovery does. */
struct holder {
    pid_t child;
    int end; /* closed: let go */
};

static void hold_locks(const char *shared_memory, int ready, int end)
{
    /* Bytes 120 to 127: write, checkpoint, recovery, five read marks. */
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 120, .l_len = 8};
    char byte = 1;
    int fd = open(shared_memory, O_RDWR);
    bool held = fd >= 0 && fcntl(fd, F_SETLKW, &all) == 0 && write(ready, &byte, 1) == 1;
    while (held && read(end, &byte, 1) > 0)
        ;
    _exit(held ? 0 : 1);
}

static void lock_database(const struct bed *bed, struct holder *holder)
{
    char shared_memory[128];
    int ready[2], end[2];
    char byte;
    snprintf(shared_memory, sizeof shared_memory, "%s-shm", bed->path);
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(end, O_CLOEXEC), 0);
    holder->child = fork();
    assert_true(holder->child >= 0);
    if (holder->child == 0) {
        close(end[1]);
        hold_locks(shared_memory, ready[1], end[0]);
    }
    close(ready[1]);
    close(end[0]);
    holder->end = end[1];
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
}

static void unlock_database(struct holder *holder)
{
    int status = -1;
    close(holder->end);
    assert_int_equal(waitpid(holder->child, &status, 0), holder->child);
    assert_int_equal(status, 0);
}

static bool open_locked(struct bed *bed, struct holder *holder)
{
    if (strcmp(suite_backend, "sqlite") != 0)
        return false;
    enroll(bed->lane, "lamp-7");
    enroll(bed->lane, "lamp-8");
    lock_database(bed, holder);
    return true;
}

/* The call comes back at once, the answer when the database is free. */
static void test_locked_database_does_not_stop_the_lane(void **state)
{
    struct bed *bed = *state;
    struct holder holder;
    struct answer answers[3] = {0};
    if (!open_locked(bed, &holder))
        skip();
    store_find_identity(bed->lane, bytes_of_text("id-lamp-7"), answer_device, &answers[0]);
    store_find_endpoint(bed->lane, bytes_of_text("lamp-8"), answer_device, &answers[1]);
    store_find_identity(bed->lane, bytes_of_text("nobody"), answer_device, &answers[2]);
    /* Had they waited here, they would have failed after some seconds. */
    for (int i = 0; i < 3; i++)
        assert_int_equal(answers[i].calls, 0);
    unlock_database(&holder);
    for (int i = 0; i < 3; i++)
        answer_wait(bed->lane, &answers[i]);
    assert_int_equal(answers[0].result, ERR_OK);
    assert_string_equal(answers[0].device.enrollment.endpoint, "lamp-7");
    assert_string_equal(answers[1].device.enrollment.endpoint, "lamp-8");
    assert_int_equal(answers[2].result, ERR_NOT_FOUND);
    for (int i = 0; i < 3; i++)
        answer_clear(&answers[i]);
    /* Free again, and quick: the next look-up needs no other thread for long. */
    unsigned direct = 0;
    for (int i = 0; i < 1000 && direct == 0; i++) {
        store_find_identity(bed->lane, bytes_of_text("id-lamp-7"), answer_device, &answers[0]);
        direct += answers[0].calls;
        answer_wait(bed->lane, &answers[0]);
        answer_clear(&answers[0]);
    }
    assert_int_equal(direct, 1);
}

/* A lane and a store are closed while look-ups wait for the lock. */
static void test_closing_with_a_locked_database(void **state)
{
    struct bed *bed = *state;
    struct holder holder;
    struct answer answers[8] = {0};
    struct err err;
    if (!open_locked(bed, &holder))
        skip();
    for (int i = 0; i < 8; i++)
        store_find_identity(bed->lane, bytes_of_text("id-lamp-7"), answer_device, &answers[i]);
    store_lane_close(bed->lane);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(answers[i].calls, 1);
        assert_int_equal(answers[i].result, ERR_UNAVAILABLE);
    }
    unlock_database(&holder);
    assert_int_equal(store_lane_open(bed->store, &bed->lane, &err), ERR_OK);
}

static void test_unknown_backend(void **state)
{
    struct store_config config = {.backend = "oracle"};
    struct store *store = NULL;
    struct err err;
    assert_int_equal(store_open(&config, &store, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "oracle"));
    assert_null(store);
    config.backend = NULL;
    assert_int_equal(store_open(&config, &store, NULL), ERR_INVALID);
}

int suite_lanes(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(test_lanes_share_one_endpoint),
        SUITE_TEST(test_readers_see_every_durable_outcome),
        SUITE_TEST(test_readers_see_every_durable_credential),
        SUITE_TEST(test_sharing_readers_see_every_durable_credential),
        SUITE_TEST(test_full_queue_is_busy),
        SUITE_TEST(test_closing_a_lane_answers_everything),
        SUITE_TEST(test_callbacks_may_call_the_store),
        SUITE_TEST(test_finds_of_a_resting_lane_are_true),
        SUITE_TEST(test_outcomes_after_finds_are_true),
        SUITE_TEST(test_outcomes_after_pending_are_true),
        SUITE_TEST(test_outcome_behind_a_change_is_true),
        SUITE_TEST(test_outcomes_wait_for_company),
        SUITE_TEST(test_changes_share_commits),
        SUITE_TEST(test_slow_lookups_come_through_the_descriptor),
        SUITE_TEST(test_locked_database_does_not_stop_the_lane),
        SUITE_TEST(test_closing_with_a_locked_database),
        SUITE_TEST(test_unknown_backend),
    };
    return cmocka_run_group_tests_name("lanes", tests, NULL, NULL);
}
