/* usher show, history, remove, block, unblock: one device. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_priv.h"

#include <string.h>

/* What these commands share: one endpoint, the server's options, one request. */
struct device_command {
    const char *synopsis, *summary, *examples;
    const char *method, *tail;
    void (*print)(const char *endpoint, const json_t *answer);
    bool paged; /* takes --limit and --before */
};

static void put_number(const char *title, const json_t *value, const char *unit)
{
    if (json_is_integer(value))
        printf("%-16s %lld%s\n", title, (long long)json_integer_value(value), unit);
}

static void put_credentials(const json_t *device)
{
    static const char *const titles[] = {"server",     "kind",     "credential",
                                         "generation", "identity", "key"};
    const json_t *credentials = json_object_get(device, "credentials");
    size_t index;
    json_t *credential;

    if (json_array_size(credentials) == 0)
        return;
    struct cli_table *table = cli_table_new(6, titles);
    json_array_foreach(credentials, index, credential)
    {
        char server[24], generation[24], key[40];
        long long ssid = json_integer_value(json_object_get(credential, "ssid"));
        if (ssid == 0)
            strcpy(server, "bootstrap");
        else
            snprintf(server, sizeof server, "%lld", ssid);
        snprintf(generation, sizeof generation, "%lld",
                 (long long)json_integer_value(json_object_get(credential, "generation")));
        snprintf(key, sizeof key, "%lld bytes",
                 (long long)json_integer_value(json_object_get(credential, "key_length")));
        const char *cells[] = {
            server,     cli_text_of(credential, "kind"),     cli_text_of(credential, "status"),
            generation, cli_text_of(credential, "identity"), key};
        cli_table_row(table, cells, CLI_PLAIN);
    }
    putchar('\n');
    cli_table_print(table, stdout);
    cli_table_free(table);
}

static void put_steps(const json_t *outcome)
{
    static const char *const titles[] = {"operation", "path", "answer", "ms", "sent"};
    const json_t *steps = json_object_get(outcome, "steps");
    struct cli_table *table;
    size_t index;
    json_t *step;

    if (json_array_size(steps) == 0)
        return;
    table = cli_memory(cli_table_new(5, titles));
    json_array_foreach(steps, index, step)
    {
        char duration[24], attempts[24];
        snprintf(duration, sizeof duration, "%lld",
                 (long long)json_integer_value(json_object_get(step, "duration_ms")));
        snprintf(attempts, sizeof attempts, "%lldx",
                 (long long)json_integer_value(json_object_get(step, "attempts")));
        const char *cells[] = {cli_text_of(step, "operation"), cli_text_of(step, "path"),
                               cli_text_of(step, "code"), duration, attempts};
        cli_table_row(table, cells, CLI_PLAIN);
    }
    putchar('\n');
    cli_table_print(table, stdout);
    cli_table_free(table);
}

static void put_warnings(const json_t *outcome)
{
    const json_t *warnings = json_object_get(outcome, "warnings");

    for (size_t i = 0; i < json_array_size(warnings); i++) {
        const char *warning = json_string_value(json_array_get(warnings, i));
        cli_put_line("warning", warning == NULL ? "" : warning);
    }
}

static void print_device(const char *endpoint, const json_t *answer)
{
    const json_t *device = json_object_get(answer, "device");
    const char *name, *cause;
    json_t *value;

    if (device == NULL)
        device = answer;
    const json_t *outcome = json_object_get(device, "last_outcome");
    cli_put_line("endpoint", cli_text_of(device, "endpoint"));
    cli_put_line("class", cli_text_of(device, "class"));
    cli_put_line("identity", cli_text_of(device, "identity"));
    const char *state = cli_text_of(device, "state");
    printf("%-16s %s%s%s\n", "state", cli_colour(cli_state_colour(state)), state,
           cli_colour(CLI_PLAIN));
    cause = cli_text_of(device, "cause");
    if (strcmp(cause, "none") != 0)
        cli_put_line("cause", cause);
    cli_put_line("", cli_text_of(device, "cause_text"));
    cli_put_line("detail", cli_text_of(outcome, "detail"));
    put_number("bootstraps", json_object_get(device, "bootstraps"), "");
    cli_put_line("last bootstrap", cli_text_of(device, "last_bootstrap"));
    put_number("duration", json_object_get(device, "duration_ms"), " ms");
    cli_put_line("from", cli_text_of(outcome, "source"));
    cli_put_line("enrolled", cli_text_of(device, "created"));
    json_object_foreach(json_object_get(device, "tags"), name, value)
    {
        char title[80];
        snprintf(title, sizeof title, "tag %s", name);
        cli_put_line(title, json_is_string(value) ? json_string_value(value) : "");
    }
    put_warnings(outcome);
    put_credentials(device);
    put_steps(outcome);
}

static void print_history(const char *endpoint, const json_t *answer)
{
    static const char *const titles[] = {"time", "state", "cause", "ms", "from", "detail"};
    const json_t *outcomes = json_object_get(answer, "outcomes");
    struct cli_table *table;
    size_t index;
    json_t *outcome;

    if (json_array_size(outcomes) == 0) {
        puts("no bootstrap has been recorded");
        return;
    }
    table = cli_memory(cli_table_new(6, titles));
    json_array_foreach(outcomes, index, outcome)
    {
        char duration[24];
        snprintf(duration, sizeof duration, "%lld",
                 (long long)json_integer_value(json_object_get(outcome, "duration_ms")));
        const char *state = cli_text_of(outcome, "state");
        const char *cells[] = {cli_text_of(outcome, "started"), state,
                               cli_text_of(outcome, "cause"),   duration,
                               cli_text_of(outcome, "source"),  cli_text_of(outcome, "detail")};
        cli_table_row(table, cells, cli_state_colour(state));
    }
    cli_table_print(table, stdout);
    cli_table_free(table);
    if (cli_text_of(answer, "next")[0] != '\0')
        cli_say("there are more: --limit N, or --before %s", cli_text_of(answer, "next"));
}

static void print_change(const char *endpoint, const json_t *answer)
{
    const char *change = cli_text_of(answer, "change");

    cli_put_text(stdout, endpoint);
    printf(": %s\n", change[0] == '\0' ? "done" : change);
}

enum { TAIL_SIZE = 128 };

/* What follows the endpoint in the path; false after a message. */
static bool make_tail(const struct device_command *command, int64_t limit, const char *before,
                      char tail[static TAIL_SIZE])
{
    if (before != NULL && (strlen(before) != 32 || strspn(before, "0123456789abcdef") != 32)) {
        cli_say("--before takes the id of an outcome, 32 hexadecimal digits, as --json shows it");
        return false;
    }
    if (command->paged)
        snprintf(tail, TAIL_SIZE, "%s?limit=%lld%s%s", command->tail, (long long)limit,
                 before != NULL ? "&before=" : "", before != NULL ? before : "");
    else
        snprintf(tail, TAIL_SIZE, "%s", command->tail);
    return true;
}

static int run(const struct device_command *command, int argc, char **argv)
{
    enum { PAGE_OPTIONS = 2 };
    struct cli_server server = {0};
    const char *before = NULL;
    int64_t limit = 20;
    const struct cli_option options[] = {
        CLI_SERVER_OPTIONS(&server),
        {.name = "limit",
         .letter = 'n',
         .kind = CLI_NUMBER,
         .value = &limit,
         .argument = "N",
         .help = "at most so many (default: 20)",
         .least = 1,
         .most = 1000},
        {.name = "before",
         .kind = CLI_TEXT,
         .value = &before,
         .argument = "ID",
         .help = "only what is older than the outcome with this id"},
    };
    const struct cli_usage usage = {
        .synopsis = command->synopsis,
        .summary = command->summary,
        .examples = command->examples,
        .options = options,
        .option_count =
            sizeof options / sizeof options[0] - (command->paged ? 0 : (size_t)PAGE_OPTIONS),
        .operands_least = 1,
        .operands_most = 1,
    };
    char path[CLI_PATH_MAX], tail[TAIL_SIZE];
    json_t *answer = NULL;
    size_t operands = 0;
    int code = CLI_OK;

    if (!cli_parse(&usage, argc, argv, &operands, &code))
        return code;
    if (!make_tail(command, limit, before, tail) ||
        !cli_device_path(argv[1], tail, path, sizeof path))
        return CLI_INVALID;
    if (!cli_connect(&server, &code))
        return code;
    code = cli_call(&server, command->method, path, NULL, &answer);
    if (code == CLI_OK && server.json && answer != NULL)
        code = cli_print_json(answer);
    else if (code == CLI_OK)
        command->print(argv[1], answer);
    json_decref(answer);
    cli_disconnect(&server);
    return cli_finish(code);
}

int cmd_show(int argc, char **argv)
{
    static const struct device_command command = {
        .synopsis = "show ENDPOINT [--json]",
        .summary = "Shows one device: its state, and how its last bootstrap went, step by step.",
        .examples = "  usher show urn:dev:os:0042-lamp7\n",
        .method = "GET",
        .tail = "",
        .print = print_device,
    };

    return run(&command, argc, argv);
}

int cmd_history(int argc, char **argv)
{
    static const struct device_command command = {
        .synopsis = "history ENDPOINT [--limit N] [--before ID] [--json]",
        .summary = "Lists the bootstraps of one device, newest first.",
        .examples = "  usher history urn:dev:os:0042-lamp7\n",
        .method = "GET",
        .tail = "/history",
        .print = print_history,
        .paged = true,
    };

    return run(&command, argc, argv);
}

int cmd_remove(int argc, char **argv)
{
    static const struct device_command command = {
        .synopsis = "remove ENDPOINT [--json]",
        .summary = "Forgets a device with its keys. A bootstrap of it that runs is ended.",
        .examples = "  usher remove urn:dev:os:0042-lamp7\n",
        .method = "DELETE",
        .tail = "",
        .print = print_change,
    };

    return run(&command, argc, argv);
}

int cmd_block(int argc, char **argv)
{
    static const struct device_command command = {
        .synopsis = "block ENDPOINT [--json]",
        .summary =
            "Turns a device away until it is unblocked; from outside it looks like a wrong key.",
        .examples = "  usher block urn:dev:os:0042-lamp7\n",
        .method = "POST",
        .tail = "/block",
        .print = print_change,
    };

    return run(&command, argc, argv);
}

int cmd_unblock(int argc, char **argv)
{
    static const struct device_command command = {
        .synopsis = "unblock ENDPOINT [--json]",
        .summary = "Lets a blocked device in again.",
        .examples = "  usher unblock urn:dev:os:0042-lamp7\n",
        .method = "POST",
        .tail = "/unblock",
        .print = print_change,
    };

    return run(&command, argc, argv);
}

/* One that has proved its name and is not enrolled is accepted by enrolling it. */
static int enroll_accepted(struct cli_server *server, const char *endpoint, const char *class_name)
{
    char path[CLI_PATH_MAX];
    json_t *body = json_pack("{s:s, s:b}", "class", class_name, "generate", 1), *answer = NULL;
    int code = CLI_OK;

    if (body == NULL || !cli_device_path(endpoint, "", path, sizeof path)) {
        json_decref(body);
        return CLI_INVALID;
    }
    if (cli_connect(server, &code)) {
        code = cli_call(server, "PUT", path, body, &answer);
        cli_disconnect(server);
    }
    if (code == CLI_OK && server->json)
        code = cli_print_json(answer);
    else if (code == CLI_OK)
        printf("%s: accepted as %s\n", endpoint, class_name);
    json_decref(answer);
    json_decref(body);
    return code;
}

int cmd_accept(int argc, char **argv)
{
    struct cli_server server = {0};
    const char *class_name = NULL;
    const struct cli_option options[] = {
        {.name = "class",
         .letter = 'c',
         .kind = CLI_TEXT,
         .value = &class_name,
         .argument = "CLASS",
         .help = "enrol a device that waits under a name of its certificate"},
        CLI_SERVER_OPTIONS(&server),
    };
    const struct cli_usage usage = {
        .synopsis = "accept ENDPOINT [--class CLASS] [--json]",
        .summary =
            "Lets a device bootstrap once more whose class says `rebootstrap: once`, `approve` or\n"
            "`quarantine`; those that wait are listed by: usher list --state held\n"
            "With --class: enrols one that has proved its name to a listener with `unknown:\n"
            "hold`; those are listed by: usher rejects",
        .examples = "  usher accept urn:dev:os:0042-lamp7\n"
                    "  usher list --state held\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .operands_least = 1,
        .operands_most = 1,
    };
    char path[CLI_PATH_MAX];
    json_t *answer = NULL;
    size_t operands = 0;
    int code = CLI_OK;

    if (!cli_parse(&usage, argc, argv, &operands, &code))
        return code;
    if (class_name != NULL)
        return cli_finish(enroll_accepted(&server, argv[1], class_name));
    if (!cli_device_path(argv[1], "/accept", path, sizeof path))
        return CLI_INVALID;
    if (cli_connect(&server, &code)) {
        code = cli_call(&server, "POST", path, NULL, &answer);
        cli_disconnect(&server);
    }
    if (code == CLI_OK && server.json)
        code = cli_print_json(answer);
    else if (code == CLI_OK)
        print_change(argv[1], answer);
    json_decref(answer);
    return cli_finish(code);
}
