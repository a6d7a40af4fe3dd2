/* SPDX-License-Identifier: Apache-2.0 */
/* The list of those turned away: counts, order, the cap, and when a log line is due. */
#include "usher/rejects.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bool add(struct rejects *rejects, const char *identity, const char *source, enum cause cause,
                int64_t wall_ms)
{
    return rejects_add(rejects, bytes_of_text(identity), source, cause, wall_ms);
}

static void test_counts_one_kind(void **state)
{
    (void)state;
    struct rejects *rejects = rejects_new(10);
    add(rejects, "lamp-1", "192.0.2.1", CAUSE_BAD_KEY, 1000);
    add(rejects, "lamp-1", "192.0.2.1", CAUSE_BAD_KEY, 2000);
    add(rejects, "lamp-1", "192.0.2.1", CAUSE_BLOCKED, 3000);
    add(rejects, "lamp-1", "192.0.2.2", CAUSE_BAD_KEY, 4000);
    add(rejects, "lamp-2", "192.0.2.1", CAUSE_BAD_KEY, 5000);
    add(rejects, "lamp-1", "192.0.2.1", CAUSE_BAD_KEY, 6000);
    struct reject list[10];
    assert_int_equal(rejects_list(rejects, list, 10), 4);
    assert_int_equal(list[0].count, 3);
    assert_int_equal(list[0].first_wall_ms, 1000);
    assert_int_equal(list[0].last_wall_ms, 6000);
    assert_string_equal(list[0].source, "192.0.2.1");
    assert_int_equal(list[0].cause, CAUSE_BAD_KEY);
    assert_memory_equal(list[0].identity.data, "lamp-1", 6);
    assert_memory_equal(list[1].identity.data, "lamp-2", 6);
    assert_string_equal(list[2].source, "192.0.2.2");
    assert_int_equal(list[3].cause, CAUSE_BLOCKED);
    assert_int_equal(rejects_list(rejects, list, 1), 1);
    uint64_t totals[CAUSE_LAST];
    rejects_totals(rejects, totals);
    assert_int_equal(totals[CAUSE_BAD_KEY], 5);
    assert_int_equal(totals[CAUSE_BLOCKED], 1);
    assert_int_equal(totals[CAUSE_UNKNOWN_IDENTITY], 0);
    rejects_free(rejects);
}

static void test_the_longest_unseen_goes(void **state)
{
    (void)state;
    struct rejects *rejects = rejects_new(3);
    add(rejects, "a", "192.0.2.1", CAUSE_BAD_KEY, 1);
    add(rejects, "b", "192.0.2.1", CAUSE_BAD_KEY, 2);
    add(rejects, "c", "192.0.2.1", CAUSE_BAD_KEY, 3);
    add(rejects, "a", "192.0.2.1", CAUSE_BAD_KEY, 4);
    add(rejects, "d", "192.0.2.1", CAUSE_BAD_KEY, 5);
    struct reject list[4];
    assert_int_equal(rejects_list(rejects, list, 4), 3);
    assert_int_equal(list[0].identity.data[0], 'd');
    assert_int_equal(list[1].identity.data[0], 'a');
    assert_int_equal(list[2].identity.data[0], 'c');
    /* It comes back as new, its count lost, the total not. */
    add(rejects, "b", "192.0.2.1", CAUSE_BAD_KEY, 6);
    assert_int_equal(rejects_list(rejects, list, 4), 3);
    assert_int_equal(list[0].count, 1);
    uint64_t totals[CAUSE_LAST];
    rejects_totals(rejects, totals);
    assert_int_equal(totals[CAUSE_BAD_KEY], 6);
    rejects_free(rejects);
}

static void test_churn_keeps_the_order(void **state)
{
    (void)state;
    enum { MAX = 50, ROUNDS = 5000 };
    struct rejects *rejects = rejects_new(MAX);
    for (unsigned i = 0; i < ROUNDS; i++) {
        char identity[16];
        snprintf(identity, sizeof identity, "lamp-%u", i * 2654435761u % 97);
        add(rejects, identity, "192.0.2.1", CAUSE_UNKNOWN_IDENTITY, i);
    }
    struct reject list[MAX + 1];
    assert_int_equal(rejects_list(rejects, list, MAX + 1), MAX);
    assert_int_equal(list[0].last_wall_ms, ROUNDS - 1);
    for (int i = 1; i < MAX; i++)
        assert_true(list[i].last_wall_ms < list[i - 1].last_wall_ms);
    rejects_free(rejects);
}

static void test_identities_of_any_bytes(void **state)
{
    (void)state;
    struct rejects *rejects = rejects_new(10);
    uint8_t longest[200];
    memset(longest, 0xff, sizeof longest);
    rejects_add(rejects, bytes_of(NULL, 0), "192.0.2.1", CAUSE_HANDSHAKE_TIMEOUT, 1);
    rejects_add(rejects, bytes_of("\0", 1), "192.0.2.1", CAUSE_UNKNOWN_IDENTITY, 2);
    rejects_add(rejects, bytes_of("\0\0", 2), "192.0.2.1", CAUSE_UNKNOWN_IDENTITY, 3);
    rejects_add(rejects, bytes_of(longest, sizeof longest), "192.0.2.1", CAUSE_UNKNOWN_IDENTITY, 4);
    char source[100];
    memset(source, '1', sizeof source);
    source[99] = '\0';
    add(rejects, "a", source, CAUSE_UNKNOWN_IDENTITY, 5);
    struct reject list[10];
    assert_int_equal(rejects_list(rejects, list, 10), 5);
    assert_int_equal(strlen(list[0].source), OUTCOME_SOURCE_MAX);
    assert_int_equal(list[1].identity.len, IDENTITY_MAX);
    assert_int_equal(list[2].identity.len, 2);
    assert_int_equal(list[3].identity.len, 1);
    assert_int_equal(list[4].identity.len, 0);
    assert_false(rejects_add(rejects, bytes_of(NULL, 0), "x", CAUSE_LAST, 6));
    rejects_free(rejects);
}

static void test_one_line_a_minute(void **state)
{
    (void)state;
    struct rejects *rejects = rejects_new(10);
    assert_true(add(rejects, "a", "192.0.2.1", CAUSE_BAD_KEY, 0));
    assert_false(add(rejects, "a", "192.0.2.1", CAUSE_BAD_KEY, 59999));
    assert_true(add(rejects, "b", "192.0.2.1", CAUSE_BAD_KEY, 59999));
    assert_true(add(rejects, "a", "192.0.2.1", CAUSE_BAD_KEY, 60000));
    assert_false(add(rejects, "a", "192.0.2.1", CAUSE_BAD_KEY, 60001));
    /* The clock was set back. */
    assert_true(add(rejects, "a", "192.0.2.1", CAUSE_BAD_KEY, 1000));
    rejects_free(rejects);
}

static void test_a_flood_of_names_is_not_logged(void **state)
{
    (void)state;
    struct rejects *rejects = rejects_new(1000);
    int lines = 0;
    for (int i = 0; i < 1000; i++) {
        char identity[16];
        snprintf(identity, sizeof identity, "x%d", i);
        lines += add(rejects, identity, "192.0.2.1", CAUSE_UNKNOWN_IDENTITY, 1000 + i);
    }
    assert_int_equal(lines, 120);
    assert_true(add(rejects, "y", "192.0.2.1", CAUSE_UNKNOWN_IDENTITY, 61000));
    rejects_free(rejects);
}

enum { THREADS = 4, ADDS = 5000 };

static void *add_many(void *context)
{
    struct reject list[8];
    uint64_t totals[CAUSE_LAST];
    for (int i = 0; i < ADDS; i++) {
        char identity[16];
        snprintf(identity, sizeof identity, "lamp-%d", i % 20);
        add(context, identity, "192.0.2.1", CAUSE_BAD_KEY, i);
        if (i % 100 == 0) {
            rejects_list(context, list, 8);
            rejects_totals(context, totals);
        }
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct rejects *rejects = rejects_new(16);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, rejects), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    uint64_t totals[CAUSE_LAST];
    rejects_totals(rejects, totals);
    assert_int_equal(totals[CAUSE_BAD_KEY], THREADS * ADDS);
    rejects_free(rejects);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_one_kind),
        cmocka_unit_test(test_the_longest_unseen_goes),
        cmocka_unit_test(test_churn_keeps_the_order),
        cmocka_unit_test(test_identities_of_any_bytes),
        cmocka_unit_test(test_one_line_a_minute),
        cmocka_unit_test(test_a_flood_of_names_is_not_logged),
        cmocka_unit_test(test_threads),
    };
    rejects_free(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
