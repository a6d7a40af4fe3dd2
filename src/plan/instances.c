/* SPDX-License-Identifier: Apache-2.0 */
/* Which instance ids new accounts get: never the bootstrap account's, nor one that stays. */
#include "plan_priv.h"

void plan_find_bootstrap(struct planner *planner)
{
    const struct capability *capability = planner->capability;
    int told = planner->client->bootstrap_instance;
    planner->bootstrap = told >= 0 ? (uint16_t)told : 0;
    planner->bootstrap_known = told >= 0;
    uint16_t found;
    if (capability->discovered && capability_bootstrap_instance(capability, &found)) {
        planner->bootstrap = found;
        planner->bootstrap_known = true;
    }
    if (!planner->bootstrap_known && plan_is_listed(planner, OBJECT_SECURITY))
        plan_warn(planner, "Discover does not tell which instance of /0 is the bootstrap account: "
                           "the old accounts stay; client.bootstrap-instance can name it");
}

static bool lists_any(const struct capability *capability, uint16_t object)
{
    for (size_t i = 0; i < capability->instance_count; i++)
        if (capability->instances[i].object == object)
            return true;
    return false;
}

/* A Discover without any /0 is broken, since it was asked through one: such an answer says nothing
 * about the accounts. */
bool plan_is_listed(const struct planner *planner, uint16_t object)
{
    const struct capability *capability = planner->capability;
    if (capability->pack)
        return capability->discovered && (object == OBJECT_SECURITY || object == OBJECT_OSCORE);
    if (!capability->discovered || capability->truncated)
        return capability->discovered && lists_any(capability, object);
    bool accounts = object == OBJECT_SECURITY || object == OBJECT_SERVER;
    return !accounts || lists_any(capability, OBJECT_SECURITY);
}

static bool is_deleted(const struct plan *plan, const struct path *path)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->operations[i].kind == OPERATION_DELETE &&
            path_under(path, &plan->operations[i].path))
            return true;
    return false;
}

static bool is_bootstrap(const struct planner *planner, uint16_t object, uint16_t instance)
{
    return object == OBJECT_SECURITY && instance == planner->bootstrap;
}

/* There now, and still there after the deletes. DELETE /0 spares one, and which may be unknown. */
static bool stays(const struct planner *planner, uint16_t object, uint16_t instance)
{
    if (is_bootstrap(planner, object, instance))
        return true;
    if (!planner->capability->discovered ||
        !capability_has_instance(planner->capability, object, instance))
        return false;
    struct path path = path_instance(object, instance);
    bool spared = object == OBJECT_SECURITY && !planner->bootstrap_known;
    return spared || !is_deleted(planner->plan, &path);
}

uint16_t plan_free_instance(const struct planner *planner, uint16_t object, uint32_t least)
{
    /* At most CAPABILITY_INSTANCES_MAX can stay, so the end of the ids is never reached. */
    while (stays(planner, object, (uint16_t)least))
        least++;
    return (uint16_t)least;
}

/* An account of the same server that stays is overwritten: two of them would fail the Finish. */
static bool find_same_server(const struct planner *planner, uint16_t object, uint16_t ssid,
                             uint16_t *out)
{
    const struct capability *capability = planner->capability;
    for (size_t i = 0; capability->discovered && i < capability->instance_count; i++) {
        const struct capability_instance *candidate = &capability->instances[i];
        if (candidate->object != object || !candidate->has_ssid || candidate->ssid != ssid ||
            is_bootstrap(planner, object, candidate->instance) ||
            !stays(planner, object, candidate->instance))
            continue;
        *out = candidate->instance;
        return true;
    }
    return false;
}

static bool is_given(const uint16_t *ids, size_t count, uint16_t id)
{
    for (size_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static void choose(const struct planner *planner, uint16_t object, int first, uint16_t *ids)
{
    size_t count = planner->rules->server_count;
    uint16_t next = first >= 0 ? (uint16_t)first : 0;
    for (size_t i = 0; i < count; i++) {
        ids[i] = UINT16_MAX;
        if (object == OBJECT_OSCORE && planner->rules->servers[i].oscore.count == 0)
            continue;
        if (find_same_server(planner, object, planner->rules->servers[i].ssid, &ids[i]))
            continue;
        next = plan_free_instance(planner, object, next);
        while (is_given(ids, i, next))
            next = plan_free_instance(planner, object, next + 1u);
        ids[i] = next++;
    }
}

void plan_choose_instances(struct planner *planner)
{
    choose(planner, OBJECT_SECURITY, planner->client->first_security_instance,
           planner->security_ids);
    choose(planner, OBJECT_OSCORE, -1, planner->oscore_ids);
    choose(planner, OBJECT_SERVER, planner->client->first_server_instance, planner->server_ids);
}
