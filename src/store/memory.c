/* The memory backend: for tests; nothing outlives the process. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "memory_priv.h"

#include <stdlib.h>

static void memory_close(struct store_backend *backend)
{
    if (backend == NULL)
        return;
    memory_delay_stop(backend->delay);
    memory_table_clear(&backend->table);
    memory_bulk_clear(backend);
    pthread_rwlock_destroy(&backend->lock);
    free(backend);
}

static enum err_code memory_open(struct store_setup *setup, struct store_backend **out,
                                 struct err *err)
{
    struct store_backend *backend = calloc(1, sizeof *backend);
    if (backend == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    backend->setup = setup;
    pthread_rwlock_init(&backend->lock, NULL);
    if (!memory_table_init(&backend->table)) {
        memory_close(backend);
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    }
    *out = backend;
    return ERR_OK;
}

/* The path is "delay=MS". */
static enum err_code memory_open_slow(struct store_setup *setup, struct store_backend **out,
                                      struct err *err)
{
    struct store_backend *backend = NULL;
    enum err_code code = memory_open(setup, &backend, err);
    if (code != ERR_OK)
        return code;
    unsigned long delay_ms = strtoul(setup->config.path + sizeof "delay=" - 1, NULL, 10);
    code = memory_delay_start(backend, (unsigned)delay_ms, err);
    if (code != ERR_OK) {
        memory_close(backend);
        return code;
    }
    *out = backend;
    return ERR_OK;
}

static enum err_code memory_reader_open(struct store_backend *backend, struct store_reader **out,
                                        struct err *err)
{
    struct store_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    reader->backend = backend;
    *out = reader;
    return ERR_OK;
}

static void memory_reader_close(struct store_reader *reader)
{
    free(reader);
}

static enum err_code memory_nothing_to_do(struct store_backend *backend, struct err *err)
{
    (void)backend;
    (void)err;
    return ERR_OK;
}

static void memory_rollback(struct store_backend *backend)
{
    (void)backend;
}

static enum err_code memory_upkeep(struct store_backend *backend, uint64_t now_us,
                                   uint64_t *next_us, struct err *err)
{
    (void)now_us;
    *next_us = UINT64_MAX;
    return memory_nothing_to_do(backend, err);
}

static uint64_t memory_unfolded(struct store_backend *backend)
{
    (void)backend;
    return 0;
}

static int memory_schema_version(const struct store_backend *backend)
{
    (void)backend;
    return 0;
}

#define MEMORY_FUNCTIONS                                                                           \
    .name = "memory", .close = memory_close, .schema_version = memory_schema_version,              \
    .begin = memory_nothing_to_do, .apply = memory_apply, .commit = memory_nothing_to_do,          \
    .rollback = memory_rollback, .settle = memory_nothing_to_do, .upkeep = memory_upkeep,          \
    .probe = memory_nothing_to_do, .unfolded = memory_unfolded, .reader_open = memory_reader_open, \
    .reader_close = memory_reader_close, .find = memory_find, .list = memory_list,                 \
    .bulk_load = memory_bulk_load, .tag_names = memory_tag_names,                                  \
    .place_counts = memory_place_counts, .history = memory_history

const struct store_ops store_memory_ops = {MEMORY_FUNCTIONS, .open = memory_open};

const struct store_ops store_memory_slow_ops = {
    MEMORY_FUNCTIONS,
    .open = memory_open_slow,
    .find_later = memory_find_later,
};
