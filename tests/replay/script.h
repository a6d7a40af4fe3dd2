/* Replay scripts as lists of words: the part of the language that knows no session. README.md. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPLAY_SCRIPT_H
#define REPLAY_SCRIPT_H

#include "usher/arena.h"

#include <stdio.h>

enum { SCRIPT_WORDS_MAX = 32, SCRIPT_INCLUDE_MAX = 8 };

struct script_line {
    const char *file;
    unsigned number;
    size_t count;
    const char *words[SCRIPT_WORDS_MAX];
    const char *text; /* of a <<EOF block, NULL = none */
};

struct script {
    struct arena *arena;
    struct script_line *lines;
    size_t count;
    size_t cap;
};

/* Reads a file and what it includes. False: the reason is on stderr. Free with script_clear. */
bool script_load(const char *path, struct script *out);
void script_clear(struct script *script);

/* "file:line: " and the message, on stderr; returns false. */
bool script_error(const struct script_line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Word `index`, or "" beyond the end. */
const char *script_word(const struct script_line *line, size_t index);
bool script_is(const struct script_line *line, size_t index, const char *word);
/* The value of the word "name=value", or NULL. */
const char *script_option(const struct script_line *line, const char *name);
/* The position of a word from `from` on; line->count when it is not there. */
size_t script_find(const struct script_line *line, size_t from, const char *word);

/* Each says what is wrong with a word on stderr. */
bool script_number(const struct script_line *line, size_t index, uint64_t most, uint64_t *out);
bool script_duration_ms(const struct script_line *line, size_t index,
                        uint64_t *out);                                       /* 93s 250ms */
bool script_code(const struct script_line *line, size_t index, uint8_t *out); /* 4.04 */

#endif
