/* SPDX-License-Identifier: Apache-2.0 */
/* One class from its merged tree: the top level, and what all blocks share. */
#include "profile_priv.h"

#include <string.h>

/* --- memory --- */

void *compile_alloc(struct compiler *compiler, size_t len)
{
    void *memory = arena_alloc(compiler->arena, len);
    compiler->out_of_memory |= !memory;
    return memory;
}

void *compile_scratch(struct compiler *compiler, size_t len)
{
    void *memory = arena_alloc(compiler->scratch, len);
    compiler->out_of_memory |= !memory;
    return memory;
}

const char *compile_text(struct compiler *compiler, const char *text, size_t len)
{
    const char *copy = arena_text_n(compiler->arena, text, len);
    compiler->out_of_memory |= !copy;
    return copy ? copy : "";
}

const char *compile_file(struct compiler *compiler, const struct yaml_node *node)
{
    if (!compiler->last_file || strcmp(compiler->last_file, node->file) != 0)
        compiler->last_file = compile_text(compiler, node->file, strlen(node->file));
    return compiler->last_file;
}

void compile_note_file(struct compiler *compiler, struct bytes content)
{
    compiler->files_hash = hash_bytes(compiler->files_hash, content);
}

/* --- nodes --- */

bool compile_expect(struct compiler *compiler, const struct yaml_node *node, enum yaml_kind kind,
                    const char *what)
{
    static const char *const kinds[] = {
        [YAML_SCALAR] = "a single value", [YAML_SEQUENCE] = "a list", [YAML_MAPPING] = "a mapping"};
    if (node->kind == kind)
        return true;
    bool nothing = node->kind == YAML_SCALAR && !node->quoted && node->text_len == 0;
    COMPILE_ERROR(compiler, node, "expected %s, found %s", what,
                  nothing ? "nothing" : kinds[node->kind]);
    return false;
}

int compile_word(struct compiler *compiler, const struct yaml_node *node, const char *const *words)
{
    const char *text;
    if (!yaml_text(node, &text, compiler->findings))
        return -1;
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], text) == 0)
            return i;
    char list[300] = "";
    for (int i = 0; words[i] && strlen(list) + strlen(words[i]) + 3 < sizeof(list); i++) {
        strcat(list, i > 0 ? ", " : "");
        strcat(list, words[i]);
    }
    const char *meant = yaml_suggest(text, words);
    COMPILE_ERROR(compiler, node, "unknown word '%.40s'%s%s%s expected one of: %s", text,
                  meant ? "; did you mean '" : ";", meant ? meant : "", meant ? "'?" : "", list);
    return -1;
}

bool compile_seconds(struct compiler *compiler, const struct yaml_node *node, int64_t most,
                     int64_t *out)
{
    int64_t ms;
    if (!yaml_duration_ms(node, 0, most * 1000, &ms, compiler->findings))
        return false;
    if (ms % 1000 != 0) {
        COMPILE_ERROR(compiler, node, "expected whole seconds, found '%.40s'", node->text);
        return false;
    }
    *out = ms / 1000;
    return true;
}

bool compile_id(struct compiler *compiler, const struct yaml_node *key, const char *what,
                uint16_t most, uint16_t *out)
{
    size_t len = strspn(key->text, "0123456789");
    uint32_t id = 0;
    for (size_t i = 0; i < len && id <= most; i++)
        id = id * 10 + (uint32_t)(key->text[i] - '0');
    bool leading_zero = len > 1 && key->text[0] == '0';
    if (len == 0 || key->text[len] != '\0' || leading_zero || id > most) {
        COMPILE_ERROR(compiler, key, "expected %s (0 to %u), found '%.40s'", what, most, key->text);
        return false;
    }
    *out = (uint16_t)id;
    return true;
}

bool compile_path(struct compiler *compiler, const struct yaml_node *node, struct path *out)
{
    if (node->kind == YAML_SCALAR && path_parse(node->text, node->text_len, out))
        return true;
    bool scalar = node->kind == YAML_SCALAR;
    COMPILE_ERROR(compiler, node, "expected a path such as /3416/0/4, found %s%.40s%s",
                  scalar ? "'" : "a list or mapping", scalar ? node->text : "", scalar ? "'" : "");
    return false;
}

/* --- the top level --- */

static const char *const top_keys[] = {
    "class",   "description",    "abstract", "extends", "match",  "rebootstrap",       "insecure",
    "servers", "access-control", "write",    "delete",  "client", "bootstrap-account", NULL};

static void compile_match_tags(struct compiler *compiler, const struct yaml_node *tags)
{
    struct profile *profile = compiler->profile;
    if (!compile_expect(compiler, tags, YAML_MAPPING, "tags such as { district: north }"))
        return;
    struct match_tag *list = compile_alloc(compiler, TAGS_MAX * sizeof(*list));
    profile->match_tags = list;
    for (const struct yaml_node *tag = tags->first; tag && list; tag = tag->next) {
        const char *value;
        struct err err = {0};
        if (profile->match_tag_count == TAGS_MAX) {
            COMPILE_ERROR(compiler, tag, "more than %d tags", TAGS_MAX);
            return;
        }
        if (!yaml_text(tag, &value, compiler->findings))
            continue;
        const char *name = tag->key->text;
        if (enrollment_check_tag(name, value, &err) != ERR_OK)
            COMPILE_ERROR(compiler, tag, "%s", err.text);
        list[profile->match_tag_count++] =
            (struct match_tag){compile_text(compiler, name, strlen(name)),
                               compile_text(compiler, value, strlen(value))};
    }
}

static void compile_match(struct compiler *compiler, const struct yaml_node *root)
{
    static const char *const keys[] = {"endpoint", "tags", NULL};
    const struct yaml_node *match = yaml_get(root, "match");
    if (!match || !compile_expect(compiler, match, YAML_MAPPING,
                                  "a mapping such as { endpoint: \"lamp-*\" }"))
        return;
    yaml_check_keys(match, keys, compiler->findings);
    if (compiler->abstract)
        COMPILE_ERROR(compiler, match->key,
                      "an abstract class takes no device; move 'match' to its children");
    const struct yaml_node *globs = yaml_get(match, "endpoint");
    const struct yaml_node *tags = yaml_get(match, "tags");
    struct profile *profile = compiler->profile;
    profile->matches = compile_alloc(compiler, PROFILE_MATCHES_MAX * sizeof(const char *));
    if (tags)
        compile_match_tags(compiler, tags);
    if (!globs && !tags)
        COMPILE_ERROR(compiler, match, "'endpoint' is missing: { endpoint: \"lamp-*\" }");
    if (!globs && tags && profile->matches)
        profile->matches[profile->match_count++] = "*";
    if (!globs)
        return;
    const struct yaml_node *glob = globs->kind == YAML_SEQUENCE ? globs->first : globs;
    for (; glob && profile->matches; glob = glob == globs ? NULL : glob->next) {
        const char *text;
        if (profile->match_count == PROFILE_MATCHES_MAX) {
            COMPILE_ERROR(compiler, glob, "more than %d globs", PROFILE_MATCHES_MAX);
            return;
        }
        if (!yaml_text(glob, &text, compiler->findings))
            continue;
        if (*text == '\0')
            COMPILE_ERROR(compiler, glob, "an empty glob matches nothing");
        profile->matches[profile->match_count++] = compile_text(compiler, text, strlen(text));
    }
}

static void compile_rebootstrap(struct compiler *compiler, const struct yaml_node *root)
{
    static const char *const words[] = {[REBOOTSTRAP_ALLOW] = "allow",
                                        [REBOOTSTRAP_ONCE] = "once",
                                        [REBOOTSTRAP_APPROVE] = "approve",
                                        [REBOOTSTRAP_QUARANTINE] = "quarantine",
                                        NULL};
    const struct yaml_node *node = yaml_get(root, "rebootstrap");
    int word = node ? compile_word(compiler, node, words) : REBOOTSTRAP_ALLOW;
    compiler->profile->rebootstrap = word < 0 ? REBOOTSTRAP_ALLOW : (enum rebootstrap_policy)word;
}

static void compile_insecure(struct compiler *compiler, const struct yaml_node *root)
{
    const struct yaml_node *node = yaml_get(root, "insecure");
    if (node)
        yaml_boolean(node, &compiler->profile->insecure, compiler->findings);
}

static void compile_description(struct compiler *compiler, const struct yaml_node *root)
{
    const struct yaml_node *node = yaml_get(root, "description");
    const char *text;
    if (node)
        yaml_text(node, &text, compiler->findings);
}

static void count_records(struct profile_rules *rules)
{
    if (rules->bootstrap)
        rules->record_count += rules->bootstrap->security.count;
    for (size_t i = 0; i < rules->server_count; i++)
        rules->record_count += rules->servers[i].security.count + rules->servers[i].server.count +
                               rules->servers[i].oscore.count;
    for (size_t i = 0; i < rules->access_count; i++)
        rules->record_count += rules->access[i].count;
    for (size_t i = 0; i < rules->write_count; i++)
        rules->record_count += rules->writes[i].count;
}

bool compile_class(struct compiler *compiler, const struct yaml_node *root)
{
    yaml_check_keys(root, top_keys, compiler->findings);
    compile_description(compiler, root);
    compile_match(compiler, root);
    compile_rebootstrap(compiler, root);
    compile_insecure(compiler, root);
    /* `client` first: servers depend on it. Deletes last: they depend on access control. */
    compile_client(compiler, root);
    compile_servers(compiler, root);
    compile_bootstrap_account(compiler, root);
    compile_access(compiler, root);
    compile_writes(compiler, root);
    compile_deletes(compiler, root);
    check_preset(compiler, root);
    count_records(&compiler->profile->rules);
    if (!hash_tree(compiler->scratch, compiler->profile->class_name, root,
                   &compiler->profile->hash))
        return false;
    compiler->profile->hash ^= compiler->files_hash;
    return !compiler->out_of_memory;
}
