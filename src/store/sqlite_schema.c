/* Whose database is it, and which version of the schema? */
/* SPDX-License-Identifier: Apache-2.0 */
#include "migrate_priv.h"
#include "sqlite_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { APPLICATION_ID = 0x55534852 }; /* "USHR", in the file's header */

static enum err_code not_ours(const struct sqlite_session *session, struct err *err)
{
    return err_set(err, ERR_INVALID,
                   "store: '%s' is an SQLite database of another program; name another file",
                   session->path);
}

enum err_code sqlite_schema_check_owner(struct sqlite_session *session, bool *fresh,
                                        struct err *err)
{
    int64_t application = 0, tables = 0;
    enum err_code code =
        sqlite_session_number(session, "PRAGMA application_id", 0, &application, err);
    if (code == ERR_OK)
        code =
            sqlite_session_number(session, "SELECT COUNT(*) FROM sqlite_schema", 0, &tables, err);
    if (code != ERR_OK)
        return code;
    if (application != APPLICATION_ID && (application != 0 || tables != 0))
        return not_ours(session, err);
    *fresh = tables == 0;
    return ERR_OK;
}

static enum err_code read_version(struct sqlite_session *session, int64_t *version, struct err *err)
{
    int64_t tables = 0;
    enum err_code code = sqlite_session_number(
        session, "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'usher_schema'", 0, &tables, err);
    if (code == ERR_OK && tables != 0)
        code = sqlite_session_number(session, "SELECT MAX(version) FROM usher_schema", 0, version,
                                     err);
    if (code != ERR_OK)
        return code;
    if (tables == 0 || *version < 1)
        return err_set(err, ERR_INVALID,
                       "store: '%s' does not say which version its schema has; restore it from a "
                       "backup",
                       session->path);
    if (*version > SCHEMA_VERSION)
        return err_set(err, ERR_NEWER_VERSION,
                       "store: '%s' was written by a newer usher (schema %" PRId64
                       ", this build knows %d); run that version, or restore a backup made "
                       "before the upgrade",
                       session->path, *version, SCHEMA_VERSION);
    return ERR_OK;
}

static enum err_code run_step(struct sqlite_session *session, int version, int64_t now_ms,
                              struct err *err)
{
    char note[128];
    enum err_code code = ERR_OK;
    for (const char *const *next = migrate_step(version); code == ERR_OK && *next != NULL; next++) {
        char *statement = migrate_statement(*next, &sql_dialect_sqlite);
        if (statement == NULL)
            return err_set(err, ERR_NO_MEMORY, "store: out of memory");
        code = sqlite_session_run(session, statement, err);
        free(statement);
    }
    if (code == ERR_OK && version == MIGRATE_TAGS)
        code = sqlite_fill_tags(session, err);
    snprintf(note, sizeof note,
             "INSERT INTO usher_schema (version, applied_ms) VALUES (%d, %" PRId64 ")", version,
             now_ms);
    return code == ERR_OK ? sqlite_session_run(session, note, err) : code;
}

/* Each version in one transaction: a crash leaves the old schema or the new one. */
static enum err_code migrate_to(struct sqlite_session *session, int version, bool fresh,
                                int64_t now_ms, struct err *err)
{
    char sign[64];
    enum err_code code = sqlite_session_run(session, "BEGIN IMMEDIATE", err);
    snprintf(sign, sizeof sign, "PRAGMA application_id = %d", APPLICATION_ID);
    if (code == ERR_OK && fresh)
        code = sqlite_session_run(session, sign, err);
    if (code == ERR_OK)
        code = run_step(session, version, now_ms, err);
    if (code == ERR_OK)
        code = sqlite_session_run(session, "COMMIT", err);
    sqlite_session_rollback(session);
    return code;
}

enum err_code sqlite_schema_prepare(struct sqlite_session *session, bool fresh, int64_t now_ms,
                                    struct err *err)
{
    int64_t version = 0;
    enum err_code code = fresh ? ERR_OK : read_version(session, &version, err);
    for (int next = (int)version + 1; code == ERR_OK && next <= SCHEMA_VERSION; next++)
        code = migrate_to(session, next, fresh && next == 1, now_ms, err);
    return code;
}
