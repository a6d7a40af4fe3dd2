/* SPDX-License-Identifier: Apache-2.0 */
/* usher check: profiles read as the server reads them, with every finding. */
#include "cli_priv.h"

#include "usher/profile.h"

#include <string.h>
#include <unistd.h>

static const char *const level_names[] = {
    [FINDING_ERROR] = "error", [FINDING_WARNING] = "warning", [FINDING_NOTE] = "note"};

struct check {
    const char *const *paths;
    size_t path_count;
    bool quiet;
    bool presets, against_store;
    struct cli_server server;
};

static const char *count_text(char *out, size_t size, size_t count, const char *word)
{
    snprintf(out, size, "%zu %s%s", count, word, count == 1 ? "" : "s");
    return out;
}

static void print_summary(const struct profile_set *set, const struct findings *findings)
{
    char errors[40], warnings[40];
    count_text(errors, sizeof(errors), findings->errors, "error");
    count_text(warnings, sizeof(warnings), findings->warnings, "warning");
    if (set)
        printf("%zu class%s, no errors%s%s\n", profile_set_count(set),
               profile_set_count(set) == 1 ? "" : "es", findings->warnings > 0 ? ", " : "",
               findings->warnings > 0 ? warnings : "");
    else
        printf("%s%s%s\n", errors, findings->warnings > 0 ? ", " : "",
               findings->warnings > 0 ? warnings : "");
}

static json_t *finding_json(const struct finding *finding)
{
    json_t *object = cli_memory(json_object());
    json_object_set_new(object, "level", json_string(level_names[finding->level]));
    json_object_set_new(object, "file", json_string(finding->file));
    if (finding->line > 0) {
        json_object_set_new(object, "line", json_integer(finding->line));
        json_object_set_new(object, "column", json_integer(finding->column));
    }
    json_object_set_new(object, "text", json_string(finding->text));
    return object;
}

static int print_json(const struct profile_set *set, struct findings *findings)
{
    json_t *classes = cli_memory(json_array()), *list = cli_memory(json_array());
    for (size_t i = 0; set && i < profile_set_count(set); i++)
        json_array_append_new(classes, json_string(profile_class(profile_set_at(set, i))));
    findings_sort(findings);
    for (const struct finding *finding = findings->first; finding; finding = finding->next)
        json_array_append_new(list, finding_json(finding));
    json_t *answer = cli_memory(json_object());
    json_object_set_new(answer, "ok", json_boolean(set != NULL));
    json_object_set_new(answer, "classes", classes);
    json_object_set_new(answer, "errors", json_integer((json_int_t)findings->errors));
    json_object_set_new(answer, "warnings", json_integer((json_int_t)findings->warnings));
    json_object_set_new(answer, "findings", list);
    int exit_code = cli_print_json(answer);
    json_decref(answer);
    return exit_code;
}

static int print_text(const struct profile_set *set, struct findings *findings, bool quiet)
{
    if (quiet && set)
        return CLI_OK;
    fflush(stdout);
    findings_print(findings, STDOUT_FILENO);
    if (!quiet)
        print_summary(set, findings);
    return cli_finish(CLI_OK);
}

static int print_presets(bool json)
{
    json_t *list = cli_memory(json_array());
    for (size_t i = 0; profile_preset(i); i++) {
        const struct profile_preset *preset = profile_preset(i);
        if (json)
            json_array_append_new(list, cli_memory(json_pack("{s:s, s:s}", "name", preset->name,
                                                             "about", preset->about)));
        else
            printf("%-18s %s\n", preset->name, preset->about);
    }
    int exit_code = json ? cli_print_json(list) : cli_finish(CLI_OK);
    json_decref(list);
    return exit_code;
}

static int run_check(struct check *check)
{
    struct findings findings;
    findings_init(&findings);
    struct profile_set *set = profile_set_load(check->paths, check->path_count, &findings);
    int exit_code = check->against_store && set ? CLI_OK
                    : check->server.json        ? print_json(set, &findings)
                                                : print_text(set, &findings, check->quiet);
    if (exit_code == CLI_OK && !set)
        exit_code = CLI_INVALID;
    if (exit_code == CLI_OK && check->against_store)
        exit_code = cli_check_against(&check->server, set);
    profile_set_unref(set);
    findings_clear(&findings);
    return exit_code;
}

int cmd_check(int argc, char **argv)
{
    static const char *const usual[] = {"profiles"};
    struct check check = {.paths = usual, .path_count = 1};
    const struct cli_option options[] = {
        {.name = "quiet",
         .letter = 'q',
         .kind = CLI_FLAG,
         .value = &check.quiet,
         .help = "print nothing unless there are errors"},
        {.name = "against-store",
         .kind = CLI_FLAG,
         .value = &check.against_store,
         .help = "say how many devices of a running server these profiles would change"},
        {.name = "presets",
         .kind = CLI_FLAG,
         .value = &check.presets,
         .help = "list the clients that `client: { preset: .. }` knows"},
        CLI_SERVER_OPTIONS(&check.server),
    };
    const struct cli_usage usage = {
        .synopsis = "check [DIR|FILE..] [--against-store] [--presets] [--json] [-q]",
        .summary =
            "Reads profiles as the server does and prints what is wrong with them, each with\n"
            "file, line and column. Without arguments: the directory ./profiles.\n"
            "Ends with 0 when they can be used, with 3 when they cannot.",
        .examples = "  usher check\n"
                    "  usher check /etc/usher/profiles\n"
                    "  usher check --against-store /etc/usher/profiles\n"
                    "  usher check --json profiles | jq '.findings[].text'\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .operands_most = 1000,
    };
    size_t operands = 0;
    int exit_code = CLI_OK;
    if (!cli_parse(&usage, argc, argv, &operands, &exit_code))
        return exit_code;
    if (check.presets)
        return print_presets(check.server.json);
    if (operands > 0) {
        check.paths = (const char *const *)(argv + 1);
        check.path_count = operands;
    } else if (access(usual[0], F_OK) != 0) {
        cli_say("there is no directory 'profiles' here; say where they are: usher check DIR");
        return CLI_USAGE;
    }
    return run_check(&check);
}
