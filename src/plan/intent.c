/* SPDX-License-Identifier: Apache-2.0 */
/* What a profile means a device to have, as one number: whatever the device says of itself, without
 * secrets and times. When it is another than that of the last bootstrap, the device is outdated. */
#include "plan_priv.h"

/* A reference's place in the hash: what kind of thing, not which. */
static struct value reference(const struct rule_server *server)
{
    return (struct value){.type = VALUE_SECRET,
                          .secret = {.kind = server->kind == CREDENTIAL_KIND_OSCORE
                                                 ? SECRET_OSCORE_MASTER
                                                 : SECRET_PSK_KEY,
                                     .ssid = server->ssid,
                                     .generation = 0}};
}

static struct value text_value(struct bytes text)
{
    return (struct value){.type = VALUE_STRING, .bytes = text};
}

static enum err_code intend(struct planner *planner, const struct rule_record *rule,
                            const struct rule_server *server, struct value *out)
{
    const struct rule_place *place;
    switch (rule->source) {
    case RULE_VALUE:
        return rule_value_resolve(&rule->value, &planner->scope, out, planner->err);
    case RULE_IDENTITY: /* an enrolled one is the store's matter */
        if ((server->credential == CREDENTIAL_GENERATE ||
             server->credential == CREDENTIAL_DERIVE) &&
            server != planner->rules->bootstrap)
            return rule_value_resolve(&server->identity, &planner->scope, out, planner->err);
        *out = reference(server);
        return ERR_OK;
    case RULE_PICK:
        place = rule_pick_place(server, planner->enrollment, planner->err);
        return place ? rule_value_resolve(&place->uri, &planner->scope, out, planner->err)
                     : ERR_INVALID;
    case RULE_DELAY:
        plan_fill_delay(planner, rule, out);
        return ERR_OK;
    case RULE_BINDING:
        *out = text_value(server->binding[RULE_VERSIONS - 1]);
        return ERR_OK;
    case RULE_KEY:
    case RULE_PUBLIC_PART:
    case RULE_LINK:
        *out = reference(server);
        return ERR_OK;
    }
    return ERR_INTERNAL;
}

static enum err_code add_write(struct planner *planner, const struct rule_write *write,
                               const struct rule_server *server, uint64_t *state)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < write->count && code == ERR_OK; i++) {
        const struct rule_record *rule = &write->records[i];
        struct record record = {.path = rule->path};
        code = intend(planner, rule, server, &record.value);
        if (code == ERR_OK)
            plan_hash_record(state, &record, !rule->value.has_now);
    }
    return code;
}

/* Accounts stand for themselves, not for the instance that a device has free. */
static enum err_code add_server(struct planner *planner, const struct rule_server *server,
                                uint64_t *state)
{
    struct value credential = {.type = VALUE_UNSIGNED,
                               .natural = (uint64_t)server->credential << 32 |
                                          (uint64_t)server->kind << 16 | server->key_len};
    struct record head = {.path = path_object(server->ssid), .value = credential};
    plan_hash_record(state, &head, true);
    enum err_code code = add_write(planner, &server->oscore, server, state);
    if (code == ERR_OK)
        code = add_write(planner, &server->security, server, state);
    if (code == ERR_OK)
        code = add_write(planner, &server->server, server, state);
    return code;
}

enum err_code plan_intent_of(struct planner *planner, uint64_t *out)
{
    const struct profile_rules *rules = planner->rules;
    uint64_t state = plan_hash_start();
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < rules->server_count && code == ERR_OK; i++)
        code = add_server(planner, &rules->servers[i], &state);
    if (rules->bootstrap && code == ERR_OK)
        code = add_server(planner, rules->bootstrap, &state);
    for (size_t i = 0; i < rules->access_count && code == ERR_OK; i++)
        code = add_write(planner, &rules->access[i], NULL, &state);
    for (size_t i = 0; i < rules->write_count && code == ERR_OK; i++)
        code = add_write(planner, &rules->writes[i], NULL, &state);
    for (size_t i = 0; i < rules->delete_count; i++) {
        struct operation operation = {.kind = OPERATION_DELETE, .path = rules->deletes[i].path};
        plan_hash_operation(&state, &operation);
    }
    if (code == ERR_OK)
        *out = state;
    return code;
}

enum err_code plan_intent(const struct profile *profile, const struct enrollment *enrollment,
                          uint64_t *out, struct err *err)
{
    struct plan plan = {.arena = arena_new(PLAN_MEMORY_MAX), .class_name = profile_class(profile)};
    if (!plan.arena)
        return plan_no_memory(err);
    struct planner planner = {.plan = &plan,
                              .profile = profile,
                              .rules = profile_rules(profile),
                              .client = profile_client(profile),
                              .enrollment = enrollment,
                              .scope = {.enrollment = enrollment, .arena = plan.arena},
                              .err = err};
    enum err_code code = plan_intent_of(&planner, out);
    arena_free(plan.arena);
    return code;
}
