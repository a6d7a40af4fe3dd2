/* SPDX-License-Identifier: Apache-2.0 */
/* The stateless cookie gate. A cookie is HMAC-SHA256 over both addresses and the parameters of the
 * ClientHello, under a secret that changes every minute; the one before stays valid as long. */
#include "gate_priv.h"
#include "tls_compat_priv.h"

#include <mbedtls/md.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECORD_HEADER = 13,
    HANDSHAKE_HEADER = 12,
    CONTENT_HANDSHAKE = 22,
    MESSAGE_CLIENT_HELLO = 1,
    MESSAGE_HELLO_VERIFY = 3,
    COOKIE_MAC = 16,
    COOKIE_SIZE = 1 + COOKIE_MAC, /* which secret, then the MAC */
};

struct gate {
    mbedtls_md_context_t mac[2]; /* keyed once, reset for each cookie */
    uint64_t changed;            /* when the newest secret was made */
    uint8_t newest;              /* index of it; also the cookie's first byte */
};

static bool new_secret(struct gate *gate, unsigned index)
{
    uint8_t secret[32];

    bytes_random(secret, sizeof secret);
    int result = mbedtls_md_hmac_starts(&gate->mac[index], secret, sizeof secret);
    bytes_wipe(secret, sizeof secret);
    return result == 0;
}

struct gate *gate_new(uint64_t now)
{
    struct gate *gate = calloc(1, sizeof *gate);
    const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);

    if (gate == NULL)
        return NULL;
    gate->changed = now;
    for (unsigned index = 0; index < 2; index++) {
        mbedtls_md_init(&gate->mac[index]);
        if (mbedtls_md_setup(&gate->mac[index], sha256, 1) != 0 || !new_secret(gate, index)) {
            gate_free(gate);
            return NULL;
        }
    }
    return gate;
}

void gate_free(struct gate *gate)
{
    if (gate == NULL)
        return;
    for (unsigned index = 0; index < 2; index++)
        mbedtls_md_free(&gate->mac[index]);
    free(gate);
}

static void rotate(struct gate *gate, uint64_t now)
{
    if (now - gate->changed < GATE_SECRET_LIFE_MS)
        return;
    /* After a long silence both secrets are old. */
    if (now - gate->changed >= 2 * (uint64_t)GATE_SECRET_LIFE_MS)
        new_secret(gate, gate->newest);
    gate->newest ^= 1;
    new_secret(gate, gate->newest);
    gate->changed = now;
}

bool gate_is_hello(struct bytes datagram)
{
    const uint8_t *data = datagram.data;

    return datagram.len > RECORD_HEADER && data[0] == CONTENT_HANDSHAKE && data[3] == 0 &&
           data[4] == 0 && data[RECORD_HEADER] == MESSAGE_CLIENT_HELLO;
}

/* The parts of a ClientHello that the cookie covers. */
struct hello_parts {
    const uint8_t *sequence;         /* 6 bytes of the record */
    const uint8_t *message_sequence; /* 2 bytes */
    struct bytes version_to_session; /* version, random, session id: they stand together */
    struct bytes cookie;
    struct bytes suites_to_compression;
    const uint8_t *random;
    size_t record_len;
};

static bool read_record(struct reader *reader, struct hello_parts *parts)
{
    uint8_t type = reader_u8(reader);
    uint16_t version = reader_u16(reader);
    uint16_t epoch = reader_u16(reader);

    parts->sequence = reader_take(reader, 6).data;
    uint16_t length = reader_u16(reader);
    if (reader->failed || type != CONTENT_HANDSHAKE || epoch != 0 || length > reader_left(reader))
        return false;
    if (version != 0xfeff && version != 0xfefd)
        return false;
    parts->record_len = (size_t)RECORD_HEADER + length;
    reader->end = reader->next + length;
    return true;
}

/* Refuses fragments: reassembly would be state before the cookie. */
static bool read_handshake_header(struct reader *reader, struct hello_parts *parts)
{
    uint8_t type = reader_u8(reader);
    uint32_t length = reader_u24(reader);

    parts->message_sequence = reader_take(reader, 2).data;
    uint32_t fragment_offset = reader_u24(reader);
    uint32_t fragment_length = reader_u24(reader);
    return !reader->failed && type == MESSAGE_CLIENT_HELLO && fragment_offset == 0 &&
           fragment_length == length && length == reader_left(reader);
}

static bool read_body(struct reader *reader, struct hello_parts *parts)
{
    const uint8_t *start = reader->next;

    reader_skip(reader, 2);
    parts->random = reader_take(reader, GATE_RANDOM_SIZE).data;
    uint8_t session_len = reader_u8(reader);
    reader_skip(reader, session_len);
    parts->version_to_session = bytes_of(start, (size_t)(reader->next - start));
    parts->cookie = reader_take(reader, reader_u8(reader));
    start = reader->next;
    uint16_t suites_len = reader_u16(reader);
    reader_skip(reader, suites_len);
    uint8_t compression_len = reader_u8(reader);
    reader_skip(reader, compression_len);
    parts->suites_to_compression = bytes_of(start, (size_t)(reader->next - start));
    return !reader->failed && session_len <= 32 && suites_len >= 2 && suites_len % 2 == 0 &&
           compression_len >= 1;
}

static bool make_cookie(struct gate *gate, unsigned index, const struct net_path *path,
                        const struct hello_parts *parts, uint8_t cookie[static COOKIE_SIZE])
{
    mbedtls_md_context_t *mac = &gate->mac[index];
    uint8_t full[32];

    if (mbedtls_md_hmac_reset(mac) != 0 ||
        mbedtls_md_hmac_update(mac, (const uint8_t *)path, sizeof *path) != 0 ||
        mbedtls_md_hmac_update(mac, parts->version_to_session.data,
                               parts->version_to_session.len) != 0 ||
        mbedtls_md_hmac_update(mac, parts->suites_to_compression.data,
                               parts->suites_to_compression.len) != 0 ||
        mbedtls_md_hmac_finish(mac, full) != 0)
        return false;
    cookie[0] = (uint8_t)index;
    memcpy(cookie + 1, full, COOKIE_MAC);
    return true;
}

static bool cookie_is_ours(struct gate *gate, const struct net_path *path,
                           const struct hello_parts *parts)
{
    uint8_t expected[COOKIE_SIZE];

    if (parts->cookie.len != COOKIE_SIZE || parts->cookie.data[0] > 1)
        return false;
    return make_cookie(gate, parts->cookie.data[0], path, parts, expected) &&
           bytes_equal_constant_time(parts->cookie, bytes_of(expected, sizeof expected));
}

/* HelloVerifyRequest, version DTLS 1.0 as RFC 6347 section 4.2.1 wants for compatibility. Record
 * and message sequence are the client's own, so that nothing has to be remembered. */
static bool write_challenge(struct gate *gate, const struct net_path *path,
                            const struct hello_parts *parts, struct buf *reply)
{
    uint8_t cookie[COOKIE_SIZE];
    enum { BODY = 2 + 1 + COOKIE_SIZE };

    if (!make_cookie(gate, gate->newest, path, parts, cookie))
        return false;
    buf_put_u8(reply, CONTENT_HANDSHAKE);
    buf_put_u16(reply, 0xfeff);
    buf_put_u16(reply, 0);
    buf_put(reply, parts->sequence, 6);
    buf_put_u16(reply, HANDSHAKE_HEADER + BODY);
    buf_put_u8(reply, MESSAGE_HELLO_VERIFY);
    buf_put_u24(reply, BODY);
    buf_put(reply, parts->message_sequence, 2);
    buf_put_u24(reply, 0);
    buf_put_u24(reply, BODY);
    buf_put_u16(reply, 0xfeff);
    buf_put_u8(reply, COOKIE_SIZE);
    buf_put(reply, cookie, sizeof cookie);
    return !reply->failed;
}

enum gate_verdict gate_check(struct gate *gate, const struct net_path *path, struct bytes datagram,
                             uint64_t now, struct gate_hello *hello, struct buf *reply)
{
    struct hello_parts parts = {0};
    struct reader reader;

    reader_init(&reader, datagram);
    if (!read_record(&reader, &parts) || !read_handshake_header(&reader, &parts) ||
        !read_body(&reader, &parts))
        return GATE_MALFORMED;
    rotate(gate, now);
    *hello = (struct gate_hello){
        .random = parts.random,
        .record_len = parts.record_len,
        .had_cookie = parts.cookie.len != 0,
    };
    if (cookie_is_ours(gate, path, &parts))
        return GATE_PASS;
    return write_challenge(gate, path, &parts, reply) ? GATE_CHALLENGE : GATE_MALFORMED;
}
