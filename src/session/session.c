/* One bootstrap as a state machine: phases, and the events that may come in any of them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "session_priv.h"
#include "usher/pool.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool copy_names(struct session *session)
{
    const struct names *given = session->start.names;

    assert(session->start.proof != PROOF_CERTIFICATE || (given != NULL && given->count > 0));
    if (given == NULL)
        return true;
    session->names = malloc(sizeof *session->names);
    if (session->names == NULL)
        return false;
    *session->names = *given;
    session->start.names = session->names;
    return true;
}

struct session *session_new(const struct session_start *start)
{
    struct session *session = pool_calloc(1, sizeof *session);
    if (session == NULL)
        return NULL;
    session->start = *start;
    if (!copy_names(session)) {
        pool_free(session);
        return NULL;
    }
    session->phase = PHASE_IDLE;
    session->state = STATE_SEEN;
    return session;
}

void session_recorded(struct session *session)
{
    attempt_free(session->done);
    session->done = NULL;
}

void session_free(struct session *session)
{
    if (session == NULL)
        return;
    session_recorded(session);
    attempt_free(session->attempt);
    free(session->names);
    pool_free(session);
}

static void set_detail(struct turn *turn, const char *what)
{
    struct outcome *outcome = &turn->session->attempt->outcome;
    char doing[DOING_TEXT_SIZE];
    attempt_doing(turn, doing);
    report_text(outcome->detail, sizeof outcome->detail, "%s while %s", what, doing);
}

/* ---- events that may come in any phase ---- */

static void read_request(struct turn *turn)
{
    struct session *session = turn->session;
    struct request *request = &session->attempt->request;
    request_read(turn->event, &session->start, request);
    if (!session->attempt->resolved)
        memcpy(session->endpoint, request->endpoint, sizeof session->endpoint);
}

/* The device has lost its state: what it got so far counts for nothing. */
static void abandon_for_newer_request(struct turn *turn)
{
    set_detail(turn, "the device asked again");
    turn_record(turn, STATE_FAILED, CAUSE_SUPERSEDED);
}

static void begin(struct turn *turn)
{
    struct session *session = turn->session;
    if (session->attempts == ATTEMPTS_MAX || !attempt_begin(turn)) {
        turn_close(turn, false);
        return;
    }
    read_request(turn);
    session->phase = PHASE_RESOLVING;
    turn_emit(turn, ACTION_RESOLVE);
    turn_arm(turn, turn->now + DEADLINE_DEFAULT_MS);
}

static void on_request(struct turn *turn)
{
    struct session *session = turn->session;
    switch (session->phase) {
    case PHASE_RESOLVING:
    case PHASE_COMMITTING:
        /* Nothing was sent yet: the newer request takes the place of the older, and is answered
         * when the store has spoken. So a device that repeats itself costs the store nothing. */
        read_request(turn);
        break;
    case PHASE_RESPONDING:
    case PHASE_DISCOVERING:
    case PHASE_READING:
    case PHASE_OPERATING:
    case PHASE_FINISHING:
        abandon_for_newer_request(turn);
        begin(turn);
        break;
    default:
        begin(turn);
        break;
    }
}

static void on_timer(struct turn *turn)
{
    struct session *session = turn->session;
    if (session->timer_at == 0)
        return;
    if (turn->now < session->timer_at) {
        turn_arm(turn, session->timer_at);
        return;
    }
    if (session->attempt == NULL) {
        turn_close(turn, false);
        return;
    }
    char what[64];
    report_text(what, sizeof what, "not done within %" PRIu32 " s: the time ran out",
                session->attempt->client.deadline_ms / 1000);
    set_detail(turn, what);
    turn_fail(turn, CAUSE_DEADLINE);
}

static void fail_or_close(struct turn *turn, enum cause cause, const char *what)
{
    if (turn->session->attempt == NULL) {
        turn_close(turn, false);
        return;
    }
    set_detail(turn, what);
    turn_fail(turn, cause);
}

static void on_superseded(struct turn *turn)
{
    fail_or_close(turn, CAUSE_SUPERSEDED, "a newer session of the device took over");
}

static void on_closed(struct turn *turn)
{
    char what[64];
    switch (turn->event->cause) {
    case CAUSE_SUPERSEDED:
        fail_or_close(turn, CAUSE_SUPERSEDED, "a newer handshake of the device took over");
        break;
    case CAUSE_DTLS_ALERT:
        report_text(what, sizeof what, "the device sent DTLS alert %u", turn->event->alert);
        fail_or_close(turn, CAUSE_DTLS_ALERT, what);
        break;
    default:
        fail_or_close(turn, CAUSE_CLOSED, "the device closed the association");
        break;
    }
}

static void on_abort(struct turn *turn)
{
    if (turn->event->cause == CAUSE_REMOVED)
        fail_or_close(turn, CAUSE_REMOVED, "an operator removed or blocked the device");
    else
        fail_or_close(turn, CAUSE_SHUTDOWN, "the server was stopped");
}

/* ---- events that a phase waits for; all others are late answers, of no use any more ---- */

static void on_resolving(struct turn *turn)
{
    if (turn->event->kind == SESSION_RESOLVED)
        admit_resolved(turn);
}

static void on_committing(struct turn *turn)
{
    if (turn->event->kind == SESSION_COMMITTED)
        admit_committed(turn);
}

static void fail_unanswered_response(struct turn *turn)
{
    struct outcome *outcome = &turn->session->attempt->outcome;
    bool reset = turn->event->cause == CAUSE_RESET;
    report_text(outcome->detail, sizeof outcome->detail, "the answer %s to the request was %s",
                turn->session->attempt->request.pack ? "2.05" : "2.04",
                reset ? "rejected with a reset" : "never acknowledged");
    turn_fail(turn, reset ? CAUSE_RESET : CAUSE_TIMEOUT);
}

static void on_responding(struct turn *turn)
{
    if (turn->event->kind == SESSION_RESPONDED && turn->session->attempt->request.pack)
        pack_answered(turn);
    else if (turn->event->kind == SESSION_RESPONDED)
        sequence_start(turn);
    else if (turn->event->kind == SESSION_NO_ANSWER)
        fail_unanswered_response(turn);
}

static void on_discovering(struct turn *turn)
{
    if (turn->event->kind == SESSION_ANSWER || turn->event->kind == SESSION_NO_ANSWER)
        sequence_discovered(turn);
}

static void on_reading(struct turn *turn)
{
    if (turn->event->kind == SESSION_ANSWER || turn->event->kind == SESSION_NO_ANSWER)
        sequence_read(turn);
}

static void on_operating(struct turn *turn)
{
    if (turn->event->kind == SESSION_ANSWER || turn->event->kind == SESSION_NO_ANSWER)
        sequence_answered(turn);
}

static void on_refusing(struct turn *turn)
{
    if (turn->event->kind == SESSION_RESPONDED) {
        turn->session->phase = PHASE_LINGERING;
        turn_arm(turn, turn->now + SESSION_LINGER_MS);
    } else if (turn->event->kind == SESSION_NO_ANSWER) {
        turn_close(turn, false);
    }
}

static void on_nothing(struct turn *turn)
{
    (void)turn;
}

typedef void (*handler)(struct turn *turn);

static const handler any_phase[] = {
    [SESSION_REQUEST] = on_request,       [SESSION_TIMER] = on_timer,
    [SESSION_SUPERSEDED] = on_superseded, [SESSION_CLOSED] = on_closed,
    [SESSION_ABORT] = on_abort,
};
static_assert(sizeof any_phase / sizeof any_phase[0] == SESSION_ABORT + 1, "covers every event");

static const handler phases[] = {
    [PHASE_IDLE] = on_nothing,
    [PHASE_RESOLVING] = on_resolving,
    [PHASE_COMMITTING] = on_committing,
    [PHASE_RESPONDING] = on_responding,
    [PHASE_DISCOVERING] = on_discovering,
    [PHASE_READING] = on_reading,
    [PHASE_OPERATING] = on_operating,
    [PHASE_FINISHING] = on_operating,
    [PHASE_REFUSING] = on_refusing,
    [PHASE_LINGERING] = on_nothing,
    [PHASE_OVER] = on_nothing,
};
static_assert(sizeof phases / sizeof phases[0] == PHASE_COUNT, "every phase has a handler");

void session_step(struct session *session, const struct session_event *event, uint64_t now,
                  struct session_actions *actions)
{
    actions->count = 0;
    session_recorded(session);
    if (session->phase == PHASE_OVER)
        return;
    struct turn turn = {.session = session, .event = event, .now = now, .actions = actions};
    handler handle = any_phase[event->kind];
    if (handle == NULL)
        handle = phases[session->phase];
    handle(&turn);
}

const struct enrollment *session_enrollment(const struct session *session)
{
    const struct attempt *attempt = session->attempt != NULL ? session->attempt : session->done;
    return attempt != NULL && attempt->resolved ? &attempt->enrollment : NULL;
}

enum device_state session_state(const struct session *session)
{
    return session->state;
}

const char *session_endpoint(const struct session *session)
{
    return session->endpoint;
}

const char *session_lookup(const struct session *session)
{
    if (session->start.proof == PROOF_CERTIFICATE &&
        !names_have(session->start.names, session->endpoint))
        return names_first(session->start.names);
    return session->endpoint;
}

const struct profile *session_profile(const struct session *session)
{
    return session->attempt != NULL ? session->attempt->profile : NULL;
}

bool session_over(const struct session *session)
{
    return session->phase == PHASE_OVER;
}
