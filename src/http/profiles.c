/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/profiles: the classes in force, and the remarks on their files. */
#include "http_priv.h"

#include "usher/codec.h"
#include "usher/profile_rules.h"

#include <stdio.h>

static json_t *client_json(struct request *request, const struct client_behaviour *client)
{
    static const char *const discover[] = {[DISCOVER_AUTO] = "auto", [DISCOVER_NEVER] = "never"};
    static const char *const styles[] = {[DELETE_AUTO] = "auto",
                                         [DELETE_OBJECT] = "object",
                                         [DELETE_LISTED] = "listed",
                                         [DELETE_NONE] = "none"};
    char version[8] = "auto";
    if (client->version != LWM2M_VERSION_UNKNOWN)
        snprintf(version, sizeof version, "%d.%d", client->version / 10 % 10, client->version % 10);
    json_t *object = json_object();
    http_put_text(request, object, "discover", discover[client->discover]);
    http_put_text(request, object, "delete", styles[client->delete_style]);
    http_put_text(request, object, "format",
                  client->format >= 0 ? codec_name(client->format) : "auto");
    http_put_text(request, object, "version", version);
    http_put_number(request, object, "ack_timeout_ms", client->ack_timeout_ms);
    http_put_number(request, object, "request_timeout_ms", client->request_timeout_ms);
    http_put_number(request, object, "deadline_ms", client->deadline_ms);
    return object;
}

json_t *http_uri_json(const struct rule_value *uri)
{
    if (uri->part_count > 0 || uri->fixed.type != VALUE_STRING)
        return json_string("by device");
    return json_stringn((const char *)uri->fixed.bytes.data, uri->fixed.bytes.len);
}

/* The URI stands in the server's account, /0/x/0; with variables in it there is none to show. */
json_t *http_server_uri_json(const struct rule_server *server)
{
    for (size_t i = 0; i < server->security.count; i++) {
        const struct rule_record *record = &server->security.records[i];
        if (record->path.ids[2] == 0 && record->source == RULE_VALUE)
            return http_uri_json(&record->value);
    }
    return json_string("by device");
}

static json_t *servers_json(struct request *request, const struct profile *profile)
{
    const struct profile_rules *rules = profile_rules(profile);
    json_t *list = json_array();
    for (size_t i = 0; i < rules->server_count; i++) {
        json_t *item = json_object();
        http_put_number(request, item, "id", rules->servers[i].ssid);
        http_put(request, item, "uri", http_server_uri_json(&rules->servers[i]));
        http_append(request, list, item);
    }
    return list;
}

static json_t *profile_json(struct request *request, const struct profile *profile)
{
    static const char *const policies[] = {[REBOOTSTRAP_ALLOW] = "allow",
                                           [REBOOTSTRAP_ONCE] = "once",
                                           [REBOOTSTRAP_APPROVE] = "approve",
                                           [REBOOTSTRAP_QUARANTINE] = "quarantine"};
    char hash[17];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)profile_hash(profile));
    json_t *object = json_object();
    http_put_text(request, object, "class", profile_class(profile));
    http_put_text(request, object, "file", profile_file(profile));
    http_put_number(request, object, "line", profile_line(profile));
    http_put_text(request, object, "hash", hash);
    http_put_text(request, object, "rebootstrap", policies[profile_rebootstrap(profile)]);
    http_put(request, object, "servers", servers_json(request, profile));
    http_put(request, object, "client", client_json(request, profile_client(profile)));
    return object;
}

struct findings_list {
    struct request *request;
    json_t *list;
};

static void add_finding(void *context, const struct http_finding *finding)
{
    struct findings_list *findings = context;
    struct request *request = findings->request;
    json_t *item = json_object();
    http_put_text(request, item, "severity", finding->severity);
    http_put_text(request, item, "file", finding->file);
    http_put_number(request, item, "line", finding->line);
    http_put_number(request, item, "column", finding->column);
    http_put_text(request, item, "text", finding->text);
    http_append(request, findings->list, item);
}

void http_get_profiles(struct request *request)
{
    static const char *const known[] = {NULL};
    if (!http_read_query(request, known))
        return;
    const struct http_config *config = &request->http->config;
    struct profile_set *set = config->profiles(config->context);
    json_t *list = json_array();
    for (size_t i = 0; i < profile_set_count(set); i++)
        http_append(request, list, profile_json(request, profile_set_at(set, i)));
    profile_set_unref(set);
    json_t *answer = json_object();
    struct findings_list findings = {request, json_array()};
    if (config->findings != NULL)
        config->findings(config->context, add_finding, &findings);
    http_put(request, answer, "profiles", list);
    http_put(request, answer, "findings", findings.list);
    http_answer(request, 200, answer);
}
