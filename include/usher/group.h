/* SPDX-License-Identifier: Apache-2.0 */
/* module: store */
/* Groups: one key for many devices, out of which each device's own is derived; or one CA, whose
 * certificates name them. A device of a group needs no row until it first calls; its identity,
 * which is its endpoint too, tells the group by a pattern. */
#ifndef USHER_GROUP_H
#define USHER_GROUP_H

#include "usher/derive.h"
#include "usher/enrollment.h"

enum { GROUP_NAME_MAX = 63, GROUPS_MAX = 256 };

struct store_group {
    char name[GROUP_NAME_MAX + 1];  /* characters as of a tag's name */
    char class_name[CLASS_MAX + 1]; /* "" = chosen by a profile's match */
    char pattern[ENDPOINT_MAX + 1]; /* of identities: `*` is any run of bytes, `?` is one */
    /* By certificate: of a CA that has to vouch for the device, and no keys. SHA-256 of its
     * SubjectPublicKeyInfo. */
    bool by_certificate;
    uint8_t authority[PIN_HASH_SIZE];
    enum derive_scheme scheme;
    char label[DERIVE_LABEL_MAX + 1];
    uint16_t key_len;                 /* of the devices' keys */
    struct secret primary, secondary; /* secondary: empty = none */
    /* Outside of these the key lets nobody in; 0 = no bound. */
    int64_t not_before_wall_ms, not_after_wall_ms;
    uint64_t device_max;    /* devices that may join, 0 = any number */
    bool blocked;           /* nobody of the group is let in */
    struct enrollment tags; /* only its tags count: what devices get when they join; owned */
    uint64_t revision;
    uint64_t devices; /* that have joined */
    int64_t created_wall_ms, changed_wall_ms;
};

void store_group_clear(struct store_group *group); /* wipes */

#endif
