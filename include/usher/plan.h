/* SPDX-License-Identifier: Apache-2.0 */
/* module: plan */
/* From profile, enrolment and capability to the list of operations. A pure function: no clock, no
 * store. A plan holds references to secrets, never key bytes, so it can be printed (D7, I4). */
#ifndef USHER_PLAN_H
#define USHER_PLAN_H

#include "usher/buf.h"
#include "usher/capability.h"
#include "usher/profile.h"

enum operation_kind {
    OPERATION_DISCOVER = 1, /* stored with outcomes: append only */
    OPERATION_READ = 2,
    OPERATION_DELETE = 3,
    OPERATION_WRITE = 4,
    OPERATION_FINISH = 5,
    OPERATION_PACK = 6, /* all writes as one document (OMA Core 1.2 section 6.1.7.7) */
};

struct operation {
    enum operation_kind kind;
    struct path path;
    bool optional;                /* a refusal is a warning (I3: never for /0 /1) */
    const struct record *records; /* WRITE: what to write, borrowed from the plan */
    size_t record_count;
};

struct plan;

struct plan_context {
    int64_t now_wall_ms; /* for ${now} */
};

/* Order (OMA Core 1.2 section 6.1.7; reference section 9): DELETE old, WRITE /21, /0, /1, /2,
 * others, FINISH; instance-level writes. Never deletes or overwrites the bootstrap account.
 * Discover is not in the plan: the session does it first, if the class wants it. */
enum err_code plan_build(const struct profile *profile, const struct enrollment *enrollment,
                         const struct capability *capability, const struct plan_context *context,
                         struct plan **out, struct err *err);
void plan_free(struct plan *plan); /* NULL accepted */

size_t plan_count(const struct plan *plan);
const struct operation *plan_operation(const struct plan *plan, size_t index);
/* Formats to try for writes, best first: pct, class, TLV, then what else the device may take.
 * All are encodable. */
size_t plan_formats(const struct plan *plan, int formats[static PROFILE_FORMATS_MAX]);
enum lwm2m_version plan_version(const struct plan *plan); /* the version written for */
/* What the device is meant to have: same profile and device data give the same hash, whatever the
 * device says of itself; secrets, their generations and ${now} do not count. */
uint64_t plan_hash(const struct plan *plan);
/* The same without a plan. ERR_INVALID, ERR_RANGE: a variable has no value for this device. */
enum err_code plan_intent(const struct profile *profile, const struct enrollment *enrollment,
                          uint64_t *out, struct err *err);
/* Bytes of a write's payload, secrets counted with their length. */
enum err_code plan_payload_size(const struct operation *write, int format, size_t *out,
                                struct err *err);

/* A write of an instance in pieces of at most `most` bytes as far as possible: the instance without
 * its largest resources, then these one by one; most 0 = all resources one by one. Pieces borrow
 * from the write. False: no memory. */
struct plan_pieces {
    struct operation *items;
    size_t count;
    struct record *kept;
};
bool plan_split(const struct operation *write, int format, size_t most, struct plan_pieces *out);
void plan_pieces_clear(struct plan_pieces *pieces);

/* The writes of the plan as one operation on /, for an answer to a Bootstrap-Pack-Request. The
 * device replaces every object that is named and keeps the others: ERR_UNSUPPORTED, with the
 * reason, when the plan wants more than that. Borrowed from the plan. */
enum err_code plan_pack(const struct plan *plan, struct operation *out, struct err *err);
/* Remarks for people: limits of the class exceeded, resources left out for the version. */
size_t plan_warning_count(const struct plan *plan);
const char *plan_warning(const struct plan *plan, size_t index);

/* For people: one line an operation, its values below, secrets as references such as
 * <psk-key of server 101>. */
void plan_print_text(const struct plan *plan, struct buf *out);
/* As one JSON object. With a format other than FORMAT_NONE each write has its payload too, as in
 * plan_payload; only then can it fail. */
enum err_code plan_print_json(const struct plan *plan, int format, struct buf *out,
                              struct err *err);

/* The bytes that a device would get for a write, with filler in the place of secrets, and where the
 * filler is: spans in order, each within `payload`. Text formats carry filler encoded as theirs. */
enum { PLAN_SPANS_MAX = 16 };
struct plan_span {
    size_t offset, len; /* bytes of the payload */
    struct secret_ref secret;
};
struct plan_payload {
    struct buf bytes; /* owned */
    struct plan_span spans[PLAN_SPANS_MAX];
    size_t span_count;
};
/* ERR_INVALID or ERR_UNSUPPORTED when the format cannot carry a value. Clear `out` afterwards, also
 * after an error. */
enum err_code plan_payload(const struct operation *write, int format, struct plan_payload *out,
                           struct err *err);
void plan_payload_clear(struct plan_payload *payload);
/* For people, below the plan: the payload of each write in hexadecimal. A reference such as
 * <psk-key of server 101>.... stands where a secret is, as wide as the secret would be. */
enum err_code plan_print_payloads(const struct plan *plan, int format, struct buf *out,
                                  struct err *err);
const char *operation_kind_name(enum operation_kind kind); /* "discover" "write" ... */

#endif
