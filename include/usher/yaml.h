/* SPDX-License-Identifier: Apache-2.0 */
/* module: yaml */
/* YAML files as a tree whose every node knows its line and column, and a list of findings. */
#ifndef USHER_YAML_H
#define USHER_YAML_H

#include "usher/arena.h"
#include "usher/err.h"

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
    enum yaml_kind kind;
    const char *file;
    unsigned line, column; /* from 1 */
    bool quoted;           /* scalar in quotes: never a number, boolean or null */
    const char *text;      /* scalar: its text, NUL-terminated (a NUL inside is refused) */
    size_t text_len;
    struct yaml_node *key;   /* in a mapping's child: the key node, else NULL */
    struct yaml_node *first; /* children of a sequence or mapping */
    struct yaml_node *next;
    size_t count;
};

enum finding_level { FINDING_ERROR, FINDING_WARNING, FINDING_NOTE };

struct finding {
    enum finding_level level;
    const char *file;
    unsigned line, column;
    char *text;
    struct finding *next;
};

struct findings {
    struct arena *arena;
    struct finding *first, *last;
    size_t errors, warnings;
};

void findings_init(struct findings *findings); /* findings_clear frees */
void findings_clear(struct findings *findings);
void finding_add(struct findings *findings, enum finding_level level, const struct yaml_node *at,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));
void findings_sort(struct findings *findings); /* by file, line, column */
/* Sorts, then "file:line:col: error: text\n" for each. */
void findings_print(struct findings *findings, int fd);

/* One document of UTF-8, at most 1 MiB, nesting at most 32, 100,000 nodes; no anchors, aliases,
 * tags or merge keys (each refused with its place); duplicate keys are errors. NULL after an error
 * finding. The tree lives in `arena`; `name` is copied. */
struct yaml_node *yaml_load_text(struct arena *arena, const char *name, struct bytes text,
                                 struct findings *findings);
struct yaml_node *yaml_load_file(struct arena *arena, const char *path, struct findings *findings);
/* The files that `path` names: itself when it is no directory, else every *.yaml in it that does
 * not start with '.', by name. NULL-terminated, in `arena`; NULL after an error finding. */
const char *const *yaml_list_files(struct arena *arena, const char *path,
                                   struct findings *findings);

/* The path of a file that a scalar names, seen from where the YAML file lies. False: too long. */
bool yaml_path_beside(const struct yaml_node *at, const char *path, char *out, size_t size);
/* The content of a file that a scalar names, seen from where the YAML file lies; at most `most`
 * bytes. False after an error finding at `at`. */
bool yaml_read_beside(struct arena *arena, const struct yaml_node *at, const char *path,
                      size_t most, struct bytes *out, struct findings *findings);

struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key); /* or NULL */
/* Adds an error for every key not in `known` (NULL-terminated), with "did you mean 'x'?" when one
 * is near (edit distance <= 2). */
void yaml_check_keys(const struct yaml_node *mapping, const char *const *known,
                     struct findings *findings);
/* Nearest word of a NULL-terminated list within edit distance 2, or NULL. */
const char *yaml_suggest(const char *word, const char *const *known);
/* Scalars; each adds an error that says what was expected, and returns false. */
bool yaml_text(const struct yaml_node *node, const char **out, struct findings *findings);
bool yaml_integer(const struct yaml_node *node, int64_t least, int64_t most, int64_t *out,
                  struct findings *findings);
bool yaml_boolean(const struct yaml_node *node, bool *out,
                  struct findings *findings); /* true false */
/* "250ms" "90s" "5min" "2h" "1d": a unit is required (0 alone is fine). In milliseconds. */
bool yaml_duration_ms(const struct yaml_node *node, int64_t least_ms, int64_t most_ms, int64_t *out,
                      struct findings *findings);
/* "4096" "64KiB" "4MiB" "1GiB". */
bool yaml_size(const struct yaml_node *node, int64_t least, int64_t most, int64_t *out,
               struct findings *findings);

#endif
