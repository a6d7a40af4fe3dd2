/* What became of an import: the report, the summary, the exit code. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "import_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { LINE_MAX_LEN = 65536, SHOWN_MAX = 20 };

struct report {
    struct import_command *import;
    FILE *file; /* NULL: none is wanted */
    struct buf line;
    uint64_t shown, hidden;
    bool lost;
};

static void show_failure(struct report *report, const json_t *row)
{
    const char *endpoint = cli_text_of(row, "endpoint");
    if (report->shown == SHOWN_MAX) {
        report->hidden++;
        return;
    }
    report->shown++;
    cli_say("%s:%lld: %s%s%s", report->import->name,
            (long long)json_integer_value(json_object_get(row, "line")), endpoint,
            endpoint[0] != '\0' ? ": " : "", cli_text_of(row, "error"));
}

/* "+ lamp-1", "~ lamp-2: class, key" */
static void show_change(const json_t *row)
{
    const char *result = cli_text_of(row, "result");
    const json_t *differs = json_object_get(row, "differs"), *name;
    size_t i;
    if (strcmp(result, "created") != 0 && strcmp(result, "changed") != 0)
        return;
    bool created = strcmp(result, "created") == 0;
    printf("%s%c%s ", cli_colour(created ? CLI_GOOD : CLI_WARN), created ? '+' : '~',
           cli_colour(CLI_PLAIN));
    cli_put_text(stdout, cli_text_of(row, "endpoint"));
    json_array_foreach(differs, i, name)
        printf("%s%s", i == 0 ? ": " : ", ", json_string_value(name));
    putchar('\n');
}

static void take_line(struct report *report)
{
    struct bytes line = buf_bytes(&report->line);
    json_t *row = json_loadb((const char *)line.data, line.len, 0, NULL);
    if (row == NULL)
        return;
    if (strcmp(cli_text_of(row, "result"), "failed") == 0)
        show_failure(report, row);
    else if (report->import->dry_run && !report->import->server.json)
        show_change(row);
    json_decref(row);
}

static bool take(void *context, const char *data, size_t len)
{
    struct report *report = context;
    if (report->file != NULL && fwrite(data, 1, len, report->file) != len)
        report->lost = true;
    for (size_t i = 0; i < len; i++) {
        if (data[i] != '\n') {
            buf_put_u8(&report->line, (uint8_t)data[i]);
            continue;
        }
        take_line(report);
        buf_reset(&report->line);
    }
    return !report->lost;
}

static int open_report(struct report *report)
{
    const char *name = report->import->report;
    if (name == NULL)
        return CLI_OK;
    report->file = strcmp(name, "-") == 0 ? stdout : fopen(name, "we");
    if (report->file != NULL)
        return CLI_OK;
    cli_say("cannot write the report %s (%s)", name, strerror(errno));
    return CLI_FAILED;
}

static int fetch_report(struct import_command *import)
{
    struct report report = {.import = import};
    struct client_answer answer;
    struct err err = {0};
    char path[CLI_PATH_MAX];
    int code = open_report(&report);
    if (code != CLI_OK)
        return code;
    buf_init(&report.line, LINE_MAX_LEN);
    client_answer_init(&answer);
    snprintf(path, sizeof path, "/v1/imports/%.64s/report", import->id);
    enum err_code got =
        client_stream(import->server.client, path, NULL, take, &report, &answer, &err);
    if (got == ERR_OK)
        got = client_problem(&answer, &err);
    if (got != ERR_OK)
        code = cli_fail(&err);
    if (report.file != NULL && report.file != stdout && fclose(report.file) != 0)
        report.lost = true;
    if (report.lost) {
        cli_say("cannot write the report %s (%s)", import->report, strerror(errno));
        code = CLI_FAILED;
    }
    if (report.hidden > 0)
        cli_say("and %" PRIu64 " more; --report FILE names them all", report.hidden);
    client_answer_clear(&answer);
    buf_clear(&report.line);
    return code;
}

/* ---- the end ---- */

static int exit_code_of(const struct import_command *import, const json_t *status)
{
    const char *phase = cli_text_of(status, "phase");
    uint64_t failed = cli_number_of(status, "failed"), bad = cli_number_of(status, "bad_rows");
    uint64_t changes = cli_number_of(status, "created") + cli_number_of(status, "changed");
    uint64_t taken =
        changes + cli_number_of(status, "unchanged") + cli_number_of(status, "skipped");
    if (strcmp(phase, "stopped") == 0)
        return CLI_FAILED;
    if (strcmp(phase, "failed") == 0)
        return failed > bad ? CLI_CONFLICT : failed > 0 ? CLI_INVALID : CLI_FAILED;
    if (failed > 0)
        return taken > 0 ? CLI_PARTLY : CLI_INVALID;
    return import->detailed && changes > 0 ? CLI_CHANGES : CLI_OK;
}

static void print_summary(const struct import_command *import, const json_t *status)
{
    static const char *const names[] = {"created", "changed", "unchanged", "skipped", "failed"};
    FILE *out = import->report != NULL && strcmp(import->report, "-") == 0 ? stderr : stdout;
    fprintf(out, "%" PRIu64 " rows:", cli_number_of(status, "rows"));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        fprintf(out, "%s %" PRIu64 " %s", i > 0 ? "," : "", cli_number_of(status, names[i]),
                names[i]);
    fputs(import->dry_run ? "; nothing was changed (--dry-run)\n" : "\n", out);
}

int import_tell(struct import_command *import, const json_t *status)
{
    int code = CLI_OK;
    if (import->report != NULL || import->dry_run || cli_number_of(status, "failed") > 0)
        code = fetch_report(import);
    const char *error = cli_text_of(status, "error");
    if (error[0] != '\0')
        cli_say("%s: %s", import->name, error);
    if (import->server.json)
        cli_print_json(status);
    else
        print_summary(import, status);
    return code != CLI_OK ? code : exit_code_of(import, status);
}
