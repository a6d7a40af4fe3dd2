/* The credentials of one device for its servers, and the rules of their life (I2). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "slots_priv.h"

#include "device_priv.h"

#include <assert.h>
#include <string.h>

static_assert(CREDENTIAL_PENDING == 0 && CREDENTIAL_ACTIVE == 1 && CREDENTIAL_RETIRING == 2,
              "a status is the index of its slot");

void slot_set_init(struct slot_set *set)
{
    set->count = 0;
    set->has_settled = false;
}

void slot_set_clear(struct slot_set *set)
{
    slots_clear(set->servers, set->count);
    slot_set_init(set);
}

static void slot_clear(struct slot *slot)
{
    blob_unref(slot->public_part);
    bytes_wipe(slot, sizeof *slot);
}

void slots_clear(struct slots *servers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (int status = 0; status < SLOT_COUNT; status++)
            blob_unref(servers[i].slot[status].public_part);
        bytes_wipe(&servers[i], sizeof servers[i]);
    }
}

void slots_hold(const struct slots *servers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (int status = 0; status < SLOT_COUNT; status++)
            blob_ref(servers[i].slot[status].public_part);
    }
}

/* Leaves `from` empty. */
static void slot_move(struct slot *to, struct slot *from)
{
    slot_clear(to);
    *to = *from;
    bytes_wipe(from, sizeof *from);
}

struct slots *slot_set_find(struct slot_set *set, uint16_t ssid)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->servers[i].ssid == ssid)
            return &set->servers[i];
    }
    return NULL;
}

/* The bootstrap account has a place of its own. */
static bool is_full(struct slot_set *set)
{
    return set->count - (slot_set_find(set, 0) != NULL) == SERVERS_MAX;
}

struct slots *slot_set_insert(struct slot_set *set, uint16_t ssid)
{
    size_t at = set->count;
    if (ssid != 0 && is_full(set))
        return NULL;
    for (; at > 0 && set->servers[at - 1].ssid > ssid; at--)
        set->servers[at] = set->servers[at - 1];
    bytes_wipe(&set->servers[at], sizeof set->servers[at]);
    set->servers[at].ssid = ssid;
    set->count++;
    return &set->servers[at];
}

static uint64_t highest_generation(const struct slot_set *set)
{
    uint64_t highest = 0;
    for (size_t i = 0; i < set->count; i++) {
        if (set->servers[i].generation > highest)
            highest = set->servers[i].generation;
    }
    return highest;
}

/* The server that gives way when profiles have named more than SERVERS_MAX over the years: the one
 * that has not changed for longest. A request names at most SERVERS_MAX, so there is one. */
static struct slots *oldest_server(struct slot_set *set)
{
    struct slots *oldest = NULL;
    for (size_t i = 0; i < set->count; i++) {
        struct slots *server = &set->servers[i];
        if (server->ssid != 0 && !server->named &&
            (oldest == NULL || server->changed_ms < oldest->changed_ms))
            oldest = server;
    }
    return oldest;
}

/* The row it was stored in, which its successor replaces. */
static uint16_t take_out_oldest(struct slot_set *set)
{
    struct slots *oldest = oldest_server(set), *last = &set->servers[set->count - 1];
    assert(oldest != NULL);
    uint16_t stored_ssid = oldest->stored_ssid;
    slots_clear(oldest, 1);
    for (; oldest < last; oldest++)
        *oldest = oldest[1];
    bytes_wipe(last, sizeof *last);
    set->count--;
    return stored_ssid;
}

static struct slots *find_or_add_server(struct slot_set *set, uint16_t ssid)
{
    struct slots *server = slot_set_find(set, ssid);
    if (server != NULL)
        return server;
    uint64_t generation = 0;
    uint16_t stored_ssid = 0;
    if (ssid != 0 && is_full(set)) {
        /* Whoever comes back later must not see a generation again: go on from the highest. */
        generation = highest_generation(set);
        stored_ssid = take_out_oldest(set);
    }
    server = slot_set_insert(set, ssid);
    assert(server != NULL);
    server->stored_ssid = stored_ssid;
    server->generation = generation;
    server->named = true;
    return server;
}

static void name_server(struct slot_set *set, uint16_t ssid)
{
    struct slots *server = slot_set_find(set, ssid);
    if (server != NULL)
        server->named = true;
}

/* `content` without generation; its public part is shared. */
static void fill_slot(struct slots *server, enum credential_status status,
                      const struct slot *content, int64_t now_ms)
{
    struct slot *slot = &server->slot[status];
    blob_ref(content->public_part);
    slot_clear(slot);
    *slot = *content;
    slot->generation = ++server->generation;
    server->changed_ms = now_ms;
    server->dirty = true;
}

static void retire_active(struct slots *server, const struct slot_time *time)
{
    slot_move(&server->slot[CREDENTIAL_RETIRING], &server->slot[CREDENTIAL_ACTIVE]);
    bool retires = server->ssid == 0 || server->slot[CREDENTIAL_RETIRING].generation != 0;
    server->retire_at_ms = retires ? time->now_ms + time->retire_ms : 0;
}

bool slot_set_make_pending(struct slot_set *set, const struct store_new_credential *credentials,
                           size_t count, const struct slot_time *time)
{
    bool changed = false;
    for (size_t i = 0; i < count; i++)
        name_server(set, credentials[i].ssid);
    for (size_t i = 0; i < count; i++) {
        struct slots *server = slot_set_find(set, credentials[i].ssid);
        /* One of another kind is of no use any more: the profile has changed. */
        if (server != NULL && server->slot[CREDENTIAL_PENDING].generation != 0 &&
            server->slot[CREDENTIAL_PENDING].kind == credentials[i].kind)
            continue;
        struct slot content = {
            .kind = credentials[i].kind,
            .identity = credentials[i].identity,
            .key = credentials[i].key,
            .public_part = blob_ref(credentials[i].public_part),
        };
        memcpy(content.place, credentials[i].place, sizeof content.place);
        server = find_or_add_server(set, credentials[i].ssid);
        fill_slot(server, CREDENTIAL_PENDING, &content, time->now_ms);
        slot_clear(&content);
        changed = true;
    }
    return changed;
}

bool slot_set_promote(struct slot_set *set, const struct store_promotion *promotions, size_t count,
                      const struct slot_time *time)
{
    bool changed = false;
    for (size_t i = 0; i < count; i++) {
        struct slots *server = slot_set_find(set, promotions[i].ssid);
        if (server == NULL || promotions[i].generation == 0 ||
            server->slot[CREDENTIAL_PENDING].generation != promotions[i].generation)
            continue;
        retire_active(server, time);
        slot_move(&server->slot[CREDENTIAL_ACTIVE], &server->slot[CREDENTIAL_PENDING]);
        server->changed_ms = time->now_ms;
        server->dirty = true;
        changed = true;
    }
    return changed;
}

static bool is_active_already(const struct slots *server, const struct slot *given)
{
    const struct slot *active = &server->slot[CREDENTIAL_ACTIVE];
    return active->generation != 0 && active->kind == given->kind &&
           bytes_equal(identity_bytes(&active->identity), identity_bytes(&given->identity)) &&
           secret_equal(&active->key, &given->key) &&
           bytes_equal(blob_bytes(active->public_part), blob_bytes(given->public_part));
}

/* Makes it active, unless it is; says whether that changes something. */
static bool enroll_server(struct slot_set *set, uint16_t ssid, const struct slot *given,
                          const struct slot_time *time, bool apply)
{
    struct slots *server = slot_set_find(set, ssid);
    if (server != NULL && is_active_already(server, given))
        return false;
    if (!apply)
        return true;
    server = find_or_add_server(set, ssid);
    retire_active(server, time);
    /* A session that still sends the pending one must not put it in this one's place. */
    slot_clear(&server->slot[CREDENTIAL_PENDING]);
    fill_slot(server, CREDENTIAL_ACTIVE, given, time->now_ms);
    return true;
}

bool slot_set_enroll(struct slot_set *set, const struct store_device *device,
                     const struct slot_time *time, bool apply)
{
    bool changed = false;
    for (size_t i = 0; i < device->enrollment.credential_count; i++)
        name_server(set, device->enrollment.credentials[i].ssid);
    for (size_t i = 0; i < device->enrollment.credential_count; i++) {
        const struct enrolled_credential *given = &device->enrollment.credentials[i];
        struct slot content = {
            .kind = given->kind,
            .identity = given->identity,
            .key = device->keys[i],
            .public_part = device->publics[i],
        };
        changed |= enroll_server(set, given->ssid, &content, time, apply);
        bytes_wipe(&content, sizeof content);
    }
    return changed;
}

static bool grace_is_over(const struct slots *server, int64_t now_ms)
{
    return server->slot[CREDENTIAL_RETIRING].generation != 0 && server->retire_at_ms <= now_ms;
}

bool slot_set_place(struct slot_set *set, uint16_t ssid, const char *place, int64_t now_ms,
                    bool *found)
{
    struct slots *server = slot_set_find(set, ssid);
    bool changed = false;
    *found = false;
    for (int status = CREDENTIAL_PENDING; server != NULL && status <= CREDENTIAL_ACTIVE; status++) {
        struct slot *slot = &server->slot[status];
        if (slot->generation == 0)
            continue;
        *found = true;
        changed = changed || strcmp(slot->place, place) != 0;
        strcpy(slot->place, place);
    }
    if (changed) {
        server->dirty = true;
        server->changed_ms = now_ms;
    }
    return changed;
}

bool slot_set_expire(struct slot_set *set, int64_t now_ms)
{
    bool changed = false;
    for (size_t i = 0; i < set->count; i++) {
        struct slots *server = &set->servers[i];
        if (!grace_is_over(server, now_ms))
            continue;
        slot_clear(&server->slot[CREDENTIAL_RETIRING]);
        server->retire_at_ms = 0;
        server->dirty = true;
        changed = true;
    }
    return changed;
}

bool slot_set_drop_account(struct slot_set *set, int64_t now_ms)
{
    struct slots *account = slot_set_find(set, 0);
    bool changed = false;
    for (int status = 0; account != NULL && status < SLOT_COUNT; status++) {
        changed = changed || account->slot[status].generation != 0;
        slot_clear(&account->slot[status]);
    }
    if (changed) {
        account->retire_at_ms = 0;
        account->changed_ms = now_ms;
        account->dirty = true;
    }
    return changed;
}

/* ---- showing ---- */

static void show_account_keys(const struct slots *account, int64_t now_ms,
                              struct store_device *device)
{
    const struct slot *active = &account->slot[CREDENTIAL_ACTIVE];
    const struct slot *retiring = &account->slot[CREDENTIAL_RETIRING];
    if (account->slot[CREDENTIAL_PENDING].generation != 0)
        device_add_key(device, &account->slot[CREDENTIAL_PENDING].key);
    if (active->generation == 0)
        return;
    device->enrolled_key = device->bootstrap_key;
    device->bootstrap_key = active->key;
    if (account->retire_at_ms <= now_ms)
        return;
    device->enrolled_key_counts = retiring->generation == 0;
    device_add_key(device, retiring->generation != 0 ? &retiring->key : &device->enrolled_key);
}

void slot_set_show(const struct slot_set *set, int64_t now_ms, struct store_device *device)
{
    struct enrollment *enrollment = &device->enrollment;
    for (size_t i = 0; i < set->count; i++) {
        const struct slots *server = &set->servers[i];
        if (server->ssid == 0)
            show_account_keys(server, now_ms, device);
        for (int status = 0; status < SLOT_COUNT; status++) {
            const struct slot *slot = &server->slot[status];
            bool over = status == CREDENTIAL_RETIRING && grace_is_over(server, now_ms);
            if (slot->generation == 0 || over)
                continue;
            size_t at = enrollment->credential_count++;
            enrollment->credentials[at] = (struct enrolled_credential){
                .ssid = server->ssid,
                .status = (enum credential_status)status,
                .kind = slot->kind,
                .generation = slot->generation,
                .identity = slot->identity,
                .key_len = slot->key.len,
                .public_len = (uint16_t)blob_bytes(slot->public_part).len,
            };
            memcpy(enrollment->credentials[at].place, slot->place, sizeof slot->place);
            device->keys[at] = slot->key;
            device->publics[at] = blob_ref(slot->public_part);
        }
    }
}
