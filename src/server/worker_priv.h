/* SPDX-License-Identifier: Apache-2.0 */
/* A worker: one thread with its sockets, endpoint, sessions and store lane (D4). */
#ifndef USHER_WORKER_PRIV_H
#define USHER_WORKER_PRIV_H

#include "driver_priv.h"
#include "usher/udp.h"

#include <stdatomic.h>

struct worker;

enum worker_message_kind {
    WORKER_SUPERSEDE, /* holder */
    WORKER_ABORT,     /* holder, cause */
    WORKER_PROFILES,  /* profiles: a reference that the worker takes over */
    WORKER_X509,      /* x509: a reference that the worker takes over; NULL = none */
    WORKER_DRAIN,     /* no newcomers; running sessions go on */
    WORKER_STOP,      /* end what runs, then the thread */
};

struct worker_message {
    enum worker_message_kind kind;
    struct live_holder holder;
    enum cause cause;
    struct profile_set *profiles;
    struct x509 *x509;
    struct worker_message *next;
};

struct worker_config {
    uint32_t index;
    struct udp_listener *listeners; /* ports found are written back */
    size_t listener_count;
    struct endpoint_config endpoint;
    const enum unknown_policy *unknown; /* of each listener */
    struct store *store;
    struct live *live;
    struct rejects *rejects;
    struct events *events;
    struct metrics *metrics;
    struct profile_set *profiles;
    struct key_hints *hints;
    const uint8_t *decoy_secret;
    void (*supersede)(void *context, const struct live_holder *holder);
    void *context;
};

/* Opens sockets and lane; the thread starts with worker_start. */
enum err_code worker_new(const struct worker_config *config, struct worker **out, struct err *err);
enum err_code worker_start(struct worker *worker, struct err *err);
/* Any thread. The message is copied. False: no memory. */
bool worker_post(struct worker *worker, const struct worker_message *message);
/* Sessions under way, as of the last round. Any thread. */
size_t worker_running(const struct worker *worker);
/* Its thread runs, and has not been at one round of its loop for longer than WORKER_STUCK_MS. Any
 * thread. */
enum { WORKER_STUCK_MS = 5000 };
bool worker_serves(const struct worker *worker);
void worker_join(struct worker *worker);
void worker_free(struct worker *worker); /* joined or never started; NULL accepted */

#endif
