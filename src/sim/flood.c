/* Forged ClientHellos: a few wildcard sockets, the source address told with each datagram. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "flood_priv.h"

#include "usher/clock.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PORTS = 16,
    BATCH = 64,
    HELLO_MAX = 160,
    RANDOM_AT = 27, /* of the hello: 13 bytes of record, 12 of handshake, 2 of version */
    RANDOM_LEN = 32,
    COOKIE_LEN = 32,
    SMALL_BUFFER = 4096, /* answers that nobody reads are soon dropped */
    LARGE_BUFFER = 4 << 20,
    PAUSE_US = 500,     /* when ahead of the rate */
    SILENCE_MS = 50,    /* then what was not answered counts as lost */
    FIRST_ADDRESS = 256 /* 127.0.1.0 */
};

struct flood {
    const struct flood_config *config;
    struct flood_result *result;
    int fds[PORTS];
    size_t ports;
    uint32_t addresses; /* on each port */
    uint64_t random, batches, unanswered;
    struct sockaddr_in server;
    uint8_t hello[HELLO_MAX];
    size_t hello_len;
    struct mmsghdr headers[BATCH];
    struct iovec vectors[BATCH];
    uint8_t data[BATCH][HELLO_MAX];
    alignas(struct cmsghdr) uint8_t control[BATCH][CMSG_SPACE(sizeof(struct in_pktinfo))];
};

/* SplitMix64: any seed will do. */
static uint64_t draw(struct flood *flood)
{
    uint64_t z = flood->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A ClientHello (RFC 6347 section 4.2.1) that offers TLS_PSK_WITH_AES_128_CCM_8. */
static void make_hello(struct flood *flood)
{
    static const uint8_t tail[] = {0, 4, 0xc0, 0xa8, 0, 0xff, 1, 0, /* suites, no compression */
                                   0, 8, 0,    22,   0, 0,    0, 23, 0, 0};
    uint8_t *hello = flood->hello;
    size_t cookie_len = flood->config->with_cookie ? COOKIE_LEN : 0;
    size_t body = 2 + RANDOM_LEN + 1 + 1 + cookie_len + sizeof tail;
    const uint8_t head[] = {22,
                            0xfe,
                            0xfd,
                            0,
                            0,
                            0,
                            0,
                            0,
                            0,
                            0,
                            0,
                            0,
                            (uint8_t)(12 + body),
                            1,
                            0,
                            0,
                            (uint8_t)body,
                            0,
                            0,
                            0,
                            0,
                            0,
                            0,
                            0,
                            (uint8_t)body,
                            0xfe,
                            0xfd};
    size_t at = sizeof head + RANDOM_LEN;
    static_assert(sizeof head == RANDOM_AT, "the random follows the version");

    memcpy(hello, head, sizeof head);
    hello[at++] = 0; /* session id */
    hello[at++] = (uint8_t)cookie_len;
    at += cookie_len;
    memcpy(hello + at, tail, sizeof tail);
    flood->hello_len = at + sizeof tail;
}

static void prepare(struct flood *flood)
{
    memcpy(&flood->server, &flood->config->server.address, sizeof flood->server);
    make_hello(flood);
    for (size_t i = 0; i < BATCH; i++) {
        memcpy(flood->data[i], flood->hello, flood->hello_len);
        flood->vectors[i] = (struct iovec){flood->data[i], flood->hello_len};
        flood->headers[i].msg_hdr = (struct msghdr){
            .msg_name = &flood->server,
            .msg_namelen = sizeof flood->server,
            .msg_iov = &flood->vectors[i],
            .msg_iovlen = 1,
            .msg_control = flood->control[i],
            .msg_controllen = sizeof flood->control[i],
        };
        struct cmsghdr *control = CMSG_FIRSTHDR(&flood->headers[i].msg_hdr);
        control->cmsg_level = IPPROTO_IP;
        control->cmsg_type = IP_PKTINFO;
        control->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
    }
}

static bool open_sockets(struct flood *flood)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    int size = flood->config->await > 0 ? LARGE_BUFFER : SMALL_BUFFER;

    for (size_t i = 0; i < flood->ports; i++) {
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        flood->fds[i] = fd;
        if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof any) != 0)
            return false;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    return true;
}

static void close_sockets(struct flood *flood)
{
    for (size_t i = 0; i < flood->ports; i++)
        if (flood->fds[i] >= 0)
            close(flood->fds[i]);
}

/* One hello of a batch: with an address and a random of its own. */
static void forge(struct flood *flood, size_t at)
{
    struct in_pktinfo info = {0};
    uint32_t address = (uint32_t)((flood->batches / flood->ports * BATCH + at) % flood->addresses);
    uint8_t *random = flood->data[at] + RANDOM_AT;

    info.ipi_spec_dst.s_addr = htonl((IN_LOOPBACKNET << 24) + FIRST_ADDRESS + address);
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&flood->headers[at].msg_hdr)), &info, sizeof info);
    for (size_t i = 0; i < RANDOM_LEN; i += sizeof(uint64_t)) {
        uint64_t word = draw(flood);
        memcpy(random + i, &word, sizeof word);
    }
    if (flood->config->with_cookie)
        memcpy(random + RANDOM_LEN + 2, random, COOKIE_LEN);
}

static void send_batch(struct flood *flood, size_t count)
{
    int fd = flood->fds[flood->batches % flood->ports];

    for (size_t i = 0; i < count; i++)
        forge(flood, i);
    flood->batches++;
    int sent = sendmmsg(fd, flood->headers, (unsigned)count, 0);
    if (sent <= 0) /* the kernel has no room: as if they had been lost on the way */
        return;
    flood->result->sent += (uint64_t)sent;
    flood->unanswered += (uint64_t)sent;
}

/* Counts what has come; waits a little when it was nothing, and no more for what is lost. */
static void take_answers(struct flood *flood)
{
    struct pollfd ready[PORTS];
    uint8_t byte;
    uint64_t before = flood->result->answered;

    for (size_t i = 0; i < flood->ports; i++) {
        ready[i] = (struct pollfd){.fd = flood->fds[i], .events = POLLIN};
        while (recv(flood->fds[i], &byte, sizeof byte, MSG_DONTWAIT | MSG_TRUNC) >= 0)
            flood->result->answered++;
    }
    uint64_t came = flood->result->answered - before;
    flood->unanswered -= came < flood->unanswered ? came : flood->unanswered;
    if (came == 0 && poll(ready, flood->ports, SILENCE_MS) == 0)
        flood->unanswered = 0;
}

/* How many may go now; 0 = none yet. */
static uint64_t allowed(const struct flood *flood, uint64_t elapsed_us)
{
    const struct flood_config *config = flood->config;
    uint64_t sent = flood->result->sent, most = BATCH;

    if (config->rate > 0) {
        uint64_t due = elapsed_us * config->rate / 1000000;
        most = due > sent ? due - sent : 0;
    }
    if (config->count > 0 && most > config->count - sent)
        most = config->count - sent;
    if (config->await > 0 && most > config->await - flood->unanswered)
        most = config->await - flood->unanswered;
    return most < BATCH ? most : BATCH;
}

static void run(struct flood *flood, const volatile int *stop)
{
    const struct flood_config *config = flood->config;
    uint64_t started = clock_monotonic_us(), elapsed = 0;

    while (!*stop && elapsed < config->duration_ms * UINT64_C(1000) &&
           (config->count == 0 || flood->result->sent < config->count ||
            (config->await > 0 && flood->unanswered > 0))) {
        uint64_t count = allowed(flood, elapsed);
        if (count > 0)
            send_batch(flood, (size_t)count);
        if (config->await > 0)
            take_answers(flood);
        else if (count < BATCH)
            usleep(PAUSE_US);
        elapsed = clock_monotonic_us() - started;
    }
    flood->result->seconds = (double)elapsed / 1e6;
}

static bool on_loopback(const struct loop_address *server)
{
    struct sockaddr_in address;

    if (server->address.ss_family != AF_INET)
        return false;
    memcpy(&address, &server->address, sizeof address);
    return ntohl(address.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

enum err_code flood_run(const struct flood_config *config, const volatile int *stop,
                        struct flood_result *out, struct err *err)
{
    enum err_code code = ERR_OK;

    *out = (struct flood_result){0};
    if (!on_loopback(&config->server))
        return err_set(err, ERR_DENIED, "a flood goes to 127.0.0.0/8 only, never onto a network");
    struct flood *flood = calloc(1, sizeof *flood);
    if (flood == NULL)
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    flood->config = config;
    flood->result = out;
    flood->random = config->seed;
    flood->ports = config->sources < PORTS ? config->sources : PORTS;
    flood->addresses = config->sources / (uint32_t)flood->ports;
    for (size_t i = 0; i < PORTS; i++)
        flood->fds[i] = -1;
    prepare(flood);
    if (open_sockets(flood))
        run(flood, stop);
    else
        code = err_set(err, ERR_IO, "cannot open sockets (%s)", strerror(errno));
    close_sockets(flood);
    free(flood);
    return code;
}
