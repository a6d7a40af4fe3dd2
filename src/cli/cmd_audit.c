/* usher audit: who changed what; and the proof that no record is missing or altered. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_priv.h"

#include "usher/chain.h"
#include "usher/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE = 1000, PAUSE_MS = 500, LINE_MAX_LEN = 65536 };

struct audit {
    struct cli_server server;
    struct cli_since since;
    const char *expect;
    bool follow;
    uint64_t last;
    /* verifying */
    bool verifies, broken;
    uint64_t count, first;
    uint8_t hash[DIGEST_SIZE];
};

/* ---- verifying ---- */

static bool complain(struct audit *audit, const json_t *record, const char *what)
{
    audit->broken = true;
    cli_say("record %lld (%s): %s", (long long)json_integer_value(json_object_get(record, "seq")),
            cli_text_of(record, "time"), what);
    return false;
}

static bool read_record(const json_t *record, struct chain_record *out,
                        uint8_t hash[static DIGEST_SIZE])
{
    const char *hex = cli_text_of(record, "hash");
    size_t len = 0;
    *out = (struct chain_record){
        .seq = (uint64_t)json_integer_value(json_object_get(record, "seq")),
        .actor = cli_text_of(record, "actor"),
        .station = cli_text_of(record, "station"),
        .source = cli_text_of(record, "source"),
        .action = cli_text_of(record, "action"),
        .subject = cli_text_of(record, "subject"),
        .detail = cli_text_of(record, "detail"),
    };
    return out->seq > 0 && clock_wall_from_text(cli_text_of(record, "time"), &out->time_ms) &&
           bytes_from_hex(hex, strlen(hex), hash, DIGEST_SIZE, &len) && len == DIGEST_SIZE;
}

/* The first record begins the chain: with number 1, or with the hash that those left which are past
 * their time. */
static bool begin_chain(struct audit *audit, const json_t *json, const struct chain_record *record,
                        const uint8_t hash[static DIGEST_SIZE])
{
    audit->first = record->seq;
    if (strcmp(record->action, CHAIN_EXPIRED) == 0) {
        memcpy(audit->hash, hash, DIGEST_SIZE);
        return true;
    }
    if (record->seq != 1)
        return complain(audit, json, "records before it are missing");
    chain_next(audit->hash, record);
    return true;
}

static bool verify_record(struct audit *audit, const json_t *json)
{
    struct chain_record record;
    uint8_t hash[DIGEST_SIZE];
    if (!read_record(json, &record, hash))
        return complain(audit, json, "it cannot be read");
    if (audit->count == 0) {
        if (!begin_chain(audit, json, &record, hash))
            return false;
    } else if (record.seq != audit->last + 1) {
        return complain(audit, json,
                        record.seq > audit->last ? "records before it are missing"
                                                 : "it is out of order");
    } else {
        chain_next(audit->hash, &record);
    }
    if (memcmp(audit->hash, hash, DIGEST_SIZE) != 0)
        return complain(audit, json, "it was altered, or one before it");
    audit->count++;
    audit->last = record.seq;
    return true;
}

/* "SEQ:HASH", noted from an earlier run: cutting off the end is found only so. */
static bool check_expected(struct audit *audit, const json_t *json)
{
    char text[24 + BYTES_HEX_SIZE(DIGEST_SIZE)];
    uint64_t seq = (uint64_t)json_integer_value(json_object_get(json, "seq"));
    if (audit->expect == NULL || strtoull(audit->expect, NULL, 10) != seq)
        return true;
    snprintf(text, sizeof text, "%" PRIu64 ":%s", seq, cli_text_of(json, "hash"));
    if (strcmp(text, audit->expect) != 0)
        return complain(audit, json, "it is not the one that was noted");
    audit->expect = NULL; /* found */
    return true;
}

static int tell_proof(struct audit *audit)
{
    char hex[BYTES_HEX_SIZE(DIGEST_SIZE)];
    if (!audit->broken && audit->expect != NULL) {
        audit->broken = true;
        cli_say("record %.24s is not there: the end of the audit was cut off", audit->expect);
    }
    if (audit->broken)
        return CLI_INVALID;
    bytes_to_hex(bytes_of(audit->hash, DIGEST_SIZE), hex);
    if (audit->server.json)
        printf("{\"records\": %" PRIu64 ", \"first\": %" PRIu64 ", \"last\": %" PRIu64
               ", \"head\": \"%" PRIu64 ":%s\"}\n",
               audit->count, audit->first, audit->last, audit->last, hex);
    else
        printf("%" PRIu64 " records, none missing or altered\nhead %" PRIu64 ":%s\n", audit->count,
               audit->last, hex);
    return CLI_OK;
}

/* ---- showing ---- */

static void print_record(const struct audit *audit, const json_t *record)
{
    static const char *const names[] = {"actor", "station", "source"};
    if (audit->server.json) {
        json_dumpf(record, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        putchar('\n');
        return;
    }
    cli_put_text(stdout, cli_text_of(record, "time"));
    printf("  %-18s ", cli_text_of(record, "action"));
    cli_put_text(stdout, cli_text_of(record, "subject"));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (cli_text_of(record, names[i])[0] == '\0')
            continue;
        printf("  %s", cli_colour(CLI_DIM));
        cli_put_text(stdout, cli_text_of(record, names[i]));
        fputs(cli_colour(CLI_PLAIN), stdout);
    }
    if (cli_text_of(record, "detail")[0] != '\0') {
        fputs("  ", stdout);
        cli_put_text(stdout, cli_text_of(record, "detail"));
    }
    putchar('\n');
}

static bool take_record(struct audit *audit, const json_t *record)
{
    if (audit->verifies)
        return verify_record(audit, record) && check_expected(audit, record);
    print_record(audit, record);
    audit->last = (uint64_t)json_integer_value(json_object_get(record, "seq"));
    return true;
}

/* ---- from the server ---- */

/* One page; *more: another may follow at once. */
static int fetch_page(struct audit *audit, bool *more)
{
    struct buf path;
    char memory[CLI_PATH_MAX];
    json_t *answer = NULL, *record;
    size_t i;
    buf_init_fixed(&path, memory, sizeof memory);
    buf_printf(&path, "/v1/audit?limit=%d&after=%" PRIu64, PAGE, audit->last);
    if (audit->since.text != NULL) {
        buf_put_text(&path, "&since=");
        client_put_escaped(&path, audit->since.text);
    }
    *more = false;
    if (buf_text(&path) == NULL) {
        cli_say("--since is too long");
        return CLI_USAGE;
    }
    int code = cli_call(&audit->server, "GET", buf_text(&path), NULL, &answer);
    if (code != CLI_OK)
        return code;
    *more = !json_is_null(json_object_get(answer, "next"));
    json_array_foreach(json_object_get(answer, "records"), i, record)
    {
        if (take_record(audit, record))
            continue;
        *more = false;
        break;
    }
    json_decref(answer);
    fflush(stdout);
    return CLI_OK;
}

static int fetch_all(struct audit *audit)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    bool more = true;
    int code = CLI_OK;
    while (code == CLI_OK && (more || audit->follow) && !ferror(stdout)) {
        code = fetch_page(audit, &more);
        if (code == CLI_OK && !more && audit->follow)
            nanosleep(&pause, NULL);
    }
    return code;
}

/* ---- from a file that `usher audit --json` wrote ---- */

static int read_file(struct audit *audit, const char *name)
{
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
    char *line = NULL;
    size_t size = 0, number = 0;
    if (file == NULL) {
        cli_say("cannot read %s (%s)", name, strerror(errno));
        return CLI_FAILED;
    }
    while (!audit->broken && getline(&line, &size, file) > 0) {
        json_error_t why;
        json_t *record = json_loads(line, 0, &why);
        number++;
        if (record == NULL) {
            cli_say("%s:%zu: not JSON (%s)", name, number, why.text);
            audit->broken = true;
        } else {
            take_record(audit, record);
        }
        json_decref(record);
    }
    free(line);
    if (file != stdin)
        fclose(file);
    return CLI_OK;
}

static int run(struct audit *audit, const char *file)
{
    int code = CLI_OK;
    if (file != NULL) {
        code = read_file(audit, file);
    } else {
        if (!cli_connect(&audit->server, &code))
            return code;
        code = fetch_all(audit);
        cli_disconnect(&audit->server);
    }
    return code == CLI_OK && audit->verifies ? tell_proof(audit) : code;
}

int cmd_audit(int argc, char **argv)
{
    struct audit audit = {0};
    const struct cli_option options[] = {
        {.name = "since",
         .kind = CLI_SINCE,
         .value = &audit.since,
         .argument = "TIME",
         .help = "records from then on: 2026-01-31, 2026-01-31T12:00Z, or so long ago: 2h, 7d"},
        {.name = "follow",
         .letter = 'f',
         .kind = CLI_FLAG,
         .value = &audit.follow,
         .help = "go on until interrupted"},
        {.name = "expect",
         .kind = CLI_TEXT,
         .value = &audit.expect,
         .argument = "SEQ:HASH",
         .help = "with verify: a head that was noted earlier must still be in it"},
        CLI_SERVER_OPTIONS(&audit.server),
    };
    const struct cli_usage usage = {
        .synopsis = "audit [--since TIME] [--follow] | audit verify [FILE] [--expect SEQ:HASH]",
        .summary =
            "Shows every change and every bootstrap: when, what, of which device, by whom, from "
            "where.\n"
            "Records are chained by hashes: 'verify' finds one that was removed, altered or moved, "
            "in\n"
            "the server or in a FILE that 'usher audit --json' wrote. It prints the head; noted\n"
            "elsewhere and given to --expect later, it also shows that the end was not cut off.",
        .examples = "  usher audit --since 2026-01-31\n"
                    "  usher audit --since 2h\n"
                    "  usher audit --json >audit.jsonl && usher audit verify audit.jsonl\n"
                    "  usher audit verify\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .operands_most = 2,
    };
    size_t operands = 0;
    int code = CLI_OK;
    if (!cli_parse(&usage, argc, argv, &operands, &code))
        return code;
    audit.verifies = operands > 0;
    if ((operands > 0 && strcmp(argv[1], "verify") != 0) ||
        (audit.verifies && (audit.follow || audit.since.text != NULL)) ||
        (!audit.verifies && audit.expect != NULL)) {
        cli_say("see 'usher audit --help'");
        return CLI_USAGE;
    }
    return cli_finish(run(&audit, operands > 1 ? argv[2] : NULL));
}
