/* SPDX-License-Identifier: Apache-2.0 */
/* The status endpoint among strangers: foreign pages, TCP writers, floods, slow and broken clients,
 * sockets that others left or hold, and an orderly end. */
#include "http_util.h"

#include "usher/clock.h"
#include "usher/log.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>

static int set_up(void **state)
{
    *state = service_start("memory");
    return 0;
}

static int tear_down(void **state)
{
    service_stop(*state);
    return 0;
}

static const char enrolment[] = "{\"class\":\"lamp\",\"key\":\"" KEY_A "\"}";

/* ---- Host and Origin ---- */

static void expect_headers(const struct service *service, enum door door, const char *headers,
                           int status)
{
    struct answer answer = call_with(service, door, "GET", "/livez", headers, "");
    if (answer.status != status)
        fail_msg("%s: %d instead of %d", headers, answer.status, status);
    answer_free(&answer);
}

static void test_hosts(void **state)
{
    static const char *const good[] = {
        "localhost",        "LOCALHOST:80", "127.0.0.1",          "127.0.0.1:8080",      "[::1]",
        "[2001:db8::1]:80", "192.0.2.1",    "usher.city.example", "Usher.City.Example:1"};
    static const char *const bad[] = {"evil.example",
                                      "evil.example:80",
                                      "localhost.evil.example",
                                      "usher.city.example.evil.example",
                                      "127.0.0.1.evil.example",
                                      "x.usher.city.example",
                                      "127.0.0.1@evil.example",
                                      "localhost:80:evil",
                                      "localhost:x",
                                      "2130706433",
                                      "0x7f.1",
                                      "127.1",
                                      "[::1",
                                      "[evil]",
                                      "::1",
                                      "localhost."};
    char headers[256];
    for (int door = UNIX; door <= TCP; door++) {
        for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
            snprintf(headers, sizeof headers, "Host: %s\r\n", good[i]);
            expect_headers(*state, (enum door)door, headers, 200);
        }
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            snprintf(headers, sizeof headers, "Host: %s\r\n", bad[i]);
            expect_headers(*state, (enum door)door, headers, 421);
        }
        expect_headers(*state, (enum door)door, "Host: localhost\r\nHost: localhost\r\n", 400);
        expect_headers(*state, (enum door)door, "", 400);
    }
    struct answer answer =
        call_with(*state, TCP, "GET", "/v1/devices", "Host: evil.example\r\n", "");
    assert_problem(&answer, 421, "http.hosts");
    answer_free(&answer);
}

static void test_origins(void **state)
{
    static const struct {
        const char *headers;
        int status;
    } cases[] = {
        {"Host: localhost:80\r\nOrigin: http://localhost:80\r\n", 200},
        {"Host: localhost:80\r\nOrigin: http://LOCALHOST:80\r\n", 200},
        {"Host: localhost:80\r\nOrigin: http://localhost\r\n", 403},
        {"Host: localhost:80\r\nOrigin: https://localhost:80\r\n", 403},
        {"Host: localhost\r\nOrigin: http://evil.example\r\n", 403},
        {"Host: localhost\r\nOrigin: null\r\n", 403},
        {"Host: localhost\r\nOrigin: \r\n", 403},
        {"Host: localhost\r\nOrigin: http://127.0.0.1\r\n", 403},
        {"Host: localhost\r\nOrigin: http://localhost\r\nOrigin: http://evil.example\r\n", 403},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_headers(*state, UNIX, cases[i].headers, cases[i].status);
        expect_headers(*state, TCP, cases[i].headers, cases[i].status);
    }
    /* A preflight gets no permission. */
    struct answer answer = call_with(*state, TCP, "OPTIONS", "/v1/devices/a",
                                     "Host: localhost\r\nOrigin: http://evil.example\r\n"
                                     "Access-Control-Request-Method: PUT\r\n",
                                     "");
    assert_problem(&answer, 403, "other origins");
    assert_false(has_header(&answer, "Access-Control-Allow"));
    answer_free(&answer);
    answer = call_with(*state, UNIX, "PUT", "/v1/devices/a",
                       "Host: localhost\r\nOrigin: http://evil.example\r\n", enrolment);
    assert_problem(&answer, 403, "other origins");
    answer_free(&answer);
    expect_status(*state, "GET", "/v1/devices/a", "", 404);
}

static void test_no_changes_over_tcp(void **state)
{
    struct service *service = *state;
    static const struct {
        const char *method, *path, *body;
    } cases[] = {
        {"PUT", "/v1/devices/a", enrolment},
        {"DELETE", "/v1/devices/b", ""},
        {"POST", "/v1/devices/b/block", ""},
        {"POST", "/v1/devices/b/unblock", ""},
    };
    expect_status(service, "PUT", "/v1/devices/b", enrolment, 201);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer answer = call_with(service, TCP, cases[i].method, cases[i].path,
                                         "Host: localhost\r\n", cases[i].body);
        assert_problem(&answer, 403, "UNIX socket");
        answer_free(&answer);
    }
    expect_status(service, "GET", "/v1/devices/a", "", 404);
    struct answer answer =
        call_with(service, TCP, "GET", "/v1/devices/b", "Host: localhost\r\n", "");
    assert_int_equal(answer.status, 200);
    assert_string_equal(text_at(&answer, "state"), "new");
    answer_free(&answer);
}

/* ---- bodies ---- */

static char *blanks(size_t len)
{
    char *text = malloc(len + 1);
    memset(text, ' ', len);
    text[len] = '\0';
    return text;
}

static void test_oversize_bodies(void **state)
{
    static const size_t sizes[] = {(1 << 20) + 1, 5 << 20, (16 << 20) + 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *body = blanks(sizes[i]);
        expect_problem(*state, "PUT", "/v1/devices/a", body, 413, "larger than 1048576 bytes");
        free(body);
    }
    /* The largest that is read. */
    char *body = blanks(1 << 20);
    memcpy(body + (1 << 20) - sizeof enrolment, enrolment, sizeof enrolment - 1);
    expect_status(*state, "PUT", "/v1/devices/a", body, 201);
    free(body);
    /* A body where none belongs is read and dropped. */
    body = blanks(100000);
    expect_status(*state, "GET", "/livez", body, 200);
    expect_status(*state, "POST", "/nowhere", body, 404);
    free(body);
}

/* Announces nothing and sends without end: cut off, with the memory of it bounded. */
static void test_endless_body(void **state)
{
    static const char head[] = "PUT /v1/devices/a HTTP/1.1\r\nHost: localhost\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";
    int fd = service_connect(*state, UNIX);
    char *chunk = blanks(65536 + 16);
    memcpy(chunk, "10000\r\n", 7);
    memcpy(chunk + 7 + 65536, "\r\n", 2);
    size_t sent = 0;
    assert_true(send_all(fd, head, sizeof head - 1));
    while (sent < (64u << 20) && send_all(fd, chunk, 65536 + 9))
        sent += 65536;
    assert_true(sent < (20u << 20));
    close(fd);
    free(chunk);
    expect_status(*state, "GET", "/livez", "", 200);
}

static void test_chunked_body(void **state)
{
    static const char request[] = "PUT /v1/devices/a HTTP/1.1\r\nHost: localhost\r\n"
                                  "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "10\r\n{\"class\":\"lamp\",\r\n"
                                  "2b\r\n\"key\":\"" KEY_A "\"}  \r\n0\r\n\r\n";
    struct answer answer = exchange(*state, UNIX, request, sizeof request - 1);
    assert_int_equal(answer.status, 201);
    answer_free(&answer);
}

/* ---- broken requests ---- */

static void test_broken_requests(void **state)
{
    static const char *const requests[] = {
        "GET\r\n\r\n",
        "\r\n\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost localhost\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "PUT /v1/devices/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "GET /v1/devices/\xff\xfe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "GET /livez?\xff=\x01 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "GET http://evil.example/livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        int fd = service_connect(*state, i % 2 == 0 ? UNIX : TCP);
        send_all(fd, requests[i], strlen(requests[i]));
        shutdown(fd, SHUT_WR);
        struct answer answer = read_answer(fd);
        if (answer.status >= 200 && answer.status < 300)
            fail_msg("request %zu was answered with %d", i, answer.status);
        answer_free(&answer);
        close(fd);
    }
    expect_status(*state, "GET", "/livez", "", 200);
}

static void test_huge_heads(void **state)
{
    char *text = blanks(200000);
    memset(text, 'a', 200000);
    char *request = NULL;
    int len = asprintf(&request, "GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n", text);
    struct answer answer = exchange(*state, UNIX, request, (size_t)len);
    assert_true(answer.status == 0 || answer.status >= 400);
    answer_free(&answer);
    free(request);
    len = asprintf(&request, "GET /livez HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n", text);
    answer = exchange(*state, TCP, request, (size_t)len);
    assert_true(answer.status == 0 || answer.status >= 400);
    answer_free(&answer);
    free(request);
    free(text);
    expect_status(*state, "GET", "/livez", "", 200);
}

static void test_pipelined_requests(void **state)
{
    static const char requests[] =
        "PUT /v1/devices/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 57\r\n\r\n"
        "{\"class\":\"lamp\",\"key\":\"" KEY_A "\"}"
        "GET /v1/devices/a HTTP/1.1\r\nHost: localhost\r\n\r\n"
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_int_equal(sizeof enrolment - 1, 57);
    struct answer answer = exchange(*state, UNIX, requests, sizeof requests - 1);
    assert_int_equal(answer.status, 201);
    const char *second = strstr(answer.text + 1, "HTTP/1.1 200");
    assert_non_null(second);
    assert_non_null(strstr(second + 1, "{\"live\":true}"));
    answer_free(&answer);
}

/* One who sends a byte now and then holds nobody else up. */
static void test_slow_clients(void **state)
{
    enum { SLOW = 20 };
    int fds[SLOW];
    for (int i = 0; i < SLOW; i++) {
        fds[i] = service_connect(*state, i % 2 == 0 ? UNIX : TCP);
        assert_true(send_all(fds[i], "GET /li", 7));
    }
    uint64_t start = clock_monotonic_ms();
    for (int i = 0; i < 50; i++)
        expect_status(*state, "GET", "/v1/status", "", 200);
    assert_true(clock_monotonic_ms() - start < 5000);
    for (int i = 0; i < SLOW; i++) {
        static const char rest[] = "vez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        assert_true(send_all(fds[i], rest, sizeof rest - 1));
        struct answer answer = read_answer(fds[i]);
        assert_int_equal(answer.status, 200);
        answer_free(&answer);
        close(fds[i]);
    }
}

/* One address takes no more than its share of the connections. */
static void test_connections_are_capped(void **state)
{
    enum { MANY = 360, SHARE = 320 };
    int fds[MANY];
    int open = 0;
    for (int i = 0; i < MANY; i++) {
        fds[i] = service_connect(*state, TCP);
        send_all(fds[i], "G", 1);
    }
    for (int i = 0; i < MANY; i++) {
        static const char rest[] = "ET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
        char byte;
        struct pollfd watch = {.fd = fds[i], .events = POLLIN};
        send_all(fds[i], rest, sizeof rest - 1);
        if (poll(&watch, 1, i < SHARE / 2 ? 5000 : 0) == 1 && recv(fds[i], &byte, 1, 0) == 1)
            open++;
    }
    assert_in_range(open, 1, SHARE);
    expect_status(*state, "GET", "/livez", "", 200);
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
}

/* ---- secrets ---- */

static int log_pipe[2];

/* The log names the device and who did it, and never a key. */
static void test_log_of_a_change(void **state)
{
    char text[8192] = "";
    assert_int_equal(pipe(log_pipe), 0);
    log_configure(log_pipe[1], LOG_DEBUG, false);
    expect_status(*state, "PUT", "/v1/devices/lamp-1", enrolment, 201);
    expect_status(*state, "PUT", "/v1/devices/lamp-2", "{\"class\":\"lamp\",\"key\":\"" KEY_A, 400);
    expect_status(*state, "DELETE", "/v1/devices/lamp-1", "", 200);
    log_configure(STDERR_FILENO, LOG_WARNING, true);
    close(log_pipe[1]);
    for (ssize_t got = 1, len = 0; got > 0; len += got)
        got = read(log_pipe[0], text + len, sizeof text - 1 - (size_t)len);
    close(log_pipe[0]);
    char uid[32];
    snprintf(uid, sizeof uid, "\"uid\":%u,", getuid());
    const char *line = strstr(text, "\"event\":\"device.enrolled\",\"endpoint\":\"lamp-1\"");
    assert_non_null(line);
    assert_non_null(strstr(line, uid));
    assert_non_null(strstr(text, "\"event\":\"device.removed\""));
    assert_null(strcasestr(text, "112233"));
}

/* ---- sockets ---- */

static void test_mode_of_the_socket(void **state)
{
    struct service *service = *state;
    struct stat status;
    assert_int_equal(stat(service->socket_path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0660);
}

static enum err_code start_second(struct service *service, const char *path, struct http **out,
                                  struct err *err)
{
    struct http_config config = service->config;
    config.socket_path = path;
    config.address = NULL;
    return http_start(&config, out, err);
}

static void test_a_live_socket_is_left_alone(void **state)
{
    struct service *service = *state;
    struct http *second = NULL;
    struct err err = {0};
    assert_int_equal(start_second(service, service->socket_path, &second, &err), ERR_BUSY);
    assert_non_null(strstr(err.text, "another process serves"));
    assert_null(second);
    expect_status(service, "GET", "/livez", "", 200);
}

static void test_a_stale_socket_is_replaced(void **state)
{
    struct service *service = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/stale.sock", service->directory);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    struct http *second = NULL;
    struct err err = {0};
    assert_int_equal(start_second(service, address.sun_path, &second, &err), ERR_OK);
    struct service other = {.http = second};
    strcpy(other.socket_path, address.sun_path);
    expect_status(&other, "GET", "/livez", "", 200);
    assert_int_equal(http_port(second), 0);
    /* Somebody else's socket in the place of ours stays when we go. */
    assert_int_equal(unlink(address.sun_path), 0);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    http_stop(second);
    assert_int_equal(access(address.sun_path, F_OK), 0);
    close(fd);
}

static void test_our_socket_goes_with_us(void **state)
{
    struct service *service = *state;
    struct http *second = NULL;
    struct err err = {0};
    char path[100];
    snprintf(path, sizeof path, "%s/second.sock", service->directory);
    assert_int_equal(start_second(service, path, &second, &err), ERR_OK);
    assert_int_equal(access(path, F_OK), 0);
    http_stop(second);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_what_cannot_be_bound(void **state)
{
    struct service *service = *state;
    struct http *second = NULL;
    struct err err = {0};
    char path[200];
    snprintf(path, sizeof path, "%s/file", service->directory);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    assert_int_equal(start_second(service, path, &second, &err), ERR_EXISTS);
    assert_non_null(strstr(err.text, "is not a socket"));
    assert_int_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/none/u.sock", service->directory);
    assert_int_equal(start_second(service, path, &second, &err), ERR_IO);
    assert_non_null(strstr(err.text, "its folder must exist"));
    memset(path, 'x', 150);
    path[150] = '\0';
    assert_int_equal(start_second(service, path, &second, &err), ERR_RANGE);
    struct sockaddr_in taken = {.sin_family = AF_INET,
                                .sin_port = htons(http_port(service->http)),
                                .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    struct sockaddr_storage address = {0};
    memcpy(&address, &taken, sizeof taken);
    struct http_config config = service->config;
    config.socket_path = NULL;
    config.address = &address;
    assert_int_equal(http_start(&config, &second, &err), ERR_IO);
    assert_non_null(strstr(err.text, "cannot listen at 127.0.0.1:"));
    assert_null(second);
    http_stop(NULL);
}

static void test_ipv6(void **state)
{
    struct service *service = *state;
    struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_storage address = {0};
    memcpy(&address, &loopback, sizeof loopback);
    struct http_config config = service->config;
    config.socket_path = NULL;
    config.address = &address;
    config.address_len = sizeof loopback;
    struct http *second = NULL;
    struct err err = {0};
    if (http_start(&config, &second, &err) != ERR_OK)
        skip(); /* a machine without IPv6 */
    loopback.sin6_port = htons(http_port(second));
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&loopback, sizeof loopback), 0);
    static const char request[] =
        "GET /livez HTTP/1.1\r\nHost: [::1]:1\r\nConnection: close\r\n\r\n";
    send_all(fd, request, sizeof request - 1);
    struct answer answer = read_answer(fd);
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
    close(fd);
    http_stop(second);
}

/* ---- the end ---- */

static void test_stop_does_not_wait_for_idle_clients(void **state)
{
    struct service *service = *state;
    int idle = service_connect(service, UNIX), begun = service_connect(service, TCP);
    static const char request[] = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char byte;
    assert_true(send_all(idle, request, sizeof request - 1));
    assert_int_equal(recv(idle, &byte, 1, MSG_PEEK), 1);
    assert_true(send_all(begun, "GET /li", 7));
    uint64_t start = clock_monotonic_ms();
    http_stop(service->http);
    service->http = NULL;
    assert_true(clock_monotonic_ms() - start < 2000);
    close(idle);
    close(begun);
}

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool entered, open;
};

static struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Stands in for a slow part: says that it was reached, then waits. */
static size_t slow_ready(void *context, struct http_check *checks, size_t cap)
{
    pthread_mutex_lock(&gate.lock);
    gate.entered = true;
    pthread_cond_broadcast(&gate.changed);
    while (!gate.open)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    return service_ready(context, checks, cap);
}

static void *stop_it(void *http)
{
    http_stop(http);
    return NULL;
}

static void test_stop_answers_what_is_open(void **state)
{
    struct service *service = *state;
    http_stop(service->http);
    service->config.ready = slow_ready;
    struct err err = {0};
    assert_int_equal(http_start(&service->config, &service->http, &err), ERR_OK);
    int fd = service_connect(service, UNIX);
    static const char request[] =
        "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_true(send_all(fd, request, sizeof request - 1));
    pthread_mutex_lock(&gate.lock);
    while (!gate.entered)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    pthread_t stopper;
    assert_int_equal(pthread_create(&stopper, NULL, stop_it, service->http), 0);
    /* Stopping has begun when the socket file is gone. */
    while (access(service->socket_path, F_OK) == 0)
        usleep(1000);
    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
    struct answer answer = read_answer(fd);
    assert_int_equal(answer.status, 200);
    answer_free(&answer);
    close(fd);
    pthread_join(stopper, NULL);
    service->http = NULL;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_hosts),
        TEST(test_origins),
        TEST(test_no_changes_over_tcp),
        TEST(test_oversize_bodies),
        TEST(test_endless_body),
        TEST(test_chunked_body),
        TEST(test_broken_requests),
        TEST(test_huge_heads),
        TEST(test_pipelined_requests),
        TEST(test_slow_clients),
        TEST(test_connections_are_capped),
        TEST(test_log_of_a_change),
        TEST(test_mode_of_the_socket),
        TEST(test_a_live_socket_is_left_alone),
        TEST(test_a_stale_socket_is_replaced),
        TEST(test_our_socket_goes_with_us),
        TEST(test_what_cannot_be_bound),
        TEST(test_ipv6),
        TEST(test_stop_does_not_wait_for_idle_clients),
        TEST(test_stop_answers_what_is_open),
    };
    log_configure(STDERR_FILENO, LOG_WARNING, true);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
