/* SPDX-License-Identifier: Apache-2.0 */
/* The stateless cookie gate. A cookie is a keyed hash (SipHash-2-4, as DNS cookies use it: RFC
 * 9018) of both addresses and the parameters of the ClientHello, under a secret that changes every
 * minute; the one before stays valid as long. */
#include "gate_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECORD_HEADER = 13,
    HANDSHAKE_HEADER = 12,
    CONTENT_HANDSHAKE = 22,
    MESSAGE_CLIENT_HELLO = 1,
    MESSAGE_HELLO_VERIFY = 3,
    SESSION_ID_MAX = 32,
    COOKIE_SIZE = 1 + 2 * sizeof(uint64_t), /* which secret, then the tag in two halves */
    KEY_SIZE = 16,
};

struct gate {
    uint8_t secrets[2][2][KEY_SIZE]; /* a key for each half of the tag */
    uint64_t changed;                /* when the newest secret was made */
    uint8_t newest;                  /* index of it; also the cookie's first byte */
};

static void new_secret(struct gate *gate, unsigned index)
{
    bytes_random(gate->secrets[index], sizeof gate->secrets[index]);
}

struct gate *gate_new(uint64_t now)
{
    struct gate *gate = calloc(1, sizeof *gate);

    if (gate == NULL)
        return NULL;
    gate->changed = now;
    new_secret(gate, 0);
    new_secret(gate, 1);
    return gate;
}

void gate_free(struct gate *gate)
{
    if (gate == NULL)
        return;
    bytes_wipe(gate, sizeof *gate);
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
    return !reader->failed && session_len <= SESSION_ID_MAX && suites_len >= 2 &&
           suites_len % 2 == 0 && compression_len >= 1;
}

/* What the cookie covers, in a fixed shape without padding. */
struct cookie_input {
    struct net_path path;
    uint8_t version_to_session[2 + GATE_RANDOM_SIZE + 1 + SESSION_ID_MAX + 5];
    uint64_t suites_to_compression; /* hash of it: it has any length */
};
static_assert(sizeof(struct cookie_input) == sizeof(struct net_path) + 72 + sizeof(uint64_t),
              "hashed as bytes");

static void make_cookie(const struct gate *gate, unsigned index, const struct net_path *path,
                        const struct hello_parts *parts, uint8_t cookie[static COOKIE_SIZE])
{
    const uint8_t(*keys)[KEY_SIZE] = gate->secrets[index];
    struct cookie_input input = {
        .path = *path,
        .suites_to_compression = bytes_hash(keys[0], parts->suites_to_compression),
    };

    memcpy(input.version_to_session, parts->version_to_session.data, parts->version_to_session.len);
    struct bytes covered = bytes_of(&input, sizeof input);
    uint64_t tag[2] = {bytes_hash(keys[0], covered), bytes_hash(keys[1], covered)};
    cookie[0] = (uint8_t)index;
    memcpy(cookie + 1, tag, sizeof tag);
}

static bool cookie_is_ours(const struct gate *gate, const struct net_path *path,
                           const struct hello_parts *parts)
{
    uint8_t expected[COOKIE_SIZE];

    if (parts->cookie.len != COOKIE_SIZE || parts->cookie.data[0] > 1)
        return false;
    make_cookie(gate, parts->cookie.data[0], path, parts, expected);
    return bytes_equal_constant_time(parts->cookie, bytes_of(expected, sizeof expected));
}

/* HelloVerifyRequest, version DTLS 1.0 as RFC 6347 section 4.2.1 wants for compatibility. Record
 * and message sequence are the client's own, so that nothing has to be remembered. */
static void write_challenge(const struct gate *gate, const struct net_path *path,
                            const struct hello_parts *parts, struct buf *reply)
{
    uint8_t cookie[COOKIE_SIZE];
    enum { BODY = 2 + 1 + COOKIE_SIZE };

    make_cookie(gate, gate->newest, path, parts, cookie);
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
    write_challenge(gate, path, &parts, reply);
    return reply->failed ? GATE_MALFORMED : GATE_CHALLENGE;
}
