/* SPDX-License-Identifier: Apache-2.0 */
/* Is it alive, can it serve, what does it do: /livez /readyz /v1/status /v1/rejects. */
#include "http_priv.h"

#include "usher/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHECKS_MAX = 16 };

static const char *const no_parameters[] = {NULL};

void http_get_livez(struct request *request)
{
    if (http_read_query(request, no_parameters))
        http_answer(request, 200, json_pack("{s:b}", "live", 1));
}

/* ---- readiness ---- */

/* {"ready": .., "checks": [..]} added to an object. */
static bool put_readiness(struct request *request, json_t *object)
{
    const struct http_config *config = &request->http->config;
    struct http_check checks[CHECKS_MAX];
    size_t count = config->ready(config->context, checks, CHECKS_MAX);
    bool ready = true;
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        ready = ready && checks[i].ok;
        json_t *check = json_object();
        http_put_text(request, check, "name", checks[i].name);
        http_put(request, check, "ok", json_boolean(checks[i].ok));
        http_put_text(request, check, "reason", checks[i].ok ? NULL : checks[i].reason);
        http_append(request, list, check);
    }
    http_put(request, object, "ready", json_boolean(ready));
    http_put(request, object, "checks", list);
    return ready;
}

void http_get_readyz(struct request *request)
{
    if (!http_read_query(request, no_parameters))
        return;
    json_t *answer = json_object();
    bool ready = put_readiness(request, answer);
    http_answer(request, ready ? 200 : 503, answer);
}

/* ---- status ---- */

static uint64_t sum_states(const uint64_t by_state[STATE_COUNT])
{
    uint64_t total = 0;
    for (int i = 0; i < STATE_COUNT; i++)
        total += by_state[i];
    return total;
}

static json_t *states_json(struct request *request, const uint64_t by_state[STATE_COUNT],
                           const enum device_state *states, size_t count)
{
    json_t *object = json_object();
    for (size_t i = 0; i < count; i++)
        http_put_number(request, object, device_state_name(states[i]), by_state[states[i]]);
    return object;
}

static const enum device_state lasting[] = {STATE_NEW,    STATE_BOOTSTRAPPED, STATE_UNCONFIRMED,
                                            STATE_FAILED, STATE_HELD,         STATE_BLOCKED};
static const enum device_state passing[] = {STATE_SEEN, STATE_WRITING, STATE_VERIFYING};
enum {
    LASTING_COUNT = sizeof lasting / sizeof lasting[0],
    PASSING_COUNT = sizeof passing / sizeof passing[0],
};

static json_t *class_json(struct request *request, const struct store_count *count)
{
    json_t *object = json_object();
    http_put_text(request, object, "class",
                  count->class_name[0] != '\0' ? count->class_name : NULL);
    http_put_number(request, object, "total", sum_states(count->by_state));
    http_put(request, object, "by_state",
             states_json(request, count->by_state, lasting, LASTING_COUNT));
    return object;
}

/* Their number may grow between two calls. */
struct store_count *http_read_counts(struct store *store, size_t *count)
{
    size_t cap = 0, there = 16;
    struct store_count *counts = NULL;
    while (there > cap) {
        cap = there + 16;
        free(counts);
        counts = calloc(cap, sizeof *counts);
        if (counts == NULL)
            return NULL;
        there = store_counts(store, counts, cap);
    }
    *count = there;
    return counts;
}

static json_t *devices_json(struct request *request)
{
    size_t count = 0;
    struct store_count *counts = http_read_counts(request->http->config.store, &count);
    if (counts == NULL)
        return NULL;
    uint64_t all[STATE_COUNT] = {0};
    json_t *classes = json_array();
    for (size_t i = 0; i < count; i++) {
        for (int state = 0; state < STATE_COUNT; state++)
            all[state] += counts[i].by_state[state];
        if (sum_states(counts[i].by_state) > 0)
            http_append(request, classes, class_json(request, &counts[i]));
    }
    free(counts);
    json_t *devices = json_object();
    http_put_number(request, devices, "total", sum_states(all));
    http_put(request, devices, "by_state", states_json(request, all, lasting, LASTING_COUNT));
    http_put(request, devices, "by_class", classes);
    return devices;
}

static json_t *reject_totals_json(struct request *request)
{
    uint64_t totals[CAUSE_LAST];
    rejects_totals(request->http->config.rejects, totals);
    json_t *object = json_object();
    for (int i = 0; i < CAUSE_LAST; i++) {
        if (totals[i] > 0)
            http_put_number(request, object, cause_name((enum cause)i), totals[i]);
    }
    return object;
}

static json_t *store_json(struct request *request)
{
    struct store *store = request->http->config.store;
    struct store_metrics metrics = {0};
    struct err err = {0};
    store_metrics(store, &metrics);
    bool healthy = store_health(store, &err) == ERR_OK;
    json_t *object = json_object();
    http_put_text(request, object, "backend", metrics.backend);
    http_put(request, object, "healthy", json_boolean(healthy));
    http_put_text(request, object, "reason", healthy ? NULL : err.text);
    http_put_number(request, object, "schema_version", (uint64_t)metrics.schema_version);
    http_put_number(request, object, "commits", metrics.commits);
    http_put_number(request, object, "rows", metrics.rows);
    http_put_number(request, object, "failures", metrics.failures);
    http_put_number(request, object, "queue_depth", metrics.queue_depth);
    http_put_number(request, object, "unfolded", metrics.unfolded);
    return object;
}

/* ---- failures by cause ---- */

struct failure {
    enum cause cause;
    uint64_t last_hour, since_start;
};

static int by_count(const void *a, const void *b)
{
    const struct failure *left = a, *right = b;
    uint64_t first = left->last_hour != right->last_hour ? left->last_hour : left->since_start;
    uint64_t second = left->last_hour != right->last_hour ? right->last_hour : right->since_start;
    return (first < second) - (first > second);
}

/* False: no memory. */
static bool count_failures(const struct metrics *metrics, struct failure failures[CAUSE_LAST])
{
    struct metrics_minute minutes[METRICS_MINUTES];
    struct metrics_class *classes = calloc(METRICS_CLASSES_MAX + 1, sizeof *classes);
    if (classes == NULL)
        return false;
    size_t count = metrics_classes(metrics, classes);
    metrics_series(metrics, clock_wall_ms(), minutes);
    for (size_t cause = 0; cause < CAUSE_LAST; cause++) {
        failures[cause] = (struct failure){.cause = (enum cause)cause};
        for (size_t i = 0; i < count; i++)
            failures[cause].since_start += classes[i].failed[cause];
        for (size_t i = 0; i < METRICS_MINUTES; i++)
            failures[cause].last_hour += minutes[i].failed[cause];
    }
    free(classes);
    return true;
}

static json_t *failures_json(struct request *request)
{
    struct failure failures[CAUSE_LAST];
    json_t *list = json_array();
    if (!count_failures(request->http->config.metrics, failures)) {
        request->out_of_memory = true;
        return list;
    }
    qsort(failures, CAUSE_LAST, sizeof failures[0], by_count);
    for (size_t i = 0; i < CAUSE_LAST && failures[i].since_start > 0; i++) {
        json_t *item = json_object();
        http_put_text(request, item, "cause", cause_name(failures[i].cause));
        http_put_text(request, item, "cause_text", cause_advice(failures[i].cause));
        http_put_number(request, item, "last_hour", failures[i].last_hour);
        http_put_number(request, item, "since_start", failures[i].since_start);
        http_append(request, list, item);
    }
    return list;
}

void http_get_status(struct request *request)
{
    if (!http_read_query(request, no_parameters))
        return;
    struct http *http = request->http;
    uint64_t live[STATE_COUNT];
    live_counts(http->config.live, live);
    json_t *answer = json_object();
    http_put_text(request, answer, "version", http->version);
    http_put_time(request, answer, "started", http->started_wall_ms);
    http_put_number(request, answer, "uptime_seconds",
                    (clock_monotonic_ms() - http->started_ms) / 1000);
    put_readiness(request, answer);
    http_put(request, answer, "devices", devices_json(request));
    http_put(request, answer, "in_progress", states_json(request, live, passing, PASSING_COUNT));
    http_put(request, answer, "failures", failures_json(request));
    http_put(request, answer, "rejects", reject_totals_json(request));
    http_put(request, answer, "store", store_json(request));
    http_answer(request, 200, answer);
}

/* ---- rejects ---- */

static json_t *reject_json(struct request *request, const struct reject *reject)
{
    json_t *object = json_object();
    http_put_identity(request, object, "identity", &reject->identity);
    http_put_text(request, object, "source", reject->source);
    http_put_text(request, object, "cause", cause_name(reject->cause));
    http_put_text(request, object, "cause_text", cause_advice(reject->cause));
    http_put_number(request, object, "count", reject->count);
    http_put_time(request, object, "first", reject->first_wall_ms);
    http_put_time(request, object, "last", reject->last_wall_ms);
    return object;
}

void http_get_rejects(struct request *request)
{
    static const char *const known[] = {"limit", NULL};
    uint64_t limit = 0;
    if (!http_read_query(request, known) ||
        !http_number_parameter(request, "limit", 1, HTTP_LIST_MAX, HTTP_LIST_DEFAULT, &limit))
        return;
    struct reject *list = calloc(limit, sizeof *list);
    if (list == NULL) {
        request->out_of_memory = true;
        return;
    }
    size_t count = rejects_list(request->http->config.rejects, list, limit);
    json_t *rejects = json_array();
    for (size_t i = 0; i < count; i++)
        http_append(request, rejects, reject_json(request, &list[i]));
    free(list);
    json_t *answer = json_object();
    http_put(request, answer, "rejects", rejects);
    http_put(request, answer, "totals", reject_totals_json(request));
    http_answer(request, 200, answer);
}
