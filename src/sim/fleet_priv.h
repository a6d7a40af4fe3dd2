/* Many devices on a few threads. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_SIM_FLEET_PRIV_H
#define USHER_SIM_FLEET_PRIV_H

#include "keys_priv.h"
#include "loop_priv.h"

#include <stdio.h>

struct fleet_config {
    const struct sim_config *device;
    struct loop_address server, local;
    struct key_list keys; /* owned by the caller; empty: names from prefix, shared_key */
    struct secret shared_key;
    const char *prefix;
    size_t devices;
    uint32_t concurrency, threads;
    bool progress;
    FILE *reports; /* a line of JSON for each device; NULL = none */
};

enum { FLEET_REASONS_MAX = 32, FLEET_FAILURES_MAX = 100, FLEET_ENDPOINT_SIZE = 256 };

struct fleet_failure {
    char endpoint[FLEET_ENDPOINT_SIZE];
    char reason[SIM_REASON_MAX];
    char detail[SIM_DETAIL_MAX];
};

struct fleet_result {
    size_t total, done;
    double seconds, rate;
    uint32_t min, p50, p95, p99, max; /* of those bootstrapped, milliseconds */
    uint64_t datagrams_sent, datagrams_received, bytes_sent, bytes_received, retransmissions;
    struct {
        char reason[SIM_REASON_MAX];
        size_t count;
    } reasons[FLEET_REASONS_MAX];
    size_t reason_count;
    struct fleet_failure *failures; /* the first ones */
    size_t failure_count;
    bool reports_failed; /* not all could be written */
};

enum err_code fleet_run(const struct fleet_config *config, struct fleet_result *out,
                        struct err *err);
void fleet_result_clear(struct fleet_result *result);

#endif
