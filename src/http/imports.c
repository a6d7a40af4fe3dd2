/* SPDX-License-Identifier: Apache-2.0 */
/* Imports over HTTP: the file in one request or in several, then how far it is, its report, a stop.
 */
#include "http_priv.h"

#include "usher/clock.h"
#include "usher/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* ---- options ---- */

static bool read_word(struct request *request, const char *name, const char *const *words, int *out)
{
    const char *text = http_parameter(request, name);
    char list[80] = "";
    size_t len = 0;
    if (text == NULL)
        return true;
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0) {
            *out = i;
            return true;
        }
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    http_problem(request, 400, "invalid", "query parameter '%s': '%.32s' is none of %s", name, text,
                 list);
    return false;
}

/* Without a word in the query the type of the body says what it is. */
static int format_of_body(const struct request *request)
{
    const char *type = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
                                                   MHD_HTTP_HEADER_CONTENT_TYPE);
    bool json = type != NULL && (strcasestr(type, "json") != NULL);
    return json ? BULK_JSONL : BULK_CSV;
}

static bool read_texts(struct request *request, struct bulk_options *options)
{
    const char *class_name = http_parameter(request, "class");
    const char *batch = http_parameter(request, "batch");
    struct err err = {0};
    if (class_name != NULL && enrollment_check_class(bytes_of_text(class_name), &err) != ERR_OK) {
        http_problem(request, 400, "invalid", "query parameter 'class': %s", err.text);
        return false;
    }
    if (batch != NULL && enrollment_check_tag("batch", batch, &err) != ERR_OK) {
        http_problem(request, 400, "invalid", "query parameter 'batch': %s", err.text);
        return false;
    }
    if (class_name != NULL)
        strcpy(options->class_name, class_name);
    if (batch != NULL)
        strcpy(options->batch, batch);
    return true;
}

static bool read_options(struct request *request, struct bulk_options *options)
{
    static const char *const formats[] = {"csv", "jsonl", NULL};
    static const char *const conflicts[] = {"skip", "replace", "merge", "fail", NULL};
    static const char *const reports[] = {"problems", "all", NULL};
    int format = format_of_body(request), conflict = STORE_CONFLICT_SKIP, report = 0;
    if (!read_word(request, "format", formats, &format) ||
        !read_word(request, "on-conflict", conflicts, &conflict) ||
        !read_word(request, "report", reports, &report) || !read_texts(request, options) ||
        !http_boolean_parameter(request, "dry-run", &options->dry_run) ||
        !http_boolean_parameter(request, "more", &request->more))
        return false;
    options->format = (enum bulk_format)format;
    options->conflict = (enum store_conflict)conflict;
    options->report_all = report == 1;
    http_actor(request, options->actor);
    http_station(request, options->station);
    return true;
}

/* ---- uploading ---- */

void http_begin_import(struct request *request)
{
    static const char *const known[] = {"format", "on-conflict", "report", "class",
                                        "batch",  "dry-run",     "more",   NULL};
    struct bulk_options options = {0};
    struct err err = {0};
    if (!http_read_query(request, known) || !read_options(request, &options))
        return;
    if (bulk_begin(request->http->bulk, &options, request->item, &err) != ERR_OK)
        http_problem_of(request, &err);
}

void http_continue_import(struct request *request)
{
    static const char *const known[] = {"offset", "more", NULL};
    struct bulk_status status;
    struct err err = {0};
    if (!http_read_query(request, known) ||
        !http_boolean_parameter(request, "more", &request->more))
        return;
    if (bulk_status(request->http->bulk, request->item, &status, &err) != ERR_OK) {
        http_problem_of(request, &err);
        return;
    }
    http_number_parameter(request, "offset", 0, INT64_MAX, status.offset, &request->offset);
}

void http_upload(struct request *request, struct bytes data)
{
    struct err err = {0};
    if (bulk_feed(request->http->bulk, request->item, request->offset, data, &err) == ERR_OK)
        request->feeds = true;
    else
        http_problem_of(request, &err);
    request->offset += data.len;
}

void http_leave_upload(struct request *request)
{
    if (request->feeds)
        bulk_leave(request->http->bulk, request->item);
}

/* ---- told as it goes ---- */

/* What became of the rows is counted once, at the end; a trial changes nothing. */
static void count_rows(struct metrics *metrics, const struct bulk_status *status)
{
    const uint64_t *verdicts = status->verdicts;
    bool over =
        status->phase == BULK_DONE || status->phase == BULK_FAILED || status->phase == BULK_STOPPED;
    if (!over || status->options.dry_run)
        return;
    metrics_add(metrics, METRIC_IMPORT_CREATED, verdicts[STORE_ROW_CREATED]);
    metrics_add(metrics, METRIC_IMPORT_CHANGED, verdicts[STORE_ROW_CHANGED]);
    metrics_add(metrics, METRIC_IMPORT_UNCHANGED,
                verdicts[STORE_ROW_UNCHANGED] + verdicts[STORE_ROW_SKIPPED]);
    metrics_add(metrics, METRIC_IMPORT_REFUSED, status->bad + verdicts[STORE_ROW_FAILED]);
}

void http_import_changed(void *context, const struct bulk_status *status)
{
    const struct http *http = context;
    const uint64_t *verdicts = status->verdicts;
    const struct log_field fields[] = {
        LOG_TEXT("id", status->id),
        LOG_TEXT("state", bulk_phase_name(status->phase)),
        LOG_BOOL("dry_run", status->options.dry_run),
        LOG_NUMBER("rows", (int64_t)status->rows),
        LOG_NUMBER("merged", (int64_t)status->looked),
        LOG_NUMBER("created", (int64_t)verdicts[STORE_ROW_CREATED]),
        LOG_NUMBER("changed", (int64_t)verdicts[STORE_ROW_CHANGED]),
        LOG_NUMBER("unchanged", (int64_t)verdicts[STORE_ROW_UNCHANGED]),
        LOG_NUMBER("failed", (int64_t)(status->bad + verdicts[STORE_ROW_FAILED])),
    };
    const struct event event = {.kind = EVENT_IMPORT,
                                .wall_ms = clock_wall_ms(),
                                .fields = fields,
                                .field_count = sizeof fields / sizeof fields[0]};
    events_post(http->config.events, EVENTS_SHARED, &event);
    count_rows(http->config.metrics, status);
}

/* ---- what is shown ---- */

static void put_time(struct request *request, json_t *json, const char *key, int64_t wall_ms)
{
    http_put_time(request, json, key, wall_ms);
}

static json_t *status_json(struct request *request, const struct bulk_status *status)
{
    static const char *const conflicts[] = {"skip", "replace", "merge", "fail"};
    const uint64_t *verdicts = status->verdicts;
    json_t *json = json_object();
    http_put_text(request, json, "id", status->id);
    http_put_text(request, json, "phase", bulk_phase_name(status->phase));
    http_put_text(request, json, "format", status->options.format == BULK_CSV ? "csv" : "jsonl");
    http_put_text(request, json, "on_conflict", conflicts[status->options.conflict]);
    http_put(request, json, "dry_run", json_boolean(status->options.dry_run));
    http_put_number(request, json, "offset", status->offset);
    http_put_number(request, json, "rows", status->rows);
    http_put_number(request, json, "merged", status->looked);
    http_put_number(request, json, "created", verdicts[STORE_ROW_CREATED]);
    http_put_number(request, json, "changed", verdicts[STORE_ROW_CHANGED]);
    http_put_number(request, json, "unchanged", verdicts[STORE_ROW_UNCHANGED]);
    http_put_number(request, json, "skipped", verdicts[STORE_ROW_SKIPPED]);
    http_put_number(request, json, "failed", status->bad + verdicts[STORE_ROW_FAILED]);
    http_put_number(request, json, "bad_rows", status->bad);
    http_put_text(request, json, "actor", status->options.actor);
    put_time(request, json, "started", status->started_wall_ms);
    put_time(request, json, "updated", status->changed_wall_ms);
    http_put_text(request, json, "error", status->error[0] != '\0' ? status->error : NULL);
    return json;
}

static void answer_status(struct request *request, unsigned http_status)
{
    struct bulk_status status;
    struct err err = {0};
    if (bulk_status(request->http->bulk, request->item, &status, &err) == ERR_OK)
        http_answer(request, http_status, status_json(request, &status));
    else
        http_problem_of(request, &err);
}

void http_end_upload(struct request *request)
{
    struct err err = {0};
    request->feeds = false;
    if (bulk_settle(request->http->bulk, request->item, !request->more, &err) == ERR_OK)
        answer_status(request, 202);
    else
        http_problem_of(request, &err);
}

/* ---- asking ---- */

static bool has_no_parameters(struct request *request)
{
    static const char *const known[] = {NULL};
    return http_read_query(request, known);
}

void http_get_imports(struct request *request)
{
    enum { LISTED = BULK_KEPT + 16 };
    if (!has_no_parameters(request))
        return;
    struct bulk_status *imports = calloc(LISTED, sizeof *imports);
    if (imports == NULL) {
        request->out_of_memory = true;
        return;
    }
    size_t count = bulk_list(request->http->bulk, imports, LISTED);
    json_t *list = json_array(), *answer = json_object();
    for (size_t i = 0; i < count; i++)
        http_append(request, list, status_json(request, &imports[i]));
    free(imports);
    http_put(request, answer, "imports", list);
    http_answer(request, 200, answer);
}

void http_get_import(struct request *request)
{
    if (has_no_parameters(request))
        answer_status(request, 200);
}

void http_stop_import(struct request *request)
{
    struct err err = {0};
    if (!has_no_parameters(request))
        return;
    if (bulk_cancel(request->http->bulk, request->item, &err) == ERR_OK)
        answer_status(request, 200);
    else
        http_problem_of(request, &err);
}

void http_get_report(struct request *request)
{
    struct err err = {0};
    uint64_t len = 0;
    int fd = -1;
    if (!has_no_parameters(request))
        return;
    if (bulk_report(request->http->bulk, request->item, &fd, &len, &err) != ERR_OK) {
        http_problem_of(request, &err);
        return;
    }
    struct MHD_Response *response = MHD_create_response_from_fd64(len, fd); /* closes it */
    if (response == NULL) {
        close(fd);
        request->out_of_memory = true;
        return;
    }
    http_answer_with(request, 200, "application/x-ndjson", response);
}
