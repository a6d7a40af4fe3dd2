/* SPDX-License-Identifier: Apache-2.0 */
/* Outcomes that are durable in the log but not yet in the device rows, summed up by device. The
 * writer stages and folds; readers merge what they read from a row with what is here, so that they
 * see every durable outcome. */
#ifndef USHER_STORE_UNFOLDED_PRIV_H
#define USHER_STORE_UNFOLDED_PRIV_H

#include "device_priv.h"
#include "usher/store.h"

#include <pthread.h>
#include <stdatomic.h>

struct unfolded_sum {
    uint64_t newest; /* sequence number of the last outcome, 0 = none */
    bool has_state;  /* else all were history only */
    enum device_state state;
    enum cause cause;
    bool accepted;       /* bootstraps count from here: an operator lets the device in again */
    uint64_t bootstraps; /* to add */
    int64_t last_wall_ms;
    uint32_t last_duration_ms;
};

struct unfolded_entry {
    int64_t device; /* 0 = free */
    bool touched;   /* `staged` differs */
    struct unfolded_sum committed;
    struct unfolded_sum staged; /* the writer's: with the open transaction */
};

struct unfolded {
    pthread_mutex_t lock;
    atomic_uint_fast64_t epoch;     /* counts folds, and what else moves rows */
    atomic_uint_fast64_t waiting;   /* outcomes */
    struct unfolded_entry *entries; /* open addressing; a power of two of them */
    size_t cap, used;
    size_t staged_outcomes;
    int64_t *touched; /* devices with staged changes */
    size_t touched_count, touched_cap;
};

bool unfolded_init(struct unfolded *unfolded);
void unfolded_clear(struct unfolded *unfolded);

/* ---- the writer ---- */

/* What is staged of a device; NULL when nothing is. */
const struct unfolded_sum *unfolded_find(const struct unfolded *unfolded, int64_t device);
/* Adds an outcome; false: no memory. */
bool unfolded_stage(struct unfolded *unfolded, int64_t device, const struct unfolded_sum *outcome);
/* Forgets a removed device. */
bool unfolded_stage_removal(struct unfolded *unfolded, int64_t device);
void unfolded_commit(struct unfolded *unfolded);
void unfolded_drop(struct unfolded *unfolded);
/* Pointers to the committed entries in order of the device, to be freed; NULL: no memory. */
const struct unfolded_entry **unfolded_sorted(const struct unfolded *unfolded, size_t *count);
/* After the fold is committed. */
void unfolded_purge(struct unfolded *unfolded);
/* Something else was moved from one place to the other: whoever has looked before looks again. */
void unfolded_end_epoch(struct unfolded *unfolded);

/* ---- readers ---- */

uint64_t unfolded_epoch(struct unfolded *unfolded);
/* Merges what is committed into a device as its row has it. False: a fold came between since
 * `epoch` was read; read the row again. */
bool unfolded_merge(struct unfolded *unfolded, uint64_t epoch, struct store_device *device);
/* The same for the writer, with what is staged. */
void unfolded_show(const struct unfolded_sum *sum, struct store_device *device);
/* What the row has to say after the fold. */
void unfolded_apply(const struct unfolded_sum *sum, struct device_status *status);

#endif
