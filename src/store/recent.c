/* Devices found a moment ago, kept for the second look-up of a bootstrap. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "device_priv.h"
#include "recent_priv.h"
#include "store_priv.h"

#include "usher/clock.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    struct store_device *device; /* NULL = free */
    uint64_t until_ms;
};

struct recent {
    struct stamps *stamps;
    struct store_device *spares[RECENT_FINDS_MAX]; /* zeroed, so that a find need not allocate */
    size_t spare_count;
    uint64_t tidy_ms; /* nothing is too old before; UINT64_MAX: nothing is kept */
    struct entry entries[RECENT_FINDS_MAX]; /* by hash of the identity: a newcomer displaces */
};

/* The key is no secret: devices that choose to collide are looked up twice, as without all this. */
static uint64_t hash_of(struct bytes bytes)
{
    static const uint8_t key[16] = "usher store 0001";

    return bytes_hash(key, bytes);
}

static size_t stamp_of(const char *endpoint)
{
    return hash_of(bytes_of_text(endpoint)) % STAMPS;
}

/* An outcome alone is no change: readers learn of it from what waits to be folded. */
static bool is_change(const struct request *request)
{
    return request->kind != REQUEST_RECORD || request->count > 0;
}

static void change_stamp(struct stamps *stamps, size_t stamp, uint64_t commit)
{
    atomic_store_explicit(&stamps->touched[stamp], commit, memory_order_release);
    atomic_store_explicit(&stamps->changed[stamp], commit, memory_order_release);
}

/* What changes more than the one device that a request names. */
static void change_others(struct stamps *stamps, const struct request *request, uint64_t commit)
{
    if (request->kind == REQUEST_GROUP_PUT || request->kind == REQUEST_GROUP_REMOVE) {
        for (size_t stamp = 0; stamp < STAMPS; stamp++)
            change_stamp(stamps, stamp, commit);
    }
    for (size_t i = 0; request->kind == REQUEST_BULK && i < request->bulk->count; i++) {
        char endpoint[ENDPOINT_MAX + 1] = "";
        struct bytes name = store_row_endpoint(request->bulk->rows[i].packed);
        memcpy(endpoint, name.data, name.len);
        change_stamp(stamps, stamp_of(endpoint), commit);
    }
}

void stamps_change(struct stamps *stamps, const struct request *first)
{
    bool changes = false;

    for (const struct request *request = first; request != NULL; request = request->next)
        changes = changes || is_change(request);
    if (changes)
        atomic_fetch_add(&stamps->changes, 1);
    /* Whoever reads this number reads the rows of this commit, or later ones, afterwards. */
    uint64_t commit = atomic_fetch_add(&stamps->commits, 1) + 1;
    for (const struct request *request = first; request != NULL; request = request->next) {
        size_t stamp = stamp_of(request->endpoint);
        atomic_store_explicit(&stamps->touched[stamp], commit, memory_order_release);
        if (is_change(request))
            atomic_store_explicit(&stamps->changed[stamp], commit, memory_order_release);
        change_others(stamps, request, commit);
    }
    atomic_store(&stamps->stamped, commit);
}

bool stamps_untouched(struct stamps *stamps, const char *endpoint, uint64_t as_of)
{
    return atomic_load(&stamps->touched[stamp_of(endpoint)]) <= as_of;
}

bool stamps_unchanged(struct stamps *stamps, const char *endpoint, uint64_t as_of)
{
    return atomic_load(&stamps->changed[stamp_of(endpoint)]) <= as_of;
}

struct recent *recent_new(struct stamps *stamps)
{
    struct recent *recent = calloc(1, sizeof *recent);

    if (recent == NULL)
        return NULL;
    recent->stamps = stamps;
    recent->tidy_ms = UINT64_MAX;
    return recent;
}

void recent_free(struct recent *recent)
{
    if (recent == NULL)
        return;
    for (size_t i = 0; i < RECENT_FINDS_MAX; i++)
        if (recent->entries[i].device != NULL)
            recent_return(recent, recent->entries[i].device);
    while (recent->spare_count > 0)
        free(recent->spares[--recent->spare_count]);
    free(recent);
}

struct store_device *recent_borrow(struct recent *recent)
{
    return recent->spare_count > 0 ? recent->spares[--recent->spare_count]
                                   : calloc(1, sizeof(struct store_device));
}

void recent_return(struct recent *recent, struct store_device *device)
{
    device_reset(device);
    if (recent->spare_count < RECENT_FINDS_MAX)
        recent->spares[recent->spare_count++] = device;
    else
        free(device);
}

static struct entry *entry_of(struct recent *recent, const struct identity *identity)
{
    return &recent->entries[hash_of(identity_bytes(identity)) % RECENT_FINDS_MAX];
}

void recent_keep(struct recent *recent, struct store_device *device)
{
    struct entry *entry = entry_of(recent, &device->enrollment.identity);

    if (entry->device != NULL)
        recent_return(recent, entry->device);
    *entry = (struct entry){device, clock_monotonic_ms() + RECENT_MS};
    if (recent->tidy_ms == UINT64_MAX)
        recent->tidy_ms = entry->until_ms;
}

struct store_device *recent_take(struct recent *recent, const struct identity *identity)
{
    struct entry *entry = entry_of(recent, identity);
    struct store_device *device = entry->device;

    if (device == NULL ||
        !bytes_equal(identity_bytes(&device->enrollment.identity), identity_bytes(identity)))
        return NULL;
    entry->device = NULL;
    if (stamps_untouched(recent->stamps, device->enrollment.endpoint, device->as_of))
        return device;
    recent_return(recent, device);
    return NULL;
}

uint64_t recent_tidy(struct recent *recent)
{
    if (recent->tidy_ms == UINT64_MAX)
        return UINT64_MAX;
    uint64_t now = clock_monotonic_ms();
    if (now < recent->tidy_ms)
        return recent->tidy_ms;
    recent->tidy_ms = UINT64_MAX;
    for (size_t i = 0; i < RECENT_FINDS_MAX; i++) {
        struct entry *entry = &recent->entries[i];
        if (entry->device == NULL)
            continue;
        if (entry->until_ms <= now) {
            recent_return(recent, entry->device);
            entry->device = NULL;
        } else if (entry->until_ms < recent->tidy_ms) {
            recent->tidy_ms = entry->until_ms;
        }
    }
    return recent->tidy_ms;
}
