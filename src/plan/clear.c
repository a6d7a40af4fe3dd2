/* SPDX-License-Identifier: Apache-2.0 */
/* What is deleted before anything is written. The bootstrap account is never named: object-level
 * deletes spare it by the standard, instance-level ones do not on some devices. */
#include "plan_priv.h"

size_t plan_clear_most(const struct planner *planner)
{
    return planner->rules->delete_count + planner->capability->instance_count;
}

static bool is_covered(const struct plan *plan, const struct path *path)
{
    for (size_t i = 0; i < plan->count; i++)
        if (path_under(path, &plan->operations[i].path))
            return true;
    return false;
}

static void delete_path(struct planner *planner, struct path path)
{
    if (!is_covered(planner->plan, &path))
        plan_add(planner, OPERATION_DELETE, path);
}

static void delete_listed(struct planner *planner, uint16_t object)
{
    const struct capability *capability = planner->capability;
    for (size_t i = 0; capability->discovered && i < capability->instance_count; i++) {
        const struct capability_instance *listed = &capability->instances[i];
        /* A context of no server may be the bootstrap account's. */
        if (listed->object != object ||
            (object == OBJECT_SECURITY && listed->instance == planner->bootstrap) ||
            (object == OBJECT_OSCORE && !(listed->has_ssid && listed->ssid != 0)))
            continue;
        delete_path(planner, path_instance(object, listed->instance));
    }
}

static bool has_instances(const struct capability *capability, uint16_t object)
{
    for (size_t i = 0; i < capability->instance_count; i++)
        if (capability->instances[i].object == object)
            return true;
    return false;
}

/* Accounts go one by one where they are known, since some devices lose the bootstrap account with
 * DELETE /0; other objects go as a whole, which is one message. */
static void delete_object(struct planner *planner, uint16_t object)
{
    enum client_delete style = planner->client->delete_style;
    bool listed = plan_is_listed(planner, object);
    if (object == OBJECT_SECURITY && listed && !planner->bootstrap_known && style != DELETE_OBJECT)
        return;
    bool account = object == OBJECT_SECURITY || object == OBJECT_OSCORE;
    if (style == DELETE_LISTED || (style == DELETE_AUTO && listed && account))
        delete_listed(planner, object);
    else if (style == DELETE_OBJECT || !listed || planner->capability->truncated ||
             has_instances(planner->capability, object))
        delete_path(planner, path_object(object));
}

static void delete_instance(struct planner *planner, const struct rule_delete *rule)
{
    const struct path *path = &rule->path;
    if (path->ids[0] == OBJECT_SECURITY &&
        (!planner->bootstrap_known || path->ids[1] == planner->bootstrap)) {
        plan_warn(planner, "%s:%u: /0/%u is not deleted: it is, or could be, the bootstrap account",
                  rule->file, rule->line, path->ids[1]);
        return;
    }
    bool known_absent = plan_is_listed(planner, path->ids[0]) && !planner->capability->truncated &&
                        !capability_has_instance(planner->capability, path->ids[0], path->ids[1]);
    if (!known_absent || planner->client->delete_style == DELETE_OBJECT)
        delete_path(planner, *path);
}

static bool wipes_all(const struct profile_rules *rules)
{
    for (size_t i = 0; i < rules->delete_count; i++)
        if (rules->deletes[i].path.depth == 0)
            return true;
    return false;
}

/* Then the OSCORE contexts of old accounts are of no use, whether new ones come or not. */
static bool clears_accounts(const struct profile_rules *rules)
{
    for (size_t i = 0; i < rules->delete_count; i++)
        if (rules->deletes[i].path.depth == 1 && rules->deletes[i].path.ids[0] == OBJECT_SECURITY)
            return true;
    return false;
}

void plan_clear(struct planner *planner)
{
    const struct profile_rules *rules = planner->rules;
    if (planner->client->delete_style == DELETE_NONE)
        return;
    if (wipes_all(rules)) {
        delete_path(planner, path_root());
        return;
    }
    for (size_t i = 0; i < rules->delete_count; i++) {
        if (rules->deletes[i].path.depth == 1)
            delete_object(planner, rules->deletes[i].path.ids[0]);
        else
            delete_instance(planner, &rules->deletes[i]);
    }
    if (clears_accounts(rules))
        delete_listed(planner, OBJECT_OSCORE);
}
