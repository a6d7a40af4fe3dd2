/* The network of the load: datagrams of very many devices over one socket. Device n sends from an
 * address of its own in 127/8, so that 50,000 of them need neither descriptors nor ports. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <stddef.h>
#include <stdint.h>

struct net;

enum { NET_SOURCES_MAX = 1 << 23 };

/* To 127.0.0.1:port. Ends the program when that fails. */
struct net *net_open(uint16_t port);
void net_close(struct net *net);
/* Goes out with the next net_flush at the latest. A datagram that the kernel refuses is lost. */
void net_send(struct net *net, unsigned source, const unsigned char *data, size_t len);
void net_flush(struct net *net);
/* Waits for at most `timeout_ms` and hands on what has come: a batch. Returns its size. */
unsigned net_receive(struct net *net, int timeout_ms,
                     void (*each)(void *context, unsigned source, const unsigned char *data,
                                  size_t len),
                     void *context);

#endif
