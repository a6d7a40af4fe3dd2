/* Devices by class and state, in memory. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "counts_priv.h"

#include <stdlib.h>
#include <string.h>

void counts_init(struct counts *counts)
{
    *counts = (struct counts){0};
    pthread_mutex_init(&counts->lock, NULL);
}

void counts_clear(struct counts *counts)
{
    for (size_t i = 0; i < counts->class_count; i++)
        free(counts->classes[i]);
    free(counts->classes);
    free(counts->staged);
    pthread_mutex_destroy(&counts->lock);
    *counts = (struct counts){0};
}

/* Where the class is, or where it belongs. */
static size_t find_place(const struct counts *counts, const char *class_name, bool *found)
{
    size_t low = 0, high = counts->class_count;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(counts->classes[middle]->class_name, class_name);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct store_count *add_class(struct counts *counts, size_t place, const char *class_name)
{
    struct store_count *count = calloc(1, sizeof *count);
    if (count == NULL)
        return NULL;
    strncpy(count->class_name, class_name, CLASS_MAX);
    pthread_mutex_lock(&counts->lock);
    if (counts->class_count == counts->class_cap) {
        size_t cap = counts->class_cap * 2 + 16;
        struct store_count **classes = realloc(counts->classes, cap * sizeof(*classes));
        if (classes == NULL) {
            free(count);
            count = NULL;
            goto out;
        }
        counts->classes = classes;
        counts->class_cap = cap;
    }
    memmove(counts->classes + place + 1, counts->classes + place,
            (counts->class_count - place) * sizeof(*counts->classes));
    counts->classes[place] = count;
    counts->class_count++;
out:
    pthread_mutex_unlock(&counts->lock);
    return count;
}

static bool make_room_for_change(struct counts *counts)
{
    if (counts->staged_count < counts->staged_cap)
        return true;
    size_t cap = counts->staged_cap * 2 + 64;
    struct counts_change *staged = realloc(counts->staged, cap * sizeof *staged);
    if (staged == NULL)
        return false;
    counts->staged = staged;
    counts->staged_cap = cap;
    return true;
}

bool counts_stage(struct counts *counts, const char *class_name, enum device_state state, int by)
{
    bool found;
    size_t place = find_place(counts, class_name, &found);
    struct store_count *count =
        found ? counts->classes[place] : add_class(counts, place, class_name);
    if (count == NULL || !make_room_for_change(counts))
        return false;
    counts->staged[counts->staged_count++] =
        (struct counts_change){.count = count, .state = state, .by = by};
    return true;
}

void counts_commit(struct counts *counts)
{
    pthread_mutex_lock(&counts->lock);
    for (size_t i = 0; i < counts->staged_count; i++) {
        const struct counts_change *change = &counts->staged[i];
        change->count->by_state[change->state] += (uint64_t)(int64_t)change->by;
    }
    pthread_mutex_unlock(&counts->lock);
    counts->staged_count = 0;
}

void counts_drop(struct counts *counts)
{
    counts->staged_count = 0;
}

static bool has_devices(const struct store_count *count)
{
    for (size_t i = 0; i < STATE_COUNT; i++) {
        if (count->by_state[i] != 0)
            return true;
    }
    return false;
}

size_t counts_copy(struct counts *counts, struct store_count *out, size_t cap)
{
    size_t used = 0;
    pthread_mutex_lock(&counts->lock);
    for (size_t i = 0; i < counts->class_count; i++) {
        /* A class whose last device went keeps its place, but is no class any more. */
        if (!has_devices(counts->classes[i]))
            continue;
        if (used < cap)
            out[used] = *counts->classes[i];
        used++;
    }
    pthread_mutex_unlock(&counts->lock);
    return used;
}
