/* SPDX-License-Identifier: Apache-2.0 */
/* What devices were given last, and what is meant for them now: page by page, with all that a plan
 * depends on, so that others can ask the same of other profiles. */
#include "http_priv.h"

#include "usher/plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { OUTCOMES_SEARCHED = 10, ROWS_MAX = 500, ROWS_DEFAULT = 100 };

struct comparing {
    struct request *request;
    struct store_lane *lane;
    struct profile_set *profiles;
    struct store_filter filter;
    char after[ENDPOINT_MAX + 1];
    uint64_t limit;
    char (*names)[ENDPOINT_MAX + 1]; /* of this page, one more than its limit to see if it ends */
    size_t count;
    json_t *devices;
};

static bool read_cursor(struct comparing *comparing)
{
    const char *text = http_parameter(comparing->request, "cursor");
    size_t len = 0;
    if (text == NULL)
        return true;
    if (!bytes_from_base64(text, strlen(text), (uint8_t *)comparing->after, ENDPOINT_MAX, &len) ||
        len == 0 || !bytes_is_utf8(bytes_of(comparing->after, len))) {
        http_problem(comparing->request, 400, "invalid",
                     "query parameter 'cursor' is not one that this server gave");
        return false;
    }
    comparing->after[len] = '\0';
    comparing->filter.after = comparing->after;
    return true;
}

static bool take_name(void *context, const struct store_row *row)
{
    struct comparing *comparing = context;
    strcpy(comparing->names[comparing->count++], row->endpoint);
    return comparing->count <= comparing->limit;
}

/* The plan that the device took last, whatever has failed since. */
struct last_plan {
    char hash[17];
};

static bool take_plan(void *context, const struct outcome *outcome)
{
    struct last_plan *last = context;
    bool taken = outcome->state == STATE_BOOTSTRAPPED || outcome->state == STATE_UNCONFIRMED;
    if (taken)
        memcpy(last->hash, outcome->profile_hash, sizeof last->hash);
    return !taken;
}

/* "" when no profile fits, or one lacks a value for this device. */
static void intended_hash(const struct comparing *comparing, const struct enrollment *enrollment,
                          char out[static 17])
{
    struct err err;
    uint64_t hash = 0;
    const struct profile *profile = profile_set_select(comparing->profiles, enrollment, &err);
    out[0] = '\0';
    if (profile != NULL && plan_intent(profile, enrollment, &hash, &err) == ERR_OK)
        snprintf(out, 17, "%016" PRIx64, hash);
}

static json_t *tags_of(struct request *request, const struct enrollment *enrollment)
{
    json_t *tags = json_object();
    for (size_t i = 0; i < enrollment->tag_count; i++)
        http_put_text(request, tags, enrollment->tags[i].name, enrollment->tags[i].value);
    return tags;
}

/* Where its credentials were made for: a device stays there. */
static json_t *places_of(struct request *request, const struct enrollment *enrollment)
{
    json_t *places = json_object();
    for (size_t i = 0; i < enrollment->credential_count; i++) {
        const struct enrolled_credential *credential = &enrollment->credentials[i];
        char server[8];
        snprintf(server, sizeof server, "%u", credential->ssid);
        if (credential->place[0] != '\0' && credential->status != CREDENTIAL_RETIRING &&
            json_object_get(places, server) == NULL)
            http_put_text(request, places, server, credential->place);
    }
    return places;
}

static enum err_code add_device(struct comparing *comparing, const char *endpoint, struct err *err)
{
    struct request *request = comparing->request;
    struct store_device *device = calloc(1, sizeof *device);
    struct last_plan last = {0};
    char intended[17];
    if (device == NULL)
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    enum err_code code = store_get(comparing->lane, bytes_of_text(endpoint), device, err);
    if (code == ERR_OK)
        code = store_history(comparing->lane, bytes_of_text(endpoint), NULL, OUTCOMES_SEARCHED,
                             take_plan, &last, err);
    if (code == ERR_OK) {
        const struct enrollment *enrollment = &device->enrollment;
        intended_hash(comparing, enrollment, intended);
        json_t *item = json_object();
        http_put_text(request, item, "endpoint", enrollment->endpoint);
        http_put_text(request, item, "class",
                      enrollment->class_name[0] != '\0' ? enrollment->class_name : NULL);
        http_put_identity(request, item, "identity", &enrollment->identity);
        http_put(request, item, "tags", tags_of(request, enrollment));
        http_put(request, item, "places", places_of(request, enrollment));
        http_put_text(request, item, "state", device_state_name(device->state));
        http_put_text(request, item, "plan_hash", last.hash[0] != '\0' ? last.hash : NULL);
        http_put_text(request, item, "intended_hash", intended[0] != '\0' ? intended : NULL);
        http_put(request, item, "outdated",
                 json_boolean(last.hash[0] != '\0' && strcmp(last.hash, intended) != 0));
        http_append(request, comparing->devices, item);
    }
    store_device_clear(device);
    free(device);
    return code == ERR_NOT_FOUND ? ERR_OK : code; /* removed meanwhile */
}

static enum err_code compare_page(struct comparing *comparing, struct err *err)
{
    enum err_code code = store_list(comparing->lane, &comparing->filter, take_name, comparing, err);
    for (size_t i = 0; code == ERR_OK && i < comparing->count && i < comparing->limit; i++)
        code = add_device(comparing, comparing->names[i], err);
    return code;
}

static void answer(struct comparing *comparing)
{
    struct request *request = comparing->request;
    json_t *answer = json_object();
    http_put(request, answer, "devices", comparing->devices);
    if (comparing->count > comparing->limit) {
        char text[BYTES_BASE64_SIZE(ENDPOINT_MAX)];
        bytes_to_base64(bytes_of_text(comparing->names[comparing->limit - 1]), true, text);
        http_put_text(request, answer, "next", text);
    } else {
        http_put(request, answer, "next", json_null());
    }
    http_answer(request, 200, answer);
}

void http_get_plans(struct request *request)
{
    static const char *const known[] = {"class", "prefix", "limit", "cursor", NULL};
    struct http *http = request->http;
    struct comparing comparing = {.request = request, .filter = {.state = -1, .cause = -1}};
    struct err err = {0};
    if (!http_read_query(request, known) || !read_cursor(&comparing) ||
        !http_number_parameter(request, "limit", 1, ROWS_MAX, ROWS_DEFAULT, &comparing.limit))
        return;
    comparing.filter.class_name = http_parameter(request, "class");
    comparing.filter.prefix = http_parameter(request, "prefix");
    comparing.filter.limit = comparing.limit + 1;
    comparing.names = calloc(comparing.limit + 1, sizeof *comparing.names);
    if (comparing.names == NULL) {
        request->out_of_memory = true;
        return;
    }
    comparing.devices = json_array();
    comparing.profiles = http->config.profiles(http->config.context);
    comparing.lane = http_lane_take(http);
    enum err_code code = compare_page(&comparing, &err);
    http_lane_return(http, comparing.lane);
    profile_set_unref(comparing.profiles);
    answer(&comparing);
    free(comparing.names);
    if (code != ERR_OK)
        http_problem_of(request, &err);
}
