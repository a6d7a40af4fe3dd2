/* SPDX-License-Identifier: Apache-2.0 */
/* Idempotency-Key: a POST that is sent again, because its answer was lost, is not done again. A
 * bounded list in memory; an answer that held a secret is not kept. */
#include "http_priv.h"

#include "usher/clock.h"

#include <stdlib.h>
#include <string.h>

enum { KEPT_MS = 3600000, ANSWER_KEPT_MAX = 65536 };

static bool is_key(const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if (text[i] <= 0x20 || text[i] >= 0x7f)
            return false;
    return len > 0 && len <= HTTP_REPEAT_KEY_MAX;
}

/* Everything that makes one request another: path, query, body. */
static enum MHD_Result add_argument(void *context, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    (void)kind;
    buf_printf(context, "&%s=%s", name, value != NULL ? value : "");
    return MHD_YES;
}

static uint64_t fingerprint(struct request *request)
{
    struct buf text;
    buf_init(&text, HTTP_BODY_MAX + HTTP_CONNECTION_MEMORY);
    buf_put_text(&text, request->path);
    MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, add_argument, &text);
    buf_put_u8(&text, 0);
    buf_put_bytes(&text, buf_bytes(&request->body));
    uint64_t hash = bytes_hash(request->http->hash_key, buf_bytes(&text));
    buf_clear(&text);
    return hash;
}

static void forget(struct http_repeat *repeat)
{
    buf_clear(&repeat->answer);
    *repeat = (struct http_repeat){0};
}

/* The entry of that key and caller; else a free one, else that of the oldest answer. NULL: all are
 * in use. */
static struct http_repeat *find(struct http_repeats *repeats, const char *key, const char *who,
                                uint64_t now_ms)
{
    struct http_repeat *best = NULL;
    for (size_t i = 0; i < HTTP_REPEATS_MAX; i++) {
        struct http_repeat *repeat = &repeats->list[i];
        if (repeat->state == HTTP_REPEAT_DONE && now_ms - repeat->at_ms > KEPT_MS)
            forget(repeat);
        if (repeat->state != HTTP_REPEAT_FREE && strcmp(repeat->key, key) == 0 &&
            strcmp(repeat->who, who) == 0)
            return repeat;
        if (repeat->state == HTTP_REPEAT_RUNNING)
            continue;
        if (best == NULL || repeat->state == HTTP_REPEAT_FREE ||
            (best->state == HTTP_REPEAT_DONE && repeat->at_ms < best->at_ms))
            best = repeat;
    }
    return best;
}

static void answer_again(struct request *request, const struct http_repeat *repeat)
{
    if (!repeat->kept) {
        http_problem(request, 409, "exists",
                     "this request was done, with status %u; its answer held a secret, which is "
                     "shown once",
                     repeat->status);
        return;
    }
    buf_init(&request->text, ANSWER_KEPT_MAX);
    buf_put_bytes(&request->text, buf_bytes(&repeat->answer));
    request->has_text = true;
    request->content_type = repeat->is_problem ? "application/problem+json" : "application/json";
    request->status = repeat->status;
    request->replayed = true;
}

/* Whether the handler is to run. */
static bool begin(struct request *request, struct http_repeat *repeat, const char *key,
                  uint64_t print)
{
    bool fresh = repeat->state == HTTP_REPEAT_FREE || strcmp(repeat->key, key) != 0 ||
                 strcmp(repeat->who, request->who.name) != 0;
    if (fresh) {
        forget(repeat);
        repeat->state = HTTP_REPEAT_RUNNING;
        repeat->fingerprint = print;
        strcpy(repeat->key, key);
        strcpy(repeat->who, request->who.name);
        request->repeat = repeat;
    } else if (repeat->fingerprint != print) {
        http_problem(request, 422, "conflict",
                     "this Idempotency-Key was used for another request; choose a new one");
    } else if (repeat->state == HTTP_REPEAT_RUNNING) {
        http_retry_later(request, 409, 1, "busy",
                         "the request with this Idempotency-Key is still being done");
    } else {
        answer_again(request, repeat);
    }
    return fresh;
}

bool http_repeat_begin(struct request *request)
{
    struct http_repeats *repeats = &request->http->repeats;
    const char *key =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Idempotency-Key");
    if (key == NULL || strcmp(request->route->method, "POST") != 0)
        return true;
    if (!is_key(key)) {
        http_problem(request, 400, "invalid",
                     "Idempotency-Key: 1 to %d visible characters are needed", HTTP_REPEAT_KEY_MAX);
        return false;
    }
    uint64_t print = fingerprint(request);
    pthread_mutex_lock(&repeats->lock);
    struct http_repeat *repeat = find(repeats, key, request->who.name, clock_monotonic_ms());
    bool go_on = repeat == NULL || begin(request, repeat, key, print);
    pthread_mutex_unlock(&repeats->lock);
    return go_on;
}

/* An answer of ours that tells of a passing trouble is not kept: the next try is a new one. */
void http_repeat_end(struct request *request, struct bytes answer)
{
    struct http_repeats *repeats = &request->http->repeats;
    struct http_repeat *repeat = request->repeat;
    if (repeat == NULL)
        return;
    request->repeat = NULL;
    pthread_mutex_lock(&repeats->lock);
    if (request->status == 0 || request->status >= 500 || request->status == 429) {
        forget(repeat);
    } else {
        repeat->state = HTTP_REPEAT_DONE;
        repeat->at_ms = clock_monotonic_ms();
        repeat->status = request->status;
        repeat->is_problem = request->is_problem;
        buf_init(&repeat->answer, ANSWER_KEPT_MAX);
        if (!request->holds_secret)
            buf_put_bytes(&repeat->answer, answer);
        repeat->kept = !request->holds_secret && !repeat->answer.failed;
    }
    pthread_mutex_unlock(&repeats->lock);
}

void http_repeats_clear(struct http_repeats *repeats)
{
    for (size_t i = 0; i < HTTP_REPEATS_MAX; i++)
        forget(&repeats->list[i]);
}
