/* Rows of imports on the writer's connection: a chunk is one transaction. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bulk_priv.h"
#include "device_priv.h"
#include "sqlite_priv.h"

#include <stdlib.h>

/* Memory for one row after the other. */
struct chunk {
    struct store_backend *backend;
    struct store_bulk *bulk;
    struct bulk_work *work;
    struct stored_device *stored;
};

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NO_MEMORY, "store: out of memory");
}

static enum err_code set_blocked(struct chunk *chunk, struct err *err)
{
    const struct enrollment *wanted = &chunk->work->completed.enrollment;
    struct request request = {.flag = wanted->blocked};
    strcpy(request.endpoint, wanted->endpoint);
    return sqlite_set_blocked(chunk->backend, &request, err);
}

static enum err_code write_row(struct chunk *chunk, const struct store_bulk_row *row,
                               struct err *err)
{
    const struct store_device *wanted = &chunk->work->completed;
    struct buf memory;
    const char *tags;
    enum err_code code = sqlite_tags_text(&wanted->enrollment, &memory, &tags, err);
    if (code == ERR_OK && row->verdict == STORE_ROW_CREATED)
        code = stored_device_create(chunk->backend, wanted, chunk->stored, tags, err);
    else if (code == ERR_OK)
        code = stored_device_replace(chunk->backend, wanted, chunk->stored, tags, err);
    if (code == ERR_OK && row->verdict == STORE_ROW_CHANGED &&
        (row->changes & STORE_GIVEN_BLOCKED) != 0)
        code = set_blocked(chunk, err);
    buf_clear(&memory);
    return code;
}

static enum err_code apply_row(struct chunk *chunk, struct store_bulk_row *row, struct err *err)
{
    char endpoint[ENDPOINT_MAX + 1] = "";
    struct bytes name = store_row_endpoint(row->packed);
    if (name.len > 0)
        memcpy(endpoint, name.data, name.len);
    enum err_code code = stored_device_load(chunk->backend, endpoint, chunk->stored, err);
    bool known = code == ERR_OK;
    if (code != ERR_OK && code != ERR_NOT_FOUND)
        return code;
    if (!bulk_decide(chunk->work, row, known ? &chunk->stored->device : NULL,
                     chunk->bulk->conflict))
        return no_memory(err);
    if (row->verdict != STORE_ROW_CREATED && row->verdict != STORE_ROW_CHANGED)
        return ERR_OK;
    if (chunk->bulk->dry_run)
        code = sqlite_check_identity_free(chunk->backend, known ? chunk->stored->device.id : 0,
                                          &chunk->work->completed.enrollment, err);
    else
        code = write_row(chunk, row, err);
    /* Found out before anything of the row was written. */
    if (code == ERR_CONFLICT)
        code = bulk_fail_row(row, err->text) ? ERR_OK : no_memory(err);
    return code;
}

static enum err_code apply_rows(struct chunk *chunk, struct err *err)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < chunk->bulk->count; i++) {
        code = apply_row(chunk, &chunk->bulk->rows[i], err);
        bulk_work_reset(chunk->work);
        stored_device_reset(chunk->stored);
    }
    return code;
}

enum err_code sqlite_bulk(struct store_backend *backend, struct request *request, struct err *err)
{
    struct chunk chunk = {
        .backend = backend,
        .bulk = request->bulk,
        .work = bulk_work_new(),
        .stored = calloc(1, sizeof *chunk.stored),
    };
    enum err_code code = ERR_OK;
    if (chunk.work == NULL || chunk.stored == NULL)
        code = no_memory(err);
    if (code == ERR_OK)
        code = apply_rows(&chunk, err);
    if (code == ERR_OK) {
        struct bytes state = request->bulk->sum(request->bulk->context);
        if (state.len > 0)
            code = sqlite_bulk_save(backend, request->bulk->id, state, err);
    }
    bulk_work_free(chunk.work);
    free(chunk.stored);
    return code;
}

enum err_code sqlite_bulk_save(struct store_backend *backend, const char *id, struct bytes state,
                               struct err *err)
{
    sqlite3_stmt *statement =
        sqlite_use(&backend->session, state.len > 0 ? SQL_BULK_SAVE : SQL_BULK_DELETE, err);
    if (statement == NULL)
        return err->code;
    bind_text(statement, 1, id);
    if (state.len > 0) {
        bind_number(statement, 2, sqlite_slot_time(backend).now_ms);
        bind_bytes(statement, 3, state);
    }
    return sqlite_finish(&backend->session, statement, "storing an import", err);
}

enum err_code sqlite_bulk_load(struct store_reader *reader,
                               bool (*each)(void *context, const char *id, struct bytes state),
                               void *context, struct err *err)
{
    struct sqlite_session *session = &reader->session;
    sqlite3_stmt *statement = sqlite_use(session, SQL_BULK_ALL, err);
    if (statement == NULL)
        return err->code;
    enum err_code code = ERR_OK;
    bool more = true;
    int got;
    while (more && (got = sqlite3_step(statement)) != SQLITE_DONE) {
        char id[64];
        more = false;
        if (got != SQLITE_ROW)
            code = sqlite_session_error(session, "reading imports", err);
        else if (!column_text(statement, 0, id, sizeof id))
            code = sqlite_damaged(session, "an import's row", err);
        else
            more = each(context, id, column_bytes(statement, 1));
    }
    sqlite_done(statement);
    return code;
}
