/* SPDX-License-Identifier: Apache-2.0 */
/* Ring of bytes with one writer and one reader: neither ever waits for the other. */
#include "events_priv.h"

#include <stdlib.h>
#include <string.h>

_Static_assert((EVENT_LANE_BYTES & (EVENT_LANE_BYTES - 1)) == 0, "positions are masked");

bool event_lane_init(struct event_lane *lane)
{
    lane->data = malloc(EVENT_LANE_BYTES);
    return lane->data != NULL;
}

void event_lane_clear(struct event_lane *lane)
{
    free(lane->data);
    lane->data = NULL;
}

static void copy_in(struct event_lane *lane, size_t position, const void *data, size_t len)
{
    size_t at = position & (EVENT_LANE_BYTES - 1);
    size_t first = len < EVENT_LANE_BYTES - at ? len : EVENT_LANE_BYTES - at;
    memcpy(lane->data + at, data, first);
    memcpy(lane->data, (const uint8_t *)data + first, len - first);
}

static void copy_out(const struct event_lane *lane, size_t position, void *data, size_t len)
{
    size_t at = position & (EVENT_LANE_BYTES - 1);
    size_t first = len < EVENT_LANE_BYTES - at ? len : EVENT_LANE_BYTES - at;
    memcpy(data, lane->data + at, first);
    memcpy((uint8_t *)data + first, lane->data, len - first);
}

bool event_lane_put(struct event_lane *lane, const struct event_head *head, const void *data)
{
    size_t written = atomic_load_explicit(&lane->written, memory_order_relaxed);
    size_t taken = atomic_load_explicit(&lane->taken, memory_order_acquire);
    size_t size = sizeof *head + head->len;
    if (size > EVENT_LANE_BYTES - (written - taken)) {
        atomic_fetch_add_explicit(&lane->lost, 1, memory_order_relaxed);
        return false;
    }
    copy_in(lane, written, head, sizeof *head);
    copy_in(lane, written + sizeof *head, data, head->len);
    /* Sequentially consistent: the writer then looks whether the publisher sleeps, which looks here
     * after it said so. One of the two sees the other. */
    atomic_store(&lane->written, written + size);
    return true;
}

size_t event_lane_used(const struct event_lane *lane)
{
    return atomic_load_explicit(&lane->written, memory_order_relaxed) -
           atomic_load_explicit(&lane->taken, memory_order_relaxed);
}

bool event_lane_peek(const struct event_lane *lane, struct event_head *head)
{
    size_t taken = atomic_load_explicit(&lane->taken, memory_order_relaxed);
    if (atomic_load(&lane->written) == taken)
        return false;
    copy_out(lane, taken, head, sizeof *head);
    return true;
}

void event_lane_take(struct event_lane *lane, const struct event_head *head, void *data)
{
    size_t taken = atomic_load_explicit(&lane->taken, memory_order_relaxed);
    copy_out(lane, taken + sizeof *head, data, head->len);
    atomic_store_explicit(&lane->taken, taken + sizeof *head + head->len, memory_order_release);
}
