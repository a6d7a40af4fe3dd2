/* Simulated devices without DTLS, by hand-made CoAP messages: objects, Finish, blocks, wrong
 * answers. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_bench.h"
#include "usher/corelink.h"

static void test_request_names_the_device(void **state)
{
    struct sim_config config = plain_config();
    config.preferred_format = FORMAT_SENML_CBOR;
    config.has_mid_start = true;
    config.mid_start = 77;
    struct bench *bench = bench_new(&config);
    struct coap_message sent = last_sent(bench);
    const struct coap_option *query = coap_find(&sent, COAP_OPT_URI_QUERY);
    assert_int_equal(sent.id, 77);
    assert_true(coap_path_is(&sent, "/bs"));
    assert_true(bytes_equal(query->value, bytes_of_text("ep=lamp7")));
    query = coap_next(&sent, COAP_OPT_URI_QUERY, query);
    assert_true(bytes_equal(query->value, bytes_of_text("pct=112")));
    bench_free(bench);
}

static void test_bootstrap(void **state)
{
    struct sim_config config = plain_config();
    struct bench *bench = bench_new(&config);
    write_accounts(bench);
    assert_int_equal(finish(bench), COAP_CHANGED);
    const struct sim_report *report = sim_device_report(bench->device);
    assert_int_equal(report->state, SIM_BOOTSTRAPPED);
    assert_int_equal(report->operation_count, 3);
    assert_int_equal(report->operations[0].method, COAP_METHOD_PUT);
    assert_int_equal(report->operations[0].format, FORMAT_TLV);
    assert_true(report->operations[2].finish);
    assert_false(sim_device_over(bench->device));
    sim_device_expire(bench->device, sim_device_next(bench->device));
    assert_true(sim_device_over(bench->device));
    bench_free(bench);
}

static void test_every_format_by_version(void **state)
{
    static const struct {
        enum lwm2m_version version;
        int format;
        const char *hex;
        uint8_t code;
    } cases[] = {
        {LWM2M_1_0, FORMAT_TLV, SERVER_A, COAP_CHANGED},
        {LWM2M_1_0, FORMAT_SENML_CBOR,
         "86a321652f312f302f006130021865a2006131021a00015180a2006613604f5",
         COAP_UNSUPPORTED_FORMAT},
        {LWM2M_1_1, FORMAT_SENML_CBOR,
         "86a321652f312f302f006130021865a2006131021a00015180a2006136"
         "04f5a2006137036155a20062313604f5a20062323304f4",
         COAP_CHANGED},
        {LWM2M_1_1, FORMAT_LWM2M_CBOR, "a1820100a6001865011a0001518006f507615510f517f4",
         COAP_UNSUPPORTED_FORMAT},
        {LWM2M_1_2, FORMAT_LWM2M_CBOR, "a1820100a6001865011a0001518006f507615510f517f4",
         COAP_CHANGED},
        {LWM2M_1_2, 9999, "00", COAP_UNSUPPORTED_FORMAT},
        {LWM2M_1_2, -1, "00", COAP_BAD_REQUEST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sim_config config = plain_config();
        config.version = cases[i].version;
        struct bench *bench = bench_new(&config);
        const char *hex = cases[i].hex;
        char even[256];
        (void)snprintf(even, sizeof even, "%.*s", (int)(strlen(hex) & ~(size_t)1), hex);
        assert_int_equal(write_hex(bench, "/1/0", cases[i].format, even), cases[i].code);
        bench_free(bench);
    }
}

static void test_write_refused(void **state)
{
    static const struct {
        const char *path, *hex, *word;
        uint8_t code;
    } cases[] = {
        {"/77/0", "c10001", "not known", COAP_NOT_FOUND},
        {"/", "c10001", "as a whole", COAP_METHOD_NOT_ALLOWED},
        {"/1/0", "c10065", "mandatory", COAP_BAD_REQUEST},
        {"/1/0", "c1", "", COAP_BAD_REQUEST},
        {"/3/1", "c10065", "instance 0 only", COAP_BAD_REQUEST},
        {"/1/0", "c20000ffc40100015180c10601c10755", "", COAP_CHANGED},
        {"/1/0", "c10000c40100015180c10601c10755", "", COAP_BAD_REQUEST}, /* ssid 0 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sim_config config = plain_config();
        struct bench *bench = bench_new(&config);
        assert_int_equal(write_hex(bench, cases[i].path, FORMAT_TLV, cases[i].hex), cases[i].code);
        if (cases[i].word[0] != '\0')
            expect_detail(bench, cases[i].word);
        if (cases[i].code != COAP_CHANGED)
            assert_false(holds(bench, "/1/0/0"));
        bench_free(bench);
    }
}

static void test_write_replaces_or_merges(void **state)
{
    struct sim_config config = plain_config();
    struct bench *bench = bench_new(&config);
    write_accounts(bench);
    assert_true(holds(bench, "/1/0/16"));
    assert_int_equal(write_hex(bench, "/1/0", FORMAT_TLV, "c10066c40100015180c10601c10755"),
                     COAP_CHANGED);
    assert_false(holds(bench, "/1/0/16"));
    assert_int_equal(write_hex(bench, "/1/0/23", FORMAT_TLV, "c11701"), COAP_CHANGED);
    assert_true(holds(bench, "/1/0/23"));
    assert_true(holds(bench, "/1/0/1"));
    bench_free(bench);

    config.merge_writes = true;
    bench = bench_new(&config);
    write_accounts(bench);
    assert_int_equal(write_hex(bench, "/1/0", FORMAT_TLV, "c10066"), COAP_CHANGED);
    assert_true(holds(bench, "/1/0/16"));
    bench_free(bench);
}

static void test_limits_of_the_device(void **state)
{
    struct sim_config config = plain_config();
    config.identity_max = 16; /* the identity of account A has 21 bytes */
    struct bench *bench = bench_new(&config);
    assert_int_equal(write_hex(bench, "/0/1", FORMAT_TLV, ACCOUNT_A), COAP_BAD_REQUEST);
    expect_detail(bench, "longer");
    bench_free(bench);
    config.identity_max = 0;
    config.key_max = 15;
    bench = bench_new(&config);
    assert_int_equal(write_hex(bench, "/0/1", FORMAT_TLV, ACCOUNT_A), COAP_BAD_REQUEST);
    bench_free(bench);
}

static void test_unknown_optional_resources_are_skipped(void **state)
{
    struct sim_config config = plain_config();
    config.version = LWM2M_1_0; /* 16 and 23 of /1 came with 1.1 */
    struct bench *bench = bench_new(&config);
    assert_int_equal(write_hex(bench, "/1/0", FORMAT_TLV, SERVER_A), COAP_CHANGED);
    assert_true(holds(bench, "/1/0/7"));
    assert_false(holds(bench, "/1/0/16"));
    bench_free(bench);
}

static void test_objects_beyond_the_table(void **state)
{
    static const uint16_t more[] = {3416};
    struct sim_config config = plain_config();
    config.more_objects = more;
    config.more_object_count = 1;
    struct bench *bench = bench_new(&config);
    assert_int_equal(write_hex(bench, "/3416/0", FORMAT_TLV, "c10446"), COAP_CHANGED);
    assert_true(holds(bench, "/3416/0/4"));
    bench_free(bench);
}

static void test_delete_protects(void **state)
{
    struct sim_config config = plain_config();
    struct bench *bench = bench_new(&config);
    write_accounts(bench);
    assert_int_equal(erase(bench, "/0/0"), COAP_BAD_REQUEST);
    assert_int_equal(erase(bench, "/3/0"), COAP_BAD_REQUEST);
    assert_int_equal(erase(bench, "/1/9"), COAP_NOT_FOUND);
    assert_int_equal(erase(bench, "/77"), COAP_NOT_FOUND);
    assert_int_equal(erase(bench, "/1/0/1"), COAP_BAD_REQUEST);
    assert_int_equal(erase(bench, "/0/1"), COAP_DELETED);
    assert_false(holds(bench, "/0/1/0"));
    write_accounts(bench);
    assert_int_equal(erase(bench, "/0"), COAP_DELETED);
    assert_true(holds(bench, "/0/0/0"));
    assert_false(holds(bench, "/0/1/0"));
    write_accounts(bench);
    assert_int_equal(erase(bench, "/"), COAP_DELETED);
    assert_true(holds(bench, "/0/0/1"));
    assert_true(holds(bench, "/3/0/0"));
    assert_false(holds(bench, "/0/1/0"));
    assert_false(holds(bench, "/1/0/0"));
    bench_free(bench);
}

static void test_delete_keeps_the_accounts_oscore(void **state)
{
    const struct record holds_oscore[] = {
        {path_resource(0, 0, 17), {.type = VALUE_OBJLINK, .link = {21, 5}}},
        {path_resource(21, 5, 0), {.type = VALUE_STRING, .bytes = {(const uint8_t *)"x", 1}}},
        {path_resource(21, 6, 0), {.type = VALUE_STRING, .bytes = {(const uint8_t *)"y", 1}}}};
    struct sim_config config = plain_config();
    config.holds = holds_oscore;
    config.hold_count = 3;
    struct bench *bench = bench_new(&config);
    assert_int_equal(erase(bench, "/"), COAP_DELETED);
    assert_true(holds(bench, "/21/5/0"));
    assert_false(holds(bench, "/21/6/0"));
    assert_int_equal(erase(bench, "/21/5"), COAP_BAD_REQUEST);
    bench_free(bench);
}

static void expect_payload(const struct bench *bench, const char *text)
{
    char found[2048];
    (void)snprintf(found, sizeof found, "%.*s", (int)bench->answer.payload.len,
                   (const char *)bench->answer.payload.data);
    assert_string_equal(found, text);
}

static void test_discover_by_version(void **state)
{
    static const uint16_t few[] = {0, 1, 3, 5};
    static const char *const expected[] = {
        "lwm2m=\"1.0\",</0/0>,</0/1>;ssid=101,</1/0>;ssid=101,</3/0>,</5>",
        "</>;lwm2m=1.1,</0/0>;uri=\"coap://127.0.0.1:5683\",</0/1>;ssid=101;"
        "uri=\"coaps://lwm2m.city.example:5684\",</1/0>;ssid=101,</3/0>,</5>",
    };
    for (size_t i = 0; i < 2; i++) {
        struct sim_config config = plain_config();
        config.version = i == 0 ? LWM2M_1_0 : LWM2M_1_1;
        config.objects = few;
        config.object_count = 4;
        struct bench *bench = bench_new(&config);
        write_accounts(bench);
        assert_int_equal(get(bench, "/", FORMAT_LINK), COAP_CONTENT);
        expect_payload(bench, expected[i]);
        assert_int_equal(get(bench, "/0/0", FORMAT_LINK), COAP_BAD_REQUEST);
        assert_int_equal(get(bench, "/77", FORMAT_LINK), COAP_NOT_FOUND);
        bench_free(bench);
    }
}

/* What is written must be what the server's reader understands. */
static void test_discover_is_understood(void **state)
{
    struct sim_config config = plain_config();
    config.bootstrap_instance = 7;
    struct bench *bench = bench_new(&config);
    struct capability capability;
    struct err err;
    uint16_t instance;
    write_accounts(bench);
    assert_int_equal(get(bench, "/", FORMAT_LINK), COAP_CONTENT);
    capability_init(&capability);
    assert_int_equal(corelink_read(bench->answer.payload, &capability, &err), ERR_OK);
    assert_true(capability_bootstrap_instance(&capability, &instance));
    assert_int_equal(instance, 7);
    assert_int_equal(capability.version, LWM2M_1_1);
    bench_free(bench);
}

static void test_read(void **state)
{
    struct sim_config config = plain_config();
    struct bench *bench = bench_new(&config);
    write_accounts(bench);
    assert_int_equal(get(bench, "/1/0", FORMAT_TLV), COAP_CONTENT);
    char hex[BYTES_HEX_SIZE(64)];
    assert_true(bench->answer.payload.len <= 64);
    bytes_to_hex(bench->answer.payload, hex);
    assert_string_equal(hex, SERVER_A);
    assert_int_equal(get(bench, "/0/1", FORMAT_TLV), COAP_METHOD_NOT_ALLOWED);
    assert_int_equal(get(bench, "/1/5", FORMAT_TLV), COAP_NOT_FOUND);
    assert_int_equal(get(bench, "/1/0", 9999), COAP_NOT_ACCEPTABLE);
    bench_free(bench);
    config.version = LWM2M_1_0;
    bench = bench_new(&config);
    assert_int_equal(get(bench, "/1", FORMAT_TLV), COAP_METHOD_NOT_ALLOWED);
    bench_free(bench);
}

static void test_finish_finds_what_is_wrong(void **state)
{
    static const struct {
        const char *path, *hex, *word;
    } breaks[] = {
        {"/0/1", NULL, "no server account"},
        {"/1/0", NULL, "no instance of /1"},
        {"/0/1/10", "c10a66", "no instance of /1"},
        {"/0/1/2", "c10201", "/0/1/4 is missing"},
        {"/0/1/2", "c10203", "security mode 3"},
        {"/0/1/1", "c10101", "bootstrap accounts"},
        {"/0/1/17", "c41100150009", "not there"},
        {"/0/1/0", "", "URI"},
        {"/2/0", "c10003c10100860241000141661fc4030000ffff", "names a server"},
    };
    for (size_t i = 0; i < sizeof breaks / sizeof breaks[0]; i++) {
        struct sim_config config = plain_config();
        struct bench *bench = bench_new(&config);
        write_accounts(bench);
        if (breaks[i].hex == NULL)
            assert_int_equal(erase(bench, breaks[i].path), COAP_DELETED);
        else if (strcmp(breaks[i].word, "URI") == 0)
            assert_int_equal(write_bytes(bench, "/0/1/0", FORMAT_TEXT, bytes_of_text("http://x")),
                             COAP_CHANGED);
        else
            assert_int_equal(write_hex(bench, breaks[i].path, FORMAT_TLV, breaks[i].hex),
                             COAP_CHANGED);
        assert_int_equal(finish(bench), COAP_NOT_ACCEPTABLE);
        expect_detail(bench, breaks[i].word);
        assert_int_equal(sim_device_report(bench->device)->state, SIM_SERVED);
        bench_free(bench);
    }
}

static void test_finish_without_accounts_then_repaired(void **state)
{
    struct sim_config config = plain_config();
    struct bench *bench = bench_new(&config);
    assert_int_equal(finish(bench), COAP_NOT_ACCEPTABLE);
    expect_detail(bench, "no server account");
    write_accounts(bench);
    assert_int_equal(finish(bench), COAP_CHANGED);
    bench_free(bench);
}

static void test_late_mandatory(void **state)
{
    struct sim_config config = plain_config();
    config.late_mandatory = true;
    struct bench *bench = bench_new(&config);
    write_accounts(bench);
    assert_int_equal(write_hex(bench, "/1/0", FORMAT_TLV, "c10065"), COAP_CHANGED);
    assert_int_equal(finish(bench), COAP_NOT_ACCEPTABLE);
    expect_detail(bench, "mandatory");
    bench_free(bench);
}

static void test_finish_has_no_payload(void **state)
{
    struct sim_config config = plain_config();
    struct bench *bench = bench_new(&config);
    write_accounts(bench);
    struct coap_message message = request(bench, COAP_METHOD_POST, "/bs");
    message.payload = bytes_of_text("x");
    assert_int_equal(ask(bench, &message), COAP_BAD_REQUEST);
    bench_free(bench);
}

static uint8_t write_block(struct bench *bench, const char *path, struct bytes whole,
                           uint32_t number, uint8_t szx)
{
    uint8_t scratch[2][4];
    size_t size = COAP_BLOCK_SIZE(szx), offset = number * size;
    struct coap_message message = request(bench, COAP_METHOD_PUT, path);
    struct coap_block block = {number, offset + size < whole.len, szx};
    assert_true(coap_add_uint(&message, COAP_OPT_CONTENT_FORMAT, FORMAT_TLV, scratch[0]));
    assert_true(coap_add_block(&message, COAP_OPT_BLOCK1, &block, scratch[1]));
    message.payload = bytes_of(whole.data + offset, block.more ? size : whole.len - offset);
    return ask(bench, &message);
}

static void test_blocks_in(void **state)
{
    struct sim_config config = plain_config();
    struct bench *bench = bench_new(&config);
    uint8_t payload[128];
    size_t len;
    assert_true(bytes_from_hex(ACCOUNT_A, strlen(ACCOUNT_A), payload, sizeof payload, &len));
    struct bytes whole = bytes_of(payload, len); /* 86 bytes: six blocks of 16 */
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(write_block(bench, "/0/1", whole, i, 0), COAP_CONTINUE);
    assert_false(holds(bench, "/0/1/0"));
    assert_int_equal(write_block(bench, "/0/1", whole, 5, 0), COAP_CHANGED);
    assert_true(holds(bench, "/0/1/10"));
    assert_int_equal(sim_device_report(bench->device)->operation_count, 1);

    assert_int_equal(write_block(bench, "/0/2", whole, 0, 1), COAP_CONTINUE);
    assert_int_equal(write_block(bench, "/0/2", whole, 2, 1), COAP_INCOMPLETE); /* 1 is missing */
    assert_int_equal(write_block(bench, "/0/2", whole, 1, 1), COAP_INCOMPLETE); /* and over */
    assert_int_equal(write_block(bench, "/0/2", whole, 0, 1), COAP_CONTINUE);
    assert_int_equal(write_block(bench, "/0/3", whole, 1, 1), COAP_INCOMPLETE); /* other path */
    assert_false(holds(bench, "/0/2/0"));
    bench_free(bench);
}

static void test_smaller_blocks_wanted(void **state)
{
    struct sim_config config = plain_config();
    config.block_szx = 0;
    config.payload_max = 32;
    config.transfer_max = 64;
    struct bench *bench = bench_new(&config);
    struct coap_block block;
    bool present;
    assert_int_equal(write_hex(bench, "/0/1", FORMAT_TLV, ACCOUNT_A), COAP_TOO_LARGE);
    assert_true(coap_get_block(&bench->answer, COAP_OPT_BLOCK1, &block, &present));
    assert_int_equal(block.szx, 0);
    uint8_t payload[128] = {0};
    struct bytes whole = bytes_of(payload, sizeof payload);
    assert_int_equal(write_block(bench, "/0/1", whole, 0, 1), COAP_CONTINUE);
    assert_true(coap_get_block(&bench->answer, COAP_OPT_BLOCK1, &block, &present));
    assert_int_equal(block.szx, 0);
    assert_int_equal(write_block(bench, "/0/1", whole, 2, 0), COAP_CONTINUE); /* goes on from 32 */
    assert_int_equal(write_block(bench, "/0/1", whole, 3, 0), COAP_CONTINUE);
    assert_int_equal(write_block(bench, "/0/1", whole, 4, 0), COAP_TOO_LARGE); /* 80 of 64 */
    bench_free(bench);
}

static void test_blocks_out(void **state)
{
    struct sim_config config = plain_config();
    config.block_szx = 1;
    struct bench *bench = bench_new(&config);
    char whole[1024] = "";
    size_t len = 0;
    struct coap_block block = {.more = true};
    for (uint32_t number = 0; block.more; number++) {
        uint8_t scratch[2][4];
        bool present;
        struct coap_message message = request(bench, COAP_METHOD_GET, "/");
        struct coap_block want = {.number = number, .szx = 6};
        if (number > 0)
            want.szx = 1;
        assert_true(coap_add_uint(&message, COAP_OPT_ACCEPT, FORMAT_LINK, scratch[0]));
        assert_true(coap_add_block(&message, COAP_OPT_BLOCK2, &want, scratch[1]));
        assert_int_equal(ask(bench, &message), COAP_CONTENT);
        assert_true(coap_get_block(&bench->answer, COAP_OPT_BLOCK2, &block, &present));
        assert_int_equal(block.number, number);
        assert_int_equal(block.szx, 1);
        assert_true(len + bench->answer.payload.len < sizeof whole);
        memcpy(whole + len, bench->answer.payload.data, bench->answer.payload.len);
        len += bench->answer.payload.len;
    }
    assert_string_equal(whole, "</>;lwm2m=1.1,</0/0>;uri=\"coap://127.0.0.1:5683\",</1>,</2>,"
                               "</3/0>,</4>,</5>,</21>");
    assert_int_equal(sim_device_report(bench->device)->operation_count, 1);
    bench_free(bench);
}

static void test_duplicates_are_answered_from_memory(void **state)
{
    struct sim_config config = plain_config();
    struct bench *bench = bench_new(&config);
    write_accounts(bench);
    struct coap_message message = request(bench, COAP_METHOD_DELETE, "/0/1");
    assert_int_equal(ask(bench, &message), COAP_DELETED);
    assert_int_equal(ask(bench, &message), COAP_DELETED); /* a second Delete would be 4.04 */
    assert_int_equal(sim_device_report(bench->device)->duplicates, 1);
    assert_int_equal(sim_device_report(bench->device)->operation_count, 3);
    bench_free(bench);
}

static void add_rule(struct sim_config *config, const char *text)
{
    struct err err;
    if (sim_rule_parse(text, &config->faults.rules[config->faults.rule_count++], &err) != ERR_OK)
        fail_msg("%s", err.text);
}

static void test_wrong_answers(void **state)
{
    struct sim_config config = plain_config();
    add_rule(&config, "PUT:/0/1=4.15x1");
    add_rule(&config, "DELETE=none");
    add_rule(&config, "4=rst");
    add_rule(&config, "POST:/bs=4.06x2");
    struct bench *bench = bench_new(&config);
    assert_int_equal(write_hex(bench, "/0/1", FORMAT_TLV, ACCOUNT_A), COAP_UNSUPPORTED_FORMAT);
    assert_false(holds(bench, "/0/1/0"));
    assert_int_equal(write_hex(bench, "/0/1", FORMAT_TLV, ACCOUNT_A), COAP_CHANGED);
    assert_int_equal(erase(bench, "/0/1"), 0);
    assert_true(holds(bench, "/0/1/0"));
    assert_int_equal(write_hex(bench, "/1/0", FORMAT_TLV, SERVER_A), 0);
    assert_int_equal(bench->answer.type, COAP_RST);
    assert_int_equal(write_hex(bench, "/1/0", FORMAT_TLV, SERVER_A), COAP_CHANGED);
    assert_int_equal(finish(bench), COAP_NOT_ACCEPTABLE);
    assert_int_equal(finish(bench), COAP_NOT_ACCEPTABLE);
    assert_int_equal(finish(bench), COAP_CHANGED);
    bench_free(bench);
}

static void test_rules_refused(void **state)
{
    static const char *const bad[] = {
        "",           "PUT",       "PUT=",          "PUT=4",         "PUT=1.00",
        "PUT=6.00",   "PUT=4.32",  "PUT:/x=4.00",   "put=4.00",      "0=4.00",
        "PUT=4.00x0", "PUT=4.00y", "PUT=nonesense", "PUT:/0/1=rstx", "=4.00",
        "PUT:=4.00"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sim_answer_rule rule;
        struct err err;
        if (sim_rule_parse(bad[i], &rule, &err) != ERR_INVALID)
            fail_msg("'%s' was taken", bad[i]);
    }
}

static void test_separate_answer(void **state)
{
    struct sim_config config = plain_config();
    config.separate = true;
    config.separate_delay_ms = 500;
    struct bench *bench = bench_new(&config);
    struct coap_message message = request(bench, COAP_METHOD_DELETE, "/1");
    assert_int_equal(ask(bench, &message), 0); /* an empty acknowledgement */
    assert_int_equal(bench->answer.type, COAP_ACK);
    bench->now = sim_device_next(bench->device);
    sim_device_expire(bench->device, bench->now);
    struct coap_message separate = last_sent(bench);
    assert_int_equal(separate.type, COAP_CON);
    assert_int_equal(separate.code, COAP_DELETED);
    assert_int_equal(separate.token[0], 0xb1);
    size_t before = bench->sent_count;
    bench->now = sim_device_next(bench->device); /* not acknowledged: once more */
    sim_device_expire(bench->device, bench->now);
    assert_int_equal(bench->sent_count, before + 1);
    receive(bench, &(struct coap_message){.type = COAP_ACK, .id = separate.id});
    assert_true(sim_device_next(bench->device) > bench->now + 100000);
    bench_free(bench);
}

static void test_retransmission_and_giving_up(void **state)
{
    struct sim_config config = plain_config();
    struct bench bench = {.now = 1000};
    struct err err;
    assert_int_equal(sim_device_new(&config, keep, &bench, &bench.device, &err), ERR_OK);
    sim_device_start(bench.device, bench.now);
    while (!sim_device_over(bench.device)) {
        bench.now = sim_device_next(bench.device);
        sim_device_expire(bench.device, bench.now);
    }
    assert_int_equal(bench.sent_count, 5); /* RFC 7252 section 4.8: MAX_RETRANSMIT 4 */
    assert_in_range(bench.now, 1000 + 62000, 1000 + 93000);
    assert_string_equal(sim_device_report(bench.device)->reason, "no-answer");
    sim_device_free(bench.device);
}

static void test_pings_and_strangers_are_reset(void **state)
{
    struct sim_config config = plain_config();
    struct bench *bench = bench_new(&config);
    struct coap_message message = {.type = COAP_CON, .id = 9};
    assert_int_equal(ask(bench, &message), 0);
    assert_int_equal(bench->answer.type, COAP_RST);
    message = (struct coap_message){
        .type = COAP_CON, .id = 10, .code = COAP_CHANGED, .token_len = 1, .token = {1}};
    assert_int_equal(ask(bench, &message), 0);
    assert_int_equal(bench->answer.type, COAP_RST);
    bench_free(bench);
}

static void test_power_loss_forgets(void **state)
{
    struct sim_config config = plain_config();
    config.faults.reboot_after = 3;
    struct bench *bench = bench_new(&config);
    write_accounts(bench);
    struct coap_message message = request(bench, COAP_METHOD_POST, "/bs");
    receive(bench, &message);
    const struct sim_report *report = sim_device_report(bench->device);
    assert_int_equal(report->reboots, 1);
    assert_int_equal(report->state, SIM_REQUESTING);
    assert_false(holds(bench, "/0/1/0"));
    assert_true(holds(bench, "/0/0/0"));
    assert_int_equal(last_sent(bench).code, COAP_METHOD_POST);
    bench_free(bench);
}

static void test_hostile_datagrams(void **state)
{
    struct sim_config config = plain_config();
    struct bench *bench = bench_new(&config);
    uint64_t seed = 7;
    for (int round = 0; round < 20000; round++) {
        uint8_t memory[256];
        struct buf out;
        uint8_t scratch[4];
        uint8_t payload[] = {0xc1, 0x00, 0x65, 0xc4, 0x01, 0x00, 0x01, 0x51, 0x80};
        struct coap_message message =
            request(bench, (uint8_t)(1 + round % 4), round % 3 == 0 ? "/bs" : "/1/0");
        assert_true(coap_add_uint(&message, COAP_OPT_CONTENT_FORMAT, FORMAT_TLV, scratch));
        message.payload = bytes_of(payload, sizeof payload);
        buf_init_fixed(&out, memory, sizeof memory);
        assert_true(coap_build(&message, &out));
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        memory[(seed >> 33) % out.len] = (uint8_t)(seed >> 56);
        sim_device_receive(bench->device, bytes_of(memory, (seed >> 40) % (out.len + 1)),
                           bench->now);
    }
    assert_true(sim_device_report(bench->device)->operation_count > 0);
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_names_the_device),
        cmocka_unit_test(test_bootstrap),
        cmocka_unit_test(test_every_format_by_version),
        cmocka_unit_test(test_write_refused),
        cmocka_unit_test(test_write_replaces_or_merges),
        cmocka_unit_test(test_limits_of_the_device),
        cmocka_unit_test(test_unknown_optional_resources_are_skipped),
        cmocka_unit_test(test_objects_beyond_the_table),
        cmocka_unit_test(test_delete_protects),
        cmocka_unit_test(test_delete_keeps_the_accounts_oscore),
        cmocka_unit_test(test_discover_by_version),
        cmocka_unit_test(test_discover_is_understood),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_finish_finds_what_is_wrong),
        cmocka_unit_test(test_finish_without_accounts_then_repaired),
        cmocka_unit_test(test_late_mandatory),
        cmocka_unit_test(test_finish_has_no_payload),
        cmocka_unit_test(test_blocks_in),
        cmocka_unit_test(test_smaller_blocks_wanted),
        cmocka_unit_test(test_blocks_out),
        cmocka_unit_test(test_duplicates_are_answered_from_memory),
        cmocka_unit_test(test_wrong_answers),
        cmocka_unit_test(test_rules_refused),
        cmocka_unit_test(test_separate_answer),
        cmocka_unit_test(test_retransmission_and_giving_up),
        cmocka_unit_test(test_pings_and_strangers_are_reset),
        cmocka_unit_test(test_power_loss_forgets),
        cmocka_unit_test(test_hostile_datagrams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
