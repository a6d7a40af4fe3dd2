/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of workers: written by one thread each, added up when somebody reads. */
#include "usher/metrics.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    MINUTE_MS = 60000,
    SLOTS = METRICS_MINUTES + 1, /* the one that is being replaced is not shown */
    FINE_BUCKETS = 84,           /* four an octave, from 1 ms to half an hour */
    /* What is counted in a minute. */
    COUNT_DONE = 0,
    COUNT_UNCONFIRMED,
    COUNT_REJECTED,
    COUNT_FAILED,
    COUNT_DURATION = COUNT_FAILED + CAUSE_LAST,
    COUNTS = COUNT_DURATION + FINE_BUCKETS,
};

const uint32_t metrics_bounds_ms[METRICS_BUCKETS - 1] = {
    5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000};

typedef _Atomic uint64_t counter;
typedef _Atomic uint32_t small_counter;

struct histogram {
    counter buckets[METRICS_BUCKETS];
    counter sum_ms;
};

struct class_counters {
    char class_name[CLASS_MAX + 1];
    counter done, unconfirmed, failed[CAUSE_LAST];
    struct histogram duration;
};

struct minute_counters {
    _Atomic int64_t minute; /* since 1970 */
    small_counter counts[COUNTS];
};

struct worker_counters {
    _Alignas(64) counter values[METRIC_COUNT];
    struct histogram handshakes;
    atomic_size_t class_count;
    struct class_counters *_Atomic classes[METRICS_CLASSES_MAX];
    struct class_counters other; /* of classes that found no room */
    struct minute_counters minutes[SLOTS];
};

struct metrics {
    unsigned worker_count;
    counter events[METRIC_EVENT_COUNT];
    struct worker_counters *workers;
};

/* One writer: no read-modify-write is needed. */
static void add(counter *to, uint64_t count)
{
    uint64_t value = atomic_load_explicit(to, memory_order_relaxed);
    atomic_store_explicit(to, value + count, memory_order_relaxed);
}

static void add_small(small_counter *to)
{
    uint32_t value = atomic_load_explicit(to, memory_order_relaxed);
    atomic_store_explicit(to, value + 1, memory_order_relaxed);
}

static uint64_t get(const counter *from)
{
    return atomic_load_explicit(from, memory_order_relaxed);
}

struct metrics *metrics_new(unsigned workers)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    if (metrics == NULL)
        return NULL;
    size_t size = workers * sizeof *metrics->workers;
    metrics->workers = aligned_alloc(_Alignof(struct worker_counters), size);
    if (metrics->workers == NULL) {
        free(metrics);
        return NULL;
    }
    memset(metrics->workers, 0, size);
    metrics->worker_count = workers;
    for (unsigned i = 0; i < workers; i++)
        strcpy(metrics->workers[i].other.class_name, "(other)");
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    for (unsigned i = 0; i < metrics->worker_count; i++)
        for (size_t j = 0; j < METRICS_CLASSES_MAX; j++)
            free(atomic_load(&metrics->workers[i].classes[j]));
    free(metrics->workers);
    free(metrics);
}

/* ---- writing ---- */

static struct worker_counters *worker_of(struct metrics *metrics, unsigned worker)
{
    return metrics != NULL && worker < metrics->worker_count ? &metrics->workers[worker] : NULL;
}

void metrics_set(struct metrics *metrics, unsigned worker, enum metric metric, uint64_t value)
{
    struct worker_counters *counters = worker_of(metrics, worker);
    if (counters != NULL)
        atomic_store_explicit(&counters->values[metric], value, memory_order_relaxed);
}

static void observe(struct histogram *histogram, uint32_t duration_ms)
{
    size_t bucket = 0;
    while (bucket < METRICS_BUCKETS - 1 && duration_ms > metrics_bounds_ms[bucket])
        bucket++;
    add(&histogram->buckets[bucket], 1);
    add(&histogram->sum_ms, duration_ms);
}

void metrics_handshake(struct metrics *metrics, unsigned worker, uint32_t duration_ms)
{
    struct worker_counters *counters = worker_of(metrics, worker);
    if (counters != NULL)
        observe(&counters->handshakes, duration_ms);
}

static struct class_counters *class_of(struct worker_counters *counters, const char *class_name)
{
    size_t count = atomic_load_explicit(&counters->class_count, memory_order_relaxed);
    for (size_t i = 0; i < count; i++) {
        struct class_counters *known =
            atomic_load_explicit(&counters->classes[i], memory_order_relaxed);
        if (strcmp(known->class_name, class_name) == 0)
            return known;
    }
    struct class_counters *fresh = count < METRICS_CLASSES_MAX ? calloc(1, sizeof *fresh) : NULL;
    if (fresh == NULL)
        return &counters->other;
    strcpy(fresh->class_name, class_name);
    atomic_store_explicit(&counters->classes[count], fresh, memory_order_relaxed);
    atomic_store_explicit(&counters->class_count, count + 1, memory_order_release);
    return fresh;
}

/* The slot of this minute, empty when it has just begun. */
static struct minute_counters *minute_of(struct worker_counters *counters, int64_t wall_ms)
{
    int64_t minute = wall_ms / MINUTE_MS;
    struct minute_counters *slot = &counters->minutes[(uint64_t)minute % SLOTS];
    if (atomic_load_explicit(&slot->minute, memory_order_relaxed) == minute)
        return slot;
    atomic_store(&slot->minute, 0); /* whoever reads now sees that it is no minute */
    for (size_t i = 0; i < COUNTS; i++)
        atomic_store_explicit(&slot->counts[i], 0, memory_order_relaxed);
    atomic_store(&slot->minute, minute);
    return slot;
}

/* By the highest bit, and the two below it: 4, 5, 6, 7, 8-9, 10-11 .. milliseconds. */
static size_t fine_bucket(uint32_t duration_ms)
{
    unsigned octave = 0;
    while (octave < 31 && duration_ms >> (octave + 1) != 0)
        octave++;
    unsigned quarter = octave >= 2 ? duration_ms >> (octave - 2) & 3u : 0;
    size_t bucket = octave * 4 + quarter;
    return bucket < FINE_BUCKETS ? bucket : FINE_BUCKETS - 1;
}

static uint32_t fine_middle(size_t bucket)
{
    uint32_t octave = (uint32_t)1 << bucket / 4;
    return octave + octave / 4 * (uint32_t)(bucket % 4) + octave / 8;
}

void metrics_outcome(struct metrics *metrics, unsigned worker, const struct outcome *outcome,
                     int64_t wall_ms)
{
    struct worker_counters *counters = worker_of(metrics, worker);
    if (counters == NULL || (unsigned)outcome->cause >= CAUSE_LAST)
        return;
    struct class_counters *class_counters = class_of(counters, outcome->class_name);
    struct minute_counters *minute = minute_of(counters, wall_ms);
    if (outcome->state != STATE_BOOTSTRAPPED && outcome->state != STATE_UNCONFIRMED) {
        add(&class_counters->failed[outcome->cause], 1);
        add_small(&minute->counts[COUNT_FAILED + outcome->cause]);
        return;
    }
    bool done = outcome->state == STATE_BOOTSTRAPPED;
    add(done ? &class_counters->done : &class_counters->unconfirmed, 1);
    add_small(&minute->counts[done ? COUNT_DONE : COUNT_UNCONFIRMED]);
    add_small(&minute->counts[COUNT_DURATION + fine_bucket(outcome->duration_ms)]);
    observe(&class_counters->duration, outcome->duration_ms);
}

void metrics_reject(struct metrics *metrics, unsigned worker, int64_t wall_ms)
{
    struct worker_counters *counters = worker_of(metrics, worker);
    if (counters != NULL)
        add_small(&minute_of(counters, wall_ms)->counts[COUNT_REJECTED]);
}

void metrics_add(struct metrics *metrics, enum metric_event event, uint64_t count)
{
    if (metrics != NULL)
        atomic_fetch_add_explicit(&metrics->events[event], count, memory_order_relaxed);
}

/* ---- reading ---- */

uint64_t metrics_get(const struct metrics *metrics, enum metric metric)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < metrics->worker_count; i++)
        sum += get(&metrics->workers[i].values[metric]);
    return sum;
}

uint64_t metrics_event_count(const struct metrics *metrics, enum metric_event event)
{
    return get(&metrics->events[event]);
}

static void sum_histogram(const struct histogram *from, struct metrics_histogram *to)
{
    for (size_t i = 0; i < METRICS_BUCKETS; i++)
        to->buckets[i] += get(&from->buckets[i]);
    to->sum_ms += get(&from->sum_ms);
}

void metrics_handshakes(const struct metrics *metrics, struct metrics_histogram *out)
{
    *out = (struct metrics_histogram){0};
    for (unsigned i = 0; i < metrics->worker_count; i++)
        sum_histogram(&metrics->workers[i].handshakes, out);
}

struct class_sums {
    struct metrics_class *out;
    size_t count;
};

/* The sum of that name; when all places are taken, the last one, which is "(other)". */
static struct metrics_class *sum_of(struct class_sums *sums, const char *class_name)
{
    for (size_t i = 0; i < sums->count; i++)
        if (strcmp(sums->out[i].class_name, class_name) == 0)
            return &sums->out[i];
    bool last = sums->count >= METRICS_CLASSES_MAX;
    if (sums->count > METRICS_CLASSES_MAX)
        return &sums->out[METRICS_CLASSES_MAX];
    struct metrics_class *sum = &sums->out[sums->count++];
    *sum = (struct metrics_class){0};
    strcpy(sum->class_name, last ? "(other)" : class_name);
    return sum;
}

static void sum_class(struct class_sums *sums, const struct class_counters *from)
{
    struct metrics_class *sum = sum_of(sums, from->class_name);
    sum->done += get(&from->done);
    sum->unconfirmed += get(&from->unconfirmed);
    for (size_t i = 0; i < CAUSE_LAST; i++)
        sum->failed[i] += get(&from->failed[i]);
    sum_histogram(&from->duration, &sum->duration);
}

static bool is_used(const struct class_counters *counters)
{
    uint64_t sum = get(&counters->done) + get(&counters->unconfirmed);
    for (size_t i = 0; i < CAUSE_LAST; i++)
        sum += get(&counters->failed[i]);
    return sum > 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct metrics_class *)a)->class_name,
                  ((const struct metrics_class *)b)->class_name);
}

size_t metrics_classes(const struct metrics *metrics,
                       struct metrics_class out[static METRICS_CLASSES_MAX + 1])
{
    struct class_sums sums = {.out = out};
    for (unsigned i = 0; i < metrics->worker_count; i++) {
        const struct worker_counters *counters = &metrics->workers[i];
        size_t count = atomic_load_explicit(&counters->class_count, memory_order_acquire);
        for (size_t j = 0; j < count; j++)
            sum_class(&sums, atomic_load_explicit(&counters->classes[j], memory_order_relaxed));
        if (is_used(&counters->other))
            sum_class(&sums, &counters->other);
    }
    qsort(out, sums.count, sizeof *out, by_name);
    return sums.count;
}

/* ---- the last hour ---- */

static uint32_t count_of(const struct minute_counters *slot, size_t index)
{
    return atomic_load_explicit(&slot->counts[index], memory_order_relaxed);
}

/* Adds a worker's minute; one that is replaced meanwhile counts in part, for this one look. */
static void sum_minute(const struct minute_counters *slot, int64_t minute,
                       struct metrics_minute *out, uint64_t durations[FINE_BUCKETS])
{
    if (atomic_load(&slot->minute) != minute)
        return;
    out->done += count_of(slot, COUNT_DONE);
    out->unconfirmed += count_of(slot, COUNT_UNCONFIRMED);
    out->rejected += count_of(slot, COUNT_REJECTED);
    for (size_t i = 0; i < CAUSE_LAST; i++)
        out->failed[i] += count_of(slot, COUNT_FAILED + i);
    for (size_t i = 0; i < FINE_BUCKETS; i++)
        durations[i] += count_of(slot, COUNT_DURATION + i);
}

/* The duration that `part` of all stay below. */
static uint32_t percentile(const uint64_t durations[FINE_BUCKETS], double part)
{
    uint64_t all = 0, seen = 0;
    for (size_t i = 0; i < FINE_BUCKETS; i++)
        all += durations[i];
    for (size_t i = 0; i < FINE_BUCKETS && all > 0; i++) {
        seen += durations[i];
        if ((double)seen >= part * (double)all)
            return fine_middle(i);
    }
    return 0;
}

void metrics_series(const struct metrics *metrics, int64_t now_wall_ms,
                    struct metrics_minute out[static METRICS_MINUTES])
{
    int64_t last = now_wall_ms / MINUTE_MS;
    for (int64_t i = 0; i < METRICS_MINUTES; i++) {
        int64_t minute = last - METRICS_MINUTES + 1 + i;
        uint64_t durations[FINE_BUCKETS] = {0};
        out[i] = (struct metrics_minute){.start_wall_ms = minute * MINUTE_MS};
        for (unsigned j = 0; j < metrics->worker_count; j++)
            sum_minute(&metrics->workers[j].minutes[(uint64_t)minute % SLOTS], minute, &out[i],
                       durations);
        out[i].p50_ms = percentile(durations, 0.5);
        out[i].p90_ms = percentile(durations, 0.9);
        out[i].p99_ms = percentile(durations, 0.99);
    }
}
