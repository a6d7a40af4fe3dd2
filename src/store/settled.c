/* Credentials that are settled, in one cell: a version, then for each server
 *   its Short Server ID (2 bytes), generation (8), time of the change (8),
 *   length of the identity (1), identity, length of the key (1), key. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "settled_priv.h"

#include "usher/buf.h"

enum { SETTLED_VERSION = 1 };

static bool is_settled(const struct slots *server)
{
    const struct slot *active = &server->slot[CREDENTIAL_ACTIVE];
    return server->ssid != 0 && active->generation != 0 &&
           active->generation == server->generation && active->kind == CREDENTIAL_KIND_PSK &&
           active->public_part == NULL && active->place[0] == '\0' &&
           active->key.len <= UINT8_MAX && server->retire_at_ms == 0 &&
           server->slot[CREDENTIAL_PENDING].generation == 0 &&
           server->slot[CREDENTIAL_RETIRING].generation == 0;
}

static void put_server(const struct slots *server, struct buf *out)
{
    const struct slot *active = &server->slot[CREDENTIAL_ACTIVE];
    struct bytes identity = identity_bytes(&active->identity), key = secret_bytes(&active->key);
    buf_put_u16(out, server->ssid);
    buf_put_u64(out, server->generation);
    buf_put_u64(out, (uint64_t)server->changed_ms);
    buf_put_u8(out, (uint8_t)identity.len);
    buf_put_bytes(out, identity);
    buf_put_u8(out, (uint8_t)key.len);
    buf_put_bytes(out, key);
}

bool settled_pack(const struct slot_set *set, struct secret *out)
{
    struct buf packed;
    out->len = 0;
    if (set->count == 0)
        return true;
    buf_init_fixed(&packed, out->data, sizeof out->data);
    buf_put_u8(&packed, SETTLED_VERSION);
    bool settled = true;
    for (size_t i = 0; settled && i < set->count; i++) {
        settled = is_settled(&set->servers[i]);
        if (settled)
            put_server(&set->servers[i], &packed);
    }
    if (!settled || packed.failed) {
        bytes_wipe(out, sizeof *out);
        return false;
    }
    out->len = (uint16_t)packed.len;
    return true;
}

static bool take_server(struct reader *reader, struct slot_set *set)
{
    uint16_t ssid = reader_u16(reader);
    uint64_t generation = reader_u64(reader);
    int64_t changed_ms = (int64_t)reader_u64(reader);
    struct bytes identity = reader_take(reader, reader_u8(reader));
    struct bytes key = reader_take(reader, reader_u8(reader));
    if (reader->failed || ssid == 0 || generation == 0 || slot_set_find(set, ssid) != NULL)
        return false;
    struct slots *server = slot_set_insert(set, ssid);
    if (server == NULL)
        return false;
    struct slot *active = &server->slot[CREDENTIAL_ACTIVE];
    server->is_settled = true;
    server->stored_ssid = ssid;
    server->generation = active->generation = generation;
    server->changed_ms = changed_ms;
    return (identity.len == 0 || identity_set(&active->identity, identity)) &&
           secret_set(&active->key, key);
}

bool settled_unpack(struct bytes packed, struct slot_set *set)
{
    struct reader reader;
    if (packed.len == 0)
        return true;
    reader_init(&reader, packed);
    bool whole = reader_u8(&reader) == SETTLED_VERSION;
    while (whole && reader_left(&reader) > 0)
        whole = take_server(&reader, set);
    set->has_settled = true;
    return whole && set->count > 0;
}
