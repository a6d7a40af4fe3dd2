/* SPDX-License-Identifier: Apache-2.0 */
/* From profile, enrolment and capability to operations. Nothing is parsed here: this runs once a
 * bootstrap, on the threads that also do the handshakes. */
#include "plan_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- the growing plan --- */

struct operation *plan_add(struct planner *planner, enum operation_kind kind, struct path path)
{
    struct plan *plan = planner->plan;
    struct operation *operation = &plan->operations[plan->count++];
    *operation = (struct operation){.kind = kind, .path = path};
    return operation;
}

void plan_warn(struct planner *planner, const char *format, ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct plan *plan = planner->plan;
    const char *copy =
        plan->warning_count < PLAN_WARNINGS_MAX ? arena_text(plan->arena, text) : NULL;
    if (copy)
        plan->warnings[plan->warning_count++] = copy;
}

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NO_MEMORY, "out of memory");
}

static struct plan *new_plan(const struct profile *profile, struct err *err)
{
    struct arena *arena = arena_new(PLAN_MEMORY_MAX);
    struct plan *plan = arena ? arena_alloc(arena, sizeof(*plan)) : NULL;
    if (!plan) {
        arena_free(arena);
        no_memory(err);
        return NULL;
    }
    plan->arena = arena;
    plan->class_name = profile_class(profile);
    plan->set = profile_set_ref(profile_owner(profile));
    return plan;
}

/* Each of the other writes may go resource by resource. */
static size_t most_writes(const struct profile_rules *rules)
{
    size_t most = 0;
    for (size_t i = 0; i < rules->write_count; i++)
        most += rules->writes[i].count;
    return most;
}

/* Room for everything that can come, so that nothing below can run short. */
static enum err_code make_room(struct planner *planner)
{
    const struct profile_rules *rules = planner->rules;
    struct plan *plan = planner->plan;
    plan->cap = plan_clear_most(planner) + 2 * rules->server_count + rules->access_count +
                most_writes(rules) + 1;
    plan->record_cap = rules->record_count;
    plan->operations = arena_alloc(plan->arena, plan->cap * sizeof(*plan->operations));
    plan->records = arena_alloc(plan->arena, plan->record_cap * sizeof(*plan->records));
    return plan->operations && plan->records ? ERR_OK : no_memory(planner->err);
}

/* --- version --- */

/* Discover tells it; a class that knows better than a hint says so; a hint is better than nothing.
 */
static enum lwm2m_version choose_version(const struct client_behaviour *client,
                                         const struct capability *capability)
{
    if (capability->discovered && capability->version != LWM2M_VERSION_UNKNOWN)
        return capability->version;
    if (client->version != LWM2M_VERSION_UNKNOWN)
        return client->version;
    return capability->version != LWM2M_VERSION_UNKNOWN ? capability->version : LWM2M_1_0;
}

static size_t version_index(enum lwm2m_version version)
{
    size_t index = (size_t)(version - LWM2M_1_0);
    return index < RULE_VERSIONS ? index : RULE_VERSIONS - 1;
}

/* --- values that only a plan knows --- */

/* The credential that the device is to hold after this bootstrap, or NULL. */
static const struct enrolled_credential *find_credential(const struct planner *planner,
                                                         const struct rule_server *server)
{
    const struct enrolled_credential *pending =
        enrollment_credential(planner->enrollment, server->ssid, CREDENTIAL_PENDING);
    if (server->credential == CREDENTIAL_GENERATE)
        return pending;
    const struct enrolled_credential *active =
        enrollment_credential(planner->enrollment, server->ssid, CREDENTIAL_ACTIVE);
    return active ? active : pending;
}

static enum err_code require_credential(const struct planner *planner,
                                        const struct rule_server *server,
                                        const struct enrolled_credential **out)
{
    *out = find_credential(planner, server);
    if (*out || server->credential == CREDENTIAL_GENERATE)
        return ERR_OK;
    const char *endpoint = planner->enrollment->endpoint;
    return err_set(
        planner->err, ERR_INVALID,
        "%s:%u: device '%s' has no enrolled key for server %u; give it one: usher enroll "
        "'%s' --server-key, or let the profile say credential: generate",
        server->file, server->line, endpoint, server->ssid, endpoint);
}

static enum err_code fill_identity(struct planner *planner, const struct rule_server *server,
                                   struct value *out)
{
    const struct enrolled_credential *credential;
    enum err_code code = require_credential(planner, server, &credential);
    if (code != ERR_OK)
        return code;
    struct value value;
    if (credential && credential->identity.len > 0) {
        value.bytes = arena_bytes(planner->plan->arena, identity_bytes(&credential->identity));
        if (!value.bytes.data)
            return no_memory(planner->err);
    } else {
        code = rule_value_resolve(&server->identity, &planner->scope, &value, planner->err);
    }
    if (code != ERR_OK)
        return code;
    if (value.bytes.len == 0 || value.bytes.len > IDENTITY_MAX)
        return err_set(planner->err, ERR_RANGE,
                       "%s:%u: the identity of server %u has %zu bytes for device '%s'; 1 to %d "
                       "are allowed",
                       server->file, server->line, server->ssid, value.bytes.len,
                       planner->enrollment->endpoint, IDENTITY_MAX);
    uint16_t most = planner->client->identity_max;
    if (most > 0 && value.bytes.len > most)
        plan_warn(planner,
                  "the identity for server %u has %zu bytes; devices of this class take %u "
                  "(client.identity-max)",
                  server->ssid, value.bytes.len, most);
    *out = (struct value){.type = VALUE_OPAQUE, .bytes = value.bytes};
    return ERR_OK;
}

static enum err_code fill_key(struct planner *planner, const struct rule_server *server,
                              struct value *out)
{
    const struct enrolled_credential *credential;
    enum err_code code = require_credential(planner, server, &credential);
    if (code != ERR_OK)
        return code;
    uint16_t len = credential ? credential->key_len : server->key_len;
    uint16_t most = planner->client->key_max;
    if (most > 0 && len > most)
        plan_warn(planner,
                  "the key for server %u has %u bytes; devices of this class take %u "
                  "(client.key-max)",
                  server->ssid, len, most);
    *out = (struct value){.type = VALUE_SECRET,
                          .secret = {.kind = SECRET_PSK_KEY,
                                     .ssid = server->ssid,
                                     .len = len,
                                     .generation = credential ? credential->generation : 0}};
    return ERR_OK;
}

/* The share of a device never changes, so that each bootstrap spreads a street in the same way.
 * The key only has to be the same everywhere; endpoints gain nothing by choosing their share. */
static uint32_t share_of(const struct planner *planner, uint32_t spread)
{
    static const uint8_t key[16] = "usher hold-off 1";
    uint8_t text[ENDPOINT_MAX + CLASS_MAX + 2];
    size_t endpoint_len = strlen(planner->enrollment->endpoint);
    size_t class_len = strlen(planner->plan->class_name);
    memcpy(text, planner->enrollment->endpoint, endpoint_len + 1);
    memcpy(text + endpoint_len + 1, planner->plan->class_name, class_len + 1);
    return (uint32_t)(bytes_hash(key, bytes_of(text, endpoint_len + class_len + 2)) %
                      ((uint64_t)spread + 1));
}

static void fill_delay(const struct planner *planner, const struct rule_record *rule,
                       struct value *out)
{
    uint32_t seconds = rule->delay.after;
    if (rule->delay.spread > 0)
        seconds += share_of(planner, rule->delay.spread);
    *out = (struct value){.type = rule->value.fixed.type};
    if (out->type == VALUE_UNSIGNED)
        out->natural = seconds;
    else
        out->integer = seconds;
}

static enum err_code fill_binding(struct planner *planner, const struct rule_server *server,
                                  struct value *out)
{
    size_t index = version_index(planner->plan->version);
    if (server->binding[index].len == 0)
        return err_set(
            planner->err, ERR_INVALID,
            "%s:%u: the binding of server %u does not exist in LwM2M 1.%zu, which device "
            "'%s' speaks",
            server->file, server->line, server->ssid, index, planner->enrollment->endpoint);
    if (server->binding_cut[index])
        plan_warn(planner, "server %u: binding %.*s; the other letters do not exist in LwM2M 1.%zu",
                  server->ssid, (int)server->binding[index].len,
                  (const char *)server->binding[index].data, index);
    *out = (struct value){.type = VALUE_STRING, .bytes = server->binding[index]};
    return ERR_OK;
}

static enum err_code fill(struct planner *planner, const struct rule_record *rule,
                          const struct rule_server *server, struct value *out)
{
    switch (rule->source) {
    case RULE_VALUE:
        return rule_value_resolve(&rule->value, &planner->scope, out, planner->err);
    case RULE_IDENTITY:
        return fill_identity(planner, server, out);
    case RULE_KEY:
        return fill_key(planner, server, out);
    case RULE_DELAY:
        fill_delay(planner, rule, out);
        return ERR_OK;
    case RULE_BINDING:
        return fill_binding(planner, server, out);
    }
    return err_set(planner->err, ERR_INTERNAL, "a record without a source");
}

/* --- writes --- */

/* Resources that the device's version does not have yet. */
struct left_out {
    char ids[80];
    size_t used;
    size_t count;
    uint16_t last;
};

static void leave_out(struct left_out *left_out, uint16_t resource)
{
    if (left_out->count > 0 && left_out->last == resource)
        return;
    left_out->last = resource;
    size_t room = sizeof(left_out->ids) - left_out->used;
    int len = snprintf(left_out->ids + left_out->used, room, "%s%u",
                       left_out->count > 0 ? ", " : "", resource);
    left_out->count++;
    if (len > 0 && (size_t)len < room)
        left_out->used += (size_t)len;
    else
        left_out->ids[left_out->used] = '\0';
}

static void warn_left_out(struct planner *planner, const struct path *path,
                          const struct left_out *left_out)
{
    char text[PATH_TEXT_SIZE];
    if (left_out->count == 0)
        return;
    struct path instance = path_instance(path->ids[0], path->ids[1]);
    path_text(&instance, text);
    plan_warn(planner, "%s: resource%s %s left out, LwM2M 1.%zu does not have %s", text,
              left_out->count > 1 ? "s" : "", left_out->ids, version_index(planner->plan->version),
              left_out->count > 1 ? "them" : "it");
}

/* `server` is NULL outside /0 and /1. */
static enum err_code add_write(struct planner *planner, const struct rule_write *write,
                               uint16_t instance, const struct rule_server *server)
{
    struct plan *plan = planner->plan;
    struct left_out left_out = {0};
    struct path path = write->path;
    path.ids[1] = instance;
    struct operation *operation = plan_add(planner, OPERATION_WRITE, path);
    operation->optional = write->optional;
    operation->records = &plan->records[plan->record_count];
    plan_hash_operation(&plan->hash, operation);
    for (size_t i = 0; i < write->count; i++) {
        const struct rule_record *rule = &write->records[i];
        if (rule->since > plan->version) {
            leave_out(&left_out, rule->path.ids[2]);
            continue;
        }
        struct record *record = &plan->records[plan->record_count];
        record->path = rule->path;
        record->path.ids[1] = instance;
        enum err_code code = fill(planner, rule, server, &record->value);
        if (code != ERR_OK)
            return code;
        plan->record_count++;
        plan_hash_record(&plan->hash, record, !rule->value.has_now);
    }
    warn_left_out(planner, &path, &left_out);
    operation->record_count = (size_t)(&plan->records[plan->record_count] - operation->records);
    if (operation->record_count == 0)
        plan->count--;
    return ERR_OK;
}

static bool writes_resource(const struct rule_write *write, uint16_t resource)
{
    for (size_t i = 0; i < write->count; i++)
        if (write->records[i].path.ids[2] == resource)
            return true;
    return false;
}

/* The one instance of a single object is the device's own and exists. Strict clients refuse a write
 * of the whole instance that lacks a mandatory resource (Core 1.2 section 6.1.7), and those of
 * /3, such as the error codes, only the device knows. */
static bool goes_by_resource(const struct rule_write *write)
{
    const struct object_definition *object = object_table_object(write->path.ids[0]);
    if (!object || object->multiple || write->path.depth != 2)
        return false;
    size_t count;
    const struct resource_definition *resources = object_table_resources(object->id, &count);
    for (size_t i = 0; i < count; i++)
        if (resources[i].mandatory && !resources[i].executable &&
            !writes_resource(write, resources[i].id))
            return true;
    return false;
}

/* One write a resource; the values of a multiple one stay together. */
static enum err_code add_resources(struct planner *planner, const struct rule_write *write)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < write->count && code == ERR_OK;) {
        struct rule_write part = {
            .path = write->path, .optional = write->optional, .records = &write->records[i]};
        part.path.depth = 3;
        part.path.ids[2] = part.records->path.ids[2];
        while (i < write->count && write->records[i].path.ids[2] == part.path.ids[2]) {
            part.count++;
            i++;
        }
        code = add_write(planner, &part, part.path.ids[1], NULL);
    }
    return code;
}

/* Order: reference section 9, rule 1. */
static enum err_code add_writes(struct planner *planner)
{
    const struct profile_rules *rules = planner->rules;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < rules->server_count && code == ERR_OK; i++)
        code = add_write(planner, &rules->servers[i].security, planner->security_ids[i],
                         &rules->servers[i]);
    for (size_t i = 0; i < rules->server_count && code == ERR_OK; i++)
        code = add_write(planner, &rules->servers[i].server, planner->server_ids[i],
                         &rules->servers[i]);
    uint32_t next = 0;
    for (size_t i = 0; i < rules->access_count && code == ERR_OK; i++) {
        uint16_t instance = plan_free_instance(planner, OBJECT_ACCESS_CONTROL, next);
        code = add_write(planner, &rules->access[i], instance, NULL);
        next = instance + 1u;
    }
    for (size_t i = 0; i < rules->write_count && code == ERR_OK; i++) {
        const struct rule_write *write = &rules->writes[i];
        code = goes_by_resource(write) ? add_resources(planner, write)
                                       : add_write(planner, write, write->path.ids[1], NULL);
    }
    return code;
}

static enum err_code fill_plan(struct planner *planner)
{
    struct plan *plan = planner->plan;
    plan->version = choose_version(planner->client, planner->capability);
    plan->hash = plan_hash_start();
    plan_choose_formats(plan, planner->client, planner->capability);
    enum err_code code = make_room(planner);
    if (code != ERR_OK)
        return code;
    plan_find_bootstrap(planner);
    plan_clear(planner);
    for (size_t i = 0; i < plan->count; i++)
        plan_hash_operation(&plan->hash, &plan->operations[i]);
    plan_choose_instances(planner);
    code = add_writes(planner);
    if (code == ERR_OK)
        plan_hash_operation(&plan->hash, plan_add(planner, OPERATION_FINISH, path_root()));
    return code;
}

enum err_code plan_build(const struct profile *profile, const struct enrollment *enrollment,
                         const struct capability *capability, const struct plan_context *context,
                         struct plan **out, struct err *err)
{
    struct plan *plan = new_plan(profile, err);
    if (!plan)
        return ERR_NO_MEMORY;
    struct planner planner = {.plan = plan,
                              .profile = profile,
                              .rules = profile_rules(profile),
                              .client = profile_client(profile),
                              .enrollment = enrollment,
                              .capability = capability,
                              .scope = {.enrollment = enrollment,
                                        .now_wall_ms = context->now_wall_ms,
                                        .arena = plan->arena},
                              .err = err};
    enum err_code code = fill_plan(&planner);
    if (code != ERR_OK) {
        plan_free(plan);
        return code;
    }
    *out = plan;
    return ERR_OK;
}
