/* Keys in their columns: sealed where there is a master key, each bound to its row and column. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_priv.h"

#include <inttypes.h>

enum { PROOF_SIZE = 16 };

/* ---- columns ---- */

struct vault_place place_of_device(int64_t id)
{
    return (struct vault_place){.table = SEALED_DEVICE, .column = 1, .row = (uint64_t)id};
}

struct vault_place place_of_settled(int64_t device)
{
    return (struct vault_place){.table = SEALED_DEVICE, .column = 2, .row = (uint64_t)device};
}

struct vault_place place_of_slot(int64_t credential, int status)
{
    return (struct vault_place){
        .table = SEALED_CREDENTIAL, .column = (uint8_t)(status + 1), .row = (uint64_t)credential};
}

bool column_key(struct sqlite_session *session, sqlite3_stmt *statement, int column,
                const struct vault_place *place, struct secret *out)
{
    struct bytes sealed = column_bytes(statement, column);
    uint32_t id = (uint32_t)sqlite3_column_int64(statement, column + 1);
    size_t most = id != 0 ? VAULT_SEALED_MAX : SECRET_MAX, len = 0;
    out->len = 0;
    if (sealed.len == 0)
        return true;
    if (sealed.len > most ||
        sealer_open(session->sealer, place, id, sealed, out->data, &len) != ERR_OK)
        return false;
    out->len = (uint16_t)len;
    return true;
}

bool bind_key(struct sqlite_session *session, sqlite3_stmt *statement, int index,
              const struct vault_place *place, const struct secret *key, struct sealed_key *memory)
{
    size_t len = 0;
    uint32_t id = 0;
    if (key->len > 0 &&
        !sealer_seal(session->sealer, place, secret_bytes(key), memory->data, &len, &id))
        return false;
    bind_bytes(statement, index, bytes_of(memory->data, len));
    bind_number(statement, index + 1, id);
    return true;
}

enum err_code sqlite_seal_failed(struct sqlite_session *session, struct err *err)
{
    return err_set(err, ERR_NO_MEMORY, "store: '%s': a key cannot be sealed (libcrypto failed)",
                   session->path);
}

/* ---- the master keys that the store knows ---- */

static enum err_code wrong_key(struct store_backend *backend, uint32_t id, struct err *err)
{
    const struct store_config *config = &backend->setup->config;
    if (config->vault == NULL)
        return err_set(err, ERR_DENIED,
                       "store: '%s' is sealed under master key %08" PRIx32 ", but none is "
                       "configured; name its file with store: { master-key: FILE }",
                       config->path, id);
    return err_set(err, ERR_DENIED,
                   "store: '%s' is sealed under master key %08" PRIx32 ", which is not in the key "
                   "file (its first key is %08" PRIx32 "); give the right file, or add the old key "
                   "below the new one and run 'usher rekey'",
                   config->path, id, vault_current(config->vault));
}

static enum err_code check_proof(struct store_backend *backend, uint32_t id, struct bytes proof,
                                 struct err *err)
{
    const struct vault_place place = {.table = SEALED_PROOF, .column = 1, .row = id};
    uint8_t plain[VAULT_SEALED_MAX];
    size_t len = 0;
    if (!vault_has(backend->setup->config.vault, id))
        return wrong_key(backend, id, err);
    if (proof.len > sizeof plain ||
        sealer_open(backend->session.sealer, &place, id, proof, plain, &len) != ERR_OK)
        return err_set(err, ERR_DENIED,
                       "store: '%s': the master key %08" PRIx32 " does not open what was sealed "
                       "under it; give the right key file",
                       backend->setup->config.path, id);
    return ERR_OK;
}

static enum err_code note_key(struct store_backend *backend, uint32_t id, struct err *err)
{
    static const uint8_t zeros[PROOF_SIZE];
    const struct vault_place place = {.table = SEALED_PROOF, .column = 1, .row = id};
    struct sealed_key proof;
    size_t len = 0;
    uint32_t sealed_under = 0;
    if (!sealer_seal(backend->session.sealer, &place, bytes_of(zeros, sizeof zeros), proof.data,
                     &len, &sealed_under))
        return sqlite_seal_failed(&backend->session, err);
    sqlite3_stmt *statement = sqlite_use(&backend->session, SQL_SEAL_KEY_INSERT, err);
    if (statement == NULL)
        return err->code;
    bind_number(statement, 1, sealed_under);
    bind_number(statement, 2, atomic_load(&backend->setup->wall_ms)());
    bind_bytes(statement, 3, bytes_of(proof.data, len));
    return sqlite_finish(&backend->session, statement, "noting a master key", err);
}

/* Checks every key that is noted; *known: the current one is among them. */
static enum err_code check_noted_keys(struct store_backend *backend, uint32_t current, bool *known,
                                      struct err *err)
{
    sqlite3_stmt *statement = sqlite_use(&backend->session, SQL_SEAL_KEYS, err);
    if (statement == NULL)
        return err->code;
    enum err_code code = ERR_OK;
    int got;
    *known = false;
    while (code == ERR_OK && (got = sqlite3_step(statement)) != SQLITE_DONE) {
        uint32_t id = (uint32_t)sqlite3_column_int64(statement, 0);
        *known |= id == current;
        code = got == SQLITE_ROW
                   ? check_proof(backend, id, column_bytes(statement, 1), err)
                   : sqlite_session_error(&backend->session, "reading master keys", err);
    }
    sqlite_done(statement);
    return code;
}

enum err_code sqlite_check_keys(struct store_backend *backend, struct err *err)
{
    uint32_t current = vault_current(backend->setup->config.vault);
    bool known = false;
    enum err_code code = check_noted_keys(backend, current, &known, err);
    if (code != ERR_OK || known || current == 0)
        return code;
    return note_key(backend, current, err);
}
