/* Sealing anew what lies under another master key, or under none: a slice at a time. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_priv.h"

#include <stdlib.h>

enum { ROWS_AT_ONCE = 512, KEYS_OF_A_ROW = 3 };

/* The tables with keys, in the order in which they are worked through. */
static const struct keyed_table {
    enum sql_id select, update;
    int keys; /* pairs of key and master key's id, after the row's id */
    uint8_t number;
} tables[] = {
    {SQL_REKEY_DEVICES, SQL_REKEY_DEVICE, 2, SEALED_DEVICE},
    {SQL_REKEY_CREDENTIALS, SQL_REKEY_CREDENTIAL, 3, SEALED_CREDENTIAL},
    {SQL_REKEY_GROUPS, SQL_REKEY_GROUP, 2, SEALED_GROUP},
};
enum { TABLE_COUNT = sizeof tables / sizeof tables[0] };

struct keyed_row {
    int64_t id;
    struct secret keys[KEYS_OF_A_ROW];
};

static enum err_code read_rows(struct sqlite_session *session, const struct keyed_table *table,
                               int64_t after, uint32_t current, struct keyed_row *rows,
                               size_t *count, struct err *err)
{
    sqlite3_stmt *statement = sqlite_use(session, table->select, err);
    if (statement == NULL)
        return err->code;
    bind_number(statement, 1, after);
    bind_number(statement, 2, current);
    enum err_code code = ERR_OK;
    int got;
    *count = 0;
    while (code == ERR_OK && *count < ROWS_AT_ONCE &&
           (got = sqlite3_step(statement)) != SQLITE_DONE) {
        struct keyed_row *row = &rows[*count];
        if (got != SQLITE_ROW) {
            code = sqlite_session_error(session, "reading keys", err);
            break;
        }
        row->id = sqlite3_column_int64(statement, 0);
        for (int i = 0; code == ERR_OK && i < table->keys; i++) {
            const struct vault_place place = {
                .table = table->number, .column = (uint8_t)(i + 1), .row = (uint64_t)row->id};
            if (!column_key(session, statement, 1 + 2 * i, &place, &row->keys[i]))
                code = sqlite_damaged(session, "a sealed key", err);
        }
        ++*count;
    }
    sqlite_done(statement);
    return code;
}

static enum err_code write_row(struct sqlite_session *session, const struct keyed_table *table,
                               const struct keyed_row *row, struct err *err)
{
    struct sealed_key memory[KEYS_OF_A_ROW];
    sqlite3_stmt *statement = sqlite_use(session, table->update, err);
    if (statement == NULL)
        return err->code;
    for (int i = 0; i < table->keys; i++) {
        const struct vault_place place = {
            .table = table->number, .column = (uint8_t)(i + 1), .row = (uint64_t)row->id};
        if (!bind_key(session, statement, 1 + 2 * i, &place, &row->keys[i], &memory[i])) {
            sqlite_done(statement);
            return sqlite_seal_failed(session, err);
        }
    }
    bind_number(statement, 1 + 2 * table->keys, row->id);
    return sqlite_finish(session, statement, "sealing keys anew", err);
}

/* When nothing is left under them, the old keys are not asked for at the next start. */
static enum err_code forget_old_keys(struct store_backend *backend, uint32_t current,
                                     struct err *err)
{
    enum err_code code = sqlite_check_keys(backend, err);
    return code != ERR_OK ? code
                          : sqlite_run_for(&backend->session, SQL_SEAL_KEYS_FORGET, current,
                                           "forgetting master keys", err);
}

enum err_code sqlite_rekey(struct store_backend *backend, struct request *request, struct err *err)
{
    struct store_rekey *rekey = request->rekey;
    uint32_t current = vault_current(backend->setup->config.vault);
    if (current == 0)
        return err_set(err, ERR_CONFLICT,
                       "no master key is configured: name its file with store: { master-key: FILE "
                       "} and restart");
    if (rekey->table >= TABLE_COUNT) {
        rekey->done = true;
        return forget_old_keys(backend, current, err);
    }
    /* News go to rows that may have been passed by then, with keys as they were sealed before;
     * those to come are sealed under the current one. */
    if (rekey->after == 0) {
        enum err_code flushed = sqlite_flush_news(backend, err);
        if (flushed != ERR_OK)
            return flushed;
    }
    struct keyed_row *rows = calloc(ROWS_AT_ONCE, sizeof *rows);
    size_t count = 0;
    if (rows == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    const struct keyed_table *table = &tables[rekey->table];
    enum err_code code =
        read_rows(&backend->session, table, rekey->after, current, rows, &count, err);
    for (size_t i = 0; code == ERR_OK && i < count; i++)
        code = write_row(&backend->session, table, &rows[i], err);
    if (code == ERR_OK) {
        rekey->sealed += count;
        rekey->after = count == ROWS_AT_ONCE ? rows[count - 1].id : 0;
        rekey->table += count < ROWS_AT_ONCE;
    }
    bytes_wipe(rows, ROWS_AT_ONCE * sizeof *rows);
    free(rows);
    return code;
}
