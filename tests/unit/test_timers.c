/* The timer wheel against a plain list. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "timers_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { TIMER_COUNT = 200 };

struct entry {
    struct timer timer;
    bool armed;
    uint64_t at;
};

static uint64_t dice;

static uint64_t roll(uint64_t below)
{
    dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (dice >> 20) % below;
}

static uint64_t first_due(const struct entry *entries)
{
    uint64_t first = UINT64_MAX;

    for (unsigned i = 0; i < TIMER_COUNT; i++)
        if (entries[i].armed && entries[i].at < first)
            first = entries[i].at;
    return first;
}

/* Distances of every level, and beyond the last. */
static uint64_t some_distance(void)
{
    return roll(UINT64_C(1) << (1 + roll(36)));
}

static void expire(struct timers *timers, struct entry *entries, uint64_t now)
{
    struct timer *timer;

    while ((timer = timers_expired(timers, now)) != NULL) {
        struct entry *entry = (struct entry *)(void *)timer; /* its first member */
        assert_true(entry->armed);
        assert_true(entry->at <= now); /* never early */
        entry->armed = false;
    }
    for (unsigned i = 0; i < TIMER_COUNT; i++) /* at most one tick late */
        assert_false(entries[i].armed && entries[i].at + TIMERS_TICK_MS <= now);
}

static void random_walk(uint64_t seed, uint64_t start)
{
    static struct entry entries[TIMER_COUNT];
    static struct timers timers;
    uint64_t now = start;

    for (unsigned i = 0; i < TIMER_COUNT; i++)
        entries[i] = (struct entry){0};
    dice = seed;
    timers_init(&timers, now);
    while (now < start + (UINT64_C(1) << 22)) { /* 2^20 ticks */
        struct entry *entry = &entries[roll(TIMER_COUNT)];
        if (roll(4) == 0) {
            timers_cancel(&timers, &entry->timer);
            entry->armed = false;
        } else {
            entry->at = now + some_distance();
            timers_arm(&timers, &entry->timer, entry->at);
            entry->armed = true;
        }
        uint64_t due = first_due(entries);
        uint64_t next = timers_next(&timers);
        if (due == UINT64_MAX)
            assert_true(next == UINT64_MAX);
        else /* a tick is rounded up, or one ahead for what is due already */
            assert_true(next < due + 2 * TIMERS_TICK_MS);
        now += roll(3) == 0 ? roll(5000) : roll(9);
        expire(&timers, entries, now);
    }
}

static void test_against_list(void **state)
{
    for (uint64_t seed = 1; seed <= 4; seed++)
        random_walk(seed, seed * UINT64_C(0x123456789));
    random_walk(9, (UINT64_C(1) << 34) - 4000); /* all levels turn over at once */
}

/* Asking for the next time and going there reaches every timer, in few steps. */
static void test_next_leads_to_each(void **state)
{
    static struct timers timers;
    static const uint64_t distances[] = {
        0,      1,        4,         1023,     1024,         1025,         262143,
        262144, 67108864, 100000000, 1u << 31, 17179869183u, 17179869184u, 99999999999u};

    for (unsigned i = 0; i < sizeof distances / sizeof distances[0]; i++) {
        struct timer timer = {0};
        uint64_t at = 777777 + distances[i], now = 777777;
        timers_init(&timers, now);
        timers_arm(&timers, &timer, at);
        unsigned steps = 0;
        while (timers_expired(&timers, now) == NULL) {
            uint64_t next = timers_next(&timers);
            assert_true(next > now || now % TIMERS_TICK_MS != 0);
            now = next > now ? next : now + 1;
            assert_true(++steps < 32);
        }
        assert_in_range(now, at, at + 2 * TIMERS_TICK_MS - 1);
        assert_true(timers_next(&timers) == UINT64_MAX);
    }
}

static void test_cancel_and_rearm(void **state)
{
    static struct timers timers;
    struct timer a = {0}, b = {0};

    timers_init(&timers, 0);
    timers_cancel(&timers, &a); /* not armed */
    timers_arm(&timers, &a, 100);
    timers_arm(&timers, &b, 100);
    timers_arm(&timers, &a, 5000);
    assert_ptr_equal(timers_expired(&timers, 100), &b);
    assert_null(timers_expired(&timers, 4999));
    timers_cancel(&timers, &a);
    assert_null(timers_expired(&timers, 100000));
    assert_true(timers_next(&timers) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_list),
        cmocka_unit_test(test_next_leads_to_each),
        cmocka_unit_test(test_cancel_and_rearm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
