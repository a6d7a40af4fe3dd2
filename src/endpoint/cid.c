/* SPDX-License-Identifier: Apache-2.0 */
/* Connection IDs (RFC 9146). Ours names the worker (the steering of the sockets reads that byte),
 * the slot, and has a keyed hash of slot and generation behind: nothing has to be kept for it, it
 * tells nobody anything, and a guessed one finds no association. */
#include "endpoint_priv.h"

#include <assert.h>
#include <string.h>

enum {
    CONTENT_CID = 25,
    CID_AT = 11, /* type, version, epoch, sequence number come before it */
    SLOT_BYTES = 3,
    TAG_BYTES = 4,
};
static_assert(CID_SIZE == 1 + SLOT_BYTES + TAG_BYTES, "as written below");

static uint64_t tag_of(const struct endpoint *endpoint, struct association_ref ref)
{
    const uint32_t named[] = {endpoint->config.worker, ref.slot, ref.generation};

    return bytes_hash(endpoint->hash_key, bytes_of(named, sizeof named));
}

void cid_make(const struct endpoint *endpoint, struct association_ref ref,
              uint8_t out[static CID_SIZE])
{
    uint64_t tag = tag_of(endpoint, ref);

    out[0] = endpoint->config.worker;
    for (unsigned i = 0; i < SLOT_BYTES; i++)
        out[1 + i] = (uint8_t)(ref.slot >> (8 * i));
    for (unsigned i = 0; i < TAG_BYTES; i++)
        out[1 + SLOT_BYTES + i] = (uint8_t)(tag >> (8 * i));
}

bool cid_is_record(struct bytes datagram)
{
    return datagram.len > CID_AT + CID_SIZE && datagram.data[0] == CONTENT_CID;
}

struct association *cid_find(const struct endpoint *endpoint, struct bytes datagram)
{
    const uint8_t *cid = datagram.data + CID_AT;
    uint32_t slot = 0;
    uint8_t expected[CID_SIZE];

    for (unsigned i = 0; i < SLOT_BYTES; i++)
        slot |= (uint32_t)cid[1 + i] << (8 * i);
    if (slot >= endpoint->slot_count || endpoint->slots[slot].association == NULL)
        return NULL;
    struct association *association = endpoint->slots[slot].association;
    cid_make(endpoint, association->ref, expected);
    return memcmp(cid, expected, sizeof expected) == 0 ? association : NULL;
}
