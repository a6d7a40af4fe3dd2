/* SPDX-License-Identifier: Apache-2.0 */
/* Inheritance: the child's keys over the parent's. Mappings are merged key by key, `servers` by id,
 * all else is replaced; `~` takes away what the parent says. Nodes keep their places. */
#include "profile_priv.h"

#include <string.h>

struct merger {
    struct arena *arena;
    bool failed;
};

/* These belong to the class that says them. */
static const char *const own_keys[] = {"class", "description", "abstract", "extends", "match"};

static bool is_own(const struct yaml_node *child)
{
    for (size_t i = 0; i < sizeof(own_keys) / sizeof(own_keys[0]); i++)
        if (strcmp(child->key->text, own_keys[i]) == 0)
            return true;
    return false;
}

static bool takes_away(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR && !node->quoted && strcmp(node->text, "~") == 0;
}

static struct yaml_node *copy_node(struct merger *merger, const struct yaml_node *node)
{
    struct yaml_node *copy = arena_alloc(merger->arena, sizeof(*copy));
    if (!copy) {
        merger->failed = true;
        return NULL;
    }
    *copy = *node;
    copy->next = NULL;
    return copy;
}

/* An empty collection in the place of another. */
static struct yaml_node *copy_empty(struct merger *merger, const struct yaml_node *node)
{
    struct yaml_node *copy = copy_node(merger, node);
    if (copy) {
        copy->first = NULL;
        copy->count = 0;
    }
    return copy;
}

static struct yaml_node **append(struct yaml_node *collection, struct yaml_node **end,
                                 struct yaml_node *node)
{
    if (!node)
        return end;
    *end = node;
    collection->count++;
    return &node->next;
}

static struct yaml_node *merge_nodes(struct merger *merger, const struct yaml_node *parent,
                                     const struct yaml_node *child);

/* Depth is bounded by the nesting of YAML trees. */
static struct yaml_node *merge_mappings(struct merger *merger, const struct yaml_node *parent,
                                        const struct yaml_node *child)
{
    struct yaml_node *merged = copy_empty(merger, child);
    if (!merged)
        return NULL;
    struct yaml_node **end = &merged->first;
    for (const struct yaml_node *old = parent->first; old; old = old->next) {
        const struct yaml_node *new = yaml_get(child, old->key->text);
        if (!new)
            end = append(merged, end, copy_node(merger, old));
        else if (!takes_away(new))
            end = append(merged, end, merge_nodes(merger, old, new));
    }
    for (const struct yaml_node *new = child->first; new; new = new->next)
        if (!yaml_get(parent, new->key->text))
            end = append(merged, end, copy_node(merger, new));
    return merged;
}

static struct yaml_node *merge_nodes(struct merger *merger, const struct yaml_node *parent,
                                     const struct yaml_node *child)
{
    if (parent->kind == YAML_MAPPING && child->kind == YAML_MAPPING)
        return merge_mappings(merger, parent, child);
    return copy_node(merger, child);
}

static const struct yaml_node *server_with_id(const struct yaml_node *servers,
                                              const struct yaml_node *like)
{
    const struct yaml_node *id = yaml_get(like, "id");
    if (!id || id->kind != YAML_SCALAR)
        return NULL;
    for (const struct yaml_node *server = servers->first; server; server = server->next) {
        const struct yaml_node *other = yaml_get(server, "id");
        if (other && other->kind == YAML_SCALAR && strcmp(other->text, id->text) == 0)
            return server;
    }
    return NULL;
}

static struct yaml_node *merge_servers(struct merger *merger, const struct yaml_node *parent,
                                       const struct yaml_node *child)
{
    if (parent->kind != YAML_SEQUENCE || child->kind != YAML_SEQUENCE)
        return copy_node(merger, child);
    struct yaml_node *merged = copy_empty(merger, child);
    if (!merged)
        return NULL;
    struct yaml_node **end = &merged->first;
    for (const struct yaml_node *old = parent->first; old; old = old->next) {
        const struct yaml_node *new = server_with_id(child, old);
        end = append(merged, end, new ? merge_nodes(merger, old, new) : copy_node(merger, old));
    }
    for (const struct yaml_node *new = child->first; new; new = new->next)
        if (!server_with_id(parent, new))
            end = append(merged, end, copy_node(merger, new));
    return merged;
}

struct yaml_node *merge_trees(struct arena *arena, const struct yaml_node *parent,
                              const struct yaml_node *child)
{
    struct merger merger = {.arena = arena};
    struct yaml_node *merged = copy_empty(&merger, child);
    if (!merged)
        return NULL;
    struct yaml_node **end = &merged->first;
    for (const struct yaml_node *old = parent->first; old; old = old->next) {
        if (is_own(old))
            continue;
        const struct yaml_node *new = yaml_get(child, old->key->text);
        if (!new)
            end = append(merged, end, copy_node(&merger, old));
        else if (strcmp(old->key->text, "servers") == 0 && !takes_away(new))
            end = append(merged, end, merge_servers(&merger, old, new));
        else if (!takes_away(new))
            end = append(merged, end, merge_nodes(&merger, old, new));
    }
    for (const struct yaml_node *new = child->first; new; new = new->next)
        if (is_own(new) || !yaml_get(parent, new->key->text))
            end = append(merged, end, copy_node(&merger, new));
    return merger.failed ? NULL : merged;
}
