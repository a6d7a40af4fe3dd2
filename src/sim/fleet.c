/* Many devices on a few threads: each takes the next device when one of its own is over. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet_priv.h"
#include "report_priv.h"

#include "usher/clock.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fleet {
    const struct fleet_config *config;
    struct fleet_result *result;
    uint32_t *durations; /* of those bootstrapped */
    atomic_size_t next;
    pthread_mutex_t lock; /* over result and durations */
    uint64_t started;
};

struct fleet_thread {
    pthread_t thread;
    struct fleet *fleet;
    struct loop *loop;
    bool first, started;
};

static volatile int interrupted;

static void note_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static void endpoint_of(const struct fleet_config *config, size_t number,
                        char out[static FLEET_ENDPOINT_SIZE])
{
    if (config->keys.count > 0)
        (void)snprintf(out, FLEET_ENDPOINT_SIZE, "%s", config->keys.items[number].endpoint);
    else
        (void)snprintf(out, FLEET_ENDPOINT_SIZE, "%s%zu", config->prefix, number);
}

static enum err_code add_device(struct fleet *fleet, struct loop *loop, size_t number,
                                struct err *err)
{
    const struct fleet_config *config = fleet->config;
    struct sim_config device = *config->device;
    char endpoint[FLEET_ENDPOINT_SIZE];
    endpoint_of(config, number, endpoint);
    device.endpoint = endpoint;
    device.faults.seed += number;
    device.identity = bytes_of_text(endpoint);
    device.key = secret_bytes(&config->shared_key);
    if (config->keys.count > 0) {
        const struct key_entry *entry = &config->keys.items[number];
        device.identity = bytes_of_text(entry->identity);
        device.key = bytes_of(entry->key, entry->key_len);
    }
    return loop_add(loop, &device, &config->server, &config->local, number, err);
}

/* With the lock held. */
static void count_failure(struct fleet *fleet, size_t number, const char *reason,
                          const char *detail)
{
    struct fleet_result *result = fleet->result;
    size_t at = 0;
    while (at < result->reason_count && strcmp(result->reasons[at].reason, reason) != 0)
        at++;
    if (at < FLEET_REASONS_MAX) {
        if (at == result->reason_count)
            (void)snprintf(result->reasons[result->reason_count++].reason, SIM_REASON_MAX, "%s",
                           reason);
        result->reasons[at].count++;
    }
    if (result->failure_count == FLEET_FAILURES_MAX)
        return;
    struct fleet_failure *failure = &result->failures[result->failure_count++];
    endpoint_of(fleet->config, number, failure->endpoint);
    (void)snprintf(failure->reason, sizeof failure->reason, "%s", reason);
    (void)snprintf(failure->detail, sizeof failure->detail, "%s", detail);
}

/* With the lock held. */
static void write_report(struct fleet *fleet, const struct sim_device *device, size_t number)
{
    char endpoint[FLEET_ENDPOINT_SIZE];
    endpoint_of(fleet->config, number, endpoint);
    if (fleet->config->reports != NULL &&
        !report_write_line(device, endpoint, fleet->config->reports))
        fleet->result->reports_failed = true;
}

static void count_device(struct fleet *fleet, const struct sim_device *device, size_t number)
{
    const struct sim_report *report = sim_device_report(device);
    struct fleet_result *result = fleet->result;
    pthread_mutex_lock(&fleet->lock);
    result->total++;
    result->datagrams_sent += report->datagrams_sent;
    result->datagrams_received += report->datagrams_received;
    result->bytes_sent += report->bytes_sent;
    result->bytes_received += report->bytes_received;
    result->retransmissions += report->retransmissions;
    if (report->state == SIM_BOOTSTRAPPED)
        fleet->durations[result->done++] = report->duration_ms;
    else
        count_failure(fleet, number, report->reason, report->detail);
    write_report(fleet, device, number);
    pthread_mutex_unlock(&fleet->lock);
}

/* False when there are none left. */
static bool add_next(struct fleet *fleet, struct loop *loop)
{
    for (;;) {
        struct err err = {0};
        size_t number = atomic_fetch_add(&fleet->next, 1);
        if (interrupted || number >= fleet->config->devices)
            return false;
        if (add_device(fleet, loop, number, &err) == ERR_OK)
            return true;
        pthread_mutex_lock(&fleet->lock);
        fleet->result->total++;
        count_failure(fleet, number, "no-socket", err.text);
        pthread_mutex_unlock(&fleet->lock);
    }
}

static void device_done(void *context, struct loop *loop, const struct sim_device *device,
                        size_t number)
{
    struct fleet_thread *thread = context;
    count_device(thread->fleet, device, number);
    (void)add_next(thread->fleet, loop);
}

static void show_progress(void *context, struct loop *loop)
{
    enum { BAR = 30 };
    static const char full[] = "##############################";
    const struct fleet_thread *thread = context;
    struct fleet *fleet = thread->fleet;
    pthread_mutex_lock(&fleet->lock);
    size_t total = fleet->result->total, done = fleet->result->done;
    pthread_mutex_unlock(&fleet->lock);
    size_t filled = total * BAR / fleet->config->devices;
    uint64_t elapsed = clock_monotonic_ms() - fleet->started;
    fprintf(stderr, "\r[%-*.*s] %zu of %zu, %zu failed, %" PRIu64 " a second ", BAR, (int)filled,
            full, total, fleet->config->devices, total - done,
            elapsed > 0 ? (uint64_t)total * 1000 / elapsed : 0);
}

static void *run_thread(void *context)
{
    struct fleet_thread *thread = context;
    struct fleet *fleet = thread->fleet;
    size_t share = fleet->config->concurrency / fleet->config->threads;
    bool progress = thread->first && fleet->config->progress && isatty(STDERR_FILENO);
    for (size_t i = 0; i < (share > 0 ? share : 1); i++)
        if (!add_next(fleet, thread->loop))
            break;
    loop_run(thread->loop, &interrupted, progress ? show_progress : NULL);
    if (progress) {
        show_progress(thread, thread->loop);
        fputc('\n', stderr);
    }
    return NULL;
}

static int compare_durations(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void sum_up(struct fleet *fleet)
{
    struct fleet_result *result = fleet->result;
    size_t count = result->done;
    result->seconds = (double)(clock_monotonic_ms() - fleet->started) / 1000;
    result->rate = result->seconds > 0 ? (double)count / result->seconds : 0;
    if (count == 0)
        return;
    qsort(fleet->durations, count, sizeof *fleet->durations, compare_durations);
    result->min = fleet->durations[0];
    result->p50 = fleet->durations[(count - 1) / 2];
    result->p95 = fleet->durations[(count - 1) * 95 / 100];
    result->p99 = fleet->durations[(count - 1) * 99 / 100];
    result->max = fleet->durations[count - 1];
}

static enum err_code run_threads(struct fleet *fleet, struct fleet_thread *threads, struct err *err)
{
    const struct fleet_config *config = fleet->config;
    size_t share = config->concurrency / config->threads;
    enum err_code result = ERR_OK;
    for (uint32_t i = 0; result == ERR_OK && i < config->threads; i++) {
        threads[i] = (struct fleet_thread){.fleet = fleet, .first = i == 0};
        result = loop_new(share > 0 ? share : 1, device_done, &threads[i], &threads[i].loop, err);
    }
    for (uint32_t i = 0; result == ERR_OK && i < config->threads; i++) {
        threads[i].started = pthread_create(&threads[i].thread, NULL, run_thread, &threads[i]) == 0;
        if (!threads[i].started)
            result = err_set(err, ERR_BUSY, "cannot start a thread");
    }
    for (uint32_t i = 0; i < config->threads; i++) {
        if (threads[i].started)
            pthread_join(threads[i].thread, NULL);
        loop_free(threads[i].loop);
    }
    return result;
}

enum err_code fleet_run(const struct fleet_config *config, struct fleet_result *out,
                        struct err *err)
{
    struct fleet fleet = {.config = config,
                          .result = out,
                          .durations = calloc(config->devices, sizeof(uint32_t)),
                          .lock = PTHREAD_MUTEX_INITIALIZER,
                          .started = clock_monotonic_ms()};
    struct fleet_thread *threads = calloc(config->threads, sizeof *threads);
    out->failures = calloc(FLEET_FAILURES_MAX, sizeof *out->failures);
    enum err_code result = ERR_NO_MEMORY;
    if (fleet.durations == NULL || threads == NULL || out->failures == NULL) {
        (void)err_set(err, ERR_NO_MEMORY, "out of memory");
        goto out;
    }
    (void)signal(SIGINT, note_signal);
    (void)signal(SIGTERM, note_signal);
    result = run_threads(&fleet, threads, err);
    sum_up(&fleet);
out:
    free(threads);
    free(fleet.durations);
    return result;
}

void fleet_result_clear(struct fleet_result *result)
{
    free(result->failures);
    *result = (struct fleet_result){0};
}
