/* SPDX-License-Identifier: Apache-2.0 */
/* From files to a set: gather the classes, put children on their parents, compile each. */
#include "profile_priv.h"

#include <stdlib.h>
#include <string.h>

/* One class as it stands in its file. */
struct source {
    const struct yaml_node *root;
    const struct yaml_node *name_node;
    const char *name;
    const struct yaml_node *extends; /* or NULL */
    bool abstract;
};

struct loading {
    struct findings *findings;
    struct arena *trees;
    struct profile_set *set;
    struct source *sources; /* by name */
    size_t count, cap;
    bool incomplete; /* a file could not be read: a parent may be missing for that reason */
};

static void no_memory(struct loading *loading)
{
    finding_add(loading->findings, FINDING_ERROR, NULL,
                "the profiles are too large to hold in memory");
}

/* --- gathering --- */

static bool grow(struct loading *loading)
{
    size_t cap = loading->cap > 0 ? loading->cap * 2 : 16;
    struct source *sources = arena_alloc(loading->trees, cap * sizeof(*sources));
    if (!sources) {
        no_memory(loading);
        return false;
    }
    if (loading->count > 0)
        memcpy(sources, loading->sources, loading->count * sizeof(*sources));
    loading->sources = sources;
    loading->cap = cap;
    return true;
}

static bool read_name(struct loading *loading, struct source *source)
{
    struct findings *findings = loading->findings;
    struct err err;
    source->name_node = yaml_get(source->root, "class");
    if (!source->name_node) {
        finding_add(findings, FINDING_ERROR, source->root,
                    "'class' is missing: the name of the class, such as class: street-light");
        return false;
    }
    if (!yaml_text(source->name_node, &source->name, findings))
        return false;
    if (enrollment_check_class(bytes_of_text(source->name), &err) != ERR_OK) {
        finding_add(findings, FINDING_ERROR, source->name_node, "%s", err.text);
        return false;
    }
    return true;
}

static void add_class(struct loading *loading, const struct yaml_node *root)
{
    struct findings *findings = loading->findings;
    struct source source = {.root = root};
    if (root->kind != YAML_MAPPING) {
        finding_add(findings, FINDING_ERROR, root,
                    "expected a class: a mapping that starts with 'class: NAME'");
        return;
    }
    if (!read_name(loading, &source))
        return;
    const struct yaml_node *abstract = yaml_get(root, "abstract");
    if (abstract)
        yaml_boolean(abstract, &source.abstract, findings);
    const char *parent;
    source.extends = yaml_get(root, "extends");
    if (source.extends && !yaml_text(source.extends, &parent, findings))
        return;
    if (loading->count == PROFILE_CLASSES_MAX) {
        finding_add(findings, FINDING_ERROR, root, "more than %d classes", PROFILE_CLASSES_MAX);
        return;
    }
    if (loading->count < loading->cap || grow(loading))
        loading->sources[loading->count++] = source;
}

/* A file holds one class, or a list of them. */
static void add_document(struct loading *loading, const struct yaml_node *root)
{
    if (!root) {
        loading->incomplete = true;
        return;
    }
    if (root->kind != YAML_SEQUENCE) {
        add_class(loading, root);
        return;
    }
    for (const struct yaml_node *item = root->first; item; item = item->next)
        add_class(loading, item);
}

static void add_path(struct loading *loading, const char *path)
{
    const char *const *files = yaml_list_files(loading->trees, path, loading->findings);
    if (files && !files[0]) {
        struct yaml_node place = {.file = path};
        finding_add(loading->findings, FINDING_ERROR, &place,
                    "no profile here: a profile is a file whose name ends with .yaml");
    }
    for (; files && *files; files++)
        add_document(loading, yaml_load_file(loading->trees, *files, loading->findings));
}

static int by_name(const void *left, const void *right)
{
    const struct source *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    if (order == 0)
        order = strcmp(a->root->file, b->root->file);
    if (order == 0)
        order = a->root->line < b->root->line ? -1 : a->root->line > b->root->line;
    return order;
}

static void sort_sources(struct loading *loading)
{
    if (loading->count == 0)
        return;
    qsort(loading->sources, loading->count, sizeof(*loading->sources), by_name);
    for (size_t i = 1; i < loading->count; i++) {
        const struct source *first = &loading->sources[i - 1], *again = &loading->sources[i];
        if (strcmp(first->name, again->name) == 0)
            finding_add(loading->findings, FINDING_ERROR, again->name_node,
                        "class '%s' is there already: %s:%u", again->name, first->root->file,
                        first->name_node->line);
    }
}

/* --- parents --- */

static int name_order(const void *name, const void *source)
{
    return strcmp(name, ((const struct source *)source)->name);
}

static const struct source *find_source(const struct loading *loading, const char *name)
{
    return bsearch(name, loading->sources, loading->count, sizeof(*loading->sources), name_order);
}

static void report_no_parent(struct loading *loading, const struct yaml_node *extends)
{
    if (loading->incomplete)
        return;
    const char **names = arena_alloc(loading->trees, (loading->count + 1) * sizeof(*names));
    for (size_t i = 0; names && i < loading->count; i++)
        names[i] = loading->sources[i].name;
    const char *meant = names ? yaml_suggest(extends->text, names) : NULL;
    finding_add(loading->findings, FINDING_ERROR, extends, "no class '%.63s'%s%s%s", extends->text,
                meant ? "; did you mean '" : " among the profiles", meant ? meant : "",
                meant ? "'?" : "");
}

static void report_cycle(struct loading *loading, const struct source *const *chain, size_t count)
{
    char text[PROFILE_DEPTH_MAX * 80 + 80] = "";
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(chain[i]->name);
        memcpy(text + used, chain[i]->name, len);
        memcpy(text + used + len, " -> ", 5);
        used += len + 4;
    }
    finding_add(loading->findings, FINDING_ERROR, chain[0]->extends,
                "classes extend each other in a circle: %s%s", text, chain[0]->name);
}

/* The class and its parents, nearest first. 0 after an error. */
static size_t find_chain(struct loading *loading, const struct source *source,
                         const struct source *chain[PROFILE_DEPTH_MAX + 1])
{
    size_t count = 0;
    chain[count++] = source;
    while (chain[count - 1]->extends) {
        const struct yaml_node *extends = chain[count - 1]->extends;
        const struct source *parent = find_source(loading, extends->text);
        if (!parent) {
            report_no_parent(loading, extends);
            return 0;
        }
        if (parent == source) {
            report_cycle(loading, chain, count);
            return 0;
        }
        if (count > PROFILE_DEPTH_MAX) {
            finding_add(loading->findings, FINDING_ERROR, source->extends,
                        "more than %d classes above this one, or a circle among them",
                        PROFILE_DEPTH_MAX);
            return 0;
        }
        chain[count++] = parent;
    }
    return count;
}

/* --- compiling --- */

static struct profile *new_profile(struct compiler *compiler, struct loading *loading,
                                   const struct source *source)
{
    struct profile *profile = compile_alloc(compiler, sizeof(*profile));
    if (!profile)
        return NULL;
    profile->class_name = compile_text(compiler, source->name, strlen(source->name));
    profile->file = compile_file(compiler, source->root);
    profile->line = source->root->line;
    profile->set = loading->set;
    return profile;
}

static bool compile_source(struct loading *loading, const struct source *source,
                           const struct source *const *chain, size_t depth)
{
    struct compiler compiler = {.arena = loading->set->arena,
                                .scratch = arena_new(PROFILE_MEMORY_MAX),
                                .findings = loading->findings,
                                .abstract = source->abstract};
    const struct yaml_node *root = chain[depth - 1]->root;
    bool good = compiler.scratch != NULL;
    for (size_t i = depth - 1; good && i > 0; i--) {
        root = merge_trees(compiler.scratch, root, chain[i - 1]->root);
        good = root != NULL;
    }
    compiler.profile = good ? new_profile(&compiler, loading, source) : NULL;
    good = compiler.profile && compile_class(&compiler, root);
    if (good && !source->abstract)
        loading->set->profiles[loading->set->count++] = compiler.profile;
    arena_free(compiler.scratch);
    return good;
}

static void compile_sources(struct loading *loading)
{
    loading->set->profiles =
        arena_alloc(loading->set->arena, (loading->count + 1) * sizeof(struct profile *));
    bool good = loading->set->profiles != NULL;
    for (size_t i = 0; good && i < loading->count; i++) {
        const struct source *chain[PROFILE_DEPTH_MAX + 1];
        size_t depth = find_chain(loading, &loading->sources[i], chain);
        good = depth == 0 || compile_source(loading, &loading->sources[i], chain, depth);
    }
    if (!good)
        no_memory(loading);
}

struct claim {
    const char *glob;
    const struct profile *profile;
};

static int by_glob(const void *left, const void *right)
{
    const struct claim *a = left, *b = right;
    int order = strcmp(a->glob, b->glob);
    return order != 0 ? order : strcmp(a->profile->class_name, b->profile->class_name);
}

/* Two equal globs would leave every device that they take without a class. */
static void report_rivals(struct findings *findings, const struct claim *claims, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        const struct profile *profile = claims[i].profile;
        struct yaml_node place = {.file = profile->file, .line = profile->line, .column = 1};
        /* Where tags decide, both may have devices of their own. */
        bool by_tags = claims[i - 1].profile->match_tag_count + profile->match_tag_count > 0;
        if (!by_tags && strcmp(claims[i - 1].glob, claims[i].glob) == 0)
            finding_add(findings, FINDING_ERROR, &place,
                        "classes '%s' and '%s' match the same endpoints '%.40s'",
                        claims[i - 1].profile->class_name, profile->class_name, claims[i].glob);
    }
}

static void check_matches(struct loading *loading)
{
    const struct profile_set *set = loading->set;
    size_t total = 0, count = 0;
    for (size_t i = 0; i < set->count; i++)
        total += set->profiles[i]->match_count;
    struct claim *claims = calloc(total + 1, sizeof(*claims));
    if (!claims) {
        no_memory(loading);
        return;
    }
    for (size_t i = 0; i < set->count; i++)
        for (size_t j = 0; j < set->profiles[i]->match_count; j++)
            claims[count++] = (struct claim){set->profiles[i]->matches[j], set->profiles[i]};
    qsort(claims, count, sizeof(*claims), by_glob);
    report_rivals(loading->findings, claims, count);
    free(claims);
}

static bool begin(struct loading *loading, struct findings *findings)
{
    *loading = (struct loading){.findings = findings,
                                .trees = arena_new(PROFILE_MEMORY_MAX),
                                .set = calloc(1, sizeof(struct profile_set))};
    if (loading->set) {
        atomic_init(&loading->set->references, 1);
        loading->set->arena = arena_new(PROFILE_MEMORY_MAX);
    }
    if (loading->trees && loading->set && loading->set->arena)
        return true;
    no_memory(loading);
    return false;
}

/* The set when no error was found. What could be read is checked all the same. */
static struct profile_set *end(struct loading *loading, size_t errors_before)
{
    if (loading->trees && loading->set && loading->set->arena) {
        sort_sources(loading);
        compile_sources(loading);
        check_matches(loading);
    }
    arena_free(loading->trees);
    if (loading->findings->errors == errors_before)
        return loading->set;
    profile_set_unref(loading->set);
    return NULL;
}

struct profile_set *profile_set_load(const char *const *paths, size_t count,
                                     struct findings *findings)
{
    struct loading loading;
    size_t errors_before = findings->errors;
    if (begin(&loading, findings))
        for (size_t i = 0; i < count; i++)
            add_path(&loading, paths[i]);
    return end(&loading, errors_before);
}

struct profile_set *profile_set_load_text(const char *name, struct bytes text,
                                          struct findings *findings)
{
    struct loading loading;
    size_t errors_before = findings->errors;
    if (begin(&loading, findings))
        add_document(&loading, yaml_load_text(loading.trees, name, text, findings));
    return end(&loading, errors_before);
}
