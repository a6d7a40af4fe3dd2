/* SPDX-License-Identifier: Apache-2.0 */
/* module: session */
/* One bootstrap as a pure state machine: session_step(session, event, now) gives actions. It
 * touches no socket, clock, store or log; server/driver.c performs the actions and feeds the
 * answers back. The sequence is OMA Core 1.2 section 6.1.7; docs/protocol.md says what we add. One
 * thread. */
#ifndef USHER_SESSION_H
#define USHER_SESSION_H

#include "usher/codec.h"
#include "usher/outcome.h"
#include "usher/plan.h"
#include "usher/proof.h"

struct session;

enum session_event_kind {
    SESSION_REQUEST,    /* POST /bs or GET /bspack arrived */
    SESSION_RESOLVED,   /* answer to ACTION_RESOLVE */
    SESSION_COMMITTED,  /* answer to ACTION_COMMIT */
    SESSION_RESPONDED,  /* our answer to POST /bs is out: piggybacked, or separate and acknowledged
                         */
    SESSION_ANSWER,     /* the device answered the open operation */
    SESSION_NO_ANSWER,  /* it did not: cause is TIMEOUT or RESET */
    SESSION_TIMER,      /* the time of the last ACTION_ARM has come */
    SESSION_SUPERSEDED, /* a newer session of the endpoint has taken over (I2) */
    SESSION_CLOSED,     /* the DTLS association is gone; cause CLOSED, DTLS_ALERT or SUPERSEDED */
    SESSION_ABORT,      /* the driver ends it: cause SHUTDOWN, REMOVED */
};

struct session_event {
    enum session_event_kind kind;
    /* REQUEST: straight from the query; raw and hostile. endpoint.data NULL = no ep. */
    struct bytes endpoint;
    struct bytes preferred_format; /* text of pct=, data NULL = absent */
    bool payload_present;          /* POST /bs with a payload: 4.00 */
    bool pack;                     /* GET /bspack */
    int accept;                    /* of a Pack-Request: its Accept, or -1 */
    struct bytes known;            /* text of acc=, data NULL = absent */
    /* RESOLVED */
    enum err_code result; /* RESOLVED, COMMITTED: ERR_OK; NOT_FOUND; UNAVAILABLE; ... */
    const struct enrollment *enrollment; /* RESOLVED, COMMITTED: fresh from the store; copied */
    struct profile_set *profiles;        /* RESOLVED: current snapshot; a reference is taken */
    /* ANSWER */
    uint8_t code; /* CoAP code: class << 5 | detail. RESPONDED: what was answered in place of a
                     pack that could not be written; else 0 */
    int format;   /* content format of payload, or -1 */
    struct bytes payload;
    uint16_t attempts; /* ANSWER, NO_ANSWER: datagrams sent for this operation */
    enum cause cause;  /* NO_ANSWER, CLOSED, ABORT */
    uint8_t alert;     /* CLOSED by DTLS_ALERT */
    int64_t wall_ms;   /* all: for ${now} and records */
};

enum session_action_kind {
    ACTION_RESOLVE, /* load the enrolment of the association's identity (without one, or with a
                       certificate: of session_lookup), claim ITS endpoint (the older session gets
                       SUPERSEDED), then RESOLVED. An operation or answer that is still open is
                       given up: stop repeating it, deliver no event of it */
    ACTION_COMMIT,  /* make or find the pending credentials named, durable before COMMITTED (I1) */
    ACTION_RESPOND, /* answer the newest request with `code`, a 2.05 with `operation` (a PACK) in
                       `format`; then RESPONDED, or NO_ANSWER when a separate answer is never
                       acknowledged. silent: give no answer at all */
    ACTION_SEND,    /* send `operation` with `format`; then ANSWER or NO_ANSWER */
    ACTION_ARM,     /* one timer, replaces the last; at = 0 disarms */
    ACTION_STATE,   /* the state shown to people changed */
    ACTION_RECORD,  /* the outcome is final: store it; promote: the pending credentials of these
                       generations become active with it (same transaction) */
    ACTION_CLOSE,   /* close the association; the session is over: free it. silent: without a word
                       to the device, so that it tries again in its own time */
};

struct session_action {
    enum session_action_kind kind;
    uint8_t code;                      /* RESPOND */
    bool silent;                       /* RESPOND, CLOSE */
    const struct operation *operation; /* SEND, RESPOND 2.05; valid until the next step */
    int format;                        /* SEND of a WRITE, RESPOND 2.05 */
    uint32_t ack_timeout_ms;           /* SEND: 0 = the listener's */
    uint32_t request_timeout_ms;       /* SEND */
    uint16_t message_max;              /* SEND: payload bytes over which Block1 is used; 0 = 1024 */
    uint64_t at;                       /* ARM: milliseconds, monotonic */
    enum device_state state;           /* STATE */
    const struct credential_need *needs; /* COMMIT: only those to make */
    size_t need_count;
    const struct outcome *outcome; /* RECORD; valid until the next step. id, source and byte counts
                                      are the driver's to fill. An empty endpoint: no device
                                      is concerned (I8), it belongs to the rejects */
    bool promote;                  /* RECORD */
};

enum { SESSION_ACTIONS_MAX = 8, SESSION_LINGER_MS = 5000 };

struct session_actions {
    size_t count;
    struct session_action items[SESSION_ACTIONS_MAX];
};

/* Facts of the association that the session starts with. */
/* What becomes of a device that has proved its name (by a certificate, say) and is not enrolled. */
enum unknown_policy {
    UNKNOWN_REFUSE, /* 4.00 */
    UNKNOWN_SILENT, /* no answer: it comes again in its own time */
    UNKNOWN_HOLD,   /* the same, and listed as one that waits to be accepted */
};

struct session_start {
    enum unknown_policy unknown; /* of the listener */
    enum proof proof;
    struct identity identity;  /* authenticated; PROOF_PSK with len 0 = NoSec */
    const struct names *names; /* PROOF_CERTIFICATE, at least one; copied */
    uint64_t started_ms;       /* monotonic, of the ClientHello */
    int64_t started_wall_ms;
    uint32_t handshake_ms;
};

struct session *session_new(const struct session_start *start);
void session_free(struct session *session); /* NULL accepted */

/* Performs one event. Any event in any state is legal (late answers, a second REQUEST in
 * mid-session restarts the sequence). `actions` is overwritten; perform them in order. */
void session_step(struct session *session, const struct session_event *event, uint64_t now,
                  struct session_actions *actions);

/* After a RECORD has been performed: frees outcome and enrolment before the session lingers. The
 * next step does it otherwise. */
void session_recorded(struct session *session);

/* For ACTION_SEND: the generation that must be current (I2), and status for people. */
const struct enrollment *
session_enrollment(const struct session *session); /* NULL before RESOLVED */
enum device_state session_state(const struct session *session);
/* "" before the request; then as asked for; from RESOLVED on the device's own name. */
const char *session_endpoint(const struct session *session);
/* For ACTION_RESOLVE without a PSK identity: the endpoint to look up. With a certificate it is one
 * of its names: the one asked for, or else the first. */
const char *session_lookup(const struct session *session);
/* While a bootstrap runs: the profile that it goes by. NULL: none does, or none was found yet. */
const struct profile *session_profile(const struct session *session);
/* Whether somebody who has proved nothing may have this device's bootstrap: it has no key to prove
 * itself with, and its class says so. */
bool session_takes_unproven(const struct profile_set *profiles,
                            const struct enrollment *enrollment);
bool session_over(const struct session *session);

#endif
