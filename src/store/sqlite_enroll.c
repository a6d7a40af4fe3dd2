/* Administration on the writer's connection: enrolling, changing, blocking and removing. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "device_priv.h"
#include "sqlite_priv.h"

#include <stdlib.h>

void stored_device_reset(struct stored_device *stored)
{
    store_device_clear(&stored->device);
    slot_set_clear(&stored->slots);
    buf_clear(&stored->tags_memory);
}

static void stored_device_free(struct stored_device *stored)
{
    if (stored == NULL)
        return;
    stored_device_reset(stored);
    free(stored);
}

enum err_code sqlite_tags_text(const struct enrollment *enrollment, struct buf *out,
                               const char **text, struct err *err)
{
    buf_init(out, TAGS_TEXT_MAX + 1);
    tags_to_text(enrollment, out);
    *text = buf_text(out);
    return *text != NULL ? ERR_OK : err_set(err, ERR_NO_MEMORY, "store: out of memory");
}

enum err_code stored_device_load(struct store_backend *backend, const char *endpoint,
                                 struct stored_device *stored, struct err *err)
{
    enum err_code code = sqlite_read_device(&backend->session, NULL, bytes_of_text(endpoint),
                                            &stored->device, &stored->slots, err);
    if (code == ERR_OK)
        slot_set_show(&stored->slots, sqlite_slot_time(backend).now_ms, &stored->device);
    return code != ERR_OK ? code
                          : sqlite_tags_text(&stored->device.enrollment, &stored->tags_memory,
                                             &stored->tags, err);
}

/* The state as of the open transaction, whether folded or not. */
static enum device_state current_state(const struct store_backend *backend, int64_t id,
                                       bool blocked, enum device_state folded)
{
    const struct unfolded_sum *sum = unfolded_find(&backend->unfolded, id);
    return device_shown_state(blocked, sum != NULL && sum->has_state ? sum->state : folded);
}

enum err_code sqlite_check_identity_free(struct store_backend *backend, int64_t id,
                                         const struct enrollment *given, struct err *err)
{
    char owner[ENDPOINT_MAX + 1] = "";
    if (given->identity.len == 0)
        return ERR_OK;
    sqlite3_stmt *statement = sqlite_use(&backend->session, SQL_ENDPOINT_OF_IDENTITY, err);
    if (statement == NULL)
        return err->code;
    bind_bytes(statement, 1, identity_bytes(&given->identity));
    enum err_code code = ERR_OK;
    int got = sqlite3_step(statement);
    bool taken = got == SQLITE_ROW && sqlite3_column_int64(statement, 0) != id;
    if (got != SQLITE_ROW && got != SQLITE_DONE)
        code = sqlite_session_error(&backend->session, "looking for an identity", err);
    else if (taken && !column_text(statement, 1, owner, sizeof owner))
        code = sqlite_damaged(&backend->session, "a device's row", err);
    else if (taken)
        code = err_set(err, ERR_CONFLICT,
                       "the identity given for '%s' belongs to endpoint '%s'; give each device "
                       "its own",
                       given->endpoint, owner);
    sqlite_done(statement);
    return code;
}

void sqlite_note_identity(struct store_backend *backend, int64_t id, struct bytes identity)
{
    if (identity.len > 0)
        id_hints_note(&backend->indexes.hints, identity, id);
}

static enum err_code insert_device(struct store_backend *backend, int64_t id,
                                   const struct store_device *given, const char *tags,
                                   struct err *err)
{
    const struct enrollment *enrollment = &given->enrollment;
    int64_t now = sqlite_slot_time(backend).now_ms;
    sqlite3_stmt *statement = sqlite_use(&backend->session, SQL_DEVICE_INSERT, err);
    if (statement == NULL)
        return err->code;
    bind_number(statement, 1 + DEVICE_ID, id);
    bind_text(statement, 1 + DEVICE_ENDPOINT, enrollment->endpoint);
    bind_text(statement, 1 + DEVICE_CLASS, enrollment->class_name);
    bind_bytes(statement, 1 + DEVICE_IDENTITY, identity_bytes(&enrollment->identity));
    sqlite_note_identity(backend, id, identity_bytes(&enrollment->identity));
    struct sealed_key memory;
    struct vault_place place = place_of_device(id);
    if (!bind_key(&backend->session, statement, 1 + DEVICE_PSK, &place, &given->bootstrap_key,
                  &memory)) {
        sqlite_done(statement);
        return sqlite_seal_failed(&backend->session, err);
    }
    bind_number(statement, 1 + DEVICE_BLOCKED, enrollment->blocked);
    bind_number(statement, 1 + DEVICE_REVISION, 1);
    bind_number(statement, 1 + DEVICE_CREATED, now);
    bind_number(statement, 1 + DEVICE_CHANGED, now);
    bind_text(statement, 1 + DEVICE_TAGS, tags);
    bind_number(statement, 1 + DEVICE_GROUP, given->group_id);
    return sqlite_finish(&backend->session, statement, "enrolling a device", err);
}

/* `key` is what the row shall hold: the one that the device is enrolled with. */
static enum err_code update_device(struct store_backend *backend, int64_t id,
                                   const struct store_device *given, const struct secret *key,
                                   const char *tags, struct err *err)
{
    const struct enrollment *enrollment = &given->enrollment;
    sqlite3_stmt *statement = sqlite_use(&backend->session, SQL_DEVICE_UPDATE, err);
    if (statement == NULL)
        return err->code;
    bind_text(statement, 1, enrollment->class_name);
    bind_bytes(statement, 2, identity_bytes(&enrollment->identity));
    sqlite_note_identity(backend, id, identity_bytes(&enrollment->identity));
    struct sealed_key memory;
    struct vault_place place = place_of_device(id);
    if (!bind_key(&backend->session, statement, 3, &place, key, &memory)) {
        sqlite_done(statement);
        return sqlite_seal_failed(&backend->session, err);
    }
    bind_number(statement, 5, sqlite_slot_time(backend).now_ms);
    bind_text(statement, 6, tags);
    bind_number(statement, 7, given->group_id);
    bind_number(statement, 8, id);
    return sqlite_finish(&backend->session, statement, "changing a device", err);
}

static enum err_code store_credentials(struct store_backend *backend, int64_t id,
                                       const struct store_device *given, bool keeps_key,
                                       struct slot_set *slots, struct err *err)
{
    struct slot_time time = sqlite_slot_time(backend);
    bool changed = !keeps_key && slot_set_drop_account(slots, time.now_ms);
    changed |= slot_set_enroll(slots, given, &time, true);
    return changed ? sqlite_save_slots(backend, id, slots, err) : ERR_OK;
}

enum err_code stored_device_create(struct store_backend *backend, const struct store_device *given,
                                   struct stored_device *stored, const char *tags, struct err *err)
{
    enum err_code code = sqlite_check_identity_free(backend, 0, &given->enrollment, err);
    if (code != ERR_OK)
        return code;
    int64_t id = ++backend->last_device;
    code = insert_device(backend, id, given, tags, err);
    if (code == ERR_OK)
        code = sqlite_change_tags(&backend->session, given->enrollment.endpoint, "", tags, err);
    if (code == ERR_OK)
        code = store_credentials(backend, id, given, true, &stored->slots, err);
    if (code == ERR_OK)
        code = sqlite_stage_count(backend, given->enrollment.class_name,
                                  device_shown_state(given->enrollment.blocked, STATE_NEW), 1, err);
    if (code == ERR_OK)
        groups_stage_devices(backend->setup->groups, given->group_id, 1);
    return code;
}

static bool is_same(struct store_backend *backend, const struct store_device *given,
                    struct stored_device *stored, const char *tags)
{
    struct slot_time time = sqlite_slot_time(backend);
    return device_same_data(&stored->device, given) && strcmp(tags, stored->tags) == 0 &&
           !slot_set_enroll(&stored->slots, given, &time, false);
}

enum err_code stored_device_replace(struct store_backend *backend, const struct store_device *given,
                                    struct stored_device *stored, const char *tags, struct err *err)
{
    const char *class_before = stored->device.enrollment.class_name;
    bool keeps_key = device_keeps_key(&stored->device, given);
    const struct secret *key = !keeps_key ? &given->bootstrap_key
                               : device_was_rekeyed(&stored->device)
                                   ? &stored->device.enrolled_key
                                   : &stored->device.bootstrap_key;
    enum device_state state = current_state(
        backend, stored->device.id, stored->device.enrollment.blocked, stored->device.state);
    enum err_code code =
        sqlite_check_identity_free(backend, stored->device.id, &given->enrollment, err);
    if (code == ERR_OK)
        code = update_device(backend, stored->device.id, given, key, tags, err);
    if (code == ERR_OK)
        code = sqlite_change_tags(&backend->session, given->enrollment.endpoint, stored->tags, tags,
                                  err);
    if (code == ERR_OK)
        code = store_credentials(backend, stored->device.id, given, keeps_key, &stored->slots, err);
    if (code == ERR_OK)
        code = sqlite_stage_count(backend, class_before, state, -1, err);
    if (code == ERR_OK)
        code = sqlite_stage_count(backend, given->enrollment.class_name, state, 1, err);
    if (code == ERR_OK) {
        groups_stage_devices(backend->setup->groups, stored->device.group_id, -1);
        groups_stage_devices(backend->setup->groups, given->group_id, 1);
    }
    return code;
}

static enum err_code change(struct store_backend *backend, struct request *request,
                            struct stored_device *stored, const char *tags, struct err *err)
{
    request->change = STORE_UNCHANGED;
    if (is_same(backend, request->given, stored, tags))
        return ERR_OK;
    if (!request->flag)
        return err_set(err, ERR_EXISTS,
                       "endpoint '%s' is enrolled with other data; say that it shall be replaced",
                       request->endpoint);
    request->change = STORE_CHANGED;
    return stored_device_replace(backend, request->given, stored, tags, err);
}

enum err_code sqlite_enroll(struct store_backend *backend, struct request *request, struct err *err)
{
    struct buf memory;
    const char *tags;
    enum err_code code = sqlite_tags_text(&request->given->enrollment, &memory, &tags, err);
    struct stored_device *stored = calloc(1, sizeof *stored);
    if (code == ERR_OK && stored == NULL)
        code = err_set(err, ERR_NO_MEMORY, "store: out of memory");
    if (code != ERR_OK)
        goto out;
    code = stored_device_load(backend, request->endpoint, stored, err);
    if (code == ERR_NOT_FOUND) {
        request->change = STORE_CREATED;
        code = stored_device_create(backend, request->given, stored, tags, err);
    } else if (code == ERR_OK) {
        code = change(backend, request, stored, tags, err);
    }
out:
    stored_device_free(stored);
    buf_clear(&memory);
    return code;
}

enum err_code sqlite_set_blocked(struct store_backend *backend, struct request *request,
                                 struct err *err)
{
    struct device_brief brief;
    enum err_code code =
        sqlite_read_brief(&backend->session, bytes_of_text(request->endpoint), &brief, err);
    request->change = STORE_UNCHANGED;
    if (code == ERR_NOT_FOUND && request->flag) { /* of a group, and has not called yet */
        request->change = STORE_CHANGED;
        return sqlite_join(backend, request->endpoint, true, err);
    }
    if (code != ERR_OK || brief.blocked == request->flag)
        return code;
    sqlite3_stmt *statement = sqlite_use(&backend->session, SQL_DEVICE_BLOCK, err);
    if (statement == NULL)
        return err->code;
    bind_number(statement, 1, request->flag);
    bind_number(statement, 2, sqlite_slot_time(backend).now_ms);
    bind_number(statement, 3, brief.id);
    code = sqlite_finish(&backend->session, statement, "blocking a device", err);
    enum device_state state = current_state(backend, brief.id, false, brief.state);
    if (code == ERR_OK)
        code = sqlite_stage_count(backend, brief.class_name,
                                  device_shown_state(brief.blocked, state), -1, err);
    if (code == ERR_OK)
        code = sqlite_stage_count(backend, brief.class_name,
                                  device_shown_state(request->flag, state), 1, err);
    request->change = STORE_CHANGED;
    return code;
}

static const char removing[] = "removing a device";

static enum err_code delete_history(struct store_backend *backend, uint64_t newest, struct err *err)
{
    bool found = true;
    while (newest != 0 && found) {
        char id[33];
        uint64_t previous = 0;
        enum err_code code =
            sqlite_read_previous(&backend->session, newest, &found, &previous, id, err);
        if (code == ERR_OK && found)
            code = sqlite_run_for(&backend->session, SQL_OUTCOME_DELETE, (int64_t)newest, removing,
                                  err);
        if (code != ERR_OK)
            return code;
        newest = previous;
    }
    return ERR_OK;
}

enum err_code sqlite_remove(struct store_backend *backend, struct request *request, struct err *err)
{
    struct device_brief brief;
    enum err_code code =
        sqlite_read_brief(&backend->session, bytes_of_text(request->endpoint), &brief, err);
    if (code != ERR_OK)
        return code;
    const struct unfolded_sum *sum = unfolded_find(&backend->unfolded, brief.id);
    enum device_state state = current_state(backend, brief.id, brief.blocked, brief.state);
    code = delete_history(backend, sum != NULL ? sum->newest : brief.newest_outcome, err);
    if (code == ERR_OK)
        code = sqlite_delete_slots(backend, brief.id, err);
    if (code == ERR_OK)
        code = sqlite_drop_tags(&backend->session, request->endpoint, err);
    if (code == ERR_OK)
        code = sqlite_run_for(&backend->session, SQL_DEVICE_DELETE, brief.id, removing, err);
    if (code == ERR_OK)
        code = sqlite_run_for(&backend->session, SQL_STATUS_DELETE, brief.id, removing, err);
    if (code == ERR_OK)
        code = sqlite_stage_count(backend, brief.class_name, state, -1, err);
    if (code == ERR_OK)
        groups_stage_devices(backend->setup->groups, brief.group, -1);
    if (code == ERR_OK && !unfolded_stage_removal(&backend->unfolded, brief.id))
        code = err_set(err, ERR_NO_MEMORY, "store: out of memory");
    request->change = STORE_CHANGED;
    return code;
}
