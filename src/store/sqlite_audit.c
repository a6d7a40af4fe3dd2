/* The audit: appended with the change it tells of, hashed together with the record before. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_priv.h"
#include "usher/buf.h"

#include <inttypes.h>
#include <stdio.h>

enum { SWEEP_RECORDS = 1000 }; /* LIMIT of SQL_AUDIT_OLDEST */

/* ---- writing ---- */

enum err_code sqlite_load_audit(struct store_backend *backend, struct err *err)
{
    sqlite3_stmt *statement = sqlite_use(&backend->session, SQL_AUDIT_LAST, err);
    if (statement == NULL)
        return err->code;
    enum err_code code = ERR_OK;
    int got = sqlite3_step(statement);
    struct bytes hash = got == SQLITE_ROW ? column_bytes(statement, 1) : bytes_of(NULL, 0);
    if (got != SQLITE_ROW && got != SQLITE_DONE)
        code = sqlite_session_error(&backend->session, "reading the audit", err);
    else if (got == SQLITE_ROW && hash.len != DIGEST_SIZE)
        code = sqlite_damaged(&backend->session, "a record of the audit", err);
    if (code == ERR_OK && got == SQLITE_ROW) {
        backend->audit.seq = (uint64_t)sqlite3_column_int64(statement, 0);
        memcpy(backend->audit.hash, hash.data, DIGEST_SIZE);
    }
    backend->committed_audit = backend->audit;
    sqlite_done(statement);
    return code;
}

static enum err_code append(struct store_backend *backend, struct chain_record *record,
                            struct err *err)
{
    struct audit_head *head = &backend->audit;
    record->seq = ++head->seq;
    record->time_ms = atomic_load(&backend->setup->wall_ms)();
    chain_next(head->hash, record);
    sqlite3_stmt *statement = sqlite_use(&backend->session, SQL_AUDIT_INSERT, err);
    if (statement == NULL)
        return err->code;
    bind_number(statement, 1, (int64_t)record->seq);
    bind_number(statement, 2, record->time_ms);
    bind_text(statement, 3, record->actor);
    bind_text(statement, 4, record->station);
    bind_text(statement, 5, record->source);
    bind_text(statement, 6, record->action);
    bind_text(statement, 7, record->subject);
    bind_text(statement, 8, record->detail);
    bind_bytes(statement, 9, bytes_of(head->hash, DIGEST_SIZE));
    return sqlite_finish(&backend->session, statement, "appending to the audit", err);
}

enum err_code sqlite_note(struct store_backend *backend, const struct store_actor *actor,
                          const char *action, const char *subject, const char *detail,
                          struct err *err)
{
    static const struct store_actor server = {.name = "usherd"};
    if (actor == NULL || actor->name[0] == '\0')
        actor = &server;
    struct chain_record record = {.actor = actor->name,
                                  .station = actor->station,
                                  .source = actor->source,
                                  .action = action,
                                  .subject = subject,
                                  .detail = detail};
    return append(backend, &record, err);
}

/* ---- what a request has changed ---- */

static enum err_code note_outcome(struct store_backend *backend, const struct outcome *outcome,
                                  struct err *err)
{
    char detail[128];
    bool failed = outcome->cause != CAUSE_NONE;
    struct buf out;
    buf_init_fixed(&out, detail, sizeof detail);
    buf_put_text(&out, device_state_name(outcome->state));
    buf_put_text(&out, failed ? ": " : "");
    buf_put_text(&out, failed ? cause_name(outcome->cause) : "");
    buf_put_text(&out, outcome->class_name[0] != '\0' ? ", class " : "");
    buf_put_text(&out, outcome->class_name);
    buf_put_u8(&out, '\0');
    if (out.failed)
        return err_set(err, ERR_INTERNAL, "store: an outcome is too long for the audit");
    struct chain_record record = {.actor = "device",
                                  .station = "",
                                  .source = outcome->source,
                                  .action = "bootstrap",
                                  .subject = outcome->endpoint,
                                  .detail = detail};
    return append(backend, &record, err);
}

static enum err_code note_enrolment(struct store_backend *backend, const struct request *request,
                                    struct err *err)
{
    char detail[96] = "";
    const char *class_name = request->given->enrollment.class_name;
    if (class_name[0] != '\0')
        snprintf(detail, sizeof detail, "class %s", class_name);
    return sqlite_note(backend, request->actor,
                       request->change == STORE_CREATED ? "device.enrolled" : "device.changed",
                       request->endpoint, detail, err);
}

static enum err_code note_place(struct store_backend *backend, const struct request *request,
                                struct err *err)
{
    char detail[32 + PLACE_NAME_MAX];
    snprintf(detail, sizeof detail, "server %u at %s", request->place->ssid, request->place->name);
    return sqlite_note(backend, request->actor, "device.picked", request->endpoint, detail, err);
}

/* A chunk of an import: how many rows of what, and a hash over each row's endpoint and verdict. */
static enum err_code note_chunk(struct store_backend *backend, const struct request *request,
                                struct err *err)
{
    const struct store_bulk *bulk = request->bulk;
    char detail[192], hex[BYTES_HEX_SIZE(DIGEST_SIZE)];
    unsigned verdicts[STORE_ROW_VERDICTS] = {0};
    uint8_t hash[DIGEST_SIZE];
    struct digest digest;
    if (bulk->dry_run || bulk->count == 0)
        return ERR_OK;
    digest_begin(&digest);
    for (size_t i = 0; i < bulk->count; i++) {
        const struct store_bulk_row *row = &bulk->rows[i];
        struct bytes endpoint = store_row_endpoint(row->packed);
        uint8_t head[3] = {(uint8_t)endpoint.len, (uint8_t)row->verdict, (uint8_t)row->changes};
        digest_add(&digest, head, sizeof head);
        digest_add(&digest, endpoint.data, endpoint.len);
        verdicts[row->verdict]++;
    }
    digest_end(&digest, hash);
    if (verdicts[STORE_ROW_CREATED] + verdicts[STORE_ROW_CHANGED] == 0)
        return ERR_OK;
    bytes_to_hex(bytes_of(hash, sizeof hash), hex);
    snprintf(detail, sizeof detail,
             "%zu rows: %u created, %u changed, %u unchanged, %u skipped, %u failed; sha256:%s",
             bulk->count, verdicts[STORE_ROW_CREATED], verdicts[STORE_ROW_CHANGED],
             verdicts[STORE_ROW_UNCHANGED], verdicts[STORE_ROW_SKIPPED], verdicts[STORE_ROW_FAILED],
             hex);
    return sqlite_note(backend, request->actor, "import.chunk", bulk->id, detail, err);
}

enum err_code sqlite_note_request(struct store_backend *backend, const struct request *request,
                                  struct err *err)
{
    bool changed = request->change != STORE_UNCHANGED;
    switch (request->kind) {
    case REQUEST_RECORD:
        return note_outcome(backend, request->outcome, err);
    case REQUEST_ENROLL:
        return changed ? note_enrolment(backend, request, err) : ERR_OK;
    case REQUEST_SET_BLOCKED:
        return changed ? sqlite_note(backend, request->actor,
                                     request->flag ? "device.blocked" : "device.unblocked",
                                     request->endpoint, "", err)
                       : ERR_OK;
    case REQUEST_REMOVE:
        return sqlite_note(backend, request->actor, "device.removed", request->endpoint, "", err);
    case REQUEST_BULK:
        return note_chunk(backend, request, err);
    case REQUEST_PLACE:
        return changed ? note_place(backend, request, err) : ERR_OK;
    case REQUEST_NOTE:
        return sqlite_note(backend, request->actor, request->note->action, request->note->subject,
                           request->note->detail, err);
    case REQUEST_REKEY:
        return request->rekey->done
                   ? sqlite_note(backend, request->actor, "store.rekeyed", "", "", err)
                   : ERR_OK;
    default:
        return ERR_OK;
    }
}

/* ---- reading ---- */

static bool show_record(sqlite3_stmt *row,
                        bool (*each)(void *context, const struct chain_record *record,
                                     const uint8_t hash[static DIGEST_SIZE]),
                        void *context, bool *more)
{
    const char *texts[6];
    struct bytes hash = column_bytes(row, 8);
    for (int i = 0; i < 6; i++)
        texts[i] = (const char *)sqlite3_column_text(row, 2 + i);
    for (int i = 0; i < 6; i++) {
        if (texts[i] == NULL)
            return false;
    }
    if (hash.len != DIGEST_SIZE)
        return false;
    const struct chain_record record = {
        .seq = (uint64_t)sqlite3_column_int64(row, 0),
        .time_ms = sqlite3_column_int64(row, 1),
        .actor = texts[0],
        .station = texts[1],
        .source = texts[2],
        .action = texts[3],
        .subject = texts[4],
        .detail = texts[5],
    };
    *more = each(context, &record, hash.data);
    return true;
}

/* The first record behind `after`: false when there is none. */
static enum err_code look_behind(struct sqlite_session *session, uint64_t after, bool *found,
                                 int64_t *time_ms, struct err *err)
{
    sqlite3_stmt *statement = sqlite_use(session, SQL_AUDIT_TIME, err);
    if (statement == NULL)
        return err->code;
    bind_number(statement, 1, (int64_t)after);
    int got = sqlite3_step(statement);
    *found = got == SQLITE_ROW;
    if (*found)
        *time_ms = sqlite3_column_int64(statement, 1);
    enum err_code code = got == SQLITE_ROW || got == SQLITE_DONE
                             ? ERR_OK
                             : sqlite_session_error(session, "reading the audit", err);
    sqlite_done(statement);
    return code;
}

/* Moves `after` up to the last record that is older: numbers and times go up together, so that the
 * place is found by halving. */
static enum err_code skip_older(struct sqlite_session *session, int64_t since, uint64_t *after,
                                struct err *err)
{
    uint64_t low = *after, step = UINT64_C(1) << 40;
    for (; step > 0; step /= 2) {
        bool found = false;
        int64_t time_ms = 0;
        enum err_code code = look_behind(session, low + step - 1, &found, &time_ms, err);
        if (code != ERR_OK)
            return code;
        if (found && time_ms < since)
            low += step;
    }
    *after = low;
    return ERR_OK;
}

enum err_code sqlite_audit(struct store_reader *reader, uint64_t after, int64_t since_wall_ms,
                           size_t limit,
                           bool (*each)(void *context, const struct chain_record *record,
                                        const uint8_t hash[static DIGEST_SIZE]),
                           void *context, struct err *err)
{
    struct sqlite_session *session = &reader->session;
    enum err_code code =
        since_wall_ms > 0 ? skip_older(session, since_wall_ms, &after, err) : ERR_OK;
    if (code != ERR_OK)
        return code;
    sqlite3_stmt *statement = sqlite_use(session, SQL_AUDIT_AFTER, err);
    if (statement == NULL)
        return err->code;
    bind_number(statement, 1, (int64_t)after);
    bind_number(statement, 2, (int64_t)limit);
    bool more = true;
    int got;
    while (code == ERR_OK && more && (got = sqlite3_step(statement)) != SQLITE_DONE) {
        if (got != SQLITE_ROW)
            code = sqlite_session_error(session, "reading the audit", err);
        else if (!show_record(statement, each, context, &more))
            code = sqlite_damaged(session, "a record of the audit", err);
    }
    sqlite_done(statement);
    return code;
}

/* ---- what is past its time ---- */

/* The last record that goes leaves its hash: from there the chain goes on. */
static enum err_code expire(struct store_backend *backend, int64_t last, struct err *err)
{
    struct sqlite_session *session = &backend->session;
    char detail[64];
    snprintf(detail, sizeof detail, "records up to %" PRId64 " are past their time", last);
    sqlite3_stmt *statement = sqlite_use(session, SQL_AUDIT_EXPIRE, err);
    if (statement == NULL)
        return err->code;
    bind_text(statement, 1, CHAIN_EXPIRED);
    bind_text(statement, 2, detail);
    bind_number(statement, 3, last);
    enum err_code code = sqlite_finish(session, statement, "dropping old records", err);
    return code != ERR_OK
               ? code
               : sqlite_run_for(session, SQL_AUDIT_DELETE_UP_TO, last, "dropping old records", err);
}

enum err_code sqlite_sweep_audit(struct store_backend *backend, int64_t now_ms, bool *more,
                                 struct err *err)
{
    struct sqlite_session *session = &backend->session;
    int64_t last = 0, days = backend->setup->config.audit_days;
    size_t count = 0;
    if (days == 0)
        return ERR_OK;
    enum err_code code =
        sqlite_find_old(session, SQL_AUDIT_OLDEST, now_ms - days * 86400000, &last, &count, err);
    if (code != ERR_OK || count < 2) /* one is what stands for those that have gone */
        return code;
    *more |= count == SWEEP_RECORDS;
    code = sqlite_session_transact(session, SQL_BEGIN_WRITE, err);
    if (code == ERR_OK)
        code = expire(backend, last, err);
    if (code == ERR_OK)
        code = sqlite_session_transact(session, SQL_END, err);
    sqlite_session_rollback(session);
    return code;
}
