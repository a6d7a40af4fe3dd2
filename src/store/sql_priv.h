/* SPDX-License-Identifier: Apache-2.0 */
/* The statements, in the subset of SQL that SQLite and PostgreSQL share. Parameters are $1, $2 ...
 * in order of their first appearance: SQLite then numbers them as PostgreSQL does. */
#ifndef USHER_STORE_SQL_PRIV_H
#define USHER_STORE_SQL_PRIV_H

enum sql_id {
    /* readers and writer */
    SQL_BEGIN_READ,
    SQL_END,
    SQL_ROLLBACK,
    SQL_DEVICE_BY_IDENTITY,
    SQL_DEVICE_BY_ENDPOINT,
    SQL_DEVICE_BY_ID,
    SQL_SETTLED_OF_DEVICE,
    SQL_CREDENTIALS_OF_DEVICE,
    SQL_NEWS_GET,
    SQL_BRIEF_BY_ENDPOINT,
    SQL_STATUS_GET,
    SQL_OUTCOME_PREVIOUS,
    SQL_OUTCOME_GET,
    /* writer */
    SQL_BEGIN_WRITE,
    SQL_ENDPOINT_OF_IDENTITY,
    SQL_DEVICE_INSERT,
    SQL_DEVICE_UPDATE,
    SQL_DEVICE_BLOCK,
    SQL_DEVICE_TROUBLE,
    SQL_DEVICE_SETTLE,
    SQL_DEVICE_DELETE,
    SQL_STATUS_INSERT,
    SQL_STATUS_UPDATE,
    SQL_STATUS_DELETE,
    SQL_STATUS_IDS,
    SQL_DEVICE_LAST_ID,
    SQL_DEVICE_COUNT_ROWS,
    SQL_CREDENTIAL_SAVE,
    SQL_CREDENTIAL_DEVICES,
    SQL_CREDENTIAL_DELETE,
    SQL_CREDENTIALS_DELETE,
    SQL_CREDENTIALS_EXPIRED,
    SQL_NEWS_SAVE,
    SQL_NEWS_DELETE,
    SQL_NEWS_IDS,
    SQL_NEWS_FLUSH,
    SQL_NEWS_CLEAR,
    SQL_OUTCOME_INSERT,
    SQL_OUTCOME_DELETE,
    SQL_OUTCOME_LAST,
    SQL_OUTCOME_OLDEST,
    SQL_OUTCOME_DELETE_UP_TO,
    SQL_OUTCOME_AFTER,
    SQL_MARK_GET,
    SQL_MARK_SET,
    SQL_TAG_INSERT,
    SQL_TAG_DELETE,
    SQL_SEAL_KEYS,
    SQL_SEAL_KEY_INSERT,
    SQL_SEAL_KEYS_FORGET,
    SQL_REKEY_DEVICES,
    SQL_REKEY_DEVICE,
    SQL_REKEY_CREDENTIALS,
    SQL_REKEY_CREDENTIAL,
    SQL_REKEY_GROUPS,
    SQL_REKEY_GROUP,
    SQL_TAGS_AFTER,
    SQL_TAGS_OF,
    SQL_PLACE_COUNTS,
    SQL_TAG_NEXT_NAME,
    SQL_AUDIT_LAST,
    SQL_AUDIT_INSERT,
    SQL_AUDIT_AFTER,
    SQL_AUDIT_TIME,
    SQL_AUDIT_OLDEST,
    SQL_AUDIT_DELETE_UP_TO,
    SQL_AUDIT_EXPIRE,
    SQL_GROUPS,
    SQL_GROUP_SAVE,
    SQL_GROUP_DELETE,
    SQL_BULK_SAVE,
    SQL_BULK_DELETE,
    SQL_BULK_ALL,
    SQL_COUNT
};

/* Columns of SQL_DEVICE_BY_*; parameters of SQL_DEVICE_INSERT, which ends with the group. */
enum device_column {
    DEVICE_ID,
    DEVICE_ENDPOINT,
    DEVICE_CLASS,
    DEVICE_IDENTITY,
    DEVICE_PSK,
    DEVICE_PSK_SEALED,
    DEVICE_BLOCKED,
    DEVICE_REVISION,
    DEVICE_CREATED,
    DEVICE_CHANGED,
    DEVICE_TAGS,
    DEVICE_GROUP,
    DEVICE_SETTLED,
    DEVICE_SETTLED_SEALED,
};

/* Columns of SQL_STATUS_GET; parameters of SQL_STATUS_INSERT and _UPDATE come in the same order. */
enum status_column {
    STATUS_STATE,
    STATUS_CAUSE,
    STATUS_BOOTSTRAPS,
    STATUS_NEWEST_OUTCOME,
    STATUS_LAST,
    STATUS_LAST_DURATION,
    STATUS_ID,
};

/* Columns of SQL_CREDENTIALS_OF_DEVICE and SQL_NEWS_GET; those of a slot come thrice, in order of
 * the status. Parameters of SQL_CREDENTIAL_SAVE come in the same order, and of SQL_NEWS_SAVE, which
 * ends with the row's number. */
enum credential_column {
    CREDENTIAL_ID,
    CREDENTIAL_GENERATION,
    CREDENTIAL_CHANGED,
    CREDENTIAL_RETIRE_AT,
    CREDENTIAL_SLOTS,
};
enum slot_column {
    SLOT_GENERATION,
    SLOT_IDENTITY,
    SLOT_PSK,
    SLOT_SEALED,
    SLOT_KIND,
    SLOT_PUBLIC,
    SLOT_PLACE,
    SLOT_COLUMNS
};
enum { CREDENTIAL_NEWS_NUMBER = CREDENTIAL_SLOTS + 3 * SLOT_COLUMNS };

/* Columns of SQL_OUTCOME_GET; SQL_OUTCOME_INSERT has OUTCOME_SEQ before them. */
enum outcome_column {
    OUTCOME_PREVIOUS,
    OUTCOME_ID,
    OUTCOME_DEVICE,
    OUTCOME_CLASS,
    OUTCOME_STATE,
    OUTCOME_CAUSE,
    OUTCOME_DETAIL,
    OUTCOME_SOURCE,
    OUTCOME_STARTED,
    OUTCOME_HANDSHAKE,
    OUTCOME_DURATION,
    OUTCOME_SENT,
    OUTCOME_RECEIVED,
    OUTCOME_FORMAT,
    OUTCOME_PROFILE,
    OUTCOME_WARNINGS,
    OUTCOME_STEPS,
};

const char *sql_text(enum sql_id id);

/* Columns of the list, of which the rest depends on the filter: devices are "d", and "s" what is
 * known of their bootstraps, NULL of those that never called. */
#define SQL_LIST_COLUMNS                                                                           \
    "SELECT d.endpoint, d.class, d.identity, d.blocked, s.state, s.cause, d.revision, "            \
    "s.bootstraps, d.created_ms, d.changed_ms, s.last_ms, s.last_duration_ms FROM "

#endif
