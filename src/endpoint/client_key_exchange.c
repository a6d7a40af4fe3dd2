/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the PSK identity off a ClientKeyExchange before Mbed TLS sees it (D6): the message travels
 * in the clear, so the key can be looked up while nothing waits. */
#include "endpoint_priv.h"

enum {
    CONTENT_HANDSHAKE = 22,
    MESSAGE_CLIENT_KEY_EXCHANGE = 16,
};

/* RFC 4279 section 2: opaque psk_identity<0..2^16-1>, and nothing more. */
static enum key_exchange read_identity(struct bytes body, struct bytes *identity)
{
    struct reader reader;

    reader_init(&reader, body);
    uint16_t len = reader_u16(&reader);
    struct bytes found = reader_take(&reader, len);
    if (reader.failed || reader_left(&reader) != 0)
        return KEY_EXCHANGE_ODD;
    *identity = found;
    return KEY_EXCHANGE_WHOLE;
}

static enum key_exchange search_record(struct bytes record, struct bytes *identity)
{
    struct reader reader;

    reader_init(&reader, record);
    while (reader_left(&reader) >= 12) {
        uint8_t type = reader_u8(&reader);
        uint32_t length = reader_u24(&reader);
        reader_skip(&reader, 2);
        uint32_t fragment_offset = reader_u24(&reader);
        uint32_t fragment_length = reader_u24(&reader);
        struct bytes body = reader_take(&reader, fragment_length);
        if (type == MESSAGE_CLIENT_KEY_EXCHANGE) {
            if (reader.failed || fragment_offset != 0 || fragment_length != length)
                return KEY_EXCHANGE_ODD;
            return read_identity(body, identity);
        }
        if (reader.failed)
            break;
    }
    return KEY_EXCHANGE_NONE;
}

enum key_exchange key_exchange_find(struct bytes datagram, struct bytes *identity)
{
    struct reader reader;

    reader_init(&reader, datagram);
    while (reader_left(&reader) >= 13) {
        uint8_t type = reader_u8(&reader);
        reader_skip(&reader, 2);
        uint16_t epoch = reader_u16(&reader);
        reader_skip(&reader, 6);
        struct bytes record = reader_take(&reader, reader_u16(&reader));
        if (reader.failed)
            break;
        if (type != CONTENT_HANDSHAKE || epoch != 0)
            continue;
        enum key_exchange found = search_record(record, identity);
        if (found != KEY_EXCHANGE_NONE)
            return found;
    }
    return KEY_EXCHANGE_NONE;
}
