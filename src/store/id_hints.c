/* Where the device of an identity may be found. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "id_hints_priv.h"

#include <stdlib.h>

enum {
    FIRST_COUNT = 1024,
    BUCKET = 8,   /* a line of the processor's cache */
    ROOM_FOR = 4, /* slots for each device at the most, whatever is left of former identities */
};

/* A slot: half a hash of the identity, which also tells the bucket, and the number; 0 = free. */

void id_hints_init(struct id_hints *hints)
{
    *hints = (struct id_hints){.count = FIRST_COUNT};
    pthread_mutex_init(&hints->lock, NULL);
    hints->slots = calloc(FIRST_COUNT, sizeof *hints->slots);
}

void id_hints_clear(struct id_hints *hints)
{
    if (hints->count == 0)
        return;
    free(hints->slots);
    pthread_mutex_destroy(&hints->lock);
    *hints = (struct id_hints){0};
}

/* The key is no secret: identities that choose to collide are found by the index. */
static uint32_t half_hash(struct bytes identity)
{
    static const uint8_t key[16] = "usher hints 0001";

    return (uint32_t)bytes_hash(key, identity);
}

static uint64_t *bucket_of(uint64_t *slots, size_t count, uint32_t half)
{
    return &slots[(size_t)half * BUCKET & (count - 1)];
}

/* The slot with that half hash, or a free one, or one that has to give way. */
static uint64_t *place_for(uint64_t *slots, size_t count, uint32_t half)
{
    uint64_t *bucket = bucket_of(slots, count, half);

    for (size_t i = 0; i < BUCKET; i++)
        if (bucket[i] == 0 || bucket[i] >> 32 == half)
            return &bucket[i];
    return &bucket[half >> 29];
}

static void grow(struct id_hints *hints)
{
    size_t count = hints->count * 2;
    uint64_t *slots = calloc(count, sizeof *slots);

    if (slots == NULL)
        return;
    for (size_t i = 0; i < hints->count; i++)
        if (hints->slots[i] != 0)
            *place_for(slots, count, (uint32_t)(hints->slots[i] >> 32)) = hints->slots[i];
    pthread_mutex_lock(&hints->lock);
    uint64_t *old = hints->slots;
    hints->slots = slots;
    hints->count = count;
    pthread_mutex_unlock(&hints->lock);
    free(old);
}

void id_hints_note(struct id_hints *hints, struct bytes identity, int64_t id)
{
    if (hints->slots == NULL || id <= 0 || id > UINT32_MAX)
        return;
    if (hints->used * 2 >= hints->count && hints->count < (uint64_t)id * ROOM_FOR)
        grow(hints);
    uint32_t half = half_hash(identity);
    pthread_mutex_lock(&hints->lock);
    uint64_t *slot = place_for(hints->slots, hints->count, half);
    hints->used += *slot == 0;
    *slot = (uint64_t)half << 32 | (uint64_t)id;
    pthread_mutex_unlock(&hints->lock);
}

int64_t id_hints_find(struct id_hints *hints, struct bytes identity)
{
    uint32_t half = half_hash(identity);
    int64_t found = 0;

    pthread_mutex_lock(&hints->lock);
    if (hints->slots != NULL) {
        uint64_t slot = *place_for(hints->slots, hints->count, half);
        if (slot >> 32 == half)
            found = (int64_t)(slot & UINT32_MAX);
    }
    pthread_mutex_unlock(&hints->lock);
    return found;
}
