/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker tells the event feed about its sessions. No lock, never waits. */
#ifndef USHER_TELL_PRIV_H
#define USHER_TELL_PRIV_H

#include "usher/endpoint.h"
#include "usher/events.h"
#include "usher/metrics.h"
#include "usher/plan.h"

struct driver_time;

/* Where a worker's reports go. */
struct teller {
    struct events *events;
    struct metrics *metrics;
    int worker; /* its number as a producer */
    const struct driver_time *now;
};

/* An operation that was sent, and what the association had sent and received until then. */
struct tell_operation {
    enum operation_kind kind; /* 0 = none is open */
    struct path path;
    uint64_t sent_ms; /* monotonic */
    uint32_t bytes_sent, bytes_received;
};

void tell_handshake(const struct teller *teller, const struct association_info *info);
void tell_request(const struct teller *teller, const struct association_info *info,
                  const char *endpoint, const char *class_name);
/* The open operation has ended: `code` 0 and a cause when there was no answer. */
void tell_operation(const struct teller *teller, struct tell_operation *operation,
                    const struct association_info *info, const struct enrollment *enrollment,
                    uint8_t code, enum cause cause, uint16_t attempts);
void tell_outcome(const struct teller *teller, const struct outcome *outcome);
/* `told`: also as an event; else it is only counted. */
void tell_reject(const struct teller *teller, struct bytes identity, const char *source,
                 enum cause cause, bool told);
/* The endpoint's counters, as they are now. */
void tell_counters(const struct teller *teller, const struct endpoint *endpoint);

#endif
