/* SPDX-License-Identifier: Apache-2.0 */
/* From YAML text to a tree: libyaml's events, read one by one under caps of depth and count. */
#include "usher/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { YAML_TEXT_MAX = 1 << 20, YAML_DEPTH_MAX = 32, YAML_NODES_MAX = 100000 };

struct frame {
    struct yaml_node *node;
    struct yaml_node *last;
    struct yaml_node *key; /* mapping: waits for its value */
};

struct loader {
    struct arena *arena;
    const char *file;
    struct bytes text;
    struct findings *findings;
    struct yaml_node *root;
    struct frame stack[YAML_DEPTH_MAX];
    size_t depth;
    size_t nodes;
    unsigned documents;
    bool failed;    /* cannot go on */
    bool duplicate; /* a duplicate key was reported; reading goes on to report the others */
};

static struct yaml_node place_at(const struct loader *loader, size_t line, size_t column)
{
    return (struct yaml_node){
        .file = loader->file, .line = (unsigned)line + 1, .column = (unsigned)column + 1};
}

/* Line and column (in characters) of a byte of the text. */
static struct yaml_node place_of_offset(const struct loader *loader, size_t offset)
{
    size_t line = 0, column = 0;
    for (size_t i = 0; i < offset && i < loader->text.len; i++) {
        uint8_t byte = loader->text.data[i];
        if (byte == '\n') {
            line++;
            column = 0;
        } else if ((byte & 0xc0) != 0x80) {
            column++;
        }
    }
    return place_at(loader, line, column);
}

static void fail(struct loader *loader, const yaml_event_t *event, const char *text)
{
    struct yaml_node place = place_at(loader, event->start_mark.line, event->start_mark.column);
    finding_add(loader->findings, FINDING_ERROR, &place, "%s", text);
    loader->failed = true;
}

static void fail_memory(struct loader *loader)
{
    struct yaml_node place = {.file = loader->file};
    finding_add(loader->findings, FINDING_ERROR, &place,
                "the file is too large to hold in memory; split it");
    loader->failed = true;
}

/* --- the text as such --- */

/* Length of the longest prefix that is whole characters. */
static size_t utf8_prefix(struct bytes text)
{
    size_t at = 0;
    while (at < text.len) {
        uint8_t lead = text.data[at];
        size_t len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        if (len > text.len - at || !bytes_is_utf8(bytes_of(text.data + at, len)))
            break;
        at += len;
    }
    return at;
}

static bool check_text(struct loader *loader)
{
    struct yaml_node place = {.file = loader->file};
    if (loader->text.len > YAML_TEXT_MAX) {
        finding_add(loader->findings, FINDING_ERROR, &place,
                    "the file is larger than 1 MiB; split it");
        return false;
    }
    if (bytes_is_utf8(loader->text))
        return true;
    size_t offset = utf8_prefix(loader->text);
    place = place_of_offset(loader, offset);
    finding_add(loader->findings, FINDING_ERROR, &place,
                loader->text.data[offset] == 0
                    ? "a NUL byte: this is no text file, or it is UTF-16; save it as UTF-8"
                    : "not UTF-8; save the file with the encoding UTF-8");
    return false;
}

/* Windows editors put U+FEFF in front. */
static void skip_byte_order_mark(struct bytes *text)
{
    if (text->len >= 3 && memcmp(text->data, "\xef\xbb\xbf", 3) == 0)
        *text = bytes_of(text->data + 3, text->len - 3);
}

/* --- mistakes of form, as libyaml tells them --- */

static bool line_has(const struct loader *loader, size_t line, const char *what)
{
    const char *at = (const char *)loader->text.data;
    const char *end = at + loader->text.len;
    for (; line > 0 && at < end; line--) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        at = stop ? stop + 1 : end;
    }
    const char *stop = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    return at < end && memmem(at, (size_t)((stop ? stop : end) - at), what, strlen(what));
}

static char byte_at(const struct loader *loader, size_t offset)
{
    return offset < loader->text.len ? (char)loader->text.data[offset] : '\0';
}

static void report_form(struct loader *loader, const yaml_parser_t *parser)
{
    loader->failed = true;
    if (parser->error == YAML_MEMORY_ERROR) {
        fail_memory(loader);
        return;
    }
    if (parser->error == YAML_READER_ERROR) {
        struct yaml_node place = place_of_offset(loader, parser->problem_offset);
        finding_add(loader->findings, FINDING_ERROR, &place, "not valid YAML: %s", parser->problem);
        return;
    }
    const yaml_mark_t *mark = &parser->problem_mark;
    struct yaml_node place = place_at(loader, mark->line, mark->column);
    if (byte_at(loader, mark->index) == '\t') {
        finding_add(loader->findings, FINDING_ERROR, &place,
                    "a tab stands where YAML wants blanks; indent with spaces");
        return;
    }
    const char *hint = "";
    if (line_has(loader, mark->line, "${"))
        hint = "; put text that holds ${...} in quotes";
    if (parser->context)
        finding_add(loader->findings, FINDING_ERROR, &place,
                    "not valid YAML: %s %s that starts at line %zu%s", parser->problem,
                    parser->context, parser->context_mark.line + 1, hint);
    else
        finding_add(loader->findings, FINDING_ERROR, &place, "not valid YAML: %s%s",
                    parser->problem, hint);
}

/* --- the tree --- */

static struct yaml_node *new_node(struct loader *loader, const yaml_event_t *event,
                                  enum yaml_kind kind)
{
    if (++loader->nodes > YAML_NODES_MAX) {
        fail(loader, event, "more than 100000 values in one file; split it");
        return NULL;
    }
    struct yaml_node *node = arena_alloc(loader->arena, sizeof(*node));
    if (!node) {
        fail_memory(loader);
        return NULL;
    }
    *node = place_at(loader, event->start_mark.line, event->start_mark.column);
    node->kind = kind;
    return node;
}

/* True when the scalar becomes the key of the mapping that is open. */
static bool key_wanted(const struct loader *loader)
{
    if (loader->depth == 0)
        return false;
    const struct frame *top = &loader->stack[loader->depth - 1];
    return top->node->kind == YAML_MAPPING && !top->key;
}

static void attach(struct loader *loader, struct yaml_node *node)
{
    if (loader->depth == 0) {
        loader->root = node;
        return;
    }
    struct frame *top = &loader->stack[loader->depth - 1];
    node->key = top->key;
    top->key = NULL;
    if (top->last)
        top->last->next = node;
    else
        top->node->first = node;
    top->last = node;
    top->node->count++;
}

static bool has_extras(struct loader *loader, const yaml_event_t *event, const yaml_char_t *anchor,
                       const yaml_char_t *tag)
{
    if (anchor)
        fail(loader, event,
             "anchors (&name) are not used here; write the value out, or put what "
             "classes share into a parent class");
    else if (tag)
        fail(loader, event, "tags (!name) are not used here; leave it out");
    return anchor || tag;
}

static void read_scalar(struct loader *loader, const yaml_event_t *event)
{
    if (has_extras(loader, event, event->data.scalar.anchor, event->data.scalar.tag))
        return;
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    bool quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    bool is_key = key_wanted(loader);
    if (memchr(text, '\0', len)) {
        fail(loader, event, "text with a NUL character (\\0) in it");
        return;
    }
    if (is_key && !quoted && len == 0) {
        fail(loader, event, "a key is missing before ':'");
        return;
    }
    if (is_key && !quoted && strcmp(text, "<<") == 0) {
        fail(loader, event, "merge keys (<<) are not used here; use 'extends' or write it out");
        return;
    }
    struct yaml_node *node = new_node(loader, event, YAML_SCALAR);
    if (!node)
        return;
    node->text = arena_text_n(loader->arena, text, len);
    node->text_len = len;
    node->quoted = quoted;
    if (!node->text)
        fail_memory(loader);
    else if (is_key)
        loader->stack[loader->depth - 1].key = node;
    else
        attach(loader, node);
}

static void open_collection(struct loader *loader, const yaml_event_t *event, enum yaml_kind kind)
{
    if (key_wanted(loader)) {
        fail(loader, event,
             "a key must be plain text, not a list or a mapping; put it in quotes if "
             "it is text");
        return;
    }
    if (loader->depth == YAML_DEPTH_MAX) {
        fail(loader, event, "nested more than 32 levels deep");
        return;
    }
    struct yaml_node *node = new_node(loader, event, kind);
    if (!node)
        return;
    attach(loader, node);
    loader->stack[loader->depth++] = (struct frame){.node = node};
}

static int by_key(const void *left, const void *right)
{
    const struct yaml_node *a = (*(struct yaml_node *const *)left)->key;
    const struct yaml_node *b = (*(struct yaml_node *const *)right)->key;
    int order = strcmp(a->text, b->text);
    if (order != 0)
        return order;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return a->column < b->column ? -1 : a->column > b->column;
}

/* Sorted, so that a file of nothing but keys costs n log n. */
static void check_duplicates(struct loader *loader, const struct yaml_node *mapping)
{
    if (mapping->count < 2)
        return;
    struct yaml_node **sorted = calloc(mapping->count, sizeof(struct yaml_node *));
    if (!sorted) {
        fail_memory(loader);
        return;
    }
    size_t count = 0;
    for (struct yaml_node *child = mapping->first; child; child = child->next)
        sorted[count++] = child;
    qsort(sorted, count, sizeof(*sorted), by_key);
    for (size_t i = 1; i < count; i++) {
        const struct yaml_node *before = sorted[i - 1]->key;
        if (strcmp(sorted[i]->key->text, before->text) != 0)
            continue;
        finding_add(loader->findings, FINDING_ERROR, sorted[i]->key,
                    "duplicate key '%.64s'; first at line %u", before->text, before->line);
        loader->duplicate = true;
    }
    free(sorted);
}

static void close_collection(struct loader *loader)
{
    struct yaml_node *node = loader->stack[--loader->depth].node;
    if (node->kind == YAML_MAPPING)
        check_duplicates(loader, node);
}

static void read_event(struct loader *loader, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++loader->documents > 1)
            fail(loader, event, "a second document ('---'); one file holds one document");
        break;
    case YAML_ALIAS_EVENT:
        fail(loader, event,
             "aliases (*name) are not used here; write the value out, or put text "
             "that starts with '*' in quotes");
        break;
    case YAML_SCALAR_EVENT:
        read_scalar(loader, event);
        break;
    case YAML_SEQUENCE_START_EVENT:
        if (!has_extras(loader, event, event->data.sequence_start.anchor,
                        event->data.sequence_start.tag))
            open_collection(loader, event, YAML_SEQUENCE);
        break;
    case YAML_MAPPING_START_EVENT:
        if (!has_extras(loader, event, event->data.mapping_start.anchor,
                        event->data.mapping_start.tag))
            open_collection(loader, event, YAML_MAPPING);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        close_collection(loader);
        break;
    default:
        break;
    }
}

static void read_events(struct loader *loader, yaml_parser_t *parser)
{
    bool more = true;
    while (more && !loader->failed) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            report_form(loader, parser);
            return;
        }
        read_event(loader, &event);
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
}

struct yaml_node *yaml_load_text(struct arena *arena, const char *name, struct bytes text,
                                 struct findings *findings)
{
    skip_byte_order_mark(&text);
    struct loader loader = {.arena = arena, .text = text, .findings = findings};
    loader.file = arena_text(arena, name);
    yaml_parser_t parser;
    if (!loader.file || !yaml_parser_initialize(&parser)) {
        fail_memory(&loader);
        return NULL;
    }
    if (check_text(&loader)) {
        yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&parser, text.data ? text.data : (const uint8_t *)"",
                                     text.len);
        read_events(&loader, &parser);
    } else {
        loader.failed = true;
    }
    yaml_parser_delete(&parser);
    if (!loader.failed && !loader.root) {
        struct yaml_node place = {.file = loader.file};
        finding_add(findings, FINDING_ERROR, &place, "the file is empty");
        loader.failed = true;
    }
    return loader.failed || loader.duplicate ? NULL : loader.root;
}
