/* Which credentials have their newest state elsewhere: what is staged, committed and dropped. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "news_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MAX = 8 };

static int setup(void **state)
{
    static struct news news;
    assert_true(news_init(&news));
    *state = &news;
    return 0;
}

static int teardown(void **state)
{
    news_clear(*state);
    return 0;
}

static void test_staged_is_the_writers_alone(void **state)
{
    struct news *news = *state;
    struct news_row rows[MAX];
    uint64_t number = news_add(news, 7, 101);
    assert_true(number != 0);
    assert_int_equal(news_find(news, 7, 101), number);
    assert_int_equal(news_staged(news, 7, rows, MAX), 1);
    assert_int_equal(news_committed(news, 7, rows, MAX), 0);
    news_commit(news);
    assert_int_equal(news_committed(news, 7, rows, MAX), 1);
    assert_int_equal(rows[0].ssid, 101);
    assert_int_equal(rows[0].number, number);
    assert_int_equal(news_committed(news, 8, rows, MAX), 0);
}

static void test_dropped_is_as_before(void **state)
{
    struct news *news = *state;
    struct news_row rows[MAX];
    uint64_t number = news_add(news, 7, 101);
    news_commit(news);
    assert_true(news_remove(news, 7, 101));
    assert_true(news_add(news, 7, 102) > number);
    assert_int_equal(news->rows, 1);
    assert_int_equal(news_find(news, 7, 101), 0);
    news_drop(news);
    assert_int_equal(news->rows, 1);
    assert_false(news->removes);
    assert_int_equal(news_find(news, 7, 101), number);
    assert_int_equal(news_find(news, 7, 102), 0);
    news_commit(news); /* of nothing */
    assert_int_equal(news_committed(news, 7, rows, MAX), 1);
    assert_int_equal(rows[0].number, number);
}

static void test_numbers_never_come_again(void **state)
{
    struct news *news = *state;
    uint64_t first = news_add(news, 7, 101);
    news_drop(news);
    uint64_t second = news_add(news, 7, 101);
    news_commit(news);
    assert_true(news_remove(news, 7, 101));
    news_commit(news);
    assert_int_equal(news->used, 0);
    uint64_t third = news_add(news, 7, 101);
    assert_true(first < second && second < third);
}

static void test_many_are_kept_apart(void **state)
{
    enum { DEVICES = 5000, SERVERS = 3 };
    struct news *news = *state;
    struct news_row rows[MAX];
    uint64_t sum = 0, seen = 0;
    for (int64_t device = 1; device <= DEVICES; device++) {
        for (uint16_t ssid = 0; ssid < SERVERS; ssid++)
            sum += news_add(news, device * 1024, ssid);
        if (device % 100 == 0)
            news_commit(news);
    }
    assert_int_equal(news->rows, DEVICES * SERVERS);
    for (int64_t device = 1; device <= DEVICES; device++) {
        assert_int_equal(news_committed(news, device * 1024, rows, MAX), SERVERS);
        for (int i = 0; i < SERVERS; i++)
            seen += rows[i].number;
    }
    assert_int_equal(seen, sum);
    assert_int_equal(news_committed(news, 1024, rows, 2), 2);
    size_t count = 0;
    struct news_row *all = news_sorted(news, &count);
    assert_int_equal(count, DEVICES * SERVERS);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(all[i].device, (int64_t)(1 + i / SERVERS) * 1024);
        assert_int_equal(all[i].ssid, i % SERVERS);
        assert_true(news_remove(news, all[i].device, all[i].ssid));
    }
    free(all);
    assert_true(news->removes);
    assert_int_equal(news->rows, 0);
    assert_int_equal(news_committed(news, 1024, rows, MAX), SERVERS);
    assert_int_equal(news_staged(news, 1024, rows, MAX), 0);
    news_commit(news);
    assert_int_equal(news_committed(news, 1024, rows, MAX), 0);
}

static void test_what_was_left_is_loaded(void **state)
{
    struct news *news = *state;
    assert_true(news_load(news, &(struct news_row){7, 101, 12}));
    assert_true(news_load(news, &(struct news_row){8, 101, 5}));
    news_commit(news);
    assert_int_equal(news_find(news, 7, 101), 12);
    assert_int_equal(news_find(news, 8, 101), 5);
    assert_int_equal(news_add(news, 9, 101), 13);
}

static void test_a_removed_one_may_come_again(void **state)
{
    struct news *news = *state;
    struct news_row rows[MAX];
    news_add(news, 7, 101);
    news_add(news, 7, 102);
    news_commit(news);
    assert_true(news_remove(news, 7, 101));
    news_commit(news);
    assert_int_equal(news_committed(news, 7, rows, MAX), 1);
    assert_int_equal(rows[0].ssid, 102);
    uint64_t again = news_add(news, 7, 101);
    news_commit(news);
    assert_int_equal(news->rows, 2);
    assert_int_equal(news_find(news, 7, 101), again);
    assert_int_equal(news_committed(news, 7, rows, MAX), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_staged_is_the_writers_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dropped_is_as_before, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbers_never_come_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_are_kept_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_left_is_loaded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_removed_one_may_come_again, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
