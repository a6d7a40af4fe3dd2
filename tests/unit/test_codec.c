/* The codec around its formats: secrets, failures, buffers, order, types; and random records
 * through every format, what CBOR there is of it walked with libcbor. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cbor.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int all_formats[] = {FORMAT_TEXT,       FORMAT_OPAQUE,     FORMAT_CBOR,
                                  FORMAT_SENML_JSON, FORMAT_SENML_CBOR, FORMAT_TLV,
                                  FORMAT_OMA_JSON,   FORMAT_LWM2M_CBOR, FORMAT_OLD_TEXT,
                                  FORMAT_OLD_TLV,    FORMAT_OLD_JSON};
static const int tree_formats[] = {FORMAT_SENML_JSON, FORMAT_SENML_CBOR, FORMAT_TLV,
                                   FORMAT_OMA_JSON, FORMAT_LWM2M_CBOR};
enum {
    ALL_FORMATS = sizeof all_formats / sizeof all_formats[0],
    TREE_FORMATS = sizeof tree_formats / sizeof tree_formats[0],
    OUTPUT_MAX = 1 << 20,
};

static void formats_have_names(void **state)
{
    for (size_t i = 0; i < ALL_FORMATS; i++) {
        assert_true(codec_can_encode(all_formats[i]));
        assert_true(codec_can_decode(all_formats[i]));
        assert_int_equal(all_formats[i], codec_from_name(codec_name(all_formats[i])));
    }
    assert_string_equal("tlv", codec_name(FORMAT_TLV));
    assert_string_equal("senml-cbor", codec_name(FORMAT_SENML_CBOR));
    assert_string_equal("unknown", codec_name(FORMAT_NONE));
    assert_string_equal("unknown", codec_name(61));
    assert_int_equal(FORMAT_NONE, codec_from_name("TLV"));
    assert_false(codec_can_encode(FORMAT_LINK) || codec_can_decode(FORMAT_LINK));
    assert_false(codec_can_encode(FORMAT_NONE) || codec_can_decode(61));
    for (size_t i = 0; i < ALL_FORMATS; i++) {
        int format = all_formats[i];
        bool plain = format == FORMAT_TEXT || format == FORMAT_OPAQUE || format == FORMAT_CBOR ||
                     format == FORMAT_OLD_TEXT;
        assert_int_equal(!plain, codec_can_encode_instance(format));
    }
    assert_false(codec_can_encode_instance(FORMAT_LINK) || codec_can_encode_instance(61));
}

/* -- encoding: an account whose key and identity are references -- */

static const uint8_t key_bytes[] = {0x10, 0x11, 0xfb, 0xff, 0xbf, 0x15, 0x16, 0x17,
                                    0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f};

static const struct record account[] = {
    {{{0, 1, 0}, 3}, {.type = VALUE_STRING, .bytes = {(const uint8_t *)"coaps://a", 9}}},
    {{{0, 1, 3}, 3},
     {.type = VALUE_SECRET, .secret = {.kind = SECRET_PSK_IDENTITY, .ssid = 101, .generation = 1}}},
    {{{0, 1, 5}, 3},
     {.type = VALUE_SECRET, .secret = {.kind = SECRET_PSK_KEY, .ssid = 101, .generation = 1}}},
    {{{0, 1, 10}, 3}, {.type = VALUE_INTEGER, .integer = 101}},
};
static const struct path account_path = {{0, 1}, 2};
enum { ACCOUNT_RECORDS = sizeof account / sizeof account[0] };

struct vault {
    unsigned asked;
    unsigned refuse_at; /* 0 = never */
    const struct secret_ref *last;
};

static bool reveal(void *context, const struct secret_ref *ref, struct bytes *out)
{
    struct vault *vault = context;
    vault->last = ref;
    if (++vault->asked == vault->refuse_at)
        return false;
    *out = ref->kind == SECRET_PSK_IDENTITY ? bytes_of_text("lamp7")
                                            : bytes_of(key_bytes, sizeof key_bytes);
    return true;
}

static enum err_code encode_account(int format, struct vault *vault, struct buf *out,
                                    struct err *err)
{
    const struct codec_reveal revealer = {reveal, vault};
    return codec_encode(format, &account_path, account, ACCOUNT_RECORDS, &revealer, out, err);
}

static void secrets_are_revealed_once_each(void **state)
{
    for (size_t i = 0; i < TREE_FORMATS; i++) {
        struct vault vault = {0};
        struct buf out;
        struct records got = {.arena = arena_new(0)};
        buf_init(&out, OUTPUT_MAX);
        assert_int_equal(ERR_OK, encode_account(tree_formats[i], &vault, &out, NULL));
        assert_int_equal(2, vault.asked);
        assert_int_equal(ERR_OK, codec_decode(tree_formats[i], &account_path, buf_bytes(&out), NULL,
                                              &got, NULL));
        assert_int_equal(ACCOUNT_RECORDS, got.count);
        assert_true(bytes_equal(bytes_of_text("lamp7"), got.items[1].value.bytes));
        assert_true(bytes_equal(bytes_of(key_bytes, sizeof key_bytes), got.items[2].value.bytes));
        assert_int_equal(VALUE_OPAQUE, got.items[2].value.type);
        arena_free(got.arena);
        buf_clear(&out);
    }
}

static void a_missing_secret_fails_and_leaves_nothing(void **state)
{
    static const uint8_t zero[400];
    for (size_t i = 0; i < TREE_FORMATS; i++) {
        struct vault vault = {.refuse_at = 2};
        uint8_t memory[400] = "before";
        struct buf out;
        struct err err;
        buf_init_fixed(&out, memory, sizeof memory);
        out.len = 6;
        assert_int_equal(ERR_NOT_FOUND, encode_account(tree_formats[i], &vault, &out, &err));
        assert_non_null(strstr(err.text, "/0/1/5"));
        assert_non_null(strstr(err.text, "psk-key of server 101"));
        assert_int_equal(6, out.len);
        assert_false(out.failed);
        assert_memory_equal("before", memory, 6);
        assert_memory_equal(zero, memory + 6, sizeof memory - 6);
    }
    struct buf out;
    buf_init(&out, OUTPUT_MAX);
    assert_int_equal(ERR_NOT_FOUND, codec_encode(FORMAT_TLV, &account_path, account,
                                                 ACCOUNT_RECORDS, NULL, &out, NULL));
    buf_clear(&out);
}

/* The output is tried at every size that is too small: it stays as before, with no key in it. */
static void a_full_buffer_leaves_nothing(void **state)
{
    static const uint8_t zero[400];
    for (size_t i = 0; i < TREE_FORMATS; i++) {
        struct vault vault = {0};
        struct buf whole;
        buf_init(&whole, OUTPUT_MAX);
        assert_int_equal(ERR_OK, encode_account(tree_formats[i], &vault, &whole, NULL));
        for (size_t cap = 0; cap < whole.len; cap++) {
            uint8_t memory[400] = {0};
            struct buf out;
            struct err err;
            buf_init_fixed(&out, memory, cap);
            assert_int_equal(ERR_TOO_LARGE, encode_account(tree_formats[i], &vault, &out, &err));
            assert_non_null(strstr(err.text, codec_name(tree_formats[i])));
            assert_int_equal(0, out.len);
            assert_false(out.failed);
            assert_memory_equal(zero, memory, sizeof memory);
        }
        uint8_t exact[400];
        struct buf out;
        buf_init_fixed(&out, exact, whole.len);
        assert_int_equal(ERR_OK, encode_account(tree_formats[i], &vault, &out, NULL));
        assert_true(bytes_equal(buf_bytes(&whole), buf_bytes(&out)));
        buf_clear(&whole);
    }
}

static void a_buffer_that_failed_before_stays_so(void **state)
{
    uint8_t memory[4];
    struct buf out;
    struct vault vault = {0};
    buf_init_fixed(&out, memory, sizeof memory);
    buf_put_u64(&out, 1);
    assert_int_equal(ERR_TOO_LARGE, encode_account(FORMAT_TLV, &vault, &out, NULL));
    assert_true(out.failed);
    assert_int_equal(0, vault.asked);
}

static enum err_code encode_one(int format, struct path base, struct record record, struct buf *out,
                                struct err *err)
{
    static struct vault vault;
    const struct codec_reveal revealer = {reveal, &vault};
    return codec_encode(format, &base, &record, 1, &revealer, out, err);
}

/* Object 21 before 2.0 has keys as String: TLV carries any bytes, the others only text. */
static void keys_as_text(void **state)
{
    const struct record record = {
        path_resource(21, 0, 0),
        {.type = VALUE_SECRET,
         .secret = {.kind = SECRET_OSCORE_MASTER, .ssid = 101, .as_text = true, .generation = 1}}};
    struct path base = path_instance(21, 0);
    enum lwm2m_version version = LWM2M_1_1;
    const struct codec_types types = {codec_types_from_table, &version};
    struct records got = {.arena = arena_new(0)};
    struct buf out;
    struct err err;
    buf_init(&out, OUTPUT_MAX);
    assert_int_equal(ERR_OK, encode_one(FORMAT_TLV, base, record, &out, &err));
    assert_int_equal(ERR_OK, codec_decode(FORMAT_TLV, &base, buf_bytes(&out), &types, &got, &err));
    assert_int_equal(VALUE_STRING, got.items[0].value.type);
    assert_true(bytes_equal(bytes_of(key_bytes, sizeof key_bytes), got.items[0].value.bytes));
    assert_int_equal(ERR_INVALID, encode_one(FORMAT_SENML_JSON, base, record, &out, &err));
    assert_int_equal(ERR_INVALID, encode_one(FORMAT_SENML_CBOR, base, record, &out, &err));
    assert_int_equal(ERR_INVALID, encode_one(FORMAT_LWM2M_CBOR, base, record, &out, &err));
    assert_non_null(strstr(err.text, "use TLV"));
    arena_free(got.arena);
    buf_clear(&out);
}

static struct record integer_at(struct path path)
{
    return (struct record){path, {.type = VALUE_INTEGER, .integer = 1}};
}

static enum err_code encode_paths(int format, struct path base, const struct path *paths,
                                  size_t count, struct err *err)
{
    struct record records[8];
    struct buf out;
    buf_init(&out, OUTPUT_MAX);
    for (size_t i = 0; i < count; i++)
        records[i] = integer_at(paths[i]);
    enum err_code code = codec_encode(format, &base, records, count, NULL, &out, err);
    buf_clear(&out);
    return code;
}

static void records_must_fit_the_base_and_each_other(void **state)
{
    const struct path root = path_root(), object = path_object(0), instance = path_instance(0, 1);
    struct err err;
    assert_int_equal(ERR_OK, encode_paths(FORMAT_TLV, instance,
                                          (struct path[]){path_resource(0, 1, 1)}, 1, &err));
    assert_int_equal(ERR_INVALID, encode_paths(FORMAT_TLV, instance,
                                               (struct path[]){path_resource(0, 2, 1)}, 1, &err));
    assert_string_equal("/0/2/1: lies outside the path written to", err.text);
    assert_int_equal(ERR_INVALID, encode_paths(FORMAT_TLV, object, &instance, 1, &err));
    assert_string_equal("/0/1: is not a resource", err.text);
    const struct path twice[] = {path_resource(0, 1, 1), path_resource(0, 1, 2),
                                 path_resource(0, 1, 1)};
    assert_int_equal(ERR_INVALID, encode_paths(FORMAT_TLV, object, twice, 3, &err));
    assert_string_equal("/0/1/1: is written twice", err.text);
    const struct path both[] = {path_resource_instance(0, 1, 16, 0), path_resource(0, 1, 16)};
    assert_int_equal(ERR_INVALID, encode_paths(FORMAT_SENML_CBOR, root, both, 2, &err));
    const struct path split_instance[] = {path_resource(0, 1, 1), path_resource(0, 2, 1),
                                          path_resource(0, 1, 2)};
    assert_int_equal(ERR_INVALID, encode_paths(FORMAT_LWM2M_CBOR, root, split_instance, 3, &err));
    assert_string_equal("/0/1/2: does not stand with its like", err.text);
    const struct path split_resource[] = {path_resource_instance(0, 1, 16, 0),
                                          path_resource(0, 1, 17),
                                          path_resource_instance(0, 1, 16, 1)};
    assert_int_equal(ERR_INVALID, encode_paths(FORMAT_TLV, instance, split_resource, 3, &err));
}

static void some_formats_have_narrower_bases(void **state)
{
    const struct path resource = path_resource(0, 1, 1);
    struct err err;
    assert_int_equal(ERR_UNSUPPORTED, encode_paths(FORMAT_TLV, path_root(), &resource, 1, &err));
    assert_string_equal("tlv cannot be addressed to /", err.text);
    assert_int_equal(ERR_UNSUPPORTED,
                     encode_paths(FORMAT_TEXT, path_instance(0, 1), &resource, 1, &err));
    assert_int_equal(ERR_UNSUPPORTED, encode_paths(FORMAT_OPAQUE, resource, &resource, 1, &err));
    assert_string_equal("only opaque values fit this content format", err.text);
    assert_int_equal(ERR_UNSUPPORTED, encode_paths(FORMAT_LINK, resource, &resource, 1, &err));
    assert_int_equal(ERR_UNSUPPORTED, encode_paths(61, resource, &resource, 1, &err));
    const struct path instances[] = {path_resource_instance(0, 1, 16, 0),
                                     path_resource_instance(0, 1, 16, 1)};
    assert_int_equal(ERR_UNSUPPORTED,
                     encode_paths(FORMAT_TEXT, path_resource(0, 1, 16), instances, 2, &err));
}

static void an_empty_list(void **state)
{
    const struct path base = path_instance(0, 1);
    static const struct {
        int format;
        enum err_code code;
        const char *text;
    } cases[] = {{FORMAT_TLV, ERR_OK, ""},
                 {FORMAT_SENML_JSON, ERR_OK, "[]"},
                 {FORMAT_SENML_CBOR, ERR_OK, "\x80"},
                 {FORMAT_OMA_JSON, ERR_INVALID, ""},
                 {FORMAT_LWM2M_CBOR, ERR_INVALID, ""}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out;
        struct records got = {.arena = arena_new(0)};
        buf_init(&out, OUTPUT_MAX);
        assert_int_equal(cases[i].code,
                         codec_encode(cases[i].format, &base, NULL, 0, NULL, &out, NULL));
        assert_true(bytes_equal(bytes_of_text(cases[i].text), buf_bytes(&out)));
        if (cases[i].code == ERR_OK)
            assert_int_equal(
                ERR_OK, codec_decode(cases[i].format, &base, buf_bytes(&out), NULL, &got, NULL));
        assert_int_equal(0, got.count);
        arena_free(got.arena);
        buf_clear(&out);
    }
}

static void values_that_cannot_be_written(void **state)
{
    const struct path base = path_instance(6, 0);
    struct record record = {path_resource(6, 0, 0), {.type = VALUE_NONE}};
    struct buf out;
    struct err err;
    buf_init(&out, OUTPUT_MAX);
    for (size_t i = 0; i < TREE_FORMATS; i++) {
        record.value = (struct value){.type = VALUE_NONE};
        assert_int_equal(ERR_INVALID, encode_one(tree_formats[i], base, record, &out, &err));
        assert_string_equal("/6/0/0: has no value", err.text);
        record.value = (struct value){.type = VALUE_STRING, .bytes = bytes_of("\xff", 1)};
        assert_int_equal(ERR_INVALID, encode_one(tree_formats[i], base, record, &out, &err));
    }
    record.value = (struct value){.type = VALUE_FLOAT, .real = (double)INFINITY};
    assert_int_equal(ERR_INVALID, encode_one(FORMAT_SENML_JSON, base, record, &out, &err));
    assert_int_equal(ERR_INVALID, encode_one(FORMAT_OMA_JSON, base, record, &out, &err));
    assert_int_equal(ERR_OK, encode_one(FORMAT_TLV, base, record, &out, &err));
    buf_clear(&out);
}

/* Lengths around the borders of the TLV header's forms. */
static void lengths_of_every_form(void **state)
{
    static const size_t lengths[] = {0, 1, 7, 8, 23, 24, 255, 256, 257, 65529, 65535, 65536, 70000};
    static uint8_t data[70000];
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        for (size_t f = 0; f < TREE_FORMATS; f++) {
            const struct record record = {
                path_resource(0, 1, 4),
                {.type = VALUE_OPAQUE, .bytes = bytes_of(data, lengths[i])}};
            struct path base = path_object(0);
            struct records got = {.arena = arena_new(0)};
            struct buf out;
            buf_init(&out, OUTPUT_MAX);
            assert_int_equal(ERR_OK, encode_one(tree_formats[f], base, record, &out, NULL));
            enum err_code code =
                codec_decode(tree_formats[f], &base, buf_bytes(&out), NULL, &got, NULL);
            assert_int_equal(out.len > 65536 ? ERR_TOO_LARGE : ERR_OK, code);
            if (code == ERR_OK)
                assert_int_equal(lengths[i], got.items[0].value.bytes.len);
            arena_free(got.arena);
            buf_clear(&out);
        }
    }
}

static void too_long_for_a_tlv(void **state)
{
    size_t len = 0x1000000;
    uint8_t *data = calloc(1, len);
    struct record record = {path_resource(0, 1, 4),
                            {.type = VALUE_OPAQUE, .bytes = bytes_of(data, len)}};
    struct buf out;
    struct err err;
    buf_init(&out, 2 * len);
    assert_int_equal(ERR_TOO_LARGE,
                     encode_one(FORMAT_TLV, path_instance(0, 1), record, &out, &err));
    record.value.bytes.len--;
    assert_int_equal(ERR_OK, encode_one(FORMAT_TLV, path_instance(0, 1), record, &out, &err));
    /* The resource just fits, its wrapper does not. */
    assert_int_equal(ERR_TOO_LARGE, encode_one(FORMAT_TLV, path_object(0), record, &out, &err));
    buf_clear(&out);
    free(data);
}

/* -- decoding -- */

static void decoding_appends(void **state)
{
    const struct path base = path_instance(1, 0);
    struct records got = {.arena = arena_new(0)};
    const struct record earlier = integer_at(path_resource(1, 0, 0));
    records_add(&got, &earlier);
    /* The same path as the record that is there: only the payload's own count as repeated. */
    assert_int_equal(
        ERR_OK, codec_decode(FORMAT_TLV, &base, bytes_of("\xc1\x00\x65", 3), NULL, &got, NULL));
    assert_int_equal(2, got.count);
    assert_int_equal(101, got.items[1].value.integer);
    assert_int_equal(
        ERR_INVALID,
        codec_decode(FORMAT_TLV, &base, bytes_of("\xc1\x00\x65\xc1\x00\x65", 6), NULL, &got, NULL));
    assert_int_equal(2, got.count);
    arena_free(got.arena);
}

static void decoded_bytes_are_copies(void **state)
{
    char payload[] = "\xc2\x07UQ";
    const struct path base = path_instance(1, 0);
    struct records got = {.arena = arena_new(0)};
    assert_int_equal(ERR_OK,
                     codec_decode(FORMAT_TLV, &base, bytes_of(payload, 4), NULL, &got, NULL));
    memset(payload, 0, sizeof payload);
    assert_true(bytes_equal(bytes_of("UQ", 2), got.items[0].value.bytes));
    arena_free(got.arena);
}

static void caps_are_kept(void **state)
{
    static uint8_t large[65537];
    const struct path base = path_instance(1, 0), resource = path_resource(0, 1, 5);
    struct records got = {.arena = arena_new(0), .max = 2};
    struct err err;
    assert_int_equal(ERR_TOO_LARGE, codec_decode(FORMAT_OPAQUE, &resource,
                                                 bytes_of(large, sizeof large), NULL, &got, &err));
    assert_int_equal(ERR_OK, codec_decode(FORMAT_OPAQUE, &resource,
                                          bytes_of(large, sizeof large - 1), NULL, &got, &err));
    got.count = 0;
    assert_int_equal(
        ERR_TOO_LARGE,
        codec_decode(FORMAT_TLV, &base, bytes_of("\xc1\0\1\xc1\1\1\xc1\2\1", 9), NULL, &got, &err));
    assert_string_equal("tlv payload: has too many values", err.text);
    assert_int_equal(0, got.count);
    arena_free(got.arena);

    struct records tight = {.arena = arena_new(1000)};
    assert_int_equal(ERR_NO_MEMORY, codec_decode(FORMAT_OPAQUE, &resource, bytes_of(large, 2000),
                                                 NULL, &tight, &err));
    arena_free(tight.arena);
}

static void types_come_from_whom_one_asks(void **state)
{
    const struct path base = path_instance(21, 0);
    const struct bytes payload = bytes_of("\xc2\x01"
                                          "ab",
                                          4);
    enum lwm2m_version version = LWM2M_1_1;
    const struct codec_types old = {codec_types_from_table, &version};
    struct records got = {.arena = arena_new(0)};
    assert_int_equal(ERR_OK, codec_decode(FORMAT_TLV, &base, payload, NULL, &got, NULL));
    assert_int_equal(ERR_OK, codec_decode(FORMAT_TLV, &base, payload, &old, &got, NULL));
    assert_int_equal(VALUE_OPAQUE, got.items[0].value.type);
    assert_int_equal(VALUE_STRING, got.items[1].value.type);
    assert_int_equal(VALUE_NONE, codec_types_from_table(NULL, 3416, 4));
    arena_free(got.arena);
}

static void messages_name_format_and_place(void **state)
{
    static const struct {
        int format;
        const char *payload;
        const char *text;
    } cases[] = {
        {FORMAT_TLV, "\xc1\x0b\x65\xc3\x01\x01\x01\x01",
         "tlv payload: byte 3: /1/0/1 of 3 bytes is no integer"},
        {FORMAT_TLV, "\xc8\x07\x10", "tlv payload: byte 0: this TLV ends too early"},
        {FORMAT_SENML_JSON, "[{\"bn\":\"/1/0/\",\"n\":\"1\",\"v\":1},{\"n\":\"6\",\"v\":1}]",
         "senml-json payload: record 2: /1/0/6 must be of type boolean, and is integer"},
        {FORMAT_SENML_JSON, "[{\"n\":\"/1/1/1\",\"v\":1}]",
         "senml-json payload: record 1: /1/1/1 lies outside /1/0"},
        {FORMAT_SENML_JSON, "[{", "senml-json payload: byte 2: ends too early"},
        {FORMAT_SENML_JSON, "[x]", "senml-json payload: byte 2: is not well-formed JSON"},
        {FORMAT_SENML_CBOR, "\x81\xa1", "senml-cbor payload: ends too early, after 2 bytes"},
        {FORMAT_SENML_CBOR, "\x81\x01",
         "senml-cbor payload: before byte 2: a record must be a map"},
        {FORMAT_OMA_JSON, "{\"bn\":\"/1/0/\",\"e\":[{\"n\":\"1\"}]}",
         "oma-json payload: entry 1: must have one of v, sv, bv, ov"},
    };
    const struct path base = path_instance(1, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct records got = {.arena = arena_new(0)};
        struct err err = {0};
        assert_int_not_equal(ERR_OK,
                             codec_decode(cases[i].format, &base, bytes_of_text(cases[i].payload),
                                          NULL, &got, &err));
        assert_string_equal(cases[i].text, err.text);
        arena_free(got.arena);
    }
}

/* A key in a broken document must not come back in the error (I4). */
static void messages_do_not_repeat_the_payload(void **state)
{
    static const char *const payloads[] = {
        "[{\"n\":\"/0/1/5\",\"vd\":\"TopSecretKey",     "[{\"n\":\"/0/1/5\",\"vd\":TopSecretKey}]",
        "[{\"n\":\"/0/1/5\",\"vs\":\"TopSecretKey\"}]", "[{\"n\":\"TopSecretKey\",\"vd\":\"AA\"}]",
        "[{\"n\":\"/0/1/5\",\"TopSecretKey_\":1}]",
    };
    const struct path base = path_instance(0, 1);
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        struct records got = {.arena = arena_new(0)};
        struct err err = {0};
        assert_int_not_equal(ERR_OK, codec_decode(FORMAT_SENML_JSON, &base,
                                                  bytes_of_text(payloads[i]), NULL, &got, &err));
        assert_null(strstr(err.text, "TopSecret"));
        arena_free(got.arena);
    }
}

/* Paths in falling order are the worst for the search for repeated ones; they are still right. */
static void any_order_is_read(void **state)
{
    enum { COUNT = 4096 };
    const struct path base = path_object(3416);
    struct records got = {.arena = arena_new(0)};
    struct buf out;
    buf_init(&out, OUTPUT_MAX);
    buf_put(&out, "\xa1\x19\x0d\x58\xa1\x00\xb9\x10\x00", 9);
    for (unsigned i = COUNT; i > 0; i--) {
        buf_put_u8(&out, 0x19);
        buf_put_u16(&out, (uint16_t)(i + 999));
        buf_put_u8(&out, 0x01);
    }
    assert_int_equal(ERR_OK,
                     codec_decode(FORMAT_LWM2M_CBOR, &base, buf_bytes(&out), NULL, &got, NULL));
    assert_int_equal(COUNT, got.count);
    /* Now the last key repeats the first. */
    out.data[out.len - 3] = out.data[10];
    out.data[out.len - 2] = out.data[11];
    got.count = 0;
    assert_int_equal(ERR_INVALID,
                     codec_decode(FORMAT_LWM2M_CBOR, &base, buf_bytes(&out), NULL, &got, NULL));
    assert_int_equal(0, got.count);
    arena_free(got.arena);
    buf_clear(&out);
}

/* The deepest nests that fit a payload, in every format. */
static void depth_is_bounded(void **state)
{
    static const struct {
        int format;
        uint8_t byte;
    } nests[] = {{FORMAT_SENML_CBOR, 0x81}, {FORMAT_SENML_CBOR, 0x9f}, {FORMAT_SENML_CBOR, 0xa1},
                 {FORMAT_SENML_CBOR, 0xc1}, {FORMAT_LWM2M_CBOR, 0xa1}, {FORMAT_LWM2M_CBOR, 0xbf},
                 {FORMAT_LWM2M_CBOR, 0x81}, {FORMAT_LWM2M_CBOR, 0xc1}, {FORMAT_SENML_JSON, '['},
                 {FORMAT_OMA_JSON, '['},    {FORMAT_TLV, 0x00}};
    static uint8_t payload[65536];
    for (size_t i = 0; i < sizeof nests / sizeof nests[0]; i++) {
        for (size_t start = 0; start < 8; start++) {
            /* After the head of a record with a label to be ignored. */
            static const uint8_t head[] = {0x81, 0xa1, 0x61, 0x78, 0x81, 0x81, 0x81, 0x81};
            const struct path base = path_object(1);
            struct records got = {.arena = arena_new(0)};
            memset(payload, nests[i].byte, sizeof payload);
            memcpy(payload, head, start);
            enum err_code code = codec_decode(nests[i].format, &base,
                                              bytes_of(payload, sizeof payload), NULL, &got, NULL);
            assert_true(code != ERR_OK || nests[i].byte == 0);
            assert_int_equal(0, got.count);
            arena_free(got.arena);
        }
    }
}

/* -- random records -- */

static uint64_t random_state;

static uint64_t next_random(void) /* SplitMix64 */
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static size_t below(size_t limit)
{
    return next_random() % limit;
}

static int seed_random(void **state)
{
    const char *given = getenv("USHER_TEST_SEED");
    random_state = given != NULL ? strtoull(given, NULL, 0) : 20261123;
    print_message("seed %llu (set USHER_TEST_SEED to try another)\n",
                  (unsigned long long)random_state);
    return 0;
}

static int64_t random_integer(void)
{
    int64_t value = (int64_t)(next_random() >> below(64));
    return below(2) ? value : -value;
}

static double random_real(void)
{
    switch (below(4)) {
    case 0:
        return (double)random_integer();
    case 1:
        return (double)(float)((double)random_integer() / 1024);
    case 2:
        return (double)random_integer() / 1e6;
    default:
        return (double)random_integer() * 1e-200;
    }
}

static struct bytes random_bytes(struct arena *arena)
{
    size_t len = below(10) == 0 ? below(600) : below(40);
    uint8_t *data = arena_alloc(arena, len);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)next_random();
    return bytes_of(data, len);
}

static struct bytes random_text(struct arena *arena)
{
    static const char *const pieces[] = {"a", "coaps://", "\"", "\\", "\n", "\x1b", "/",
                                         "ä", "€",        "🌃", "=",  "+",  " ",    "\x7f"};
    char text[200] = "";
    for (size_t i = below(20); i > 0; i--)
        strcat(text, pieces[below(sizeof pieces / sizeof pieces[0])]);
    return bytes_of_text(arena_text(arena, text));
}

static struct value random_value(enum value_type type, struct arena *arena)
{
    struct value value = {.type = type};
    switch (type) {
    case VALUE_STRING:
        value.bytes = random_text(arena);
        break;
    case VALUE_OPAQUE:
        value.bytes = random_bytes(arena);
        break;
    case VALUE_UNSIGNED:
        value.natural = next_random() >> (1 + below(63)); /* JSON readers stop at 2^63 */
        break;
    case VALUE_FLOAT:
        value.real = random_real();
        break;
    case VALUE_BOOLEAN:
        value.boolean = below(2);
        break;
    case VALUE_OBJLINK:
        value.link = (struct objlink){(uint16_t)next_random(), (uint16_t)next_random()};
        break;
    default:
        value.integer = random_integer();
        break;
    }
    return value;
}

static void add_random_resource(struct records *list, const struct path *instance,
                                const struct resource_definition *definition)
{
    uint16_t object = instance->ids[0], id = instance->ids[1];
    struct record record = {.path = path_resource(object, id, definition->id)};
    if (!definition->multiple) {
        record.value = random_value(definition->type, list->arena);
        records_add(list, &record);
        return;
    }
    uint16_t next = (uint16_t)below(3);
    for (size_t i = 1 + below(3); i > 0; i--) {
        record.path = path_resource_instance(object, id, definition->id, next);
        record.value = random_value(definition->type, list->arena);
        records_add(list, &record);
        next = (uint16_t)(next + 1 + below(400));
    }
}

/* Some resources of some instances of one object. Returns the path to write them to. */
static struct path random_records(struct records *list)
{
    static const uint16_t objects[] = {0, 1, 2, 3, 4, 5, 6, 7, 11, 13, 21, 23, 24};
    uint16_t object = objects[below(sizeof objects / sizeof objects[0])];
    size_t count = 0, instances = 1 + below(3);
    const struct resource_definition *rows = object_table_resources(object, &count);
    uint16_t instance = (uint16_t)below(300);
    struct path path = path_instance(object, instance);
    for (size_t i = 0; i < instances; i++) {
        path = path_instance(object, (uint16_t)(instance + 100 * i));
        for (size_t j = 0; j < count; j++) {
            if (!rows[j].executable && below(3) > 0)
                add_random_resource(list, &path, &rows[j]);
        }
    }
    return instances == 1 && below(2) ? path : path_object(object);
}

static void assert_same_records(const struct records *expected, const struct records *got)
{
    assert_int_equal(expected->count, got->count);
    for (size_t i = 0; i < expected->count; i++) {
        assert_true(path_equal(&expected->items[i].path, &got->items[i].path));
        assert_true(value_equal(&expected->items[i].value, &got->items[i].value));
    }
}

static void random_records_survive_every_format(void **state)
{
    size_t values = 0;
    for (int round = 0; round < 400; round++) {
        struct records list = {.arena = arena_new(0)};
        struct path base = random_records(&list);
        for (size_t f = 0; f < TREE_FORMATS && list.count > 0; f++) {
            struct records got = {.arena = arena_new(0)};
            struct err err = {0};
            struct buf out;
            buf_init(&out, OUTPUT_MAX);
            assert_int_equal(ERR_OK, codec_encode(tree_formats[f], &base, list.items, list.count,
                                                  NULL, &out, &err));
            enum err_code code =
                codec_decode(tree_formats[f], &base, buf_bytes(&out), NULL, &got, &err);
            if (code != ERR_OK)
                fail_msg("%s", err.text);
            assert_same_records(&list, &got);
            values += got.count;
            arena_free(got.arena);
            buf_clear(&out);
        }
        arena_free(list.arena);
    }
    assert_true(values > 10000);
}

static void random_values_survive_as_text(void **state)
{
    static const struct path paths[] = {{{1, 0, 7}, 3},  {{1, 0, 1}, 3},  {{1, 0, 13}, 3},
                                        {{6, 0, 0}, 3},  {{1, 0, 6}, 3},  {{0, 0, 5}, 3},
                                        {{1, 0, 12}, 3}, {{1, 0, 10}, 3}, {{0, 0, 16, 2}, 4}};
    for (size_t round = 0; round < 3000; round++) {
        struct records got = {.arena = arena_new(0)};
        struct record record = {.path = paths[round % (sizeof paths / sizeof paths[0])]};
        enum value_type type = object_table_type(record.path.ids[0], record.path.ids[2], LWM2M_1_2);
        struct err err = {0};
        struct buf out;
        record.value = random_value(type, got.arena);
        buf_init(&out, OUTPUT_MAX);
        assert_int_equal(ERR_OK, encode_one(FORMAT_TEXT, record.path, record, &out, &err));
        enum err_code code =
            codec_decode(FORMAT_TEXT, &record.path, buf_bytes(&out), NULL, &got, &err);
        if (code != ERR_OK)
            fail_msg("%s", err.text);
        assert_true(value_equal(&record.value, &got.items[0].value));
        buf_clear(&out);
        arena_free(got.arena);
    }
}

/* -- what an independent reader finds in our CBOR -- */

static struct bytes oracle_text(const cbor_item_t *item)
{
    assert_true(cbor_isa_string(item) && cbor_string_is_definite(item));
    return bytes_of(cbor_string_handle(item), cbor_string_length(item));
}

static void assert_number(const struct value *value, const cbor_item_t *item)
{
    if (value->type == VALUE_FLOAT) {
        assert_true(cbor_isa_float_ctrl(item) && cbor_float_get_width(item) != CBOR_FLOAT_0);
        assert_true(cbor_float_get_float(item) == value->real);
    } else if (value->type == VALUE_UNSIGNED || value->integer >= 0) {
        assert_true(cbor_isa_uint(item));
        assert_true(cbor_get_int(item) == value->natural);
    } else {
        assert_true(cbor_isa_negint(item));
        assert_true(-1 - (int64_t)cbor_get_int(item) == value->integer);
    }
}

static void assert_oracle_value(const struct value *value, const cbor_item_t *item)
{
    char link[16];
    switch (value->type) {
    case VALUE_STRING:
        assert_true(bytes_equal(value->bytes, oracle_text(item)));
        break;
    case VALUE_OPAQUE:
        assert_true(cbor_isa_bytestring(item) && cbor_bytestring_is_definite(item));
        assert_true(bytes_equal(
            value->bytes, bytes_of(cbor_bytestring_handle(item), cbor_bytestring_length(item))));
        break;
    case VALUE_BOOLEAN:
        assert_true(cbor_isa_float_ctrl(item) && cbor_float_get_width(item) == CBOR_FLOAT_0);
        assert_true(cbor_is_bool(item));
        assert_int_equal(value->boolean, cbor_get_bool(item));
        break;
    case VALUE_OBJLINK:
        snprintf(link, sizeof link, "%u:%u", value->link.object, value->link.instance);
        assert_true(bytes_equal(bytes_of_text(link), oracle_text(item)));
        break;
    default:
        assert_number(value, item);
        break;
    }
}

static cbor_item_t *oracle_load(struct bytes payload)
{
    struct cbor_load_result result;
    cbor_item_t *item = cbor_load(payload.data, payload.len, &result);
    assert_non_null(item);
    assert_int_equal(CBOR_ERR_NONE, result.error.code);
    assert_int_equal(payload.len, result.read);
    return item;
}

/* The label RFC 8428 and OMA have for a type; "vlo" is the only text. */
static void assert_label(enum value_type type, const cbor_item_t *label)
{
    if (type == VALUE_OBJLINK) {
        assert_true(bytes_equal(bytes_of_text("vlo"), oracle_text(label)));
        return;
    }
    assert_true(cbor_isa_uint(label));
    assert_int_equal(type == VALUE_STRING    ? 3
                     : type == VALUE_BOOLEAN ? 4
                     : type == VALUE_OPAQUE  ? 8
                                             : 2,
                     cbor_get_int(label));
}

static void assert_senml(const struct records *list, const cbor_item_t *array)
{
    char base[64] = "";
    assert_true(cbor_isa_array(array) && cbor_array_is_definite(array));
    assert_int_equal(list->count, cbor_array_size(array));
    for (size_t i = 0; i < list->count; i++) {
        const cbor_item_t *map = cbor_array_handle(array)[i];
        assert_true(cbor_isa_map(map) && cbor_map_is_definite(map));
        assert_int_equal(i == 0 ? 3 : 2, cbor_map_size(map));
        const struct cbor_pair *pairs = cbor_map_handle(map);
        if (i == 0) {
            assert_true(cbor_isa_negint(pairs->key) && cbor_get_int(pairs->key) == 1); /* -2 */
            struct bytes bn = oracle_text(pairs->value);
            memcpy(base, bn.data, bn.len);
            pairs++;
        }
        assert_true(cbor_isa_uint(pairs[0].key) && cbor_get_int(pairs[0].key) == 0);
        char name[128], expected[PATH_TEXT_SIZE];
        struct bytes n = oracle_text(pairs[0].value);
        snprintf(name, sizeof name, "%s%.*s", base, (int)n.len, (const char *)n.data);
        path_text(&list->items[i].path, expected);
        assert_string_equal(expected, name);
        assert_label(list->items[i].value.type, pairs[1].key);
        assert_oracle_value(&list->items[i].value, pairs[1].value);
    }
}

/* Walks the maps and meets the records in their order. */
static void assert_tree(const struct records *list, size_t *next, const cbor_item_t *item,
                        struct path path)
{
    if (!cbor_isa_map(item)) {
        assert_true(*next < list->count);
        assert_true(path_equal(&path, &list->items[*next].path));
        assert_oracle_value(&list->items[*next].value, item);
        (*next)++;
        return;
    }
    assert_true(cbor_map_size(item) > 0);
    for (size_t i = 0; i < cbor_map_size(item); i++) {
        const struct cbor_pair *pair = &cbor_map_handle(item)[i];
        struct path below_here = path;
        bool several = cbor_isa_array(pair->key);
        size_t ids = several ? cbor_array_size(pair->key) : 1;
        for (size_t j = 0; j < ids; j++) {
            const cbor_item_t *id = several ? cbor_array_handle(pair->key)[j] : pair->key;
            assert_true(cbor_isa_uint(id) && below_here.depth < PATH_DEPTH_MAX);
            below_here.ids[below_here.depth++] = (uint16_t)cbor_get_int(id);
        }
        assert_tree(list, next, pair->value, below_here);
    }
}

static void an_independent_reader_finds_the_same(void **state)
{
    for (int round = 0; round < 400; round++) {
        struct records list = {.arena = arena_new(0)};
        struct path base = random_records(&list);
        struct buf out;
        buf_init(&out, OUTPUT_MAX);
        if (list.count > 0) {
            size_t met = 0;
            codec_encode(FORMAT_SENML_CBOR, &base, list.items, list.count, NULL, &out, NULL);
            cbor_item_t *item = oracle_load(buf_bytes(&out));
            assert_senml(&list, item);
            cbor_decref(&item);
            buf_reset(&out);
            codec_encode(FORMAT_LWM2M_CBOR, &base, list.items, list.count, NULL, &out, NULL);
            item = oracle_load(buf_bytes(&out));
            assert_tree(&list, &met, item, path_root());
            assert_int_equal(list.count, met);
            cbor_decref(&item);
        }
        buf_clear(&out);
        arena_free(list.arena);
    }
}

/* Random damage to random payloads: no crash, and nothing left behind on failure. */
static void random_damage_is_survived(void **state)
{
    for (int round = 0; round < 3000; round++) {
        struct records list = {.arena = arena_new(0)}, got = {.arena = list.arena};
        struct path base = random_records(&list);
        int format = tree_formats[below(TREE_FORMATS)];
        struct buf out;
        buf_init(&out, OUTPUT_MAX);
        if (list.count > 0)
            codec_encode(format, &base, list.items, list.count, NULL, &out, NULL);
        for (size_t i = 0; i < 1 + below(4) && out.len > 0; i++)
            out.data[below(out.len)] = (uint8_t)next_random();
        struct bytes payload = bytes_of(out.data, out.len > 0 ? 1 + below(out.len) : 0);
        if (codec_decode(format, &base, payload, NULL, &got, NULL) != ERR_OK)
            assert_int_equal(0, got.count);
        buf_clear(&out);
        arena_free(list.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_have_names),
        cmocka_unit_test(secrets_are_revealed_once_each),
        cmocka_unit_test(a_missing_secret_fails_and_leaves_nothing),
        cmocka_unit_test(a_full_buffer_leaves_nothing),
        cmocka_unit_test(a_buffer_that_failed_before_stays_so),
        cmocka_unit_test(keys_as_text),
        cmocka_unit_test(records_must_fit_the_base_and_each_other),
        cmocka_unit_test(some_formats_have_narrower_bases),
        cmocka_unit_test(an_empty_list),
        cmocka_unit_test(values_that_cannot_be_written),
        cmocka_unit_test(lengths_of_every_form),
        cmocka_unit_test(too_long_for_a_tlv),
        cmocka_unit_test(decoding_appends),
        cmocka_unit_test(decoded_bytes_are_copies),
        cmocka_unit_test(caps_are_kept),
        cmocka_unit_test(types_come_from_whom_one_asks),
        cmocka_unit_test(messages_name_format_and_place),
        cmocka_unit_test(messages_do_not_repeat_the_payload),
        cmocka_unit_test(any_order_is_read),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test_setup(random_records_survive_every_format, seed_random),
        cmocka_unit_test_setup(random_values_survive_as_text, seed_random),
        cmocka_unit_test_setup(an_independent_reader_finds_the_same, seed_random),
        cmocka_unit_test_setup(random_damage_is_survived, seed_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
