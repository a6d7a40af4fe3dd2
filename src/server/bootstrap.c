/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a bootstrap, and what its session asks for. */
#include "bootstrap_priv.h"
#include "usher/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- life of a bootstrap ---- */

void bootstrap_forget_keys(struct bootstrap *bootstrap)
{
    for (size_t i = 0; i < bootstrap->key_count; i++)
        blob_unref(bootstrap->keys[i].public_part);
    if (bootstrap->keys != NULL)
        bytes_wipe(bootstrap->keys, bootstrap->key_count * sizeof *bootstrap->keys);
    free(bootstrap->keys);
    bootstrap->keys = NULL;
    if (bootstrap->converted != NULL)
        secret_clear(bootstrap->converted);
    free(bootstrap->converted);
    bootstrap->converted = NULL;
    bootstrap->key_count = 0;
}

struct live_holder bootstrap_holder(const struct bootstrap *bootstrap)
{
    return (struct live_holder){
        .worker = bootstrap->driver->config.worker,
        .slot = bootstrap->ref.slot,
        .generation = bootstrap->ref.generation,
    };
}

void bootstrap_release_claim(struct bootstrap *bootstrap)
{
    struct live_holder holder = bootstrap_holder(bootstrap);

    if (bootstrap->endpoint[0] != '\0')
        live_release(bootstrap->driver->config.live, bootstrap->endpoint, &holder);
    bootstrap->endpoint[0] = '\0';
}

void bootstrap_set_finished(struct bootstrap *bootstrap, bool finished)
{
    if (finished == bootstrap->finished)
        return;
    bootstrap->finished = finished;
    if (finished)
        bootstrap->driver->running--;
    else
        bootstrap->driver->running++;
}

struct bootstrap *bootstrap_new(struct driver *driver, struct association_ref ref)
{
    struct bootstrap *bootstrap = pool_calloc(1, sizeof *bootstrap);

    if (bootstrap == NULL)
        return NULL;
    bootstrap->driver = driver;
    bootstrap->ref = ref;
    bootstrap->associated = true;
    bootstrap->finished = true; /* nothing runs before the first request */
    endpoint_info(driver->endpoint, ref, &bootstrap->info);
    uint64_t age_ms = driver->now.monotonic_ms - bootstrap->info.started_ms;
    struct session_start start = {
        .unknown = driver->config.unknown == NULL
                       ? UNKNOWN_REFUSE
                       : driver->config.unknown[bootstrap->info.path.listener],
        .proof = bootstrap->info.proof,
        .identity = bootstrap->info.identity,
        .names = bootstrap->info.names,
        .started_ms = bootstrap->info.started_ms,
        .started_wall_ms = driver->now.wall_ms - (int64_t)age_ms,
        .handshake_ms = bootstrap->info.handshake_ms,
    };
    bootstrap->session = session_new(&start);
    if (bootstrap->session == NULL) {
        pool_free(bootstrap);
        return NULL;
    }
    bootstrap->next = driver->first;
    if (driver->first != NULL)
        driver->first->previous = bootstrap;
    driver->first = bootstrap;
    return bootstrap;
}

void bootstrap_free_if_done(struct bootstrap *bootstrap)
{
    struct driver *driver = bootstrap->driver;

    if (bootstrap->associated || bootstrap->calls > 0)
        return;
    bootstrap_set_finished(bootstrap, true);
    bootstrap_release_claim(bootstrap);
    if (bootstrap->previous != NULL)
        bootstrap->previous->next = bootstrap->next;
    else
        driver->first = bootstrap->next;
    if (bootstrap->next != NULL)
        bootstrap->next->previous = bootstrap->previous;
    bootstrap_forget_keys(bootstrap);
    session_free(bootstrap->session);
    pool_free(bootstrap);
}

/* ---- actions ---- */

static void perform_state(struct bootstrap *bootstrap, const struct session_action *action)
{
    struct live_holder holder = bootstrap_holder(bootstrap);
    const struct enrollment *enrollment = session_enrollment(bootstrap->session);

    /* Final states are shown once they are durable. */
    if (bootstrap->endpoint[0] == '\0' ||
        (action->state != STATE_SEEN && action->state != STATE_WRITING &&
         action->state != STATE_VERIFYING))
        return;
    live_set_state(bootstrap->driver->config.live, bootstrap->endpoint, &holder, action->state,
                   enrollment == NULL ? "" : enrollment->class_name);
}

static void perform_close(struct bootstrap *bootstrap, const struct session_action *action)
{
    struct driver *driver = bootstrap->driver;

    if (!bootstrap->associated)
        return;
    bootstrap->associated = false;
    seen_forget(&driver->seen, bootstrap->ref, bootstrap->endpoint);
    endpoint_info(driver->endpoint, bootstrap->ref, &bootstrap->info);
    endpoint_set_user(driver->endpoint, bootstrap->ref, NULL);
    endpoint_close(driver->endpoint, bootstrap->ref, action->silent);
}

static void perform(struct bootstrap *bootstrap, const struct session_action *action)
{
    switch (action->kind) {
    case ACTION_RESOLVE:
        bootstrap_resolve(bootstrap);
        break;
    case ACTION_COMMIT:
        bootstrap_commit(bootstrap, action);
        break;
    case ACTION_RESPOND:
        bootstrap_respond(bootstrap, action);
        break;
    case ACTION_SEND:
        bootstrap_send(bootstrap, action);
        break;
    case ACTION_ARM:
        endpoint_arm(bootstrap->driver->endpoint, bootstrap->ref,
                     action->at == 0 ? UINT64_MAX : action->at);
        break;
    case ACTION_STATE:
        perform_state(bootstrap, action);
        break;
    case ACTION_RECORD:
        bootstrap_record(bootstrap, action);
        break;
    case ACTION_CLOSE:
        perform_close(bootstrap, action);
        break;
    }
}

static bool brings_answer(const struct session_action *action)
{
    return action->kind == ACTION_RESOLVE || action->kind == ACTION_COMMIT ||
           action->kind == ACTION_SEND;
}

/* An event that an action brings before it returns (a piggybacked answer is out at once) waits
 * until all actions are done: session_step overwrites what they point to. The one action that asks
 * for an answer with data runs last, so that its answer may come at any time. */
void bootstrap_step(struct bootstrap *bootstrap, const struct session_event *event)
{
    struct session_actions actions;
    struct session_event timed = *event;
    const struct session_action *last = NULL;

    if (bootstrap->stepping) {
        assert(bootstrap->waiting_count < WAITING_EVENTS_MAX);
        bootstrap->waiting[bootstrap->waiting_count++] = *event;
        return;
    }
    timed.wall_ms = bootstrap->driver->now.wall_ms;
    bootstrap->stepping = true;
    session_step(bootstrap->session, &timed, bootstrap->driver->now.monotonic_ms, &actions);
    for (size_t i = 0; i < actions.count; i++) {
        if (brings_answer(&actions.items[i]))
            last = &actions.items[i];
        else
            perform(bootstrap, &actions.items[i]);
    }
    bootstrap->stepping = false;
    if (last != NULL)
        perform(bootstrap, last);
    while (bootstrap->waiting_count > 0) {
        struct session_event next = bootstrap->waiting[0];
        bootstrap->waiting_count--;
        memmove(bootstrap->waiting, bootstrap->waiting + 1,
                bootstrap->waiting_count * sizeof *bootstrap->waiting);
        bootstrap_step(bootstrap, &next);
    }
}
