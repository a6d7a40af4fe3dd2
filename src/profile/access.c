/* SPDX-License-Identifier: Apache-2.0 */
/* The block `access-control:`: instances of /2 (OMA Core 1.2 appendix E.3). */
#include "profile_priv.h"

#include <string.h>

enum {
    NO_OWNER = 65535,     /* Access Control Owner: the Bootstrap-Server alone */
    WHOLE_OBJECT = 65535, /* Object Instance ID: the right to create instances */
    RIGHT_CREATE = 16,
    ENTRIES_MAX = 256,
};

static const struct {
    const char *name;
    uint8_t bit;
} rights[] = {{"read", 1}, {"write", 2}, {"execute", 4}, {"delete", 8}, {"create", RIGHT_CREATE}};
static const char *const right_names[] = {"read", "write", "execute", "delete", "create", NULL};

/* One entry while it is compiled. */
struct entry {
    struct compiler *compiler;
    const struct yaml_node *node;
    uint16_t index; /* stands in for the instance id until the plan knows it */
    struct path object;
    struct record_list records;
};

static struct path resource_path(const struct entry *entry, uint16_t resource)
{
    return path_resource(OBJECT_ACCESS_CONTROL, entry->index, resource);
}

static bool is_server(const struct compiler *compiler, int64_t ssid)
{
    const struct profile_rules *rules = &compiler->profile->rules;
    for (size_t i = 0; i < rules->server_count; i++)
        if (rules->servers[i].ssid == ssid)
            return true;
    /* A parent may grant rights to servers that its children name. */
    return compiler->abstract;
}

static bool compile_object(struct entry *entry)
{
    struct compiler *compiler = entry->compiler;
    const struct yaml_node *node = yaml_get(entry->node, "object");
    if (!node) {
        COMPILE_ERROR(compiler, entry->node,
                      "'object' is missing: an instance such as /3416/0, or an object such as "
                      "/3416 for the right to create");
        return false;
    }
    if (!compile_path(compiler, node, &entry->object))
        return false;
    uint16_t object = entry->object.ids[0];
    if (entry->object.depth < 1 || entry->object.depth > 2) {
        COMPILE_ERROR(compiler, node,
                      "rights are given on an object or an instance, such as /3416/0");
        return false;
    }
    if (object == OBJECT_SECURITY || object == OBJECT_OSCORE) {
        COMPILE_ERROR(compiler, node, "no server has rights on /%u", object);
        return false;
    }
    struct path path = resource_path(entry, 0);
    record_list_number(compiler, &entry->records, node, &path, object);
    path = resource_path(entry, 1);
    bool whole = entry->object.depth == 1;
    record_list_number(compiler, &entry->records, node, &path,
                       whole ? WHOLE_OBJECT : entry->object.ids[1]);
    return true;
}

static void compile_owner(struct entry *entry)
{
    struct compiler *compiler = entry->compiler;
    const struct yaml_node *node = yaml_get(entry->node, "owner");
    bool whole = entry->object.depth == 1;
    bool none = node && node->kind == YAML_SCALAR && strcmp(node->text, "none") == 0;
    int64_t owner = NO_OWNER;
    if (!node && !whole) {
        COMPILE_ERROR(compiler, entry->node,
                      "'owner' is missing: the id of a server, or none (then only a bootstrap can "
                      "change the rights)");
        return;
    }
    if (node && !none && !yaml_integer(node, 1, 65534, &owner, compiler->findings))
        return;
    if (whole && owner != NO_OWNER)
        COMPILE_ERROR(compiler, node, "the right to create belongs to the bootstrap: owner: none");
    else if (owner != NO_OWNER && !is_server(compiler, owner))
        COMPILE_ERROR(compiler, node, "server %d is not among the servers of this class",
                      (int)owner);
    struct path path = resource_path(entry, 3);
    record_list_number(compiler, &entry->records, node ? node : entry->node, &path, owner);
}

/* The sum of a list of words, or -1. */
static int read_rights(struct entry *entry, const struct yaml_node *list)
{
    struct compiler *compiler = entry->compiler;
    bool whole = entry->object.depth == 1;
    int sum = 0;
    if (!compile_expect(compiler, list, YAML_SEQUENCE, "a list such as [read, write]"))
        return -1;
    for (const struct yaml_node *item = list->first; item; item = item->next) {
        int word = compile_word(compiler, item, right_names);
        if (word < 0)
            return -1;
        if (whole != (rights[word].bit == RIGHT_CREATE)) {
            COMPILE_ERROR(compiler, item,
                          whole ? "on a whole object only 'create' can be granted; name an "
                                  "instance, such as /3416/0, for '%s'"
                                : "'%s' is granted on a whole object, such as /3416",
                          rights[word].name);
            return -1;
        }
        sum |= rights[word].bit;
    }
    return sum;
}

static void compile_grant(struct entry *entry, const struct yaml_node *node)
{
    struct compiler *compiler = entry->compiler;
    uint16_t ssid = 0;
    bool usual = strcmp(node->key->text, "default") == 0;
    if (!usual && !compile_id(compiler, node->key, "'default' or the id of a server", 65534, &ssid))
        return;
    if (!usual && !is_server(compiler, ssid)) {
        COMPILE_ERROR(compiler, node->key, "server %u is not among the servers of this class",
                      ssid);
        return;
    }
    int sum = read_rights(entry, node);
    struct path path = resource_path(entry, 2);
    path.ids[3] = ssid;
    path.depth = 4;
    if (sum >= 0)
        record_list_number(compiler, &entry->records, node, &path, sum);
}

static void compile_entry(struct entry *entry, struct rule_write *out)
{
    static const char *const keys[] = {"object", "owner", "grant", NULL};
    struct compiler *compiler = entry->compiler;
    yaml_check_keys(entry->node, keys, compiler->findings);
    if (!compile_object(entry))
        return;
    compile_owner(entry);
    const struct yaml_node *grants = yaml_get(entry->node, "grant");
    if (grants && compile_expect(compiler, grants, YAML_MAPPING,
                                 "a mapping such as { 102: [read], default: [] }"))
        for (const struct yaml_node *node = grants->first; node; node = node->next)
            compile_grant(entry, node);
    *out = (struct rule_write){.path = path_instance(OBJECT_ACCESS_CONTROL, entry->index),
                               .records = record_list_keep(compiler, &entry->records),
                               .count = entry->records.count};
}

/* Two entries of one instance would make two owners. */
static bool is_repeated(const struct yaml_node *first, const struct yaml_node *node)
{
    const struct yaml_node *object = yaml_get(node, "object");
    if (!object || object->kind != YAML_SCALAR)
        return false;
    for (const struct yaml_node *other = first; other != node; other = other->next) {
        const struct yaml_node *text = yaml_get(other, "object");
        if (text && text->kind == YAML_SCALAR && strcmp(text->text, object->text) == 0)
            return true;
    }
    return false;
}

static void advise(struct compiler *compiler, const struct yaml_node *root,
                   const struct yaml_node *list)
{
    size_t servers = compiler->profile->rules.server_count;
    if (compiler->abstract)
        return;
    if (!list && servers > 1)
        COMPILE_WARNING(compiler, yaml_get(root, "servers"),
                        "several servers and no access-control: some devices then give none of "
                        "them any rights; add it, or say access-control: [] if that is meant");
    if (list && list->first && servers == 1)
        COMPILE_WARNING(compiler, list->key,
                        "devices ignore access-control while they have one server");
}

void compile_access(struct compiler *compiler, const struct yaml_node *root)
{
    const struct yaml_node *list = yaml_get(root, "access-control");
    advise(compiler, root, list);
    if (!list || !compile_expect(compiler, list, YAML_SEQUENCE, "a list of rights"))
        return;
    if (list->count > ENTRIES_MAX) {
        COMPILE_ERROR(compiler, list, "more than %d entries", ENTRIES_MAX);
        return;
    }
    struct rule_write *access = compile_alloc(compiler, list->count * sizeof(*access));
    size_t count = 0;
    for (const struct yaml_node *node = list->first; access && node; node = node->next) {
        if (!compile_expect(compiler, node, YAML_MAPPING,
                            "a mapping such as { object: /3416/0, owner: 101 }"))
            continue;
        if (is_repeated(list->first, node))
            COMPILE_ERROR(compiler, node, "rights on '%.40s' are given twice",
                          yaml_get(node, "object")->text);
        struct entry entry = {.compiler = compiler, .node = node, .index = (uint16_t)count};
        compile_entry(&entry, &access[count++]);
    }
    compiler->profile->rules.access = access;
    compiler->profile->rules.access_count = count;
}
