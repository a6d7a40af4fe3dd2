/* SPDX-License-Identifier: Apache-2.0 */
/* From libmicrohttpd's callbacks to a handler: the checks that every request passes, its body. */
#include "http_priv.h"

#include "usher/clock.h"
#include "usher/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void forget_body(struct request *request)
{
    buf_clear(&request->body);
    atomic_fetch_sub(&request->http->body_bytes, request->body_counted);
    request->body_counted = 0;
}

static void request_free(struct request *request)
{
    forget_body(request);
    http_leave_upload(request);
    http_repeat_end(request, bytes_of(NULL, 0)); /* when it was not sent */
    json_decref(request->answer);
    if (request->has_text)
        buf_clear(&request->text);
    if (request->response != NULL)
        MHD_destroy_response(request->response);
    free(request->parameters);
    free(request);
}

/* The caller's own id, if it can stand in a log; else a number. */
static void take_request_id(struct request *request)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const char *given =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "X-Request-Id");
    size_t len = given != NULL ? strlen(given) : 0;
    if (len > 0 && len <= HTTP_REQUEST_ID_MAX && strspn(given, plain) == len)
        strcpy(request->id, given);
    else
        snprintf(request->id, sizeof request->id, "%llu",
                 (unsigned long long)atomic_fetch_add(&request->http->next_id, 1) + 1);
}

static struct request *request_new(struct http_door *door, struct MHD_Connection *connection,
                                   const char *path)
{
    struct request *request = calloc(1, sizeof *request);
    if (request == NULL)
        return NULL;
    request->door = door;
    request->http = door->http;
    request->connection = connection;
    request->path = path;
    request->started_us = clock_monotonic_us();
    buf_init(&request->body, HTTP_BODY_MAX);
    take_request_id(request);
    pthread_mutex_lock(&door->http->open_lock);
    door->http->open_requests++;
    pthread_mutex_unlock(&door->http->open_lock);
    return request;
}

void http_completed(void *door, struct MHD_Connection *connection, void **context,
                    enum MHD_RequestTerminationCode why)
{
    (void)connection;
    (void)why;
    struct http *http = ((struct http_door *)door)->http;
    if (*context == NULL)
        return;
    request_free(*context);
    *context = NULL;
    pthread_mutex_lock(&http->open_lock);
    if (--http->open_requests == 0)
        pthread_cond_broadcast(&http->all_done);
    pthread_mutex_unlock(&http->open_lock);
}

static bool is_read(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* Everything that can be said of a request before its body. */
static void check_head(struct request *request, const char *method)
{
    if (!http_check_origin(request))
        return;
    http_find_route(request, method);
    http_check_access(request);
    /* What is taken as it comes is begun here, so its repeats are known here too. */
    if (request->status == 0 && request->route->begin != NULL && http_repeat_begin(request))
        request->route->begin(request);
}

/* A body larger than we would even throw away; the answer then comes at once, and the connection
 * ends. */
static bool announces_too_much(struct request *request)
{
    const char *text = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
                                                   MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (request->status == 0 && request->route->piece != NULL)
        return false;
    return text != NULL && strtoull(text, NULL, 10) > HTTP_DISCARD_MAX;
}

static void refuse_body(struct request *request)
{
    http_problem(request, 413, "too-large", "the body is larger than %d bytes", HTTP_BODY_MAX);
}

/* Keeps a piece of the body, or counts it as thrown away when the request is refused already. */
static bool take_body(struct request *request, const char *data, size_t len)
{
    struct http *http = request->http;
    bool wanted = request->status == 0 && !is_read(request->route->method);
    if (wanted && request->route->piece != NULL) {
        request->route->piece(request, bytes_of(data, len));
    } else if (wanted && len > HTTP_BODY_MAX - request->body.len) {
        refuse_body(request);
    } else if (wanted && atomic_load(&http->body_bytes) + len > HTTP_BODIES_MAX) {
        http_problem(request, 503, "busy", "too many large requests at one time; try again");
    } else if (wanted) {
        atomic_fetch_add(&http->body_bytes, len);
        request->body_counted += len;
        buf_put(&request->body, data, len);
        request->out_of_memory = request->body.failed;
    } else {
        request->discarded += len;
    }
    if (request->status != 0)
        forget_body(request);
    /* The library's buffer is not const; a key may stand in it, and the next request's bytes may
     * never overwrite that place. */
    bytes_wipe((void *)(uintptr_t)data, len);
    return request->discarded <= HTTP_DISCARD_MAX;
}

static void log_request(const struct request *request, const char *method)
{
    log_event(LOG_DEBUG, "http.request", LOG_TEXT("request", request->id),
              LOG_TEXT("method", method), LOG_TEXT("path", request->path),
              LOG_NUMBER("status", request->status),
              LOG_NUMBER("duration_us", (int64_t)(clock_monotonic_us() - request->started_us)),
              LOG_TEXT("by", request->who.name));
}

static enum MHD_Result answer(struct request *request, const char *method)
{
    if (request->status == 0 && (request->route->begin != NULL || http_repeat_begin(request)))
        request->route->handle(request);
    log_request(request, method);
    enum MHD_Result result = http_send(request);
    http_count_answer(request);
    return result;
}

enum MHD_Result http_handle(void *door, struct MHD_Connection *connection, const char *path,
                            const char *method, const char *version, const char *data,
                            size_t *data_len, void **context)
{
    (void)version;
    struct request *request = *context;
    if (request == NULL) {
        request = request_new(door, connection, path);
        *context = request;
        if (request == NULL)
            return MHD_NO;
        check_head(request, method);
        if (!announces_too_much(request))
            return MHD_YES;
        if (request->status == 0)
            refuse_body(request);
        return answer(request, method);
    }
    if (*data_len > 0) {
        bool go_on = take_body(request, data, *data_len);
        *data_len = 0;
        return go_on ? MHD_YES : MHD_NO;
    }
    return answer(request, method);
}
