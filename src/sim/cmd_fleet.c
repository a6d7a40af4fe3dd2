/* usher-sim fleet: many devices on a few threads, and the figures of all. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet_priv.h"
#include "options_priv.h"
#include "report_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>

enum { CONCURRENCY_DEFAULT = 100, THREADS_DEFAULT = 1, FILES_SPARE = 64 };

/* One file descriptor a device. */
static void raise_file_limit(uint32_t concurrency)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= concurrency + FILES_SPARE)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void print_summary(const struct fleet_result *result)
{
    fprintf(stderr, "%zu of %zu bootstrapped in %.1f s, %.0f a second\n", result->done,
            result->total, result->seconds, result->rate);
    fprintf(stderr,
            "time of one: min %" PRIu32 ", median %" PRIu32 ", p95 %" PRIu32 ", p99 %" PRIu32
            ", max %" PRIu32 " ms\n",
            result->min, result->p50, result->p95, result->p99, result->max);
    for (size_t i = 0; i < result->reason_count; i++)
        fprintf(stderr, "failed: %zu %s\n", result->reasons[i].count, result->reasons[i].reason);
}

static json_t *reasons_json(const struct fleet_result *result)
{
    json_t *reasons = json_object();
    for (size_t i = 0; i < result->reason_count; i++)
        json_object_set_new(reasons, result->reasons[i].reason,
                            json_integer((json_int_t)result->reasons[i].count));
    return reasons;
}

static json_t *failures_json(const struct fleet_result *result)
{
    json_t *failures = json_array();
    for (size_t i = 0; i < result->failure_count; i++)
        json_array_append_new(failures,
                              json_pack("{s:s, s:s, s:s}", "endpoint", result->failures[i].endpoint,
                                        "reason", result->failures[i].reason, "detail",
                                        result->failures[i].detail));
    return failures;
}

static json_t *fleet_json(const struct fleet_result *result)
{
    json_t *durations =
        json_pack("{s:i, s:i, s:i, s:i, s:i}", "min", (int)result->min, "p50", (int)result->p50,
                  "p95", (int)result->p95, "p99", (int)result->p99, "max", (int)result->max);
    return json_pack(
        "{s:I, s:I, s:I, s:o, s:f, s:f, s:o, s:I, s:I, s:I, s:I, s:I, s:o}", "total",
        (json_int_t)result->total, "bootstrapped", (json_int_t)result->done, "failed",
        (json_int_t)(result->total - result->done), "failed_by_reason", reasons_json(result),
        "seconds", result->seconds, "rate_per_second", result->rate, "duration_ms", durations,
        "datagrams_sent", (json_int_t)result->datagrams_sent, "datagrams_received",
        (json_int_t)result->datagrams_received, "bytes_sent", (json_int_t)result->bytes_sent,
        "bytes_received", (json_int_t)result->bytes_received, "retransmissions",
        (json_int_t)result->retransmissions, "failures", failures_json(result));
}

static enum err_code read_keys(const struct sim_options *options, struct fleet_config *fleet,
                               struct err *err)
{
    bool secured = strncmp(options->config.server_uri, "coaps://", 8) == 0;
    if (options->keys != NULL)
        return key_list_read(options->keys, &fleet->keys, err);
    if (options->prefix == NULL)
        return err_set(err, ERR_INVALID, "a fleet needs --keys FILE, or --prefix TEXT and a key");
    if (!secured)
        return ERR_OK;
    if (options->key_file == NULL)
        return err_set(err, ERR_INVALID, "a fleet needs --keys FILE, or --prefix TEXT and a key");
    return key_read(options->key_file, &fleet->shared_key, err);
}

static void settle_numbers(const struct sim_options *options, struct fleet_config *fleet)
{
    fleet->devices = options->devices != 0 ? options->devices : 1;
    if (fleet->keys.count > 0 && (options->devices == 0 || fleet->devices > fleet->keys.count))
        fleet->devices = fleet->keys.count;
    fleet->concurrency = options->concurrency != 0 ? options->concurrency : CONCURRENCY_DEFAULT;
    fleet->threads = options->threads != 0 ? options->threads : THREADS_DEFAULT;
    fleet->prefix = options->prefix;
    fleet->device = &options->config;
    fleet->progress = !options->quiet;
}

static enum err_code open_reports(const char *path, FILE **out, struct err *err)
{
    if (path == NULL)
        return ERR_OK;
    *out = fopen(path, "w");
    return *out != NULL ? ERR_OK
                        : err_set(err, ERR_INVALID, "cannot write %s (%s)", path, strerror(errno));
}

/* What was buffered may turn out not to fit only now. False: said on standard error. */
static bool close_reports(struct fleet_config *fleet, const struct fleet_result *result,
                          const char *path)
{
    bool fine = fleet->reports == NULL || (fclose(fleet->reports) == 0 && !result->reports_failed);
    fleet->reports = NULL;
    if (!fine)
        fprintf(stderr, "usher-sim: cannot write %s (%s)\n", path, strerror(errno));
    return fine;
}

static enum err_code run(const struct sim_options *options, struct fleet_config *fleet,
                         struct fleet_result *result, struct err *err)
{
    enum err_code code = read_keys(options, fleet, err);
    if (code == ERR_OK)
        code = loop_resolve(options->config.server_uri, &fleet->server, err);
    if (code == ERR_OK && options->local != NULL)
        code = loop_local(options->local, &fleet->local, err);
    if (code == ERR_OK)
        code = open_reports(options->reports, &fleet->reports, err);
    if (code != ERR_OK)
        return code;
    settle_numbers(options, fleet);
    raise_file_limit(fleet->concurrency);
    return fleet_run(fleet, result, err);
}

int cmd_fleet(int argc, char **argv)
{
    struct sim_options options;
    struct fleet_config fleet = {0};
    struct fleet_result result = {0};
    struct err err = {0};
    int exit_code;
    if (!options_parse(&options, FOR_FLEET, argc, argv, &exit_code))
        return exit_code;
    enum err_code code = run(&options, &fleet, &result, &err);
    if (code == ERR_OK) {
        exit_code = result.done == result.total ? SIM_EXIT_OK
                    : result.done > 0           ? SIM_EXIT_PARTLY
                                                : SIM_EXIT_FAILED;
        if (!options.quiet)
            print_summary(&result);
        if (options.json != NULL) {
            json_t *json = fleet_json(&result);
            if (!report_write(json, options.json))
                exit_code = SIM_EXIT_FAILED;
            json_decref(json);
        }
        if (!close_reports(&fleet, &result, options.reports))
            exit_code = SIM_EXIT_FAILED;
    } else {
        (void)close_reports(&fleet, &result, options.reports);
        fprintf(stderr, "usher-sim: %s\n", err.text);
        exit_code = code == ERR_NO_MEMORY || code == ERR_BUSY ? SIM_EXIT_FAILED : SIM_EXIT_INVALID;
    }
    fleet_result_clear(&result);
    key_list_clear(&fleet.keys);
    secret_clear(&fleet.shared_key);
    return exit_code;
}
