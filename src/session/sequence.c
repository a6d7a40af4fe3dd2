/* The operations of one bootstrap, one at a time and in order (OMA Core 1.2 section 6.1.7). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "session_priv.h"

#include "usher/corelink.h"
#include "usher/pool.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

static int current_format(const struct attempt *attempt)
{
    return attempt->formats[attempt->format_index];
}

static void send_operation(struct turn *turn, const struct operation *operation, enum phase phase)
{
    struct attempt *attempt = turn->session->attempt;
    uint32_t request_timeout_ms = attempt->client.request_timeout_ms;
    turn->session->phase = phase;
    attempt->open = operation;
    attempt->sent_ms = turn->now;
    turn_show_state(turn, phase == PHASE_FINISHING ? STATE_VERIFYING : STATE_WRITING);
    struct session_action *action = turn_emit(turn, ACTION_SEND);
    action->operation = operation;
    action->ack_timeout_ms = attempt->client.ack_timeout_ms;
    action->request_timeout_ms =
        request_timeout_ms != 0 ? request_timeout_ms : REQUEST_TIMEOUT_DEFAULT_MS;
    action->message_max = attempt->client.message_max;
    if (operation->kind == OPERATION_WRITE) {
        action->format = current_format(attempt);
        attempt->outcome.format = action->format;
    } else if (operation->kind == OPERATION_READ) {
        action->format = drift_format(attempt);
    }
}

/* ---- proceeding ---- */

/* A repair writes the accounts again and nothing else. */
static bool is_due(const struct attempt *attempt, const struct operation *operation)
{
    if (!attempt->repairing || operation->kind == OPERATION_FINISH)
        return true;
    return operation->kind == OPERATION_WRITE && operation->path.depth > 0 &&
           (operation->path.ids[0] == OBJECT_SECURITY || operation->path.ids[0] == OBJECT_SERVER ||
            operation->path.ids[0] == OBJECT_OSCORE);
}

enum { MESSAGE_DEFAULT = 1024 }; /* bytes over which a message goes by blocks, see session.h */

/* 0: it goes whole. The class says that its devices take no blocks, or the device has said 4.13. */
static bool goes_in_pieces(const struct attempt *attempt, const struct operation *operation,
                           size_t *most)
{
    size_t size = 0;
    struct err err;
    *most = attempt->client.message_max != 0 ? attempt->client.message_max : MESSAGE_DEFAULT;
    if (operation->kind != OPERATION_WRITE || operation->path.depth != 2)
        return false;
    if (attempt->too_large)
        *most = 0;
    return attempt->too_large ||
           (attempt->client.split &&
            plan_payload_size(operation, current_format(attempt), &size, &err) == ERR_OK &&
            size > *most);
}

static const struct operation *first_piece(struct attempt *attempt,
                                           const struct operation *operation)
{
    size_t most;
    plan_pieces_clear(&attempt->pieces);
    attempt->piece = 0;
    if (!goes_in_pieces(attempt, operation, &most) ||
        !plan_split(operation, current_format(attempt), most, &attempt->pieces))
        return operation;
    return &attempt->pieces.items[0];
}

static void send_due(struct turn *turn)
{
    struct attempt *attempt = turn->session->attempt;
    const struct operation *operation = plan_operation(attempt->plan, attempt->next);
    while (!is_due(attempt, operation))
        operation = plan_operation(attempt->plan, ++attempt->next);
    operation = first_piece(attempt, operation);
    send_operation(turn, operation,
                   operation->kind == OPERATION_FINISH ? PHASE_FINISHING : PHASE_OPERATING);
}

static void proceed_to_next(struct turn *turn)
{
    turn->session->attempt->too_large = false;
    turn->session->attempt->next++;
    send_due(turn);
}

static void proceed_to_piece(struct turn *turn)
{
    struct attempt *attempt = turn->session->attempt;
    if (++attempt->piece < attempt->pieces.count)
        send_operation(turn, &attempt->pieces.items[attempt->piece], PHASE_OPERATING);
    else
        proceed_to_next(turn);
}

static void proceed_to_repair(struct turn *turn)
{
    struct attempt *attempt = turn->session->attempt;
    attempt->repairing = true;
    attempt->too_large = false;
    attempt->next = 0;
    send_due(turn);
}

static void proceed_to_end(struct turn *turn)
{
    struct session *session = turn->session;
    turn_record(turn, STATE_BOOTSTRAPPED, CAUSE_NONE);
    session->phase = PHASE_LINGERING;
    turn_arm(turn, turn->now + SESSION_LINGER_MS);
}

/* ---- failing ---- */

static void fail_plan(struct turn *turn, const char *why)
{
    struct outcome *outcome = &turn->session->attempt->outcome;
    report_text(outcome->detail, sizeof outcome->detail, "%s", why);
    turn_fail(turn, CAUSE_PLAN_FAILED);
}

static void fail_unanswered(struct turn *turn)
{
    struct attempt *attempt = turn->session->attempt;
    struct outcome *outcome = &attempt->outcome;
    char operation[OPERATION_TEXT_SIZE];
    report_operation(attempt->open, operation);
    report_step(outcome, attempt->open, 0, turn->event->attempts, turn->now - attempt->sent_ms);
    if (turn->event->cause == CAUSE_RESET) {
        report_text(outcome->detail, sizeof outcome->detail, "%s was rejected with a reset",
                    operation);
        turn_fail(turn, CAUSE_RESET);
        return;
    }
    report_text(outcome->detail, sizeof outcome->detail,
                "%s was not answered within %" PRIu64 " s (sent %u times)", operation,
                (turn->now - attempt->sent_ms) / 1000, (unsigned)turn->event->attempts);
    turn_fail(turn, CAUSE_TIMEOUT);
}

/* "PUT /0/1 as tlv was answered 4.00 Bad Request" */
static void describe_answer(const struct turn *turn, char *out, size_t size)
{
    const struct attempt *attempt = turn->session->attempt;
    bool write = attempt->open->kind == OPERATION_WRITE;
    char operation[OPERATION_TEXT_SIZE];
    char code[CODE_TEXT_SIZE];
    report_operation(attempt->open, operation);
    report_code(turn->event->code, code);
    report_text(out, size, "%s%s%s was answered %s", operation, write ? " as " : "",
                write ? codec_name(current_format(attempt)) : "", code);
}

static void fail_refused(struct turn *turn, enum cause cause)
{
    struct outcome *outcome = &turn->session->attempt->outcome;
    describe_answer(turn, outcome->detail, sizeof outcome->detail);
    turn_fail(turn, cause);
}

/* ---- what an answer leads to ---- */

static void warn(struct turn *turn, const char *what)
{
    char answer[sizeof((struct outcome *)0)->warnings[0]];
    describe_answer(turn, answer, sizeof answer);
    report_warning(&turn->session->attempt->outcome, "%s%s", answer, what);
}

static void on_done(struct turn *turn)
{
    struct attempt *attempt = turn->session->attempt;
    if (attempt->open->kind == OPERATION_FINISH) {
        proceed_to_end(turn);
        return;
    }
    if (attempt->open->kind == OPERATION_WRITE)
        attempt->accepted_index = (int)attempt->format_index;
    proceed_to_piece(turn);
}

/* A write that may be refused leaves the format as it was before it. */
static void skip_refused_write(struct turn *turn)
{
    struct attempt *attempt = turn->session->attempt;
    warn(turn, "");
    attempt->format_index = attempt->accepted_index >= 0 ? (size_t)attempt->accepted_index : 0;
    proceed_to_next(turn);
}

static void on_refused(struct turn *turn)
{
    struct attempt *attempt = turn->session->attempt;
    uint8_t code = turn->event->code;
    if (attempt->open->kind == OPERATION_FINISH)
        fail_refused(turn, CAUSE_FINISH_REJECTED);
    else if (verdict_tolerable(attempt->plan, attempt->open, code))
        skip_refused_write(turn);
    else if (code == CODE_UNSUPPORTED_FORMAT && attempt->accepted_index < 0)
        fail_refused(turn, CAUSE_UNSUPPORTED_FORMAT);
    else
        fail_refused(turn, CAUSE_WRITE_REJECTED);
}

static void on_other_format(struct turn *turn)
{
    struct attempt *attempt = turn->session->attempt;
    if (attempt->format_index + 1 >= attempt->format_count) {
        on_refused(turn);
        return;
    }
    attempt->format_index++;
    send_due(turn);
}

/* Some clients answer so to a format they cannot read (Wakaama 5.00, mbed-cloud-client 4.00). That
 * is worth one try, and only while no format was ever accepted: then it means what it says. */
static void on_guess_format(struct turn *turn)
{
    struct attempt *attempt = turn->session->attempt;
    if (attempt->guessed || attempt->accepted_index >= 0) {
        on_refused(turn);
        return;
    }
    attempt->guessed = true;
    on_other_format(turn);
}

/* The endpoint has tried blocks of the size that the device named, when it named one. */
static void on_too_large(struct turn *turn)
{
    struct attempt *attempt = turn->session->attempt;
    if (attempt->too_large || attempt->open->path.depth != 2) {
        on_refused(turn);
        return;
    }
    attempt->too_large = true;
    send_due(turn);
}

static void on_repair(struct turn *turn)
{
    if (turn->session->attempt->repairing) {
        on_refused(turn);
        return;
    }
    warn(turn, "; wrote /0 and /1 again");
    proceed_to_repair(turn);
}

static void on_warn(struct turn *turn)
{
    warn(turn, "");
    proceed_to_next(turn);
}

static void (*const by_verdict[])(struct turn *turn) = {
    [VERDICT_DONE] = on_done,
    [VERDICT_LISTED] = on_done,
    [VERDICT_WARN] = on_warn,
    [VERDICT_OTHER_FORMAT] = on_other_format,
    [VERDICT_GUESS_FORMAT] = on_guess_format,
    [VERDICT_TOO_LARGE] = on_too_large,
    [VERDICT_REPAIR] = on_repair,
    [VERDICT_REFUSED] = on_refused,
};

static void note_step(struct turn *turn)
{
    struct attempt *attempt = turn->session->attempt;
    report_step(&attempt->outcome, attempt->open, turn->event->code, turn->event->attempts,
                turn->now - attempt->sent_ms);
}

void sequence_answered(struct turn *turn)
{
    if (turn->event->kind == SESSION_NO_ANSWER) {
        fail_unanswered(turn);
        return;
    }
    note_step(turn);
    by_verdict[verdict_of(turn->session->attempt->open->kind, turn->event->code)](turn);
}

/* ---- from the request to the plan ---- */

/* pct came with LwM2M 1.1, its value 11544 with 1.2. A class that knows its version knows better.
 */
static void hint_version(struct attempt *attempt)
{
    struct capability *capability = attempt->capability;
    int format = attempt->request.format;
    capability->preferred_format = format;
    if (format == FORMAT_NONE || attempt->client.version != LWM2M_VERSION_UNKNOWN)
        return;
    if (capability->version == LWM2M_VERSION_UNKNOWN)
        capability->version = format == FORMAT_LWM2M_CBOR ? LWM2M_1_2 : LWM2M_1_1;
}

void sequence_note_plan(struct attempt *attempt)
{
    struct outcome *outcome = &attempt->outcome;
    attempt->format_count = plan_formats(attempt->plan, attempt->formats);
    const uint64_t hash = plan_hash(attempt->plan);
    uint8_t bytes[sizeof hash];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(hash >> (8 * (sizeof bytes - 1 - i)));
    bytes_to_hex(bytes_of(bytes, sizeof bytes), outcome->profile_hash);
    for (size_t i = 0; i < plan_warning_count(attempt->plan); i++)
        report_warning(outcome, "%s", plan_warning(attempt->plan, i));
}

static void make_plan(struct turn *turn)
{
    struct attempt *attempt = turn->session->attempt;
    struct plan_context context = {.now_wall_ms = turn->event->wall_ms};
    struct err err;
    enum err_code result = plan_build(attempt->profile, &attempt->enrollment, attempt->capability,
                                      &context, &attempt->plan, &err);
    pool_free(attempt->capability);
    attempt->capability = NULL;
    if (result != ERR_OK) {
        fail_plan(turn, err.text);
        return;
    }
    sequence_note_plan(attempt);
    drift_note(attempt);
    assert(plan_count(attempt->plan) > 0 && attempt->format_count > 0);
    send_due(turn);
}

static void read_listing(struct turn *turn)
{
    struct attempt *attempt = turn->session->attempt;
    struct err err;
    if (corelink_read(turn->event->payload, attempt->capability, &err) != ERR_OK)
        report_warning(&attempt->outcome, "the answer to Discover could not be read: %s", err.text);
}

static void read_or_plan(struct turn *turn)
{
    struct attempt *attempt = turn->session->attempt;
    hint_version(attempt);
    if (!drift_is_wanted(attempt)) {
        make_plan(turn);
        return;
    }
    attempt->read = (struct operation){.kind = OPERATION_READ, .path = path_object(OBJECT_SERVER)};
    send_operation(turn, &attempt->read, PHASE_READING);
}

void sequence_discovered(struct turn *turn)
{
    if (turn->event->kind == SESSION_NO_ANSWER) {
        fail_unanswered(turn);
        return;
    }
    note_step(turn);
    if (verdict_of(OPERATION_DISCOVER, turn->event->code) == VERDICT_LISTED)
        read_listing(turn);
    read_or_plan(turn);
}

void sequence_read(struct turn *turn)
{
    if (turn->event->kind == SESSION_NO_ANSWER) {
        fail_unanswered(turn);
        return;
    }
    note_step(turn);
    drift_take(turn->session->attempt, turn->event);
    make_plan(turn);
}

void sequence_start(struct turn *turn)
{
    struct attempt *attempt = turn->session->attempt;
    attempt->capability = pool_calloc(1, sizeof *attempt->capability);
    if (attempt->capability == NULL) {
        fail_plan(turn, "no memory for what the device can do");
        return;
    }
    capability_init(attempt->capability);
    if (attempt->client.discover == DISCOVER_NEVER) {
        turn_show_state(turn, STATE_WRITING);
        read_or_plan(turn);
        return;
    }
    attempt->discover = (struct operation){.kind = OPERATION_DISCOVER, .path = path_root()};
    send_operation(turn, &attempt->discover, PHASE_DISCOVERING);
}
