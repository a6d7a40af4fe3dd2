/* SPDX-License-Identifier: Apache-2.0 */
/* A hash of what a device receives (FNV-1a, 64 bits): same content, same hash, on any machine. */
#include "plan_priv.h"

#include <string.h>

static void add(uint64_t *state, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++)
        *state = (*state ^ bytes[i]) * 0x100000001b3u;
}

/* Eight bytes at a step, low half first, whatever the machine's order. */
static void add_number(uint64_t *state, uint64_t number)
{
    *state = (*state ^ (number & 0xffffffffu)) * 0x100000001b3u;
    *state = (*state ^ (number >> 32)) * 0x100000001b3u;
}

static void add_path(uint64_t *state, const struct path *path)
{
    add_number(state, path->depth);
    for (uint8_t i = 0; i < path->depth; i++)
        add_number(state, path->ids[i]);
}

static uint64_t real_bits(double real)
{
    uint64_t bits;
    memcpy(&bits, &real, sizeof(bits));
    return bits;
}

static void add_value(uint64_t *state, const struct value *value)
{
    switch (value->type) {
    case VALUE_STRING:
    case VALUE_OPAQUE:
        add_number(state, value->bytes.len);
        add(state, value->bytes.data, value->bytes.len);
        break;
    case VALUE_INTEGER:
    case VALUE_TIME:
        add_number(state, (uint64_t)value->integer);
        break;
    case VALUE_UNSIGNED:
        add_number(state, value->natural);
        break;
    case VALUE_FLOAT:
        add_number(state, real_bits(value->real));
        break;
    case VALUE_BOOLEAN:
        add_number(state, value->boolean);
        break;
    case VALUE_OBJLINK:
        add_number(state, (uint64_t)value->link.object << 16 | value->link.instance);
        break;
    case VALUE_SECRET: /* the generation does not count */
        add_number(state, (uint64_t)value->secret.kind << 16 | value->secret.ssid |
                              (uint64_t)value->secret.as_text << 32 |
                              (uint64_t)value->secret.as_sec1 << 33 |
                              (uint64_t)value->secret.first_only << 34);
        break;
    case VALUE_NONE:
    case VALUE_TYPE_COUNT:
        break;
    }
}

uint64_t plan_hash_start(void)
{
    return 0xcbf29ce484222325u;
}

void plan_hash_operation(uint64_t *state, const struct operation *operation)
{
    add_number(state, operation->kind);
    add_number(state, operation->optional);
    add_path(state, &operation->path);
}

void plan_hash_record(uint64_t *state, const struct record *record, bool stands)
{
    add_path(state, &record->path);
    add_number(state, record->value.type);
    if (stands)
        add_value(state, &record->value);
}
