/* The life of one bootstrap attempt, and the actions that every phase may give. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "session_priv.h"

#include "usher/pool.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct session_action *turn_emit(struct turn *turn, enum session_action_kind kind)
{
    assert(turn->actions->count < SESSION_ACTIONS_MAX);
    struct session_action *action = &turn->actions->items[turn->actions->count++];
    *action = (struct session_action){.kind = kind, .format = FORMAT_NONE};
    return action;
}

void turn_arm(struct turn *turn, uint64_t at)
{
    turn->session->timer_at = at;
    turn_emit(turn, ACTION_ARM)->at = at;
}

void turn_show_state(struct turn *turn, enum device_state state)
{
    if (turn->session->state == state)
        return;
    turn->session->state = state;
    turn_emit(turn, ACTION_STATE)->state = state;
}

void turn_close(struct turn *turn, bool silent)
{
    turn->session->phase = PHASE_OVER;
    turn_emit(turn, ACTION_CLOSE)->silent = silent;
}

/* What only a running bootstrap needs; enrolment and outcome stay for the record. */
static void attempt_drop_work(struct attempt *attempt)
{
    attempt->open = NULL;
    plan_free(attempt->plan);
    attempt->plan = NULL;
    pool_free(attempt->capability);
    attempt->capability = NULL;
    free(attempt->needs);
    attempt->needs = NULL;
    drift_free(attempt);
    plan_pieces_clear(&attempt->pieces);
    profile_set_unref(attempt->profiles);
    attempt->profiles = NULL;
    attempt->profile = NULL;
}

void attempt_free(struct attempt *attempt)
{
    if (attempt == NULL)
        return;
    attempt_drop_work(attempt);
    enrollment_clear(&attempt->enrollment);
    pool_free(attempt);
}

/* The handshake belongs to the first attempt of an association; a later one starts with its
 * request. */
static void start_outcome(const struct turn *turn, struct attempt *attempt)
{
    const struct session *session = turn->session;
    bool first = session->attempts == 0;
    attempt->started_ms = first ? session->start.started_ms : turn->now;
    attempt->outcome.started_wall_ms =
        first ? session->start.started_wall_ms : turn->event->wall_ms;
    attempt->outcome.handshake_ms = first ? session->start.handshake_ms : 0;
    attempt->outcome.format = FORMAT_NONE;
}

/* Zeroed but for the large arrays whose counts are zero: they are most of an attempt. */
static struct attempt *attempt_new(void)
{
    struct attempt *attempt = pool_alloc(sizeof *attempt);
    if (attempt == NULL)
        return NULL;
    size_t credentials = offsetof(struct attempt, enrollment.credentials);
    size_t behind = offsetof(struct attempt, enrollment.credential_count);
    memset(attempt, 0, credentials);
    memset((char *)attempt + behind, 0, offsetof(struct attempt, outcome.warnings) - behind);
    attempt->outcome.warning_count = attempt->outcome.step_count = 0;
    return attempt;
}

bool attempt_begin(struct turn *turn)
{
    struct session *session = turn->session;
    struct attempt *attempt = attempt_new();
    if (attempt == NULL)
        return false;
    start_outcome(turn, attempt);
    attempt->requested_ms = turn->now;
    attempt->client = (struct client_behaviour){.deadline_ms = DEADLINE_DEFAULT_MS};
    attempt->accepted_index = -1;
    session->attempts++;
    session->state = STATE_SEEN;
    session->attempt = attempt;
    return true;
}

void attempt_name_device(struct turn *turn)
{
    struct attempt *attempt = turn->session->attempt;
    const char *class_name = attempt->enrollment.class_name;
    if (attempt->profile != NULL)
        class_name = profile_class(attempt->profile);
    strcpy(attempt->outcome.endpoint, attempt->enrollment.endpoint);
    strcpy(attempt->outcome.class_name, class_name);
}

/* A superseded attempt is history: what people see belongs to the newer one. So is one that names
 * no device (I8). */
static bool changes_shown_state(const struct outcome *outcome)
{
    return outcome->cause != CAUSE_SUPERSEDED && outcome->endpoint[0] != '\0';
}

void turn_record(struct turn *turn, enum device_state state, enum cause cause)
{
    struct session *session = turn->session;
    struct attempt *attempt = session->attempt;
    struct outcome *outcome = &attempt->outcome;
    uint64_t duration = turn->now - attempt->started_ms;
    outcome->state = state;
    outcome->cause = cause;
    outcome->duration_ms = duration > UINT32_MAX ? UINT32_MAX : (uint32_t)duration;
    if (changes_shown_state(outcome))
        turn_show_state(turn, state);
    session->state = state;
    struct session_action *action = turn_emit(turn, ACTION_RECORD);
    action->outcome = outcome;
    action->promote = state == STATE_BOOTSTRAPPED;
    attempt_drop_work(attempt);
    session->done = attempt;
    session->attempt = NULL;
}

void turn_fail(struct turn *turn, enum cause cause)
{
    bool unanswered =
        turn->session->phase == PHASE_FINISHING && turn->event->kind != SESSION_ANSWER;
    bool unconfirmed = unanswered && cause != CAUSE_SUPERSEDED;
    turn_record(turn, unconfirmed ? STATE_UNCONFIRMED : STATE_FAILED, cause);
    turn_close(turn, false);
}

void turn_decline(struct turn *turn, uint8_t code)
{
    struct session *session = turn->session;
    turn_emit(turn, ACTION_RESPOND)->code = code;
    session->phase = PHASE_REFUSING;
    session->state = STATE_SEEN;
    attempt_drop_work(session->attempt);
    session->done = session->attempt;
    session->attempt = NULL;
}

void attempt_doing(const struct turn *turn, char out[static DOING_TEXT_SIZE])
{
    static const char *const doing[PHASE_COUNT] = {
        [PHASE_RESOLVING] = "the device was being looked up",
        [PHASE_COMMITTING] = "its credentials were being stored",
        [PHASE_RESPONDING] = "its request was being answered",
    };
    const struct session *session = turn->session;
    const char *text = doing[session->phase];
    if (text != NULL) {
        report_text(out, DOING_TEXT_SIZE, "%s", text);
        return;
    }
    char operation[OPERATION_TEXT_SIZE];
    report_operation(session->attempt->open, operation);
    report_text(out, DOING_TEXT_SIZE, "%s was open", operation);
}
