/* SPDX-License-Identifier: Apache-2.0 */
/* The last events: their bytes in a ring, each in one piece, and where each begins. */
#include "events_priv.h"

#include <stdlib.h>
#include <string.h>

bool event_ring_init(struct event_ring *ring, size_t bytes, size_t slots)
{
    *ring = (struct event_ring){.bytes = bytes, .slot_count = slots, .first = 1, .next = 1};
    ring->data = malloc(bytes);
    ring->slots = malloc(slots * sizeof *ring->slots);
    return ring->data != NULL && ring->slots != NULL;
}

void event_ring_clear(struct event_ring *ring)
{
    free(ring->data);
    free(ring->slots);
    *ring = (struct event_ring){0};
}

struct event_slot *event_ring_slot(const struct event_ring *ring, uint64_t number)
{
    return &ring->slots[number % ring->slot_count];
}

struct bytes event_ring_bytes(const struct event_ring *ring, const struct event_slot *slot)
{
    return bytes_of(ring->data + slot->offset % ring->bytes, slot->len);
}

void event_ring_add(struct event_ring *ring, const struct event_slot *slot, const void *data)
{
    size_t left = ring->bytes - ring->end % ring->bytes;
    uint64_t offset = slot->len <= left ? ring->end : ring->end + left;
    uint64_t end = offset + slot->len;
    while (ring->first < ring->next &&
           (end - event_ring_slot(ring, ring->first)->offset > ring->bytes ||
            ring->next - ring->first == ring->slot_count))
        ring->first++;
    struct event_slot *own = &ring->slots[ring->next % ring->slot_count];
    *own = *slot;
    own->offset = offset;
    memcpy(ring->data + offset % ring->bytes, data, slot->len);
    ring->end = end;
    ring->next++;
}
