/* SPDX-License-Identifier: Apache-2.0 */
/* The block `write:`: any resource but those of servers and rights, grouped by instance. */
#include "profile_priv.h"

#include <stdlib.h>
#include <string.h>

/* These have blocks of their own, or are not offered. */
static bool has_own_block(struct compiler *compiler, const struct yaml_node *key, uint16_t object)
{
    static const struct {
        uint16_t object;
        const char *advice;
    } own[] = {
        {OBJECT_SECURITY, "/0 is written from 'servers'; other resources go under its key 'extra'"},
        {OBJECT_SERVER, "/1 is written from 'servers'; other resources go under its key 'extra'"},
        {OBJECT_ACCESS_CONTROL, "/2 is written from 'access-control'"},
        {OBJECT_OSCORE, "/21 is written from 'servers' with security: { mode: oscore, .. }"},
    };
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (own[i].object == object) {
            COMPILE_ERROR(compiler, key, "%s", own[i].advice);
            return true;
        }
    }
    return false;
}

/* Profiles are shown, compared and mailed around. */
static void warn_of_secrets(struct compiler *compiler, const struct yaml_node *key,
                            const struct path *path)
{
    static const struct {
        uint16_t object, resource;
    } secrets[] = {{11, 6}, {OBJECT_COSE, 2}, {OBJECT_MQTT, 8}};
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
        if (secrets[i].object == path->ids[0] && secrets[i].resource == path->ids[2])
            COMPILE_WARNING(compiler, key,
                            "this is a secret, and a profile is not a safe place: 'usher plan' "
                            "shows it");
}

static void compile_write(struct compiler *compiler, const struct yaml_node *node,
                          struct record_list *needed, struct record_list *optional)
{
    struct path path;
    if (!compile_path(compiler, node->key, &path))
        return;
    if (path.depth < 3) {
        COMPILE_ERROR(compiler, node->key, "name one resource, such as /3416/0/4");
        return;
    }
    if (has_own_block(compiler, node->key, path.ids[0]))
        return;
    warn_of_secrets(compiler, node->key, &path);
    struct record_list values = {0};
    bool is_optional = false;
    compile_values(compiler, node, &path, &is_optional, &values);
    for (size_t i = 0; i < values.count; i++) {
        if (record_list_has(is_optional ? needed : optional, &values.items[i].path)) {
            COMPILE_ERROR(compiler, node->key, "'%.40s' is written twice", node->key->text);
            return;
        }
        struct rule_record *record = record_list_add(compiler, is_optional ? optional : needed,
                                                     node->key, &values.items[i].path);
        if (record)
            record->value = values.items[i].value;
    }
}

/* --- grouping --- */

struct grouping {
    struct rule_write *writes;
    size_t count;
};

/* How many records from `records` on lie under the path of the first, cut to `depth`. */
static size_t group_length(const struct rule_record *records, size_t count, uint8_t depth,
                           struct path *path)
{
    size_t len = 0;
    *path = records[0].path;
    path->depth = depth;
    for (uint8_t i = depth; i < PATH_DEPTH_MAX; i++)
        path->ids[i] = 0;
    while (len < count && path_under(&records[len].path, path))
        len++;
    return len;
}

static bool writes_instance(const struct grouping *grouping, const struct path *record)
{
    for (size_t i = 0; i < grouping->count; i++)
        if (!grouping->writes[i].optional && path_under(record, &grouping->writes[i].path))
            return true;
    return false;
}

/* One write an instance. Optional resources beside needed ones get a write each: a second write of
 * the instance could clear the first, and one refused must not take the others along. */
static void group(struct grouping *grouping, const struct rule_record *records, size_t count,
                  bool optional)
{
    while (count > 0) {
        bool beside = optional && writes_instance(grouping, &records[0].path);
        struct path path;
        size_t len = group_length(records, count, beside ? 3 : 2, &path);
        grouping->writes[grouping->count++] = (struct rule_write){
            .path = path, .optional = optional, .records = records, .count = len};
        records += len;
        count -= len;
    }
}

static int by_path(const void *left, const void *right)
{
    return path_compare(&((const struct rule_write *)left)->path,
                        &((const struct rule_write *)right)->path);
}

/* --- what an instance lacks --- */

static bool holds(const struct rule_write *write, uint16_t resource)
{
    for (size_t i = 0; i < write->count; i++)
        if (write->records[i].path.ids[2] == resource)
            return true;
    return false;
}

/* Instances of multiple objects may be new; single ones are the device's own and exist. */
static void warn_of_gaps(struct compiler *compiler, const struct yaml_node *block,
                         const struct rule_write *write)
{
    const struct object_definition *object = object_table_object(write->path.ids[0]);
    if (!object || !object->multiple || write->path.depth != 2)
        return;
    size_t count;
    const struct resource_definition *resources = object_table_resources(object->id, &count);
    for (size_t i = 0; i < count; i++)
        if (resources[i].mandatory && !resources[i].executable && !holds(write, resources[i].id))
            COMPILE_WARNING(compiler, block,
                            "/%u/%u lacks resource %u (%s), which a new instance "
                            "must have",
                            object->id, write->path.ids[1], resources[i].id, resources[i].name);
}

void compile_writes(struct compiler *compiler, const struct yaml_node *root)
{
    const struct yaml_node *block = yaml_get(root, "write");
    struct record_list needed = {0}, optional = {0};
    if (!block || !compile_expect(compiler, block, YAML_MAPPING,
                                  "a mapping from paths to values, such as /3416/0/4: 70"))
        return;
    for (const struct yaml_node *node = block->first; node; node = node->next)
        compile_write(compiler, node, &needed, &optional);
    const struct rule_record *needed_records = record_list_keep(compiler, &needed);
    const struct rule_record *optional_records = record_list_keep(compiler, &optional);
    struct grouping grouping = {0};
    grouping.writes =
        compile_alloc(compiler, (needed.count + optional.count) * sizeof(*grouping.writes));
    if (!grouping.writes)
        return;
    group(&grouping, needed_records, needed.count, false);
    group(&grouping, optional_records, optional.count, true);
    qsort(grouping.writes, grouping.count, sizeof(*grouping.writes), by_path);
    for (size_t i = 0; i < grouping.count; i++)
        warn_of_gaps(compiler, block->key, &grouping.writes[i]);
    compiler->profile->rules.writes = grouping.writes;
    compiler->profile->rules.write_count = grouping.count;
}
