/* SPDX-License-Identifier: Apache-2.0 */
/* The memory backend's own parts: devices found by endpoint and by identity. For tests. */
#ifndef USHER_STORE_MEMORY_PRIV_H
#define USHER_STORE_MEMORY_PRIV_H

#include "slots_priv.h"
#include "store_priv.h"
#include "usher/buf.h"

enum { MEMORY_HISTORY_MAX = 256 }; /* outcomes kept of a device */

struct memory_device {
    struct memory_device *next_by_endpoint, *next_by_identity; /* of the same chain */
    char endpoint[ENDPOINT_MAX + 1];
    char class_name[CLASS_MAX + 1];
    struct identity identity;
    struct secret bootstrap_key;
    int64_t group_id;
    char *tags; /* as text */
    bool blocked;
    enum device_state state;
    enum cause cause;
    uint64_t revision, bootstraps;
    int64_t created_ms, changed_ms, last_ms;
    uint32_t last_duration_ms;
    struct slots *servers;
    size_t server_count;
    struct outcome **history; /* oldest first */
    size_t history_count;
};

struct memory_table {
    uint8_t hash_key[16];
    size_t cap, count; /* cap: chains of each kind */
    struct memory_device **by_endpoint, **by_identity;
};

bool memory_table_init(struct memory_table *table);
void memory_table_clear(struct memory_table *table);
struct memory_device *memory_table_endpoint(const struct memory_table *table,
                                            struct bytes endpoint);
struct memory_device *memory_table_identity(const struct memory_table *table,
                                            const struct identity *identity);
bool memory_table_add(struct memory_table *table, struct memory_device *device);
void memory_table_remove(struct memory_table *table, struct memory_device *device);
/* Moves a device to the chain of its new identity. */
void memory_table_set_identity(struct memory_table *table, struct memory_device *device,
                               const struct identity *identity);
void memory_device_free(struct memory_device *device); /* wipes */

/* What is stored of an import. */
struct memory_bulk {
    struct memory_bulk *next;
    char *id;
    struct buf state;
};

struct store_backend {
    struct store_setup *setup;
    pthread_rwlock_t lock; /* the table and what is in it */
    struct memory_table table;
    struct memory_bulk *bulks;  /* imports, in order of the id */
    struct memory_delay *delay; /* NULL: finds are answered at once */
};

struct store_reader {
    struct store_backend *backend;
};

/* memory_write.c */
enum err_code memory_apply(struct store_backend *backend, struct request *request, struct err *err);
/* Makes what is found; false: no memory. */
bool memory_show(const struct store_backend *backend, const struct memory_device *device,
                 struct store_device *out);

/* What `request` enrols or changes; for rows of imports too. */
enum err_code memory_enroll(struct store_backend *backend, struct request *request,
                            struct err *err);

/* memory_bulk.c */
enum err_code memory_bulk(struct store_backend *backend, struct request *request, struct err *err);
enum err_code memory_bulk_save(struct store_backend *backend, const char *id, struct bytes state,
                               struct err *err);
enum err_code memory_bulk_load(struct store_reader *reader,
                               bool (*each)(void *context, const char *id, struct bytes state),
                               void *context, struct err *err);
void memory_bulk_clear(struct store_backend *backend);

/* memory_read.c */
enum err_code memory_find(struct store_reader *reader, const struct identity *identity,
                          struct bytes endpoint, struct store_device *out, struct err *err);
enum err_code memory_list(struct store_reader *reader, const struct store_filter *filter,
                          bool (*row)(void *context, const struct store_row *row), void *context,
                          struct err *err);
enum err_code memory_history(struct store_reader *reader, struct bytes endpoint, const char *before,
                             size_t limit,
                             bool (*each)(void *context, const struct outcome *outcome),
                             void *context, struct err *err);

enum err_code memory_place_counts(struct store_reader *reader,
                                  bool (*each)(void *context, uint16_t ssid, const char *place,
                                               uint64_t devices),
                                  void *context, struct err *err);
enum err_code memory_tag_names(struct store_reader *reader,
                               bool (*each)(void *context, const char *name), void *context,
                               struct err *err);

/* memory_delay.c: answers find requests later, from a thread of its own */
enum err_code memory_delay_start(struct store_backend *backend, unsigned delay_ms, struct err *err);
void memory_delay_stop(struct memory_delay *delay); /* NULL accepted */
bool memory_find_later(struct store_reader *reader, struct request *request);

#endif
