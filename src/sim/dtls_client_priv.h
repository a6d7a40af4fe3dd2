/* A DTLS 1.2 client with a pre-shared key or a certificate, without socket and clock. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_SIM_DTLS_CLIENT_PRIV_H
#define USHER_SIM_DTLS_CLIENT_PRIV_H

#include "usher/bytes.h"
#include "usher/err.h"

struct dtls_client;

struct dtls_client_config {
    struct bytes identity, key;
    /* Files in PEM instead; authorities NULL = none of these. */
    const char *certificate, *certificate_key, *authorities, *server_name;
    uint16_t cipher; /* of PSK; of certificates the same AES; 0 = all */
    bool cid;        /* ask for Connection IDs */
    uint8_t cid_len; /* of our own; 0 = the server's records need none */
    uint32_t handshake_min_ms, handshake_max_ms;
    void (*random)(void *context, void *data, size_t len);
    void *random_context;
    void (*send)(void *context, struct bytes datagram);
    void (*received)(void *context, struct bytes plain); /* application data */
    void *context;
};

enum dtls_client_state {
    DTLS_CLIENT_HANDSHAKE,
    DTLS_CLIENT_OPEN,
    DTLS_CLIENT_TIMED_OUT, /* the handshake's last retransmission was in vain */
    DTLS_CLIENT_ALERT,     /* the server sent a fatal alert */
    DTLS_CLIENT_CLOSED,    /* the server sent close_notify */
    DTLS_CLIENT_ERROR,
};

enum err_code dtls_client_new(const struct dtls_client_config *config, struct dtls_client **out,
                              struct err *err);
void dtls_client_free(struct dtls_client *client); /* wipes; NULL accepted */

/* Each of these may call send and received. */
enum dtls_client_state dtls_client_start(struct dtls_client *client, uint64_t now);
enum dtls_client_state dtls_client_receive(struct dtls_client *client, struct bytes datagram,
                                           uint64_t now);
enum dtls_client_state dtls_client_expire(struct dtls_client *client, uint64_t now);
uint64_t dtls_client_next(const struct dtls_client *client); /* UINT64_MAX = no timer */
bool dtls_client_send(struct dtls_client *client, struct bytes plain);
void dtls_client_close(struct dtls_client *client); /* close_notify */

enum dtls_client_state dtls_client_state(const struct dtls_client *client);
uint8_t dtls_client_alert(const struct dtls_client *client); /* when DTLS_CLIENT_ALERT */
int dtls_client_error(const struct dtls_client *client); /* the library's, when DTLS_CLIENT_ERROR */
/* Records to the server carry its Connection ID. */
bool dtls_client_has_cid(struct dtls_client *client);
const char *dtls_client_cipher(const struct dtls_client *client); /* agreed suite, or "" */
const char *dtls_alert_name(uint8_t alert); /* "bad_record_mac"; "" when unknown */

#endif
