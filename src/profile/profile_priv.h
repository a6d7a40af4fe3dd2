/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that read profiles. */
#ifndef PROFILE_PRIV_H
#define PROFILE_PRIV_H

#include "usher/profile_rules.h"

#include <stdatomic.h>

enum {
    PROFILE_MEMORY_MAX = 64 << 20, /* of one set, and of the trees it is read from */
    PROFILE_CLASSES_MAX = 4096,
    PROFILE_DEPTH_MAX = 8,      /* parents of a class */
    PROFILE_RECORDS_MAX = 1024, /* values of one class in one block of its profile */
    PROFILE_DELETES_MAX = 64,
    PROFILE_MATCHES_MAX = 64,
    PROFILE_TEXT_MAX = 65535, /* bytes of one value */
};

/* A tag that a device must have for the class to take it. */
struct match_tag {
    const char *name, *value;
};

struct profile {
    const char *class_name;
    const char *file;
    unsigned line;
    struct profile_set *set;
    enum rebootstrap_policy rebootstrap;
    bool insecure;
    struct client_behaviour client;
    const char **matches;
    size_t match_count;
    const struct match_tag *match_tags; /* all of them must fit */
    size_t match_tag_count;
    struct profile_rules rules;
    uint64_t hash;
};

struct profile_set {
    atomic_size_t references;
    struct arena *arena;
    struct profile **profiles; /* by class name */
    size_t count;
    void *companion;
    void (*drop)(void *companion);
};

/* One class while it is compiled. */
struct compiler {
    struct arena *arena;   /* lives as long as the set */
    struct arena *scratch; /* lives as long as the class is compiled */
    struct findings *findings;
    struct profile *profile;
    bool abstract; /* may lack what its children say */
    bool out_of_memory;
    const char *last_file; /* the latest copy of a file's name */
    uint64_t files_hash;   /* of the files that the class names */
};

#define COMPILE_ERROR(compiler, node, ...)                                                         \
    finding_add((compiler)->findings, FINDING_ERROR, (node), __VA_ARGS__)
#define COMPILE_WARNING(compiler, node, ...)                                                       \
    finding_add((compiler)->findings, FINDING_WARNING, (node), __VA_ARGS__)

/* compile.c: one class from its merged tree. False when memory ran out. */
bool compile_class(struct compiler *compiler, const struct yaml_node *root);
/* Memory of the set, of the scratch arena; NULL sets out_of_memory. */
void *compile_alloc(struct compiler *compiler, size_t len);
void *compile_scratch(struct compiler *compiler, size_t len);
const char *compile_text(struct compiler *compiler, const char *text, size_t len);
const char *compile_file(struct compiler *compiler, const struct yaml_node *node);
/* What a file holds counts for the profile's hash as if it stood there. */
void compile_note_file(struct compiler *compiler, struct bytes content);
/* The kind a node must have; else an error that says what belongs there. */
bool compile_expect(struct compiler *compiler, const struct yaml_node *node, enum yaml_kind kind,
                    const char *what);
/* One of a NULL-terminated list of words: its index, or -1 after an error with a suggestion. */
int compile_word(struct compiler *compiler, const struct yaml_node *node, const char *const *words);
/* A duration in whole seconds. */
bool compile_seconds(struct compiler *compiler, const struct yaml_node *node, int64_t most,
                     int64_t *out);
/* Digits of a mapping's key as an id. */
/* "30s", or { spread: 5min, after: 10s }. */
bool compile_delay(struct compiler *compiler, const struct yaml_node *node, int64_t most,
                   struct rule_delay *out);
bool compile_id(struct compiler *compiler, const struct yaml_node *key, const char *what,
                uint16_t most, uint16_t *out);
bool compile_path(struct compiler *compiler, const struct yaml_node *node, struct path *out);

/* records.c: growing list of records. */
struct record_list {
    struct rule_record *items;
    size_t count, cap;
};
/* Zeroed, with its path; NULL after an error. */
struct rule_record *record_list_add(struct compiler *compiler, struct record_list *list,
                                    const struct yaml_node *at, const struct path *path);
/* Sorted by path, copied for good. */
const struct rule_record *record_list_keep(struct compiler *compiler, struct record_list *list);
bool record_list_has(const struct record_list *list, const struct path *path);
/* A record with a fixed number, boolean or text. */
void record_list_number(struct compiler *compiler, struct record_list *list,
                        const struct yaml_node *at, const struct path *path, int64_t number);
void record_list_boolean(struct compiler *compiler, struct record_list *list,
                         const struct yaml_node *at, const struct path *path, bool boolean);

/* value.c: a scalar of the tree as a typed value, variables allowed. */
bool compile_value(struct compiler *compiler, const struct yaml_node *node, enum value_type type,
                   const struct resource_definition *definition, struct rule_value *out);
/* values.c: what stands after a path: scalar, list, map, or {type:, value:, optional:}. `optional`
 * NULL = not allowed here. Appends to `list`. */
void compile_values(struct compiler *compiler, const struct yaml_node *node,
                    const struct path *path, bool *optional, struct record_list *list);

/* scalar.c: text as a value of a type, while loading and while planning. */
bool scalar_read(enum value_type type, struct bytes text, struct arena *arena, struct value *out);
const char *scalar_expected(enum value_type type);

/* time_text.c: RFC 3339 in UTC, such as 2026-11-23T09:18:10Z. */
enum { TIME_TEXT_SIZE = 32 };
bool time_text_read(const char *text, size_t len, int64_t *seconds);
void time_text_write(int64_t seconds, char out[static TIME_TEXT_SIZE]);

/* suites.c: IANA number of a ciphersuite's name, or -1. */
int suite_number(const char *name);
const char *const *suite_names(void); /* NULL-terminated */

/* The blocks of a profile. */
void compile_servers(struct compiler *compiler, const struct yaml_node *root);
void compile_server_settings(struct compiler *compiler, const struct yaml_node *node,
                             struct record_list *list);
void compile_binding(struct compiler *compiler, const struct yaml_node *node, const char *fallback,
                     struct rule_server *out);
void compile_extra(struct compiler *compiler, const struct yaml_node *node,
                   struct record_list *security, struct record_list *server);
void compile_bootstrap_account(struct compiler *compiler, const struct yaml_node *root);
void compile_access(struct compiler *compiler, const struct yaml_node *root);
void compile_writes(struct compiler *compiler, const struct yaml_node *root);
void compile_deletes(struct compiler *compiler, const struct yaml_node *root);
const struct profile_preset *compile_preset(struct compiler *compiler,
                                            const struct yaml_node *node);
void check_preset(struct compiler *compiler, const struct yaml_node *root);
void compile_client(struct compiler *compiler, const struct yaml_node *root);

/* merge.c: the class with its parents' keys; NULL when memory ran out. */
struct yaml_node *merge_trees(struct arena *arena, const struct yaml_node *parent,
                              const struct yaml_node *child);
/* hash.c; false when memory ran out */
uint64_t hash_bytes(uint64_t state, struct bytes data);
bool hash_tree(struct arena *scratch, const char *class_name, const struct yaml_node *root,
               uint64_t *out);
/* match.c: `*` and `?`. */
bool glob_match(const char *glob, const char *text);
size_t glob_literals(const char *glob);

#endif
