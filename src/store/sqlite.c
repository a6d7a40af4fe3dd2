/* The SQLite backend: opening, closing, and its table of functions. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "migrate_priv.h"
#include "sqlite_priv.h"

#include <stdlib.h>
#include <unistd.h>

enum { PENDING_BRIEFS = 1024 };

static void sqlite_close(struct store_backend *backend)
{
    struct err unused = {0};
    if (backend == NULL)
        return;
    /* What cannot be folded now is folded at the next open. */
    if (backend->session.db != NULL && backend->unfolded.entries != NULL)
        sqlite_settle(backend, &unused);
    sqlite_session_close(&backend->session);
    unfolded_clear(&backend->unfolded);
    id_set_clear(&backend->indexes.with_status);
    id_set_clear(&backend->indexes.with_credentials);
    id_hints_clear(&backend->indexes.hints);
    news_clear(&backend->indexes.news);
    briefs_clear(&backend->pending);
    if (backend->lock_fd >= 0)
        close(backend->lock_fd);
    free(backend);
}

static enum err_code open_database(struct store_backend *backend, struct err *err)
{
    const struct store_config *config = &backend->setup->config;
    if (config->path == NULL || config->path[0] == '\0')
        return err_set(err, ERR_INVALID, "store: no path is given for the database");
    enum err_code code = sqlite_file_check(config->path, err);
    if (code == ERR_OK)
        code = sqlite_file_lock(config->path, &backend->lock_fd, err);
    if (code == ERR_OK)
        code = sqlite_session_open(&backend->session, backend, err);
    bool fresh = false;
    if (code == ERR_OK)
        code = sqlite_schema_check_owner(&backend->session, &fresh, err);
    if (code == ERR_OK)
        code = sqlite_configure_writer(&backend->session, err);
    if (code == ERR_OK)
        code = sqlite_schema_prepare(&backend->session, fresh,
                                     atomic_load(&backend->setup->wall_ms)(), err);
    return code;
}

static enum err_code sqlite_open(struct store_setup *setup, struct store_backend **out,
                                 struct err *err)
{
    /* Callers may not want the text, but below it always has a place. */
    struct err local = {0};
    sqlite_prepare();
    struct store_backend *backend = calloc(1, sizeof *backend);
    if (backend == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    backend->setup = setup;
    backend->lock_fd = -1;
    id_hints_init(&backend->indexes.hints);
    enum err_code code = open_database(backend, &local);
    if (code == ERR_OK)
        code = sqlite_check_keys(backend, &local);
    if (code == ERR_OK)
        code = sqlite_load_groups(backend, &local);
    if (code == ERR_OK)
        code = sqlite_load_audit(backend, &local);
    if (code == ERR_OK &&
        (!unfolded_init(&backend->unfolded) || !id_set_init(&backend->indexes.with_status) ||
         !id_set_init(&backend->indexes.with_credentials) || !news_init(&backend->indexes.news) ||
         !briefs_init(&backend->pending, PENDING_BRIEFS)))
        code = err_set(&local, ERR_NO_MEMORY, "store: out of memory");
    if (code == ERR_OK)
        code = sqlite_recover(backend, &local);
    if (code != ERR_OK) {
        sqlite_close(backend);
        if (err != NULL)
            *err = local;
        return code;
    }
    *out = backend;
    return ERR_OK;
}

static int sqlite_schema_version(const struct store_backend *backend)
{
    (void)backend;
    return SCHEMA_VERSION;
}

static uint64_t sqlite_unfolded(struct store_backend *backend)
{
    return atomic_load(&backend->unfolded.waiting);
}

const struct store_ops store_sqlite_ops = {
    .name = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .schema_version = sqlite_schema_version,
    .begin = sqlite_begin,
    .apply = sqlite_apply,
    .commit = sqlite_commit,
    .group_save = sqlite_group_save,
    .group_remove = sqlite_group_remove,
    .rollback = sqlite_rollback,
    .settle = sqlite_settle,
    .upkeep = sqlite_upkeep,
    .probe = sqlite_probe,
    .unfolded = sqlite_unfolded,
    .reader_open = sqlite_reader_open,
    .reader_close = sqlite_reader_close,
    .reader_rest = sqlite_reader_rest,
    .find = sqlite_find,
    .hurry = sqlite_hurry,
    .list = sqlite_list,
    .bulk_load = sqlite_bulk_load,
    .tag_names = sqlite_tag_names,
    .place_counts = sqlite_place_counts,
    .audit = sqlite_audit,
    .note = sqlite_note,
    .history = sqlite_history,
};
