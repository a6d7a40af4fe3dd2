/* Claims of endpoints: a hash table in shards, each with its own lock. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/live.h"
#include "usher/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { SHARD_COUNT = 64, BUCKETS_LEAST = 16 };

struct entry {
    struct entry *next;
    bool claimed; /* else only seen */
    struct live_entry live;
};

struct shard {
    pthread_mutex_t lock;
    struct entry **buckets;
    uint64_t by_state[STATE_COUNT];
};

struct live {
    uint8_t hash_key[16]; /* endpoints are chosen by devices */
    size_t max;
    size_t bucket_count; /* of one shard; a power of two */
    atomic_size_t count;
    struct shard shards[SHARD_COUNT];
};

struct live *live_new(size_t max)
{
    struct live *live = calloc(1, sizeof *live);
    if (live == NULL)
        return NULL;
    bytes_random(live->hash_key, sizeof live->hash_key);
    live->max = max;
    live->bucket_count = BUCKETS_LEAST;
    while (live->bucket_count * SHARD_COUNT < max)
        live->bucket_count *= 2;
    bool complete = true;
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        struct shard *shard = &live->shards[i];
        pthread_mutex_init(&shard->lock, NULL);
        shard->buckets = calloc(live->bucket_count, sizeof *shard->buckets);
        complete = complete && shard->buckets != NULL;
    }
    if (complete)
        return live;
    live_free(live);
    return NULL;
}

static void free_chain(struct entry *entry)
{
    for (struct entry *next; entry != NULL; entry = next) {
        next = entry->next;
        pool_free(entry);
    }
}

void live_free(struct live *live)
{
    if (live == NULL)
        return;
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        struct shard *shard = &live->shards[i];
        for (size_t j = 0; shard->buckets != NULL && j < live->bucket_count; j++)
            free_chain(shard->buckets[j]);
        free(shard->buckets);
        pthread_mutex_destroy(&shard->lock);
    }
    free(live);
}

/* The locked shard of an endpoint and the link that leads to its entry, or to NULL. */
static struct shard *lock_endpoint(struct live *live, const char *endpoint, struct entry ***link)
{
    uint64_t hash = bytes_hash(live->hash_key, bytes_of_text(endpoint));
    struct shard *shard = &live->shards[hash % SHARD_COUNT];
    pthread_mutex_lock(&shard->lock);
    struct entry **at = &shard->buckets[hash / SHARD_COUNT & (live->bucket_count - 1)];
    while (*at != NULL && strcmp((*at)->live.endpoint, endpoint) != 0)
        at = &(*at)->next;
    *link = at;
    return shard;
}

static bool same_holder(const struct live_holder *a, const struct live_holder *b)
{
    return a->worker == b->worker && a->slot == b->slot && a->generation == b->generation;
}

/* Takes a place while fewer than `most` are taken; they are shared by all shards. */
static bool take_place(struct live *live, size_t most)
{
    if (atomic_fetch_add(&live->count, 1) < most)
        return true;
    atomic_fetch_sub(&live->count, 1);
    return false;
}

static enum err_code add_entry(struct live *live, struct shard *shard, size_t most,
                               struct entry **link, const char *endpoint)
{
    if (!take_place(live, most))
        return ERR_BUSY;
    struct entry *entry = pool_calloc(1, sizeof *entry);
    if (entry == NULL) {
        atomic_fetch_sub(&live->count, 1);
        return ERR_NO_MEMORY;
    }
    strcpy(entry->live.endpoint, endpoint);
    shard->by_state[entry->live.state]++;
    *link = entry;
    return ERR_OK;
}

static void set_state(struct shard *shard, struct live_entry *live, enum device_state state)
{
    shard->by_state[live->state]--;
    live->state = state;
    shard->by_state[state]++;
}

static void hold(struct shard *shard, struct live_entry *entry, const struct live_holder *holder,
                 int64_t wall_ms)
{
    entry->holder = *holder;
    entry->since_wall_ms = wall_ms;
    entry->class_name[0] = '\0';
    set_state(shard, entry, STATE_SEEN);
}

enum err_code live_claim(struct live *live, const char *endpoint, const struct live_holder *holder,
                         int64_t wall_ms, struct live_holder *previous, bool *had_previous)
{
    if (strlen(endpoint) > ENDPOINT_MAX)
        return ERR_RANGE;
    struct entry **link = NULL;
    struct shard *shard = lock_endpoint(live, endpoint, &link);
    enum err_code code = *link == NULL ? add_entry(live, shard, live->max, link, endpoint) : ERR_OK;
    if (code == ERR_OK) {
        struct entry *entry = *link;
        *had_previous = entry->claimed && !same_holder(&entry->live.holder, holder);
        if (*had_previous)
            *previous = entry->live.holder;
        entry->claimed = true;
        hold(shard, &entry->live, holder, wall_ms);
    }
    pthread_mutex_unlock(&shard->lock);
    return code;
}

bool live_see(struct live *live, const char *endpoint, const struct live_holder *holder,
              int64_t wall_ms)
{
    if (strlen(endpoint) > ENDPOINT_MAX)
        return false;
    struct entry **link = NULL;
    struct shard *shard = lock_endpoint(live, endpoint, &link);
    size_t most = live->max - live->max / 8;
    bool seen = (*link != NULL && !(*link)->claimed) ||
                (*link == NULL && add_entry(live, shard, most, link, endpoint) == ERR_OK);
    if (seen)
        hold(shard, &(*link)->live, holder, wall_ms);
    pthread_mutex_unlock(&shard->lock);
    return seen;
}

bool live_set_state(struct live *live, const char *endpoint, const struct live_holder *holder,
                    enum device_state state, const char *class_name)
{
    if ((unsigned)state >= STATE_COUNT)
        return false;
    struct entry **link = NULL;
    struct shard *shard = lock_endpoint(live, endpoint, &link);
    struct entry *entry = *link;
    bool holds = entry != NULL && same_holder(&entry->live.holder, holder);
    if (holds) {
        set_state(shard, &entry->live, state);
        if (class_name != NULL && strlen(class_name) <= CLASS_MAX)
            strcpy(entry->live.class_name, class_name);
    }
    pthread_mutex_unlock(&shard->lock);
    return holds;
}

bool live_release(struct live *live, const char *endpoint, const struct live_holder *holder)
{
    struct entry **link = NULL;
    struct shard *shard = lock_endpoint(live, endpoint, &link);
    struct entry *entry = *link;
    bool holds = entry != NULL && same_holder(&entry->live.holder, holder);
    if (holds) {
        *link = entry->next;
        shard->by_state[entry->live.state]--;
        atomic_fetch_sub(&live->count, 1);
    }
    pthread_mutex_unlock(&shard->lock);
    if (holds)
        pool_free(entry);
    return holds;
}

bool live_get(struct live *live, const char *endpoint, struct live_entry *out)
{
    struct entry **link = NULL;
    struct shard *shard = lock_endpoint(live, endpoint, &link);
    bool found = *link != NULL;
    if (found)
        *out = (*link)->live;
    pthread_mutex_unlock(&shard->lock);
    return found;
}

void live_counts(struct live *live, uint64_t by_state[STATE_COUNT])
{
    memset(by_state, 0, STATE_COUNT * sizeof by_state[0]);
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        struct shard *shard = &live->shards[i];
        pthread_mutex_lock(&shard->lock);
        for (size_t state = 0; state < STATE_COUNT; state++)
            by_state[state] += shard->by_state[state];
        pthread_mutex_unlock(&shard->lock);
    }
}

/* ---- the first `cap` in order of endpoint: a heap with the last one on top ---- */

struct selection {
    struct live_entry *items;
    size_t count, cap;
};

static int order(const void *a, const void *b)
{
    const struct live_entry *left = a, *right = b;
    return strcmp(left->endpoint, right->endpoint);
}

static void swap(struct live_entry *a, struct live_entry *b)
{
    struct live_entry kept = *a;
    *a = *b;
    *b = kept;
}

static void sift_up(struct selection *selection, size_t at)
{
    struct live_entry *items = selection->items;
    while (at > 0 && order(&items[at], &items[(at - 1) / 2]) > 0) {
        swap(&items[at], &items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void sift_down(struct selection *selection)
{
    struct live_entry *items = selection->items;
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= selection->count)
            return;
        if (child + 1 < selection->count && order(&items[child + 1], &items[child]) > 0)
            child++;
        if (order(&items[at], &items[child]) >= 0)
            return;
        swap(&items[at], &items[child]);
        at = child;
    }
}

static void select_entry(struct selection *selection, const struct live_entry *entry)
{
    if (selection->count < selection->cap) {
        selection->items[selection->count++] = *entry;
        sift_up(selection, selection->count - 1);
    } else if (order(entry, &selection->items[0]) < 0) {
        selection->items[0] = *entry;
        sift_down(selection);
    }
}

static void select_from_shard(const struct live *live, struct shard *shard, int state,
                              const char *after, struct selection *selection)
{
    pthread_mutex_lock(&shard->lock);
    for (size_t i = 0; i < live->bucket_count; i++) {
        for (const struct entry *entry = shard->buckets[i]; entry != NULL; entry = entry->next) {
            bool wanted = state < 0 || entry->live.state == (enum device_state)state;
            if (wanted && (after == NULL || strcmp(entry->live.endpoint, after) > 0))
                select_entry(selection, &entry->live);
        }
    }
    pthread_mutex_unlock(&shard->lock);
}

size_t live_list(struct live *live, int state, const char *after, struct live_entry *out,
                 size_t cap)
{
    if (cap == 0)
        return 0;
    struct selection selection = {.items = out, .cap = cap};
    for (size_t i = 0; i < SHARD_COUNT; i++)
        select_from_shard(live, &live->shards[i], state, after, &selection);
    qsort(out, selection.count, sizeof *out, order);
    return selection.count;
}
