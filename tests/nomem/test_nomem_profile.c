/* SPDX-License-Identifier: Apache-2.0 */
/* Loading profiles and planning while the N-th allocation fails, for every N: an error each time,
 * nothing lost, nothing half done. */
#include "past_pool.h"
#include "usher/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ALLOCATIONS_LEAST = 20, ALLOCATIONS_MOST = 100000 };

static size_t allocations, fail_at; /* fail_at 0 = never */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static bool fails(void)
{
    return ++allocations == fail_at;
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
    "- class: parent\n"
    "  abstract: true\n"
    "  servers: [{ id: 1, uri: \"coaps://h\", security: { mode: psk, credential: generate } }]\n"
    "- class: child\n"
    "  extends: parent\n"
    "  match: { endpoint: [\"a-*\", \"b-*\"] }\n"
    "  servers:\n"
    "    - { id: 2, uri: \"coaps://${endpoint}\", security: { mode: psk, credential: generate } }\n"
    "  access-control: [{ object: /3/0, owner: 1, grant: { 2: [read] } }]\n"
    "  write: { /3/0/14: \"${identity}\", /33000/0/1: { type: integer, value: [1, 2, 3] } }\n"
    "  delete: [/33000]\n";

static struct profile_set *load(struct findings *findings, size_t failing)
{
    allocations = 0;
    fail_at = failing;
    findings_init(findings);
    struct profile_set *set = profile_set_load_text("t.yaml", bytes_of_text(profiles), findings);
    fail_at = 0;
    return set;
}

static void test_loading(void **state)
{
    struct findings findings;
    struct profile_set *set = load(&findings, 0);
    assert_non_null(set);
    uint64_t hash = profile_hash(profile_set_at(set, 0));
    profile_set_unref(set);
    findings_clear(&findings);
    size_t refused = 0;
    for (size_t n = 1, last = 0; last == 0; n++) {
        assert_true(n < ALLOCATIONS_MOST);
        set = load(&findings, n);
        last = allocations < n;
        assert_true((set == NULL) == (findings.errors > 0));
        if (set)
            assert_true(profile_hash(profile_set_at(set, 0)) == hash);
        refused += set == NULL;
        profile_set_unref(set);
        findings_clear(&findings);
    }
    assert_true(refused >= ALLOCATIONS_LEAST);
}

static void test_planning(void **state)
{
    struct findings findings;
    struct profile_set *set = load(&findings, 0);
    assert_non_null(set);
    struct enrollment enrollment = {.endpoint = "a-1"};
    struct capability capability;
    struct plan_context context = {0};
    struct credential_need needs[ACCOUNTS_MAX];
    size_t count = 0, refused = 0;
    struct err err;
    assert_true(identity_set(&enrollment.identity, bytes_of_text("i")));
    capability_init(&capability);
    for (size_t n = 1, last = 0; last == 0; n++) {
        assert_true(n < ALLOCATIONS_MOST);
        struct plan *plan = NULL;
        allocations = 0;
        fail_at = n;
        enum err_code needed =
            profile_credentials(profile_set_at(set, 0), &enrollment, needs, &count, &err);
        enum err_code built =
            plan_build(profile_set_at(set, 0), &enrollment, &capability, &context, &plan, &err);
        last = allocations < n;
        fail_at = 0;
        assert_true(needed == ERR_OK || needed == ERR_NO_MEMORY);
        assert_true(built == ERR_OK || built == ERR_NO_MEMORY);
        assert_true((plan != NULL) == (built == ERR_OK));
        refused += needed != ERR_OK || built != ERR_OK;
        plan_free(plan);
    }
    assert_true(refused >= 4);
    profile_set_unref(set);
    findings_clear(&findings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loading),
        cmocka_unit_test(test_planning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
