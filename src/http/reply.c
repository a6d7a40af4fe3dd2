/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: JSON documents, problem documents, headers. */
#include "http_priv.h"

#include "usher/clock.h"
#include "usher/digest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void forget_answer(struct request *request)
{
    if (request->has_text)
        buf_clear(&request->text);
    request->has_text = false;
    json_decref(request->answer);
    request->answer = NULL;
    if (request->response != NULL)
        MHD_destroy_response(request->response);
    request->response = NULL;
}

void http_answer(struct request *request, unsigned status, json_t *answer)
{
    forget_answer(request);
    request->answer = answer;
    request->status = status;
    request->is_problem = false;
    if (answer == NULL)
        request->out_of_memory = true;
}

void http_answer_with(struct request *request, unsigned status, const char *content_type,
                      struct MHD_Response *response)
{
    forget_answer(request);
    request->response = response;
    request->content_type = content_type;
    request->status = status;
    request->is_problem = false;
}

void http_answer_text(struct request *request, unsigned status, const char *content_type,
                      struct buf *text)
{
    forget_answer(request);
    request->text = *text;
    request->has_text = true;
    request->content_type = content_type;
    request->status = status;
    request->is_problem = false;
    buf_init(text, text->max); /* the memory is the request's */
}

void http_retry_later(struct request *request, unsigned status, unsigned seconds, const char *code,
                      const char *detail)
{
    http_problem(request, status, code, "%s", detail);
    request->retry_seconds = seconds;
}

void http_problem(struct request *request, unsigned status, const char *code, const char *format,
                  ...)
{
    char detail[ERR_TEXT_MAX + 128];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    json_t *problem = json_object();
    http_put_text(request, problem, "type", "about:blank");
    http_put_text(request, problem, "title", MHD_get_reason_phrase_for(status));
    http_put_number(request, problem, "status", status);
    http_put_text(request, problem, "code", code);
    http_put_text(request, problem, "detail", detail);
    http_put_text(request, problem, "instance", request->path);
    http_answer(request, status, problem);
    request->is_problem = true;
}

bool http_refuse(struct request *request, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    http_problem(request, 400, "invalid", "%s", text);
    return false;
}

static unsigned status_of(enum err_code code)
{
    static const unsigned statuses[ERR_CODE_COUNT] = {
        [ERR_INVALID] = 400,     [ERR_RANGE] = 400,  [ERR_TOO_LARGE] = 413,
        [ERR_NOT_FOUND] = 404,   [ERR_EXISTS] = 409, [ERR_CONFLICT] = 409,
        [ERR_DENIED] = 403,      [ERR_IO] = 503,     [ERR_TIMEOUT] = 504,
        [ERR_UNAVAILABLE] = 503, [ERR_BUSY] = 503,   [ERR_READ_ONLY] = 503,
        [ERR_NO_MEMORY] = 503,
    };
    unsigned status = (unsigned)code < ERR_CODE_COUNT ? statuses[code] : 0;
    return status != 0 ? status : 500;
}

void http_problem_of(struct request *request, const struct err *err)
{
    http_problem(request, status_of(err->code), err_name(err->code), "%s",
                 err->text[0] != '\0' ? err->text : err_name(err->code));
}

/* ---- parts of a document ---- */

void http_put(struct request *request, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new_nocheck(object, key, value) != 0)
        request->out_of_memory = true;
}

void http_append(struct request *request, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        request->out_of_memory = true;
}

/* "hex:" and the bytes. */
static json_t *hex_json(struct bytes data)
{
    char *text = malloc(4 + BYTES_HEX_SIZE(data.len));
    if (text == NULL)
        return NULL;
    memcpy(text, "hex:", 4);
    bytes_to_hex(data, text + 4);
    json_t *value = json_string(text);
    free(text);
    return value;
}

void http_put_text(struct request *request, json_t *object, const char *key, const char *text)
{
    if (text == NULL)
        http_put(request, object, key, json_null());
    else if (bytes_is_utf8(bytes_of_text(text)))
        http_put(request, object, key, json_string_nocheck(text));
    else
        http_put(request, object, key, hex_json(bytes_of_text(text)));
}

void http_put_number(struct request *request, json_t *object, const char *key, uint64_t number)
{
    http_put(request, object, key,
             json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number));
}

void http_put_time(struct request *request, json_t *object, const char *key, int64_t wall_ms)
{
    char text[CLOCK_TEXT_SIZE];
    clock_wall_text(wall_ms, text);
    http_put_text(request, object, key, wall_ms != 0 ? text : NULL);
}

/* Text that a person can read and that does not look like our other form. */
static bool is_readable(struct bytes data)
{
    if (!bytes_is_utf8(data) || (data.len >= 4 && memcmp(data.data, "hex:", 4) == 0))
        return false;
    for (size_t i = 0; i < data.len; i++) {
        if (data.data[i] < 0x20 || data.data[i] == 0x7f)
            return false;
    }
    return true;
}

void http_put_fingerprint(struct request *request, json_t *object, const char *key,
                          const struct secret *secret)
{
    char text[DIGEST_FINGERPRINT_SIZE];
    bool shown = secret->len > 0 && request->who.scope >= HTTP_OPERATOR;
    if (shown)
        digest_fingerprint(secret_bytes(secret), text);
    http_put_text(request, object, key, shown ? text : NULL);
}

bool http_identity_is_readable(const struct identity *identity)
{
    return is_readable(identity_bytes(identity));
}

void http_put_identity(struct request *request, json_t *object, const char *key,
                       const struct identity *identity)
{
    struct bytes data = identity_bytes(identity);
    if (data.len == 0)
        http_put(request, object, key, json_null());
    else if (is_readable(data))
        http_put(request, object, key, json_stringn_nocheck((const char *)data.data, data.len));
    else
        http_put(request, object, key, hex_json(data));
}

bool http_identity_from_text(const char *text, struct identity *out)
{
    uint8_t data[IDENTITY_MAX];
    size_t len = 0;
    if (strncmp(text, "hex:", 4) != 0)
        return identity_set(out, bytes_of_text(text));
    return bytes_from_hex(text + 4, strlen(text + 4), data, sizeof data, &len) &&
           identity_set(out, bytes_of(data, len));
}

/* ---- sending ---- */

static int append(const char *data, size_t len, void *context)
{
    struct buf *out = context;
    buf_put(out, data, len);
    return out->failed ? -1 : 0;
}

static void write_document(struct request *request, struct buf *out)
{
    static const char lost[] = "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\","
                               "\"status\":500,\"code\":\"no-memory\","
                               "\"detail\":\"the answer could not be built: out of memory\"}";
    bool whole = !request->out_of_memory && request->status != 0 &&
                 json_dump_callback(request->answer, append, out, JSON_COMPACT) == 0;
    if (whole)
        buf_put_u8(out, '\n');
    if (whole && !out->failed)
        return;
    request->status = 500;
    request->is_problem = true;
    buf_reset(out);
    buf_put_text(out, lost);
}

static bool add_headers(struct request *request, struct MHD_Response *response)
{
    bool tls = !request->door->is_unix && request->http->certificate_path != NULL;
    char retry[12];
    snprintf(retry, sizeof retry, "%u", request->retry_seconds);
    const char *json = request->is_problem ? "application/problem+json" : "application/json";
    const struct {
        const char *name, *value;
    } headers[] = {
        {MHD_HTTP_HEADER_CONTENT_TYPE,
         request->content_type != NULL ? request->content_type : json},
        {MHD_HTTP_HEADER_CACHE_CONTROL,
         request->etag[0] != '\0' ? "private, no-cache" : "no-store"},
        {MHD_HTTP_HEADER_ETAG, request->etag[0] != '\0' ? request->etag : NULL},
        {"X-Content-Type-Options", "nosniff"},
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src "
         "'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
        {"Referrer-Policy", "no-referrer"},
        {"Strict-Transport-Security", tls ? "max-age=31536000" : NULL},
        {"X-Request-Id", request->id},
        {"Idempotency-Replayed", request->replayed ? "true" : NULL},
        {MHD_HTTP_HEADER_WWW_AUTHENTICATE,
         request->status == 401 ? "Bearer realm=\"usher\"" : NULL},
        {MHD_HTTP_HEADER_RETRY_AFTER, request->retry_seconds > 0 ? retry : NULL},
        {MHD_HTTP_HEADER_ALLOW, request->allow[0] != '\0' ? request->allow : NULL},
    };
    bool good = true;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        if (headers[i].value != NULL)
            good =
                MHD_add_response_header(response, headers[i].name, headers[i].value) == MHD_YES &&
                good;
    }
    return good;
}

/* What is to be sent, as bytes. False when even that cannot be made. */
static bool make_document(struct request *request, struct buf *out)
{
    if (request->has_text && !request->out_of_memory) {
        *out = request->text;
        request->has_text = false;
        return true;
    }
    request->content_type = NULL;
    buf_init(out, HTTP_ANSWER_MAX);
    write_document(request, out);
    return !out->failed;
}

/* Answers to GET can be asked for again: the caller may have this one already. */
static bool settle_etag(struct request *request, struct bytes document)
{
    bool is_get = request->route != NULL && strcmp(request->route->method, "GET") == 0;
    if (!is_get || request->status != 200)
        return false;
    http_make_etag(request->http, document, request->etag);
    return http_has_it_already(request);
}

/* The answer as a response; NULL when even that cannot be made. */
static struct MHD_Response *make_response(struct request *request)
{
    struct buf out;
    struct MHD_Response *response = request->response;
    if (response != NULL && !request->out_of_memory)
        return response;
    bool good = make_document(request, &out);
    if (good && settle_etag(request, buf_bytes(&out))) {
        request->status = 304;
        buf_reset(&out);
    }
    if (good)
        http_repeat_end(request, buf_bytes(&out));
    /* The response owns the memory from here on, and wipes it: it may hold a new key. */
    if (good)
        response =
            MHD_create_response_from_buffer_with_free_callback(out.len, out.data, bytes_wipe_free);
    if (response == NULL)
        buf_clear(&out);
    return response;
}

enum MHD_Result http_send(struct request *request)
{
    struct MHD_Response *response = make_response(request);
    if (response == NULL)
        return MHD_NO;
    enum MHD_Result result = MHD_NO;
    if (add_headers(request, response))
        result = MHD_queue_response(request->connection, request->status, response);
    if (response != request->response)
        MHD_destroy_response(response);
    return result;
}
