/* usher version */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_priv.h"

int cmd_version(int argc, char **argv)
{
    bool json = false;
    const struct cli_option options[] = {CLI_JSON_OPTION(&json)};
    const struct cli_usage usage = {
        .synopsis = "version [--json]",
        .summary = "Prints the version of this program. That of the server is in 'usher status'.",
        .options = options,
        .option_count = 1,
    };
    size_t operands = 0;
    int exit_code = CLI_OK;
    if (!cli_parse(&usage, argc, argv, &operands, &exit_code))
        return exit_code;
    if (json)
        printf("{\"name\":\"usher\",\"version\":\"%s\"}\n", USHER_VERSION);
    else
        printf("usher %s\n", USHER_VERSION);
    return cli_finish(CLI_OK);
}
