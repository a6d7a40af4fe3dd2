/* Shared bytes: content, counting, nothing. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/blob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void is_a_copy_that_lives_until_the_last_holder_goes(void **state)
{
    char text[] = "certificate";
    struct blob *blob = blob_new(bytes_of_text(text));
    assert_non_null(blob);
    text[0] = 'C';
    struct blob *again = blob_ref(blob);
    assert_ptr_equal(blob, again);
    blob_unref(blob);
    assert_true(bytes_equal(bytes_of_text("certificate"), blob_bytes(again)));
    blob_unref(again);
}

static void nothing_is_empty(void **state)
{
    assert_int_equal(0, blob_bytes(NULL).len);
    assert_null(blob_ref(NULL));
    blob_unref(NULL);
    struct blob *empty = blob_new(bytes_of(NULL, 0));
    assert_non_null(empty);
    assert_int_equal(0, blob_bytes(empty).len);
    blob_unref(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_a_copy_that_lives_until_the_last_holder_goes),
        cmocka_unit_test(nothing_is_empty),
    };
    return cmocka_run_group_tests_name("blob", tests, NULL, NULL);
}
