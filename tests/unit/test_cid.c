/* Connection IDs (RFC 9146): a device that goes on from another address keeps its association, and
 * nobody else can take it along. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint_world.h"

enum { CID_AT = 11, OUR_CID_SIZE = 8, WORKER = 5, CONTENT_CID = 25 };

/* The latest datagram with a Connection ID to the server; `withhold` loses it. */
static struct datagram captured;
static bool withhold;

static bool capture(struct world *world, struct datagram *datagram)
{
    if (!datagram->to_server || datagram->data[0] != CONTENT_CID)
        return true;
    captured = *datagram;
    return !withhold;
}

static struct world *cid_world(void)
{
#if MBEDTLS_VERSION_NUMBER < 0x03000000
    print_message("skipped: this Mbed TLS has no Connection IDs of RFC 9146\n");
    skip();
#endif
    struct endpoint_config config = world_config(&usual_listener);
    config.worker = WORKER;
    struct world *world = world_new(&config);
    world->cid = true;
    world->pass = capture;
    withhold = false;
    captured = (struct datagram){0};
    return world;
}

static struct net_path path_of(struct world *world, struct association_ref ref)
{
    struct association_info info;

    assert_true(endpoint_info(world->endpoint, ref, &info));
    return info.path;
}

/* Of the test's devices, the port says which one it is. */
static struct net_path elsewhere(const struct device *device, uint8_t host)
{
    struct net_path path = device->path;

    path.remote.ip[3] = host;
    return path;
}

static void receive_from(struct world *world, const struct net_path *path, const void *data,
                         size_t len)
{
    uint8_t *exact = malloc(len);

    assert_non_null(exact);
    memcpy(exact, data, len);
    endpoint_receive(world->endpoint, path, bytes_of(exact, len), world->now);
    free(exact);
}

static void ask_and_be_answered(struct world *world, struct device *device, uint16_t id)
{
    unsigned requests = world->requests;
    size_t got = device->inbox_count;

    device_ask(device, id, (uint8_t)id);
    world_run(world, 100);
    assert_int_equal(world->requests, requests + 1);
    assert_true(device->inbox_count > got);
}

static void test_negotiated(void **state)
{
    struct world *world = cid_world();
    struct device *device = device_join(world, 0);

    ask_and_be_answered(world, device, 1);
    assert_int_equal(captured.data[0], CONTENT_CID);
    assert_int_equal(captured.data[CID_AT], WORKER);
    assert_int_equal(counters_of(world).moved, 0);
    /* And one beside it that does not ask for it. */
    world->cid = false;
    captured = (struct datagram){0};
    struct device *plain = device_join(world, 1);
    ask_and_be_answered(world, plain, 1);
    assert_int_equal(captured.len, 0);
    world_free(world);
}

/* In mid-session, with a request of ours open. */
static void test_moves(void **state)
{
    struct world *world = cid_world();
    struct device *device = device_join(world, 0);
    struct association_ref ref = world->ref;
    struct endpoint_request request = request_for(COAP_METHOD_DELETE);
    struct coap_message message;

    ask_and_be_answered(world, device, 1);
    assert_true(device_take(device, &message));
    assert_true(endpoint_request(world->endpoint, ref, &request));
    world_run(world, 50);
    assert_true(device_take(device, &message));
    device->path = elsewhere(device, 99);
    struct coap_message answer = answer_to(&message, COAP_DELETED);
    device_send(device, &answer);
    world_run(world, 50);
    assert_int_equal(world->answers, 1);
    assert_int_equal(counters_of(world).moved, 1);
    struct net_path now = path_of(world, ref);
    assert_true(net_path_equal(&now, &device->path));
    /* What we send goes there, and the device can move on, and back. */
    assert_true(endpoint_request(world->endpoint, ref, &request));
    assert_true(net_path_equal(&world->sent_to, &device->path));
    for (uint8_t host = 100; host < 110; host++) {
        device->path = elsewhere(device, host);
        ask_and_be_answered(world, device, host);
        assert_true(net_path_equal(&world->sent_to, &device->path));
    }
    assert_int_equal(counters_of(world).moved, 11);
    assert_int_equal(world->closed, 0);
    world_free(world);
}

static void test_replay_does_not_move(void **state)
{
    struct world *world = cid_world();
    struct device *device = device_join(world, 0);
    struct association_ref ref = world->ref;
    struct net_path thief = elsewhere(device, 66);

    ask_and_be_answered(world, device, 1);
    receive_from(world, &thief, captured.data, captured.len);
    struct net_path now = path_of(world, ref);
    assert_true(net_path_equal(&now, &device->path));
    assert_int_equal(counters_of(world).moved, 0);
    assert_int_equal(world->requests, 1);
    world_free(world);
}

/* A record that is authentic and has not been seen, but is older than the newest: it counts, the
 * address stays. */
static void test_late_record_does_not_move(void **state)
{
    struct world *world = cid_world();
    struct device *device = device_join(world, 0);
    struct association_ref ref = world->ref;
    struct net_path thief = elsewhere(device, 66);

    withhold = true;
    device_ask(device, 1, 1);
    struct datagram held = captured;
    withhold = false;
    ask_and_be_answered(world, device, 2);
    receive_from(world, &thief, held.data, held.len);
    assert_int_equal(world->requests, 2);
    assert_int_equal(counters_of(world).moved, 0);
    struct net_path now = path_of(world, ref);
    assert_true(net_path_equal(&now, &device->path));
    assert_true(net_path_equal(&world->sent_to, &device->path));
    world_free(world);
}

static void test_forged(void **state)
{
    struct world *world = cid_world();
    struct device *device = device_join(world, 0);
    struct association_ref ref = world->ref;
    struct net_path thief = elsewhere(device, 66);

    withhold = true;
    device_ask(device, 1, 1);
    withhold = false;
    struct datagram good = captured;
    /* Each bit of the ID: it names nobody. */
    for (unsigned bit = 0; bit < 8 * OUR_CID_SIZE; bit++) {
        struct datagram forged = good;
        forged.data[CID_AT + bit / 8] ^= (uint8_t)(1u << bit % 8);
        receive_from(world, &thief, forged.data, forged.len);
    }
    assert_int_equal(counters_of(world).dropped_cid, 8 * OUR_CID_SIZE);
    /* The right ID before anything else. */
    for (size_t at = 0; at < good.len; at++) {
        struct datagram forged = good;
        if (at >= CID_AT && at < CID_AT + OUR_CID_SIZE)
            continue;
        forged.data[at] ^= 0x40;
        receive_from(world, &thief, forged.data, forged.len);
    }
    for (size_t len = 0; len < good.len; len++)
        receive_from(world, &thief, good.data, len);
    assert_int_equal(world->requests, 0);
    assert_int_equal(world->closed, 0);
    assert_int_equal(counters_of(world).moved, 0);
    struct net_path now = path_of(world, ref);
    assert_true(net_path_equal(&now, &device->path));
    /* The device notices nothing. */
    receive_from(world, &device->path, good.data, good.len);
    assert_int_equal(world->requests, 1);
    ask_and_be_answered(world, device, 2);
    world_free(world);
}

/* A hello behind a record with a Connection ID goes past no gate. */
static void test_hidden_hello(void **state)
{
    struct world *world = cid_world();
    struct device *device = device_join(world, 0);
    uint8_t both[DATAGRAM_SIZE];
    static const uint8_t hello[] = {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 3, 1, 0, 0};

    withhold = true;
    device_ask(device, 1, 1);
    withhold = false;
    memcpy(both, captured.data, captured.len);
    memcpy(both + captured.len, hello, sizeof hello);
    receive_from(world, &device->path, both, captured.len + sizeof hello);
    assert_int_equal(counters_of(world).dropped_unknown, 1);
    assert_int_equal(world->requests, 0);
    receive_from(world, &device->path, both, captured.len);
    assert_int_equal(world->requests, 1);
    world_free(world);
}

/* The ID of an association that is gone does not name its slot's next one. */
static void test_old_id(void **state)
{
    struct world *world = cid_world();
    struct device *device = device_join(world, 0);

    ask_and_be_answered(world, device, 1);
    struct datagram old = captured;
    struct association_ref first = world->ref;
    endpoint_close(world->endpoint, world->ref, true);
    device = device_join(world, 0);
    assert_int_equal(world->ref.slot, first.slot);
    receive_from(world, &device->path, old.data, old.len);
    assert_int_equal(counters_of(world).dropped_cid, 1);
    ask_and_be_answered(world, device, 1);
    world_free(world);
}

/* It moves to where another one, without Connection ID, has its association: both are served. */
static void test_moves_to_a_taken_address(void **state)
{
    struct world *world = cid_world();
    struct device *mover = device_join(world, 0);

    world->cid = false;
    struct device *owner = device_join(world, 1);
    mover->path = owner->path;
    unsigned requests = world->requests;
    device_ask(mover, 1, 1);
    world_run(world, 100);
    assert_int_equal(world->requests, requests + 1);
    assert_int_equal(counters_of(world).moved, 1);
    ask_and_be_answered(world, owner, 2);
    mover->path = elsewhere(owner, 120);
    world->reroute = true;
    world->route = 0;
    ask_and_be_answered(world, mover, 3);
    world->reroute = false;
    ask_and_be_answered(world, owner, 4);
    assert_int_equal(world->closed, 0);
    assert_int_equal(counters_of(world).open, 2);
    world_free(world);
}

/* A NAT gives the address of a sleeping device to another one. */
static void test_address_given_to_another(void **state)
{
    struct world *world = cid_world();
    struct device *sleeper = device_join(world, 0);
    struct association_ref ref = world->ref;

    struct device *newcomer = device_start(world, 1, "pole", test_key, NULL, 1000);
    newcomer->path = sleeper->path;
    world->reroute = true;
    world->route = 1;
    world_run(world, 500);
    assert_true(newcomer->open);
    assert_int_equal(world->closed, 0);
    ask_and_be_answered(world, newcomer, 1);
    sleeper->path = elsewhere(sleeper, 120);
    world->route = 0;
    ask_and_be_answered(world, sleeper, 2);
    struct net_path now = path_of(world, ref);
    assert_true(net_path_equal(&now, &sleeper->path));
    assert_int_equal(counters_of(world).open, 2);
    world_free(world);
}

/* The same device starts over: the old association goes, as without Connection IDs. */
static void test_reboot(void **state)
{
    struct world *world = cid_world();

    device_join(world, 0);
    device_join(world, 0);
    assert_int_equal(world->closed, 1);
    assert_int_equal(world->cause, CAUSE_SUPERSEDED);
    assert_int_equal(counters_of(world).open, 1);
    world_free(world);
}

/* The record with a Connection ID behind ClientKeyExchange and ChangeCipherSpec. */
static bool capture_finished(struct world *world, struct datagram *datagram)
{
    size_t at = 0;

    while (datagram->to_server && datagram->data[0] == 22 && at + 13 < datagram->len) {
        const uint8_t *record = datagram->data + at;
        if (record[0] == CONTENT_CID) {
            captured.len = datagram->len - at;
            memcpy(captured.data, record, captured.len);
            break;
        }
        at += 13 + ((size_t)record[11] << 8 | record[12]);
    }
    return true;
}

/* Before it is open an association stays where it is. */
static void test_handshake_stays(void **state)
{
    struct world *world = cid_world();

    world->resolve_mode = RESOLVE_LATER;
    world->pass = capture_finished;
    struct device *device = device_start(world, 0, "lamp", test_key, NULL, 1000);
    world_run(world, 500);
    assert_int_equal(counters_of(world).half_open, 1);
    assert_int_equal(captured.data[CID_AT], WORKER);
    struct net_path thief = elsewhere(device, 66);
    receive_from(world, &thief, captured.data, captured.len);
    assert_int_equal(counters_of(world).dropped_cid, 1);
    give_key(world, world->ref, bytes_of_text("lamp"));
    world_run(world, 500);
    assert_true(device->open);
    struct net_path now = path_of(world, world->ref);
    assert_true(net_path_equal(&now, &device->path));
    ask_and_be_answered(world, device, 1);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_negotiated),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_replay_does_not_move),
        cmocka_unit_test(test_late_record_does_not_move),
        cmocka_unit_test(test_forged),
        cmocka_unit_test(test_hidden_hello),
        cmocka_unit_test(test_old_id),
        cmocka_unit_test(test_moves_to_a_taken_address),
        cmocka_unit_test(test_address_given_to_another),
        cmocka_unit_test(test_reboot),
        cmocka_unit_test(test_handshake_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
