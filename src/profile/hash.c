/* SPDX-License-Identifier: Apache-2.0 */
/* A hash of all that a profile says (FNV-1a, 64 bits). The order of keys does not count. */
#include "profile_priv.h"

#include <stdlib.h>
#include <string.h>

/* Counts up when the same text comes to mean something else. */
static const char language[] = "usher-profile-1";

/* These choose or describe a class; what its devices receive does not depend on them. */
static const char *const silent_keys[] = {"description", "abstract", "extends",
                                          "match",       "class",    "insecure"};

static void add(uint64_t *state, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++)
        *state = (*state ^ bytes[i]) * 0x100000001b3u;
}

uint64_t hash_bytes(uint64_t state, struct bytes data)
{
    add(&state, data.data, data.len);
    return state;
}

/* With the final NUL, so that "ab" "c" and "a" "bc" differ. */
static void add_text(uint64_t *state, const char *text)
{
    add(state, text, strlen(text) + 1);
}

static int by_key(const void *left, const void *right)
{
    return strcmp((*(const struct yaml_node *const *)left)->key->text,
                  (*(const struct yaml_node *const *)right)->key->text);
}

static bool is_silent(const struct yaml_node *child)
{
    for (size_t i = 0; i < sizeof(silent_keys) / sizeof(silent_keys[0]); i++)
        if (strcmp(child->key->text, silent_keys[i]) == 0)
            return true;
    return false;
}

/* Sorting needs room. */
struct hasher {
    uint64_t state;
    struct arena *scratch;
    bool failed;
};

static void add_node(struct hasher *hasher, const struct yaml_node *node, bool top);

static void add_mapping(struct hasher *hasher, const struct yaml_node *node, bool top)
{
    const struct yaml_node **sorted =
        arena_alloc(hasher->scratch, (node->count + 1) * sizeof(*sorted));
    if (!sorted) {
        hasher->failed = true;
        return;
    }
    size_t count = 0;
    for (const struct yaml_node *child = node->first; child; child = child->next)
        if (!top || !is_silent(child))
            sorted[count++] = child;
    qsort(sorted, count, sizeof(*sorted), by_key);
    for (size_t i = 0; i < count; i++) {
        add_text(&hasher->state, sorted[i]->key->text);
        add_node(hasher, sorted[i], false);
    }
}

/* Depth is bounded by the nesting of YAML trees. */
static void add_node(struct hasher *hasher, const struct yaml_node *node, bool top)
{
    static const char open[] = {[YAML_SCALAR] = '=', [YAML_SEQUENCE] = '[', [YAML_MAPPING] = '{'};
    add(&hasher->state, &open[node->kind], 1);
    if (node->kind == YAML_SCALAR) {
        add_text(&hasher->state, node->text);
        return;
    }
    if (node->kind == YAML_MAPPING)
        add_mapping(hasher, node, top);
    else
        for (const struct yaml_node *child = node->first; child; child = child->next)
            add_node(hasher, child, false);
    add(&hasher->state, "]", 1);
}

bool hash_tree(struct arena *scratch, const char *class_name, const struct yaml_node *root,
               uint64_t *out)
{
    struct hasher hasher = {.state = 0xcbf29ce484222325u, .scratch = scratch};
    add_text(&hasher.state, language);
    add_text(&hasher.state, class_name);
    add_node(&hasher, root, true);
    *out = hasher.state;
    return !hasher.failed;
}
