/* SPDX-License-Identifier: Apache-2.0 */
/* The schema, version by version. */
#ifndef USHER_STORE_MIGRATE_PRIV_H
#define USHER_STORE_MIGRATE_PRIV_H

/* Words in which the dialects differ. */
struct sql_dialect {
    const char *id;        /* type of a primary key that the caller counts up */
    const char *bytes;     /* type of raw bytes */
    const char *text;      /* type of text that compares byte by byte */
    const char *clustered; /* ends a table whose rows lie in order of its key */
};

extern const struct sql_dialect sql_dialect_sqlite;

enum { SCHEMA_VERSION = 8 }; /* of this build */
enum { MIGRATE_TAGS = 3 };   /* the version that finds devices by tag */

/* One step: the statements that lead from version - 1 to version. `@id`, `@bytes`, `@text`
 * and `@clustered` stand for words of the dialect. NULL: no such version. */
const char *const *migrate_step(int version);
/* Replaces the words; to be freed. NULL: no memory. */
char *migrate_statement(const char *statement, const struct sql_dialect *dialect);

#endif
