/* Simulated devices against the real endpoint on a false clock: DTLS, CoAP and accidents between.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/endpoint.h"
#include "usher/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { QUEUE_MAX = 64, DATAGRAM_MAX = 1500, STEPS_MAX = 12, LIMIT_MS = 300000 };

static const uint8_t key[] = "0123456789abcdef";

struct queue {
    size_t count;
    struct {
        size_t len;
        uint8_t data[DATAGRAM_MAX];
    } items[QUEUE_MAX];
};

/* One device, one endpoint, and the script of what the server asks for. */
struct network {
    uint64_t now;
    struct endpoint *endpoint;
    struct sim_device *device;
    struct queue to_device, to_server;
    struct net_path path;
    struct endpoint_request steps[STEPS_MAX];
    size_t step_count, next_step;
    uint8_t codes[STEPS_MAX];
    unsigned requests, rejected, repeated;
    uint8_t response;
};

static void enqueue(struct queue *queue, struct bytes datagram)
{
    if (queue->count == QUEUE_MAX) /* lost, as in any full queue */
        return;
    assert_true(datagram.len <= DATAGRAM_MAX);
    memcpy(queue->items[queue->count].data, datagram.data, datagram.len);
    queue->items[queue->count++].len = datagram.len;
}

static void send_to_device(void *context, const struct net_path *path, struct bytes datagram)
{
    enqueue(&((struct network *)context)->to_device, datagram);
}

static void send_to_server(void *context, struct bytes datagram)
{
    enqueue(&((struct network *)context)->to_server, datagram);
}

static void resolve(void *context, struct association_ref ref, struct bytes identity)
{
    struct network *network = context;
    struct secret secret = {0};
    bool known = bytes_equal(identity, bytes_of_text("lamp7"));
    assert_true(secret_set(&secret, bytes_of(key, sizeof key - 1)));
    if (!known)
        secret.data[0] ^= 0xff;
    endpoint_resolved(network->endpoint, ref, identity, &secret, !known, CAUSE_UNKNOWN_IDENTITY);
}

static void established(void *context, struct association_ref ref)
{
}

static void take_request(void *context, struct association_ref ref,
                         const struct coap_message *message)
{
    struct network *network = context;
    assert_true(coap_path_is(message, "/bs"));
    network->requests++;
    network->next_step = 0;
    assert_true(endpoint_respond(network->endpoint, ref, network->response));
}

static void next_step(struct network *network, struct association_ref ref)
{
    if (network->next_step < network->step_count && network->response == COAP_CHANGED)
        assert_true(endpoint_request(network->endpoint, ref, &network->steps[network->next_step]));
}

static void responded(void *context, struct association_ref ref)
{
    next_step(context, ref);
}

static void take_answer(void *context, struct association_ref ref,
                        const struct endpoint_answer *answer)
{
    struct network *network = context;
    network->codes[network->next_step++] = answer->code;
    next_step(network, ref);
}

static void no_answer(void *context, struct association_ref ref, enum cause cause,
                      uint16_t attempts)
{
}

static void closed(void *context, struct association_ref ref, enum cause cause, uint8_t alert)
{
}

static void rejected(void *context, const struct net_path *path, struct bytes identity,
                     enum cause cause, const char *detail)
{
    ((struct network *)context)->rejected++;
}

static void add_step(struct network *network, struct endpoint_request request)
{
    network->steps[network->step_count++] = request;
}

static void usual_steps(struct network *network)
{
    static const uint8_t account[] = "\xc8\x00\x14"
                                     "coaps://city.example"
                                     "\xc1\x01\x00\xc1\x02\x00\xc5\x03lamp7\xc8\x05\x10"
                                     "abcdefghijklmnop"
                                     "\xc1\x0a\x65";
    static const uint8_t server[] = "\xc1\x00\x65\xc4\x01\x00\x01\x51\x80\xc1\x06\x01\xc1\x07U";
    add_step(network, (struct endpoint_request){
                          .method = COAP_METHOD_GET, .content_format = -1, .accept = FORMAT_LINK});
    add_step(network, (struct endpoint_request){.method = COAP_METHOD_DELETE,
                                                .path = path_object(1),
                                                .content_format = -1,
                                                .accept = -1});
    add_step(network, (struct endpoint_request){.method = COAP_METHOD_PUT,
                                                .path = path_instance(0, 1),
                                                .content_format = FORMAT_TLV,
                                                .accept = -1,
                                                .payload = bytes_of(account, sizeof account - 1),
                                                .message_max = 32});
    add_step(network, (struct endpoint_request){.method = COAP_METHOD_PUT,
                                                .path = path_instance(1, 1),
                                                .content_format = FORMAT_TLV,
                                                .accept = -1,
                                                .payload = bytes_of(server, sizeof server - 1)});
    add_step(network, (struct endpoint_request){.method = COAP_METHOD_POST,
                                                .bootstrap_finish = true,
                                                .content_format = -1,
                                                .accept = -1});
}

static struct network *network_new(const struct sim_config *config)
{
    static const struct endpoint_listener listener = {.gcm = true,
                                                      .cbc = true,
                                                      .handshake_min_ms = 1000,
                                                      .handshake_max_ms = 16000,
                                                      .ack_timeout_ms = 2000};
    struct network *network = calloc(1, sizeof *network);
    struct err err = {0};
    assert_non_null(network);
    network->now = 1000;
    network->response = COAP_CHANGED;
    network->path.local = (struct net_address){.family = 4, .port = 5684, .ip = {127, 0, 0, 1}};
    network->path.remote = (struct net_address){.family = 4, .port = 40000, .ip = {127, 0, 0, 1}};
    const struct endpoint_config endpoint = {.listeners = &listener,
                                             .listener_count = 1,
                                             .half_open_max = 16,
                                             .sessions_max = 16,
                                             .idle_ms = 200000,
                                             .now = network->now};
    const struct endpoint_ops ops = {.send = send_to_device,
                                     .resolve = resolve,
                                     .established = established,
                                     .request = take_request,
                                     .responded = responded,
                                     .answer = take_answer,
                                     .no_answer = no_answer,
                                     .closed = closed,
                                     .rejected = rejected,
                                     .context = network};
    if (endpoint_new(&endpoint, &ops, &network->endpoint, &err) != ERR_OK ||
        sim_device_new(config, send_to_server, network, &network->device, &err) != ERR_OK)
        fail_msg("%s", err.text);
    usual_steps(network);
    return network;
}

static void network_free(struct network *network)
{
    endpoint_free(network->endpoint);
    sim_device_free(network->device);
    free(network);
}

/* Delivers what is under way; datagrams sent meanwhile wait for the next round. */
static bool deliver(struct network *network)
{
    struct queue device = network->to_device, server = network->to_server;
    network->to_device.count = network->to_server.count = 0;
    for (size_t i = 0; i < server.count; i++)
        endpoint_receive(network->endpoint, &network->path,
                         bytes_of(server.items[i].data, server.items[i].len), network->now);
    for (size_t i = 0; i < device.count; i++)
        sim_device_receive(network->device, bytes_of(device.items[i].data, device.items[i].len),
                           network->now);
    return device.count + server.count > 0;
}

static void run(struct network *network)
{
    sim_device_start(network->device, network->now);
    while (!sim_device_over(network->device) && network->now < LIMIT_MS) {
        while (deliver(network))
            ;
        if (sim_device_over(network->device))
            break;
        uint64_t device = sim_device_next(network->device);
        uint64_t server = endpoint_next(network->endpoint);
        uint64_t next = device < server ? device : server;
        assert_true(next != UINT64_MAX);
        network->now = next > network->now ? next : network->now;
        endpoint_expire(network->endpoint, network->now);
        sim_device_expire(network->device, network->now);
    }
    while (deliver(network))
        ;
}

static struct sim_config usual_config(void)
{
    struct sim_config config;
    sim_config_init(&config);
    config.server_uri = "coaps://127.0.0.1:5684";
    config.endpoint = "lamp7";
    config.identity = bytes_of_text("lamp7");
    config.key = bytes_of(key, sizeof key - 1);
    config.linger_ms = 20000;
    return config;
}

static void assert_bootstrapped(struct network *network)
{
    const struct sim_report *report = sim_device_report(network->device);
    struct path ssid = path_resource(0, 1, 10), lifetime = path_resource(1, 1, 1);
    if (report->state != SIM_BOOTSTRAPPED)
        fail_msg("%s: %s %s", sim_state_name(report->state), report->reason, report->detail);
    assert_int_equal(sim_device_value(network->device, &ssid)->integer, 101);
    assert_int_equal(sim_device_value(network->device, &lifetime)->integer, 86400);
    assert_int_equal(network->codes[4], COAP_CHANGED);
}

static void bootstrap(const struct sim_config *config, unsigned reboots)
{
    struct network *network = network_new(config);
    run(network);
    assert_bootstrapped(network);
    assert_int_equal(sim_device_report(network->device)->reboots, reboots);
    network_free(network);
}

static void fails(const struct sim_config *config, const char *reason)
{
    struct network *network = network_new(config);
    run(network);
    assert_int_equal(sim_device_report(network->device)->state, SIM_FAILED);
    assert_string_equal(sim_device_report(network->device)->reason, reason);
    network_free(network);
}

static void test_bootstraps_with_each_suite(void **state)
{
    static const uint16_t ciphers[] = {0, SIM_CIPHER_CCM8, SIM_CIPHER_GCM, SIM_CIPHER_CBC};
    for (size_t i = 0; i < sizeof ciphers / sizeof ciphers[0]; i++) {
        struct sim_config config = usual_config();
        config.cipher = ciphers[i];
        bootstrap(&config, 0);
    }
}

static void test_answers_apart(void **state)
{
    struct sim_config config = usual_config();
    config.separate = true;
    bootstrap(&config, 0);
    config.separate_delay_ms = 3000;
    bootstrap(&config, 0);
    config.separate_non = true;
    bootstrap(&config, 0);
}

static void test_small_blocks(void **state)
{
    struct sim_config config = usual_config();
    config.block_szx = 0;
    bootstrap(&config, 0);
}

static void test_bad_lines(void **state)
{
    unsigned retransmissions = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct sim_config config = usual_config();
        config.faults = (struct sim_faults){
            .seed = seed, .drop = 100, .duplicate = 100, .reorder = 150, .delay_max_ms = 60};
        struct network *network = network_new(&config);
        run(network);
        assert_bootstrapped(network);
        retransmissions += sim_device_report(network->device)->retransmissions;
        network_free(network);
    }
    assert_true(retransmissions > 0);
}

static void test_everything_twice(void **state)
{
    struct sim_config config = usual_config();
    config.faults.duplicate = 1000;
    struct network *network = network_new(&config);
    run(network);
    assert_bootstrapped(network);
    assert_int_equal(network->requests, 1);
    network_free(network);
}

static void test_power_loss(void **state)
{
    struct sim_config config = usual_config();
    config.has_mid_start = true; /* the same message ids again after it */
    config.mid_start = 1;
    config.faults.reboot_after = 3;
    bootstrap(&config, 1);
    config.faults.reboot_after = 0;
    config.faults.reboot_in_handshake = true;
    bootstrap(&config, 1);
}

static void test_turned_away(void **state)
{
    struct sim_config config = usual_config();
    config.faults.wrong_key = true;
    fails(&config, "dtls-alert-20");
    config = usual_config();
    config.identity = bytes_of_text("stranger");
    fails(&config, "dtls-alert-20");
}

static void test_request_refused(void **state)
{
    struct sim_config config = usual_config();
    struct network *network = network_new(&config);
    network->response = COAP_BAD_REQUEST;
    run(network);
    assert_string_equal(sim_device_report(network->device)->reason, "request-refused-4.00");
    assert_int_equal(sim_device_report(network->device)->operation_count, 0);
    network_free(network);
}

static void test_no_finish(void **state)
{
    struct sim_config config = usual_config();
    config.timeout_ms = 100000;
    struct network *network = network_new(&config);
    network->step_count = 3;
    run(network);
    assert_string_equal(sim_device_report(network->device)->reason, "no-finish");
    network_free(network);
}

static void test_finish_refused(void **state)
{
    struct sim_config config = usual_config();
    struct network *network = network_new(&config);
    network->steps[2] = network->steps[1]; /* no /0 is written */
    run(network);
    assert_int_equal(network->codes[4], COAP_NOT_ACCEPTABLE);
    assert_string_equal(sim_device_report(network->device)->reason, "finish-refused");
    network_free(network);
}

static void test_no_server(void **state)
{
    struct sim_config config = usual_config();
    struct sim_device *device = NULL;
    struct network *network = network_new(&config);
    struct err err;
    assert_int_equal(sim_device_new(&config, send_to_server, network, &device, &err), ERR_OK);
    sim_device_start(device, 0);
    for (int i = 0; i < 100 && !sim_device_over(device); i++)
        sim_device_expire(device, sim_device_next(device));
    assert_string_equal(sim_device_report(device)->reason, "handshake-timeout");
    sim_device_free(device);
    network_free(network);
}

static void test_bootstraps_again(void **state)
{
    struct sim_config config = usual_config();
    struct network *network = network_new(&config);
    run(network);
    assert_bootstrapped(network);
    network->now += 1000;
    memset(network->codes, 0, sizeof network->codes);
    run(network);
    assert_bootstrapped(network);
    assert_int_equal(network->requests, 2);
    network_free(network);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bootstraps_with_each_suite),
        cmocka_unit_test(test_answers_apart),
        cmocka_unit_test(test_small_blocks),
        cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_everything_twice),
        cmocka_unit_test(test_power_loss),
        cmocka_unit_test(test_turned_away),
        cmocka_unit_test(test_request_refused),
        cmocka_unit_test(test_no_finish),
        cmocka_unit_test(test_finish_refused),
        cmocka_unit_test(test_no_server),
        cmocka_unit_test(test_bootstraps_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
