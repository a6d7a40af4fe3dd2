/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite backend's own parts. */
#ifndef USHER_STORE_SQLITE_PRIV_H
#define USHER_STORE_SQLITE_PRIV_H

#include "id_hints_priv.h"
#include "id_set_priv.h"
#include "news_priv.h"
#include "slots_priv.h"
#include "sql_priv.h"
#include "store_priv.h"
#include "unfolded_priv.h"
#include "usher/vault.h"

#include <sqlite3.h>
#include <string.h>

/* What is kept in memory of where rows are. The writer changes it, readers ask. */
struct sqlite_indexes {
    struct id_set with_status;      /* devices that called, and of which something is folded */
    struct id_set with_credentials; /* devices whose credentials are not in their own row alone */
    struct id_hints hints;          /* by identity */
    struct news news;               /* credentials whose newest state is not in their own table */
};

/* One connection with its prepared statements; one thread at a time. */
struct sqlite_session {
    sqlite3 *db;
    const char *path; /* for messages */
    struct sealer *sealer;
    struct sqlite_indexes *indexes;
    bool is_reader;
    sqlite3_stmt *statements[SQL_COUNT];
};

struct store_backend {
    struct store_setup *setup;
    int lock_fd; /* holds the lock against a second usherd */
    struct sqlite_session session;
    struct unfolded unfolded;
    struct sqlite_indexes indexes;
    int64_t last_device; /* highest id given out */
    uint64_t last_outcome;
    uint64_t committed_outcome; /* last_outcome as of the last commit */
    struct audit_head {
        uint64_t seq;
        uint8_t hash[DIGEST_SIZE];
    } audit, committed_audit; /* the last record, as of the open transaction and the last commit */
    bool only_sessions;       /* the open transaction has changed no device but by its sessions */
    uint64_t era;             /* ends when rows of devices change but by sessions */
    struct briefs pending;    /* of devices that got a pending credential, by era */
    uint64_t fold_us;         /* when to fold at the latest; 0 = nothing waits */
    uint64_t sweep_us;        /* when to look for what is past its time */
};

/* The devices of the last outcomes. */
enum { RECENT_CALLS_MAX = 131072 };
struct recent_calls {
    int64_t *devices;    /* by the outcome's number, in a ring; NULL until it is wanted */
    int64_t last, count; /* the outcomes that are in it */
};

struct store_reader {
    struct store_backend *backend;
    struct sqlite_session session;
    bool shares;                      /* one look at the rows may serve several finds */
    bool looking;                     /* a transaction is open; as things stood when it began: */
    uint64_t commits, changes, epoch; /* of stamps, and of unfolded outcomes */
    uint64_t until_ms;                /* it ends then at the latest */
    struct recent_calls calls;
};

/* ---- sqlite_memory.c ---- */
void sqlite_prepare(void);

/* ---- sqlite_patience.c ---- */
/* The VFS to open with in place of `wanted`, NULL = the usual one. */
const char *sqlite_patience_vfs(const char *wanted);
/* Makes a connection wait for locks, for up to 5 s, unless its thread is in a hurry. */
void sqlite_patience_watch(sqlite3 *db);
/* On this thread nothing waits for a lock or the disk from now on; what would have to fails. */
void sqlite_hurry(bool hurry);
bool sqlite_would_wait(void); /* something failed for that since */

/* ---- sqlite_file.c ---- */
/* Makes the file 0600 when absent and checks that it can be ours. */
enum err_code sqlite_file_check(const char *path, struct err *err);
/* Takes the lock file beside it; the kernel lets go of it when the process ends, however it ends.
 */
enum err_code sqlite_file_lock(const char *path, int *fd, struct err *err);

/* ---- sqlite_session.c ---- */
enum err_code sqlite_session_open(struct sqlite_session *session, struct store_backend *backend,
                                  struct err *err);
enum err_code sqlite_configure_writer(struct sqlite_session *session, struct err *err);
enum err_code sqlite_configure_reader(struct sqlite_session *session, struct err *err);
void sqlite_session_close(struct sqlite_session *session);
/* What SQLite last said, in our terms. `doing` names the action: "reading a device". */
enum err_code sqlite_session_error(struct sqlite_session *session, const char *doing,
                                   struct err *err);
enum err_code sqlite_damaged(struct sqlite_session *session, const char *what, struct err *err);
/* Runs SQL that returns nothing. */
enum err_code sqlite_session_run(struct sqlite_session *session, const char *sql, struct err *err);
/* A number from a statement that gives one row; `fallback` when it gives none or NULL. */
enum err_code sqlite_session_number(struct sqlite_session *session, const char *sql,
                                    int64_t fallback, int64_t *out, struct err *err);
/* A statement ready for binding; NULL: err is set. Give it back with sqlite_done. */
sqlite3_stmt *sqlite_use(struct sqlite_session *session, enum sql_id id, struct err *err);
void sqlite_done(sqlite3_stmt *statement);
/* Runs a statement with one number that returns no rows. */
enum err_code sqlite_run_for(struct sqlite_session *session, enum sql_id id, int64_t number,
                             const char *doing, struct err *err);
/* Steps a statement that returns no rows, and gives it back. */
enum err_code sqlite_finish(struct sqlite_session *session, sqlite3_stmt *statement,
                            const char *doing, struct err *err);

/* The last of the oldest rows, as many as the statement gives, that are all from before. */
enum err_code sqlite_find_old(struct sqlite_session *session, enum sql_id oldest, int64_t cutoff_ms,
                              int64_t *last, size_t *count, struct err *err);

/* Transactions. `id` is SQL_BEGIN_READ, SQL_BEGIN_WRITE or SQL_END. */
enum err_code sqlite_session_transact(struct sqlite_session *session, enum sql_id id,
                                      struct err *err);
/* Ends a transaction, if one is open, and drops what it changed. */
void sqlite_session_rollback(struct sqlite_session *session);

/* Binding: nothing is copied, so the value must live until sqlite_done. */
void bind_number(sqlite3_stmt *statement, int index, int64_t number);
void bind_text(sqlite3_stmt *statement, int index, const char *text);
void bind_bytes(sqlite3_stmt *statement, int index, struct bytes data); /* empty = NULL */
/* Columns, borrowed until the next step. */
struct bytes column_bytes(sqlite3_stmt *statement, int column);
/* False: does not fit. */
bool column_text(sqlite3_stmt *statement, int column, char *out, size_t size);

/* ---- sqlite_seal.c: keys in their columns ---- */
/* Numbers of tables in what sealed keys are bound to: never change. */
enum { SEALED_DEVICE = 1, SEALED_CREDENTIAL = 2, SEALED_GROUP = 3, SEALED_PROOF = 4 };
struct sealed_key {
    uint8_t data[VAULT_SEALED_MAX];
};
struct vault_place place_of_device(int64_t id);
struct vault_place place_of_settled(int64_t device);
struct vault_place place_of_slot(int64_t credential, int status);
/* A key and, in the column after it, its master key's id. False: it does not open. */
bool column_key(struct sqlite_session *session, sqlite3_stmt *statement, int column,
                const struct vault_place *place, struct secret *out);
/* The same two, bound; `memory` must live until sqlite_done. False: see sqlite_seal_failed. */
bool bind_key(struct sqlite_session *session, sqlite3_stmt *statement, int index,
              const struct vault_place *place, const struct secret *key, struct sealed_key *memory);
enum err_code sqlite_seal_failed(struct sqlite_session *session, struct err *err);
/* Are the right master keys here? Notes the current one. */
enum err_code sqlite_check_keys(struct store_backend *backend, struct err *err);

/* ---- sqlite_rekey.c ---- */
enum err_code sqlite_rekey(struct store_backend *backend, struct request *request, struct err *err);

/* ---- sqlite_tags.c ---- */
/* Brings the rows that find devices by tag up to date. `before` and `after` are texts of tags. */
enum err_code sqlite_change_tags(struct sqlite_session *session, const char *endpoint,
                                 const char *before, const char *after, struct err *err);
enum err_code sqlite_drop_tags(struct sqlite_session *session, const char *endpoint,
                               struct err *err);
enum err_code sqlite_tag_names(struct store_reader *reader,
                               bool (*each)(void *context, const char *name), void *context,
                               struct err *err);
/* Fills them for devices from before there were any. */
enum err_code sqlite_fill_tags(struct sqlite_session *session, struct err *err);

/* ---- sqlite_places.c ---- */
enum err_code sqlite_place_counts(struct store_reader *reader,
                                  bool (*each)(void *context, uint16_t ssid, const char *place,
                                               uint64_t devices),
                                  void *context, struct err *err);

/* ---- sqlite_recent.c ---- */
struct recent_span {
    int64_t first, last; /* numbers of outcomes */
};
/* Outcomes are appended as they end, so that their numbers are in order of time, or nearly: those
 * from that time on. False: the log does not go back so far, since old outcomes are dropped from
 * it; or the database does not answer. */
bool sqlite_recent_find(sqlite3 *db, int64_t since_ms, struct recent_span *out);
/* The devices that outcomes of the span, of RECENT_CALLS_MAX at most, belong to. The caller clears
 * the set either way; false: no memory, or the database does not answer. */
bool sqlite_recent_devices(struct store_reader *reader, const struct recent_span *span,
                           struct id_set *out);

/* ---- sqlite_rows.c: rows to and from structs ---- */
/* ERR_NOT_FOUND, or the device, and its credentials in a set, which the caller clears however it
 * ends. `out` is zeroed before. */
enum err_code sqlite_read_device(struct sqlite_session *session, const struct identity *identity,
                                 struct bytes endpoint, struct store_device *out,
                                 struct slot_set *set, struct err *err);
enum err_code sqlite_read_device_by_id(struct sqlite_session *session, int64_t id,
                                       struct store_device *out, struct slot_set *set,
                                       struct err *err);
/* State and last outcome as folded. */
enum err_code sqlite_read_brief(struct sqlite_session *session, struct bytes endpoint,
                                struct device_brief *out, struct err *err);
enum err_code sqlite_read_outcome(struct sqlite_session *session, uint64_t seq, struct outcome *out,
                                  uint64_t *previous, struct err *err);
/* `found` false: the outcome is gone. `id` may be NULL. */
enum err_code sqlite_read_previous(struct sqlite_session *session, uint64_t seq, bool *found,
                                   uint64_t *previous, char id[static 33], struct err *err);
bool column_identity(sqlite3_stmt *statement, int column, struct identity *out);
/* NULL is a device's that never called. False: there is no such state. */
bool column_state(sqlite3_stmt *statement, int column, enum device_state *out);

/* ---- sqlite_status.c ---- */
/* As folded; of a device that never called: new, and zeros. */
enum err_code sqlite_read_status(struct sqlite_session *session, int64_t device,
                                 struct device_status *out, struct err *err);
/* Brings what is stored up to date, in the open transaction. */
enum err_code sqlite_fold_status(struct store_backend *backend, int64_t device,
                                 const struct unfolded_sum *sum, struct err *err);

/* ---- sqlite_read.c ---- */
enum err_code sqlite_reader_open(struct store_backend *backend, struct store_reader **out,
                                 struct err *err);
void sqlite_reader_close(struct store_reader *reader);
uint64_t sqlite_reader_rest(struct store_reader *reader);
void sqlite_end_look(struct store_reader *reader);
enum err_code sqlite_find(struct store_reader *reader, const struct identity *identity,
                          struct bytes endpoint, struct store_device *out, struct err *err);
enum err_code sqlite_history(struct store_reader *reader, struct bytes endpoint, const char *before,
                             size_t limit,
                             bool (*each)(void *context, const struct outcome *outcome),
                             void *context, struct err *err);

/* ---- sqlite_list.c ---- */
enum err_code sqlite_list(struct store_reader *reader, const struct store_filter *filter,
                          bool (*row)(void *context, const struct store_row *row), void *context,
                          struct err *err);

/* ---- sqlite_write.c ---- */
enum err_code sqlite_begin(struct store_backend *backend, struct err *err);
enum err_code sqlite_apply(struct store_backend *backend, struct request *request, struct err *err);
enum err_code sqlite_commit(struct store_backend *backend, struct err *err);
void sqlite_rollback(struct store_backend *backend);
struct unfolded_sum sqlite_sum_of(const struct outcome *outcome, uint64_t seq);

/* ---- sqlite_enroll.c ---- */
/* What is stored of a device, to be compared with what is given. */
struct stored_device {
    struct store_device device;
    struct slot_set slots;
    struct buf tags_memory;
    const char *tags; /* as text, in it */
};
void stored_device_reset(struct stored_device *stored); /* wipes */
/* `stored` is zeroed or reset before. ERR_NOT_FOUND: no such device. */
enum err_code stored_device_load(struct store_backend *backend, const char *endpoint,
                                 struct stored_device *stored, struct err *err);
/* ERR_CONFLICT: the identity is another's. `tags` is the text of the given device's tags. */
enum err_code stored_device_create(struct store_backend *backend, const struct store_device *given,
                                   struct stored_device *stored, const char *tags, struct err *err);
enum err_code stored_device_replace(struct store_backend *backend, const struct store_device *given,
                                    struct stored_device *stored, const char *tags,
                                    struct err *err);
enum err_code sqlite_check_identity_free(struct store_backend *backend, int64_t id,
                                         const struct enrollment *given, struct err *err);
/* Before it is committed, or even if it never is: it is a hint. */
void sqlite_note_identity(struct store_backend *backend, int64_t id, struct bytes identity);
enum err_code sqlite_tags_text(const struct enrollment *enrollment, struct buf *out,
                               const char **text, struct err *err);
enum err_code sqlite_enroll(struct store_backend *backend, struct request *request,
                            struct err *err);
enum err_code sqlite_set_blocked(struct store_backend *backend, struct request *request,
                                 struct err *err);
enum err_code sqlite_remove(struct store_backend *backend, struct request *request,
                            struct err *err);
enum err_code sqlite_stage_count(struct store_backend *backend, const char *class_name,
                                 enum device_state state, int by, struct err *err);
struct slot_time sqlite_slot_time(const struct store_backend *backend);

/* ---- sqlite_credentials.c: credentials, and where their rows stand ---- */
enum err_code sqlite_read_slots(struct sqlite_session *session, int64_t device,
                                struct slot_set *set, struct err *err);
/* Those in the device's row, of which `column` and the next are columns. False: damaged. */
bool sqlite_take_settled(struct sqlite_session *session, sqlite3_stmt *row, int column,
                         int64_t device, struct slot_set *set);
/* Those that stand elsewhere, beside the ones that were taken from there and in place of them. */
enum err_code sqlite_read_more_slots(struct sqlite_session *session, int64_t device,
                                     struct slot_set *set, struct err *err);
/* Of these servers; of others perhaps. */
enum err_code sqlite_read_slots_of(struct store_backend *backend, int64_t device,
                                   const struct store_promotion *promotions, size_t count,
                                   struct slot_set *set, struct err *err);
/* All go to the device's own row, or what became dirty to its own table. */
enum err_code sqlite_save_slots(struct store_backend *backend, int64_t device,
                                const struct slot_set *set, struct err *err);
/* What became dirty in a session goes to the news. */
enum err_code sqlite_append_slots(struct store_backend *backend, int64_t device,
                                  const struct slot_set *set, struct err *err);
enum err_code sqlite_delete_slots(struct store_backend *backend, int64_t device, struct err *err);
/* Brings all news to their own table, in the open transaction. */
enum err_code sqlite_flush_news(struct store_backend *backend, struct err *err);
/* At open: those that a server has left which did not end in order. */
enum err_code sqlite_load_news(struct store_backend *backend, struct err *err);

/* ---- sqlite_groups.c ---- */
enum err_code sqlite_group_save(struct store_backend *backend, int64_t id,
                                const struct store_group *group, struct err *err);
enum err_code sqlite_group_remove(struct store_backend *backend, int64_t id, struct err *err);
enum err_code sqlite_load_groups(struct store_backend *backend, struct err *err);
/* Makes the row of a device that belongs to a group. ERR_NOT_FOUND: it does not. */
enum err_code sqlite_join(struct store_backend *backend, const char *endpoint, bool blocked,
                          struct err *err);

/* ---- sqlite_audit.c ---- */
enum err_code sqlite_load_audit(struct store_backend *backend, struct err *err);
enum err_code sqlite_note(struct store_backend *backend, const struct store_actor *actor,
                          const char *action, const char *subject, const char *detail,
                          struct err *err);
/* What a request has changed; the request was applied. */
enum err_code sqlite_note_request(struct store_backend *backend, const struct request *request,
                                  struct err *err);
enum err_code sqlite_audit(struct store_reader *reader, uint64_t after, int64_t since_wall_ms,
                           size_t limit,
                           bool (*each)(void *context, const struct chain_record *record,
                                        const uint8_t hash[static DIGEST_SIZE]),
                           void *context, struct err *err);
/* Drops what is past its time; `more`: there is more of it than one transaction should drop. */
enum err_code sqlite_sweep_audit(struct store_backend *backend, int64_t now_ms, bool *more,
                                 struct err *err);

/* ---- sqlite_bulk.c ---- */
enum err_code sqlite_bulk(struct store_backend *backend, struct request *request, struct err *err);
enum err_code sqlite_bulk_save(struct store_backend *backend, const char *id, struct bytes state,
                               struct err *err);
enum err_code sqlite_bulk_load(struct store_reader *reader,
                               bool (*each)(void *context, const char *id, struct bytes state),
                               void *context, struct err *err);

/* ---- sqlite_fold.c ---- */
/* How many outcomes are not folded, or credentials not in their own table: the larger number. */
uint64_t sqlite_waiting(const struct store_backend *backend);
enum err_code sqlite_settle(struct store_backend *backend, struct err *err);
enum err_code sqlite_upkeep(struct store_backend *backend, uint64_t now_us, uint64_t *next_us,
                            struct err *err);
enum err_code sqlite_probe(struct store_backend *backend, struct err *err);
/* At open: folds what a crash left unfolded, then counts the devices. */
enum err_code sqlite_recover(struct store_backend *backend, struct err *err);

/* ---- sqlite_schema.c ---- */
/* Whose database is it? Changes nothing. `fresh`: nobody's yet. */
enum err_code sqlite_schema_check_owner(struct sqlite_session *session, bool *fresh,
                                        struct err *err);
/* Brings the schema up to this build's version. */
enum err_code sqlite_schema_prepare(struct sqlite_session *session, bool fresh, int64_t now_ms,
                                    struct err *err);

#endif
