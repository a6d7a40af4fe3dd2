/* Which credentials have their newest state in a row of the table `credential_news`. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "news_priv.h"

#include "device_priv.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 1024 };

struct news_entry {
    int64_t device; /* 0 = free */
    uint16_t ssid;
    bool touched;               /* `staged` may differ */
    uint64_t committed, staged; /* numbers of rows, 0 = none; the second is the writer's */
};

struct news_touch {
    int64_t device;
    uint16_t ssid;
};

bool news_init(struct news *news)
{
    *news = (struct news){.cap = FIRST_CAP, .next = 1};
    news->entries = calloc(FIRST_CAP, sizeof *news->entries);
    if (news->entries == NULL)
        return false;
    pthread_mutex_init(&news->lock, NULL);
    return true;
}

void news_clear(struct news *news)
{
    if (news->entries == NULL)
        return;
    free(news->entries);
    free(news->touched);
    pthread_mutex_destroy(&news->lock);
    *news = (struct news){0};
}

/* By the device alone: its entries follow each other. */
static struct news_entry *find_entry(struct news_entry *entries, size_t cap, int64_t device,
                                     uint16_t ssid)
{
    size_t at = device_place(device, cap);
    while (entries[at].device != 0 && (entries[at].device != device || entries[at].ssid != ssid))
        at = (at + 1) & (cap - 1);
    return &entries[at];
}

static bool grow(struct news *news)
{
    size_t cap = news->cap * 2;
    struct news_entry *entries = calloc(cap, sizeof *entries);
    if (entries == NULL)
        return false;
    for (size_t i = 0; i < news->cap; i++) {
        const struct news_entry *entry = &news->entries[i];
        if (entry->device != 0)
            *find_entry(entries, cap, entry->device, entry->ssid) = *entry;
    }
    pthread_mutex_lock(&news->lock);
    struct news_entry *old = news->entries;
    news->entries = entries;
    news->cap = cap;
    pthread_mutex_unlock(&news->lock);
    free(old);
    return true;
}

static bool can_touch(struct news *news)
{
    if (news->touched_count < news->touched_cap)
        return true;
    size_t cap = news->touched_cap * 2 + 64;
    struct news_touch *touched = realloc(news->touched, cap * sizeof *touched);
    if (touched == NULL)
        return false;
    news->touched = touched;
    news->touched_cap = cap;
    return true;
}

static struct news_entry *find_or_add_entry(struct news *news, int64_t device, uint16_t ssid)
{
    struct news_entry *entry = find_entry(news->entries, news->cap, device, ssid);
    if (entry->device != 0)
        return entry;
    if (news->used * 2 >= news->cap) {
        if (!grow(news))
            return NULL;
        entry = find_entry(news->entries, news->cap, device, ssid);
    }
    pthread_mutex_lock(&news->lock);
    *entry = (struct news_entry){.device = device, .ssid = ssid};
    pthread_mutex_unlock(&news->lock);
    news->used++;
    return entry;
}

static bool stage(struct news *news, int64_t device, uint16_t ssid, uint64_t number)
{
    if (!can_touch(news))
        return false;
    struct news_entry *entry = find_or_add_entry(news, device, ssid);
    if (entry == NULL)
        return false;
    if (!entry->touched) {
        entry->touched = true;
        news->touched[news->touched_count++] = (struct news_touch){device, ssid};
    }
    news->rows += (number != 0) - (entry->staged != 0);
    entry->staged = number;
    return true;
}

uint64_t news_find(const struct news *news, int64_t device, uint16_t ssid)
{
    return find_entry(news->entries, news->cap, device, ssid)->staged;
}

uint64_t news_add(struct news *news, int64_t device, uint16_t ssid)
{
    return stage(news, device, ssid, news->next) ? news->next++ : 0;
}

bool news_remove(struct news *news, int64_t device, uint16_t ssid)
{
    news->removes = true;
    return stage(news, device, ssid, 0);
}

bool news_load(struct news *news, const struct news_row *row)
{
    if (news->next <= row->number)
        news->next = row->number + 1;
    return stage(news, row->device, row->ssid, row->number);
}

static int compare_rows(const void *a, const void *b)
{
    const struct news_row *left = a, *right = b;
    int devices = (left->device > right->device) - (left->device < right->device);
    return devices != 0 ? devices : (int)left->ssid - (int)right->ssid;
}

struct news_row *news_sorted(const struct news *news, size_t *count)
{
    struct news_row *rows = malloc((news->rows + 1) * sizeof *rows);
    if (rows == NULL)
        return NULL;
    *count = 0;
    for (size_t i = 0; i < news->cap; i++) {
        const struct news_entry *entry = &news->entries[i];
        if (entry->device != 0 && entry->staged != 0)
            rows[(*count)++] = (struct news_row){entry->device, entry->ssid, entry->staged};
    }
    qsort(rows, *count, sizeof *rows, compare_rows);
    return rows;
}

static uint64_t staged_number(const struct news_entry *entry)
{
    return entry->staged;
}

static uint64_t committed_number(const struct news_entry *entry)
{
    return entry->committed;
}

/* One number is asked for and no other looked at: what is staged is not for readers' threads. */
static size_t collect(const struct news *news, int64_t device,
                      uint64_t (*number_of)(const struct news_entry *entry), struct news_row *out,
                      size_t max)
{
    size_t count = 0;
    size_t at = device_place(device, news->cap);
    for (; news->entries[at].device != 0 && count < max; at = (at + 1) & (news->cap - 1)) {
        const struct news_entry *entry = &news->entries[at];
        uint64_t number = entry->device == device ? number_of(entry) : 0;
        if (number != 0)
            out[count++] = (struct news_row){device, entry->ssid, number};
    }
    return count;
}

size_t news_staged(const struct news *news, int64_t device, struct news_row *out, size_t max)
{
    return collect(news, device, staged_number, out, max);
}

size_t news_committed(struct news *news, int64_t device, struct news_row *out, size_t max)
{
    pthread_mutex_lock(&news->lock);
    size_t count = collect(news, device, committed_number, out, max);
    pthread_mutex_unlock(&news->lock);
    return count;
}

static void end_stage(struct news *news)
{
    news->touched_count = 0;
    news->removes = false;
}

void news_commit(struct news *news)
{
    pthread_mutex_lock(&news->lock);
    for (size_t i = 0; i < news->touched_count; i++) {
        const struct news_touch *touch = &news->touched[i];
        struct news_entry *entry = find_entry(news->entries, news->cap, touch->device, touch->ssid);
        entry->committed = entry->staged;
        entry->touched = false;
    }
    if (news->rows == 0 && news->used > 0) {
        memset(news->entries, 0, news->cap * sizeof *news->entries);
        news->used = 0;
    }
    pthread_mutex_unlock(&news->lock);
    end_stage(news);
}

void news_drop(struct news *news)
{
    for (size_t i = 0; i < news->touched_count; i++) {
        const struct news_touch *touch = &news->touched[i];
        struct news_entry *entry = find_entry(news->entries, news->cap, touch->device, touch->ssid);
        news->rows += (entry->committed != 0) - (entry->staged != 0);
        entry->staged = entry->committed;
        entry->touched = false;
    }
    end_stage(news);
}
