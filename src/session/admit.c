/* May this device be bootstrapped now? From the store's answer to ours. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "session_priv.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Silence is for trouble on our side: any error code, 5.03 too, parks some clients until somebody
 * restarts them, while silence makes all of them try again (docs/protocol.md). */
enum { SILENCE = 0 };

/* A request that is turned down: how, and why. */
struct refusal {
    uint8_t code; /* or SILENCE */
    enum cause cause;
    bool held; /* until an operator accepts the device */
    char detail[sizeof((struct outcome *)0)->detail];
};

/* Known as soon as the device is, also when it is refused before its class mattered. */
static bool wants_silence(const struct attempt *attempt)
{
    struct err unused;
    const struct profile *profile = attempt->profile;
    if (profile == NULL && attempt->resolved && attempt->profiles != NULL)
        profile = profile_set_select(attempt->profiles, &attempt->enrollment, &unused);
    return profile != NULL && profile_client(profile)->silent_refusals;
}

/* After an error a device that asked for a pack sends its Bootstrap-Request, which then meets with
 * silence: there is no need to keep it waiting twice. */
static uint8_t code_of(const struct attempt *attempt, const struct refusal *refusal)
{
    bool pack = attempt->request.pack;
    if (wants_silence(attempt))
        return SILENCE;
    if (pack && (refusal->cause == CAUSE_NO_PROFILE || refusal->cause == CAUSE_PLAN_FAILED))
        return CODE_NOT_FOUND;
    return refusal->code;
}

static void refuse(struct turn *turn, const struct refusal *refusal)
{
    struct session *session = turn->session;
    struct outcome *outcome = &session->attempt->outcome;
    uint8_t code = code_of(session->attempt, refusal);
    memcpy(outcome->detail, refusal->detail, sizeof outcome->detail);
    struct session_action *respond = turn_emit(turn, ACTION_RESPOND);
    respond->code = code;
    respond->silent = code == SILENCE;
    turn_record(turn, refusal->held ? STATE_HELD : STATE_FAILED, refusal->cause);
    if (code == SILENCE)
        turn_close(turn, true);
    else
        session->phase = PHASE_REFUSING;
}

/* Fills a refusal and returns false, so that a check reads `holds || no(...)`. */
static bool no(struct refusal *refusal, uint8_t code, enum cause cause, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static bool no(struct refusal *refusal, uint8_t code, enum cause cause, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report_text_list(refusal->detail, sizeof refusal->detail, format, args);
    va_end(args);
    refusal->code = code;
    refusal->cause = cause;
    refusal->held = false;
    return false;
}

static const char unvouched[] =
    "its certificate comes from no CA in client-ca, and nobody is enrolled with it";

/* ---- checks: each says no with a refusal, and changes nothing ---- */

/* `known`: the device was there when its session began. */
/* Nobody's device yet. What it may hear is the listener's choice; a key that nobody has never gets
 * this far. */
static bool refuse_unknown(enum unknown_policy policy, struct refusal *refusal)
{
    return no(refusal, policy == UNKNOWN_REFUSE ? CODE_BAD_REQUEST : SILENCE,
              policy == UNKNOWN_HOLD ? CAUSE_HELD : CAUSE_UNKNOWN_IDENTITY,
              "nobody is enrolled under this identity%s",
              policy == UNKNOWN_HOLD ? "; it waits to be accepted" : "");
}

static bool check_result(const struct session *session, enum err_code result, bool known,
                         struct refusal *refusal)
{
    switch (result) {
    case ERR_OK:
        return true;
    case ERR_NOT_FOUND:
        return known ? no(refusal, CODE_BAD_REQUEST, CAUSE_REMOVED,
                          "nobody is enrolled under this identity any more")
                     : refuse_unknown(session->start.unknown, refusal);
    case ERR_DENIED:
        if (session->start.proof == PROOF_CERTIFICATE)
            return no(refusal, CODE_BAD_REQUEST, CAUSE_BAD_CERTIFICATE, unvouched);
        return no(
            refusal, CODE_BAD_REQUEST, CAUSE_BAD_KEY,
            "its key was replaced after the handshake; it must connect again with the new one");
    case ERR_CONFLICT:
        return no(refusal, SILENCE, CAUSE_SUPERSEDED, "a newer session of the device took over");
    default:
        return no(refusal, SILENCE, CAUSE_STORE_UNAVAILABLE, "the store answered: %s",
                  err_name(result));
    }
}

static bool check_blocked(const struct enrollment *enrollment, bool known, struct refusal *refusal)
{
    return !enrollment->blocked ||
           no(refusal, CODE_BAD_REQUEST, known ? CAUSE_REMOVED : CAUSE_BLOCKED,
              "the device is blocked");
}

static bool is_authenticated(const struct session *session)
{
    return session->start.proof == PROOF_CERTIFICATE || session->start.identity.len > 0;
}

/* I8: whatever was looked up, the certificate has to name it, or to be the one it was enrolled
 * with. */
static bool check_certificate(const struct session *session, const struct enrollment *enrollment,
                              struct refusal *refusal)
{
    const struct names *names = session->start.names;
    if (session->start.proof != PROOF_CERTIFICATE)
        return !identity_is_pin(&enrollment->identity) || session->start.identity.len == 0 ||
               no(refusal, CODE_BAD_REQUEST, CAUSE_BAD_KEY, "the device has a certificate, no key");
    if (identity_is_pin(&enrollment->identity))
        return names_fit_pin(names, &enrollment->identity) ||
               no(refusal, CODE_BAD_REQUEST, CAUSE_BAD_CERTIFICATE,
                  names->hashed
                      ? "its certificate is not the one that it is enrolled with"
                      : "it is enrolled by its certificate, and x509 lacks 'pinned: true'");
    if (names->unvouched)
        return no(refusal, CODE_BAD_REQUEST, CAUSE_BAD_CERTIFICATE, unvouched);
    return names_have(names, enrollment->endpoint) ||
           no(refusal, CODE_BAD_REQUEST, CAUSE_ENDPOINT_MISMATCH,
              "the certificate does not name this device");
}

/* Nobody has proved to be this device, yet the device has a key to prove it with. */
static bool check_authenticated(const struct session *session, const struct enrollment *enrollment,
                                struct refusal *refusal)
{
    bool pack = session->attempt->request.pack;
    return is_authenticated(session) || enrollment->identity.len == 0 ||
           no(refusal, pack ? CODE_UNAUTHORIZED : CODE_BAD_REQUEST, CAUSE_ENDPOINT_MISMATCH,
              "asked without security, but the device is enrolled with a key");
}

/* A device without a key may have a certificate to prove itself with: its class decides. */
static bool check_insecure(const struct session *session, const struct profile *profile,
                           struct refusal *refusal)
{
    bool pack = session->attempt->request.pack;
    return is_authenticated(session) || profile_insecure(profile) ||
           no(refusal, pack ? CODE_UNAUTHORIZED : CODE_BAD_REQUEST, CAUSE_ENDPOINT_MISMATCH,
              "asked without security, which its class does not allow ('insecure: true')");
}

bool session_takes_unproven(const struct profile_set *profiles, const struct enrollment *enrollment)
{
    struct err unused;
    const struct profile *profile =
        profiles != NULL ? profile_set_select(profiles, enrollment, &unused) : NULL;
    return enrollment->identity.len == 0 && profile != NULL && profile_insecure(profile);
}

static bool check_request(const struct request *request, struct refusal *refusal)
{
    return request->code == 0 || no(refusal, request->code, request->cause, "%s", request->detail);
}

/* I8. Names are compared byte for byte; the store decides which name an identity has. */
static bool check_endpoint(const struct request *request, const struct enrollment *enrollment,
                           struct refusal *refusal)
{
    return strcmp(request->endpoint, enrollment->endpoint) == 0 ||
           (request->implied && identity_is_pin(&enrollment->identity)) ||
           no(refusal, CODE_BAD_REQUEST, CAUSE_ENDPOINT_MISMATCH, "%s '%s'",
              request->implied ? "the request has no ep=, so its identity counts as one:"
                               : "asked in the name of",
              request->endpoint);
}

/* `approve` keeps the device waiting in silence, so that it comes in as soon as it is accepted;
 * `quarantine` tells it no. */
static bool hold(struct refusal *refusal, uint8_t code)
{
    (void)no(refusal, code, CAUSE_NOT_ALLOWED,
             "already bootstrapped: held until it is accepted (usher accept)");
    refusal->held = true;
    return false;
}

static bool check_policy(const struct profile *profile, const struct enrollment *enrollment,
                         struct refusal *refusal)
{
    if (enrollment->bootstraps == 0)
        return true;
    switch (profile_rebootstrap(profile)) {
    case REBOOTSTRAP_ALLOW:
        return true;
    case REBOOTSTRAP_ONCE:
        return no(refusal, CODE_BAD_REQUEST, CAUSE_NOT_ALLOWED,
                  "already bootstrapped, and its profile says 'rebootstrap: once'");
    case REBOOTSTRAP_APPROVE:
        return hold(refusal, SILENCE);
    case REBOOTSTRAP_QUARANTINE:
        return hold(refusal, CODE_BAD_REQUEST);
    }
    return false;
}

/* ---- finding out ---- */

static bool select_profile(struct attempt *attempt, struct refusal *refusal)
{
    struct err err;
    if (attempt->profiles == NULL)
        return no(refusal, SILENCE, CAUSE_NO_PROFILE, "no profiles are loaded");
    attempt->profile = profile_set_select(attempt->profiles, &attempt->enrollment, &err);
    if (attempt->profile == NULL)
        return no(refusal, SILENCE, CAUSE_NO_PROFILE, "%s", err.text);
    attempt->client = *profile_client(attempt->profile);
    if (attempt->client.deadline_ms == 0)
        attempt->client.deadline_ms = DEADLINE_DEFAULT_MS;
    return true;
}

/* Keeps in `needs` what has to be made: a credential that is pending is sent again (I2). */
static bool find_needs(struct attempt *attempt, struct credential_need needs[static ACCOUNTS_MAX],
                       size_t *missing, struct refusal *refusal)
{
    struct err err;
    size_t count = 0;
    *missing = 0;
    if (profile_credentials(attempt->profile, &attempt->enrollment, needs, &count, &err) != ERR_OK)
        return no(refusal, SILENCE, CAUSE_PLAN_FAILED, "%s", err.text);
    for (size_t i = 0; i < count; i++) {
        const struct enrolled_credential *pending =
            enrollment_credential(&attempt->enrollment, needs[i].ssid, CREDENTIAL_PENDING);
        if (credential_is_fresh(needs[i].source) &&
            (pending == NULL || pending->kind != needs[i].kind))
            needs[(*missing)++] = needs[i];
    }
    return true;
}

static bool take_enrollment(struct turn *turn, struct refusal *refusal)
{
    struct attempt *attempt = turn->session->attempt;
    struct enrollment copy;
    if (turn->event->enrollment == NULL || !enrollment_copy(&copy, turn->event->enrollment))
        return no(refusal, SILENCE, CAUSE_STORE_UNAVAILABLE, "no memory for the enrolment");
    enrollment_clear(&attempt->enrollment);
    attempt->enrollment = copy;
    attempt->resolved = true;
    memcpy(turn->session->endpoint, copy.endpoint, sizeof turn->session->endpoint);
    return true;
}

/* Everything that must hold before a device gets its 2.04, after each look into the store. */
static bool admit(struct turn *turn, struct credential_need needs[static ACCOUNTS_MAX],
                  size_t *missing, struct refusal *refusal)
{
    struct session *session = turn->session;
    struct attempt *attempt = session->attempt;
    const struct enrollment *enrollment = &attempt->enrollment;
    bool known = attempt->resolved;
    if (!check_result(session, turn->event->result, known, refusal) ||
        !take_enrollment(turn, refusal) || !check_certificate(session, enrollment, refusal) ||
        !check_blocked(enrollment, known, refusal) ||
        !check_authenticated(session, enrollment, refusal))
        return false;
    /* From here on a refusal is this device's own, unless nobody has proved to be it (I8). */
    if (is_authenticated(session))
        attempt_name_device(turn);
    if (!check_request(&attempt->request, refusal) ||
        !check_endpoint(&attempt->request, enrollment, refusal) ||
        !select_profile(attempt, refusal) || !check_insecure(session, attempt->profile, refusal) ||
        !check_policy(attempt->profile, enrollment, refusal) ||
        !find_needs(attempt, needs, missing, refusal))
        return false;
    attempt_name_device(turn);
    return true;
}

/* ---- proceeding ---- */

void admit_refuse_plan(struct turn *turn, const char *why)
{
    struct refusal refusal;
    (void)no(&refusal, SILENCE, CAUSE_PLAN_FAILED, "%s", why);
    refuse(turn, &refusal);
}

static void accept(struct turn *turn)
{
    if (turn->session->attempt->request.pack) {
        pack_answer(turn);
        return;
    }
    turn->session->phase = PHASE_RESPONDING;
    turn_emit(turn, ACTION_RESPOND)->code = CODE_CHANGED;
}

static void commit(struct turn *turn, const struct credential_need *needs, size_t count)
{
    struct attempt *attempt = turn->session->attempt;
    attempt->needs = calloc(count, sizeof *needs);
    if (attempt->needs == NULL) {
        struct refusal refusal;
        (void)no(&refusal, SILENCE, CAUSE_STORE_UNAVAILABLE, "no memory for the credentials");
        refuse(turn, &refusal);
        return;
    }
    memcpy(attempt->needs, needs, count * sizeof *needs);
    turn->session->phase = PHASE_COMMITTING;
    struct session_action *action = turn_emit(turn, ACTION_COMMIT);
    action->needs = attempt->needs;
    action->need_count = count;
}

void admit_resolved(struct turn *turn)
{
    struct attempt *attempt = turn->session->attempt;
    struct credential_need needs[ACCOUNTS_MAX];
    struct refusal refusal;
    size_t missing;
    if (turn->event->profiles != NULL)
        attempt->profiles = profile_set_ref(turn->event->profiles);
    if (!admit(turn, needs, &missing, &refusal)) {
        refuse(turn, &refusal);
        return;
    }
    uint64_t deadline = attempt->requested_ms + attempt->client.deadline_ms;
    if (deadline != turn->session->timer_at)
        turn_arm(turn, deadline);
    if (attempt->request.pack && attempt->client.refuse_pack)
        turn_decline(turn, CODE_NOT_ALLOWED);
    else if (missing > 0)
        commit(turn, needs, missing);
    else
        accept(turn);
}

void admit_committed(struct turn *turn)
{
    struct attempt *attempt = turn->session->attempt;
    struct credential_need needs[ACCOUNTS_MAX];
    struct refusal refusal;
    size_t missing;
    free(attempt->needs);
    attempt->needs = NULL;
    bool admitted = admit(turn, needs, &missing, &refusal);
    if (admitted && missing > 0)
        admitted = no(&refusal, SILENCE, CAUSE_STORE_UNAVAILABLE,
                      "the store did not keep the credential of server %u", needs[0].ssid);
    if (admitted)
        accept(turn);
    else
        refuse(turn, &refusal);
}
