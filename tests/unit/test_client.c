/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client: answers, problems, and what is said when nobody answers. */
#include "http_util.h"

#include "usher/client.h"
#include "usher/log.h"

#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct fixture {
    struct service *service;
    struct client *client;
    struct client_answer answer;
    struct err err;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->service = service_start("memory");
    struct client_config config = {.socket = fixture->service->socket_path};
    assert_int_equal(client_new(&config, &fixture->client, &fixture->err), ERR_OK);
    client_answer_init(&fixture->answer);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    client_answer_clear(&fixture->answer);
    client_free(fixture->client);
    service_stop(fixture->service);
    free(fixture);
    return 0;
}

static enum err_code ask(struct fixture *fixture, const char *method, const char *path,
                         const char *body)
{
    return client_request(fixture->client, method, path, bytes_of_text(body), &fixture->answer,
                          &fixture->err);
}

static void reconnect(struct fixture *fixture, const struct client_config *config)
{
    client_free(fixture->client);
    fixture->client = NULL;
    assert_int_equal(client_new(config, &fixture->client, &fixture->err), ERR_OK);
}

static void test_requests_over_one_connection(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ask(fixture, "GET", "/livez", ""), ERR_OK);
        assert_int_equal(fixture->answer.status, 200);
        assert_string_equal(buf_text(&fixture->answer.body), "{\"live\":true}\n");
        assert_int_equal(client_problem(&fixture->answer, &fixture->err), ERR_OK);
    }
    assert_int_equal(ask(fixture, "HEAD", "/livez", ""), ERR_OK);
    assert_int_equal(fixture->answer.status, 200);
    assert_int_equal(fixture->answer.body.len, 0);
    assert_int_equal(
        ask(fixture, "PUT", "/v1/devices/a", "{\"class\":\"lamp\",\"key\":\"" KEY_A "\"}"), ERR_OK);
    assert_int_equal(fixture->answer.status, 201);
    assert_int_equal(ask(fixture, "POST", "/v1/devices/a/block", ""), ERR_OK);
    assert_int_equal(fixture->answer.status, 200);
    assert_int_equal(ask(fixture, "DELETE", "/v1/devices/a", ""), ERR_OK);
    assert_int_equal(fixture->answer.status, 200);
}

static void test_problems(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *method, *path, *body, *text;
        enum err_code code;
    } cases[] = {
        {"GET", "/v1/devices/nobody", "", "nobody", ERR_NOT_FOUND},
        {"GET", "/v1/devices?limit=x", "", "'limit'", ERR_INVALID},
        {"PUT", "/v1/devices/b", "{\"class\":\"x\",\"generate\":true}", "lamp, meter", ERR_INVALID},
        {"POST", "/livez", "", "GET, HEAD", ERR_DENIED},
        {"PUT", "/v1/devices/a", "{\"key\":\"" KEY_B "\"}", "replace=true", ERR_EXISTS},
        {"PUT", "/v1/devices/b", "{\"class\":\"lamp\",\"identity\":\"a\",\"key\":\"" KEY_A "\"}",
         "'a'", ERR_CONFLICT},
    };
    assert_int_equal(
        ask(fixture, "PUT", "/v1/devices/a", "{\"class\":\"lamp\",\"key\":\"" KEY_A "\"}"), ERR_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(ask(fixture, cases[i].method, cases[i].path, cases[i].body), ERR_OK);
        assert_int_equal(client_problem(&fixture->answer, &fixture->err), cases[i].code);
        if (strstr(fixture->err.text, cases[i].text) == NULL)
            fail_msg("'%s' is not in '%s'", cases[i].text, fixture->err.text);
    }
    client_answer_clear(&fixture->answer);
    fixture->answer.status = 502;
    buf_put_text(&fixture->answer.body, "<html>");
    assert_int_equal(client_problem(&fixture->answer, &fixture->err), ERR_IO);
    assert_string_equal(fixture->err.text, "the server answered with HTTP status 502");
}

static void test_over_tcp(void **state)
{
    struct fixture *fixture = *state;
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", http_port(fixture->service->http));
    reconnect(fixture, &(struct client_config){.url = url});
    assert_int_equal(ask(fixture, "GET", "/v1/status", ""), ERR_OK);
    assert_int_equal(fixture->answer.status, 200);
    assert_int_equal(ask(fixture, "DELETE", "/v1/devices/a", ""), ERR_OK);
    assert_int_equal(client_problem(&fixture->answer, &fixture->err), ERR_DENIED);
}

/* A proxy of the environment must never see the requests, nor their keys. */
static void test_no_proxy(void **state)
{
    struct fixture *fixture = *state;
    char url[64];
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", http_port(fixture->service->http));
    reconnect(fixture, &(struct client_config){.url = url});
    assert_int_equal(ask(fixture, "GET", "/livez", ""), ERR_OK);
    assert_int_equal(fixture->answer.status, 200);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
}

static void test_nobody_there(void **state)
{
    struct fixture *fixture = *state;
    reconnect(fixture, &(struct client_config){.socket = "/tmp/usher-nowhere.sock"});
    assert_int_equal(ask(fixture, "GET", "/livez", ""), ERR_UNAVAILABLE);
    assert_non_null(strstr(fixture->err.text, "no server answers at /tmp/usher-nowhere.sock"));
    assert_non_null(strstr(fixture->err.text, "start usherd"));
    reconnect(fixture, &(struct client_config){.url = "http://127.0.0.1:1"});
    assert_int_equal(ask(fixture, "GET", "/livez", ""), ERR_UNAVAILABLE);
    assert_non_null(strstr(fixture->err.text, "http://127.0.0.1:1"));
}

/* Root may do everything, so another user asks. */
static void test_not_allowed(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(chmod(fixture->service->socket_path, 0), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool other = geteuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0);
        bool denied = other && ask(fixture, "GET", "/livez", "") == ERR_DENIED &&
                      strstr(fixture->err.text, "you may not use") != NULL;
        _exit(denied ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_wrong_urls(void **state)
{
    static const char *const wrong[] = {
        "https://",        "http://me:pw@127.0.0.1", "127.0.0.1:8080", "http://",
        "ftp://127.0.0.1", "http://127.0.0.1/v1",    "file:///etc",    ""};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct client *client = NULL;
        struct err err = {0};
        assert_int_equal(client_new(&(struct client_config){.url = wrong[i]}, &client, &err),
                         ERR_INVALID);
        assert_null(client);
    }
    /* A token is not sent in the clear over a network. */
    static const char *const far[] = {"http://192.0.2.1", "http://usher.city.example:80",
                                      "http://127.evil.example", "http://localhost.evil.example"};
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
        struct client *client = NULL;
        struct err err = {0};
        const struct client_config config = {.url = far[i], .token = "t"};
        assert_int_equal(client_new(&config, &client, &err), ERR_INVALID);
        assert_non_null(strstr(err.text, "in the clear"));
    }
    static const char *const near[] = {"http://127.0.0.1:8080", "http://localhost:1",
                                       "http://[::1]:1", "https://usher.city.example"};
    for (size_t i = 0; i < sizeof near / sizeof near[0]; i++) {
        struct client *client = NULL;
        struct err err = {0};
        const struct client_config config = {.url = near[i], .token = "t"};
        assert_int_equal(client_new(&config, &client, &err), ERR_OK);
        client_free(client);
    }
    client_free(NULL);
}

/* ---- servers that are none ---- */

struct stranger {
    int fd;
    const char *answer; /* NULL: silence */
    size_t repeats;
    pthread_t thread;
    char path[64];
};

static void *serve_once(void *context)
{
    struct stranger *stranger = context;
    char request[4096];
    int fd = accept(stranger->fd, NULL, NULL);
    if (recv(fd, request, sizeof request, 0) > 0 && stranger->answer != NULL) {
        send_all(fd, stranger->answer, strlen(stranger->answer));
        for (size_t i = 0; i < stranger->repeats; i++) {
            static char blank[65536];
            memset(blank, ' ', sizeof blank);
            if (!send_all(fd, blank, sizeof blank))
                break;
        }
    } else {
        while (recv(fd, request, sizeof request, 0) > 0)
            continue;
    }
    close(fd);
    return NULL;
}

static enum err_code ask_stranger(struct fixture *fixture, const char *answer, size_t repeats)
{
    struct stranger stranger = {.answer = answer, .repeats = repeats};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(stranger.path, sizeof stranger.path, "%s/s.sock", fixture->service->directory);
    strcpy(address.sun_path, stranger.path);
    unlink(stranger.path);
    stranger.fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(stranger.fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(stranger.fd, 1), 0);
    assert_int_equal(pthread_create(&stranger.thread, NULL, serve_once, &stranger), 0);
    reconnect(fixture, &(struct client_config){.socket = stranger.path, .timeout_ms = 1000});
    enum err_code code = ask(fixture, "GET", "/livez", "");
    client_free(fixture->client);
    fixture->client = NULL;
    pthread_join(stranger.thread, NULL);
    close(stranger.fd);
    return code;
}

static void test_strange_servers(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(ask_stranger(fixture, NULL, 0), ERR_TIMEOUT);
    assert_non_null(strstr(fixture->err.text, "within 1 seconds"));
    assert_int_equal(ask_stranger(fixture, "SSH-2.0-x\r\n", 0), ERR_IO);
    assert_int_equal(ask_stranger(fixture, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", 0),
                     ERR_IO);
    /* A redirect is an answer like any other; it is not followed. */
    assert_int_equal(ask_stranger(fixture,
                                  "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
                                  "Content-Length: 0\r\n\r\n",
                                  0),
                     ERR_OK);
    assert_int_equal(fixture->answer.status, 302);
    assert_int_equal(client_problem(&fixture->answer, &fixture->err), ERR_IO);
    assert_int_equal(ask_stranger(fixture, "HTTP/1.1 200 OK\r\n\r\n", 400), ERR_TOO_LARGE);
    assert_non_null(strstr(fixture->err.text, "larger than 16 MiB"));
}

static void test_escaping(void **state)
{
    (void)state;
    char memory[128];
    struct buf out;
    buf_init_fixed(&out, memory, sizeof memory);
    client_put_escaped(&out, "aZ09-._~/?#%&=+: \"\xc3\xa4");
    assert_string_equal(buf_text(&out), "aZ09-._~%2F%3F%23%25%26%3D%2B%3A%20%22%C3%A4");
}

/* Names with a meaning in paths reach the server as names. */
static void test_dots_are_names(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {"..", ".", "a/../b"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char memory[128];
        struct buf path;
        buf_init_fixed(&path, memory, sizeof memory);
        buf_put_text(&path, "/v1/devices/");
        client_put_escaped(&path, names[i]);
        const char *text = buf_text(&path);
        assert_int_equal(ask(fixture, "PUT", text, "{\"class\":\"lamp\",\"key\":\"" KEY_A "\"}"),
                         ERR_OK);
        assert_int_equal(fixture->answer.status, 201);
        assert_int_equal(store_get(fixture->service->lane, bytes_of_text(names[i]),
                                   &(struct store_device){0}, NULL),
                         ERR_OK);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_requests_over_one_connection),
        TEST(test_problems),
        TEST(test_over_tcp),
        TEST(test_no_proxy),
        TEST(test_nobody_there),
        TEST(test_not_allowed),
        TEST(test_wrong_urls),
        TEST(test_strange_servers),
        TEST(test_escaping),
        TEST(test_dots_are_names),
    };
    log_configure(STDERR_FILENO, LOG_WARNING, true);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
