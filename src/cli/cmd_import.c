/* usher import: many devices from a file. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "import_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_jsonl(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL &&
           (strcmp(dot, ".jsonl") == 0 || strcmp(dot, ".ndjson") == 0 || strcmp(dot, ".json") == 0);
}

static bool is_one_of(const char *option, const char *text, const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0)
            return true;
    }
    cli_say("--%s does not take '%s'; see 'usher import --help'", option, text);
    return false;
}

static int check_options(struct import_command *import)
{
    static const char *const formats[] = {"csv", "jsonl", NULL};
    static const char *const conflicts[] = {"skip", "replace", "merge", "fail", NULL};
    if (import->format == NULL)
        import->format = is_jsonl(import->name) ? "jsonl" : "csv";
    if (!is_one_of("format", import->format, formats) ||
        !is_one_of("on-conflict", import->conflict, conflicts))
        return CLI_USAGE;
    if (import->detailed && !import->dry_run) {
        cli_say("--detailed-exitcode goes with --dry-run");
        return CLI_USAGE;
    }
    return CLI_OK;
}

static int open_input(struct import_command *import)
{
    struct stat status;
    import->fd = strcmp(import->name, "-") == 0 ? STDIN_FILENO : import_open(import->name);
    if (import->fd < 0) {
        cli_say("cannot read %s (%s)", import->name, strerror(errno));
        return errno == EACCES ? CLI_DENIED : CLI_FAILED;
    }
    import->can_seek = lseek(import->fd, 0, SEEK_CUR) == 0;
    if (import->can_seek && fstat(import->fd, &status) == 0 && S_ISREG(status.st_mode))
        import->size = (uint64_t)status.st_size;
    if (strcmp(import->name, "-") == 0)
        import->name = "standard input";
    return CLI_OK;
}

int import_run(struct import_command *import)
{
    json_t *status = NULL;
    int code = open_input(import);
    if (code == CLI_OK)
        code = import_upload(import);
    if (code == CLI_OK)
        code = import_await(import, &status);
    cli_progress_end();
    if (status != NULL)
        code = import_tell(import, status);
    json_decref(status);
    if (import->fd > STDERR_FILENO)
        close(import->fd);
    return code;
}

static int stop(struct import_command *import)
{
    char path[CLI_PATH_MAX];
    json_t *answer = NULL;
    snprintf(path, sizeof path, "/v1/imports/%.64s/stop", import->stop);
    int code = cli_call(&import->server, "POST", path, NULL, &answer);
    if (code == CLI_OK && import->server.json)
        code = cli_print_json(answer);
    else if (code == CLI_OK)
        printf("%s: stopped; what was merged stays\n", import->stop);
    json_decref(answer);
    return code;
}

static int dispatch(struct import_command *import, size_t operands, const char *name)
{
    int code = CLI_OK;
    import->name = name;
    if ((import->stop != NULL) == (operands == 1)) {
        cli_say("name one file, or - for standard input; or --stop ID alone");
        return CLI_USAGE;
    }
    if (import->stop == NULL)
        code = check_options(import);
    if (code != CLI_OK || !cli_connect(&import->server, &code))
        return code;
    code = import->stop != NULL ? stop(import) : import_run(import);
    cli_disconnect(&import->server);
    return code;
}

#define TEXT_OPTION(field, option, word, text)                                                     \
    {.name = (option), .kind = CLI_TEXT, .value = &import.field, .argument = (word), .help = (text)}
#define FLAG_OPTION(field, option, text)                                                           \
    {.name = (option), .kind = CLI_FLAG, .value = &import.field, .help = (text)}

int cmd_import(int argc, char **argv)
{
    struct import_command import = {.conflict = "skip", .fd = -1};
    const struct cli_option options[] = {
        TEXT_OPTION(format, "format", "csv|jsonl", "what the file is (default: by its name)"),
        TEXT_OPTION(conflict, "on-conflict", "WORD",
                    "for devices that are enrolled with other data: skip (default), replace, "
                    "merge, fail"),
        TEXT_OPTION(class_name, "class", "CLASS", "for rows that name none"),
        TEXT_OPTION(batch, "batch", "NAME", "tag 'batch' for rows that have none"),
        TEXT_OPTION(report, "report", "FILE", "write what became of each row there, as JSON lines"),
        FLAG_OPTION(dry_run, "dry-run", "change nothing, print what would change"),
        FLAG_OPTION(detailed, "detailed-exitcode", "with --dry-run: exit 4 when there are changes"),
        TEXT_OPTION(id, "resume", "ID", "go on with an upload that was cut off"),
        TEXT_OPTION(stop, "stop", "ID", "stop an import; what was merged stays"),
        CLI_SERVER_OPTIONS(&import.server),
    };
    const struct cli_usage usage = {
        .synopsis = "import FILE|- [OPTION..]",
        .summary =
            "Enrols devices from a file of any length: CSV whose first line names the columns, or "
            "JSON\n"
            "lines. Columns: endpoint, class, identity, key (hexadecimal), key_base64, blocked,\n"
            "server.SSID.identity, server.SSID.key; any other becomes a tag. The same file again\n"
            "changes nothing. Rows that cannot be taken are named by line, the others are taken.\n"
            "Exit code 0: all rows; 3: none, or the file is wrong; 5: some; 6: --on-conflict fail.",
        .examples = "  usher import lamps.csv --class street-light --batch B7 --report out.jsonl\n"
                    "  usher import lamps.csv --dry-run --detailed-exitcode\n"
                    "  zcat meters.jsonl.gz | usher import - --format jsonl --on-conflict merge\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .operands_most = 1,
    };
    size_t operands = 0;
    int code = CLI_OK;
    if (!cli_parse(&usage, argc, argv, &operands, &code))
        return code;
    return cli_finish(dispatch(&import, operands, argv[1]));
}
