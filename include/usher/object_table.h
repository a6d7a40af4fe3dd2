/* SPDX-License-Identifier: Apache-2.0 */
/* module: model */
/* What the OMA registry says of the objects a Bootstrap-Server writes: /0 /1 /2 /3 /4 /5 /6 /7 /11
 * /13 /21 /23 /24. Constant data; any thread. */
#ifndef USHER_OBJECT_TABLE_H
#define USHER_OBJECT_TABLE_H

#include "usher/value.h"

enum lwm2m_version { LWM2M_VERSION_UNKNOWN = 0, LWM2M_1_0 = 10, LWM2M_1_1 = 11, LWM2M_1_2 = 12 };

enum {
    OBJECT_SECURITY = 0,
    OBJECT_SERVER = 1,
    OBJECT_ACCESS_CONTROL = 2,
    OBJECT_DEVICE = 3,
    OBJECT_OSCORE = 21,
    OBJECT_COSE = 23,
    OBJECT_MQTT = 24
};

struct object_definition {
    uint16_t id;
    const char *name;
    bool multiple; /* several instances allowed */
    enum lwm2m_version since;
};

struct resource_definition {
    uint16_t object;
    uint16_t id;
    const char *name;
    enum value_type type; /* of the newest version; see object_table_type for /21 */
    bool multiple;
    bool mandatory;
    bool executable;
    enum lwm2m_version since;
    int64_t least;    /* range of a number, or of the length in bytes of a string or opaque; */
    int64_t most;     /* least > most = no range known */
    const char *note; /* unit or meaning for messages, or NULL */
};

const struct object_definition *object_table_object(uint16_t object); /* NULL = unknown */
const struct resource_definition *object_table_resource(uint16_t object, uint16_t resource);
/* All resources of one object in order of id; *count = 0 when the object is unknown. */
const struct resource_definition *object_table_resources(uint16_t object, size_t *count);
/* The type a device of that version expects: /21 resources 0, 1, 2, 5, 6 are String before
 * LwM2M 1.2 and Opaque from it on. VALUE_NONE = unknown. */
enum value_type object_table_type(uint16_t object, uint16_t resource, enum lwm2m_version version);
/* Type and range. `err` names what is allowed. */
enum err_code object_table_check(const struct resource_definition *definition,
                                 const struct value *value, struct err *err);

#endif
