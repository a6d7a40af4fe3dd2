/* SPDX-License-Identifier: Apache-2.0 */
/* module: vault */
/* The chain of the audit: each record is hashed together with the hash before it, so that none can
 * be altered, removed or moved without every later hash being wrong. */
#ifndef USHER_CHAIN_H
#define USHER_CHAIN_H

#include "usher/digest.h"

/* One record; texts are never NULL. */
struct chain_record {
    uint64_t seq;
    int64_t time_ms;
    const char *actor;   /* who: "uid 1000", "device" */
    const char *station; /* where a person did it, as they said; "" = not said */
    const char *source;  /* where it came from: "unix", an address */
    const char *action;  /* "device.enrolled", "bootstrap", see docs/enrolment.md */
    const char *subject; /* endpoint, group, import */
    const char *detail;
};

/* What stands in the place of records that are past their time: its hash begins the chain. */
#define CHAIN_EXPIRED "audit.expired"

/* `hash` is that of the record before (zeros before the first), and becomes this one's: SHA-256
 * over it, number and time (8 bytes each, high byte first) and each text with its length in 4
 * bytes. */
void chain_next(uint8_t hash[static DIGEST_SIZE], const struct chain_record *record);

#endif
