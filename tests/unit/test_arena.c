/* The bump allocator: alignment, caps, copies. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdalign.h>
#include <string.h>

static void gives_zeroed_aligned_memory(void **state)
{
    struct arena *arena = arena_new(0);
    static const uint8_t zero[5000];
    for (size_t len = 0; len < 5000; len += 37) {
        uint8_t *memory = arena_alloc(arena, len);
        assert_non_null(memory);
        assert_int_equal(0, (uintptr_t)memory % alignof(max_align_t));
        assert_memory_equal(zero, memory, len > 0 ? len : 1);
        memset(memory, 0xff, len);
    }
    arena_free(arena);
    arena_free(NULL);
}

static void objects_do_not_overlap(void **state)
{
    enum { COUNT = 2000 };
    struct arena *arena = arena_new(0);
    uint8_t *objects[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        size_t len = i % 300 == 0 ? 9000 : 1 + i % 60;
        objects[i] = arena_alloc(arena, len);
        memset(objects[i], (int)(i & 0xff), len);
    }
    for (size_t i = 0; i < COUNT; i++) {
        size_t len = i % 300 == 0 ? 9000 : 1 + i % 60;
        assert_int_equal(i & 0xff, objects[i][0]);
        assert_int_equal(i & 0xff, objects[i][len - 1]);
    }
    arena_free(arena);
}

static void keeps_to_its_cap(void **state)
{
    struct arena *arena = arena_new(100);
    assert_non_null(arena_alloc(arena, 60));
    assert_int_equal(60, arena_used(arena));
    assert_null(arena_alloc(arena, 41));
    assert_null(arena_alloc(arena, SIZE_MAX));
    assert_int_equal(60, arena_used(arena));
    assert_non_null(arena_alloc(arena, 40));
    assert_null(arena_alloc(arena, 1));
    arena_free(arena);
}

static void huge_lengths_fail(void **state)
{
    struct arena *arena = arena_new(0);
    assert_null(arena_alloc(arena, SIZE_MAX));
    assert_null(arena_text_n(arena, "", SIZE_MAX));
    arena_free(arena);
}

static void copies_text(void **state)
{
    struct arena *arena = arena_new(0);
    assert_string_equal("lamp", arena_text(arena, "lamp"));
    assert_string_equal("la", arena_text_n(arena, "lamp", 2));
    assert_string_equal("", arena_text_n(arena, NULL, 0));
    assert_string_equal("lamp 7", arena_printf(arena, "%s %d", "lamp", 7));
    arena_free(arena);
}

static void copies_bytes(void **state)
{
    struct arena *arena = arena_new(10);
    struct bytes copy = arena_bytes(arena, bytes_of("abc", 3));
    assert_true(bytes_equal(bytes_of("abc", 3), copy));
    assert_non_null(arena_bytes(arena, (struct bytes){0}).data);
    struct bytes failed = arena_bytes(arena, bytes_of("0123456789", 10));
    assert_null(failed.data);
    assert_int_equal(10, failed.len);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_zeroed_aligned_memory),
        cmocka_unit_test(objects_do_not_overlap),
        cmocka_unit_test(keeps_to_its_cap),
        cmocka_unit_test(huge_lengths_fail),
        cmocka_unit_test(copies_text),
        cmocka_unit_test(copies_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
