/* usher-sim device: one device, and what became of it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "keys_priv.h"
#include "loop_priv.h"
#include "options_priv.h"
#include "report_priv.h"

#include <inttypes.h>
#include <string.h>

enum { LINGER_MS = 500, LINGER_BAD_LINE_MS = 15000 };

struct outcome {
    const struct sim_options *options;
    int exit_code;
};

static void say_summary(const struct sim_options *options, const struct sim_report *report)
{
    const char *name = options->config.endpoint != NULL ? options->config.endpoint : "device";
    if (options->quiet)
        return;
    if (report->state == SIM_BOOTSTRAPPED)
        fprintf(stderr, "%s: bootstrapped in %" PRIu32 " ms (%zu operations)\n", name,
                report->duration_ms, report->operation_count);
    else
        fprintf(stderr, "%s: failed: %s: %s\n", name, report->reason, report->detail);
}

static void device_done(void *context, struct loop *loop, const struct sim_device *device,
                        size_t tag)
{
    struct outcome *outcome = context;
    const struct sim_options *options = outcome->options;
    const struct sim_report *report = sim_device_report(device);
    outcome->exit_code = report->state == SIM_BOOTSTRAPPED ? SIM_EXIT_OK : SIM_EXIT_FAILED;
    say_summary(options, report);
    if (options->show)
        report_table(device, options->reveal, stdout);
    if (options->json == NULL)
        return;
    json_t *json = report_json(device, options->config.endpoint, options->reveal);
    if (!report_write(json, options->json))
        outcome->exit_code = SIM_EXIT_FAILED;
    json_decref(json);
}

/* Who repeats a lost answer must find somebody there. */
static void choose_linger(struct sim_options *options)
{
    const struct sim_faults *faults = &options->config.faults;
    if (!options->linger_set)
        options->config.linger_ms = faults->drop > 0 ? LINGER_BAD_LINE_MS : LINGER_MS;
}

/* --ca alone is a device that has no certificate to show. */
static enum err_code set_certificate(struct sim_options *options, struct err *err)
{
    if (options->config.authorities == NULL)
        return err_set(err, ERR_INVALID, "--cert needs --ca FILE, the CAs of the server");
    if (options->config.certificate != NULL && options->key_file == NULL)
        return err_set(err, ERR_INVALID, "--cert needs --key @FILE, its private key");
    options->config.certificate_key = options->key_file;
    return ERR_OK;
}

static enum err_code set_credentials(struct sim_options *options, struct secret *key,
                                     struct err *err)
{
    if (strncmp(options->config.server_uri, "coaps://", 8) != 0)
        return ERR_OK;
    if (options->config.certificate != NULL || options->config.authorities != NULL)
        return set_certificate(options, err);
    const char *identity = options->identity != NULL ? options->identity : options->config.endpoint;
    if (options->key_file == NULL || identity == NULL)
        return err_set(err, ERR_INVALID, "coaps needs --key @FILE, and --endpoint or --identity");
    enum err_code result = key_read(options->key_file, key, err);
    options->config.identity = bytes_of_text(identity);
    options->config.key = secret_bytes(key);
    return result;
}

static enum err_code run(struct sim_options *options, struct outcome *outcome, struct err *err)
{
    static const volatile int never;
    struct loop_address server = {0}, local = {0};
    struct loop *loop = NULL;
    enum err_code result = loop_resolve(options->config.server_uri, &server, err);
    if (result == ERR_OK && options->local != NULL)
        result = loop_local(options->local, &local, err);
    if (result == ERR_OK)
        result = loop_new(1, device_done, outcome, &loop, err);
    if (result == ERR_OK)
        result = loop_add(loop, &options->config, &server, &local, 0, err);
    if (result == ERR_OK)
        loop_run(loop, &never, NULL);
    loop_free(loop);
    return result;
}

int cmd_device(int argc, char **argv)
{
    struct sim_options options;
    struct secret key = {0};
    struct err err = {0};
    struct outcome outcome = {.options = &options, .exit_code = SIM_EXIT_FAILED};
    int exit_code;
    if (!options_parse(&options, FOR_DEVICE, argc, argv, &exit_code))
        return exit_code;
    choose_linger(&options);
    enum err_code result = set_credentials(&options, &key, &err);
    if (result == ERR_OK)
        result = run(&options, &outcome, &err);
    secret_clear(&key);
    if (result == ERR_OK)
        return outcome.exit_code;
    fprintf(stderr, "usher-sim: %s\n", err.text);
    return result == ERR_IO && options.key_file == NULL ? SIM_EXIT_FAILED : SIM_EXIT_INVALID;
}
