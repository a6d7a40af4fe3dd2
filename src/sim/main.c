/* usher-sim: picks the command. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "options_priv.h"

#include <string.h>

static const char usage[] =
    "usage: usher-sim device ..   one simulated device; see 'usher-sim device --help'\n"
    "       usher-sim fleet ..    many of them; see 'usher-sim fleet --help'\n"
    "       usher-sim flood ..    forged ClientHellos, on loopback; see 'usher-sim flood --help'\n"
    "       usher-sim help | --version\n"
    "\n"
    "examples:\n"
    "  usher-sim device --server coaps://127.0.0.1:5684 --endpoint lamp7 --key @lamp7.key --show\n"
    "  usher-sim fleet --server coaps://127.0.0.1:5684 --keys street.csv --concurrency 200\n";

int sim_main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    if (strcmp(command, "device") == 0)
        return cmd_device(argc - 1, argv + 1);
    if (strcmp(command, "fleet") == 0)
        return cmd_fleet(argc - 1, argv + 1);
    if (strcmp(command, "flood") == 0)
        return cmd_flood(argc - 1, argv + 1);
    if (strcmp(command, "--version") == 0 || strcmp(command, "-V") == 0 ||
        strcmp(command, "version") == 0) {
        puts("usher-sim " USHER_VERSION);
        return SIM_EXIT_OK;
    }
    bool asked = strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 ||
                 strcmp(command, "help") == 0;
    if (!asked && command[0] != '\0') {
        fprintf(stderr, "usher-sim: unknown command '%s'; see 'usher-sim --help'\n", command);
        return SIM_EXIT_USAGE;
    }
    fputs(usage, asked ? stdout : stderr);
    return asked ? SIM_EXIT_OK : SIM_EXIT_USAGE;
}
