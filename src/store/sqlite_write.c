/* The path of a bootstrap on the writer's connection: pending credentials and outcomes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "device_priv.h"
#include "pack_priv.h"
#include "sqlite_priv.h"

#include "usher/clock.h"

#include <stdlib.h>

enum { FOLD_AFTER_US = 20000000, UNFOLDED_MAX = 65536 };

struct slot_time sqlite_slot_time(const struct store_backend *backend)
{
    return (struct slot_time){
        .now_ms = atomic_load(&backend->setup->wall_ms)(),
        .retire_ms = (int64_t)backend->setup->config.retire_seconds * 1000,
    };
}

enum err_code sqlite_begin(struct store_backend *backend, struct err *err)
{
    /* Folding fails while the log still takes rows: what waits for it must not grow for ever. */
    if (sqlite_waiting(backend) >= UNFOLDED_MAX) {
        enum err_code code = sqlite_settle(backend, err);
        if (code != ERR_OK)
            return code;
    }
    backend->only_sessions = true;
    return sqlite_session_transact(&backend->session, SQL_BEGIN_WRITE, err);
}

enum err_code sqlite_commit(struct store_backend *backend, struct err *err)
{
    enum err_code code = sqlite_session_transact(&backend->session, SQL_END, err);
    if (code != ERR_OK)
        return code;
    if (backend->fold_us == 0 &&
        (backend->unfolded.touched_count > 0 || backend->indexes.news.rows > 0))
        backend->fold_us = clock_monotonic_us() + FOLD_AFTER_US;
    unfolded_commit(&backend->unfolded);
    /* Before it shows: who looked before must not take what is left for all. */
    if (backend->indexes.news.removes)
        unfolded_end_epoch(&backend->unfolded);
    news_commit(&backend->indexes.news);
    backend->committed_outcome = backend->last_outcome;
    backend->committed_audit = backend->audit;
    return ERR_OK;
}

void sqlite_rollback(struct store_backend *backend)
{
    sqlite_session_rollback(&backend->session);
    unfolded_drop(&backend->unfolded);
    news_drop(&backend->indexes.news);
    backend->era++;
    backend->last_outcome = backend->committed_outcome;
    backend->audit = backend->committed_audit;
}

/* ---- credentials ---- */

/* Is what a find told the session's thread still so, in the open transaction too? */
static bool still_known(const struct store_backend *backend, const struct request *request)
{
    return request->known.brief.id != 0 && backend->only_sessions &&
           stamps_untouched(&backend->setup->stamps, request->endpoint, request->known.date);
}

static enum err_code read_device(struct store_backend *backend, const struct request *request,
                                 struct store_device *device, struct slot_set *set, struct err *err)
{
    struct sqlite_session *session = &backend->session;
    struct bytes endpoint = bytes_of_text(request->endpoint);
    if (still_known(backend, request))
        return sqlite_read_device_by_id(session, request->known.brief.id, device, set, err);
    enum err_code code = sqlite_read_device(session, NULL, endpoint, device, set, err);
    if (code == ERR_NOT_FOUND &&
        (code = sqlite_join(backend, request->endpoint, false, err)) == ERR_OK)
        code = sqlite_read_device(session, NULL, endpoint, device, set, err);
    return code;
}

static enum err_code make_pending(struct store_backend *backend, const struct request *request,
                                  struct store_device *device, struct err *err)
{
    struct slot_time time = sqlite_slot_time(backend);
    struct slot_set set;
    enum err_code code = read_device(backend, request, device, &set, err);
    if (code == ERR_OK)
        briefs_note(&backend->pending, device, backend->era);
    if (code == ERR_OK && slot_set_make_pending(&set, request->credentials, request->count, &time))
        code = sqlite_append_slots(backend, device->id, &set, err);
    if (code == ERR_OK) {
        slot_set_show(&set, time.now_ms, device);
        const struct unfolded_sum *sum = unfolded_find(&backend->unfolded, device->id);
        if (sum != NULL)
            unfolded_show(sum, device);
    }
    slot_set_clear(&set);
    return code;
}

static enum err_code apply_make_pending(struct store_backend *backend, struct request *request,
                                        struct err *err)
{
    struct store_device *device = calloc(1, sizeof *device);
    if (device == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    enum err_code code = make_pending(backend, request, device, err);
    if (code == ERR_OK) {
        request->device = device;
        return ERR_OK;
    }
    store_device_clear(device);
    free(device);
    return code;
}

/* ---- outcomes ---- */

static void bind_outcome(sqlite3_stmt *statement, int index, const struct outcome *outcome)
{
    bind_text(statement, index + OUTCOME_ID, outcome->id);
    bind_text(statement, index + OUTCOME_CLASS, outcome->class_name);
    bind_number(statement, index + OUTCOME_STATE, outcome->state);
    bind_number(statement, index + OUTCOME_CAUSE, outcome->cause);
    bind_text(statement, index + OUTCOME_DETAIL, outcome->detail);
    bind_text(statement, index + OUTCOME_SOURCE, outcome->source);
    bind_number(statement, index + OUTCOME_STARTED, outcome->started_wall_ms);
    bind_number(statement, index + OUTCOME_HANDSHAKE, outcome->handshake_ms);
    bind_number(statement, index + OUTCOME_DURATION, outcome->duration_ms);
    bind_number(statement, index + OUTCOME_SENT, outcome->bytes_sent);
    bind_number(statement, index + OUTCOME_RECEIVED, outcome->bytes_received);
    bind_number(statement, index + OUTCOME_FORMAT, outcome->format);
    bind_text(statement, index + OUTCOME_PROFILE, outcome->profile_hash);
}

static enum err_code append_outcome(struct store_backend *backend, const struct outcome *outcome,
                                    int64_t device, uint64_t seq, uint64_t previous,
                                    struct err *err)
{
    struct sqlite_session *session = &backend->session;
    uint8_t steps_memory[STEPS_PACKED_MAX], warnings_memory[WARNINGS_PACKED_MAX];
    struct buf steps, warnings;
    buf_init_fixed(&steps, steps_memory, sizeof steps_memory);
    buf_init_fixed(&warnings, warnings_memory, sizeof warnings_memory);
    steps_pack(outcome, &steps);
    warnings_pack(outcome, &warnings);
    sqlite3_stmt *statement = sqlite_use(session, SQL_OUTCOME_INSERT, err);
    if (statement == NULL)
        return err->code;
    enum { AFTER_SEQ = 2 };
    bind_number(statement, 1, (int64_t)seq);
    bind_number(statement, AFTER_SEQ + OUTCOME_PREVIOUS, (int64_t)previous);
    bind_number(statement, AFTER_SEQ + OUTCOME_DEVICE, device);
    bind_outcome(statement, AFTER_SEQ, outcome);
    bind_bytes(statement, AFTER_SEQ + OUTCOME_WARNINGS, buf_bytes(&warnings));
    bind_bytes(statement, AFTER_SEQ + OUTCOME_STEPS, buf_bytes(&steps));
    return sqlite_finish(session, statement, "recording an outcome", err);
}

static enum err_code promote(struct store_backend *backend, const struct request *request,
                             int64_t device, struct err *err)
{
    struct slot_set set;
    struct slot_time time = sqlite_slot_time(backend);
    enum err_code code =
        sqlite_read_slots_of(backend, device, request->promotions, request->count, &set, err);
    if (code == ERR_OK && slot_set_promote(&set, request->promotions, request->count, &time))
        code = sqlite_append_slots(backend, device, &set, err);
    slot_set_clear(&set);
    return code;
}

struct unfolded_sum sqlite_sum_of(const struct outcome *outcome, uint64_t seq)
{
    return (struct unfolded_sum){
        .newest = seq,
        /* The newer session speaks for the device. */
        .has_state = outcome->cause != CAUSE_SUPERSEDED,
        .state = outcome->state,
        .cause = outcome->cause,
        .accepted = outcome->state == STATE_NEW,
        .bootstraps = outcome->state == STATE_BOOTSTRAPPED,
        .last_wall_ms = outcome_end_ms(outcome),
        .last_duration_ms = outcome->duration_ms,
    };
}

enum err_code sqlite_stage_count(struct store_backend *backend, const char *class_name,
                                 enum device_state state, int by, struct err *err)
{
    if (counts_stage(backend->setup->counts, class_name, state, by))
        return ERR_OK;
    return err_set(err, ERR_NO_MEMORY, "store: out of memory");
}

static enum err_code move_count(struct store_backend *backend, const struct device_brief *brief,
                                enum device_state from, enum device_state to, struct err *err)
{
    if (brief->blocked || from == to)
        return ERR_OK;
    enum err_code code = sqlite_stage_count(backend, brief->class_name, from, -1, err);
    return code != ERR_OK ? code : sqlite_stage_count(backend, brief->class_name, to, 1, err);
}

static enum err_code read_brief(struct store_backend *backend, const struct request *request,
                                struct device_brief *brief, struct err *err)
{
    struct bytes endpoint = bytes_of_text(request->endpoint);
    struct dated_brief pending;
    if (still_known(backend, request)) {
        *brief = request->known.brief;
        return ERR_OK;
    }
    briefs_find(&backend->pending, request->endpoint, &pending);
    if (pending.brief.id != 0 && pending.date == backend->era) {
        *brief = pending.brief;
        return ERR_OK;
    }
    enum err_code code = sqlite_read_brief(&backend->session, endpoint, brief, err);
    /* The first word of a group's device; but one that was removed in mid-session stays away. */
    if (code == ERR_NOT_FOUND && request->outcome->cause != CAUSE_REMOVED &&
        (code = sqlite_join(backend, request->endpoint, false, err)) == ERR_OK)
        code = sqlite_read_brief(&backend->session, endpoint, brief, err);
    return code;
}

static enum err_code apply_record(struct store_backend *backend, const struct request *request,
                                  struct err *err)
{
    const struct outcome *outcome = request->outcome;
    struct device_brief brief;
    enum err_code code = read_brief(backend, request, &brief, err);
    if (code != ERR_OK)
        return code;
    const struct unfolded_sum *before = unfolded_find(&backend->unfolded, brief.id);
    uint64_t previous = before != NULL ? before->newest : brief.newest_outcome;
    enum device_state state = before != NULL && before->has_state ? before->state : brief.state;
    struct unfolded_sum sum = sqlite_sum_of(outcome, ++backend->last_outcome);
    code = append_outcome(backend, outcome, brief.id, sum.newest, previous, err);
    if (code == ERR_OK && request->count > 0)
        code = promote(backend, request, brief.id, err);
    if (code == ERR_OK && sum.has_state)
        code = move_count(backend, &brief, state, sum.state, err);
    if (code == ERR_OK && !unfolded_stage(&backend->unfolded, brief.id, &sum))
        code = err_set(err, ERR_NO_MEMORY, "store: out of memory");
    return code;
}

static enum err_code set_place(struct store_backend *backend, struct request *request,
                               struct err *err)
{
    struct device_brief brief;
    struct slot_set set = {0};
    bool found = false;
    request->change = STORE_UNCHANGED;
    enum err_code code =
        sqlite_read_brief(&backend->session, bytes_of_text(request->endpoint), &brief, err);
    if (code == ERR_OK)
        code = sqlite_read_slots(&backend->session, brief.id, &set, err);
    if (code == ERR_OK && slot_set_place(&set, request->place->ssid, request->place->name,
                                         sqlite_slot_time(backend).now_ms, &found)) {
        request->change = STORE_CHANGED;
        code = sqlite_save_slots(backend, brief.id, &set, err);
    }
    slot_set_clear(&set);
    return code != ERR_OK || found ? code : store_no_credential(request->place->ssid, err);
}

enum err_code sqlite_apply(struct store_backend *backend, struct request *request, struct err *err)
{
    enum err_code code = ERR_INTERNAL;
    if (request->kind != REQUEST_MAKE_PENDING && request->kind != REQUEST_RECORD) {
        backend->only_sessions = false;
        backend->era++;
    }
    if (request->kind == REQUEST_MAKE_PENDING)
        code = apply_make_pending(backend, request, err);
    else if (request->kind == REQUEST_RECORD)
        code = apply_record(backend, request, err);
    else if (request->kind == REQUEST_ENROLL)
        code = sqlite_enroll(backend, request, err);
    else if (request->kind == REQUEST_SET_BLOCKED)
        code = sqlite_set_blocked(backend, request, err);
    else if (request->kind == REQUEST_REMOVE)
        code = sqlite_remove(backend, request, err);
    else if (request->kind == REQUEST_REKEY)
        code = sqlite_rekey(backend, request, err);
    else if (request->kind == REQUEST_BULK)
        code = sqlite_bulk(backend, request, err);
    else if (request->kind == REQUEST_PLACE)
        code = set_place(backend, request, err);
    else if (request->kind == REQUEST_NOTE)
        code = ERR_OK; /* noted below, as every change is */
    else if (request->kind == REQUEST_BULK_SAVE)
        code = sqlite_bulk_save(backend, request->bulk->id, request->state, err);
    if (code == ERR_OK)
        code = sqlite_note_request(backend, request, err);
    /* These are answers, not failures; nothing was changed. */
    bool answer =
        code == ERR_OK || code == ERR_NOT_FOUND || code == ERR_EXISTS || code == ERR_CONFLICT;
    if (!answer)
        return code;
    request->result = code;
    if (code != ERR_OK && request->err != NULL)
        *request->err = *err;
    return ERR_OK;
}
