/* CoAP on an association: duplicates, separate answers, repeats, blocks. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint_world.h"

static struct coap_message take(struct device *device)
{
    struct coap_message message;

    assert_true(device_take(device, &message));
    return message;
}

static void no_more(struct device *device)
{
    struct coap_message message;

    assert_false(device_take(device, &message));
}

static void ask_device(struct world *world, const struct endpoint_request *request)
{
    assert_true(endpoint_request(world->endpoint, world->ref, request));
    world_run(world, 50);
}

static void reply(struct world *world, struct device *device, const struct coap_message *message)
{
    device_send(device, message);
    world_run(world, 50);
}

static void send_empty(struct device *device, enum coap_type type, uint16_t id)
{
    struct coap_message message = {.type = type, .id = id};

    device_send(device, &message);
}

/* ---- the device's requests ---- */

static void test_duplicates(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);

    for (unsigned i = 0; i < 3; i++) {
        device_ask(device, 7, 9);
        world_run(world, 100);
        struct coap_message answer = take(device);
        assert_int_equal(answer.type, COAP_ACK);
        assert_int_equal(answer.code, COAP_CHANGED);
        assert_int_equal(answer.id, 7);
        assert_int_equal(answer.token[0], 9);
    }
    assert_int_equal(world->requests, 1);
    assert_int_equal(world->responded, 1);
    assert_int_equal(counters_of(world).coap_duplicates, 2);
    device_ask(device, 7, 10); /* the same id with another token is another request */
    world_run(world, 100);
    assert_int_equal(world->requests, 2);
    assert_int_equal(take(device).token[0], 10);
    world_free(world);
}

static void test_separate_answer(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);

    world->respond_at_once = false;
    device_ask(device, 7, 9);
    world_run(world, 780);
    no_more(device);
    world_run(world, 60); /* 800 ms after its arrival */
    struct coap_message ack = take(device);
    assert_int_equal(ack.type, COAP_ACK);
    assert_int_equal(ack.code, 0);
    assert_int_equal(ack.id, 7);
    device_ask(device, 7, 9); /* a repeat is acknowledged again, no more */
    world_run(world, 100);
    assert_int_equal(take(device).code, 0);
    assert_int_equal(world->requests, 1);

    assert_true(endpoint_respond(world->endpoint, world->ref, COAP_CHANGED));
    world_run(world, 4000); /* one repeat */
    struct coap_message answer = take(device);
    struct coap_message again = take(device);
    assert_int_equal(answer.type, COAP_CON);
    assert_int_equal(answer.code, COAP_CHANGED);
    assert_int_equal(answer.token[0], 9);
    assert_int_equal(answer.id, again.id);
    assert_int_equal(world->responded, 0);
    send_empty(device, COAP_ACK, answer.id);
    world_run(world, 100);
    assert_int_equal(world->responded, 1);
    world_run(world, 30000);
    no_more(device);
    world_free(world);
}

static void test_separate_answer_never_acknowledged(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);

    world->respond_at_once = false;
    device_ask(device, 7, 9);
    world_run(world, 1000);
    assert_true(endpoint_respond(world->endpoint, world->ref, COAP_CHANGED));
    world_run(world, 95000);
    assert_int_equal(world->responded, 0);
    assert_int_equal(world->no_answers, 1);
    assert_int_equal(world->cause, CAUSE_TIMEOUT);
    world_free(world);
}

static void test_ignored_request(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);

    world->respond_at_once = false;
    device_ask(device, 7, 9);
    world_run(world, 100);
    endpoint_ignore(world->endpoint, world->ref);
    device_ask(device, 7, 9);
    world_run(world, 5000);
    no_more(device);
    assert_int_equal(world->requests, 1);
    assert_false(endpoint_respond(world->endpoint, world->ref, COAP_CHANGED));
    world_free(world);
}

/* A request with an option that nobody knows is refused, and the one before is still answered. */
static void test_unknown_critical_option(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);
    struct coap_message odd = {.type = COAP_CON, .code = COAP_METHOD_POST};

    coap_add_option(&odd, COAP_OPT_OSCORE, bytes_of_text("x"));
    world->respond_at_once = false;
    device_ask(device, 7, 9);
    world_run(world, 50);
    for (odd.id = 8; odd.id < 16; odd.id++) {
        reply(world, device, &odd);
        assert_int_equal(take(device).code, COAP_BAD_OPTION);
    }
    assert_int_equal(world->requests, 1);
    assert_true(endpoint_respond(world->endpoint, world->ref, COAP_CHANGED));
    world_run(world, 50);
    struct coap_message answer = take(device);
    assert_int_equal(answer.id, 7);
    assert_int_equal(answer.code, COAP_CHANGED);
    world_free(world);
}

/* A request that is none of a bootstrap disturbs neither the one before nor our own. */
static void test_refused_request(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);
    struct endpoint_request request = request_for(COAP_METHOD_DELETE);

    world->respond_at_once = false;
    device_ask(device, 7, 9);
    world_run(world, 50);
    world->refuse_next = true;
    device_ask(device, 8, 10);
    world_run(world, 50);
    assert_int_equal(take(device).code, COAP_NOT_FOUND);
    assert_int_equal(world->responded, 0);
    world_run(world, 800); /* the one before still gets its empty ACK in time */
    struct coap_message ack = take(device);
    assert_int_equal(ack.code, 0);
    assert_int_equal(ack.id, 7);
    assert_true(endpoint_respond(world->endpoint, world->ref, COAP_CHANGED));
    world_run(world, 50);
    struct coap_message answer = take(device);
    assert_int_equal(answer.code, COAP_CHANGED);
    assert_int_equal(answer.token[0], 9);
    send_empty(device, COAP_ACK, answer.id);
    world_run(world, 50);
    assert_int_equal(world->responded, 1);

    ask_device(world, &request);
    struct coap_message ours = take(device);
    device_ask(device, 9, 11);
    world_run(world, 50);
    assert_int_equal(take(device).code, COAP_NOT_FOUND);
    struct coap_message done = answer_to(&ours, COAP_DELETED);
    reply(world, device, &done);
    assert_int_equal(world->answers, 1);
    world_free(world);
}

static void test_ping_and_garbage(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);
    static const uint8_t bad_option[] = {0x40, 0x01, 0x12, 0x34, 0xf0};

    send_empty(device, COAP_CON, 77);
    world_run(world, 50);
    struct coap_message reset = take(device);
    assert_int_equal(reset.type, COAP_RST);
    assert_int_equal(reset.id, 77);
    mbedtls_ssl_write(&device->ssl, bad_option, sizeof bad_option);
    world_run(world, 50);
    reset = take(device);
    assert_int_equal(reset.type, COAP_RST);
    assert_int_equal(reset.id, 0x1234);
    mbedtls_ssl_write(&device->ssl, bad_option, 2);
    world_run(world, 50);
    no_more(device);
    assert_int_equal(counters_of(world).coap_malformed, 2);
    assert_int_equal(world->requests + world->closed, 0);
    world_free(world);
}

/* ---- our requests ---- */

static void test_repeats(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);
    struct endpoint_request request = request_for(COAP_METHOD_DELETE);
    uint64_t start = world->now;

    ask_device(world, &request);
    world_run(world, 100000);
    assert_int_equal(device->inbox_count, 5);
    uint64_t first = device->inbox[1].at - device->inbox[0].at;
    assert_in_range(first, 2000, 3008);
    for (unsigned i = 1; i < 4; i++) { /* each twice the one before */
        uint64_t gap = device->inbox[i + 1].at - device->inbox[i].at;
        assert_in_range(gap, (first << i) - 32, (first << i) + 32);
        assert_memory_equal(device->inbox[i].data, device->inbox[0].data, device->inbox[0].len);
    }
    assert_int_equal(world->no_answers, 1);
    assert_int_equal(world->cause, CAUSE_TIMEOUT);
    assert_int_equal(world->attempts, 5);
    assert_in_range(world->answer_at - start, 31 * first - 150, 31 * first + 150);
    assert_int_equal(world->closed, 0);
    world_free(world);
}

static void test_deadline(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);
    struct endpoint_request request = request_for(COAP_METHOD_DELETE);
    uint64_t start = world->now;

    request.request_timeout_ms = 5000;
    ask_device(world, &request);
    world_run(world, 10000);
    assert_int_equal(world->no_answers, 1);
    assert_in_range(world->answer_at - start, 5000, 5008);
    assert_true(device->inbox_count <= 2);
    ask_device(world, &request); /* the next may follow */
    endpoint_cancel(world->endpoint, world->ref);
    world_run(world, 10000);
    assert_int_equal(world->no_answers, 1);
    world_free(world);
}

static void test_device_answers_separately(void **state)
{
    static const enum coap_type types[] = {COAP_CON, COAP_NON};

    for (unsigned i = 0; i < 2; i++) {
        struct world *world = world_new(NULL);
        struct device *device = device_join(world, 0);
        struct endpoint_request request = request_for(COAP_METHOD_DELETE);

        ask_device(world, &request);
        struct coap_message got = take(device);
        send_empty(device, COAP_ACK, got.id);
        world_run(world, 20000);
        no_more(device); /* acknowledged, so not repeated */
        struct coap_message answer = answer_to(&got, COAP_DELETED);
        answer.type = types[i];
        answer.id = 500;
        reply(world, device, &answer);
        reply(world, device, &answer); /* our ACK was lost */
        assert_int_equal(world->answers, 1);
        assert_int_equal(world->answer.code, COAP_DELETED);
        for (unsigned ack = 0; ack < 2 && types[i] == COAP_CON; ack++) {
            got = take(device);
            assert_int_equal(got.type, COAP_ACK);
            assert_int_equal(got.id, 500);
        }
        no_more(device);
        world_free(world);
    }
}

static void test_answers_that_are_none(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);
    struct endpoint_request request = request_for(COAP_METHOD_DELETE);

    ask_device(world, &request);
    struct coap_message got = take(device);
    struct coap_message answer = answer_to(&got, COAP_DELETED);
    answer.token[0] ^= 1;
    reply(world, device, &answer); /* another token */
    answer.token[0] ^= 1;
    answer.id ^= 1;
    reply(world, device, &answer); /* another id */
    answer.type = COAP_CON;
    answer.token[0] ^= 1;
    reply(world, device, &answer); /* a separate answer to nothing */
    assert_int_equal(take(device).type, COAP_RST);
    assert_int_equal(world->answers, 0);
    send_empty(device, COAP_RST, got.id);
    world_run(world, 50);
    assert_int_equal(world->no_answers, 1);
    assert_int_equal(world->cause, CAUSE_RESET);
    world_free(world);
}

/* Trap 8: 10 s there and back. */
static void test_slow_network(void **state)
{
    struct world *world = world_new(NULL);
    world->delay_ms = 5000;
    struct device *device = device_start(world, 0, "lamp", test_key, NULL, 12000);
    struct endpoint_request request = request_for(COAP_METHOD_DELETE);

    world_run(world, 31000);
    assert_int_equal(world->established, 1);
    assert_int_equal(world->info.round_trip_ms, 10000); /* although our flight went four times */
    world_run(world, 5000);
    assert_true(device->open);
    assert_true(endpoint_request(world->endpoint, world->ref, &request));
    world_run(world, 5001);
    struct coap_message got = take(device);
    struct coap_message answer = answer_to(&got, COAP_DELETED);
    device_send(device, &answer);
    world_run(world, 5001);
    assert_int_equal(world->answers, 1);
    assert_int_equal(world->answer.attempts, 1);
    assert_int_equal(counters_of(world).coap_retransmissions, 0);
    world_free(world);
}

/* ---- blocks ---- */

enum { BIG = 3000 };
static uint8_t big[BIG];

static struct endpoint_request big_request(void)
{
    struct endpoint_request request = request_for(COAP_METHOD_PUT);

    for (unsigned i = 0; i < BIG; i++)
        big[i] = (uint8_t)(i * 7 + i / 256);
    request.content_format = 11543;
    request.path = (struct path){.depth = 2, .ids = {0, 1}};
    request.payload = bytes_of(big, BIG);
    return request;
}

/* A device that takes Block1 with blocks of `szx` at most. */
struct block_receiver {
    uint8_t data[BIG];
    size_t len;
    unsigned messages;
};

static struct coap_block block_of(const struct coap_message *message, uint16_t number)
{
    struct coap_block block;
    bool present;

    assert_true(coap_get_block(message, number, &block, &present));
    return block;
}

static void receive_blocks(struct world *world, struct device *device, uint8_t szx,
                           struct block_receiver *receiver)
{
    bool more = true;

    while (more) {
        struct coap_message message = take(device);
        struct coap_block block = block_of(&message, COAP_OPT_BLOCK1);
        uint8_t scratch[4];
        assert_int_equal(block.number * COAP_BLOCK_SIZE(block.szx), receiver->len);
        assert_true(coap_path_is(&message, "/0/1"));
        assert_true(receiver->len + message.payload.len <= BIG);
        memcpy(receiver->data + receiver->len, message.payload.data, message.payload.len);
        receiver->len += message.payload.len;
        receiver->messages++;
        more = block.more;
        struct coap_message answer = answer_to(&message, more ? COAP_CONTINUE : COAP_CHANGED);
        if (block.szx > szx)
            block.szx = szx;
        coap_add_block(&answer, COAP_OPT_BLOCK1, &block, scratch);
        reply(world, device, &answer);
    }
}

static void transfer(uint8_t szx, uint16_t message_max, unsigned messages)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);
    struct endpoint_request request = big_request();
    struct block_receiver *receiver = calloc(1, sizeof *receiver);

    assert_non_null(receiver);
    request.message_max = message_max;
    ask_device(world, &request);
    receive_blocks(world, device, szx, receiver);
    assert_int_equal(receiver->len, BIG);
    assert_memory_equal(receiver->data, big, BIG);
    assert_int_equal(receiver->messages, messages);
    assert_int_equal(world->answers, 1);
    assert_int_equal(world->answer.code, COAP_CHANGED);
    free(receiver);
    world_free(world);
}

static void test_block1(void **state)
{
    transfer(6, 0, 3);
    transfer(6, 300, 12);                   /* 256 each */
    transfer(4, 0, 1 + (1976 + 255) / 256); /* 1024, then 256 as the device wants */
}

static void test_block1_too_large(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);
    struct endpoint_request request = big_request();
    struct block_receiver *receiver = calloc(1, sizeof *receiver);
    struct coap_block smaller = {.number = 0, .more = true, .szx = 5};
    uint8_t scratch[4];

    assert_non_null(receiver);
    ask_device(world, &request);
    struct coap_message message = take(device);
    struct coap_message answer = answer_to(&message, COAP_TOO_LARGE);
    coap_add_block(&answer, COAP_OPT_BLOCK1, &smaller, scratch);
    reply(world, device, &answer);
    receive_blocks(world, device, 6, receiver);
    assert_memory_equal(receiver->data, big, BIG);
    assert_int_equal(receiver->messages, 6);
    assert_int_equal(world->answer.code, COAP_CHANGED);
    free(receiver);
    world_free(world);
}

/* 4.13 without a block size, and 4.13 for the smallest blocks, are final. */
static void test_block1_refused(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);
    struct endpoint_request request = big_request();

    ask_device(world, &request);
    struct coap_message message = take(device);
    struct coap_message answer = answer_to(&message, COAP_TOO_LARGE);
    reply(world, device, &answer);
    assert_int_equal(world->answers, 1);
    assert_int_equal(world->answer.code, COAP_TOO_LARGE);
    no_more(device);
    world_free(world);
}

static void test_block1_incomplete_once(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);
    struct endpoint_request request = big_request();

    ask_device(world, &request);
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(world->answers, 0);
        struct coap_message message = take(device);
        assert_int_equal(block_of(&message, COAP_OPT_BLOCK1).number, 0);
        struct coap_message answer = answer_to(&message, COAP_INCOMPLETE);
        reply(world, device, &answer);
    }
    assert_int_equal(world->answers, 1);
    assert_int_equal(world->answer.code, COAP_INCOMPLETE);
    no_more(device);
    world_free(world);
}

static void give_block2(struct world *world, struct device *device, uint32_t number, bool more,
                        uint8_t szx, size_t len)
{
    struct coap_message message = take(device);
    struct coap_message answer = answer_to(&message, COAP_CONTENT);
    struct coap_block block = {.number = number, .more = more, .szx = szx};
    uint8_t scratch[4], format[4];

    if (number > 0 && message.option_count > 0)
        assert_int_equal(block_of(&message, COAP_OPT_BLOCK2).szx, szx);
    coap_add_uint(&answer, COAP_OPT_CONTENT_FORMAT, 40, format);
    coap_add_block(&answer, COAP_OPT_BLOCK2, &block, scratch);
    answer.payload = bytes_of(big + number * COAP_BLOCK_SIZE(szx), len);
    reply(world, device, &answer);
}

static void test_block2(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);
    struct endpoint_request request = request_for(COAP_METHOD_GET);

    big_request();
    request.accept = 40;
    ask_device(world, &request);
    for (uint32_t number = 0; number < 5; number++)
        give_block2(world, device, number, number < 4, 5, number < 4 ? 512 : 100);
    assert_int_equal(world->answers, 1);
    assert_int_equal(world->answer.code, COAP_CONTENT);
    assert_int_equal(world->answer.content_format, 40);
    assert_int_equal(world->answer.payload.len, 4 * 512 + 100);
    assert_memory_equal(world->answer_payload, big, 4 * 512 + 100);
    world_free(world);
}

static void broken_block2(uint32_t number, bool more, size_t len)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);
    struct endpoint_request request = request_for(COAP_METHOD_GET);

    ask_device(world, &request);
    give_block2(world, device, 0, true, 5, 512);
    give_block2(world, device, number, more, 5, len);
    assert_int_equal(world->answers, 1);
    assert_int_equal(world->answer.code, COAP_INCOMPLETE);
    no_more(device);
    world_free(world);
}

static void test_broken_block2(void **state)
{
    broken_block2(2, true, 512); /* one is missing */
    broken_block2(0, true, 512); /* the first once more */
    broken_block2(1, true, 500); /* short, and not the last */
}

/* A device that never comes to an end runs into the cap. */
static void test_endless_block2(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);
    struct endpoint_request request = request_for(COAP_METHOD_GET);
    uint32_t number = 0;

    ask_device(world, &request);
    for (; world->answers == 0 && number < 40; number++) {
        struct coap_message message = take(device);
        struct coap_message answer = answer_to(&message, COAP_CONTENT);
        struct coap_block block = {.number = number, .more = true, .szx = 6};
        uint8_t scratch[4];
        coap_add_block(&answer, COAP_OPT_BLOCK2, &block, scratch);
        answer.payload = bytes_of(big, 1024);
        reply(world, device, &answer);
    }
    assert_int_equal(number, 17);
    assert_int_equal(world->answer.code, COAP_INCOMPLETE);
    world_free(world);
}

/* ---- answers with a payload ---- */

enum { ANY_BLOCK = 7 };

/* A request for a block of the same thing; szx ANY_BLOCK: without the option. */
static void ask_block(struct world *world, struct device *device, uint16_t id, const char *query,
                      uint32_t number, uint8_t szx)
{
    struct coap_message message = {.type = COAP_CON, .code = COAP_METHOD_GET, .id = id};
    struct coap_block block = {.number = number, .szx = szx};
    uint8_t scratch[4];

    message.token_len = 1;
    message.token[0] = (uint8_t)id;
    coap_add_option(&message, COAP_OPT_URI_PATH, bytes_of_text("bspack"));
    coap_add_option(&message, COAP_OPT_URI_QUERY, bytes_of_text(query));
    if (szx != ANY_BLOCK)
        coap_add_block(&message, COAP_OPT_BLOCK2, &block, scratch);
    reply(world, device, &message);
}

static void assert_block(struct device *device, uint16_t id, uint32_t number, bool more,
                         uint8_t szx, size_t len)
{
    struct coap_message answer = take(device);
    uint32_t format = 0;

    assert_int_equal(answer.type, COAP_ACK);
    assert_int_equal(answer.code, COAP_CONTENT);
    assert_int_equal(answer.id, id);
    assert_int_equal(answer.token[0], id);
    assert_true(coap_option_uint(coap_find(&answer, COAP_OPT_CONTENT_FORMAT), &format));
    assert_int_equal(format, 112);
    struct coap_block block = block_of(&answer, COAP_OPT_BLOCK2);
    assert_int_equal(block.number, number);
    assert_int_equal(block.more, more);
    assert_int_equal(block.szx, szx);
    assert_int_equal(answer.payload.len, len);
    assert_memory_equal(answer.payload.data, big + number * COAP_BLOCK_SIZE(szx), len);
}

static void give_content(struct world *world, size_t len)
{
    assert_true(endpoint_respond_content(world->endpoint, world->ref, 112, bytes_of(big, len)));
    world_run(world, 50);
}

static void test_content_in_one_message(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);

    big_request();
    world->respond_at_once = false;
    for (int i = 0; i < 2; i++) {
        ask_block(world, device, 1, "ep=a", 0, ANY_BLOCK);
        if (i == 0)
            give_content(world, 1024);
        struct coap_message answer = take(device);
        assert_int_equal(answer.code, COAP_CONTENT);
        assert_int_equal(answer.payload.len, 1024);
        assert_null(coap_find(&answer, COAP_OPT_BLOCK2));
        assert_null(coap_find(&answer, COAP_OPT_SIZE2));
        assert_non_null(coap_find(&answer, COAP_OPT_ETAG));
        assert_int_equal(world->responded, 1);
    }
    assert_int_equal(world->requests, 1);
    world_free(world);
}

static void test_content_in_blocks(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);

    big_request();
    world->respond_at_once = false;
    ask_block(world, device, 1, "ep=a", 0, ANY_BLOCK);
    give_content(world, 2100);
    assert_block(device, 1, 0, true, 6, 1024);
    assert_int_equal(world->responded, 0);
    ask_block(world, device, 2, "ep=a", 1, 6);
    assert_block(device, 2, 1, true, 6, 1024);
    /* A repeat gets the same block; a smaller size goes on from where it says. */
    ask_block(world, device, 2, "ep=a", 1, 6);
    assert_block(device, 2, 1, true, 6, 1024);
    assert_int_equal(world->responded, 0);
    ask_block(world, device, 3, "ep=a", 32, 2);
    assert_block(device, 3, 32, false, 2, 52);
    assert_int_equal(world->responded, 1);
    ask_block(world, device, 4, "ep=a", 32, 2);
    assert_block(device, 4, 32, false, 2, 52);
    assert_int_equal(world->responded, 1);
    ask_block(world, device, 5, "ep=a", 33, 2); /* beyond the end */
    assert_int_equal(take(device).code, COAP_BAD_REQUEST);
    assert_int_equal(world->requests, 1);
    /* Another question is another request, and so is one for the start. */
    ask_block(world, device, 6, "ep=b", 1, 6);
    assert_int_equal(world->requests, 2);
    ask_block(world, device, 7, "ep=a", 0, 5);
    assert_int_equal(world->requests, 3);
    give_content(world, 600);
    assert_block(device, 7, 0, true, 5, 512);
    world_free(world);
}

/* Nothing but a code answers a later request, and what was kept is gone. */
static void test_content_goes_with_the_next_answer(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);

    big_request();
    world->respond_at_once = false;
    ask_block(world, device, 1, "ep=a", 0, ANY_BLOCK);
    give_content(world, 2100);
    assert_block(device, 1, 0, true, 6, 1024);
    device_ask(device, 7, 9);
    world_run(world, 50);
    assert_true(endpoint_respond(world->endpoint, world->ref, COAP_CHANGED));
    world_run(world, 50);
    assert_int_equal(take(device).code, COAP_CHANGED);
    ask_block(world, device, 2, "ep=a", 1, 6);
    assert_int_equal(world->requests, 3);
    world_free(world);
}

static void test_content_later(void **state)
{
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);

    big_request();
    world->respond_at_once = false;
    ask_block(world, device, 1, "ep=a", 0, ANY_BLOCK);
    world_run(world, 1000);
    assert_int_equal(take(device).code, 0);
    give_content(world, 2000);
    struct coap_message answer = take(device);
    assert_int_equal(answer.type, COAP_CON);
    assert_int_equal(answer.code, COAP_CONTENT);
    assert_int_equal(answer.payload.len, 1024);
    assert_true(block_of(&answer, COAP_OPT_BLOCK2).more);
    send_empty(device, COAP_ACK, answer.id);
    world_run(world, 50);
    assert_int_equal(world->responded, 0);
    ask_block(world, device, 2, "ep=a", 1, 6);
    assert_block(device, 2, 1, false, 6, 976);
    assert_int_equal(world->responded, 1);
    assert_false(endpoint_respond_content(world->endpoint, world->ref, 112, bytes_of(big, 1)));
    world_free(world);
}

static void test_content_too_long(void **state)
{
    static const uint8_t huge[65537];
    struct world *world = world_new(NULL);
    struct device *device = device_join(world, 0);

    world->respond_at_once = false;
    ask_block(world, device, 1, "ep=a", 0, ANY_BLOCK);
    assert_false(
        endpoint_respond_content(world->endpoint, world->ref, 112, bytes_of(huge, sizeof huge)));
    assert_true(endpoint_respond(world->endpoint, world->ref, COAP_NOT_ACCEPTABLE));
    world_run(world, 50);
    assert_int_equal(take(device).code, COAP_NOT_ACCEPTABLE);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_separate_answer),
        cmocka_unit_test(test_separate_answer_never_acknowledged),
        cmocka_unit_test(test_ignored_request),
        cmocka_unit_test(test_unknown_critical_option),
        cmocka_unit_test(test_refused_request),
        cmocka_unit_test(test_ping_and_garbage),
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_device_answers_separately),
        cmocka_unit_test(test_answers_that_are_none),
        cmocka_unit_test(test_slow_network),
        cmocka_unit_test(test_block1),
        cmocka_unit_test(test_block1_too_large),
        cmocka_unit_test(test_block1_refused),
        cmocka_unit_test(test_block1_incomplete_once),
        cmocka_unit_test(test_block2),
        cmocka_unit_test(test_broken_block2),
        cmocka_unit_test(test_endless_block2),
        cmocka_unit_test(test_content_in_one_message),
        cmocka_unit_test(test_content_in_blocks),
        cmocka_unit_test(test_content_goes_with_the_next_answer),
        cmocka_unit_test(test_content_later),
        cmocka_unit_test(test_content_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
