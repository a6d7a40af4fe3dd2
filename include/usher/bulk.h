/* SPDX-License-Identifier: Apache-2.0 */
/* module: bulk */
/* Imports: files of any number of rows, in any order, CSV or JSON lines. What is uploaded is staged
 * in a sealed file beside the store; when it is whole, a thread merges it into the store, sorted
 * and in large chunks. Every step is durable before it is reported: an import that was cut off at
 * any moment goes on where it was. All functions: any thread. */
#ifndef USHER_BULK_H
#define USHER_BULK_H

#include "usher/store.h"

struct bulk;
struct bulk_status;

struct bulk_config {
    struct store *store;
    struct vault *vault; /* seals what is staged; may be NULL */
    const char *folder;  /* of the staged files; made 0700. NULL: imports are refused */
    /* Is this a class that devices can have? Called for each row; NULL: any is. */
    enum err_code (*check)(void *context, const struct enrollment *enrollment, struct err *err);
    /* A device was blocked: end its running session. May be NULL. */
    void (*evict)(void *context, const char *endpoint);
    /* An import began, went on to its next phase, or ended, which is durable. Must not call back.
     * May be NULL. */
    void (*changed)(void *context, const struct bulk_status *status);
    void *context;
};

enum { BULK_ID_SIZE = 33, BULK_ROW_MAX = 65536, BULK_KEPT = 32 };

enum bulk_format { BULK_CSV, BULK_JSONL };

enum bulk_phase {
    BULK_UPLOADING,
    BULK_CHECKING, /* every row is looked at, nothing is changed yet */
    BULK_MERGING,
    BULK_DONE,
    BULK_FAILED,  /* `error` says why */
    BULK_STOPPED, /* by a person; what was merged stays */
    BULK_PHASES
};

struct bulk_options {
    enum bulk_format format;
    enum store_conflict conflict; /* FAIL: any bad row or conflict, and nothing is changed */
    bool dry_run;
    bool report_all;                 /* else the report has the rows that were not taken */
    char class_name[CLASS_MAX + 1];  /* for rows without a class, "" = none */
    char batch[TAG_VALUE_MAX + 1];   /* tag `batch` for rows without one, "" = none */
    char actor[STORE_ACTOR_MAX + 1]; /* for the audit */
    char station[STORE_ACTOR_MAX + 1];
};

struct bulk_status {
    char id[BULK_ID_SIZE];
    struct bulk_options options;
    enum bulk_phase phase;
    uint64_t offset; /* bytes taken: where an upload goes on */
    uint64_t rows;   /* read so far, bad ones included, the header not */
    uint64_t bad;    /* of these, rows that could not be read */
    uint64_t looked; /* rows merged or checked so far */
    uint64_t verdicts[STORE_ROW_VERDICTS];
    int64_t started_wall_ms, changed_wall_ms;
    char error[ERR_TEXT_MAX];
};

const char *bulk_phase_name(enum bulk_phase phase);

/* Does a column of that name mean something else to an import than the tag of that name? Then the
 * tag stands there as "tags.NAME". */
bool bulk_is_column(const char *name);

/* Goes on with imports that were being merged when the last process ended. */
enum err_code bulk_open(const struct bulk_config *config, struct bulk **out, struct err *err);
void bulk_close(struct bulk *bulk); /* between two chunks; NULL accepted */

/* A new import. The oldest finished ones go when there are more than BULK_KEPT. */
enum err_code bulk_begin(struct bulk *bulk, const struct bulk_options *options,
                         char id[static BULK_ID_SIZE], struct err *err);
/* The next bytes of the file. ERR_CONFLICT: `offset` is not where it goes on (err says where);
 * ERR_INVALID: the header is wrong, and the import has failed; ERR_IO: no room to stage. */
enum err_code bulk_feed(struct bulk *bulk, const char *id, uint64_t offset, struct bytes data,
                        struct err *err);
/* After the last bulk_feed of a request: what was fed is durable, and `offset` counts it. `last`:
 * the file is whole; merging begins. */
enum err_code bulk_settle(struct bulk *bulk, const char *id, bool last, struct err *err);
/* Instead of bulk_settle, when the sender has gone: what was fed since the last one is forgotten,
 * and the upload can go on from there. */
void bulk_leave(struct bulk *bulk, const char *id);
enum err_code bulk_cancel(struct bulk *bulk, const char *id, struct err *err);

enum err_code bulk_status(struct bulk *bulk, const char *id, struct bulk_status *out,
                          struct err *err);
/* Newest first; returns how many were copied. */
size_t bulk_list(struct bulk *bulk, struct bulk_status *out, size_t cap);
/* The report as it is now: one JSON object a row, of which *len bytes are whole lines. The caller
 * closes the descriptor. */
enum err_code bulk_report(struct bulk *bulk, const char *id, int *fd, uint64_t *len,
                          struct err *err);

#endif
