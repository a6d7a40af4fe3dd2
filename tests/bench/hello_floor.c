/* The other floor of scripts/bench: the least that answering a ClientHello without a cookie can be,
 * recvmmsg, one HMAC, sendmmsg. It checks nothing. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_tls.h"

#include <errno.h>
#include <mbedtls/md.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BATCH = 64,
    HELLO_MAX = 2048,
    RECEIVE_BUFFER = 4 << 20,
    RECORD_HEADER = 13,
    COOKIE_LEN = 32,
    REPLY_LEN = RECORD_HEADER + 12 + 3 + COOKIE_LEN,
};

static volatile sig_atomic_t ending;

static void end(int signal)
{
    ending = 1;
}

struct world {
    int fd;
    mbedtls_md_context_t hmac;
    struct mmsghdr in[BATCH], out[BATCH];
    struct iovec in_vectors[BATCH], out_vectors[BATCH];
    struct sockaddr_in from[BATCH];
    unsigned char hellos[BATCH][HELLO_MAX], replies[BATCH][REPLY_LEN];
};

static void open_socket(struct world *world)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int size = RECEIVE_BUFFER;

    world->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (world->fd < 0 || bind(world->fd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(world->fd, (struct sockaddr *)&address, &len) != 0)
        bench_die("cannot open a socket: %s", strerror(errno));
    if (setsockopt(world->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
        setsockopt(world->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
}

static void prepare(struct world *world)
{
    for (unsigned i = 0; i < BATCH; i++) {
        world->in_vectors[i] = (struct iovec){world->hellos[i], HELLO_MAX};
        world->out_vectors[i] = (struct iovec){world->replies[i], REPLY_LEN};
        world->in[i].msg_hdr = (struct msghdr){
            .msg_name = &world->from[i], .msg_iov = &world->in_vectors[i], .msg_iovlen = 1};
        world->out[i].msg_hdr = (struct msghdr){.msg_name = &world->from[i],
                                                .msg_namelen = sizeof world->from[i],
                                                .msg_iov = &world->out_vectors[i],
                                                .msg_iovlen = 1};
    }
}

/* A HelloVerifyRequest (RFC 6347 section 4.2.1) with the record number of the hello. */
static void answer(struct world *world, unsigned i, size_t len)
{
    static const unsigned char head[] = {22,
                                         0xfe,
                                         0xff,
                                         0,
                                         0,
                                         0,
                                         0,
                                         0,
                                         0,
                                         0,
                                         0,
                                         0,
                                         REPLY_LEN - RECORD_HEADER,
                                         3,
                                         0,
                                         0,
                                         3 + COOKIE_LEN,
                                         0,
                                         0,
                                         0,
                                         0,
                                         0,
                                         3 + COOKIE_LEN,
                                         0,
                                         0,
                                         0xfe,
                                         0xff,
                                         COOKIE_LEN};
    unsigned char *reply = world->replies[i];

    memcpy(reply, head, sizeof head);
    memcpy(reply + 5, world->hellos[i] + 5, 6);
    memcpy(reply + 17, world->hellos[i] + 17, 2);
    mbedtls_md_hmac_reset(&world->hmac);
    mbedtls_md_hmac_update(&world->hmac, (const unsigned char *)&world->from[i],
                           sizeof world->from[i]);
    mbedtls_md_hmac_update(&world->hmac, world->hellos[i] + RECORD_HEADER, len - RECORD_HEADER);
    mbedtls_md_hmac_finish(&world->hmac, reply + sizeof head);
}

static void serve(struct world *world)
{
    while (!ending) {
        for (unsigned i = 0; i < BATCH; i++)
            world->in[i].msg_hdr.msg_namelen = sizeof world->from[i];
        int count = recvmmsg(world->fd, world->in, BATCH, MSG_DONTWAIT, NULL);
        if (count <= 0) {
            poll(&(struct pollfd){.fd = world->fd, .events = POLLIN}, 1, 100);
            continue;
        }
        for (int i = 0; i < count; i++)
            if (world->in[i].msg_len > RECORD_HEADER)
                answer(world, (unsigned)i, world->in[i].msg_len);
        for (int at = 0; at < count;) {
            int sent = sendmmsg(world->fd, world->out + at, (unsigned)(count - at), MSG_DONTWAIT);
            at += sent > 0 ? sent : 1;
        }
    }
}

int main(void)
{
    static struct world world;
    static const unsigned char secret[COOKIE_LEN] = {1};
    struct sigaction action = {.sa_handler = end};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    mbedtls_md_init(&world.hmac);
    if (mbedtls_md_setup(&world.hmac, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), 1) != 0 ||
        mbedtls_md_hmac_starts(&world.hmac, secret, sizeof secret) != 0)
        bench_die("no HMAC");
    prepare(&world);
    open_socket(&world);
    serve(&world);
    close(world.fd);
    mbedtls_md_free(&world.hmac);
    return 0;
}
