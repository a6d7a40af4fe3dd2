/* A device is looked up twice in a bootstrap: for its key in the handshake, and for its enrolment a
 * moment later. A lane keeps what the first look-up found for the second, unless the device has
 * been changed since. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_STORE_RECENT_PRIV_H
#define USHER_STORE_RECENT_PRIV_H

#include "usher/store.h"

#include <stdatomic.h>

struct request;

enum { STAMPS = 16384, RECENT_FINDS_MAX = 256, RECENT_MS = 2000 };

/* When devices were last changed, for all lanes together: so that what was read a while ago can be
 * used as if it were read now. */
struct stamps {
    atomic_uint_fast64_t commits; /* groups so far */
    atomic_uint_fast64_t stamped; /* of these, groups whose stamps are all set */
    atomic_uint_fast64_t changes; /* of these, groups of more than outcomes without promotion */
    /* The last commit with a device in it, and the last that counts as a change, by hash of the
     * endpoint. Two devices may share a stamp: a change of one makes the other be read again. */
    atomic_uint_fast64_t touched[STAMPS], changed[STAMPS];
};

/* By the writer, when a group is durable and not answered yet. */
void stamps_change(struct stamps *stamps, const struct request *first);
/* Does what the store held of a device after commit `as_of` still hold, of all that has been
 * reported until now? `as_of` is to be read before the rows are. The second without regard to
 * outcomes. */
bool stamps_untouched(struct stamps *stamps, const char *endpoint, uint64_t as_of);
bool stamps_unchanged(struct stamps *stamps, const char *endpoint, uint64_t as_of);

struct recent;

struct recent *recent_new(struct stamps *stamps); /* NULL: no memory */
void recent_free(struct recent *recent);          /* wipes; NULL accepted */

/* A zeroed device to read into; NULL: no memory. Goes back by recent_return or recent_keep. */
struct store_device *recent_borrow(struct recent *recent);
void recent_return(struct recent *recent, struct store_device *device); /* wipes */
/* Keeps it until it is taken, displaced or RECENT_MS old. */
void recent_keep(struct recent *recent, struct store_device *device);
/* What was kept under this identity, if the store has it still so: to be returned. Or NULL. */
struct store_device *recent_take(struct recent *recent, const struct identity *identity);
/* Wipes what is too old. When to call it next (monotonic ms); UINT64_MAX = not needed. */
uint64_t recent_tidy(struct recent *recent);

#endif
