/* SPDX-License-Identifier: Apache-2.0 */
/* The credentials of one device for its servers, and the rules of their life (I2). Pure: a backend
 * loads the set, applies a rule and stores what became dirty. */
#ifndef USHER_STORE_SLOTS_PRIV_H
#define USHER_STORE_SLOTS_PRIV_H

#include "usher/store.h"

enum { SLOT_COUNT = 3 }; /* one for each enum credential_status: there can be no second one */

struct slot {
    uint64_t generation; /* 0 = empty */
    enum credential_kind kind;
    char place[PLACE_NAME_MAX + 1];
    struct identity identity;
    struct secret key;
    struct blob *public_part; /* a reference */
};

/* One server's credentials, or, as server 0, those of the bootstrap account that came after the key
 * that the device was enrolled with. The row outlives them, so that a generation never comes again.
 */
struct slots {
    uint16_t ssid;
    uint16_t stored_ssid; /* the row it is stored in, 0 = none yet */
    bool dirty;
    bool named;          /* by the request in hand: does not give way to another */
    bool is_settled;     /* taken from its device's own row */
    uint64_t generation; /* the last one given out */
    int64_t changed_ms;
    int64_t retire_at_ms; /* end of the retiring one's grace; of the bootstrap account's first: of
                             the key that the device was enrolled with */
    struct slot slot[SLOT_COUNT];
};

struct slot_set {
    size_t count;
    bool has_settled; /* its device's own row has some, perhaps older than what is here */
    struct slots servers[ACCOUNTS_MAX];
};

struct slot_time {
    int64_t now_ms;
    int64_t retire_ms; /* the grace */
};

void slot_set_init(struct slot_set *set);  /* empty, whatever was in its memory */
void slot_set_clear(struct slot_set *set); /* wipes */
/* A server that is not there yet, with nothing in it, in order of the ids; NULL: there are too
 * many. */
struct slots *slot_set_insert(struct slot_set *set, uint16_t ssid);
/* The same for servers that stand elsewhere; and a reference to each public part for a copy. */
void slots_clear(struct slots *servers, size_t count);
void slots_hold(const struct slots *servers, size_t count);
struct slots *slot_set_find(struct slot_set *set, uint16_t ssid); /* NULL: none */
/* Each returns whether something changed. */
bool slot_set_make_pending(struct slot_set *set, const struct store_new_credential *credentials,
                           size_t count, const struct slot_time *time);
bool slot_set_promote(struct slot_set *set, const struct store_promotion *promotions, size_t count,
                      const struct slot_time *time);
/* Makes the server credentials of `device` active. `apply` false: only says whether it would
 * change something. */
bool slot_set_enroll(struct slot_set *set, const struct store_device *device,
                     const struct slot_time *time, bool apply);
/* Where the server stands for this device from now on. *found: it has a credential there. */
bool slot_set_place(struct slot_set *set, uint16_t ssid, const char *place, int64_t now_ms,
                    bool *found);
/* Drops retiring credentials whose grace is over. */
bool slot_set_expire(struct slot_set *set, int64_t now_ms);
/* The bootstrap account's key is another now: what came after the one it was enrolled with goes. */
bool slot_set_drop_account(struct slot_set *set, int64_t now_ms);
/* Adds them to the device, without those whose grace is over, and sorts out which keys it may prove
 * itself with. */
void slot_set_show(const struct slot_set *set, int64_t now_ms, struct store_device *device);

#endif
