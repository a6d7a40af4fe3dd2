/* Groups on the writer's connection. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "device_priv.h"
#include "groups_priv.h"
#include "sqlite_priv.h"

#include <stdlib.h>

static struct vault_place place_of_group(int64_t id, int key)
{
    return (struct vault_place){
        .table = SEALED_GROUP, .column = (uint8_t)(key + 1), .row = (uint64_t)id};
}

/* Columns of SQL_GROUP_SAVE and SQL_GROUPS. */
enum {
    GROUP_ID,
    GROUP_NAME,
    GROUP_CLASS,
    GROUP_PATTERN,
    GROUP_SCHEME,
    GROUP_LABEL,
    GROUP_KEY_LEN,
    GROUP_PRIMARY,
    GROUP_PRIMARY_SEALED,
    GROUP_SECONDARY,
    GROUP_SECONDARY_SEALED,
    GROUP_NOT_BEFORE,
    GROUP_NOT_AFTER,
    GROUP_DEVICE_MAX,
    GROUP_BLOCKED,
    GROUP_REVISION,
    GROUP_CREATED,
    GROUP_CHANGED,
    GROUP_TAGS,
    GROUP_AUTHORITY,
};

static bool bind_keys(struct sqlite_session *session, sqlite3_stmt *statement, int64_t id,
                      const struct store_group *group, struct sealed_key memory[static 2])
{
    const struct vault_place primary = place_of_group(id, 0), secondary = place_of_group(id, 1);
    return bind_key(session, statement, 1 + GROUP_PRIMARY, &primary, &group->primary, &memory[0]) &&
           bind_key(session, statement, 1 + GROUP_SECONDARY, &secondary, &group->secondary,
                    &memory[1]);
}

static enum err_code save(struct sqlite_session *session, int64_t id,
                          const struct store_group *group, const char *tags, struct err *err)
{
    struct sealed_key memory[2];
    sqlite3_stmt *statement = sqlite_use(session, SQL_GROUP_SAVE, err);
    if (statement == NULL)
        return err->code;
    if (!bind_keys(session, statement, id, group, memory)) {
        sqlite_done(statement);
        return sqlite_seal_failed(session, err);
    }
    bind_number(statement, 1 + GROUP_ID, id);
    bind_text(statement, 1 + GROUP_NAME, group->name);
    bind_text(statement, 1 + GROUP_CLASS, group->class_name);
    bind_text(statement, 1 + GROUP_PATTERN, group->pattern);
    bind_number(statement, 1 + GROUP_SCHEME, group->scheme);
    bind_text(statement, 1 + GROUP_LABEL, group->label);
    bind_number(statement, 1 + GROUP_KEY_LEN, group->key_len);
    bind_number(statement, 1 + GROUP_NOT_BEFORE, group->not_before_wall_ms);
    bind_number(statement, 1 + GROUP_NOT_AFTER, group->not_after_wall_ms);
    bind_number(statement, 1 + GROUP_DEVICE_MAX, (int64_t)group->device_max);
    bind_number(statement, 1 + GROUP_BLOCKED, group->blocked);
    bind_number(statement, 1 + GROUP_REVISION, (int64_t)group->revision);
    bind_number(statement, 1 + GROUP_CREATED, group->created_wall_ms);
    bind_number(statement, 1 + GROUP_CHANGED, group->changed_wall_ms);
    bind_text(statement, 1 + GROUP_TAGS, tags);
    if (group->by_certificate)
        bind_bytes(statement, 1 + GROUP_AUTHORITY,
                   bytes_of(group->authority, sizeof group->authority));
    return sqlite_finish(session, statement, "storing a group", err);
}

enum err_code sqlite_group_save(struct store_backend *backend, int64_t id,
                                const struct store_group *group, struct err *err)
{
    struct buf memory;
    const char *tags;
    enum err_code code = sqlite_tags_text(&group->tags, &memory, &tags, err);
    if (code == ERR_OK)
        code = save(&backend->session, id, group, tags, err);
    buf_clear(&memory);
    return code;
}

enum err_code sqlite_group_remove(struct store_backend *backend, int64_t id, struct err *err)
{
    return sqlite_run_for(&backend->session, SQL_GROUP_DELETE, id, "removing a group", err);
}

static bool take_group(struct sqlite_session *session, sqlite3_stmt *row, struct store_group *out)
{
    int64_t id = sqlite3_column_int64(row, GROUP_ID);
    const struct vault_place primary = place_of_group(id, 0), secondary = place_of_group(id, 1);
    struct bytes tags = column_bytes(row, GROUP_TAGS);
    struct bytes authority = column_bytes(row, GROUP_AUTHORITY);
    out->by_certificate = authority.len == sizeof out->authority;
    if (out->by_certificate)
        memcpy(out->authority, authority.data, authority.len);
    if ((authority.len > 0 && !out->by_certificate) ||
        !column_text(row, GROUP_NAME, out->name, sizeof out->name) ||
        !column_text(row, GROUP_CLASS, out->class_name, sizeof out->class_name) ||
        !column_text(row, GROUP_PATTERN, out->pattern, sizeof out->pattern) ||
        !column_text(row, GROUP_LABEL, out->label, sizeof out->label) ||
        !column_key(session, row, GROUP_PRIMARY, &primary, &out->primary) ||
        !column_key(session, row, GROUP_SECONDARY, &secondary, &out->secondary) ||
        !tags_from_text((const char *)tags.data, tags.len, &out->tags))
        return false;
    out->scheme = (enum derive_scheme)sqlite3_column_int(row, GROUP_SCHEME);
    out->key_len = (uint16_t)sqlite3_column_int(row, GROUP_KEY_LEN);
    out->not_before_wall_ms = sqlite3_column_int64(row, GROUP_NOT_BEFORE);
    out->not_after_wall_ms = sqlite3_column_int64(row, GROUP_NOT_AFTER);
    out->device_max = (uint64_t)sqlite3_column_int64(row, GROUP_DEVICE_MAX);
    out->blocked = sqlite3_column_int(row, GROUP_BLOCKED) != 0;
    out->revision = (uint64_t)sqlite3_column_int64(row, GROUP_REVISION);
    out->created_wall_ms = sqlite3_column_int64(row, GROUP_CREATED);
    out->changed_wall_ms = sqlite3_column_int64(row, GROUP_CHANGED);
    return true;
}

static enum err_code load_group(struct store_backend *backend, sqlite3_stmt *row, struct err *err)
{
    struct groups *groups = backend->setup->groups;
    struct store_group group = {0};
    int64_t id = sqlite3_column_int64(row, GROUP_ID);
    if (!take_group(&backend->session, row, &group)) {
        store_group_clear(&group);
        return sqlite_damaged(&backend->session, "a group's row", err);
    }
    struct group_entry *entry = group_entry_new(id, &group, err);
    store_group_clear(&group);
    if (entry == NULL)
        return err->code;
    if (!groups_stage_put(groups, entry))
        return err_set(err, ERR_TOO_LARGE, "store: more than %d groups", GROUPS_MAX);
    groups_note_id(groups, id);
    return ERR_OK;
}

enum err_code sqlite_load_groups(struct store_backend *backend, struct err *err)
{
    sqlite3_stmt *statement = sqlite_use(&backend->session, SQL_GROUPS, err);
    if (statement == NULL)
        return err->code;
    enum err_code code = ERR_OK;
    int got;
    while (code == ERR_OK && (got = sqlite3_step(statement)) != SQLITE_DONE)
        code = got == SQLITE_ROW ? load_group(backend, statement, err)
                                 : sqlite_session_error(&backend->session, "reading groups", err);
    sqlite_done(statement);
    groups_commit(backend->setup->groups);
    return code;
}

enum err_code sqlite_join(struct store_backend *backend, const char *endpoint, bool blocked,
                          struct err *err)
{
    struct store_device device = {0};
    struct stored_device *none = calloc(1, sizeof *none);
    struct buf memory;
    const char *tags;
    if (none == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    buf_init(&memory, 1);
    enum err_code code = ERR_NOT_FOUND;
    if (groups_join(backend->setup->groups, bytes_of_text(endpoint),
                    sqlite_slot_time(backend).now_ms, &device)) {
        device.enrollment.blocked = blocked;
        code = sqlite_tags_text(&device.enrollment, &memory, &tags, err);
        if (code == ERR_OK)
            code = stored_device_create(backend, &device, none, tags, err);
    } else {
        err_set(err, code, "no such device");
    }
    buf_clear(&memory);
    store_device_clear(&device);
    free(none);
    return code;
}
