/* The list of those turned away: a fixed table, hashed, in order of the last sighting. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/rejects.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    NONE = -1,
    MINUTE_MS = 60000,
    LOG_LINES_A_MINUTE = 120, /* a flood of ever new identities must not flood the log */
};

struct slot {
    struct reject reject;
    int64_t logged_wall_ms;
    bool logged;
    int chain;        /* next in the same bucket */
    int newer, older; /* order of sighting */
};

struct rejects {
    pthread_mutex_t lock;
    uint8_t hash_key[16];
    struct slot *slots;
    int max, used;
    int *buckets;
    int newest, oldest;
    uint64_t totals[CAUSE_LAST];
    int64_t minute_wall_ms; /* start of the minute that `lines` counts */
    unsigned lines;
};

struct rejects *rejects_new(size_t max)
{
    struct rejects *rejects = calloc(1, sizeof *rejects);
    if (rejects == NULL)
        return NULL;
    if (max < 1)
        max = 1;
    if (max > INT32_MAX / 2)
        max = INT32_MAX / 2;
    pthread_mutex_init(&rejects->lock, NULL);
    bytes_random(rejects->hash_key, sizeof rejects->hash_key);
    rejects->max = (int)max;
    rejects->newest = rejects->oldest = NONE;
    rejects->slots = calloc(max, sizeof *rejects->slots);
    rejects->buckets = calloc(max, sizeof *rejects->buckets);
    if (rejects->slots == NULL || rejects->buckets == NULL) {
        rejects_free(rejects);
        return NULL;
    }
    for (size_t i = 0; i < max; i++)
        rejects->buckets[i] = NONE;
    return rejects;
}

void rejects_free(struct rejects *rejects)
{
    if (rejects == NULL)
        return;
    pthread_mutex_destroy(&rejects->lock);
    free(rejects->slots);
    free(rejects->buckets);
    free(rejects);
}

static void unlink_order(struct rejects *rejects, int index)
{
    struct slot *slot = &rejects->slots[index];
    if (slot->newer != NONE)
        rejects->slots[slot->newer].older = slot->older;
    else
        rejects->newest = slot->older;
    if (slot->older != NONE)
        rejects->slots[slot->older].newer = slot->newer;
    else
        rejects->oldest = slot->newer;
}

static void link_newest(struct rejects *rejects, int index)
{
    struct slot *slot = &rejects->slots[index];
    slot->newer = NONE;
    slot->older = rejects->newest;
    if (rejects->newest != NONE)
        rejects->slots[rejects->newest].newer = index;
    else
        rejects->oldest = index;
    rejects->newest = index;
}

static bool same_kind(const struct reject *a, const struct reject *b)
{
    return a->cause == b->cause && strcmp(a->source, b->source) == 0 &&
           bytes_equal(identity_bytes(&a->identity), identity_bytes(&b->identity));
}

static int *bucket_of(struct rejects *rejects, const struct reject *kind)
{
    uint8_t text[1 + sizeof kind->source + IDENTITY_MAX];
    size_t source_len = strlen(kind->source);
    text[0] = (uint8_t)kind->cause;
    memcpy(text + 1, kind->source, source_len + 1);
    memcpy(text + 2 + source_len, kind->identity.data, kind->identity.len);
    uint64_t hash =
        bytes_hash(rejects->hash_key, bytes_of(text, 2 + source_len + kind->identity.len));
    return &rejects->buckets[hash % (uint64_t)rejects->max];
}

static void unlink_bucket(struct rejects *rejects, int index)
{
    int *link = bucket_of(rejects, &rejects->slots[index].reject);
    while (*link != index)
        link = &rejects->slots[*link].chain;
    *link = rejects->slots[index].chain;
}

/* A slot for a new kind: a fresh one, else that of the kind not seen for longest. */
static int take_slot(struct rejects *rejects)
{
    if (rejects->used < rejects->max)
        return rejects->used++;
    int index = rejects->oldest;
    unlink_order(rejects, index);
    unlink_bucket(rejects, index);
    return index;
}

static struct slot *find_or_add(struct rejects *rejects, const struct reject *kind)
{
    int *bucket = bucket_of(rejects, kind);
    int index = *bucket;
    while (index != NONE && !same_kind(&rejects->slots[index].reject, kind))
        index = rejects->slots[index].chain;
    if (index != NONE) {
        unlink_order(rejects, index);
    } else {
        index = take_slot(rejects);
        rejects->slots[index] = (struct slot){.reject = *kind, .chain = *bucket};
        *bucket = index;
    }
    link_newest(rejects, index);
    return &rejects->slots[index];
}

/* A clock that was set back counts as a minute gone by. */
static bool minute_passed(int64_t since, int64_t now)
{
    return now < since || now - since >= MINUTE_MS;
}

static bool worth_a_line(struct rejects *rejects, struct slot *slot, int64_t wall_ms)
{
    if (slot->logged && !minute_passed(slot->logged_wall_ms, wall_ms))
        return false;
    if (minute_passed(rejects->minute_wall_ms, wall_ms)) {
        rejects->minute_wall_ms = wall_ms;
        rejects->lines = 0;
    }
    if (rejects->lines >= LOG_LINES_A_MINUTE)
        return false;
    rejects->lines++;
    slot->logged = true;
    slot->logged_wall_ms = wall_ms;
    return true;
}

bool rejects_add(struct rejects *rejects, struct bytes identity, const char *source,
                 enum cause cause, int64_t wall_ms)
{
    if ((unsigned)cause >= CAUSE_LAST)
        return false;
    struct reject kind = {.cause = cause, .first_wall_ms = wall_ms};
    /* Longer than any identity can be: only its beginning is kept. */
    if (identity.len > IDENTITY_MAX)
        identity.len = IDENTITY_MAX;
    identity_set(&kind.identity, identity);
    size_t source_len = strnlen(source, OUTCOME_SOURCE_MAX);
    memcpy(kind.source, source, source_len);
    pthread_mutex_lock(&rejects->lock);
    struct slot *slot = find_or_add(rejects, &kind);
    slot->reject.count++;
    slot->reject.last_wall_ms = wall_ms;
    rejects->totals[cause]++;
    bool log = worth_a_line(rejects, slot, wall_ms);
    pthread_mutex_unlock(&rejects->lock);
    return log;
}

size_t rejects_list(struct rejects *rejects, struct reject *out, size_t cap)
{
    size_t count = 0;
    pthread_mutex_lock(&rejects->lock);
    for (int i = rejects->newest; i != NONE && count < cap; i = rejects->slots[i].older)
        out[count++] = rejects->slots[i].reject;
    pthread_mutex_unlock(&rejects->lock);
    return count;
}

void rejects_totals(struct rejects *rejects, uint64_t by_cause[CAUSE_LAST])
{
    pthread_mutex_lock(&rejects->lock);
    memcpy(by_cause, rejects->totals, sizeof rejects->totals);
    pthread_mutex_unlock(&rejects->lock);
}
