/* CoAP messages: the vectors of the protocol reference, hostile input, options and blocks. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/coap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct hex_bytes {
    uint8_t data[2048];
    size_t len;
};

static struct bytes from_hex(const char *hex, struct hex_bytes *out)
{
    assert_true(bytes_from_hex(hex, strlen(hex), out->data, sizeof out->data, &out->len));
    return bytes_of(out->data, out->len);
}

/* A copy on the heap of the very size, so that a read past its end is caught. */
static enum coap_parse parse_exact(struct bytes datagram, struct coap_message *out)
{
    uint8_t *copy = malloc(datagram.len > 0 ? datagram.len : 1);
    assert_non_null(copy);
    memcpy(copy, datagram.data, datagram.len);
    enum coap_parse result = coap_parse(bytes_of(copy, datagram.len), out);
    if (result == COAP_PARSE_OK) { /* whatever was borrowed must be readable, whole */
        volatile uint8_t sum = 0;
        for (size_t i = 0; i < out->option_count; i++)
            for (size_t k = 0; k < out->options[i].value.len; k++)
                sum = (uint8_t)(sum + out->options[i].value.data[k]);
        for (size_t k = 0; k < out->payload.len; k++)
            sum = (uint8_t)(sum + out->payload.data[k]);
    }
    free(copy);
    return result;
}

static enum coap_parse parse_hex(const char *hex, struct coap_message *out)
{
    struct hex_bytes bytes;
    return parse_exact(from_hex(hex, &bytes), out);
}

static void assert_built(const struct coap_message *message, const char *hex)
{
    uint8_t memory[512];
    char text[BYTES_HEX_SIZE(sizeof memory)];
    struct buf out;
    buf_init_fixed(&out, memory, sizeof memory);
    assert_true(coap_build(message, &out));
    bytes_to_hex(buf_bytes(&out), text);
    assert_string_equal(text, hex);
}

static struct coap_message request(uint8_t code, uint16_t id, uint8_t token)
{
    return (struct coap_message){
        .type = COAP_CON, .code = code, .id = id, .token_len = 1, .token = {token}};
}

static void add_text(struct coap_message *message, uint16_t number, const char *text)
{
    assert_true(coap_add_option(message, number, bytes_of_text(text)));
}

/* Vector V0 of the protocol reference: one bootstrap, message by message. */
static const char *const v0[] = {
    "41020001a1b262734d0b65703d75726e3a6465763a6f733a303034322d6c616d7037077063743d313132",
    "61440001a1",
    "41011001b1d10428",
    "41041002b2b1300131",
    "41031003b3b131013011"
    "70ff86a3",
    "41031003b3b1310130122d16ffc10065",
    "41021004b4b26273",
};

static void test_builds_the_vectors(void **state)
{
    uint8_t scratch[4];
    struct coap_message m = request(COAP_METHOD_POST, 1, 0xa1);
    add_text(&m, COAP_OPT_URI_QUERY, "ep=urn:dev:os:0042-lamp7");
    add_text(&m, COAP_OPT_URI_PATH, "bs");
    add_text(&m, COAP_OPT_URI_QUERY, "pct=112");
    assert_built(&m, v0[0]);

    m = request(COAP_CHANGED, 1, 0xa1);
    m.type = COAP_ACK;
    assert_built(&m, v0[1]);

    m = request(COAP_METHOD_GET, 0x1001, 0xb1);
    assert_true(coap_add_uint(&m, COAP_OPT_ACCEPT, 40, scratch));
    assert_built(&m, v0[2]);

    m = request(COAP_METHOD_DELETE, 0x1002, 0xb2);
    add_text(&m, COAP_OPT_URI_PATH, "0");
    add_text(&m, COAP_OPT_URI_PATH, "1");
    assert_built(&m, v0[3]);

    const uint8_t senml[] = {0x86, 0xa3}, tlv[] = {0xc1, 0x00, 0x65};
    m = request(COAP_METHOD_PUT, 0x1003, 0xb3);
    assert_true(coap_add_uint(&m, COAP_OPT_CONTENT_FORMAT, 112, scratch));
    add_text(&m, COAP_OPT_URI_PATH, "1");
    add_text(&m, COAP_OPT_URI_PATH, "0");
    m.payload = bytes_of(senml, sizeof senml);
    assert_built(&m, v0[4]);

    m = request(COAP_METHOD_PUT, 0x1003, 0xb3);
    add_text(&m, COAP_OPT_URI_PATH, "1");
    add_text(&m, COAP_OPT_URI_PATH, "0");
    assert_true(coap_add_uint(&m, COAP_OPT_CONTENT_FORMAT, 11542, scratch));
    m.payload = bytes_of(tlv, sizeof tlv);
    assert_built(&m, v0[5]);

    m = request(COAP_METHOD_POST, 0x1004, 0xb4);
    add_text(&m, COAP_OPT_URI_PATH, "bs");
    assert_built(&m, v0[6]);
}

static void test_parses_the_vectors(void **state)
{
    for (size_t i = 0; i < sizeof v0 / sizeof v0[0]; i++) {
        struct hex_bytes bytes;
        struct coap_message m;
        assert_int_equal(coap_parse(from_hex(v0[i], &bytes), &m), COAP_PARSE_OK);
        assert_built(&m, v0[i]);
    }

    struct hex_bytes bytes;
    struct coap_message m;
    uint32_t number;
    assert_int_equal(coap_parse(from_hex(v0[0], &bytes), &m), COAP_PARSE_OK);
    assert_int_equal(m.type, COAP_CON);
    assert_int_equal(m.code, COAP_METHOD_POST);
    assert_int_equal(m.id, 1);
    assert_int_equal(m.token_len, 1);
    assert_int_equal(m.token[0], 0xa1);
    assert_int_equal(m.option_count, 3);
    assert_true(coap_path_is(&m, "/bs"));
    const struct coap_option *query = coap_find(&m, COAP_OPT_URI_QUERY);
    assert_true(bytes_equal(query->value, bytes_of_text("ep=urn:dev:os:0042-lamp7")));
    query = coap_next(&m, COAP_OPT_URI_QUERY, query);
    assert_true(bytes_equal(query->value, bytes_of_text("pct=112")));
    assert_null(coap_next(&m, COAP_OPT_URI_QUERY, query));

    assert_int_equal(coap_parse(from_hex(v0[5], &bytes), &m), COAP_PARSE_OK);
    assert_true(coap_path_is(&m, "/1/0"));
    assert_true(coap_option_uint(coap_find(&m, COAP_OPT_CONTENT_FORMAT), &number));
    assert_int_equal(number, 11542);
    assert_int_equal(m.payload.len, 3);
}

static void test_ignores_what_has_no_header(void **state)
{
    struct coap_message m;
    assert_int_equal(coap_parse((struct bytes){0}, &m), COAP_PARSE_IGNORE);
    assert_int_equal(parse_hex("40", &m), COAP_PARSE_IGNORE);
    assert_int_equal(parse_hex("400100", &m), COAP_PARSE_IGNORE);
    assert_int_equal(parse_hex("00010001", &m), COAP_PARSE_IGNORE); /* version 0 */
    assert_int_equal(parse_hex("80010001", &m), COAP_PARSE_IGNORE);
    assert_int_equal(parse_hex("c0010001", &m), COAP_PARSE_IGNORE);
    assert_int_equal(parse_hex("40010001", &m), COAP_PARSE_OK);
}

static void test_rejects_malformed_messages(void **state)
{
    static const struct {
        const char *hex, *why;
    } cases[] = {
        {"49010007", "token length 9 is reserved"},
        {"4f0100070102030405060708090a0b0c0d0e0f", "token length 15"},
        {"4801000701020304050607", "token of 8 with 7 bytes"},
        {"410000070a", "an empty message with a token"},
        {"40000007ff01", "an empty message with a payload"},
        {"4000000700", "an empty message with a byte too many"},
        {"40010007ff", "a marker with no payload"},
        {"40010007b5616263", "an option value that ends early"},
        {"40010007f1", "delta nibble 15"},
        {"400100071f", "length nibble 15"},
        {"40010007d0", "delta byte missing"},
        {"40010007e000", "second delta byte missing"},
        {"400100070d", "length byte missing"},
        {"400100070e00", "second length byte missing"},
        {"400100070dff", "length of 268 with nothing behind it"},
        {"40010007e1feff00", "a delta of 65548, which wraps to 12 in 16 bits"},
        {"40010007e0fef311", "a second option number beyond 65535: 65536"},
        {"40010007e0fee0e0fee0", "a sum of deltas beyond 65535"},
        {"40200007", "code class 1 is reserved"},
        {"40c00007", "code class 6"},
        {"40e10007", "code class 7 has no place over UDP"},
        {"60010007", "a request in an acknowledgement"},
        {"70440007", "a reset with a code"},
        {"50000007", "an empty non-confirmable message"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct coap_message m;
        if (parse_hex(cases[i].hex, &m) != COAP_PARSE_REJECT)
            fail_msg("%s: not rejected: %s", cases[i].hex, cases[i].why);
        assert_int_equal(m.id, 7);
        assert_int_equal(m.option_count, 0);
        assert_int_equal(m.payload.len, 0);
    }
}

static void test_takes_the_edges(void **state)
{
    struct coap_message m;
    assert_int_equal(parse_hex("40010007e0fef2", &m), COAP_PARSE_OK); /* option 65535 */
    assert_int_equal(m.options[0].number, 65535);
    assert_int_equal(parse_hex("400100071100", &m), COAP_PARSE_OK);
    assert_int_equal(m.options[0].number, 1);
    assert_int_equal(m.options[0].value.len, 1);
    assert_int_equal(parse_hex("480100070102030405060708", &m), COAP_PARSE_OK);
    assert_int_equal(m.token_len, 8);
    assert_int_equal(parse_hex("40000007", &m), COAP_PARSE_OK); /* a ping */
    assert_int_equal(parse_hex("70000007", &m), COAP_PARSE_OK);
    assert_int_equal(m.type, COAP_RST);
}

static void test_counts_options(void **state)
{
    uint8_t datagram[4 + COAP_OPTIONS_MAX + 1] = {0x40, 0x01, 0x00, 0x07};
    struct coap_message m;
    memset(datagram + 4, 0x00, COAP_OPTIONS_MAX + 1); /* empty options of delta 0 */
    assert_int_equal(parse_exact(bytes_of(datagram, 4 + COAP_OPTIONS_MAX), &m), COAP_PARSE_OK);
    assert_int_equal(m.option_count, COAP_OPTIONS_MAX);
    assert_false(coap_add_option(&m, 1, (struct bytes){0}));
    assert_int_equal(parse_exact(bytes_of(datagram, sizeof datagram), &m), COAP_PARSE_REJECT);
}

/* Every truncation of every vector is answered, none is read past its end. */
static void test_every_truncation_is_safe(void **state)
{
    for (size_t i = 0; i < sizeof v0 / sizeof v0[0]; i++) {
        struct hex_bytes bytes;
        struct bytes whole = from_hex(v0[i], &bytes);
        for (size_t len = 0; len < whole.len; len++) {
            struct coap_message m;
            enum coap_parse result = parse_exact(bytes_of(whole.data, len), &m);
            if (len < 4)
                assert_int_equal(result, COAP_PARSE_IGNORE);
            else
                assert_int_not_equal(result, COAP_PARSE_IGNORE);
        }
    }
}

/* What parses is built again to the same meaning; what does not is rejected without harm. */
static void test_random_mutations_are_safe(void **state)
{
    uint64_t seed = 42;
    size_t parsed = 0, rejected = 0;
    for (int round = 0; round < 200000; round++) {
        struct hex_bytes bytes;
        (void)from_hex(v0[(size_t)round % (sizeof v0 / sizeof v0[0])], &bytes);
        for (int flips = 0; flips < 1 + round % 4; flips++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            bytes.data[(seed >> 33) % bytes.len] = (uint8_t)(seed >> 56);
        }
        struct coap_message m, again;
        if (coap_parse(bytes_of(bytes.data, bytes.len), &m) != COAP_PARSE_OK) {
            struct coap_message ignored;
            (void)parse_exact(bytes_of(bytes.data, bytes.len), &ignored);
            rejected++;
            continue;
        }
        uint8_t memory[1024];
        struct buf out;
        buf_init_fixed(&out, memory, sizeof memory);
        assert_true(coap_build(&m, &out));
        assert_int_equal(parse_exact(buf_bytes(&out), &again), COAP_PARSE_OK);
        assert_int_equal(again.option_count, m.option_count);
        assert_int_equal(again.payload.len, m.payload.len);
        parsed++;
    }
    assert_true(parsed > 1000 && rejected > 1000);
}

static void test_options_stay_in_order(void **state)
{
    struct coap_message m = request(COAP_METHOD_GET, 1, 1);
    uint8_t scratch[4];
    add_text(&m, COAP_OPT_REQUEST_TAG, "tag");
    add_text(&m, COAP_OPT_URI_PATH, "a");
    add_text(&m, COAP_OPT_URI_PATH, "b");
    assert_true(coap_add_uint(&m, COAP_OPT_CONTENT_FORMAT, 0, scratch));
    add_text(&m, COAP_OPT_URI_PATH, "c");
    const uint16_t expected[] = {11, 11, 11, 12, 292};
    assert_int_equal(m.option_count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(m.options[i].number, expected[i]);
    assert_true(coap_path_is(&m, "/a/b/c"));
    assert_built(&m, "4101000101b1610162016310e3000b746167");
}

static void test_build_refuses(void **state)
{
    uint8_t memory[64];
    struct buf out;
    struct coap_message m = request(COAP_METHOD_GET, 1, 1);
    add_text(&m, COAP_OPT_URI_PATH, "a");
    for (size_t cap = 0; cap < 7; cap++) {
        buf_init_fixed(&out, memory, cap);
        assert_false(coap_build(&m, &out));
    }
    buf_init_fixed(&out, memory, 7);
    assert_true(coap_build(&m, &out));

    m.options[1] = (struct coap_option){.number = 3};
    m.option_count = 2; /* 11 then 3: not ascending */
    buf_init_fixed(&out, memory, sizeof memory);
    assert_false(coap_build(&m, &out));
    assert_true(out.failed);
    m.token_len = 9;
    buf_init_fixed(&out, memory, sizeof memory);
    assert_false(coap_build(&m, &out));
}

static void test_long_options(void **state)
{
    static uint8_t text[70000];
    struct buf out;
    for (size_t len = 0; len <= 65804; len += len < 300 ? 1 : 65504) {
        struct coap_message m = request(COAP_METHOD_GET, 1, 1), again;
        assert_true(coap_add_option(&m, COAP_OPT_URI_QUERY, bytes_of(text, len)));
        buf_init(&out, 100000);
        assert_true(coap_build(&m, &out));
        assert_int_equal(coap_parse(buf_bytes(&out), &again), COAP_PARSE_OK);
        assert_int_equal(again.options[0].value.len, len);
        buf_clear(&out);
    }
    struct coap_message m = request(COAP_METHOD_GET, 1, 1);
    assert_true(coap_add_option(&m, COAP_OPT_URI_QUERY, bytes_of(text, 65805)));
    buf_init(&out, 100000);
    assert_false(coap_build(&m, &out));
    buf_clear(&out);
}

static void test_numbers(void **state)
{
    static const struct {
        uint32_t value;
        size_t len;
    } cases[] = {{0, 0},     {1, 1},     {255, 1},      {256, 2},
                 {65535, 2}, {65536, 3}, {1u << 24, 4}, {UINT32_MAX, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct coap_message m = {0};
        uint8_t scratch[4];
        uint32_t value = 99;
        assert_true(coap_add_uint(&m, COAP_OPT_SIZE1, cases[i].value, scratch));
        assert_int_equal(m.options[0].value.len, cases[i].len);
        assert_true(coap_option_uint(&m.options[0], &value));
        assert_int_equal(value, cases[i].value);
    }
    uint32_t value = 7;
    struct coap_option leading = {.value = bytes_of("\0\0\0\x28", 4)};
    assert_true(coap_option_uint(&leading, &value)); /* leading zeros are allowed to readers */
    assert_int_equal(value, 40);
    struct coap_option long_one = {.value = bytes_of("\0\0\0\0\1", 5)};
    assert_false(coap_option_uint(&long_one, &value));
    assert_false(coap_option_uint(NULL, &value));
    assert_int_equal(value, 40);
}

static void test_paths(void **state)
{
    struct coap_message root = {0};
    assert_true(coap_path_is(&root, "/"));
    assert_false(coap_path_is(&root, "/bs"));

    struct coap_message m = {0};
    add_text(&m, COAP_OPT_URI_PATH, "0");
    add_text(&m, COAP_OPT_URI_PATH, "12");
    assert_true(coap_path_is(&m, "/0/12"));
    assert_false(coap_path_is(&m, "/"));
    assert_false(coap_path_is(&m, "/0"));
    assert_false(coap_path_is(&m, "/0/1"));
    assert_false(coap_path_is(&m, "/0/123"));
    assert_false(coap_path_is(&m, "/0/12/3"));

    struct coap_message slash = {0};
    add_text(&slash, COAP_OPT_URI_PATH, "0/12"); /* a slash inside a segment is no separator */
    assert_false(coap_path_is(&slash, "/0/12"));
}

static void test_critical_options(void **state)
{
    static const uint16_t known[] = {COAP_OPT_URI_PATH, COAP_OPT_URI_QUERY, 0};
    struct coap_message m = {0};
    add_text(&m, COAP_OPT_URI_PATH, "bs");
    add_text(&m, COAP_OPT_URI_QUERY, "ep=a");
    add_text(&m, COAP_OPT_SIZE1, "");       /* even: elective */
    add_text(&m, COAP_OPT_REQUEST_TAG, ""); /* even */
    assert_null(coap_unknown_critical(&m, known));
    add_text(&m, 2053, "");
    assert_int_equal(coap_unknown_critical(&m, known)->number, 2053);
    add_text(&m, COAP_OPT_OSCORE, "");
    assert_int_equal(coap_unknown_critical(&m, known)->number, COAP_OPT_OSCORE);
}

static void test_blocks(void **state)
{
    static const struct {
        struct coap_block block;
        size_t len;
    } cases[] = {
        {{0, false, 0}, 0},    {{0, true, 6}, 1},    {{15, false, 5}, 1},     {{16, true, 6}, 2},
        {{4095, false, 6}, 2}, {{4096, true, 2}, 3}, {{1048575, true, 6}, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct coap_message m = {0};
        struct coap_block block;
        uint8_t scratch[4];
        bool present;
        assert_true(coap_add_block(&m, COAP_OPT_BLOCK1, &cases[i].block, scratch));
        assert_int_equal(m.options[0].value.len, cases[i].len);
        assert_true(coap_get_block(&m, COAP_OPT_BLOCK1, &block, &present));
        assert_true(present);
        assert_int_equal(block.number, cases[i].block.number);
        assert_int_equal(block.more, cases[i].block.more);
        assert_int_equal(block.szx, cases[i].block.szx);
        assert_false(coap_get_block(&m, COAP_OPT_BLOCK2, &block, &present));
        assert_false(present);
    }
    assert_int_equal(COAP_BLOCK_SIZE(0), 16);
    assert_int_equal(COAP_BLOCK_SIZE(6), 1024);
}

static void test_blocks_refused(void **state)
{
    struct coap_message m = {0};
    struct coap_block block = {1, true, 7};
    uint8_t scratch[4];
    bool present = false;
    assert_false(coap_add_block(&m, COAP_OPT_BLOCK1, &block, scratch));
    block = (struct coap_block){1u << 20, true, 6};
    assert_false(coap_add_block(&m, COAP_OPT_BLOCK1, &block, scratch));
    add_text(&m, COAP_OPT_BLOCK1, "\x0f"); /* szx 7 is reserved */
    assert_false(coap_get_block(&m, COAP_OPT_BLOCK1, &block, &present));
    assert_true(present);
    m.option_count = 0;
    assert_true(coap_add_option(&m, COAP_OPT_BLOCK1, bytes_of("\0\0\0\6", 4)));
    assert_false(coap_get_block(&m, COAP_OPT_BLOCK1, &block, &present));
    assert_true(present);
}

static void test_codes_as_text(void **state)
{
    char text[8];
    coap_code_text(COAP_CHANGED, text);
    assert_string_equal(text, "2.04");
    coap_code_text(COAP_UNSUPPORTED_FORMAT, text);
    assert_string_equal(text, "4.15");
    coap_code_text(255, text);
    assert_string_equal(text, "7.31");
    assert_string_equal(coap_code_name(COAP_NOT_ACCEPTABLE), "Not Acceptable");
    assert_string_equal(coap_code_name(COAP_METHOD_DELETE), "DELETE");
    assert_string_equal(coap_code_name(255), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builds_the_vectors),
        cmocka_unit_test(test_parses_the_vectors),
        cmocka_unit_test(test_ignores_what_has_no_header),
        cmocka_unit_test(test_rejects_malformed_messages),
        cmocka_unit_test(test_takes_the_edges),
        cmocka_unit_test(test_counts_options),
        cmocka_unit_test(test_every_truncation_is_safe),
        cmocka_unit_test(test_random_mutations_are_safe),
        cmocka_unit_test(test_options_stay_in_order),
        cmocka_unit_test(test_build_refuses),
        cmocka_unit_test(test_long_options),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_critical_options),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_blocks_refused),
        cmocka_unit_test(test_codes_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
