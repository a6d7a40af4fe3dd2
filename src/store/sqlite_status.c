/* What bootstraps change of a device: a table of its own, with narrow rows. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_priv.h"

static enum err_code take_status(struct sqlite_session *session, sqlite3_stmt *row,
                                 struct device_status *out, struct err *err)
{
    if (!column_state(row, STATUS_STATE, &out->state))
        return sqlite_damaged(session, "the status of a device", err);
    out->cause = (enum cause)sqlite3_column_int(row, STATUS_CAUSE);
    out->bootstraps = (uint64_t)sqlite3_column_int64(row, STATUS_BOOTSTRAPS);
    out->newest_outcome = (uint64_t)sqlite3_column_int64(row, STATUS_NEWEST_OUTCOME);
    out->last_wall_ms = sqlite3_column_int64(row, STATUS_LAST);
    out->last_duration_ms = (uint32_t)sqlite3_column_int64(row, STATUS_LAST_DURATION);
    return ERR_OK;
}

/* `found` false: it never called. */
static enum err_code read_status(struct sqlite_session *session, int64_t device,
                                 struct device_status *out, bool *found, struct err *err)
{
    *out = (struct device_status){.state = STATE_NEW};
    *found = false;
    if (!id_set_may_have(&session->indexes->with_status, device))
        return ERR_OK;
    sqlite3_stmt *statement = sqlite_use(session, SQL_STATUS_GET, err);
    if (statement == NULL)
        return err->code;
    bind_number(statement, 1, device);
    enum err_code code = ERR_OK;
    int got = sqlite3_step(statement);
    *found = got == SQLITE_ROW;
    if (*found)
        code = take_status(session, statement, out, err);
    else if (got != SQLITE_DONE)
        code = sqlite_session_error(session, "reading the status of a device", err);
    sqlite_done(statement);
    return code;
}

enum err_code sqlite_read_status(struct sqlite_session *session, int64_t device,
                                 struct device_status *out, struct err *err)
{
    bool found;
    return read_status(session, device, out, &found, err);
}

static enum err_code write_status(struct sqlite_session *session, int64_t device,
                                  const struct device_status *status, bool found, struct err *err)
{
    sqlite3_stmt *statement =
        sqlite_use(session, found ? SQL_STATUS_UPDATE : SQL_STATUS_INSERT, err);
    if (statement == NULL)
        return err->code;
    bind_number(statement, 1 + STATUS_STATE, status->state);
    bind_number(statement, 1 + STATUS_CAUSE, status->cause);
    bind_number(statement, 1 + STATUS_BOOTSTRAPS, (int64_t)status->bootstraps);
    bind_number(statement, 1 + STATUS_NEWEST_OUTCOME, (int64_t)status->newest_outcome);
    bind_number(statement, 1 + STATUS_LAST, status->last_wall_ms);
    bind_number(statement, 1 + STATUS_LAST_DURATION, status->last_duration_ms);
    bind_number(statement, 1 + STATUS_ID, device);
    return sqlite_finish(session, statement, "folding outcomes", err);
}

/* Of what a device's own row says besides, for indexes of the few that are in trouble. */
static bool in_trouble(const struct device_status *status)
{
    return status->state > STATE_BOOTSTRAPPED || status->cause != CAUSE_NONE;
}

static enum err_code write_trouble(struct sqlite_session *session, int64_t device,
                                   const struct device_status *status, struct err *err)
{
    bool trouble = in_trouble(status);
    sqlite3_stmt *statement = sqlite_use(session, SQL_DEVICE_TROUBLE, err);
    if (statement == NULL)
        return err->code;
    bind_number(statement, 1, trouble ? (int64_t)status->state : 0);
    bind_number(statement, 2, trouble ? (int64_t)status->cause : 0);
    bind_number(statement, 3, device);
    return sqlite_finish(session, statement, "folding outcomes", err);
}

enum err_code sqlite_fold_status(struct store_backend *backend, int64_t device,
                                 const struct unfolded_sum *sum, struct err *err)
{
    struct sqlite_session *session = &backend->session;
    struct device_status before, after;
    bool found;
    enum err_code code = read_status(session, device, &before, &found, err);
    if (code != ERR_OK)
        return code;
    after = before;
    unfolded_apply(sum, &after);
    /* Before the row can be seen: who asks afterwards must not miss it. */
    if (!id_set_add(&backend->indexes.with_status, device))
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    code = write_status(session, device, &after, found, err);
    if (code == ERR_OK && (in_trouble(&before) || in_trouble(&after)))
        code = write_trouble(session, device, &after, err);
    return code;
}
