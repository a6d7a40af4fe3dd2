/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the driver: one bootstrap, and what its parts are to each other. All of it belongs to one
 * worker's thread.
 *
 *   hear.c (the endpoint tells) -> bootstrap.c (session_step, and its actions one by one)
 *       -> resolve.c (the store is asked) | send.c (to the device) | record.c (the outcome) */
#ifndef USHER_BOOTSTRAP_PRIV_H
#define USHER_BOOTSTRAP_PRIV_H

#include "driver_priv.h"
#include "seen_priv.h"

enum { CHANCE_OF_ID = 10, WAITING_EVENTS_MAX = 4 };

/* The key bytes behind a plan's references, while the session writes. */
struct session_key {
    uint16_t ssid;
    uint64_t generation;
    enum credential_kind kind;
    bool written; /* it has been put into a Write */
    struct secret key;
    struct blob *public_part; /* a reference; NULL = none */
};

/* One association's bootstrap. Lives until the session is over, the association is gone and no
 * store call is under way. */
struct bootstrap {
    struct driver *driver;
    struct bootstrap *previous, *next;
    struct association_ref ref;
    struct session *session;
    struct association_info info;    /* as of the last look */
    char endpoint[ENDPOINT_MAX + 1]; /* claimed; "" = none */
    bool associated;                 /* the endpoint still has it */
    bool finished;                   /* an outcome has been recorded for the present request */
    uint8_t answered_instead;        /* of a pack that could not be written; 0 = it was */
    unsigned calls;                  /* store callbacks and events under way */
    bool stepping;                   /* the actions of a step are being performed */
    struct session_event waiting[WAITING_EVENTS_MAX]; /* without borrowed data */
    size_t waiting_count;
    uint64_t epoch; /* counts requests, so that late store answers are recognised */
    size_t key_count;
    struct session_key *keys;
    struct secret *converted;   /* a key worked out, or in another form, while it is written */
    struct tell_operation open; /* sent and not yet answered */
    uint32_t ack_timeout_ms;    /* of the class, as of the last operation; 0 = the listener's */
    /* While draining: when the device was last heard, and what had been received then. */
    uint64_t heard_ms;
    uint32_t heard_bytes;
};

struct driver {
    struct driver_config config;
    struct driver_time now;
    struct endpoint *endpoint;
    struct teller teller;
    struct profile_set *profiles;
    struct bootstrap *first;
    struct seen_table seen;
    size_t running;
    bool draining;
    uint64_t silence_at;               /* while draining: when to look for silent devices next */
    uint32_t slow_listener_ms;         /* the longest acknowledge time of the listeners */
    uint8_t chance[64 * CHANCE_OF_ID]; /* for ids of outcomes */
    size_t chance_left;
};

/* ---- bootstrap.c ---- */
struct bootstrap *bootstrap_new(struct driver *driver, struct association_ref ref); /* or NULL */
/* Once neither the endpoint nor the store knows it any more. */
void bootstrap_free_if_done(struct bootstrap *bootstrap);
/* Performs one event. What it brings about may free the bootstrap, unless `calls` holds it. */
void bootstrap_step(struct bootstrap *bootstrap, const struct session_event *event);
void bootstrap_forget_keys(struct bootstrap *bootstrap); /* wipes */
struct live_holder bootstrap_holder(const struct bootstrap *bootstrap);
void bootstrap_release_claim(struct bootstrap *bootstrap);
void bootstrap_set_finished(struct bootstrap *bootstrap, bool finished);

/* ---- resolve.c ---- */
void bootstrap_resolve(struct bootstrap *bootstrap);
void bootstrap_commit(struct bootstrap *bootstrap, const struct session_action *action);
/* The endpoint wants the key of an identity; for endpoint_ops. */
void driver_resolve_key(void *context, struct association_ref ref, struct bytes identity);
bool holder_is_same(const struct live_holder *a, const struct live_holder *b);

/* ---- send.c ---- */
/* The credential of that server and generation; NULL: none. */
struct session_key *bootstrap_key(const struct bootstrap *bootstrap, uint16_t ssid,
                                  uint64_t generation);
void bootstrap_send(struct bootstrap *bootstrap, const struct session_action *action);
void bootstrap_respond(struct bootstrap *bootstrap, const struct session_action *action);

/* ---- record.c ---- */
void bootstrap_record(struct bootstrap *bootstrap, const struct session_action *action);

/* ---- hear.c ---- */
struct endpoint_ops hear_ops(struct driver *driver);
/* An event for the session of that association, if it has one. */
void hear_deliver(struct driver *driver, struct association_ref ref,
                  const struct session_event *event);

#endif
