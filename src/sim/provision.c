/* What a device holds when it leaves the factory. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "device_priv.h"

#include <string.h>

enum { MODE_PSK = 0, MODE_CERTIFICATE = 2, MODE_NONE = 3 };

static struct value text_value(const char *text)
{
    return (struct value){.type = VALUE_STRING, .bytes = bytes_of_text(text)};
}

static struct value opaque_value(struct bytes bytes)
{
    return (struct value){.type = VALUE_OPAQUE, .bytes = bytes};
}

static bool put(struct tree *tree, uint16_t object, uint16_t instance, uint16_t resource,
                struct value value)
{
    struct record record = {.path = path_resource(object, instance, resource), .value = value};
    return tree_put(tree, &record);
}

static struct value name_value(const char *path)
{
    return opaque_value(bytes_of_text(path != NULL ? path : ""));
}

/* OMA Core 1.2 section 6.1: a bootstrap account has no Short Server ID. */
static bool put_account(struct sim_device *device)
{
    struct tree *tree = &device->objects.tree;
    uint16_t at = device->config.bootstrap_instance;
    const struct sim_config *config = &device->config;
    bool certificates = config->authorities != NULL;
    int64_t mode = !device->secured ? MODE_NONE : certificates ? MODE_CERTIFICATE : MODE_PSK;
    bool fine =
        put(tree, OBJECT_SECURITY, at, 0, text_value(device->server_uri)) &&
        put(tree, OBJECT_SECURITY, at, 1, (struct value){.type = VALUE_BOOLEAN, .boolean = true}) &&
        put(tree, OBJECT_SECURITY, at, 2, (struct value){.type = VALUE_INTEGER, .integer = mode});
    if (!fine || mode == MODE_NONE)
        return fine;
    if (certificates) /* the names of the files stand for what is in them */
        return put(tree, OBJECT_SECURITY, at, 3, name_value(config->certificate)) &&
               put(tree, OBJECT_SECURITY, at, 4, name_value(config->authorities)) &&
               put(tree, OBJECT_SECURITY, at, 5, name_value(config->certificate_key));
    return put(tree, OBJECT_SECURITY, at, 3, opaque_value(secret_bytes(&device->identity))) &&
           put(tree, OBJECT_SECURITY, at, 5, opaque_value(secret_bytes(&device->key)));
}

/* Of another server than ours, without security. */
static bool put_held_account(struct tree *tree, const struct sim_config *config)
{
    uint16_t at = config->bootstrap_instance == 0 ? 1 : 0;
    struct value ssid = {.type = VALUE_INTEGER, .integer = config->held_account};
    struct value mode = {.type = VALUE_INTEGER, .integer = MODE_NONE};
    struct value lifetime = {.type = VALUE_INTEGER, .integer = 86400};
    struct value no = {.type = VALUE_BOOLEAN, .boolean = false};
    return config->held_account == 0 ||
           (put(tree, OBJECT_SECURITY, at, 0, text_value("coap://factory.example")) &&
            put(tree, OBJECT_SECURITY, at, 1, no) && put(tree, OBJECT_SECURITY, at, 2, mode) &&
            put(tree, OBJECT_SECURITY, at, 10, ssid) && put(tree, OBJECT_SERVER, at, 0, ssid) &&
            put(tree, OBJECT_SERVER, at, 1, lifetime) && put(tree, OBJECT_SERVER, at, 6, no) &&
            put(tree, OBJECT_SERVER, at, 7, text_value("U")));
}

static bool put_device_object(struct tree *tree)
{
    return put(tree, OBJECT_DEVICE, 0, 0, text_value("usher-sim")) &&
           put(tree, OBJECT_DEVICE, 0, 1, text_value("simulated device")) &&
           put(tree, OBJECT_DEVICE, 0, 13, (struct value){.type = VALUE_TIME, .integer = 0}) &&
           put(tree, OBJECT_DEVICE, 0, 16, text_value("U"));
}

static void know(struct objects *objects, uint16_t object)
{
    if (objects->known_count < OBJECTS_KNOWN_MAX && !objects_knows(objects, object))
        objects->known[objects->known_count++] = object;
}

static void know_objects(struct objects *objects, const struct sim_config *config)
{
    static const struct {
        uint16_t object;
        enum lwm2m_version since;
    } usual[] = {{0, LWM2M_1_0}, {1, LWM2M_1_0},  {2, LWM2M_1_0},  {3, LWM2M_1_0}, {4, LWM2M_1_0},
                 {5, LWM2M_1_0}, {21, LWM2M_1_1}, {23, LWM2M_1_2}, {24, LWM2M_1_2}};
    for (size_t i = 0; config->objects == NULL && i < sizeof usual / sizeof usual[0]; i++)
        if (usual[i].since <= config->version)
            know(objects, usual[i].object);
    for (size_t i = 0; config->objects != NULL && i < config->object_count; i++)
        know(objects, config->objects[i]);
    for (size_t i = 0; i < config->more_object_count; i++)
        know(objects, config->more_objects[i]);
    for (size_t i = 0; i < config->hold_count; i++)
        know(objects, config->holds[i].path.ids[0]);
}

static void take_formats(struct objects *objects, const struct sim_config *config)
{
    static const struct {
        int format;
        enum lwm2m_version since;
    } usual[] = {{FORMAT_TLV, LWM2M_1_0},        {FORMAT_TEXT, LWM2M_1_0},
                 {FORMAT_OPAQUE, LWM2M_1_0},     {FORMAT_OMA_JSON, LWM2M_1_0},
                 {FORMAT_SENML_CBOR, LWM2M_1_1}, {FORMAT_SENML_JSON, LWM2M_1_1},
                 {FORMAT_LWM2M_CBOR, LWM2M_1_2}};
    for (size_t i = 0; config->formats == NULL && i < sizeof usual / sizeof usual[0]; i++)
        if (usual[i].since <= config->version)
            objects->formats[objects->format_count++] = usual[i].format;
    for (size_t i = 0; config->formats != NULL && i < config->format_count; i++)
        if (objects->format_count < OBJECTS_FORMATS_MAX)
            objects->formats[objects->format_count++] = config->formats[i];
}

enum err_code device_provision(struct sim_device *device, const struct sim_config *config,
                               struct err *err)
{
    struct objects *objects = &device->objects;
    objects->version = config->version;
    objects->identity_max = config->identity_max;
    objects->key_max = config->key_max;
    objects->late_mandatory = config->late_mandatory;
    objects->merge_writes = config->merge_writes;
    objects->quirks = config->quirks;
    know_objects(objects, config);
    take_formats(objects, config);
    if (!put_account(device) || !put_device_object(&objects->tree) ||
        !put_held_account(&objects->tree, config) ||
        !tree_put_all(&objects->tree, config->holds, config->hold_count))
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    return ERR_OK;
}
