/* SPDX-License-Identifier: Apache-2.0 */
/* Identities that a file has named so far, as hashes: 16 bytes each, in a table that doubles. */
#include "import_priv.h"

#include <stdlib.h>

enum { FIRST_SLOTS = 1 << 12, SLOTS_MAX = 1 << 24 };

struct slot {
    uint64_t hash, line; /* line 0: empty */
};

struct identities {
    uint8_t hash_key[16];
    size_t slot_count, used;
    struct slot *slots;
};

struct identities *identities_new(void)
{
    struct identities *identities = calloc(1, sizeof *identities);
    if (identities == NULL)
        return NULL;
    identities->slots = calloc(FIRST_SLOTS, sizeof *identities->slots);
    identities->slot_count = FIRST_SLOTS;
    bytes_random(identities->hash_key, sizeof identities->hash_key);
    if (identities->slots == NULL) {
        free(identities);
        return NULL;
    }
    return identities;
}

void identities_free(struct identities *identities)
{
    if (identities == NULL)
        return;
    free(identities->slots);
    free(identities);
}

/* The slot of that hash, or the empty one where it belongs. */
static struct slot *find(struct slot *slots, size_t count, uint64_t hash)
{
    size_t at = (size_t)hash & (count - 1);
    while (slots[at].line != 0 && slots[at].hash != hash)
        at = (at + 1) & (count - 1);
    return &slots[at];
}

/* False: no memory, or as large as it may be. */
static bool grow(struct identities *identities)
{
    size_t count = identities->slot_count * 2;
    struct slot *slots = count <= SLOTS_MAX ? calloc(count, sizeof *slots) : NULL;
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < identities->slot_count; i++)
        if (identities->slots[i].line != 0)
            *find(slots, count, identities->slots[i].hash) = identities->slots[i];
    free(identities->slots);
    identities->slots = slots;
    identities->slot_count = count;
    return true;
}

uint64_t identities_note(struct identities *identities, struct bytes identity, uint64_t line)
{
    uint64_t hash = bytes_hash(identities->hash_key, identity);
    struct slot *slot = find(identities->slots, identities->slot_count, hash);
    if (slot->line != 0)
        return slot->line;
    if (identities->used >= identities->slot_count / 2) {
        if (!grow(identities))
            return 0;
        slot = find(identities->slots, identities->slot_count, hash);
    }
    *slot = (struct slot){hash, line};
    identities->used++;
    return 0;
}
