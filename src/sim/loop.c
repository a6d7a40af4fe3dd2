/* Runs devices over real sockets: epoll, and a heap of deadlines. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "loop_priv.h"

#include "usher/clock.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS = 128, DATAGRAM_MAX = 2048, TICK_MS = 200, DATAGRAMS_A_TURN = 8 };

struct slot {
    int fd; /* -1 = free */
    struct sim_device *device;
    size_t tag;
    uint64_t due;
    size_t heap_at;
    size_t number; /* of this slot */
    int epoll;     /* the loop's, to move to another socket */
};

struct loop {
    int epoll;
    struct slot *slots;
    size_t *heap; /* slot numbers, earliest first */
    size_t *free_slots;
    size_t capacity, active, free_count;
    loop_done_fn done;
    void *context;
};

/* ---- heap ---- */

static void heap_place(struct loop *loop, size_t at, size_t slot)
{
    loop->heap[at] = slot;
    loop->slots[slot].heap_at = at;
}

static void heap_swap(struct loop *loop, size_t a, size_t b)
{
    size_t slot = loop->heap[a];
    heap_place(loop, a, loop->heap[b]);
    heap_place(loop, b, slot);
}

static uint64_t heap_due(const struct loop *loop, size_t at)
{
    return loop->slots[loop->heap[at]].due;
}

static void heap_settle(struct loop *loop, size_t at)
{
    while (at > 0 && heap_due(loop, at) < heap_due(loop, (at - 1) / 2)) {
        heap_swap(loop, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= loop->active)
            return;
        if (child + 1 < loop->active && heap_due(loop, child + 1) < heap_due(loop, child))
            child++;
        if (heap_due(loop, at) <= heap_due(loop, child))
            return;
        heap_swap(loop, at, child);
        at = child;
    }
}

static void heap_remove(struct loop *loop, size_t slot)
{
    size_t at = loop->slots[slot].heap_at;
    loop->active--;
    if (at == loop->active)
        return;
    heap_place(loop, at, loop->heap[loop->active]);
    heap_settle(loop, at);
}

/* ---- slots ---- */

static void send_on_socket(void *context, struct bytes datagram)
{
    const struct slot *slot = context;
    /* A datagram that the kernel does not take is lost like any other. */
    (void)!send(slot->fd, datagram.data, datagram.len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int open_socket(const struct loop_address *server, const struct loop_address *local)
{
    int fd = socket(server->address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if ((local->len == 0 || bind(fd, (const struct sockaddr *)&local->address, local->len) == 0) &&
        connect(fd, (const struct sockaddr *)&server->address, server->len) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* Another port of the same host. Where that fails, the device stays where it is. */
static void move_socket(void *context)
{
    struct slot *slot = context;
    struct loop_address server = {.len = sizeof server.address};
    struct loop_address local = {.len = sizeof local.address};
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = slot->number};

    if (getpeername(slot->fd, (struct sockaddr *)&server.address, &server.len) != 0 ||
        getsockname(slot->fd, (struct sockaddr *)&local.address, &local.len) != 0)
        return;
    if (local.address.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&local.address)->sin6_port = 0;
    else
        ((struct sockaddr_in *)&local.address)->sin_port = 0;
    int fd = open_socket(&server, &local);
    if (fd < 0)
        return;
    if (epoll_ctl(slot->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        close(fd);
        return;
    }
    close(slot->fd);
    slot->fd = fd;
}

static void release(struct loop *loop, size_t number)
{
    struct slot *slot = &loop->slots[number];
    heap_remove(loop, number);
    close(slot->fd);
    sim_device_free(slot->device);
    *slot = (struct slot){.fd = -1};
    loop->free_slots[loop->free_count++] = number;
}

/* True when the device is over and gone. */
static bool look_after(struct loop *loop, size_t number)
{
    struct slot *slot = &loop->slots[number];
    if (sim_device_over(slot->device)) {
        struct sim_device *device = slot->device;
        size_t tag = slot->tag;
        slot->device = NULL;
        release(loop, number);
        loop->done(loop->context, loop, device, tag);
        sim_device_free(device);
        return true;
    }
    slot->due = sim_device_next(slot->device);
    heap_settle(loop, slot->heap_at);
    return false;
}

enum err_code loop_add(struct loop *loop, const struct sim_config *config,
                       const struct loop_address *server, const struct loop_address *local,
                       size_t tag, struct err *err)
{
    if (loop->free_count == 0)
        return err_set(err, ERR_BUSY, "no more than %zu devices at once", loop->capacity);
    size_t number = loop->free_slots[loop->free_count - 1];
    struct slot *slot = &loop->slots[number];
    int fd = open_socket(server, local);
    if (fd < 0)
        return err_set(err, ERR_IO, "cannot open a socket to the server (%s)", strerror(errno));
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = number};
    struct sim_config own = *config;
    own.move = move_socket;
    enum err_code result = sim_device_new(&own, send_on_socket, slot, &slot->device, err);
    if (result == ERR_OK && epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        result = err_set(err, ERR_IO, "cannot wait for a socket (%s)", strerror(errno));
    if (result != ERR_OK) {
        close(fd);
        sim_device_free(slot->device);
        slot->device = NULL;
        return result;
    }
    loop->free_count--;
    slot->fd = fd;
    slot->tag = tag;
    slot->number = number;
    slot->epoll = loop->epoll;
    sim_device_start(slot->device, clock_monotonic_ms());
    slot->due = sim_device_over(slot->device) ? 0 : sim_device_next(slot->device);
    heap_place(loop, loop->active++, number);
    heap_settle(loop, slot->heap_at);
    return ERR_OK;
}

static void receive_on(struct loop *loop, size_t number)
{
    uint8_t datagram[DATAGRAM_MAX];
    for (int turn = 0; turn < DATAGRAMS_A_TURN; turn++) {
        struct slot *slot = &loop->slots[number];
        if (slot->fd < 0)
            return;
        ssize_t len = recv(slot->fd, datagram, sizeof datagram, MSG_DONTWAIT);
        if (len < 0)
            return;
        sim_device_receive(slot->device, bytes_of(datagram, (size_t)len), clock_monotonic_ms());
        if (look_after(loop, number))
            return;
    }
}

static void expire_due(struct loop *loop)
{
    uint64_t now = clock_monotonic_ms();
    while (loop->active > 0 && heap_due(loop, 0) <= now) {
        size_t number = loop->heap[0];
        sim_device_expire(loop->slots[number].device, now);
        (void)look_after(loop, number);
    }
}

static int wait_ms(const struct loop *loop)
{
    uint64_t now = clock_monotonic_ms(), due = heap_due(loop, 0);
    if (due <= now)
        return 0;
    return due - now < TICK_MS ? (int)(due - now) : TICK_MS;
}

void loop_run(struct loop *loop, const volatile int *stop,
              void (*tick)(void *context, struct loop *loop))
{
    struct epoll_event events[EVENTS];
    uint64_t next_tick = 0;
    while (loop->active > 0 && !*stop) {
        int count = epoll_wait(loop->epoll, events, EVENTS, wait_ms(loop));
        for (int i = 0; i < count; i++)
            receive_on(loop, events[i].data.u64);
        expire_due(loop);
        if (tick != NULL && clock_monotonic_ms() >= next_tick) {
            tick(loop->context, loop);
            next_tick = clock_monotonic_ms() + TICK_MS;
        }
    }
}

enum err_code loop_new(size_t capacity, loop_done_fn done, void *context, struct loop **out,
                       struct err *err)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    *loop = (struct loop){.epoll = epoll_create1(EPOLL_CLOEXEC),
                          .slots = calloc(capacity, sizeof *loop->slots),
                          .heap = calloc(capacity, sizeof *loop->heap),
                          .free_slots = calloc(capacity, sizeof *loop->free_slots),
                          .capacity = capacity,
                          .done = done,
                          .context = context};
    if (loop->epoll < 0 || loop->slots == NULL || loop->heap == NULL || loop->free_slots == NULL) {
        loop->capacity = 0;
        loop_free(loop);
        return err_set(err, ERR_NO_MEMORY, "no room for %zu devices at once", capacity);
    }
    for (size_t i = 0; i < capacity; i++) {
        loop->slots[i].fd = -1;
        loop->free_slots[loop->free_count++] = capacity - 1 - i;
    }
    *out = loop;
    return ERR_OK;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    for (size_t i = 0; i < loop->capacity; i++) {
        if (loop->slots[i].fd >= 0)
            close(loop->slots[i].fd);
        sim_device_free(loop->slots[i].device);
    }
    if (loop->epoll >= 0)
        close(loop->epoll);
    free(loop->slots);
    free(loop->heap);
    free(loop->free_slots);
    free(loop);
}

size_t loop_active(const struct loop *loop)
{
    return loop->active;
}

const struct sim_device *loop_device(const struct loop *loop, size_t slot)
{
    return slot < loop->capacity ? loop->slots[slot].device : NULL;
}
