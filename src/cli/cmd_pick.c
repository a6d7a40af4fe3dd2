/* usher pick: to which of several places of a server a device is sent. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_priv.h"

#include <string.h>

static int pick(struct cli_server *server, const char *endpoint, int64_t ssid, const char *place)
{
    char path[CLI_PATH_MAX];
    json_t *answer = NULL;
    int code = CLI_OK;

    if (!cli_device_path(endpoint, "/pick", path, sizeof path))
        return CLI_INVALID;
    json_t *body = cli_memory(json_pack("{s:I, s:s?}", "ssid", (json_int_t)ssid, "place", place));
    if (cli_connect(server, &code)) {
        code = cli_call(server, "POST", path, body, &answer);
        if (code == CLI_OK && server->json)
            code = cli_print_json(answer);
        else if (code == CLI_OK)
            printf("%s: %s: server %lld at %s\n", endpoint,
                   json_string_value(json_object_get(answer, "change")), (long long)ssid,
                   json_string_value(json_object_get(answer, "place")));
        cli_disconnect(server);
    }
    json_decref(answer);
    json_decref(body);
    return code;
}

int cmd_pick(int argc, char **argv)
{
    struct cli_server server = {0};
    int64_t ssid = 0;
    const struct cli_option options[] = {
        {.name = "server",
         .letter = 's',
         .kind = CLI_NUMBER,
         .value = &ssid,
         .argument = "SSID",
         .help = "Short Server ID of the server that stands in several places",
         .least = 1,
         .most = 65534},
        CLI_SERVER_OPTIONS(&server),
    };
    const struct cli_usage usage = {
        .synopsis = "pick ENDPOINT --server SSID [PLACE]",
        .summary = "Sends a device to another place of a server whose profile has several "
                   "(`pick`), from its "
                   "next\nbootstrap on; without PLACE to the one that a new device would get. "
                   "Nothing else "
                   "moves a device.",
        .examples = "  usher pick urn:dev:os:0042-lamp9 --server 101 dm2\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .operands_least = 1,
        .operands_most = 2,
    };
    size_t operands = 0;
    int code = CLI_OK;

    if (!cli_parse(&usage, argc, argv, &operands, &code))
        return code;
    if (ssid == 0) {
        cli_say("--server SSID is needed; see 'usher pick --help'");
        return CLI_USAGE;
    }
    return cli_finish(pick(&server, argv[1], ssid, operands == 2 ? argv[2] : NULL));
}
