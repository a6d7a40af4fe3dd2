/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/servers: the LwM2M servers that the profiles name, and how the devices are shared out
 * among the places of those that stand in several. */
#include "http_priv.h"

#include "usher/clock.h"
#include "usher/profile_rules.h"

#include <stdlib.h>
#include <string.h>

/* The count looks at every such device: who reloads the page must not keep the disk busy. */
enum { COUNT_FOR_MS = 10000 };

static bool keep_count(void *context, uint16_t ssid, const char *place, uint64_t devices)
{
    struct http_places *places = context;
    if (places->count == HTTP_PLACES_MAX)
        return false;
    struct http_place *item = &places->items[places->count++];
    *item = (struct http_place){.ssid = ssid, .devices = devices};
    strcpy(item->name, place);
    return true;
}

/* With the lock of `places` held. */
static bool count_places(struct request *request, struct http_places *places)
{
    uint64_t now = clock_monotonic_ms();
    struct err err = {0};
    if (places->items == NULL)
        places->items = calloc(HTTP_PLACES_MAX, sizeof *places->items);
    if (places->items == NULL) {
        request->out_of_memory = true;
        return true;
    }
    if (now < places->until_ms)
        return true;
    places->count = 0;
    places->until_ms = 0;
    struct store_lane *lane = http_lane_take(request->http);
    enum err_code code = store_place_counts(lane, keep_count, places, &err);
    http_lane_return(request->http, lane);
    if (code != ERR_OK) {
        http_problem_of(request, &err);
        return false;
    }
    places->until_ms = now + COUNT_FOR_MS;
    places->counted_wall_ms = clock_wall_ms();
    return true;
}

static uint64_t devices_at(const struct http_places *places, uint16_t ssid, const char *name)
{
    for (size_t i = 0; i < places->count; i++)
        if (places->items[i].ssid == ssid && strcmp(places->items[i].name, name) == 0)
            return places->items[i].devices;
    return 0;
}

static json_t *places_json(struct request *request, const struct rule_server *server,
                           const struct http_places *places)
{
    json_t *list = json_array();
    for (size_t i = 0; server->pick != NULL && i < server->pick->count; i++) {
        const struct rule_place *place = &server->pick->places[i];
        json_t *item = json_object();
        http_put_text(request, item, "name", place->name);
        http_put(request, item, "uri", http_uri_json(&place->uri));
        http_put_text(request, item, "region", place->region);
        http_put_number(request, item, "weight",
                        server->pick->by == PICK_BY_HASH ? 1 : place->weight);
        http_put_number(request, item, "devices", devices_at(places, server->ssid, place->name));
        http_append(request, list, item);
    }
    return list;
}

static void add_servers(struct request *request, json_t *list, const struct profile *profile,
                        const struct http_places *places)
{
    const struct profile_rules *rules = profile_rules(profile);
    for (size_t i = 0; i < rules->server_count; i++) {
        const struct rule_server *server = &rules->servers[i];
        json_t *item = json_object();
        http_put_text(request, item, "class", profile_class(profile));
        http_put_number(request, item, "id", server->ssid);
        http_put(request, item, "uri", http_server_uri_json(server));
        http_put(request, item, "places", places_json(request, server, places));
        http_append(request, list, item);
    }
}

void http_get_servers(struct request *request)
{
    static const char *const known[] = {NULL};
    if (!http_read_query(request, known))
        return;
    const struct http_config *config = &request->http->config;
    struct http_places *places = &request->http->places;
    json_t *list = json_array();
    pthread_mutex_lock(&places->lock);
    bool counted = count_places(request, places);
    struct profile_set *set = config->profiles(config->context);
    for (size_t i = 0; counted && i < profile_set_count(set); i++)
        add_servers(request, list, profile_set_at(set, i), places);
    int64_t counted_wall_ms = places->counted_wall_ms;
    pthread_mutex_unlock(&places->lock);
    profile_set_unref(set);
    if (!counted) {
        json_decref(list);
        return;
    }
    json_t *answer = json_object();
    http_put_time(request, answer, "counted", counted_wall_ms);
    http_put(request, answer, "servers", list);
    http_answer(request, 200, answer);
}
