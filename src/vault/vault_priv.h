/* SPDX-License-Identifier: Apache-2.0 */
/* Inside vault: the ring of master keys. */
#ifndef USHER_VAULT_PRIV_H
#define USHER_VAULT_PRIV_H

#include "usher/vault.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MASTER_KEY_SIZE = 32 };

struct master_key {
    uint32_t id;
    uint8_t data[MASTER_KEY_SIZE];
};

struct key_ring {
    size_t count;
    struct master_key keys[VAULT_KEYS_MAX]; /* the one for new seals first */
};

struct vault {
    char *path;
    atomic_uint epoch; /* counts reloads */
    pthread_mutex_t lock;
    struct key_ring ring;
};

/* A copy, to be wiped; *epoch is its own. */
void vault_copy_ring(struct vault *vault, struct key_ring *out, unsigned *epoch);

#endif
