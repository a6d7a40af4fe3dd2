/* SPDX-License-Identifier: Apache-2.0 */
/* Groups in memory. The writer stages changes and settles them with the commit they belong to;
 * readers look identities up that have no row. */
#ifndef USHER_STORE_GROUPS_PRIV_H
#define USHER_STORE_GROUPS_PRIV_H

#include "usher/store.h"

#include <pthread.h>

struct store_reader;

struct group_entry {
    int64_t id;
    struct store_group group;
    struct derive primary, secondary;
    size_t literals; /* of the pattern: the more, the sooner it is taken */
    int staged;      /* devices, in the open transaction */
};

struct group_change {
    struct group_entry *entry; /* to be put in the place of the one with its id; NULL: removal */
    int64_t removed;
};

struct groups {
    pthread_rwlock_t lock;
    size_t count;
    struct group_entry *entries[GROUPS_MAX]; /* the most literal pattern first */
    size_t change_count;                     /* the writer's, as are all changes */
    struct group_change changes[GROUPS_MAX];
    int64_t last_id;
};

void groups_init(struct groups *groups);
void groups_clear(struct groups *groups); /* wipes */

/* ---- the writer ---- */
/* May it be stored? */
enum err_code group_check(const struct store_group *group, struct err *err);
bool group_same(const struct store_group *a, const struct store_group *b);
/* A copy with what is derived worked out; NULL: err. */
struct group_entry *group_entry_new(int64_t id, const struct store_group *group, struct err *err);
void group_entry_free(struct group_entry *entry);
/* Takes the entry. False: too many at once; it is freed. */
bool groups_stage_put(struct groups *groups, struct group_entry *entry);
bool groups_stage_removal(struct groups *groups, int64_t id);
void groups_stage_devices(struct groups *groups, int64_t id, int by); /* id 0: nothing */
void groups_commit(struct groups *groups);
void groups_drop(struct groups *groups);
/* As committed; NULL: no such group. Valid until the next commit. */
struct group_entry *groups_find(struct groups *groups, const char *name);
/* The device that such an identity belongs to, without keys; its group must have room. False: none.
 */
bool groups_join(struct groups *groups, struct bytes identity, int64_t now_ms,
                 struct store_device *out);

/* ---- readers ---- */
/* A backend's `find` (store_priv.h), completed when it is by identity: keys of a group's device, or
 * a device that has no row yet. */
typedef enum err_code (*find_fn)(struct store_reader *reader, const struct identity *identity,
                                 struct bytes endpoint, struct store_device *out, struct err *err);
enum err_code groups_look_up(struct groups *groups, find_fn find, struct store_reader *reader,
                             const struct identity *identity, struct bytes endpoint, int64_t now_ms,
                             struct store_device *out, struct err *err);
/* A device that a CA vouches for (`authority`, NULL = none): of `known` ones, whether their group
 * still lets them in; else the device as its group has it. ERR_NOT_FOUND: none lets it in. */
enum err_code groups_vouch(struct groups *groups, struct bytes endpoint, const uint8_t *authority,
                           int64_t now_ms, bool known, struct store_device *device);
/* Ids that rows of devices still name are not given again. */
void groups_note_id(struct groups *groups, int64_t id);
void groups_name(struct groups *groups, int64_t id, char out[static GROUP_NAME_MAX + 1]);

#endif
