/* SPDX-License-Identifier: Apache-2.0 */
/* Whole bootstraps on a false clock and a false network: simulated devices, the real driver with
 * its endpoint and sessions (one or two of them, as workers are), the memory store, claims and
 * rejects. Datagrams may be lost, doubled and delayed, devices may restart and vanish, the store
 * may answer late or fail. What must never happen (design invariants I1 to I3) is checked after
 * every event; docs/reliability.md says what that is. */
#ifndef USHER_TESTS_NET_H
#define USHER_TESTS_NET_H

#include "driver_priv.h"
#include "usher/sim.h"

enum { NET_DEVICES_MAX = 8, NET_DRIVERS_MAX = 2, NET_DATAGRAM_MAX = 1500, NET_OUTCOMES_MAX = 64 };

struct net;

struct net_datagram {
    struct net_datagram *next;
    uint64_t due, order;
    bool to_server;
    unsigned ordinal; /* the how-manieth in its direction, from 1 */
    unsigned device;
    struct net_path path;
    size_t len;
    uint8_t data[NET_DATAGRAM_MAX];
};

/* What the network does with a datagram. */
struct net_fate {
    unsigned copies; /* 0 = lost */
    uint64_t delay_ms;
};

struct net_device {
    struct net *net;
    struct net_device *owner; /* whose name it bears: itself, or its twin */
    unsigned index, driver;
    char endpoint[16];
    char key[17];
    uint16_t port;
    bool vanished;    /* hears and says nothing any more */
    uint64_t boot_at; /* until then it hears and says nothing; 0 = it is up */
    struct sim_device *sim;
    enum sim_state state; /* as of the last event */
    unsigned starts;
    bool finished;     /* it has accepted Finish since then */
    size_t operations; /* of its report that have been looked at */
    /* Of the owner: */
    unsigned finishes;  /* how often Finish was accepted under this name */
    unsigned successes; /* how often the server has recorded so */
};

/* How the store behaves. Times are those of the false clock. */
struct net_store {
    uint64_t find_ms, commit_ms, record_ms;
    const char *slow_identity; /* find_ms counts for look-ups of this one only; NULL = all */
    bool find_fails, commit_fails, record_fails;
    unsigned finds, commits, records; /* calls so far */
};

struct net_settings {
    uint32_t devices, drivers; /* 0 = 1 */
    bool twins;                /* all devices bear the name and key of device 0 */
    uint32_t delay_ms;         /* one way; 0 = 10 */
    uint32_t handshake_min_ms, ack_timeout_ms;
    const char *profile;          /* YAML of class "lamp"; NULL = net_usual_profile */
    struct profile_set *profiles; /* instead: a reference is taken */
    bool every_cipher;            /* of the listener; else the one of the specification */
    uint16_t first_mid;           /* of each device, again after each restart; 0 = random */
    /* Changes how the devices behave; NULL = as usual. */
    void (*behave)(struct sim_config *config);
    /* Changes what is stored of the devices: class "lamp" and a key. NULL = that. */
    void (*enrol)(struct store_device *stored);
};

struct net_outcome {
    char endpoint[16];
    enum device_state state;
    enum cause cause;
    char detail[160];
    uint64_t at;
};

struct net_mail {
    struct net_mail *next;
    uint64_t due;
    struct live_holder holder;
};

struct net {
    struct net_settings settings;
    uint64_t now;
    struct store *store;
    struct store_lane *admin, *lanes[NET_DRIVERS_MAX];
    struct live *live;
    struct rejects *rejects;
    struct profile_set *profiles;
    struct driver *drivers[NET_DRIVERS_MAX];
    struct net_device devices[NET_DEVICES_MAX];
    struct net_store trouble;
    unsigned outstanding; /* calls that the real store is working on */
    struct net_late *late;
    struct net_datagram *wire;
    struct net_mail *mail; /* messages between workers */
    uint64_t mail_ms;      /* that these take */
    uint64_t order;
    unsigned sent[2]; /* datagrams, [1] = to the server */
    /* NULL = all pass. */
    void (*fault)(struct net *net, const struct net_datagram *datagram, struct net_fate *fate);
    /* Before a datagram is handed in; false = it is not. NULL = all are. */
    bool (*arrives)(struct net *net, const struct net_datagram *datagram);
    unsigned chosen; /* for `fault` and `arrives`: an ordinal */
    bool chosen_to_server;
    uint64_t random;
    struct net_outcome outcomes[NET_OUTCOMES_MAX]; /* the last ones, by number modulo */
    size_t outcome_count;
    uint8_t secret[PSK_SERVER_SECRET_SIZE];
};

extern const char net_usual_profile[];
/* The code under test runs, not the harness: for tests in which memory runs out. */
extern _Thread_local volatile bool
    net_inside; /* volatile: compilers know that malloc reads nothing */

struct net *net_new(const struct net_settings *settings);
void net_free(struct net *net); /* checks once more */

/* A reload. */
void net_set_profile(struct net *net, const char *profile);
/* Powers a device up: another port when `moved`; at driver `driver`, as the kernel would hash. */
void net_start(struct net *net, unsigned device, bool moved, unsigned driver);
/* Power is lost, and comes back: what arrives until then, or is older than that, is lost. Longer
 * than a round trip, as booting is: else the device would take the answers to its former self for
 * its own, which no server can help. */
void net_restart(struct net *net, unsigned device, bool moved, unsigned driver);
/* Lets `duration_ms` pass. */
void net_run(struct net *net, uint64_t duration_ms);
/* Until every device is done and the server has nothing under way; fails after `limit_ms`. */
void net_finish(struct net *net, uint64_t limit_ms);
/* Until the condition holds; fails after `limit_ms`. */
void net_run_until(struct net *net, bool (*holds)(struct net *net), uint64_t limit_ms);

size_t net_running(const struct net *net); /* sessions of all drivers */
uint64_t net_random(struct net *net, uint64_t bound);
void net_get(struct net *net, unsigned device, struct store_device *out); /* to be cleared */
struct endpoint_counters net_counters(const struct net *net, unsigned driver);
/* It says so itself, and the store does; it holds the active key, and one account. */
void net_assert_bootstrapped(struct net *net, unsigned device);
/* The last outcome recorded. */
const struct net_outcome *net_last(const struct net *net);
uint64_t net_generation(struct net *net, unsigned device, enum credential_status status);

/* invariants.c */
void net_check(struct net *net);
void net_note_outcome(struct net *net, const struct outcome *outcome);

/* late_store.c */
uint64_t net_late_next(const struct net *net);
void net_late_run(struct net *net);
void net_late_forget(struct net *net);
void net_late_use(struct net *net); /* the one that the wrapped calls belong to */

#endif
