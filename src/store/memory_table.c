/* Devices in memory, found by endpoint and by identity. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "memory_priv.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 256 };

bool memory_table_init(struct memory_table *table)
{
    *table = (struct memory_table){.cap = FIRST_CAP};
    bytes_random(table->hash_key, sizeof table->hash_key);
    table->by_endpoint = calloc(table->cap, sizeof(*table->by_endpoint));
    table->by_identity = calloc(table->cap, sizeof(*table->by_identity));
    return table->by_endpoint != NULL && table->by_identity != NULL;
}

void memory_device_free(struct memory_device *device)
{
    if (device == NULL)
        return;
    slots_clear(device->servers, device->server_count);
    for (size_t i = 0; i < device->history_count; i++)
        free(device->history[i]);
    free(device->history);
    free(device->servers);
    free(device->tags);
    bytes_wipe(device, sizeof *device);
    free(device);
}

void memory_table_clear(struct memory_table *table)
{
    for (size_t i = 0; table->by_endpoint != NULL && i < table->cap; i++) {
        while (table->by_endpoint[i] != NULL) {
            struct memory_device *device = table->by_endpoint[i];
            table->by_endpoint[i] = device->next_by_endpoint;
            memory_device_free(device);
        }
    }
    free(table->by_endpoint);
    free(table->by_identity);
    *table = (struct memory_table){0};
}

static size_t chain_of(const struct memory_table *table, struct bytes name)
{
    return (size_t)bytes_hash(table->hash_key, name) & (table->cap - 1);
}

struct memory_device *memory_table_endpoint(const struct memory_table *table, struct bytes endpoint)
{
    struct memory_device *device = table->by_endpoint[chain_of(table, endpoint)];
    while (device != NULL && !bytes_equal(bytes_of_text(device->endpoint), endpoint))
        device = device->next_by_endpoint;
    return device;
}

struct memory_device *memory_table_identity(const struct memory_table *table,
                                            const struct identity *identity)
{
    struct bytes wanted = identity_bytes(identity);
    struct memory_device *device = table->by_identity[chain_of(table, wanted)];
    while (device != NULL && !bytes_equal(identity_bytes(&device->identity), wanted))
        device = device->next_by_identity;
    return device;
}

static void link_device(struct memory_table *table, struct memory_device *device)
{
    size_t chain = chain_of(table, bytes_of_text(device->endpoint));
    device->next_by_endpoint = table->by_endpoint[chain];
    table->by_endpoint[chain] = device;
    if (device->identity.len == 0)
        return;
    chain = chain_of(table, identity_bytes(&device->identity));
    device->next_by_identity = table->by_identity[chain];
    table->by_identity[chain] = device;
}

static bool grow(struct memory_table *table)
{
    struct memory_table old = *table;
    table->cap = old.cap * 2;
    table->by_endpoint = calloc(table->cap, sizeof(*table->by_endpoint));
    table->by_identity = calloc(table->cap, sizeof(*table->by_identity));
    if (table->by_endpoint == NULL || table->by_identity == NULL) {
        free(table->by_endpoint);
        free(table->by_identity);
        *table = old;
        return false;
    }
    for (size_t i = 0; i < old.cap; i++) {
        struct memory_device *next;
        for (struct memory_device *device = old.by_endpoint[i]; device != NULL; device = next) {
            next = device->next_by_endpoint;
            link_device(table, device);
        }
    }
    free(old.by_endpoint);
    free(old.by_identity);
    return true;
}

bool memory_table_add(struct memory_table *table, struct memory_device *device)
{
    if (table->count >= table->cap && !grow(table))
        return false;
    link_device(table, device);
    table->count++;
    return true;
}

static void unlink_identity(struct memory_table *table, struct memory_device *device)
{
    if (device->identity.len == 0)
        return;
    size_t chain = chain_of(table, identity_bytes(&device->identity));
    struct memory_device **at = &table->by_identity[chain];
    while (*at != device)
        at = &(*at)->next_by_identity;
    *at = device->next_by_identity;
    device->next_by_identity = NULL;
}

void memory_table_remove(struct memory_table *table, struct memory_device *device)
{
    unlink_identity(table, device);
    struct memory_device **at =
        &table->by_endpoint[chain_of(table, bytes_of_text(device->endpoint))];
    while (*at != device)
        at = &(*at)->next_by_endpoint;
    *at = device->next_by_endpoint;
    table->count--;
}

void memory_table_set_identity(struct memory_table *table, struct memory_device *device,
                               const struct identity *identity)
{
    unlink_identity(table, device);
    device->identity = *identity;
    if (identity->len == 0)
        return;
    size_t chain = chain_of(table, identity_bytes(identity));
    device->next_by_identity = table->by_identity[chain];
    table->by_identity[chain] = device;
}
