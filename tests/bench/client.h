/* A device of the load: a DTLS client that answers whatever it is asked with success. It checks no
 * more of the answers than that they are there: its own CPU time must stay small. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include "bench_tls.h"
#include "net.h"

#include <stdio.h>

/* What all clients share. */
struct client_world {
    struct bench_tls *tls;
    struct net *net;
    uint64_t now_ms;
    FILE *record; /* requests of the server in hexadecimal, or NULL */
};

enum client_state {
    CLIENT_IDLE, /* not started, or stopped */
    CLIENT_HANDSHAKE,
    CLIENT_OPEN,
    CLIENT_DONE, /* bootstrapped */
    CLIENT_FAILED,
};

struct client {
    struct client_world *world;
    enum client_state state;
    bool bootstraps; /* else it stays open and says nothing by itself */
    char name[BENCH_NAME_SIZE];
    unsigned source;
    unsigned answers; /* to client_ask */
    uint16_t next_id;
    uint64_t intermediate_ms, final_ms; /* flight timer; 0 = not armed */
    const unsigned char *input;         /* the datagram at hand */
    size_t input_len;
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config config; /* with the key of this one device */
};

/* Begins the handshake of a device. */
void client_start(struct client *client, struct client_world *world, unsigned device,
                  unsigned source, bool bootstraps);
void client_receive(struct client *client, const unsigned char *data, size_t len);
/* Sends a flight again whose time is up. */
void client_expire(struct client *client);
/* Open: asks for a resource that is not there; counted in `answers` when the answer comes. */
void client_ask(struct client *client);
/* With close_notify when it is open. */
void client_stop(struct client *client);

#endif
