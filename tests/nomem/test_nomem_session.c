/* SPDX-License-Identifier: Apache-2.0 */
/* A whole bootstrap while the N-th allocation of the session fails, for every N: it ends with one
 * record and one close, never with a success that was none, and the device may come again. */
#include "past_pool.h"
#include "watch.h"
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ALLOCATIONS_LEAST = 6, ALLOCATIONS_MOST = 10000 };

static size_t allocations, fail_at; /* fail_at 0 = never */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static bool fails(void)
{
    return fail_at != 0 && ++allocations == fail_at;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

static const char profiles[] =
    "class: lamp\n"
    "servers: [{ id: 101, uri: \"coaps://h\", security: { mode: psk, credential: generate } }]\n";

struct run {
    struct world world;
    struct session *session;
    struct session_actions actions;
    struct watch watch;
    struct credential_need needs[ACCOUNTS_MAX];
    size_t need_count;
    size_t failing;
    bool promoted;
};

static void step(struct run *run, const struct session_event *event)
{
    (void)watch_event(&run->watch, event);
    fail_at = run->failing;
    session_step(run->session, event, 1000, &run->actions);
    fail_at = 0;
    (void)watch_actions(&run->watch, run->session, &run->actions);
    assert_string_equal(run->watch.broken, "");
}

static void resolve(struct run *run)
{
    step(run, &(struct session_event){.kind = SESSION_RESOLVED,
                                      .enrollment = &run->world.devices[0],
                                      .profiles = run->world.profiles});
}

static void commit(struct run *run)
{
    world_commit(&run->world.devices[0], run->needs, run->need_count);
    step(run,
         &(struct session_event){.kind = SESSION_COMMITTED, .enrollment = &run->world.devices[0]});
}

/* Answers the action that asks for it. False: none does. */
static bool go_on(struct run *run)
{
    for (size_t i = 0; i < run->actions.count; i++) {
        const struct session_action *action = &run->actions.items[i];
        run->promoted = run->promoted || action->promote;
        switch (action->kind) {
        case ACTION_RESOLVE:
            resolve(run);
            return true;
        case ACTION_COMMIT:
            run->need_count = action->need_count;
            memcpy(run->needs, action->needs, action->need_count * sizeof *action->needs);
            commit(run);
            return true;
        case ACTION_RESPOND:
            step(run, &(struct session_event){.kind = SESSION_RESPONDED});
            return true;
        case ACTION_SEND:
            step(run, &(struct session_event){.kind = SESSION_ANSWER,
                                              .code = 2 << 5 | 5,
                                              .payload = bytes_of_text("</0/0>,</1/0>;ssid=9")});
            return true;
        default:
            break;
        }
    }
    return false;
}

static bool bootstrap(size_t failing)
{
    struct run run = {.failing = failing};
    struct session_start start = {.started_ms = 1};
    assert_true(world_load_profiles(&run.world, "test.yaml", profiles));
    struct enrollment *device = world_enroll(&run.world, "lamp7", "lamp", "id-7");
    assert_non_null(device);
    assert_true(world_add_tag(device, "pole", "17"));
    assert_true(identity_set(&start.identity, bytes_of_text("id-7")));
    run.session = session_new(&start);
    assert_non_null(run.session);
    step(&run,
         &(struct session_event){.kind = SESSION_REQUEST, .endpoint = bytes_of_text("lamp7")});
    while (go_on(&run))
        continue;
    if (!session_over(run.session))
        step(&run, &(struct session_event){.kind = SESSION_CLOSED, .cause = CAUSE_CLOSED});
    assert_int_equal(run.watch.records, run.watch.begun);
    assert_int_equal(run.watch.closes, 1);
    session_free(run.session);
    world_clear(&run.world);
    return run.promoted;
}

static void test_bootstrap(void **state)
{
    size_t failed = 0;
    assert_true(bootstrap(0));
    for (size_t n = 1, last = 0; last == 0; n++) {
        assert_true(n < ALLOCATIONS_MOST);
        allocations = 0;
        bool promoted = bootstrap(n);
        last = allocations < n;
        assert_true(promoted || last == 0);
        failed += !promoted;
    }
    assert_true(failed >= ALLOCATIONS_LEAST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bootstrap)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
