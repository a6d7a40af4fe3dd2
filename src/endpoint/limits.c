/* SPDX-License-Identifier: Apache-2.0 */
/* Rates by source address. Each entry is a virtual clock (GCRA): it runs ahead of the real one by
 * the time that what was counted takes at the permitted rate, and may be ahead by one second. An
 * entry whose clock is not ahead says nothing and may be overwritten. */
#include "limits_priv.h"

#include <stdlib.h>
#include <string.h>

enum { SETS = 4096, WAYS = 4, SECOND_US = 1000000, IPV6_NETWORK = 8 };

struct entry {
    uint64_t key; /* hash of kind and source */
    uint64_t clock_us;
};

struct limits {
    struct endpoint_limits settings;
    uint8_t hash_key[16]; /* nobody outside can aim at another one's entry */
    struct entry sets[SETS][WAYS];
    struct net_prefix exempt[];
};

struct limits *limits_new(const struct endpoint_limits *settings)
{
    struct limits *limits =
        malloc(sizeof *limits + settings->exempt_count * sizeof *limits->exempt);

    if (limits == NULL)
        return NULL;
    bytes_wipe(limits, sizeof *limits); /* touches it all: it takes no memory later */
    limits->settings = *settings;
    limits->settings.exempt = limits->exempt;
    if (settings->exempt_count > 0)
        memcpy(limits->exempt, settings->exempt, settings->exempt_count * sizeof *limits->exempt);
    bytes_random(limits->hash_key, sizeof limits->hash_key);
    return limits;
}

void limits_free(struct limits *limits)
{
    free(limits);
}

static uint32_t rate_of(const struct limits *limits, enum limit_kind kind)
{
    return kind == LIMIT_HANDSHAKES ? limits->settings.handshakes_per_second
                                    : limits->settings.failures_per_second;
}

static bool is_free(const struct limits *limits, enum limit_kind kind,
                    const struct net_address *source)
{
    if (rate_of(limits, kind) == 0)
        return true;
    for (size_t i = 0; i < limits->settings.exempt_count; i++)
        if (net_prefix_contains(&limits->settings.exempt[i], source))
            return true;
    return false;
}

/* An IPv4 address counts by itself; of IPv6 the network, as one host has all of its addresses. */
static uint64_t key_of(const struct limits *limits, enum limit_kind kind,
                       const struct net_address *source)
{
    uint8_t named[2 + sizeof source->ip] = {(uint8_t)kind, source->family};

    memcpy(named + 2, source->ip, source->family == 6 ? IPV6_NETWORK : sizeof source->ip);
    return bytes_hash(limits->hash_key, bytes_of(named, sizeof named));
}

static const struct entry *find(const struct limits *limits, uint64_t key)
{
    const struct entry *set = limits->sets[key % SETS];

    for (unsigned way = 0; way < WAYS; way++)
        if (set[way].key == key)
            return &set[way];
    return NULL;
}

/* The source's own entry, or that of the set which says least. */
static struct entry *claim(struct limits *limits, uint64_t key)
{
    struct entry *set = limits->sets[key % SETS], *least = &set[0];

    for (unsigned way = 0; way < WAYS; way++) {
        if (set[way].key == key)
            return &set[way];
        if (set[way].clock_us < least->clock_us)
            least = &set[way];
    }
    *least = (struct entry){.key = key};
    return least;
}

static bool is_full(const struct entry *entry, uint64_t step_us, uint64_t now_us)
{
    return entry != NULL && entry->clock_us + step_us > now_us + SECOND_US;
}

bool limits_reached(const struct limits *limits, enum limit_kind kind,
                    const struct net_address *source, uint64_t now_ms)
{
    if (is_free(limits, kind, source))
        return false;
    return is_full(find(limits, key_of(limits, kind, source)), SECOND_US / rate_of(limits, kind),
                   now_ms * 1000);
}

bool limits_count(struct limits *limits, enum limit_kind kind, const struct net_address *source,
                  uint64_t now_ms)
{
    uint64_t now_us = now_ms * 1000;

    if (is_free(limits, kind, source))
        return true;
    uint64_t step_us = SECOND_US / rate_of(limits, kind);
    struct entry *entry = claim(limits, key_of(limits, kind, source));
    if (is_full(entry, step_us, now_us))
        return false;
    entry->clock_us = (entry->clock_us > now_us ? entry->clock_us : now_us) + step_us;
    return true;
}
