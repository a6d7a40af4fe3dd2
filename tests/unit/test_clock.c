/* The clocks and the text of a wall time. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

static void known_times(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } times[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1767225600000, "2026-01-01T00:00:00.000Z"},
        {951782399999, "2000-02-28T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {INT64_MIN, "0000-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        char text[CLOCK_TEXT_SIZE];
        clock_wall_text(times[i].ms, text);
        assert_string_equal(times[i].text, text);
    }
}

static void agrees_with_the_c_library(void **state)
{
    /* Steps of 11 days, 7 hours and odd milliseconds through all of 0001 to 9999. */
    for (int64_t ms = -62135596800000; ms < 253402300800000; ms += 975661713) {
        time_t seconds = (time_t)(ms / 1000 - (ms % 1000 < 0));
        struct tm tm;
        char expected[CLOCK_TEXT_SIZE + 64], text[CLOCK_TEXT_SIZE];
        gmtime_r(&seconds, &tm);
        snprintf(expected, sizeof expected, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                 (int)(ms - (int64_t)seconds * 1000));
        clock_wall_text(ms, text);
        assert_string_equal(expected, text);
    }
}

static void monotonic_clock_does_not_go_back(void **state)
{
    uint64_t last = clock_monotonic_us();
    assert_true(last > 0);
    for (int i = 0; i < 1000; i++) {
        uint64_t now = clock_monotonic_us();
        assert_true(now >= last);
        last = now;
    }
    assert_true(clock_monotonic_ms() >= last / 1000);
}

static void wall_clock_is_the_system_time(void **state)
{
    int64_t before = (int64_t)time(NULL) - 1;
    int64_t now = clock_wall_ms() / 1000;
    assert_true(now >= before && now <= (int64_t)time(NULL) + 1);
}

static void test_text_is_read_back(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"1970-01-01T00:00:00.000Z", 0},
        {"2026-11-23T09:18:10.042Z", 1795425490042},
        {"2026-11-23T09:18:10.5Z", 1795425490500},
        {"2026-11-23T09:18:10Z", 1795425490000},
        {"2026-11-23T09:18:10", 1795425490000},
        {"2026-11-23T09:18Z", 1795425480000},
        {"2026-11-23", 1795392000000},
    };
    static const char *const bad[] = {"",
                                      "now",
                                      "2026-13-01",
                                      "2026-11-23T09:18:10+01:00",
                                      "2026-11-23T09:18:10Zx",
                                      "2026-11-23 x"};
    int64_t ms = -1;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(clock_wall_from_text(good[i].text, &ms));
        assert_true(ms == good[i].ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(clock_wall_from_text(bad[i], &ms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_read_back),
        cmocka_unit_test(known_times),
        cmocka_unit_test(agrees_with_the_c_library),
        cmocka_unit_test(monotonic_clock_does_not_go_back),
        cmocka_unit_test(wall_clock_is_the_system_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
