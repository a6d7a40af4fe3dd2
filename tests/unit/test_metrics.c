/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of workers, added up; histograms; the last hour by minutes; the cap on classes. */
#include "usher/metrics.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MINUTE = 60000 };

static void outcome(struct metrics *metrics, unsigned worker, const char *class_name,
                    enum device_state state, enum cause cause, uint32_t duration_ms,
                    int64_t wall_ms)
{
    struct outcome *made = calloc(1, sizeof *made);
    snprintf(made->class_name, sizeof made->class_name, "%s", class_name);
    made->state = state;
    made->cause = cause;
    made->duration_ms = duration_ms;
    metrics_outcome(metrics, worker, made, wall_ms);
    free(made);
}

static void test_workers_are_added_up(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new(3);
    for (unsigned i = 0; i < 3; i++) {
        metrics_set(metrics, i, METRIC_OPEN, 10 + i);
        metrics_set(metrics, i, METRIC_OPEN, i);
        outcome(metrics, i, "lamp", STATE_BOOTSTRAPPED, CAUSE_NONE, 100, 0);
        outcome(metrics, i, "lamp", STATE_FAILED, CAUSE_TIMEOUT, 100, 0);
    }
    outcome(metrics, 1, "lamp", STATE_UNCONFIRMED, CAUSE_NONE, 100, 0);
    outcome(metrics, 1, "", STATE_FAILED, CAUSE_NO_PROFILE, 100, 0);
    outcome(metrics, 2, "bulb", STATE_BOOTSTRAPPED, CAUSE_NONE, 100, 0);
    metrics_set(metrics, 99, METRIC_OPEN, 5); /* no such worker */
    metrics_add(metrics, METRIC_IMPORT_CREATED, 7);
    metrics_add(metrics, METRIC_IMPORT_CREATED, 1);
    assert_int_equal(metrics_get(metrics, METRIC_OPEN), 3);
    assert_int_equal(metrics_event_count(metrics, METRIC_IMPORT_CREATED), 8);
    struct metrics_class *classes = calloc(METRICS_CLASSES_MAX + 1, sizeof *classes);
    assert_int_equal(metrics_classes(metrics, classes), 3);
    assert_string_equal(classes[0].class_name, "");
    assert_int_equal(classes[0].failed[CAUSE_NO_PROFILE], 1);
    assert_string_equal(classes[1].class_name, "bulb");
    assert_string_equal(classes[2].class_name, "lamp");
    assert_int_equal(classes[2].done, 3);
    assert_int_equal(classes[2].unconfirmed, 1);
    assert_int_equal(classes[2].failed[CAUSE_TIMEOUT], 3);
    free(classes);
    metrics_free(metrics);
    metrics_set(NULL, 0, METRIC_OPEN, 1);
    metrics_add(NULL, METRIC_IMPORT_CREATED, 1);
    metrics_free(NULL);
}

static void test_histograms(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new(2);
    const uint32_t durations[] = {0, 5, 6, 100, 101, 300000, 300001, UINT32_MAX};
    uint64_t sum = 0;
    for (size_t i = 0; i < 8; i++) {
        metrics_handshake(metrics, i % 2, durations[i]);
        sum += durations[i];
    }
    struct metrics_histogram histogram;
    metrics_handshakes(metrics, &histogram);
    assert_int_equal(histogram.sum_ms, sum);
    assert_int_equal(histogram.buckets[0], 2); /* up to and with 5 ms */
    assert_int_equal(histogram.buckets[1], 1);
    assert_int_equal(histogram.buckets[4], 1); /* up to and with 100 ms */
    assert_int_equal(histogram.buckets[5], 1);
    assert_int_equal(histogram.buckets[METRICS_BUCKETS - 2], 1);
    assert_int_equal(histogram.buckets[METRICS_BUCKETS - 1], 2);
    metrics_free(metrics);
}

static void test_classes_are_capped(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new(2);
    uint64_t done = 0;
    for (int i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof name, "class-%d", i);
        outcome(metrics, (unsigned)i % 2, name, STATE_BOOTSTRAPPED, CAUSE_NONE, 10, 0);
        outcome(metrics, (unsigned)i % 2, name, STATE_BOOTSTRAPPED, CAUSE_NONE, 10, 0);
    }
    struct metrics_class *classes = calloc(METRICS_CLASSES_MAX + 1, sizeof *classes);
    size_t count = metrics_classes(metrics, classes);
    assert_int_equal(count, METRICS_CLASSES_MAX + 1);
    for (size_t i = 0; i < count; i++)
        done += classes[i].done;
    assert_int_equal(done, 600);
    assert_string_equal(classes[0].class_name, "(other)");
    assert_true(classes[0].done > 2);
    free(classes);
    metrics_free(metrics);
}

static void test_last_hour(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new(2);
    struct metrics_minute minutes[METRICS_MINUTES];
    const int64_t now = 29000000ll * MINUTE + 30000;
    for (unsigned i = 0; i < 1000; i++)
        outcome(metrics, i % 2, "lamp", STATE_BOOTSTRAPPED, CAUSE_NONE, i + 1, now - MINUTE);
    outcome(metrics, 0, "lamp", STATE_FAILED, CAUSE_TIMEOUT, 5, now);
    outcome(metrics, 1, "lamp", STATE_FAILED, CAUSE_TIMEOUT, 5, now);
    metrics_reject(metrics, 1, now);
    outcome(metrics, 0, "lamp", STATE_BOOTSTRAPPED, CAUSE_NONE, 7, now - 60 * MINUTE); /* too old */
    metrics_series(metrics, now, minutes);
    assert_int_equal(minutes[METRICS_MINUTES - 1].start_wall_ms, now - 30000);
    assert_int_equal(minutes[0].start_wall_ms, now - 30000 - 59 * MINUTE);
    assert_int_equal(minutes[59].failed[CAUSE_TIMEOUT], 2);
    assert_int_equal(minutes[59].rejected, 1);
    assert_int_equal(minutes[59].done, 0);
    assert_int_equal(minutes[59].p50_ms, 0);
    assert_int_equal(minutes[58].done, 1000);
    assert_in_range(minutes[58].p50_ms, 400, 600);
    assert_in_range(minutes[58].p90_ms, 720, 1080);
    assert_in_range(minutes[58].p99_ms, 792, 1188);
    for (int i = 0; i < 58; i++)
        assert_int_equal(minutes[i].done, 0);
    /* An hour later the same places are used again. */
    outcome(metrics, 0, "lamp", STATE_BOOTSTRAPPED, CAUSE_NONE, 7, now + 60 * MINUTE);
    metrics_series(metrics, now + 60 * MINUTE, minutes);
    for (int i = 0; i < 59; i++)
        assert_int_equal(minutes[i].done + minutes[i].failed[CAUSE_TIMEOUT], 0);
    assert_int_equal(minutes[59].done, 1);
    assert_in_range(minutes[59].p50_ms, 6, 8);
    metrics_free(metrics);
}

struct job {
    struct metrics *metrics;
    unsigned worker;
};

static void *work(void *context)
{
    const struct job *job = context;
    for (int i = 0; i < 20000; i++) {
        char name[16];
        snprintf(name, sizeof name, "class-%d", i % 50);
        outcome(job->metrics, job->worker, name, STATE_BOOTSTRAPPED, CAUSE_NONE, 10,
                (int64_t)i * 1000);
    }
    return NULL;
}

/* Somebody reads while workers write. */
static void test_reading_while_writing(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new(2);
    struct job jobs[2] = {{metrics, 0}, {metrics, 1}};
    pthread_t threads[2];
    struct metrics_class *classes = calloc(METRICS_CLASSES_MAX + 1, sizeof *classes);
    struct metrics_minute minutes[METRICS_MINUTES];
    uint64_t done = 0, before = 0;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &jobs[i]), 0);
    while (done < 20000) {
        size_t count = metrics_classes(metrics, classes);
        done = 0;
        for (size_t i = 0; i < count; i++)
            done += classes[i].done;
        assert_true(done >= before);
        before = done;
        metrics_series(metrics, 10000000, minutes);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(metrics_classes(metrics, classes), 50);
    free(classes);
    metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workers_are_added_up),  cmocka_unit_test(test_histograms),
        cmocka_unit_test(test_classes_are_capped),    cmocka_unit_test(test_last_hour),
        cmocka_unit_test(test_reading_while_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
