/* Credentials of devices and where they stand. Settled ones, which are those of most devices that
 * are enrolled with keys, stand in the row of their device, as one cell. Others have a row for each
 * server in `credential`, or, what a session has changed lately, in `credential_news`. A row of
 * news is the whole state of a device's credentials for one server and counts in place of the row
 * in `credential`, which counts in place of what the device's row says.
 * Sessions append news at the end of a small table instead of changing a page of their own each;
 * all of them go to `credential` in order, in one transaction, before long. Whoever else changes a
 * device's credentials writes them to the device's row if it can, or to `credential`, and takes
 * out what is older. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "settled_priv.h"
#include "sqlite_priv.h"

#include <stdlib.h>

/* ---- reading ---- */

/* Credentials of a device: ids from the first to just below the second. */
static void bind_credential_range(sqlite3_stmt *statement, int64_t device)
{
    bind_number(statement, 1, device * 65536);
    bind_number(statement, 2, (device + 1) * 65536);
}

static bool take_slot(struct sqlite_session *session, sqlite3_stmt *row, int base,
                      const struct vault_place *place, struct slot *slot)
{
    slot->generation = (uint64_t)sqlite3_column_int64(row, base + SLOT_GENERATION);
    int kind = sqlite3_column_int(row, base + SLOT_KIND);
    struct bytes public_part = column_bytes(row, base + SLOT_PUBLIC);
    if (!column_identity(row, base + SLOT_IDENTITY, &slot->identity) ||
        !column_key(session, row, base + SLOT_PSK, place, &slot->key) || kind < 0 ||
        kind >= CREDENTIAL_KIND_COUNT || public_part.len > PUBLIC_PART_MAX ||
        !column_text(row, base + SLOT_PLACE, slot->place, sizeof slot->place))
        return false;
    slot->kind = (enum credential_kind)kind;
    if (public_part.len > 0)
        slot->public_part = blob_new(public_part);
    return public_part.len == 0 || slot->public_part != NULL;
}

static bool take_slots(struct sqlite_session *session, sqlite3_stmt *row, struct slots *out)
{
    int64_t id = sqlite3_column_int64(row, CREDENTIAL_ID);
    out->ssid = out->stored_ssid = (uint16_t)(id & 0xffff);
    out->generation = (uint64_t)sqlite3_column_int64(row, CREDENTIAL_GENERATION);
    out->changed_ms = sqlite3_column_int64(row, CREDENTIAL_CHANGED);
    out->retire_at_ms = sqlite3_column_int64(row, CREDENTIAL_RETIRE_AT);
    for (int status = 0; status < SLOT_COUNT; status++) {
        struct vault_place place = place_of_slot(id, status);
        if (!take_slot(session, row, CREDENTIAL_SLOTS + status * SLOT_COLUMNS, &place,
                       &out->slot[status]))
            return false;
    }
    return true;
}

/* Takes a row into a set, unless a newer one of the server is there. */
static bool take_row(struct sqlite_session *session, sqlite3_stmt *row, struct slot_set *set)
{
    uint16_t ssid = (uint16_t)(sqlite3_column_int64(row, CREDENTIAL_ID) & 0xffff);
    struct slots *server = slot_set_find(set, ssid);
    if (server != NULL && !server->is_settled)
        return true;
    if (server != NULL)
        slots_clear(server, 1);
    else if ((server = slot_set_insert(set, ssid)) == NULL)
        return false;
    return take_slots(session, row, server);
}

static enum err_code take_rows(struct sqlite_session *session, sqlite3_stmt *statement,
                               struct slot_set *set, size_t *rows, struct err *err)
{
    enum err_code code = ERR_OK;
    int got;
    *rows = 0;
    while (code == ERR_OK && (got = sqlite3_step(statement)) != SQLITE_DONE) {
        if (got != SQLITE_ROW)
            code = sqlite_session_error(session, "reading credentials", err);
        else if (!take_row(session, statement, set))
            code = sqlite_damaged(session, "a credential's row", err);
        ++*rows;
    }
    sqlite_done(statement);
    return code;
}

static enum err_code read_stored(struct sqlite_session *session, int64_t device,
                                 struct slot_set *set, struct err *err)
{
    size_t rows;
    if (!id_set_may_have(&session->indexes->with_credentials, device))
        return ERR_OK;
    sqlite3_stmt *statement = sqlite_use(session, SQL_CREDENTIALS_OF_DEVICE, err);
    if (statement == NULL)
        return err->code;
    bind_credential_range(statement, device);
    return take_rows(session, statement, set, &rows, err);
}

/* A row that a reader does not see is gone to `credential`; or it is newer than the reader's look,
 * and so either not reported yet or cause for another look. */
static enum err_code read_news_row(struct sqlite_session *session, uint64_t number,
                                   struct slot_set *set, struct err *err)
{
    sqlite3_stmt *statement = sqlite_use(session, SQL_NEWS_GET, err);
    size_t rows;
    if (statement == NULL)
        return err->code;
    bind_number(statement, 1, (int64_t)number);
    enum err_code code = take_rows(session, statement, set, &rows, err);
    if (code != ERR_OK || rows > 0)
        return code;
    if (!session->is_reader)
        return sqlite_damaged(session, "the table of newest credentials", err);
    return ERR_OK;
}

static enum err_code read_news(struct sqlite_session *session, int64_t device, struct slot_set *set,
                               struct err *err)
{
    struct news *news = &session->indexes->news;
    struct news_row rows[ACCOUNTS_MAX];
    size_t count = session->is_reader ? news_committed(news, device, rows, ACCOUNTS_MAX)
                                      : news_staged(news, device, rows, ACCOUNTS_MAX);
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < count; i++)
        code = read_news_row(session, rows[i].number, set, err);
    return code;
}

bool sqlite_take_settled(struct sqlite_session *session, sqlite3_stmt *row, int column,
                         int64_t device, struct slot_set *set)
{
    struct secret packed;
    struct vault_place place = place_of_settled(device);
    bool taken = column_key(session, row, column, &place, &packed) &&
                 settled_unpack(secret_bytes(&packed), set);
    secret_clear(&packed);
    return taken;
}

static enum err_code read_settled(struct sqlite_session *session, int64_t device,
                                  struct slot_set *set, struct err *err)
{
    sqlite3_stmt *statement = sqlite_use(session, SQL_SETTLED_OF_DEVICE, err);
    if (statement == NULL)
        return err->code;
    bind_number(statement, 1, device);
    enum err_code code = ERR_OK;
    int got = sqlite3_step(statement);
    if (got != SQLITE_ROW && got != SQLITE_DONE)
        code = sqlite_session_error(session, "reading credentials", err);
    else if (got == SQLITE_ROW && !sqlite_take_settled(session, statement, 0, device, set))
        code = sqlite_damaged(session, "a device's row", err);
    sqlite_done(statement);
    return code;
}

enum err_code sqlite_read_more_slots(struct sqlite_session *session, int64_t device,
                                     struct slot_set *set, struct err *err)
{
    enum err_code code = read_news(session, device, set, err);
    return code == ERR_OK ? read_stored(session, device, set, err) : code;
}

enum err_code sqlite_read_slots(struct sqlite_session *session, int64_t device,
                                struct slot_set *set, struct err *err)
{
    slot_set_init(set);
    enum err_code code = read_settled(session, device, set, err);
    return code == ERR_OK ? sqlite_read_more_slots(session, device, set, err) : code;
}

enum err_code sqlite_read_slots_of(struct store_backend *backend, int64_t device,
                                   const struct store_promotion *promotions, size_t count,
                                   struct slot_set *set, struct err *err)
{
    bool is_news = true;
    for (size_t i = 0; i < count; i++)
        is_news &= news_find(&backend->indexes.news, device, promotions[i].ssid) != 0;
    if (!is_news)
        return sqlite_read_slots(&backend->session, device, set, err);
    slot_set_init(set);
    return read_news(&backend->session, device, set, err);
}

/* ---- writing ---- */

static bool bind_slot(struct sqlite_session *session, sqlite3_stmt *statement, int index,
                      const struct vault_place *place, const struct slot *slot,
                      struct sealed_key *memory)
{
    if (slot->generation == 0)
        return true; /* unbound columns are NULL */
    bind_number(statement, index + SLOT_GENERATION, (int64_t)slot->generation);
    bind_bytes(statement, index + SLOT_IDENTITY, identity_bytes(&slot->identity));
    bind_number(statement, index + SLOT_KIND, slot->kind);
    bind_bytes(statement, index + SLOT_PUBLIC, blob_bytes(slot->public_part));
    if (slot->place[0] != '\0')
        bind_text(statement, index + SLOT_PLACE, slot->place);
    return bind_key(session, statement, index + SLOT_PSK, place, &slot->key, memory);
}

/* A row of either table; the statement has what is the table's own. */
static enum err_code save_server(struct sqlite_session *session, sqlite3_stmt *statement,
                                 int64_t device, const struct slots *server, struct err *err)
{
    bind_number(statement, 1 + CREDENTIAL_ID, device * 65536 + server->ssid);
    bind_number(statement, 1 + CREDENTIAL_GENERATION, (int64_t)server->generation);
    bind_number(statement, 1 + CREDENTIAL_CHANGED, server->changed_ms);
    bind_number(statement, 1 + CREDENTIAL_RETIRE_AT, server->retire_at_ms);
    struct sealed_key memory[SLOT_COUNT];
    for (int status = 0; status < SLOT_COUNT; status++) {
        struct vault_place place = place_of_slot(device * 65536 + server->ssid, status);
        if (!bind_slot(session, statement, 1 + CREDENTIAL_SLOTS + status * SLOT_COLUMNS, &place,
                       &server->slot[status], &memory[status])) {
            sqlite_done(statement);
            return sqlite_seal_failed(session, err);
        }
    }
    return sqlite_finish(session, statement, "storing a credential", err);
}

static const char dropping[] = "dropping a credential";

/* Before the row can be seen: who asks afterwards must not miss it. */
static enum err_code note_rows(struct store_backend *backend, int64_t device, struct err *err)
{
    return id_set_add(&backend->indexes.with_credentials, device)
               ? ERR_OK
               : err_set(err, ERR_NO_MEMORY, "store: out of memory");
}

static enum err_code delete_news(struct store_backend *backend, int64_t device, uint16_t ssid,
                                 struct err *err)
{
    struct news *news = &backend->indexes.news;
    uint64_t number = news_find(news, device, ssid);
    if (number == 0)
        return ERR_OK;
    if (!news_remove(news, device, ssid))
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    return sqlite_run_for(&backend->session, SQL_NEWS_DELETE, (int64_t)number, dropping, err);
}

static enum err_code store_server(struct store_backend *backend, int64_t device,
                                  const struct slots *server, struct err *err)
{
    enum err_code code = note_rows(backend, device, err);
    if (code == ERR_OK)
        code = delete_news(backend, device, server->ssid, err);
    if (code != ERR_OK)
        return code;
    sqlite3_stmt *statement = sqlite_use(&backend->session, SQL_CREDENTIAL_SAVE, err);
    return statement == NULL ? err->code
                             : save_server(&backend->session, statement, device, server, err);
}

static enum err_code append_server(struct store_backend *backend, int64_t device,
                                   const struct slots *server, struct err *err)
{
    struct news *news = &backend->indexes.news;
    enum err_code code = note_rows(backend, device, err);
    if (code != ERR_OK)
        return code;
    uint64_t number = news_find(news, device, server->ssid);
    if (number == 0 && (number = news_add(news, device, server->ssid)) == 0)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    sqlite3_stmt *statement = sqlite_use(&backend->session, SQL_NEWS_SAVE, err);
    if (statement == NULL)
        return err->code;
    bind_number(statement, 1 + CREDENTIAL_NEWS_NUMBER, (int64_t)number);
    return save_server(&backend->session, statement, device, server, err);
}

static bool gives_way(const struct slots *server)
{
    return server->dirty && server->stored_ssid != 0 && server->stored_ssid != server->ssid;
}

static enum err_code save_dirty(struct store_backend *backend, int64_t device,
                                const struct slot_set *set,
                                enum err_code (*save)(struct store_backend *backend, int64_t device,
                                                      const struct slots *server, struct err *err),
                                struct err *err)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < set->count; i++) {
        const struct slots *server = &set->servers[i];
        if (!server->dirty)
            continue;
        if (gives_way(server)) {
            code = delete_news(backend, device, server->stored_ssid, err);
            if (code == ERR_OK)
                code = sqlite_run_for(&backend->session, SQL_CREDENTIAL_DELETE,
                                      device * 65536 + server->stored_ssid, dropping, err);
        }
        if (code == ERR_OK)
            code = save(backend, device, server, err);
    }
    return code;
}

static enum err_code write_settled(struct store_backend *backend, int64_t device,
                                   const struct secret *packed, struct err *err)
{
    struct sealed_key memory;
    struct vault_place place = place_of_settled(device);
    sqlite3_stmt *statement = sqlite_use(&backend->session, SQL_DEVICE_SETTLE, err);
    if (statement == NULL)
        return err->code;
    if (!bind_key(&backend->session, statement, 1, &place, packed, &memory)) {
        sqlite_done(statement);
        return sqlite_seal_failed(&backend->session, err);
    }
    bind_number(statement, 3, device);
    return sqlite_finish(&backend->session, statement, "storing credentials", err);
}

/* What stands in the device's own row gets rows of its own; what is dirty was stored. */
static enum err_code unsettle(struct store_backend *backend, int64_t device,
                              const struct slot_set *set, struct err *err)
{
    static const struct secret none;
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < set->count; i++) {
        const struct slots *server = &set->servers[i];
        if (server->is_settled && !server->dirty)
            code = store_server(backend, device, server, err);
    }
    return code == ERR_OK ? write_settled(backend, device, &none, err) : code;
}

enum err_code sqlite_save_slots(struct store_backend *backend, int64_t device,
                                const struct slot_set *set, struct err *err)
{
    struct secret packed;
    enum err_code code;
    if (!id_set_may_have(&backend->indexes.with_credentials, device) &&
        settled_pack(set, &packed)) {
        code = write_settled(backend, device, &packed, err);
        secret_clear(&packed);
        return code;
    }
    code = save_dirty(backend, device, set, store_server, err);
    return code == ERR_OK && set->has_settled ? unsettle(backend, device, set, err) : code;
}

enum err_code sqlite_append_slots(struct store_backend *backend, int64_t device,
                                  const struct slot_set *set, struct err *err)
{
    bool drops = false;
    for (size_t i = 0; i < set->count; i++)
        drops |= gives_way(&set->servers[i]);
    enum err_code code = save_dirty(backend, device, set, append_server, err);
    /* One that is gone from its table must not be found in the device's row again. */
    return code == ERR_OK && drops && set->has_settled ? unsettle(backend, device, set, err) : code;
}

enum err_code sqlite_delete_slots(struct store_backend *backend, int64_t device, struct err *err)
{
    struct news_row rows[ACCOUNTS_MAX];
    size_t count = news_staged(&backend->indexes.news, device, rows, ACCOUNTS_MAX);
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < count; i++)
        code = delete_news(backend, device, rows[i].ssid, err);
    sqlite3_stmt *statement = NULL;
    if (code == ERR_OK &&
        (statement = sqlite_use(&backend->session, SQL_CREDENTIALS_DELETE, err)) == NULL)
        code = err->code;
    if (code != ERR_OK)
        return code;
    bind_credential_range(statement, device);
    return sqlite_finish(&backend->session, statement, "dropping credentials", err);
}

/* ---- from the news to their own table ---- */

static enum err_code flush_row(struct store_backend *backend, const struct news_row *row,
                               struct err *err)
{
    /* The keys in it are copied as they are sealed. */
    enum err_code code = sqlite_run_for(&backend->session, SQL_NEWS_FLUSH, (int64_t)row->number,
                                        "storing a credential", err);
    if (code == ERR_OK && !news_remove(&backend->indexes.news, row->device, row->ssid))
        code = err_set(err, ERR_NO_MEMORY, "store: out of memory");
    return code;
}

enum err_code sqlite_flush_news(struct store_backend *backend, struct err *err)
{
    size_t count = 0;
    if (backend->indexes.news.rows == 0)
        return ERR_OK;
    /* In order, so that each page of the table is met once. */
    struct news_row *rows = news_sorted(&backend->indexes.news, &count);
    if (rows == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < count; i++)
        code = flush_row(backend, &rows[i], err);
    free(rows);
    sqlite3_stmt *statement = NULL;
    if (code == ERR_OK && (statement = sqlite_use(&backend->session, SQL_NEWS_CLEAR, err)) == NULL)
        code = err->code;
    return code != ERR_OK
               ? code
               : sqlite_finish(&backend->session, statement, "clearing what was stored", err);
}

enum err_code sqlite_load_news(struct store_backend *backend, struct err *err)
{
    struct sqlite_session *session = &backend->session;
    sqlite3_stmt *statement = sqlite_use(session, SQL_NEWS_IDS, err);
    if (statement == NULL)
        return err->code;
    enum err_code code = ERR_OK;
    int got;
    while (code == ERR_OK && (got = sqlite3_step(statement)) != SQLITE_DONE) {
        int64_t id = sqlite3_column_int64(statement, 1);
        struct news_row row = {.device = id / 65536,
                               .ssid = (uint16_t)(id & 0xffff),
                               .number = (uint64_t)sqlite3_column_int64(statement, 0)};
        if (got != SQLITE_ROW)
            code = sqlite_session_error(session, "reading credentials", err);
        else if (row.device <= 0 || row.number == 0)
            code = sqlite_damaged(session, "the table of newest credentials", err);
        else if (!news_load(&backend->indexes.news, &row))
            code = err_set(err, ERR_NO_MEMORY, "store: out of memory");
        else
            code = note_rows(backend, row.device, err);
    }
    sqlite_done(statement);
    news_commit(&backend->indexes.news);
    return code;
}
