/* Blocks kept for the next association: they come back, they come back empty, and what is kept has
 * a bound. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/pool.h"

#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LARGEST_TRIED = 20000, MANY = 4000, BLOCK = 4096, KEPT_MAX = 9 << 20 };

static void assert_zero(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        assert_int_equal(data[i], 0);
}

static void test_every_size_comes_back_empty(void **state)
{
    for (size_t size = 1; size <= LARGEST_TRIED; size += size < 300 ? 1 : 97)
        for (unsigned round = 0; round < 3; round++) {
            uint8_t *block = pool_calloc(1, size);
            assert_non_null(block);
            assert_zero(block, size);
            memset(block, 0xa5, size);
            pool_free(block);
        }
}

static void test_odd_requests(void **state)
{
    pool_free(NULL);
#if !defined(__SANITIZE_ADDRESS__) /* which ends the program here */
    assert_null(pool_calloc(SIZE_MAX / 2, 3));
#endif
    pool_free(pool_calloc(0, 5));
    pool_free(pool_calloc(5, 0));
    uint8_t *block = pool_calloc(7, 11);
    assert_non_null(block);
    assert_zero(block, 77);
    pool_free(block);
}

/* Mbed TLS frees what was allocated before the pool was there, and the other way round. */
static void test_mixes_with_malloc(void **state)
{
    for (size_t size = 1; size < 10000; size += 83) {
        pool_free(malloc(size));
        free(pool_calloc(1, size));
    }
}

static void test_what_is_kept_has_a_bound(void **state)
{
    static void *blocks[MANY];
    size_t before = mallinfo2().uordblks;

    for (unsigned i = 0; i < MANY; i++) {
        blocks[i] = pool_calloc(1, BLOCK);
        assert_non_null(blocks[i]);
    }
    for (unsigned i = 0; i < MANY; i++)
        pool_free(blocks[i]);
    assert_in_range(mallinfo2().uordblks, 0, before + KEPT_MAX);
}

static void *use_and_end(void *context)
{
    for (size_t size = 1; size < 9000; size += 50)
        pool_free(pool_calloc(1, size));
    return NULL;
}

/* A thread takes nothing with it: leak checkers see to that. */
static void test_threads(void **state)
{
    for (unsigned i = 0; i < 8; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, use_and_end, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_size_comes_back_empty),
        cmocka_unit_test(test_odd_requests),
        cmocka_unit_test(test_mixes_with_malloc),
        cmocka_unit_test(test_what_is_kept_has_a_bound),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
