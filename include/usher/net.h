/* SPDX-License-Identifier: Apache-2.0 */
/* module: base */
/* Internet addresses as plain zero-padded values that can be compared, hashed and logged. */
#ifndef USHER_NET_H
#define USHER_NET_H

#include "usher/bytes.h"

#include <sys/socket.h>

struct net_address {
    uint8_t family; /* 4 or 6; 0 = none */
    uint8_t zero;
    uint16_t port;  /* host order */
    uint32_t scope; /* IPv6 link-local interface */
    uint8_t ip[16]; /* IPv4 in the first four; the rest zero */
};

/* Both ends of a datagram's way. Zero-padded: hashed and compared as bytes. */
struct net_path {
    struct net_address local; /* the address it was sent to, also on a wildcard socket */
    struct net_address remote;
    uint32_t listener; /* index of the listening socket */
    uint32_t zero;
};

/* All addresses that begin with the same bits. */
struct net_prefix {
    struct net_address network; /* no port, no scope; zero behind the bits */
    uint8_t bits;
};

enum { NET_TEXT_SIZE = 64 };

/* IPv4-mapped IPv6 addresses stay as they are. False: another family. */
bool net_from_sockaddr(const struct sockaddr *address, struct net_address *out);
socklen_t net_to_sockaddr(const struct net_address *address, struct sockaddr_storage *out);
/* "192.0.2.1:5684", "[2001:db8::1]:5684"; without the port when with_port is false; a mapped IPv4
 * address is written as IPv4. */
void net_text(const struct net_address *address, bool with_port, char out[static NET_TEXT_SIZE]);
bool net_path_equal(const struct net_path *a, const struct net_path *b);
bool net_is_loopback(const struct net_address *address);
/* "192.0.2.0/24", "2001:db8::/32", or an address alone. False: neither, or bits behind the prefix
 * are set, as in 192.0.2.1/24. */
bool net_prefix_parse(const char *text, struct net_prefix *out);
bool net_prefix_contains(const struct net_prefix *prefix, const struct net_address *address);

#endif
