/* The writing cursor: growth, caps, latching, wiping. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void writes_network_order(void **state)
{
    struct buf buf;
    buf_init(&buf, 100);
    buf_put_u8(&buf, 1);
    buf_put_u16(&buf, 0x0203);
    buf_put_u24(&buf, 0x040506);
    buf_put_u32(&buf, 0x0708090a);
    buf_put_u64(&buf, 0x0b0c0d0e0f101112);
    buf_put_text(&buf, "ab");
    buf_put_bytes(&buf, bytes_of("c", 1));
    buf_put_bytes(&buf, (struct bytes){0});
    static const uint8_t expected[] = {1,  2,  3,  4,  5,  6,  7,  8,   9,   10, 11,
                                       12, 13, 14, 15, 16, 17, 18, 'a', 'b', 'c'};
    assert_true(bytes_equal(bytes_of(expected, sizeof expected), buf_bytes(&buf)));
    assert_false(buf.failed);
    buf_clear(&buf);
    assert_int_equal(0, buf_bytes(&buf).len);
}

static void grows_up_to_its_cap(void **state)
{
    struct buf buf;
    buf_init(&buf, 1000);
    for (int i = 0; i < 1000; i++)
        buf_put_u8(&buf, (uint8_t)i);
    assert_false(buf.failed);
    for (int i = 0; i < 1000; i++)
        assert_int_equal((uint8_t)i, buf.data[i]);
    buf_put_u8(&buf, 0);
    assert_true(buf.failed);
    assert_int_equal(1000, buf.len);
    buf_clear(&buf);
}

static void latches_at_the_last_whole_write(void **state)
{
    uint8_t memory[4];
    struct buf buf;
    buf_init_fixed(&buf, memory, sizeof memory);
    buf_put_u16(&buf, 0x0102);
    buf_put_u32(&buf, 0x03040506);
    assert_true(buf.failed);
    assert_int_equal(2, buf.len);
    buf_put_u8(&buf, 9);
    assert_null(buf_claim(&buf, 1));
    assert_int_equal(2, buf.len);
    assert_null(buf_text(&buf));
    buf_reset(&buf);
    assert_false(buf.failed);
    buf_put_u32(&buf, 0x03040506);
    assert_false(buf.failed);
}

static void huge_lengths_do_not_wrap(void **state)
{
    struct buf buf;
    buf_init(&buf, SIZE_MAX / 4);
    buf_put_u8(&buf, 1);
    assert_null(buf_claim(&buf, SIZE_MAX));
    assert_true(buf.failed);
    assert_int_equal(1, buf.len);
    buf_clear(&buf);
}

static void clearing_wipes(void **state)
{
    uint8_t memory[8] = {0};
    static const uint8_t zero[8];
    struct buf buf;
    buf_init_fixed(&buf, memory, sizeof memory);
    buf_put_text(&buf, "keykey");
    buf_clear(&buf);
    assert_memory_equal(zero, memory, sizeof memory);
    assert_int_equal(8, buf.cap);
    buf_put_text(&buf, "keykey");
    buf_reset(&buf);
    assert_memory_equal(zero, memory, sizeof memory);
}

static void formats(void **state)
{
    uint8_t memory[5];
    struct buf buf;
    buf_init_fixed(&buf, memory, sizeof memory);
    buf_printf(&buf, "%d-%s", 12, "ab"); /* fills it to the last byte, without a NUL */
    assert_false(buf.failed);
    assert_memory_equal("12-ab", memory, 5);
    buf_printf(&buf, "%s", "");
    assert_false(buf.failed);
    buf_printf(&buf, "%s", "c");
    assert_true(buf.failed);
    assert_int_equal(5, buf.len);
}

static void formats_long_text(void **state)
{
    char word[1001];
    memset(word, 'w', 1000);
    word[1000] = '\0';
    struct buf buf;
    buf_init(&buf, 2000);
    buf_printf(&buf, "<%s>", word);
    assert_int_equal(1002, buf.len);
    assert_int_equal('>', buf.data[1001]);
    buf_printf(&buf, "<%s>", word);
    assert_true(buf.failed);
    assert_int_equal(1002, buf.len);
    buf_clear(&buf);
}

static void text_ends_in_nul(void **state)
{
    struct buf buf;
    buf_init(&buf, 3);
    assert_string_equal("", buf_text(&buf));
    buf_put_text(&buf, "abc");
    assert_string_equal("abc", buf_text(&buf));
    assert_int_equal(3, buf.len);
    buf_clear(&buf);

    uint8_t memory[3];
    buf_init_fixed(&buf, memory, sizeof memory);
    buf_put_text(&buf, "ab");
    assert_string_equal("ab", buf_text(&buf));
    buf_put_text(&buf, "c");
    assert_null(buf_text(&buf));
}

static void puts_decimals(void **state)
{
    uint8_t memory[64];
    struct buf buf;
    (void)state;
    buf_init_fixed(&buf, memory, sizeof memory);
    buf_put_decimal(&buf, INT64_MIN);
    buf_put_u8(&buf, ' ');
    buf_put_decimal(&buf, 0);
    buf_put_u8(&buf, ' ');
    buf_put_decimal(&buf, INT64_MAX);
    assert_string_equal(buf_text(&buf), "-9223372036854775808 0 9223372036854775807");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_network_order),
        cmocka_unit_test(puts_decimals),
        cmocka_unit_test(grows_up_to_its_cap),
        cmocka_unit_test(latches_at_the_last_whole_write),
        cmocka_unit_test(huge_lengths_do_not_wrap),
        cmocka_unit_test(clearing_wipes),
        cmocka_unit_test(formats),
        cmocka_unit_test(formats_long_text),
        cmocka_unit_test(text_ends_in_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
