/* What the parts of the session module share; see docs/session.md for the phases. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_SESSION_PRIV_H
#define USHER_SESSION_PRIV_H

#include "usher/session.h"

#include <stdarg.h>

/* CoAP codes (RFC 7252 section 5.9): class << 5 | detail. */
enum {
    CODE_CHANGED = 2 << 5 | 4,
    CODE_CONTENT = 2 << 5 | 5,
    CODE_CONTINUE = 2 << 5 | 31,
    CODE_BAD_REQUEST = 4 << 5 | 0,
    CODE_UNAUTHORIZED = 4 << 5 | 1,
    CODE_NOT_FOUND = 4 << 5 | 4,
    CODE_NOT_ALLOWED = 4 << 5 | 5,
    CODE_NOT_ACCEPTABLE = 4 << 5 | 6,
    CODE_TOO_LARGE = 4 << 5 | 13,
    CODE_UNSUPPORTED_FORMAT = 4 << 5 | 15,
    CODE_INTERNAL_ERROR = 5 << 5 | 0,
};

enum {
    DEADLINE_DEFAULT_MS = 180000,       /* clients give up after 247 s at the earliest */
    REQUEST_TIMEOUT_DEFAULT_MS = 93000, /* MAX_TRANSMIT_WAIT, RFC 7252 section 4.8.2 */
    ATTEMPTS_MAX = 8, /* bootstraps begun on one association; beyond, a new handshake is due */
};

/* Where a session stands. */
enum phase {
    PHASE_IDLE,        /* the handshake is done, no Bootstrap-Request yet */
    PHASE_RESOLVING,   /* waiting for RESOLVED */
    PHASE_COMMITTING,  /* waiting for COMMITTED */
    PHASE_RESPONDING,  /* 2.04 is on its way, waiting for RESPONDED */
    PHASE_DISCOVERING, /* Discover is open */
    PHASE_READING,     /* Read of /1 is open */
    PHASE_OPERATING,   /* an operation of the plan is open */
    PHASE_FINISHING,   /* Finish is open */
    PHASE_REFUSING,    /* an error code is on its way; the attempt is recorded */
    PHASE_LINGERING,   /* all done; late repeats of the device still find their answer */
    PHASE_OVER,        /* CLOSE was given */
    PHASE_COUNT
};

enum { KNOWN_TEXT_MAX = 255 }; /* of one CoAP query option */

/* What the Bootstrap-Request, or Bootstrap-Pack-Request, said. */
struct request {
    char endpoint[ENDPOINT_MAX + 1]; /* "" when unusable */
    bool implied;                    /* no ep: the identity or certificate took its place */
    int format;                      /* pct, or Accept of a pack; FORMAT_NONE = absent */
    bool pack;
    char known[KNOWN_TEXT_MAX + 1]; /* acc=, "" = absent */
    uint8_t code;                   /* 0 = acceptable, else the error code to answer with */
    enum cause cause;               /* why */
    char detail[160];               /* and the sentence for people */
};

/* One bootstrap, from its request to its record. */
struct attempt {
    struct request request;
    uint64_t started_ms;   /* of the handshake, or of the request when it is a later one */
    uint64_t requested_ms; /* the deadline counts from here */
    bool resolved;         /* `enrollment` is set */
    struct enrollment enrollment;
    struct profile_set *profiles; /* a reference: the snapshot of this attempt (I7) */
    const struct profile *profile;
    struct client_behaviour client;
    struct credential_need *needs; /* for COMMIT, only while it is under way */
    size_t need_count;
    struct capability *capability; /* until the plan is made */
    struct plan *plan;
    size_t next; /* index of the operation that is open or comes next */
    struct operation discover, read;
    struct records held;          /* what Read gave, until the plan is made */
    struct operation pack;        /* the plan as one document */
    struct plan_pieces pieces;    /* of operation `next`, when it goes in pieces */
    size_t piece;                 /* the one that is open */
    bool too_large;               /* operation `next` was refused as too large */
    const struct operation *open; /* NULL = none */
    uint64_t sent_ms;             /* when it was sent */
    int formats[PROFILE_FORMATS_MAX];
    size_t format_count;
    size_t format_index;
    int accepted_index; /* of the format that the device took last; -1 = none yet */
    bool guessed;       /* a 4.00 or 5.00 was once taken for a 4.15 */
    bool repairing;     /* Finish was refused once; /0 and /1 are written again */
    struct outcome outcome;
};

struct session {
    struct session_start start;
    struct names *names; /* start.names, this session's own; NULL = none */
    enum phase phase;
    enum device_state state;
    char endpoint[ENDPOINT_MAX + 1]; /* as asked for; once resolved, the device's own */
    unsigned attempts;               /* begun so far */
    uint64_t timer_at;               /* 0 = disarmed */
    struct attempt *attempt;         /* the open one, not recorded yet; or NULL */
    struct attempt *done;            /* recorded in the last step: its outcome is still borrowed */
};

/* One call of session_step. */
struct turn {
    struct session *session;
    const struct session_event *event;
    uint64_t now;
    struct session_actions *actions;
};

/* request.c */
void request_read(const struct session_event *event, const struct session_start *start,
                  struct request *out);

/* attempt.c: an attempt's life, and the actions that go with it */
bool attempt_begin(struct turn *turn); /* false: no memory */
void attempt_free(struct attempt *attempt);
/* Puts the device's own name on the record: from here on the outcome is the device's (I8). */
void attempt_name_device(struct turn *turn);
struct session_action *turn_emit(struct turn *turn, enum session_action_kind kind);
void turn_arm(struct turn *turn, uint64_t at);
void turn_show_state(struct turn *turn, enum device_state state);
void turn_close(struct turn *turn, bool silent);
/* Records the attempt, whose detail is set, and lets go of what it held. */
void turn_record(struct turn *turn, enum device_state state, enum cause cause);
/* The attempt has failed: records and closes. While Finish is unanswered nobody knows what the
 * device did with it: then the state is unconfirmed, unless the device has asked again. */
void turn_fail(struct turn *turn, enum cause cause);
/* Answers a Pack-Request that the device will follow with a Bootstrap-Request: nothing has failed,
 * so nothing is recorded. */
void turn_decline(struct turn *turn, uint8_t code);
/* What the session was doing, for a sentence such as "closed while ...". */
enum { DOING_TEXT_SIZE = 64 };
void attempt_doing(const struct turn *turn, char out[static DOING_TEXT_SIZE]);

/* admit.c: from RESOLVED to our answer */
void admit_resolved(struct turn *turn);
void admit_committed(struct turn *turn);

/* pack.c: the plan as the answer to a Pack-Request */
void pack_answer(struct turn *turn);
void pack_answered(struct turn *turn);
/* The request cannot be met: answers and records. */
void admit_refuse_plan(struct turn *turn, const char *why);

/* sequence.c: the operations */
void sequence_start(struct turn *turn);
/* Puts the plan's hash and warnings on record. */
void sequence_note_plan(struct attempt *attempt);
void sequence_discovered(struct turn *turn);
void sequence_answered(struct turn *turn);

void sequence_read(struct turn *turn); /* Read was answered, or not */

/* drift.c: what the device had before */
bool drift_is_wanted(const struct attempt *attempt);
int drift_format(const struct attempt *attempt);
void drift_take(struct attempt *attempt, const struct session_event *event);
void drift_note(struct attempt *attempt);
void drift_free(struct attempt *attempt);

/* verdict.c: what an answer means (docs/session.md) */
enum verdict {
    VERDICT_DONE,
    VERDICT_LISTED,       /* Discover: the payload lists the device's objects */
    VERDICT_WARN,         /* go on, but say so */
    VERDICT_OTHER_FORMAT, /* this format is not taken */
    VERDICT_GUESS_FORMAT, /* perhaps this format is not taken */
    VERDICT_TOO_LARGE,    /* smaller pieces */
    VERDICT_REPAIR,       /* Finish: write the accounts again */
    VERDICT_REFUSED,
};
enum verdict verdict_of(enum operation_kind operation, uint8_t code);
/* True when a refusal of this write is only a warning (I3). */
bool verdict_tolerable(const struct plan *plan, const struct operation *write, uint8_t code);

/* report.c: texts and steps of an outcome */
enum { CODE_TEXT_SIZE = 48, OPERATION_TEXT_SIZE = 40 };
void report_code(uint8_t code, char out[static CODE_TEXT_SIZE]);
void report_operation(const struct operation *operation, char out[static OPERATION_TEXT_SIZE]);
/* Like snprintf, but never ends within a UTF-8 character. */
void report_text(char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void report_text_list(char *out, size_t size, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
void report_warning(struct outcome *outcome, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* `code` 0 = no answer came. When the table is full the last entry is replaced, so that the step
 * that decided the outcome is always there. */
void report_step(struct outcome *outcome, const struct operation *operation, uint8_t code,
                 uint16_t attempts, uint64_t duration_ms);

#endif
