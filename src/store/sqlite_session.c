/* A connection to SQLite: its settings, statements and errors. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_priv.h"

#include <stdio.h>

/* Errors of SQLite in our terms, and what a person can do. */
static const struct {
    int sqlite;
    enum err_code code;
    const char *advice;
} errors[] = {
    {SQLITE_FULL, ERR_IO, "the disk is full; free some space"},
    {SQLITE_IOERR, ERR_IO, "the disk or file system reports an error; see the kernel's log"},
    {SQLITE_READONLY, ERR_READ_ONLY,
     "the file, its directory or its file system is read-only; make it writable"},
    {SQLITE_CORRUPT, ERR_INVALID,
     "the file is damaged; restore it from a backup, or rescue what is left with: "
     "sqlite3 FILE .recover"},
    {SQLITE_NOTADB, ERR_INVALID, "the file is not a database of usher; name another file"},
    {SQLITE_CANTOPEN, ERR_IO, "the file or its directory cannot be opened"},
    {SQLITE_PERM, ERR_DENIED, "permission denied"},
    {SQLITE_BUSY, ERR_BUSY, "another program holds the database; end it"},
    {SQLITE_PROTOCOL, ERR_BUSY, "another program holds locks of the database; end it"},
    {SQLITE_NOMEM, ERR_NO_MEMORY, "out of memory"},
    {SQLITE_TOOBIG, ERR_INTERNAL, "a value is too long"},
    {SQLITE_CONSTRAINT, ERR_INTERNAL, "a rule of the schema is broken"},
    {SQLITE_MISMATCH, ERR_INTERNAL, "a value has the wrong type"},
};

enum err_code sqlite_session_error(struct sqlite_session *session, const char *doing,
                                   struct err *err)
{
    int sqlite = sqlite3_errcode(session->db) & 0xff;
    if (sqlite_would_wait())
        return err_set(err, ERR_BUSY, "store: '%s': %s: not in memory", session->path, doing);
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (errors[i].sqlite == sqlite)
            return err_set(err, errors[i].code, "store: '%s': %s: %s (SQLite: %s)", session->path,
                           doing, errors[i].advice, sqlite3_errmsg(session->db));
    }
    return err_set(err, ERR_IO, "store: '%s': %s: SQLite error %d (%s)", session->path, doing,
                   sqlite, sqlite3_errmsg(session->db));
}

enum err_code sqlite_damaged(struct sqlite_session *session, const char *what, struct err *err)
{
    return err_set(err, ERR_INVALID, "store: '%s': %s is damaged; restore the file from a backup",
                   session->path, what);
}

enum err_code sqlite_session_run(struct sqlite_session *session, const char *sql, struct err *err)
{
    if (sqlite3_exec(session->db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return ERR_OK;
    char doing[64];
    snprintf(doing, sizeof doing, "%.40s", sql);
    return sqlite_session_error(session, doing, err);
}

enum err_code sqlite_session_number(struct sqlite_session *session, const char *sql,
                                    int64_t fallback, int64_t *out, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int got = sqlite3_prepare_v2(session->db, sql, -1, &statement, NULL);
    if (got == SQLITE_OK)
        got = sqlite3_step(statement);
    enum err_code code = ERR_OK;
    if (got == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        *out = sqlite3_column_int64(statement, 0);
    else if (got == SQLITE_ROW || got == SQLITE_DONE)
        *out = fallback;
    else
        code = sqlite_session_error(session, "opening", err);
    sqlite3_finalize(statement);
    return code;
}

/* A setting that SQLite may silently refuse: what it answers must be `wanted`. */
static enum err_code set_and_check(struct sqlite_session *session, const char *sql,
                                   const char *wanted, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    enum err_code code = ERR_OK;
    int got = sqlite3_prepare_v2(session->db, sql, -1, &statement, NULL);
    if (got == SQLITE_OK)
        got = sqlite3_step(statement);
    if (got != SQLITE_ROW)
        code = sqlite_session_error(session, "opening", err);
    else if (strcmp((const char *)sqlite3_column_text(statement, 0), wanted) != 0)
        code = err_set(err, ERR_UNSUPPORTED,
                       "store: '%s': the file system cannot do what a write-ahead log needs "
                       "(shared memory); use a local one",
                       session->path);
    sqlite3_finalize(statement);
    return code;
}

enum err_code sqlite_configure_writer(struct sqlite_session *session, struct err *err)
{
    enum err_code code = set_and_check(session, "PRAGMA journal_mode = WAL", "wal", err);
    /* FULL: a commit is reported when the log is on the disk. NORMAL would lose the last commits
     * at a power cut, and with them credentials that devices hold already (I1). */
    if (code == ERR_OK)
        code = sqlite_session_run(session, "PRAGMA synchronous = FULL", err);
    if (code == ERR_OK)
        code = sqlite_session_run(session, "PRAGMA secure_delete = ON", err);
    /* Not more: where a B-tree's page was split SQLite goes through all cached pages at the commit,
     * each of them cold. Imports are sorted and need no more either. */
    if (code == ERR_OK)
        code = sqlite_session_run(session, "PRAGMA cache_size = -16384", err);
    if (code == ERR_OK)
        code = sqlite_session_run(session, "PRAGMA wal_autocheckpoint = 4000", err);
    /* A log that grew behind a long read shrinks again. */
    if (code == ERR_OK)
        code = sqlite_session_run(session, "PRAGMA journal_size_limit = 67108864", err);
    return code;
}

enum err_code sqlite_configure_reader(struct sqlite_session *session, struct err *err)
{
    enum err_code code = sqlite_session_run(session, "PRAGMA query_only = ON", err);
    if (code == ERR_OK)
        code = sqlite_session_run(session, "PRAGMA cache_size = -16384", err);
    return code;
}

enum err_code sqlite_session_open(struct sqlite_session *session, struct store_backend *backend,
                                  struct err *err)
{
    const struct store_config *config = &backend->setup->config;
    session->path = config->path;
    session->indexes = &backend->indexes;
    /* Each connection is used by one thread: no mutex inside. */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(config->path, &session->db, flags, sqlite_patience_vfs(config->vfs)) !=
        SQLITE_OK) {
        enum err_code code = sqlite_session_error(session, "opening", err);
        sqlite_session_close(session);
        return code;
    }
    sqlite_patience_watch(session->db);
    session->sealer = sealer_new(config->vault);
    if (session->sealer == NULL) {
        sqlite_session_close(session);
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    }
    return ERR_OK;
}

void sqlite_session_close(struct sqlite_session *session)
{
    for (size_t i = 0; i < SQL_COUNT; i++) {
        sqlite3_finalize(session->statements[i]);
        session->statements[i] = NULL;
    }
    sqlite3_close(session->db);
    session->db = NULL;
    sealer_free(session->sealer);
    session->sealer = NULL;
}

sqlite3_stmt *sqlite_use(struct sqlite_session *session, enum sql_id id, struct err *err)
{
    if (session->statements[id] == NULL &&
        sqlite3_prepare_v3(session->db, sql_text(id), -1, SQLITE_PREPARE_PERSISTENT,
                           &session->statements[id], NULL) != SQLITE_OK)
        sqlite_session_error(session, "preparing a statement", err);
    return session->statements[id];
}

void sqlite_done(sqlite3_stmt *statement)
{
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

enum err_code sqlite_finish(struct sqlite_session *session, sqlite3_stmt *statement,
                            const char *doing, struct err *err)
{
    enum err_code code = ERR_OK;
    if (sqlite3_step(statement) != SQLITE_DONE)
        code = sqlite_session_error(session, doing, err);
    sqlite_done(statement);
    return code;
}

enum err_code sqlite_run_for(struct sqlite_session *session, enum sql_id id, int64_t number,
                             const char *doing, struct err *err)
{
    sqlite3_stmt *statement = sqlite_use(session, id, err);
    if (statement == NULL)
        return err->code;
    bind_number(statement, 1, number);
    return sqlite_finish(session, statement, doing, err);
}

enum err_code sqlite_session_transact(struct sqlite_session *session, enum sql_id id,
                                      struct err *err)
{
    sqlite3_stmt *statement = sqlite_use(session, id, err);
    if (statement == NULL)
        return err->code;
    return sqlite_finish(session, statement, id == SQL_END ? "committing" : "beginning", err);
}

void sqlite_session_rollback(struct sqlite_session *session)
{
    struct err unused = {0};
    if (sqlite3_get_autocommit(session->db))
        return;
    /* SQLite may have rolled back by itself after an error; then there is nothing left to do. */
    sqlite_session_transact(session, SQL_ROLLBACK, &unused);
}

/* Binding fails only for an index that does not exist, or for want of memory of values that are
 * copied; ours are not. */
void bind_number(sqlite3_stmt *statement, int index, int64_t number)
{
    sqlite3_bind_int64(statement, index, number);
}

void bind_text(sqlite3_stmt *statement, int index, const char *text)
{
    sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

void bind_bytes(sqlite3_stmt *statement, int index, struct bytes data)
{
    if (data.len > 0)
        sqlite3_bind_blob(statement, index, data.data, (int)data.len, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, index);
}

struct bytes column_bytes(sqlite3_stmt *statement, int column)
{
    const void *data = sqlite3_column_blob(statement, column);
    return bytes_of(data, data != NULL ? (size_t)sqlite3_column_bytes(statement, column) : 0);
}

bool column_text(sqlite3_stmt *statement, int column, char *out, size_t size)
{
    struct bytes text = column_bytes(statement, column);
    if (text.len >= size)
        return false;
    if (text.len > 0)
        memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    return true;
}

enum err_code sqlite_find_old(struct sqlite_session *session, enum sql_id oldest, int64_t cutoff_ms,
                              int64_t *last, size_t *count, struct err *err)
{
    sqlite3_stmt *statement = sqlite_use(session, oldest, err);
    if (statement == NULL)
        return err->code;
    enum err_code code = ERR_OK;
    int got;
    *count = 0;
    while ((got = sqlite3_step(statement)) == SQLITE_ROW) {
        if (sqlite3_column_int64(statement, 1) >= cutoff_ms)
            break;
        *last = sqlite3_column_int64(statement, 0);
        ++*count;
    }
    if (got != SQLITE_ROW && got != SQLITE_DONE)
        code = sqlite_session_error(session, "looking for what is past its time", err);
    sqlite_done(statement);
    return code;
}
