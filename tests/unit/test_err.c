/* Errors: filling, prefixing, names. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void set_fills_and_returns(void **state)
{
    struct err err = {0};
    assert_int_equal(ERR_RANGE, err_set(&err, ERR_RANGE, "port %d is too large", 70000));
    assert_int_equal(ERR_RANGE, err.code);
    assert_string_equal("port 70000 is too large", err.text);
    assert_int_equal(ERR_IO, err_set(NULL, ERR_IO, "nobody listens"));
}

static void set_may_quote_its_own_text(void **state)
{
    struct err err = {0};
    err_set(&err, ERR_IO, "disk full");
    err_set(&err, ERR_UNAVAILABLE, "store: %s", err.text);
    assert_string_equal("store: disk full", err.text);
}

static void prefix_goes_before(void **state)
{
    struct err err = {0};
    err_set(&err, ERR_INVALID, "unknown key");
    assert_int_equal(ERR_INVALID, err_prefix(&err, "%s:%d", "lamp.yaml", 3));
    assert_string_equal("lamp.yaml:3: unknown key", err.text);
    assert_int_equal(ERR_OK, err_prefix(NULL, "nothing"));
}

static void long_texts_are_cut(void **state)
{
    char word[ERR_TEXT_MAX + 100];
    memset(word, 'x', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    struct err err = {0};
    err_set(&err, ERR_INVALID, "%s", word);
    assert_int_equal(ERR_TEXT_MAX - 1, strlen(err.text));
    err_prefix(&err, "%s", "place");
    assert_int_equal(ERR_TEXT_MAX - 1, strlen(err.text));
    assert_memory_equal("place: xxx", err.text, 10);
    err_prefix(&err, "%s", word);
    assert_int_equal(ERR_TEXT_MAX - 1, strlen(err.text));
}

static void every_code_has_its_own_name(void **state)
{
    for (int i = 0; i < ERR_CODE_COUNT; i++) {
        assert_non_null(err_name((enum err_code)i));
        assert_string_not_equal("", err_name((enum err_code)i));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(err_name((enum err_code)i), err_name((enum err_code)j));
    }
    assert_string_equal("not-found", err_name(ERR_NOT_FOUND));
    assert_string_equal("unknown", err_name((enum err_code)999));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills_and_returns),       cmocka_unit_test(set_may_quote_its_own_text),
        cmocka_unit_test(prefix_goes_before),          cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(every_code_has_its_own_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
