/* The operations of the bootstrap interface on a device's objects (OMA Core 1.2 section 6.1.7).
 * Each gives the CoAP code of its answer; `err` says why it is not 2.xx. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_SIM_OBJECTS_PRIV_H
#define USHER_SIM_OBJECTS_PRIV_H

#include "tree_priv.h"

#include "usher/buf.h"
#include "usher/codec.h"
#include "usher/sim.h"

enum { OBJECTS_KNOWN_MAX = 32, OBJECTS_FORMATS_MAX = 8, PAYLOAD_OUT_MAX = 65536 };

struct objects {
    struct tree tree;
    enum lwm2m_version version;
    uint16_t known[OBJECTS_KNOWN_MAX];
    size_t known_count;
    int formats[OBJECTS_FORMATS_MAX];
    size_t format_count;
    uint16_t identity_max, key_max; /* 0 = no limit */
    bool late_mandatory, merge_writes;
    struct sim_quirks quirks;
};

bool objects_knows(const struct objects *objects, uint16_t object);
bool objects_takes_format(const struct objects *objects, int format);
/* The /0 instance with resource 1 = true. */
bool objects_bootstrap_instance(const struct objects *objects, uint16_t *instance);
/* Short Server ID of a /0 instance; 0 when it has none or is the bootstrap account. */
uint16_t objects_account_ssid(const struct objects *objects, uint16_t instance);

uint8_t objects_write(struct objects *objects, const struct path *path, int format,
                      struct bytes payload, struct err *err);
/* A pack: what it names of an object is all that there is of it afterwards, besides what survives
 * every Delete. Not undone when it fails. */
uint8_t objects_write_pack(struct objects *objects, int format, struct bytes payload,
                           struct err *err);
/* All instances but those that survive every Delete. */
void objects_delete_instances(struct objects *objects, uint16_t object);
uint8_t objects_delete(struct objects *objects, const struct path *path, struct err *err);
uint8_t objects_discover(const struct objects *objects, const struct path *path, struct buf *out,
                         struct err *err);
/* `*format`: what was asked for, FORMAT_NONE = any; becomes what is given. */
uint8_t objects_read(const struct objects *objects, const struct path *path, int *format,
                     struct buf *out, struct err *err);
/* 2.04, or 4.06 with the first thing that is inconsistent (section 6.1.7.6). */
uint8_t objects_finish(const struct objects *objects, struct err *err);

#endif
