/* The writer: one thread that gathers changes and makes each group durable by one commit (D8). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store_priv.h"

#include "usher/clock.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PROBE_US = 1000000 };

/* What the writer's thread keeps to itself. */
struct writer {
    struct store *store;
    uint64_t committed_us; /* when the last group ended */
    uint64_t upkeep_us;    /* when the backend wants to run again */
    uint64_t probe_us;     /* when to probe next, while the store is in trouble */
};

struct group {
    struct request *first, **last;
    size_t count;
    bool settle; /* the group is SETTLE requests only */
};

enum err_code writer_submit(struct store *store, struct request *request)
{
    enum err_code code = ERR_OK;
    pthread_mutex_lock(&store->lock);
    if (store->stopping) {
        code = ERR_UNAVAILABLE;
    } else if (store->depth >= store->setup.config.queue_max) {
        code = ERR_BUSY;
    } else {
        request->next = NULL;
        *store->last = request;
        store->last = &request->next;
        store->depth++;
        bool patient = request->kind == REQUEST_RECORD;
        store->urgent += request->kind == REQUEST_SETTLE;
        store->patient += patient;
        /* The first that is not patient ends the longer wait. */
        bool hurries = !patient && store->depth == store->patient + 1;
        if (store->wake_at != 0 && (store->depth >= store->wake_at || store->urgent > 0 || hurries))
            pthread_cond_signal(&store->wake);
    }
    pthread_mutex_unlock(&store->lock);
    return code;
}

void writer_nudge(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->lock);
}

static void sleep_until(struct store *store, uint64_t until_us, size_t wake_at)
{
    struct timespec until = {
        .tv_sec = (time_t)(until_us / 1000000),
        .tv_nsec = (long)(until_us % 1000000) * 1000,
    };
    store->wake_at = wake_at;
    if (until_us == UINT64_MAX)
        pthread_cond_wait(&store->wake, &store->lock);
    else
        pthread_cond_timedwait(&store->wake, &store->lock, &until);
    store->wake_at = 0;
}

static uint64_t next_duty_us(const struct writer *writer)
{
    bool good = health_is_good(&writer->store->health);
    return good || writer->upkeep_us < writer->probe_us ? writer->upkeep_us : writer->probe_us;
}

/* When the group is to be written that the queue holds now. */
static uint64_t gathered_us(const struct writer *writer)
{
    const struct store *store = writer->store;
    const struct store_config *config = &store->setup.config;
    bool patient = store->patient == store->depth && config->patience_ms > config->gather_ms;
    return writer->committed_us +
           (patient ? config->patience_ms : config->gather_ms) * UINT64_C(1000);
}

/* Waits until there is a group to write or a duty to do. A change that comes to an idle store is
 * taken at once; while commits follow each other a group gathers for gather_ms since the last, and
 * longer when no device waits for it. */
static void await_work(struct writer *writer)
{
    struct store *store = writer->store;
    const struct store_config *config = &store->setup.config;
    while (!store->stopping && store->urgent == 0 && store->depth < config->gather_rows) {
        uint64_t now = clock_monotonic_us(), duty = next_duty_us(writer);
        uint64_t due = gathered_us(writer);
        if (now >= duty || (store->depth > 0 && now >= due))
            return;
        if (store->depth > 0)
            sleep_until(store, due < duty ? due : duty, config->gather_rows);
        else
            sleep_until(store, duty, 1);
    }
}

/* Up to gather_rows requests of one sort off the head of the queue. */
static void take_group(struct store *store, struct group *group)
{
    *group = (struct group){.last = &group->first};
    while (store->first != NULL && group->count < store->setup.config.gather_rows) {
        struct request *request = store->first;
        bool settle = request->kind == REQUEST_SETTLE;
        if (group->count > 0 && settle != group->settle)
            break;
        group->settle = settle;
        store->first = request->next;
        store->depth--;
        store->urgent -= settle;
        store->patient -= request->kind == REQUEST_RECORD;
        request->next = NULL;
        *group->last = request;
        group->last = &request->next;
        group->count++;
    }
    if (store->first == NULL)
        store->last = &store->first;
}

static void complete_all(struct request *first)
{
    while (first != NULL) {
        struct request *request = first;
        first = request->next;
        request_complete(request);
    }
}

static void trouble(struct writer *writer, const struct err *err)
{
    atomic_fetch_add(&writer->store->failures, 1);
    health_failed(&writer->store->health, err);
    writer->probe_us = clock_monotonic_us() + PROBE_US;
}

/* Whoever waits gets the reason; a session only needs to know that it can try later. */
static void fail_all(struct request *first, const struct err *err)
{
    for (struct request *request = first; request != NULL; request = request->next) {
        request->result = request->waited ? err->code : ERR_UNAVAILABLE;
        if (request->err != NULL)
            *request->err = *err;
    }
    complete_all(first);
}

static enum err_code put_group(struct store *store, struct request *request, struct err *err)
{
    struct groups *groups = &store->groups;
    const struct group_entry *stored = groups_find(groups, request->group->name);
    struct store_group group = *request->group; /* borrows its tags */
    int64_t now = atomic_load(&store->setup.wall_ms)();
    request->change = stored == NULL                               ? STORE_CREATED
                      : group_same(request->group, &stored->group) ? STORE_UNCHANGED
                                                                   : STORE_CHANGED;
    if (request->change == STORE_UNCHANGED)
        return ERR_OK;
    if (stored != NULL && !request->flag)
        return err_set(err, ERR_EXISTS,
                       "group '%s' is there with other data; say that it shall be replaced",
                       group.name);
    if (stored == NULL && groups->count + groups->change_count >= GROUPS_MAX)
        return err_set(err, ERR_CONFLICT, "there are %d groups already", GROUPS_MAX);
    int64_t id = stored != NULL ? stored->id : ++groups->last_id;
    group.created_wall_ms = stored != NULL ? stored->group.created_wall_ms : now;
    group.revision = stored != NULL ? stored->group.revision + 1 : 1;
    group.changed_wall_ms = now;
    enum err_code code = store->ops->group_save != NULL
                             ? store->ops->group_save(store->backend, id, &group, err)
                             : ERR_OK;
    struct group_entry *entry = code == ERR_OK ? group_entry_new(id, &group, err) : NULL;
    bytes_wipe(&group, sizeof group);
    if (code != ERR_OK || entry == NULL)
        return err->code;
    return groups_stage_put(groups, entry)
               ? ERR_OK
               : err_set(err, ERR_BUSY, "store: too many changes of groups at one time");
}

static enum err_code remove_group(struct store *store, struct request *request, struct err *err)
{
    struct groups *groups = &store->groups;
    const struct group_entry *stored = groups_find(groups, request->group->name);
    if (stored == NULL)
        return err_set(err, ERR_NOT_FOUND, "there is no group '%s'", request->group->name);
    if (stored->group.devices > 0 && !request->flag)
        return err_set(err, ERR_CONFLICT,
                       "%llu devices have joined group '%s' and would be locked out; block it "
                       "instead, or say force",
                       (unsigned long long)stored->group.devices, stored->group.name);
    enum err_code code = store->ops->group_remove != NULL
                             ? store->ops->group_remove(store->backend, stored->id, err)
                             : ERR_OK;
    if (code == ERR_OK && !groups_stage_removal(groups, stored->id))
        code = err_set(err, ERR_BUSY, "store: too many changes of groups at one time");
    request->change = STORE_CHANGED;
    return code;
}

static enum err_code note_group(struct store *store, const struct request *request, struct err *err)
{
    const char *action = request->kind == REQUEST_GROUP_REMOVE ? "group.removed"
                         : request->change == STORE_CREATED    ? "group.created"
                                                               : "group.changed";
    char detail[128] = "";
    if (request->kind == REQUEST_GROUP_PUT)
        snprintf(detail, sizeof detail, "%s%.64s", request->group->blocked ? "blocked, " : "",
                 request->group->pattern);
    return store->ops->note == NULL ? ERR_OK
                                    : store->ops->note(store->backend, request->actor, action,
                                                       request->group->name, detail, err);
}

/* Groups are the store's own; a backend only keeps them. */
static enum err_code apply(struct store *store, struct request *request, struct err *err)
{
    enum err_code code;
    if (request->kind == REQUEST_GROUP_PUT)
        code = put_group(store, request, err);
    else if (request->kind == REQUEST_GROUP_REMOVE)
        code = remove_group(store, request, err);
    else
        return store->ops->apply(store->backend, request, err);
    if (code == ERR_OK && request->change != STORE_UNCHANGED)
        code = note_group(store, request, err);
    if (code != ERR_OK && code != ERR_EXISTS && code != ERR_CONFLICT && code != ERR_NOT_FOUND)
        return code;
    request->result = code;
    if (code != ERR_OK && request->err != NULL)
        *request->err = *err;
    return ERR_OK;
}

static enum err_code write_rows(struct store *store, struct request *requests, struct err *err)
{
    const struct store_ops *ops = store->ops;
    enum err_code code = ops->begin(store->backend, err);
    for (struct request *request = requests; code == ERR_OK && request != NULL;
         request = request->next)
        code = apply(store, request, err);
    if (code == ERR_OK)
        code = ops->commit(store->backend, err);
    if (code != ERR_OK) {
        ops->rollback(store->backend);
        counts_drop(&store->counts);
        groups_drop(&store->groups);
        return code;
    }
    counts_commit(&store->counts);
    groups_commit(&store->groups);
    stamps_change(&store->setup.stamps, requests);
    return ERR_OK;
}

const uint32_t store_latency_bounds_us[STORE_LATENCY_BUCKETS - 1] = {
    100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 1000000};

static void note_latency(struct store *store, uint64_t duration_us)
{
    size_t bucket = 0;
    while (bucket < STORE_LATENCY_BUCKETS - 1 && duration_us > store_latency_bounds_us[bucket])
        bucket++;
    atomic_fetch_add(&store->commit_buckets[bucket], 1);
    atomic_fetch_add(&store->commit_us, duration_us);
}

/* One transaction for the list. A request that cannot be stored must not take its group along: then
 * each is tried alone. */
static void write_group(struct writer *writer, struct request *first, size_t count)
{
    struct store *store = writer->store;
    struct err err = {0};
    uint64_t began_us = clock_monotonic_us();
    enum err_code code = write_rows(store, first, &err);
    if (code == ERR_INTERNAL && count > 1) {
        while (first != NULL) {
            struct request *request = first;
            first = request->next;
            request->next = NULL;
            request_forget_answer(request);
            write_group(writer, request, 1);
        }
        return;
    }
    if (code != ERR_OK) {
        trouble(writer, &err);
        fail_all(first, &err);
        return;
    }
    note_latency(store, clock_monotonic_us() - began_us);
    atomic_fetch_add(&store->commits, 1);
    atomic_fetch_add(&store->rows, count);
    health_recovered(&store->health);
    complete_all(first);
}

static void settle_group(struct writer *writer, struct request *first)
{
    struct store *store = writer->store;
    struct err err = {0};
    enum err_code code = store->ops->settle(store->backend, &err);
    if (code != ERR_OK) {
        trouble(writer, &err);
        fail_all(first, &err);
        return;
    }
    complete_all(first);
}

static void do_duties(struct writer *writer)
{
    struct store *store = writer->store;
    uint64_t now = clock_monotonic_us();
    struct err err = {0};
    enum err_code code = store->ops->upkeep(store->backend, now, &writer->upkeep_us, &err);
    if (code == ERR_OK && !health_is_good(&store->health) && now >= writer->probe_us) {
        code = store->ops->probe(store->backend, &err);
        if (code == ERR_OK)
            health_recovered(&store->health);
    }
    if (code != ERR_OK)
        trouble(writer, &err);
}

static void *writer_main(void *argument)
{
    struct writer writer = {.store = argument};
    struct store *store = argument;
    bool last = false;
    while (!last) {
        struct group group;
        pthread_mutex_lock(&store->lock);
        await_work(&writer);
        take_group(store, &group);
        last = store->stopping && store->first == NULL;
        pthread_mutex_unlock(&store->lock);
        if (group.count > 0 && group.settle)
            settle_group(&writer, group.first);
        else if (group.count > 0)
            write_group(&writer, group.first, group.count);
        if (group.count > 0)
            writer.committed_us = clock_monotonic_us();
        do_duties(&writer);
    }
    return NULL;
}

enum err_code writer_start(struct store *store, struct err *err)
{
    /* Signals are for the program's own threads. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&store->writer, NULL, writer_main, store);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0)
        return err_set(err, ERR_IO, "store: cannot start the writer: %s", strerror(failed));
    pthread_setname_np(store->writer, "usher-store");
    return ERR_OK;
}

void writer_stop(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    store->stopping = true;
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->lock);
    pthread_join(store->writer, NULL);
}
