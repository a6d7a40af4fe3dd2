/* SPDX-License-Identifier: Apache-2.0 */
/* The N-th allocation of the server fails, for every N of a bootstrap: nothing crashes or leaks,
 * what must never happen does not, and the device is bootstrapped when it tries again. */
#include "known_overread.h"
#include "net.h"
#include "past_pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <mbedtls/platform.h>

enum { LIMIT_MS = 700000, MOST = 100000 };

static unsigned countdown; /* 0 = none fails */
static bool failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);

/* The store's own thread has memory: its failures are the matter of tests/store, and it is never
 * inside. */
static bool fails(void)
{
    if (!net_inside || countdown == 0 || --countdown > 0)
        return false;
    failed = true;
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

/* True when there was an N-th allocation. */
static bool survive(unsigned number)
{
    struct net *net = net_new(NULL);

#if defined(MBEDTLS_PLATFORM_MEMORY)
    mbedtls_platform_set_calloc_free(calloc, free); /* not from blocks that the endpoint has kept */
#endif
    countdown = number;
    failed = false;
    net_start(net, 0, false, 0);
    net_finish(net, LIMIT_MS);
    countdown = 0;
    for (unsigned i = 0; i < 2 && net->devices[0].state != SIM_BOOTSTRAPPED; i++) {
        net_start(net, 0, true, 0);
        net_finish(net, LIMIT_MS);
    }
    assert_int_equal(net->devices[0].state, SIM_BOOTSTRAPPED);
    /* An outcome that was lost for want of memory leaves the key pending; the next one tells. */
    net_start(net, 0, true, 0);
    net_finish(net, LIMIT_MS);
    net_assert_bootstrapped(net, 0);
    net_free(net);
    return failed;
}

static void test_each_allocation_fails(void **state)
{
    unsigned number = 1;

    while (number < MOST && survive(number))
        number++;
    print_message("%u allocations\n", number - 1);
    assert_in_range(number, 50, MOST - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation_fails)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
