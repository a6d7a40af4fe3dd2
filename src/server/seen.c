/* SPDX-License-Identifier: Apache-2.0 */
/* Names of devices that have shaken hands and not asked yet, by slot of their association. */
#include "seen_priv.h"

#include <stdlib.h>
#include <string.h>

struct seen_name {
    uint32_t generation; /* of the association; 0 = none */
    char *endpoint;
};

void seen_init(struct seen_table *table, struct live *live, uint32_t worker)
{
    *table = (struct seen_table){.live = live, .worker = worker};
}

void seen_clear(struct seen_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->names[i].endpoint);
    free(table->names);
    *table = (struct seen_table){0};
}

static bool make_slot(struct seen_table *table, uint32_t slot)
{
    enum { LEAST = 64 };
    size_t count = table->count == 0 ? LEAST : table->count;

    while (count <= slot)
        count *= 2;
    if (count == table->count)
        return true;
    struct seen_name *names = realloc(table->names, count * sizeof *names);
    if (names == NULL)
        return false;
    memset(names + table->count, 0, (count - table->count) * sizeof *names);
    table->names = names;
    table->count = count;
    return true;
}

void seen_remember(struct seen_table *table, struct association_ref ref, const char *endpoint)
{
    if (!make_slot(table, ref.slot))
        return;
    struct seen_name *name = &table->names[ref.slot];
    free(name->endpoint);
    name->endpoint = strdup(endpoint);
    name->generation = name->endpoint == NULL ? 0 : ref.generation;
}

static struct seen_name *find(const struct seen_table *table, struct association_ref ref)
{
    if (ref.slot >= table->count || table->names[ref.slot].generation != ref.generation)
        return NULL;
    return &table->names[ref.slot];
}

static struct live_holder holder_of(const struct seen_table *table, struct association_ref ref)
{
    return (struct live_holder){
        .worker = table->worker,
        .slot = ref.slot,
        .generation = ref.generation,
    };
}

void seen_show(struct seen_table *table, struct association_ref ref, int64_t wall_ms)
{
    const struct seen_name *name = find(table, ref);
    struct live_holder holder = holder_of(table, ref);

    if (name != NULL)
        live_see(table->live, name->endpoint, &holder, wall_ms);
}

void seen_forget(struct seen_table *table, struct association_ref ref, const char *claimed)
{
    struct seen_name *name = find(table, ref);
    struct live_holder holder = holder_of(table, ref);

    if (name == NULL)
        return;
    if (strcmp(name->endpoint, claimed) != 0)
        live_release(table->live, name->endpoint, &holder);
    free(name->endpoint);
    *name = (struct seen_name){0};
}
