/* usher export: devices in the form that usher import takes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct export
{
    struct cli_server server;
    const char *format, *class_name, *prefix, *batch, *output;
    struct cli_list tags;
    bool reveal;
    FILE *file;
};

static bool take(void *context, const char *data, size_t len)
{
    struct export *export = context;
    return fwrite(data, 1, len, export->file) == len;
}

/* Never over a file that is there: it may hold the only copy of a key. */
static FILE *open_output(const char *name)
{
    if (name == NULL || strcmp(name, "-") == 0)
        return stdout;
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file == NULL)
        cli_say("cannot make %s (%s)", name, strerror(errno));
    return file;
}

static bool put_path(const struct export *export, struct buf *path)
{
    buf_printf(path, "/v1/export?format=%s&reveal=%s", export->format,
               export->reveal ? "true" : "false");
    const char *const options[][2] = {
        {"class", export->class_name}, {"prefix", export->prefix}, {"batch", export->batch}};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (options[i][1] == NULL)
            continue;
        buf_printf(path, "&%s=", options[i][0]);
        client_put_escaped(path, options[i][1]);
    }
    for (size_t i = 0; i < export->tags.count; i++) {
        buf_put_text(path, "&tag=");
        client_put_escaped(path, export->tags.items[i]);
    }
    return buf_text(path) != NULL;
}

static int run(struct export *export)
{
    struct client_answer answer;
    struct err err = {0};
    struct buf path;
    char memory[CLI_PATH_MAX * 2];
    buf_init_fixed(&path, memory, sizeof memory);
    if (!put_path(export, &path)) {
        cli_say("the options are too long");
        return CLI_USAGE;
    }
    export->file = open_output(export->output);
    if (export->file == NULL)
        return CLI_FAILED;
    client_answer_init(&answer);
    enum err_code code =
        client_stream(export->server.client, buf_text(&path), NULL, take, export, &answer, &err);
    if (code == ERR_OK)
        code = client_problem(&answer, &err);
    int result = code == ERR_OK ? CLI_OK : cli_fail(&err);
    bool lost = fflush(export->file) != 0 || ferror(export->file);
    if (export->file != stdout)
        lost = fclose(export->file) != 0 || lost;
    if (lost)
        result = cli_output_lost();
    client_answer_clear(&answer);
    return result;
}

int cmd_export(int argc, char **argv)
{
    struct export export = {.format = "jsonl"};
    const struct cli_option options[] = {
        {.name = "format",
         .kind = CLI_TEXT,
         .value = &export.format,
         .argument = "jsonl|csv",
         .help = "csv has no server credentials (default: jsonl)"},
        {.name = "class",
         .letter = 'c',
         .kind = CLI_TEXT,
         .value = &export.class_name,
         .argument = "CLASS",
         .help = "devices of that class only"},
        {.name = "prefix",
         .kind = CLI_TEXT,
         .value = &export.prefix,
         .argument = "TEXT",
         .help = "endpoints that begin so"},
        {.name = "batch",
         .letter = 'b',
         .kind = CLI_TEXT,
         .value = &export.batch,
         .argument = "NAME",
         .help = "devices of that batch"},
        {.name = "tag",
         .letter = 't',
         .kind = CLI_LIST,
         .value = &export.tags,
         .argument = "NAME=VALUE",
         .help = "devices with that tag; may be repeated"},
        {.name = "output",
         .letter = 'o',
         .kind = CLI_TEXT,
         .value = &export.output,
         .argument = "FILE",
         .help = "a new file, mode 0600 (default: standard output)"},
        {.name = "reveal",
         .kind = CLI_FLAG,
         .value = &export.reveal,
         .help = "with the keys: whoever reads the output can be these devices"},
        CLI_SERVER_OPTIONS(&export.server),
    };
    const struct cli_usage usage = {
        .synopsis = "export [OPTION..]",
        .summary =
            "Prints devices in the form that 'usher import' takes: a copy for another server,\n"
            "a list to be edited. Keys are left out unless --reveal says otherwise.",
        .examples = "  usher export --batch B7 --format csv >b7.csv\n"
                    "  usher export --reveal -o all.jsonl\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    size_t operands = 0;
    int code = CLI_OK;
    if (!cli_parse(&usage, argc, argv, &operands, &code))
        return code;
    if (strcmp(export.format, "jsonl") != 0 && strcmp(export.format, "csv") != 0) {
        cli_say("--format takes jsonl or csv, not '%s'", export.format);
        return CLI_USAGE;
    }
    if (!cli_connect(&export.server, &code))
        return code;
    code = run(&export);
    cli_disconnect(&export.server);
    return cli_finish(code);
}
