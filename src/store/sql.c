/* The statements, in the subset of SQL that SQLite and PostgreSQL share. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sql_priv.h"

#define DEVICE_COLUMNS                                                                             \
    "id, endpoint, class, identity, psk, psk_sealed, blocked, revision, created_ms, changed_ms, "  \
    "tags, device_group"

#define DEVICE_WHOLE DEVICE_COLUMNS ", settled, settled_sealed"

#define CREDENTIAL_COLUMNS                                                                         \
    "id, generation, changed_ms, retire_at_ms, "                                                   \
    "pending_generation, pending_identity, pending_psk, pending_sealed, "                          \
    "pending_kind, pending_public, pending_place, "                                                \
    "active_generation, active_identity, active_psk, active_sealed, "                              \
    "active_kind, active_public, active_place, "                                                   \
    "retiring_generation, retiring_identity, retiring_psk, retiring_sealed, "                      \
    "retiring_kind, retiring_public, retiring_place"

/* All but the id, of a row that is there. */
#define CREDENTIAL_NEWER                                                                           \
    "generation = excluded.generation, "                                                           \
    "changed_ms = excluded.changed_ms, retire_at_ms = excluded.retire_at_ms, "                     \
    "pending_generation = excluded.pending_generation, "                                           \
    "pending_identity = excluded.pending_identity, pending_psk = excluded.pending_psk, "           \
    "pending_sealed = excluded.pending_sealed, "                                                   \
    "pending_kind = excluded.pending_kind, pending_public = excluded.pending_public, "             \
    "pending_place = excluded.pending_place, "                                                     \
    "active_generation = excluded.active_generation, "                                             \
    "active_identity = excluded.active_identity, active_psk = excluded.active_psk, "               \
    "active_sealed = excluded.active_sealed, "                                                     \
    "active_kind = excluded.active_kind, active_public = excluded.active_public, "                 \
    "active_place = excluded.active_place, "                                                       \
    "retiring_generation = excluded.retiring_generation, "                                         \
    "retiring_identity = excluded.retiring_identity, retiring_psk = excluded.retiring_psk, "       \
    "retiring_sealed = excluded.retiring_sealed, "                                                 \
    "retiring_kind = excluded.retiring_kind, retiring_public = excluded.retiring_public, "         \
    "retiring_place = excluded.retiring_place"

#define OUTCOME_COLUMNS                                                                            \
    "previous, id, device, class, state, cause, detail, source, started_ms, handshake_ms, "        \
    "duration_ms, sent, received, format, profile, warnings, steps"

#define GROUP_COLUMNS                                                                              \
    "id, name, class, pattern, scheme, label, key_len, primary_key, primary_sealed, "              \
    "secondary_key, secondary_sealed, not_before_ms, not_after_ms, device_max, blocked, "          \
    "revision, created_ms, changed_ms, tags, authority"

static const char *const texts[SQL_COUNT] = {
    [SQL_BEGIN_READ] = "BEGIN",
    [SQL_END] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    /* SQLite's own word: takes the write lock now rather than at the first change. */
    [SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [SQL_DEVICE_BY_IDENTITY] = "SELECT " DEVICE_WHOLE " FROM device WHERE identity = $1",
    [SQL_DEVICE_BY_ID] = "SELECT " DEVICE_WHOLE " FROM device WHERE id = $1",
    [SQL_DEVICE_BY_ENDPOINT] = "SELECT " DEVICE_WHOLE " FROM device WHERE endpoint = $1",
    [SQL_SETTLED_OF_DEVICE] = "SELECT settled, settled_sealed FROM device WHERE id = $1",
    /* A credential's id is its device's times 65536 plus the server's. */
    [SQL_CREDENTIALS_OF_DEVICE] =
        "SELECT " CREDENTIAL_COLUMNS " FROM credential WHERE id >= $1 AND id < $2 ORDER BY id",
    [SQL_BRIEF_BY_ENDPOINT] =
        "SELECT id, class, blocked, device_group FROM device WHERE endpoint = $1",
    [SQL_STATUS_GET] = "SELECT state, cause, bootstraps, newest_outcome, last_ms, last_duration_ms "
                       "FROM device_status WHERE id = $1",
    [SQL_OUTCOME_PREVIOUS] = "SELECT previous, id FROM outcome WHERE seq = $1",
    [SQL_OUTCOME_GET] = "SELECT " OUTCOME_COLUMNS " FROM outcome WHERE seq = $1",

    [SQL_ENDPOINT_OF_IDENTITY] = "SELECT id, endpoint FROM device WHERE identity = $1",
    [SQL_DEVICE_INSERT] = "INSERT INTO device (" DEVICE_COLUMNS ", state, cause, bootstraps, "
                          "newest_outcome, last_ms, last_duration_ms) VALUES "
                          "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, 0, 0, 0, 0, 0)",
    [SQL_DEVICE_UPDATE] = "UPDATE device SET class = $1, identity = $2, psk = $3, psk_sealed = $4, "
                          "revision = revision + 1, changed_ms = $5, tags = $6, device_group = $7 "
                          "WHERE id = $8",
    [SQL_DEVICE_BLOCK] = "UPDATE device SET blocked = $1, revision = revision + 1, "
                         "changed_ms = $2 WHERE id = $3",
    [SQL_DEVICE_TROUBLE] = "UPDATE device SET state = $1, cause = $2 WHERE id = $3",
    [SQL_DEVICE_SETTLE] = "UPDATE device SET settled = $1, settled_sealed = $2 WHERE id = $3",
    [SQL_DEVICE_DELETE] = "DELETE FROM device WHERE id = $1",
    [SQL_STATUS_INSERT] =
        "INSERT INTO device_status (state, cause, bootstraps, newest_outcome, last_ms, "
        "last_duration_ms, id) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    [SQL_STATUS_UPDATE] = "UPDATE device_status SET state = $1, cause = $2, bootstraps = $3, "
                          "newest_outcome = $4, last_ms = $5, last_duration_ms = $6 WHERE id = $7",
    [SQL_STATUS_DELETE] = "DELETE FROM device_status WHERE id = $1",
    [SQL_STATUS_IDS] = "SELECT id FROM device_status",
    /* No id comes again while anything of its last device is left. */
    [SQL_DEVICE_LAST_ID] = "SELECT COALESCE(MAX(id), 0) FROM (SELECT MAX(id) AS id FROM device "
                           "UNION ALL SELECT MAX(id) AS id FROM device_status) AS ids",
    [SQL_DEVICE_COUNT_ROWS] =
        "SELECT d.class, d.blocked, s.state, d.device_group, d.identity, d.id "
        "FROM device AS d "
        "LEFT JOIN device_status AS s ON s.id = d.id",
    [SQL_CREDENTIAL_SAVE] =
        "INSERT INTO credential (" CREDENTIAL_COLUMNS ") VALUES "
        "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, "
        "$20, $21, $22, $23, $24, $25) "
        "ON CONFLICT (id) DO UPDATE SET " CREDENTIAL_NEWER,
    [SQL_NEWS_SAVE] =
        "INSERT INTO credential_news (" CREDENTIAL_COLUMNS ", seq) VALUES "
        "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, "
        "$20, $21, $22, $23, $24, $25, $26) "
        "ON CONFLICT (seq) DO UPDATE SET " CREDENTIAL_NEWER,
    [SQL_NEWS_GET] = "SELECT " CREDENTIAL_COLUMNS " FROM credential_news WHERE seq = $1",
    [SQL_NEWS_DELETE] = "DELETE FROM credential_news WHERE seq = $1",
    [SQL_NEWS_IDS] = "SELECT seq, id FROM credential_news",
    [SQL_NEWS_FLUSH] = "INSERT INTO credential (" CREDENTIAL_COLUMNS ") SELECT " CREDENTIAL_COLUMNS
                       " FROM credential_news WHERE seq = $1 "
                       "ON CONFLICT (id) DO UPDATE SET " CREDENTIAL_NEWER,
    [SQL_NEWS_CLEAR] = "DELETE FROM credential_news",
    [SQL_CREDENTIAL_DEVICES] = "SELECT id / 65536 FROM credential",
    [SQL_CREDENTIAL_DELETE] = "DELETE FROM credential WHERE id = $1",
    [SQL_CREDENTIALS_DELETE] = "DELETE FROM credential WHERE id >= $1 AND id < $2",
    /* The condition is that of the partial index, word for word. */
    [SQL_CREDENTIALS_EXPIRED] = "SELECT id FROM credential WHERE retire_at_ms > 0 AND "
                                "retire_at_ms <= $1 ORDER BY retire_at_ms LIMIT 64",
    [SQL_OUTCOME_INSERT] = "INSERT INTO outcome (seq, " OUTCOME_COLUMNS ") VALUES "
                           "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, "
                           "$16, $17, $18)",
    [SQL_OUTCOME_DELETE] = "DELETE FROM outcome WHERE seq = $1",
    [SQL_OUTCOME_LAST] = "SELECT COALESCE(MAX(seq), 0) FROM outcome",
    [SQL_OUTCOME_OLDEST] = "SELECT seq, started_ms FROM outcome ORDER BY seq LIMIT 1000",
    [SQL_OUTCOME_DELETE_UP_TO] = "DELETE FROM outcome WHERE seq <= $1",
    [SQL_OUTCOME_AFTER] = "SELECT seq, device, state, cause, started_ms, duration_ms FROM outcome "
                          "WHERE seq > $1 ORDER BY seq",
    [SQL_MARK_GET] = "SELECT value FROM usher_mark WHERE name = $1",
    [SQL_MARK_SET] = "INSERT INTO usher_mark (name, value) VALUES ($1, $2) "
                     "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    [SQL_TAG_INSERT] = "INSERT INTO device_tag (name, value, endpoint) VALUES ($1, $2, $3) "
                       "ON CONFLICT (name, value, endpoint) DO NOTHING",
    [SQL_TAG_DELETE] = "DELETE FROM device_tag WHERE name = $1 AND value = $2 AND endpoint = $3",
    [SQL_SEAL_KEYS] = "SELECT id, proof FROM seal_key",
    [SQL_SEAL_KEY_INSERT] = "INSERT INTO seal_key (id, first_used_ms, proof) VALUES ($1, $2, $3)",
    [SQL_SEAL_KEYS_FORGET] = "DELETE FROM seal_key WHERE id <> $1",
    [SQL_REKEY_DEVICES] =
        "SELECT id, psk, psk_sealed, settled, settled_sealed FROM device WHERE id > $1 AND ("
        "(psk IS NOT NULL AND psk_sealed <> $2) OR "
        "(settled IS NOT NULL AND settled_sealed <> $2)) ORDER BY id LIMIT 512",
    [SQL_REKEY_DEVICE] = "UPDATE device SET psk = $1, psk_sealed = $2, settled = $3, "
                         "settled_sealed = $4 WHERE id = $5",
    [SQL_REKEY_CREDENTIALS] =
        "SELECT id, pending_psk, pending_sealed, active_psk, active_sealed, retiring_psk, "
        "retiring_sealed FROM credential WHERE id > $1 AND ("
        "(pending_psk IS NOT NULL AND pending_sealed <> $2) OR "
        "(active_psk IS NOT NULL AND active_sealed <> $2) OR "
        "(retiring_psk IS NOT NULL AND retiring_sealed <> $2)) ORDER BY id LIMIT 512",
    [SQL_REKEY_CREDENTIAL] = "UPDATE credential SET pending_psk = $1, pending_sealed = $2, "
                             "active_psk = $3, active_sealed = $4, retiring_psk = $5, "
                             "retiring_sealed = $6 WHERE id = $7",
    [SQL_REKEY_GROUPS] =
        "SELECT id, primary_key, primary_sealed, secondary_key, secondary_sealed "
        "FROM device_group WHERE id > $1 AND ("
        "(primary_key IS NOT NULL AND primary_sealed <> $2) OR "
        "(secondary_key IS NOT NULL AND secondary_sealed <> $2)) ORDER BY id LIMIT 512",
    [SQL_REKEY_GROUP] = "UPDATE device_group SET primary_key = $1, primary_sealed = $2, "
                        "secondary_key = $3, secondary_sealed = $4 WHERE id = $5",
    [SQL_AUDIT_LAST] = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1",
    [SQL_AUDIT_INSERT] =
        "INSERT INTO audit (seq, time_ms, actor, station, source, action, subject, "
        "detail, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    [SQL_AUDIT_AFTER] =
        "SELECT seq, time_ms, actor, station, source, action, subject, detail, hash "
        "FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2",
    [SQL_AUDIT_TIME] = "SELECT seq, time_ms FROM audit WHERE seq > $1 ORDER BY seq LIMIT 1",
    [SQL_AUDIT_OLDEST] = "SELECT seq, time_ms FROM audit ORDER BY seq LIMIT 1000",
    [SQL_AUDIT_DELETE_UP_TO] = "DELETE FROM audit WHERE seq < $1",
    [SQL_AUDIT_EXPIRE] = "UPDATE audit SET actor = '', station = '', source = '', action = $1, "
                         "subject = '', detail = $2 WHERE seq = $3",
    [SQL_GROUPS] = "SELECT " GROUP_COLUMNS " FROM device_group ORDER BY id",
    [SQL_GROUP_SAVE] =
        "INSERT INTO device_group (" GROUP_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, "
        "$10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) ON CONFLICT (id) DO UPDATE SET "
        "class = excluded.class, pattern = excluded.pattern, scheme = excluded.scheme, "
        "label = excluded.label, key_len = excluded.key_len, primary_key = excluded.primary_key, "
        "primary_sealed = excluded.primary_sealed, secondary_key = excluded.secondary_key, "
        "secondary_sealed = excluded.secondary_sealed, not_before_ms = excluded.not_before_ms, "
        "not_after_ms = excluded.not_after_ms, device_max = excluded.device_max, "
        "blocked = excluded.blocked, revision = excluded.revision, "
        "changed_ms = excluded.changed_ms, tags = excluded.tags, authority = excluded.authority",
    [SQL_GROUP_DELETE] = "DELETE FROM device_group WHERE id = $1",
    [SQL_BULK_SAVE] = "INSERT INTO bulk (id, changed_ms, state) VALUES ($1, $2, $3) ON CONFLICT "
                      "(id) DO UPDATE SET changed_ms = excluded.changed_ms, state = excluded.state",
    [SQL_BULK_DELETE] = "DELETE FROM bulk WHERE id = $1",
    [SQL_BULK_ALL] = "SELECT id, state FROM bulk ORDER BY id",
    /* One step of an index instead of all its rows. */
    /* The index's own expression: only then is it read in order. */
    [SQL_PLACE_COUNTS] = "SELECT (id % 65536), active_place, COUNT(*) FROM credential "
                         "WHERE active_place IS NOT NULL GROUP BY (id % 65536), active_place "
                         "ORDER BY (id % 65536), active_place",
    [SQL_TAG_NEXT_NAME] = "SELECT MIN(name) FROM device_tag WHERE name > $1",
    [SQL_TAGS_OF] = "SELECT tags FROM device WHERE endpoint = $1",
    [SQL_TAGS_AFTER] = "SELECT id, endpoint, tags FROM device WHERE id > $1 AND tags <> '' "
                       "ORDER BY id LIMIT 512",
};

const char *sql_text(enum sql_id id)
{
    return texts[id];
}
