/* Byte ranges, the reading cursor, text codings, UTF-8, the keyed hash. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#define TEXT(literal) bytes_of(literal, sizeof(literal) - 1)

static void compares(void **state)
{
    const struct bytes none = {0};
    assert_true(bytes_equal(none, TEXT("")));
    assert_true(bytes_equal(TEXT("ab"), bytes_of_text("ab")));
    assert_false(bytes_equal(TEXT("ab"), TEXT("abc")));
    assert_false(bytes_equal(TEXT("ab"), TEXT("aB")));
    assert_int_equal(0, bytes_compare(none, none));
    assert_true(bytes_compare(TEXT("ab"), TEXT("abc")) < 0);
    assert_true(bytes_compare(TEXT("b"), TEXT("abc")) > 0);
    assert_true(bytes_compare(TEXT("\x01"), TEXT("\xff")) < 0);
    assert_true(bytes_compare(none, TEXT("a")) < 0);
}

static void compares_in_constant_time(void **state)
{
    assert_true(bytes_equal_constant_time((struct bytes){0}, (struct bytes){0}));
    assert_true(bytes_equal_constant_time(TEXT("secret"), TEXT("secret")));
    assert_false(bytes_equal_constant_time(TEXT("secret"), TEXT("secreT")));
    assert_false(bytes_equal_constant_time(TEXT("Secret"), TEXT("secret")));
    assert_false(bytes_equal_constant_time(TEXT("secret"), TEXT("secre")));
}

static void wipes(void **state)
{
    uint8_t key[4] = {1, 2, 3, 4};
    bytes_wipe(key + 1, 2);
    assert_memory_equal(((uint8_t[]){1, 0, 0, 4}), key, 4);
    bytes_wipe(NULL, 0);
}

static void random_differs(void **state)
{
    uint8_t a[600] = {0}, b[600] = {0}, zero[600] = {0};
    bytes_random(a, sizeof a);
    bytes_random(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a + 500, zero, 100);
    bytes_random(NULL, 0);
}

/* The vectors published with SipHash-2-4: key 00..0f, input 00, 01, .. of each length. */
static void hash_is_siphash(void **state)
{
    static const struct {
        size_t len;
        uint64_t hash;
    } vectors[] = {
        {0, 0x726fdb47dd0e0e31},  {1, 0x74f839c593dc67fd},  {7, 0xab0200f58b01d137},
        {8, 0x93f5f5799a932462},  {15, 0xa129ca6149be45e5}, {16, 0x3f2acc7f57c29bdb},
        {63, 0x958a324ceb064572},
    };
    uint8_t key[16], input[64];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof input; i++)
        input[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        assert_true(vectors[i].hash == bytes_hash(key, bytes_of(input, vectors[i].len)));
    key[0] = 1;
    assert_true(vectors[0].hash != bytes_hash(key, (struct bytes){0}));
}

static void reader_reads_network_order(void **state)
{
    static const uint8_t data[] = {1,  2,  3,  4,  5,  6,  7,  8,  9, 10,
                                   11, 12, 13, 14, 15, 16, 17, 18, 19};
    struct reader reader;
    reader_init(&reader, bytes_of(data, sizeof data));
    assert_int_equal(19, reader_left(&reader));
    assert_int_equal(0x01, reader_u8(&reader));
    assert_int_equal(0x0203, reader_u16(&reader));
    assert_int_equal(0x040506, reader_u24(&reader));
    assert_int_equal(0x0708090a, reader_u32(&reader));
    assert_true(0x0b0c0d0e0f101112 == reader_u64(&reader));
    struct bytes last = reader_take(&reader, 1);
    assert_int_equal(1, last.len);
    assert_ptr_equal(data + 18, last.data);
    assert_int_equal(0, reader_left(&reader));
    assert_false(reader.failed);
}

static void reader_latches_its_failure(void **state)
{
    static const uint8_t data[] = {1, 2, 3};
    struct reader reader;
    reader_init(&reader, bytes_of(data, sizeof data));
    assert_int_equal(0, reader_u32(&reader));
    assert_true(reader.failed);
    assert_int_equal(0, reader_left(&reader));
    assert_int_equal(0, reader_u8(&reader));
    assert_null(reader_take(&reader, 0).data);
    assert_int_equal(0, reader_take(&reader, SIZE_MAX).len);
}

static void reader_takes_nothing_from_nothing(void **state)
{
    struct reader reader;
    reader_init(&reader, (struct bytes){0});
    assert_int_equal(0, reader_left(&reader));
    reader_skip(&reader, 0);
    assert_false(reader.failed);
    reader_skip(&reader, 1);
    assert_true(reader.failed);
}

static void hex_both_ways(void **state)
{
    static const uint8_t data[] = {0x00, 0x9f, 0xff};
    char text[BYTES_HEX_SIZE(3)];
    uint8_t back[3];
    size_t len = 0;
    bytes_to_hex(bytes_of(data, 3), text);
    assert_string_equal("009fff", text);
    assert_true(bytes_from_hex("009FfF", 6, back, 3, &len));
    assert_int_equal(3, len);
    assert_memory_equal(data, back, 3);
    assert_true(bytes_from_hex("", 0, back, 0, &len));
    assert_int_equal(0, len);
}

static void bad_hex_is_refused(void **state)
{
    uint8_t back[4];
    size_t len = 77;
    assert_false(bytes_from_hex("abc", 3, back, 4, &len));
    assert_false(bytes_from_hex("0g", 2, back, 4, &len));
    assert_false(bytes_from_hex("0x", 2, back, 4, &len));
    assert_false(bytes_from_hex(" a", 2, back, 4, &len));
    assert_false(bytes_from_hex("00112233445566", 14, back, 4, &len));
    assert_int_equal(77, len);
}

/* RFC 4648 section 10, and two bytes that tell the alphabets apart. */
static void base64_both_ways(void **state)
{
    static const struct {
        const char *data, *standard, *url;
    } vectors[] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
        {"\xfb\xff\xbf", "+/+/", "-_-_"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct bytes data = bytes_of_text(vectors[i].data);
        char text[BYTES_BASE64_SIZE(6)];
        bytes_to_base64(data, false, text);
        assert_string_equal(vectors[i].standard, text);
        bytes_to_base64(data, true, text);
        assert_string_equal(vectors[i].url, text);
        const char *forms[] = {vectors[i].standard, vectors[i].url};
        for (int form = 0; form < 2; form++) {
            uint8_t back[6];
            size_t len = 99;
            assert_true(
                bytes_from_base64(forms[form], strlen(forms[form]), back, sizeof back, &len));
            assert_true(bytes_equal(data, bytes_of(back, len)));
        }
    }
}

static void bad_base64_is_refused(void **state)
{
    static const char *const texts[] = {"Z", "Zm9vY", "Zg=",    "Zg===", "Z=g=", "Zm9v=", "====",
                                        "=", "Zm 9v", "Zm9v\n", "Zh==",  "Zm9",  "Zm!v"};
    uint8_t back[16];
    size_t len = 77;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_false(bytes_from_base64(texts[i], strlen(texts[i]), back, sizeof back, &len));
    assert_false(bytes_from_base64("Zm9vYmFy", 8, back, 5, &len));
    assert_int_equal(77, len);
}

static void utf8_is_checked(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        bool good;
    } cases[] = {
        {"", 0, true},
        {"plain", 5, true},
        {"Stra\xc3\x9f"
         "e",
         7, true},
        {"\xe2\x82\xac", 3, true},
        {"\xf0\x9f\x8c\x83", 4, true},
        {"\xf4\x8f\xbf\xbf", 4, true},
        {"a\0b", 3, false},
        {"\x80", 1, false},
        {"\xc3", 1, false},
        {"\xc3(", 2, false},
        {"\xc0\x80", 2, false},         /* overlong */
        {"\xe0\x80\x80", 3, false},     /* overlong */
        {"\xf0\x80\x80\x80", 4, false}, /* overlong */
        {"\xed\xa0\x80", 3, false},     /* surrogate */
        {"\xf4\x90\x80\x80", 4, false}, /* beyond U+10FFFF */
        {"\xff", 1, false},
        {"\xe2\x82", 2, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(cases[i].good, bytes_is_utf8(bytes_of(cases[i].text, cases[i].len)));
}

static void decimal_digits(void **state)
{
    static const struct {
        uint64_t number;
        const char *text;
    } cases[] = {
        {0, "0"}, {7, "7"}, {10, "10"}, {65535, "65535"}, {UINT64_MAX, "18446744073709551615"}};
    char out[BYTES_DECIMAL_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(bytes_to_decimal(cases[i].number, out), strlen(cases[i].text));
        assert_string_equal(out, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimal_digits),
        cmocka_unit_test(compares),
        cmocka_unit_test(compares_in_constant_time),
        cmocka_unit_test(wipes),
        cmocka_unit_test(random_differs),
        cmocka_unit_test(hash_is_siphash),
        cmocka_unit_test(reader_reads_network_order),
        cmocka_unit_test(reader_latches_its_failure),
        cmocka_unit_test(reader_takes_nothing_from_nothing),
        cmocka_unit_test(hex_both_ways),
        cmocka_unit_test(bad_hex_is_refused),
        cmocka_unit_test(base64_both_ways),
        cmocka_unit_test(bad_base64_is_refused),
        cmocka_unit_test(utf8_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
