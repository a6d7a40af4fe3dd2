/* SPDX-License-Identifier: Apache-2.0 */
/* Records of instances while a class is compiled. */
#include "profile_priv.h"

#include <stdlib.h>
#include <string.h>

bool record_list_has(const struct record_list *list, const struct path *path)
{
    for (size_t i = 0; i < list->count; i++)
        if (path_under(&list->items[i].path, path) || path_under(path, &list->items[i].path))
            return true;
    return false;
}

static bool grow(struct compiler *compiler, struct record_list *list)
{
    size_t cap = list->cap > 0 ? list->cap * 2 : 32;
    struct rule_record *items = compile_scratch(compiler, cap * sizeof(*items));
    if (!items)
        return false;
    if (list->count > 0)
        memcpy(items, list->items, list->count * sizeof(*items));
    list->items = items;
    list->cap = cap;
    return true;
}

/* A resource is as young as the younger of itself and its object. */
static enum lwm2m_version since_of(const struct path *path)
{
    const struct object_definition *object = object_table_object(path->ids[0]);
    const struct resource_definition *resource = object_table_resource(path->ids[0], path->ids[2]);
    enum lwm2m_version since = object ? object->since : LWM2M_1_0;
    return resource && resource->since > since ? resource->since : since;
}

struct rule_record *record_list_add(struct compiler *compiler, struct record_list *list,
                                    const struct yaml_node *at, const struct path *path)
{
    if (record_list_has(list, path)) {
        char text[PATH_TEXT_SIZE];
        path_text(path, text);
        COMPILE_ERROR(compiler, at, "%s is written twice", text);
        return NULL;
    }
    if (list->count == PROFILE_RECORDS_MAX) {
        COMPILE_ERROR(compiler, at, "more than %d values", PROFILE_RECORDS_MAX);
        return NULL;
    }
    if (list->count == list->cap && !grow(compiler, list))
        return NULL;
    struct rule_record *record = &list->items[list->count++];
    *record = (struct rule_record){.path = *path, .since = since_of(path)};
    record->value.definition = object_table_resource(path->ids[0], path->ids[2]);
    record->value.file = compile_file(compiler, at);
    record->value.line = at->line;
    return record;
}

static int by_path(const void *left, const void *right)
{
    return path_compare(&((const struct rule_record *)left)->path,
                        &((const struct rule_record *)right)->path);
}

const struct rule_record *record_list_keep(struct compiler *compiler, struct record_list *list)
{
    if (list->count == 0)
        return NULL;
    qsort(list->items, list->count, sizeof(*list->items), by_path);
    struct rule_record *kept = compile_alloc(compiler, list->count * sizeof(*kept));
    if (!kept) {
        list->count = 0;
        return NULL;
    }
    memcpy(kept, list->items, list->count * sizeof(*kept));
    return kept;
}

void record_list_number(struct compiler *compiler, struct record_list *list,
                        const struct yaml_node *at, const struct path *path, int64_t number)
{
    struct rule_record *record = record_list_add(compiler, list, at, path);
    if (!record)
        return;
    struct value *fixed = &record->value.fixed;
    fixed->type = record->value.definition->type;
    if (fixed->type == VALUE_UNSIGNED)
        fixed->natural = (uint64_t)number;
    else
        fixed->integer = number;
}

void record_list_boolean(struct compiler *compiler, struct record_list *list,
                         const struct yaml_node *at, const struct path *path, bool boolean)
{
    struct rule_record *record = record_list_add(compiler, list, at, path);
    if (record)
        record->value.fixed = (struct value){.type = VALUE_BOOLEAN, .boolean = boolean};
}
