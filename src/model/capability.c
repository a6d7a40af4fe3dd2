/* What is known of one device, asked in the terms of a plan. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/capability.h"

void capability_init(struct capability *capability)
{
    *capability = (struct capability){.preferred_format = -1};
}

bool capability_bootstrap_instance(const struct capability *capability, uint16_t *instance)
{
    const struct capability_instance *found = NULL;
    for (size_t i = 0; i < capability->instance_count; i++) {
        const struct capability_instance *candidate = &capability->instances[i];
        bool has_ssid = candidate->has_ssid && candidate->ssid != 0;
        if (candidate->object != OBJECT_SECURITY || has_ssid)
            continue;
        if (found != NULL)
            return false;
        found = candidate;
    }
    if (found == NULL)
        return false;
    *instance = found->instance;
    return true;
}

static const struct capability_object *find_object(const struct capability *capability,
                                                   uint16_t object)
{
    for (size_t i = 0; i < capability->object_count; i++) {
        if (capability->objects[i].object == object)
            return &capability->objects[i];
    }
    return NULL;
}

bool capability_has_object(const struct capability *capability, uint16_t object)
{
    for (size_t i = 0; i < capability->instance_count; i++) {
        if (capability->instances[i].object == object)
            return true;
    }
    return find_object(capability, object) != NULL;
}

bool capability_has_instance(const struct capability *capability, uint16_t object,
                             uint16_t instance)
{
    for (size_t i = 0; i < capability->instance_count; i++) {
        if (capability->instances[i].object == object &&
            capability->instances[i].instance == instance)
            return true;
    }
    return false;
}

/* Object versions that come with an enabler and need not be told (OMA Core 1.1 and 1.2, appendix
 * E); all others are 1.0. */
static const struct {
    uint16_t object;
    enum lwm2m_version since;
    uint8_t major, minor;
} implied_versions[] = {
    /* newest first for each object */
    {OBJECT_SECURITY, LWM2M_1_2, 1, 2},       {OBJECT_SECURITY, LWM2M_1_1, 1, 1},
    {OBJECT_SERVER, LWM2M_1_2, 1, 2},         {OBJECT_SERVER, LWM2M_1_1, 1, 1},
    {OBJECT_ACCESS_CONTROL, LWM2M_1_2, 1, 1}, {OBJECT_DEVICE, LWM2M_1_2, 1, 2},
    {OBJECT_DEVICE, LWM2M_1_1, 1, 1},         {OBJECT_OSCORE, LWM2M_1_2, 2, 0},
};

void capability_object_version(const struct capability *capability, uint16_t object, uint8_t *major,
                               uint8_t *minor)
{
    const struct capability_object *told = find_object(capability, object);
    if (told != NULL && (told->major != 0 || told->minor != 0)) {
        *major = told->major;
        *minor = told->minor;
        return;
    }
    *major = 1;
    *minor = 0;
    for (size_t i = 0; i < sizeof implied_versions / sizeof implied_versions[0]; i++) {
        if (implied_versions[i].object == object &&
            implied_versions[i].since <= capability->version) {
            *major = implied_versions[i].major;
            *minor = implied_versions[i].minor;
            return;
        }
    }
}
