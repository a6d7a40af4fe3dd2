/* SPDX-License-Identifier: Apache-2.0 */
/* One worker's driver: performs the actions of its sessions and feeds the answers back. */
#ifndef USHER_DRIVER_PRIV_H
#define USHER_DRIVER_PRIV_H

#include "tell_priv.h"
#include "usher/endpoint.h"
#include "usher/key_hints.h"
#include "usher/live.h"
#include "usher/psk.h"
#include "usher/rejects.h"
#include "usher/session.h"
#include "usher/store.h"

struct driver;

/* The driver reads no clock (D7): its owner tells it the time, once for what happens at once. */
struct driver_time {
    uint64_t monotonic_ms; /* never goes back */
    int64_t wall_ms;       /* since 1970, for records and people */
};

/* What a driver needs of its surroundings; all outlive it. */
struct driver_config {
    uint32_t worker; /* index, for claims */
    struct endpoint_config endpoint;
    const enum unknown_policy *unknown; /* of each listener; lives as long as the driver */
    struct driver_time time;
    /* Sends a datagram, which is the caller's again afterwards. */
    void (*send)(void *context, const struct net_path *path, struct bytes datagram);
    void *send_context;
    struct store_lane *lane;
    struct live *live;
    struct rejects *rejects;
    struct events *events;
    struct metrics *metrics;
    struct profile_set *profiles; /* a reference is taken */
    struct key_hints *hints;      /* shared by the workers */
    const uint8_t *decoy_secret;  /* PSK_SERVER_SECRET_SIZE bytes */
    /* Tells another worker that a newer session has taken over (I2). */
    void (*supersede)(void *context, const struct live_holder *holder);
    void *context;
};

enum err_code driver_new(const struct driver_config *config, struct driver **out, struct err *err);
/* After the lane has run its last callbacks. */
void driver_free(struct driver *driver);

struct endpoint *driver_endpoint(struct driver *driver); /* for counters */
/* What is handed in from now on happens at this time. Runs no timer. */
void driver_set_time(struct driver *driver, const struct driver_time *time);
/* Runs every timer that is due at that time. Also before answers of the store and messages are
 * handed in after a pause, so that what they send is timed from now. */
void driver_expire(struct driver *driver);
/* When driver_expire wants to run next, monotonic; UINT64_MAX = no timer. */
uint64_t driver_next(const struct driver *driver);
/* A datagram arrived (for udp_receive: context is the driver). */
void driver_datagram(void *context, const struct net_path *path, struct bytes datagram);
void driver_set_profiles(struct driver *driver,
                         struct profile_set *profiles); /* takes a reference */
/* Certificates for handshakes that begin from now on; takes a reference. */
void driver_set_x509(struct driver *driver, struct x509 *x509);
/* The session at `holder` is superseded, or ends with `cause` (REMOVED). */
void driver_supersede(struct driver *driver, const struct live_holder *holder);
void driver_abort(struct driver *driver, const struct live_holder *holder, enum cause cause);
/* SIGTERM: no newcomers. From now on a session ends when its device says nothing for 10 s, or for
 * three of its round trips or acknowledge times where that is longer. */
void driver_drain(struct driver *driver);
/* Ends what still runs. */
void driver_abort_all(struct driver *driver, enum cause cause);
/* Hands the endpoint's counters to the metrics. */
void driver_tell_counters(const struct driver *driver);
/* Sessions that have asked for a bootstrap and are not done. */
size_t driver_running(const struct driver *driver);
/* No answer of the store is awaited. */
bool driver_settled(const struct driver *driver);

#endif
