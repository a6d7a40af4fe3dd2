/* SPDX-License-Identifier: Apache-2.0 */
/* The block `delete:`: what is cleared before anything is written. */
#include "profile_priv.h"

#include <string.h>

struct clearing {
    struct compiler *compiler;
    struct rule_delete *items;
    size_t count;
};

static void add(struct clearing *clearing, const struct yaml_node *at, struct path path)
{
    for (size_t i = 0; i < clearing->count; i++)
        if (path_equal(&clearing->items[i].path, &path))
            return;
    if (clearing->count == PROFILE_DELETES_MAX) {
        COMPILE_ERROR(clearing->compiler, at, "more than %d paths", PROFILE_DELETES_MAX);
        return;
    }
    clearing->items[clearing->count++] = (struct rule_delete){
        .path = path, .file = compile_file(clearing->compiler, at), .line = at->line};
}

static void advise(struct compiler *compiler, const struct yaml_node *node, const struct path *path)
{
    if (path->depth == 0)
        COMPILE_WARNING(compiler, node,
                        "deleting / also wipes what the operator put there, such as the APN (/11); "
                        "name the objects instead");
    else if (path->ids[0] == OBJECT_DEVICE)
        COMPILE_WARNING(compiler, node, "a device keeps /3/0 whatever it is told");
    else if (path->ids[0] == 5 || path->ids[0] == 9)
        COMPILE_WARNING(compiler, node, "deleting /%u can leave a device without updates",
                        path->ids[0]);
}

static void compile_list(struct clearing *clearing, const struct yaml_node *list)
{
    struct compiler *compiler = clearing->compiler;
    if (!compile_expect(compiler, list, YAML_SEQUENCE, "a list of paths such as [/2, /3416]"))
        return;
    for (const struct yaml_node *node = list->first; node; node = node->next) {
        struct path path;
        if (!compile_path(compiler, node, &path))
            continue;
        if (path.depth > 2) {
            COMPILE_ERROR(compiler, node,
                          "only objects and instances can be deleted, such as /3416 "
                          "or /3416/0");
            continue;
        }
        advise(compiler, node, &path);
        add(clearing, node, path);
    }
}

/* The list under `only:`, which takes the place of the usual deletes; NULL when there is none. */
static const struct yaml_node *only_list(struct compiler *compiler, const struct yaml_node *block)
{
    static const char *const keys[] = {"only", NULL};
    if (!block || block->kind != YAML_MAPPING)
        return NULL;
    yaml_check_keys(block, keys, compiler->findings);
    const struct yaml_node *only = yaml_get(block, "only");
    if (!only)
        COMPILE_ERROR(compiler, block, "expected a list of paths, or { only: [..] }");
    return only;
}

static bool uses_oscore(const struct profile_rules *rules)
{
    for (size_t i = 0; i < rules->server_count; i++)
        if (rules->servers[i].oscore.count > 0)
            return true;
    return false;
}

void compile_deletes(struct compiler *compiler, const struct yaml_node *root)
{
    struct profile *profile = compiler->profile;
    const struct yaml_node *block = yaml_get(root, "delete");
    struct clearing clearing = {.compiler = compiler};
    clearing.items = compile_alloc(compiler, PROFILE_DELETES_MAX * sizeof(*clearing.items));
    if (!clearing.items)
        return;
    const struct yaml_node *only = only_list(compiler, block);
    if (!only) {
        add(&clearing, root, path_object(OBJECT_SECURITY));
        add(&clearing, root, path_object(OBJECT_SERVER));
        if (profile->rules.access_count > 0)
            add(&clearing, root, path_object(OBJECT_ACCESS_CONTROL));
        if (uses_oscore(&profile->rules))
            add(&clearing, root, path_object(OBJECT_OSCORE));
    }
    if (only || (block && block->kind != YAML_MAPPING))
        compile_list(&clearing, only ? only : block);
    if (block && profile->client.delete_style == DELETE_NONE)
        COMPILE_WARNING(compiler, block->key, "nothing is deleted: client.delete is none");
    profile->rules.deletes = clearing.items;
    profile->rules.delete_count = clearing.count;
}
