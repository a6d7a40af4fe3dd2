/* Rows of SQLite to structs. What does not fit its struct is reported as damage, never cut. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "device_priv.h"
#include "pack_priv.h"
#include "sqlite_priv.h"

bool column_state(sqlite3_stmt *statement, int column, enum device_state *out)
{
    int64_t state = sqlite3_column_int64(statement, column);
    if (state < 0 || state >= STATE_COUNT)
        return false;
    *out = (enum device_state)state;
    return true;
}

bool column_identity(sqlite3_stmt *statement, int column, struct identity *out)
{
    struct bytes data = column_bytes(statement, column);
    return data.len == 0 || identity_set(out, data);
}

static bool take_device(struct sqlite_session *session, sqlite3_stmt *row, struct store_device *out,
                        struct slot_set *set)
{
    struct enrollment *enrollment = &out->enrollment;
    struct vault_place place = place_of_device(sqlite3_column_int64(row, DEVICE_ID));
    struct bytes tags = column_bytes(row, DEVICE_TAGS);
    if (!column_text(row, DEVICE_ENDPOINT, enrollment->endpoint, sizeof enrollment->endpoint) ||
        !column_text(row, DEVICE_CLASS, enrollment->class_name, sizeof enrollment->class_name) ||
        !column_identity(row, DEVICE_IDENTITY, &enrollment->identity) ||
        !column_key(session, row, DEVICE_PSK, &place, &out->bootstrap_key) ||
        !tags_from_text((const char *)tags.data, tags.len, enrollment) ||
        !sqlite_take_settled(session, row, DEVICE_SETTLED, sqlite3_column_int64(row, DEVICE_ID),
                             set))
        return false;
    enrollment->blocked = sqlite3_column_int(row, DEVICE_BLOCKED) != 0;
    enrollment->revision = (uint64_t)sqlite3_column_int64(row, DEVICE_REVISION);
    out->group_id = sqlite3_column_int64(row, DEVICE_GROUP);
    out->id = sqlite3_column_int64(row, DEVICE_ID);
    out->created_wall_ms = sqlite3_column_int64(row, DEVICE_CREATED);
    out->changed_wall_ms = sqlite3_column_int64(row, DEVICE_CHANGED);
    return true;
}

static enum err_code read_one(struct sqlite_session *session, sqlite3_stmt *statement,
                              struct store_device *out, struct slot_set *set, struct err *err)
{
    enum err_code code = ERR_OK;
    int got = sqlite3_step(statement);
    if (got == SQLITE_DONE)
        code = err_set(err, ERR_NOT_FOUND, "no such device");
    else if (got != SQLITE_ROW)
        code = sqlite_session_error(session, "reading a device", err);
    else if (!take_device(session, statement, out, set))
        code = sqlite_damaged(session, "a device's row", err);
    sqlite_done(statement);
    struct device_status status;
    if (code == ERR_OK)
        code = sqlite_read_status(session, out->id, &status, err);
    if (code != ERR_OK)
        return code;
    device_show_status(out, &status);
    return sqlite_read_more_slots(session, out->id, set, err);
}

/* ERR_NOT_FOUND: there is no hint, or it was wrong. */
static enum err_code read_hinted(struct sqlite_session *session, const struct identity *identity,
                                 struct store_device *out, struct slot_set *set, struct err *err)
{
    int64_t id = id_hints_find(&session->indexes->hints, identity_bytes(identity));
    if (id == 0)
        return ERR_NOT_FOUND;
    enum err_code code = sqlite_read_device_by_id(session, id, out, set, err);
    if (code != ERR_OK ||
        bytes_equal(identity_bytes(&out->enrollment.identity), identity_bytes(identity)))
        return code;
    store_device_clear(out);
    slot_set_clear(set);
    return ERR_NOT_FOUND;
}

enum err_code sqlite_read_device(struct sqlite_session *session, const struct identity *identity,
                                 struct bytes endpoint, struct store_device *out,
                                 struct slot_set *set, struct err *err)
{
    slot_set_init(set);
    enum err_code code =
        identity != NULL ? read_hinted(session, identity, out, set, err) : ERR_NOT_FOUND;
    if (code != ERR_NOT_FOUND)
        return code;
    enum sql_id id = identity != NULL ? SQL_DEVICE_BY_IDENTITY : SQL_DEVICE_BY_ENDPOINT;
    sqlite3_stmt *statement = sqlite_use(session, id, err);
    if (statement == NULL)
        return err->code;
    if (identity != NULL)
        bind_bytes(statement, 1, identity_bytes(identity));
    else
        sqlite3_bind_text(statement, 1, (const char *)endpoint.data, (int)endpoint.len,
                          SQLITE_STATIC);
    return read_one(session, statement, out, set, err);
}

enum err_code sqlite_read_device_by_id(struct sqlite_session *session, int64_t id,
                                       struct store_device *out, struct slot_set *set,
                                       struct err *err)
{
    slot_set_init(set);
    sqlite3_stmt *statement = sqlite_use(session, SQL_DEVICE_BY_ID, err);
    if (statement == NULL)
        return err->code;
    bind_number(statement, 1, id);
    return read_one(session, statement, out, set, err);
}

enum err_code sqlite_read_brief(struct sqlite_session *session, struct bytes endpoint,
                                struct device_brief *out, struct err *err)
{
    sqlite3_stmt *statement = sqlite_use(session, SQL_BRIEF_BY_ENDPOINT, err);
    if (statement == NULL)
        return err->code;
    sqlite3_bind_text(statement, 1, (const char *)endpoint.data, (int)endpoint.len, SQLITE_STATIC);
    enum err_code code = ERR_OK;
    int got = sqlite3_step(statement);
    if (got == SQLITE_DONE) {
        code = err_set(err, ERR_NOT_FOUND, "no such device");
    } else if (got != SQLITE_ROW) {
        code = sqlite_session_error(session, "reading a device", err);
    } else if (!column_text(statement, 1, out->class_name, sizeof out->class_name)) {
        code = sqlite_damaged(session, "a device's row", err);
    } else {
        out->id = sqlite3_column_int64(statement, 0);
        out->blocked = sqlite3_column_int(statement, 2) != 0;
        out->group = sqlite3_column_int64(statement, 3);
    }
    sqlite_done(statement);
    struct device_status status;
    if (code == ERR_OK)
        code = sqlite_read_status(session, out->id, &status, err);
    if (code != ERR_OK)
        return code;
    out->state = status.state;
    out->newest_outcome = status.newest_outcome;
    return ERR_OK;
}

static bool take_outcome(sqlite3_stmt *row, struct outcome *out)
{
    if (!column_text(row, OUTCOME_ID, out->id, sizeof out->id) ||
        !column_text(row, OUTCOME_CLASS, out->class_name, sizeof out->class_name) ||
        !column_state(row, OUTCOME_STATE, &out->state) ||
        !column_text(row, OUTCOME_DETAIL, out->detail, sizeof out->detail) ||
        !column_text(row, OUTCOME_SOURCE, out->source, sizeof out->source) ||
        !column_text(row, OUTCOME_PROFILE, out->profile_hash, sizeof out->profile_hash) ||
        !warnings_unpack(column_bytes(row, OUTCOME_WARNINGS), out) ||
        !steps_unpack(column_bytes(row, OUTCOME_STEPS), out))
        return false;
    out->cause = (enum cause)sqlite3_column_int(row, OUTCOME_CAUSE);
    out->started_wall_ms = sqlite3_column_int64(row, OUTCOME_STARTED);
    out->handshake_ms = (uint32_t)sqlite3_column_int64(row, OUTCOME_HANDSHAKE);
    out->duration_ms = (uint32_t)sqlite3_column_int64(row, OUTCOME_DURATION);
    out->bytes_sent = (uint32_t)sqlite3_column_int64(row, OUTCOME_SENT);
    out->bytes_received = (uint32_t)sqlite3_column_int64(row, OUTCOME_RECEIVED);
    out->format = sqlite3_column_int(row, OUTCOME_FORMAT);
    return true;
}

enum err_code sqlite_read_outcome(struct sqlite_session *session, uint64_t seq, struct outcome *out,
                                  uint64_t *previous, struct err *err)
{
    sqlite3_stmt *statement = sqlite_use(session, SQL_OUTCOME_GET, err);
    if (statement == NULL)
        return err->code;
    bind_number(statement, 1, (int64_t)seq);
    enum err_code code = ERR_OK;
    int got = sqlite3_step(statement);
    if (got == SQLITE_DONE)
        code = err_set(err, ERR_NOT_FOUND, "no such outcome");
    else if (got != SQLITE_ROW)
        code = sqlite_session_error(session, "reading an outcome", err);
    else if (!take_outcome(statement, out))
        code = sqlite_damaged(session, "an outcome's row", err);
    else
        *previous = (uint64_t)sqlite3_column_int64(statement, OUTCOME_PREVIOUS);
    sqlite_done(statement);
    return code;
}

enum err_code sqlite_read_previous(struct sqlite_session *session, uint64_t seq, bool *found,
                                   uint64_t *previous, char id[static 33], struct err *err)
{
    sqlite3_stmt *statement = sqlite_use(session, SQL_OUTCOME_PREVIOUS, err);
    if (statement == NULL)
        return err->code;
    bind_number(statement, 1, (int64_t)seq);
    enum err_code code = ERR_OK;
    int got = sqlite3_step(statement);
    *found = got == SQLITE_ROW;
    if (got != SQLITE_ROW && got != SQLITE_DONE)
        code = sqlite_session_error(session, "reading an outcome", err);
    else if (*found && !column_text(statement, 1, id, 33))
        code = sqlite_damaged(session, "an outcome's row", err);
    else if (*found)
        *previous = (uint64_t)sqlite3_column_int64(statement, 0);
    sqlite_done(statement);
    return code;
}
