/* usher-sim flood: forged ClientHellos, on loopback only. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "flood_priv.h"
#include "options_priv.h"
#include "report_priv.h"

#include <inttypes.h>
#include <signal.h>

enum { RATE_DEFAULT = 10000, SOURCES_DEFAULT = 1000, DURATION_DEFAULT_MS = 10000 };

static volatile int interrupted;

static void note_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static void settle(const struct sim_options *options, struct flood_config *flood)
{
    flood->rate = options->rate_set ? options->rate : RATE_DEFAULT;
    flood->sources = options->sources != 0 ? options->sources : SOURCES_DEFAULT;
    flood->duration_ms = options->duration_ms != 0 ? options->duration_ms : DURATION_DEFAULT_MS;
    flood->count = options->count;
    flood->await = options->await;
    flood->with_cookie = options->with_cookie;
    flood->seed = options->config.faults.seed;
}

static void print_summary(const struct sim_options *options, const struct flood_result *result)
{
    fprintf(stderr, "%" PRIu64 " hellos in %.1f s, %.0f a second", result->sent, result->seconds,
            result->seconds > 0 ? (double)result->sent / result->seconds : 0);
    if (options->await > 0)
        fprintf(stderr, ", %" PRIu64 " answered", result->answered);
    fputc('\n', stderr);
}

static bool write_report(const struct sim_options *options, const struct flood_result *result)
{
    json_t *json =
        json_pack("{s:I, s:o, s:f}", "sent", (json_int_t)result->sent, "answered",
                  options->await > 0 ? json_integer((json_int_t)result->answered) : json_null(),
                  "seconds", result->seconds);
    bool written = report_write(json, options->json);
    json_decref(json);
    return written;
}

int cmd_flood(int argc, char **argv)
{
    struct sim_options options;
    struct flood_config flood = {0};
    struct flood_result result;
    struct err err = {0};
    int exit_code;
    if (!options_parse(&options, FOR_FLOOD, argc, argv, &exit_code))
        return exit_code;
    settle(&options, &flood);
    enum err_code code = loop_resolve(options.config.server_uri, &flood.server, &err);
    if (code == ERR_OK) {
        (void)signal(SIGINT, note_signal);
        (void)signal(SIGTERM, note_signal);
        code = flood_run(&flood, &interrupted, &result, &err);
    }
    if (code != ERR_OK) {
        fprintf(stderr, "usher-sim: %s\n", err.text);
        return code == ERR_IO || code == ERR_NO_MEMORY ? SIM_EXIT_FAILED : SIM_EXIT_INVALID;
    }
    if (!options.quiet)
        print_summary(&options, &result);
    return options.json == NULL || write_report(&options, &result) ? SIM_EXIT_OK : SIM_EXIT_FAILED;
}
