/* The network of the load: one wildcard socket, the source of each datagram told by IP_PKTINFO. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "net.h"

#include "bench_tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, BUFFER = 8 << 20, FIRST = 256 /* source 0 is 127.0.1.0 */ };

struct slot {
    struct iovec vector;
    struct sockaddr_in address;
    alignas(struct cmsghdr) unsigned char control[CMSG_SPACE(sizeof(struct in_pktinfo))];
    unsigned char data[BENCH_DATAGRAM_MAX];
};

struct net {
    int fd;
    struct sockaddr_in server;
    struct mmsghdr in[BATCH], out[BATCH];
    struct slot in_slots[BATCH], out_slots[BATCH];
    unsigned out_count;
};

static void prepare(struct mmsghdr *headers, struct slot *slots)
{
    for (unsigned i = 0; i < BATCH; i++) {
        slots[i].vector = (struct iovec){slots[i].data, sizeof slots[i].data};
        headers[i].msg_hdr = (struct msghdr){
            .msg_name = &slots[i].address,
            .msg_namelen = sizeof slots[i].address,
            .msg_iov = &slots[i].vector,
            .msg_iovlen = 1,
            .msg_control = slots[i].control,
            .msg_controllen = sizeof slots[i].control,
        };
    }
}

static void set_buffer(int fd, int option, int forced)
{
    int size = BUFFER;

    if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof size) != 0)
        (void)setsockopt(fd, SOL_SOCKET, option, &size, sizeof size);
}

struct net *net_open(uint16_t port)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    struct net *net = calloc(1, sizeof *net);
    int on = 1;

    if (net == NULL)
        bench_die("out of memory");
    net->server = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    net->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (net->fd < 0 || setsockopt(net->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) != 0 ||
        bind(net->fd, (struct sockaddr *)&any, sizeof any) != 0)
        bench_die("cannot open a socket: %s", strerror(errno));
    set_buffer(net->fd, SO_RCVBUF, SO_RCVBUFFORCE);
    set_buffer(net->fd, SO_SNDBUF, SO_SNDBUFFORCE);
    prepare(net->in, net->in_slots);
    prepare(net->out, net->out_slots);
    return net;
}

void net_close(struct net *net)
{
    close(net->fd);
    free(net);
}

void net_flush(struct net *net)
{
    unsigned at = 0;

    while (at < net->out_count) {
        int sent = sendmmsg(net->fd, net->out + at, net->out_count - at, 0);
        at += sent > 0 ? (unsigned)sent : 1;
    }
    net->out_count = 0;
}

void net_send(struct net *net, unsigned source, const unsigned char *data, size_t len)
{
    struct in_pktinfo info = {.ipi_spec_dst.s_addr =
                                  htonl((IN_LOOPBACKNET << 24) + FIRST + source)};

    if (len > BENCH_DATAGRAM_MAX)
        return;
    if (net->out_count == BATCH)
        net_flush(net);
    struct slot *slot = &net->out_slots[net->out_count++];
    memcpy(slot->data, data, len);
    slot->vector.iov_len = len;
    slot->address = net->server;
    struct cmsghdr *control = CMSG_FIRSTHDR(&net->out[net->out_count - 1].msg_hdr);
    control->cmsg_level = IPPROTO_IP;
    control->cmsg_type = IP_PKTINFO;
    control->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(control), &info, sizeof info);
}

/* The address of ours that the datagram was sent to, as a source; NET_SOURCES_MAX = none. */
static unsigned source_of(struct msghdr *header)
{
    struct in_pktinfo info;
    struct cmsghdr *control = CMSG_FIRSTHDR(header);

    if (control == NULL || control->cmsg_level != IPPROTO_IP || control->cmsg_type != IP_PKTINFO)
        return NET_SOURCES_MAX;
    memcpy(&info, CMSG_DATA(control), sizeof info);
    uint32_t source = ntohl(info.ipi_addr.s_addr) - (IN_LOOPBACKNET << 24) - FIRST;
    return source < NET_SOURCES_MAX ? source : NET_SOURCES_MAX;
}

unsigned net_receive(struct net *net, int timeout_ms,
                     void (*each)(void *context, unsigned source, const unsigned char *data,
                                  size_t len),
                     void *context)
{
    for (unsigned i = 0; i < BATCH; i++) {
        net->in[i].msg_hdr.msg_namelen = sizeof net->in_slots[i].address;
        net->in[i].msg_hdr.msg_controllen = sizeof net->in_slots[i].control;
    }
    int count = recvmmsg(net->fd, net->in, BATCH, MSG_DONTWAIT, NULL);
    if (count <= 0 && timeout_ms > 0) {
        struct pollfd ready = {.fd = net->fd, .events = POLLIN};
        if (poll(&ready, 1, timeout_ms) > 0)
            count = recvmmsg(net->fd, net->in, BATCH, MSG_DONTWAIT, NULL);
    }
    for (int i = 0; i < count; i++) {
        unsigned source = source_of(&net->in[i].msg_hdr);
        if (source != NET_SOURCES_MAX)
            each(context, source, net->in_slots[i].data, net->in[i].msg_len);
    }
    return count > 0 ? (unsigned)count : 0;
}
