/* Lookups in the object table, and the check of a value against it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "object_table_priv.h"

#include <inttypes.h>
#include <math.h>

static const struct object_rows *find_rows(uint16_t object)
{
    for (size_t i = 0; i < object_rows_count; i++) {
        if (object_rows[i].definition.id == object)
            return &object_rows[i];
    }
    return NULL;
}

const struct object_definition *object_table_object(uint16_t object)
{
    const struct object_rows *rows = find_rows(object);
    return rows != NULL ? &rows->definition : NULL;
}

const struct resource_definition *object_table_resource(uint16_t object, uint16_t resource)
{
    const struct object_rows *rows = find_rows(object);
    if (rows == NULL)
        return NULL;
    /* Ids count up from 0 nearly without gaps: the row is at its id or a little before. */
    size_t i = resource < rows->count ? resource + (size_t)1 : rows->count;
    while (i > 0 && rows->resources[i - 1].id > resource)
        i--;
    return i > 0 && rows->resources[i - 1].id == resource ? &rows->resources[i - 1] : NULL;
}

const struct resource_definition *object_table_resources(uint16_t object, size_t *count)
{
    const struct object_rows *rows = find_rows(object);
    *count = rows != NULL ? rows->count : 0;
    return rows != NULL ? rows->resources : NULL;
}

/* Object 21 changed the type of its byte strings with version 2.0 (LwM2M 1.2). */
static bool was_text(const struct resource_definition *definition)
{
    return definition->object == OBJECT_OSCORE && definition->type == VALUE_OPAQUE;
}

enum value_type object_table_type(uint16_t object, uint16_t resource, enum lwm2m_version version)
{
    const struct resource_definition *definition = object_table_resource(object, resource);
    if (definition == NULL)
        return VALUE_NONE;
    return was_text(definition) && version < LWM2M_1_2 ? VALUE_STRING : definition->type;
}

static bool is_whole_number(enum value_type type)
{
    return type == VALUE_INTEGER || type == VALUE_UNSIGNED || type == VALUE_TIME;
}

static bool type_fits(const struct resource_definition *definition, enum value_type type)
{
    if (type == definition->type)
        return true;
    switch (type) {
    case VALUE_INTEGER:
    case VALUE_UNSIGNED:
    case VALUE_TIME:
        return is_whole_number(definition->type) || definition->type == VALUE_FLOAT;
    case VALUE_STRING:
        return was_text(definition);
    case VALUE_SECRET:
        return definition->type == VALUE_OPAQUE || definition->type == VALUE_STRING;
    default:
        return false;
    }
}

static enum err_code range_error(const struct resource_definition *definition, const char *what,
                                 struct err *err)
{
    const char *note = definition->note != NULL ? definition->note : "";
    const char *open = definition->note != NULL ? " (" : "";
    const char *close = definition->note != NULL ? ")" : "";
    if (definition->least == definition->most)
        return err_set(err, ERR_RANGE, "%s must be %s%" PRId64 "%s%s%s", definition->name, what,
                       definition->least, open, note, close);
    return err_set(err, ERR_RANGE, "%s must be %s%" PRId64 " to %" PRId64 "%s%s%s",
                   definition->name, what, definition->least, definition->most, open, note, close);
}

/* Compared in the value's own type, so that no conversion can wrap. */
static bool in_range(const struct resource_definition *definition, const struct value *value)
{
    int64_t least = definition->least, most = definition->most;
    switch (value->type) {
    case VALUE_UNSIGNED:
        return most >= 0 && value->natural <= (uint64_t)most &&
               (least <= 0 || value->natural >= (uint64_t)least);
    case VALUE_FLOAT:
        return value->real >= (double)least && value->real <= (double)most;
    case VALUE_STRING:
    case VALUE_OPAQUE:
        return value->bytes.len <= (uint64_t)most && (int64_t)value->bytes.len >= least;
    case VALUE_INTEGER:
    case VALUE_TIME:
        return value->integer >= least && value->integer <= most;
    default:
        return true;
    }
}

/* A signed value where the object has an unsigned one, and the reverse. */
static enum err_code check_sign(const struct resource_definition *definition,
                                const struct value *value, struct err *err)
{
    bool negative = value->type != VALUE_UNSIGNED && value->integer < 0;
    if (definition->type == VALUE_UNSIGNED && negative)
        return err_set(err, ERR_RANGE, "%s must not be negative", definition->name);
    if (definition->type != VALUE_UNSIGNED && value->type == VALUE_UNSIGNED &&
        value->natural > INT64_MAX)
        return err_set(err, ERR_RANGE, "%s must be at most %" PRId64, definition->name, INT64_MAX);
    return ERR_OK;
}

enum err_code object_table_check(const struct resource_definition *definition,
                                 const struct value *value, struct err *err)
{
    if (definition->executable)
        return err_set(err, ERR_INVALID, "%s can only be executed, not written", definition->name);
    if (!type_fits(definition, value->type))
        return err_set(err, ERR_INVALID, "%s must be of type %s, not %s", definition->name,
                       value_type_name(definition->type), value_type_name(value->type));
    if (is_whole_number(value->type)) {
        enum err_code code = check_sign(definition, value, err);
        if (code != ERR_OK)
            return code;
    }
    /* What object 21 called text before 2.0 are keys and names of any bytes. */
    if (value->type == VALUE_STRING && !was_text(definition) && !bytes_is_utf8(value->bytes))
        return err_set(err, ERR_INVALID, "%s must be UTF-8 text", definition->name);
    bool has_length = value->type == VALUE_STRING || value->type == VALUE_OPAQUE;
    if (definition->least <= definition->most && !in_range(definition, value))
        return range_error(definition, has_length ? "of a length in bytes of " : "", err);
    return ERR_OK;
}
