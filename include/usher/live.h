/* SPDX-License-Identifier: Apache-2.0 */
/* module: feed */
/* Who is bootstrapping at this moment: the claim of an endpoint by one session (I2, trap 10) and
 * the transient state shown to people. In memory, bounded. Any thread; locked in shards, taken a
 * few times a bootstrap and never per datagram. */
#ifndef USHER_LIVE_H
#define USHER_LIVE_H

#include "usher/outcome.h"

struct live;

/* A session of one worker. */
struct live_holder {
    uint32_t worker;
    uint32_t slot;
    uint64_t generation;
};

struct live_entry {
    char endpoint[ENDPOINT_MAX + 1];
    char class_name[CLASS_MAX + 1];
    struct live_holder holder;
    enum device_state state;
    int64_t since_wall_ms; /* start of the session */
};

struct live *live_new(size_t max); /* entries in all */
void live_free(struct live *live);
/* Compare and swap: the newest wins. ERR_OK; `previous` and *had_previous tell whom to supersede.
 * ERR_BUSY when full. Claiming again for the same holder renews it. */
enum err_code live_claim(struct live *live, const char *endpoint, const struct live_holder *holder,
                         int64_t wall_ms, struct live_holder *previous, bool *had_previous);
/* Shows the endpoint as seen: its handshake is done, it has not asked yet. Is no claim: it takes
 * the place of an older one of its kind, never of a claim. False: there is a claim, or no room; an
 * eighth of the places is kept for claims. */
bool live_see(struct live *live, const char *endpoint, const struct live_holder *holder,
              int64_t wall_ms);
/* These do nothing when `holder` has been superseded; they say whether it still holds. */
bool live_set_state(struct live *live, const char *endpoint, const struct live_holder *holder,
                    enum device_state state, const char *class_name);
bool live_release(struct live *live, const char *endpoint, const struct live_holder *holder);
bool live_get(struct live *live, const char *endpoint, struct live_entry *out);
/* Copies entries with that state (-1 = any) in byte order of endpoint after `after` (NULL = start).
 */
size_t live_list(struct live *live, int state, const char *after, struct live_entry *out,
                 size_t cap);
void live_counts(struct live *live, uint64_t by_state[STATE_COUNT]);

#endif
