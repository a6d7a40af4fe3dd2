/* usher list, rejects, status: many devices, who was turned away, the server itself. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_priv.h"

#include <inttypes.h>
#include <string.h>

/* ---- list ---- */

struct listing {
    struct cli_server server;
    const char *class_name, *state, *cause, *prefix, *batch;
    struct cli_since since;
    struct cli_list tags;
    int64_t limit;
    bool all, outdated;
    struct cli_table *table;
    size_t printed;
};

static void put_filter(struct buf *path, const char *name, const char *value)
{
    if (value == NULL)
        return;
    buf_printf(path, "&%s=", name);
    client_put_escaped(path, value);
}

static int fetch_page(struct listing *listing, const char *cursor, json_t **page)
{
    struct buf path;
    buf_init(&path, 4096);
    long long limit = listing->all ? 1000 : (long long)listing->limit;
    buf_printf(&path, "/v1/devices?limit=%lld", limit);
    put_filter(&path, "class", listing->class_name);
    put_filter(&path, "state", listing->state);
    put_filter(&path, "cause", listing->cause);
    put_filter(&path, "prefix", listing->prefix);
    put_filter(&path, "batch", listing->batch);
    put_filter(&path, "since", listing->since.text);
    for (size_t i = 0; i < listing->tags.count; i++) {
        buf_put_text(&path, "&tag=");
        client_put_escaped(&path, listing->tags.items[i]);
    }
    put_filter(&path, "cursor", cursor);
    const char *text = buf_text(&path);
    int code = CLI_INVALID;
    if (text == NULL)
        cli_say("the filters are too long");
    else
        code = cli_call(&listing->server, "GET", text, NULL, page);
    buf_clear(&path);
    return code;
}

static void add_rows(struct cli_table *table, const json_t *devices)
{
    size_t index;
    json_t *device;

    json_array_foreach(devices, index, device)
    {
        char duration[24] = "";
        if (json_is_integer(json_object_get(device, "duration_ms")))
            snprintf(duration, sizeof duration, "%" PRIu64, cli_number_of(device, "duration_ms"));
        const char *state = cli_text_of(device, "state");
        const char *cause = cli_text_of(device, "cause");
        const char *cells[] = {cli_text_of(device, "endpoint"),
                               cli_text_of(device, "class"),
                               state,
                               strcmp(cause, "none") == 0 ? "" : cause,
                               cli_text_of(device, "last_bootstrap"),
                               duration};
        cli_table_row(table, cells, cli_state_colour(state));
    }
}

/* One JSON object for all pages, without keeping them. */
static void put_objects(const struct listing *listing, const json_t *devices)
{
    size_t index;
    json_t *device;

    json_array_foreach(devices, index, device)
    {
        fputs(listing->printed + index > 0 ? ",\n" : "\n", stdout);
        json_dumpf(device, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
    }
}

static void put_page(struct listing *listing, const json_t *page)
{
    const json_t *devices = json_object_get(page, "devices");

    if (listing->server.json) {
        fputs(listing->printed == 0 ? "{\"devices\":[" : "", stdout);
        put_objects(listing, devices);
    } else if (json_array_size(devices) > 0) {
        add_rows(listing->table, devices);
        cli_table_print(listing->table, stdout);
    }
    listing->printed += json_array_size(devices);
}

static void put_end(const struct listing *listing, const char *next)
{
    if (listing->server.json)
        printf("\n],\"next\":%s%s%s}\n", next != NULL ? "\"" : "", next != NULL ? next : "null",
               next != NULL ? "\"" : "");
    else if (listing->printed == 0)
        puts("no device matches");
    else if (next != NULL)
        cli_say("there are more: use --all, or --limit N");
}

static int put_pages(struct listing *listing)
{
    json_t *page = NULL;
    const char *next = NULL; /* borrowed from the page */
    int code;

    do {
        json_t *following = NULL;
        code = fetch_page(listing, next, &following);
        json_decref(page);
        page = following;
        if (code != CLI_OK)
            break;
        put_page(listing, page);
        next = json_string_value(json_object_get(page, "next"));
    } while (listing->all && next != NULL && !ferror(stdout));
    if (code == CLI_OK)
        put_end(listing, next);
    json_decref(page);
    return code;
}

static int list(struct listing *listing)
{
    static const char *const titles[] = {"endpoint", "class",          "state",
                                         "cause",    "last bootstrap", "ms"};
    int code = CLI_OK;

    if (!cli_connect(&listing->server, &code))
        return code;
    if (listing->outdated) {
        code = cli_list_outdated(&listing->server, listing->class_name, listing->prefix);
    } else {
        listing->table = cli_table_new(6, titles);
        code = put_pages(listing);
        cli_table_free(listing->table);
    }
    cli_disconnect(&listing->server);
    return code;
}

int cmd_list(int argc, char **argv)
{
    struct listing listing = {.limit = 100};
    const struct cli_option options[] = {
        {.name = "class",
         .letter = 'c',
         .kind = CLI_TEXT,
         .value = &listing.class_name,
         .argument = "CLASS",
         .help = "only devices of this class"},
        {.name = "state",
         .letter = 's',
         .kind = CLI_TEXT,
         .value = &listing.state,
         .argument = "STATE",
         .help = "only this state, such as new, bootstrapped or failed"},
        {.name = "cause",
         .kind = CLI_TEXT,
         .value = &listing.cause,
         .argument = "CAUSE",
         .help = "only failures of this cause, such as timeout"},
        {.name = "batch",
         .letter = 'b',
         .kind = CLI_TEXT,
         .value = &listing.batch,
         .argument = "NAME",
         .help = "devices of that batch"},
        {.name = "since",
         .kind = CLI_SINCE,
         .value = &listing.since,
         .argument = "TIME",
         .help = "whose last bootstrap ended then or later: 2026-01-31T12:00Z; or within 2h, 7d"},
        {.name = "tag",
         .letter = 't',
         .kind = CLI_LIST,
         .value = &listing.tags,
         .argument = "NAME=VALUE",
         .help = "devices with that tag; may be repeated"},
        {.name = "prefix",
         .letter = 'p',
         .kind = CLI_TEXT,
         .value = &listing.prefix,
         .argument = "TEXT",
         .help = "only endpoints that begin so"},
        {.name = "limit",
         .letter = 'n',
         .kind = CLI_NUMBER,
         .value = &listing.limit,
         .argument = "N",
         .help = "at most so many (default: 100)",
         .least = 1,
         .most = 1000},
        {.name = "all",
         .letter = 'a',
         .kind = CLI_FLAG,
         .value = &listing.all,
         .help = "all of them"},
        {.name = "outdated",
         .letter = 'o',
         .kind = CLI_FLAG,
         .value = &listing.outdated,
         .help = "those that were last given something else than their profile says now"},
        CLI_SERVER_OPTIONS(&listing.server),
    };
    const struct cli_usage usage = {
        .synopsis = "list [OPTION..]",
        .summary = "Lists devices in order of endpoint.",
        .examples = "  usher list --state failed\n  usher list --class street-light --all --json\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    size_t operands = 0;
    int code = CLI_OK;

    if (!cli_parse(&usage, argc, argv, &operands, &code))
        return code;
    if (listing.state != NULL && !cli_check_state(listing.state))
        return CLI_INVALID;
    return cli_finish(list(&listing));
}

/* ---- rejects and status ---- */

struct view {
    const char *synopsis, *summary, *examples, *path;
    void (*print)(const json_t *answer);
    bool (*is_good)(const json_t *answer); /* false: exit code 1; NULL = always good */
    bool limited;                          /* takes --limit */
};

static int run_view(const struct view *view, int argc, char **argv)
{
    struct cli_server server = {0};
    int64_t limit = 100;
    const struct cli_option options[] = {
        CLI_SERVER_OPTIONS(&server),
        {.name = "limit",
         .letter = 'n',
         .kind = CLI_NUMBER,
         .value = &limit,
         .argument = "N",
         .help = "at most so many (default: 100)",
         .least = 1,
         .most = 1000},
    };
    const struct cli_usage usage = {
        .synopsis = view->synopsis,
        .summary = view->summary,
        .examples = view->examples,
        .options = options,
        .option_count = sizeof options / sizeof options[0] - !view->limited,
    };
    char path[64];
    json_t *answer = NULL;
    size_t operands = 0;
    int code = CLI_OK;

    if (!cli_parse(&usage, argc, argv, &operands, &code))
        return code;
    if (!cli_connect(&server, &code))
        return code;
    snprintf(path, sizeof path, "%s", view->path);
    if (view->limited)
        snprintf(path, sizeof path, "%s?limit=%lld", view->path, (long long)limit);
    code = cli_call(&server, "GET", path, NULL, &answer);
    if (code == CLI_OK && server.json)
        code = cli_print_json(answer);
    else if (code == CLI_OK)
        view->print(answer);
    if (code == CLI_OK && view->is_good != NULL && !view->is_good(answer))
        code = CLI_FAILED;
    json_decref(answer);
    cli_disconnect(&server);
    return cli_finish(code);
}

static void print_rejects(const json_t *answer)
{
    static const char *const titles[] = {"identity", "from", "cause",
                                         "times",    "last", "what to do"};
    const json_t *rejects = json_object_get(answer, "rejects");
    size_t index;
    json_t *reject;

    if (json_array_size(rejects) == 0) {
        puts("nobody was turned away");
        return;
    }
    struct cli_table *table = cli_memory(cli_table_new(6, titles));
    json_array_foreach(rejects, index, reject)
    {
        char count[24];
        snprintf(count, sizeof count, "%" PRIu64, cli_number_of(reject, "count"));
        const char *cells[] = {cli_text_of(reject, "identity"), cli_text_of(reject, "source"),
                               cli_text_of(reject, "cause"),    count,
                               cli_text_of(reject, "last"),     cli_text_of(reject, "cause_text")};
        cli_table_row(table, cells, CLI_WARN);
    }
    cli_table_print(table, stdout);
    cli_table_free(table);
}

int cmd_rejects(int argc, char **argv)
{
    static const struct view view = {
        .synopsis = "rejects [--limit N] [--json]",
        .summary = "Who was turned away before a device was known: by identity, source and cause.",
        .examples = "  usher rejects\n",
        .path = "/v1/rejects",
        .print = print_rejects,
        .limited = true,
    };

    return run_view(&view, argc, argv);
}

static void print_states(const char *title, json_t *states)
{
    const char *name;
    json_t *value;
    bool first = true;

    json_object_foreach(states, name, value)
    {
        if (json_integer_value(value) == 0)
            continue;
        printf("  %-22s %s%-14s%s %lld\n", first ? title : "", cli_colour(cli_state_colour(name)),
               name, cli_colour(CLI_PLAIN), (long long)json_integer_value(value));
        first = false;
    }
}

static bool is_ready(const json_t *answer)
{
    return json_is_true(json_object_get(answer, "ready"));
}

static void print_checks(const json_t *answer)
{
    size_t index;
    json_t *check;

    json_array_foreach(json_object_get(answer, "checks"), index, check)
    {
        if (json_is_true(json_object_get(check, "ok")))
            continue;
        printf("%sNOT READY%s  %s: ", cli_colour(CLI_BAD), cli_colour(CLI_PLAIN),
               cli_text_of(check, "name"));
        cli_put_text(stdout, cli_text_of(check, "reason"));
        putchar('\n');
    }
}

static void print_status(const json_t *answer)
{
    const json_t *devices = json_object_get(answer, "devices");
    const json_t *store = json_object_get(answer, "store");
    size_t index;
    json_t *class_counts;

    printf("usherd %s, up %" PRIu64 " s, store %s %s\n", cli_text_of(answer, "version"),
           cli_number_of(answer, "uptime_seconds"), cli_text_of(store, "backend"),
           json_is_true(json_object_get(store, "healthy")) ? "healthy" : "NOT HEALTHY");
    if (cli_text_of(store, "reason")[0] != '\0')
        printf("  %s\n", cli_text_of(store, "reason"));
    print_checks(answer);
    uint64_t total = cli_number_of(devices, "total");
    printf("%" PRIu64 " device%s\n", total, total == 1 ? "" : "s");
    json_array_foreach(json_object_get(devices, "by_class"), index, class_counts)
    {
        const char *name = cli_text_of(class_counts, "class");
        print_states(name[0] == '\0' ? "(by match)" : name,
                     json_object_get(class_counts, "by_state"));
    }
    print_states("in progress", json_object_get(answer, "in_progress"));
    print_states("turned away", json_object_get(answer, "rejects"));
}

int cmd_status(int argc, char **argv)
{
    static const struct view view = {
        .synopsis = "status [--json]",
        .summary =
            "The server now: whether it can serve, and devices by class and state. The exit\n"
            "code is 1 when it cannot serve.",
        .examples = "  usher status\n  usher status --url http://127.0.0.1:8080 --json\n",
        .path = "/v1/status",
        .print = print_status,
        .is_good = is_ready,
    };

    return run_view(&view, argc, argv);
}
