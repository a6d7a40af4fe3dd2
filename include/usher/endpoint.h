/* SPDX-License-Identifier: Apache-2.0 */
/* module: endpoint */
/* The CoAPS endpoint of one worker: cookie gate, DTLS associations, CoAP exchanges, timers. It
 * opens no socket and reads no clock: datagrams and the time come in, datagrams and events go out,
 * so that whole networks can be tested on a false clock. One thread. docs/endpoint.md has the
 * drawing.
 *
 * Nothing is kept for a source before it has returned a valid cookie (I5). Every table has a cap
 * (I6). */
#ifndef USHER_ENDPOINT_H
#define USHER_ENDPOINT_H

#include "usher/coap.h"
#include "usher/err.h"
#include "usher/net.h"
#include "usher/outcome.h"
#include "usher/proof.h"
#include "usher/secret.h"

struct endpoint;
struct x509; /* usher/x509.h */

/* Names one DTLS association. Stale references are recognised by the generation and ignored. */
struct association_ref {
    uint32_t slot;
    uint32_t generation; /* never 0 */
};

struct endpoint_listener {
    bool gcm, cbc;    /* 0x00A8 and 0x00AE beside 0xC0A8; 0xC02B and 0xC023 beside 0xC0AE */
    bool without_psk; /* else devices with pre-shared keys are served */
    bool x509;        /* devices with certificates are served, when there is a snapshot */
    bool silent; /* a handshake with a key that is wrong, or that nobody has, ends without an alert:
                    the device takes us for absent and comes again */
    bool plain;  /* CoAP without DTLS instead: anybody can claim anything there */
    uint32_t handshake_min_ms, handshake_max_ms;
    uint32_t ack_timeout_ms;
};

/* Rates of one source: an IPv4 address, or an IPv6 network of 64 bits. 0 = any. Only who has
 * returned a cookie counts (D5). */
struct endpoint_limits {
    uint32_t handshakes_per_second;  /* begun; beyond: the ClientHello is dropped */
    uint32_t failures_per_second;    /* failed handshakes; beyond: so are its next ClientHellos */
    const struct net_prefix *exempt; /* copied */
    size_t exempt_count;
};

struct endpoint_config {
    const struct endpoint_listener *listeners; /* copied; net_path.listener is the index */
    size_t listener_count;
    uint32_t half_open_max; /* handshakes under way; the oldest goes first */
    uint32_t sessions_max;  /* associations in all; beyond: the oldest unfinished goes, a handshake
                               or one that has not asked for a bootstrap, else the newcomer waits */
    uint32_t idle_ms;       /* an association without exchange ends after this */
    uint32_t mtu;           /* bytes of a UDP payload; 0 = 1232 */
    struct x509 *x509;      /* a reference is taken; NULL = none */
    uint64_t now;           /* monotonic milliseconds at the start */
    struct endpoint_limits limits;
    uint8_t worker; /* first byte of each Connection ID, by which sockets are chosen */
};

struct association_info {
    struct net_path path; /* the present one: with a Connection ID it can change */
    enum proof proof;
    struct identity identity;  /* authenticated; of PROOF_CERTIFICATE for show only: its first name,
                                  cut where it is longer */
    const struct names *names; /* PROOF_CERTIFICATE, else NULL; until the association ends */
    uint64_t started_ms;       /* monotonic, of the ClientHello that passed the gate */
    uint32_t handshake_ms;
    uint32_t round_trip_ms; /* seen in the handshake; 0 = not known */
    uint32_t bytes_sent, bytes_received;
    bool plain; /* without DTLS */
};

struct endpoint_request {
    uint8_t method;
    struct path path;            /* depth 0: "/" */
    bool bootstrap_finish;       /* POST /bs instead of a path */
    int content_format;          /* -1 = no payload */
    int accept;                  /* -1 = none */
    struct bytes payload;        /* copied; wiped when the exchange ends */
    uint32_t ack_timeout_ms;     /* first timeout; 0 = the listener's. Never less than what the
                                    handshake's     round trip suggests (trap 8) */
    uint32_t request_timeout_ms; /* all repeats and blocks together; 0 = 93 s */
    uint16_t message_max;        /* payload bytes over which Block1 is used; 0 = 1024 */
};

struct endpoint_answer {
    uint8_t code;
    int content_format; /* -1 = none */
    struct bytes payload;
    uint16_t attempts; /* datagrams sent */
};

/* What the endpoint tells its owner. All run inside endpoint_receive, endpoint_expire or the call
 * that caused them, and may call any endpoint function. */
struct endpoint_ops {
    void (*send)(void *context, const struct net_path *path, struct bytes datagram);
    /* A key is wanted (D6). Answer with endpoint_resolved, now or later. */
    void (*resolve)(void *context, struct association_ref ref, struct bytes identity);
    void (*established)(void *context, struct association_ref ref);
    /* A new request (duplicates are answered from the cache). Answer with endpoint_respond. Payload
     * and options are valid during the call. */
    void (*request)(void *context, struct association_ref ref, const struct coap_message *message);
    /* The answer is out: piggybacked and sent, or separate and acknowledged. */
    void (*responded)(void *context, struct association_ref ref);
    void (*answer)(void *context, struct association_ref ref, const struct endpoint_answer *answer);
    void (*no_answer)(void *context, struct association_ref ref, enum cause cause,
                      uint16_t attempts);
    /* An established association is gone, not by endpoint_close. user is still readable. */
    void (*closed)(void *context, struct association_ref ref, enum cause cause, uint8_t alert);
    /* The time of endpoint_arm has come. */
    void (*timer)(void *context, struct association_ref ref);
    /* A handshake failed after the cookie, or was refused because its source is over its rates
     * (CAUSE_LIMIT, no identity). `identity`: as claimed, or the subject of the certificate
     * (BAD_CERTIFICATE); `detail`: what the cause does not say, often "". */
    void (*rejected)(void *context, const struct net_path *path, struct bytes identity,
                     enum cause cause, const char *detail);
    void *context;
};

/* Counters since the start. */
struct endpoint_counters {
    uint64_t datagrams, bytes_received, bytes_sent;
    uint64_t hello_verify_sent, hello_accepted, hello_malformed, hello_bad_cookie;
    uint64_t handshakes_done, handshakes_failed;
    uint64_t dropped_unknown; /* records for no association */
    uint64_t dropped_size;    /* shorter than a record's header, longer than we take */
    uint64_t dropped_record;  /* for an association, but damaged, replayed or of another epoch */
    uint64_t dropped_limit;   /* newcomers refused at the caps */
    uint64_t dropped_rate;    /* and those of a source that is over its rates */
    uint64_t dropped_drain;   /* and those that came while draining */
    uint64_t evicted_half_open, evicted_idle, replaced_by_candidate;
    uint64_t dropped_cid; /* records with a Connection ID that is none of ours, or not open yet */
    uint64_t moved;       /* associations that went on from another address (RFC 9146) */
    uint64_t
        dropped_unverified; /* without DTLS: more for a source than it has shown to be there for
                             */
    uint64_t coap_malformed, coap_duplicates, coap_retransmissions;
    uint32_t half_open, open; /* now */
};

enum err_code endpoint_new(const struct endpoint_config *config, const struct endpoint_ops *ops,
                           struct endpoint **out, struct err *err);
void endpoint_free(struct endpoint *endpoint); /* no callbacks; NULL accepted */

/* `datagram` is not changed and may be freed afterwards. */
void endpoint_receive(struct endpoint *endpoint, const struct net_path *path, struct bytes datagram,
                      uint64_t now);
/* Runs every timer that is due. */
void endpoint_expire(struct endpoint *endpoint, uint64_t now);
/* Monotonic time of the next timer; UINT64_MAX = none. */
uint64_t endpoint_next(const struct endpoint *endpoint);
/* For handshakes that begin from now on; those under way and open associations keep theirs (I7). A
 * reference is taken. ERR_NO_MEMORY: the old one stays. */
enum err_code endpoint_set_x509(struct endpoint *endpoint, struct x509 *x509);
/* No new associations from now on (SIGTERM drain). */
void endpoint_drain(struct endpoint *endpoint);

/* The identity's key. `decoy`: no such identity, or one that may not enter (`cause` says which):
 * the handshake goes on with a key that nobody has, so that outsiders see the same alert 20 as for
 * a wrong key (trap 5). The key is copied, and wiped after use. */
void endpoint_resolved(struct endpoint *endpoint, struct association_ref ref, struct bytes identity,
                       const struct secret *key, bool decoy, enum cause cause);
/* Resolution failed for a reason of ours (store down): the handshake is dropped without a word, so
 * that the device tries again. */
void endpoint_resolve_failed(struct endpoint *endpoint, struct association_ref ref);

/* One open request per association (NSTART 1). False: stale reference, one is open, or no memory.
 */
bool endpoint_request(struct endpoint *endpoint, struct association_ref ref,
                      const struct endpoint_request *request);
/* Gives up the open request, and an answer that still waits for its ACK; no callback. */
void endpoint_cancel(struct endpoint *endpoint, struct association_ref ref);
/* One timer of the owner's per association; replaces the last, UINT64_MAX disarms. */
void endpoint_arm(struct endpoint *endpoint, struct association_ref ref, uint64_t at_ms);
/* Answers the newest request. Piggybacked when its ACK is still due, else as a CON of its own. */
bool endpoint_respond(struct endpoint *endpoint, struct association_ref ref, uint8_t code);
/* Answers the newest request with 2.05 and a payload (copied, at most 64 KiB, wiped after use), by
 * Block2 when it is long or the device asks for blocks. `responded` follows when the last block is
 * out. False as for endpoint_respond, and without memory. */
bool endpoint_respond_content(struct endpoint *endpoint, struct association_ref ref, int format,
                              struct bytes payload);
/* Inside ops.request: answers a request that is none of a bootstrap, as if it had not come. The one
 * before stays the newest, an open request of ours goes on, and no `responded` follows. */
bool endpoint_refuse(struct endpoint *endpoint, struct association_ref ref, uint8_t code);
/* Leaves the newest request without an answer. */
void endpoint_ignore(struct endpoint *endpoint, struct association_ref ref);
/* close_notify unless `quiet`, then gone; no callback. */
void endpoint_close(struct endpoint *endpoint, struct association_ref ref, bool quiet);

/* A pointer of the owner's, NULL at first and for stale references. */
void endpoint_set_user(struct endpoint *endpoint, struct association_ref ref, void *user);
void *endpoint_user(struct endpoint *endpoint, struct association_ref ref);
bool endpoint_info(const struct endpoint *endpoint, struct association_ref ref,
                   struct association_info *out);
/* Whether the association was opened with this very pre-shared key. False for stale references. */
bool endpoint_opened_with(const struct endpoint *endpoint, struct association_ref ref,
                          const struct secret *key);
void endpoint_read_counters(const struct endpoint *endpoint, struct endpoint_counters *out);
const char *endpoint_tls_version(void); /* "Mbed TLS 3.6.6, curves and .." */

#endif
