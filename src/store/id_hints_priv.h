/* SPDX-License-Identifier: Apache-2.0 */
/* Where the device of an identity may be found: its number, without a way through the index. A
 * hint may be missing or wrong; who takes it compares the identity in the row. One thread notes,
 * any may ask. */
#ifndef USHER_STORE_ID_HINTS_PRIV_H
#define USHER_STORE_ID_HINTS_PRIV_H

#include "usher/bytes.h"

#include <pthread.h>
#include <stdint.h>

struct id_hints {
    pthread_mutex_t lock;
    uint64_t *slots; /* buckets of eight; NULL: no memory, nothing is noted */
    size_t count;    /* a power of two */
    size_t used;
};

void id_hints_init(struct id_hints *hints);
void id_hints_clear(struct id_hints *hints);
/* Numbers beyond 2^32 are not noted. Where memory is short an older hint gives way. */
void id_hints_note(struct id_hints *hints, struct bytes identity, int64_t id);
int64_t id_hints_find(struct id_hints *hints, struct bytes identity); /* 0 = none */

#endif
