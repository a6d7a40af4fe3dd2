/* What is known of devices whose outcome is to come. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "briefs_priv.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_LEN = 63 };

struct brief_entry {
    char endpoint[NAME_MAX_LEN + 1]; /* "" = free */
    struct dated_brief dated;
};

bool briefs_init(struct briefs *briefs, size_t count)
{
    briefs->count = count;
    briefs->entries = calloc(count, sizeof *briefs->entries);
    return briefs->entries != NULL;
}

void briefs_clear(struct briefs *briefs)
{
    free(briefs->entries);
    *briefs = (struct briefs){0};
}

/* The key is no secret: devices that choose to collide are looked up, as without all this. */
static struct brief_entry *place_of(const struct briefs *briefs, const char *endpoint)
{
    static const uint8_t key[16] = "usher brief 0001";
    return &briefs->entries[bytes_hash(key, bytes_of_text(endpoint)) % briefs->count];
}

void briefs_note(struct briefs *briefs, const struct store_device *device, uint64_t date)
{
    const struct enrollment *enrollment = &device->enrollment;
    if (device->id == 0 || enrollment->blocked || strlen(enrollment->endpoint) > NAME_MAX_LEN)
        return;
    struct brief_entry *entry = place_of(briefs, enrollment->endpoint);
    strcpy(entry->endpoint, enrollment->endpoint);
    entry->dated = (struct dated_brief){.date = date,
                                        .brief = {.id = device->id,
                                                  .state = device->state,
                                                  .newest_outcome = device->newest_outcome,
                                                  .group = device->group_id}};
    strcpy(entry->dated.brief.class_name, enrollment->class_name);
}

void briefs_find(const struct briefs *briefs, const char *endpoint, struct dated_brief *out)
{
    const struct brief_entry *entry = place_of(briefs, endpoint);
    *out = (struct dated_brief){0};
    if (strcmp(entry->endpoint, endpoint) == 0)
        *out = entry->dated;
}
