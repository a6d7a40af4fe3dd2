/* Typed values and lists of records. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/value.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { RECORDS_FIRST = 16, RECORDS_DEFAULT_MAX = 4096 };

static const char *const type_names[] = {
    [VALUE_NONE] = "none",         [VALUE_STRING] = "string", [VALUE_INTEGER] = "integer",
    [VALUE_UNSIGNED] = "unsigned", [VALUE_FLOAT] = "float",   [VALUE_BOOLEAN] = "boolean",
    [VALUE_OPAQUE] = "opaque",     [VALUE_TIME] = "time",     [VALUE_OBJLINK] = "objlink",
    [VALUE_SECRET] = "secret",
};
static_assert(sizeof type_names / sizeof type_names[0] == VALUE_TYPE_COUNT, "every type is named");

static const char *const kind_names[] = {
    [SECRET_PSK_IDENTITY] = "psk-identity",   [SECRET_PSK_KEY] = "psk-key",
    [SECRET_BOOTSTRAP_KEY] = "bootstrap-key", [SECRET_OSCORE_MASTER] = "oscore-master",
    [SECRET_PRIVATE_KEY] = "private-key",     [SECRET_PUBLIC_PART] = "public-part",
};
static_assert(sizeof kind_names / sizeof kind_names[0] == SECRET_KIND_COUNT, "every kind is named");

const char *value_type_name(enum value_type type)
{
    return (unsigned)type < VALUE_TYPE_COUNT ? type_names[type] : "unknown";
}

bool value_type_from_name(const char *name, enum value_type *out)
{
    for (int i = VALUE_NONE + 1; i < VALUE_TYPE_COUNT; i++) {
        if (strcmp(name, type_names[i]) == 0) {
            *out = (enum value_type)i;
            return true;
        }
    }
    return false;
}

const char *secret_kind_name(enum secret_kind kind)
{
    return (unsigned)kind < SECRET_KIND_COUNT ? kind_names[kind] : "unknown";
}

static bool secret_ref_equal(const struct secret_ref *a, const struct secret_ref *b)
{
    return a->kind == b->kind && a->ssid == b->ssid && a->as_text == b->as_text &&
           a->as_sec1 == b->as_sec1 && a->first_only == b->first_only &&
           a->generation == b->generation;
}

bool value_equal(const struct value *a, const struct value *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case VALUE_STRING:
    case VALUE_OPAQUE:
        return bytes_equal(a->bytes, b->bytes);
    case VALUE_INTEGER:
    case VALUE_TIME:
        return a->integer == b->integer;
    case VALUE_UNSIGNED:
        return a->natural == b->natural;
    case VALUE_FLOAT:
        return a->real == b->real || (isnan(a->real) && isnan(b->real));
    case VALUE_BOOLEAN:
        return a->boolean == b->boolean;
    case VALUE_OBJLINK:
        return a->link.object == b->link.object && a->link.instance == b->link.instance;
    case VALUE_SECRET:
        return secret_ref_equal(&a->secret, &b->secret);
    case VALUE_NONE:
    case VALUE_TYPE_COUNT:
        break;
    }
    return a->type == VALUE_NONE;
}

static enum err_code grow(struct records *records, size_t max)
{
    size_t cap = records->cap > 0 ? records->cap * 2 : RECORDS_FIRST;
    if (cap > max)
        cap = max;
    struct record *items = arena_alloc(records->arena, cap * sizeof *items);
    if (items == NULL)
        return ERR_NO_MEMORY;
    if (records->count > 0)
        memcpy(items, records->items, records->count * sizeof *items);
    records->items = items;
    records->cap = cap;
    return ERR_OK;
}

enum err_code records_add(struct records *records, const struct record *record)
{
    size_t max = records->max > 0 ? records->max : RECORDS_DEFAULT_MAX;
    if (records->count >= max)
        return ERR_TOO_LARGE;
    if (records->count == records->cap) {
        enum err_code code = grow(records, max);
        if (code != ERR_OK)
            return code;
    }
    records->items[records->count++] = *record;
    return ERR_OK;
}

const struct record *records_find(const struct records *records, const struct path *path)
{
    for (size_t i = 0; i < records->count; i++) {
        if (path_equal(&records->items[i].path, path))
            return &records->items[i];
    }
    return NULL;
}
