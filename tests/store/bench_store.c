/* What the store costs: CPU time of the whole process per call, at a given number of devices. Not a
 * test: run `bench-store DIRECTORY [DEVICES [OPERATIONS]]` on an idle machine. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bed.h"

#include "usher/clock.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { UNDER_WAY = 256 };

struct bench {
    struct store *store;
    struct store_lane *lane;
    unsigned devices, operations;
    unsigned under_way, failed;
    unsigned *order; /* devices in random order */
};

struct stopwatch {
    uint64_t cpu_us, wall_us;
    struct store_metrics metrics;
};

static uint64_t cpu_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static struct stopwatch start(struct bench *bench)
{
    struct stopwatch watch;
    store_metrics(bench->store, &watch.metrics);
    watch.cpu_us = cpu_us();
    watch.wall_us = clock_monotonic_us();
    return watch;
}

static void report(struct bench *bench, const struct stopwatch *from, const char *what,
                   unsigned count)
{
    uint64_t cpu = cpu_us() - from->cpu_us, wall = clock_monotonic_us() - from->wall_us;
    struct store_metrics now;
    store_metrics(bench->store, &now);
    uint64_t commits = now.commits - from->metrics.commits;
    printf("%-34s %9u devices %8u calls %8.2f us CPU each %9.0f/s  %6.1f rows a commit\n", what,
           bench->devices, count, (double)cpu / count, count * 1e6 / (double)(wall + 1),
           commits > 0 ? (double)(now.rows - from->metrics.rows) / (double)commits : 0.0);
    fflush(stdout);
}

static void device_name(unsigned number, char out[static 48])
{
    snprintf(out, 48, "urn:dev:os:0042-lamp-%08u", number);
}

static void fill_device(struct store_device *device, unsigned number)
{
    char name[48], identity[24];
    device_name(number, name);
    *device = (struct store_device){0};
    snprintf(device->enrollment.endpoint, sizeof device->enrollment.endpoint, "%s", name);
    snprintf(device->enrollment.class_name, sizeof device->enrollment.class_name, "street-light");
    snprintf(identity, sizeof identity, "lamp-%08u", number);
    identity_set(&device->enrollment.identity, bytes_of_text(identity));
    secret_random(&device->bootstrap_key, 16);
    device_add_tag(device, "street", "Seestrasse");
}

static void enroll_all(struct bench *bench)
{
    enum { BATCH = 64 };
    static struct store_device devices[BATCH];
    static struct store_enrolled results[BATCH];
    struct stopwatch watch = start(bench);
    for (unsigned first = 0; first < bench->devices; first += BATCH) {
        unsigned count = bench->devices - first < BATCH ? bench->devices - first : BATCH;
        for (unsigned i = 0; i < count; i++)
            fill_device(&devices[i], first + i);
        store_enroll_many(bench->lane, devices, count, false, results);
        for (unsigned i = 0; i < count; i++) {
            bench->failed += results[i].code != ERR_OK;
            store_device_clear(&devices[i]);
        }
    }
    report(bench, &watch, "enroll_many", bench->devices);
}

static void found(void *context, enum err_code result, const struct store_device *device)
{
    struct bench *bench = context;
    bench->under_way--;
    bench->failed += result != ERR_OK;
}

static void recorded(void *context, enum err_code result)
{
    struct bench *bench = context;
    bench->under_way--;
    bench->failed += result != ERR_OK;
}

static void wait_below(struct bench *bench, unsigned limit)
{
    while (bench->under_way >= limit && bench->under_way > 0) {
        struct pollfd ready = {.fd = store_lane_fd(bench->lane), .events = POLLIN};
        poll(&ready, 1, 1000);
        store_lane_poll(bench->lane);
    }
}

static void find_one(struct bench *bench, unsigned number)
{
    char identity[24];
    snprintf(identity, sizeof identity, "lamp-%08u", number);
    bench->under_way++;
    store_find_identity(bench->lane, bytes_of_text(identity), found, bench);
}

static void pending_one(struct bench *bench, unsigned number)
{
    char name[48];
    struct store_new_credential credential = {.ssid = 101};
    device_name(number, name);
    identity_set(&credential.identity, bytes_of_text(name + 11));
    secret_random(&credential.key, 16);
    bench->under_way++;
    store_make_pending(bench->lane, bytes_of_text(name), &credential, 1, found, bench);
}

static void record_one(struct bench *bench, unsigned number, unsigned sequence, uint64_t generation)
{
    struct outcome outcome;
    char name[48];
    struct store_promotion promotion = {.ssid = 101, .generation = generation};
    device_name(number, name);
    outcome_make(&outcome, name, STATE_BOOTSTRAPPED, sequence);
    outcome.started_wall_ms = clock_wall_ms();
    outcome.step_count = 6;
    outcome.warning_count = 0;
    bench->under_way++;
    store_record(bench->lane, &outcome, &promotion, generation > 0, recorded, bench);
}

static void fold(struct bench *bench)
{
    struct store_filter filter = {.state = -1, .cause = -1, .limit = 1};
    struct err err;
    store_list(bench->lane, &filter, ignore_row, NULL, &err);
}

static void run_finds(struct bench *bench)
{
    struct stopwatch watch = start(bench);
    for (unsigned i = 0; i < bench->operations; i++)
        find_one(bench, bench->order[i % bench->devices]);
    report(bench, &watch, "find_identity, random, idle store", bench->operations);
}

/* Every device once, so that each page is touched as in a roll-out. */
static void run_path(struct bench *bench, const unsigned *order, const char *kind)
{
    char what[64];
    unsigned count = bench->operations < bench->devices ? bench->operations : bench->devices;
    struct stopwatch watch = start(bench);
    for (unsigned i = 0; i < count; i++) {
        wait_below(bench, UNDER_WAY);
        pending_one(bench, order[i]);
    }
    wait_below(bench, 1);
    snprintf(what, sizeof what, "make_pending, %s", kind);
    report(bench, &watch, what, count);

    watch = start(bench);
    for (unsigned i = 0; i < count; i++) {
        wait_below(bench, UNDER_WAY);
        record_one(bench, order[i], i, 1);
    }
    wait_below(bench, 1);
    fold(bench);
    snprintf(what, sizeof what, "record and promote, %s", kind);
    report(bench, &watch, what, count);

    watch = start(bench);
    for (unsigned i = 0; i < count; i++) {
        wait_below(bench, UNDER_WAY);
        record_one(bench, order[i], count + i, 0);
    }
    wait_below(bench, 1);
    fold(bench);
    snprintf(what, sizeof what, "record only, %s", kind);
    report(bench, &watch, what, count);
}

/* As a bootstrap does it: look up, make pending, record; many devices at once. */
static void run_mix(struct bench *bench)
{
    enum { LAG = 64 };
    unsigned count = bench->operations < bench->devices ? bench->operations : bench->devices;
    struct stopwatch watch = start(bench);
    for (unsigned i = 0; i < count + 2 * LAG; i++) {
        wait_below(bench, UNDER_WAY);
        if (i < count) {
            find_one(bench, bench->order[count - 1 - i]);
            pending_one(bench, bench->order[count - 1 - i]);
        }
        if (i >= 2 * LAG)
            record_one(bench, bench->order[count - 1 - (i - 2 * LAG)], 3 * count + i, 2);
    }
    wait_below(bench, 1);
    fold(bench);
    report(bench, &watch, "find + pending + record, random", count);
}

static void run_list(struct bench *bench)
{
    static const struct {
        const char *what;
        struct store_filter filter;
    } lists[] = {
        {"list, any, 100 rows", {.state = -1, .cause = -1, .limit = 100}},
        {"list, none failed", {.state = STATE_FAILED, .cause = -1, .limit = 100}},
        {"list, none of that class",
         {.class_name = "none", .state = -1, .cause = -1, .limit = 100}},
        {"list, none seen (whole scan)", {.state = STATE_SEEN, .cause = -1, .limit = 100}},
    };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct err err;
        struct stopwatch watch = start(bench);
        bench->failed +=
            store_list(bench->lane, &lists[i].filter, ignore_row, NULL, &err) != ERR_OK;
        report(bench, &watch, lists[i].what, 1);
    }
}

static void shuffle(unsigned *order, unsigned count)
{
    struct random random = {.state = 1};
    for (unsigned i = count; i > 1; i--) {
        unsigned other = random_below(&random, i), kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
}

static int open_bench(struct bench *bench, const struct store_config *config)
{
    struct err err = {0};
    uint64_t from = clock_monotonic_us();
    if (store_open(config, &bench->store, &err) != ERR_OK ||
        store_lane_open(bench->store, &bench->lane, &err) != ERR_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    printf("%-34s %9u devices %8.1f ms\n", "open", bench->devices,
           (double)(clock_monotonic_us() - from) / 1000);
    return 0;
}

static void close_bench(struct bench *bench)
{
    store_lane_close(bench->lane);
    store_close(bench->store);
}

int main(int argc, char **argv)
{
    char path[256];
    struct bench bench = {.devices = argc > 2 ? (unsigned)atoi(argv[2]) : 1000,
                          .operations = argc > 3 ? (unsigned)atoi(argv[3]) : 100000};
    if (argc < 2 || bench.devices == 0 || bench.operations == 0) {
        fprintf(stderr, "usage: bench-store DIRECTORY [DEVICES [OPERATIONS]]\n");
        return 2;
    }
    snprintf(path, sizeof path, "%s/bench-%u.db", argv[1], bench.devices);
    struct store_config config = {.backend = "sqlite", .path = path};
    unsigned *sorted = malloc(bench.devices * sizeof *sorted);
    bench.order = malloc(bench.devices * sizeof *bench.order);
    if (sorted == NULL || bench.order == NULL || open_bench(&bench, &config) != 0)
        return 1;
    for (unsigned i = 0; i < bench.devices; i++)
        sorted[i] = bench.order[i] = i;
    shuffle(bench.order, bench.devices);
    enroll_all(&bench);
    run_finds(&bench);
    run_path(&bench, bench.order, "random");
    run_mix(&bench);
    run_list(&bench);
    close_bench(&bench);
    if (open_bench(&bench, &config) == 0)
        close_bench(&bench);
    free(sorted);
    free(bench.order);
    if (bench.failed > 0)
        fprintf(stderr, "%u calls failed\n", bench.failed);
    return bench.failed > 0;
}
