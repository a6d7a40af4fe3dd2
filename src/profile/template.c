/* SPDX-License-Identifier: Apache-2.0 */
/* Texts with variables: taken apart while loading, put together for each device. */
#include "template_priv.h"

#include <stdio.h>
#include <string.h>

static const char *const plain_names[] = {"endpoint", "identity", "now", "short", NULL};
static const enum rule_part_kind plain_kinds[] = {PART_ENDPOINT, PART_IDENTITY, PART_NOW,
                                                  PART_SHORT};

struct splitter {
    struct compiler *compiler;
    const struct yaml_node *node;
    struct rule_part parts[TEMPLATE_PARTS_MAX];
    size_t count;
    char *literal; /* text since the last variable */
    size_t literal_len;
};

static bool add_part(struct splitter *splitter, enum rule_part_kind kind, const char *text,
                     size_t len)
{
    if (splitter->count == TEMPLATE_PARTS_MAX) {
        COMPILE_ERROR(splitter->compiler, splitter->node, "more than %d variables in one value",
                      TEMPLATE_PARTS_MAX / 2);
        return false;
    }
    const char *copy = compile_text(splitter->compiler, text, len);
    splitter->parts[splitter->count++] =
        (struct rule_part){.kind = kind, .text = bytes_of(copy, len)};
    return true;
}

static bool end_literal(struct splitter *splitter)
{
    if (splitter->literal_len == 0)
        return true;
    bool good = add_part(splitter, PART_TEXT, splitter->literal, splitter->literal_len);
    splitter->literal_len = 0;
    return good;
}

static bool add_tag(struct splitter *splitter, const char *name)
{
    struct err err;
    if (enrollment_check_tag(name, "x", &err) == ERR_OK)
        return add_part(splitter, PART_TAG, name, strlen(name));
    COMPILE_ERROR(splitter->compiler, splitter->node, "in ${tags.%.64s}: %s", name, err.text);
    return false;
}

static bool add_variable(struct splitter *splitter, const char *name)
{
    if (strncmp(name, "tags.", 5) == 0)
        return add_tag(splitter, name + 5);
    for (size_t i = 0; plain_names[i]; i++)
        if (strcmp(plain_names[i], name) == 0)
            return add_part(splitter, plain_kinds[i], name, strlen(name));
    const char *meant = yaml_suggest(name, plain_names);
    if (meant)
        COMPILE_ERROR(splitter->compiler, splitter->node,
                      "unknown variable ${%.64s}; did you mean ${%s}?", name, meant);
    else
        COMPILE_ERROR(
            splitter->compiler, splitter->node,
            "unknown variable ${%.64s}; known are ${endpoint}, ${identity}, ${short}, ${now} "
            "and ${tags.NAME}; write $${ for the characters ${ themselves",
            name);
    return false;
}

/* `text` stands behind "${". Returns what follows the "}", or NULL after an error. */
static const char *take_variable(struct splitter *splitter, const char *text)
{
    char name[TAG_NAME_MAX + 16];
    const char *end = strchr(text, '}');
    size_t len = end ? (size_t)(end - text) : 0;
    if (!end || len >= sizeof(name)) {
        COMPILE_ERROR(splitter->compiler, splitter->node,
                      "'${' without '}' behind a name; write $${ for the characters ${ themselves");
        return NULL;
    }
    memcpy(name, text, len);
    name[len] = '\0';
    return end_literal(splitter) && add_variable(splitter, name) ? end + 1 : NULL;
}

static bool split(struct splitter *splitter, const char *text)
{
    while (text && *text != '\0') {
        if (strncmp(text, "$${", 3) == 0) {
            memcpy(splitter->literal + splitter->literal_len, "${", 2);
            splitter->literal_len += 2;
            text += 3;
        } else if (strncmp(text, "${", 2) == 0) {
            text = take_variable(splitter, text + 2);
        } else {
            splitter->literal[splitter->literal_len++] = *text++;
        }
    }
    return text && end_literal(splitter);
}

bool template_parse(struct compiler *compiler, const struct yaml_node *node, struct rule_value *out,
                    struct bytes *literal)
{
    struct splitter splitter = {.compiler = compiler, .node = node};
    splitter.literal = compile_scratch(compiler, node->text_len + 1);
    if (!splitter.literal || !split(&splitter, node->text))
        return false;
    *literal = splitter.count > 0 ? splitter.parts[0].text : bytes_of("", 0);
    bool fixed =
        splitter.count == 0 || (splitter.count == 1 && splitter.parts[0].kind == PART_TEXT);
    if (fixed)
        return true;
    struct rule_part *parts = compile_alloc(compiler, splitter.count * sizeof(*parts));
    if (!parts)
        return false;
    memcpy(parts, splitter.parts, splitter.count * sizeof(*parts));
    out->parts = parts;
    out->part_count = splitter.count;
    for (size_t i = 0; i < splitter.count; i++)
        out->has_now |= parts[i].kind == PART_NOW;
    return true;
}

/* --- for one device --- */

static bool counts_seconds(enum value_type type)
{
    return type == VALUE_TIME || type == VALUE_INTEGER || type == VALUE_UNSIGNED ||
           type == VALUE_FLOAT;
}

/* A name for devices with little room, the same at every bootstrap on every server. Two devices of
 * a million share one with a chance of 1 in 60. All characters are text that needs no quoting. */
static void make_short(const char *endpoint, char out[static SHORT_NAME_LEN])
{
    static const uint8_t key[16] = "usher short name";
    static const char digits[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    uint64_t hash = bytes_hash(key, bytes_of_text(endpoint));
    for (int i = 0; i < SHORT_NAME_LEN; i++) {
        out[i] = digits[hash % (sizeof(digits) - 1)];
        hash /= sizeof(digits) - 1;
    }
}

/* What is not there as text yet. */
struct made_texts {
    char now[TIME_TEXT_SIZE];
    char short_name[SHORT_NAME_LEN];
};

static enum err_code expand(const struct rule_value *value, const struct rule_part *part,
                            const struct rule_scope *scope, struct made_texts *made,
                            struct bytes *out, struct err *err)
{
    const char *tag;
    switch (part->kind) {
    case PART_TEXT:
        *out = part->text;
        break;
    case PART_ENDPOINT:
        *out = bytes_of_text(scope->enrollment->endpoint);
        break;
    case PART_IDENTITY:
        *out = identity_bytes(&scope->enrollment->identity);
        break;
    case PART_NOW:
        *out = bytes_of_text(made->now);
        break;
    case PART_SHORT:
        make_short(scope->enrollment->endpoint, made->short_name);
        *out = bytes_of(made->short_name, SHORT_NAME_LEN);
        break;
    case PART_TAG:
        tag = enrollment_tag(scope->enrollment, (const char *)part->text.data);
        if (!tag)
            return err_set(err, ERR_INVALID,
                           "%s:%u: ${tags.%s} has no value: device '%s' has no tag '%s'; give it "
                           "one: usher enroll '%s' --tag %s=VALUE",
                           value->file, value->line, part->text.data, scope->enrollment->endpoint,
                           part->text.data, scope->enrollment->endpoint, part->text.data);
        *out = bytes_of_text(tag);
        break;
    }
    return ERR_OK;
}

static enum err_code join(const struct rule_value *value, const struct rule_scope *scope,
                          struct bytes *out, struct err *err)
{
    struct bytes pieces[TEMPLATE_PARTS_MAX];
    struct made_texts made;
    size_t len = 0;
    if (value->has_now && counts_seconds(value->fixed.type))
        snprintf(made.now, sizeof(made.now), "%lld", (long long)(scope->now_wall_ms / 1000));
    else if (value->has_now)
        time_text_write(scope->now_wall_ms / 1000, made.now);
    for (size_t i = 0; i < value->part_count; i++) {
        enum err_code code = expand(value, &value->parts[i], scope, &made, &pieces[i], err);
        if (code != ERR_OK)
            return code;
        len += pieces[i].len;
    }
    if (len > PROFILE_TEXT_MAX)
        return err_set(err, ERR_RANGE, "%s:%u: longer than %d bytes for device '%s'", value->file,
                       value->line, PROFILE_TEXT_MAX, scope->enrollment->endpoint);
    uint8_t *joined = arena_alloc(scope->arena, len + 1);
    if (!joined)
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    *out = bytes_of(joined, len);
    for (size_t i = 0; i < value->part_count; i++) {
        if (pieces[i].len > 0)
            memcpy(joined, pieces[i].data, pieces[i].len);
        joined += pieces[i].len;
    }
    return ERR_OK;
}

static enum err_code refuse(const struct rule_value *value, struct bytes text,
                            const struct rule_scope *scope, struct err *err)
{
    struct bytes shown = bytes_of(text.data, text.len > 40 ? 40 : text.len);
    if (!bytes_is_utf8(shown))
        shown = bytes_of_text("other bytes");
    return err_set(err, ERR_INVALID, "%s:%u: expected %s, found '%.*s' for device '%s'",
                   value->file, value->line, scalar_expected(value->fixed.type), (int)shown.len,
                   (const char *)shown.data, scope->enrollment->endpoint);
}

enum err_code rule_value_resolve(const struct rule_value *value, const struct rule_scope *scope,
                                 struct value *out, struct err *err)
{
    if (value->part_count == 0) {
        *out = value->fixed;
        return ERR_OK;
    }
    struct bytes text;
    enum err_code code = join(value, scope, &text, err);
    if (code != ERR_OK)
        return code;
    struct value resolved;
    if (!scalar_read(value->fixed.type, text, scope->arena, &resolved))
        return refuse(value, text, scope, err);
    if (value->definition)
        code = object_table_check(value->definition, &resolved, err);
    if (code != ERR_OK) {
        err_prefix(err, "%s:%u: for device '%s'", value->file, value->line,
                   scope->enrollment->endpoint);
        return code;
    }
    *out = resolved;
    return ERR_OK;
}
