/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/events: what a reader gets as it happens, filters, resuming, hang-ups, the end. */
#include "http_util.h"

#include "usher/clock.h"
#include "usher/log.h"

#include <poll.h>

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

static void post(const struct service *service, const char *endpoint, const char *class_name)
{
    const struct event event = {
        .kind = EVENT_OPERATION, .wall_ms = 1, .endpoint = endpoint, .class_name = class_name};
    events_post(service->events, 0, &event);
}

/* An open stream: the connection and all that came so far. */
struct stream {
    int fd;
    char text[65536];
    size_t len;
};

static void open_stream(const struct service *service, struct stream *stream, enum door door,
                        const char *query, const char *headers)
{
    char request[512];
    int len = snprintf(request, sizeof request,
                       "GET /v1/events%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", query, headers);
    *stream = (struct stream){.fd = service_connect(service, door)};
    assert_true(send_all(stream->fd, request, (size_t)len));
}

/* False at the end of the stream. */
static bool read_more(struct stream *stream)
{
    struct pollfd wait = {.fd = stream->fd, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 30000), 1);
    assert_true(stream->len + 1 < sizeof stream->text);
    ssize_t got =
        recv(stream->fd, stream->text + stream->len, sizeof stream->text - stream->len - 1, 0);
    if (got <= 0)
        return false;
    stream->len += (size_t)got;
    stream->text[stream->len] = '\0';
    return true;
}

static void read_until(struct stream *stream, const char *text)
{
    while (strstr(stream->text, text) == NULL)
        if (!read_more(stream))
            fail_msg("'%s' did not come: %s", text, stream->text);
}

static void close_stream(struct stream *stream)
{
    close(stream->fd);
}

static unsigned readers(const struct service *service)
{
    struct events_stats stats;
    events_stats(service->events, &stats);
    return stats.readers;
}

static void test_events_as_they_happen(void **state)
{
    struct service *service = *state;
    for (int door = UNIX; door <= TCP; door++) {
        struct stream stream;
        open_stream(service, &stream, (enum door)door, "", "");
        read_until(&stream, ": the stream begins");
        assert_non_null(strstr(stream.text, "Content-Type: text/event-stream\r\n"));
        assert_non_null(strstr(stream.text, "Cache-Control: no-store\r\n"));
        post(service, "lamp-1", "lamp");
        read_until(&stream, "\"endpoint\":\"lamp-1\",\"class\":\"lamp\"}");
        post(service, "lamp-2", "lamp");
        read_until(&stream, "\"endpoint\":\"lamp-2\",\"class\":\"lamp\"}");
        close_stream(&stream);
    }
}

static void test_changes_are_told(void **state)
{
    struct service *service = *state;
    struct stream stream;
    open_stream(service, &stream, UNIX, "?event=enrolment", "");
    read_until(&stream, ": the stream begins");
    expect_status(service, "PUT", "/v1/devices/lamp-1",
                  "{\"class\":\"lamp\",\"key\":\"" KEY_A "\"}", 201);
    expect_status(service, "PUT", "/v1/devices/lamp-1",
                  "{\"class\":\"lamp\",\"key\":\"" KEY_A "\"}", 200);
    expect_status(service, "POST", "/v1/devices/lamp-1/block", "", 200);
    expect_status(service, "DELETE", "/v1/devices/lamp-1", "", 200);
    read_until(&stream, "\"change\":\"removed\"");
    assert_non_null(strstr(stream.text, "\"class\":\"lamp\",\"change\":\"enrolled\""));
    assert_non_null(strstr(stream.text, "\"change\":\"blocked\""));
    assert_null(strstr(strstr(stream.text, "enrolled\"") + 1, "enrolled\""));
    assert_null(strstr(stream.text, KEY_A));
    close_stream(&stream);
}

static void test_filters(void **state)
{
    struct service *service = *state;
    static const char *const queries[] = {"?class=lamp", "?endpoint=lamp-1",
                                          "?class=lamp&endpoint=lamp-1&event=outcome,operation"};
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        struct stream stream;
        open_stream(service, &stream, UNIX, queries[i], "");
        read_until(&stream, ": the stream begins");
        post(service, "meter-1", "meter");
        post(service, "lamp-1", "lamp");
        read_until(&stream, "lamp-1");
        assert_null(strstr(stream.text, "meter"));
        close_stream(&stream);
    }
    expect_problem(service, "GET", "/v1/events?event=operatoin", "", 400, "operation, outcome");
    expect_problem(service, "GET", "/v1/events?kind=x", "", 400, "unknown query parameter 'kind'");
    expect_problem(service, "POST", "/v1/events", "", 405, "GET");
}

static void test_resume(void **state)
{
    struct service *service = *state;
    struct stream stream;
    char id[EVENTS_ID_SIZE], header[80], query[80];
    open_stream(service, &stream, UNIX, "", "");
    read_until(&stream, ": the stream begins");
    post(service, "lamp-1", "lamp");
    read_until(&stream, "lamp-1\"");
    assert_int_equal(sscanf(strstr(stream.text, "\nid: "), "\nid: %39s", id), 1);
    close_stream(&stream);
    post(service, "lamp-2", "lamp");
    snprintf(header, sizeof header, "Last-Event-ID: %s\r\n", id);
    snprintf(query, sizeof query, "?last-event-id=%s", id);
    for (int i = 0; i < 2; i++) {
        open_stream(service, &stream, UNIX, i == 0 ? "" : query, i == 0 ? header : "");
        read_until(&stream, "lamp-2\"");
        assert_null(strstr(stream.text, "lamp-1"));
        assert_null(strstr(stream.text, "event: gap"));
        close_stream(&stream);
    }
    /* What is there, and no more. */
    struct answer answer = call(service, "GET", "/v1/events?last-event-id=0-0&follow=false", "");
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.text, "\"reason\":\"restart\""));
    assert_non_null(strstr(answer.text, "lamp-2"));
    answer_free(&answer);
    expect_problem(service, "GET", "/v1/events?last-event-id=zebra", "", 400, "last event id");
}

/* A reader that has gone gives its place back; nobody else notices. */
static void test_hang_up(void **state)
{
    struct service *service = *state;
    struct stream streams[20], witness;
    open_stream(service, &witness, UNIX, "", "");
    read_until(&witness, ": the stream begins");
    for (int i = 0; i < 20; i++) {
        open_stream(service, &streams[i], i % 2 == 0 ? UNIX : TCP, "", "");
        read_until(&streams[i], ": the stream begins");
    }
    assert_int_equal(readers(service), 21);
    for (int i = 0; i < 20; i++)
        close_stream(&streams[i]);
    uint64_t end = clock_monotonic_ms() + 30000;
    for (int i = 0; readers(service) > 1; i++) {
        char name[32], last[40];
        assert_true(clock_monotonic_ms() < end);
        snprintf(name, sizeof name, "lamp-%d", i);
        post(service, name, "lamp");
        snprintf(last, sizeof last, "%s\"", name);
        read_until(&witness, last);
        witness.len = 0;
    }
    close_stream(&witness);
}

static void test_stop_ends_streams(void **state)
{
    (void)state;
    struct service *service = service_start("memory");
    struct stream streams[2];
    for (int i = 0; i < 2; i++) {
        open_stream(service, &streams[i], i == 0 ? UNIX : TCP, "", "");
        read_until(&streams[i], ": the stream begins");
    }
    uint64_t began = clock_monotonic_ms();
    service_stop(service);
    assert_true(clock_monotonic_ms() - began < 2500); /* nobody's patience was needed */
    for (int i = 0; i < 2; i++) {
        while (read_more(&streams[i]))
            ;
        assert_non_null(strstr(streams[i].text, "\r\n0\r\n\r\n"));
        close_stream(&streams[i]);
    }
}

static void test_too_many(void **state)
{
    struct service *service = *state;
    struct stream *streams = calloc(256, sizeof *streams);
    for (int i = 0; i < 256; i++) {
        open_stream(service, &streams[i], UNIX, "", "");
        read_until(&streams[i], ": the stream begins");
    }
    struct answer answer = call(service, "GET", "/v1/events", "");
    assert_problem(&answer, 503, "too many readers");
    assert_true(has_header(&answer, "\r\nRetry-After: 5\r\n"));
    answer_free(&answer);
    expect_status(service, "GET", "/v1/status", "", 200);
    for (int i = 0; i < 256; i++)
        close_stream(&streams[i]);
    free(streams);
}

int main(void)
{
    log_configure(-1, LOG_ERROR, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_events_as_they_happen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changes_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_filters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_resume, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hang_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_many, set_up, tear_down),
        cmocka_unit_test(test_stop_ends_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
