/* SPDX-License-Identifier: Apache-2.0 */
/* module: endpoint */
/* The sockets of one worker: batched receive and send, answers leave from the address that was
 * asked (trap 7), SO_REUSEPORT so that workers share a port. One thread.
 *
 * Where the system allows, a filter shares the datagrams out: records with a Connection ID to the
 * worker that its first byte names, ClientHellos to sockets of their own, so that a flood of them
 * fills only its own buffer. docs/endpoint.md says more. */
#ifndef USHER_UDP_H
#define USHER_UDP_H

#include "usher/err.h"
#include "usher/net.h"

struct udp;

struct udp_listener {
    struct sockaddr_storage address; /* port 0 = any; the port found is written back by udp_open */
    socklen_t address_len;
    /* With several openers of one listener: which one this is, and how many. All open in this
     * order, the first with 0, and none closes before the end. workers 0 = no filter. */
    uint32_t worker, workers;
    bool steered; /* written back by worker 0 for the others: the filter is in place */
};

/* Opens one socket a listener, or two: records, then ClientHellos. ERR_IO, ERR_EXISTS (in use),
 * ERR_DENIED: err names the address. */
enum err_code udp_open(struct udp_listener *listeners, size_t count, struct udp **out,
                       struct err *err);
/* True when nobody listens there yet: SO_REUSEPORT alone would share the port with another usherd.
 */
bool udp_probe(const struct udp_listener *listener, struct err *err);
void udp_close(struct udp *udp);         /* NULL accepted */
size_t udp_count(const struct udp *udp); /* of sockets */
int udp_fd(const struct udp *udp, size_t index);
bool udp_for_hellos(const struct udp *udp, size_t index);
/* Reads one batch; true when there may be more. */
bool udp_receive(struct udp *udp, size_t index,
                 void (*each)(void *context, const struct net_path *path, struct bytes datagram),
                 void *context);
/* Queues a copy; sent when the queue is full or by udp_flush. What the kernel does not take is
 * dropped and counted: the protocols above repeat. */
void udp_send(struct udp *udp, const struct net_path *path, struct bytes datagram);
void udp_flush(struct udp *udp);
uint64_t udp_dropped(const struct udp *udp);

#endif
