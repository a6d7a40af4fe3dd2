/* SPDX-License-Identifier: Apache-2.0 */
/* Claims of endpoints: newest wins, losers change nothing, order, caps, many threads at once. */
#include "usher/live.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct live_holder first = {.worker = 1, .slot = 7, .generation = 3};
static const struct live_holder second = {.worker = 2, .slot = 7, .generation = 3};

static enum err_code claim(struct live *live, const char *endpoint,
                           const struct live_holder *holder, bool *had_previous)
{
    struct live_holder previous;
    return live_claim(live, endpoint, holder, 1000, &previous, had_previous);
}

static void test_newest_wins(void **state)
{
    (void)state;
    struct live *live = live_new(10);
    struct live_holder previous = {0};
    bool had_previous = true;
    assert_int_equal(live_claim(live, "lamp", &first, 1000, &previous, &had_previous), ERR_OK);
    assert_false(had_previous);
    assert_int_equal(live_claim(live, "lamp", &second, 2000, &previous, &had_previous), ERR_OK);
    assert_true(had_previous);
    assert_int_equal(previous.worker, 1);
    assert_int_equal(previous.slot, 7);
    assert_int_equal(previous.generation, 3);
    assert_false(live_set_state(live, "lamp", &first, STATE_WRITING, "street-light"));
    assert_false(live_release(live, "lamp", &first));
    struct live_entry entry;
    assert_true(live_get(live, "lamp", &entry));
    assert_int_equal(entry.holder.worker, 2);
    assert_int_equal(entry.state, STATE_SEEN);
    assert_int_equal(entry.since_wall_ms, 2000);
    assert_string_equal(entry.class_name, "");
    assert_true(live_release(live, "lamp", &second));
    assert_false(live_get(live, "lamp", &entry));
    assert_false(live_release(live, "lamp", &second));
    live_free(live);
}

static void test_claiming_again_renews(void **state)
{
    (void)state;
    struct live *live = live_new(1);
    bool had_previous = true;
    assert_int_equal(claim(live, "lamp", &first, &had_previous), ERR_OK);
    assert_true(live_set_state(live, "lamp", &first, STATE_WRITING, "street-light"));
    struct live_holder previous;
    assert_int_equal(live_claim(live, "lamp", &first, 5000, &previous, &had_previous), ERR_OK);
    assert_false(had_previous);
    struct live_entry entry;
    assert_true(live_get(live, "lamp", &entry));
    assert_int_equal(entry.since_wall_ms, 5000);
    assert_int_equal(entry.state, STATE_SEEN);
    live_free(live);
}

static void test_state_and_class(void **state)
{
    (void)state;
    struct live *live = live_new(10);
    bool had_previous;
    claim(live, "lamp", &first, &had_previous);
    assert_true(live_set_state(live, "lamp", &first, STATE_WRITING, "street-light"));
    assert_true(live_set_state(live, "lamp", &first, STATE_VERIFYING, NULL));
    struct live_entry entry;
    assert_true(live_get(live, "lamp", &entry));
    assert_int_equal(entry.state, STATE_VERIFYING);
    assert_string_equal(entry.class_name, "street-light");
    assert_false(live_set_state(live, "lamp", &first, STATE_COUNT, NULL));
    assert_false(live_set_state(live, "other", &first, STATE_WRITING, NULL));
    live_free(live);
}

static void test_full(void **state)
{
    (void)state;
    struct live *live = live_new(2);
    bool had_previous;
    assert_int_equal(claim(live, "a", &first, &had_previous), ERR_OK);
    assert_int_equal(claim(live, "b", &first, &had_previous), ERR_OK);
    assert_int_equal(claim(live, "c", &first, &had_previous), ERR_BUSY);
    /* Who is in may be superseded all the same. */
    assert_int_equal(claim(live, "b", &second, &had_previous), ERR_OK);
    assert_true(had_previous);
    assert_true(live_release(live, "a", &first));
    assert_int_equal(claim(live, "c", &first, &had_previous), ERR_OK);
    live_free(live);
}

static void test_seen_is_no_claim(void **state)
{
    (void)state;
    struct live *live = live_new(10);
    struct live_holder previous;
    struct live_entry entry;
    bool had_previous = true;
    assert_true(live_see(live, "lamp", &first, 1000));
    assert_true(live_get(live, "lamp", &entry));
    assert_int_equal(entry.state, STATE_SEEN);
    assert_int_equal(entry.since_wall_ms, 1000);
    assert_true(live_see(live, "lamp", &second, 2000)); /* the newer handshake */
    assert_false(live_release(live, "lamp", &first));
    /* Who has only been seen is not superseded. */
    assert_int_equal(live_claim(live, "lamp", &first, 3000, &previous, &had_previous), ERR_OK);
    assert_false(had_previous);
    assert_false(live_see(live, "lamp", &second, 4000));
    assert_true(live_get(live, "lamp", &entry));
    assert_int_equal(entry.holder.worker, first.worker);
    assert_int_equal(entry.since_wall_ms, 3000);
    assert_true(live_release(live, "lamp", &first));
    uint64_t counts[STATE_COUNT];
    live_counts(live, counts);
    assert_int_equal(counts[STATE_SEEN], 0);
    live_free(live);
}

/* However many only shake hands, those that ask get in. */
static void test_seen_leave_room_for_claims(void **state)
{
    (void)state;
    enum { MAX = 16 };
    struct live *live = live_new(MAX);
    bool had_previous;
    unsigned seen = 0;
    for (unsigned i = 0; i < MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "idle%u", i);
        seen += live_see(live, name, &first, 1000);
    }
    assert_int_equal(seen, MAX - MAX / 8);
    assert_int_equal(claim(live, "a", &first, &had_previous), ERR_OK);
    assert_int_equal(claim(live, "b", &first, &had_previous), ERR_OK);
    assert_int_equal(claim(live, "c", &first, &had_previous), ERR_BUSY);
    live_free(live);
}

static void test_name_too_long(void **state)
{
    (void)state;
    struct live *live = live_new(2);
    char name[ENDPOINT_MAX + 2];
    memset(name, 'x', sizeof name);
    name[ENDPOINT_MAX + 1] = '\0';
    bool had_previous;
    assert_int_equal(claim(live, name, &first, &had_previous), ERR_RANGE);
    name[ENDPOINT_MAX] = '\0';
    assert_int_equal(claim(live, name, &first, &had_previous), ERR_OK);
    live_free(live);
}

static void test_list_is_sorted_and_pages(void **state)
{
    (void)state;
    enum { COUNT = 300, PAGE = 7 };
    struct live *live = live_new(COUNT);
    bool had_previous;
    for (int i = 0; i < COUNT; i++) {
        char endpoint[16];
        snprintf(endpoint, sizeof endpoint, "lamp-%03d", i * 7 % COUNT);
        assert_int_equal(claim(live, endpoint, &first, &had_previous), ERR_OK);
        if (i % 3 == 0)
            live_set_state(live, endpoint, &first, STATE_WRITING, NULL);
    }
    struct live_entry page[PAGE];
    char after[ENDPOINT_MAX + 1] = "";
    int seen = 0;
    for (size_t got = PAGE; got == PAGE;) {
        got = live_list(live, -1, seen == 0 ? NULL : after, page, PAGE);
        for (size_t i = 0; i < got; i++, seen++) {
            char expected[16];
            snprintf(expected, sizeof expected, "lamp-%03d", seen);
            assert_string_equal(page[i].endpoint, expected);
        }
        if (got > 0)
            strcpy(after, page[got - 1].endpoint);
    }
    assert_int_equal(seen, COUNT);
    struct live_entry *all = calloc(COUNT, sizeof *all);
    assert_int_equal(live_list(live, STATE_WRITING, NULL, all, COUNT), 100);
    assert_int_equal(live_list(live, STATE_VERIFYING, NULL, all, COUNT), 0);
    assert_int_equal(live_list(live, -1, NULL, all, 0), 0);
    free(all);
    live_free(live);
}

static void test_counts(void **state)
{
    (void)state;
    struct live *live = live_new(10);
    bool had_previous;
    claim(live, "a", &first, &had_previous);
    claim(live, "b", &first, &had_previous);
    live_set_state(live, "b", &first, STATE_WRITING, NULL);
    claim(live, "c", &first, &had_previous);
    live_release(live, "c", &first);
    uint64_t counts[STATE_COUNT];
    live_counts(live, counts);
    uint64_t expected[STATE_COUNT] = {[STATE_SEEN] = 1, [STATE_WRITING] = 1};
    assert_memory_equal(counts, expected, sizeof expected);
    live_free(live);
}

/* ---- many threads ---- */

enum { THREADS = 4, ROUNDS = 4000, ENDPOINTS = 5 };

struct contest {
    struct live *live;
    uint32_t worker;
    uint64_t generation;
};

static atomic_uint_fast64_t superseded, released, granted;

static void *compete(void *context)
{
    struct contest *contest = context;
    for (unsigned i = 0; i < ROUNDS; i++) {
        char endpoint[16];
        snprintf(endpoint, sizeof endpoint, "lamp-%u", i % ENDPOINTS);
        struct live_holder holder = {.worker = contest->worker,
                                     .generation = ++contest->generation};
        struct live_holder previous;
        bool had_previous = false;
        if (live_claim(contest->live, endpoint, &holder, i, &previous, &had_previous) != ERR_OK)
            continue;
        atomic_fetch_add(&granted, 1);
        if (had_previous)
            atomic_fetch_add(&superseded, 1);
        live_set_state(contest->live, endpoint, &holder, STATE_WRITING, "street-light");
        struct live_entry entries[ENDPOINTS];
        live_list(contest->live, -1, NULL, entries, ENDPOINTS);
        uint64_t counts[STATE_COUNT];
        live_counts(contest->live, counts);
        if (i % 2 == 0 && live_release(contest->live, endpoint, &holder))
            atomic_fetch_add(&released, 1);
    }
    return NULL;
}

/* Every claim ends in exactly one way: released, superseded, or still there. */
static void test_threads_keep_the_books(void **state)
{
    (void)state;
    struct live *live = live_new(ENDPOINTS);
    pthread_t threads[THREADS];
    struct contest contests[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        contests[i] = (struct contest){.live = live, .worker = i};
        assert_int_equal(pthread_create(&threads[i], NULL, compete, &contests[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    struct live_entry left[ENDPOINTS];
    size_t open = live_list(live, -1, NULL, left, ENDPOINTS);
    assert_int_equal(granted, THREADS * ROUNDS);
    assert_int_equal(granted, superseded + released + open);
    uint64_t counts[STATE_COUNT], total = 0;
    live_counts(live, counts);
    for (int i = 0; i < STATE_COUNT; i++)
        total += counts[i];
    assert_int_equal(total, open);
    for (size_t i = 0; i < open; i++)
        assert_true(live_release(live, left[i].endpoint, &left[i].holder));
    bool had_previous;
    for (int i = 0; i < ENDPOINTS; i++) {
        char endpoint[16];
        snprintf(endpoint, sizeof endpoint, "new-%d", i);
        assert_int_equal(claim(live, endpoint, &first, &had_previous), ERR_OK);
    }
    assert_int_equal(claim(live, "one-more", &first, &had_previous), ERR_BUSY);
    live_free(live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newest_wins),      cmocka_unit_test(test_claiming_again_renews),
        cmocka_unit_test(test_state_and_class),  cmocka_unit_test(test_full),
        cmocka_unit_test(test_seen_is_no_claim), cmocka_unit_test(test_seen_leave_room_for_claims),
        cmocka_unit_test(test_name_too_long),    cmocka_unit_test(test_list_is_sorted_and_pages),
        cmocka_unit_test(test_counts),           cmocka_unit_test(test_threads_keep_the_books),
    };
    live_free(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
