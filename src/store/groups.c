/* Groups in memory: who belongs to one, and its key. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "groups_priv.h"

#include "device_priv.h"

#include <stdlib.h>
#include <string.h>

void store_group_clear(struct store_group *group)
{
    enrollment_clear(&group->tags);
    bytes_wipe(group, sizeof *group);
}

/* ---- entries ---- */

static size_t count_literals(const char *pattern)
{
    size_t count = 0;
    for (; *pattern != '\0'; pattern++)
        count += *pattern != '*' && *pattern != '?';
    return count;
}

enum err_code group_check(const struct store_group *group, struct err *err)
{
    struct err why = {0};
    struct derive unused = {0};
    if (enrollment_check_tag(group->name, "", &why) != ERR_OK)
        return err_set(err, ERR_INVALID, "the group's name: %s", why.text);
    if (group->class_name[0] != '\0' &&
        enrollment_check_class(bytes_of_text(group->class_name), err) != ERR_OK)
        return err->code;
    if (count_literals(group->pattern) == 0)
        return err_set(err, ERR_INVALID,
                       "the pattern '%.64s' would take every identity in; begin it with what the "
                       "group's identities have in common",
                       group->pattern);
    if (group->not_after_wall_ms != 0 && group->not_after_wall_ms <= group->not_before_wall_ms)
        return err_set(err, ERR_INVALID, "the group would end before it begins");
    if (group->by_certificate && (group->primary.len > 0 || group->secondary.len > 0))
        return err_set(err, ERR_INVALID, "a group of a CA has no key; make another one");
    enum err_code code = group->by_certificate
                             ? ERR_OK
                             : derive_begin(&unused, group->scheme, secret_bytes(&group->primary),
                                            group->label, group->key_len, err);
    if (code == ERR_OK && group->secondary.len > 0)
        code = derive_begin(&unused, group->scheme, secret_bytes(&group->secondary), group->label,
                            group->key_len, err);
    derive_clear(&unused);
    for (size_t i = 0; code == ERR_OK && i < group->tags.tag_count; i++)
        code = enrollment_check_tag(group->tags.tags[i].name, group->tags.tags[i].value, err);
    return code;
}

bool group_same(const struct store_group *a, const struct store_group *b)
{
    return strcmp(a->class_name, b->class_name) == 0 && strcmp(a->pattern, b->pattern) == 0 &&
           a->by_certificate == b->by_certificate &&
           memcmp(a->authority, b->authority, sizeof a->authority) == 0 && a->scheme == b->scheme &&
           strcmp(a->label, b->label) == 0 && a->key_len == b->key_len &&
           secret_equal(&a->primary, &b->primary) && secret_equal(&a->secondary, &b->secondary) &&
           a->not_before_wall_ms == b->not_before_wall_ms &&
           a->not_after_wall_ms == b->not_after_wall_ms && a->device_max == b->device_max &&
           a->blocked == b->blocked && enrollment_same_tags(&a->tags, &b->tags);
}

void group_entry_free(struct group_entry *entry)
{
    if (entry == NULL)
        return;
    store_group_clear(&entry->group);
    bytes_wipe(entry, sizeof *entry);
    free(entry);
}

struct group_entry *group_entry_new(int64_t id, const struct store_group *group, struct err *err)
{
    struct group_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) {
        err_set(err, ERR_NO_MEMORY, "store: out of memory");
        return NULL;
    }
    entry->id = id;
    entry->group = *group;
    entry->group.tags = (struct enrollment){0};
    entry->literals = count_literals(group->pattern);
    enum err_code code = enrollment_copy(&entry->group.tags, &group->tags)
                             ? ERR_OK
                             : err_set(err, ERR_NO_MEMORY, "store: out of memory");
    if (code == ERR_OK && !group->by_certificate)
        code = derive_begin(&entry->primary, group->scheme, secret_bytes(&group->primary),
                            group->label, group->key_len, err);
    if (code == ERR_OK && group->secondary.len > 0)
        code = derive_begin(&entry->secondary, group->scheme, secret_bytes(&group->secondary),
                            group->label, group->key_len, err);
    if (code == ERR_OK)
        return entry;
    group_entry_free(entry);
    return NULL;
}

void groups_init(struct groups *groups)
{
    *groups = (struct groups){0};
    pthread_rwlock_init(&groups->lock, NULL);
}

void groups_clear(struct groups *groups)
{
    groups_drop(groups);
    for (size_t i = 0; i < groups->count; i++)
        group_entry_free(groups->entries[i]);
    groups->count = 0;
    pthread_rwlock_destroy(&groups->lock);
}

static struct group_entry *find_id(struct groups *groups, int64_t id, size_t *at)
{
    for (size_t i = 0; i < groups->count; i++) {
        if (groups->entries[i]->id == id) {
            if (at != NULL)
                *at = i;
            return groups->entries[i];
        }
    }
    return NULL;
}

struct group_entry *groups_find(struct groups *groups, const char *name)
{
    for (size_t i = 0; i < groups->count; i++) {
        if (strcmp(groups->entries[i]->group.name, name) == 0)
            return groups->entries[i];
    }
    return NULL;
}

/* ---- the writer's changes ---- */

bool groups_stage_put(struct groups *groups, struct group_entry *entry)
{
    if (groups->change_count == GROUPS_MAX) {
        group_entry_free(entry);
        return false;
    }
    groups->changes[groups->change_count++] = (struct group_change){.entry = entry};
    return true;
}

bool groups_stage_removal(struct groups *groups, int64_t id)
{
    if (groups->change_count == GROUPS_MAX)
        return false;
    groups->changes[groups->change_count++] = (struct group_change){.removed = id};
    return true;
}

void groups_stage_devices(struct groups *groups, int64_t id, int by)
{
    struct group_entry *entry = id != 0 ? find_id(groups, id, NULL) : NULL;
    if (entry != NULL)
        entry->staged += by;
}

static void take_out(struct groups *groups, int64_t id)
{
    size_t at = 0;
    struct group_entry *entry = find_id(groups, id, &at);
    if (entry == NULL)
        return;
    memmove(groups->entries + at, groups->entries + at + 1,
            (groups->count - at - 1) * sizeof(*groups->entries));
    groups->count--;
    group_entry_free(entry);
}

static bool comes_before(const struct group_entry *a, const struct group_entry *b)
{
    if (a->literals != b->literals)
        return a->literals > b->literals;
    return strcmp(a->group.name, b->group.name) < 0;
}

static void put_in(struct groups *groups, struct group_entry *entry)
{
    const struct group_entry *before = find_id(groups, entry->id, NULL);
    if (before != NULL)
        entry->group.devices = before->group.devices;
    take_out(groups, entry->id);
    size_t at = groups->count;
    while (at > 0 && comes_before(entry, groups->entries[at - 1])) {
        groups->entries[at] = groups->entries[at - 1];
        at--;
    }
    groups->entries[at] = entry;
    groups->count++;
}

void groups_commit(struct groups *groups)
{
    bool staged = groups->change_count > 0;
    for (size_t i = 0; !staged && i < groups->count; i++)
        staged = groups->entries[i]->staged != 0;
    if (!staged)
        return;
    pthread_rwlock_wrlock(&groups->lock);
    for (size_t i = 0; i < groups->count; i++) {
        groups->entries[i]->group.devices += (uint64_t)(int64_t)groups->entries[i]->staged;
        groups->entries[i]->staged = 0;
    }
    for (size_t i = 0; i < groups->change_count; i++) {
        if (groups->changes[i].entry != NULL)
            put_in(groups, groups->changes[i].entry);
        else
            take_out(groups, groups->changes[i].removed);
    }
    pthread_rwlock_unlock(&groups->lock);
    groups->change_count = 0;
}

void groups_drop(struct groups *groups)
{
    for (size_t i = 0; i < groups->change_count; i++)
        group_entry_free(groups->changes[i].entry);
    groups->change_count = 0;
    for (size_t i = 0; i < groups->count; i++)
        groups->entries[i]->staged = 0;
}

/* ---- looking up ---- */

/* Only the last `*` is ever tried again, so the cost is the product of the lengths at most. */
static bool matches(const char *pattern, struct bytes text)
{
    const char *star = NULL;
    size_t at = 0, retry = 0;
    while (at < text.len) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = at;
        } else if (*pattern == '?' || (*pattern != '\0' && (uint8_t)*pattern == text.data[at])) {
            pattern++;
            at++;
        } else if (star != NULL) {
            pattern = star;
            at = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static bool is_valid(const struct store_group *group, int64_t now_ms)
{
    return now_ms >= group->not_before_wall_ms &&
           (group->not_after_wall_ms == 0 || now_ms < group->not_after_wall_ms);
}

/* `staged`: devices of the open transaction, which only the writer may look at. */
static bool has_room(const struct group_entry *entry, int staged)
{
    const struct store_group *group = &entry->group;
    return group->device_max == 0 || group->devices + (uint64_t)(int64_t)staged < group->device_max;
}

static const struct group_entry *find_match(const struct groups *groups, struct bytes identity)
{
    struct err unused;
    if (enrollment_check_endpoint(identity, &unused) != ERR_OK)
        return NULL;
    for (size_t i = 0; i < groups->count; i++) {
        if (matches(groups->entries[i]->group.pattern, identity))
            return groups->entries[i];
    }
    return NULL;
}

static bool fill_device(const struct group_entry *entry, struct bytes identity,
                        struct store_device *out)
{
    struct enrollment *enrollment = &out->enrollment;
    *out = (struct store_device){.group_id = entry->id, .state = STATE_NEW};
    if (!enrollment_copy(enrollment, &entry->group.tags))
        return false;
    memcpy(enrollment->endpoint, identity.data, identity.len);
    enrollment->endpoint[identity.len] = '\0';
    if (!entry->group.by_certificate)
        identity_set(&enrollment->identity, identity);
    strcpy(enrollment->class_name, entry->group.class_name);
    strcpy(out->group, entry->group.name);
    return true;
}

bool groups_join(struct groups *groups, struct bytes identity, int64_t now_ms,
                 struct store_device *out)
{
    const struct group_entry *entry = find_match(groups, identity);
    return entry != NULL && identity.len <= IDENTITY_MAX && is_valid(&entry->group, now_ms) &&
           has_room(entry, entry->staged) && fill_device(entry, identity, out);
}

static void put_keys(const struct group_entry *entry, struct store_device *device)
{
    struct bytes name = identity_bytes(&device->enrollment.identity);
    bool rekeyed = device_was_rekeyed(device);
    struct secret key;
    derive_key(&entry->primary, name, &key);
    if (!rekeyed)
        device->bootstrap_key = key;
    else if (device->enrolled_key_counts)
        device_add_key(device, &key);
    if (entry->group.secondary.len > 0 && (!rekeyed || device->enrolled_key_counts)) {
        derive_key(&entry->secondary, name, &key);
        device_add_key(device, &key);
    }
    secret_clear(&key);
    strcpy(device->group, entry->group.name);
    /* The group's word counts for those whom nobody has named. */
    device->enrollment.blocked |= entry->group.blocked;
}

static enum err_code resolve(struct groups *groups, const struct identity *identity, int64_t now_ms,
                             bool known, struct store_device *device)
{
    const struct group_entry *entry = known ? find_id(groups, device->group_id, NULL)
                                            : find_match(groups, identity_bytes(identity));
    if (entry == NULL || entry->group.by_certificate || !is_valid(&entry->group, now_ms) ||
        (!known && !has_room(entry, 0)))
        return ERR_NOT_FOUND;
    if (!known && !fill_device(entry, identity_bytes(identity), device))
        return ERR_NO_MEMORY;
    put_keys(entry, device);
    return ERR_OK;
}

enum err_code groups_vouch(struct groups *groups, struct bytes endpoint, const uint8_t *authority,
                           int64_t now_ms, bool known, struct store_device *device)
{
    enum err_code code = ERR_NOT_FOUND;
    pthread_rwlock_rdlock(&groups->lock);
    const struct group_entry *entry =
        known ? find_id(groups, device->group_id, NULL) : find_match(groups, endpoint);
    bool fits = entry != NULL && entry->group.by_certificate && authority != NULL &&
                memcmp(entry->group.authority, authority, sizeof entry->group.authority) == 0 &&
                is_valid(&entry->group, now_ms) && (known || has_room(entry, 0));
    if (fits)
        code = known || fill_device(entry, endpoint, device) ? ERR_OK : ERR_NO_MEMORY;
    if (code == ERR_OK) {
        strcpy(device->group, entry->group.name);
        device->enrollment.blocked |= entry->group.blocked;
    }
    pthread_rwlock_unlock(&groups->lock);
    return code;
}

static bool some_group_matches(struct groups *groups, const struct identity *identity)
{
    pthread_rwlock_rdlock(&groups->lock);
    bool matches_one = find_match(groups, identity_bytes(identity)) != NULL;
    pthread_rwlock_unlock(&groups->lock);
    return matches_one;
}

enum err_code groups_look_up(struct groups *groups, find_fn find, struct store_reader *reader,
                             const struct identity *identity, struct bytes endpoint, int64_t now_ms,
                             struct store_device *out, struct err *err)
{
    enum err_code code = find(reader, identity, endpoint, out, err);
    bool known = code == ERR_OK && out->group_id != 0;
    if (identity == NULL || (!known && code != ERR_NOT_FOUND))
        return code;
    if (!known) {
        if (!some_group_matches(groups, identity))
            return ERR_NOT_FOUND;
        /* A stored device of that name has an identity of its own, and no group lets it in (I8). */
        code = find(reader, NULL, identity_bytes(identity), out, err);
        if (code == ERR_OK)
            device_reset(out);
        if (code != ERR_NOT_FOUND)
            return code == ERR_OK ? err_set(err, ERR_NOT_FOUND, "no such device") : code;
    }
    pthread_rwlock_rdlock(&groups->lock);
    code = resolve(groups, identity, now_ms, known, out);
    pthread_rwlock_unlock(&groups->lock);
    return code;
}

void groups_note_id(struct groups *groups, int64_t id)
{
    if (id > groups->last_id)
        groups->last_id = id;
}

void groups_name(struct groups *groups, int64_t id, char out[static GROUP_NAME_MAX + 1])
{
    out[0] = '\0';
    if (id == 0)
        return;
    pthread_rwlock_rdlock(&groups->lock);
    const struct group_entry *entry = find_id(groups, id, NULL);
    if (entry != NULL)
        strcpy(out, entry->group.name);
    pthread_rwlock_unlock(&groups->lock);
}
