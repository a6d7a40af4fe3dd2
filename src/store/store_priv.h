/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the store share: requests, and the functions that make up a backend. */
#ifndef USHER_STORE_PRIV_H
#define USHER_STORE_PRIV_H

#include "briefs_priv.h"
#include "counts_priv.h"
#include "groups_priv.h"
#include "recent_priv.h"
#include "usher/store.h"

#include <pthread.h>
#include <stdatomic.h>

enum request_kind {
    REQUEST_FIND_IDENTITY,
    REQUEST_FIND_ENDPOINT,
    REQUEST_MAKE_PENDING,
    REQUEST_RECORD,
    REQUEST_ENROLL,
    REQUEST_SET_BLOCKED,
    REQUEST_REMOVE,
    REQUEST_REKEY,
    REQUEST_BULK, /* rows of an import */
    REQUEST_GROUP_PUT,
    REQUEST_GROUP_REMOVE,
    REQUEST_BULK_SAVE, /* what is stored of an import itself */
    REQUEST_PLACE,     /* where a server stands for a device */
    REQUEST_NOTE,      /* a record of the audit alone */
    REQUEST_SETTLE,    /* bring the rows that lists show up to date */
};

struct mailbox;

struct store_place {
    uint16_t ssid;
    const char *name;
};

struct store_note {
    const char *action, *subject, *detail;
};

/* A question on its way to the writer (or to a slow backend) and back. */
struct request {
    enum request_kind kind;
    struct request *next;          /* in the writer's queue, then in the mailbox */
    struct request *older, *newer; /* those a lane waits for; the lane's thread only */
    struct mailbox *mailbox;       /* where the answer goes; NULL = nobody asks for it */
    atomic_int holders;            /* the lane and the one who answers; the last one frees */
    bool waited;                   /* a synchronous call waits for it and owns it */
    bool arrived;                  /* waited: answered; under the mailbox's lock */
    store_device_fn device_done;
    store_done_fn done;
    void *context;

    struct identity identity;
    char endpoint[ENDPOINT_MAX + 1];
    struct dated_brief known; /* MAKE_PENDING, RECORD: what a find told; the date is its as_of */
    struct store_new_credential *credentials; /* MAKE_PENDING: owned, `count` of them */
    size_t count;                             /* of credentials or promotions */
    struct store_promotion promotions[ACCOUNTS_MAX];
    struct outcome *outcome;          /* RECORD: owned */
    const struct store_device *given; /* ENROLL: the waiting caller's */
    struct store_rekey *rekey;        /* REKEY: the waiting caller's */
    struct store_bulk *bulk;          /* BULK: the waiting caller's; BULK_SAVE: its id */
    struct bytes state;               /* BULK_SAVE */
    const struct store_group *group;  /* GROUP_*: the waiting caller's */
    const struct store_note *note;    /* NOTE: the waiting caller's */
    const struct store_place *place;  /* PLACE: the waiting caller's */
    bool flag;                        /* ENROLL: replace; SET_BLOCKED: blocked */

    enum err_code result;
    const struct store_actor *actor; /* the lane's, or NULL: the device itself */
    struct err *err;                 /* the waiting caller's, or NULL */
    enum store_change change;
    struct store_device *device; /* owned */
};

struct request *request_new(enum request_kind kind); /* NULL: no memory */
void request_free(struct request *request);          /* wipes; NULL accepted */
void request_forget_answer(struct request *request); /* wipes */
void request_release(struct request *request);       /* one holder less */
/* Sends the request back with its answer. Any thread, once. */
void request_complete(struct request *request);

/* What a backend gets from the store around it. */
struct store_setup {
    struct store_config config; /* defaults filled in */
    struct counts *counts;
    struct stamps stamps;
    struct groups *groups;
    int64_t (*_Atomic wall_ms)(void); /* tests set a clock of their own */
};

struct store_backend;
struct store_reader;

/* A backend. Functions that change something run on the writer's thread only. `apply` prepares the
 * answer (`result`, `change`, `device`); the store sends it after `commit`. Counts are staged by
 * the backend and settled by the store. */
struct store_ops {
    const char *name;
    enum err_code (*open)(struct store_setup *setup, struct store_backend **out, struct err *err);
    void (*close)(struct store_backend *backend);
    int (*schema_version)(const struct store_backend *backend);

    enum err_code (*begin)(struct store_backend *backend, struct err *err);
    /* ERR_OK: the answer is in the request. ERR_INTERNAL: this request cannot be stored, others
     * can. Else the backend is in trouble. After any of these the group is rolled back. */
    enum err_code (*apply)(struct store_backend *backend, struct request *request, struct err *err);
    /* What is at rest of a group; the rest is the store's. NULL: nothing is. */
    enum err_code (*group_save)(struct store_backend *backend, int64_t id,
                                const struct store_group *group, struct err *err);
    enum err_code (*group_remove)(struct store_backend *backend, int64_t id, struct err *err);
    enum err_code (*commit)(struct store_backend *backend, struct err *err);
    void (*rollback)(struct store_backend *backend);
    enum err_code (*settle)(struct store_backend *backend, struct err *err);
    /* Does what is due; *next_us is when it wants to run again (monotonic), UINT64_MAX = never. */
    enum err_code (*upkeep)(struct store_backend *backend, uint64_t now_us, uint64_t *next_us,
                            struct err *err);
    enum err_code (*probe)(struct store_backend *backend, struct err *err);
    uint64_t (*unfolded)(struct store_backend *backend); /* any thread */

    /* A reader belongs to one lane and its thread. */
    enum err_code (*reader_open)(struct store_backend *backend, struct store_reader **out,
                                 struct err *err);
    void (*reader_close)(struct store_reader *reader);
    /* See store_lane_rest; NULL: finds share nothing. */
    uint64_t (*reader_rest)(struct store_reader *reader);
    /* Finds by identity (`identity` not empty) or by endpoint. `out` is zeroed before, and as_of
     * is set. */
    enum err_code (*find)(struct store_reader *reader, const struct identity *identity,
                          struct bytes endpoint, struct store_device *out, struct err *err);
    /* For a backend that may have to wait for somebody: on this thread `find` gives ERR_BUSY
     * instead, until it is told otherwise. Such look-ups are done by threads of their own
     * (readers_priv.h). NULL: it never waits. */
    void (*hurry)(bool hurry);
    /* For a backend that answers later: takes the request and returns true. NULL: never does. */
    bool (*find_later)(struct store_reader *reader, struct request *request);
    enum err_code (*list)(struct store_reader *reader, const struct store_filter *filter,
                          bool (*row)(void *context, const struct store_row *row), void *context,
                          struct err *err);
    enum err_code (*tag_names)(struct store_reader *reader,
                               bool (*each)(void *context, const char *name), void *context,
                               struct err *err);
    enum err_code (*place_counts)(struct store_reader *reader,
                                  bool (*each)(void *context, uint16_t ssid, const char *place,
                                               uint64_t devices),
                                  void *context, struct err *err);
    enum err_code (*bulk_load)(struct store_reader *reader,
                               bool (*each)(void *context, const char *id, struct bytes state),
                               void *context, struct err *err);
    enum err_code (*audit)(struct store_reader *reader, uint64_t after, int64_t since_wall_ms,
                           size_t limit,
                           bool (*each)(void *context, const struct chain_record *record,
                                        const uint8_t hash[static DIGEST_SIZE]),
                           void *context, struct err *err); /* NULL: there is none */
    /* For what is not the backend's own: a change of a group. May be NULL. */
    enum err_code (*note)(struct store_backend *backend, const struct store_actor *actor,
                          const char *action, const char *subject, const char *detail,
                          struct err *err);
    enum err_code (*history)(struct store_reader *reader, struct bytes endpoint, const char *before,
                             size_t limit,
                             bool (*each)(void *context, const struct outcome *outcome),
                             void *context, struct err *err);
};

extern const struct store_ops store_memory_ops;
extern const struct store_ops store_memory_slow_ops; /* finds are answered later (tests) */
extern const struct store_ops store_sqlite_ops;

/* Why the store cannot serve, kept for store_health. */
struct health {
    pthread_mutex_t lock;
    atomic_int code; /* enum err_code */
    struct err err;
};

struct store {
    const struct store_ops *ops;
    struct store_backend *backend;
    struct store_setup setup;
    char *path, *vfs; /* config points here */
    struct counts counts;
    struct groups groups;
    struct health health;
    atomic_int lanes;
    struct readers *readers; /* NULL: the backend needs none */

    pthread_t writer;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t wake;
    struct request *first, **last;
    size_t depth;
    size_t urgent;  /* SETTLE requests in the queue: they do not wait for company */
    size_t patient; /* RECORD requests in it: they wait longer */
    size_t wake_at; /* the writer sleeps and wants to wake at this depth; 0 = it is awake */
    bool stopping;

    atomic_uint_fast64_t commits, rows, failures;
    atomic_uint_fast64_t commit_us, commit_buckets[STORE_LATENCY_BUCKETS];
};

/* writer.c */
enum err_code writer_start(struct store *store, struct err *err);
void writer_stop(struct store *store); /* everything accepted is done first */
enum err_code writer_submit(struct store *store, struct request *request);
/* Wakes the writer so that it probes. */
void writer_nudge(struct store *store);

/* health.c */
void health_init(struct health *health);
void health_clear(struct health *health);
void health_failed(struct health *health, const struct err *err);
void health_recovered(struct health *health);
bool health_is_good(const struct health *health);
enum err_code health_read(struct health *health, struct err *err);

/* lane.c: between store.c and the mailbox */
/* Hands the request to the writer; it is delivered even when that fails. */
void lane_submit(struct store_lane *lane, struct request *request);
/* Same, and waits for the answer; the caller frees the request. */
enum err_code lane_submit_and_wait(struct store_lane *lane, struct request *request);
/* The two halves of it. False: not taken, request->err says why. */
bool lane_submit_waited(struct store_lane *lane, struct request *request);
void lane_wait(struct store_lane *lane, struct request *request);
/* Runs a find on the lane's reader, or on the slow backend behind it. */
void lane_find(struct store_lane *lane, const struct identity *identity, struct bytes endpoint,
               store_device_fn done, void *context);
enum err_code lane_find_and_wait(struct store_lane *lane, struct bytes endpoint,
                                 struct store_device *out, struct err *err);
struct store *lane_store(const struct store_lane *lane);
struct store_reader *lane_reader(const struct store_lane *lane);
bool lane_is_closing(const struct store_lane *lane);
/* A reader met an error: tells health, and says what the caller of an asynchronous call gets. */
enum err_code lane_read_failed(struct store_lane *lane, enum err_code code, const struct err *err);

#endif
