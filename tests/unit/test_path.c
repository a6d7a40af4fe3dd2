/* Paths: text, order, what lies under what. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void text_and_back(void **state)
{
    static const struct {
        const char *text;
        struct path path;
    } paths[] = {
        {"/", {.depth = 0}},
        {"/0", {.ids = {0}, .depth = 1}},
        {"/3303", {.ids = {3303}, .depth = 1}},
        {"/0/1", {.ids = {0, 1}, .depth = 2}},
        {"/1/0/16", {.ids = {1, 0, 16}, .depth = 3}},
        {"/65534/65534/65534/65534", {.ids = {65534, 65534, 65534, 65534}, .depth = 4}},
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct path parsed = path_object(9);
        char text[PATH_TEXT_SIZE];
        assert_true(path_parse(paths[i].text, strlen(paths[i].text), &parsed));
        assert_true(path_equal(&paths[i].path, &parsed));
        assert_int_equal(paths[i].path.depth, parsed.depth);
        path_text(&parsed, text);
        assert_string_equal(paths[i].text, text);
    }
}

static void a_trailing_slash_is_allowed(void **state)
{
    struct path path, expected = path_instance(0, 1);
    assert_true(path_parse("/0/1/", 5, &path));
    assert_true(path_equal(&expected, &path));
}

static void only_len_bytes_are_read(void **state)
{
    struct path path, expected = path_object(1);
    assert_true(path_parse("/1/2", 2, &path));
    assert_true(path_equal(&expected, &path));
}

static void bad_paths_are_refused(void **state)
{
    static const char *const texts[] = {
        "",    "0/1", "//",  "/0//1", "//0", "/0/1//", "/65535", "/99999999999", "/01",
        "/-1", "/+1", "/ 1", "/1 ",   "/a",  "/1/b",   "/1.0",   "/0/1/2/3/4",   "/0x1"};
    struct path path = path_object(7), before = path;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_false(path_parse(texts[i], strlen(texts[i]), &path));
    assert_false(path_parse("/1\0", 3, &path));
    assert_true(path_equal(&before, &path));
}

static void constructors_set_depth_and_ids(void **state)
{
    struct path path = path_resource_instance(1, 2, 3, 4);
    assert_int_equal(4, path.depth);
    assert_int_equal(4, path.ids[3]);
    path = path_resource(1, 2, 3);
    assert_int_equal(3, path.depth);
    assert_int_equal(3, path.ids[2]);
    assert_int_equal(0, path_root().depth);
}

static void order_is_by_id_then_shorter_first(void **state)
{
    struct path sorted[] = {path_root(),
                            path_object(0),
                            path_instance(0, 1),
                            path_resource(0, 1, 9),
                            path_resource_instance(0, 1, 9, 0),
                            path_resource(0, 1, 10),
                            path_instance(0, 300),
                            path_object(1)};
    size_t count = sizeof sorted / sizeof sorted[0];
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            int order = path_compare(&sorted[i], &sorted[j]);
            assert_int_equal((i > j) - (i < j), (order > 0) - (order < 0));
        }
    }
}

static void under_means_equal_or_below(void **state)
{
    struct path root = path_root(), object = path_object(0), instance = path_instance(0, 1),
                resource = path_resource(0, 1, 5), other = path_instance(0, 2);
    assert_true(path_under(&resource, &root));
    assert_true(path_under(&resource, &object));
    assert_true(path_under(&resource, &instance));
    assert_true(path_under(&resource, &resource));
    assert_false(path_under(&instance, &resource));
    assert_false(path_under(&resource, &other));
    assert_true(path_under(&root, &root));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_back),
        cmocka_unit_test(a_trailing_slash_is_allowed),
        cmocka_unit_test(only_len_bytes_are_read),
        cmocka_unit_test(bad_paths_are_refused),
        cmocka_unit_test(constructors_set_depth_and_ids),
        cmocka_unit_test(order_is_by_id_then_shorter_first),
        cmocka_unit_test(under_means_equal_or_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
