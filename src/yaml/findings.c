/* SPDX-License-Identifier: Apache-2.0 */
/* What was found in a file: kept in the order found, printed in the order of place. */
#include "usher/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FINDINGS_MEMORY_MAX = 1 << 20,
    FINDINGS_KEPT_MAX = 500, /* one hostile file must not fill the memory; the counts go on */
    FINDING_TEXT_MAX = 600,
};

static const char *const level_names[] = {
    [FINDING_ERROR] = "error", [FINDING_WARNING] = "warning", [FINDING_NOTE] = "note"};

void findings_init(struct findings *findings)
{
    *findings = (struct findings){.arena = arena_new(FINDINGS_MEMORY_MAX)};
}

void findings_clear(struct findings *findings)
{
    arena_free(findings->arena);
    *findings = (struct findings){0};
}

/* File content ends up on terminals: no control character passes, C1 (U+0080..9F) included, and
 * what was cut in the middle of a character is made whole again. */
static void make_printable(char *text)
{
    size_t len = strlen(text);
    while (len > 0 && !bytes_is_utf8(bytes_of(text, len)) && (text[len - 1] & 0x80))
        text[--len] = '\0';
    bool utf8 = bytes_is_utf8(bytes_of(text, len));
    for (unsigned char *at = (unsigned char *)text; *at != '\0'; at++) {
        if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f)
            at[0] = at[1] = '?';
        else if (*at < 0x20 || *at == 0x7f || (!utf8 && *at >= 0x80))
            *at = '?';
    }
}

static bool same_place(const struct finding *finding, const struct yaml_node *at)
{
    return finding->line == at->line && finding->column == at->column &&
           strcmp(finding->file, at->file ? at->file : "") == 0;
}

/* A parent class is checked with each of its children: what it says wrong is told once. */
static bool known_already(const struct findings *findings, enum finding_level level,
                          const struct yaml_node *at, const char *text)
{
    for (const struct finding *old = findings->first; old; old = old->next)
        if (old->level == level && same_place(old, at) && strcmp(old->text, text) == 0)
            return true;
    return false;
}

static void keep(struct findings *findings, enum finding_level level, const struct yaml_node *at,
                 const char *text)
{
    struct finding *finding = arena_alloc(findings->arena, sizeof(*finding));
    char *copy = arena_text(findings->arena, text);
    char *file = arena_text(findings->arena, at->file ? at->file : "");
    if (!finding || !copy || !file)
        return;
    make_printable(file);
    *finding = (struct finding){
        .level = level, .file = file, .line = at->line, .column = at->column, .text = copy};
    if (findings->last)
        findings->last->next = finding;
    else
        findings->first = finding;
    findings->last = finding;
}

void finding_add(struct findings *findings, enum finding_level level, const struct yaml_node *at,
                 const char *format, ...)
{
    static const struct yaml_node nowhere = {.file = ""};
    char text[FINDING_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    make_printable(text);

    if (!at)
        at = &nowhere;
    bool full = findings->errors + findings->warnings >= FINDINGS_KEPT_MAX;
    if (!full && known_already(findings, level, at, text))
        return;
    findings->errors += level == FINDING_ERROR;
    findings->warnings += level == FINDING_WARNING;
    if (!full && findings->arena)
        keep(findings, level, at, text);
}

static int by_place(const void *left, const void *right)
{
    const struct finding *a = *(const struct finding *const *)left;
    const struct finding *b = *(const struct finding *const *)right;
    int order = strcmp(a->file, b->file);
    if (order != 0)
        return order;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return (int)a->level - (int)b->level;
}

static void print_one(const struct finding *finding, int fd)
{
    const char *level = level_names[finding->level];
    if (finding->file[0] == '\0')
        dprintf(fd, "%s: %s\n", level, finding->text);
    else if (finding->line == 0)
        dprintf(fd, "%s: %s: %s\n", finding->file, level, finding->text);
    else
        dprintf(fd, "%s:%u:%u: %s: %s\n", finding->file, finding->line, finding->column, level,
                finding->text);
}

void findings_sort(struct findings *findings)
{
    size_t count = 0, i = 0;
    for (const struct finding *at = findings->first; at; at = at->next)
        count++;
    struct finding **sorted = calloc(count + 1, sizeof(*sorted));
    if (!sorted || count == 0) {
        free(sorted);
        return;
    }
    for (struct finding *at = findings->first; at; at = at->next)
        sorted[i++] = at;
    qsort(sorted, count, sizeof(*sorted), by_place);
    for (i = 0; i < count; i++)
        sorted[i]->next = i + 1 < count ? sorted[i + 1] : NULL;
    findings->first = sorted[0];
    findings->last = sorted[count - 1];
    free(sorted);
}

void findings_print(struct findings *findings, int fd)
{
    findings_sort(findings);
    for (const struct finding *at = findings->first; at; at = at->next)
        print_one(at, fd);
    size_t total = findings->errors + findings->warnings;
    if (total > FINDINGS_KEPT_MAX)
        dprintf(fd, "... and %zu more\n", total - FINDINGS_KEPT_MAX);
}
