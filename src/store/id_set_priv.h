/* SPDX-License-Identifier: Apache-2.0 */
/* A set of device ids that one thread adds to while others ask, without a lock: which devices
 * have a row in another table, so that none is looked for in vain. */
#ifndef USHER_STORE_ID_SET_PRIV_H
#define USHER_STORE_ID_SET_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Ids below 2^28 have a bit each, in blocks that come with the first id in them. */
enum { ID_SET_BLOCKS = 2048, ID_SET_WORDS = 2048 };

struct id_set {
    _Atomic(struct id_block *) *blocks;
};

bool id_set_init(struct id_set *set); /* false: no memory */
void id_set_clear(struct id_set *set);
/* One thread; false: no memory. */
bool id_set_add(struct id_set *set, int64_t id);
/* Any thread. Ids are not taken out; of those from 2^28 on each may be in it. */
bool id_set_may_have(const struct id_set *set, int64_t id);

#endif
