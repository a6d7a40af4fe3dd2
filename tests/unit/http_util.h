/* SPDX-License-Identifier: Apache-2.0 */
/* A status endpoint over a real store, and a bare HTTP client that can also misbehave. */
#ifndef HTTP_UTIL_H
#define HTTP_UTIL_H

#include "usher/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY_A "00112233445566778899aabbccddeeff"
#define KEY_B "ffeeddccbbaa99887766554433221100"

struct service {
    char directory[32];
    char socket_path[64], store_path[64];
    struct store *store;
    struct store_lane *lane;
    struct live *live;
    struct rejects *rejects;
    struct events *events;
    struct metrics *metrics;
    struct profile_set *profiles;
    struct http *http;
    pthread_mutex_t check_lock; /* the server's threads read it */
    struct http_check check;
    char evicted[ENDPOINT_MAX + 1];
    struct http_config config;
};

static inline struct profile_set *service_profiles(void *context)
{
    return profile_set_ref(((struct service *)context)->profiles);
}

static inline size_t service_ready(void *context, struct http_check *checks, size_t cap)
{
    struct service *service = context;

    assert_true(cap > 0);
    pthread_mutex_lock(&service->check_lock);
    checks[0] = service->check;
    pthread_mutex_unlock(&service->check_lock);
    return 1;
}

static inline void service_set_check(struct service *service, struct http_check check)
{
    pthread_mutex_lock(&service->check_lock);
    service->check = check;
    pthread_mutex_unlock(&service->check_lock);
}

static inline void service_evict(void *context, const char *endpoint)
{
    strcpy(((struct service *)context)->evicted, endpoint);
}

static inline void service_load_profiles(struct service *service)
{
    static const char text[] =
        "- class: lamp\n"
        "  servers: [{ id: 101, uri: \"coaps://dm.example\", security: { mode: psk, "
        "credential: generate } }]\n"
        "- class: meter\n"
        "  match: { endpoint: \"urn:meter:*\" }\n"
        "  rebootstrap: once\n"
        "  servers: [{ id: 301, uri: \"coaps://dm.example\", security: { mode: psk, "
        "credential: enrolled } }]\n";
    struct findings findings;
    findings_init(&findings);
    service->profiles = profile_set_load_text("t.yaml", bytes_of_text(text), &findings);
    if (service->profiles == NULL)
        fail_msg("%s", findings.first->text);
    findings_clear(&findings);
}

static inline void service_open_store(struct service *service, const char *backend)
{
    struct store_config config = {.backend = backend};
    struct err err = {0};
    if (strcmp(backend, "sqlite") == 0)
        config.path = service->store_path;
    if (store_open(&config, &service->store, &err) != ERR_OK ||
        store_lane_open(service->store, &service->lane, &err) != ERR_OK)
        fail_msg("%s", err.text);
}

/* `change` may be NULL; it is called before the start. */
static inline struct service *service_start_with(const char *backend,
                                                 void (*change)(struct service *service))
{
    static const struct sockaddr_in loopback = {.sin_family = AF_INET,
                                                .sin_addr = {.s_addr = 0x0100007f}};
    static struct sockaddr_storage address;
    static const char *const hosts[] = {"usher.city.example"};
    struct service *service = calloc(1, sizeof *service);
    struct err err = {0};
    strcpy(service->directory, "/tmp/usher-http-XXXXXX");
    assert_non_null(mkdtemp(service->directory));
    snprintf(service->socket_path, sizeof service->socket_path, "%s/u.sock", service->directory);
    snprintf(service->store_path, sizeof service->store_path, "%s/u.db", service->directory);
    service_open_store(service, backend);
    service_load_profiles(service);
    service->live = live_new(1000);
    service->rejects = rejects_new(100);
    const struct events_config events = {.producers = 1};
    assert_int_equal(events_new(&events, &service->events, &err), ERR_OK);
    service->metrics = metrics_new(1);
    pthread_mutex_init(&service->check_lock, NULL);
    service->check = (struct http_check){.name = "store", .ok = true};
    memcpy(&address, &loopback, sizeof loopback);
    service->config = (struct http_config){
        .socket_path = service->socket_path,
        .address = &address,
        .address_len = sizeof loopback,
        .hosts = hosts,
        .host_count = 1,
        .version = "1.2.3",
        .store = service->store,
        .live = service->live,
        .rejects = service->rejects,
        .events = service->events,
        .metrics = service->metrics,
        .profiles = service_profiles,
        .ready = service_ready,
        .evict = service_evict,
        .context = service,
    };
    if (change != NULL)
        change(service);
    if (http_start(&service->config, &service->http, &err) != ERR_OK)
        fail_msg("%s", err.text);
    return service;
}

static inline struct service *service_start(const char *backend)
{
    return service_start_with(backend, NULL);
}

static inline void service_stop(struct service *service)
{
    char command[64];
    http_stop(service->http);
    store_lane_close(service->lane);
    store_close(service->store);
    live_free(service->live);
    rejects_free(service->rejects);
    events_free(service->events);
    metrics_free(service->metrics);
    profile_set_unref(service->profiles);
    snprintf(command, sizeof command, "rm -rf %s", service->directory);
    assert_int_equal(system(command), 0);
    free(service);
}

/* ---- a bare client ---- */

enum door { UNIX, TCP };

struct answer {
    int status;
    char *text; /* all that came, NUL-terminated */
    size_t len;
    const char *body;
    json_t *json; /* of the body, NULL when it is none */
};

static inline int service_connect(const struct service *service, enum door door)
{
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    struct sockaddr_in loopback = {.sin_family = AF_INET,
                                   .sin_port = htons(http_port(service->http)),
                                   .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    strcpy(path.sun_path, service->socket_path);
    int fd = socket(door == UNIX ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    int result = door == UNIX ? connect(fd, (struct sockaddr *)&path, sizeof path)
                              : connect(fd, (struct sockaddr *)&loopback, sizeof loopback);
    assert_int_equal(result, 0);
    return fd;
}

static inline bool send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* Reads until the server closes. */
static inline struct answer read_answer(int fd)
{
    struct answer answer = {0};
    size_t cap = 1 << 16;
    answer.text = malloc(cap + 1);
    for (;;) {
        if (answer.len == cap) {
            cap *= 2;
            answer.text = realloc(answer.text, cap + 1);
        }
        ssize_t got = recv(fd, answer.text + answer.len, cap - answer.len, 0);
        if (got <= 0)
            break;
        answer.len += (size_t)got;
    }
    answer.text[answer.len] = '\0';
    if (sscanf(answer.text, "HTTP/1.%*d %d", &answer.status) != 1)
        answer.status = 0;
    char *end = strstr(answer.text, "\r\n\r\n");
    answer.body = end != NULL ? end + 4 : answer.text + answer.len;
    answer.json = json_loads(answer.body, 0, NULL);
    return answer;
}

static inline void answer_free(struct answer *answer)
{
    json_decref(answer->json);
    free(answer->text);
    *answer = (struct answer){0};
}

static inline struct answer exchange(const struct service *service, enum door door,
                                     const char *data, size_t len)
{
    int fd = service_connect(service, door);
    send_all(fd, data, len);
    struct answer answer = read_answer(fd);
    close(fd);
    return answer;
}

/* `headers`: further header lines, each ended by CR LF, among them Host. */
static inline struct answer call_with(const struct service *service, enum door door,
                                      const char *method, const char *target, const char *headers,
                                      const char *body)
{
    char *request = NULL;
    int len =
        asprintf(&request, "%s %s HTTP/1.1\r\n%sConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                 method, target, headers, strlen(body), body);
    assert_true(len > 0);
    struct answer answer = exchange(service, door, request, (size_t)len);
    free(request);
    return answer;
}

static inline struct answer call(const struct service *service, const char *method,
                                 const char *target, const char *body)
{
    return call_with(service, UNIX, method, target, "Host: localhost\r\n", body);
}

static inline const char *text_at(const struct answer *answer, const char *key)
{
    return json_string_value(json_object_get(answer->json, key));
}

static inline json_int_t number_at(const struct answer *answer, const char *key)
{
    json_t *value = json_object_get(answer->json, key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

/* Has the header line, whatever the case of its name. */
static inline bool has_header(const struct answer *answer, const char *line)
{
    char *head = strndup(answer->text, (size_t)(answer->body - answer->text));
    bool found = strcasestr(head, line) != NULL;
    free(head);
    return found;
}

/* A problem document with everything that RFC 9457 and we ask for. */
static inline void assert_problem(struct answer *answer, int status, const char *detail)
{
    if (answer->status != status)
        fail_msg("%d instead of %d: %s", answer->status, status, answer->body);
    assert_true(has_header(answer, "\r\nContent-Type: application/problem+json\r\n"));
    assert_non_null(answer->json);
    assert_int_equal(number_at(answer, "status"), status);
    assert_string_equal(text_at(answer, "type"), "about:blank");
    assert_non_null(text_at(answer, "title"));
    assert_non_null(text_at(answer, "code"));
    assert_non_null(text_at(answer, "instance"));
    const char *given = text_at(answer, "detail");
    if (given == NULL || strstr(given, detail) == NULL)
        fail_msg("'%s' is not in '%s'", detail, given != NULL ? given : "");
}

static inline void expect_problem(const struct service *service, const char *method,
                                  const char *target, const char *body, int status,
                                  const char *detail)
{
    struct answer answer = call(service, method, target, body);
    assert_problem(&answer, status, detail);
    answer_free(&answer);
}

static inline void expect_status(const struct service *service, const char *method,
                                 const char *target, const char *body, int status)
{
    struct answer answer = call(service, method, target, body);
    if (answer.status != status)
        fail_msg("%s %s: %d instead of %d: %s", method, target, answer.status, status, answer.body);
    answer_free(&answer);
}

#endif
