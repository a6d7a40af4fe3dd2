/* Rows of imports in memory. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bulk_priv.h"
#include "memory_priv.h"

#include <stdlib.h>
#include <string.h>

enum { STATE_MAX = 1 << 20 };

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NO_MEMORY, "store: out of memory");
}

static enum err_code apply_row(struct store_backend *backend, const struct store_bulk *bulk,
                               struct bulk_work *work, struct store_bulk_row *row, struct err *err)
{
    const struct memory_device *device =
        memory_table_endpoint(&backend->table, store_row_endpoint(row->packed));
    struct store_device stored = {0};
    enum err_code code = ERR_OK;
    if (device != NULL && !memory_show(backend, device, &stored))
        return no_memory(err);
    if (!bulk_decide(work, row, device != NULL ? &stored : NULL, bulk->conflict))
        code = no_memory(err);
    store_device_clear(&stored);
    if (code != ERR_OK || bulk->dry_run ||
        (row->verdict != STORE_ROW_CREATED && row->verdict != STORE_ROW_CHANGED))
        return code;
    struct request request = {.given = &work->completed, .flag = true};
    strcpy(request.endpoint, work->completed.enrollment.endpoint);
    code = memory_enroll(backend, &request, err);
    if (code == ERR_CONFLICT)
        code = bulk_fail_row(row, err->text) ? ERR_OK : no_memory(err);
    return code;
}

enum err_code memory_bulk(struct store_backend *backend, struct request *request, struct err *err)
{
    struct store_bulk *bulk = request->bulk;
    struct bulk_work *work = bulk_work_new();
    enum err_code code = work != NULL ? ERR_OK : no_memory(err);
    for (size_t i = 0; code == ERR_OK && i < bulk->count; i++) {
        code = apply_row(backend, bulk, work, &bulk->rows[i], err);
        bulk_work_reset(work);
    }
    bulk_work_free(work);
    if (code != ERR_OK)
        return code;
    struct bytes state = bulk->sum(bulk->context);
    return state.len > 0 ? memory_bulk_save(backend, bulk->id, state, err) : ERR_OK;
}

static struct memory_bulk **find(struct store_backend *backend, const char *id)
{
    struct memory_bulk **at = &backend->bulks;
    while (*at != NULL && strcmp((*at)->id, id) < 0)
        at = &(*at)->next;
    return at;
}

static void drop(struct memory_bulk **at)
{
    struct memory_bulk *bulk = *at;
    *at = bulk->next;
    buf_clear(&bulk->state);
    free(bulk->id);
    free(bulk);
}

void memory_bulk_clear(struct store_backend *backend)
{
    while (backend->bulks != NULL)
        drop(&backend->bulks);
}

enum err_code memory_bulk_save(struct store_backend *backend, const char *id, struct bytes state,
                               struct err *err)
{
    struct memory_bulk **at = find(backend, id);
    if (*at != NULL && strcmp((*at)->id, id) == 0)
        drop(at);
    if (state.len == 0)
        return ERR_OK;
    struct memory_bulk *bulk = calloc(1, sizeof *bulk);
    if (bulk == NULL)
        return no_memory(err);
    buf_init(&bulk->state, STATE_MAX);
    buf_put_bytes(&bulk->state, state);
    bulk->id = strdup(id);
    bulk->next = *at;
    *at = bulk;
    if (bulk->id != NULL && !bulk->state.failed)
        return ERR_OK;
    drop(at);
    return no_memory(err);
}

enum err_code memory_bulk_load(struct store_reader *reader,
                               bool (*each)(void *context, const char *id, struct bytes state),
                               void *context, struct err *err)
{
    (void)err;
    struct store_backend *backend = reader->backend;
    bool more = true;
    pthread_rwlock_rdlock(&backend->lock);
    for (const struct memory_bulk *bulk = backend->bulks; more && bulk != NULL; bulk = bulk->next)
        more = each(context, bulk->id, buf_bytes(&bulk->state));
    pthread_rwlock_unlock(&backend->lock);
    return ERR_OK;
}
