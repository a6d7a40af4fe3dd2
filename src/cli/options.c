/* Command lines by table: options, operands, help, errors with a suggestion. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_priv.h"

#include "usher/yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_COLUMN = 26, OPTIONS_MAX = 24 };

struct parse {
    const struct cli_usage *usage;
    const char *command;
    int argc;
    char **argv;
    int next;
};

/* "show ENDPOINT .." stands for "usage: usher show ENDPOINT .." */
static void put_option_help(FILE *out, const struct cli_option *option)
{
    char left[80];
    char letter[8] = "    ";
    if (option->letter != 0)
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    int width = snprintf(left, sizeof left, "  %s--%s%s%s", letter, option->name,
                         option->argument != NULL ? " " : "",
                         option->argument != NULL ? option->argument : "");
    if (width < HELP_COLUMN)
        fprintf(out, "%-*s%s\n", HELP_COLUMN, left, option->help);
    else
        fprintf(out, "%s\n%*s%s\n", left, HELP_COLUMN, "", option->help);
}

static void put_help(FILE *out, const struct cli_usage *usage)
{
    fprintf(out, "usage: usher %s\n\n%s\n\noptions:\n", usage->synopsis, usage->summary);
    for (size_t i = 0; i < usage->option_count; i++)
        put_option_help(out, &usage->options[i]);
    put_option_help(out, &(struct cli_option){.name = "help", .letter = 'h', .help = "this text"});
    if (usage->examples != NULL)
        fprintf(out, "\nexamples:\n%s", usage->examples);
}

static bool complain(const struct parse *parse, const char *what, const char *argument,
                     const char *suggestion)
{
    if (suggestion != NULL)
        cli_say("%s '%s'; did you mean '%s'?", what, argument, suggestion);
    else
        cli_say("%s '%s'; see 'usher %s --help'", what, argument, parse->command);
    return false;
}

static bool unknown_option(const struct parse *parse, const char *given)
{
    const char *names[OPTIONS_MAX + 2] = {0};
    size_t count = 0;
    for (size_t i = 0; i < parse->usage->option_count && i < OPTIONS_MAX; i++)
        names[count++] = parse->usage->options[i].name;
    names[count] = "help";
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)strcspn(given, "="), given);
    const char *near = strncmp(word, "--", 2) == 0 ? yaml_suggest(word + 2, names) : NULL;
    char suggestion[80];
    if (near != NULL)
        snprintf(suggestion, sizeof suggestion, "--%s", near);
    return complain(parse, "unknown option", word, near != NULL ? suggestion : NULL);
}

static bool read_number(const char *text, int64_t *out)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == ' ' || text[0] == '+')
        return false;
    *out = value;
    return true;
}

/* Milliseconds; a bare number is seconds, since that is what `timeout` and `sleep` take. */
static bool read_duration(const char *text, int64_t *out)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"", 1000},     {"ms", 1},      {"s", 1000},
                 {"min", 60000}, {"h", 3600000}, {"d", 86400000}};
    size_t digits = strspn(text, "0123456789");
    char number[16];
    if (digits == 0 || digits >= sizeof number - 1)
        return false;
    snprintf(number, sizeof number, "%.*s", (int)digits, text);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(text + digits, units[i].unit) == 0) {
            if (!read_number(number, out) || *out > INT64_MAX / units[i].ms)
                return false;
            *out *= units[i].ms;
            return true;
        }
    }
    return false;
}

static bool store_number(const struct parse *parse, const struct cli_option *option,
                         const char *text)
{
    int64_t value = 0;
    bool is_duration = option->kind == CLI_DURATION;
    if (!(is_duration ? read_duration(text, &value) : read_number(text, &value))) {
        cli_say("--%s takes %s, not '%s'", option->name,
                is_duration ? "a time such as 90s, 2min or 1h" : "a whole number", text);
        return false;
    }
    if (value < option->least || value > option->most) {
        int64_t unit = is_duration ? 1000 : 1;
        cli_say("--%s must lie between %lld and %lld%s", option->name,
                (long long)(option->least / unit), (long long)(option->most / unit),
                is_duration ? " seconds" : "");
        return false;
    }
    *(int64_t *)option->value = value;
    return true;
}

static void store_since(struct cli_since *since, const char *text)
{
    int64_t ago_ms;
    size_t len = strlen(text);
    bool has_unit = len > 0 && text[len - 1] >= 'a' && text[len - 1] <= 'z';
    since->text = text;
    if (!has_unit || !read_duration(text, &ago_ms))
        return;
    int64_t now_ms = clock_wall_ms();
    clock_wall_text(ago_ms < now_ms ? now_ms - ago_ms : 0, since->memory);
    since->text = since->memory;
}

static bool store_value(const struct parse *parse, const struct cli_option *option,
                        const char *text)
{
    switch (option->kind) {
    case CLI_FLAG:
        *(bool *)option->value = true;
        return true;
    case CLI_TEXT:
        *(const char **)option->value = text;
        return true;
    case CLI_LIST: {
        struct cli_list *list = option->value;
        if (list->count == CLI_LIST_MAX) {
            cli_say("--%s was given more than %d times", option->name, CLI_LIST_MAX);
            return false;
        }
        list->items[list->count++] = text;
        return true;
    }
    case CLI_NUMBER:
    case CLI_DURATION:
        return store_number(parse, option, text);
    case CLI_SINCE:
        store_since(option->value, text);
        return true;
    }
    return false;
}

static const struct cli_option *find_option(const struct parse *parse, const char *given)
{
    bool is_long = strncmp(given, "--", 2) == 0;
    size_t len = is_long ? strcspn(given + 2, "=") : 1;
    for (size_t i = 0; i < parse->usage->option_count; i++) {
        const struct cli_option *option = &parse->usage->options[i];
        if (is_long && strlen(option->name) == len && memcmp(option->name, given + 2, len) == 0)
            return option;
        if (!is_long && option->letter == given[1] && given[2] == '\0')
            return option;
    }
    return NULL;
}

/* One option with its value, which is the rest after '=' or the next argument. */
static bool take_option(struct parse *parse, const char *given)
{
    const struct cli_option *option = find_option(parse, given);
    if (option == NULL)
        return unknown_option(parse, given);
    const char *value = strchr(given, '=');
    if (option->kind == CLI_FLAG && value != NULL)
        return complain(parse, "no value is expected in", given, NULL);
    if (option->kind != CLI_FLAG && value != NULL)
        value++;
    else if (option->kind != CLI_FLAG && parse->next < parse->argc)
        value = parse->argv[parse->next++];
    if (option->kind != CLI_FLAG && value == NULL)
        return complain(parse, "a value is missing after", given, NULL);
    return store_value(parse, option, value);
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    }
    return false;
}

static bool check_operands(const struct parse *parse, size_t operands)
{
    const struct cli_usage *usage = parse->usage;
    if (operands < usage->operands_least) {
        cli_say("something is missing; usage: usher %.*s", (int)strcspn(usage->synopsis, "\n"),
                usage->synopsis);
        return false;
    }
    if (operands > usage->operands_most)
        return complain(parse, "unexpected argument", parse->argv[1 + usage->operands_most], NULL);
    return true;
}

bool cli_parse(const struct cli_usage *usage, int argc, char **argv, size_t *operands,
               int *exit_code)
{
    struct parse parse = {
        .usage = usage, .command = argv[0], .argc = argc, .argv = argv, .next = 1};
    if (asks_for_help(argc, argv)) {
        put_help(stdout, usage);
        *exit_code = cli_finish(CLI_OK);
        return false;
    }
    size_t count = 0;
    bool ended = false, good = true;
    while (good && parse.next < argc) {
        char *given = argv[parse.next++];
        if (!ended && strcmp(given, "--") == 0)
            ended = true;
        else if (!ended && given[0] == '-' && given[1] != '\0')
            good = take_option(&parse, given);
        else
            argv[1 + count++] = given;
    }
    if (!good || !check_operands(&parse, count)) {
        *exit_code = CLI_USAGE;
        return false;
    }
    *operands = count;
    return true;
}
