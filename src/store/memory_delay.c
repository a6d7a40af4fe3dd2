/* Answers find requests of the memory backend later, as a remote store would (D6). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "memory_priv.h"

#include "usher/clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct memory_delay {
    struct store_reader reader; /* answers read through it */
    uint64_t delay_us;
    pthread_t thread;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t wake;
    struct waiting {
        struct waiting *next;
        uint64_t due_us;
        struct request *request;
    } *first, **last; /* the delay is the same for all, so the order is that of arrival */
    bool stopping;
};

static void answer(struct memory_delay *delay, struct request *request)
{
    bool by_identity = request->kind == REQUEST_FIND_IDENTITY;
    struct err err = {0};
    request->result = ERR_NO_MEMORY;
    request->device = calloc(1, sizeof *request->device);
    if (request->device != NULL)
        request->result = groups_look_up(
            delay->reader.backend->setup->groups, memory_find, &delay->reader,
            by_identity ? &request->identity : NULL, bytes_of_text(request->endpoint),
            atomic_load(&delay->reader.backend->setup->wall_ms)(), request->device, &err);
    if (request->result == ERR_NO_MEMORY)
        request->result = ERR_UNAVAILABLE;
    request_complete(request);
}

/* Waits for the next one that is due; NULL: time to stop. */
static struct request *take_due(struct memory_delay *delay)
{
    struct request *request = NULL;
    pthread_mutex_lock(&delay->lock);
    while (!delay->stopping || delay->first != NULL) {
        if (delay->first == NULL) {
            pthread_cond_wait(&delay->wake, &delay->lock);
            continue;
        }
        uint64_t due = delay->first->due_us;
        if (delay->stopping || clock_monotonic_us() >= due) {
            struct waiting *waiting = delay->first;
            delay->first = waiting->next;
            if (delay->first == NULL)
                delay->last = &delay->first;
            request = waiting->request;
            free(waiting);
            break;
        }
        struct timespec until = {.tv_sec = (time_t)(due / 1000000),
                                 .tv_nsec = (long)(due % 1000000) * 1000};
        pthread_cond_timedwait(&delay->wake, &delay->lock, &until);
    }
    pthread_mutex_unlock(&delay->lock);
    return request;
}

static void *delay_main(void *argument)
{
    struct memory_delay *delay = argument;
    struct request *request;
    while ((request = take_due(delay)) != NULL)
        answer(delay, request);
    return NULL;
}

enum err_code memory_delay_start(struct store_backend *backend, unsigned delay_ms, struct err *err)
{
    struct memory_delay *delay = calloc(1, sizeof *delay);
    if (delay == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&delay->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&delay->lock, NULL);
    delay->reader.backend = backend;
    delay->delay_us = (uint64_t)delay_ms * 1000;
    delay->last = &delay->first;
    int failed = pthread_create(&delay->thread, NULL, delay_main, delay);
    if (failed != 0) {
        pthread_cond_destroy(&delay->wake);
        pthread_mutex_destroy(&delay->lock);
        free(delay);
        return err_set(err, ERR_IO, "store: cannot start a thread: %s", strerror(failed));
    }
    backend->delay = delay;
    return ERR_OK;
}

void memory_delay_stop(struct memory_delay *delay)
{
    if (delay == NULL)
        return;
    pthread_mutex_lock(&delay->lock);
    delay->stopping = true;
    pthread_cond_signal(&delay->wake);
    pthread_mutex_unlock(&delay->lock);
    pthread_join(delay->thread, NULL);
    pthread_cond_destroy(&delay->wake);
    pthread_mutex_destroy(&delay->lock);
    free(delay);
}

bool memory_find_later(struct store_reader *reader, struct request *request)
{
    struct memory_delay *delay = reader->backend->delay;
    struct waiting *waiting = calloc(1, sizeof *waiting);
    if (waiting == NULL)
        return false;
    waiting->request = request;
    waiting->due_us = clock_monotonic_us() + delay->delay_us;
    pthread_mutex_lock(&delay->lock);
    *delay->last = waiting;
    delay->last = &waiting->next;
    pthread_cond_signal(&delay->wake);
    pthread_mutex_unlock(&delay->lock);
    return true;
}
