/* Changes of the memory backend. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "device_priv.h"
#include "memory_priv.h"

#include <stdlib.h>
#include <string.h>

static struct slot_time slot_time(const struct store_backend *backend)
{
    return (struct slot_time){
        .now_ms = atomic_load(&backend->setup->wall_ms)(),
        .retire_ms = (int64_t)backend->setup->config.retire_seconds * 1000,
    };
}

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NO_MEMORY, "store: out of memory");
}

static void load_slots(const struct memory_device *device, struct slot_set *set)
{
    set->count = device->server_count;
    if (device->server_count > 0)
        memcpy(set->servers, device->servers, device->server_count * sizeof *device->servers);
    slots_hold(set->servers, set->count);
}

/* Wipes the set. */
static bool save_slots(struct memory_device *device, struct slot_set *set)
{
    struct slots *servers = malloc(set->count * sizeof *servers + 1);
    if (servers == NULL) {
        slot_set_clear(set);
        return false;
    }
    for (size_t i = 0; i < set->count; i++) {
        servers[i] = set->servers[i];
        servers[i].named = servers[i].dirty = false;
    }
    slots_clear(device->servers, device->server_count);
    free(device->servers);
    device->servers = servers;
    device->server_count = set->count;
    slots_hold(servers, set->count);
    slot_set_clear(set);
    return true;
}

bool memory_show(const struct store_backend *backend, const struct memory_device *device,
                 struct store_device *out)
{
    struct enrollment *enrollment = &out->enrollment;
    struct slot_set set;
    if (!tags_from_text(device->tags, strlen(device->tags), enrollment))
        return false;
    memcpy(enrollment->endpoint, device->endpoint, sizeof enrollment->endpoint);
    memcpy(enrollment->class_name, device->class_name, sizeof enrollment->class_name);
    enrollment->identity = device->identity;
    enrollment->blocked = device->blocked;
    enrollment->revision = device->revision;
    enrollment->bootstraps = device->bootstraps;
    out->bootstrap_key = device->bootstrap_key;
    out->group_id = device->group_id;
    out->state = device_shown_state(device->blocked, device->state);
    out->cause = device->cause;
    out->created_wall_ms = device->created_ms;
    out->changed_wall_ms = device->changed_ms;
    out->last_wall_ms = device->last_ms;
    out->last_duration_ms = device->last_duration_ms;
    load_slots(device, &set);
    slot_set_show(&set, slot_time(backend).now_ms, out);
    slot_set_clear(&set);
    return true;
}

static enum err_code stage_move(struct store_backend *backend, const char *from_class,
                                enum device_state from, const char *to_class, enum device_state to,
                                struct err *err)
{
    struct counts *counts = backend->setup->counts;
    return counts_stage(counts, from_class, from, -1) && counts_stage(counts, to_class, to, 1)
               ? ERR_OK
               : no_memory(err);
}

/* ---- the path of a bootstrap ---- */

static enum err_code make_pending(struct store_backend *backend, struct memory_device *device,
                                  struct request *request, struct err *err)
{
    struct slot_time time = slot_time(backend);
    struct slot_set set;
    struct store_device *out = calloc(1, sizeof *out);
    if (out == NULL)
        return no_memory(err);
    request->device = out;
    load_slots(device, &set);
    bool saved = true;
    if (slot_set_make_pending(&set, request->credentials, request->count, &time))
        saved = save_slots(device, &set);
    else
        slot_set_clear(&set);
    return saved && memory_show(backend, device, out) ? ERR_OK : no_memory(err);
}

static bool keep_outcome(struct memory_device *device, struct outcome *outcome)
{
    if (device->history == NULL)
        device->history = calloc(MEMORY_HISTORY_MAX, sizeof(*device->history));
    if (device->history == NULL)
        return false;
    if (device->history_count == MEMORY_HISTORY_MAX) {
        free(device->history[0]);
        device->history_count--;
        memmove(device->history, device->history + 1,
                device->history_count * sizeof(*device->history));
    }
    device->history[device->history_count++] = outcome;
    return true;
}

static enum err_code promote(struct store_backend *backend, struct memory_device *device,
                             const struct request *request, struct err *err)
{
    struct slot_time time = slot_time(backend);
    struct slot_set set;
    load_slots(device, &set);
    if (slot_set_promote(&set, request->promotions, request->count, &time))
        return save_slots(device, &set) ? ERR_OK : no_memory(err);
    slot_set_clear(&set);
    return ERR_OK;
}

static enum err_code record(struct store_backend *backend, struct memory_device *device,
                            struct request *request, struct err *err)
{
    const struct outcome *outcome = request->outcome;
    bool counts_for_state = outcome->cause != CAUSE_SUPERSEDED;
    enum err_code code = ERR_OK;
    if (counts_for_state)
        code = stage_move(backend, device->class_name,
                          device_shown_state(device->blocked, device->state), device->class_name,
                          device_shown_state(device->blocked, outcome->state), err);
    if (code == ERR_OK)
        code = promote(backend, device, request, err);
    if (code != ERR_OK)
        return code;
    if (!keep_outcome(device, request->outcome))
        return no_memory(err);
    request->outcome = NULL;
    if (!counts_for_state)
        return ERR_OK;
    device->state = outcome->state;
    device->cause = outcome->cause;
    if (outcome->state == STATE_NEW)
        device->bootstraps = 0;
    device->bootstraps += outcome->state == STATE_BOOTSTRAPPED;
    device->last_ms = outcome_end_ms(outcome);
    device->last_duration_ms = outcome->duration_ms;
    return ERR_OK;
}

/* ---- administration ---- */

static char *tags_copy(const struct enrollment *enrollment)
{
    struct buf memory;
    buf_init(&memory, TAGS_TEXT_MAX + 1);
    tags_to_text(enrollment, &memory);
    const char *text = buf_text(&memory);
    char *copy = text != NULL ? strdup(text) : NULL;
    buf_clear(&memory);
    return copy;
}

static bool keeps_key(const struct memory_device *device, const struct store_device *given)
{
    struct store_device shown = {.group_id = device->group_id,
                                 .bootstrap_key = device->bootstrap_key};
    struct slot_set set;
    load_slots(device, &set);
    slot_set_show(&set, 0, &shown);
    slot_set_clear(&set);
    bool keeps = device_keeps_key(&shown, given);
    store_device_clear(&shown);
    return keeps;
}

static bool set_credentials(struct store_backend *backend, struct memory_device *device,
                            const struct store_device *given)
{
    struct slot_time time = slot_time(backend);
    struct slot_set set;
    load_slots(device, &set);
    bool changed = !keeps_key(device, given) && slot_set_drop_account(&set, time.now_ms);
    changed |= slot_set_enroll(&set, given, &time, true);
    if (changed)
        return save_slots(device, &set);
    slot_set_clear(&set);
    return true;
}

static enum err_code check_identity_free(const struct store_backend *backend,
                                         const struct memory_device *device,
                                         const struct enrollment *given, struct err *err)
{
    const struct memory_device *owner =
        given->identity.len > 0 ? memory_table_identity(&backend->table, &given->identity) : NULL;
    if (owner == NULL || owner == device)
        return ERR_OK;
    return err_set(err, ERR_CONFLICT,
                   "the identity given for '%s' belongs to endpoint '%s'; give each device its own",
                   given->endpoint, owner->endpoint);
}

static enum err_code create(struct store_backend *backend, struct request *request, struct err *err)
{
    const struct store_device *given = request->given;
    enum err_code code = check_identity_free(backend, NULL, &given->enrollment, err);
    if (code != ERR_OK)
        return code;
    struct memory_device *device = calloc(1, sizeof *device);
    if (device == NULL)
        return no_memory(err);
    memcpy(device->endpoint, given->enrollment.endpoint, sizeof device->endpoint);
    memcpy(device->class_name, given->enrollment.class_name, sizeof device->class_name);
    device->identity = given->enrollment.identity;
    device->bootstrap_key = given->bootstrap_key;
    device->group_id = given->group_id;
    device->tags = tags_copy(&given->enrollment);
    device->blocked = given->enrollment.blocked;
    device->revision = 1;
    device->created_ms = device->changed_ms = slot_time(backend).now_ms;
    request->change = STORE_CREATED;
    if (device->tags != NULL && set_credentials(backend, device, given) &&
        counts_stage(backend->setup->counts, device->class_name,
                     device_shown_state(device->blocked, STATE_NEW), 1) &&
        memory_table_add(&backend->table, device)) {
        groups_stage_devices(backend->setup->groups, device->group_id, 1);
        return ERR_OK;
    }
    memory_device_free(device);
    return no_memory(err);
}

static bool is_same(struct store_backend *backend, const struct memory_device *device,
                    const struct store_device *given, const char *tags)
{
    struct slot_time time = slot_time(backend);
    struct slot_set set;
    load_slots(device, &set);
    bool same = strcmp(device->class_name, given->enrollment.class_name) == 0 &&
                bytes_equal(identity_bytes(&device->identity),
                            identity_bytes(&given->enrollment.identity)) &&
                keeps_key(device, given) && strcmp(device->tags, tags) == 0 &&
                !slot_set_enroll(&set, given, &time, false);
    slot_set_clear(&set);
    return same;
}

static enum err_code replace(struct store_backend *backend, struct memory_device *device,
                             struct request *request, char **tags, struct err *err)
{
    const struct store_device *given = request->given;
    enum device_state state = device_shown_state(device->blocked, device->state);
    bool keeps = keeps_key(device, given);
    enum err_code code = check_identity_free(backend, device, &given->enrollment, err);
    if (code == ERR_OK)
        code = stage_move(backend, device->class_name, state, given->enrollment.class_name, state,
                          err);
    if (code == ERR_OK && !set_credentials(backend, device, given))
        code = no_memory(err);
    if (code != ERR_OK)
        return code;
    memory_table_set_identity(&backend->table, device, &given->enrollment.identity);
    memcpy(device->class_name, given->enrollment.class_name, sizeof device->class_name);
    if (!keeps)
        device->bootstrap_key = given->bootstrap_key;
    groups_stage_devices(backend->setup->groups, device->group_id, -1);
    groups_stage_devices(backend->setup->groups, given->group_id, 1);
    device->group_id = given->group_id;
    free(device->tags);
    device->tags = *tags;
    *tags = NULL;
    device->revision++;
    device->changed_ms = slot_time(backend).now_ms;
    request->change = STORE_CHANGED;
    return ERR_OK;
}

static enum err_code enroll(struct store_backend *backend, struct memory_device *device,
                            struct request *request, struct err *err)
{
    if (device == NULL)
        return create(backend, request, err);
    char *tags = tags_copy(&request->given->enrollment);
    enum err_code code = ERR_OK;
    request->change = STORE_UNCHANGED;
    if (tags == NULL)
        code = no_memory(err);
    else if (is_same(backend, device, request->given, tags))
        code = ERR_OK;
    else if (!request->flag)
        code = err_set(err, ERR_EXISTS,
                       "endpoint '%s' is enrolled with other data; say that it shall be replaced",
                       request->endpoint);
    else
        code = replace(backend, device, request, &tags, err);
    free(tags);
    return code;
}

enum err_code memory_enroll(struct store_backend *backend, struct request *request, struct err *err)
{
    struct memory_device *device =
        memory_table_endpoint(&backend->table, bytes_of_text(request->endpoint));
    enum err_code code = enroll(backend, device, request, err);
    if (code == ERR_OK && device != NULL && device->blocked != request->given->enrollment.blocked) {
        device->blocked = !device->blocked;
        code = stage_move(backend, device->class_name,
                          device_shown_state(!device->blocked, device->state), device->class_name,
                          device_shown_state(device->blocked, device->state), err);
    }
    return code;
}

static enum err_code set_blocked(struct store_backend *backend, struct memory_device *device,
                                 struct request *request, struct err *err)
{
    request->change = STORE_UNCHANGED;
    if (device->blocked == request->flag)
        return ERR_OK;
    enum err_code code =
        stage_move(backend, device->class_name, device_shown_state(device->blocked, device->state),
                   device->class_name, device_shown_state(request->flag, device->state), err);
    if (code != ERR_OK)
        return code;
    device->blocked = request->flag;
    device->revision++;
    device->changed_ms = slot_time(backend).now_ms;
    request->change = STORE_CHANGED;
    return ERR_OK;
}

static enum err_code set_place(struct store_backend *backend, struct memory_device *device,
                               struct request *request, struct err *err)
{
    struct slot_set set;
    bool found = false;
    load_slots(device, &set);
    bool changed = slot_set_place(&set, request->place->ssid, request->place->name,
                                  slot_time(backend).now_ms, &found);
    request->change = changed ? STORE_CHANGED : STORE_UNCHANGED;
    if (changed)
        return save_slots(device, &set) ? ERR_OK : no_memory(err);
    slot_set_clear(&set);
    return found ? ERR_OK : store_no_credential(request->place->ssid, err);
}

static enum err_code remove_device(struct store_backend *backend, struct memory_device *device,
                                   struct request *request, struct err *err)
{
    if (!counts_stage(backend->setup->counts, device->class_name,
                      device_shown_state(device->blocked, device->state), -1))
        return no_memory(err);
    groups_stage_devices(backend->setup->groups, device->group_id, -1);
    memory_table_remove(&backend->table, device);
    memory_device_free(device);
    request->change = STORE_CHANGED;
    return ERR_OK;
}

/* The row of a device that belongs to a group; NULL: it does not. */
static struct memory_device *join(struct store_backend *backend, const char *endpoint)
{
    struct store_device given = {0};
    struct request request = {.given = &given};
    struct err unused = {0};
    if (!groups_join(backend->setup->groups, bytes_of_text(endpoint), slot_time(backend).now_ms,
                     &given))
        return NULL;
    enum err_code code = create(backend, &request, &unused);
    store_device_clear(&given);
    return code == ERR_OK ? memory_table_endpoint(&backend->table, bytes_of_text(endpoint)) : NULL;
}

static enum err_code apply(struct store_backend *backend, struct request *request, struct err *err)
{
    struct memory_device *device =
        memory_table_endpoint(&backend->table, bytes_of_text(request->endpoint));
    if (request->kind == REQUEST_REKEY) { /* nothing is at rest here */
        request->rekey->done = true;
        return ERR_OK;
    }
    if (request->kind == REQUEST_NOTE) /* there is no audit here */
        return ERR_OK;
    if (request->kind == REQUEST_BULK)
        return memory_bulk(backend, request, err);
    if (request->kind == REQUEST_BULK_SAVE)
        return memory_bulk_save(backend, request->bulk->id, request->state, err);
    if (request->kind == REQUEST_ENROLL)
        return enroll(backend, device, request, err);
    bool joins = request->kind == REQUEST_MAKE_PENDING ||
                 (request->kind == REQUEST_RECORD && request->outcome->cause != CAUSE_REMOVED) ||
                 (request->kind == REQUEST_SET_BLOCKED && request->flag);
    if (device == NULL && joins)
        device = join(backend, request->endpoint);
    if (device == NULL)
        return err_set(err, ERR_NOT_FOUND, "no such device");
    if (request->kind == REQUEST_MAKE_PENDING)
        return make_pending(backend, device, request, err);
    if (request->kind == REQUEST_RECORD)
        return record(backend, device, request, err);
    if (request->kind == REQUEST_SET_BLOCKED)
        return set_blocked(backend, device, request, err);
    if (request->kind == REQUEST_PLACE)
        return set_place(backend, device, request, err);
    return remove_device(backend, device, request, err);
}

/* There is nothing to roll back to: every request ends here, with success or with its error. */
enum err_code memory_apply(struct store_backend *backend, struct request *request, struct err *err)
{
    pthread_rwlock_wrlock(&backend->lock);
    request->result = apply(backend, request, err);
    if (request->result == ERR_OK)
        counts_commit(backend->setup->counts);
    else
        counts_drop(backend->setup->counts);
    pthread_rwlock_unlock(&backend->lock);
    if (request->result != ERR_OK && request->err != NULL)
        *request->err = *err;
    return ERR_OK;
}
