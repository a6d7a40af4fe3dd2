/* Which devices have a row in another table. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "id_set_priv.h"

#include <stdlib.h>

struct id_block {
    atomic_uint_fast64_t words[ID_SET_WORDS];
};

struct id_place {
    size_t block, word;
    uint64_t bit;
};

static bool find_place(int64_t id, struct id_place *out)
{
    uint64_t number = (uint64_t)id;

    *out = (struct id_place){.block = (size_t)(number / 64 / ID_SET_WORDS),
                             .word = (size_t)(number / 64 % ID_SET_WORDS),
                             .bit = UINT64_C(1) << number % 64};
    return number / 64 / ID_SET_WORDS < ID_SET_BLOCKS;
}

bool id_set_init(struct id_set *set)
{
    set->blocks = calloc(ID_SET_BLOCKS, sizeof *set->blocks);
    return set->blocks != NULL;
}

void id_set_clear(struct id_set *set)
{
    for (size_t i = 0; set->blocks != NULL && i < ID_SET_BLOCKS; i++)
        free(atomic_load_explicit(&set->blocks[i], memory_order_relaxed));
    free(set->blocks);
    *set = (struct id_set){0};
}

bool id_set_add(struct id_set *set, int64_t id)
{
    struct id_place place;

    if (!find_place(id, &place))
        return true;
    struct id_block *block = atomic_load_explicit(&set->blocks[place.block], memory_order_relaxed);
    if (block == NULL) {
        block = calloc(1, sizeof *block);
        if (block == NULL)
            return false;
        atomic_store_explicit(&set->blocks[place.block], block, memory_order_release);
    }
    atomic_fetch_or_explicit(&block->words[place.word], place.bit, memory_order_release);
    return true;
}

bool id_set_may_have(const struct id_set *set, int64_t id)
{
    struct id_place place;

    if (!find_place(id, &place))
        return true;
    struct id_block *block = atomic_load_explicit(&set->blocks[place.block], memory_order_acquire);
    return block != NULL &&
           (atomic_load_explicit(&block->words[place.word], memory_order_acquire) & place.bit) != 0;
}
