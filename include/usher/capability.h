/* SPDX-License-Identifier: Apache-2.0 */
/* module: model */
/* What is known of one device at the time its plan is made: from its request and from Discover. */
#ifndef USHER_CAPABILITY_H
#define USHER_CAPABILITY_H

#include "usher/object_table.h"

enum { CAPABILITY_INSTANCES_MAX = 128, CAPABILITY_OBJECTS_MAX = 64, CAPABILITY_URI_MAX = 255 };

struct capability_instance {
    uint16_t object;
    uint16_t instance;
    bool has_ssid;
    uint16_t ssid; /* 0 counts as none */
    bool has_uri;
};

struct capability_object {
    uint16_t object;
    uint8_t major, minor; /* of ver=, 0.0 = not said */
};

struct capability {
    enum lwm2m_version
        version;          /* from Discover's lwm2m=, else hinted (pct: >= 1.1), else unknown */
    int preferred_format; /* pct, or FORMAT_NONE (-1) */
    bool discovered;      /* Discover was answered and could be read */
    bool pack;      /* a Bootstrap-Pack was asked for: LwM2M 1.2, and `instances` holds only what
                       acc= said of the bootstrap account */
    bool truncated; /* there were more instances than the table holds */
    size_t instance_count;
    struct capability_instance instances[CAPABILITY_INSTANCES_MAX];
    size_t object_count;
    struct capability_object objects[CAPABILITY_OBJECTS_MAX];
};

void capability_init(struct capability *capability);
/* Instance id of the bootstrap account: the /0 instance without ssid. False when not known (also
 * when several /0 instances lack one). */
bool capability_bootstrap_instance(const struct capability *capability, uint16_t *instance);
bool capability_has_object(const struct capability *capability, uint16_t object);
bool capability_has_instance(const struct capability *capability, uint16_t object,
                             uint16_t instance);
/* Version of an object, or what the enabler version implies (/21: 1.0 before LwM2M 1.2, 2.0 from
 * it). */
void capability_object_version(const struct capability *capability, uint16_t object, uint8_t *major,
                               uint8_t *minor);

#endif
