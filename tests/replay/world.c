/* A store of a few devices, in memory. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void world_clear(struct world *world)
{
    for (size_t i = 0; i < world->count; i++)
        enrollment_clear(&world->devices[i]);
    profile_set_unref(world->profiles);
    *world = (struct world){0};
}

static bool take_profiles(struct world *world, struct profile_set *set, struct findings *findings)
{
    if (set == NULL)
        findings_print(findings, STDERR_FILENO);
    findings_clear(findings);
    if (set == NULL)
        return false;
    profile_set_unref(world->profiles);
    world->profiles = set;
    return true;
}

bool world_load_profiles(struct world *world, const char *name, const char *text)
{
    struct findings findings;
    findings_init(&findings);
    struct profile_set *set = profile_set_load_text(name, bytes_of_text(text), &findings);
    return take_profiles(world, set, &findings);
}

bool world_load_profile_file(struct world *world, const char *path)
{
    struct findings findings;
    findings_init(&findings);
    struct profile_set *set = profile_set_load(&path, 1, &findings);
    return take_profiles(world, set, &findings);
}

struct enrollment *world_enroll(struct world *world, const char *endpoint, const char *class_name,
                                const char *identity)
{
    struct enrollment *device = world_find_endpoint(world, endpoint);
    if (device == NULL && world->count == WORLD_DEVICES_MAX)
        return NULL;
    if (device == NULL)
        device = &world->devices[world->count++];
    enrollment_clear(device);
    *device = (struct enrollment){.revision = 1};
    snprintf(device->endpoint, sizeof device->endpoint, "%s", endpoint);
    snprintf(device->class_name, sizeof device->class_name, "%s", class_name);
    identity_set(&device->identity, bytes_of_text(identity));
    return device;
}

bool world_add_tag(struct enrollment *device, const char *name, const char *value)
{
    struct tag *tags = realloc(device->tags, (device->tag_count + 1) * sizeof *tags);
    if (tags == NULL)
        return false;
    device->tags = tags;
    struct tag *tag = &tags[device->tag_count++];
    *tag = (struct tag){0};
    snprintf(tag->name, sizeof tag->name, "%s", name);
    snprintf(tag->value, sizeof tag->value, "%s", value);
    return true;
}

bool world_add_credential(struct enrollment *device, uint16_t ssid, enum credential_status status,
                          uint64_t generation)
{
    size_t cap = sizeof device->credentials / sizeof device->credentials[0];
    if (device->credential_count == cap)
        return false;
    struct enrolled_credential *credential = &device->credentials[device->credential_count++];
    *credential = (struct enrolled_credential){
        .ssid = ssid, .status = status, .generation = generation, .key_len = 16};
    identity_set(&credential->identity, bytes_of_text(device->endpoint));
    return true;
}

struct enrollment *world_find_endpoint(struct world *world, const char *endpoint)
{
    for (size_t i = 0; i < world->count; i++) {
        if (strcmp(world->devices[i].endpoint, endpoint) == 0)
            return &world->devices[i];
    }
    return NULL;
}

struct enrollment *world_find_identity(struct world *world, struct bytes identity)
{
    for (size_t i = 0; i < world->count; i++) {
        if (bytes_equal(identity_bytes(&world->devices[i].identity), identity))
            return &world->devices[i];
    }
    return NULL;
}

void world_remove(struct world *world, struct enrollment *device)
{
    enrollment_clear(device);
    struct enrollment *last = &world->devices[--world->count];
    if (device != last)
        *device = *last;
    *last = (struct enrollment){0};
}

static uint64_t next_generation(const struct enrollment *device, uint16_t ssid)
{
    uint64_t newest = 0;
    for (size_t i = 0; i < device->credential_count; i++) {
        const struct enrolled_credential *credential = &device->credentials[i];
        if (credential->ssid == ssid && credential->generation > newest)
            newest = credential->generation;
    }
    return newest + 1;
}

void world_commit(struct enrollment *device, const struct credential_need *needs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint16_t ssid = needs[i].ssid;
        const struct enrolled_credential *old =
            enrollment_credential(device, ssid, CREDENTIAL_PENDING);
        if (old != NULL && old->kind == needs[i].kind)
            continue;
        uint64_t generation = next_generation(device, ssid);
        if (old == NULL && !world_add_credential(device, ssid, CREDENTIAL_PENDING, generation))
            continue;
        struct enrolled_credential *made = old != NULL
                                               ? &device->credentials[old - device->credentials]
                                               : &device->credentials[device->credential_count - 1];
        made->generation = generation;
        made->kind = needs[i].kind;
        made->identity = needs[i].identity;
        memcpy(made->place, needs[i].place, sizeof made->place);
        made->key_len = needs[i].key_len;
    }
    device->revision++;
}

static bool has_pending(const struct enrollment *device, uint16_t ssid)
{
    return enrollment_credential(device, ssid, CREDENTIAL_PENDING) != NULL;
}

void world_promote(struct enrollment *device)
{
    struct enrolled_credential kept[sizeof device->credentials / sizeof device->credentials[0]];
    size_t count = 0;
    for (size_t i = 0; i < device->credential_count; i++) {
        struct enrolled_credential credential = device->credentials[i];
        if (has_pending(device, credential.ssid)) {
            if (credential.status == CREDENTIAL_RETIRING)
                continue;
            credential.status =
                credential.status == CREDENTIAL_PENDING ? CREDENTIAL_ACTIVE : CREDENTIAL_RETIRING;
        }
        kept[count++] = credential;
    }
    memcpy(device->credentials, kept, count * sizeof kept[0]);
    device->credential_count = count;
    device->bootstraps++;
    device->revision++;
}
