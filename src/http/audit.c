/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/audit: the chain of records, in order. */
#include "http_priv.h"

#include "usher/clock.h"

struct listing {
    struct request *request;
    json_t *records;
    uint64_t last;
};

static bool add_record(void *context, const struct chain_record *record,
                       const uint8_t hash[static DIGEST_SIZE])
{
    struct listing *listing = context;
    struct request *request = listing->request;
    char text[BYTES_HEX_SIZE(DIGEST_SIZE)];
    json_t *json = json_object();
    bytes_to_hex(bytes_of(hash, DIGEST_SIZE), text);
    http_put_number(request, json, "seq", record->seq);
    http_put_time(request, json, "time", record->time_ms);
    http_put_text(request, json, "actor", record->actor);
    http_put_text(request, json, "station", record->station);
    http_put_text(request, json, "source", record->source);
    http_put_text(request, json, "action", record->action);
    http_put_text(request, json, "subject", record->subject);
    http_put_text(request, json, "detail", record->detail);
    http_put_text(request, json, "hash", text);
    http_append(request, listing->records, json);
    listing->last = record->seq;
    return true;
}

void http_get_audit(struct request *request)
{
    static const char *const known[] = {"after", "since", "limit", NULL};
    struct listing listing = {.request = request};
    struct err err = {0};
    uint64_t limit = 0;
    int64_t since = 0;
    if (!http_read_query(request, known) ||
        !http_number_parameter(request, "after", 0, INT64_MAX, 0, &listing.last) ||
        !http_number_parameter(request, "limit", 1, HTTP_LIST_MAX, HTTP_LIST_DEFAULT, &limit))
        return;
    const char *text = http_parameter(request, "since");
    if (text != NULL && !clock_wall_from_text(text, &since)) {
        http_problem(request, 400, "invalid",
                     "query parameter 'since' must be a time such as 2026-01-31T12:00:00Z");
        return;
    }
    uint64_t after = listing.last;
    listing.records = json_array();
    struct store_lane *lane = http_lane_take(request->http);
    enum err_code code = store_audit(lane, after, since, limit, add_record, &listing, &err);
    http_lane_return(request->http, lane);
    bool more = json_array_size(listing.records) == limit;
    json_t *answer = json_object();
    http_put(request, answer, "records", listing.records);
    http_put(request, answer, "next", more ? json_integer((json_int_t)listing.last) : json_null());
    http_answer(request, 200, answer);
    if (code != ERR_OK)
        http_problem_of(request, &err);
}
