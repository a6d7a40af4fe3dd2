/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's loop: datagrams, timers, store answers, messages of other threads. */
#include "usher/clock.h"
#include "usher/log.h"
#include "usher/x509.h"
#include "worker_priv.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    OTHERS = 2, /* that are watched beside the sockets: lane and mailbox */
    BATCHES_A_ROUND = 8,
    HELLO_BATCHES_A_ROUND = 2,
    SETTLE_MS = 5000,
    SETTLE_STEP_MS = 20
};

struct worker {
    struct driver *driver;
    struct udp *udp;
    struct store_lane *lane;
    uint64_t lane_due; /* of store_lane_rest */
    int wake;
    /* Sockets first. Not epoll: it is told of each datagram that is sent or received, even while
     * nobody waits. */
    struct pollfd *watched;
    pthread_t thread;
    bool started, stopping;
    pthread_mutex_t lock; /* of the mailbox */
    struct worker_message *first, *last;
    atomic_size_t running;
    atomic_bool alive;
    atomic_uint_fast64_t woken_ms; /* when the present round began, 0 = it waits for work */
};

static enum err_code open_loop(struct worker *worker, struct err *err)
{
    size_t sockets = udp_count(worker->udp);

    worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->wake < 0)
        return err_set(err, ERR_IO, "worker: no event loop (%s)", strerror(errno));
    worker->watched = calloc(sockets + OTHERS, sizeof *worker->watched);
    if (worker->watched == NULL)
        return err_set(err, ERR_NO_MEMORY, "worker: out of memory");
    for (size_t i = 0; i < sockets; i++)
        worker->watched[i] = (struct pollfd){.fd = udp_fd(worker->udp, i), .events = POLLIN};
    worker->watched[sockets] = (struct pollfd){.fd = store_lane_fd(worker->lane), .events = POLLIN};
    worker->watched[sockets + 1] = (struct pollfd){.fd = worker->wake, .events = POLLIN};
    return ERR_OK;
}

static struct driver_time time_now(void)
{
    return (struct driver_time){
        .monotonic_ms = clock_monotonic_ms(),
        .wall_ms = clock_wall_ms(),
    };
}

static struct driver_time tell_time(struct worker *worker)
{
    struct driver_time now = time_now();

    driver_set_time(worker->driver, &now);
    return now;
}

static void send_datagram(void *context, const struct net_path *path, struct bytes datagram)
{
    udp_send(context, path, datagram);
}

/* Everything works without it, but a flood then hits all, and moved devices may land elsewhere. */
static void tell_steering(const struct udp_listener *listeners, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!listeners[i].steered)
            log_event(LOG_WARNING, "worker.not-steered", LOG_NUMBER("listener", (int64_t)i),
                      LOG_TEXT("cause", "the kernel refused the filter that shares datagrams out "
                                        "(SO_ATTACH_REUSEPORT_CBPF); a seccomp profile may forbid "
                                        "it"));
}

static enum err_code build(struct worker *worker, const struct worker_config *config,
                           struct err *err)
{
    for (size_t i = 0; i < config->listener_count; i++)
        config->listeners[i].worker = config->index;
    enum err_code code = udp_open(config->listeners, config->listener_count, &worker->udp, err);
    if (code == ERR_OK && config->index == 0)
        tell_steering(config->listeners, config->listener_count);
    if (code == ERR_OK)
        code = store_lane_open(config->store, &worker->lane, err);
    if (code == ERR_OK)
        code = open_loop(worker, err);
    if (code != ERR_OK)
        return code;
    struct driver_config driver = {
        .worker = config->index,
        .endpoint = config->endpoint,
        .unknown = config->unknown,
        .time = time_now(),
        .send = send_datagram,
        .send_context = worker->udp,
        .lane = worker->lane,
        .live = config->live,
        .rejects = config->rejects,
        .events = config->events,
        .metrics = config->metrics,
        .profiles = config->profiles,
        .hints = config->hints,
        .decoy_secret = config->decoy_secret,
        .supersede = config->supersede,
        .context = config->context,
    };
    return driver_new(&driver, &worker->driver, err);
}

enum err_code worker_new(const struct worker_config *config, struct worker **out, struct err *err)
{
    struct worker *worker = calloc(1, sizeof *worker);

    if (worker == NULL)
        return err_set(err, ERR_NO_MEMORY, "worker: out of memory");
    worker->wake = -1;
    worker->lane_due = UINT64_MAX;
    pthread_mutex_init(&worker->lock, NULL);
    enum err_code code = build(worker, config, err);
    if (code != ERR_OK) {
        worker_free(worker);
        return code;
    }
    *out = worker;
    return ERR_OK;
}

/* ---- messages ---- */

bool worker_post(struct worker *worker, const struct worker_message *message)
{
    struct worker_message *copy = malloc(sizeof *copy);
    uint64_t one = 1;

    if (copy == NULL)
        return false;
    *copy = *message;
    copy->next = NULL;
    pthread_mutex_lock(&worker->lock);
    if (worker->last != NULL)
        worker->last->next = copy;
    else
        worker->first = copy;
    worker->last = copy;
    pthread_mutex_unlock(&worker->lock);
    /* A full eventfd is readable already. */
    return write(worker->wake, &one, sizeof one) == (ssize_t)sizeof one || errno == EAGAIN;
}

static struct worker_message *take_all(struct worker *worker)
{
    uint64_t count;

    if (read(worker->wake, &count, sizeof count) < 0 && errno != EAGAIN)
        log_event(LOG_ERROR, "worker.mailbox-failed", LOG_TEXT("cause", strerror(errno)));
    pthread_mutex_lock(&worker->lock);
    struct worker_message *first = worker->first;
    worker->first = worker->last = NULL;
    pthread_mutex_unlock(&worker->lock);
    return first;
}

static void obey(struct worker *worker, const struct worker_message *message)
{
    switch (message->kind) {
    case WORKER_SUPERSEDE:
        driver_supersede(worker->driver, &message->holder);
        break;
    case WORKER_ABORT:
        driver_abort(worker->driver, &message->holder, message->cause);
        break;
    case WORKER_PROFILES:
        driver_set_profiles(worker->driver, message->profiles);
        profile_set_unref(message->profiles);
        break;
    case WORKER_X509:
        driver_set_x509(worker->driver, message->x509);
        x509_unref(message->x509);
        break;
    case WORKER_DRAIN:
        driver_drain(worker->driver);
        break;
    case WORKER_STOP:
        driver_drain(worker->driver);
        driver_abort_all(worker->driver, CAUSE_SHUTDOWN);
        worker->stopping = true;
        break;
    }
}

static void read_mailbox(struct worker *worker)
{
    struct worker_message *message = take_all(worker);

    while (message != NULL) {
        struct worker_message *next = message->next;
        obey(worker, message);
        free(message);
        message = next;
    }
}

/* ---- the loop ---- */

static int wait_time(const struct worker *worker)
{
    uint64_t next = driver_next(worker->driver);
    next = worker->lane_due < next ? worker->lane_due : next;
    uint64_t now = clock_monotonic_ms();

    if (worker->stopping)
        return SETTLE_STEP_MS;
    if (next == UINT64_MAX)
        return -1;
    if (next <= now)
        return 0;
    return next - now > 60000 ? 60000 : (int)(next - now);
}

/* A few batches, then the timers and the others get their turn. A batch may hold many handshakes:
 * each has its own time. */
static void read_socket(struct worker *worker, size_t index, int batches)
{
    do {
        tell_time(worker);
    } while (udp_receive(worker->udp, index, driver_datagram, worker->driver) && --batches > 0);
}

/* ClientHellos come after all other datagrams, and few at a time: a flood of them must not hold up
 * who is in. */
static void read_sockets(struct worker *worker, bool hellos)
{
    for (size_t i = 0; i < udp_count(worker->udp); i++) {
        if (worker->watched[i].revents != 0 && udp_for_hellos(worker->udp, i) == hellos)
            read_socket(worker, i, hellos ? HELLO_BATCHES_A_ROUND : BATCHES_A_ROUND);
    }
}

/* What is ready shows in `watched`. */
static void await_work(struct worker *worker)
{
    size_t count = udp_count(worker->udp) + OTHERS;

    if (poll(worker->watched, count, wait_time(worker)) > 0)
        return;
    for (size_t i = 0; i < count; i++)
        worker->watched[i].revents = 0;
}

/* What has arrived comes before the timers, which would repeat what was answered already; and the
 * timers before the store's answers, so that these are timed from now. */
static void one_round(struct worker *worker)
{
    const struct pollfd *others = worker->watched + udp_count(worker->udp);

    await_work(worker);
    atomic_store_explicit(&worker->woken_ms, tell_time(worker).monotonic_ms, memory_order_relaxed);
    read_sockets(worker, false);
    read_sockets(worker, true);
    tell_time(worker);
    driver_expire(worker->driver);
    if (others[0].revents != 0)
        store_lane_poll(worker->lane);
    if (others[1].revents != 0)
        read_mailbox(worker);
    udp_flush(worker->udp);
    driver_tell_counters(worker->driver);
    worker->lane_due = store_lane_rest(worker->lane);
    atomic_store_explicit(&worker->running, driver_running(worker->driver), memory_order_relaxed);
    atomic_store_explicit(&worker->woken_ms, 0, memory_order_relaxed);
}

static void *run(void *context)
{
    struct worker *worker = context;

    while (!worker->stopping)
        one_round(worker);
    /* The outcomes of what was ended become durable first. */
    uint64_t limit = clock_monotonic_ms() + SETTLE_MS;
    while (!driver_settled(worker->driver) && clock_monotonic_ms() < limit)
        one_round(worker);
    udp_flush(worker->udp);
    tell_time(worker);
    store_lane_close(worker->lane); /* runs the last callbacks on this thread */
    worker->lane = NULL;
    udp_flush(worker->udp);
    atomic_store(&worker->alive, false);
    return NULL;
}

enum err_code worker_start(struct worker *worker, struct err *err)
{
    atomic_store(&worker->alive, true);
    int result = pthread_create(&worker->thread, NULL, run, worker);

    if (result != 0) {
        atomic_store(&worker->alive, false);
        return err_set(err, ERR_IO, "worker: no thread (%s)", strerror(result));
    }
    worker->started = true;
    return ERR_OK;
}

size_t worker_running(const struct worker *worker)
{
    return atomic_load_explicit(&worker->running, memory_order_relaxed);
}

bool worker_serves(const struct worker *worker)
{
    uint64_t woken = atomic_load_explicit(&worker->woken_ms, memory_order_relaxed);

    if (!atomic_load(&worker->alive))
        return false;
    return woken == 0 || clock_monotonic_ms() < woken + WORKER_STUCK_MS;
}

void worker_join(struct worker *worker)
{
    if (worker->started)
        pthread_join(worker->thread, NULL);
    worker->started = false;
}

void worker_free(struct worker *worker)
{
    if (worker == NULL)
        return;
    if (worker->lane != NULL)
        store_lane_close(worker->lane);
    driver_free(worker->driver);
    udp_close(worker->udp);
    free(worker->watched);
    if (worker->wake >= 0)
        close(worker->wake);
    while (worker->first != NULL) {
        struct worker_message *next = worker->first->next;
        if (worker->first->kind == WORKER_PROFILES)
            profile_set_unref(worker->first->profiles);
        x509_unref(worker->first->x509);
        free(worker->first);
        worker->first = next;
    }
    pthread_mutex_destroy(&worker->lock);
    free(worker);
}
