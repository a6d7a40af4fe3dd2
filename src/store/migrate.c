/* The schema, version by version. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "migrate_priv.h"

#include "usher/buf.h"

#include <string.h>

const struct sql_dialect sql_dialect_sqlite = {
    .id = "INTEGER", /* not BIGINT: only so is the key the row's own place */
    .bytes = "BLOB",
    .text = "TEXT",
    .clustered = " WITHOUT ROWID",
};

static const char *const version_1[] = {
    "CREATE TABLE usher_schema (version INTEGER NOT NULL PRIMARY KEY, applied_ms BIGINT NOT NULL)",

    "CREATE TABLE usher_mark (name @text NOT NULL PRIMARY KEY, value BIGINT NOT NULL)",

    /* Columns that every lookup needs come first; tags may be long. */
    "CREATE TABLE device ("
    "id @id PRIMARY KEY, endpoint @text NOT NULL, class @text NOT NULL, identity @bytes, "
    "psk @bytes, psk_sealed INTEGER NOT NULL, blocked INTEGER NOT NULL, state INTEGER NOT NULL, "
    "cause INTEGER NOT NULL, revision BIGINT NOT NULL, bootstraps BIGINT NOT NULL, "
    "newest_outcome BIGINT NOT NULL, created_ms BIGINT NOT NULL, changed_ms BIGINT NOT NULL, "
    "last_ms BIGINT NOT NULL, last_duration_ms BIGINT NOT NULL, tags @text NOT NULL)",
    "CREATE UNIQUE INDEX device_endpoint ON device (endpoint)",
    "CREATE UNIQUE INDEX device_identity ON device (identity)",
    "CREATE INDEX device_class ON device (class, endpoint)",
    /* States that few devices are in: an index of all would cost a page at every bootstrap. */
    "CREATE INDEX device_state ON device (state, endpoint) WHERE state > 4",
    "CREATE INDEX device_cause ON device (cause, endpoint) WHERE cause > 0",
    "CREATE INDEX device_blocked ON device (endpoint) WHERE blocked > 0",

    /* A row for each device and server; its columns allow one credential of each status (I2). */
    "CREATE TABLE credential ("
    "id @id PRIMARY KEY, generation BIGINT NOT NULL, changed_ms BIGINT NOT NULL, "
    "retire_at_ms BIGINT NOT NULL, "
    "pending_generation BIGINT, pending_identity @bytes, pending_psk @bytes, "
    "pending_sealed INTEGER, "
    "active_generation BIGINT, active_identity @bytes, active_psk @bytes, active_sealed INTEGER, "
    "retiring_generation BIGINT, retiring_identity @bytes, retiring_psk @bytes, "
    "retiring_sealed INTEGER)",
    "CREATE INDEX credential_retire ON credential (retire_at_ms) WHERE retire_at_ms > 0",

    /* Append-only. `previous` is the device's outcome before this one: history needs no index. */
    "CREATE TABLE outcome ("
    "seq @id PRIMARY KEY, previous BIGINT NOT NULL, id @text NOT NULL, device BIGINT NOT NULL, "
    "class @text NOT NULL, state INTEGER NOT NULL, cause INTEGER NOT NULL, detail @text NOT NULL, "
    "source @text NOT NULL, started_ms BIGINT NOT NULL, handshake_ms BIGINT NOT NULL, "
    "duration_ms BIGINT NOT NULL, sent BIGINT NOT NULL, received BIGINT NOT NULL, "
    "format INTEGER NOT NULL, profile @text NOT NULL, warnings @bytes, steps @bytes)",
    NULL,
};

/* Credentials other than PSKs: what they are (enum credential_kind, NULL = PSK), and the half of
 * them that is no secret. */
static const char *const version_2[] = {
    "ALTER TABLE credential ADD COLUMN pending_kind INTEGER",
    "ALTER TABLE credential ADD COLUMN pending_public @bytes",
    "ALTER TABLE credential ADD COLUMN active_kind INTEGER",
    "ALTER TABLE credential ADD COLUMN active_public @bytes",
    "ALTER TABLE credential ADD COLUMN retiring_kind INTEGER",
    "ALTER TABLE credential ADD COLUMN retiring_public @bytes",
    NULL,
};

/* `psk_sealed` and its kin, until now 0 for "not sealed", name the master key from here on. */
static const char *const version_3[] = {
    "ALTER TABLE device ADD COLUMN device_group BIGINT NOT NULL DEFAULT 0",

    /* With the endpoint in it: a list by tag reads what it shows, in order. */
    "CREATE TABLE device_tag (name @text NOT NULL, value @text NOT NULL, endpoint @text NOT NULL, "
    "PRIMARY KEY (name, value, endpoint))@clustered",

    "CREATE TABLE device_group ("
    "id @id PRIMARY KEY, name @text NOT NULL, class @text NOT NULL, pattern @text NOT NULL, "
    "scheme INTEGER NOT NULL, label @text NOT NULL, key_len INTEGER NOT NULL, "
    "primary_key @bytes, primary_sealed INTEGER NOT NULL, "
    "secondary_key @bytes, secondary_sealed INTEGER NOT NULL, "
    "not_before_ms BIGINT NOT NULL, not_after_ms BIGINT NOT NULL, device_max BIGINT NOT NULL, "
    "blocked INTEGER NOT NULL, revision BIGINT NOT NULL, created_ms BIGINT NOT NULL, "
    "changed_ms BIGINT NOT NULL, tags @text NOT NULL)",
    "CREATE UNIQUE INDEX device_group_name ON device_group (name)",

    /* A master key that has been used, and something small sealed under it. */
    "CREATE TABLE seal_key (id @id PRIMARY KEY, first_used_ms BIGINT NOT NULL, "
    "proof @bytes NOT NULL)",

    /* Append-only; `hash` covers the row and the hash before it. */
    "CREATE TABLE audit ("
    "seq @id PRIMARY KEY, time_ms BIGINT NOT NULL, actor @text NOT NULL, station @text NOT NULL, "
    "source @text NOT NULL, action @text NOT NULL, subject @text NOT NULL, detail @text NOT NULL, "
    "hash @bytes NOT NULL)",

    /* Imports; `state` is the importer's own, packed. */
    "CREATE TABLE bulk (id @text NOT NULL PRIMARY KEY, changed_ms BIGINT NOT NULL, "
    "state @bytes NOT NULL)",
    NULL,
};

/* The place that was picked for a server of several. */
static const char *const version_4[] = {
    "ALTER TABLE credential ADD COLUMN pending_place @text",
    "ALTER TABLE credential ADD COLUMN active_place @text",
    "ALTER TABLE credential ADD COLUMN retiring_place @text",
    NULL,
};

static const char *const version_5[] = {
    /* How many devices stand in each place is counted in this index. */
    "CREATE INDEX credential_place ON credential ((id % 65536), active_place) "
    "WHERE active_place IS NOT NULL",

    /* Of groups by certificate; NULL: by key. */
    "ALTER TABLE device_group ADD COLUMN authority @bytes",
    NULL,
};

/* What bootstraps change of a device stands apart from what enrolment says of it: many more of
 * these rows lie on a page. A device that never called has none. */
static const char *const version_6[] = {
    "CREATE TABLE device_status ("
    "id @id PRIMARY KEY, state INTEGER NOT NULL, cause INTEGER NOT NULL, "
    "bootstraps BIGINT NOT NULL, newest_outcome BIGINT NOT NULL, last_ms BIGINT NOT NULL, "
    "last_duration_ms BIGINT NOT NULL)",
    /* Below zero stood for none. */
    "INSERT INTO device_status (id, state, cause, bootstraps, newest_outcome, last_ms, "
    "last_duration_ms) "
    "SELECT id, state, cause, bootstraps, "
    "CASE WHEN newest_outcome > 0 THEN newest_outcome ELSE 0 END, "
    "CASE WHEN last_ms > 0 THEN last_ms ELSE 0 END, "
    "CASE WHEN last_duration_ms > 0 THEN last_duration_ms ELSE 0 END "
    "FROM device WHERE newest_outcome > 0 OR state > 0 OR bootstraps > 0 ORDER BY id",
    /* The columns stay in `device`: to drop them would write each row anew. State and cause serve
     * the partial indexes, of devices in trouble; what else is there means nothing any more. */
    NULL,
};

/* Newest states of credentials, in the order in which sessions made them; `id` is that of the row
 * in `credential` that each shall replace, and the columns are that table's. */
static const char *const version_7[] = {
    "CREATE TABLE credential_news ("
    "seq @id PRIMARY KEY, id BIGINT NOT NULL, generation BIGINT NOT NULL, "
    "changed_ms BIGINT NOT NULL, retire_at_ms BIGINT NOT NULL, "
    "pending_generation BIGINT, pending_identity @bytes, pending_psk @bytes, "
    "pending_sealed INTEGER, pending_kind INTEGER, pending_public @bytes, pending_place @text, "
    "active_generation BIGINT, active_identity @bytes, active_psk @bytes, active_sealed INTEGER, "
    "active_kind INTEGER, active_public @bytes, active_place @text, "
    "retiring_generation BIGINT, retiring_identity @bytes, retiring_psk @bytes, "
    "retiring_sealed INTEGER, retiring_kind INTEGER, retiring_public @bytes, "
    "retiring_place @text)",
    NULL,
};

/* Credentials that are settled, in the row of their device. */
static const char *const version_8[] = {
    "ALTER TABLE device ADD COLUMN settled @bytes",
    "ALTER TABLE device ADD COLUMN settled_sealed INTEGER NOT NULL DEFAULT 0",
    NULL,
};

static const char *const *const steps[SCHEMA_VERSION + 1] = {
    [1] = version_1, [2] = version_2, [3] = version_3, [4] = version_4,
    [5] = version_5, [6] = version_6, [7] = version_7, [8] = version_8,
};

const char *const *migrate_step(int version)
{
    return version >= 1 && version <= SCHEMA_VERSION ? steps[version] : NULL;
}

/* The dialect's word for what stands at `at`, and how long that is. */
static const char *word_at(const char *at, const struct sql_dialect *dialect, size_t *len)
{
    const struct {
        const char *name, *word;
    } words[] = {{"@id", dialect->id},
                 {"@bytes", dialect->bytes},
                 {"@text", dialect->text},
                 {"@clustered", dialect->clustered}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        *len = strlen(words[i].name);
        if (strncmp(at, words[i].name, *len) == 0)
            return words[i].word;
    }
    *len = 1;
    return NULL;
}

char *migrate_statement(const char *statement, const struct sql_dialect *dialect)
{
    struct buf out;
    buf_init(&out, 65536);
    while (*statement != '\0') {
        size_t len;
        const char *word = word_at(statement, dialect, &len);
        if (word != NULL)
            buf_put_text(&out, word);
        else
            buf_put(&out, statement, len);
        statement += len;
    }
    const char *text = buf_text(&out);
    char *copy = text != NULL ? strdup(text) : NULL;
    buf_clear(&out);
    return copy;
}
