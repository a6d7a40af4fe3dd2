/* SPDX-License-Identifier: Apache-2.0 */
/* module: feed */
/* The event feed: what happens, for those who read, as text of Server-Sent Events. Workers post
 * without a lock and never wait; one thread of the feed's own numbers events and keeps the last of
 * them in a bounded ring; readers copy from it. docs/status.md has the drawing. */
#ifndef USHER_EVENTS_H
#define USHER_EVENTS_H

#include "usher/enrollment.h"
#include "usher/log.h"

struct events;
struct events_reader;

enum event_kind {
    EVENT_HANDSHAKE,
    EVENT_REQUEST,
    EVENT_OPERATION,
    EVENT_OUTCOME,
    EVENT_REJECT,
    EVENT_RELOAD,
    EVENT_ENROLMENT,
    EVENT_IMPORT,
    EVENT_KIND_COUNT
};

const char *event_kind_name(enum event_kind kind); /* "operation" */
bool event_kind_from_name(const char *name, enum event_kind *out);

/* Borrowed for the call, but for the fields' keys, which must be literals. Fields as for a log
 * line, at most 24: no secret, ever (I4). */
struct event {
    enum event_kind kind;
    int64_t wall_ms;
    const char *endpoint, *class_name; /* NULL or "" = none */
    const struct log_field *fields;
    size_t field_count;
};

/* 0 = the default that is named. */
struct events_config {
    unsigned producers;      /* threads that post with a number of their own */
    size_t ring_bytes;       /* of the last events; 4 MiB, at least 64 KiB */
    size_t ring_events;      /* 16384 */
    unsigned readers_max;    /* 256 */
    unsigned heartbeat_ms;   /* silence after which a reader gets a comment; 15000 */
    size_t bytes_per_second; /* to all readers together; 8 MiB */
};

enum { EVENTS_SHARED = -1, EVENTS_ID_SIZE = 40 };

/* ERR_NO_MEMORY, ERR_IO: no thread. */
enum err_code events_new(const struct events_config *config, struct events **out, struct err *err);
/* After the last post and the last reader. NULL accepted. */
void events_free(struct events *events);

/* `producer`: 0 .. producers - 1, by one thread at a time each: no lock, never waits; or
 * EVENTS_SHARED: any thread, a short lock. An event that finds no room is counted as lost. NULL
 * `events` does nothing. */
void events_post(struct events *events, int producer, const struct event *event);
/* From then on every reader's stream ends. */
void events_close(struct events *events);

struct events_filter {
    const char *class_name, *endpoint; /* NULL = any; copied */
    uint32_t kinds;                    /* bit 1 << kind; 0 = all */
    bool once;                         /* ends where it would wait */
};

/* Called by events_read when there is nothing to read, and by the feed's thread when there is
 * again: one `wake` for each `park`. Both run under the feed's lock and must not call it. */
struct events_waiting {
    void (*park)(void *context);
    void (*wake)(void *context);
    void *context;
};

/* `last_id`: go on behind this event; NULL = from now. ERR_BUSY: too many readers; ERR_INVALID: not
 * an id; ERR_NO_MEMORY. */
enum err_code events_subscribe(struct events *events, const struct events_filter *filter,
                               const char *last_id, const struct events_waiting *waiting,
                               struct events_reader **out);
/* Copies whole or broken-off text of the stream; the next call goes on with the rest. 0 = parked.
 * -1 = the stream ends here: the feed is closing, the reader was too slow, or `once`. */
long events_read(struct events_reader *reader, char *out, size_t cap);
void events_unsubscribe(struct events_reader *reader); /* NULL accepted */

struct events_stats {
    uint64_t published;
    uint64_t lost;    /* found no room in a worker's ring */
    uint64_t dropped; /* readers that were too slow */
    unsigned readers; /* now */
};
void events_stats(struct events *events, struct events_stats *out);

#endif
