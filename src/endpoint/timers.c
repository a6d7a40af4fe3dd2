/* SPDX-License-Identifier: Apache-2.0 */
/* A hierarchical timer wheel. Level n holds timers whose due tick differs from the present one
 * within 256^(n+1) ticks; when a level's slot comes up, its timers move down. */
#include "timers_priv.h"

#include <stddef.h>
#include <string.h>

enum { SLOT_BITS = 8, SLOT_MASK = TIMERS_SLOTS - 1 };

void timers_init(struct timers *timers, uint64_t now_ms)
{
    memset(timers, 0, sizeof *timers);
    timers->tick = now_ms / TIMERS_TICK_MS;
}

static void mark(struct timers *timers, unsigned level, unsigned slot, bool used)
{
    uint64_t bit = UINT64_C(1) << (slot % 64);

    if (used)
        timers->used[level][slot / 64] |= bit;
    else
        timers->used[level][slot / 64] &= ~bit;
}

static void place(struct timers *timers, struct timer *timer)
{
    uint64_t distance = timer->due - timers->tick;
    unsigned level = 0;

    while (level < TIMERS_LEVELS - 1 && distance >= (UINT64_C(1) << (SLOT_BITS * (level + 1))))
        level++;
    uint64_t due = timer->due;
    uint64_t horizon = (UINT64_C(1) << (SLOT_BITS * TIMERS_LEVELS)) - 1;
    if (distance > horizon) /* waits in the farthest slot and is placed anew from there */
        due = timers->tick + horizon;
    unsigned slot = (unsigned)(due >> (SLOT_BITS * level)) & SLOT_MASK;
    struct timer **head = &timers->slots[level][slot];

    timer->level = (uint8_t)level;
    timer->slot = (uint8_t)slot;
    timer->next = *head;
    timer->link = head;
    if (*head != NULL)
        (*head)->link = &timer->next;
    *head = timer;
    mark(timers, level, slot, true);
}

void timers_cancel(struct timers *timers, struct timer *timer)
{
    if (timer->link == NULL)
        return;
    *timer->link = timer->next;
    if (timer->next != NULL)
        timer->next->link = timer->link;
    if (timers->slots[timer->level][timer->slot] == NULL)
        mark(timers, timer->level, timer->slot, false);
    timer->link = NULL;
    timer->next = NULL;
}

bool timers_runs_by(const struct timer *timer, uint64_t at_ms)
{
    return timer->link != NULL && timer->due <= at_ms / TIMERS_TICK_MS;
}

void timers_arm(struct timers *timers, struct timer *timer, uint64_t at_ms)
{
    /* Rounded up: a timer never runs early. */
    uint64_t due = at_ms / TIMERS_TICK_MS + (at_ms % TIMERS_TICK_MS != 0);

    timers_cancel(timers, timer);
    timer->due = due > timers->tick ? due : timers->tick + 1;
    place(timers, timer);
}

/* First used slot at or after `from` in the level's circle, or -1. */
static int first_used(const struct timers *timers, unsigned level, unsigned from)
{
    for (unsigned step = 0; step <= TIMERS_SLOTS / 64; step++) {
        unsigned word = (from / 64 + step) % (TIMERS_SLOTS / 64);
        uint64_t bits = timers->used[level][word];
        if (step == 0)
            bits &= ~UINT64_C(0) << (from % 64);
        else if (step == TIMERS_SLOTS / 64)
            bits &= ~(~UINT64_C(0) << (from % 64));
        if (bits != 0)
            return (int)(word * 64 + (unsigned)__builtin_ctzll(bits));
    }
    return -1;
}

/* Tick at which the next used slot of a level comes up; UINT64_MAX = the level is empty. */
static uint64_t level_next(const struct timers *timers, unsigned level)
{
    unsigned shift = SLOT_BITS * level;
    uint64_t position = timers->tick >> shift;
    unsigned from = (unsigned)(position + 1) & SLOT_MASK;
    int slot = first_used(timers, level, from);

    if (slot < 0)
        return UINT64_MAX;
    unsigned ahead = ((unsigned)slot - from) & SLOT_MASK;
    return (position + 1 + ahead) << shift;
}

static uint64_t next_tick(const struct timers *timers)
{
    uint64_t next = UINT64_MAX;

    for (unsigned level = 0; level < TIMERS_LEVELS; level++) {
        uint64_t tick = level_next(timers, level);
        if (tick < next)
            next = tick;
    }
    return next;
}

uint64_t timers_next(const struct timers *timers)
{
    uint64_t tick = next_tick(timers);

    if (timers->slots[0][timers->tick & SLOT_MASK] != NULL)
        return timers->tick * TIMERS_TICK_MS;
    return tick == UINT64_MAX ? UINT64_MAX : tick * TIMERS_TICK_MS;
}

/* Moves the timers of every higher slot that begins at the present tick down. */
static void cascade(struct timers *timers)
{
    for (unsigned level = TIMERS_LEVELS - 1; level > 0; level--) {
        unsigned shift = SLOT_BITS * level;
        if ((timers->tick & ((UINT64_C(1) << shift) - 1)) != 0)
            continue;
        struct timer **head = &timers->slots[level][(timers->tick >> shift) & SLOT_MASK];
        struct timer *timer = *head;
        *head = NULL;
        mark(timers, level, (timers->tick >> shift) & SLOT_MASK, false);
        while (timer != NULL) {
            struct timer *next = timer->next;
            timer->link = NULL;
            place(timers, timer);
            timer = next;
        }
    }
}

struct timer *timers_expired(struct timers *timers, uint64_t now_ms)
{
    uint64_t now_tick = now_ms / TIMERS_TICK_MS;

    for (;;) {
        struct timer *timer = timers->slots[0][timers->tick & SLOT_MASK];
        if (timer != NULL) {
            timers_cancel(timers, timer);
            return timer;
        }
        uint64_t next = next_tick(timers);
        if (timers->tick >= now_tick)
            return NULL;
        if (next > now_tick) {
            timers->tick = now_tick;
            return NULL;
        }
        timers->tick = next;
        cascade(timers);
    }
}
