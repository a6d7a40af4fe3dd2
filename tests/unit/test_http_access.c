/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what, by which door: tokens and their scopes, limits by address; TLS and the change of
 * its certificate; and what a careful caller relies on: ETags, request ids, idempotency keys. */
#include "http_util.h"

#include "usher/clock.h"
#include "usher/log.h"

#include <sys/stat.h>

static char tokens_path[64];

static void with_tokens(struct service *service)
{
    snprintf(tokens_path, sizeof tokens_path, "%s/tokens.json", service->directory);
    service->config.tokens_path = tokens_path;
}

static void with_rate(struct service *service)
{
    service->config.rate = 5;
}

static int set_up(void **state)
{
    *state = service_start_with("memory", with_tokens);
    return 0;
}

static int set_up_plain(void **state)
{
    *state = service_start("memory");
    return 0;
}

static int set_up_rate(void **state)
{
    *state = service_start_with("memory", with_rate);
    return 0;
}

static int tear_down(void **state)
{
    service_stop(*state);
    return 0;
}

static const char enrolment[] = "{\"class\":\"lamp\",\"key\":\"" KEY_A "\"}";

/* A new token of that scope; its id goes to `id`. */
static char *make_token(const struct service *service, const char *scope, char id[16])
{
    char body[128];
    snprintf(body, sizeof body, "{\"name\":\"a %s\",\"scope\":\"%s\"}", scope, scope);
    struct answer answer = call(service, "POST", "/v1/tokens", body);
    assert_int_equal(answer.status, 201);
    assert_true(has_header(&answer, "\r\nCache-Control: no-store\r\n"));
    char *token = strdup(text_at(&answer, "token"));
    snprintf(id, 16, "%s", text_at(&answer, "id"));
    answer_free(&answer);
    return token;
}

static struct answer call_by_token(const struct service *service, const char *token,
                                   const char *method, const char *target, const char *body)
{
    char headers[256];
    snprintf(headers, sizeof headers, "Host: localhost\r\nAuthorization: Bearer %s\r\n", token);
    return call_with(service, TCP, method, target, headers, body);
}

static void expect_by_token(const struct service *service, const char *token, const char *method,
                            const char *target, const char *body, int status)
{
    struct answer answer = call_by_token(service, token, method, target, body);
    if (answer.status != status)
        fail_msg("%s %s: %d instead of %d: %s", method, target, answer.status, status, answer.body);
    answer_free(&answer);
}

/* ---- tokens ---- */

static void test_scopes(void **state)
{
    static const char *const scopes[] = {"viewer", "enroller", "operator", "admin"};
    static const struct {
        const char *method, *target, *body;
        size_t least; /* index of the least scope */
        int good;
    } cases[] = {
        {"GET", "/v1/status", "", 0, 200},
        {"GET", "/metrics", "", 0, 200},
        {"GET", "/v1/devices", "", 0, 200},
        {"PUT", "/v1/devices/lamp-1?replace=true", enrolment, 1, 0},
        {"POST", "/v1/devices/lamp-1/block", "", 2, 200},
        {"POST", "/v1/devices/lamp-1/unblock", "", 2, 200},
        {"DELETE", "/v1/devices/lamp-1", "", 2, 0},
        {"GET", "/v1/tokens", "", 3, 200},
        {"POST", "/v1/tokens", "{\"name\":\"x\",\"scope\":\"viewer\"}", 3, 201},
        {"DELETE", "/v1/tokens/000000000000", "", 3, 404},
    };
    struct service *service = *state;
    for (size_t i = 0; i < 4; i++) {
        char id[16];
        char *token = make_token(service, scopes[i], id);
        struct answer there = call(service, "PUT", "/v1/devices/lamp-1?replace=true", enrolment);
        assert_in_range(there.status, 200, 201);
        answer_free(&there);
        for (size_t j = 0; j < sizeof cases / sizeof cases[0]; j++) {
            struct answer answer =
                call_by_token(service, token, cases[j].method, cases[j].target, cases[j].body);
            if (i < cases[j].least)
                assert_problem(&answer, 403, scopes[cases[j].least]);
            else if (cases[j].good != 0)
                assert_int_equal(answer.status, cases[j].good);
            else
                assert_in_range(answer.status, 200, 201);
            answer_free(&answer);
        }
        struct answer me = call_by_token(service, token, "GET", "/v1/whoami", "");
        assert_string_equal(text_at(&me, "scope"), scopes[i]);
        assert_true(json_is_true(json_object_get(me.json, "login_needed")));
        answer_free(&me);
        free(token);
    }
    struct answer me = call(service, "GET", "/v1/whoami", "");
    assert_string_equal(text_at(&me, "scope"), "admin");
    assert_memory_equal(text_at(&me, "name"), "uid:", 4);
    answer_free(&me);
}

static void test_without_a_token(void **state)
{
    struct service *service = *state;
    struct answer answer = call_with(service, TCP, "GET", "/v1/status", "Host: localhost\r\n", "");
    assert_problem(&answer, 401, "Bearer");
    assert_true(has_header(&answer, "\r\nWWW-Authenticate: Bearer"));
    answer_free(&answer);
    static const char *const open[] = {"/livez", "/readyz"};
    for (size_t i = 0; i < 2; i++) {
        answer = call_with(service, TCP, "GET", open[i], "Host: localhost\r\n", "");
        assert_int_equal(answer.status, 200);
        answer_free(&answer);
    }
    expect_status(service, "GET", "/v1/status", "", 200); /* by the UNIX socket */
}

static void test_wrong_tokens(void **state)
{
    struct service *service = *state;
    char id[16], wrong[128];
    char *token = make_token(service, "admin", id);
    const char *const texts[] = {"",        "usher_", "usher_000000000000_x", "x", id, "usher_%00",
                                 token + 1, wrong};
    snprintf(wrong, sizeof wrong, "%s", token);
    wrong[strlen(wrong) - 1] = wrong[strlen(wrong) - 1] == 'A' ? 'Q' : 'A';
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        expect_by_token(service, texts[i], "GET", "/v1/status", "", 401);
    snprintf(wrong, sizeof wrong, "%sA", token);
    expect_by_token(service, wrong, "GET", "/v1/status", "", 401);
    expect_by_token(service, token, "GET", "/v1/status", "", 200);
    struct answer answer = call_with(service, TCP, "GET", "/v1/status",
                                     "Host: localhost\r\nAuthorization: Basic eDp5\r\n", "");
    assert_problem(&answer, 401, "Bearer");
    answer_free(&answer);
    free(token);
}

/* Failed logins are slowed down; a good token passes all the same. */
static void test_failed_logins_are_limited(void **state)
{
    struct service *service = *state;
    char id[16];
    char *token = make_token(service, "viewer", id);
    int refused = 0;
    for (int i = 0; i < 14; i++) {
        struct answer answer =
            call_by_token(service, "usher_000000000000_guess", "GET", "/v1/status", "");
        if (answer.status == 429) {
            refused++;
            assert_true(has_header(&answer, "\r\nRetry-After: "));
        } else {
            assert_int_equal(answer.status, 401);
        }
        answer_free(&answer);
    }
    assert_in_range(refused, 3, 4);
    expect_by_token(service, token, "GET", "/v1/status", "", 200);
    free(token);
}

static void test_revoked_and_expired(void **state)
{
    struct service *service = *state;
    char id[16], target[64];
    char *token = make_token(service, "viewer", id);
    expect_by_token(service, token, "GET", "/v1/status", "", 200);
    snprintf(target, sizeof target, "/v1/tokens/%s", id);
    expect_status(service, "DELETE", target, "", 200);
    expect_by_token(service, token, "GET", "/v1/status", "", 401);
    expect_status(service, "DELETE", target, "", 404);
    free(token);
    /* One that expires: its time is moved back in the file. */
    struct answer answer = call(service, "POST", "/v1/tokens",
                                "{\"name\":\"x\",\"scope\":\"viewer\",\"expires_days\":1}");
    assert_int_equal(answer.status, 201);
    token = strdup(text_at(&answer, "token"));
    assert_non_null(text_at(&answer, "expires"));
    answer_free(&answer);
    expect_by_token(service, token, "GET", "/v1/status", "", 200);
    json_t *root = json_load_file(tokens_path, 0, NULL);
    json_t *entry = json_array_get(json_object_get(root, "tokens"), 0);
    json_object_set_new(entry, "expires_ms", json_integer(1000));
    assert_int_equal(json_dump_file(root, tokens_path, 0), 0);
    json_decref(root);
    struct err err = {0};
    assert_int_equal(http_reload(service->http, &err), ERR_OK);
    answer = call_by_token(service, token, "GET", "/v1/status", "");
    assert_problem(&answer, 401, "expired");
    answer_free(&answer);
    free(token);
}

/* Who has lost his login hears nothing of what happens afterwards. */
static void test_streams_end_with_their_token(void **state)
{
    struct service *service = *state;
    char id[16], target[64], request[512], text[8192];
    char *token = make_token(service, "viewer", id);
    int fd = service_connect(service, TCP);
    int len = snprintf(request, sizeof request,
                       "GET /v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                       "Authorization: Bearer "
                       "%s\r\n\r\n",
                       token);
    size_t got = 0;
    ssize_t more = 1;
    assert_true(send_all(fd, request, (size_t)len));
    text[0] = '\0';
    while (strstr(text, ": the stream begins") == NULL && more > 0) {
        more = recv(fd, text + got, sizeof text - got - 1, 0);
        assert_true(more > 0);
        got += (size_t)more;
        text[got] = '\0';
    }
    snprintf(target, sizeof target, "/v1/tokens/%s", id);
    expect_status(service, "DELETE", target, "", 200);
    expect_status(service, "PUT", "/v1/devices/lamp-1", enrolment, 201);
    while ((more = recv(fd, text + got, sizeof text - got - 1, 0)) > 0) {
        got += (size_t)more;
        text[got] = '\0';
    }
    assert_null(strstr(text, "lamp-1"));
    close(fd);
    free(token);
}

static char *file_text(const char *path)
{
    char *text = calloc(1, 65536);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, 65535, file) > 0);
    fclose(file);
    return text;
}

static void test_the_file_holds_no_token(void **state)
{
    struct service *service = *state;
    struct stat status;
    char id[16];
    char *token = make_token(service, "admin", id);
    char *text = file_text(tokens_path);
    assert_int_equal(stat(tokens_path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_null(strstr(text, token));
    assert_null(strstr(text, strrchr(token, '_')));
    assert_non_null(strstr(text, id));
    free(text);
    struct answer answer = call(service, "GET", "/v1/tokens", "");
    assert_null(strstr(answer.text, strrchr(token, '_')));
    assert_non_null(strstr(answer.text, id));
    answer_free(&answer);
    /* It is there after a restart. */
    http_stop(service->http);
    struct err err = {0};
    assert_int_equal(http_start(&service->config, &service->http, &err), ERR_OK);
    expect_by_token(service, token, "GET", "/v1/status", "", 200);
    /* A damaged file, or one that others write, is refused; what was in force stays. */
    static const char *const damaged[] = {"", "{}", "{\"tokens\":[{}]}", "[", "{\"tokens\":7}"};
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        FILE *file = fopen(tokens_path, "w");
        fputs(damaged[i], file);
        fclose(file);
        assert_int_equal(http_reload(service->http, &err), ERR_INVALID);
        assert_non_null(strstr(err.text, "tokens.json"));
    }
    assert_int_equal(chmod(tokens_path, 0622), 0);
    assert_int_equal(http_reload(service->http, &err), ERR_DENIED);
    if (geteuid() == 0) { /* nobody else can give a file away */
        assert_int_equal(chmod(tokens_path, 0600), 0);
        assert_int_equal(chown(tokens_path, 12345, (gid_t)-1), 0);
        assert_int_equal(http_reload(service->http, &err), ERR_DENIED);
        assert_non_null(strstr(err.text, "belongs to user 12345"));
    }
    expect_by_token(service, token, "GET", "/v1/status", "", 200);
    free(token);
}

static void test_bad_wishes(void **state)
{
    static const struct {
        const char *body, *detail;
    } cases[] = {
        {"", "JSON object"},
        {"[]", "JSON object"},
        {"{}", "name"},
        {"{\"name\":\"x\"}", "scope"},
        {"{\"name\":\"x\",\"scope\":\"god\"}", "viewer, enroller, operator, admin"},
        {"{\"name\":\"\",\"scope\":\"viewer\"}", "name"},
        {"{\"name\":\"a\\nb\",\"scope\":\"viewer\"}", "name"},
        {"{\"name\":7,\"scope\":\"viewer\"}", "name"},
        {"{\"name\":\"x\",\"scope\":\"viewer\",\"expires_days\":0}", "expires_days"},
        {"{\"name\":\"x\",\"scope\":\"viewer\",\"expires_days\":1.5}", "expires_days"},
        {"{\"name\":\"x\",\"scope\":\"viewer\",\"expires\":1}", "unknown key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_problem(*state, "POST", "/v1/tokens", cases[i].body, 400, cases[i].detail);
    expect_problem(*state, "DELETE", "/v1/tokens/a%2Fb", "", 400, "id in the path");
}

static void test_a_server_without_tokens(void **state)
{
    expect_problem(*state, "POST", "/v1/tokens", "{\"name\":\"x\",\"scope\":\"viewer\"}", 409,
                   "http.tokens");
    struct answer answer =
        call_with(*state, TCP, "PUT", "/v1/devices/lamp-1", "Host: localhost\r\n", enrolment);
    assert_problem(&answer, 403, "UNIX socket");
    answer_free(&answer);
    answer = call_with(*state, TCP, "GET", "/v1/tokens", "Host: localhost\r\n", "");
    assert_problem(&answer, 403, "UNIX socket");
    answer_free(&answer);
}

static void test_rate_by_address(void **state)
{
    struct service *service = *state;
    int busy = 0;
    for (int i = 0; i < 40; i++) {
        struct answer answer = call_with(service, TCP, "GET", "/livez", "Host: localhost\r\n", "");
        busy += answer.status == 429;
        if (answer.status == 429)
            assert_true(has_header(&answer, "\r\nRetry-After: 1\r\n"));
        else
            assert_int_equal(answer.status, 200);
        answer_free(&answer);
        expect_status(service, "GET", "/livez", "", 200); /* the UNIX socket has no such limit */
    }
    assert_true(busy > 0);
}

/* ---- what a careful caller relies on ---- */

static void test_etag(void **state)
{
    struct service *service = *state;
    char headers[256], etag[32];
    expect_status(service, "PUT", "/v1/devices/lamp-1", enrolment, 201);
    struct answer answer = call(service, "GET", "/v1/devices/lamp-1", "");
    const char *at = strcasestr(answer.text, "\r\nETag: ");
    assert_non_null(at);
    assert_int_equal(sscanf(at + 8, "%31[^\r]", etag), 1);
    answer_free(&answer);
    static const struct {
        const char *before, *after;
    } forms[] = {{"", ""}, {"\"x\", ", ""}, {"W/", ""}, {"*, ", ""}, {"\"x\" ,W/\"y\",\t", " "}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        char list[128];
        snprintf(list, sizeof list, "%s%s%s", forms[i].before, etag, forms[i].after);
        snprintf(headers, sizeof headers, "Host: localhost\r\nIf-None-Match: %s\r\n", list);
        answer = call_with(service, UNIX, "GET", "/v1/devices/lamp-1", headers, "");
        assert_int_equal(answer.status, 304);
        assert_int_equal(strlen(answer.body), 0);
        assert_non_null(strstr(answer.text, etag));
        answer_free(&answer);
    }
    expect_status(service, "POST", "/v1/devices/lamp-1/block", "", 200);
    snprintf(headers, sizeof headers, "Host: localhost\r\nIf-None-Match: %s\r\n", etag);
    answer = call_with(service, UNIX, "GET", "/v1/devices/lamp-1", headers, "");
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
    answer = call_with(service, UNIX, "GET", "/v1/devices/nobody", headers, "");
    assert_int_equal(answer.status, 404);
    assert_false(has_header(&answer, "\r\nETag: "));
    answer_free(&answer);
}

static void test_request_ids(void **state)
{
    struct answer answer = call_with(*state, UNIX, "GET", "/livez",
                                     "Host: localhost\r\nX-Request-Id: job-17.a_B\r\n", "");
    assert_true(has_header(&answer, "\r\nX-Request-Id: job-17.a_B\r\n"));
    answer_free(&answer);
    static const char *const odd[] = {
        "a b", "a\"b", "\xc3\xa4",
        "12345678901234567890123456789012345678901234567890123456789012345"};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        char headers[256];
        snprintf(headers, sizeof headers, "Host: localhost\r\nX-Request-Id: %s\r\n", odd[i]);
        answer = call_with(*state, UNIX, "GET", "/livez", headers, "");
        assert_int_equal(answer.status, 200);
        assert_false(has_header(&answer, odd[i]));
        assert_true(has_header(&answer, "\r\nX-Request-Id: "));
        answer_free(&answer);
    }
}

static struct answer post_once(const struct service *service, const char *key, const char *target,
                               const char *body)
{
    char headers[512];
    snprintf(headers, sizeof headers, "Host: localhost\r\nIdempotency-Key: %s\r\n", key);
    return call_with(service, UNIX, "POST", target, headers, body);
}

static void test_idempotency_keys(void **state)
{
    struct service *service = *state;
    expect_status(service, "PUT", "/v1/devices/lamp-1", enrolment, 201);
    for (int i = 0; i < 3; i++) {
        struct answer answer = post_once(service, "k-1", "/v1/devices/lamp-1/block", "");
        assert_int_equal(answer.status, 200);
        assert_string_equal(text_at(&answer, "change"), "changed"); /* not "unchanged" */
        assert_true(has_header(&answer, "\r\nIdempotency-Replayed: true\r\n") == (i > 0));
        answer_free(&answer);
    }
    struct answer answer = post_once(service, "k-1", "/v1/devices/lamp-1/unblock", "");
    assert_problem(&answer, 422, "another request");
    answer_free(&answer);
    answer = post_once(service, "k-2", "/v1/devices/lamp-1/block", "");
    assert_string_equal(text_at(&answer, "change"), "unchanged");
    answer_free(&answer);
    answer = post_once(service, "k-3", "/v1/devices/nobody/block", "");
    assert_problem(&answer, 404, "nobody");
    answer_free(&answer);
    answer = post_once(service, "k-3", "/v1/devices/nobody/block", "");
    assert_problem(&answer, 404, "nobody");
    assert_true(has_header(&answer, "\r\nIdempotency-Replayed: true\r\n"));
    answer_free(&answer);
    answer = post_once(service, "a b", "/v1/devices/lamp-1/block", "");
    assert_problem(&answer, 400, "Idempotency-Key");
    answer_free(&answer);
    /* More keys than are kept: the oldest are forgotten, nothing else. */
    for (int i = 0; i < 600; i++) {
        char key[32];
        snprintf(key, sizeof key, "many-%d", i);
        answer = post_once(service, key, "/v1/devices/lamp-1/block", "");
        assert_int_equal(answer.status, 200);
        answer_free(&answer);
    }
    answer = post_once(service, "many-599", "/v1/devices/lamp-1/block", "");
    assert_true(has_header(&answer, "\r\nIdempotency-Replayed: true\r\n"));
    answer_free(&answer);
}

static void test_a_secret_is_not_kept_for_repeats(void **state)
{
    struct service *service = *state;
    static const char body[] = "{\"name\":\"x\",\"scope\":\"viewer\"}";
    struct answer answer = post_once(service, "t-1", "/v1/tokens", body);
    assert_int_equal(answer.status, 201);
    answer_free(&answer);
    answer = post_once(service, "t-1", "/v1/tokens", body);
    assert_problem(&answer, 409, "shown once");
    answer_free(&answer);
    answer = call(service, "GET", "/v1/tokens", "");
    assert_int_equal(json_array_size(json_object_get(answer.json, "tokens")), 1);
    answer_free(&answer);
}

static void test_fields(void **state)
{
    struct service *service = *state;
    expect_status(service, "PUT", "/v1/devices/lamp-1", enrolment, 201);
    struct answer answer = call(service, "GET", "/v1/devices?fields=state,endpoint", "");
    json_t *row = json_array_get(json_object_get(answer.json, "devices"), 0);
    assert_int_equal(json_object_size(row), 2);
    assert_string_equal(json_string_value(json_object_get(row, "endpoint")), "lamp-1");
    answer_free(&answer);
    answer = call(service, "GET", "/v1/devices/lamp-1?fields=tags", "");
    assert_int_equal(json_object_size(answer.json), 1);
    answer_free(&answer);
    expect_problem(service, "GET", "/v1/devices?fields=state,colour", "", 400, "'colour'");
    expect_problem(service, "GET", "/v1/devices?fields=", "", 400, "'fields'");
    expect_problem(service, "GET", "/v1/devices/lamp-1?fields=state,", "", 400, "last_outcome");
}

static size_t count_devices(const struct service *service, const char *query)
{
    char target[256];
    snprintf(target, sizeof target, "/v1/devices?%s", query);
    struct answer answer = call(service, "GET", target, "");
    if (answer.status != 200)
        fail_msg("%s: %s", target, answer.body);
    size_t count = json_array_size(json_object_get(answer.json, "devices"));
    answer_free(&answer);
    return count;
}

static void test_tags(void **state)
{
    struct service *service = *state;
    expect_status(service, "PUT", "/v1/devices/lamp-1",
                  "{\"class\":\"lamp\",\"key\":\"" KEY_A
                  "\",\"tags\":{\"district\":\"north\",\"pole\":\"7:a\"}}",
                  201);
    expect_status(service, "PUT", "/v1/devices/lamp-2",
                  "{\"class\":\"lamp\",\"key\":\"" KEY_B "\",\"tags\":{\"district\":\"north\"}}",
                  201);
    assert_int_equal(count_devices(service, "tag=district:north"), 2);
    assert_int_equal(count_devices(service, "tag=district:north&tag=pole:7:a"), 1);
    assert_int_equal(count_devices(service, "tag=district:south"), 0);
    expect_problem(service, "GET", "/v1/devices?tag=north", "", 400, "NAME:VALUE");
    expect_problem(service, "GET", "/v1/devices?tag=a:1&tag=a:1&tag=a:1&tag=a:1&tag=a:1", "", 400,
                   "at most 4");
}

static void test_times(void **state)
{
    static const char *const good[] = {"2026-11-23T09:18:10Z",
                                       "2026-11-23T09:18:10.042Z",
                                       "2026-11-23T09:18:10%2B02:00",
                                       "1970-01-01T00:00:01Z",
                                       "2026-11-23",
                                       "2026-11-23T09:18:10",
                                       "2026-11-23T09:18Z"};
    static const char *const bad[] = {"yesterday",
                                      "2026-13-23T09:18:10Z",
                                      "2026-11-23T25:18:10Z",
                                      "2026-11-23T09:18:10Zx",
                                      "2026-11-23T09:18:10%2B99:00",
                                      "1234567890",
                                      ""};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char query[64];
        snprintf(query, sizeof query, "since=%s", good[i]);
        assert_int_equal(count_devices(*state, query), 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char target[96];
        snprintf(target, sizeof target, "/v1/devices?since=%s", bad[i]);
        expect_problem(*state, "GET", target, "", 400, "must be a time");
    }
}

int main(void)
{
    log_configure(-1, LOG_ERROR, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_scopes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_a_token, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failed_logins_are_limited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_revoked_and_expired, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_streams_end_with_their_token, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_file_holds_no_token, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_wishes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_server_without_tokens, set_up_plain, tear_down),
        cmocka_unit_test_setup_teardown(test_rate_by_address, set_up_rate, tear_down),
        cmocka_unit_test_setup_teardown(test_etag, set_up_plain, tear_down),
        cmocka_unit_test_setup_teardown(test_request_ids, set_up_plain, tear_down),
        cmocka_unit_test_setup_teardown(test_idempotency_keys, set_up_plain, tear_down),
        cmocka_unit_test_setup_teardown(test_a_secret_is_not_kept_for_repeats, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fields, set_up_plain, tear_down),
        cmocka_unit_test_setup_teardown(test_tags, set_up_plain, tear_down),
        cmocka_unit_test_setup_teardown(test_times, set_up_plain, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
