/* What is done aside from requests: folding outcomes into the rows of devices, bringing credentials
 * to their own table, dropping what is past its time, and finding the place again after a crash. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "device_priv.h"
#include "sqlite_priv.h"

#include "usher/clock.h"

#include <stdlib.h>

enum {
    FOLD_ROWS = 32768,      /* outcomes that are worth a fold before its time */
    RETRY_US = 1000000,     /* after a failure */
    SWEEP_US = 60000000,    /* how often to look for what is past its time */
    SWEEP_MORE_US = 10000,  /* when there was more than one transaction should drop */
    SWEEP_OUTCOMES = 1000,  /* LIMIT of SQL_OUTCOME_OLDEST */
    SWEEP_CREDENTIALS = 64, /* LIMIT of SQL_CREDENTIALS_EXPIRED */
    COUNT_AT_ONCE = 4096,
};

static const char folded_mark[] = "folded"; /* the last outcome that device rows know of */

static enum err_code set_mark(struct sqlite_session *session, const char *name, int64_t value,
                              struct err *err)
{
    sqlite3_stmt *statement = sqlite_use(session, SQL_MARK_SET, err);
    if (statement == NULL)
        return err->code;
    bind_text(statement, 1, name);
    bind_number(statement, 2, value);
    return sqlite_finish(session, statement, "setting a mark", err);
}

static enum err_code get_number(struct sqlite_session *session, enum sql_id id, const char *name,
                                int64_t *out, struct err *err)
{
    sqlite3_stmt *statement = sqlite_use(session, id, err);
    if (statement == NULL)
        return err->code;
    if (name != NULL)
        bind_text(statement, 1, name);
    enum err_code code = ERR_OK;
    int got = sqlite3_step(statement);
    if (got == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    else if (got == SQLITE_DONE)
        *out = 0;
    else
        code = sqlite_session_error(session, "reading a number", err);
    sqlite_done(statement);
    return code;
}

/* ---- folding ---- */

static enum err_code fold_all(struct store_backend *backend, const struct unfolded_entry **sorted,
                              size_t count, struct err *err)
{
    struct sqlite_session *session = &backend->session;
    enum err_code code = sqlite_session_transact(session, SQL_BEGIN_WRITE, err);
    for (size_t i = 0; code == ERR_OK && i < count; i++)
        code = sqlite_fold_status(backend, sorted[i]->device, &sorted[i]->committed, err);
    if (code == ERR_OK)
        code = set_mark(session, folded_mark, (int64_t)backend->committed_outcome, err);
    if (code == ERR_OK)
        code = sqlite_flush_news(backend, err);
    if (code == ERR_OK)
        code = sqlite_session_transact(session, SQL_END, err);
    sqlite_session_rollback(session);
    return code;
}

uint64_t sqlite_waiting(const struct store_backend *backend)
{
    uint64_t outcomes = atomic_load(&backend->unfolded.waiting);
    uint64_t credentials = backend->indexes.news.rows;
    return outcomes > credentials ? outcomes : credentials;
}

enum err_code sqlite_settle(struct store_backend *backend, struct err *err)
{
    if (sqlite_waiting(backend) == 0) {
        backend->fold_us = 0;
        return ERR_OK;
    }
    size_t count = 0;
    const struct unfolded_entry **sorted = unfolded_sorted(&backend->unfolded, &count);
    if (sorted == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    enum err_code code = fold_all(backend, sorted, count, err);
    free(sorted);
    if (code != ERR_OK) {
        news_drop(&backend->indexes.news);
        backend->fold_us = clock_monotonic_us() + RETRY_US;
        return code;
    }
    unfolded_purge(&backend->unfolded);
    news_commit(&backend->indexes.news);
    backend->era++;
    backend->fold_us = 0;
    return ERR_OK;
}

/* ---- dropping what is past its time ---- */

static enum err_code sweep_outcomes(struct store_backend *backend, int64_t now_ms, bool *more,
                                    struct err *err)
{
    struct sqlite_session *session = &backend->session;
    int64_t last = 0, days = backend->setup->config.history_days;
    size_t count = 0;
    if (days == 0)
        return ERR_OK;
    enum err_code code =
        sqlite_find_old(session, SQL_OUTCOME_OLDEST, now_ms - days * 86400000, &last, &count, err);
    if (code != ERR_OK || count == 0)
        return code;
    *more |= count == SWEEP_OUTCOMES;
    /* An outcome may go only when its device's row knows of it. */
    code = sqlite_settle(backend, err);
    return code != ERR_OK ? code
                          : sqlite_run_for(session, SQL_OUTCOME_DELETE_UP_TO, last,
                                           "dropping old outcomes", err);
}

static enum err_code find_expired(struct sqlite_session *session, int64_t now_ms,
                                  int64_t ids[static SWEEP_CREDENTIALS], size_t *count,
                                  struct err *err)
{
    sqlite3_stmt *statement = sqlite_use(session, SQL_CREDENTIALS_EXPIRED, err);
    if (statement == NULL)
        return err->code;
    bind_number(statement, 1, now_ms);
    enum err_code code = ERR_OK;
    int got;
    *count = 0;
    while ((got = sqlite3_step(statement)) == SQLITE_ROW && *count < SWEEP_CREDENTIALS)
        ids[(*count)++] = sqlite3_column_int64(statement, 0);
    if (got != SQLITE_ROW && got != SQLITE_DONE)
        code = sqlite_session_error(session, "looking for retired credentials", err);
    sqlite_done(statement);
    return code;
}

static enum err_code expire_device(struct store_backend *backend, int64_t device, int64_t now_ms,
                                   struct err *err)
{
    struct slot_set set;
    enum err_code code = sqlite_read_slots(&backend->session, device, &set, err);
    if (code == ERR_OK && slot_set_expire(&set, now_ms))
        code = sqlite_save_slots(backend, device, &set, err);
    slot_set_clear(&set);
    return code;
}

static enum err_code sweep_credentials(struct store_backend *backend, int64_t now_ms, bool *more,
                                       struct err *err)
{
    struct sqlite_session *session = &backend->session;
    int64_t ids[SWEEP_CREDENTIALS];
    size_t count = 0;
    enum err_code code = find_expired(session, now_ms, ids, &count, err);
    if (code != ERR_OK || count == 0)
        return code;
    *more |= count == SWEEP_CREDENTIALS;
    /* A row whose news put its end off would be found again and again. */
    code = sqlite_settle(backend, err);
    if (code == ERR_OK)
        code = sqlite_session_transact(session, SQL_BEGIN_WRITE, err);
    for (size_t i = 0; code == ERR_OK && i < count; i++)
        code = expire_device(backend, ids[i] / 65536, now_ms, err);
    if (code == ERR_OK)
        code = sqlite_session_transact(session, SQL_END, err);
    sqlite_session_rollback(session);
    return code;
}

static enum err_code sweep(struct store_backend *backend, uint64_t now_us, struct err *err)
{
    bool more = false;
    int64_t now_ms = atomic_load(&backend->setup->wall_ms)();
    enum err_code code = sweep_credentials(backend, now_ms, &more, err);
    if (code == ERR_OK)
        code = sweep_outcomes(backend, now_ms, &more, err);
    if (code == ERR_OK)
        code = sqlite_sweep_audit(backend, now_ms, &more, err);
    backend->sweep_us = now_us + (code != ERR_OK ? RETRY_US : more ? SWEEP_MORE_US : SWEEP_US);
    return code;
}

enum err_code sqlite_upkeep(struct store_backend *backend, uint64_t now_us, uint64_t *next_us,
                            struct err *err)
{
    enum err_code code = ERR_OK;
    bool fold_due = backend->fold_us != 0 && now_us >= backend->fold_us;
    if (fold_due || sqlite_waiting(backend) >= FOLD_ROWS)
        code = sqlite_settle(backend, err);
    if (code == ERR_OK && now_us >= backend->sweep_us)
        code = sweep(backend, now_us, err);
    *next_us = backend->sweep_us;
    if (backend->fold_us != 0 && backend->fold_us < *next_us)
        *next_us = backend->fold_us;
    return code;
}

/* ---- at open ---- */

static bool take_unfolded(struct store_backend *backend, sqlite3_stmt *row)
{
    struct outcome outcome = {
        .cause = (enum cause)sqlite3_column_int(row, 3),
        .started_wall_ms = sqlite3_column_int64(row, 4),
        .duration_ms = (uint32_t)sqlite3_column_int64(row, 5),
    };
    if (!column_state(row, 2, &outcome.state))
        return false;
    struct unfolded_sum sum = sqlite_sum_of(&outcome, (uint64_t)sqlite3_column_int64(row, 0));
    return unfolded_stage(&backend->unfolded, sqlite3_column_int64(row, 1), &sum);
}

static enum err_code load_unfolded(struct store_backend *backend, int64_t folded, struct err *err)
{
    struct sqlite_session *session = &backend->session;
    sqlite3_stmt *statement = sqlite_use(session, SQL_OUTCOME_AFTER, err);
    if (statement == NULL)
        return err->code;
    bind_number(statement, 1, folded);
    enum err_code code = ERR_OK;
    int got;
    while (code == ERR_OK && (got = sqlite3_step(statement)) != SQLITE_DONE) {
        if (got != SQLITE_ROW)
            code = sqlite_session_error(session, "reading outcomes", err);
        else if (!take_unfolded(backend, statement))
            code = sqlite_damaged(session, "an outcome's row", err);
    }
    sqlite_done(statement);
    unfolded_commit(&backend->unfolded);
    return code;
}

/* The devices that have rows in another table. */
static enum err_code load_ids(struct store_backend *backend, enum sql_id id, struct id_set *set,
                              struct err *err)
{
    struct sqlite_session *session = &backend->session;
    sqlite3_stmt *statement = sqlite_use(session, id, err);
    if (statement == NULL)
        return err->code;
    enum err_code code = ERR_OK;
    int got;
    while (code == ERR_OK && (got = sqlite3_step(statement)) != SQLITE_DONE) {
        if (got != SQLITE_ROW)
            code = sqlite_session_error(session, "reading which devices have rows", err);
        else if (!id_set_add(set, sqlite3_column_int64(statement, 0)))
            code = err_set(err, ERR_NO_MEMORY, "store: out of memory");
    }
    sqlite_done(statement);
    return code;
}

static enum err_code count_devices(struct store_backend *backend, struct err *err)
{
    struct sqlite_session *session = &backend->session;
    sqlite3_stmt *statement = sqlite_use(session, SQL_DEVICE_COUNT_ROWS, err);
    if (statement == NULL)
        return err->code;
    enum err_code code = ERR_OK;
    int got;
    size_t rows = 0;
    while (code == ERR_OK && (got = sqlite3_step(statement)) != SQLITE_DONE) {
        char class_name[CLASS_MAX + 1];
        enum device_state state;
        if (got != SQLITE_ROW)
            code = sqlite_session_error(session, "counting devices", err);
        else if (!column_text(statement, 0, class_name, sizeof class_name) ||
                 !column_state(statement, 2, &state))
            code = sqlite_damaged(session, "a device's row", err);
        else
            code = sqlite_stage_count(
                backend, class_name,
                device_shown_state(sqlite3_column_int(statement, 1) != 0, state), 1, err);
        groups_stage_devices(backend->setup->groups, sqlite3_column_int64(statement, 3), 1);
        groups_note_id(backend->setup->groups, sqlite3_column_int64(statement, 3));
        sqlite_note_identity(backend, sqlite3_column_int64(statement, 5),
                             column_bytes(statement, 4));
        if (++rows % COUNT_AT_ONCE == 0)
            counts_commit(backend->setup->counts);
    }
    sqlite_done(statement);
    counts_commit(backend->setup->counts);
    groups_commit(backend->setup->groups);
    return code;
}

enum err_code sqlite_recover(struct store_backend *backend, struct err *err)
{
    struct sqlite_session *session = &backend->session;
    int64_t folded = 0, last = 0;
    enum err_code code = get_number(session, SQL_MARK_GET, folded_mark, &folded, err);
    if (code == ERR_OK)
        code = get_number(session, SQL_OUTCOME_LAST, NULL, &last, err);
    if (code == ERR_OK)
        code = get_number(session, SQL_DEVICE_LAST_ID, NULL, &backend->last_device, err);
    /* The last outcomes may have been removed with their device; the mark must not come again. */
    backend->last_outcome = (uint64_t)(last > folded ? last : folded);
    backend->committed_outcome = backend->last_outcome;
    if (code == ERR_OK)
        code = load_ids(backend, SQL_STATUS_IDS, &backend->indexes.with_status, err);
    if (code == ERR_OK)
        code = load_ids(backend, SQL_CREDENTIAL_DEVICES, &backend->indexes.with_credentials, err);
    if (code == ERR_OK)
        code = load_unfolded(backend, folded, err);
    if (code == ERR_OK)
        code = sqlite_load_news(backend, err);
    if (code == ERR_OK)
        code = sqlite_settle(backend, err);
    return code == ERR_OK ? count_devices(backend, err) : code;
}

enum err_code sqlite_probe(struct store_backend *backend, struct err *err)
{
    return set_mark(&backend->session, "probe", atomic_load(&backend->setup->wall_ms)(), err);
}
