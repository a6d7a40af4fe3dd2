/* What usher prints: messages, JSON, text that is safe for a terminal, colour. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_priv.h"

#include "usher/bytes.h"
#include "usher/outcome.h"
#include "usher/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

void cli_say(const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fputs("usher: ", stderr);
    cli_put_text(stderr, text);
    fputc('\n', stderr);
}

int cli_fail(const struct err *err)
{
    static const int exits[ERR_CODE_COUNT] = {
        [ERR_OK] = CLI_OK,
        [ERR_NO_MEMORY] = CLI_FAILED,
        [ERR_INVALID] = CLI_INVALID,
        [ERR_RANGE] = CLI_INVALID,
        [ERR_TRUNCATED] = CLI_INVALID,
        [ERR_TOO_LARGE] = CLI_INVALID,
        [ERR_UNSUPPORTED] = CLI_INVALID,
        [ERR_NOT_FOUND] = CLI_FAILED,
        [ERR_EXISTS] = CLI_CONFLICT,
        [ERR_CONFLICT] = CLI_CONFLICT,
        [ERR_DENIED] = CLI_DENIED,
        [ERR_IO] = CLI_FAILED,
        [ERR_UNAVAILABLE] = CLI_FAILED,
        [ERR_TIMEOUT] = CLI_TIMEOUT,
        [ERR_BUSY] = CLI_FAILED,
        [ERR_NEWER_VERSION] = CLI_FAILED,
        [ERR_READ_ONLY] = CLI_FAILED,
        [ERR_INTERNAL] = CLI_FAILED,
    };
    cli_say("%s", err->text[0] != '\0' ? err->text : err_name(err->code));
    return (unsigned)err->code < ERR_CODE_COUNT ? exits[err->code] : CLI_FAILED;
}

int cli_finish(int exit_code)
{
    return fflush(stdout) == 0 && !ferror(stdout) ? exit_code : cli_output_lost();
}

int cli_output_lost(void)
{
    /* Who reads has had enough, as `head` has. */
    if (errno != EPIPE)
        cli_say("cannot write the output (%s)", strerror(errno));
    return CLI_FAILED;
}

const char *cli_text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

uint64_t cli_number_of(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

int cli_print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_PRESERVE_ORDER);
    fputc('\n', stdout);
    return cli_finish(CLI_OK);
}

struct character {
    size_t len;     /* bytes */
    size_t columns; /* 0 for a combining mark */
    bool shown;     /* may reach a terminal as it is */
};

static bool is_steering(uint32_t code_point)
{
    bool control = code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
    /* Marks that turn the writing direction could make a name look like another one. */
    bool turns = (code_point >= 0x202a && code_point <= 0x202e) ||
                 (code_point >= 0x2066 && code_point <= 0x2069) || code_point == 0x200e ||
                 code_point == 0x200f;
    return control || turns;
}

static struct character next_character(const char *text)
{
    unsigned char first = (unsigned char)text[0];
    size_t len = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (strnlen(text, len) < len || !bytes_is_utf8(bytes_of(text, len)))
        return (struct character){.len = 1, .columns = 1};
    uint32_t code_point = len == 1 ? first : first & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++)
        code_point = code_point << 6 | ((unsigned char)text[i] & 0x3f);
    if (is_steering(code_point))
        return (struct character){.len = len, .columns = 1};
    int width = wcwidth((wchar_t)code_point);
    return (struct character){.len = len, .columns = width < 0 ? 1 : (size_t)width, .shown = true};
}

void cli_put_text(FILE *out, const char *text)
{
    while (*text != '\0') {
        struct character character = next_character(text);
        if (character.shown)
            fwrite(text, 1, character.len, out);
        else
            fputc('?', out);
        text += character.len;
    }
}

void cli_put_line(const char *title, const char *text)
{
    if (text[0] == '\0')
        return;
    printf("%-16s ", title);
    cli_put_text(stdout, text);
    putchar('\n');
}

void cli_put_csv(FILE *out, const char *text)
{
    if (strpbrk(text, ",\"\r\n;\t") == NULL) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

size_t cli_text_width(const char *text)
{
    size_t width = 0;
    while (*text != '\0') {
        struct character character = next_character(text);
        width += character.columns;
        text += character.len;
    }
    return width;
}

void *cli_memory(void *memory)
{
    if (memory == NULL) {
        cli_say("out of memory");
        exit(CLI_FAILED);
    }
    return memory;
}

bool cli_stdout_is_terminal(void)
{
    return isatty(STDOUT_FILENO) == 1;
}

const char *cli_colour(enum cli_colour colour)
{
    static const char *const codes[] = {
        [CLI_PLAIN] = "\033[0m", [CLI_GOOD] = "\033[32m", [CLI_WARN] = "\033[33m",
        [CLI_BAD] = "\033[31m",  [CLI_DIM] = "\033[2m",
    };
    const char *refused = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    bool dumb = terminal == NULL || strcmp(terminal, "dumb") == 0;
    if ((refused != NULL && refused[0] != '\0') || dumb || !cli_stdout_is_terminal())
        return "";
    return codes[colour];
}

bool cli_check_state(const char *state)
{
    const char *names[STATE_COUNT + 1] = {0};
    char list[200] = "";
    size_t used = 0;
    enum device_state known;
    if (device_state_from_name(state, &known))
        return true;
    for (int i = 0; i < STATE_COUNT; i++) {
        names[i] = device_state_name((enum device_state)i);
        int len = snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", names[i]);
        used += len > 0 && (size_t)len < sizeof list - used ? (size_t)len : 0;
    }
    const char *meant = yaml_suggest(state, names);
    if (meant != NULL)
        cli_say("'%s' is no state; did you mean '%s'?", state, meant);
    else
        cli_say("'%s' is no state; there are %s", state, list);
    return false;
}

enum cli_colour cli_state_colour(const char *state)
{
    static const struct {
        const char *state;
        enum cli_colour colour;
    } colours[] = {
        {"bootstrapped", CLI_GOOD}, {"unconfirmed", CLI_WARN}, {"failed", CLI_BAD},
        {"held", CLI_WARN},         {"blocked", CLI_DIM},
    };
    for (size_t i = 0; i < sizeof colours / sizeof colours[0]; i++) {
        if (strcmp(colours[i].state, state) == 0)
            return colours[i].colour;
    }
    return CLI_PLAIN;
}
