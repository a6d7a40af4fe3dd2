/* A set of device ids that others ask while it grows. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "id_set_priv.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_has_what_was_added(void **state)
{
    (void)state;
    static const int64_t ids[] = {0, 1, 63, 64, 65535, 65536, 1000000, 0xfffffff, 131071, 131072};
    struct id_set set;
    assert_true(id_set_init(&set));
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        assert_false(id_set_may_have(&set, ids[i]));
        assert_true(id_set_add(&set, ids[i]));
        assert_true(id_set_may_have(&set, ids[i]));
    }
    assert_false(id_set_may_have(&set, 2));
    assert_false(id_set_may_have(&set, 65537));
    assert_false(id_set_may_have(&set, 65536 * 5));
    assert_true(id_set_add(&set, 1));
    assert_true(id_set_may_have(&set, 1));
    id_set_clear(&set);
}

/* Better a look in vain than a row that is not seen. */
static void test_may_have_what_has_no_bit(void **state)
{
    (void)state;
    struct id_set set;
    assert_true(id_set_init(&set));
    assert_true(id_set_may_have(&set, 0x10000000));
    assert_true(id_set_add(&set, 0x10000000));
    assert_true(id_set_may_have(&set, INT64_C(0x100000000)));
    assert_true(id_set_may_have(&set, -1));
    assert_false(id_set_may_have(&set, 0));
    id_set_clear(&set);
}

enum { LAST_ID = 300000 };
static struct id_set shared;
static _Atomic int64_t added;

static void *add_all(void *unused)
{
    (void)unused;
    for (int64_t id = 1; id <= LAST_ID; id++) {
        if (!id_set_add(&shared, id))
            return NULL;
        atomic_store(&added, id);
    }
    return &shared;
}

static void test_others_ask_meanwhile(void **state)
{
    (void)state;
    pthread_t thread;
    void *result = NULL;
    assert_true(id_set_init(&shared));
    assert_int_equal(pthread_create(&thread, NULL, add_all, NULL), 0);
    int64_t last = 0;
    while (last < LAST_ID) {
        last = atomic_load(&added);
        assert_true(last == 0 || id_set_may_have(&shared, last));
        assert_false(id_set_may_have(&shared, LAST_ID + 1));
    }
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, &shared);
    id_set_clear(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_has_what_was_added),
        cmocka_unit_test(test_may_have_what_has_no_bit),
        cmocka_unit_test(test_others_ask_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
