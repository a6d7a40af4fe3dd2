/* SPDX-License-Identifier: Apache-2.0 */
/* Rates by source address (D5), in one table of fixed size. Only what has proved its address
 * counts: ClientHellos with a good cookie, and handshakes that failed after one. So nobody can use
 * up the share of an address that is not his. */
#ifndef USHER_LIMITS_PRIV_H
#define USHER_LIMITS_PRIV_H

#include "usher/endpoint.h"

struct limits;

enum limit_kind { LIMIT_HANDSHAKES, LIMIT_FAILURES, LIMIT_KINDS };

struct limits *limits_new(const struct endpoint_limits *settings); /* copied. NULL: no memory */
void limits_free(struct limits *limits);                           /* NULL accepted */
/* Counts one. False: the source is over its rate (and this one does not count). */
bool limits_count(struct limits *limits, enum limit_kind kind, const struct net_address *source,
                  uint64_t now_ms);
/* Whether the next one would be too many. */
bool limits_reached(const struct limits *limits, enum limit_kind kind,
                    const struct net_address *source, uint64_t now_ms);

#endif
