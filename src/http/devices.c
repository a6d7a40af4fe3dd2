/* SPDX-License-Identifier: Apache-2.0 */
/* Reading devices: the list with its filters and cursor, one device, its history. */
#include "http_priv.h"

#include <stdlib.h>
#include <string.h>

/* What a list is to show, read from the query. */
struct listing {
    struct request *request;
    struct store_filter filter;
    struct tag tags[FILTER_TAGS_MAX];
    int state;                    /* wanted, -1 = any */
    char after[ENDPOINT_MAX + 1]; /* the cursor, decoded */
    uint64_t limit;
    json_t *devices;
    size_t examined;             /* rows of this page, shown or not */
    char last[ENDPOINT_MAX + 1]; /* the last of them */
};

static bool is_passing(int state)
{
    return state == STATE_SEEN || state == STATE_WRITING || state == STATE_VERIFYING;
}

static const char *const row_fields[] = {
    "endpoint",   "class",   "identity",        "state",          "cause",
    "cause_text", "blocked", "session_started", "last_bootstrap", "duration_ms",
    "bootstraps", "created", "changed",         "revision",       NULL};

/* ---- the query ---- */

static bool read_names(struct request *request, struct listing *listing)
{
    const char *state = http_parameter(request, "state");
    const char *cause = http_parameter(request, "cause");
    enum device_state state_value;
    enum cause cause_value;
    listing->state = listing->filter.state = listing->filter.cause = -1;
    if (state != NULL && !device_state_from_name(state, &state_value)) {
        http_problem(request, 400, "invalid",
                     "query parameter 'state': '%.32s' is no state; there are new, seen, writing, "
                     "verifying, bootstrapped, unconfirmed, failed, held, blocked",
                     state);
        return false;
    }
    if (cause != NULL && !cause_from_name(cause, &cause_value)) {
        http_problem(request, 400, "invalid", "query parameter 'cause': '%.32s' is no cause",
                     cause);
        return false;
    }
    if (state != NULL)
        listing->state = listing->filter.state = (int)state_value;
    if (cause != NULL)
        listing->filter.cause = (int)cause_value;
    return true;
}

/* The cursor is the last endpoint in base64url: opaque, safe in a query. */
static bool read_cursor(struct request *request, struct listing *listing)
{
    const char *text = http_parameter(request, "cursor");
    size_t len = 0;
    if (text == NULL)
        return true;
    if (!bytes_from_base64(text, strlen(text), (uint8_t *)listing->after, ENDPOINT_MAX, &len) ||
        len == 0 || !bytes_is_utf8(bytes_of(listing->after, len))) {
        http_problem(request, 400, "invalid",
                     "query parameter 'cursor' is not one that this server gave");
        return false;
    }
    listing->after[len] = '\0';
    listing->filter.after = listing->after;
    return true;
}

static bool read_listing(struct request *request, struct listing *listing)
{
    static const char *const known[] = {"class", "state", "cause",  "prefix", "tag", "batch",
                                        "since", "limit", "cursor", "fields", NULL};
    if (!http_read_query(request, known) || !read_names(request, listing) ||
        !read_cursor(request, listing) ||
        !http_time_parameter(request, "since", &listing->filter.since_wall_ms) ||
        !http_check_fields(request, row_fields) ||
        !http_number_parameter(request, "limit", 1, HTTP_LIST_MAX, HTTP_LIST_DEFAULT,
                               &listing->limit))
        return false;
    listing->filter.class_name = http_parameter(request, "class");
    listing->filter.prefix = http_parameter(request, "prefix");
    listing->filter.limit = listing->limit;
    listing->filter.tags = listing->tags;
    return http_read_tags(request, listing->tags, &listing->filter.tag_count);
}

/* ---- rows ---- */

static void append_row(struct listing *listing, const struct store_row *row,
                       const struct live_entry *live)
{
    json_t *object = http_row_json(listing->request, row, live);
    http_pick_fields(listing->request, object);
    http_append(listing->request, listing->devices, object);
}

static bool add_row(void *context, const struct store_row *row)
{
    struct listing *listing = context;
    struct live_entry entry;
    const struct live_entry *live =
        http_live_of(listing->request, row->endpoint, row->state == STATE_BLOCKED, &entry);
    listing->examined++;
    strcpy(listing->last, row->endpoint);
    /* A device that is in a session right now is shown in that state, and in no other list. */
    bool shown = listing->state < 0 || live == NULL || (int)live->state == listing->state;
    bool cause_fits = listing->filter.cause < 0 || live == NULL;
    if (shown && cause_fits)
        append_row(listing, row, live);
    return true;
}

static bool note_row(void *context, const struct store_row *row)
{
    (void)row;
    *(bool *)context = true;
    return false;
}

static enum err_code list_stored(struct store_lane *lane, struct listing *listing, bool *more,
                                 struct err *err)
{
    enum err_code code = store_list(lane, &listing->filter, add_row, listing, err);
    if (code != ERR_OK || listing->examined < listing->limit)
        return code;
    struct store_filter rest = listing->filter;
    rest.after = listing->last;
    rest.limit = 1;
    return store_list(lane, &rest, note_row, more, err);
}

/* ---- lists of a passing state: those who have it, then what is stored of each ---- */

struct found_row {
    const char *endpoint;
    struct store_row row;
    bool found;
};

static bool take_row(void *context, const struct store_row *row)
{
    struct found_row *found = context;
    found->found = strcmp(row->endpoint, found->endpoint) == 0;
    if (found->found)
        found->row = *row;
    return false;
}

/* The row of one device: with its own name as prefix it comes first. */
static enum err_code find_row(struct store_lane *lane, const char *endpoint, const struct tag *tags,
                              size_t tag_count, struct found_row *found, struct err *err)
{
    struct store_filter filter = {.state = -1,
                                  .cause = -1,
                                  .prefix = endpoint,
                                  .limit = 1,
                                  .tags = tags,
                                  .tag_count = tag_count};
    *found = (struct found_row){.endpoint = endpoint};
    return store_list(lane, &filter, take_row, found, err);
}

static bool starts_with(const char *text, const char *prefix)
{
    return prefix == NULL || strncmp(text, prefix, strlen(prefix)) == 0;
}

static enum err_code add_live(struct store_lane *lane, struct listing *listing,
                              const struct live_entry *entry, struct err *err)
{
    const char *class_name = listing->filter.class_name;
    strcpy(listing->last, entry->endpoint);
    if (!starts_with(entry->endpoint, listing->filter.prefix))
        return ERR_OK;
    struct found_row found;
    enum err_code code =
        find_row(lane, entry->endpoint, listing->tags, listing->filter.tag_count, &found, err);
    if (code != ERR_OK || !found.found || found.row.state == STATE_BLOCKED)
        return code;
    bool has_class = class_name == NULL || strcmp(found.row.class_name, class_name) == 0;
    if (has_class) {
        append_row(listing, &found.row, entry);
        listing->examined++;
    }
    return ERR_OK;
}

/* A session that is running has no cause yet. */
static enum err_code list_live(struct store_lane *lane, struct listing *listing, bool *more,
                               struct err *err)
{
    enum { BATCH = 64 };
    struct live *live = listing->request->http->config.live;
    struct live_entry *entries = calloc(BATCH, sizeof *entries);
    if (entries == NULL)
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    enum err_code code = ERR_OK;
    size_t got = listing->filter.cause < 0 ? BATCH : 0;
    strcpy(listing->last, listing->after);
    while (code == ERR_OK && got == BATCH && !*more) {
        got = live_list(live, listing->state, listing->last[0] != '\0' ? listing->last : NULL,
                        entries, BATCH);
        for (size_t i = 0; i < got && code == ERR_OK; i++) {
            *more = listing->examined == listing->limit;
            if (*more)
                break;
            code = add_live(lane, listing, &entries[i], err);
        }
    }
    free(entries);
    return code;
}

/* ---- handlers ---- */

static void put_cursor(struct request *request, json_t *answer, const char *last)
{
    char text[BYTES_BASE64_SIZE(ENDPOINT_MAX)];
    bytes_to_base64(bytes_of_text(last), true, text);
    http_put_text(request, answer, "next", text);
}

void http_get_devices(struct request *request)
{
    struct listing listing = {.request = request};
    struct err err = {0};
    bool more = false;
    if (!read_listing(request, &listing))
        return;
    listing.devices = json_array();
    struct store_lane *lane = http_lane_take(request->http);
    enum err_code code = is_passing(listing.state) ? list_live(lane, &listing, &more, &err)
                                                   : list_stored(lane, &listing, &more, &err);
    http_lane_return(request->http, lane);
    json_t *answer = json_object();
    http_put(request, answer, "devices", listing.devices);
    if (more)
        put_cursor(request, answer, listing.last);
    else
        http_put(request, answer, "next", json_null());
    http_answer(request, 200, answer);
    if (code != ERR_OK)
        http_problem_of(request, &err);
}

static bool add_outcome(void *context, const struct outcome *outcome)
{
    struct request *request = ((struct listing *)context)->request;
    http_append(request, ((struct listing *)context)->devices, http_outcome_json(request, outcome));
    return true;
}

/* The device with its last outcome. */
static enum err_code describe_device(struct request *request, struct store_lane *lane,
                                     json_t **answer, struct err *err)
{
    struct store_device *device = calloc(1, sizeof *device);
    if (device == NULL)
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    struct bytes endpoint = bytes_of_text(request->endpoint);
    struct listing listing = {.request = request};
    struct live_entry entry;
    /* Before the store is read: a session that ends in between is in the one or the other. */
    const struct live_entry *live = http_live_of(request, request->endpoint, false, &entry);
    enum err_code code = store_get(lane, endpoint, device, err);
    if (code != ERR_OK)
        goto out;
    listing.devices = json_array();
    code = store_history(lane, endpoint, NULL, 1, add_outcome, &listing, err);
    if (code != ERR_OK)
        goto out;
    /* A blocked device's session is about to end. */
    *answer = http_device_json(request, device, device->enrollment.blocked ? NULL : live);
    json_t *last = json_array_get(listing.devices, 0);
    http_put(request, *answer, "last_outcome", last != NULL ? json_incref(last) : json_null());
out:
    json_decref(listing.devices);
    store_device_clear(device);
    free(device);
    return code;
}

void http_get_device(struct request *request)
{
    static const char *const known[] = {"fields", NULL};
    static const char *const fields[] = {"endpoint",    "class",           "identity",
                                         "state",       "cause",           "cause_text",
                                         "blocked",     "session_started", "last_bootstrap",
                                         "duration_ms", "bootstraps",      "created",
                                         "changed",     "revision",        "tags",
                                         "credentials", "last_outcome",    NULL};
    struct err err = {0};
    json_t *answer = NULL;
    if (!http_read_query(request, known) || !http_check_fields(request, fields))
        return;
    struct store_lane *lane = http_lane_take(request->http);
    enum err_code code = describe_device(request, lane, &answer, &err);
    http_lane_return(request->http, lane);
    if (code == ERR_OK)
        http_pick_fields(request, answer);
    if (code == ERR_OK)
        http_answer(request, 200, answer);
    else
        http_problem_of(request, &err);
}

/* ---- history ---- */

static bool is_outcome_id(const char *text)
{
    return strlen(text) == 32 && strspn(text, "0123456789abcdef") == 32;
}

/* One more than wanted was asked for: its presence tells that there are more. */
static void answer_history(struct request *request, json_t *outcomes, size_t limit)
{
    json_t *answer = json_object();
    json_t *next = NULL;
    if (json_array_size(outcomes) > limit) {
        json_array_remove(outcomes, limit);
        next = json_object_get(json_array_get(outcomes, limit - 1), "id");
    }
    http_put(request, answer, "next", next != NULL ? json_incref(next) : json_null());
    http_put(request, answer, "outcomes", json_incref(outcomes));
    http_answer(request, 200, answer);
}

void http_get_history(struct request *request)
{
    static const char *const known[] = {"limit", "before", NULL};
    struct listing listing = {.request = request};
    struct err err = {0};
    uint64_t limit = 0;
    if (!http_read_query(request, known) ||
        !http_number_parameter(request, "limit", 1, HTTP_LIST_MAX, HTTP_HISTORY_DEFAULT, &limit))
        return;
    const char *before = http_parameter(request, "before");
    if (before != NULL && !is_outcome_id(before)) {
        http_problem(
            request, 400, "invalid",
            "query parameter 'before' must be the id of an outcome, 32 hexadecimal digits");
        return;
    }
    listing.devices = json_array();
    struct store_lane *lane = http_lane_take(request->http);
    enum err_code code = store_history(lane, bytes_of_text(request->endpoint), before, limit + 1,
                                       add_outcome, &listing, &err);
    http_lane_return(request->http, lane);
    if (code == ERR_OK)
        answer_history(request, listing.devices, limit);
    else
        http_problem_of(request, &err);
    json_decref(listing.devices);
}
