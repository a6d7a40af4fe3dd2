/* SPDX-License-Identifier: Apache-2.0 */
/* The event feed: posting, and the thread that numbers events and wakes readers. */
#include "events_priv.h"

#include "usher/clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    RING_BYTES = 4 << 20,
    RING_BYTES_LEAST = 64 << 10,
    RING_EVENTS = 16384,
    READERS_MAX = 256,
    HEARTBEAT_MS = 15000,
    BYTES_PER_SECOND = 8 << 20,
    TICK_MS = 20, /* events that come within are published together */
};

/* ---- posting ---- */

uint64_t events_hash(const struct events *events, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return 0;
    return bytes_hash(events->hash_key, bytes_of_text(text)) | 1; /* 0 means none */
}

static void signal_publisher(struct events *events)
{
    const uint64_t one = 1;
    /* Only a full counter makes it fail, and then the publisher is awake. */
    ssize_t written = write(events->wake_fd, &one, sizeof one);
    (void)written;
}

void events_wake_publisher(struct events *events)
{
    if (atomic_load(&events->sleeping) && atomic_exchange(&events->sleeping, false))
        signal_publisher(events);
}

/* A lane that fills within a tick: the publisher does not rest until the tick is over. */
static void hurry_publisher(struct events *events)
{
    if (!atomic_load_explicit(&events->hurry, memory_order_relaxed) &&
        !atomic_exchange(&events->hurry, true))
        signal_publisher(events);
}

static void put(struct events *events, struct event_lane *lane, const struct event *event)
{
    char packed[EVENT_TEXT_MAX];
    size_t len = event_pack(event, packed);
    if (len == 0) {
        atomic_fetch_add_explicit(&lane->lost, 1, memory_order_relaxed);
        return;
    }
    struct event_head head = {
        .len = (uint32_t)len,
        .kind = (uint32_t)event->kind,
        .posted_us = clock_monotonic_us(),
    };
    if (event_lane_put(lane, &head, packed))
        events_wake_publisher(events);
    if (event_lane_used(lane) > EVENT_LANE_BYTES / 2)
        hurry_publisher(events);
}

void events_post(struct events *events, int producer, const struct event *event)
{
    if (events == NULL)
        return;
    if (producer >= 0 && (unsigned)producer < events->config.producers) {
        put(events, &events->lanes[producer], event);
        return;
    }
    pthread_mutex_lock(&events->shared_lock);
    put(events, &events->lanes[events->config.producers], event);
    pthread_mutex_unlock(&events->shared_lock);
}

/* ---- the publisher ---- */

static void put_id(const struct events *events, uint64_t number, struct buf *out)
{
    buf_put_text(out, "id: ");
    buf_put_text(out, events->start);
    buf_put_u8(out, '-');
    buf_put_decimal(out, (int64_t)number);
    buf_put_u8(out, '\n');
}

struct bytes events_text(struct events *events, uint64_t number)
{
    const struct event_slot *slot = event_ring_slot(&events->ring, number);
    struct bytes stored = event_ring_bytes(&events->ring, slot);
    struct event_text *text = &events->texts[number % EVENT_TEXTS];
    if (!slot->packed)
        return stored;
    if (text->number != number) {
        struct unpacked_event unpacked;
        struct buf out;
        event_unpack((enum event_kind)slot->kind, stored, &unpacked);
        buf_init_fixed(&out, text->data, sizeof text->data);
        put_id(events, number, &out);
        event_encode(&unpacked.event, &events->clock, &out);
        text->len = out.len;
        text->number = number;
    }
    return bytes_of(text->data, text->len);
}

static void publish(struct events *events, const struct event_head *head, const void *packed)
{
    const struct event_slot slot = {.len = head->len, .kind = (uint16_t)head->kind, .packed = true};
    event_ring_add(&events->ring, &slot, packed);
}

static uint64_t sum_lost(const struct events *events)
{
    uint64_t lost = 0;
    for (unsigned i = 0; i <= events->config.producers; i++)
        lost += atomic_load_explicit(&events->lanes[i].lost, memory_order_relaxed);
    return lost;
}

/* What found no room is told in the stream, at about the place where it is missing. */
static void publish_losses(struct events *events)
{
    uint64_t lost = sum_lost(events);
    char text[128 + EVENTS_ID_SIZE];
    struct buf out;
    if (lost == events->lost_told)
        return;
    buf_init_fixed(&out, text, sizeof text);
    put_id(events, events->ring.next, &out);
    buf_printf(&out,
               "event: gap\ndata: {\"event\":\"gap\",\"missed\":%llu,\"reason\":"
               "\"overload\"}\n\n",
               (unsigned long long)(lost - events->lost_told));
    events->lost_told = lost;
    const struct event_slot slot = {.len = (uint32_t)out.len, .kind = EVENT_KIND_COUNT};
    event_ring_add(&events->ring, &slot, text);
}

/* The lane whose oldest event was posted first; NULL when all are empty. */
static struct event_lane *first_lane(struct events *events, struct event_head *head)
{
    struct event_lane *first = NULL;
    struct event_head found;
    for (unsigned i = 0; i <= events->config.producers; i++) {
        if (!event_lane_peek(&events->lanes[i], &found))
            continue;
        if (first == NULL || found.posted_us < head->posted_us) {
            first = &events->lanes[i];
            *head = found;
        }
    }
    return first;
}

/* What is there now, in order of time; true when there was something. Not more than fills four
 * lanes, so that readers get their turn under a storm. */
static bool drain(struct events *events)
{
    char packed[EVENT_TEXT_MAX];
    struct event_head head = {0};
    struct event_lane *lane;
    size_t taken = 0;
    pthread_mutex_lock(&events->lock);
    while (taken < 4 * EVENT_LANE_BYTES && (lane = first_lane(events, &head)) != NULL) {
        event_lane_take(lane, &head, packed);
        publish(events, &head, packed);
        events->published++;
        taken += sizeof head + head.len;
    }
    publish_losses(events);
    pthread_mutex_unlock(&events->lock);
    return taken > 0;
}

/* Until the time is over, or somebody signals. */
static void rest(struct events *events, int patience_ms)
{
    struct pollfd wait = {.fd = events->wake_fd, .events = POLLIN};
    uint64_t count;
    if (poll(&wait, 1, patience_ms) > 0 && read(events->wake_fd, &count, sizeof count) < 0 &&
        errno != EAGAIN)
        poll(NULL, 0, TICK_MS);
    atomic_store(&events->hurry, false);
}

static void *publisher_main(void *context)
{
    struct events *events = context;
    uint64_t last = clock_monotonic_ms();
    while (!atomic_load(&events->stopping)) {
        bool any = drain(events);
        uint64_t now = clock_monotonic_ms();
        pthread_mutex_lock(&events->lock);
        bool owing = events_wake_readers(events, now, now - last);
        pthread_mutex_unlock(&events->lock);
        last = now;
        if (any || owing) {
            rest(events, TICK_MS);
            continue;
        }
        /* Readers' silence is looked at a few times within the time of a heartbeat. */
        atomic_store(&events->sleeping, true);
        if (!drain(events))
            rest(events, (int)events->config.heartbeat_ms / 8 + 1);
        atomic_store(&events->sleeping, false);
    }
    return NULL;
}

/* ---- life ---- */

static void set_defaults(struct events_config *config)
{
    if (config->ring_bytes == 0)
        config->ring_bytes = RING_BYTES;
    if (config->ring_bytes < RING_BYTES_LEAST)
        config->ring_bytes = RING_BYTES_LEAST;
    if (config->ring_events == 0)
        config->ring_events = RING_EVENTS;
    if (config->readers_max == 0)
        config->readers_max = READERS_MAX;
    if (config->heartbeat_ms == 0)
        config->heartbeat_ms = HEARTBEAT_MS;
    if (config->bytes_per_second == 0)
        config->bytes_per_second = BYTES_PER_SECOND;
}

static void free_events(struct events *events)
{
    for (unsigned i = 0; events->lanes != NULL && i <= events->config.producers; i++)
        event_lane_clear(&events->lanes[i]);
    free(events->lanes);
    event_ring_clear(&events->ring);
    free(events->texts);
    if (events->wake_fd >= 0)
        close(events->wake_fd);
    pthread_mutex_destroy(&events->lock);
    pthread_mutex_destroy(&events->shared_lock);
    free(events);
}

static bool make_parts(struct events *events)
{
    const struct events_config *config = &events->config;
    bool complete = event_ring_init(&events->ring, config->ring_bytes, config->ring_events);
    events->texts = calloc(EVENT_TEXTS, sizeof *events->texts);
    /* Lanes are written by threads of their own: each begins a cache line. */
    size_t size = (config->producers + 1) * sizeof *events->lanes;
    events->lanes = aligned_alloc(_Alignof(struct event_lane), size);
    if (events->lanes == NULL || events->texts == NULL)
        return false;
    memset(events->lanes, 0, size);
    for (unsigned i = 0; i <= config->producers; i++)
        complete = event_lane_init(&events->lanes[i]) && complete;
    return complete;
}

static int start_thread(struct events *events)
{
    sigset_t all, before; /* signals are for the program's own threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&events->thread, NULL, publisher_main, events);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed == 0)
        pthread_setname_np(events->thread, "usher-events");
    return failed;
}

enum err_code events_new(const struct events_config *config, struct events **out, struct err *err)
{
    struct events *events = calloc(1, sizeof *events);
    if (events == NULL)
        return err_set(err, ERR_NO_MEMORY, "events: out of memory");
    events->config = *config;
    set_defaults(&events->config);
    bytes_random(events->hash_key, sizeof events->hash_key);
    snprintf(events->start, sizeof events->start, "%llx", (unsigned long long)clock_wall_ms());
    pthread_mutex_init(&events->lock, NULL);
    pthread_mutex_init(&events->shared_lock, NULL);
    events->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum err_code code = ERR_OK;
    int failed = 0;
    if (events->wake_fd < 0)
        code = err_set(err, ERR_IO, "events: no event descriptor (%s)", strerror(errno));
    else if (!make_parts(events))
        code = err_set(err, ERR_NO_MEMORY, "events: out of memory");
    else if ((failed = start_thread(events)) != 0)
        code = err_set(err, ERR_IO, "events: no thread (%s)", strerror(failed));
    if (code == ERR_OK)
        *out = events;
    else
        free_events(events);
    return code;
}

void events_close(struct events *events)
{
    pthread_mutex_lock(&events->lock);
    events->closed = true;
    events_wake_readers(events, clock_monotonic_ms(), 0);
    pthread_mutex_unlock(&events->lock);
}

void events_free(struct events *events)
{
    const uint64_t one = 1;
    if (events == NULL)
        return;
    atomic_store(&events->stopping, true);
    ssize_t written = write(events->wake_fd, &one, sizeof one);
    (void)written;
    pthread_join(events->thread, NULL);
    free_events(events);
}

void events_stats(struct events *events, struct events_stats *out)
{
    pthread_mutex_lock(&events->lock);
    *out = (struct events_stats){
        .published = events->published,
        .lost = sum_lost(events),
        .dropped = events->dropped,
        .readers = events->reader_count,
    };
    pthread_mutex_unlock(&events->lock);
}
