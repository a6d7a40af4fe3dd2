/* SPDX-License-Identifier: Apache-2.0 */
/* Between driver and store (by the linker's --wrap): late answers, failures, and the count of calls
 * under way. A late call reaches the store when its time has come, as with a database that is slow
 * to answer. */
#include "net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void __real_store_find_identity(struct store_lane *lane, struct bytes identity,
                                store_device_fn done, void *context);
void __real_store_make_pending(struct store_lane *lane, struct bytes endpoint,
                               const struct store_new_credential *credentials, size_t count,
                               store_device_fn done, void *context);
void __real_store_record(struct store_lane *lane, const struct outcome *outcome,
                         const struct store_promotion *promotions, size_t count, store_done_fn done,
                         void *context);
void __wrap_store_find_identity(struct store_lane *lane, struct bytes identity,
                                store_device_fn done, void *context);
void __wrap_store_make_pending(struct store_lane *lane, struct bytes endpoint,
                               const struct store_new_credential *credentials, size_t count,
                               store_device_fn done, void *context);
void __wrap_store_record(struct store_lane *lane, const struct outcome *outcome,
                         const struct store_promotion *promotions, size_t count, store_done_fn done,
                         void *context);

enum late_kind { LATE_FIND, LATE_COMMIT, LATE_RECORD };

struct net_late {
    struct net_late *next;
    uint64_t due;
    enum late_kind kind;
    bool fails;
    struct store_lane *lane;
    struct identity identity;
    char endpoint[ENDPOINT_MAX + 1];
    struct store_new_credential credentials[ACCOUNTS_MAX];
    struct store_promotion promotions[ACCOUNTS_MAX];
    size_t count;
    struct outcome outcome;
    store_device_fn device_done;
    store_done_fn done;
    void *context;
};

static struct net *net;

void net_late_use(struct net *used)
{
    net = used;
}

static void device_arrived(void *context, enum err_code result, const struct store_device *device)
{
    struct net_late *call = context;

    net->outstanding--;
    call->device_done(call->context, result, device);
    bytes_wipe(call, sizeof *call);
    free(call);
}

static void result_arrived(void *context, enum err_code result)
{
    struct net_late *call = context;

    net->outstanding--;
    if (result == ERR_OK)
        net_note_outcome(net, &call->outcome);
    if (call->done != NULL)
        call->done(call->context, result);
    free(call);
}

static void hand_in(struct net_late *call)
{
    net->outstanding++;
    if (call->fails && call->kind == LATE_RECORD)
        result_arrived(call, ERR_UNAVAILABLE);
    else if (call->fails)
        device_arrived(call, ERR_UNAVAILABLE, NULL);
    else if (call->kind == LATE_FIND)
        __real_store_find_identity(call->lane, identity_bytes(&call->identity), device_arrived,
                                   call);
    else if (call->kind == LATE_COMMIT)
        __real_store_make_pending(call->lane, bytes_of_text(call->endpoint), call->credentials,
                                  call->count, device_arrived, call);
    else
        __real_store_record(call->lane, &call->outcome, call->promotions, call->count,
                            result_arrived, call);
}

static struct net_late *call_new(enum late_kind kind, struct store_lane *lane, void *context)
{
    bool inside = net_inside;

    net_inside = false;
    struct net_late *call = calloc(1, sizeof *call);
    net_inside = inside;
    assert_non_null(call);
    *call = (struct net_late){.kind = kind, .lane = lane, .context = context};
    return call;
}

static void hand_in_after(struct net_late *call, uint64_t delay_ms)
{
    struct net_late **at = &net->late;

    if (delay_ms == 0) {
        hand_in(call);
        return;
    }
    call->due = net->now + delay_ms;
    while (*at != NULL && (*at)->due <= call->due)
        at = &(*at)->next;
    call->next = *at;
    *at = call;
}

uint64_t net_late_next(const struct net *of)
{
    return of->late == NULL ? UINT64_MAX : of->late->due;
}

void net_late_run(struct net *of)
{
    while (of->late != NULL && of->late->due <= of->now) {
        struct net_late *call = of->late;
        of->late = call->next;
        hand_in(call);
    }
}

/* As a lane that is closed does. */
void net_late_forget(struct net *of)
{
    while (of->late != NULL) {
        struct net_late *call = of->late;
        of->late = call->next;
        call->fails = true;
        hand_in(call);
    }
}

void __wrap_store_find_identity(struct store_lane *lane, struct bytes identity,
                                store_device_fn done, void *context)
{
    struct net_late *call = call_new(LATE_FIND, lane, context);
    const char *slow = net->trouble.slow_identity;
    bool late = slow == NULL || bytes_equal(identity, bytes_of_text(slow));

    net->trouble.finds++;
    assert_true(identity_set(&call->identity, identity));
    call->device_done = done;
    call->fails = net->trouble.find_fails;
    hand_in_after(call, late ? net->trouble.find_ms : 0);
}

void __wrap_store_make_pending(struct store_lane *lane, struct bytes endpoint,
                               const struct store_new_credential *credentials, size_t count,
                               store_device_fn done, void *context)
{
    struct net_late *call = call_new(LATE_COMMIT, lane, context);

    net->trouble.commits++;
    assert_true(count <= ACCOUNTS_MAX);
    memcpy(call->endpoint, endpoint.data, endpoint.len);
    memcpy(call->credentials, credentials, count * sizeof *credentials);
    call->count = count;
    call->device_done = done;
    call->fails = net->trouble.commit_fails;
    hand_in_after(call, net->trouble.commit_ms);
}

void __wrap_store_record(struct store_lane *lane, const struct outcome *outcome,
                         const struct store_promotion *promotions, size_t count, store_done_fn done,
                         void *context)
{
    struct net_late *call = call_new(LATE_RECORD, lane, context);

    net->trouble.records++;
    assert_true(count <= ACCOUNTS_MAX);
    call->outcome = *outcome;
    if (count > 0)
        memcpy(call->promotions, promotions, count * sizeof *promotions);
    call->count = count;
    call->done = done;
    call->fails = net->trouble.record_fails;
    hand_in_after(call, net->trouble.record_ms);
}
