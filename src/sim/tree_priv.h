/* What a device holds: resources by path, in order. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_SIM_TREE_PRIV_H
#define USHER_SIM_TREE_PRIV_H

#include "usher/value.h"

struct tree {
    struct record *items; /* in order of path; the bytes of values are owned */
    size_t count;
    size_t cap;
};

void tree_clear(struct tree *tree); /* wipes */
/* Adds or replaces; copies the bytes. False: no memory, or too many. */
bool tree_put(struct tree *tree, const struct record *record);
bool tree_put_all(struct tree *tree, const struct record *records, size_t count);
size_t tree_remove_under(struct tree *tree, const struct path *base);
const struct value *tree_find(const struct tree *tree, const struct path *path);
/* The records at and below `base`: *first is the index, the number is returned. */
size_t tree_range(const struct tree *tree, const struct path *base, size_t *first);
/* The least instance id of `object` that is >= `from`. */
bool tree_next_instance(const struct tree *tree, uint16_t object, uint32_t from,
                        uint16_t *instance);
/* Numbers and booleans as they are, of whatever number type; false when absent. */
bool tree_number(const struct tree *tree, uint16_t object, uint16_t instance, uint16_t resource,
                 int64_t *out);
bool tree_boolean(const struct tree *tree, uint16_t object, uint16_t instance, uint16_t resource,
                  bool *out);
bool tree_link(const struct tree *tree, uint16_t object, uint16_t instance, uint16_t resource,
               struct objlink *out);
/* Empty when absent. */
struct bytes tree_bytes(const struct tree *tree, uint16_t object, uint16_t instance,
                        uint16_t resource);
bool value_number(const struct value *value, int64_t *out);

#endif
