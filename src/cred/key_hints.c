/* Which of a device's keys is to be tried. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/key_hints.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { PLACES = 8192, TURNS = 15, TURNS_AROUND = 12 };

/* A place holds a hash, whose last bits count the turns. */
struct key_hints {
    uint8_t hash_key[16];
    atomic_uint_fast64_t places[PLACES];
};

struct key_hints *key_hints_new(void)
{
    struct key_hints *hints = calloc(1, sizeof *hints);
    if (hints != NULL)
        bytes_random(hints->hash_key, sizeof hints->hash_key);
    return hints;
}

void key_hints_free(struct key_hints *hints)
{
    free(hints);
}

static uint64_t hash_of(const struct key_hints *hints, struct bytes identity, struct bytes source)
{
    uint64_t both[2] = {bytes_hash(hints->hash_key, identity), bytes_hash(hints->hash_key, source)};
    return bytes_hash(hints->hash_key, bytes_of(both, sizeof both)) & ~(uint64_t)TURNS;
}

static atomic_uint_fast64_t *place_of(struct key_hints *hints, uint64_t hash)
{
    return &hints->places[(hash >> 32) % PLACES];
}

static unsigned turns_of(uint64_t place, uint64_t hash)
{
    return (place & ~(uint64_t)TURNS) == hash ? (unsigned)(place & TURNS) : 0;
}

size_t key_hints_choose(struct key_hints *hints, struct bytes identity, struct bytes source,
                        size_t count)
{
    if (hints == NULL)
        return 0;
    uint64_t hash = hash_of(hints, identity, source);
    uint64_t place = atomic_load_explicit(place_of(hints, hash), memory_order_relaxed);
    return turns_of(place, hash) % count;
}

void key_hints_turn(struct key_hints *hints, struct bytes identity, struct bytes source)
{
    if (hints == NULL)
        return;
    uint64_t hash = hash_of(hints, identity, source);
    atomic_uint_fast64_t *place = place_of(hints, hash);
    uint64_t now = atomic_load_explicit(place, memory_order_relaxed);
    /* 12 turns come round for two, three and four keys alike. */
    uint64_t turns = (turns_of(now, hash) + 1) % TURNS_AROUND;
    atomic_store_explicit(place, hash | turns, memory_order_relaxed);
}
