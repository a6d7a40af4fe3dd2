/* SPDX-License-Identifier: Apache-2.0 */
/* A device's own data: checks, comparison, and the text form of its tags. */
#ifndef USHER_STORE_DEVICE_PRIV_H
#define USHER_STORE_DEVICE_PRIV_H

#include "usher/buf.h"
#include "usher/store.h"

/* Longest text of all tags: "name=value\n" each. */
enum { TAGS_TEXT_MAX = TAGS_MAX * (TAG_NAME_MAX + TAG_VALUE_MAX + 2) };

/* Clears a device that was zeroed before it was filled: it is so again. Of ten kilobytes it touches
 * what was used. */
void device_reset(struct store_device *device);
enum err_code store_no_credential(uint16_t ssid, struct err *err);
/* May it be enrolled? */
enum err_code device_check(const struct store_device *device, struct err *err);
/* One that it may prove itself with besides; an empty one is none. */
void device_add_key(struct store_device *device, const struct secret *key);
/* Its account has got another key than the one it was enrolled with. */
bool device_was_rekeyed(const struct store_device *device);
/* Whether a device with this key, or of this group, has a key that the stored one may have, or was
 * enrolled with. */
bool device_keeps_key(const struct store_device *stored, const struct store_device *given);
/* Same class, identity and key? Tags and server credentials are compared elsewhere. */
bool device_same_data(const struct store_device *stored, const struct store_device *given);
/* "name=value\n" in order of the names, so that the same tags give the same text. */
void tags_to_text(const struct enrollment *enrollment, struct buf *out);
/* False: not such a text, or no memory. */
bool tags_from_text(const char *text, size_t len, struct enrollment *enrollment);
/* The state lists and counts show. */
enum device_state device_shown_state(bool blocked, enum device_state state);

/* What bootstraps change of a device. */
struct device_status {
    enum device_state state;
    enum cause cause;
    uint64_t bootstraps;
    uint64_t newest_outcome; /* sequence number, 0 = none */
    int64_t last_wall_ms;    /* 0 = never */
    uint32_t last_duration_ms;
};
/* Of a blocked device, the state is that. */
struct device_status device_status_of(const struct store_device *device);
void device_show_status(struct store_device *device, const struct device_status *status);
/* End of the attempt. */
int64_t outcome_end_ms(const struct outcome *outcome);

/* Where a device's entry is looked for first in a hash table of `cap` places, a power of two. The
 * ids are our own numbers: nobody can choose them to collide. */
static inline size_t device_place(int64_t device, size_t cap)
{
    return (size_t)(((uint64_t)device * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (cap - 1);
}

#endif
