/* Reading replay scripts: lines, words, quotes, <<EOF blocks, include. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "script.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

bool script_error(const struct script_line *line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%u: ", line->file, line->number);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return false;
}

/* One file while it is being read. */
struct source {
    struct script *script;
    const char *path;
    FILE *file;
    unsigned number;
    char *line;
    size_t cap;
};

static bool next_line(struct source *source)
{
    ssize_t len = getline(&source->line, &source->cap, source->file);
    if (len < 0)
        return false;
    source->number++;
    while (len > 0 && (source->line[len - 1] == '\n' || source->line[len - 1] == '\r'))
        source->line[--len] = '\0';
    return true;
}

/* Takes one word off `*at`; a word may hold "quoted parts" with blanks. NULL at the end, and on an
 * open quote (then *at is not at the end). */
static const char *take_word(struct arena *arena, const char **at)
{
    const char *next = *at;
    while (isspace((unsigned char)*next))
        next++;
    *at = next;
    if (*next == '\0' || *next == '#') {
        *at = "";
        return NULL;
    }
    char *word = arena_alloc(arena, strlen(next) + 1);
    size_t len = 0;
    bool quoted = false;
    for (; *next != '\0' && (quoted || !isspace((unsigned char)*next)); next++) {
        if (*next == '"')
            quoted = !quoted;
        else
            word[len++] = *next == '\\' && quoted && next[1] != '\0' ? *++next : *next;
    }
    if (quoted)
        return NULL;
    *at = next;
    return word;
}

static bool split(struct source *source, struct script_line *line)
{
    const char *at = source->line;
    const char *word;
    while ((word = take_word(source->script->arena, &at)) != NULL) {
        if (line->count == SCRIPT_WORDS_MAX)
            return script_error(line, "more than %d words", SCRIPT_WORDS_MAX);
        line->words[line->count++] = word;
    }
    return *at == '\0' || script_error(line, "a quote is not closed");
}

/* Lines up to the one that is the block's word alone. */
static bool read_block(struct source *source, struct script_line *line)
{
    const char *end = line->words[--line->count] + 2;
    char *text = NULL;
    size_t size = 0;
    bool closed = false;
    FILE *memory = open_memstream(&text, &size);
    if (memory == NULL)
        return script_error(line, "no memory");
    while (!closed && next_line(source)) {
        closed = strcmp(source->line, end) == 0;
        if (!closed)
            fprintf(memory, "%s\n", source->line);
    }
    fclose(memory);
    line->text = arena_text(source->script->arena, text);
    free(text);
    return closed || script_error(line, "the block has no line '%s'", end);
}

static bool add_line(struct script *script, const struct script_line *line)
{
    if (script->count == script->cap) {
        size_t cap = script->cap == 0 ? 64 : script->cap * 2;
        struct script_line *lines = realloc(script->lines, cap * sizeof *lines);
        if (lines == NULL)
            return script_error(line, "no memory");
        script->lines = lines;
        script->cap = cap;
    }
    script->lines[script->count++] = *line;
    return true;
}

static bool load_file(struct script *script, const char *path, int depth);

/* The path of an included file is relative to the file that names it. */
static bool include(struct source *source, const struct script_line *line, int depth)
{
    const char *slash = strrchr(source->path, '/');
    int folder = slash == NULL ? 0 : (int)(slash - source->path) + 1;
    if (depth == SCRIPT_INCLUDE_MAX)
        return script_error(line, "includes are nested too deep");
    return load_file(
        source->script,
        arena_printf(source->script->arena, "%.*s%s", folder, source->path, script_word(line, 1)),
        depth + 1);
}

static bool read_line(struct source *source, int depth)
{
    struct script_line line = {.file = source->path, .number = source->number};
    if (!split(source, &line))
        return false;
    if (line.count == 0)
        return true;
    if (strncmp(line.words[line.count - 1], "<<", 2) == 0 && !read_block(source, &line))
        return false;
    if (script_is(&line, 0, "include"))
        return include(source, &line, depth);
    return add_line(source->script, &line);
}

static bool load_file(struct script *script, const char *path, int depth)
{
    struct source source = {.script = script, .path = path, .file = fopen(path, "r")};
    if (source.file == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    bool ok = true;
    while (ok && next_line(&source))
        ok = read_line(&source, depth);
    free(source.line);
    fclose(source.file);
    return ok;
}

bool script_load(const char *path, struct script *out)
{
    *out = (struct script){.arena = arena_new(0)};
    if (out->arena == NULL)
        return false;
    if (load_file(out, arena_text(out->arena, path), 0))
        return true;
    script_clear(out);
    return false;
}

void script_clear(struct script *script)
{
    free(script->lines);
    arena_free(script->arena);
    *script = (struct script){0};
}

const char *script_word(const struct script_line *line, size_t index)
{
    return index < line->count ? line->words[index] : "";
}

bool script_is(const struct script_line *line, size_t index, const char *word)
{
    return strcmp(script_word(line, index), word) == 0;
}

const char *script_option(const struct script_line *line, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 1; i < line->count; i++) {
        if (strncmp(line->words[i], name, len) == 0 && line->words[i][len] == '=')
            return line->words[i] + len + 1;
    }
    return NULL;
}

size_t script_find(const struct script_line *line, size_t from, const char *word)
{
    size_t i = from;
    while (i < line->count && strcmp(line->words[i], word) != 0)
        i++;
    return i;
}

bool script_number(const struct script_line *line, size_t index, uint64_t most, uint64_t *out)
{
    const char *word = script_word(line, index);
    char *end;
    errno = 0;
    unsigned long long value = strtoull(word, &end, 10);
    if (!isdigit((unsigned char)word[0]) || *end != '\0' || errno != 0 || value > most)
        return script_error(line, "'%s' is not a number up to %llu", word,
                            (unsigned long long)most);
    *out = value;
    return true;
}

bool script_duration_ms(const struct script_line *line, size_t index, uint64_t *out)
{
    const char *word = script_word(line, index);
    char *end;
    unsigned long long value = strtoull(word, &end, 10);
    bool milliseconds = strcmp(end, "ms") == 0;
    if (!isdigit((unsigned char)word[0]) || (!milliseconds && strcmp(end, "s") != 0))
        return script_error(line, "'%s' is not a time such as 93s or 250ms", word);
    *out = milliseconds ? value : value * 1000;
    return true;
}

bool script_code(const struct script_line *line, size_t index, uint8_t *out)
{
    const char *word = script_word(line, index);
    unsigned class, detail;
    char rest;
    if (sscanf(word, "%1u.%2u%c", &class, &detail, &rest) != 2 || class > 7 || detail > 31)
        return script_error(line, "'%s' is not a CoAP code such as 4.04", word);
    *out = (uint8_t)(class << 5 | detail);
    return true;
}
