/* usher wait: until devices have been bootstrapped; for jigs, scanners and scripts. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_priv.h"
#include "usher/clock.h"

#include <string.h>
#include <time.h>

enum { PAUSE_LEAST_MS = 100, PAUSE_MOST_MS = 1000, LINE_SIZE = 512 };

enum verdict { VERDICT_OPEN, VERDICT_PASS, VERDICT_UNCONFIRMED, VERDICT_FAIL, VERDICT_ERROR };

struct waiting {
    struct cli_server server;
    const char *state, *batch;
    int64_t timeout_ms;
    bool from_stdin;
    size_t passed, unconfirmed, failed, late;
    int error; /* exit code of a request that failed */
};

/* "unconfirmed" and "failed" will not change by waiting, unless they are what is waited for. */
static enum verdict judge(const struct waiting *waiting, const char *state)
{
    if (strcmp(state, waiting->state) == 0)
        return VERDICT_PASS;
    if (strcmp(state, "unconfirmed") == 0)
        return VERDICT_UNCONFIRMED;
    if (strcmp(state, "failed") == 0 || strcmp(state, "blocked") == 0)
        return VERDICT_FAIL;
    return VERDICT_OPEN;
}

static void report(struct waiting *waiting, const char *endpoint, const char *word,
                   const json_t *device)
{
    const char *state = json_string_value(json_object_get(device, "state"));
    const char *cause = json_string_value(json_object_get(device, "cause"));
    bool pass = strcmp(word, "PASS") == 0;

    if (waiting->server.json) {
        json_t *line = cli_memory(json_pack("{s:s, s:s, s:s?, s:s?}", "endpoint", endpoint,
                                            "result", word, "state", state, "cause", cause));
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(line);
    } else {
        printf("%s%s%s ", cli_colour(pass ? CLI_GOOD : CLI_BAD), word, cli_colour(CLI_PLAIN));
        cli_put_text(stdout, endpoint);
        if (!pass && state != NULL)
            printf(" %s%s%s", state, cause != NULL && strcmp(cause, "none") != 0 ? ": " : "",
                   cause != NULL && strcmp(cause, "none") != 0 ? cause : "");
        putchar('\n');
    }
    fflush(stdout);
}

/* Counts and tells; VERDICT_OPEN stays untold unless time is up. */
static void tell(struct waiting *waiting, const char *endpoint, enum verdict verdict, bool last,
                 const json_t *device)
{
    if (verdict == VERDICT_PASS) {
        waiting->passed++;
        report(waiting, endpoint, "PASS", device);
    } else if (verdict == VERDICT_UNCONFIRMED) {
        waiting->unconfirmed++;
        report(waiting, endpoint, "UNCONFIRMED", device);
    } else if (verdict == VERDICT_FAIL) {
        waiting->failed++;
        report(waiting, endpoint, "FAIL", device);
    } else if (last) {
        waiting->late++;
        report(waiting, endpoint, "TIMEOUT", device);
    }
}

static enum verdict look(struct waiting *waiting, const char *endpoint, bool last)
{
    char path[CLI_PATH_MAX];
    json_t *answer = NULL;

    if (!cli_device_path(endpoint, "", path, sizeof path)) {
        waiting->error = CLI_INVALID;
        return VERDICT_ERROR;
    }
    int code = cli_call(&waiting->server, "GET", path, NULL, &answer);
    if (code != CLI_OK) {
        waiting->error = code;
        return VERDICT_ERROR;
    }
    const json_t *device = json_object_get(answer, "device");
    if (device == NULL)
        device = answer;
    const char *state = json_string_value(json_object_get(device, "state"));
    enum verdict verdict = state == NULL ? VERDICT_OPEN : judge(waiting, state);
    tell(waiting, endpoint, verdict, last, device);
    json_decref(answer);
    return verdict;
}

static void pause_ms(uint64_t milliseconds)
{
    struct timespec pause = {.tv_sec = (time_t)(milliseconds / 1000),
                             .tv_nsec = (long)(milliseconds % 1000) * 1000000};

    nanosleep(&pause, NULL);
}

static void wait_for(struct waiting *waiting, char **endpoints, size_t count)
{
    uint64_t limit = clock_monotonic_ms() + (uint64_t)waiting->timeout_ms;
    uint64_t pause = PAUSE_LEAST_MS;

    while (count > 0) {
        size_t open = 0;
        bool last = clock_monotonic_ms() >= limit;
        for (size_t i = 0; i < count; i++)
            if (look(waiting, endpoints[i], last) == VERDICT_OPEN)
                endpoints[open++] = endpoints[i];
        count = open;
        if (last || count == 0)
            break;
        pause_ms(pause);
        pause = pause * 2 > PAUSE_MOST_MS ? PAUSE_MOST_MS : pause * 2;
    }
}

/* ---- a batch: one list for all of its devices ---- */

/* Devices of a page that were not told yet; *open counts those that have to wait on. */
static void tell_page(struct waiting *waiting, const json_t *devices, json_t *told, bool last,
                      size_t *open)
{
    size_t i;
    json_t *device;

    json_array_foreach(devices, i, device)
    {
        const char *endpoint = json_string_value(json_object_get(device, "endpoint"));
        const char *state = json_string_value(json_object_get(device, "state"));
        if (endpoint == NULL || state == NULL || json_object_get(told, endpoint) != NULL)
            continue;
        enum verdict verdict = judge(waiting, state);
        tell(waiting, endpoint, verdict, last, device);
        if (verdict == VERDICT_OPEN && !last)
            ++*open;
        else
            json_object_set_new(told, endpoint, json_true());
    }
}

static int look_at_batch(struct waiting *waiting, json_t *told, bool last, size_t *open)
{
    json_t *page = NULL;
    const char *next = NULL; /* of the page */
    int code = CLI_OK;

    *open = 0;
    do {
        struct buf path;
        char memory[CLI_PATH_MAX];
        json_t *following = NULL;
        buf_init_fixed(&path, memory, sizeof memory);
        buf_put_text(&path, "/v1/devices?limit=1000&batch=");
        client_put_escaped(&path, waiting->batch);
        if (next != NULL) {
            buf_put_text(&path, "&cursor=");
            client_put_escaped(&path, next);
        }
        if (buf_text(&path) == NULL) {
            cli_say("the name of the batch is too long");
            code = CLI_INVALID;
        } else {
            code = cli_call(&waiting->server, "GET", buf_text(&path), NULL, &following);
        }
        json_decref(page);
        page = following;
        if (code != CLI_OK)
            break;
        tell_page(waiting, json_object_get(page, "devices"), told, last, open);
        next = json_string_value(json_object_get(page, "next"));
    } while (next != NULL);
    json_decref(page);
    return code;
}

static void wait_for_batch(struct waiting *waiting)
{
    uint64_t limit = clock_monotonic_ms() + (uint64_t)waiting->timeout_ms;
    uint64_t pause = PAUSE_LEAST_MS;
    json_t *told = cli_memory(json_object());
    size_t open = 1;
    bool last = false;

    while (open > 0 && !last && waiting->error == CLI_OK) {
        last = clock_monotonic_ms() >= limit;
        waiting->error = look_at_batch(waiting, told, last, &open);
        if (open > 0 && !last)
            pause_ms(pause);
        pause = pause * 2 > PAUSE_MOST_MS ? PAUSE_MOST_MS : pause * 2;
    }
    if (waiting->error == CLI_OK && json_object_size(told) == 0) {
        cli_say("no device has the tag batch=%s", waiting->batch);
        waiting->error = CLI_FAILED;
    }
    json_decref(told);
}

/* One endpoint a line, each answered before the next is read: a scanner on a jig. */
static void wait_for_lines(struct waiting *waiting)
{
    char line[LINE_SIZE];

    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        char *endpoint = line;
        if (line[0] != '\0')
            wait_for(waiting, &endpoint, 1);
    }
}

static int exit_code_of(const struct waiting *waiting)
{
    bool whole = waiting->failed + waiting->late + waiting->unconfirmed == 0;

    if (whole && waiting->error == CLI_OK)
        return CLI_OK;
    if (waiting->passed + waiting->unconfirmed > 0)
        return CLI_PARTLY;
    if (waiting->error != CLI_OK)
        return waiting->error;
    return waiting->late > 0 ? CLI_TIMEOUT : CLI_FAILED;
}

int cmd_wait(int argc, char **argv)
{
    struct waiting waiting = {.state = "bootstrapped", .timeout_ms = 60000};
    const struct cli_option options[] = {
        {.name = "state",
         .letter = 's',
         .kind = CLI_TEXT,
         .value = &waiting.state,
         .argument = "STATE",
         .help = "the state to wait for (default: bootstrapped)"},
        {.name = "timeout",
         .letter = 't',
         .kind = CLI_DURATION,
         .value = &waiting.timeout_ms,
         .argument = "TIME",
         .help = "for all of them; with --stdin for each (default: 60s)",
         .least = 0,
         .most = INT64_C(86400000)},
        {.name = "batch",
         .letter = 'b',
         .kind = CLI_TEXT,
         .value = &waiting.batch,
         .argument = "NAME",
         .help = "all devices of that batch"},
        {.name = "stdin",
         .kind = CLI_FLAG,
         .value = &waiting.from_stdin,
         .help = "read one endpoint a line, and answer each"},
        CLI_SERVER_OPTIONS(&waiting.server),
    };
    const struct cli_usage usage = {
        .synopsis = "wait ENDPOINT..|--batch NAME|--stdin [--state STATE] [--timeout TIME]",
        .summary =
            "Waits until devices are bootstrapped; prints PASS, UNCONFIRMED, FAIL or TIMEOUT for\n"
            "each as it happens. Exit code 0: all passed; 1: all failed; 5: some passed, or one "
            "is\n"
            "unconfirmed; 8: none passed and time ran out.",
        .examples = "  usher wait urn:dev:os:0042-lamp7 --timeout 30s && stamp PASS\n"
                    "  usher wait --batch first-street --timeout 300\n"
                    "  scanner | usher wait --stdin\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .operands_most = SIZE_MAX,
    };
    size_t operands = 0;
    int code = CLI_OK;

    if (!cli_parse(&usage, argc, argv, &operands, &code))
        return code;
    if ((operands > 0) + waiting.from_stdin + (waiting.batch != NULL) != 1) {
        cli_say(
            "name the endpoints to wait for, or give --batch or --stdin; see 'usher wait --help'");
        return CLI_USAGE;
    }
    if (!cli_check_state(waiting.state))
        return CLI_INVALID;
    if (!cli_connect(&waiting.server, &code))
        return code;
    if (waiting.from_stdin)
        wait_for_lines(&waiting);
    else if (waiting.batch != NULL)
        wait_for_batch(&waiting);
    else
        wait_for(&waiting, argv + 1, operands);
    cli_disconnect(&waiting.server);
    return cli_finish(exit_code_of(&waiting));
}
