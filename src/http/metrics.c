/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics in the text format of Prometheus. Every label has a bounded set of values: classes
 * of profiles, states, causes, templates of routes; never an endpoint, an identity or an address.
 */
#include "http_priv.h"

#include "usher/clock.h"
#include "usher/log.h"

#include <stdlib.h>
#include <string.h>

enum { METRICS_TEXT_MAX = 4 << 20 };

/* ---- the format ---- */

static void put_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A class is [a-z0-9-]; whatever else comes must not break out of its quotes. */
static void put_label(struct buf *out, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\')
            buf_put_u8(out, '\\');
        if ((unsigned char)*value >= 0x20)
            buf_put_u8(out, (uint8_t)*value);
    }
}

static void put_value(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

static void put_one(struct buf *out, const char *name, const char *type, const char *help,
                    uint64_t value)
{
    put_head(out, name, type, help);
    put_value(out, name, value);
}

static void put_labelled(struct buf *out, const char *name, const char *label, const char *text,
                         uint64_t value)
{
    buf_printf(out, "%s{%s=\"", name, label);
    put_label(out, text);
    buf_printf(out, "\"} %llu\n", (unsigned long long)value);
}

/* Counts of each bucket alone, bounds in units of 1/`unit` seconds; `label` is "" or `class="x",`.
 */
static void put_histogram(struct buf *out, const char *name, const char *label,
                          const uint64_t *buckets, const uint32_t *bounds, size_t count,
                          uint64_t sum, double unit)
{
    uint64_t so_far = 0;
    int bare = (int)strlen(label) - (label[0] != '\0'); /* without the final comma */
    for (size_t i = 0; i < count; i++) {
        so_far += buckets[i];
        if (i + 1 < count)
            buf_printf(out, "%s_bucket{%sle=\"%g\"} %llu\n", name, label, bounds[i] / unit,
                       (unsigned long long)so_far);
        else
            buf_printf(out, "%s_bucket{%sle=\"+Inf\"} %llu\n", name, label,
                       (unsigned long long)so_far);
    }
    const char *open = bare > 0 ? "{" : "", *close = bare > 0 ? "}" : "";
    buf_printf(out, "%s_sum%s%.*s%s %.6f\n", name, open, bare, label, close, (double)sum / unit);
    buf_printf(out, "%s_count%s%.*s%s %llu\n", name, open, bare, label, close,
               (unsigned long long)so_far);
}

/* ---- bootstraps ---- */

static void put_result(struct buf *out, const char *class_name, const char *result,
                       const char *cause, uint64_t count)
{
    buf_printf(out, "usher_bootstraps_total{class=\"");
    put_label(out, class_name);
    buf_printf(out, "\",result=\"%s\",cause=\"%s\"} %llu\n", result, cause,
               (unsigned long long)count);
}

static void put_results(struct buf *out, const struct metrics_class *class_counts)
{
    const char *name = class_counts->class_name;
    put_result(out, name, "done", "none", class_counts->done);
    put_result(out, name, "unconfirmed", "none", class_counts->unconfirmed);
    for (int i = 0; i < CAUSE_LAST; i++)
        if (class_counts->failed[i] > 0)
            put_result(out, name, "failed", cause_name((enum cause)i), class_counts->failed[i]);
}

static void put_durations(struct buf *out, const struct metrics_class *class_counts)
{
    char label[2 * CLASS_MAX + 16];
    struct buf text;
    buf_init_fixed(&text, label, sizeof label);
    buf_put_text(&text, "class=\"");
    put_label(&text, class_counts->class_name);
    buf_put_text(&text, "\",");
    const char *whole = buf_text(&text);
    if (whole != NULL)
        put_histogram(out, "usher_bootstrap_duration_seconds", whole,
                      class_counts->duration.buckets, metrics_bounds_ms, METRICS_BUCKETS,
                      class_counts->duration.sum_ms, 1e3);
}

static bool put_bootstraps(const struct metrics *metrics, struct buf *out)
{
    struct metrics_class *classes = calloc(METRICS_CLASSES_MAX + 1, sizeof *classes);
    if (classes == NULL)
        return false;
    size_t count = metrics_classes(metrics, classes);
    put_head(out, "usher_bootstraps_total", "counter", "Bootstraps that ended, by how.");
    for (size_t i = 0; i < count; i++)
        put_results(out, &classes[i]);
    put_head(out, "usher_bootstrap_duration_seconds", "histogram",
             "From the ClientHello with a cookie to the end, of bootstraps that were done.");
    for (size_t i = 0; i < count; i++)
        put_durations(out, &classes[i]);
    free(classes);
    return true;
}

/* ---- the endpoint ---- */

/* Series of one metric that differ in one label. */
struct family {
    const char *name, *type, *help, *label;
    struct {
        const char *value;
        enum metric metric;
    } series[8];
    size_t count;
};

static const struct family families[] = {
    {"usher_handshakes_total",
     "counter",
     "DTLS handshakes begun with a valid cookie, by result.",
     "result",
     {{"done", METRIC_HANDSHAKES_DONE}, {"failed", METRIC_HANDSHAKES_FAILED}},
     2},
    {"usher_hellos_total",
     "counter",
     "ClientHellos, by what was done with them.",
     "result",
     {{"accepted", METRIC_HELLO_ACCEPTED},
      {"cookie-sent", METRIC_HELLO_VERIFY_SENT},
      {"malformed", METRIC_HELLO_MALFORMED},
      {"bad-cookie", METRIC_HELLO_BAD_COOKIE}},
     4},
    {"usher_associations",
     "gauge",
     "DTLS associations now.",
     "state",
     {{"half-open", METRIC_HALF_OPEN}, {"open", METRIC_OPEN}},
     2},
    {"usher_associations_ended_early_total",
     "counter",
     "Associations that made room for others, by why.",
     "reason",
     {{"half-open-limit", METRIC_EVICTED_HALF_OPEN},
      {"idle", METRIC_EVICTED_IDLE},
      {"new-handshake", METRIC_REPLACED}},
     3},
    {"usher_datagrams_dropped_total",
     "counter",
     "Datagrams that led to nothing, by why.",
     "reason",
     {{"no-association", METRIC_DROPPED_UNKNOWN},
      {"limit", METRIC_DROPPED_LIMIT},
      {"rate", METRIC_DROPPED_RATE},
      {"draining", METRIC_DROPPED_DRAIN},
      {"connection-id", METRIC_DROPPED_CID},
      {"unverified", METRIC_DROPPED_UNVERIFIED},
      {"size", METRIC_DROPPED_SIZE},
      {"bad-record", METRIC_DROPPED_RECORD}},
     8},
    {"usher_coap_messages_total",
     "counter",
     "CoAP messages out of the ordinary.",
     "kind",
     {{"malformed", METRIC_COAP_MALFORMED},
      {"duplicate", METRIC_COAP_DUPLICATES},
      {"sent-again", METRIC_COAP_RETRANSMISSIONS}},
     3},
    {"usher_network_bytes_total",
     "counter",
     "UDP payload.",
     "direction",
     {{"received", METRIC_BYTES_RECEIVED}, {"sent", METRIC_BYTES_SENT}},
     2},
};

static void put_endpoint(const struct metrics *metrics, struct buf *out)
{
    struct metrics_histogram handshakes;
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        const struct family *family = &families[i];
        put_head(out, family->name, family->type, family->help);
        for (size_t j = 0; j < family->count; j++)
            put_labelled(out, family->name, family->label, family->series[j].value,
                         metrics_get(metrics, family->series[j].metric));
    }
    put_one(out, "usher_associations_moved_total", "counter",
            "Associations that went on from another address, by their Connection ID.",
            metrics_get(metrics, METRIC_MOVED));
    put_one(out, "usher_datagrams_total", "counter", "UDP datagrams received.",
            metrics_get(metrics, METRIC_DATAGRAMS));
    metrics_handshakes(metrics, &handshakes);
    put_head(out, "usher_handshake_duration_seconds", "histogram",
             "DTLS handshakes that succeeded, from the ClientHello with a cookie on.");
    put_histogram(out, "usher_handshake_duration_seconds", "", handshakes.buckets,
                  metrics_bounds_ms, METRICS_BUCKETS, handshakes.sum_ms, 1e3);
}

/* ---- devices, sessions, rejects ---- */

static bool put_devices(struct http *http, struct buf *out)
{
    size_t count = 0;
    struct store_count *counts = http_read_counts(http->config.store, &count);
    if (counts == NULL)
        return false;
    put_head(out, "usher_devices", "gauge", "Enrolled devices by class and last state.");
    for (size_t i = 0; i < count; i++) {
        for (int state = 0; state < STATE_COUNT; state++) {
            if (counts[i].by_state[state] == 0)
                continue;
            buf_put_text(out, "usher_devices{class=\"");
            put_label(out, counts[i].class_name);
            buf_printf(out, "\",state=\"%s\"} %llu\n", device_state_name((enum device_state)state),
                       (unsigned long long)counts[i].by_state[state]);
        }
    }
    free(counts);
    return true;
}

static void put_sessions(struct http *http, struct buf *out)
{
    static const enum device_state passing[] = {STATE_SEEN, STATE_WRITING, STATE_VERIFYING};
    uint64_t live[STATE_COUNT];
    live_counts(http->config.live, live);
    put_head(out, "usher_sessions", "gauge", "Bootstraps under way now, by how far they are.");
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++)
        put_labelled(out, "usher_sessions", "state", device_state_name(passing[i]),
                     live[passing[i]]);
}

static void put_rejects(struct http *http, struct buf *out)
{
    uint64_t totals[CAUSE_LAST];
    rejects_totals(http->config.rejects, totals);
    put_head(out, "usher_rejects_total", "counter",
             "Handshakes and requests refused before a device was known, by cause.");
    for (int i = 0; i < CAUSE_LAST; i++)
        if (totals[i] > 0 || (i >= CAUSE_UNKNOWN_IDENTITY && i <= CAUSE_LIMIT))
            put_labelled(out, "usher_rejects_total", "cause", cause_name((enum cause)i), totals[i]);
}

/* ---- store, events, HTTP ---- */

static void put_store(struct http *http, struct buf *out)
{
    struct store_metrics store = {0};
    struct err err = {0};
    store_metrics(http->config.store, &store);
    bool healthy = store_health(http->config.store, &err) == ERR_OK;
    put_one(out, "usher_store_healthy", "gauge", "1 when the store can serve.", healthy);
    put_one(out, "usher_store_queue_depth", "gauge", "Changes that wait for a commit.",
            store.queue_depth);
    put_one(out, "usher_store_unfolded_outcomes", "gauge",
            "Outcomes not yet folded into their devices' rows.", store.unfolded);
    put_one(out, "usher_store_rows_total", "counter", "Changes committed.", store.rows);
    put_one(out, "usher_store_failures_total", "counter", "Commits that failed.", store.failures);
    put_head(out, "usher_store_commit_duration_seconds", "histogram",
             "Time of one commit, in which many changes may share.");
    put_histogram(out, "usher_store_commit_duration_seconds", "", store.commit_buckets,
                  store_latency_bounds_us, STORE_LATENCY_BUCKETS, store.commit_us, 1e6);
}

/* Times rather than ages: whoever reads subtracts them from time(). */
static void put_certificates(struct http *http, struct buf *out)
{
    const struct http_config *config = &http->config;
    struct http_certificates facts;
    if (config->certificates == NULL || !config->certificates(config->context, &facts))
        return;
    put_one(out, "usher_certificate_expires_timestamp_seconds", "gauge",
            "When the first of the server's own certificates expires.",
            (uint64_t)(facts.until_ms / 1000));
    if (facts.crl_issued_ms == 0)
        return;
    put_one(out, "usher_crl_issued_timestamp_seconds", "gauge",
            "When the oldest revocation list in use was issued.",
            (uint64_t)(facts.crl_issued_ms / 1000));
    put_one(out, "usher_crl_expires_timestamp_seconds", "gauge",
            "When the first revocation list in use expires; 0 = never.",
            (uint64_t)(facts.crl_until_ms / 1000));
}

static void put_imports(const struct metrics *metrics, struct buf *out)
{
    static const char rows[] = "usher_import_rows_total", reloads[] = "usher_reloads_total";
    put_head(out, rows, "counter", "Rows of imports, by what became of them.");
    put_labelled(out, rows, "result", "created",
                 metrics_event_count(metrics, METRIC_IMPORT_CREATED));
    put_labelled(out, rows, "result", "changed",
                 metrics_event_count(metrics, METRIC_IMPORT_CHANGED));
    put_labelled(out, rows, "result", "unchanged",
                 metrics_event_count(metrics, METRIC_IMPORT_UNCHANGED));
    put_labelled(out, rows, "result", "refused",
                 metrics_event_count(metrics, METRIC_IMPORT_REFUSED));
    put_head(out, reloads, "counter", "Reloads of the configuration, by result.");
    put_labelled(out, reloads, "result", "done", metrics_event_count(metrics, METRIC_RELOAD_DONE));
    put_labelled(out, reloads, "result", "refused",
                 metrics_event_count(metrics, METRIC_RELOAD_REFUSED));
}

static void put_events(struct http *http, struct buf *out)
{
    struct events_stats stats = {0};
    events_stats(http->config.events, &stats);
    put_one(out, "usher_events_total", "counter", "Events published.", stats.published);
    put_one(out, "usher_events_lost_total", "counter", "Events that found no room.", stats.lost);
    put_one(out, "usher_event_readers", "gauge", "Readers of /v1/events now.", stats.readers);
    put_one(out, "usher_event_readers_dropped_total", "counter",
            "Readers that were too slow and were dropped.", stats.dropped);
    put_one(out, "usher_log_lines_lost_total", "counter", "Log lines that could not be written.",
            log_lost());
}

static void put_http(struct http *http, struct buf *out)
{
    put_head(out, "usher_http_requests_total", "counter",
             "HTTP requests answered, by template of the route.");
    for (size_t i = 0; i <= http_route_count; i++) {
        for (size_t j = 0; j < HTTP_STATUS_KINDS; j++) {
            uint64_t count = atomic_load(&http->answered[i][j]);
            if (count == 0)
                continue;
            bool known = i < http_route_count;
            buf_printf(out, "usher_http_requests_total{method=\"%s\",route=\"%s\",code=\"",
                       known ? http_routes[i].method : "other",
                       known ? http_routes[i].path : "none");
            if (http_status_kinds[j] != 0)
                buf_printf(out, "%u\"} %llu\n", http_status_kinds[j], (unsigned long long)count);
            else
                buf_printf(out, "other\"} %llu\n", (unsigned long long)count);
        }
    }
}

static void put_build(struct http *http, struct buf *out)
{
    put_head(out, "usher_build_info", "gauge", "1; the labels tell which program this is.");
    buf_put_text(out, "usher_build_info{version=\"");
    put_label(out, http->version);
    buf_put_text(out, "\"} 1\n");
    put_head(out, "usher_start_time_seconds", "gauge", "When the service began, since 1970.");
    buf_printf(out, "usher_start_time_seconds %.3f\n", (double)http->started_wall_ms / 1e3);
}

static bool put_all(struct http *http, struct buf *out)
{
    put_build(http, out);
    bool good = put_bootstraps(http->config.metrics, out);
    put_endpoint(http->config.metrics, out);
    good = put_devices(http, out) && good;
    put_sessions(http, out);
    put_rejects(http, out);
    put_certificates(http, out);
    put_store(http, out);
    put_imports(http->config.metrics, out);
    put_events(http, out);
    put_http(http, out);
    http_put_process_metrics(out);
    return good && !out->failed;
}

void http_get_metrics(struct request *request)
{
    static const char *const known[] = {NULL};
    struct buf out;
    if (!http_read_query(request, known))
        return;
    buf_init(&out, METRICS_TEXT_MAX);
    if (put_all(request->http, &out))
        http_answer_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", &out);
    else
        request->out_of_memory = true;
    buf_clear(&out);
}
