/* usher rekey: seals the keys in the store under the master key that comes first in its file. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_priv.h"

#include <string.h>

enum { PLACE_MAX = 64 };

/* One slice; *next becomes "" when nothing is left. */
static int seal_slice(struct cli_server *server, char next[static PLACE_MAX], long long *sealed)
{
    char path[PLACE_MAX + 32];
    json_t *answer = NULL;

    if (next[0] == '\0')
        snprintf(path, sizeof path, "/v1/rekey");
    else
        snprintf(path, sizeof path, "/v1/rekey?from=%s", next);
    int code = cli_call(server, "POST", path, NULL, &answer);
    if (code != CLI_OK)
        return code;
    const char *place = json_string_value(json_object_get(answer, "next"));
    *sealed += json_integer_value(json_object_get(answer, "sealed"));
    snprintf(next, PLACE_MAX, "%s", place != NULL ? place : "");
    json_decref(answer);
    return CLI_OK;
}

int cmd_rekey(int argc, char **argv)
{
    struct cli_server server = {0};
    const struct cli_option options[] = {CLI_SERVER_OPTIONS(&server)};
    const struct cli_usage usage = {
        .synopsis = "rekey",
        .summary =
            "Seals every key in the store under the first key of the master key's file, while the\n"
            "server serves. Before: put the new key on the first line and leave the old one below\n"
            "it. After: the old line can go. Also seals what was stored before there was a master\n"
            "key. Run again after an interruption, it goes on with what is left.",
        .examples = "  (umask 077; openssl rand -hex 32 >new; cat master.key >>new; mv new "
                    "master.key)\n"
                    "  usher rekey\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    size_t operands = 0;
    int code = CLI_OK;
    char next[PLACE_MAX] = "";
    long long sealed = 0;

    if (!cli_parse(&usage, argc, argv, &operands, &code))
        return code;
    if (!cli_connect(&server, &code))
        return code;
    do {
        code = seal_slice(&server, next, &sealed);
        cli_progress("sealing", (uint64_t)sealed, 0, "rows");
    } while (code == CLI_OK && next[0] != '\0');
    cli_progress_end();
    cli_disconnect(&server);
    if (code != CLI_OK)
        return code;
    if (server.json)
        printf("{\"sealed\": %lld}\n", sealed);
    else
        printf("%lld rows sealed under the first master key; older ones are no longer needed\n",
               sealed);
    return cli_finish(CLI_OK);
}
