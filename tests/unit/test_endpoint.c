/* Handshakes: the gate, key resolution, candidates, caps; records that are not what they seem. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint_world.h"

#include <malloc.h>
#include <mbedtls/platform.h>

/* ---- a whole session ---- */

static void answer_with(struct world *world, struct device *device, uint8_t code)
{
    struct coap_message request;
    unsigned answers = world->answers;

    world_run(world, 100);
    assert_true(device_take(device, &request));
    struct coap_message answer = answer_to(&request, code);
    device_send(device, &answer);
    world_run(world, 100);
    assert_int_equal(world->answers, answers + 1);
    assert_int_equal(world->answer.code, code);
    assert_int_equal(world->answer.attempts, 1);
}

static void session(const struct endpoint_listener *listener, const int *suites)
{
    struct endpoint_config config = world_config(listener);
    struct world *world = world_new(&config);
    struct device *device = device_start(world, 0, "lamp", test_key, suites, 1000);
    struct coap_message message;

    world_run(world, 500);
    assert_int_equal(world->established, 1);
    assert_true(bytes_equal(identity_bytes(&world->info.identity), bytes_of_text("lamp")));
    assert_int_equal(world->info.round_trip_ms, 20);
    device_ask(device, 7, 9);
    world_run(world, 100);
    assert_int_equal(world->requests, 1);
    assert_int_equal(world->responded, 1);
    assert_true(device_take(device, &message));
    assert_int_equal(message.type, COAP_ACK);
    assert_int_equal(message.code, COAP_CHANGED);
    assert_int_equal(message.id, 7);
    assert_int_equal(message.token[0], 9);
    static const uint8_t methods[] = {COAP_METHOD_GET, COAP_METHOD_DELETE, COAP_METHOD_PUT};
    static const uint8_t codes[] = {COAP_CONTENT, COAP_DELETED, COAP_CHANGED};
    for (unsigned i = 0; i < 3; i++) {
        struct endpoint_request request = request_for(methods[i]);
        assert_true(endpoint_request(world->endpoint, world->ref, &request));
        assert_false(endpoint_request(world->endpoint, world->ref, &request)); /* NSTART 1 */
        answer_with(world, device, codes[i]);
    }
    endpoint_close(world->endpoint, world->ref, false);
    world_run(world, 100);
    assert_int_equal(device->error, MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
    assert_int_equal(world->closed, 0);
    assert_int_equal(counters_of(world).open, 0);
    assert_int_equal(endpoint_next(world->endpoint), UINT64_MAX);
    world_free(world);
}

static const int gcm_only[] = {MBEDTLS_TLS_PSK_WITH_AES_128_GCM_SHA256, 0};
static const int cbc_only[] = {MBEDTLS_TLS_PSK_WITH_AES_128_CBC_SHA256, 0};

static void test_session_of_each_suite(void **state)
{
    struct endpoint_listener all = usual_listener;

    all.gcm = all.cbc = true;
    session(&usual_listener, NULL);
    session(&all, NULL);
    session(&all, gcm_only);
    session(&all, cbc_only);
}

static void test_suite_not_enabled(void **state)
{
    const int *suites[] = {gcm_only, cbc_only};

    for (unsigned i = 0; i < 2; i++) {
        struct world *world = world_new(NULL);
        struct device *device = device_start(world, 0, "lamp", test_key, suites[i], 1000);
        world_run(world, 500);
        assert_int_equal(world->rejected, 1);
        assert_int_equal(world->cause, CAUSE_NO_CIPHERSUITE);
        assert_int_equal(device->alert, MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE);
        assert_int_equal(counters_of(world).half_open, 0);
        world_free(world);
    }
}

/* ---- key resolution (D6) ---- */

static void test_resolved_later(void **state)
{
    struct world *world = world_new(NULL);
    world->resolve_mode = RESOLVE_LATER;
    struct device *device = device_start(world, 0, "lamp", test_key, NULL, 1000);

    world_run(world, 5000); /* the device repeats its flight meanwhile */
    assert_int_equal(world->resolves, 1);
    assert_int_equal(world->established, 0);
    assert_true(world->sent[1] > 4);
    give_key(world, world->ref, bytes_of_text("lamb")); /* somebody else's */
    assert_int_equal(world->established, 0);
    give_key(world, world->ref, bytes_of_text("lamp"));
    assert_int_equal(world->established, 1);
    assert_int_equal(world->info.round_trip_ms, 20);
    give_key(world, world->ref, bytes_of_text("lamp")); /* twice does nothing */
    world_run(world, 100);
    assert_true(device->open);
    world_free(world);
}

static void test_never_resolved(void **state)
{
    struct world *world = world_new(NULL);
    world->resolve_mode = RESOLVE_LATER;
    struct device *device = device_start(world, 0, "lamp", test_key, NULL, 1000);

    world_run(world, 500);
    device->unplugged = true;
    unsigned sent = world->sent[0];
    world_run(world, 31000);
    assert_int_equal(counters_of(world).half_open, 0);
    assert_int_equal(world->sent[0], sent);
    assert_int_equal(world->rejected, 0);
    world_free(world);
}

static void test_resolve_failed_is_silent(void **state)
{
    struct world *world = world_new(NULL);
    world->resolve_mode = RESOLVE_FAILS;
    struct device *device = device_start(world, 0, "lamp", test_key, NULL, 1000);

    world_run(world, 500);
    assert_int_equal(world->resolves, 1);
    assert_int_equal(device->error, 0);
    assert_int_equal(world->rejected, 0);
    assert_int_equal(counters_of(world).half_open, 0);
    assert_int_equal(counters_of(world).handshakes_failed, 1);
    world_free(world);
}

struct failure {
    size_t trace[TRACE_MAX];
    unsigned count;
};

static struct failure fail_with(const char *identity, const char *key, enum resolve_mode mode,
                                enum cause cause)
{
    struct world *world = world_new(NULL);
    world->resolve_mode = mode;
    struct device *device = device_start(world, 0, identity, key, NULL, 1000);
    struct failure failure = {0};

    world_run(world, 500);
    assert_int_equal(device->alert, MBEDTLS_SSL_ALERT_MSG_BAD_RECORD_MAC);
    assert_int_equal(world->rejected, 1);
    assert_int_equal(world->cause, cause);
    assert_string_equal(world->rejected_identity, identity);
    assert_int_equal(counters_of(world).half_open, 0);
    memcpy(failure.trace, world->trace, sizeof failure.trace);
    failure.count = world->trace_count;
    world_free(world);
    return failure;
}

static void test_no_oracle(void **state)
{
    struct failure wrong = fail_with("lamp", "not the key", RESOLVE_AT_ONCE, CAUSE_BAD_KEY);
    struct failure unknown = fail_with("lamb", test_key, RESOLVE_AT_ONCE, CAUSE_UNKNOWN_IDENTITY);
    struct failure blocked = fail_with("lamp", test_key, RESOLVE_BLOCKED, CAUSE_BLOCKED);

    assert_int_equal(wrong.count, unknown.count);
    assert_int_equal(wrong.count, blocked.count);
    assert_memory_equal(wrong.trace, unknown.trace, sizeof wrong.trace);
    assert_memory_equal(wrong.trace, blocked.trace, sizeof wrong.trace);
}

/* Where the listener keeps silent, a key that is wrong looks like a server that is not there. */
static void fail_unheard(const char *identity, const char *key, enum resolve_mode mode,
                         enum cause cause)
{
    struct endpoint_listener listener = usual_listener;
    listener.silent = true;
    struct endpoint_config config = world_config(&listener);
    struct world *world = world_new(&config);
    world->resolve_mode = mode;
    struct device *device = device_start(world, 0, identity, key, NULL, 1000);

    world_run(world, 500);
    assert_int_equal(device->alert, 0);
    assert_int_equal(device->error, 0);
    assert_int_equal(world->rejected, 1);
    assert_int_equal(world->cause, cause);
    assert_int_equal(counters_of(world).half_open, 0);
    size_t bytes = (size_t)counters_of(world).bytes_sent;
    world_run(world, 20000); /* it repeats itself, and nobody answers */
    assert_int_equal(counters_of(world).bytes_sent, bytes);
    world_free(world);
}

static void test_wrong_keys_in_silence(void **state)
{
    fail_unheard("lamp", "not the key", RESOLVE_AT_ONCE, CAUSE_BAD_KEY);
    fail_unheard("lamb", test_key, RESOLVE_AT_ONCE, CAUSE_UNKNOWN_IDENTITY);
    fail_unheard("lamp", test_key, RESOLVE_BLOCKED, CAUSE_BLOCKED);
    /* Other alerts are told: who shares no suite would never find out. */
    struct endpoint_listener listener = usual_listener;
    listener.silent = true;
    struct endpoint_config config = world_config(&listener);
    struct world *world = world_new(&config);
    struct device *device = device_join(world, 0);
    assert_int_equal(device->alert, 0);
    assert_int_equal(world->established, 1);
    world_free(world);
}

/* ---- a device that vanishes ---- */

static bool stop_after_key_exchange(struct world *world, struct datagram *datagram)
{
    /* CCS and Finished never come. */
    return !datagram->to_server || datagram->data[0] != 20;
}

static void vanish(bool (*pass)(struct world *world, struct datagram *datagram), uint64_t after)
{
    struct world *world = world_new(NULL);
    world->pass = pass;
    struct device *device = device_start(world, 0, "lamp", test_key, NULL, 1000);

    world_run(world, after);
    device->unplugged = true;
    assert_int_equal(counters_of(world).half_open, 1);
    world_run(world, 200000);
    assert_int_equal(counters_of(world).half_open, 0);
    assert_int_equal(world->rejected, 1);
    assert_int_equal(world->cause, CAUSE_HANDSHAKE_TIMEOUT);
    world_free(world);
}

static bool only_key_exchange(struct world *world, struct datagram *datagram)
{
    /* Cuts the flight's datagram behind its first record. */
    if (datagram->to_server && datagram->len > 13 && datagram->data[13] == 16)
        datagram->len = 13 + (size_t)(datagram->data[11] << 8 | datagram->data[12]);
    return stop_after_key_exchange(world, datagram);
}

static void test_vanishes_in_handshake(void **state)
{
    vanish(NULL, 35);              /* server's flight is out */
    vanish(only_key_exchange, 60); /* the key is resolved, Finished never comes */
}

/* ---- trap 3: the same port, a new handshake ---- */

static void test_reboot_in_session(void **state)
{
    struct world *world = world_new(NULL);
    device_join(world, 0);
    struct association_ref old = world->ref;
    static int mark;
    endpoint_set_user(world->endpoint, old, &mark);

    struct device *device = device_start(world, 0, "lamp", test_key, NULL, 1000);
    world_run(world, 45); /* half done: the old one is still there */
    assert_int_equal(counters_of(world).half_open, 1);
    assert_int_equal(world->closed, 0);
    assert_ptr_equal(endpoint_user(world->endpoint, old), &mark);
    world_run(world, 500);
    assert_int_equal(world->closed, 1);
    assert_int_equal(world->cause, CAUSE_SUPERSEDED);
    assert_int_equal(world->established, 2);
    assert_null(endpoint_user(world->endpoint, old));
    assert_int_equal(counters_of(world).open, 1);
    assert_int_equal(counters_of(world).half_open, 0);
    device_ask(device, 7, 9);
    world_run(world, 100);
    assert_int_equal(world->requests, 1);
    /* The same message id and token after one more reboot are a new request. */
    device = device_join(world, 0);
    device_ask(device, 7, 9);
    world_run(world, 100);
    assert_int_equal(world->requests, 2);
    world_free(world);
}

static void test_reboot_in_handshake(void **state)
{
    for (uint64_t after = 5; after < 80; after += 5) {
        struct world *world = world_new(NULL);
        device_start(world, 0, "lamp", test_key, NULL, 1000);
        world_run(world, after);
        struct device *device = device_start(world, 0, "lamp", test_key, NULL, 1000);
        world_run(world, 5000);
        assert_true(device->open);
        assert_int_equal(counters_of(world).open, 1);
        assert_int_equal(counters_of(world).half_open, 0);
        world_free(world);
    }
}

/* Answers go to the port, which is the first device's: hands them to another for a while. */
static void steer_answers(struct world *world, unsigned device, uint64_t duration)
{
    for (uint64_t end = world->now + duration; world->now < end; world_run(world, 1))
        for (unsigned i = 0; i < WIRE_MAX; i++)
            if (world->wire[i].used && !world->wire[i].to_server)
                world->wire[i].device = device;
}

/* Half done: the answers to the hello that carries the cookie are lost. */
static bool lose_server_hello(struct world *world, struct datagram *datagram)
{
    return datagram->to_server || datagram->data[13] != 2;
}

static void test_half_done_candidate_disturbs_nothing(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);
    struct device *other = device_start(world, 1, "lamp", test_key, NULL, 1000);

    other->path = device->path; /* it sends from there, and all answers are lost but the cookie */
    world->pass = lose_server_hello;
    endpoint_set_user(world->endpoint, world->ref, world);
    steer_answers(world, 1, 35);
    assert_int_equal(counters_of(world).half_open, 1);
    world->pass = NULL;
    other->unplugged = true;
    device_ask(device, 1, 1);
    world_run(world, 100);
    assert_int_equal(world->requests, 1);
    assert_int_equal(world->closed, 0);
    world_run(world, 130000); /* the candidate times out, and only it */
    assert_int_equal(counters_of(world).half_open, 0);
    assert_int_equal(world->rejected, 1);
    world_free(world);
}

static void test_forged_hello_disturbs_nothing(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);
    struct device *forger = device_start(world, 1, "lamp", "another", NULL, 1000);

    forger->unplugged = true; /* cannot see the answers */
    forger->path = device->path;
    world_run(world, 100);
    assert_int_equal(counters_of(world).half_open, 0);
    device_ask(device, 1, 1);
    world_run(world, 100);
    assert_int_equal(world->requests, 1);
    world_free(world);
}

/* A ClientHello behind another record must not reach an open context: libraries with port reuse
 * would start over. */
static void test_hello_behind_another_record(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);
    uint8_t datagram[300] = {20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 1};
    static const uint8_t hello_start[] = {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0,    54,  1,
                                          0,  0,    42,   0, 0, 0, 0, 0, 0, 0, 42, 0xfe, 0xfd};
    static const uint8_t hello_end[] = {0, 0, 0, 2, 0xc0, 0xa8, 1, 0};

    memcpy(datagram + 14, hello_start, sizeof hello_start);
    memcpy(datagram + 14 + sizeof hello_start + 32, hello_end, sizeof hello_end);
    size_t len = 14 + sizeof hello_start + 32 + sizeof hello_end;
    unsigned sent = world->sent[0];
    endpoint_receive(world->endpoint, &device->path, bytes_of(datagram, len), world->now);
    assert_int_equal(world->closed, 0);
    assert_int_equal(world->sent[0], sent);
    device_ask(device, 1, 1);
    world_run(world, 100);
    assert_int_equal(world->requests, 1);
    assert_true(device->open && device->error == 0);
    world_free(world);
}

/* ---- bad networks ---- */

static uint64_t dice;

static bool lose_some(struct world *world, struct datagram *datagram)
{
    dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
    unsigned roll = (unsigned)(dice >> 33) % 100;

    if (roll < 10)
        datagram->due += 40; /* overtaken by others */
    return roll < 80;
}

static void test_bad_network(void **state)
{
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct world *world = world_new(NULL);
        dice = seed;
        world->pass = lose_some;
        world->duplicate = 1;
        struct device *device = device_start(world, 0, "lamp", test_key, NULL, 1000);
        world_run(world, 120000);
        assert_true(device->open);
        assert_int_equal(world->established + 0u, counters_of(world).handshakes_done);
        world_free(world);
    }
}

static bool flip_bits(struct world *world, struct datagram *datagram)
{
    dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
    if (datagram->to_server)
        datagram->data[13 + (dice >> 40) % (datagram->len - 13)] ^= (uint8_t)(1 << (dice >> 61));
    return true;
}

static void test_damaged_records_are_dropped(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);

    world->pass = flip_bits;
    for (uint16_t id = 0; id < 50; id++) {
        device_ask(device, id, 1);
        world_run(world, 30);
    }
    assert_int_equal(world->requests, 0);
    assert_int_equal(world->closed, 0);
    world->pass = NULL;
    world->duplicate = 2; /* replayed records */
    device_ask(device, 100, 1);
    world_run(world, 100);
    assert_int_equal(world->requests, 1);
    assert_int_equal(counters_of(world).coap_duplicates, 0);
    world_free(world);
}

static bool cut_short(struct world *world, struct datagram *datagram)
{
    if (datagram->to_server)
        datagram->len = dice % datagram->len;
    return datagram->len > 0;
}

static void test_truncated_records(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);

    world->pass = cut_short;
    for (dice = 1; dice < 60; dice++) {
        device_ask(device, 1, 1);
        world_run(world, 30);
    }
    assert_int_equal(world->requests, 0);
    assert_int_equal(world->closed, 0);
    world_free(world);
}

/* ---- caps ---- */

static void test_half_open_cap(void **state)
{
    struct endpoint_config config = world_config(&usual_listener);
    config.half_open_max = 3;
    struct world *world = world_new(&config);
    world->resolve_mode = RESOLVE_LATER;

    for (unsigned i = 0; i < 5; i++) {
        device_start(world, i, "lamp", test_key, NULL, 60000);
        world_run(world, 100);
    }
    assert_int_equal(counters_of(world).half_open, 3);
    assert_int_equal(counters_of(world).evicted_half_open, 2);
    give_key(world, world->ref, bytes_of_text("lamp")); /* the newest is not the one that went */
    assert_int_equal(world->established, 1);
    world_free(world);
}

static void test_sessions_cap(void **state)
{
    struct endpoint_config config = world_config(&usual_listener);
    config.sessions_max = 2;
    struct world *world = world_new(&config);

    struct device *busy = device_join(world, 0);
    device_ask(busy, 1, 1);
    world_run(world, 100);
    device_join(world, 1); /* has not asked */
    struct device *third = device_join(world, 2);
    assert_int_equal(world->closed, 1);
    assert_int_equal(world->cause, CAUSE_LIMIT);
    assert_int_equal(counters_of(world).evicted_idle, 1);
    device_ask(third, 1, 1);
    world_run(world, 100);
    struct device *fourth = device_start(world, 3, "lamp", test_key, NULL, 1000);
    world_run(world, 500);
    assert_false(fourth->open);
    assert_true(counters_of(world).dropped_limit > 0);
    assert_int_equal(world->closed, 1);
    endpoint_close(world->endpoint, world->ref, false);
    world_run(world, 5000); /* the newcomer waits, and gets the place */
    assert_true(fourth->open);
    world_free(world);
}

/* With Debian's 2.28 the buffers have one size only. */
#if defined(MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH) && !defined(__SANITIZE_ADDRESS__) &&               \
    !defined(__SANITIZE_THREAD__)
#define HEAP_IS_TELLING 1

static uint8_t largest_payload[1024];

static size_t heap_of_a_session(bool talk)
{
    enum { SESSIONS = 6 };
    struct world *world = world_new(NULL);
    struct coap_message large = {.type = COAP_CON,
                                 .code = COAP_METHOD_POST,
                                 .id = 9,
                                 .payload = bytes_of(largest_payload, sizeof largest_payload)};

    /* Not from the blocks that the endpoint keeps: those of forgotten devices would go to sessions.
     */
    mbedtls_platform_set_calloc_free(calloc, free);
    device_join(world, DEVICES_MAX - 1); /* what is made once does not count */
    device_forget(&world->devices[DEVICES_MAX - 1]);
    size_t before = mallinfo2().uordblks;
    for (unsigned i = 0; i < SESSIONS; i++) {
        struct device *device = device_join(world, i);
        if (talk) {
            device_ask(device, 1, 1);
            world_run(world, 100);
            device_send(device, &large);
            world_run(world, 100);
        }
        device_forget(device);
    }
    assert_int_equal(world->requests, talk ? 2 * SESSIONS : 0);
    assert_int_equal(counters_of(world).open, SESSIONS + 1);
    size_t heap = (mallinfo2().uordblks - before) / SESSIONS;
    world_free(world);
    return heap;
}
#endif

/* An open session keeps no handshake and no buffers for certificates once the device has sent
 * something, and still takes the largest message. */
static void test_memory_of_a_session(void **state)
{
#if defined(HEAP_IS_TELLING)
    assert_in_range(heap_of_a_session(false), 1024, 14 * 1024);
    assert_in_range(heap_of_a_session(true), 1024, 9 * 1024);
#else
    skip();
#endif
}

/* A device that asks for something else has not asked for a bootstrap: with a key of one's own, all
 * places could be taken so and kept by pings. */
static void test_a_refused_request_keeps_no_place(void **state)
{
    struct endpoint_config config = world_config(&usual_listener);
    config.sessions_max = 1;
    struct world *world = world_new(&config);

    struct device *other = device_join(world, 0);
    for (uint16_t id = 1; id <= 5; id++) { /* more than are remembered */
        world->refuse_next = true;
        device_ask(other, id, (uint8_t)id);
        world_run(world, 100);
    }
    assert_int_equal(world->requests, 5);
    struct device *lamp = device_join(world, 1);
    assert_true(lamp->open);
    assert_int_equal(counters_of(world).evicted_idle, 1);
    assert_int_equal(counters_of(world).dropped_limit, 0);
    world_free(world);
}

/* Handshakes that hang must not shut out newcomers while there is room for finished ones only. */
static void test_hanging_handshakes_go_before_newcomers_wait(void **state)
{
    struct endpoint_config config = world_config(&usual_listener);
    config.sessions_max = 3;
    struct world *world = world_new(&config);

    struct device *busy = device_join(world, 0);
    device_ask(busy, 1, 1);
    world_run(world, 100);
    for (unsigned i = 1; i < 3; i++) {
        device_start(world, i, "lamp", test_key, NULL, 60000);
        world_run(world, 35); /* past the cookie, then never heard of again */
        world->devices[i].unplugged = true;
    }
    assert_int_equal(counters_of(world).half_open, 2);
    struct device *idle = device_join(world, 3); /* the older of the two goes */
    assert_int_equal(counters_of(world).evicted_half_open, 1);
    device_join(world, 4); /* so does the other one: it is older than the idle association */
    assert_int_equal(counters_of(world).evicted_half_open, 2);
    assert_int_equal(counters_of(world).evicted_idle, 0);
    assert_int_equal(world->closed, 0);
    device_join(world, 5);
    assert_int_equal(counters_of(world).evicted_idle, 1);
    assert_int_equal(counters_of(world).dropped_limit, 0);
    assert_true(busy->open && idle->open);
    world_free(world);
}

static void test_idle_timeout(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);

    world_run(world, 50000);
    device_ask(device, 1, 1);
    world_run(world, 59000);
    assert_int_equal(world->closed, 0);
    world_run(world, 2000);
    assert_int_equal(world->closed, 1);
    assert_int_equal(world->cause, CAUSE_TIMEOUT);
    assert_int_equal(device->error, MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
    assert_int_equal(counters_of(world).open, 0);
    world_free(world);
}

/* A request under way is not idleness. */
static void test_exchange_keeps_association(void **state)
{
    struct endpoint_config config = world_config(&usual_listener);
    config.idle_ms = 5000;
    struct world *world = world_new(&config);
    struct device *device = device_join(world, 0);
    struct endpoint_request request = request_for(COAP_METHOD_DELETE);

    assert_true(endpoint_request(world->endpoint, world->ref, &request));
    world_run(world, 30000);
    assert_int_equal(world->closed, 0);
    struct coap_message sent;
    assert_true(device_take(device, &sent));
    struct coap_message answer = answer_to(&sent, COAP_DELETED);
    device_send(device, &answer);
    world_run(world, 100);
    assert_int_equal(world->answer.code, COAP_DELETED);
    assert_int_equal(world->answer.attempts, 4); /* at 0, 2..3, 6..9, 14..21 s */
    world_run(world, 6000);                      /* now it is idle */
    assert_int_equal(world->closed, 1);
    world_free(world);
}

static void test_device_closes(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);

    mbedtls_ssl_close_notify(&device->ssl);
    world_run(world, 100);
    assert_int_equal(world->closed, 1);
    assert_int_equal(world->cause, CAUSE_CLOSED);
    mbedtls_ssl_send_alert_message(&device_join(world, 1)->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                   MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR);
    world_run(world, 100);
    assert_int_equal(world->closed, 2);
    assert_int_equal(world->cause, CAUSE_DTLS_ALERT);
    assert_int_equal(world->alert, MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR);
    world_free(world);
}

static void test_drain(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);

    endpoint_drain(world->endpoint);
    struct device *late = device_start(world, 1, "lamp", test_key, NULL, 1000);
    world_run(world, 1500);
    assert_false(late->open);
    assert_true(counters_of(world).dropped_drain > 0);
    assert_int_equal(counters_of(world).half_open, 0);
    device_ask(device, 1, 1);
    world_run(world, 100);
    assert_int_equal(world->responded, 1);
    world_free(world);
}

/* What has proved its address is held to a rate, and to one of failures; others go on. */
static void test_rates_of_a_source(void **state)
{
    struct endpoint_config config = world_config(&usual_listener);
    config.limits.handshakes_per_second = 3;
    config.limits.failures_per_second = 1;
    struct world *world = world_new(&config);

    for (unsigned i = 0; i < 3; i++)
        device_start(world, i, "lamp", test_key, NULL, 1000);
    world_run(world, 100);
    assert_int_equal(world->established, 3);
    struct device *fourth = device_start(world, 3, "lamp", test_key, NULL, 1000);
    world_run(world, 100);
    assert_int_equal(counters_of(world).dropped_rate, 1);
    assert_int_equal(world->rejected, 1);
    assert_int_equal(world->cause, CAUSE_LIMIT);
    assert_false(fourth->open);
    struct device *elsewhere = device_start(world, 4, "lamp", test_key, NULL, 1000);
    elsewhere->path.remote.ip[3]++;
    world_run(world, 100);
    assert_true(elsewhere->open);
    world_run(world, 3000); /* its hello comes again */
    assert_true(fourth->open);
    /* A failure, and the next hello has to wait. */
    world_run(world, 5000);
    device_start(world, 5, "lamp", "another key here", NULL, 1000);
    world_run(world, 100);
    assert_int_equal(world->cause, CAUSE_BAD_KEY);
    struct device *after = device_start(world, 6, "lamp", test_key, NULL, 1000);
    world_run(world, 100);
    assert_int_equal(world->cause, CAUSE_LIMIT);
    assert_int_equal(counters_of(world).dropped_rate, 2);
    world_run(world, 3000);
    assert_true(after->open);
    world_free(world);
}

/* Without a good cookie nothing counts: nobody uses up the rate of an address that is not his. */
static void test_forged_hellos_use_up_no_rate(void **state)
{
    struct endpoint_config config = world_config(&usual_listener);
    config.limits.handshakes_per_second = 1;
    struct world *world = world_new(&config);
    struct device *forger = device_start(world, 0, "lamp", test_key, NULL, 1000);

    forger->unplugged = true; /* its first hello, with this source, again and again */
    struct datagram hello = *earliest(world);
    earliest(world)->used = false;
    for (unsigned i = 0; i < 200; i++)
        endpoint_receive(world->endpoint, &forger->path, bytes_of(hello.data, hello.len),
                         world->now);
    assert_int_equal(counters_of(world).hello_verify_sent, 200);
    world_run(world, 100);
    device_join(world, 1);
    assert_int_equal(counters_of(world).dropped_rate, 0);
    world_free(world);
}

/* ---- without DTLS ---- */

static void plain_ask(struct world *world, uint16_t port, uint16_t id)
{
    struct net_path path = {.remote = {.family = 4, .ip = {127, 0, 0, 1}, .port = port}};
    const uint8_t request[] = {
        0x41, 0x02, (uint8_t)(id >> 8), (uint8_t)id, 0x77, 0xb2, 'b', 's', 0x44, 'e', 'p',
        '=',  'x'};

    endpoint_receive(world->endpoint, &path, bytes_of(request, sizeof request), world->now);
}

static size_t bytes_sent(const struct world *world)
{
    return (size_t)counters_of(world).bytes_sent;
}

/* What somebody who forges his source can bring about: a bounded number of associations, each of
 * which sends a few times what it got and then no more, until somebody answers. */
static void test_plain_sources_that_are_forged(void **state)
{
    static const struct endpoint_listener listener = {
        .plain = true, .handshake_min_ms = 1000, .handshake_max_ms = 60000, .ack_timeout_ms = 2000};
    struct endpoint_config config = world_config(&listener);
    struct world *world = world_new(&config);
    struct endpoint_request get = request_for(COAP_METHOD_GET);

    world->delay_ms = 1000000; /* nothing arrives at anybody */
    plain_ask(world, 1000, 1);
    assert_int_equal(world->requests, 1);
    get.path = path_root();
    assert_true(endpoint_request(world->endpoint, world->ref, &get));
    for (unsigned i = 0; i < 100; i++)
        world_run(world, 1000);
    assert_in_range(bytes_sent(world), 13, 3 * 13);
    assert_true(counters_of(world).dropped_unverified > 0);
    assert_int_equal(world->no_answers, 1);
    for (uint16_t i = 0; i < 200; i++)
        plain_ask(world, (uint16_t)(2000 + i), i);
    assert_in_range(counters_of(world).open, 60, 65);
    assert_true(counters_of(world).dropped_limit > 100);
    world_free(world);
}

/* One that answers with our token is there, and is sent what it takes. */
static void test_plain_source_that_answers(void **state)
{
    static const struct endpoint_listener listener = {
        .plain = true, .handshake_min_ms = 1000, .handshake_max_ms = 60000, .ack_timeout_ms = 2000};
    struct endpoint_config config = world_config(&listener);
    struct world *world = world_new(&config);
    struct endpoint_request put = request_for(COAP_METHOD_GET);
    struct datagram *sent = NULL;

    plain_ask(world, 1000, 1);
    put.path = path_root();
    assert_true(endpoint_request(world->endpoint, world->ref, &put));
    for (unsigned i = 0; i < WIRE_MAX; i++)
        if (world->wire[i].used && world->wire[i].data[1] == COAP_METHOD_GET)
            sent = &world->wire[i];
    assert_non_null(sent);
    uint8_t answer[8] = {0x64, 0x45};
    memcpy(answer + 2, sent->data + 2, 6); /* its message id and token */
    endpoint_receive(world->endpoint, &world->sent_to, bytes_of(answer, sizeof answer), world->now);
    assert_int_equal(world->answers, 1);
    static const uint8_t many[300] = {0};
    put.method = COAP_METHOD_PUT;
    put.content_format = 42;
    put.payload = bytes_of(many, sizeof many);
    assert_true(endpoint_request(world->endpoint, world->ref, &put));
    assert_true(bytes_sent(world) > 300);
    assert_int_equal(counters_of(world).dropped_unverified, 0);
    world_free(world);
}

static void test_owner_timer(void **state)
{
    struct world *world = world_new(NULL);
    device_join(world, 0);

    endpoint_arm(world->endpoint, world->ref, world->now + 300);
    world_run(world, 299);
    assert_int_equal(world->timers, 0);
    world_run(world, 5);
    assert_int_equal(world->timers, 1);
    endpoint_arm(world->endpoint, world->ref, world->now + 300);
    endpoint_arm(world->endpoint, world->ref, UINT64_MAX);
    world_run(world, 1000);
    assert_int_equal(world->timers, 1);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_of_each_suite),
        cmocka_unit_test(test_suite_not_enabled),
        cmocka_unit_test(test_resolved_later),
        cmocka_unit_test(test_never_resolved),
        cmocka_unit_test(test_resolve_failed_is_silent),
        cmocka_unit_test(test_no_oracle),
        cmocka_unit_test(test_wrong_keys_in_silence),
        cmocka_unit_test(test_vanishes_in_handshake),
        cmocka_unit_test(test_reboot_in_session),
        cmocka_unit_test(test_reboot_in_handshake),
        cmocka_unit_test(test_half_done_candidate_disturbs_nothing),
        cmocka_unit_test(test_forged_hello_disturbs_nothing),
        cmocka_unit_test(test_hello_behind_another_record),
        cmocka_unit_test(test_bad_network),
        cmocka_unit_test(test_damaged_records_are_dropped),
        cmocka_unit_test(test_truncated_records),
        cmocka_unit_test(test_half_open_cap),
        cmocka_unit_test(test_sessions_cap),
        cmocka_unit_test(test_a_refused_request_keeps_no_place),
        cmocka_unit_test(test_memory_of_a_session),
        cmocka_unit_test(test_hanging_handshakes_go_before_newcomers_wait),
        cmocka_unit_test(test_idle_timeout),
        cmocka_unit_test(test_exchange_keeps_association),
        cmocka_unit_test(test_device_closes),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_rates_of_a_source),
        cmocka_unit_test(test_forged_hellos_use_up_no_rate),
        cmocka_unit_test(test_plain_sources_that_are_forged),
        cmocka_unit_test(test_plain_source_that_answers),
        cmocka_unit_test(test_owner_timer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
