/* SPDX-License-Identifier: Apache-2.0 */
/* module: model */
/* States shown to people, causes of failures, and the record of one bootstrap. */
#ifndef USHER_OUTCOME_H
#define USHER_OUTCOME_H

#include "usher/enrollment.h"

/* Stored by number: append only. The first is the state of a device that never called. */
enum device_state {
    STATE_NEW = 0,
    STATE_SEEN = 1, /* handshake done, no Bootstrap-Request yet */
    STATE_WRITING = 2,
    STATE_VERIFYING = 3, /* Finish sent, answer awaited */
    STATE_BOOTSTRAPPED = 4,
    STATE_UNCONFIRMED = 5, /* Pack sent, or the Finish answer was lost */
    STATE_FAILED = 6,
    STATE_HELD = 7,
    STATE_BLOCKED = 8,
    STATE_COUNT
};

/* Why a bootstrap failed, or why somebody was turned away. Stored by number: append only. */
enum cause {
    CAUSE_NONE = 0,
    CAUSE_ENDPOINT_MISMATCH = 1,
    CAUSE_NO_PROFILE = 2,
    CAUSE_WRITE_REJECTED = 3,
    CAUSE_FINISH_REJECTED = 4,
    CAUSE_TIMEOUT = 5,
    CAUSE_DTLS_ALERT = 6,
    CAUSE_STORE_UNAVAILABLE = 7,
    CAUSE_HANDOFF_FAILED = 8,
    CAUSE_SUPERSEDED = 9,
    CAUSE_RESET = 10,       /* the device answered with RST */
    CAUSE_DEADLINE = 11,    /* the whole bootstrap took longer than allowed */
    CAUSE_BAD_REQUEST = 12, /* Bootstrap-Request malformed */
    CAUSE_UNSUPPORTED_FORMAT = 13,
    CAUSE_PLAN_FAILED = 14, /* the profile cannot be applied to this device */
    CAUSE_NOT_ALLOWED = 15, /* rebootstrap: once, approve, quarantine */
    CAUSE_SHUTDOWN = 16,
    CAUSE_CLOSED = 17,  /* the device closed the session before Finish */
    CAUSE_REMOVED = 18, /* removed or blocked by an operator in mid-session */
    /* Turned away before a device was known (I8): counters and the list of rejects only. */
    CAUSE_UNKNOWN_IDENTITY = 40,
    CAUSE_BAD_KEY = 41,
    CAUSE_BLOCKED = 42,
    CAUSE_BAD_CERTIFICATE = 43,
    CAUSE_HANDSHAKE_TIMEOUT = 44,
    CAUSE_HANDSHAKE_FAILED = 45,
    CAUSE_NO_CIPHERSUITE = 46,
    CAUSE_LIMIT = 47, /* a cap was reached */
    CAUSE_HELD = 48,  /* has proved its name and waits to be enrolled (listener: unknown: hold) */
    CAUSE_LAST
};

const char *device_state_name(enum device_state state); /* "bootstrapped" */
bool device_state_from_name(const char *name, enum device_state *out);
const char *cause_name(enum cause cause); /* "endpoint-mismatch"; CAUSE_NONE is "none" */
bool cause_from_name(const char *name, enum cause *out);
/* One plain sentence for people: what happened and what to do. */
const char *cause_advice(enum cause cause);

enum { OUTCOME_STEPS_MAX = 64, OUTCOME_SOURCE_MAX = 63, OUTCOME_WARNINGS_MAX = 8 };

/* One operation of a bootstrap as it went. */
struct outcome_step {
    uint8_t operation; /* enum operation_kind of plan.h */
    struct path path;
    uint8_t code; /* CoAP code of the answer, 0 = none came */
    uint16_t attempts;
    uint32_t duration_ms;
};

struct outcome {
    char id[33]; /* 32 hex digits, made by the server, sorts by time */
    char endpoint[ENDPOINT_MAX + 1];
    char class_name[CLASS_MAX + 1];
    enum device_state
        state; /* BOOTSTRAPPED, UNCONFIRMED, FAILED or HELD; NEW: accepted by an operator */
    enum cause cause;
    char detail[160];                    /* for people: "PUT /0/1 answered 4.00 Bad Request" */
    char source[OUTCOME_SOURCE_MAX + 1]; /* address:port */
    int64_t started_wall_ms;
    uint32_t handshake_ms;
    uint32_t duration_ms;                /* ClientHello with cookie to the end */
    uint32_t bytes_sent, bytes_received; /* UDP payload, this session */
    int format;                          /* content format used for writes, or -1 */
    char profile_hash[17];               /* plan_hash in hex */
    char warnings[OUTCOME_WARNINGS_MAX][96];
    size_t warning_count;
    size_t step_count;
    struct outcome_step steps[OUTCOME_STEPS_MAX];
};
/* Copies what is used of it; warnings and steps beyond their counts are left as they are. */
void outcome_copy(struct outcome *to, const struct outcome *from);

#endif
