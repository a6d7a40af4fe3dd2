/* Bootstrap-Pack (OMA Core 1.2 section 6.1.7.7): the plan as the answer to the request. Nothing
 * confirms that the device has taken it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "session_priv.h"

#include "usher/corelink.h"

#include <stdlib.h>
#include <string.h>

/* acc= names the bootstrap account's instances, so that new ones keep off them. */
static enum err_code read_capability(const struct attempt *attempt, struct capability *out,
                                     struct err *err)
{
    struct bytes known = bytes_of_text(attempt->request.known);
    capability_init(out);
    enum err_code code = known.len > 0 ? corelink_read(known, out, err) : ERR_OK;
    out->pack = true;
    out->version = LWM2M_1_2;
    out->preferred_format = attempt->request.format;
    return code;
}

static enum err_code make_plan(struct turn *turn, struct err *err)
{
    struct attempt *attempt = turn->session->attempt;
    struct plan_context context = {.now_wall_ms = turn->event->wall_ms};
    struct capability *capability = malloc(sizeof *capability);
    if (capability == NULL)
        return err_set(err, ERR_NO_MEMORY, "no memory for what the device can do");
    enum err_code code = read_capability(attempt, capability, err);
    if (code == ERR_OK)
        code = plan_build(attempt->profile, &attempt->enrollment, capability, &context,
                          &attempt->plan, err);
    free(capability);
    return code;
}

/* The device names a format, else the class, else the one that all know. */
static int choose_format(const struct attempt *attempt)
{
    if (attempt->request.format != FORMAT_NONE)
        return attempt->request.format;
    int usual = attempt->client.format;
    return usual == FORMAT_SENML_JSON || usual == FORMAT_LWM2M_CBOR ? usual : FORMAT_SENML_CBOR;
}

void pack_answer(struct turn *turn)
{
    struct session *session = turn->session;
    struct attempt *attempt = session->attempt;
    struct err err;
    if (make_plan(turn, &err) != ERR_OK) {
        admit_refuse_plan(turn, err.text);
        return;
    }
    if (plan_pack(attempt->plan, &attempt->pack, &err) != ERR_OK) {
        turn_decline(turn, CODE_NOT_ALLOWED);
        return;
    }
    sequence_note_plan(attempt);
    session->phase = PHASE_RESPONDING;
    attempt->sent_ms = turn->now;
    turn_show_state(turn, STATE_WRITING);
    struct session_action *action = turn_emit(turn, ACTION_RESPOND);
    action->code = CODE_CONTENT;
    action->operation = &attempt->pack;
    action->format = choose_format(attempt);
    attempt->outcome.format = action->format;
}

void pack_answered(struct turn *turn)
{
    struct session *session = turn->session;
    struct attempt *attempt = session->attempt;
    struct outcome *outcome = &attempt->outcome;
    bool written = turn->event->code == 0;
    report_step(outcome, &attempt->pack, written ? CODE_CONTENT : turn->event->code, 1,
                turn->now - attempt->sent_ms);
    if (written) {
        report_text(outcome->detail, sizeof outcome->detail,
                    "sent as a Bootstrap-Pack, which no device confirms");
        turn_record(turn, STATE_UNCONFIRMED, CAUSE_NONE);
    } else {
        report_text(outcome->detail, sizeof outcome->detail,
                    "the Bootstrap-Pack cannot be written as %s", codec_name(outcome->format));
        turn_record(turn, STATE_FAILED, CAUSE_UNSUPPORTED_FORMAT);
    }
    session->phase = PHASE_LINGERING;
    turn_arm(turn, turn->now + SESSION_LINGER_MS);
}
