/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/series: the last hour by minutes, for the dashboard's chart. */
#include "http_priv.h"

#include "usher/clock.h"

static json_t *failed_json(struct request *request, const struct metrics_minute *minute)
{
    json_t *failed = json_object();
    for (int i = 0; i < CAUSE_LAST; i++)
        if (minute->failed[i] > 0)
            http_put_number(request, failed, cause_name((enum cause)i), minute->failed[i]);
    return failed;
}

static void put_duration(struct request *request, json_t *object, const char *key, uint32_t ms)
{
    if (ms == 0)
        http_put(request, object, key, json_null());
    else
        http_put_number(request, object, key, ms);
}

void http_get_series(struct request *request)
{
    static const char *const known[] = {NULL};
    struct metrics_minute minutes[METRICS_MINUTES];
    if (!http_read_query(request, known))
        return;
    metrics_series(request->http->config.metrics, clock_wall_ms(), minutes);
    json_t *list = json_array();
    for (size_t i = 0; i < METRICS_MINUTES; i++) {
        json_t *item = json_object();
        http_put_time(request, item, "start", minutes[i].start_wall_ms);
        http_put_number(request, item, "done", minutes[i].done);
        http_put_number(request, item, "unconfirmed", minutes[i].unconfirmed);
        http_put(request, item, "failed", failed_json(request, &minutes[i]));
        http_put_number(request, item, "turned_away", minutes[i].rejected);
        put_duration(request, item, "p50_ms", minutes[i].p50_ms);
        put_duration(request, item, "p90_ms", minutes[i].p90_ms);
        put_duration(request, item, "p99_ms", minutes[i].p99_ms);
        http_append(request, list, item);
    }
    json_t *answer = json_object();
    http_put(request, answer, "minutes", list);
    http_answer(request, 200, answer);
}
