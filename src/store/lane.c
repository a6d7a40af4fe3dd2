/* Lanes: the store as one thread sees it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "mailbox_priv.h"
#include "readers_priv.h"
#include "recent_priv.h"
#include "usher/clock.h"

#include <stdlib.h>
#include <string.h>

struct store_lane {
    struct store *store;
    struct mailbox *mailbox;
    struct store_reader *reader;
    struct recent *recent;
    struct briefs found; /* of devices that were found, by as_of */
    struct store_actor actor;
    struct request *newest; /* of those whose callback has yet to run */
    bool rests;             /* its thread calls store_lane_rest */
    bool closing;
};

enum { FOUND_BRIEFS = 4096 };

enum err_code store_lane_open(struct store *store, struct store_lane **out, struct err *err)
{
    struct store_lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    lane->store = store;
    lane->recent = recent_new(&store->setup.stamps);
    enum err_code code = lane->recent != NULL && briefs_init(&lane->found, FOUND_BRIEFS)
                             ? mailbox_new(&lane->mailbox, err)
                             : err_set(err, ERR_NO_MEMORY, "store: out of memory");
    if (code != ERR_OK)
        goto out;
    code = store->ops->reader_open(store->backend, &lane->reader, err);
    if (code != ERR_OK)
        goto out;
    atomic_fetch_add(&store->lanes, 1);
    *out = lane;
    lane = NULL;
out:
    if (lane != NULL && lane->mailbox != NULL)
        mailbox_release(lane->mailbox);
    if (lane != NULL) {
        recent_free(lane->recent);
        briefs_clear(&lane->found);
    }
    free(lane);
    return code;
}

struct store *lane_store(const struct store_lane *lane)
{
    return lane->store;
}

void store_lane_act_as(struct store_lane *lane, const struct store_actor *actor)
{
    lane->actor = *actor;
}

struct store_reader *lane_reader(const struct store_lane *lane)
{
    return lane->reader;
}

bool lane_is_closing(const struct store_lane *lane)
{
    return lane->closing;
}

int store_lane_fd(const struct store_lane *lane)
{
    return mailbox_fd(lane->mailbox);
}

static void link_request(struct store_lane *lane, struct request *request)
{
    request->older = lane->newest;
    request->newer = NULL;
    if (lane->newest != NULL)
        lane->newest->newer = request;
    lane->newest = request;
}

static void unlink_request(struct store_lane *lane, struct request *request)
{
    if (request->newer != NULL)
        request->newer->older = request->older;
    else
        lane->newest = request->older;
    if (request->older != NULL)
        request->older->newer = request->newer;
}

static void run_callback(struct request *request, enum err_code result)
{
    if (request->device_done != NULL)
        request->device_done(request->context, result, result == ERR_OK ? request->device : NULL);
    else if (request->done != NULL)
        request->done(request->context, result);
}

/* Runs the callbacks of a list that came out of the mailbox. */
static void deliver(struct store_lane *lane, struct request *first)
{
    while (first != NULL) {
        struct request *request = first;
        first = request->next;
        unlink_request(lane, request);
        run_callback(request, request->result);
        request_release(request); /* the answerer's hold came with it */
        request_release(request);
    }
}

void store_lane_poll(struct store_lane *lane)
{
    deliver(lane, mailbox_take_all(lane->mailbox));
}

uint64_t store_lane_rest(struct store_lane *lane)
{
    const struct store_ops *ops = lane->store->ops;
    lane->rests = true;
    uint64_t tidy = recent_tidy(lane->recent);
    uint64_t rest = ops->reader_rest != NULL ? ops->reader_rest(lane->reader) : UINT64_MAX;
    return tidy < rest ? tidy : rest;
}

void store_lane_close(struct store_lane *lane)
{
    if (lane == NULL)
        return;
    lane->closing = true;
    deliver(lane, mailbox_close(lane->mailbox));
    while (lane->newest != NULL) {
        struct request *request = lane->newest;
        unlink_request(lane, request);
        /* The answerer may be writing its answer now: only what belongs to the lane is read. */
        run_callback(request, ERR_UNAVAILABLE);
        request_release(request);
    }
    lane->store->ops->reader_close(lane->reader);
    recent_free(lane->recent);
    briefs_clear(&lane->found);
    atomic_fetch_sub(&lane->store->lanes, 1);
    mailbox_release(lane->mailbox);
    free(lane);
}

static enum err_code hand_over(struct store_lane *lane, struct request *request, bool *taken)
{
    const struct store_ops *ops = lane->store->ops;
    *taken = true;
    if (request->kind == REQUEST_FIND_IDENTITY || request->kind == REQUEST_FIND_ENDPOINT) {
        *taken = ops->find_later != NULL ? ops->find_later(lane->reader, request)
                                         : readers_submit(lane->store->readers, request);
        return *taken ? ERR_OK : ERR_BUSY;
    }
    enum err_code code = writer_submit(lane->store, request);
    *taken = code == ERR_OK;
    return code;
}

void lane_submit(struct store_lane *lane, struct request *request)
{
    enum err_code code = ERR_UNAVAILABLE;
    bool taken = false;
    bool wanted = request->device_done != NULL || request->done != NULL;
    if (request->kind == REQUEST_MAKE_PENDING || request->kind == REQUEST_RECORD)
        briefs_find(&lane->found, request->endpoint, &request->known);
    if (!lane->closing) {
        if (wanted) {
            request->mailbox = lane->mailbox;
            mailbox_hold(lane->mailbox);
            atomic_store(&request->holders, 2);
            link_request(lane, request);
        }
        code = hand_over(lane, request, &taken);
        if (!taken && wanted)
            unlink_request(lane, request);
    }
    if (!taken) {
        run_callback(request, code);
        request_free(request);
    }
}

void lane_wait(struct store_lane *lane, struct request *request)
{
    mailbox_wait(lane->mailbox, request);
}

bool lane_submit_waited(struct store_lane *lane, struct request *request)
{
    bool taken;
    request->waited = true;
    request->actor = &lane->actor;
    request->mailbox = lane->mailbox;
    mailbox_hold(lane->mailbox);
    enum err_code code = hand_over(lane, request, &taken);
    if (taken)
        return true; /* and no more ours */
    request->result =
        err_set(request->err, code,
                code == ERR_BUSY ? "store: too many changes are waiting; try again later"
                                 : "store: closing");
    return false;
}

enum err_code lane_submit_and_wait(struct store_lane *lane, struct request *request)
{
    if (lane_submit_waited(lane, request))
        mailbox_wait(lane->mailbox, request);
    return request->result;
}

enum err_code lane_read_failed(struct store_lane *lane, enum err_code code, const struct err *err)
{
    if (code == ERR_NOT_FOUND)
        return code;
    health_failed(&lane->store->health, err);
    writer_nudge(lane->store);
    return ERR_UNAVAILABLE;
}

static struct request *find_request(const struct identity *identity, struct bytes endpoint)
{
    struct request *request =
        request_new(identity != NULL ? REQUEST_FIND_IDENTITY : REQUEST_FIND_ENDPOINT);
    if (request == NULL)
        return NULL;
    if (identity != NULL)
        request->identity = *identity;
    else
        memcpy(request->endpoint, endpoint.data, endpoint.len);
    return request;
}

static void find_later(struct store_lane *lane, const struct identity *identity,
                       struct bytes endpoint, store_device_fn done, void *context)
{
    struct request *request = find_request(identity, endpoint);
    if (request == NULL) {
        done(context, ERR_UNAVAILABLE, NULL);
        return;
    }
    request->device_done = done;
    request->context = context;
    lane_submit(lane, request);
}

/* ERR_BUSY: not without waiting. */
static enum err_code find_in_a_hurry(struct store_lane *lane, const struct identity *identity,
                                     struct bytes endpoint, struct store_device *out,
                                     struct err *err)
{
    struct readers *readers = lane->store->readers;
    struct groups *groups = &lane->store->groups;
    const struct store_ops *ops = lane->store->ops;
    int64_t now_ms = atomic_load(&lane->store->setup.wall_ms)();
    if (ops->hurry == NULL)
        return groups_look_up(groups, ops->find, lane->reader, identity, endpoint, now_ms, out,
                              err);
    if (readers_are_due(readers))
        return ERR_BUSY;
    uint64_t start = clock_monotonic_us();
    ops->hurry(true);
    enum err_code code =
        groups_look_up(groups, ops->find, lane->reader, identity, endpoint, now_ms, out, err);
    ops->hurry(false);
    readers_note(readers, clock_monotonic_us() - start);
    return code;
}

static bool find_again(struct store_lane *lane, const struct identity *identity,
                       store_device_fn done, void *context)
{
    struct store_device *device = recent_take(lane->recent, identity);
    if (device == NULL)
        return false;
    briefs_note(&lane->found, device, device->as_of);
    done(context, ERR_OK, device);
    recent_return(lane->recent, device);
    return true;
}

static void find_now(struct store_lane *lane, const struct identity *identity,
                     struct bytes endpoint, store_device_fn done, void *context)
{
    struct err err = {0};
    struct store_device *device = recent_borrow(lane->recent);
    if (device == NULL) {
        done(context, ERR_UNAVAILABLE, NULL);
        return;
    }
    enum err_code code = find_in_a_hurry(lane, identity, endpoint, device, &err);
    if (code == ERR_OK && lane->rests)
        briefs_note(&lane->found, device, device->as_of);
    if (code == ERR_OK)
        done(context, ERR_OK, device);
    else if (code == ERR_BUSY)
        find_later(lane, identity, endpoint, done, context);
    else
        done(context, lane_read_failed(lane, code, &err), NULL);
    if (code == ERR_OK && identity != NULL && lane->rests)
        recent_keep(lane->recent, device);
    else
        recent_return(lane->recent, device);
}

void lane_find(struct store_lane *lane, const struct identity *identity, struct bytes endpoint,
               store_device_fn done, void *context)
{
    if (lane->closing)
        done(context, ERR_UNAVAILABLE, NULL);
    else if (lane->store->ops->find_later != NULL)
        find_later(lane, identity, endpoint, done, context);
    else if (identity == NULL || !find_again(lane, identity, done, context))
        find_now(lane, identity, endpoint, done, context);
}

enum err_code lane_find_and_wait(struct store_lane *lane, struct bytes endpoint,
                                 struct store_device *out, struct err *err)
{
    const struct store_ops *ops = lane->store->ops;
    struct store_device device = {0};
    struct err cause = {0};
    enum err_code code = ops->find(lane->reader, NULL, endpoint, &device, &cause);
    if (code == ERR_OK) {
        groups_name(&lane->store->groups, device.group_id, device.group);
        *out = device;
        /* The tags have moved; the keys must not stay behind. */
        bytes_wipe(&device, sizeof device);
        return ERR_OK;
    }
    store_device_clear(&device);
    if (code != ERR_NOT_FOUND)
        lane_read_failed(lane, code, &cause);
    if (err != NULL)
        *err = cause;
    return code;
}
