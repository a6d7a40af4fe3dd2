/* SPDX-License-Identifier: Apache-2.0 */
/* The stateless cookie gate (RFC 6347 section 4.2.1): stands before any DTLS context. */
#ifndef USHER_GATE_PRIV_H
#define USHER_GATE_PRIV_H

#include "usher/endpoint.h"

struct gate;

enum gate_verdict {
    GATE_MALFORMED, /* not a whole ClientHello in one record: drop */
    GATE_CHALLENGE, /* no cookie, or a stale one: `reply` holds a HelloVerifyRequest */
    GATE_PASS,      /* the cookie is ours, made for this path and these parameters */
};

enum { GATE_RANDOM_SIZE = 32, GATE_REPLY_MAX = 64, GATE_SECRET_LIFE_MS = 60000 };

struct gate_hello {
    const uint8_t *random; /* 32 bytes, in the datagram */
    size_t record_len;     /* of the first record with its header */
    bool had_cookie;
};

struct gate *gate_new(uint64_t now); /* NULL: no memory */
void gate_free(struct gate *gate);
/* True when the datagram starts with an epoch-0 handshake record whose first message is a
 * ClientHello, whole or not. */
bool gate_is_hello(struct bytes datagram);
/* `reply` (never longer than the datagram, I5) is filled for CHALLENGE. */
enum gate_verdict gate_check(struct gate *gate, const struct net_path *path, struct bytes datagram,
                             uint64_t now, struct gate_hello *hello, struct buf *reply);

#endif
