/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the endpoint share: associations, exchanges, tables. */
#ifndef USHER_ENDPOINT_PRIV_H
#define USHER_ENDPOINT_PRIV_H

#include "gate_priv.h"
#include "limits_priv.h"
#include "timers_priv.h"
#include "tls_compat_priv.h"
#include "usher/endpoint.h"
#include "usher/pool.h"
#include "usher/x509.h"

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ssl.h>

enum {
    ENDPOINT_DATAGRAM_MAX = 2048,
    WAITING_DATAGRAMS_MAX = 4,
    WAITING_BYTES_MAX = 2048,
    RESOLVE_TIMEOUT_MS = 30000,
    PIGGYBACK_WINDOW_MS = 800, /* then an empty ACK; well below ACK_TIMEOUT */
    SEEN_REQUESTS_MAX = 4,
    BLOCK_PAYLOAD_MAX = 1024,
    ANSWER_PAYLOAD_MAX = 16384,
    CONTENT_MAX = 65536,        /* of an answer of ours */
    REQUEST_TIMEOUT_MS = 93000, /* MAX_TRANSMIT_WAIT, RFC 7252 section 4.8.2 */
    CID_SIZE = 8,
    SLOTS_MAX = 1 << 24, /* what a Connection ID can name */
};

/* The block of our answer that a request asks for. */
struct wanted_block {
    uint64_t key; /* of the request without its block; 0 = too long */
    uint32_t number;
    uint8_t szx;
    bool asked; /* it has a Block2 option */
};

/* A request of the device: what is needed to know it again and to answer it again. */
enum seen_state { SEEN_NONE, SEEN_OPEN, SEEN_ACKED, SEEN_ANSWERED, SEEN_IGNORED };

struct seen_request {
    enum seen_state state;
    enum coap_type type;
    uint16_t id;
    uint8_t token_len;
    uint8_t token[COAP_TOKEN_MAX];
    uint8_t code;     /* of our answer */
    bool separate;    /* the answer went as a message of its own */
    bool has_content; /* the answer was this block of the association's content */
    struct wanted_block block;
};

/* Our open request, or our separate response. */
struct exchange {
    bool is_response;
    struct endpoint_request request; /* request.payload points into `payload` */
    struct buf payload;              /* whole payload of a blockwise request */
    struct buf message;              /* the encoded message that is being repeated */
    struct buf assembled;            /* Block2 answer so far */
    uint16_t id;
    uint8_t token[4];
    uint16_t attempts;      /* datagrams in all */
    uint8_t repeats;        /* of this message */
    uint32_t timeout_ms;    /* of the present repeat */
    uint64_t retransmit_at; /* UINT64_MAX once acknowledged */
    uint64_t deadline;
    bool blockwise; /* Block1 */
    bool restarted; /* after 4.08 or 4.13 */
    uint8_t szx;
    size_t offset;       /* Block1: start of the block under way */
    uint32_t next_block; /* Block2 */
    int answer_format;
};

/* What only a handshake needs. */
struct handshake {
    uint8_t identity[IDENTITY_MAX];
    size_t identity_len;
    bool asked, answered, decoy;
    enum cause decoy_cause;
    struct secret key;
    struct x509_device *device;         /* what its certificate says; NULL = it has shown none */
    uint8_t waiting[WAITING_BYTES_MAX]; /* length-prefixed datagrams that arrived meanwhile */
    size_t waiting_len, waiting_count;
    uint64_t deadline;       /* of the resolution */
    uint64_t flight_sent_at; /* for the first time */
    uint64_t flight_left;    /* of the flight's timer, stopped meanwhile; 0 = was off */
};

enum {
    /* Of associations without DTLS whose source has not answered yet: what somebody who forges
     * sources can take up, and the bytes that he can have sent to one of them for each of his own.
     */
    UNVERIFIED_MAX = 64,
    UNVERIFIED_FACTOR = 3,
};

enum association_state { ASSOCIATION_HANDSHAKE, ASSOCIATION_OPEN, ASSOCIATION_DEAD };

struct association {
    struct association *bucket_next;
    uint64_t path_hash;
    struct association *older, *newer; /* in its queue */
    struct association_queue *queue;
    struct endpoint *endpoint;
    struct association_ref ref;
    enum association_state state;
    bool candidate;  /* stands beside an older association of the same path (trap 3) */
    bool asked;      /* the device has sent a request that was not refused */
    bool refused;    /* by the owner: the request at hand */
    bool resolving;  /* inside ops.resolve for the datagram at hand */
    bool has_cid;    /* the device's records carry our Connection ID */
    bool plain;      /* without DTLS; open from the first request on */
    bool unverified; /* plain: nothing shows yet that the device is where its datagrams come from */
    bool unlisted;   /* not in the table of paths: its path belongs to another one now */
    struct net_path path;
    uint8_t random[GATE_RANDOM_SIZE];
    mbedtls_ssl_context ssl;
    struct tls_setup *setup;     /* a use; the context borrows from it */
    struct handshake *handshake; /* NULL once open */
    struct names *names;         /* of its certificate; NULL = none */
    struct bytes input;          /* the datagram being fed */
    const struct net_path *from; /* where it came from, if not from `path`; else NULL */
    struct timer timer;
    uint64_t flight_intermediate, flight_final; /* Mbed TLS's timer; 0 = off */
    uint64_t idle_at;
    uint64_t owner_at; /* of endpoint_arm; UINT64_MAX = off */
    uint64_t ack_at;   /* when the piggyback window closes; UINT64_MAX = nothing waits */
    struct identity identity;
    uint64_t key_hash; /* under the endpoint's own key; 0 = not by a pre-shared key */
    uint64_t started_ms;
    uint32_t handshake_ms, round_trip_ms;
    uint32_t bytes_sent, bytes_received;
    struct seen_request seen[SEEN_REQUESTS_MAX];
    unsigned newest_seen; /* the one that endpoint_respond answers */
    unsigned last_seen;
    unsigned previous_seen; /* newest_seen and ack_at before the request at hand, for a refusal */
    uint64_t previous_ack_at;
    bool has_last_answer;
    uint16_t last_answer_id; /* of a separate answer, to acknowledge its repeats */
    struct exchange *exchange;
    struct wanted_block wanted; /* by the newest request */
    struct content *content;    /* what answers it; NULL = a bare code */
    uint16_t next_id;
    void *user;
};

struct association_queue {
    struct association *oldest, *newest;
    uint32_t count;
};

struct slot {
    struct association *association;
    uint32_t generation;
    uint32_t next_free;
};

/* tls_setup.c: how a listener shakes hands; shared by its associations, one thread. */
struct tls_setup {
    unsigned users;
    struct endpoint *endpoint;
    struct x509 *x509; /* a reference; NULL = no certificates here */
    mbedtls_ssl_config tls;
    int suites[8];
};

struct listener {
    struct endpoint_listener settings;
    struct tls_setup *setup;
};

struct endpoint {
    struct endpoint_ops ops;
    struct endpoint_config config;
    struct listener *listeners;
    struct gate *gate;
    struct limits *limits;
    struct timers timers;
    mbedtls_ctr_drbg_context drbg;
    uint8_t hash_key[16];
    uint64_t counter; /* of the small pseudo-random numbers */
    struct association **buckets;
    size_t bucket_count; /* power of two */
    struct slot *slots;
    uint32_t slot_count, slot_cap, first_free;
    struct association_queue half_open; /* by start */
    struct association_queue idle;      /* open, never asked */
    struct association_queue busy;      /* open, asked */
    struct association *dead;           /* to be freed when no frame is on the stack */
    unsigned depth;                     /* public calls under way */
    bool draining;
    uint64_t now;
    struct association *in_tls; /* whose context Mbed TLS runs at this moment */
    struct endpoint_counters counters;
    uint32_t unverified; /* associations */
};

/* endpoint.c */
void endpoint_enter(struct endpoint *endpoint);
void endpoint_leave(struct endpoint *endpoint); /* frees the dead on the outermost level */
uint32_t endpoint_random(struct endpoint *endpoint);

/* peers.c */
bool peers_init(struct endpoint *endpoint);
void peers_clear(struct endpoint *endpoint);
/* The associations of a path: at most one, and beside it a candidate (trap 3). */
struct path_peers {
    struct association *current, *candidate;
    uint64_t hash; /* of the path, for peers_add */
};
struct path_peers peers_find(const struct endpoint *endpoint, const struct net_path *path);
/* The device has shown that it gets what is sent to it. */
void peers_verified(struct association *association);
struct association *peers_by_ref(const struct endpoint *endpoint, struct association_ref ref);
/* A new half-open association, entered in all tables; NULL at the caps or without memory. */
struct association *peers_add(struct endpoint *endpoint, const struct net_path *path,
                              uint64_t path_hash, bool candidate);
void peers_move(struct association *association, struct association_queue *queue);
/* The device has a new address. Where another association holds that path, this one can be found by
 * its Connection ID only. */
void peers_readdress(struct association *association, const struct net_path *path);
/* Leaves the path to another association. */
void peers_unlist(struct association *association);
/* Takes it out of all tables; freed when the outermost public call returns. */
void peers_remove(struct association *association);
void association_free(struct association *association);
void handshake_free(struct handshake *handshake); /* wipes; NULL accepted */
/* Arms the association's one timer for the earliest of its deadlines. */
void association_rearm(struct association *association);

/* tls_setup.c */
struct tls_setup *tls_setup_new(struct endpoint *endpoint, const struct endpoint_listener *settings,
                                struct x509 *x509); /* NULL: no memory */
void tls_setup_unref(struct tls_setup *setup);      /* NULL accepted */

/* failure.c: of a handshake that ended with `result` of Mbed TLS */
enum { FAILURE_DETAIL_SIZE = 128 };
enum cause failure_cause(const struct association *association, int result);
/* What an operator can act on; of a certificate, to follow its name. "" = the cause says it all. */
void failure_describe(const struct association *association, enum cause cause, int result,
                      char out[static FAILURE_DETAIL_SIZE]);
/* Sends the alerts that Mbed TLS leaves out. */
void failure_alert(struct association *association, int result);

/* dtls.c */
bool dtls_start(struct association *association);
/* Feeds one datagram (or, empty, a timer event). May end the association. */
void plain_feed(struct association *association, struct bytes datagram); /* without DTLS */
void dtls_feed(struct association *association, struct bytes datagram);
/* True when the record at the start of the datagram belongs to this context; works on a copy. */
bool dtls_accepts(struct association *association, struct bytes datagram);
bool dtls_send(struct association *association, struct bytes message);
void dtls_close(struct association *association);

/* cid.c */
void cid_make(const struct endpoint *endpoint, struct association_ref ref,
              uint8_t out[static CID_SIZE]);
/* True when the datagram begins with a record that has a Connection ID of our size. */
bool cid_is_record(struct bytes datagram);
/* Of such a record; NULL when the ID is not one of ours. */
struct association *cid_find(const struct endpoint *endpoint, struct bytes datagram);

/* client_key_exchange.c */
enum key_exchange {
    KEY_EXCHANGE_NONE,
    KEY_EXCHANGE_WHOLE,
    KEY_EXCHANGE_ODD /* fragmented, malformed */
};
/* Looks through all records of a datagram for a ClientKeyExchange and gives its PSK identity. */
enum key_exchange key_exchange_find(struct bytes datagram, struct bytes *identity);

/* exchange.c */
void exchange_receive(struct association *association, struct bytes message);
void exchange_expire(struct association *association);
void exchange_free(struct exchange *exchange);
/* content.c: answers with a payload */
void content_free(struct content *content); /* NULL accepted */
void content_drop(struct association *association);
void content_note_request(struct association *association, const struct coap_message *message);
/* A request for a further block of the content: answers it. False: it is none. */
bool content_continue(struct association *association, const struct coap_message *message,
                      struct seen_request *seen);
void content_send_again(struct association *association, const struct seen_request *seen);
/* The content of the newest request; false: no memory, or too long. */
bool content_set(struct association *association, int format, struct bytes payload);
void content_answer(struct association *association, struct seen_request *seen);
/* The same answer as a message of its own. */
bool content_build(struct association *association, struct coap_message *message, struct buf *out);
bool content_is_fetched(const struct association *association); /* or there is none */

/* Answers or acknowledges what still waits in the piggyback window. */
void exchange_ack_due(struct association *association);

#endif
