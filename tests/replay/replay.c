/* Runs replay scripts over session_step on a false clock. The language: README.md. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "replay.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

static const int64_t wall_start_ms = 1767225600000; /* 2026-01-01T00:00Z */

/* ---- events ---- */

struct enrollment *replay_device(struct replay *replay)
{
    if (replay->identity.len == 0)
        return world_find_endpoint(&replay->world, session_lookup(replay->session));
    return world_find_identity(&replay->world, identity_bytes(&replay->identity));
}

static void perform(struct replay *replay, const struct session_action *action)
{
    if (action->kind == ACTION_ARM)
        replay->timer_at = action->at;
    if (action->kind == ACTION_STATE)
        replay->shown = action->state;
    if (action->kind == ACTION_COMMIT) {
        replay->need_count = action->need_count;
        memcpy(replay->needs, action->needs, action->need_count * sizeof *action->needs);
    }
    if (action->kind != ACTION_RECORD)
        return;
    replay->outcome = *action->outcome;
    replay->has_outcome = true;
    struct enrollment *device = replay_device(replay);
    if (action->promote && device != NULL)
        world_promote(device);
}

static bool deliver(struct replay *replay, struct session_event *event)
{
    if (replay->session == NULL)
        return script_error(replay->line, "no session: CONNECT first");
    if (!replay_nothing_is_left(replay))
        return false;
    event->wall_ms = wall_start_ms + (int64_t)(replay->now - CLOCK_START_MS);
    bool held = watch_event(&replay->watch, event);
    session_step(replay->session, event, replay->now, &replay->actions);
    replay->next = 0;
    for (size_t i = 0; i < replay->actions.count; i++)
        perform(replay, &replay->actions.items[i]);
    held = watch_actions(&replay->watch, replay->session, &replay->actions) && held;
    return held || script_error(replay->line, "rule broken: %s", replay->watch.broken);
}

static bool deliver_kind(struct replay *replay, enum session_event_kind kind)
{
    return deliver(replay, &(struct session_event){.kind = kind, .format = -1});
}

static bool on_request(struct replay *replay)
{
    struct session_event event = {.kind = SESSION_REQUEST, .format = -1, .accept = -1};
    const char *endpoint = script_option(replay->line, "ep");
    const char *format = script_option(replay->line, "pct");
    uint8_t raw[512];
    const char *hex = script_option(replay->line, "ep-hex");
    if (endpoint != NULL)
        event.endpoint = bytes_of_text(endpoint);
    if (hex != NULL) {
        size_t len;
        if (!bytes_from_hex(hex, strlen(hex), raw, sizeof raw, &len))
            return script_error(replay->line, "ep-hex is not hexadecimal");
        event.endpoint = bytes_of(raw, len);
    }
    if (format != NULL)
        event.preferred_format = bytes_of_text(format);
    event.payload_present = script_find(replay->line, 1, "payload") < replay->line->count;
    return deliver(replay, &event);
}

static bool on_pack_request(struct replay *replay)
{
    struct session_event event = {
        .kind = SESSION_REQUEST, .format = -1, .pack = true, .accept = -1};
    const char *endpoint = script_option(replay->line, "ep");
    const char *accept = script_option(replay->line, "accept");
    const char *known = script_option(replay->line, "acc");
    if (endpoint != NULL)
        event.endpoint = bytes_of_text(endpoint);
    if (accept != NULL)
        event.accept = atoi(accept);
    if (known != NULL)
        event.known = bytes_of_text(known);
    return deliver(replay, &event);
}

static bool read_result(const struct script_line *line, enum err_code *out)
{
    for (int code = 0; code < ERR_CODE_COUNT; code++) {
        if (script_is(line, 1, err_name((enum err_code)code))) {
            *out = (enum err_code)code;
            return true;
        }
    }
    return script_error(line, "'%s' is no result such as ok, not-found, unavailable",
                        script_word(line, 1));
}

static bool fill_result(struct replay *replay, struct session_event *event)
{
    if (!read_result(replay->line, &event->result))
        return false;
    if (event->result != ERR_OK)
        return true;
    event->enrollment = replay_device(replay);
    return event->enrollment != NULL || script_error(replay->line, "this device is not enrolled");
}

static bool on_resolved(struct replay *replay)
{
    struct session_event event = {
        .kind = SESSION_RESOLVED, .format = -1, .profiles = replay->world.profiles};
    return fill_result(replay, &event) && deliver(replay, &event);
}

static bool on_committed(struct replay *replay)
{
    struct session_event event = {.kind = SESSION_COMMITTED, .format = -1};
    struct enrollment *device = replay_device(replay);
    bool kept = script_find(replay->line, 1, "unkept") == replay->line->count;
    if (device != NULL && kept && script_is(replay->line, 1, "ok"))
        world_commit(device, replay->needs, replay->need_count);
    return fill_result(replay, &event) && deliver(replay, &event);
}

static bool on_reply(struct replay *replay)
{
    const struct script_line *line = replay->line;
    struct session_event event = {.kind = SESSION_ANSWER, .format = -1, .attempts = 1};
    uint64_t attempts;
    if (!script_code(line, 1, &event.code))
        return false;
    size_t sent = script_find(line, 2, "sent");
    if (sent < line->count) {
        if (!script_number(line, sent + 1, 100, &attempts))
            return false;
        event.attempts = (uint16_t)attempts;
    }
    const char *format = script_option(line, "format");
    if (format != NULL)
        event.format = codec_from_name(format);
    const char *payload = sent == 2 ? "" : script_word(line, 2);
    event.payload = bytes_of_text(line->text != NULL ? line->text : payload);
    return deliver(replay, &event);
}

static bool read_cause(const struct script_line *line, enum cause *out)
{
    return cause_from_name(script_word(line, 1), out) ||
           script_error(line, "'%s' is not a cause", script_word(line, 1));
}

static bool deliver_cause(struct replay *replay, enum session_event_kind kind)
{
    struct session_event event = {.kind = kind, .format = -1, .attempts = 5};
    uint64_t alert = 0;
    if (!read_cause(replay->line, &event.cause))
        return false;
    if (event.cause == CAUSE_DTLS_ALERT && !script_number(replay->line, 2, 255, &alert))
        return false;
    event.alert = (uint8_t)alert;
    return deliver(replay, &event);
}

static bool on_no_answer(struct replay *replay)
{
    return deliver_cause(replay, SESSION_NO_ANSWER);
}

static bool on_closed(struct replay *replay)
{
    return deliver_cause(replay, SESSION_CLOSED);
}

static bool on_abort(struct replay *replay)
{
    return deliver_cause(replay, SESSION_ABORT);
}

static bool on_responded(struct replay *replay)
{
    struct session_event event = {.kind = SESSION_RESPONDED, .format = -1};
    if (replay->line->count > 1 && !script_code(replay->line, 1, &event.code))
        return false;
    return deliver(replay, &event);
}

static bool on_superseded(struct replay *replay)
{
    return deliver_kind(replay, SESSION_SUPERSEDED);
}

static bool on_timer(struct replay *replay)
{
    return deliver_kind(replay, SESSION_TIMER);
}

static bool on_time_passes(struct replay *replay)
{
    uint64_t duration;
    if (!script_duration_ms(replay->line, 1, &duration))
        return false;
    uint64_t target = replay->now + duration;
    while (replay->timer_at != 0 && replay->timer_at <= target) {
        replay->now = replay->timer_at;
        replay->timer_at = 0;
        if (!deliver_kind(replay, SESSION_TIMER))
            return false;
    }
    replay->now = target;
    return true;
}

/* ---- the world ---- */

static bool on_profile(struct replay *replay)
{
    const struct script_line *line = replay->line;
    if (line->text != NULL)
        return world_load_profiles(&replay->world, line->file, line->text);
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", replay->root, script_word(line, 1));
    return world_load_profile_file(&replay->world, path);
}

/* "pending 101 gen 3": a status, a server, a generation. */
bool replay_read_credential(const struct script_line *line, size_t index,
                            enum credential_status *status, uint16_t *ssid, uint64_t *generation)
{
    static const enum credential_status all[] = {CREDENTIAL_PENDING, CREDENTIAL_ACTIVE,
                                                 CREDENTIAL_RETIRING};
    uint64_t number;
    size_t i = 0;
    while (i < 3 && !script_is(line, index, credential_status_name(all[i])))
        i++;
    if (i == 3)
        return script_error(line, "'%s' is not known here", script_word(line, index));
    if (!script_number(line, index + 1, UINT16_MAX, &number) || !script_is(line, index + 2, "gen"))
        return script_error(line, "expected: %s SERVER gen NUMBER", script_word(line, index));
    *status = all[i];
    *ssid = (uint16_t)number;
    return script_number(line, index + 3, UINT32_MAX, generation);
}

static bool read_enrolled(struct replay *replay, struct enrollment *device, size_t *index)
{
    const struct script_line *line = replay->line;
    enum credential_status status;
    uint64_t number;
    uint16_t ssid;
    if (script_is(line, *index, "blocked")) {
        device->blocked = true;
        *index += 1;
    } else if (script_is(line, *index, "bootstraps")) {
        if (!script_number(line, *index + 1, 1000, &device->bootstraps))
            return false;
        *index += 2;
    } else if (script_is(line, *index, "tag")) {
        if (!world_add_tag(device, script_word(line, *index + 1), script_word(line, *index + 2)))
            return false;
        *index += 3;
    } else {
        if (!replay_read_credential(line, *index, &status, &ssid, &number) ||
            !world_add_credential(device, ssid, status, number))
            return false;
        *index += 4;
    }
    return true;
}

static bool on_enroll(struct replay *replay)
{
    const struct script_line *line = replay->line;
    const char *class_name = script_is(line, 2, "class") ? script_word(line, 3) : "";
    size_t index = script_is(line, 2, "class") ? 4 : 2;
    const char *identity = script_is(line, index, "identity") ? script_word(line, index + 1) : "";
    struct enrollment *device =
        world_enroll(&replay->world, script_word(line, 1), class_name, identity);
    if (device == NULL)
        return script_error(line, "too many devices");
    for (index += identity[0] != '\0' ? 2 : 0; index < line->count;) {
        if (!read_enrolled(replay, device, &index))
            return false;
    }
    return true;
}

static struct enrollment *named_device(struct replay *replay)
{
    struct enrollment *device = world_find_endpoint(&replay->world, script_word(replay->line, 1));
    if (device == NULL)
        script_error(replay->line, "no device '%s'", script_word(replay->line, 1));
    return device;
}

static bool on_block(struct replay *replay)
{
    struct enrollment *device = named_device(replay);
    if (device != NULL)
        device->blocked = true;
    return device != NULL;
}

static bool on_accept(struct replay *replay)
{
    struct enrollment *device = named_device(replay);
    if (device != NULL)
        device->bootstraps = 0;
    return device != NULL;
}

static bool on_remove(struct replay *replay)
{
    struct enrollment *device = named_device(replay);
    if (device != NULL)
        world_remove(&replay->world, device);
    return device != NULL;
}

static bool on_connect(struct replay *replay)
{
    const struct script_line *line = replay->line;
    if (!replay_nothing_is_left(replay))
        return false;
    if (replay->session != NULL && !session_over(replay->session))
        return script_error(line, "the last session is not over");
    session_free(replay->session);
    watch_next_session(&replay->watch);
    struct session_start start = {.started_ms = replay->now,
                                  .started_wall_ms =
                                      wall_start_ms + (int64_t)(replay->now - CLOCK_START_MS),
                                  .handshake_ms = 120};
    struct names names = {0};
    if (script_is(line, 1, "certificate")) {
        for (size_t i = 2; i < line->count && strchr(script_word(line, i), '=') == NULL; i++)
            names_add(&names, bytes_of_text(script_word(line, i)));
        if (names.count == 0)
            return script_error(line, "a certificate has at least one name");
        start.proof = PROOF_CERTIFICATE;
        start.names = &names;
    } else if (!script_is(line, 1, "nosec")) {
        identity_set(&start.identity, bytes_of_text(script_word(line, 1)));
    }
    const char *unknown = script_option(line, "unknown");
    if (unknown != NULL)
        start.unknown = strcmp(unknown, "hold") == 0 ? UNKNOWN_HOLD : UNKNOWN_SILENT;
    replay->identity = start.identity;
    replay->session = session_new(&start);
    replay->now += start.handshake_ms;
    replay->timer_at = 0;
    replay->shown = STATE_SEEN;
    replay->actions.count = replay->next = 0;
    return replay->session != NULL;
}

/* ---- the script ---- */

static const struct {
    const char *word;
    bool (*run)(struct replay *replay);
} commands[] = {
    {"profile", on_profile},
    {"enroll", on_enroll},
    {"block", on_block},
    {"accept", on_accept},
    {"remove", on_remove},
    {"CONNECT", on_connect},
    {"REQUEST", on_request},
    {"PACK_REQUEST", on_pack_request},
    {"RESOLVED", on_resolved},
    {"COMMITTED", on_committed},
    {"RESPONDED", on_responded},
    {"REPLY", on_reply},
    {"NO_ANSWER", on_no_answer},
    {"TIMER", on_timer},
    {"SUPERSEDED", on_superseded},
    {"CLOSED", on_closed},
    {"ABORT", on_abort},
    {"EXPECT", replay_expect},
    {"TIME_PASSES", on_time_passes},
    {"CHECK", replay_check},
};

static bool run_line(struct replay *replay, const struct script_line *line)
{
    replay->line = line;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (script_is(line, 0, commands[i].word))
            return commands[i].run(replay);
    }
    return script_error(line, "unknown word '%s'", script_word(line, 0));
}

/* A script ends with its session over and everything seen; one that expects nothing tests nothing.
 */
static bool check_end(const struct replay *replay)
{
    if (replay->expected == 0 || replay->session == NULL)
        return script_error(replay->line, "the script expects nothing");
    return replay_nothing_is_left(replay) &&
           (session_over(replay->session) ||
            script_error(replay->line, "the script ends before its session"));
}

static bool run_script(const char *root, const char *path)
{
    struct script script;
    struct replay replay = {.root = root, .now = CLOCK_START_MS};
    if (!script_load(path, &script))
        return false;
    bool ok = script.count > 0;
    for (size_t i = 0; i < script.count && ok; i++)
        ok = run_line(&replay, &script.lines[i]);
    ok = ok && check_end(&replay);
    session_free(replay.session);
    world_clear(&replay.world);
    script_clear(&script);
    return ok;
}

/* All *.rpl files of a folder, so that none is forgotten; or one file. */
static int run_all(const char *root, const char *path, unsigned *failed)
{
    glob_t found;
    char pattern[4096];
    snprintf(pattern, sizeof pattern, "%s/*.rpl", path);
    if (glob(pattern, 0, NULL, &found) != 0) {
        *failed += !run_script(root, path);
        return 1;
    }
    int count = (int)found.gl_pathc;
    for (int i = 0; i < count; i++)
        *failed += !run_script(root, found.gl_pathv[i]);
    globfree(&found);
    return count;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s SOURCE-ROOT FILE.rpl or FOLDER..\n", argv[0]);
        return 2;
    }
    unsigned failed = 0;
    int count = 0;
    for (int i = 2; i < argc; i++)
        count += run_all(argv[1], argv[i], &failed);
    printf("%d scripts, %u failed\n", count, failed);
    return failed > 0;
}
