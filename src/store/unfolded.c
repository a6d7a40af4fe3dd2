/* Outcomes that are durable in the log but not yet in the device rows. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "unfolded_priv.h"

#include <stdlib.h>

enum { FIRST_CAP = 1024 };

bool unfolded_init(struct unfolded *unfolded)
{
    *unfolded = (struct unfolded){.cap = FIRST_CAP};
    unfolded->entries = calloc(FIRST_CAP, sizeof *unfolded->entries);
    if (unfolded->entries == NULL)
        return false;
    pthread_mutex_init(&unfolded->lock, NULL);
    return true;
}

void unfolded_clear(struct unfolded *unfolded)
{
    if (unfolded->entries == NULL)
        return;
    free(unfolded->entries);
    free(unfolded->touched);
    pthread_mutex_destroy(&unfolded->lock);
    *unfolded = (struct unfolded){0};
}

static struct unfolded_entry *find_entry(struct unfolded_entry *entries, size_t cap, int64_t device)
{
    size_t slot = device_place(device, cap);
    while (entries[slot].device != 0 && entries[slot].device != device)
        slot = (slot + 1) & (cap - 1);
    return &entries[slot];
}

static bool grow(struct unfolded *unfolded)
{
    size_t cap = unfolded->cap * 2;
    struct unfolded_entry *entries = calloc(cap, sizeof *entries);
    if (entries == NULL)
        return false;
    for (size_t i = 0; i < unfolded->cap; i++) {
        const struct unfolded_entry *entry = &unfolded->entries[i];
        if (entry->device != 0)
            *find_entry(entries, cap, entry->device) = *entry;
    }
    pthread_mutex_lock(&unfolded->lock);
    struct unfolded_entry *old = unfolded->entries;
    unfolded->entries = entries;
    unfolded->cap = cap;
    pthread_mutex_unlock(&unfolded->lock);
    free(old);
    return true;
}

const struct unfolded_sum *unfolded_find(const struct unfolded *unfolded, int64_t device)
{
    const struct unfolded_entry *entry = find_entry(unfolded->entries, unfolded->cap, device);
    return entry->device != 0 && entry->staged.newest != 0 ? &entry->staged : NULL;
}

static bool make_room(struct unfolded *unfolded)
{
    if (unfolded->used * 2 >= unfolded->cap && !grow(unfolded))
        return false;
    if (unfolded->touched_count < unfolded->touched_cap)
        return true;
    size_t cap = unfolded->touched_cap * 2 + 64;
    int64_t *touched = realloc(unfolded->touched, cap * sizeof *touched);
    if (touched == NULL)
        return false;
    unfolded->touched = touched;
    unfolded->touched_cap = cap;
    return true;
}

/* The entry of a device, noted as touched. */
static struct unfolded_entry *touch(struct unfolded *unfolded, int64_t device)
{
    if (!make_room(unfolded))
        return NULL;
    struct unfolded_entry *entry = find_entry(unfolded->entries, unfolded->cap, device);
    if (entry->device == 0) {
        pthread_mutex_lock(&unfolded->lock);
        entry->device = device;
        pthread_mutex_unlock(&unfolded->lock);
        unfolded->used++;
    }
    if (!entry->touched) {
        entry->touched = true;
        unfolded->touched[unfolded->touched_count++] = device;
    }
    return entry;
}

bool unfolded_stage(struct unfolded *unfolded, int64_t device, const struct unfolded_sum *outcome)
{
    struct unfolded_entry *entry = touch(unfolded, device);
    if (entry == NULL)
        return false;
    unfolded->staged_outcomes++;
    if (outcome->has_state) {
        struct unfolded_sum before = entry->staged;
        entry->staged = *outcome;
        if (!outcome->accepted) {
            entry->staged.accepted = before.accepted;
            entry->staged.bootstraps = before.bootstraps + outcome->bootstraps;
        }
    }
    entry->staged.newest = outcome->newest;
    return true;
}

bool unfolded_stage_removal(struct unfolded *unfolded, int64_t device)
{
    if (unfolded_find(unfolded, device) == NULL)
        return true;
    struct unfolded_entry *entry = touch(unfolded, device);
    if (entry == NULL)
        return false;
    entry->staged = (struct unfolded_sum){0};
    return true;
}

void unfolded_commit(struct unfolded *unfolded)
{
    pthread_mutex_lock(&unfolded->lock);
    for (size_t i = 0; i < unfolded->touched_count; i++) {
        struct unfolded_entry *entry =
            find_entry(unfolded->entries, unfolded->cap, unfolded->touched[i]);
        entry->committed = entry->staged;
        entry->touched = false;
    }
    pthread_mutex_unlock(&unfolded->lock);
    atomic_fetch_add(&unfolded->waiting, unfolded->staged_outcomes);
    unfolded->touched_count = 0;
    unfolded->staged_outcomes = 0;
}

void unfolded_drop(struct unfolded *unfolded)
{
    for (size_t i = 0; i < unfolded->touched_count; i++) {
        struct unfolded_entry *entry =
            find_entry(unfolded->entries, unfolded->cap, unfolded->touched[i]);
        entry->staged = entry->committed;
        entry->touched = false;
    }
    unfolded->touched_count = 0;
    unfolded->staged_outcomes = 0;
}

static int compare_entries(const void *a, const void *b)
{
    const struct unfolded_entry *const *left = a, *const *right = b;
    return ((*left)->device > (*right)->device) - ((*left)->device < (*right)->device);
}

const struct unfolded_entry **unfolded_sorted(const struct unfolded *unfolded, size_t *count)
{
    const struct unfolded_entry **sorted = malloc((unfolded->used + 1) * sizeof(*sorted));
    if (sorted == NULL)
        return NULL;
    size_t used = 0;
    for (size_t i = 0; i < unfolded->cap; i++) {
        const struct unfolded_entry *entry = &unfolded->entries[i];
        if (entry->device != 0 && entry->committed.newest != 0)
            sorted[used++] = entry;
    }
    qsort(sorted, used, sizeof(*sorted), compare_entries);
    *count = used;
    return sorted;
}

void unfolded_purge(struct unfolded *unfolded)
{
    pthread_mutex_lock(&unfolded->lock);
    for (size_t i = 0; i < unfolded->cap; i++)
        unfolded->entries[i] = (struct unfolded_entry){0};
    atomic_fetch_add(&unfolded->epoch, 1);
    pthread_mutex_unlock(&unfolded->lock);
    unfolded->used = 0;
    atomic_store(&unfolded->waiting, 0);
}

void unfolded_end_epoch(struct unfolded *unfolded)
{
    atomic_fetch_add(&unfolded->epoch, 1);
}

uint64_t unfolded_epoch(struct unfolded *unfolded)
{
    return atomic_load(&unfolded->epoch);
}

void unfolded_apply(const struct unfolded_sum *sum, struct device_status *status)
{
    if (sum->newest <= status->newest_outcome)
        return;
    status->newest_outcome = sum->newest;
    if (!sum->has_state)
        return;
    status->state = sum->state;
    status->cause = sum->cause;
    if (sum->accepted)
        status->bootstraps = 0;
    status->bootstraps += sum->bootstraps;
    status->last_wall_ms = sum->last_wall_ms;
    status->last_duration_ms = sum->last_duration_ms;
}

void unfolded_show(const struct unfolded_sum *sum, struct store_device *device)
{
    struct device_status status = device_status_of(device);
    unfolded_apply(sum, &status);
    device_show_status(device, &status);
}

bool unfolded_merge(struct unfolded *unfolded, uint64_t epoch, struct store_device *device)
{
    pthread_mutex_lock(&unfolded->lock);
    bool current = atomic_load(&unfolded->epoch) == epoch;
    if (current) {
        const struct unfolded_entry *entry =
            find_entry(unfolded->entries, unfolded->cap, device->id);
        if (entry->device != 0)
            unfolded_show(&entry->committed, device);
    }
    pthread_mutex_unlock(&unfolded->lock);
    return current;
}
