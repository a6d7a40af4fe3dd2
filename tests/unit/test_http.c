/* SPDX-License-Identifier: Apache-2.0 */
/* The status endpoint: each route, each error, over both backends of the store. */
#include "http_util.h"

#include "usher/log.h"
#include "usher/plan.h"

#include <pthread.h>
#include <sys/stat.h>

static const char *backend;

static int set_up(void **state)
{
    *state = service_start(backend);
    return 0;
}

static int tear_down(void **state)
{
    service_stop(*state);
    return 0;
}

static void enrol(const struct service *service, const char *endpoint, const char *class_name)
{
    char target[800], body[256];
    snprintf(target, sizeof target, "/v1/devices/%s", endpoint);
    snprintf(body, sizeof body, "{\"class\":\"%s\",\"key\":\"%s\"}", class_name, KEY_A);
    expect_status(service, "PUT", target, body, 201);
}

static void note_done(void *context, enum err_code result)
{
    assert_int_equal(result, ERR_OK);
    *(bool *)context = true;
}

/* Records an outcome and waits until it is durable. */
static void record(const struct service *service, struct outcome *outcome)
{
    bool done = false;
    store_record(service->lane, outcome, NULL, 0, note_done, &done);
    while (!done) {
        usleep(500);
        store_lane_poll(service->lane);
    }
}

static struct outcome make_outcome(const char *endpoint, const char *id, enum device_state state,
                                   enum cause cause)
{
    struct outcome outcome = {
        .state = state,
        .cause = cause,
        .source = "192.0.2.1:1234",
        .started_wall_ms = 1767225600000,
        .handshake_ms = 120,
        .duration_ms = 340,
        .bytes_sent = 1000,
        .bytes_received = 500,
        .format = 11542,
        .profile_hash = "0123456789abcdef",
        .warnings = {"the identity is long"},
        .warning_count = 1,
        .step_count = 2,
        .steps = {{.operation = OPERATION_DELETE,
                   .path = {.ids = {1}, .depth = 1},
                   .code = 0x42,
                   .attempts = 1,
                   .duration_ms = 20},
                  {.operation = OPERATION_FINISH, .attempts = 5, .duration_ms = 93000}},
    };
    strcpy(outcome.endpoint, endpoint);
    strcpy(outcome.class_name, "lamp");
    strcpy(outcome.id, id);
    strcpy(outcome.detail, cause != CAUSE_NONE ? "PUT /0/1 answered 4.00 Bad Request" : "");
    return outcome;
}

static void hold(const struct service *service, const char *endpoint, enum device_state state)
{
    static const struct live_holder holder = {.worker = 1};
    struct live_holder previous;
    bool had_previous;
    assert_int_equal(
        live_claim(service->live, endpoint, &holder, 1767225600000, &previous, &had_previous),
        ERR_OK);
    assert_true(live_set_state(service->live, endpoint, &holder, state, "lamp"));
}

/* ---- liveness, readiness, status ---- */

static void test_livez(void **state)
{
    struct answer answer = call(*state, "GET", "/livez", "");
    assert_int_equal(answer.status, 200);
    assert_true(json_is_true(json_object_get(answer.json, "live")));
    assert_true(has_header(&answer, "\r\nContent-Type: application/json\r\n"));
    assert_true(has_header(&answer, "\r\nCache-Control: private, no-cache\r\n"));
    assert_true(has_header(&answer, "\r\nX-Content-Type-Options: nosniff\r\n"));
    assert_true(has_header(&answer, "\r\nX-Request-Id: "));
    assert_false(has_header(&answer, "Access-Control"));
    answer_free(&answer);
}

static void test_readyz(void **state)
{
    struct service *service = *state;
    struct answer answer = call(service, "GET", "/readyz", "");
    assert_int_equal(answer.status, 200);
    assert_true(json_is_true(json_object_get(answer.json, "ready")));
    answer_free(&answer);
    service_set_check(service, (struct http_check){.name = "store", .reason = "the disk is full"});
    answer = call(service, "GET", "/readyz", "");
    assert_int_equal(answer.status, 503);
    assert_true(has_header(&answer, "\r\nContent-Type: application/json\r\n"));
    assert_true(json_is_false(json_object_get(answer.json, "ready")));
    json_t *check = json_array_get(json_object_get(answer.json, "checks"), 0);
    assert_string_equal(json_string_value(json_object_get(check, "name")), "store");
    assert_string_equal(json_string_value(json_object_get(check, "reason")), "the disk is full");
    answer_free(&answer);
}

static json_int_t number_in(json_t *object, const char *first, const char *second)
{
    json_t *value = json_object_get(object, first);
    if (second != NULL)
        value = json_object_get(value, second);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void test_status(void **state)
{
    struct service *service = *state;
    enrol(service, "lamp-1", "lamp");
    enrol(service, "lamp-2", "lamp");
    enrol(service, "meter-1", "meter");
    expect_status(service, "POST", "/v1/devices/lamp-2/block", "", 200);
    hold(service, "lamp-1", STATE_WRITING);
    rejects_add(service->rejects, bytes_of_text("x"), "192.0.2.9", CAUSE_BAD_KEY, 1);
    struct answer answer = call(service, "GET", "/v1/status", "");
    assert_int_equal(answer.status, 200);
    assert_string_equal(text_at(&answer, "version"), "1.2.3");
    assert_true(json_is_true(json_object_get(answer.json, "ready")));
    json_t *devices = json_object_get(answer.json, "devices");
    assert_int_equal(number_in(devices, "total", NULL), 3);
    assert_int_equal(number_in(devices, "by_state", "new"), 2);
    assert_int_equal(number_in(devices, "by_state", "blocked"), 1);
    assert_int_equal(json_array_size(json_object_get(devices, "by_class")), 2);
    assert_int_equal(number_in(answer.json, "in_progress", "writing"), 1);
    assert_int_equal(number_in(answer.json, "in_progress", "seen"), 0);
    assert_int_equal(number_in(answer.json, "rejects", "bad-key"), 1);
    json_t *store = json_object_get(answer.json, "store");
    assert_string_equal(json_string_value(json_object_get(store, "backend")), backend);
    assert_true(json_is_true(json_object_get(store, "healthy")));
    assert_true(number_in(store, "commits", NULL) > 0);
    answer_free(&answer);
}

static void test_rejects(void **state)
{
    struct service *service = *state;
    rejects_add(service->rejects, bytes_of_text("lamp-9"), "192.0.2.9", CAUSE_BAD_KEY, 1000);
    rejects_add(service->rejects, bytes_of("\xff\x01", 2), "2001:db8::1", CAUSE_UNKNOWN_IDENTITY,
                2000);
    rejects_add(service->rejects, bytes_of_text("hex:41"), "192.0.2.9", CAUSE_BAD_KEY, 3000);
    rejects_add(service->rejects, bytes_of(NULL, 0), "192.0.2.9", CAUSE_HANDSHAKE_TIMEOUT, 4000);
    struct answer answer = call(service, "GET", "/v1/rejects", "");
    json_t *list = json_object_get(answer.json, "rejects");
    assert_int_equal(json_array_size(list), 4);
    static const char *const identities[] = {NULL, "hex:6865783a3431", "hex:ff01", "lamp-9"};
    for (size_t i = 0; i < 4; i++) {
        const char *identity =
            json_string_value(json_object_get(json_array_get(list, i), "identity"));
        if (identities[i] == NULL)
            assert_null(identity);
        else
            assert_string_equal(identity, identities[i]);
    }
    json_t *last = json_array_get(list, 3);
    assert_string_equal(json_string_value(json_object_get(last, "source")), "192.0.2.9");
    assert_string_equal(json_string_value(json_object_get(last, "cause")), "bad-key");
    assert_string_equal(json_string_value(json_object_get(last, "cause_text")),
                        cause_advice(CAUSE_BAD_KEY));
    assert_string_equal(json_string_value(json_object_get(last, "last")),
                        "1970-01-01T00:00:01.000Z");
    assert_int_equal(number_in(answer.json, "totals", "bad-key"), 2);
    answer_free(&answer);
    answer = call(service, "GET", "/v1/rejects?limit=1", "");
    assert_int_equal(json_array_size(json_object_get(answer.json, "rejects")), 1);
    answer_free(&answer);
    expect_problem(service, "GET", "/v1/rejects?limit=0", "", 400, "'limit'");
}

static void test_profiles(void **state)
{
    struct answer answer = call(*state, "GET", "/v1/profiles", "");
    json_t *list = json_object_get(answer.json, "profiles");
    assert_int_equal(json_array_size(list), 2);
    json_t *meter = json_array_get(list, 1);
    assert_string_equal(json_string_value(json_object_get(meter, "class")), "meter");
    assert_string_equal(json_string_value(json_object_get(meter, "file")), "t.yaml");
    assert_int_equal(json_integer_value(json_object_get(meter, "line")), 3);
    assert_int_equal(strlen(json_string_value(json_object_get(meter, "hash"))), 16);
    assert_string_equal(json_string_value(json_object_get(meter, "rebootstrap")), "once");
    json_t *client = json_object_get(meter, "client");
    assert_string_equal(json_string_value(json_object_get(client, "discover")), "auto");
    assert_string_equal(json_string_value(json_object_get(client, "format")), "auto");
    answer_free(&answer);
}

/* ---- enrolling ---- */

static void test_enrol(void **state)
{
    struct service *service = *state;
    struct answer answer =
        call(service, "PUT", "/v1/devices/urn:dev:1",
             "{\"class\":\"lamp\",\"identity\":\"id-1\",\"key\":\"" KEY_A "\",\"tags\":{\"street\":"
             "\"Elm \\u00e4\"},\"server_credentials\":[{\"ssid\":101,\"identity\":\"hex:ff00\","
             "\"key_base64\":\"AAECAwQFBgcICQoLDA0ODw==\"}]}");
    assert_int_equal(answer.status, 201);
    assert_string_equal(text_at(&answer, "change"), "created");
    assert_null(json_object_get(answer.json, "key"));
    json_t *device = json_object_get(answer.json, "device");
    assert_string_equal(json_string_value(json_object_get(device, "endpoint")), "urn:dev:1");
    assert_string_equal(json_string_value(json_object_get(device, "class")), "lamp");
    assert_string_equal(json_string_value(json_object_get(device, "identity")), "id-1");
    assert_string_equal(json_string_value(json_object_get(device, "state")), "new");
    assert_true(json_is_null(json_object_get(device, "cause")));
    assert_true(json_is_null(json_object_get(device, "last_bootstrap")));
    assert_true(json_is_false(json_object_get(device, "blocked")));
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(device, "tags"), "street")),
        "Elm \u00e4");
    json_t *credential = json_array_get(json_object_get(device, "credentials"), 0);
    assert_int_equal(json_integer_value(json_object_get(credential, "ssid")), 101);
    assert_string_equal(json_string_value(json_object_get(credential, "status")), "active");
    assert_string_equal(json_string_value(json_object_get(credential, "identity")), "hex:ff00");
    assert_int_equal(json_integer_value(json_object_get(credential, "key_length")), 16);
    /* No key comes back, in no form. */
    assert_null(strcasestr(answer.text, KEY_A));
    assert_null(strstr(answer.text, "000102030405"));
    answer_free(&answer);
    struct store_device stored = {0};
    assert_int_equal(store_get(service->lane, bytes_of_text("urn:dev:1"), &stored, NULL), ERR_OK);
    uint8_t key[16];
    size_t len = 0;
    assert_true(bytes_from_hex(KEY_A, 32, key, sizeof key, &len));
    assert_int_equal(stored.bootstrap_key.len, 16);
    assert_memory_equal(stored.bootstrap_key.data, key, 16);
    assert_int_equal(stored.keys[0].len, 16);
    assert_int_equal(stored.keys[0].data[15], 15);
    store_device_clear(&stored);
}

static void test_the_same_again_changes_nothing(void **state)
{
    struct service *service = *state;
    static const char body[] = "{\"class\":\"lamp\",\"key\":\"" KEY_A "\",\"tags\":{\"a\":\"b\"}}";
    expect_status(service, "PUT", "/v1/devices/lamp-1", body, 201);
    struct answer answer = call(service, "PUT", "/v1/devices/lamp-1", body);
    assert_int_equal(answer.status, 200);
    assert_string_equal(text_at(&answer, "change"), "unchanged");
    answer_free(&answer);
    /* What is not said stays as it is. */
    answer = call(service, "PUT", "/v1/devices/lamp-1", "{}");
    assert_string_equal(text_at(&answer, "change"), "unchanged");
    answer_free(&answer);
}

static void test_replacing_must_be_said(void **state)
{
    struct service *service = *state;
    static const char other[] = "{\"key\":\"" KEY_B "\"}";
    enrol(service, "lamp-1", "lamp");
    struct answer answer = call(service, "PUT", "/v1/devices/lamp-1", other);
    assert_problem(&answer, 409, "enrolled with other data");
    assert_string_equal(text_at(&answer, "code"), "exists");
    answer_free(&answer);
    answer = call(service, "PUT", "/v1/devices/lamp-1?replace=false", other);
    assert_problem(&answer, 409, "replace=true");
    answer_free(&answer);
    answer = call(service, "PUT", "/v1/devices/lamp-1?replace=true", other);
    assert_int_equal(answer.status, 200);
    assert_string_equal(text_at(&answer, "change"), "changed");
    json_t *device = json_object_get(answer.json, "device");
    assert_string_equal(json_string_value(json_object_get(device, "class")), "lamp");
    answer_free(&answer);
    answer = call(service, "PUT", "/v1/devices/lamp-1?replace=true",
                  "{\"class\":\"meter\",\"tags\":{\"a\":\"b\"}}");
    assert_string_equal(text_at(&answer, "change"), "changed");
    answer_free(&answer);
    struct store_device stored = {0};
    assert_int_equal(store_get(service->lane, bytes_of_text("lamp-1"), &stored, NULL), ERR_OK);
    assert_int_equal(stored.bootstrap_key.data[0], 0xff);
    assert_string_equal(stored.enrollment.class_name, "meter");
    store_device_clear(&stored);
    answer = call(service, "PUT", "/v1/devices/lamp-1?replace=true", "{\"tags\":{}}");
    assert_string_equal(text_at(&answer, "change"), "changed");
    assert_int_equal(
        json_object_size(json_object_get(json_object_get(answer.json, "device"), "tags")), 0);
    answer_free(&answer);
}

static void test_an_identity_belongs_to_one(void **state)
{
    struct service *service = *state;
    enrol(service, "lamp-1", "lamp");
    struct answer answer =
        call(service, "PUT", "/v1/devices/lamp-2",
             "{\"class\":\"lamp\",\"identity\":\"lamp-1\",\"key\":\"" KEY_A "\"}");
    assert_problem(&answer, 409, "lamp-1");
    assert_string_equal(text_at(&answer, "code"), "conflict");
    answer_free(&answer);
}

static void test_generated_key_is_told_once(void **state)
{
    struct service *service = *state;
    static const char body[] = "{\"class\":\"lamp\",\"generate\":true}";
    struct answer answer = call(service, "PUT", "/v1/devices/lamp-1", body);
    assert_int_equal(answer.status, 201);
    char key[64];
    snprintf(key, sizeof key, "%s", text_at(&answer, "key"));
    assert_int_equal(strlen(key), 32);
    answer_free(&answer);
    struct store_device stored = {0};
    char hex[64];
    assert_int_equal(store_get(service->lane, bytes_of_text("lamp-1"), &stored, NULL), ERR_OK);
    bytes_to_hex(secret_bytes(&stored.bootstrap_key), hex);
    assert_string_equal(hex, key);
    store_device_clear(&stored);
    answer = call(service, "PUT", "/v1/devices/lamp-1", body);
    assert_int_equal(answer.status, 200);
    assert_string_equal(text_at(&answer, "change"), "unchanged");
    assert_null(json_object_get(answer.json, "key"));
    answer_free(&answer);
    answer = call(service, "GET", "/v1/devices/lamp-1", "");
    assert_null(strstr(answer.text, key));
    answer_free(&answer);
    /* Another class does not make another key unless it is said. */
    expect_problem(service, "PUT", "/v1/devices/lamp-1", "{\"class\":\"meter\",\"generate\":true}",
                   409, "replace=true");
    answer = call(service, "PUT", "/v1/devices/lamp-1?replace=true", body);
    assert_string_equal(text_at(&answer, "change"), "changed");
    assert_int_equal(strlen(text_at(&answer, "key")), 32);
    assert_string_not_equal(text_at(&answer, "key"), key);
    answer_free(&answer);
}

static void test_class_must_be_known(void **state)
{
    struct service *service = *state;
    expect_problem(service, "PUT", "/v1/devices/x", "{\"class\":\"lmp\",\"key\":\"" KEY_A "\"}",
                   422, "no profile has the class 'lmp'; classes are: lamp, meter");
    expect_problem(service, "PUT", "/v1/devices/x", "{\"key\":\"" KEY_A "\"}", 422,
                   "no class is given and none can be chosen");
    /* Here a profile's match chooses. */
    struct answer answer =
        call(service, "PUT", "/v1/devices/urn:meter:1", "{\"key\":\"" KEY_A "\"}");
    assert_int_equal(answer.status, 201);
    assert_true(json_is_null(json_object_get(json_object_get(answer.json, "device"), "class")));
    answer_free(&answer);
}

static void test_bad_enrolments(void **state)
{
    struct service *service = *state;
    static const struct {
        const char *body, *detail;
    } cases[] = {
        {"", "not JSON: error in line 1"},
        {"{\"class\":\"lamp\",\n \"key\":\"" KEY_A "\"", "not JSON: error in line 2"},
        {"{\"key\":\"" KEY_A "\",\"key\":\"" KEY_A "\"}", "not JSON"},
        {"[]", "must be a JSON object"},
        {"{\"clas\":\"lamp\"}", "unknown member 'clas' in the enrolment"},
        {"{\"class\":7}", "'class' must be text"},
        {"{\"class\":\"Lamp\"}", "class has a character at byte 1"},
        {"{\"class\":\"lamp\\u0000x\"}", "not JSON"},
        {"{\"class\":\"lamp\"}", "a new device needs 'key'"},
        {"{\"class\":\"lamp\",\"key\":\"0011\"}", "the key has 2 bytes; it must have 16 to 64"},
        {"{\"class\":\"lamp\",\"key\":\"" KEY_A "0\"}", "'key' must be a key in hexadecimal"},
        {"{\"class\":\"lamp\",\"key\":\"g0112233445566778899aabbccddeeff\"}", "hexadecimal"},
        {"{\"class\":\"lamp\",\"key_base64\":\"AAEC!\"}", "'key_base64' must be a key in base64"},
        {"{\"class\":\"lamp\",\"key\":\"" KEY_A "\",\"key_base64\":\"AAECAwQFBgcICQoLDA0ODw==\"}",
         "not both"},
        {"{\"class\":\"lamp\",\"key\":\"" KEY_A "\",\"generate\":true}", "not both"},
        {"{\"class\":\"lamp\",\"generate\":1}", "'generate' must be true or false"},
        {"{\"identity\":\"\"}", "'identity' must be text of 1 to 128 bytes"},
        {"{\"identity\":\"hex:0\"}", "'identity' must be"},
        {"{\"identity\":7}", "'identity' must be"},
        {"{\"tags\":[]}", "'tags' must be an object"},
        {"{\"tags\":{\"a\":1}}", "tag 'a' must have a text"},
        {"{\"tags\":{\"a b\":\"\"}}", "tag name has a character"},
        {"{\"tags\":{\"a\":\"\\u0007\"}}", "control character"},
        {"{\"server_credentials\":{}}", "must be a list"},
        {"{\"server_credentials\":[7]}", "each entry must be an object"},
        {"{\"server_credentials\":[{\"sid\":1}]}", "unknown member 'sid' in server_credentials"},
        {"{\"server_credentials\":[{\"ssid\":0}]}", "from 1 to 65534"},
        {"{\"server_credentials\":[{\"ssid\":65535}]}", "from 1 to 65534"},
        {"{\"server_credentials\":[{\"ssid\":1,\"identity\":\"a\"}]}",
         "server 1 needs 'identity' and 'key'"},
        {"{\"server_credentials\":[{\"ssid\":1,\"identity\":\"a\",\"key\":\"00\"}]}",
         "the key has 1 bytes"},
        {"{\"server_credentials\":[{\"ssid\":1,\"identity\":\"a\",\"key\":\"" KEY_A
         "\"},{\"ssid\":1,\"identity\":\"a\",\"key\":\"" KEY_A "\"}]}",
         "server 1 is named twice"},
        {"{\"server_credentials\":[{\"ssid\":1,\"kind\":\"est\"}]}",
         "'kind' must be one of psk, oscore, rpk, x509"},
        {"{\"server_credentials\":[{\"ssid\":1,\"kind\":\"x509\",\"key\":\"00\"}]}",
         "unknown member 'key' in server_credentials"},
        {"{\"server_credentials\":[{\"ssid\":1,\"kind\":\"x509\"}]}",
         "'private_key' must be text: PEM, or DER in base64"},
        {"{\"server_credentials\":[{\"ssid\":1,\"kind\":\"rpk\",\"private_key\":\"MTEyMjMz\"}]}",
         "'private_key': no private key in it"},
        {"{\"server_credentials\":[{\"ssid\":1,\"kind\":\"rpk\",\"private_key\":\"*112233\"}]}",
         "'private_key' is neither PEM nor base64"},
        {"{\"server_credentials\":[{\"ssid\":1,\"kind\":\"rpk\",\"private_key\":\"\","
         "\"certificate\":"
         "\"\"}]}",
         "unknown member 'certificate' in server_credentials"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer answer = call(service, "PUT", "/v1/devices/x", cases[i].body);
        assert_problem(&answer, 400, cases[i].detail);
        /* Whatever was wrong, no key is quoted. */
        assert_null(strstr(answer.text, "112233"));
        answer_free(&answer);
    }
    expect_problem(service, "GET", "/v1/devices/x", "", 404, "x");
    expect_problem(service, "PUT", "/v1/devices/x?replace=yes", "{}", 400,
                   "'replace' must be true or false");
    char target[300] = "/v1/devices/";
    memset(target + 12, 'x', 200);
    expect_problem(service, "PUT", target, "{\"class\":\"lamp\",\"key\":\"" KEY_A "\"}", 400,
                   "give an 'identity'");
}

static void test_remove_and_block(void **state)
{
    struct service *service = *state;
    enrol(service, "lamp-1", "lamp");
    struct answer answer = call(service, "POST", "/v1/devices/lamp-1/block", "");
    assert_string_equal(text_at(&answer, "change"), "changed");
    assert_string_equal(service->evicted, "lamp-1");
    answer_free(&answer);
    answer = call(service, "POST", "/v1/devices/lamp-1/block", "");
    assert_string_equal(text_at(&answer, "change"), "unchanged");
    answer_free(&answer);
    answer = call(service, "GET", "/v1/devices/lamp-1", "");
    assert_string_equal(text_at(&answer, "state"), "blocked");
    assert_true(json_is_true(json_object_get(answer.json, "blocked")));
    answer_free(&answer);
    service->evicted[0] = '\0';
    answer = call(service, "POST", "/v1/devices/lamp-1/unblock", "");
    assert_string_equal(text_at(&answer, "change"), "changed");
    assert_string_equal(service->evicted, "");
    answer_free(&answer);
    answer = call(service, "DELETE", "/v1/devices/lamp-1", "");
    assert_int_equal(answer.status, 200);
    assert_string_equal(text_at(&answer, "change"), "removed");
    assert_string_equal(service->evicted, "lamp-1");
    answer_free(&answer);
    expect_problem(service, "DELETE", "/v1/devices/lamp-1", "", 404, "lamp-1");
    expect_problem(service, "POST", "/v1/devices/lamp-1/block", "", 404, "lamp-1");
    expect_problem(service, "POST", "/v1/devices/lamp-1/unblock", "", 404, "lamp-1");
    expect_problem(service, "GET", "/v1/devices/lamp-1", "", 404, "lamp-1");
    expect_problem(service, "GET", "/v1/devices/lamp-1/history", "", 404, "lamp-1");
}

/* ---- devices and their history ---- */

static void test_device_and_history(void **state)
{
    struct service *service = *state;
    enrol(service, "lamp-1", "lamp");
    char id[33];
    for (int i = 1; i <= 3; i++) {
        snprintf(id, sizeof id, "%032d", i);
        struct outcome outcome =
            i < 3 ? make_outcome("lamp-1", id, STATE_FAILED, CAUSE_WRITE_REJECTED)
                  : make_outcome("lamp-1", id, STATE_BOOTSTRAPPED, CAUSE_NONE);
        record(service, &outcome);
    }
    struct answer answer = call(service, "GET", "/v1/devices/lamp-1", "");
    assert_string_equal(text_at(&answer, "state"), "bootstrapped");
    assert_string_equal(text_at(&answer, "last_bootstrap"), "2026-01-01T00:00:00.340Z");
    assert_int_equal(number_at(&answer, "duration_ms"), 340);
    assert_int_equal(number_at(&answer, "bootstraps"), 1);
    json_t *last = json_object_get(answer.json, "last_outcome");
    assert_string_equal(json_string_value(json_object_get(last, "format")), "tlv");
    json_t *steps = json_object_get(last, "steps");
    assert_int_equal(json_array_size(steps), 2);
    json_t *step = json_array_get(steps, 0);
    assert_string_equal(json_string_value(json_object_get(step, "operation")), "delete");
    assert_string_equal(json_string_value(json_object_get(step, "path")), "/1");
    assert_string_equal(json_string_value(json_object_get(step, "code")), "2.02");
    assert_true(json_is_null(json_object_get(json_array_get(steps, 1), "code")));
    answer_free(&answer);
    answer = call(service, "GET", "/v1/devices/lamp-1/history?limit=2", "");
    json_t *outcomes = json_object_get(answer.json, "outcomes");
    assert_int_equal(json_array_size(outcomes), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(outcomes, 0), "id")), id);
    json_t *failed = json_array_get(outcomes, 1);
    assert_string_equal(json_string_value(json_object_get(failed, "cause")), "write-rejected");
    assert_string_equal(json_string_value(json_object_get(failed, "detail")),
                        "PUT /0/1 answered 4.00 Bad Request");
    assert_string_equal(json_string_value(json_array_get(json_object_get(failed, "warnings"), 0)),
                        "the identity is long");
    char target[128];
    snprintf(target, sizeof target, "/v1/devices/lamp-1/history?limit=2&before=%s",
             text_at(&answer, "next"));
    answer_free(&answer);
    answer = call(service, "GET", target, "");
    assert_int_equal(json_array_size(json_object_get(answer.json, "outcomes")), 1);
    assert_true(json_is_null(json_object_get(answer.json, "next")));
    answer_free(&answer);
    expect_problem(service, "GET", "/v1/devices/lamp-1/history?before=x", "", 400, "'before'");
    expect_problem(service, "GET", "/v1/devices/lamp-1/history?limit=1001", "", 400, "'limit'");
    expect_problem(service, "GET", "/v1/devices/lamp-1?x=1", "", 400,
                   "unknown query parameter 'x'; known here: fields");
}

static size_t count_of(const struct service *service, const char *query)
{
    char target[256];
    snprintf(target, sizeof target, "/v1/devices%s", query);
    struct answer answer = call(service, "GET", target, "");
    if (answer.status != 200)
        fail_msg("%s: %s", target, answer.body);
    size_t count = json_array_size(json_object_get(answer.json, "devices"));
    answer_free(&answer);
    return count;
}

/* What a device would receive: for people and for programs, and never a key. */
static void test_plan(void **state)
{
    const struct service *service = *state;
    enrol(service, "lamp1", "lamp");
    struct answer answer = call(service, "GET", "/v1/devices/lamp1/plan", "");
    assert_int_equal(answer.status, 200);
    assert_string_equal(text_at(&answer, "endpoint"), "lamp1");
    assert_string_equal(text_at(&answer, "class"), "lamp");
    assert_true(json_is_null(json_object_get(answer.json, "refused")));
    assert_true(json_is_false(json_object_get(answer.json, "discovered")));
    assert_null(text_at(&answer, "text"));
    json_t *operations = json_object_get(answer.json, "operations");
    assert_int_equal(json_array_size(operations), 5);
    assert_null(json_object_get(json_array_get(operations, 2), "payload"));
    answer_free(&answer);
    answer = call(service, "GET",
                  "/v1/devices/lamp1/plan?text=true&format=senml-json&lwm2m=1.1&discover="
                  "%3C%2F0%2F0%3E%2C%3C%2F0%2F1%3E%3Bssid%3D9",
                  "");
    assert_int_equal(answer.status, 200);
    assert_true(json_is_true(json_object_get(answer.json, "discovered")));
    assert_non_null(strstr(text_at(&answer, "text"), "delete /0/1\n"));
    assert_non_null(strstr(text_at(&answer, "text"), "payloads in senml-json"));
    assert_null(strstr(answer.text, KEY_A));
    answer_free(&answer);

    expect_problem(service, "GET", "/v1/devices/lamp1/plan?lwm2m=2", "", 400, "1.0, 1.1 or 1.2");
    expect_problem(service, "GET", "/v1/devices/lamp1/plan?format=text", "", 400, "tlv");
    expect_problem(service, "GET", "/v1/devices/lamp1/plan?discover=x", "", 400, "'discover'");
    expect_problem(service, "GET", "/v1/devices/nobody/plan", "", 404, "nobody");
    expect_problem(service, "POST", "/v1/devices/lamp1/plan", "", 405, "POST");
}

static void test_plan_says_who_gets_none(void **state)
{
    const struct service *service = *state;
    enrol(service, "urn:meter:1", "meter");
    expect_problem(service, "GET", "/v1/devices/urn:meter:1/plan", "", 422,
                   "has no enrolled key for server 301");
    expect_status(
        service, "PUT", "/v1/devices/urn:meter:1?replace=true",
        "{\"server_credentials\":[{\"ssid\":301,\"identity\":\"m\",\"key\":\"" KEY_B "\"}]}", 200);
    struct outcome outcome = make_outcome("urn:meter:1", "0123456789abcdef0123456789abcdef",
                                          STATE_BOOTSTRAPPED, CAUSE_NONE);
    record(service, &outcome);
    struct answer answer = call(service, "GET", "/v1/devices/urn:meter:1/plan?text=true", "");
    assert_non_null(strstr(text_at(&answer, "refused"), "bootstrapped before"));
    assert_non_null(strstr(text_at(&answer, "text"), "warning: it receives none of this"));
    assert_null(strstr(answer.text, KEY_B));
    answer_free(&answer);
    expect_status(service, "POST", "/v1/devices/urn:meter:1/block", "", 200);
    answer = call(service, "GET", "/v1/devices/urn:meter:1/plan", "");
    assert_string_equal(text_at(&answer, "refused"), "the device is blocked");
    answer_free(&answer);
}

static void test_list_filters(void **state)
{
    struct service *service = *state;
    enrol(service, "lamp-1", "lamp");
    enrol(service, "lamp-2", "lamp");
    enrol(service, "lamp-10", "lamp");
    enrol(service, "meter-1", "meter");
    struct outcome failed =
        make_outcome("lamp-1", "00000000000000000000000000000001", STATE_FAILED, CAUSE_TIMEOUT);
    struct outcome good =
        make_outcome("lamp-2", "00000000000000000000000000000002", STATE_BOOTSTRAPPED, CAUSE_NONE);
    record(service, &failed);
    record(service, &good);
    assert_int_equal(count_of(service, ""), 4);
    assert_int_equal(count_of(service, "?class=lamp"), 3);
    assert_int_equal(count_of(service, "?class=none"), 0);
    assert_int_equal(count_of(service, "?state=failed"), 1);
    assert_int_equal(count_of(service, "?state=new"), 2);
    assert_int_equal(count_of(service, "?cause=timeout"), 1);
    assert_int_equal(count_of(service, "?cause=timeout&class=meter"), 0);
    assert_int_equal(count_of(service, "?prefix=lamp-1"), 2);
    assert_int_equal(count_of(service, "?prefix=lamp%2D1&class=lamp&state=new"), 1);
    assert_int_equal(count_of(service, "?state=held"), 0);
    expect_problem(service, "GET", "/v1/devices?state=done", "", 400,
                   "'state': 'done' is no state");
    expect_problem(service, "GET", "/v1/devices?cause=x", "", 400, "'cause'");
    expect_problem(service, "GET", "/v1/devices?limit=1001", "", 400,
                   "'limit' must be a whole number from 1 to 1000");
    expect_problem(service, "GET", "/v1/devices?limit=-1", "", 400, "'limit'");
    expect_problem(service, "GET", "/v1/devices?limit", "", 400, "'limit'");
    expect_problem(service, "GET", "/v1/devices?limit=1&limit=2", "", 400,
                   "'limit' is given twice");
    expect_problem(service, "GET", "/v1/devices?colour=red", "", 400,
                   "unknown query parameter 'colour'; known here: class, state, cause");
    expect_problem(service, "GET", "/v1/devices?prefix=%zz", "", 400, "'prefix'");
    expect_problem(service, "GET", "/v1/devices?prefix=a%00b", "", 400, "'prefix'");
    expect_problem(service, "GET", "/v1/devices?cursor=*", "", 400, "'cursor'");
    expect_problem(service, "GET", "/v1/devices?cursor=", "", 400, "'cursor'");
}

static void test_sessions_overlay_the_store(void **state)
{
    struct service *service = *state;
    enrol(service, "lamp-1", "lamp");
    enrol(service, "lamp-2", "lamp");
    enrol(service, "lamp-3", "lamp");
    enrol(service, "meter-1", "meter");
    struct outcome failed =
        make_outcome("lamp-1", "00000000000000000000000000000001", STATE_FAILED, CAUSE_TIMEOUT);
    record(service, &failed);
    hold(service, "lamp-1", STATE_WRITING);
    hold(service, "lamp-3", STATE_WRITING);
    hold(service, "meter-1", STATE_VERIFYING);
    hold(service, "not-enrolled", STATE_WRITING);
    struct answer answer = call(service, "GET", "/v1/devices/lamp-1", "");
    assert_string_equal(text_at(&answer, "state"), "writing");
    assert_true(json_is_null(json_object_get(answer.json, "cause")));
    assert_string_equal(text_at(&answer, "session_started"), "2026-01-01T00:00:00.000Z");
    answer_free(&answer);
    assert_int_equal(count_of(service, "?state=writing"), 2);
    assert_int_equal(count_of(service, "?state=writing&class=meter"), 0);
    assert_int_equal(count_of(service, "?state=verifying&class=meter"), 1);
    assert_int_equal(count_of(service, "?state=writing&prefix=lamp-3"), 1);
    assert_int_equal(count_of(service, "?state=writing&cause=timeout"), 0);
    assert_int_equal(count_of(service, "?state=seen"), 0);
    /* In a session, so in no list of what was before. */
    assert_int_equal(count_of(service, "?state=failed"), 0);
    assert_int_equal(count_of(service, "?cause=timeout"), 0);
    assert_int_equal(count_of(service, "?state=new"), 1);
    assert_int_equal(count_of(service, ""), 4);
    answer = call(service, "GET", "/v1/devices?state=writing&limit=1", "");
    char target[128];
    snprintf(target, sizeof target, "?state=writing&limit=1&cursor=%s", text_at(&answer, "next"));
    answer_free(&answer);
    assert_int_equal(count_of(service, target), 1);
    expect_status(service, "POST", "/v1/devices/lamp-3/block", "", 200);
    assert_int_equal(count_of(service, "?state=writing"), 1);
    answer = call(service, "GET", "/v1/devices/lamp-3", "");
    assert_string_equal(text_at(&answer, "state"), "blocked");
    answer_free(&answer);
}

/* Rows come and go between the pages: none that stays is missed or shown twice. */
static void test_pages_while_rows_change(void **state)
{
    enum { COUNT = 25 };
    struct service *service = *state;
    char endpoint[32], target[256] = "/v1/devices?limit=4";
    for (int i = 0; i < COUNT; i++) {
        snprintf(endpoint, sizeof endpoint, "lamp-%02d", i * 2);
        enrol(service, endpoint, "lamp");
    }
    int expected = 0, page = 0;
    for (bool more = true; more; page++) {
        struct answer answer = call(service, "GET", target, "");
        size_t index;
        json_t *device;
        json_array_foreach(json_object_get(answer.json, "devices"), index, device)
        {
            snprintf(endpoint, sizeof endpoint, "lamp-%02d", expected * 2);
            assert_string_equal(json_string_value(json_object_get(device, "endpoint")), endpoint);
            expected++;
        }
        const char *next = text_at(&answer, "next");
        more = next != NULL;
        if (more)
            snprintf(target, sizeof target, "/v1/devices?limit=4&cursor=%s", next);
        answer_free(&answer);
        /* The row of the cursor goes, and one comes before it. */
        snprintf(target + 128, 64, "/v1/devices/lamp-%02d", expected * 2 - 2);
        expect_status(service, "DELETE", target + 128, "", 200);
        snprintf(endpoint, sizeof endpoint, "lamp-%02d", expected * 2 - 3);
        enrol(service, endpoint, "lamp");
    }
    assert_int_equal(expected, COUNT);
    assert_int_equal(page, 7);
    /* A full last page says that it is the last. */
    struct answer answer = call(service, "GET", "/v1/devices?limit=25", "");
    assert_int_equal(json_array_size(json_object_get(answer.json, "devices")), COUNT);
    assert_true(json_is_null(json_object_get(answer.json, "next")));
    answer_free(&answer);
}

/* ---- paths ---- */

static void test_endpoints_in_paths(void **state)
{
    struct service *service = *state;
    static const struct {
        const char *path, *endpoint;
    } cases[] = {
        {"urn:imei:1234", "urn:imei:1234"},
        {"a%2Fb%2fhistory", "a/b/history"},
        {"%2525", "%25"},
        {"a+b", "a+b"},
        {"a%20b", "a b"},
        {"l%C3%A4mp", "l\u00e4mp"},
        {"%2e%2e", ".."},
        {"a%3Fb%23c", "a?b#c"},
        {"history", "history"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char target[128];
        enrol(service, cases[i].path, "lamp");
        snprintf(target, sizeof target, "/v1/devices/%s", cases[i].path);
        struct answer answer = call(service, "GET", target, "");
        assert_string_equal(text_at(&answer, "endpoint"), cases[i].endpoint);
        answer_free(&answer);
        strcat(target, "/history");
        expect_status(service, "GET", target, "", 200);
    }
}

static void test_bad_paths(void **state)
{
    struct service *service = *state;
    static const char *const malformed[] = {"a%",  "a%2",   "a%zz", "a%00b",    "%C3",
                                            "%ff", "a%0Ab", "a%7f", "%ed%a0%80"};
    char target[2048];
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        snprintf(target, sizeof target, "/v1/devices/%s", malformed[i]);
        expect_problem(service, "GET", target, "", 400, "endpoint");
    }
    strcpy(target, "/v1/devices/");
    memset(target + 12, 'x', 256);
    target[268] = '\0';
    expect_problem(service, "GET", target, "", 400, "longer than 255 bytes");
    target[267] = '\0';
    expect_problem(service, "GET", target, "", 404, "xxx");
    static const char *const missing[] = {"/assets",
                                          "/v1",
                                          "/v1/",
                                          "/v1/devices/",
                                          "/v1/devices/a/b",
                                          "/v1/devices//history",
                                          "/livez/",
                                          "//livez",
                                          "/LIVEZ",
                                          "/v1/devices/a/history/",
                                          "/v1/../livez",
                                          "/%6civez"};
    for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++)
        expect_problem(service, "GET", missing[i], "", 404, "nothing at this path");
}

static void test_methods(void **state)
{
    struct service *service = *state;
    static const struct {
        const char *method, *path, *allow;
    } cases[] = {
        {"POST", "/livez", "\r\nAllow: GET, HEAD\r\n"},
        {"DELETE", "/v1/devices", "\r\nAllow: GET, HEAD\r\n"},
        {"POST", "/v1/devices/a", "\r\nAllow: GET, HEAD, PUT, DELETE\r\n"},
        {"PATCH", "/v1/devices/a", "\r\nAllow: GET, HEAD, PUT, DELETE\r\n"},
        {"OPTIONS", "/v1/devices/a", "\r\nAllow: GET, HEAD, PUT, DELETE\r\n"},
        {"GET", "/v1/devices/a/block", "\r\nAllow: POST\r\n"},
        {"BREW", "/v1/devices/a/unblock", "\r\nAllow: POST\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer answer = call(service, cases[i].method, cases[i].path, "");
        assert_problem(&answer, 405, "is not offered here");
        assert_true(has_header(&answer, cases[i].allow));
        answer_free(&answer);
    }
    struct answer answer = call(service, "HEAD", "/v1/status", "");
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "");
    assert_true(has_header(&answer, "\r\nContent-Type: application/json\r\n"));
    answer_free(&answer);
    answer = call(service, "HEAD", "/v1/devices/a", "");
    assert_int_equal(answer.status, 404);
    assert_string_equal(answer.body, "");
    answer_free(&answer);
}

/* ---- many at once ---- */

enum { THREADS = 6, ROUNDS = 20 };

static void *enrol_many(void *context)
{
    struct service *service = context;
    for (int i = 0; i < ROUNDS; i++) {
        char target[64];
        snprintf(target, sizeof target, "/v1/devices/lamp-%d", i);
        struct answer answer =
            call(service, "PUT", target, "{\"class\":\"lamp\",\"generate\":true}");
        bool created = answer.status == 201 && json_object_get(answer.json, "key") != NULL;
        bool there = answer.status == 200 && json_object_get(answer.json, "key") == NULL;
        assert_true(created || there);
        answer_free(&answer);
        expect_status(service, "GET", "/v1/devices", "", 200);
        expect_status(service, "GET", "/v1/status", "", 200);
    }
    return NULL;
}

/* Everybody makes the same devices: each gets one key, told to one of them. */
static void test_generating_in_parallel(void **state)
{
    struct service *service = *state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, enrol_many, service), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(count_of(service, ""), ROUNDS);
    for (int i = 0; i < ROUNDS; i++) {
        char target[64];
        snprintf(target, sizeof target, "/v1/devices/lamp-%d", i);
        struct answer answer = call(service, "GET", target, "");
        assert_int_equal(number_at(&answer, "revision"), 1);
        answer_free(&answer);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_livez),
        TEST(test_readyz),
        TEST(test_status),
        TEST(test_rejects),
        TEST(test_profiles),
        TEST(test_enrol),
        TEST(test_the_same_again_changes_nothing),
        TEST(test_replacing_must_be_said),
        TEST(test_an_identity_belongs_to_one),
        TEST(test_generated_key_is_told_once),
        TEST(test_class_must_be_known),
        TEST(test_bad_enrolments),
        TEST(test_remove_and_block),
        TEST(test_device_and_history),
        TEST(test_plan),
        TEST(test_plan_says_who_gets_none),
        TEST(test_list_filters),
        TEST(test_sessions_overlay_the_store),
        TEST(test_pages_while_rows_change),
        TEST(test_endpoints_in_paths),
        TEST(test_bad_paths),
        TEST(test_methods),
        TEST(test_generating_in_parallel),
    };
    log_configure(STDERR_FILENO, LOG_WARNING, true);
    backend = "memory";
    int failed = cmocka_run_group_tests_name("http over memory", tests, NULL, NULL);
    backend = "sqlite";
    return failed + cmocka_run_group_tests_name("http over sqlite", tests, NULL, NULL);
}
