/* The table of commands. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/cli.h"

#include "cli_priv.h"
#include "usher/bytes.h"
#include "usher/yaml.h"

#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

static int cmd_help(int argc, char **argv);

static const struct command commands[] = {
    {"enroll", cmd_enroll, "make a device known"},
    {"import", cmd_import, "make many devices known, from a file"},
    {"export", cmd_export, "print devices in the form that import takes"},
    {"mint", cmd_mint, "make identities and keys for a batch"},
    {"group", cmd_group, "one key for many devices"},
    {"derive", cmd_derive, "print the keys of a group's devices"},
    {"ca", cmd_ca, "issue and revoke certificates of devices"},
    {"label", cmd_label, "print labels with a QR code"},
    {"show", cmd_show, "show one device and its last bootstrap"},
    {"list", cmd_list, "list devices by class, state or cause"},
    {"history", cmd_history, "list the bootstraps of one device"},
    {"wait", cmd_wait, "wait until devices are bootstrapped"},
    {"block", cmd_block, "turn a device away"},
    {"unblock", cmd_unblock, "let it in again"},
    {"accept", cmd_accept, "let a held device bootstrap once more"},
    {"pick", cmd_pick, "send a device to another place of a server"},
    {"remove", cmd_remove, "forget a device and its keys"},
    {"audit", cmd_audit, "show who changed what, and prove that nothing is missing"},
    {"rekey", cmd_rekey, "seal the stored keys under a new master key"},
    {"rejects", cmd_rejects, "list who was turned away, and why"},
    {"events", cmd_events, "show what happens, as it happens"},
    {"token", cmd_token, "make, list and revoke tokens for HTTP over TCP"},
    {"status", cmd_status, "show how the server is"},
    {"check", cmd_check, "say what is wrong with profiles"},
    {"plan", cmd_plan, "show what a device would receive"},
    {"version", cmd_version, "print the version of this program"},
    {"help", cmd_help, "this text, or the help of one command"},
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[COMMAND_COUNT + 1] = {0};
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        names[i] = commands[i].name;
    const char *near = yaml_suggest(name, names);
    if (near != NULL)
        cli_say("unknown command '%s'; did you mean '%s'?", name, near);
    else
        cli_say("unknown command '%s'; see 'usher help'", name);
    return CLI_USAGE;
}

static void put_overview(FILE *out)
{
    fputs("usage: usher COMMAND [ARGUMENT..]\n\ncommands:\n", out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fputs("\n'usher COMMAND --help' tells more and shows examples.\n\n"
          "exit codes: 0 done, 1 failed, 2 wrong usage, 3 invalid input, 4 changes pending,\n"
          "  5 partly done, 6 conflict, 7 not authorised, 8 timed out\n\n"
          "examples:\n"
          "  usher status\n"
          "  usher enroll urn:dev:os:0042-lamp8 --class street-light --key @lamp8.key\n"
          "  usher plan urn:dev:os:0042-lamp7\n"
          "  usher wait urn:dev:os:0042-lamp7 --timeout 30s\n",
          out);
}

static int cmd_help(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        put_overview(stdout);
        return cli_finish(CLI_OK);
    }
    const struct command *command = find_command(argv[1]);
    if (command == NULL)
        return unknown_command(argv[1]);
    char *arguments[] = {argv[1], (char[]){"--help"}, NULL};
    return command->run(2, arguments);
}

int cli_main(int argc, char **argv)
{
    /* Endpoints are UTF-8 whatever the terminal says. */
    setlocale(LC_CTYPE, "C.UTF-8");
    /* A reader that goes away, as in `usher list | head`, is seen when writing fails. */
    signal(SIGPIPE, SIG_IGN);
    /* No core dump with keys in it. */
    prctl(PR_SET_DUMPABLE, 0);
    /* Requests may hold keys: what jansson frees is wiped first. */
    json_set_alloc_funcs(malloc, bytes_wipe_free);
    if (argc < 2) {
        put_overview(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return cmd_version(1, argv + 1);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return cmd_help(1, argv + 1);
    const struct command *command = find_command(argv[1]);
    return command == NULL ? unknown_command(argv[1]) : command->run(argc - 1, argv + 1);
}
