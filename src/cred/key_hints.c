/* Which of a group's two keys is to be tried. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/key_hints.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { PLACES = 8192 };

/* A place holds a hash, whose last bit is the hint. */
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
    return bytes_hash(hints->hash_key, bytes_of(both, sizeof both)) & ~UINT64_C(1);
}

static atomic_uint_fast64_t *place_of(struct key_hints *hints, uint64_t hash)
{
    return &hints->places[(hash >> 32) % PLACES];
}

bool key_hints_second(struct key_hints *hints, struct bytes identity, struct bytes source)
{
    if (hints == NULL)
        return false;
    uint64_t hash = hash_of(hints, identity, source);
    return atomic_load_explicit(place_of(hints, hash), memory_order_relaxed) == (hash | 1);
}

void key_hints_turn(struct key_hints *hints, struct bytes identity, struct bytes source)
{
    if (hints == NULL)
        return;
    uint64_t hash = hash_of(hints, identity, source);
    atomic_uint_fast64_t *place = place_of(hints, hash);
    uint64_t now = atomic_load_explicit(place, memory_order_relaxed);
    atomic_store_explicit(place, now == (hash | 1) ? hash : hash | 1, memory_order_relaxed);
}
