/* SPDX-License-Identifier: Apache-2.0 */
/* A hierarchical timer wheel: arming and cancelling cost the same with ten timers as with a
 * million. */
#ifndef USHER_TIMERS_PRIV_H
#define USHER_TIMERS_PRIV_H

#include <stdbool.h>
#include <stdint.h>

enum { TIMERS_LEVELS = 4, TIMERS_SLOTS = 256, TIMERS_TICK_MS = 4 };

/* Embedded in what it belongs to; zeroed = not armed. */
struct timer {
    struct timer *next;
    struct timer **link; /* what points here; NULL = not armed */
    uint64_t due;        /* tick */
    uint8_t level, slot;
};

struct timers {
    uint64_t tick; /* all timers due at or before this have run */
    struct timer *slots[TIMERS_LEVELS][TIMERS_SLOTS];
    uint64_t used[TIMERS_LEVELS][TIMERS_SLOTS / 64]; /* which slots hold something */
};

void timers_init(struct timers *timers, uint64_t now_ms);
/* (Re)arms for `at_ms`; the past means the next call of timers_expired. */
void timers_arm(struct timers *timers, struct timer *timer, uint64_t at_ms);
/* Whether it is armed and runs at `at_ms` or earlier. */
bool timers_runs_by(const struct timer *timer, uint64_t at_ms);
void timers_cancel(struct timers *timers, struct timer *timer);
/* Takes one timer that is due at now_ms off the wheel, or NULL. Call until NULL. */
struct timer *timers_expired(struct timers *timers, uint64_t now_ms);
/* No timer is due before this time; UINT64_MAX = none armed. May be earlier than the first one,
 * never later. */
uint64_t timers_next(const struct timers *timers);

#endif
