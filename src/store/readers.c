/* Look-ups that a worker has no time for: threads with readers of their own answer them later (D6).
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "readers_priv.h"

#include "usher/clock.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Two, so that one look-up that hangs does not hold up those behind it. */
enum { THREADS = 2 };

struct reader_thread {
    struct readers *readers;
    struct store_reader *reader;
    pthread_t thread;
    bool started;
};

struct readers {
    struct store *store;
    struct reader_thread threads[THREADS];
    atomic_bool slow;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t wake;
    struct request *first, **last;
    size_t depth;
    bool stopping;
};

bool readers_are_due(const struct readers *readers)
{
    return readers != NULL && atomic_load_explicit(&readers->slow, memory_order_relaxed);
}

void readers_note(struct readers *readers, uint64_t took_us)
{
    bool slow = took_us > READERS_SLOW_US;
    if (readers != NULL && atomic_load_explicit(&readers->slow, memory_order_relaxed) != slow)
        atomic_store(&readers->slow, slow);
}

bool readers_submit(struct readers *readers, struct request *request)
{
    bool taken = false;
    if (readers == NULL)
        return false;
    pthread_mutex_lock(&readers->lock);
    if (!readers->stopping && readers->depth < readers->store->setup.config.queue_max) {
        request->next = NULL;
        *readers->last = request;
        readers->last = &request->next;
        readers->depth++;
        pthread_cond_signal(&readers->wake);
        taken = true;
    }
    pthread_mutex_unlock(&readers->lock);
    return taken;
}

/* Waits for the next one; NULL: time to stop. */
static struct request *take(struct readers *readers)
{
    pthread_mutex_lock(&readers->lock);
    while (!readers->stopping && readers->first == NULL)
        pthread_cond_wait(&readers->wake, &readers->lock);
    struct request *request = readers->stopping ? NULL : readers->first;
    if (request != NULL) {
        readers->first = request->next;
        if (readers->first == NULL)
            readers->last = &readers->first;
        readers->depth--;
        request->next = NULL;
    }
    pthread_mutex_unlock(&readers->lock);
    return request;
}

static enum err_code find(struct reader_thread *thread, struct request *request)
{
    struct store *store = thread->readers->store;
    bool by_identity = request->kind == REQUEST_FIND_IDENTITY;
    struct err err = {0};
    request->device = calloc(1, sizeof *request->device);
    if (request->device == NULL)
        return ERR_UNAVAILABLE;
    enum err_code code = groups_look_up(
        &store->groups, store->ops->find, thread->reader, by_identity ? &request->identity : NULL,
        by_identity ? bytes_of(NULL, 0) : bytes_of_text(request->endpoint),
        atomic_load(&store->setup.wall_ms)(), request->device, &err);
    if (code == ERR_OK || code == ERR_NOT_FOUND)
        return code;
    health_failed(&store->health, &err);
    writer_nudge(store);
    return ERR_UNAVAILABLE;
}

static void *read_main(void *argument)
{
    struct reader_thread *thread = argument;
    struct request *request;
    while ((request = take(thread->readers)) != NULL) {
        uint64_t start = clock_monotonic_us();
        request->result = find(thread, request);
        readers_note(thread->readers, clock_monotonic_us() - start);
        request_complete(request);
    }
    return NULL;
}

static enum err_code start_thread(struct reader_thread *thread, struct err *err)
{
    struct store *store = thread->readers->store;
    enum err_code code = store->ops->reader_open(store->backend, &thread->reader, err);
    if (code != ERR_OK)
        return code;
    /* Signals are for the program's own threads. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread->thread, NULL, read_main, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0)
        return err_set(err, ERR_IO, "store: cannot start a reader: %s", strerror(failed));
    pthread_setname_np(thread->thread, "usher-reader");
    thread->started = true;
    return ERR_OK;
}

enum err_code readers_start(struct store *store, struct readers **out, struct err *err)
{
    struct readers *readers = calloc(1, sizeof *readers);
    enum err_code code = ERR_OK;
    if (readers == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    readers->store = store;
    readers->last = &readers->first;
    pthread_mutex_init(&readers->lock, NULL);
    pthread_cond_init(&readers->wake, NULL);
    for (size_t i = 0; i < THREADS && code == ERR_OK; i++) {
        readers->threads[i].readers = readers;
        code = start_thread(&readers->threads[i], err);
    }
    if (code != ERR_OK) {
        readers_stop(readers);
        return code;
    }
    *out = readers;
    return ERR_OK;
}

void readers_stop(struct readers *readers)
{
    if (readers == NULL)
        return;
    pthread_mutex_lock(&readers->lock);
    readers->stopping = true;
    pthread_cond_broadcast(&readers->wake);
    pthread_mutex_unlock(&readers->lock);
    for (size_t i = 0; i < THREADS; i++) {
        struct reader_thread *thread = &readers->threads[i];
        if (thread->started)
            pthread_join(thread->thread, NULL);
        if (thread->reader != NULL)
            readers->store->ops->reader_close(thread->reader);
    }
    while (readers->first != NULL) {
        struct request *request = readers->first;
        readers->first = request->next;
        request->result = ERR_UNAVAILABLE;
        request_complete(request);
    }
    pthread_cond_destroy(&readers->wake);
    pthread_mutex_destroy(&readers->lock);
    free(readers);
}
