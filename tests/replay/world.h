/* What a store knows in a replay: devices, their credentials, and the profiles. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPLAY_WORLD_H
#define REPLAY_WORLD_H

#include "usher/profile.h"

enum { WORLD_DEVICES_MAX = 8 };

struct world {
    struct profile_set *profiles;
    size_t count;
    struct enrollment devices[WORLD_DEVICES_MAX];
};

void world_clear(struct world *world);
/* Takes the place of the profiles so far. False: the findings are on stderr. */
bool world_load_profiles(struct world *world, const char *name, const char *text);
bool world_load_profile_file(struct world *world, const char *path);

/* Takes the place of the device of that name. NULL: no room. */
struct enrollment *world_enroll(struct world *world, const char *endpoint, const char *class_name,
                                const char *identity);
bool world_add_tag(struct enrollment *device, const char *name, const char *value);
/* False: no room. */
bool world_add_credential(struct enrollment *device, uint16_t ssid, enum credential_status status,
                          uint64_t generation);
struct enrollment *world_find_endpoint(struct world *world, const char *endpoint);
struct enrollment *world_find_identity(struct world *world, struct bytes identity);
void world_remove(struct world *world, struct enrollment *device);

/* What the store does for ACTION_COMMIT: a pending credential for each need that has none. */
void world_commit(struct enrollment *device, const struct credential_need *needs, size_t count);
/* And for ACTION_RECORD of a success: pending to active, active to retiring; one bootstrap more. */
void world_promote(struct enrollment *device);

#endif
