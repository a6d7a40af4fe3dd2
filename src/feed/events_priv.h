/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the event feed: the rings of the producers, the ring of the last events, the readers. */
#ifndef USHER_EVENTS_PRIV_H
#define USHER_EVENTS_PRIV_H

#include "usher/buf.h"
#include "usher/events.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    EVENT_TEXT_MAX = 4096, /* of one event as sent, without its id */
    EVENT_FIELDS_MAX = 24,
    EVENT_LANE_BYTES = 512 << 10, /* ring of one producer; a power of two */
    EVENT_TEXTS = 128,            /* twice what one read takes */
};

/* What a producer leaves for the publisher; `len` bytes follow. */
struct event_head {
    uint32_t len;
    uint32_t kind;
    uint64_t posted_us; /* orders what different producers post */
};

/* One writer, one reader. Positions count up for ever. */
struct event_lane {
    uint8_t *data;
    _Alignas(64) atomic_size_t written;
    _Alignas(64) atomic_size_t taken;
    atomic_uint_fast64_t lost;
};

bool event_lane_init(struct event_lane *lane);
void event_lane_clear(struct event_lane *lane);
/* False: no room; counted. */
bool event_lane_put(struct event_lane *lane, const struct event_head *head, const void *data);
/* Bytes that wait; for the producer. */
size_t event_lane_used(const struct event_lane *lane);
/* The oldest one's head. False: empty. */
bool event_lane_peek(const struct event_lane *lane, struct event_head *head);
/* Takes the one that peek has shown; `data` has EVENT_TEXT_MAX bytes. */
void event_lane_take(struct event_lane *lane, const struct event_head *head, void *data);

/* An event in a form of our own, which costs a fraction of its text: most are never read. Returns
 * its bytes; 0: too long, also for its text, or too many fields. */
size_t event_pack(const struct event *event, char memory[static EVENT_TEXT_MAX]);
struct unpacked_event {
    struct event event; /* borrows from the packed bytes and from `fields` */
    struct log_field fields[EVENT_FIELDS_MAX];
};
void event_unpack(enum event_kind kind, struct bytes packed, struct unpacked_event *out);

/* The text of the last second that was told. */
struct event_clock {
    int64_t second;
    char text[24];
};

/* "event: KIND\ndata: {..}\n\n"; false when it does not fit. */
bool event_encode(const struct event *event, struct event_clock *clock, struct buf *out);
/* {"key":value..} in the style of the above. */
void event_put_field(struct buf *out, const struct log_field *field);

/* The last events, in order of their numbers. Not locked: the feed does that. */
struct event_slot {
    uint64_t offset; /* of its bytes; counts up for ever */
    uint32_t len;
    uint16_t kind;
    bool packed;                        /* its text is made when somebody reads it */
    bool hashed;                        /* the next two are known */
    uint64_t endpoint_hash, class_hash; /* 0 = none */
};

struct event_ring {
    char *data;
    size_t bytes;
    struct event_slot *slots;
    size_t slot_count;
    uint64_t first, next; /* numbers: those in the ring are first .. next - 1 */
    uint64_t end;         /* offset behind the last bytes */
};

bool event_ring_init(struct event_ring *ring, size_t bytes, size_t slots);
void event_ring_clear(struct event_ring *ring);
/* Appends one, the offset being ours to find; the oldest go. */
void event_ring_add(struct event_ring *ring, const struct event_slot *slot, const void *data);
struct event_slot *event_ring_slot(const struct event_ring *ring, uint64_t number);
struct bytes event_ring_bytes(const struct event_ring *ring, const struct event_slot *slot);

/* A text that was made: readers that are woken together read the same events, so that it is made
 * once for all of them. */
struct event_text {
    uint64_t number; /* whose; 0 = none */
    size_t len;
    char data[EVENT_TEXT_MAX + EVENTS_ID_SIZE + 8];
};

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
    struct event_text *texts; /* EVENT_TEXTS of them; number N stands at N % EVENT_TEXTS */
    struct event_clock clock;
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

/* 0 = none. */
uint64_t events_hash(const struct events *events, const char *text);
/* The whole text of an event of the ring: "id: START-NUMBER\n" and what event_encode makes. Valid
 * while the lock is held and no other is asked for. */
struct bytes events_text(struct events *events, uint64_t number);
/* Ends the publisher's sleep. */
void events_wake_publisher(struct events *events);
/* Moves past events that do not pass its filter; true when one is there. */
bool events_reader_seek(struct events_reader *reader);
/* The feed's round: gives out allowances and wakes who has something to read. Locked. True:
 * somebody has something to read and must wait for his share. */
bool events_wake_readers(struct events *events, uint64_t now_ms, uint64_t elapsed_ms);

#endif
