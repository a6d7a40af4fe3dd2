/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/devices/{endpoint}/pick: which of several places of a server a device is sent to. */
#include "http_priv.h"

#include <string.h>

struct wish {
    uint16_t ssid;
    const char *place; /* NULL: as for a new device */
};

static bool read_wish(struct request *request, const json_t *body, struct wish *out)
{
    const char *key;
    json_t *value;
    json_int_t ssid = 0;
    *out = (struct wish){0};
    if (!json_is_object(body))
        return http_refuse(request,
                           "a JSON object with ssid, and place if it shall be a certain one");
    json_object_foreach((json_t *)(uintptr_t)body, key, value)
    {
        if (strcmp(key, "ssid") == 0)
            ssid = json_integer_value(value);
        else if (strcmp(key, "place") == 0 && (json_is_string(value) || json_is_null(value)))
            out->place = json_string_value(value);
        else
            return http_refuse(request, "known here: ssid, a number, and place, a text");
    }
    if (ssid < 1 || ssid > 65534)
        return http_refuse(request, "ssid: a Short Server ID from 1 to 65534 is needed");
    out->ssid = (uint16_t)ssid;
    return true;
}

static enum err_code choose(struct request *request, const struct enrollment *enrollment,
                            const struct wish *wish, char place[static PLACE_NAME_MAX + 1],
                            struct err *err)
{
    const struct http_config *config = &request->http->config;
    struct profile_set *set = config->profiles(config->context);
    const struct profile *profile = profile_set_select(set, enrollment, err);
    enum err_code code =
        profile == NULL ? err->code
                        : profile_pick(profile, enrollment, wish->ssid, wish->place, place, err);
    profile_set_unref(set);
    return code == ERR_NOT_FOUND ? ERR_INVALID : code;
}

static void answer_change(struct request *request, const char *place, enum store_change change)
{
    json_t *answer = json_object();
    http_put_text(request, answer, "change", change == STORE_CHANGED ? "changed" : "unchanged");
    http_put_text(request, answer, "place", place);
    http_answer(request, 200, answer);
}

static void pick(struct request *request, const struct wish *wish)
{
    struct store_device device = {0};
    struct err err = {0};
    char place[PLACE_NAME_MAX + 1] = "";
    enum store_change change = STORE_UNCHANGED;
    struct bytes endpoint = bytes_of_text(request->endpoint);
    struct store_lane *lane = http_lane_take(request->http);
    http_begin_change(request, lane);
    enum err_code code = store_get(lane, endpoint, &device, &err);
    if (code == ERR_OK && (code = choose(request, &device.enrollment, wish, place, &err)) != ERR_OK)
        http_problem(request, 422, "invalid", "%s", err.text);
    else if (code == ERR_OK)
        code = store_set_place(lane, endpoint, wish->ssid, place, &change, &err);
    http_lane_return(request->http, lane);
    store_device_clear(&device);
    if (code == ERR_OK)
        answer_change(request, place, change);
    else if (request->status == 0)
        http_problem_of(request, &err);
}

void http_pick_place(struct request *request)
{
    static const char *const known[] = {NULL};
    struct wish wish;
    json_error_t why;
    if (!http_read_query(request, known))
        return;
    json_t *body = json_loadb((const char *)request->body.data, request->body.len,
                              JSON_REJECT_DUPLICATES, &why);
    if (read_wish(request, body, &wish))
        pick(request, &wish);
    json_decref(body);
}
