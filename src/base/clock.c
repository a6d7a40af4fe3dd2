/* Reading the clocks and writing a wall time. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static struct timespec read_clock(clockid_t id)
{
    struct timespec now = {0};
    clock_gettime(id, &now);
    return now;
}

uint64_t clock_monotonic_us(void)
{
    struct timespec now = read_clock(CLOCK_MONOTONIC);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_monotonic_ms(void)
{
    return clock_monotonic_us() / 1000;
}

int64_t clock_wall_ms(void)
{
    struct timespec now = read_clock(CLOCK_REALTIME);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct date {
    int64_t year;
    unsigned month, day;
};

/* Gregorian date of a day counted from 1970-01-01. Not gmtime_r(): that takes a lock, and each log
 * line comes here. Years begin in March, so that the leap day is the last of one. */
static struct date date_of_day(int64_t day)
{
    const int64_t era_days = 146097; /* days in 400 years */
    day += 719468;                   /* from 0000-03-01 */
    int64_t era = (day >= 0 ? day : day - (era_days - 1)) / era_days;
    unsigned of_era = (unsigned)(day - era * era_days);
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * of_year + 2) / 153; /* 0 = March */
    return (struct date){
        .year = era * 400 + year + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = of_year - (153 * month + 2) / 5 + 1,
    };
}

/* `len` digits with leading zeroes; the place behind them. */
static char *put_digits(char *out, unsigned number, unsigned len)
{
    for (unsigned i = len; i > 0; i--) {
        out[i - 1] = (char)('0' + number % 10);
        number /= 10;
    }
    return out + len;
}

void clock_wall_text(int64_t wall_ms, char out[static CLOCK_TEXT_SIZE])
{
    const int64_t day_ms = 86400000;
    int64_t day = wall_ms / day_ms - (wall_ms % day_ms < 0);
    unsigned rest = (unsigned)(wall_ms - day * day_ms);
    struct date date = date_of_day(day);
    /* RFC 3339 knows four-digit years only. */
    if (date.year < 0 || date.year > 9999) {
        snprintf(out, CLOCK_TEXT_SIZE,
                 date.year < 0 ? "0000-01-01T00:00:00.000Z" : "9999-12-31T23:59:59.999Z");
        return;
    }
    const struct {
        unsigned number, len;
        char after;
    } parts[] = {
        {(unsigned)date.year, 4, '-'}, {date.month, 2, '-'},        {date.day, 2, 'T'},
        {rest / 3600000 % 24, 2, ':'}, {rest / 60000 % 60, 2, ':'}, {rest / 1000 % 60, 2, '.'},
        {rest % 1000, 3, 'Z'},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        out = put_digits(out, parts[i].number, parts[i].len);
        *out++ = parts[i].after;
    }
    *out = '\0';
}

bool clock_wall_from_text(const char *text, int64_t *wall_ms)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct tm parts = {0};
        const char *rest = strptime(text, forms[i], &parts);
        int64_t ms = 0, unit = 100;
        if (rest == NULL)
            continue;
        for (rest += *rest == '.'; i == 0 && *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
            ms += (*rest - '0') * unit;
        if (strcmp(rest, "Z") != 0 && *rest != '\0')
            continue;
        *wall_ms = (int64_t)timegm(&parts) * 1000 + ms;
        return true;
    }
    return false;
}
