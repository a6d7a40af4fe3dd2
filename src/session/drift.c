/* Bootstrap-Read (OMA Core 1.2 section 6.1.7.3) as an input: how the device's /1 differed from what
 * it is to receive. Nothing depends on it; whatever goes wrong is passed over. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "session_priv.h"

#include <inttypes.h>
#include <stdlib.h>

enum { MEMORY_MAX = 32768, LINES_MAX = 3, VALUE_TEXT_SIZE = 28 };

bool drift_is_wanted(const struct attempt *attempt)
{
    enum lwm2m_version version = attempt->capability->version;
    if (version == LWM2M_VERSION_UNKNOWN)
        version = attempt->client.version;
    return attempt->client.read == READ_AUTO && version >= LWM2M_1_1;
}

int drift_format(const struct attempt *attempt)
{
    int format = attempt->request.format;
    if (format == FORMAT_NONE)
        format = attempt->client.format;
    return format != FORMAT_NONE && codec_can_decode(format) ? format : FORMAT_TLV;
}

void drift_take(struct attempt *attempt, const struct session_event *event)
{
    struct path base = path_object(OBJECT_SERVER);
    enum lwm2m_version version = attempt->capability->version;
    struct codec_types types = {.type_of = codec_types_from_table, .context = &version};
    struct err err;
    if (event->code != CODE_CONTENT)
        return;
    attempt->held.arena = arena_new(MEMORY_MAX);
    if (attempt->held.arena != NULL &&
        codec_decode(event->format, &base, event->payload, &types, &attempt->held, &err) != ERR_OK)
        report_warning(&attempt->outcome, "the answer to Read could not be read: %s", err.text);
}

void drift_free(struct attempt *attempt)
{
    arena_free(attempt->held.arena);
    attempt->held = (struct records){0};
}

/* ---- comparing ---- */

static const struct record *find_resource(const struct record *records, size_t count,
                                          uint16_t instance, uint16_t resource)
{
    for (size_t i = 0; i < count; i++) {
        const struct path *path = &records[i].path;
        if (path->ids[1] == instance && path->ids[2] == resource)
            return &records[i];
    }
    return NULL;
}

static int64_t number_of(const struct value *value)
{
    return value->type == VALUE_UNSIGNED ? (int64_t)value->natural : value->integer;
}

/* The device's instance of a server; -1: it had none. */
static int instance_of(const struct records *held, int64_t ssid)
{
    for (size_t i = 0; i < held->count; i++) {
        const struct record *record = &held->items[i];
        if (record->path.ids[2] == 0 && number_of(&record->value) == ssid)
            return record->path.ids[1];
    }
    return -1;
}

static void put_value(const struct value *value, char out[static VALUE_TEXT_SIZE])
{
    switch (value->type) {
    case VALUE_STRING:
        report_text(out, VALUE_TEXT_SIZE, "'%.*s'",
                    value->bytes.len > 20 ? 20 : (int)value->bytes.len,
                    (const char *)value->bytes.data);
        break;
    case VALUE_BOOLEAN:
        report_text(out, VALUE_TEXT_SIZE, "%s", value->boolean ? "true" : "false");
        break;
    case VALUE_INTEGER:
    case VALUE_TIME:
    case VALUE_UNSIGNED:
        report_text(out, VALUE_TEXT_SIZE, "%" PRId64, number_of(value));
        break;
    default:
        report_text(out, VALUE_TEXT_SIZE, "another value");
        break;
    }
}

static void tell(struct attempt *attempt, int64_t ssid, const struct record *planned,
                 const struct record *had)
{
    const struct resource_definition *definition =
        object_table_resource(OBJECT_SERVER, planned->path.ids[2]);
    char before[VALUE_TEXT_SIZE] = "not set", after[VALUE_TEXT_SIZE];
    if (had != NULL)
        put_value(&had->value, before);
    put_value(&planned->value, after);
    report_warning(&attempt->outcome, "drift: server %" PRId64 ": %s was %s, is to be %s", ssid,
                   definition != NULL ? definition->name : "a resource", before, after);
}

/* Counts what differs in one account; tells the first few. */
static size_t compare(struct attempt *attempt, const struct operation *write, size_t told)
{
    const struct records *held = &attempt->held;
    const struct record *ssid =
        find_resource(write->records, write->record_count, write->path.ids[1], 0);
    int instance = ssid != NULL ? instance_of(held, number_of(&ssid->value)) : -1;
    size_t count = 0;
    if (instance < 0)
        return 0; /* a new server is no drift */
    for (size_t i = 0; i < write->record_count; i++) {
        const struct record *planned = &write->records[i];
        const struct record *had =
            find_resource(held->items, held->count, (uint16_t)instance, planned->path.ids[2]);
        if (planned->path.depth != 3 || (had != NULL && value_equal(&had->value, &planned->value)))
            continue;
        if (told + count++ < LINES_MAX)
            tell(attempt, number_of(&ssid->value), planned, had);
    }
    return count;
}

void drift_note(struct attempt *attempt)
{
    size_t count = 0;
    if (attempt->held.arena == NULL)
        return;
    for (size_t i = 0; i < plan_count(attempt->plan); i++) {
        const struct operation *operation = plan_operation(attempt->plan, i);
        if (operation->kind == OPERATION_WRITE && operation->path.depth == 2 &&
            operation->path.ids[0] == OBJECT_SERVER)
            count += compare(attempt, operation, count);
    }
    if (count > LINES_MAX)
        report_warning(&attempt->outcome, "drift: %zu more resources of /1 differed",
                       count - LINES_MAX);
    drift_free(attempt);
}
