/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the event feed: the rings of the producers, the ring of the last events, the readers. */
#ifndef USHER_EVENTS_PRIV_H
#define USHER_EVENTS_PRIV_H

#include "usher/buf.h"
#include "usher/events.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    EVENT_TEXT_MAX = 4096,        /* of one event as sent, without its id */
    EVENT_LANE_BYTES = 512 << 10, /* ring of one producer; a power of two */
};

/* What a producer leaves for the publisher; the text follows. */
struct event_head {
    uint32_t len; /* of the text */
    uint32_t kind;
    uint64_t endpoint_hash, class_hash; /* 0 = none */
    uint64_t posted_us;                 /* orders what different producers post */
};

/* One writer, one reader. Positions count up for ever. */
struct event_lane {
    uint8_t *data;
    _Alignas(64) atomic_size_t written;
    _Alignas(64) atomic_size_t taken;
    atomic_uint_fast64_t lost;
    int64_t second; /* that `second_text` tells */
    char second_text[24];
};

bool event_lane_init(struct event_lane *lane);
void event_lane_clear(struct event_lane *lane);
/* False: no room; counted. */
bool event_lane_put(struct event_lane *lane, const struct event_head *head, const void *text);
/* Bytes that wait; for the producer. */
size_t event_lane_used(const struct event_lane *lane);
/* The oldest one's head. False: empty. */
bool event_lane_peek(const struct event_lane *lane, struct event_head *head);
/* Takes the one that peek has shown; `text` has EVENT_TEXT_MAX bytes. */
void event_lane_take(struct event_lane *lane, const struct event_head *head, char *text);

/* "event: KIND\ndata: {..}\n\n"; false when it does not fit. `lane` keeps the time's text. */
bool event_encode(const struct event *event, struct event_lane *lane, struct buf *out);
/* {"key":value..} in the style of the above. */
void event_put_field(struct buf *out, const struct log_field *field);

/* The last events, in order of their numbers. Not locked: the feed does that. */
struct event_slot {
    uint64_t offset; /* of the text; counts up for ever */
    struct event_head head;
};

struct event_ring {
    char *data;
    size_t bytes;
    struct event_slot *slots;
    size_t slot_count;
    uint64_t first, next; /* numbers: those in the ring are first .. next - 1 */
    uint64_t end;         /* offset behind the last text */
};

bool event_ring_init(struct event_ring *ring, size_t bytes, size_t slots);
void event_ring_clear(struct event_ring *ring);
/* Appends one; the oldest go. */
void event_ring_add(struct event_ring *ring, const struct event_head *head, const char *text);
const struct event_slot *event_ring_slot(const struct event_ring *ring, uint64_t number);
const char *event_ring_text(const struct event_ring *ring, const struct event_slot *slot);

struct events {
    struct events_config config;
    uint8_t hash_key[16];
    char start[16];           /* of this run, in ids */
    struct event_lane *lanes; /* the last one is shared */
    pthread_mutex_t shared_lock;
    int wake_fd; /* eventfd: the publisher sleeps there */
    atomic_bool sleeping, hurry, stopping;
    pthread_t thread;
    pthread_mutex_t lock; /* of all that follows */
    struct event_ring ring;
    struct events_reader *readers;
    unsigned reader_count;
    uint64_t published, dropped, lost_told;
    bool closed;
};

struct events_reader {
    struct events *events;
    struct events_reader *previous, *next;
    struct events_waiting waiting;
    uint64_t endpoint_hash, class_hash; /* 0 = any */
    uint32_t kinds;
    bool once;
    uint64_t number; /* of the next event */
    size_t sent;     /* bytes of it that are out */
    char note[192];  /* a gap or a comment, sent first */
    size_t note_len, note_sent;
    bool dropped;
    bool parked, woken; /* woken: parked until just now, so what it missed is our doing */
    uint64_t woken_ms;
    size_t allowance; /* bytes that it may be sent now */
};

/* Ends the publisher's sleep. */
void events_wake_publisher(struct events *events);
/* Moves past events that do not pass its filter; true when one is there. */
bool events_reader_seek(struct events_reader *reader);
/* The feed's round: gives out allowances and wakes who has something to read. Locked. True:
 * somebody has something to read and must wait for his share. */
bool events_wake_readers(struct events *events, uint64_t now_ms, uint64_t elapsed_ms);

#endif
