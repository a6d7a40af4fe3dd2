/* SPDX-License-Identifier: Apache-2.0 */
/* Readers of the feed: where each stands in the ring, what it may be sent, when it is woken. */
#include "events_priv.h"

#include "usher/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ALLOWANCE_FIRST = 64 << 10,
    ALLOWANCE_MAX = 256 << 10, /* what may be saved up */
    ALLOWANCE_LEAST = 8 << 10, /* worth a wake when there is more to send than that */
    WAKES_PER_SECOND = 500,    /* of all readers together */
};

/* ---- notes: what goes out beside events ---- */

static void note_gap(struct events_reader *reader, bool known, uint64_t missed, const char *reason)
{
    char count[24] = "null";
    if (known)
        snprintf(count, sizeof count, "%llu", (unsigned long long)missed);
    int len = snprintf(reader->note, sizeof reader->note,
                       "event: gap\ndata: {\"event\":\"gap\",\"missed\":%s,\"reason\":\"%s\"}\n\n",
                       count, reason);
    reader->note_len = (size_t)len;
    reader->note_sent = 0;
}

static void note_comment(struct events_reader *reader, const char *text)
{
    reader->note_len = (size_t)snprintf(reader->note, sizeof reader->note, ": %s\n\n", text);
    reader->note_sent = 0;
}

/* ---- beginning ---- */

/* "START-NUMBER" as we write it. */
static bool read_id(const char *text, char start[16], uint64_t *number)
{
    size_t len = strspn(text, "0123456789abcdef");
    if (len == 0 || len > 15 || text[len] != '-')
        return false;
    const char *digits = text + len + 1;
    size_t count = strspn(digits, "0123456789");
    if (count == 0 || count > 18 || digits[count] != '\0')
        return false;
    memcpy(start, text, len);
    start[len] = '\0';
    *number = strtoull(digits, NULL, 10);
    return true;
}

static bool set_place(struct events_reader *reader, const char *last_id)
{
    const struct events *events = reader->events;
    const struct event_ring *ring = &events->ring;
    char start[16];
    uint64_t number = 0;
    reader->number = ring->next;
    note_comment(reader, "the stream begins");
    if (last_id == NULL)
        return true;
    if (!read_id(last_id, start, &number))
        return false;
    if (strcmp(start, events->start) != 0 || number >= ring->next) {
        reader->number = ring->first;
        note_gap(reader, false, 0, "restart");
    } else if (number + 1 < ring->first) {
        reader->number = ring->first;
        note_gap(reader, true, ring->first - number - 1, "too-late");
    } else {
        reader->number = number + 1;
    }
    return true;
}

static void link_reader(struct events *events, struct events_reader *reader)
{
    reader->next = events->readers;
    if (events->readers != NULL)
        events->readers->previous = reader;
    events->readers = reader;
    events->reader_count++;
}

enum err_code events_subscribe(struct events *events, const struct events_filter *filter,
                               const char *last_id, const struct events_waiting *waiting,
                               struct events_reader **out)
{
    struct events_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return ERR_NO_MEMORY;
    *reader = (struct events_reader){
        .events = events,
        .waiting = *waiting,
        .endpoint_hash = events_hash(events, filter->endpoint),
        .class_hash = events_hash(events, filter->class_name),
        .kinds = filter->kinds,
        .once = filter->once,
        .allowance = ALLOWANCE_FIRST,
        .woken_ms = clock_monotonic_ms(),
    };
    enum err_code code = ERR_OK;
    pthread_mutex_lock(&events->lock);
    if (events->reader_count >= events->config.readers_max)
        code = ERR_BUSY;
    else if (!set_place(reader, last_id))
        code = ERR_INVALID;
    else
        link_reader(events, reader);
    pthread_mutex_unlock(&events->lock);
    if (code == ERR_OK)
        *out = reader;
    else
        free(reader);
    return code;
}

void events_unsubscribe(struct events_reader *reader)
{
    if (reader == NULL)
        return;
    struct events *events = reader->events;
    pthread_mutex_lock(&events->lock);
    /* Its connection was given up while the ring went round. */
    if (!reader->parked && !reader->woken && !reader->dropped &&
        reader->number < events->ring.first)
        events->dropped++;
    if (reader->previous != NULL)
        reader->previous->next = reader->next;
    else
        events->readers = reader->next;
    if (reader->next != NULL)
        reader->next->previous = reader->previous;
    events->reader_count--;
    pthread_mutex_unlock(&events->lock);
    free(reader);
}

/* ---- reading ---- */

static void hash_names(const struct events *events, struct event_slot *slot)
{
    struct unpacked_event unpacked;
    event_unpack((enum event_kind)slot->kind, event_ring_bytes(&events->ring, slot), &unpacked);
    slot->endpoint_hash = events_hash(events, unpacked.event.endpoint);
    slot->class_hash = events_hash(events, unpacked.event.class_name);
    slot->hashed = true;
}

static bool passes_names(const struct events_reader *reader, struct event_slot *slot)
{
    if (reader->endpoint_hash == 0 && reader->class_hash == 0)
        return true;
    if (!slot->hashed)
        hash_names(reader->events, slot);
    return (reader->endpoint_hash == 0 || reader->endpoint_hash == slot->endpoint_hash) &&
           (reader->class_hash == 0 || reader->class_hash == slot->class_hash);
}

static bool passes(const struct events_reader *reader, struct event_slot *slot)
{
    if (slot->kind == EVENT_KIND_COUNT) /* a gap is everybody's */
        return true;
    return (reader->kinds == 0 || (reader->kinds & 1u << slot->kind) != 0) &&
           passes_names(reader, slot);
}

bool events_reader_seek(struct events_reader *reader)
{
    const struct event_ring *ring = &reader->events->ring;
    if (reader->sent > 0)
        return true;
    while (reader->number < ring->next && reader->number >= ring->first &&
           !passes(reader, event_ring_slot(ring, reader->number)))
        reader->number++;
    return reader->number < ring->next;
}

/* The ring has gone over what the reader was to get next. False: its own fault. */
static bool catch_up(struct events_reader *reader)
{
    const struct event_ring *ring = &reader->events->ring;
    if (reader->number >= ring->first)
        return true;
    /* In the middle of an event there is no place for a gap: the rest of it is gone. */
    if (!reader->woken || reader->sent > 0)
        return false;
    note_gap(reader, true, ring->first - reader->number, "pace");
    reader->number = ring->first;
    return true;
}

static size_t copy_part(char *out, size_t cap, const char *text, size_t len, size_t *sent)
{
    size_t part = len - *sent < cap ? len - *sent : cap;
    memcpy(out, text + *sent, part);
    *sent += part;
    return part;
}

static size_t copy_events(struct events_reader *reader, char *out, size_t cap)
{
    size_t used = 0;
    /* An event that was begun is finished: behind half of one there is no place for a gap. */
    while (used < cap && (reader->allowance > 0 || reader->sent > 0) &&
           events_reader_seek(reader)) {
        struct bytes text = events_text(reader->events, reader->number);
        size_t part =
            copy_part(out + used, cap - used, (const char *)text.data, text.len, &reader->sent);
        used += part;
        reader->allowance -= part < reader->allowance ? part : reader->allowance;
        if (reader->sent == text.len) {
            reader->sent = 0;
            reader->number++;
        }
    }
    return used;
}

static long read_locked(struct events_reader *reader, char *out, size_t cap)
{
    struct events *events = reader->events;
    size_t used = 0;
    if (events->closed)
        return -1;
    if (!catch_up(reader)) {
        reader->dropped = true;
        events->dropped++;
        return -1;
    }
    if (reader->note_sent < reader->note_len)
        used = copy_part(out, cap, reader->note, reader->note_len, &reader->note_sent);
    if (used < cap)
        used += copy_events(reader, out + used, cap - used);
    reader->woken = false;
    if (used == 0 && reader->once && !events_reader_seek(reader))
        return -1;
    if (used == 0) {
        reader->parked = true;
        reader->waiting.park(reader->waiting.context);
        if (events_reader_seek(reader)) /* its share is used up */
            events_wake_publisher(events);
    }
    return (long)used;
}

long events_read(struct events_reader *reader, char *out, size_t cap)
{
    pthread_mutex_lock(&reader->events->lock);
    long used = read_locked(reader, out, cap);
    pthread_mutex_unlock(&reader->events->lock);
    return used;
}

/* ---- waking ---- */

/* Bytes in the ring that the reader has not had, filter or not. */
static uint64_t pending(const struct events_reader *reader)
{
    const struct event_ring *ring = &reader->events->ring;
    if (reader->number < ring->first)
        return UINT64_MAX;
    uint64_t bytes = ring->end - event_ring_slot(ring, reader->number)->offset;
    return bytes > reader->sent ? bytes - reader->sent : 1; /* packed, they are fewer than sent */
}

static bool may_be_sent(const struct events_reader *reader)
{
    return reader->allowance >= ALLOWANCE_LEAST || reader->allowance >= pending(reader);
}

static void wake(struct events_reader *reader, uint64_t now_ms)
{
    reader->parked = false;
    reader->woken = true;
    reader->woken_ms = now_ms;
    reader->waiting.wake(reader->waiting.context);
}

bool events_wake_readers(struct events *events, uint64_t now_ms, uint64_t elapsed_ms)
{
    bool owing = false;
    unsigned count = events->reader_count;
    size_t share =
        count > 0 ? (size_t)(events->config.bytes_per_second * elapsed_ms / 1000 / count) : 0;
    for (struct events_reader *reader = events->readers; reader != NULL; reader = reader->next) {
        reader->allowance =
            reader->allowance + share < ALLOWANCE_MAX ? reader->allowance + share : ALLOWANCE_MAX;
        if (!reader->parked)
            continue;
        if (events->closed) {
            wake(reader, now_ms);
        } else if (events_reader_seek(reader)) {
            bool rested = (now_ms - reader->woken_ms) * WAKES_PER_SECOND >= count * 1000ull;
            if (rested && may_be_sent(reader))
                wake(reader, now_ms);
            else
                owing = true;
        } else if (now_ms - reader->woken_ms >= events->config.heartbeat_ms) {
            note_comment(reader, "still here");
            wake(reader, now_ms);
        }
    }
    return owing;
}
