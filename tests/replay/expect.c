/* EXPECT and CHECK: what a session did, as text, against what the script says. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "replay.h"

#include <stdlib.h>
#include <string.h>

/* ---- actions as text ---- */

static void needs_text(const struct session_action *action, FILE *out)
{
    fputs("commit", out);
    for (size_t i = 0; i < action->need_count; i++)
        fprintf(out, " %u", action->needs[i].ssid);
}

static void send_text(const struct session_action *action, FILE *out)
{
    const struct operation *operation = action->operation;
    char path[PATH_TEXT_SIZE];
    path_text(&operation->path, path);
    fprintf(out, "send %s", operation_kind_name(operation->kind));
    if (operation->kind == OPERATION_DELETE || operation->kind == OPERATION_WRITE ||
        operation->kind == OPERATION_READ)
        fprintf(out, " %s", path);
    if (operation->kind == OPERATION_WRITE || operation->kind == OPERATION_READ)
        fprintf(out, " %s", codec_name(action->format));
}

/* The instances of a pack: "respond 2.05 senml-cbor /0/1 /1/0". */
static void pack_text(const struct session_action *action, FILE *out)
{
    const struct operation *pack = action->operation;
    fprintf(out, " %s", codec_name(action->format));
    for (size_t i = 0; i < pack->record_count; i++) {
        char text[PATH_TEXT_SIZE];
        struct path path = pack->records[i].path;
        path.depth = 2;
        if (i > 0 && path_under(&pack->records[i - 1].path, &path))
            continue;
        path_text(&path, text);
        fprintf(out, " %s", text);
    }
}

static void record_text(const struct session_action *action, FILE *out)
{
    const struct outcome *outcome = action->outcome;
    fprintf(out, "record %s", device_state_name(outcome->state));
    if (outcome->cause != CAUSE_NONE)
        fprintf(out, " %s", cause_name(outcome->cause));
    if (action->promote)
        fputs(" promote", out);
}

static void write_action(const struct replay *replay, const struct session_action *action,
                         FILE *out)
{
    switch (action->kind) {
    case ACTION_RESOLVE:
        fputs("resolve", out);
        break;
    case ACTION_COMMIT:
        needs_text(action, out);
        break;
    case ACTION_RESPOND:
        if (action->silent)
            fputs("respond silent", out);
        else
            fprintf(out, "respond %d.%02d", action->code >> 5, action->code & 31);
        if (action->operation != NULL)
            pack_text(action, out);
        break;
    case ACTION_SEND:
        send_text(action, out);
        break;
    case ACTION_ARM:
        fprintf(out, "arm %llus", (unsigned long long)(action->at - replay->now) / 1000);
        break;
    case ACTION_STATE:
        fprintf(out, "state %s", device_state_name(action->state));
        break;
    case ACTION_RECORD:
        record_text(action, out);
        break;
    case ACTION_CLOSE:
        fprintf(out, "close%s", action->silent ? " silent" : "");
        break;
    }
}

static void action_text(const struct replay *replay, const struct session_action *action,
                        char out[static ACTION_TEXT_SIZE])
{
    FILE *memory = fmemopen(out, ACTION_TEXT_SIZE, "w");
    if (memory == NULL)
        abort();
    write_action(replay, action, memory);
    fclose(memory);
    out[ACTION_TEXT_SIZE - 1] = '\0';
}

/* Timers and shown states need not be spelled out in every script. */
static bool is_quiet(const struct session_action *action)
{
    return action->kind == ACTION_ARM || action->kind == ACTION_STATE;
}

bool replay_nothing_is_left(const struct replay *replay)
{
    for (size_t i = replay->next; i < replay->actions.count; i++) {
        char text[ACTION_TEXT_SIZE];
        if (is_quiet(&replay->actions.items[i]))
            continue;
        action_text(replay, &replay->actions.items[i], text);
        return script_error(replay->line, "nobody expected: %s", text);
    }
    return true;
}

/* ---- expectations ---- */

static void join(const struct script_line *line, size_t from, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = from; i < line->count && used < size; i++)
        used +=
            (size_t)snprintf(out + used, size - used, "%s%s", i > from ? " " : "", line->words[i]);
}

bool replay_expect(struct replay *replay)
{
    const struct script_line *line = replay->line;
    char wanted[ACTION_TEXT_SIZE], got[ACTION_TEXT_SIZE];
    replay->expected++;
    if (script_is(line, 1, "nothing"))
        return replay_nothing_is_left(replay);
    bool wants_quiet = script_is(line, 1, "arm") || script_is(line, 1, "state");
    join(line, 1, wanted, sizeof wanted);
    while (replay->next < replay->actions.count) {
        const struct session_action *action = &replay->actions.items[replay->next++];
        action_text(replay, action, got);
        if (strcmp(wanted, got) == 0)
            return true;
        if (wants_quiet || !is_quiet(action))
            return script_error(line, "expected: %s; got: %s", wanted, got);
    }
    return script_error(line, "expected: %s; got nothing", wanted);
}

static bool check_text(const struct replay *replay, const char *got)
{
    const char *wanted = script_word(replay->line, 2);
    return strcmp(wanted, got) == 0 ||
           script_error(replay->line, "expected: '%s'; got: '%s'", wanted, got);
}

static bool check_count(const struct replay *replay, uint64_t got)
{
    uint64_t wanted;
    if (!script_number(replay->line, 2, UINT32_MAX, &wanted))
        return false;
    return wanted == got || script_error(replay->line, "expected %llu, got %llu",
                                         (unsigned long long)wanted, (unsigned long long)got);
}

static bool check_warning(const struct replay *replay)
{
    const struct outcome *outcome = &replay->outcome;
    for (size_t i = 0; i < outcome->warning_count; i++) {
        if (strstr(outcome->warnings[i], script_word(replay->line, 2)) != NULL)
            return true;
    }
    for (size_t i = 0; i < outcome->warning_count; i++)
        script_error(replay->line, "there is: '%s'", outcome->warnings[i]);
    return script_error(replay->line, "no such warning");
}

/* CHECK step 3 write /0/1 4.15 [sent 2] */
static bool check_step(const struct replay *replay)
{
    const struct outcome *outcome = &replay->outcome;
    uint64_t number;
    char wanted[128], got[128], path[PATH_TEXT_SIZE];
    if (!script_number(replay->line, 2, OUTCOME_STEPS_MAX, &number))
        return false;
    if (number < 1 || number > outcome->step_count)
        return script_error(replay->line, "there are %zu steps", outcome->step_count);
    const struct outcome_step *step = &outcome->steps[number - 1];
    path_text(&step->path, path);
    bool counted = script_find(replay->line, 3, "sent") < replay->line->count;
    int used = snprintf(got, sizeof got, "%s %s %d.%02d",
                        operation_kind_name((enum operation_kind)step->operation), path,
                        step->code >> 5, step->code & 31);
    if (counted)
        snprintf(got + used, sizeof got - (size_t)used, " sent %u", step->attempts);
    join(replay->line, 3, wanted, sizeof wanted);
    return strcmp(wanted, got) == 0 ||
           script_error(replay->line, "expected: %s; got: %s", wanted, got);
}

static bool check_credential(struct replay *replay)
{
    enum credential_status status;
    uint16_t ssid;
    uint64_t generation;
    if (!replay_read_credential(replay->line, 2, &status, &ssid, &generation))
        return false;
    struct enrollment *device = replay_device(replay);
    const struct enrolled_credential *credential =
        device != NULL ? enrollment_credential(device, ssid, status) : NULL;
    return (credential != NULL && credential->generation == generation) ||
           script_error(replay->line, "the store has generation %llu",
                        credential != NULL ? (unsigned long long)credential->generation : 0);
}

static bool check_outcome(struct replay *replay)
{
    const struct script_line *line = replay->line;
    const struct outcome *outcome = &replay->outcome;
    if (!replay->has_outcome)
        return script_error(line, "nothing was recorded");
    if (script_is(line, 1, "detail"))
        return check_text(replay, outcome->detail);
    if (script_is(line, 1, "endpoint"))
        return check_text(replay, outcome->endpoint);
    if (script_is(line, 1, "class"))
        return check_text(replay, outcome->class_name);
    if (script_is(line, 1, "format"))
        return check_text(replay, codec_name(outcome->format));
    if (script_is(line, 1, "steps"))
        return check_count(replay, outcome->step_count);
    if (script_is(line, 1, "step"))
        return check_step(replay);
    if (script_is(line, 1, "warnings"))
        return check_count(replay, outcome->warning_count);
    if (script_is(line, 1, "warning"))
        return check_warning(replay);
    if (script_is(line, 1, "handshake-ms"))
        return check_count(replay, outcome->handshake_ms);
    if (script_is(line, 1, "duration-ms"))
        return check_count(replay, outcome->duration_ms);
    return script_error(line, "'%s' cannot be checked", script_word(line, 1));
}

bool replay_check(struct replay *replay)
{
    replay->expected++;
    if (script_is(replay->line, 1, "credential"))
        return check_credential(replay);
    if (script_is(replay->line, 1, "state"))
        return check_text(replay, device_state_name(session_state(replay->session)));
    if (script_is(replay->line, 1, "shown"))
        return check_text(replay, device_state_name(replay->shown));
    if (script_is(replay->line, 1, "asked"))
        return check_text(replay, session_endpoint(replay->session));
    return check_outcome(replay);
}
