/* SPDX-License-Identifier: Apache-2.0 */
/* module: feed */
/* Who was turned away before a device was known (I8): a bounded list by identity, source address
 * (without port) and cause, with counts; the one not seen for longest goes first. Any thread. */
#ifndef USHER_REJECTS_H
#define USHER_REJECTS_H

#include "usher/outcome.h"

struct rejects;

struct reject {
    struct identity identity;            /* len 0 = none was seen */
    char source[OUTCOME_SOURCE_MAX + 1]; /* address without port */
    enum cause cause;
    uint64_t count;
    int64_t first_wall_ms, last_wall_ms;
};

struct rejects *rejects_new(size_t max);
void rejects_free(struct rejects *rejects);
/* True when this is the first of its kind for a minute: worth a log line. At most 120 such lines a
 * minute in all, so that ever new identities cannot flood the log; the counts go on. */
bool rejects_add(struct rejects *rejects, struct bytes identity, const char *source,
                 enum cause cause, int64_t wall_ms);
/* Newest first. */
size_t rejects_list(struct rejects *rejects, struct reject *out, size_t cap);
void rejects_totals(struct rejects *rejects, uint64_t by_cause[CAUSE_LAST]);

#endif
