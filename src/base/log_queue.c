/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of bytes between those who log and the one thread that writes. Lines are whole and end in
 * a newline, which no line contains. */
#include "log_queue_priv.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

/* NAP_MS: while lines follow each other the writer looks for more only so often; one line after
 * silence is written at once. */
enum { RING_SIZE = 1 << 20, NAP_MS = 25 };

enum writer_state { WRITER_NONE, WRITER_WRITES, WRITER_NAPS, WRITER_WAITS };

static struct {
    pthread_mutex_t lock; /* all below */
    pthread_cond_t wake;  /* the writer */
    pthread_cond_t ended;
    enum writer_state state;
    bool stopping;
    struct log_queue_ops ops;
    size_t start, used;
    uint64_t dropped;       /* since the last line that says so */
    uint64_t dropped_total; /* since the program began */
    uint8_t ring[RING_SIZE];
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void ring_put(struct bytes data)
{
    size_t at = (queue.start + queue.used) % RING_SIZE;
    size_t first = data.len < RING_SIZE - at ? data.len : RING_SIZE - at;

    memcpy(queue.ring + at, data.data, first);
    memcpy(queue.ring, data.data + first, data.len - first);
    queue.used += data.len;
}

/* As many whole lines as fit; 0 = there is none. */
static size_t ring_take(uint8_t out[static LOG_LINE_MAX])
{
    size_t len = queue.used < LOG_LINE_MAX ? queue.used : LOG_LINE_MAX;
    size_t first = len < RING_SIZE - queue.start ? len : RING_SIZE - queue.start;

    memcpy(out, queue.ring + queue.start, first);
    memcpy(out + first, queue.ring, len - first);
    while (len > 0 && out[len - 1] != '\n')
        len--;
    queue.start = (queue.start + len) % RING_SIZE;
    queue.used -= len;
    return len;
}

/* Where lines are missing a line says how many. */
static void put_dropped(void)
{
    uint8_t memory[LOG_LINE_MAX];

    if (queue.dropped == 0 || RING_SIZE - queue.used < 2 * LOG_LINE_MAX)
        return;
    size_t len = queue.ops.describe_dropped(queue.dropped, memory);
    queue.dropped = 0;
    ring_put(bytes_of(memory, len));
}

bool log_queue_put(struct bytes line)
{
    pthread_mutex_lock(&queue.lock);
    bool taken = queue.state != WRITER_NONE;
    if (taken) {
        put_dropped();
        /* Once a line is missing the others wait for the one that says so. */
        if (queue.dropped == 0 && line.len <= RING_SIZE - queue.used) {
            ring_put(line);
        } else {
            queue.dropped++;
            queue.dropped_total++;
        }
        if (queue.state == WRITER_WAITS || queue.used > RING_SIZE / 2)
            pthread_cond_signal(&queue.wake);
    }
    pthread_mutex_unlock(&queue.lock);
    return taken;
}

static struct timespec in_ms(unsigned ms)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

static void await_lines(void)
{
    if (!queue.stopping && queue.used <= RING_SIZE / 2) {
        struct timespec until = in_ms(NAP_MS);
        queue.state = WRITER_NAPS;
        pthread_cond_timedwait(&queue.wake, &queue.lock, &until);
    }
    while (queue.used == 0 && !queue.stopping) {
        queue.state = WRITER_WAITS;
        pthread_cond_wait(&queue.wake, &queue.lock);
    }
    queue.state = WRITER_WRITES;
}

static void *write_lines(void *unused)
{
    uint8_t lines[LOG_LINE_MAX];
    size_t len;

    pthread_mutex_lock(&queue.lock);
    queue.state = WRITER_WAITS;
    while (!queue.stopping || queue.used > 0) {
        while ((len = ring_take(lines)) > 0) {
            pthread_mutex_unlock(&queue.lock);
            queue.ops.write(bytes_of(lines, len));
            pthread_mutex_lock(&queue.lock);
            put_dropped();
        }
        await_lines();
    }
    queue.state = WRITER_NONE;
    pthread_cond_broadcast(&queue.ended);
    pthread_mutex_unlock(&queue.lock);
    return unused;
}

static void init_conditions(void)
{
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&queue.wake, &monotonic);
    pthread_cond_init(&queue.ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

/* Detached: a reader that stalls for ever must not keep the program from ending. Signals are for
 * the program's own threads. */
static int start_thread(void)
{
    pthread_t thread;
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, NULL, write_lines, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed == 0)
        pthread_detach(thread);
    return failed;
}

enum err_code log_queue_start(const struct log_queue_ops *ops, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    enum err_code code = ERR_OK;

    pthread_once(&once, init_conditions);
    pthread_mutex_lock(&queue.lock);
    if (queue.state != WRITER_NONE) {
        code = err_set(err, ERR_BUSY, "log: a thread writes already");
    } else {
        queue.ops = *ops;
        queue.stopping = false;
        queue.state = WRITER_WRITES;
        int failed = start_thread();
        if (failed != 0) {
            queue.state = WRITER_NONE;
            code = err_set(err, ERR_IO, "log: cannot start a thread: %s", strerror(failed));
        }
    }
    pthread_mutex_unlock(&queue.lock);
    return code;
}

bool log_queue_stop(unsigned wait_ms)
{
    struct timespec until = in_ms(wait_ms);
    int result = 0;

    pthread_mutex_lock(&queue.lock);
    if (queue.state != WRITER_NONE) {
        queue.stopping = true;
        pthread_cond_signal(&queue.wake);
    }
    while (queue.state != WRITER_NONE && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&queue.ended, &queue.lock, &until);
    bool ended = queue.state == WRITER_NONE;
    pthread_mutex_unlock(&queue.lock);
    return ended;
}

uint64_t log_queue_dropped(void)
{
    pthread_mutex_lock(&queue.lock);
    uint64_t dropped = queue.dropped_total;
    pthread_mutex_unlock(&queue.lock);
    return dropped;
}
