/* SPDX-License-Identifier: Apache-2.0 */
/* module: endpoint */
/* The sockets of one worker: batched receive and send, answers leave from the address that was
 * asked (trap 7), SO_REUSEPORT so that workers share a port. One thread. */
#ifndef USHER_UDP_H
#define USHER_UDP_H

#include "usher/err.h"
#include "usher/net.h"

struct udp;

struct udp_listener {
    struct sockaddr_storage address; /* port 0 = any; the port found is written back by udp_open */
    socklen_t address_len;
};

/* Opens a socket a listener. ERR_IO, ERR_EXISTS (in use), ERR_DENIED: err names the address. */
enum err_code udp_open(struct udp_listener *listeners, size_t count, struct udp **out,
                       struct err *err);
/* True when nobody listens there yet: SO_REUSEPORT alone would share the port with another usherd.
 */
bool udp_probe(const struct udp_listener *listener, struct err *err);
void udp_close(struct udp *udp); /* NULL accepted */
size_t udp_count(const struct udp *udp);
int udp_fd(const struct udp *udp, size_t listener);
/* Reads one batch; false when nothing was there. */
bool udp_receive(struct udp *udp, size_t listener,
                 void (*each)(void *context, const struct net_path *path, struct bytes datagram),
                 void *context);
/* Queues a copy; sent when the queue is full or by udp_flush. What the kernel does not take is
 * dropped and counted: the protocols above repeat. */
void udp_send(struct udp *udp, const struct net_path *path, struct bytes datagram);
void udp_flush(struct udp *udp);
uint64_t udp_dropped(const struct udp *udp);

#endif
