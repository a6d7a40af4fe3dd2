/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets of one worker. */
#include "usher/udp.h"

#include "steering_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 32, DATAGRAM_MAX = 2048, CONTROL_SIZE = 64, RECEIVE_BUFFER = 4 << 20 };

struct outgoing {
    int fd;
    struct sockaddr_storage to;
    struct iovec vector;
    uint8_t control[CONTROL_SIZE] __attribute__((aligned(8)));
    uint8_t data[DATAGRAM_MAX];
};

struct udp_socket {
    int fd; /* -1 = not open */
    uint32_t listener;
    bool for_hellos;
    bool wildcard;            /* only then does each datagram tell where it was sent to */
    struct net_address local; /* bound to; of a wildcard only the port counts */
};

struct udp {
    size_t count;
    struct udp_socket *sockets;
    uint32_t *by_listener; /* index of the socket that a listener sends from */
    size_t listener_count;
    struct mmsghdr in_headers[BATCH];
    struct iovec in_vectors[BATCH];
    struct sockaddr_storage in_from[BATCH];
    uint8_t in_control[BATCH][CONTROL_SIZE] __attribute__((aligned(8)));
    uint8_t in_data[BATCH][DATAGRAM_MAX + 1]; /* one more: a longer datagram shows */
    struct outgoing out[BATCH];
    struct mmsghdr out_headers[BATCH];
    size_t out_count;
    uint64_t dropped;
};

/* ---- opening ---- */

static bool set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

static bool is_wildcard(const struct net_address *address)
{
    static const uint8_t any[sizeof address->ip];

    return memcmp(address->ip, any, sizeof any) == 0;
}

static bool configure(int fd, int family)
{
    /* The forced form passes the system's limit and needs a privilege: best effort, in this order.
     */
    if (!set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER))
        set_option(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER);
    if (!set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1))
        return false;
    return family != AF_INET6 || set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
}

static bool ask_for_local_address(int fd, int family)
{
    if (family == AF_INET6)
        return set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    return set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
}

static enum err_code open_error(const struct udp_listener *listener, struct err *err)
{
    int cause = errno;
    struct net_address address;
    char text[NET_TEXT_SIZE] = "?";

    if (net_from_sockaddr((const struct sockaddr *)&listener->address, &address))
        net_text(&address, true, text);
    if (cause == EADDRINUSE)
        return err_set(err, ERR_EXISTS,
                       "cannot listen on %s: the port is in use by another program; stop it or "
                       "choose another port",
                       text);
    if (cause == EACCES)
        return err_set(err, ERR_DENIED,
                       "cannot listen on %s: not allowed; ports below 1024 need a privilege", text);
    if (cause == EADDRNOTAVAIL)
        return err_set(err, ERR_IO, "cannot listen on %s: this machine has no such address", text);
    return err_set(err, ERR_IO, "cannot listen on %s (%s)", text, strerror(cause));
}

/* SO_REUSEPORT lets a second usherd of the same user share the port and steal half of the devices.
 * A socket without that option finds out whether somebody is there already. */
static bool probe_free(const struct udp_listener *listener)
{
    int fd = socket(listener->address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return false;
    if (listener->address.ss_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    int result = bind(fd, (const struct sockaddr *)&listener->address, listener->address_len);
    int cause = errno;
    close(fd);
    errno = cause;
    return result == 0;
}

bool udp_probe(const struct udp_listener *listener, struct err *err)
{
    if (probe_free(listener))
        return true;
    open_error(listener, err);
    return false;
}

static enum err_code open_one(struct udp_listener *listener, struct udp_socket *out,
                              struct err *err)
{
    int family = listener->address.ss_family;
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return open_error(listener, err);
    out->fd = fd;
    if (!configure(fd, family) ||
        bind(fd, (const struct sockaddr *)&listener->address, listener->address_len) != 0 ||
        getsockname(fd, (struct sockaddr *)&listener->address, &listener->address_len) != 0 ||
        !net_from_sockaddr((const struct sockaddr *)&listener->address, &out->local))
        return open_error(listener, err);
    out->wildcard = is_wildcard(&out->local);
    if (out->wildcard && !ask_for_local_address(fd, family))
        return open_error(listener, err);
    return ERR_OK;
}

/* The order in which sockets of one port are bound is what the steering program counts by. */
static enum err_code open_listener(struct udp *udp, uint32_t index, struct udp_listener *listener,
                                   struct err *err)
{
    struct udp_socket *records = &udp->sockets[udp->count];

    *records = (struct udp_socket){.fd = -1, .listener = index};
    udp->by_listener[index] = (uint32_t)udp->count++;
    enum err_code code = open_one(listener, records, err);
    if (code != ERR_OK || listener->workers == 0)
        return code;
    if (listener->worker == 0)
        listener->steered = steering_attach(records->fd, listener->workers);
    if (!listener->steered)
        return ERR_OK;
    struct udp_socket *hellos = &udp->sockets[udp->count++];
    *hellos = (struct udp_socket){.fd = -1, .listener = index, .for_hellos = true};
    return open_one(listener, hellos, err);
}

static void prepare_batches(struct udp *udp)
{
    for (size_t i = 0; i < BATCH; i++) {
        udp->in_vectors[i] = (struct iovec){udp->in_data[i], sizeof udp->in_data[i]};
        udp->in_headers[i].msg_hdr = (struct msghdr){
            .msg_name = &udp->in_from[i],
            .msg_iov = &udp->in_vectors[i],
            .msg_iovlen = 1,
            .msg_control = udp->in_control[i],
        };
        /* Not less than a byte on each page, so that all of it is resident from now on: the first
         * flood, which fills whole batches, shall take no memory. */
        udp->in_data[i][0] = udp->in_data[i][DATAGRAM_MAX] = 1;
        udp->out[i].data[0] = udp->out[i].data[DATAGRAM_MAX - 1] = 1;
    }
}

enum err_code udp_open(struct udp_listener *listeners, size_t count, struct udp **out,
                       struct err *err)
{
    struct udp *udp = calloc(1, sizeof *udp);
    enum err_code code = ERR_OK;

    if (udp == NULL)
        return err_set(err, ERR_NO_MEMORY, "sockets: out of memory");
    udp->sockets = calloc(count * STEERING_KINDS, sizeof *udp->sockets);
    udp->by_listener = calloc(count, sizeof *udp->by_listener);
    if (udp->sockets == NULL || udp->by_listener == NULL) {
        udp_close(udp);
        return err_set(err, ERR_NO_MEMORY, "sockets: out of memory");
    }
    udp->listener_count = count;
    for (size_t i = 0; i < count && code == ERR_OK; i++)
        code = open_listener(udp, (uint32_t)i, &listeners[i], err);
    if (code != ERR_OK) {
        udp_close(udp);
        return code;
    }
    prepare_batches(udp);
    *out = udp;
    return ERR_OK;
}

void udp_close(struct udp *udp)
{
    if (udp == NULL)
        return;
    for (size_t i = 0; i < udp->count; i++)
        if (udp->sockets[i].fd >= 0)
            close(udp->sockets[i].fd);
    free(udp->sockets);
    free(udp->by_listener);
    free(udp);
}

size_t udp_count(const struct udp *udp)
{
    return udp->count;
}

int udp_fd(const struct udp *udp, size_t index)
{
    return udp->sockets[index].fd;
}

bool udp_for_hellos(const struct udp *udp, size_t index)
{
    return udp->sockets[index].for_hellos;
}

uint64_t udp_dropped(const struct udp *udp)
{
    return udp->dropped;
}

/* ---- receiving ---- */

/* The address that the datagram was sent to (trap 7). */
static bool told_address(struct msghdr *header, uint16_t port, struct net_address *out)
{
    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control != NULL;
         control = CMSG_NXTHDR(header, control)) {
        if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(control), sizeof info);
            *out = (struct net_address){.family = 4, .port = port};
            memcpy(out->ip, &info.ipi_addr, 4);
            return true;
        }
        if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(control), sizeof info);
            *out = (struct net_address){.family = 6, .port = port};
            memcpy(out->ip, &info.ipi6_addr, 16);
            if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
                out->scope = info.ipi6_ifindex;
            return true;
        }
    }
    return false;
}

static bool local_address(const struct udp_socket *socket, struct msghdr *header,
                          struct net_address *out)
{
    if (socket->wildcard)
        return told_address(header, socket->local.port, out);
    *out = socket->local;
    return true;
}

bool udp_receive(struct udp *udp, size_t index,
                 void (*each)(void *context, const struct net_path *path, struct bytes datagram),
                 void *context)
{
    const struct udp_socket *socket = &udp->sockets[index];

    for (size_t i = 0; i < BATCH; i++) {
        udp->in_headers[i].msg_hdr.msg_namelen = sizeof udp->in_from[i];
        udp->in_headers[i].msg_hdr.msg_controllen = socket->wildcard ? CONTROL_SIZE : 0;
    }
    int count = recvmmsg(socket->fd, udp->in_headers, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) {
        struct net_path path = {.listener = socket->listener};
        struct mmsghdr *header = &udp->in_headers[i];
        if (net_from_sockaddr((const struct sockaddr *)&udp->in_from[i], &path.remote) &&
            local_address(socket, &header->msg_hdr, &path.local))
            each(context, &path, bytes_of(udp->in_data[i], header->msg_len));
    }
    return count == BATCH;
}

/* ---- sending ---- */

static void set_source(struct msghdr *header, const struct net_address *local, uint8_t *memory)
{
    struct cmsghdr *control;

    memset(memory, 0, CONTROL_SIZE);
    header->msg_control = memory;
    header->msg_controllen = CONTROL_SIZE;
    control = CMSG_FIRSTHDR(header);
    if (local->family == 4) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, local->ip, 4);
        control->cmsg_level = IPPROTO_IP;
        control->cmsg_type = IP_PKTINFO;
        control->cmsg_len = CMSG_LEN(sizeof info);
        memcpy(CMSG_DATA(control), &info, sizeof info);
        header->msg_controllen = CMSG_SPACE(sizeof info);
    } else {
        struct in6_pktinfo info = {.ipi6_ifindex = local->scope};
        memcpy(&info.ipi6_addr, local->ip, 16);
        control->cmsg_level = IPPROTO_IPV6;
        control->cmsg_type = IPV6_PKTINFO;
        control->cmsg_len = CMSG_LEN(sizeof info);
        memcpy(CMSG_DATA(control), &info, sizeof info);
        header->msg_controllen = CMSG_SPACE(sizeof info);
    }
}

void udp_send(struct udp *udp, const struct net_path *path, struct bytes datagram)
{
    if (datagram.len > DATAGRAM_MAX || path->listener >= udp->listener_count) {
        udp->dropped++;
        return;
    }
    if (udp->out_count == BATCH)
        udp_flush(udp);
    size_t index = udp->out_count++;
    struct outgoing *out = &udp->out[index];
    struct msghdr *header = &udp->out_headers[index].msg_hdr;
    const struct udp_socket *socket = &udp->sockets[udp->by_listener[path->listener]];
    out->fd = socket->fd;
    memcpy(out->data, datagram.data, datagram.len);
    out->vector = (struct iovec){out->data, datagram.len};
    *header = (struct msghdr){
        .msg_name = &out->to,
        .msg_namelen = net_to_sockaddr(&path->remote, &out->to),
        .msg_iov = &out->vector,
        .msg_iovlen = 1,
    };
    if (socket->wildcard)
        set_source(header, &path->local, out->control);
}

void udp_flush(struct udp *udp)
{
    size_t at = 0;

    while (at < udp->out_count) {
        size_t end = at + 1;
        while (end < udp->out_count && udp->out[end].fd == udp->out[at].fd)
            end++;
        int sent =
            sendmmsg(udp->out[at].fd, udp->out_headers + at, (unsigned)(end - at), MSG_DONTWAIT);
        if (sent <= 0) { /* the first of them cannot be sent: leave it out, go on with the next */
            udp->dropped++;
            at++;
        } else {
            at += (size_t)sent;
        }
    }
    udp->out_count = 0;
}
