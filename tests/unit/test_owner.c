/* Whose files are relied on. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/owner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

enum { US = 990, SOMEBODY = 1000 };

static void root_and_we_are_trusted(void **state)
{
    assert_true(owner_is_trusted(US, US));
    assert_true(owner_is_trusted(0, US));
    assert_true(owner_is_trusted(0, 0));
    assert_false(owner_is_trusted(SOMEBODY, US));
    assert_false(
        owner_is_trusted(SOMEBODY, 0)); /* what root relies on is not for others to change */
}

static void refusal_names_file_and_remedy(void **state)
{
    struct err err = {0};
    struct stat status = {.st_uid = geteuid()};
    assert_int_equal(owner_check("master key", "/a/b", &status, &err), ERR_OK);
    status.st_uid = geteuid() + 1;
    assert_int_equal(owner_check("master key", "/a/b", &status, &err), ERR_DENIED);
    assert_non_null(strstr(err.text, "master key '/a/b' belongs to user "));
    assert_non_null(strstr(err.text, "chown "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_and_we_are_trusted),
        cmocka_unit_test(refusal_names_file_and_remedy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
