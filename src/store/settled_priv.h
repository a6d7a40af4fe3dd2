/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials of a device that are settled: each server has one pre-shared key that is active, and
 * nothing is on its way or about to end. They fit one cell of the device's own row, so that whoever
 * finds the device has them too. */
#ifndef USHER_STORE_SETTLED_PRIV_H
#define USHER_STORE_SETTLED_PRIV_H

#include "slots_priv.h"
#include "usher/secret.h"

/* False: they are not settled, or do not fit; `out` is empty then. None at all: empty. */
bool settled_pack(const struct slot_set *set, struct secret *out);
/* Into an empty set. False: it is damaged. */
bool settled_unpack(struct bytes packed, struct slot_set *set);

#endif
