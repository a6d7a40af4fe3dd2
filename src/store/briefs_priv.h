/* SPDX-License-Identifier: Apache-2.0 */
/* What the writer has to know of a device when its outcome comes, kept since somebody last read the
 * device's row: an outcome then needs no look-up of its own. */
#ifndef USHER_STORE_BRIEFS_PRIV_H
#define USHER_STORE_BRIEFS_PRIV_H

#include "usher/store.h"

struct device_brief {
    int64_t id;
    char class_name[CLASS_MAX + 1];
    bool blocked;
    enum device_state state;
    uint64_t newest_outcome; /* 0 = none */
    int64_t group;           /* 0 = none */
};

/* `date` is what tells its user whether the brief still holds. */
struct dated_brief {
    uint64_t date;
    struct device_brief brief; /* id 0: none */
};

struct brief_entry;

struct briefs {
    size_t count;
    struct brief_entry *entries; /* by hash of the endpoint: a newcomer displaces */
};

bool briefs_init(struct briefs *briefs, size_t count); /* false: no memory */
void briefs_clear(struct briefs *briefs);
/* No key. Of some devices nothing is noted: blocked ones, since the state beneath is not told, and
 * those with very long names. */
void briefs_note(struct briefs *briefs, const struct store_device *device, uint64_t date);
void briefs_find(const struct briefs *briefs, const char *endpoint, struct dated_brief *out);

#endif
