/* What a device holds: resources by path, in order. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "tree_priv.h"

#include <stdlib.h>
#include <string.h>

enum { RECORDS_MAX = 4096, FIRST_RECORDS = 32 };

static bool holds_bytes(const struct value *value)
{
    return value->type == VALUE_STRING || value->type == VALUE_OPAQUE;
}

static void value_release(struct value *value)
{
    if (!holds_bytes(value) || value->bytes.data == NULL)
        return;
    uint8_t *data = (uint8_t *)(uintptr_t)value->bytes.data;
    bytes_wipe(data, value->bytes.len);
    free(data);
}

static bool value_copy(struct value *to, const struct value *from)
{
    struct value copy = *from;
    if (holds_bytes(from)) {
        uint8_t *data = malloc(from->bytes.len > 0 ? from->bytes.len : 1);
        if (data == NULL)
            return false;
        if (from->bytes.len > 0)
            memcpy(data, from->bytes.data, from->bytes.len);
        copy.bytes = bytes_of(data, from->bytes.len);
    }
    *to = copy;
    return true;
}

void tree_clear(struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++)
        value_release(&tree->items[i].value);
    free(tree->items);
    *tree = (struct tree){0};
}

/* The first record that does not come before `path`. */
static size_t lower_bound(const struct tree *tree, const struct path *path)
{
    size_t low = 0, high = tree->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (path_compare(&tree->items[middle].path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool make_room(struct tree *tree)
{
    if (tree->count < tree->cap)
        return true;
    if (tree->cap >= RECORDS_MAX)
        return false;
    size_t cap = tree->cap == 0 ? FIRST_RECORDS : tree->cap * 2;
    struct record *items = realloc(tree->items, cap * sizeof *items);
    if (items == NULL)
        return false;
    tree->items = items;
    tree->cap = cap;
    return true;
}

bool tree_put(struct tree *tree, const struct record *record)
{
    struct value value;
    size_t at = lower_bound(tree, &record->path);
    bool there = at < tree->count && path_equal(&tree->items[at].path, &record->path);
    if ((!there && !make_room(tree)) || !value_copy(&value, &record->value))
        return false;
    if (there) {
        value_release(&tree->items[at].value);
    } else {
        memmove(tree->items + at + 1, tree->items + at, (tree->count - at) * sizeof *tree->items);
        tree->count++;
    }
    tree->items[at] = (struct record){.path = record->path, .value = value};
    return true;
}

bool tree_put_all(struct tree *tree, const struct record *records, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!tree_put(tree, &records[i]))
            return false;
    return true;
}

size_t tree_range(const struct tree *tree, const struct path *base, size_t *first)
{
    size_t start = lower_bound(tree, base);
    size_t end = start;
    while (end < tree->count && path_under(&tree->items[end].path, base))
        end++;
    *first = start;
    return end - start;
}

size_t tree_remove_under(struct tree *tree, const struct path *base)
{
    size_t first;
    size_t count = tree_range(tree, base, &first);
    for (size_t i = first; i < first + count; i++)
        value_release(&tree->items[i].value);
    if (count > 0)
        memmove(tree->items + first, tree->items + first + count,
                (tree->count - first - count) * sizeof *tree->items);
    tree->count -= count;
    return count;
}

const struct value *tree_find(const struct tree *tree, const struct path *path)
{
    size_t at = lower_bound(tree, path);
    if (at == tree->count || !path_equal(&tree->items[at].path, path))
        return NULL;
    return &tree->items[at].value;
}

bool tree_next_instance(const struct tree *tree, uint16_t object, uint32_t from, uint16_t *instance)
{
    if (from > UINT16_MAX)
        return false;
    struct path least = path_instance(object, (uint16_t)from);
    size_t at = lower_bound(tree, &least);
    if (at == tree->count || tree->items[at].path.ids[0] != object)
        return false;
    *instance = tree->items[at].path.ids[1];
    return true;
}

bool value_number(const struct value *value, int64_t *out)
{
    if (value == NULL)
        return false;
    if (value->type == VALUE_INTEGER || value->type == VALUE_TIME)
        *out = value->integer;
    else if (value->type == VALUE_UNSIGNED && value->natural <= INT64_MAX)
        *out = (int64_t)value->natural;
    else
        return false;
    return true;
}

static const struct value *find_resource(const struct tree *tree, uint16_t object,
                                         uint16_t instance, uint16_t resource)
{
    struct path path = path_resource(object, instance, resource);
    return tree_find(tree, &path);
}

bool tree_number(const struct tree *tree, uint16_t object, uint16_t instance, uint16_t resource,
                 int64_t *out)
{
    return value_number(find_resource(tree, object, instance, resource), out);
}

bool tree_boolean(const struct tree *tree, uint16_t object, uint16_t instance, uint16_t resource,
                  bool *out)
{
    const struct value *value = find_resource(tree, object, instance, resource);
    if (value == NULL || value->type != VALUE_BOOLEAN)
        return false;
    *out = value->boolean;
    return true;
}

bool tree_link(const struct tree *tree, uint16_t object, uint16_t instance, uint16_t resource,
               struct objlink *out)
{
    const struct value *value = find_resource(tree, object, instance, resource);
    if (value == NULL || value->type != VALUE_OBJLINK)
        return false;
    *out = value->link;
    return true;
}

struct bytes tree_bytes(const struct tree *tree, uint16_t object, uint16_t instance,
                        uint16_t resource)
{
    const struct value *value = find_resource(tree, object, instance, resource);
    return value != NULL && holds_bytes(value) ? value->bytes : (struct bytes){0};
}
