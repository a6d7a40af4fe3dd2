/* What well-known clients do on the wire, each habit by itself; and the Bootstrap-Pack. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_bench.h"

/* Vector V5 of the protocol reference in SenML CBOR, and account A as a pack with it. */
#define SERVER_A_CBOR                                                                              \
    "86a321652f312f302f006130021865a2006131021a00015180a200613604f5a2006137036155a20062313604f5a2" \
    "0062323304f4"
#define ACCOUNT_RECORDS                                                                            \
    "[{\"bn\":\"/0/1/\",\"n\":\"0\",\"vs\":\"coaps://lwm2m.city.example\"},{\"n\":\"1\",\"vb\":"   \
    "false},{\"n\":\"2\",\"v\":0},{\"n\":\"3\",\"vd\":\"bGFtcDc\"},{\"n\":\"5\",\"vd\":"           \
    "\"EBESExQVFhcYGRobHB0eHw\"},{\"n\":\"10\",\"v\":101}"
#define ACCOUNT_JSON ACCOUNT_RECORDS "]"
#define PACK_JSON                                                                                  \
    ACCOUNT_RECORDS                                                                                \
    ",{\"bn\":\"/1/0/\",\"n\":\"0\",\"v\":101},{\"n\":\"1\",\"v\":86400},{\"n\":\"6\",\"vb\":"     \
    "true},{\"n\":\"7\",\"vs\":\"U\"}]"
#define BOOTSTRAP_ACCOUNT                                                                          \
    "c80014636f61703a2f2f6f746865722e6578616d706c65"                                               \
    "c10101c10203"

static struct sim_config config_as(const char *name)
{
    struct sim_config config = plain_config();
    const struct sim_personality *personality = sim_personality_find(name);
    assert_non_null(personality);
    sim_config_as(&config, personality);
    return config;
}

/* Served, after a request step by step. */
static struct bench *bench_as(const char *name)
{
    struct sim_config config = config_as(name);
    config.pack = false;
    return bench_new(&config);
}

static struct bench *asking(const struct sim_config *config)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct err err;
    assert_non_null(bench);
    bench->now = 1000;
    if (sim_device_new(config, keep, bench, &bench->device, &err) != ERR_OK)
        fail_msg("%s", err.text);
    sim_device_start(bench->device, bench->now);
    return bench;
}

static void respond(struct bench *bench, uint8_t code)
{
    struct coap_message response = last_sent(bench);
    response.type = COAP_ACK;
    response.code = code;
    response.option_count = 0;
    receive(bench, &response);
}

static bool has_query(const struct coap_message *message, const char *query)
{
    const struct coap_option *option = NULL;
    while ((option = coap_next(message, COAP_OPT_URI_QUERY, option)) != NULL)
        if (bytes_equal(option->value, bytes_of_text(query)))
            return true;
    return false;
}

static enum sim_state state_of(const struct bench *bench)
{
    return sim_device_report(bench->device)->state;
}

static void expect_reason(const struct bench *bench, const char *reason)
{
    assert_int_equal(state_of(bench), SIM_FAILED);
    assert_string_equal(sim_device_report(bench->device)->reason, reason);
}

static void test_names_are_in_order_and_known(void **state)
{
    const struct sim_personality *last = NULL, *personality;
    size_t count = 0;
    for (; (personality = sim_personality(count)) != NULL; count++) {
        assert_true(last == NULL || strcmp(last->name, personality->name) < 0);
        assert_ptr_equal(sim_personality_find(personality->name), personality);
        last = personality;
    }
    assert_int_equal(count, 11);
    assert_null(sim_personality_find("nobody"));
}

/* ---- the request ---- */

static void test_preferred_format(void **state)
{
    static const struct {
        const char *name;
        bool named;
    } cases[] = {{"anjay-lite", true},
                 {"leshan", true},
                 {"wakaama", false},
                 {"zephyr", false},
                 {"module-1.0", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sim_config config = config_as(cases[i].name);
        struct bench *bench = asking(&config);
        struct coap_message sent = last_sent(bench);
        assert_true(coap_path_is(&sent, "/bs"));
        assert_int_equal(has_query(&sent, "pct=112"), cases[i].named);
        bench_free(bench);
    }
}

static void test_pack_first_then_step_by_step_then_plain(void **state)
{
    struct sim_config config = config_as("anjay");
    struct bench *bench = asking(&config);
    struct coap_message sent = last_sent(bench);
    uint32_t accept;
    assert_int_equal(sent.code, COAP_METHOD_GET);
    assert_true(coap_path_is(&sent, "/bspack"));
    assert_true(has_query(&sent, "ep=lamp7"));
    assert_true(coap_option_uint(coap_find(&sent, COAP_OPT_ACCEPT), &accept));
    assert_int_equal(accept, FORMAT_SENML_CBOR);
    respond(bench, COAP_NOT_FOUND);
    sent = last_sent(bench);
    assert_int_equal(sent.code, COAP_METHOD_POST);
    assert_true(coap_path_is(&sent, "/bs"));
    assert_true(has_query(&sent, "pct=112"));
    respond(bench, COAP_BAD_REQUEST);
    sent = last_sent(bench);
    assert_false(has_query(&sent, "pct=112"));
    assert_true(has_query(&sent, "ep=lamp7"));
    respond(bench, COAP_BAD_REQUEST);
    expect_reason(bench, "request-refused-4.00");
    bench_free(bench);
}

static void test_wakaama_insists_on_unauthorized(void **state)
{
    struct sim_config config = config_as("wakaama");
    struct bench *bench = asking(&config);
    respond(bench, COAP_UNAUTHORIZED);
    respond(bench, COAP_UNAUTHORIZED);
    assert_int_equal(state_of(bench), SIM_REQUESTING);
    assert_int_equal(sim_device_report(bench->device)->requests, 3);
    respond(bench, COAP_UNAUTHORIZED);
    expect_reason(bench, "request-refused-4.01");
    bench_free(bench);
}

static void test_zephyr_is_parked_by_any_code_but_not_by_silence(void **state)
{
    struct sim_config config = config_as("zephyr");
    struct bench *bench = asking(&config);
    while (sim_device_report(bench->device)->requests < 2) {
        assert_true(bench->now < 200000);
        bench->now = sim_device_next(bench->device);
        sim_device_expire(bench->device, bench->now);
    }
    assert_int_equal(state_of(bench), SIM_REQUESTING);
    respond(bench, COAP_UNAVAILABLE);
    expect_reason(bench, "request-refused-5.03");
    bench_free(bench);
}

static void test_zephyr_has_room_for_names_of_32_bytes(void **state)
{
    struct sim_config config = config_as("zephyr");
    struct sim_device *device = NULL;
    struct err err;
    config.endpoint = "urn:imei:8612345678901234567890123";
    assert_int_equal(sim_device_new(&config, NULL, NULL, &device, &err), ERR_RANGE);
    config.endpoint = "urn:imei:86123456789012345678901";
    assert_int_equal(sim_device_new(&config, NULL, NULL, &device, &err), ERR_OK);
    sim_device_free(device);
}

/* ---- messages ---- */

static void test_anjay_lite_is_deaf_to_non_and_long_messages(void **state)
{
    static const uint8_t payload[1200];
    struct bench *bench = bench_as("anjay-lite");
    struct coap_message message = request(bench, COAP_METHOD_GET, "/");
    size_t before = bench->sent_count;
    message.type = COAP_NON;
    receive(bench, &message);
    assert_int_equal(bench->sent_count, before);
    assert_int_equal(write_bytes(bench, "/1/0", FORMAT_TLV, bytes_of(payload, sizeof payload)), 0);
    assert_int_equal(get(bench, "/", FORMAT_LINK), COAP_CONTENT);
    bench_free(bench);
}

static void test_answers_of_their_own(void **state)
{
    struct bench *bench = bench_as("leshan");
    struct coap_message message = request(bench, COAP_METHOD_DELETE, "/1");
    assert_int_equal(ask(bench, &message), COAP_DELETED); /* piggybacked */
    message = request(bench, COAP_METHOD_POST, "/bs");
    receive(bench, &message);
    struct coap_message answer = last_sent(bench);
    assert_int_equal(answer.type, COAP_CON);
    assert_int_equal(answer.code, COAP_NOT_ACCEPTABLE);
    bench_free(bench);
    bench = bench_as("mbed-cloud-client");
    message = request(bench, COAP_METHOD_DELETE, "/1");
    receive(bench, &message);
    answer = last_sent(bench);
    assert_int_equal(answer.type, COAP_CON);
    assert_int_equal(answer.code, COAP_DELETED);
    bench_free(bench);
}

static void test_anjay_names_an_empty_segment_a_bad_option(void **state)
{
    struct bench *bench = bench_as("anjay");
    struct coap_message message = request(bench, COAP_METHOD_DELETE, "/1");
    assert_true(coap_add_option(&message, COAP_OPT_URI_PATH, (struct bytes){0}));
    assert_int_equal(ask(bench, &message), COAP_BAD_OPTION);
    bench_free(bench);
}

static void test_zephyr_restarts_when_finish_comes_again(void **state)
{
    struct sim_config config = config_as("zephyr");
    config.identity_max = 0; /* that of vector A is longer */
    struct bench *bench = bench_new(&config);
    write_accounts(bench);
    struct coap_message message = request(bench, COAP_METHOD_POST, "/bs");
    assert_int_equal(ask(bench, &message), COAP_CHANGED);
    assert_int_equal(state_of(bench), SIM_BOOTSTRAPPED);
    receive(bench, &message);
    assert_int_equal(state_of(bench), SIM_REQUESTING);
    assert_int_equal(sim_device_report(bench->device)->reboots, 1);
    bench_free(bench);
}

static void test_wakaama_ignores_finish_when_idle(void **state)
{
    struct bench *bench = bench_as("wakaama");
    assert_int_equal(write_hex(bench, "/1/0", FORMAT_SENML_CBOR, SERVER_A_CBOR), COAP_CHANGED);
    assert_int_equal(write_bytes(bench, "/0/1", FORMAT_SENML_JSON, bytes_of_text(ACCOUNT_JSON)),
                     COAP_CHANGED);
    struct coap_message message = request(bench, COAP_METHOD_POST, "/bs");
    assert_int_equal(ask(bench, &message), COAP_CHANGED);
    assert_int_equal(ask(bench, &message), 0);
    assert_int_equal(finish(bench), 0);
    assert_int_equal(state_of(bench), SIM_BOOTSTRAPPED);
    bench_free(bench);
}

static void test_zephyr_takes_no_blocks(void **state)
{
    static const uint8_t payload[1025];
    uint8_t scratch[2][4];
    struct bench *bench = bench_as("zephyr");
    struct coap_block block = {.szx = 4, .more = true};
    struct coap_message message = request(bench, COAP_METHOD_PUT, "/0/1");
    assert_true(coap_add_uint(&message, COAP_OPT_CONTENT_FORMAT, FORMAT_TLV, scratch[0]));
    assert_true(coap_add_block(&message, COAP_OPT_BLOCK1, &block, scratch[1]));
    message.payload = bytes_of(payload, 256);
    assert_int_equal(ask(bench, &message), COAP_TOO_LARGE);
    assert_int_equal(write_bytes(bench, "/0/1", FORMAT_TLV, bytes_of(payload, sizeof payload)),
                     COAP_TOO_LARGE);
    assert_null(coap_find(&bench->answer, COAP_OPT_BLOCK1));
    bench_free(bench);
}

/* ---- Delete ---- */

static void test_delete_of_the_bootstrap_account(void **state)
{
    static const struct {
        const char *name, *path;
        uint8_t code;
        bool kept;
    } cases[] = {
        {"leshan", "/0/0", COAP_BAD_REQUEST, true},
        {"zephyr", "/0/0", COAP_METHOD_NOT_ALLOWED, true},
        {"zephyr", "/3/0", COAP_METHOD_NOT_ALLOWED, true},
        {"anjay", "/0/0", COAP_DELETED, false},
        {"anjay", "/0", COAP_DELETED, true},
        {"wakaama", "/0", COAP_DELETED, false},
        {"wakaama", "/0/0", COAP_BAD_REQUEST, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench *bench = bench_as(cases[i].name);
        assert_int_equal(erase(bench, cases[i].path), cases[i].code);
        assert_int_equal(holds(bench, "/0/0/1"), cases[i].kept);
        bench_free(bench);
    }
}

static void test_mbed_deletes_ids_of_one_digit(void **state)
{
    struct bench *bench = bench_as("mbed-cloud-client");
    struct coap_message message = request(bench, COAP_METHOD_DELETE, "/21");
    receive(bench, &message);
    struct coap_message answer = last_sent(bench);
    assert_int_equal(answer.code, COAP_BAD_REQUEST);
    bench_free(bench);
}

/* ---- Write ---- */

static void test_formats(void **state)
{
    static const struct {
        const char *name;
        int format;
        const char *hex;
        uint8_t code;
    } cases[] = {
        {"wakaama", FORMAT_TLV, SERVER_A, COAP_INTERNAL_ERROR},
        {"wakaama", FORMAT_SENML_CBOR, SERVER_A_CBOR, COAP_CHANGED},
        {"telit", FORMAT_SENML_CBOR, SERVER_A_CBOR, COAP_UNSUPPORTED_FORMAT},
        {"telit", FORMAT_TLV, SERVER_A, COAP_CHANGED},
        {"zephyr", FORMAT_TLV, SERVER_A, COAP_CHANGED},
        {"zephyr", FORMAT_LWM2M_CBOR, "a0", COAP_UNSUPPORTED_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench *bench = bench_as(cases[i].name);
        assert_int_equal(write_hex(bench, "/1/0", cases[i].format, cases[i].hex), cases[i].code);
        bench_free(bench);
    }
}

static void test_another_format_ends_mbed(void **state)
{
    struct bench *bench = bench_as("mbed-cloud-client");
    uint8_t scratch[4];
    struct coap_message message = request(bench, COAP_METHOD_PUT, "/1/0");
    assert_true(coap_add_uint(&message, COAP_OPT_CONTENT_FORMAT, FORMAT_SENML_CBOR, scratch));
    message.payload = bytes_of_text("[]");
    receive(bench, &message);
    struct coap_message answer = last_sent(bench);
    assert_int_equal(answer.code, COAP_BAD_REQUEST);
    expect_reason(bench, "format-refused");
    bench_free(bench);
}

static void test_wakaama_reads_the_older_base64_only(void **state)
{
    struct bench *bench = bench_as("wakaama");
    static const char bad[] = "[{\"bn\":\"/0/1/\",\"n\":\"5\",\"vd\":\"-_-_\"}]";
    static const char good[] = "[{\"bn\":\"/0/1/\",\"n\":\"5\",\"vd\":\"EBES\"},"
                               "{\"n\":\"0\",\"vs\":\"coap://a-b_c\"}]";
    assert_int_equal(write_bytes(bench, "/0/1/5", FORMAT_SENML_JSON, bytes_of_text(bad)),
                     COAP_INTERNAL_ERROR);
    assert_int_equal(write_bytes(bench, "/0/1", FORMAT_SENML_JSON, bytes_of_text(good)),
                     COAP_BAD_REQUEST); /* read, and found incomplete */
    expect_detail(bench, "mandatory");
    bench_free(bench);
}

static void test_wakaama_writes_instances_only(void **state)
{
    struct bench *bench = bench_as("wakaama");
    assert_int_equal(write_hex(bench, "/1", FORMAT_SENML_CBOR, SERVER_A_CBOR),
                     COAP_METHOD_NOT_ALLOWED);
    assert_int_equal(erase(bench, "/1/0/0"), COAP_BAD_REQUEST);
    bench_free(bench);
}

static void test_zephyr_has_room_for_little(void **state)
{
    struct bench *bench = bench_as("zephyr");
    /* Identity of vector A: 21 bytes. */
    assert_int_equal(write_hex(bench, "/0/1", FORMAT_TLV, ACCOUNT_A), COAP_BAD_REQUEST);
    expect_detail(bench, "/0/1/3");
    assert_int_equal(write_hex(bench, "/1/0", FORMAT_TLV, SERVER_A), COAP_CHANGED);
    assert_int_equal(write_hex(bench, "/1/1", FORMAT_TLV, SERVER_A), COAP_CHANGED);
    assert_int_equal(write_hex(bench, "/1/2", FORMAT_TLV, SERVER_A), COAP_INTERNAL_ERROR);
    assert_int_equal(write_hex(bench, "/1/1", FORMAT_TLV, SERVER_A), COAP_CHANGED);
    bench_free(bench);
}

static void test_a_second_bootstrap_account(void **state)
{
    struct bench *bench = bench_as("anjay");
    assert_int_equal(write_hex(bench, "/0/1", FORMAT_TLV, BOOTSTRAP_ACCOUNT), COAP_BAD_REQUEST);
    assert_int_equal(write_hex(bench, "/0/0", FORMAT_TLV, BOOTSTRAP_ACCOUNT), COAP_CHANGED);
    bench_free(bench);
}

static void test_modules_loop_when_their_account_is_written(void **state)
{
    struct bench *bench = bench_as("module-1.0");
    assert_int_equal(write_hex(bench, "/0/0", FORMAT_TLV, BOOTSTRAP_ACCOUNT), COAP_CHANGED);
    write_accounts(bench);
    assert_int_equal(finish(bench), COAP_CHANGED);
    expect_reason(bench, "account-rewritten");
    bench_free(bench);
    bench = bench_as("module-1.0");
    write_accounts(bench);
    assert_int_equal(finish(bench), COAP_CHANGED);
    assert_int_equal(state_of(bench), SIM_BOOTSTRAPPED);
    bench_free(bench);
}

/* ---- Discover and Read ---- */

static void expect_links(const char *name, const char *links)
{
    struct bench *bench = bench_as(name);
    assert_int_equal(get(bench, "/", FORMAT_LINK), COAP_CONTENT);
    expect_detail(bench, links);
    bench_free(bench);
}

static void test_discover(void **state)
{
    static const struct {
        const char *name;
        uint8_t discover, read;
    } refused[] = {{"telit", COAP_NOT_FOUND, COAP_NOT_FOUND},
                   {"module-1.0", COAP_METHOD_NOT_ALLOWED, COAP_METHOD_NOT_ALLOWED}};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct bench *bench = bench_as(refused[i].name);
        assert_int_equal(get(bench, "/", FORMAT_LINK), refused[i].discover);
        assert_int_equal(get(bench, "/1", FORMAT_TLV), refused[i].read);
        bench_free(bench);
    }
    expect_links("leshan", "</>;lwm2m=1.0");
    expect_links("zephyr", ", </0/0/>;ssid=0");
    expect_links("u-blox", "</0/1>;ssid=721");
    expect_links("quectel-bg95", "</1/1>;ssid=102");
}

/* ---- Finish ---- */

static void test_leshan_wants_unused_resources_and_is_deaf_after_406(void **state)
{
    struct bench *bench = bench_as("leshan");
    write_accounts(bench); /* without /0/1/4 */
    struct coap_message message = request(bench, COAP_METHOD_POST, "/bs");
    receive(bench, &message);
    bench->answer = last_sent(bench);
    assert_int_equal(bench->answer.code, COAP_NOT_ACCEPTABLE);
    expect_detail(bench, "/0/1/4");
    assert_int_equal(write_hex(bench, "/0/1", FORMAT_TLV, ACCOUNT_A "c004"), COAP_INTERNAL_ERROR);
    bench_free(bench);
    bench = bench_as("leshan");
    assert_int_equal(write_hex(bench, "/0/1", FORMAT_TLV, ACCOUNT_A "c004"), COAP_CHANGED);
    assert_int_equal(write_hex(bench, "/1/0", FORMAT_TLV, SERVER_A), COAP_CHANGED);
    message = request(bench, COAP_METHOD_POST, "/bs");
    receive(bench, &message);
    assert_int_equal(state_of(bench), SIM_BOOTSTRAPPED);
    bench_free(bench);
}

/* X.509 account with the beginning of a private key in SEC1 or PKCS#8. */
static uint8_t finish_with_key(const char *key)
{
    char account[256];
    struct bench *bench = bench_as("leshan");
    (void)snprintf(account, sizeof account,
                   "c80014636f6170733a2f2f636974792e6578616d706c65c10100c10202c10330c10430c805%02zx"
                   "%sc10a65",
                   strlen(key) / 2, key);
    assert_int_equal(write_hex(bench, "/0/1", FORMAT_TLV, account), COAP_CHANGED);
    assert_int_equal(write_hex(bench, "/1/0", FORMAT_TLV, SERVER_A), COAP_CHANGED);
    struct coap_message message = request(bench, COAP_METHOD_POST, "/bs");
    receive(bench, &message);
    uint8_t code = last_sent(bench).code;
    bench_free(bench);
    return code;
}

static void test_leshan_reads_pkcs8_only(void **state)
{
    assert_int_equal(finish_with_key("30770201010420aabbcc"), COAP_NOT_ACCEPTABLE);
    assert_int_equal(finish_with_key("308187020100301306aabb"), COAP_CHANGED);
    assert_int_equal(finish_with_key("3041020100301306072aab"), COAP_CHANGED);
}

static void test_anjay_lite_ends_with_a_refused_finish(void **state)
{
    struct bench *bench = bench_as("anjay-lite");
    assert_int_equal(finish(bench), COAP_NOT_ACCEPTABLE);
    expect_reason(bench, "finish-refused");
    bench_free(bench);
    bench = bench_as("anjay");
    assert_int_equal(finish(bench), COAP_NOT_ACCEPTABLE);
    assert_int_equal(state_of(bench), SIM_SERVED);
    bench_free(bench);
}

/* ---- packs ---- */

static void send_pack(struct bench *bench, int format, struct bytes payload, int number, bool more)
{
    uint8_t scratch[2][4];
    struct coap_block block = {.number = (uint32_t)number, .more = more, .szx = 4};
    struct coap_message response = last_sent(bench);
    response.type = COAP_ACK;
    response.code = COAP_CONTENT;
    response.option_count = 0;
    response.payload = payload;
    assert_true(coap_add_uint(&response, COAP_OPT_CONTENT_FORMAT, (uint32_t)format, scratch[0]));
    if (number >= 0)
        assert_true(coap_add_block(&response, COAP_OPT_BLOCK2, &block, scratch[1]));
    receive(bench, &response);
}

static void test_pack_in_blocks(void **state)
{
    struct sim_config config = config_as("anjay");
    config.held_account = 721;
    struct bench *bench = asking(&config);
    struct bytes pack = bytes_of_text(PACK_JSON);
    struct coap_block block;
    bool present;
    send_pack(bench, FORMAT_SENML_JSON, bytes_of(pack.data, 256), 0, true);
    struct coap_message sent = last_sent(bench);
    assert_true(coap_get_block(&sent, COAP_OPT_BLOCK2, &block, &present));
    assert_int_equal(block.number, 1);
    assert_int_equal(block.szx, 4);
    send_pack(bench, FORMAT_SENML_JSON, bytes_of(pack.data + 256, pack.len - 256), 1, false);
    const struct sim_report *report = sim_device_report(bench->device);
    if (report->state != SIM_BOOTSTRAPPED)
        fail_msg("%s", report->detail);
    assert_true(report->packed);
    assert_int_equal(report->requests, 2);
    assert_true(holds(bench, "/0/0/1")); /* its bootstrap account */
    struct path ssid = path_resource(0, 1, 10);
    assert_int_equal(sim_device_value(bench->device, &ssid)->integer, 101); /* not 721 */
    assert_false(holds(bench, "/1/1/0"));
    bench_free(bench);
}

static void test_bad_packs(void **state)
{
    static const char *const bad[] = {
        "[{\"bn\":\"/0/1/\",\"n\":\"0\",\"vs\":\"coaps://a.example\"}]", /* incomplete */
        "[{\"bn\":\"/33000/0/\",\"n\":\"0\",\"v\":1}]",                  /* unknown */
        "[]]",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sim_config config = config_as("anjay");
        struct bench *bench = asking(&config);
        send_pack(bench, FORMAT_SENML_JSON, bytes_of_text(bad[i]), -1, false);
        struct coap_message sent = last_sent(bench);
        assert_int_equal(sent.code, COAP_METHOD_POST);
        assert_true(holds(bench, "/0/0/1"));
        assert_false(holds(bench, "/0/1/0"));
        bench_free(bench);
    }
}

static void test_a_block_out_of_turn_ends_the_pack(void **state)
{
    struct sim_config config = config_as("anjay");
    struct bench *bench = asking(&config);
    send_pack(bench, FORMAT_SENML_JSON, bytes_of_text("["), 0, true);
    send_pack(bench, FORMAT_SENML_JSON, bytes_of_text("]"), 2, false);
    assert_int_equal(last_sent(bench).code, COAP_METHOD_POST);
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_in_order_and_known),
        cmocka_unit_test(test_preferred_format),
        cmocka_unit_test(test_pack_first_then_step_by_step_then_plain),
        cmocka_unit_test(test_wakaama_insists_on_unauthorized),
        cmocka_unit_test(test_zephyr_is_parked_by_any_code_but_not_by_silence),
        cmocka_unit_test(test_zephyr_has_room_for_names_of_32_bytes),
        cmocka_unit_test(test_anjay_lite_is_deaf_to_non_and_long_messages),
        cmocka_unit_test(test_answers_of_their_own),
        cmocka_unit_test(test_anjay_names_an_empty_segment_a_bad_option),
        cmocka_unit_test(test_zephyr_restarts_when_finish_comes_again),
        cmocka_unit_test(test_wakaama_ignores_finish_when_idle),
        cmocka_unit_test(test_zephyr_takes_no_blocks),
        cmocka_unit_test(test_delete_of_the_bootstrap_account),
        cmocka_unit_test(test_mbed_deletes_ids_of_one_digit),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_another_format_ends_mbed),
        cmocka_unit_test(test_wakaama_reads_the_older_base64_only),
        cmocka_unit_test(test_wakaama_writes_instances_only),
        cmocka_unit_test(test_zephyr_has_room_for_little),
        cmocka_unit_test(test_a_second_bootstrap_account),
        cmocka_unit_test(test_modules_loop_when_their_account_is_written),
        cmocka_unit_test(test_discover),
        cmocka_unit_test(test_leshan_wants_unused_resources_and_is_deaf_after_406),
        cmocka_unit_test(test_leshan_reads_pkcs8_only),
        cmocka_unit_test(test_anjay_lite_ends_with_a_refused_finish),
        cmocka_unit_test(test_pack_in_blocks),
        cmocka_unit_test(test_bad_packs),
        cmocka_unit_test(test_a_block_out_of_turn_ends_the_pack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
