/* Hostile datagrams: refused, counted by cause, their memory returned, and a device that holds a
 * session does not notice. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint_world.h"

#include <malloc.h>
#include <mbedtls/platform.h>

enum { ALLOCATOR_CACHE = 4096 }; /* small blocks that malloc keeps count as used */
enum { HEADER = 13, HANDSHAKE = 22, ALERT = 21, CCS = 20, DATA = 23, OVERSIZE = 2049 };

/* A world with a device that holds a session (index 0), and the path of an attacker (index 7). */
struct siege {
    struct world *world;
    struct device *bystander;
    struct association_ref ref;
    struct net_path attacker;
    struct endpoint_counters before;
    uint16_t next_id;
};

static struct datagram captured; /* the latest to the server */
static bool withhold;

static bool capture(struct world *world, struct datagram *datagram)
{
    if (datagram->to_server)
        captured = *datagram;
    return !(datagram->to_server && withhold);
}

static void ask_and_be_answered(struct siege *siege)
{
    unsigned requests = siege->world->requests;

    siege->next_id++;
    device_ask(siege->bystander, siege->next_id, 1);
    world_run(siege->world, 100);
    assert_int_equal(siege->world->requests, requests + 1);
    assert_int_equal(siege->bystander->error, 0);
}

static struct siege siege_begin(void)
{
    struct siege siege = {.world = world_new(NULL)};

    /* What the endpoint keeps for its next association would look as if it were still in use. */
#if defined(MBEDTLS_PLATFORM_MEMORY)
    mbedtls_platform_set_calloc_free(calloc, free);
#endif
    siege.world->pass = capture;
    withhold = false;
    siege.bystander = device_join(siege.world, 0);
    siege.ref = siege.world->ref;
    ask_and_be_answered(&siege);
    siege.attacker = siege.bystander->path;
    siege.attacker.remote.port = 40007;
    siege.before = counters_of(siege.world);
    return siege;
}

/* Nothing is left of the attack but counters. */
static void siege_end(struct siege *siege)
{
    struct association_info info;

    ask_and_be_answered(siege);
    assert_true(endpoint_info(siege->world->endpoint, siege->ref, &info));
    assert_int_equal(counters_of(siege->world).half_open, 0);
    assert_int_equal(counters_of(siege->world).open, 1);
    assert_int_equal(siege->world->closed, 0);
    world_free(siege->world);
}

static void receive(struct siege *siege, const struct net_path *path, const void *data, size_t len)
{
    uint8_t *exact = malloc(len > 0 ? len : 1);

    assert_non_null(exact);
    if (len > 0)
        memcpy(exact, data, len);
    endpoint_receive(siege->world->endpoint, path, bytes_of(exact, len), siege->world->now);
    free(exact);
}

/* A good record of the bystander that has not arrived yet. */
static struct datagram held_record(struct siege *siege)
{
    withhold = true;
    siege->next_id++;
    device_ask(siege->bystander, siege->next_id, 1);
    withhold = false;
    return captured;
}

/* ---- records for an open session ---- */

static void test_truncated(void **state)
{
    struct siege siege = siege_begin();
    struct datagram good = held_record(&siege);

    for (size_t len = 0; len < good.len; len++)
        receive(&siege, &siege.bystander->path, good.data, len);
    struct endpoint_counters now = counters_of(siege.world);
    assert_int_equal(now.dropped_size - siege.before.dropped_size, HEADER);
    assert_int_equal(now.dropped_record - siege.before.dropped_record, good.len - HEADER);
    assert_int_equal(siege.world->requests, 1);
    receive(&siege, &siege.bystander->path, good.data, good.len);
    assert_int_equal(siege.world->requests, 2);
    siege_end(&siege);
}

static void test_oversized(void **state)
{
    struct siege siege = siege_begin();
    uint8_t big[OVERSIZE] = {DATA, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 99};

    receive(&siege, &siege.bystander->path, big, sizeof big);
    assert_int_equal(counters_of(siege.world).dropped_size - siege.before.dropped_size, 1);
    for (unsigned len = 0; len <= UINT16_MAX; len += 255) { /* what its length field says */
        big[11] = (uint8_t)(len >> 8);
        big[12] = (uint8_t)len;
        receive(&siege, &siege.bystander->path, big, sizeof big - 1);
    }
    assert_int_equal(counters_of(siege.world).dropped_record - siege.before.dropped_record, 258);
    siege_end(&siege);
}

static void test_replayed(void **state)
{
    struct siege siege = siege_begin();

    ask_and_be_answered(&siege);
    struct datagram seen = captured;
    for (unsigned i = 0; i < 100; i++)
        receive(&siege, &siege.bystander->path, seen.data, seen.len);
    assert_int_equal(siege.world->requests, 2);
    assert_int_equal(counters_of(siege.world).coap_duplicates, 0); /* DTLS stopped it before */
    assert_int_equal(counters_of(siege.world).dropped_record - siege.before.dropped_record, 100);
    siege_end(&siege);
}

static void test_every_bit_flipped(void **state)
{
    struct siege siege = siege_begin();
    struct datagram good = held_record(&siege);

    for (size_t bit = 0; bit < 8 * good.len; bit++) {
        struct datagram bad = good;
        bad.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        receive(&siege, &siege.bystander->path, bad.data, bad.len);
    }
    struct endpoint_counters now = counters_of(siege.world);
    assert_int_equal(siege.world->requests, 1);
    /* One flip makes another content type of it, which is no ClientHello; all are dropped. */
    assert_int_equal(now.dropped_record + now.dropped_unknown + now.dropped_cid +
                         now.hello_malformed - siege.before.dropped_record -
                         siege.before.dropped_unknown,
                     8 * good.len);
    receive(&siege, &siege.bystander->path, good.data, good.len);
    assert_int_equal(siege.world->requests, 2);
    siege_end(&siege);
}

static void test_epoch_games_and_empty_records(void **state)
{
    struct siege siege = siege_begin();
    static const uint8_t types[] = {CCS, ALERT, HANDSHAKE, DATA, 24, 26, 0, 255};
    static const uint16_t epochs[] = {0, 1, 2, 3, 256, UINT16_MAX};
    static const uint8_t bodies[][12] = {{2, 40}, {1, 0}, {1}, {16}, {20}, {0}};
    unsigned sent = 0;

    for (size_t t = 0; t < sizeof types; t++)
        for (size_t e = 0; e < sizeof epochs / sizeof epochs[0]; e++)
            for (size_t b = 0; b < sizeof bodies / sizeof bodies[0]; b++)
                for (uint8_t len = 0; len <= 12; len += b == 0 && len < 2 ? 2 : 12) {
                    uint8_t record[HEADER + 12] = {types[t], 0xfe, 0xfd, (uint8_t)(epochs[e] >> 8),
                                                   (uint8_t)epochs[e]};
                    record[10] = 200; /* sequence number: ahead of the device's */
                    record[12] = len;
                    memcpy(record + HEADER, bodies[b], len);
                    if (types[t] == HANDSHAKE && epochs[e] == 0 && bodies[b][0] == 1 && len > 0)
                        continue; /* a ClientHello: see below */
                    receive(&siege, &siege.bystander->path, record, (size_t)HEADER + len);
                    sent++;
                }
    struct endpoint_counters now = counters_of(siege.world);
    assert_int_equal(now.dropped_record - siege.before.dropped_record, sent);
    siege_end(&siege);
}

/* The same, from where nobody has an association: nothing is made for it. */
static void test_strangers(void **state)
{
    struct siege siege = siege_begin();
    struct datagram good = held_record(&siege);
    unsigned sent = siege.world->sent[0];

    for (size_t len = HEADER; len <= good.len; len++)
        receive(&siege, &siege.attacker, good.data, len);
    assert_int_equal(counters_of(siege.world).dropped_unknown - siege.before.dropped_unknown,
                     good.len - HEADER + 1);
    assert_int_equal(siege.world->sent[0], sent);
    assert_int_equal(siege.world->requests, 1);
    siege_end(&siege);
}

/* ---- ClientHellos ---- */

struct hello {
    uint16_t version;
    struct bytes cookie;
    uint16_t suite;
    uint32_t length, offset, fragment; /* as the handshake header says; 0 = as it is */
};

static size_t build_hello(const struct hello *hello, uint8_t *out, size_t cap)
{
    struct buf body, record;
    uint8_t memory[512];

    buf_init_fixed(&body, memory, sizeof memory);
    buf_put_u16(&body, hello->version);
    for (unsigned i = 0; i < 32; i++)
        buf_put_u8(&body, (uint8_t)i);
    buf_put_u8(&body, 0);
    buf_put_u8(&body, (uint8_t)hello->cookie.len);
    buf_put_bytes(&body, hello->cookie);
    buf_put_u16(&body, 2);
    buf_put_u16(&body, hello->suite);
    buf_put_u16(&body, 0x0100);
    assert_false(body.failed);
    buf_init_fixed(&record, out, cap);
    buf_put_u8(&record, HANDSHAKE);
    buf_put_u16(&record, 0xfefd);
    buf_put(&record, "\0\0\0\0\0\0\0\1", 8);
    buf_put_u16(&record, (uint16_t)(12 + body.len));
    buf_put_u8(&record, 1);
    buf_put_u24(&record, hello->length != 0 ? hello->length : (uint32_t)body.len);
    buf_put_u16(&record, hello->cookie.len != 0);
    buf_put_u24(&record, hello->offset);
    buf_put_u24(&record, hello->fragment != 0 ? hello->fragment : (uint32_t)body.len);
    buf_put_bytes(&record, buf_bytes(&body));
    assert_false(record.failed);
    return record.len;
}

static void send_hello(struct siege *siege, const struct hello *hello)
{
    uint8_t data[600];
    size_t len = build_hello(hello, data, sizeof data);

    receive(siege, &siege->attacker, data, len);
}

/* Fetches a cookie and comes again with it: a handshake begins. */
static void pass_gate(struct siege *siege, struct hello hello)
{
    struct datagram *answer = NULL;

    send_hello(siege, &hello);
    for (unsigned i = 0; i < WIRE_MAX; i++)
        if (siege->world->wire[i].used && !siege->world->wire[i].to_server)
            answer = &siege->world->wire[i];
    assert_non_null(answer);
    struct datagram challenge = *answer;
    answer->used = false;
    assert_int_equal(challenge.data[HEADER], 3);
    hello.cookie = bytes_of(challenge.data + HEADER + 12 + 3, challenge.data[HEADER + 12 + 2]);
    send_hello(siege, &hello);
}

static void test_split_hello(void **state)
{
    struct siege siege = siege_begin();
    unsigned sent = siege.world->sent[0];
    struct hello first = {.version = 0xfefd, .suite = 0xc0a8, .length = 200};
    struct hello second = {.version = 0xfefd, .suite = 0xc0a8, .length = 200, .offset = 100};
    struct hello longer = {.version = 0xfefd, .suite = 0xc0a8, .length = 200, .fragment = 200};

    send_hello(&siege, &first);
    send_hello(&siege, &second);
    send_hello(&siege, &longer);
    assert_int_equal(counters_of(siege.world).hello_malformed, 3);
    assert_int_equal(siege.world->sent[0], sent);
    siege_end(&siege);
}

static void test_huge_cookie(void **state)
{
    struct siege siege = siege_begin();
    uint8_t cookie[255] = {0};
    struct hello hello = {.version = 0xfefd, .suite = 0xc0a8, .cookie = bytes_of(cookie, 255)};

    for (cookie[0] = 0; cookie[0] < 4; cookie[0]++)
        send_hello(&siege, &hello);
    assert_int_equal(counters_of(siege.world).hello_bad_cookie, 4);
    assert_int_equal(counters_of(siege.world).half_open, 0);
    siege_end(&siege);
}

static void test_no_common_suite(void **state)
{
    struct siege siege = siege_begin();

    pass_gate(&siege, (struct hello){.version = 0xfefd, .suite = 0x1301});
    assert_int_equal(siege.world->rejected, 1);
    assert_int_equal(siege.world->cause, CAUSE_NO_CIPHERSUITE);
    assert_int_equal(counters_of(siege.world).handshakes_failed, 1);
    siege_end(&siege);
}

static void test_no_common_version(void **state)
{
    struct siege siege = siege_begin();

    pass_gate(&siege, (struct hello){.version = 0xfeff, .suite = 0xc0a8}); /* DTLS 1.0 */
    assert_int_equal(siege.world->rejected, 1);
    assert_int_equal(siege.world->cause, CAUSE_HANDSHAKE_FAILED);
    assert_int_equal(counters_of(siege.world).handshakes_failed, 1);
    siege_end(&siege);
}

/* Fragments of messages that never become whole, of all sizes, far ahead and overlapping: what is
 * kept for them stays small, and goes with the handshake. */
static void test_fragment_bomb(void **state)
{
    struct siege siege = siege_begin();
    size_t before = mallinfo2().uordblks, most = 0;

    pass_gate(&siege, (struct hello){.version = 0xfefd, .suite = 0xc0a8});
    assert_int_equal(counters_of(siege.world).half_open, 1);
    for (unsigned i = 0; i < 20000; i++) {
        static const uint32_t lengths[] = {40, 600, 4000, 16000, 0xffffff};
        uint32_t length = lengths[i % 5], offset = i * 7919 % length, piece = 1 + i % 512;
        uint8_t data[HEADER + 12 + 512];
        struct buf record;
        buf_init_fixed(&record, data, sizeof data);
        buf_put_u8(&record, HANDSHAKE);
        buf_put_u16(&record, 0xfefd);
        buf_put_u16(&record, 0);
        buf_put_u16(&record, 0);
        buf_put_u32(&record, 10 + i);
        buf_put_u16(&record, (uint16_t)(12 + piece));
        buf_put_u8(&record, i % 3 == 0 ? 16 : 11);
        buf_put_u24(&record, length);
        buf_put_u16(&record, (uint16_t)(2 + i % 9));
        buf_put_u24(&record, offset);
        buf_put_u24(&record, piece);
        static const uint8_t filler[512];
        buf_put(&record, filler, piece);
        assert_false(record.failed);
        receive(&siege, &siege.attacker, data, record.len);
        for (unsigned w = 0; w < WIRE_MAX; w++) /* it answers nobody */
            siege.world->wire[w].used = false;
        size_t used = mallinfo2().uordblks - before;
        most = used > most ? used : most;
    }
    /* Debian's 2.28 has larger buffers. */
    assert_in_range(most, 0, (MBEDTLS_VERSION_NUMBER < 0x03000000 ? 96 : 48) << 10);
    world_run(siege.world, 200000); /* the handshake, if it still is one, runs into its timeout */
    assert_true(counters_of(siege.world).handshakes_failed == 1);
    assert_in_range(mallinfo2().uordblks, 0, before + ALLOCATOR_CACHE);
    siege.bystander = device_join(siege.world, 0); /* its session ran into idleness meanwhile */
    siege.ref = siege.world->ref;
    siege.world->closed = 0;
    siege_end(&siege);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_oversized),
        cmocka_unit_test(test_replayed),
        cmocka_unit_test(test_every_bit_flipped),
        cmocka_unit_test(test_epoch_games_and_empty_records),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_split_hello),
        cmocka_unit_test(test_huge_cookie),
        cmocka_unit_test(test_no_common_suite),
        cmocka_unit_test(test_no_common_version),
        cmocka_unit_test(test_fragment_bomb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
