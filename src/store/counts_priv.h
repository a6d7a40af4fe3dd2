/* SPDX-License-Identifier: Apache-2.0 */
/* Devices by class and state, in memory. The writer stages changes and settles them with the
 * commit they belong to; anybody reads. */
#ifndef USHER_STORE_COUNTS_PRIV_H
#define USHER_STORE_COUNTS_PRIV_H

#include "usher/store.h"

#include <pthread.h>

struct counts_change {
    struct store_count *count;
    enum device_state state;
    int by;
};

struct counts {
    pthread_mutex_t lock;
    struct store_count **classes; /* sorted by name; an entry stays where it is */
    size_t class_count, class_cap;
    struct counts_change *staged; /* the writer's */
    size_t staged_count, staged_cap;
};

void counts_init(struct counts *counts);
void counts_clear(struct counts *counts);
bool counts_stage(struct counts *counts, const char *class_name, enum device_state state, int by);
void counts_commit(struct counts *counts);
void counts_drop(struct counts *counts); /* forgets what was staged */
size_t counts_copy(struct counts *counts, struct store_count *out, size_t cap);

#endif
