/* SPDX-License-Identifier: Apache-2.0 */
/* Values of resources: scalars, lists, maps, and the long form with type and optional. */
#include "template_priv.h"

#include <string.h>

static bool is_nothing(const struct yaml_node *node)
{
    return !node->quoted &&
           (node->text_len == 0 || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

/* Quotes say text; a number in quotes is a mistake on one of the two sides. */
static bool is_bare_type(enum value_type type)
{
    return type == VALUE_INTEGER || type == VALUE_UNSIGNED || type == VALUE_FLOAT ||
           type == VALUE_BOOLEAN;
}

static bool refuse(struct compiler *compiler, const struct yaml_node *node, enum value_type type,
                   const struct resource_definition *definition)
{
    const char *quote = node->quoted ? "\"" : "'";
    COMPILE_ERROR(compiler, node, "expected %s%s%s%s, found %s%.40s%s", scalar_expected(type),
                  definition ? " (" : "", definition ? definition->name : "", definition ? ")" : "",
                  is_nothing(node) ? "nothing" : quote, is_nothing(node) ? "" : node->text,
                  is_nothing(node) ? "" : quote);
    return false;
}

static bool read_fixed(struct compiler *compiler, const struct yaml_node *node,
                       struct bytes literal, struct rule_value *out)
{
    enum value_type type = out->fixed.type;
    struct err err;
    if ((node->quoted && is_bare_type(type)) ||
        !scalar_read(type, literal, compiler->arena, &out->fixed))
        return refuse(compiler, node, type, out->definition);
    if (out->definition && object_table_check(out->definition, &out->fixed, &err) != ERR_OK) {
        COMPILE_ERROR(compiler, node, "%s", err.text);
        return false;
    }
    return true;
}

bool compile_value(struct compiler *compiler, const struct yaml_node *node, enum value_type type,
                   const struct resource_definition *definition, struct rule_value *out)
{
    struct rule_value value = {.fixed = {.type = type},
                               .definition = definition,
                               .file = compile_file(compiler, node),
                               .line = node->line};
    if (!compile_expect(compiler, node, YAML_SCALAR, "a single value"))
        return false;
    if (is_nothing(node))
        return refuse(compiler, node, type, definition);
    if (node->text_len > PROFILE_TEXT_MAX) {
        COMPILE_ERROR(compiler, node, "longer than %d bytes", PROFILE_TEXT_MAX);
        return false;
    }
    struct bytes literal;
    if (!template_parse(compiler, node, &value, &literal))
        return false;
    if (value.part_count == 0 && !read_fixed(compiler, node, literal, &value))
        return false;
    *out = value;
    return true;
}

/* --- what stands after a path --- */

struct target {
    struct path path;
    enum value_type type;
    const struct resource_definition *definition;
    struct record_list *list;
};

static void add_scalar(struct compiler *compiler, const struct yaml_node *node,
                       const struct target *target, const struct path *path)
{
    struct rule_value value;
    if (!compile_value(compiler, node, target->type, target->definition, &value))
        return;
    struct rule_record *record =
        record_list_add(compiler, target->list, node->key ? node->key : node, path);
    if (record)
        record->value = value;
}

static struct path instance_path(const struct target *target, uint16_t instance)
{
    struct path path = target->path;
    path.ids[3] = instance;
    path.depth = 4;
    return path;
}

static void add_list(struct compiler *compiler, const struct yaml_node *node,
                     const struct target *target)
{
    uint16_t instance = 0;
    for (const struct yaml_node *item = node->first; item; item = item->next) {
        if (instance == PROFILE_RECORDS_MAX) {
            COMPILE_ERROR(compiler, item, "more than %d values", PROFILE_RECORDS_MAX);
            return;
        }
        struct path path = instance_path(target, instance++);
        add_scalar(compiler, item, target, &path);
    }
}

static void add_map(struct compiler *compiler, const struct yaml_node *node,
                    const struct target *target)
{
    for (const struct yaml_node *item = node->first; item; item = item->next) {
        uint16_t instance;
        if (!compile_id(compiler, item->key, "a resource instance id", 65534, &instance))
            continue;
        struct path path = instance_path(target, instance);
        add_scalar(compiler, item, target, &path);
    }
}

static void add_values(struct compiler *compiler, const struct yaml_node *node,
                       const struct target *target)
{
    const struct resource_definition *definition = target->definition;
    bool whole = target->path.depth == 3;
    if (node->kind == YAML_SCALAR && whole && definition && definition->multiple) {
        COMPILE_ERROR(compiler, node, "%s takes several values; write a list [..] or a map {0: ..}",
                      definition->name);
    } else if (node->kind == YAML_SCALAR) {
        add_scalar(compiler, node, target, &target->path);
    } else if (!whole || (definition && !definition->multiple)) {
        COMPILE_ERROR(compiler, node, "%s takes one value, not %s",
                      definition ? definition->name : "a resource instance",
                      node->kind == YAML_SEQUENCE ? "a list" : "a map");
    } else if (node->first == NULL) {
        COMPILE_ERROR(compiler, node, "no value in it; leave the resource out instead");
    } else if (node->kind == YAML_SEQUENCE) {
        add_list(compiler, node, target);
    } else {
        add_map(compiler, node, target);
    }
}

static const char *const long_keys[] = {"type", "value", "optional", NULL};

/* A map from instance ids has numbers for keys; everything else is the long form. */
static bool is_long_form(const struct yaml_node *node)
{
    if (node->kind != YAML_MAPPING)
        return false;
    for (const struct yaml_node *child = node->first; child; child = child->next)
        if (child->key->text[strspn(child->key->text, "0123456789")] != '\0')
            return true;
    return false;
}

static void read_type(struct compiler *compiler, const struct yaml_node *node,
                      struct target *target)
{
    static const char *const words[] = {"string", "integer", "unsigned", "float", "boolean",
                                        "opaque", "time",    "objlink",  NULL};
    enum value_type type;
    int word = compile_word(compiler, node, words);
    if (word < 0 || !value_type_from_name(words[word], &type))
        return;
    const struct resource_definition *definition = target->definition;
    if (definition && !definition->executable && type != definition->type)
        COMPILE_ERROR(compiler, node, "%s is of type %s; leave 'type' out", definition->name,
                      value_type_name(definition->type));
    else
        target->type = type;
}

/* The node under `value:`, or NULL after an error. */
static const struct yaml_node *read_long_form(struct compiler *compiler,
                                              const struct yaml_node *node, struct target *target,
                                              bool *optional)
{
    yaml_check_keys(node, long_keys, compiler->findings);
    const struct yaml_node *type = yaml_get(node, "type");
    const struct yaml_node *value = yaml_get(node, "value");
    const struct yaml_node *mark = yaml_get(node, "optional");
    if (type)
        read_type(compiler, type, target);
    if (mark && !optional)
        COMPILE_ERROR(compiler, mark->key,
                      "nothing of a server can be optional: a device that refuses it would count "
                      "as bootstrapped");
    else if (mark)
        yaml_boolean(mark, optional, compiler->findings);
    if (!value)
        COMPILE_ERROR(compiler, node, "'value' is missing: { type: integer, value: 70 }");
    return value;
}

void compile_values(struct compiler *compiler, const struct yaml_node *node,
                    const struct path *path, bool *optional, struct record_list *list)
{
    struct target target = {.path = *path, .list = list};
    target.definition = object_table_resource(path->ids[0], path->ids[2]);
    target.type = target.definition ? target.definition->type : VALUE_NONE;
    const struct yaml_node *value = node;
    if (is_long_form(node))
        value = read_long_form(compiler, node, &target, optional);
    if (!value)
        return;
    char text[PATH_TEXT_SIZE];
    path_text(path, text);
    if (target.definition && target.definition->executable)
        COMPILE_ERROR(compiler, node->key, "%s (%s) is executed by servers, it cannot be written",
                      text, target.definition->name);
    else if (target.definition && path->depth == 4 && !target.definition->multiple)
        COMPILE_ERROR(compiler, node->key, "%s takes one value: write the resource itself",
                      target.definition->name);
    else if (target.type == VALUE_NONE && value == node)
        COMPILE_ERROR(compiler, node,
                      "the type of %s is not known here; say it: { type: integer, value: 70 }",
                      text);
    else if (target.type == VALUE_NONE && !yaml_get(node, "type"))
        COMPILE_ERROR(compiler, node, "'type' is missing: the type of %s is not known here", text);
    else if (target.type != VALUE_NONE)
        add_values(compiler, value, &target);
}
