/* usher events: what happens at the server, as it happens. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_priv.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

enum { EVENT_MAX = 16384, ID_SIZE = 40, RETRY_SECONDS = 2 };

struct watch {
    struct cli_server server;
    const char *class_name, *endpoint, *kinds, *since;
    bool follow;
    /* the stream */
    char line[EVENT_MAX];
    size_t line_len;
    bool line_lost; /* longer than any event is */
    char id[ID_SIZE];
    bool broken_pipe;
};

/* ---- one event for people ---- */

static void put_word(const char *text, const char *tail)
{
    cli_put_text(stdout, text);
    fputs(tail, stdout);
}

static void put_operation(const json_t *event)
{
    const char *code = cli_text_of(event, "code");

    put_word(cli_text_of(event, "operation"), " ");
    put_word(cli_text_of(event, "path"), " ");
    put_word(code[0] != '\0' ? code : "no answer", "");
    if (cli_number_of(event, "attempts") > 1)
        printf(" at attempt %" PRIu64, cli_number_of(event, "attempts"));
    printf(" in %" PRIu64 " ms, %" PRIu64 " bytes out, %" PRIu64 " in",
           cli_number_of(event, "duration_ms"), cli_number_of(event, "bytes_sent"),
           cli_number_of(event, "bytes_received"));
}

static void put_outcome(const json_t *event)
{
    const char *state = cli_text_of(event, "state"), *detail = cli_text_of(event, "detail");

    fputs(cli_colour(cli_state_colour(state)), stdout);
    put_word(state, cli_colour(CLI_PLAIN));
    if (cli_text_of(event, "cause")[0] != '\0') {
        fputs(" ", stdout);
        put_word(cli_text_of(event, "cause"), "");
    }
    printf(" in %" PRIu64 " ms, %" PRIu64 " operations", cli_number_of(event, "duration_ms"),
           cli_number_of(event, "operations"));
    if (detail[0] != '\0') {
        fputs(": ", stdout);
        put_word(detail, "");
    }
}

static void put_reject(const json_t *event)
{
    fputs(cli_colour(CLI_WARN), stdout);
    put_word(cli_text_of(event, "cause"), cli_colour(CLI_PLAIN));
    fputs(" ", stdout);
    put_word(cli_text_of(event, "identity"), " from ");
    put_word(cli_text_of(event, "source"), "");
}

static void put_gap(const json_t *event)
{
    if (json_is_integer(json_object_get(event, "missed")))
        printf("%" PRIu64 " events are missing here (%s)", cli_number_of(event, "missed"),
               cli_text_of(event, "reason"));
    else
        fputs("events may be missing here: the server was started again", stdout);
}

static void put_import(const json_t *event)
{
    put_word(cli_text_of(event, "state"), " ");
    printf("%" PRIu64 " rows", cli_number_of(event, "rows"));
}

static void put_rest(const char *kind, const json_t *event)
{
    if (strcmp(kind, "operation") == 0)
        put_operation(event);
    else if (strcmp(kind, "outcome") == 0)
        put_outcome(event);
    else if (strcmp(kind, "reject") == 0)
        put_reject(event);
    else if (strcmp(kind, "gap") == 0)
        put_gap(event);
    else if (strcmp(kind, "enrolment") == 0)
        put_word(cli_text_of(event, "change"), "");
    else if (strcmp(kind, "import") == 0)
        put_import(event);
    else if (strcmp(kind, "reload") == 0)
        fputs(json_is_true(json_object_get(event, "ok")) ? "done" : "refused", stdout);
    else
        put_word(cli_text_of(event, "source"), "");
}

static void put_event(const json_t *event)
{
    const char *kind = cli_text_of(event, "event");
    const char *who = cli_text_of(event, "endpoint");

    if (who[0] == '\0')
        who = strcmp(kind, "handshake") == 0 ? cli_text_of(event, "identity") : "-";
    printf("%-24s ", cli_text_of(event, "time"));
    cli_put_text(stdout, who);
    putchar(' ');
    cli_put_text(stdout, kind);
    putchar(' ');
    put_rest(kind, event);
    putchar('\n');
}

/* ---- the stream ---- */

/* `data:` holds the whole event; it is printed as it came, or for people. */
static void take_data(const struct watch *watch, const char *data)
{
    if (watch->server.json) {
        puts(data);
        return;
    }
    json_t *event = json_loads(data, 0, NULL);
    if (json_is_object(event))
        put_event(event);
    json_decref(event);
}

static void take_line(struct watch *watch)
{
    static const char id[] = "id: ", data[] = "data: ";
    const char *line = watch->line;

    if (strncmp(line, id, strlen(id)) == 0 && strlen(line + strlen(id)) < ID_SIZE)
        memmove(watch->id, line + strlen(id), strlen(line + strlen(id)) + 1);
    else if (strncmp(line, data, strlen(data)) == 0)
        take_data(watch, line + strlen(data));
}

static bool take_stream(void *context, const char *data, size_t len)
{
    struct watch *watch = context;

    for (size_t i = 0; i < len; i++) {
        if (data[i] != '\n') {
            watch->line_lost = watch->line_lost || watch->line_len + 1 == sizeof watch->line;
            if (!watch->line_lost)
                watch->line[watch->line_len++] = data[i];
            continue;
        }
        watch->line[watch->line_len] = '\0';
        if (!watch->line_lost)
            take_line(watch);
        watch->line_len = 0;
        watch->line_lost = false;
    }
    watch->broken_pipe = fflush(stdout) != 0;
    return !watch->broken_pipe;
}

static bool put_path(const struct watch *watch, struct buf *path)
{
    const struct {
        const char *name, *value;
    } filters[] = {
        {"class", watch->class_name}, {"endpoint", watch->endpoint}, {"event", watch->kinds}};

    buf_printf(path, "/v1/events?follow=%s", watch->follow ? "true" : "false");
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        if (filters[i].value == NULL)
            continue;
        buf_printf(path, "&%s=", filters[i].name);
        client_put_escaped(path, filters[i].value);
    }
    return buf_text(path) != NULL;
}

/* One connection, until it ends. */
static enum err_code watch_once(struct watch *watch, const char *path, struct err *err)
{
    struct client_answer answer;

    client_answer_init(&answer);
    watch->line_len = 0;
    watch->line_lost = false;
    enum err_code code =
        client_stream(watch->server.client, path, watch->id[0] != '\0' ? watch->id : NULL,
                      take_stream, watch, &answer, err);
    if (code == ERR_OK)
        code = client_problem(&answer, err);
    client_answer_clear(&answer);
    return code;
}

/* Once it has begun, a stream that breaks off is taken up again behind the last event. */
static int follow(struct watch *watch, const char *path)
{
    struct err err = {0};
    enum err_code code = watch_once(watch, path, &err);
    bool said = false;

    if (code != ERR_OK)
        return cli_fail(&err);
    while (watch->follow && !watch->broken_pipe) {
        const struct timespec pause = {.tv_sec = RETRY_SECONDS};
        if (!said)
            cli_say("the stream ended; waiting for the server");
        said = true;
        nanosleep(&pause, NULL);
        code = watch_once(watch, path, &err);
        if (code == ERR_OK)
            said = false;
        else if (code == ERR_DENIED || code == ERR_INVALID)
            return cli_fail(&err);
    }
    return CLI_OK;
}

static int watch_events(struct watch *watch)
{
    char text[2048];
    struct buf path;
    int code = CLI_OK;

    buf_init_fixed(&path, text, sizeof text);
    if (!put_path(watch, &path)) {
        cli_say("the filters are too long");
        return CLI_INVALID;
    }
    if (watch->since != NULL && strlen(watch->since) >= ID_SIZE) {
        cli_say("--since: '%s' is not the id of an event", watch->since);
        return CLI_INVALID;
    }
    /* Without --follow: everything that the server still has. */
    const char *since = watch->since != NULL ? watch->since : watch->follow ? "" : "0-0";
    strcpy(watch->id, since);
    if (!cli_connect(&watch->server, &code))
        return code;
    code = follow(watch, text);
    cli_disconnect(&watch->server);
    return code;
}

int cmd_events(int argc, char **argv)
{
    static struct watch watch;
    const struct cli_option options[] = {
        {.name = "follow",
         .letter = 'f',
         .kind = CLI_FLAG,
         .value = &watch.follow,
         .help = "go on as things happen, until interrupted"},
        {.name = "class",
         .letter = 'c',
         .kind = CLI_TEXT,
         .value = &watch.class_name,
         .argument = "CLASS",
         .help = "only devices of this class"},
        {.name = "endpoint",
         .letter = 'e',
         .kind = CLI_TEXT,
         .value = &watch.endpoint,
         .argument = "ENDPOINT",
         .help = "only this device"},
        {.name = "event",
         .kind = CLI_TEXT,
         .value = &watch.kinds,
         .argument = "KINDS",
         .help = "only these, separated by commas: handshake, request, operation, outcome,\n"
                 "reject, reload, enrolment, import"},
        {.name = "since",
         .kind = CLI_TEXT,
         .value = &watch.since,
         .argument = "ID",
         .help = "from behind the event with this id on"},
        CLI_SERVER_OPTIONS(&watch.server),
    };
    const struct cli_usage usage = {
        .synopsis = "events [--follow] [OPTION..]",
        .summary = "Shows the last events, or with --follow what happens from now on: handshakes,\n"
                   "operations with their answers, outcomes, who is turned away, changes. With\n"
                   "--json one object a line.",
        .examples = "  usher events --follow --class street-light\n"
                    "  usher events --follow --event outcome --json\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    size_t operands = 0;
    int code = CLI_OK;

    if (!cli_parse(&usage, argc, argv, &operands, &code))
        return code;
    code = watch_events(&watch);
    return watch.broken_pipe ? code : cli_finish(code);
}
