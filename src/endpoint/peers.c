/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of associations: by path (keyed hash), by slot and generation, and three queues that
 * say who goes first at the caps. */
#include "endpoint_priv.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS_LEAST = 1024, SLOTS_LEAST = 64 };
static const uint32_t no_slot = UINT32_MAX;

bool peers_init(struct endpoint *endpoint)
{
    size_t wanted = (size_t)endpoint->config.sessions_max;

    endpoint->bucket_count = BUCKETS_LEAST;
    while (endpoint->bucket_count < wanted)
        endpoint->bucket_count *= 2;
    endpoint->buckets = calloc(endpoint->bucket_count, sizeof *endpoint->buckets);
    endpoint->first_free = no_slot;
    return endpoint->buckets != NULL;
}

/* By the remote end and the listener. Paths that differ in their local address alone are few. */
static uint64_t hash_of(const struct endpoint *endpoint, const struct net_path *path)
{
    uint16_t numbers[2] = {path->remote.port, (uint16_t)path->listener};
    uint8_t named[sizeof numbers + sizeof path->remote.ip];
    size_t ip_len = path->remote.family == 4 ? 4 : sizeof path->remote.ip;
    memcpy(named, numbers, sizeof numbers);
    memcpy(named + sizeof numbers, path->remote.ip, ip_len);
    return bytes_hash(endpoint->hash_key, bytes_of(named, sizeof numbers + ip_len));
}

static struct association **bucket_of(const struct endpoint *endpoint, uint64_t hash)
{
    return &endpoint->buckets[hash & (endpoint->bucket_count - 1)];
}

struct path_peers peers_find(const struct endpoint *endpoint, const struct net_path *path)
{
    struct path_peers peers = {.hash = hash_of(endpoint, path)};

    for (struct association *found = *bucket_of(endpoint, peers.hash); found != NULL;
         found = found->bucket_next) {
        if (found->path_hash != peers.hash || !net_path_equal(&found->path, path))
            continue;
        if (found->candidate)
            peers.candidate = found;
        else
            peers.current = found;
    }
    return peers;
}

static void enter_bucket(struct association *association)
{
    struct association **bucket = bucket_of(association->endpoint, association->path_hash);

    association->bucket_next = *bucket;
    *bucket = association;
}

static void leave_bucket(struct association *association)
{
    if (association->unlisted)
        return;
    struct association **link = bucket_of(association->endpoint, association->path_hash);

    while (*link != association)
        link = &(*link)->bucket_next;
    *link = association->bucket_next;
}

void peers_unlist(struct association *association)
{
    leave_bucket(association);
    association->unlisted = true;
}

void peers_readdress(struct association *association, const struct net_path *path)
{
    struct path_peers there = peers_find(association->endpoint, path);

    leave_bucket(association);
    association->path = *path;
    association->path_hash = there.hash;
    association->unlisted = there.current != NULL || there.candidate != NULL;
    if (!association->unlisted)
        enter_bucket(association);
}

struct association *peers_by_ref(const struct endpoint *endpoint, struct association_ref ref)
{
    if (ref.slot >= endpoint->slot_count)
        return NULL;
    const struct slot *slot = &endpoint->slots[ref.slot];
    return slot->generation == ref.generation ? slot->association : NULL;
}

static bool take_slot(struct endpoint *endpoint, struct association *association)
{
    if (endpoint->first_free == no_slot && endpoint->slot_count == endpoint->slot_cap) {
        uint32_t cap = endpoint->slot_cap == 0 ? SLOTS_LEAST : endpoint->slot_cap * 2;
        if (cap > SLOTS_MAX)
            return false;
        struct slot *slots = realloc(endpoint->slots, cap * sizeof *slots);
        if (slots == NULL)
            return false;
        endpoint->slots = slots;
        endpoint->slot_cap = cap;
    }
    uint32_t index = endpoint->first_free;
    if (index == no_slot) {
        index = endpoint->slot_count++;
        endpoint->slots[index] = (struct slot){0};
    } else {
        endpoint->first_free = endpoint->slots[index].next_free;
    }
    struct slot *slot = &endpoint->slots[index];
    slot->association = association;
    if (++slot->generation == 0)
        slot->generation = 1;
    association->ref = (struct association_ref){.slot = index, .generation = slot->generation};
    return true;
}

static void give_slot(struct endpoint *endpoint, struct association *association)
{
    struct slot *slot = &endpoint->slots[association->ref.slot];

    slot->association = NULL;
    slot->next_free = endpoint->first_free;
    endpoint->first_free = association->ref.slot;
}

static void unqueue(struct association *association)
{
    struct association_queue *queue = association->queue;

    if (queue == NULL)
        return;
    if (association->older != NULL)
        association->older->newer = association->newer;
    else
        queue->oldest = association->newer;
    if (association->newer != NULL)
        association->newer->older = association->older;
    else
        queue->newest = association->older;
    queue->count--;
    association->queue = NULL;
    association->older = association->newer = NULL;
}

void peers_move(struct association *association, struct association_queue *queue)
{
    unqueue(association);
    association->older = queue->newest;
    if (queue->newest != NULL)
        queue->newest->newer = association;
    else
        queue->oldest = association;
    queue->newest = association;
    association->queue = queue;
    queue->count++;
}

static void evict_half_open(struct endpoint *endpoint)
{
    endpoint->counters.evicted_half_open++;
    peers_remove(endpoint->half_open.oldest);
}

static void evict_idle(struct endpoint *endpoint)
{
    struct association *idle = endpoint->idle.oldest;
    struct association_ref ref = idle->ref;

    endpoint->counters.evicted_idle++;
    endpoint->ops.closed(endpoint->ops.context, ref, CAUSE_LIMIT, 0);
    if (peers_by_ref(endpoint, ref) == idle)
        peers_remove(idle);
}

/* Room for one more: the oldest unfinished goes first (D5), be it a handshake or an association
 * that never asked. One that asked never goes: then the newcomer waits. */
static bool make_room(struct endpoint *endpoint)
{
    uint32_t all = endpoint->half_open.count + endpoint->idle.count + endpoint->busy.count;
    const struct association *half_open = endpoint->half_open.oldest, *idle = endpoint->idle.oldest;

    if (endpoint->half_open.count >= endpoint->config.half_open_max) {
        evict_half_open(endpoint);
        return true;
    }
    if (all < endpoint->config.sessions_max)
        return true;
    if (half_open == NULL && idle == NULL) {
        endpoint->counters.dropped_limit++;
        return false;
    }
    if (idle == NULL || (half_open != NULL && half_open->started_ms < idle->started_ms))
        evict_half_open(endpoint);
    else
        evict_idle(endpoint);
    return true;
}

struct association *peers_add(struct endpoint *endpoint, const struct net_path *path,
                              uint64_t path_hash, bool candidate)
{
    if (!make_room(endpoint))
        return NULL;
    struct association *association = pool_calloc(1, sizeof *association);
    if (association == NULL)
        return NULL;
    association->endpoint = endpoint;
    association->path = *path;
    association->path_hash = path_hash;
    association->candidate = candidate;
    association->ack_at = UINT64_MAX;
    association->idle_at = UINT64_MAX;
    association->owner_at = UINT64_MAX;
    association->handshake = pool_calloc(1, sizeof *association->handshake);
    mbedtls_ssl_init(&association->ssl);
    if (association->handshake == NULL || !take_slot(endpoint, association)) {
        association_free(association);
        return NULL;
    }
    enter_bucket(association);
    peers_move(association, &endpoint->half_open);
    return association;
}

void peers_verified(struct association *association)
{
    association->endpoint->unverified -= association->unverified;
    association->unverified = false;
}

void peers_remove(struct association *association)
{
    struct endpoint *endpoint = association->endpoint;

    if (association->state == ASSOCIATION_DEAD)
        return;
    peers_verified(association);
    leave_bucket(association);
    unqueue(association);
    timers_cancel(&endpoint->timers, &association->timer);
    give_slot(endpoint, association);
    association->state = ASSOCIATION_DEAD;
    association->bucket_next = endpoint->dead;
    endpoint->dead = association;
}

void handshake_free(struct handshake *handshake)
{
    if (handshake == NULL)
        return;
    free(handshake->device);
    bytes_wipe(handshake, sizeof *handshake);
    pool_free(handshake);
}

void association_free(struct association *association)
{
    mbedtls_ssl_free(&association->ssl);
    tls_setup_unref(association->setup);
    handshake_free(association->handshake);
    free(association->names);
    exchange_free(association->exchange);
    content_free(association->content);
    pool_free(association);
}

static void free_queue(struct association_queue *queue)
{
    while (queue->oldest != NULL)
        peers_remove(queue->oldest);
}

void peers_clear(struct endpoint *endpoint)
{
    if (endpoint->buckets != NULL) {
        free_queue(&endpoint->half_open);
        free_queue(&endpoint->idle);
        free_queue(&endpoint->busy);
    }
    while (endpoint->dead != NULL) {
        struct association *association = endpoint->dead;
        endpoint->dead = association->bucket_next;
        association_free(association);
    }
    free(endpoint->buckets);
    free(endpoint->slots);
}
