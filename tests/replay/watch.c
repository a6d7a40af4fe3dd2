/* The rules that hold at every step of every session. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void broken(struct watch *watch, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void broken(struct watch *watch, const char *format, ...)
{
    if (watch->broken[0] != '\0')
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(watch->broken, sizeof watch->broken, format, args);
    va_end(args);
}

/* 2.31 Continue says that more is wanted. */
static bool is_success(uint8_t code)
{
    return code >> 5 == 2 && code != (2 << 5 | 31);
}

/* A refusal that must not end in a success, unless the write is repeated and accepted. What links
 * and a second server add to this is for scenarios: they know their profile. */
static bool refusal_matters(const struct watch *watch, uint8_t code)
{
    uint16_t object = watch->open_path.ids[0];
    if (is_success(code))
        return false;
    if (object == OBJECT_SECURITY || object == OBJECT_SERVER)
        return true;
    bool no_access_control = object == OBJECT_ACCESS_CONTROL && code == (4 << 5 | 4);
    return !watch->open_optional && !no_access_control;
}

/* An instance that was too large goes resource by resource: each of these then counts. */
static void forget_whole(struct watch *watch)
{
    struct path whole = path_instance(watch->open_path.ids[0], watch->open_path.ids[1]);
    for (size_t i = 0; watch->open_path.depth == 3 && i < watch->write_count; i++) {
        if (path_equal(&watch->writes[i].path, &whole))
            watch->writes[i].refused = false;
    }
}

static void note_write(struct watch *watch, uint8_t code)
{
    forget_whole(watch);
    size_t i = 0;
    while (i < watch->write_count && !path_equal(&watch->writes[i].path, &watch->open_path))
        i++;
    if (i == WATCH_WRITES_MAX)
        return;
    if (i == watch->write_count)
        watch->writes[watch->write_count++].path = watch->open_path;
    watch->writes[i].refused = refusal_matters(watch, code);
}

static void on_answer(struct watch *watch, uint8_t code)
{
    if (!watch->open)
        return;
    watch->open = false;
    if (watch->open_kind == OPERATION_WRITE)
        note_write(watch, code);
    watch->finish_acknowledged = watch->open_kind == OPERATION_FINISH && is_success(code);
}

bool watch_event(struct watch *watch, const struct session_event *event)
{
    switch (event->kind) {
    case SESSION_COMMITTED:
        watch->commit_failed = watch->committing && event->result != ERR_OK;
        watch->committing = false;
        break;
    case SESSION_RESPONDED:
        watch->response_is_out = watch->responded_with_2_04 && !watch->pack;
        watch->pack_is_out = watch->pack && event->code == 0;
        break;
    case SESSION_ANSWER:
        on_answer(watch, event->code);
        break;
    case SESSION_NO_ANSWER:
        watch->open = false;
        break;
    default:
        break;
    }
    return watch->broken[0] == '\0';
}

static void on_resolve(struct watch *watch)
{
    if (watch->attempt)
        broken(watch, "an attempt begins before the last one is recorded");
    watch->attempt = true;
    watch->begun++;
    watch->committing = watch->commit_failed = false;
    watch->responded_with_2_04 = watch->response_is_out = false;
    watch->pack = watch->pack_is_out = false;
    watch->open = watch->finish_sent = watch->finish_acknowledged = false;
    watch->write_count = 0;
}

static void on_respond(struct watch *watch, const struct session_action *action)
{
    if (!watch->attempt)
        broken(watch, "a response without an attempt");
    if (watch->responded_with_2_04)
        broken(watch, "a second response");
    if (action->silent != (action->code == 0))
        broken(watch, "a response that is neither code nor silence");
    /* A declined Pack-Request is no attempt: the device goes on with a Bootstrap-Request. */
    if (action->code == (4 << 5 | 5))
        watch->attempt = false;
    if (action->code >> 5 != 2)
        return;
    watch->pack = action->operation != NULL;
    if (watch->pack != (action->code == (2 << 5 | 5)) ||
        (watch->pack && action->operation->kind != OPERATION_PACK))
        broken(watch, "a pack and 2.05 do not go together");
    watch->responded_with_2_04 = true;
    if (watch->committing || watch->commit_failed)
        broken(watch, "2.04 before the credentials were durable (I1)");
}

static void on_send(struct watch *watch, const struct session_action *action)
{
    watch->sends++;
    if (!watch->response_is_out)
        broken(watch, "an operation before the 2.04 was out");
    if (watch->open)
        broken(watch, "two operations are open");
    if (action->operation->kind == OPERATION_WRITE && !codec_can_encode(action->format))
        broken(watch, "a write in a format that we do not have");
    watch->open = true;
    watch->open_kind = action->operation->kind;
    watch->open_path = action->operation->path;
    watch->open_optional = action->operation->optional;
    watch->finish_acknowledged = false;
    watch->finish_sent = watch->finish_sent || watch->open_kind == OPERATION_FINISH;
}

static void check_success(struct watch *watch, const struct outcome *outcome, bool promote)
{
    bool success = outcome->state == STATE_BOOTSTRAPPED;
    if (success != watch->finish_acknowledged)
        broken(watch, "success and an acknowledged Finish do not go together");
    if (promote && !watch->finish_acknowledged)
        broken(watch, "promotion without an acknowledged Finish");
    if (success != (outcome->cause == CAUSE_NONE) && !watch->pack_is_out)
        broken(watch, "state %s with cause %s", device_state_name(outcome->state),
               cause_name(outcome->cause));
    for (size_t i = 0; success && i < watch->write_count; i++) {
        char path[PATH_TEXT_SIZE];
        path_text(&watch->writes[i].path, path);
        if (watch->writes[i].refused)
            broken(watch, "success although the write to %s was refused (I3)", path);
    }
}

static void check_outcome(struct watch *watch, const struct session *session,
                          const struct outcome *outcome)
{
    const struct enrollment *enrollment = session_enrollment(session);
    if (outcome->state != STATE_BOOTSTRAPPED && outcome->state != STATE_UNCONFIRMED &&
        outcome->state != STATE_FAILED && outcome->state != STATE_HELD)
        broken(watch, "an outcome in state %s", device_state_name(outcome->state));
    if (outcome->state == STATE_UNCONFIRMED && !watch->finish_sent && !watch->pack_is_out)
        broken(watch, "unconfirmed, yet neither Finish nor a pack was ever sent");
    if (outcome->state != STATE_BOOTSTRAPPED && outcome->detail[0] == '\0')
        broken(watch, "a failure without a word");
    if (!bytes_is_utf8(bytes_of_text(outcome->detail)))
        broken(watch, "a detail that is not UTF-8");
    if (outcome->endpoint[0] != '\0' && enrollment != NULL &&
        strcmp(outcome->endpoint, enrollment->endpoint) != 0)
        broken(watch, "an outcome in the name of another device (I8)");
    if (outcome->step_count > OUTCOME_STEPS_MAX || outcome->warning_count > OUTCOME_WARNINGS_MAX)
        broken(watch, "an outcome beyond its bounds");
}

static void on_record(struct watch *watch, const struct session *session,
                      const struct session_action *action)
{
    if (!watch->attempt)
        broken(watch, "a second record of one attempt");
    watch->attempt = false;
    watch->records++;
    watch->by_state[action->outcome->state]++;
    watch->by_cause[action->outcome->cause]++;
    check_success(watch, action->outcome, action->promote);
    check_outcome(watch, session, action->outcome);
}

static void on_close(struct watch *watch)
{
    if (watch->attempt)
        broken(watch, "closed before the attempt was recorded");
    watch->closes++;
    watch->over = true;
}

static void watch_action(struct watch *watch, const struct session *session,
                         const struct session_action *action)
{
    if (watch->over)
        broken(watch, "an action after CLOSE");
    switch (action->kind) {
    case ACTION_RESOLVE:
        on_resolve(watch);
        break;
    case ACTION_COMMIT:
        watch->committing = true;
        break;
    case ACTION_RESPOND:
        on_respond(watch, action);
        break;
    case ACTION_SEND:
        on_send(watch, action);
        break;
    case ACTION_RECORD:
        on_record(watch, session, action);
        break;
    case ACTION_CLOSE:
        on_close(watch);
        break;
    default:
        break;
    }
}

bool watch_actions(struct watch *watch, const struct session *session,
                   const struct session_actions *actions)
{
    for (size_t i = 0; i < actions->count; i++)
        watch_action(watch, session, &actions->items[i]);
    if (watch->over != session_over(session))
        broken(watch, "session_over does not tell what CLOSE told");
    return watch->broken[0] == '\0';
}

void watch_next_session(struct watch *watch)
{
    struct watch fresh = {.begun = watch->begun,
                          .records = watch->records,
                          .closes = watch->closes,
                          .sends = watch->sends};
    memcpy(fresh.by_state, watch->by_state, sizeof fresh.by_state);
    memcpy(fresh.by_cause, watch->by_cause, sizeof fresh.by_cause);
    memcpy(fresh.broken, watch->broken, sizeof fresh.broken);
    *watch = fresh;
}
