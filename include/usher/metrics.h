/* SPDX-License-Identifier: Apache-2.0 */
/* module: feed */
/* Counters of what workers do, and the last hour by minutes. Each worker writes counters of its
 * own, without a lock; whoever reads adds them up. Everything is bounded: at most
 * METRICS_CLASSES_MAX classes are told apart, later ones count as "(other)". */
#ifndef USHER_METRICS_H
#define USHER_METRICS_H

#include "usher/outcome.h"

struct metrics;

enum { METRICS_CLASSES_MAX = 128, METRICS_MINUTES = 60, METRICS_BUCKETS = 15 };

/* Upper bounds of the histograms' buckets, in milliseconds; the last one has no bound. */
extern const uint32_t metrics_bounds_ms[METRICS_BUCKETS - 1];

/* Values that a worker sets as they are now (totals since the start, unless marked "now"). */
enum metric {
    METRIC_DATAGRAMS,
    METRIC_BYTES_RECEIVED,
    METRIC_BYTES_SENT,
    METRIC_HELLO_VERIFY_SENT,
    METRIC_HELLO_ACCEPTED,
    METRIC_HELLO_MALFORMED,
    METRIC_HELLO_BAD_COOKIE,
    METRIC_HANDSHAKES_DONE,
    METRIC_HANDSHAKES_FAILED,
    METRIC_DROPPED_UNKNOWN,
    METRIC_DROPPED_SIZE,
    METRIC_DROPPED_RECORD,
    METRIC_DROPPED_LIMIT,
    METRIC_DROPPED_RATE,
    METRIC_DROPPED_DRAIN,
    METRIC_DROPPED_CID,
    METRIC_DROPPED_UNVERIFIED,
    METRIC_MOVED,
    METRIC_EVICTED_HALF_OPEN,
    METRIC_EVICTED_IDLE,
    METRIC_REPLACED,
    METRIC_COAP_MALFORMED,
    METRIC_COAP_DUPLICATES,
    METRIC_COAP_RETRANSMISSIONS,
    METRIC_HALF_OPEN, /* now */
    METRIC_OPEN,      /* now */
    METRIC_COUNT
};

/* Counted by any thread. */
enum metric_event {
    METRIC_IMPORT_CREATED,
    METRIC_IMPORT_CHANGED,
    METRIC_IMPORT_UNCHANGED,
    METRIC_IMPORT_REFUSED,
    METRIC_RELOAD_DONE,
    METRIC_RELOAD_REFUSED,
    METRIC_EVENT_COUNT
};

struct metrics *metrics_new(unsigned workers); /* NULL: no memory */
void metrics_free(struct metrics *metrics);    /* NULL accepted */

/* ---- written: by the thread of that worker; NULL `metrics` does nothing ---- */
void metrics_set(struct metrics *metrics, unsigned worker, enum metric metric, uint64_t value);
void metrics_handshake(struct metrics *metrics, unsigned worker, uint32_t duration_ms);
void metrics_outcome(struct metrics *metrics, unsigned worker, const struct outcome *outcome,
                     int64_t wall_ms);
void metrics_reject(struct metrics *metrics, unsigned worker, int64_t wall_ms);
/* Any thread. */
void metrics_add(struct metrics *metrics, enum metric_event event, uint64_t count);

/* ---- read: any thread ---- */
uint64_t metrics_get(const struct metrics *metrics, enum metric metric);
uint64_t metrics_event_count(const struct metrics *metrics, enum metric_event event);

struct metrics_histogram {
    uint64_t buckets[METRICS_BUCKETS]; /* each for itself, not added up */
    uint64_t sum_ms;
};
void metrics_handshakes(const struct metrics *metrics, struct metrics_histogram *out);

/* What became of the bootstraps of one class since the start. */
struct metrics_class {
    char class_name[CLASS_MAX + 1];                 /* "" = none was known */
    uint64_t done, unconfirmed, failed[CAUSE_LAST]; /* failed: by cause */
    struct metrics_histogram duration;              /* of those done or unconfirmed */
};
/* Fills at most METRICS_CLASSES_MAX + 1, in order of name; returns how many. */
size_t metrics_classes(const struct metrics *metrics,
                       struct metrics_class out[static METRICS_CLASSES_MAX + 1]);

struct metrics_minute {
    int64_t start_wall_ms;
    uint32_t done, unconfirmed, rejected, failed[CAUSE_LAST];
    /* Of the bootstraps done: durations within a fifth of the truth; 0 = none. */
    uint32_t p50_ms, p90_ms, p99_ms;
};
/* The last hour, oldest first, the minute under way last. */
void metrics_series(const struct metrics *metrics, int64_t now_wall_ms,
                    struct metrics_minute out[static METRICS_MINUTES]);

#endif
