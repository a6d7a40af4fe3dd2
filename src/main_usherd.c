/* SPDX-License-Identifier: Apache-2.0 */
/* usherd: parses the command line and serves. */
#include "usher/endpoint.h"
#include "usher/server.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Exit codes as of usher's commands. */
enum { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INPUT = 3 };

static const char usage[] =
    "Usage: usherd -c FILE [-t | -T]\n"
    "Serves LwM2M bootstraps over DTLS as the configuration file says.\n"
    "\n"
    "  -c, --config FILE   the configuration, such as /etc/usher/usher.yaml\n"
    "  -t, --test          read the configuration, say what is wrong with it, and end\n"
    "  -T, --test-deep     the same, and open the store and read the profiles; binds nothing\n"
    "  -V, --version       print the versions\n"
    "  -h, --help          print this\n"
    "\n"
    "SIGHUP reads configuration and profiles again; SIGTERM lets running bootstraps finish (at\n"
    "most 60 s) and ends; a second SIGTERM ends at once. Logs go to standard error, one JSON "
    "object\n"
    "a line.\n"
    "\n"
    "Examples:\n"
    "  usherd -T -c /etc/usher/usher.yaml && systemctl reload usherd\n"
    "  usherd -c usher.yaml 2>usherd.log\n";

struct arguments {
    const char *config;
    bool test, deep, done;
};

static int print_version(struct arguments *out)
{
    printf("usherd %s (%s)\n", server_version(), endpoint_tls_version());
    out->done = true;
    return EXIT_FINE;
}

static int print_help(struct arguments *out)
{
    fputs(usage, stdout);
    out->done = true;
    return EXIT_FINE;
}

static int parse(int argc, char **argv, struct arguments *out)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"test", no_argument, NULL, 't'},
        {"test-deep", no_argument, NULL, 'T'},    {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},         {0},
    };
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, ":c:tTVh", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            out->config = optarg;
            break;
        case 'T':
            out->deep = true;
            out->test = true;
            break;
        case 't':
            out->test = true;
            break;
        case 'V':
            return print_version(out);
        case 'h':
            return print_help(out);
        case ':':
            fputs("usherd: --config needs the name of a file; see usherd --help\n", stderr);
            return EXIT_USAGE;
        default:
            fprintf(stderr, "usherd: unknown option '%s'; see usherd --help\n", argv[optind - 1]);
            return EXIT_USAGE;
        }
    }
    if (out->config != NULL && optind == argc)
        return EXIT_FINE;
    const char *word = optind < argc ? argv[optind] : "";
    if (strcmp(word, "help") == 0)
        return print_help(out);
    if (strcmp(word, "version") == 0)
        return print_version(out);
    if (optind < argc)
        fprintf(stderr, "usherd: unexpected argument '%s'; see usherd --help\n", argv[optind]);
    else
        fputs("usherd: no configuration given: use -c FILE; see usherd --help\n", stderr);
    return EXIT_USAGE;
}

static int test(const struct config *config, bool deep)
{
    struct findings findings;
    struct err err = {0};
    bool good = true;

    findings_init(&findings);
    if (deep)
        good = server_check(config, &findings, &err);
    findings_print(&findings, STDERR_FILENO);
    findings_clear(&findings);
    if (err.code != ERR_OK)
        fprintf(stderr, "usherd: %s\n", err.text);
    if (good)
        printf("%s: no errors\n", config->file);
    return good ? EXIT_FINE : EXIT_INPUT;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct findings findings;
    struct err err = {0};
    int status = parse(argc, argv, &arguments);

    if (status != EXIT_FINE || arguments.done)
        return status;
    findings_init(&findings);
    struct config *config = config_load(arguments.config, &findings);
    findings_print(&findings, STDERR_FILENO);
    findings_clear(&findings);
    if (config == NULL)
        return EXIT_INPUT;
    if (arguments.test) {
        status = test(config, arguments.deep);
        config_free(config);
        return status;
    }
    log_configure(STDERR_FILENO, config->log_level, config->log_text);
    if (server_run(config, arguments.config, &err) == ERR_OK)
        return EXIT_FINE;
    fprintf(stderr, "usherd: %s\n", err.text);
    return err.code == ERR_INVALID || err.code == ERR_NEWER_VERSION ? EXIT_INPUT : EXIT_FAILED;
}
