/* SPDX-License-Identifier: Apache-2.0 */
/* Which credentials have their newest state in a row of the table `credential_news`, not yet in
 * `credential`: sessions append there, and what they appended is brought to `credential` in one go,
 * in order. Each device and server has one row of news at most. The writer stages; readers see what
 * is committed. */
#ifndef USHER_STORE_NEWS_PRIV_H
#define USHER_STORE_NEWS_PRIV_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct news_row {
    int64_t device;
    uint16_t ssid;
    uint64_t number; /* its key; never given out twice while the server runs */
};

struct news_entry;
struct news_touch;

struct news {
    pthread_mutex_t lock;
    struct news_entry *entries; /* open addressing; a power of two of them */
    size_t cap, used, rows;     /* `rows` of the used ones have a row, staged */
    uint64_t next;              /* number of the next row */
    struct news_touch *touched; /* staged changes */
    size_t touched_count, touched_cap;
    bool removes; /* among them a removal: rows are found elsewhere after the commit */
};

bool news_init(struct news *news); /* false: no memory */
void news_clear(struct news *news);

/* ---- the writer ---- */

/* The row as of the open transaction, 0 = none. */
uint64_t news_find(const struct news *news, int64_t device, uint16_t ssid);
/* Those of a device, `max` at most; returns how many. */
size_t news_staged(const struct news *news, int64_t device, struct news_row *out, size_t max);
/* Gives out a number for a row; 0: no memory. */
uint64_t news_add(struct news *news, int64_t device, uint16_t ssid);
/* At the start: the table has this row already. */
bool news_load(struct news *news, const struct news_row *row);
/* All rows in order of device and server, to be freed; NULL: no memory. */
struct news_row *news_sorted(const struct news *news, size_t *count);
/* The row goes; false: no memory. */
bool news_remove(struct news *news, int64_t device, uint16_t ssid);
void news_commit(struct news *news);
void news_drop(struct news *news);

/* ---- readers ---- */

size_t news_committed(struct news *news, int64_t device, struct news_row *out, size_t max);

#endif
