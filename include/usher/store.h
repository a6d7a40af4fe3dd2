/* SPDX-License-Identifier: Apache-2.0 */
/* module: store */
/* Devices, credentials and outcomes, behind one interface with two backends: memory (tests) and
 * SQLite (WAL, synchronous=FULL). One writer thread gathers changes into group commits (D8); each
 * thread that uses the store opens a lane of its own. A change is reported only when it is durable.
 *
 * Asynchronous calls take a callback that runs on the lane's thread: before the call returns when
 * the answer is at hand, else from store_lane_poll after store_lane_fd became readable. Every
 * callback runs exactly once, with ERR_UNAVAILABLE at store_close. */
#ifndef USHER_STORE_H
#define USHER_STORE_H

#include "usher/blob.h"
#include "usher/buf.h"
#include "usher/chain.h"
#include "usher/group.h"
#include "usher/outcome.h"
#include "usher/secret.h"
#include "usher/vault.h"

struct store;
struct store_lane;

enum { STORE_ACTOR_MAX = 63 }; /* bytes of who did something, as the audit names them */

struct store_config {
    const char *backend;     /* "sqlite" or "memory" */
    const char *path;        /* sqlite: the database file; made 0600 when absent; locked against a
                                second usherd */
    unsigned gather_ms;      /* most a change waits for company; 0 = default 5 */
    unsigned patience_ms;    /* the same when outcomes alone are waiting: no device waits for them;
                                0 = default 20 */
    unsigned gather_rows;    /* most changes in one commit; 0 = default 256 */
    unsigned queue_max;      /* changes waiting; beyond: ERR_BUSY; 0 = default 65536 */
    unsigned audit_days;     /* records of the audit older than this are dropped; 0 = never */
    unsigned history_days;   /* outcomes older than this are dropped; 0 = kept for ever */
    unsigned retire_seconds; /* grace of a retiring credential; 0 = default 86400 */
    const char *vfs;         /* sqlite VFS name, NULL = default (tests) */
    struct vault *vault; /* master keys; NULL: keys are stored as they are. Outlives the store */
};

/* ERR_NEWER_VERSION, ERR_READ_ONLY, ERR_BUSY (another usherd has it), ERR_IO, ERR_INVALID: err says
 * which file and what to do. Migrates older schemas forward. */
enum err_code store_open(const struct store_config *config, struct store **out, struct err *err);
/* Waits until everything accepted is durable, then closes. All lanes must be closed before. */
void store_close(struct store *store);
/* ERR_OK, or why the store cannot serve now (ERR_UNAVAILABLE, ERR_IO: disk full, read-only ...).
 * Cheap; any thread. Heals by itself when writes succeed again (it probes). */
enum err_code store_health(struct store *store, struct err *err);

enum err_code store_lane_open(struct store *store, struct store_lane **out, struct err *err);
void store_lane_close(struct store_lane *lane);   /* pending callbacks run with ERR_UNAVAILABLE */
int store_lane_fd(const struct store_lane *lane); /* becomes readable when poll has something */
void store_lane_poll(struct store_lane *lane);
/* For a thread that finds much, at the end of each round of its loop: finds then share looks at the
 * database, and a device that is found twice within two seconds is read once. What has been
 * reported as changed before a find is seen by it all the same. Lets go of what has been kept long
 * enough. When to call it next at the latest (monotonic ms); UINT64_MAX = no need. */
uint64_t store_lane_rest(struct store_lane *lane);

/* Who makes the changes that follow on this lane, as the audit names them: "uid 1000". */
struct store_actor {
    char name[STORE_ACTOR_MAX + 1];
    char station[STORE_ACTOR_MAX + 1]; /* "" = not said */
    char source[STORE_ACTOR_MAX + 1];  /* "unix", or an address */
};
void store_lane_act_as(struct store_lane *lane, const struct store_actor *actor);

enum { OTHER_KEYS_MAX = 4 };

/* An enrolment with the bytes that belong to it: keys[i] and publics[i] to credentials[i]. */
struct store_device {
    struct enrollment enrollment;
    struct secret bootstrap_key; /* the one it proves itself with, as far as is known */
    /* Others that it may have: the second of its group; one that was written and not confirmed;
     * the one before, in its grace. */
    struct secret other_keys[OTHER_KEYS_MAX];
    size_t other_key_count;
    /* The one it was enrolled with, when its account has got another since; else empty. */
    struct secret enrolled_key;
    bool enrolled_key_counts;       /* it is in its grace */
    int64_t group_id;               /* the store's own; 0: no group, the key is the device's own */
    char group[GROUP_NAME_MAX + 1]; /* "" = none */
    struct secret keys[ACCOUNTS_MAX * 3];
    struct blob *publics[ACCOUNTS_MAX * 3]; /* references; NULL = none */
    enum device_state state;                /* last folded outcome's; new, blocked */
    enum cause cause;
    int64_t created_wall_ms, changed_wall_ms;
    int64_t last_wall_ms; /* end of the last bootstrap attempt, 0 = never */
    uint32_t last_duration_ms;
    /* The store's own: how new this is, its row (0 = none is known), its last outcome. */
    uint64_t as_of;
    int64_t id;
    uint64_t newest_outcome;
};
/* Neither key nor identity: it is known by the name in its certificate, or by nothing. */
bool store_device_is_keyless(const struct store_device *device);
void store_device_clear(struct store_device *device); /* wipes */
/* False: no memory; `to` is then empty. */
bool store_device_copy(struct store_device *to, const struct store_device *from);

/* `device` is NULL unless result is ERR_OK; it is the callee's until the callback returns, then
 * cleared by the store. */
typedef void (*store_device_fn)(void *context, enum err_code result,
                                const struct store_device *device);
typedef void (*store_done_fn)(void *context, enum err_code result);

/* ---- the path of a bootstrap (asynchronous) ---- */

/* Blocked devices are found too; the caller decides. An identity that has no row may belong to a
 * group: then the device is found as it will be, and gets its row with the first call below that
 * writes. */
void store_find_identity(struct store_lane *lane, struct bytes identity, store_device_fn done,
                         void *context);
void store_find_endpoint(struct store_lane *lane, struct bytes endpoint, store_device_fn done,
                         void *context);

/* The same for a device whose certificate names it. `authority`: the CA that vouches for that, as
 * groups know it, or NULL; it may have a group, and then the device needs no row. */
void store_find_named(struct store_lane *lane, struct bytes endpoint,
                      const uint8_t authority[PIN_HASH_SIZE], store_device_fn done, void *context);

struct store_new_credential {
    uint16_t ssid; /* 0 = the bootstrap account; PSK only */
    enum credential_kind kind;
    char place[PLACE_NAME_MAX + 1];
    struct identity identity;
    struct secret key;        /* copied and wiped by the store */
    struct blob *public_part; /* the store takes a reference of its own; NULL = none */
};
/* I1, I2: for each server without a pending credential of that kind, stores the one given as
 * pending with the next generation; a pending one of that kind stays as it is. Answers with the
 * device as it then is, once that is durable. ERR_NOT_FOUND when the device was removed. */
void store_make_pending(struct store_lane *lane, struct bytes endpoint,
                        const struct store_new_credential *credentials, size_t count,
                        store_device_fn done, void *context);

struct store_promotion {
    uint16_t ssid;
    uint64_t generation;
};
/* Appends the outcome; in the same transaction the pending credentials whose generation is still
 * the one given become active, the active ones retiring (the one that was retiring goes).
 * A SUPERSEDED outcome is history only and does not change the device's state. Outcomes of removed
 * devices are dropped. `done` may be NULL. */
void store_record(struct store_lane *lane, const struct outcome *outcome,
                  const struct store_promotion *promotions, size_t count, store_done_fn done,
                  void *context);

/* ---- administration (synchronous: waits for the commit; not from a worker) ---- */

enum store_change { STORE_CREATED, STORE_CHANGED, STORE_UNCHANGED };

/* Enrols, or changes an enrolled device. Same data again: STORE_UNCHANGED, nothing written.
 * Without `replace`, other data for a known endpoint: ERR_EXISTS. An identity that belongs to
 * another endpoint: ERR_CONFLICT, named in err. Server credentials given here (source `enrolled`)
 * become active at once. Changing the bootstrap identity or key keeps history. The key that the
 * device was enrolled with is no change for one whose account has got another since. */
enum err_code store_enroll(struct store_lane *lane, const struct store_device *device, bool replace,
                           enum store_change *change, struct err *err);
/* The same for many devices, which share commits; results[i] belongs to devices[i]. */
struct store_enrolled {
    enum err_code code;
    enum store_change change; /* when code is ERR_OK */
    struct err err;           /* else */
};
void store_enroll_many(struct store_lane *lane, const struct store_device *devices, size_t count,
                       bool replace, struct store_enrolled *results);
/* ---- many at once: the rows of an import, sorted by endpoint, share one transaction ---- */

/* What becomes of a row whose device is enrolled with other data. */
enum store_conflict {
    STORE_CONFLICT_SKIP,    /* it stays as it is */
    STORE_CONFLICT_REPLACE, /* it becomes what the row says; without a key in the row it keeps its
                               own */
    STORE_CONFLICT_MERGE,   /* what the row says changes, what it does not say stays */
    STORE_CONFLICT_FAIL,    /* the row fails */
};
/* What a row says of its device; also: what changes. */
enum {
    STORE_GIVEN_CLASS = 1,
    STORE_GIVEN_IDENTITY = 2,
    STORE_GIVEN_KEY = 4,
    STORE_GIVEN_TAGS = 8,
    STORE_GIVEN_CREDENTIALS = 16,
    STORE_GIVEN_BLOCKED = 32,
};
enum store_verdict {
    STORE_ROW_CREATED,
    STORE_ROW_CHANGED,
    STORE_ROW_UNCHANGED,
    STORE_ROW_SKIPPED,
    STORE_ROW_FAILED,
    STORE_ROW_VERDICTS
};

/* May such a device be enrolled? Its own data only; ERR_INVALID or ERR_RANGE say what is wrong. */
enum err_code store_device_check(const struct store_device *device, struct err *err);
/* The packed form of a row, which holds its keys; `given` is a sum of STORE_GIVEN_*. False: no
 * memory. */
bool store_row_pack(const struct store_device *device, unsigned given, struct buf *out);
struct bytes store_row_endpoint(struct bytes packed); /* borrowed */
/* Borrowed: the identity that the row gives, or its endpoint, which is one beside a key; empty: it
 * says nothing of it. */
struct bytes store_row_identity(struct bytes packed);

struct store_bulk_row {
    struct bytes packed;
    enum store_verdict verdict;
    unsigned changes; /* STORE_GIVEN_* of what differs, or of what a new device has */
    char *why;        /* of a failed row; the caller frees it */
};
struct store_bulk {
    const char *id; /* of the import */
    enum store_conflict conflict;
    bool dry_run; /* only decides */
    size_t count;
    struct store_bulk_row *rows;
    /* Called when the verdicts are there, on the writer's thread and before the commit: gives what
     * shall be stored under `id` with them. Empty: nothing. */
    struct bytes (*sum)(void *context);
    void *context;
};
/* Either all of the chunk is stored or, with an error, nothing. */
enum err_code store_bulk_apply(struct store_lane *lane, struct store_bulk *bulk, struct err *err);
/* What is stored under an import's id; empty removes it. */
enum err_code store_bulk_save(struct store_lane *lane, const char *id, struct bytes state,
                              struct err *err);
/* Every import in order of the id. */
enum err_code store_bulk_load(struct store_lane *lane,
                              bool (*each)(void *context, const char *id, struct bytes state),
                              void *context, struct err *err);

enum err_code store_get(struct store_lane *lane, struct bytes endpoint, struct store_device *out,
                        struct err *err);
enum err_code store_set_blocked(struct store_lane *lane, struct bytes endpoint, bool blocked,
                                enum store_change *change, struct err *err);
/* Of a server that stands in several places: `place` is where the device is sent from its next
 * bootstrap on. ERR_NOT_FOUND; ERR_CONFLICT: it has no credential for that server yet, so that
 * nothing keeps it anywhere. */
enum err_code store_set_place(struct store_lane *lane, struct bytes endpoint, uint16_t ssid,
                              const char *place, enum store_change *change, struct err *err);
/* Appends an outcome of state NEW and waits for it: an operator has accepted the device, its
 * bootstraps count from there. ERR_NOT_FOUND. */
enum err_code store_accept(struct store_lane *lane, const struct outcome *outcome, struct err *err);
enum err_code store_remove(struct store_lane *lane, struct bytes endpoint, struct err *err);

/* ---- groups ---- */

/* Makes or changes a group. Same data again: STORE_UNCHANGED. Without `replace`, other data for a
 * known name: ERR_EXISTS. ERR_TOO_LARGE: there are GROUPS_MAX. ERR_INVALID, ERR_RANGE say what is
 * wrong. */
enum err_code store_group_put(struct store_lane *lane, const struct store_group *group,
                              bool replace, enum store_change *change, struct err *err);
/* ERR_CONFLICT: devices have joined, and would be locked out; `force` does it all the same. */
enum err_code store_group_remove(struct store_lane *lane, const char *name, bool force,
                                 struct err *err);
/* With its keys. ERR_NOT_FOUND. */
enum err_code store_group_get(struct store_lane *lane, const char *name, struct store_group *out,
                              struct err *err);
/* In order of the name, with their keys; each is wiped after `each`. */
enum err_code store_group_list(struct store_lane *lane,
                               bool (*each)(void *context, const struct store_group *group),
                               void *context, struct err *err);

/* Sealing anew under the vault's current master key, a slice at a time, while everything goes on.
 * All zero at first; call store_rekey until `done`. */
struct store_rekey {
    bool done;
    unsigned table; /* where it is */
    int64_t after;
    uint64_t sealed; /* rows so far */
};
/* Reads the vault's file again. ERR_CONFLICT: there is no vault. */
enum err_code store_reload_keys(struct store *store, struct err *err);
enum err_code store_rekey(struct store_lane *lane, struct store_rekey *rekey, struct err *err);

/* What a list shows of a device: no key, no identity bytes beyond the name. */
struct store_row {
    char endpoint[ENDPOINT_MAX + 1];
    char class_name[CLASS_MAX + 1];
    struct identity identity;
    enum device_state state;
    enum cause cause;
    uint64_t revision;
    uint64_t bootstraps;
    int64_t created_wall_ms, changed_wall_ms, last_wall_ms;
    uint32_t last_duration_ms;
};

enum { FILTER_TAGS_MAX = 4 };

struct store_filter {
    const char *class_name; /* NULL = any */
    int state;              /* enum device_state, -1 = any */
    int cause;              /* -1 = any */
    const char *prefix;     /* of the endpoint, NULL = any */
    const struct tag *tags; /* all of them must fit; at most FILTER_TAGS_MAX */
    size_t tag_count;
    int64_t since_wall_ms; /* the last bootstrap ended then or later; 0 = any, or none yet */
    const char *after;     /* cursor: endpoints after this one, NULL = from the start */
    size_t limit;          /* 1..1000 */
};

/* Rows in byte order of the endpoint, so that a cursor stays right while rows change. Sees every
 * outcome that was reported durable before the call. `row` returning false ends it. */
enum err_code store_list(struct store_lane *lane, const struct store_filter *filter,
                         bool (*row)(void *context, const struct store_row *row), void *context,
                         struct err *err);
/* The names of all tags, in order. */
enum err_code store_tag_names(struct store_lane *lane,
                              bool (*each)(void *context, const char *name), void *context,
                              struct err *err);
/* How many devices have their credential in use from each place that was picked, in order of
 * server and place. Counts them in their index: for a million it takes a tenth of a second. */
enum err_code store_place_counts(struct store_lane *lane,
                                 bool (*each)(void *context, uint16_t ssid, const char *place,
                                              uint64_t devices),
                                 void *context, struct err *err);
/* Newest first; at most `limit`, older than id `before` (NULL = newest). */
enum err_code store_history(struct store_lane *lane, struct bytes endpoint, const char *before,
                            size_t limit,
                            bool (*each)(void *context, const struct outcome *outcome),
                            void *context, struct err *err);

/* ---- the audit: every change and every bootstrap, in the transaction that makes it ---- */

/* Records behind number `after`, and not older than `since_wall_ms`, in order; at most `limit`.
 * `hash` is the record's own. ERR_UNSUPPORTED: the memory backend keeps none. */
enum err_code store_audit(struct store_lane *lane, uint64_t after, int64_t since_wall_ms,
                          size_t limit,
                          bool (*each)(void *context, const struct chain_record *record,
                                       const uint8_t hash[static DIGEST_SIZE]),
                          void *context, struct err *err);

/* Adds a record of something that is not in the store itself: "token.created", of what, and more in
 * words. A backend without an audit keeps none. */
enum err_code store_note(struct store_lane *lane, const char *action, const char *subject,
                         const char *detail, struct err *err);

/* Devices by class and state, kept in memory: no scan. Blocked devices count under STATE_BLOCKED.
 */
struct store_count {
    char class_name[CLASS_MAX + 1];
    uint64_t by_state[STATE_COUNT];
};
/* Copies at most `cap` classes; returns how many there are. */
size_t store_counts(struct store *store, struct store_count *counts, size_t cap);

/* Upper bounds of the buckets in microseconds; the last one has none. */
enum { STORE_LATENCY_BUCKETS = 12 };
extern const uint32_t store_latency_bounds_us[STORE_LATENCY_BUCKETS - 1];

struct store_metrics {
    uint64_t commit_us;                             /* time that commits took, in all */
    uint64_t commit_buckets[STORE_LATENCY_BUCKETS]; /* commits by that time, each for itself */
    uint64_t commits, rows, failures;
    uint64_t queue_depth;
    uint64_t unfolded;
    int schema_version;
    const char *backend;
};
void store_metrics(struct store *store, struct store_metrics *out);

#endif
