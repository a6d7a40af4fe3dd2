/* SPDX-License-Identifier: Apache-2.0 */
/* The last events: their texts in a ring of bytes, each in one piece, and where each begins. */
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

const struct event_slot *event_ring_slot(const struct event_ring *ring, uint64_t number)
{
    return &ring->slots[number % ring->slot_count];
}

const char *event_ring_text(const struct event_ring *ring, const struct event_slot *slot)
{
    return ring->data + slot->offset % ring->bytes;
}

void event_ring_add(struct event_ring *ring, const struct event_head *head, const char *text)
{
    size_t left = ring->bytes - ring->end % ring->bytes;
    uint64_t offset = head->len <= left ? ring->end : ring->end + left;
    uint64_t end = offset + head->len;
    while (ring->first < ring->next &&
           (end - event_ring_slot(ring, ring->first)->offset > ring->bytes ||
            ring->next - ring->first == ring->slot_count))
        ring->first++;
    struct event_slot *slot = &ring->slots[ring->next % ring->slot_count];
    *slot = (struct event_slot){.offset = offset, .head = *head};
    memcpy(ring->data + offset % ring->bytes, text, head->len);
    ring->end = end;
    ring->next++;
}
