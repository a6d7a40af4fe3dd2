/* SPDX-License-Identifier: Apache-2.0 */
/* From profile, enrolment and capability to operations. Nothing is parsed here: this runs once a
 * bootstrap, on the threads that also do the handshakes. */
#include "plan_priv.h"

#include "usher/codec.h"

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

void plan_note(struct planner *planner, const char *format, ...)
{
    char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct plan *plan = planner->plan;
    const char *copy = plan->note_count < SERVERS_MAX ? arena_text(plan->arena, text) : NULL;
    if (copy)
        plan->notes[plan->note_count++] = copy;
}

static struct plan *new_plan(const struct profile *profile, struct err *err)
{
    struct arena *arena = arena_new(PLAN_MEMORY_MAX);
    struct plan *plan = arena ? arena_alloc(arena, sizeof(*plan)) : NULL;
    if (!plan) {
        arena_free(arena);
        plan_no_memory(err);
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
    plan->cap = plan_clear_most(planner) + 1 + 3 * rules->server_count + rules->access_count +
                most_writes(rules) + 1;
    plan->record_cap = rules->record_count;
    plan->operations = arena_alloc(plan->arena, plan->cap * sizeof(*plan->operations));
    plan->records = arena_alloc(plan->arena, plan->record_cap * sizeof(*plan->records));
    return plan->operations && plan->records ? ERR_OK : plan_no_memory(planner->err);
}

/* --- version --- */

/* What the device has shown that it knows: pct came with 1.1, its value 11544 with 1.2, /21
 * with 1.1. Some clients say lwm2m=1.0 all the same (Leshan). */
static enum lwm2m_version shown_version(const struct capability *capability)
{
    if (capability->preferred_format == FORMAT_LWM2M_CBOR)
        return LWM2M_1_2;
    if (capability->preferred_format >= 0 ||
        (capability->discovered && capability_has_object(capability, OBJECT_OSCORE)))
        return LWM2M_1_1;
    return LWM2M_1_0;
}

/* Discover tells it; a class that knows better than a hint says so; a hint is better than nothing.
 */
static enum lwm2m_version choose_version(const struct client_behaviour *client,
                                         const struct capability *capability)
{
    if (capability->pack)
        return capability->version > LWM2M_1_2 ? capability->version : LWM2M_1_2;
    bool told = capability->discovered && capability->version != LWM2M_VERSION_UNKNOWN;
    if (!told && client->version != LWM2M_VERSION_UNKNOWN)
        return client->version;
    enum lwm2m_version shown = shown_version(capability);
    return capability->version > shown ? capability->version : shown;
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
              left_out->count > 1 ? "s" : "", left_out->ids,
              plan_version_index(planner->plan->version), left_out->count > 1 ? "them" : "it");
}

/* `server` is NULL outside accounts. */
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
    for (size_t i = 0; i < write->count; i++) {
        const struct rule_record *rule = &write->records[i];
        if (rule->since > plan->version) {
            leave_out(&left_out, rule->path.ids[2]);
            continue;
        }
        struct record *record = &plan->records[plan->record_count];
        record->path = rule->path;
        record->path.ids[1] = instance;
        enum err_code code = plan_fill(planner, rule, server, &record->value);
        if (code != ERR_OK)
            return code;
        plan->record_count++;
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

/* Without its /21 the account would be an open one. */
static enum err_code add_oscore(struct planner *planner, const struct rule_server *server,
                                uint16_t instance)
{
    if (server->oscore.count == 0)
        return ERR_OK;
    if (planner->plan->version < LWM2M_1_1)
        return err_set(planner->err, ERR_INVALID,
                       "%s:%u: server %u is protected by OSCORE, which LwM2M 1.0 does not have and "
                       "device '%s' speaks; if it knows better, say client: { version: \"1.1\" }",
                       server->file, server->line, server->ssid, planner->enrollment->endpoint);
    return add_write(planner, &server->oscore, instance, server);
}

/* A second bootstrap account would break the device, so its place must be known for sure. */
static enum err_code add_bootstrap(struct planner *planner)
{
    const struct rule_server *account = planner->rules->bootstrap;
    if (!account)
        return ERR_OK;
    if (planner->bootstrap_known)
        return add_write(planner, &account->security, planner->bootstrap, account);
    plan_warn(planner, "the bootstrap account stays as it is: Discover does not tell where it is; "
                       "client.bootstrap-instance can name it");
    return ERR_OK;
}

/* Order: reference section 9, rule 1. */
static enum err_code add_writes(struct planner *planner)
{
    const struct profile_rules *rules = planner->rules;
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < rules->server_count && code == ERR_OK; i++)
        code = add_oscore(planner, &rules->servers[i], planner->oscore_ids[i]);
    for (size_t i = 0; i < rules->server_count && code == ERR_OK; i++)
        code = add_write(planner, &rules->servers[i].security, planner->security_ids[i],
                         &rules->servers[i]);
    if (code == ERR_OK)
        code = add_bootstrap(planner);
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
    plan_choose_formats(plan, planner->client, planner->capability);
    enum err_code code = make_room(planner);
    if (code != ERR_OK)
        return code;
    plan_find_bootstrap(planner);
    plan_clear(planner);
    plan_choose_instances(planner);
    code = add_writes(planner);
    if (code == ERR_OK)
        code = plan_intent_of(planner, &plan->hash);
    if (code == ERR_OK)
        plan_add(planner, OPERATION_FINISH, path_root());
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
