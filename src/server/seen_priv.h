/* SPDX-License-Identifier: Apache-2.0 */
/* Devices that have shaken hands and not asked yet, shown to people as `seen`: the name that goes
 * with an association's key, from the look-up of the key until a session claims it. */
#ifndef USHER_SEEN_PRIV_H
#define USHER_SEEN_PRIV_H

#include "usher/endpoint.h"
#include "usher/live.h"

struct seen_table {
    struct live *live;
    uint32_t worker;
    struct seen_name *names; /* by slot; a name is replaced when its slot is used again */
    size_t count;
};

void seen_init(struct seen_table *table, struct live *live, uint32_t worker);
void seen_clear(struct seen_table *table);
/* The key of this endpoint was found for the handshake. Only for show: without memory the device
 * is not shown as seen. */
void seen_remember(struct seen_table *table, struct association_ref ref, const char *endpoint);
/* The handshake is done. */
void seen_show(struct seen_table *table, struct association_ref ref, int64_t wall_ms);
/* The association has ended, or its session has claimed the endpoint `claimed`, "" = none: that
 * one is not given back. */
void seen_forget(struct seen_table *table, struct association_ref ref, const char *claimed);

#endif
