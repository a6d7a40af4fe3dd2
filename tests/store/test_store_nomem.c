/* The N-th allocation fails, for every N, in the store and in SQLite: an error, nothing half done,
 * and the store works again afterwards. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "past_pool.h"
#include "scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ALLOCATIONS_LEAST = 300, ALLOCATIONS_MOST = 100000 };

static atomic_uint allocations, fail_at; /* fail_at 0 = never */
static atomic_bool failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);

static bool fails(void)
{
    unsigned wanted = atomic_load(&fail_at);
    if (wanted == 0 || atomic_fetch_add(&allocations, 1) + 1 != wanted)
        return false;
    atomic_store(&failed, true);
    return true;
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

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

static bool run_failing_at(const char *backend, unsigned number)
{
    struct bed bed;
    struct scenario scenario;
    bed_prepare(&bed, backend);
    bed.config.gather_ms = 1;
    atomic_store(&allocations, 0);
    atomic_store(&failed, false);
    atomic_store(&fail_at, number);
    scenario_run(&bed, &scenario);
    atomic_store(&fail_at, 0);
    bool reached = atomic_load(&failed);
    if (!scenario.opened)
        assert_true(reached && scenario.open_err.text[0] != '\0');
    if (!reached)
        assert_int_equal(scenario.failures, 0);
    if (bed.config.path != NULL)
        scenario_check(&bed, &scenario);
    else
        assert_int_equal(scenario.callbacks_asked, scenario.callbacks_run);
    bed_close(&bed);
    return reached;
}

static void run_for_every_allocation(const char *backend, unsigned least)
{
    unsigned number = 1;
    while (run_failing_at(backend, number))
        assert_true(++number < ALLOCATIONS_MOST);
    print_message("%s: %u allocations\n", backend, number - 1);
    assert_true(number > least);
}

static void test_sqlite(void **state)
{
    run_for_every_allocation("sqlite", ALLOCATIONS_LEAST);
}

static void test_memory(void **state)
{
    run_for_every_allocation("memory", 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_sqlite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
