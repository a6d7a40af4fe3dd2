/* Write of the bootstrap interface (OMA Core 1.2 section 6.1.7.4). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "objects_priv.h"

#include "usher/coap.h"

#include <string.h>

enum { WRITE_MEMORY_MAX = 1 << 20 };

static uint8_t refuse(struct err *err, uint8_t code, const struct path *path, const char *why)
{
    char text[PATH_TEXT_SIZE];
    path_text(path, text);
    (void)err_set(err, ERR_INVALID, "%s: %s", text, why);
    return code;
}

/* What the device knows at all: the rest is skipped, as a Write may name optional resources that a
 * device does not have. */
static const struct resource_definition *definition_of(const struct objects *objects,
                                                       const struct path *path)
{
    const struct resource_definition *definition =
        object_table_resource(path->ids[0], path->ids[2]);
    return definition != NULL && definition->since <= objects->version ? definition : NULL;
}

/* Resources of objects beyond the table are taken as they come. */
static bool is_skipped(const struct objects *objects, const struct path *path)
{
    return object_table_object(path->ids[0]) != NULL && definition_of(objects, path) == NULL;
}

static uint8_t check_length(const struct objects *objects, const struct record *record,
                            struct err *err)
{
    const struct path *path = &record->path;
    if (path->ids[0] != OBJECT_SECURITY || record->value.type != VALUE_OPAQUE)
        return 0;
    uint16_t most = path->ids[2] == 3   ? objects->identity_max
                    : path->ids[2] == 5 ? objects->key_max
                                        : 0;
    if (most != 0 && record->value.bytes.len > most)
        return refuse(err, COAP_BAD_REQUEST, path, "longer than this device can hold");
    return 0;
}

/* 0 when the record may be written. */
static uint8_t check_record(const struct objects *objects, const struct record *record,
                            struct err *err)
{
    const struct resource_definition *definition = definition_of(objects, &record->path);
    if (definition == NULL)
        return 0;
    if (definition->executable)
        return refuse(err, COAP_BAD_REQUEST, &record->path, "is executable, not writable");
    if (definition->multiple != (record->path.depth == 4))
        return refuse(err, COAP_BAD_REQUEST, &record->path,
                      definition->multiple ? "has several instances" : "has one value only");
    if (object_table_check(definition, &record->value, err) != ERR_OK)
        return COAP_BAD_REQUEST;
    return check_length(objects, record, err);
}

static bool is_given(const struct records *records, const struct path *instance, uint16_t resource)
{
    struct path path = path_resource(instance->ids[0], instance->ids[1], resource);
    for (size_t i = 0; i < records->count; i++)
        if (path_under(&records->items[i].path, &path))
            return true;
    return false;
}

/* Resources 3, 4 and 5 of /0 are mandatory in the definition, yet unused by some modes. */
static bool must_be_given(const struct resource_definition *definition)
{
    return definition->mandatory && !definition->executable &&
           !(definition->object == OBJECT_SECURITY && definition->id >= 3);
}

/* The Device object holds the device's own values: a Write of some leaves the others. */
static bool merges(const struct objects *objects, uint16_t object)
{
    return objects->merge_writes || object == OBJECT_DEVICE;
}

static uint8_t check_mandatory(const struct objects *objects, const struct records *records,
                               const struct path *instance, struct err *err)
{
    size_t count, first;
    const struct resource_definition *rows = object_table_resources(instance->ids[0], &count);
    if (objects->late_mandatory ||
        (merges(objects, instance->ids[0]) && tree_range(&objects->tree, instance, &first) > 0))
        return 0;
    for (size_t i = 0; i < count; i++) {
        if (!must_be_given(&rows[i]) || is_given(records, instance, rows[i].id))
            continue;
        struct path missing = path_resource(instance->ids[0], instance->ids[1], rows[i].id);
        return refuse(err, COAP_BAD_REQUEST, &missing, "is mandatory and missing");
    }
    return 0;
}

static bool starts_instance(const struct records *records, size_t at)
{
    return at == 0 || records->items[at].path.ids[0] != records->items[at - 1].path.ids[0] ||
           records->items[at].path.ids[1] != records->items[at - 1].path.ids[1];
}

static bool is_bootstrap_record(const struct record *record)
{
    return record->path.ids[0] == OBJECT_SECURITY && record->path.ids[2] == 1 &&
           record->value.type == VALUE_BOOLEAN && record->value.boolean;
}

static size_t count_instances(const struct objects *objects, uint16_t object)
{
    size_t count = 0;
    uint16_t instance;
    for (uint32_t from = 0; tree_next_instance(&objects->tree, object, from, &instance);
         from = instance + 1u)
        count++;
    return count;
}

/* There is room for so many accounts only. */
static uint8_t check_room(const struct objects *objects, const struct path *instance,
                          struct err *err)
{
    size_t first;
    uint16_t most = objects->quirks.accounts_max;
    bool counted = instance->ids[0] == OBJECT_SECURITY || instance->ids[0] == OBJECT_SERVER;
    if (most == 0 || !counted || tree_range(&objects->tree, instance, &first) > 0 ||
        count_instances(objects, instance->ids[0]) < most)
        return 0;
    return refuse(err, COAP_INTERNAL_ERROR, instance, "there is no room for another instance");
}

static uint8_t check_instance(const struct objects *objects, const struct records *records,
                              const struct path *given, struct err *err)
{
    struct path instance = path_instance(given->ids[0], given->ids[1]);
    uint8_t code = check_room(objects, &instance, err);
    return code != 0 ? code : check_mandatory(objects, records, &instance, err);
}

static uint8_t check_bootstrap_account(const struct objects *objects, const struct record *record,
                                       struct err *err)
{
    uint16_t account;
    if (!objects->quirks.one_bootstrap_account || !is_bootstrap_record(record) ||
        !objects_bootstrap_instance(objects, &account) || account == record->path.ids[1])
        return 0;
    return refuse(err, COAP_BAD_REQUEST, &record->path, "there is a bootstrap account already");
}

static uint8_t check_records(const struct objects *objects, const struct path *path,
                             const struct records *records, struct err *err)
{
    const struct object_definition *definition = object_table_object(path->ids[0]);
    for (size_t i = 0; i < records->count; i++) {
        const struct path *given = &records->items[i].path;
        if (definition != NULL && !definition->multiple && given->ids[1] != 0)
            return refuse(err, COAP_BAD_REQUEST, given, "this object has instance 0 only");
        uint8_t code = check_record(objects, &records->items[i], err);
        if (code == 0)
            code = check_bootstrap_account(objects, &records->items[i], err);
        if (code == 0 && path->depth <= 2 && starts_instance(records, i))
            code = check_instance(objects, records, given, err);
        if (code != 0)
            return code;
    }
    return 0;
}

/* What the payload replaces: the instances it names, or the one resource. */
static void remove_replaced(struct objects *objects, const struct path *path,
                            const struct records *records)
{
    if (path->depth >= 3) {
        (void)tree_remove_under(&objects->tree, path);
        return;
    }
    for (size_t i = 0; i < records->count; i++) {
        const struct path *given = &records->items[i].path;
        struct path base = merges(objects, given->ids[0])
                               ? path_resource(given->ids[0], given->ids[1], given->ids[2])
                               : path_instance(given->ids[0], given->ids[1]);
        (void)tree_remove_under(&objects->tree, &base);
    }
}

static uint8_t apply(struct objects *objects, const struct path *path,
                     const struct records *records, struct err *err)
{
    remove_replaced(objects, path, records);
    for (size_t i = 0; i < records->count; i++) {
        const struct record *record = &records->items[i];
        if (is_skipped(objects, &record->path))
            continue;
        if (!tree_put(&objects->tree, record))
            return refuse(err, COAP_INTERNAL_ERROR, &record->path, "no room");
    }
    return COAP_CHANGED;
}

static uint8_t check_format(const struct objects *objects, const struct path *path, int format,
                            struct err *err)
{
    uint8_t code = objects->quirks.format_code;
    if (objects_takes_format(objects, format))
        return 0;
    return refuse(err, code != 0 ? code : COAP_UNSUPPORTED_FORMAT, path,
                  "Content-Format is not supported");
}

static uint8_t check_target(const struct objects *objects, const struct path *path, int format,
                            struct err *err)
{
    if (path->depth == 0)
        return refuse(err, COAP_METHOD_NOT_ALLOWED, path, "cannot be written as a whole");
    if (!objects_knows(objects, path->ids[0]))
        return refuse(err, COAP_NOT_FOUND, path, "this object is not known");
    if (format == FORMAT_NONE)
        return refuse(err, COAP_BAD_REQUEST, path, "a Write needs a Content-Format");
    if (path->depth == 1 && objects->quirks.instance_writes_only)
        return refuse(err, COAP_METHOD_NOT_ALLOWED, path, "only instances can be written");
    return check_format(objects, path, format, err);
}

/* Base64 of SenML is that of URLs; some know the older alphabet only. */
static bool is_unreadable(const struct objects *objects, int format, struct bytes payload)
{
    static const char key[] = "\"vd\":\"";
    if (!objects->quirks.standard_base64 || format != FORMAT_SENML_JSON || payload.len == 0)
        return false;
    const uint8_t *at = payload.data, *end = payload.data + payload.len;
    while ((at = memmem(at, (size_t)(end - at), key, sizeof key - 1)) != NULL)
        for (at += sizeof key - 1; at < end && *at != '"'; at++)
            if (*at == '-' || *at == '_')
                return true;
    return false;
}

/* The records of a payload below `path`; 0 when they may be written. */
static uint8_t read_records(const struct objects *objects, const struct path *path, int format,
                            struct bytes payload, struct records *records, struct err *err)
{
    enum lwm2m_version version = objects->version;
    struct codec_types types = {.type_of = codec_types_from_table, .context = &version};
    if (is_unreadable(objects, format, payload))
        return refuse(err, COAP_INTERNAL_ERROR, path, "vd is not base64");
    if (codec_decode(format, path, payload, &types, records, err) != ERR_OK)
        return COAP_BAD_REQUEST;
    return check_records(objects, path, records, err);
}

uint8_t objects_write_pack(struct objects *objects, int format, struct bytes payload,
                           struct err *err)
{
    struct path root = path_root();
    uint8_t code = check_format(objects, &root, format, err);
    if (code != 0)
        return code;
    struct records records = {.arena = arena_new(WRITE_MEMORY_MAX)};
    if (records.arena == NULL)
        return refuse(err, COAP_INTERNAL_ERROR, &root, "no memory");
    code = read_records(objects, &root, format, payload, &records, err);
    for (size_t i = 0; code == 0 && i < records.count; i++) {
        uint16_t object = records.items[i].path.ids[0];
        if (!objects_knows(objects, object))
            code = refuse(err, COAP_NOT_FOUND, &records.items[i].path, "this object is not known");
        else if (object != OBJECT_DEVICE)
            objects_delete_instances(objects, object);
    }
    if (code == 0)
        code = apply(objects, &root, &records, err);
    arena_free(records.arena);
    return code;
}

uint8_t objects_write(struct objects *objects, const struct path *path, int format,
                      struct bytes payload, struct err *err)
{
    uint8_t code = check_target(objects, path, format, err);
    if (code != 0)
        return code;
    struct records records = {.arena = arena_new(WRITE_MEMORY_MAX)};
    if (records.arena == NULL)
        return refuse(err, COAP_INTERNAL_ERROR, path, "no memory");
    code = read_records(objects, path, format, payload, &records, err);
    if (code == 0)
        code = apply(objects, path, &records, err);
    arena_free(records.arena);
    return code;
}
