/* A false network on a false clock: one endpoint, and devices that speak DTLS with Mbed TLS. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENDPOINT_WORLD_H
#define ENDPOINT_WORLD_H

#include "usher/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

#if MBEDTLS_VERSION_NUMBER < 0x03000000
#define MBEDTLS_PRIVATE(member) member
#endif

enum { WIRE_MAX = 256, DATAGRAM_SIZE = 1500, DEVICES_MAX = 8, INBOX_MAX = 48, TRACE_MAX = 64 };

enum resolve_mode { RESOLVE_AT_ONCE, RESOLVE_LATER, RESOLVE_FAILS, RESOLVE_BLOCKED };

struct world;

/* What a device comes with instead of a key. */
struct device_files {
    const char *chain, *key, *ca; /* chain NULL = none, although the server asks */
    uint16_t mtu;                 /* 0 = any */
};

struct datagram {
    bool used, to_server;
    unsigned device;
    uint64_t due;
    size_t len;
    uint8_t data[DATAGRAM_SIZE];
};

struct device {
    struct world *world;
    unsigned index;
    struct net_path path;
    bool made, open, unplugged;
    int error; /* of Mbed TLS */
    uint8_t alert;
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config tls;
    mbedtls_x509_crt chain, ca;
    mbedtls_pk_context key;
    struct bytes input;
    uint64_t intermediate, final;
    size_t inbox_count, inbox_read;
    struct {
        size_t len;
        uint64_t at;
        uint8_t data[DATAGRAM_SIZE];
    } inbox[INBOX_MAX];
};

struct world {
    struct endpoint *endpoint;
    uint64_t now;
    uint32_t delay_ms;
    struct datagram wire[WIRE_MAX];
    struct device devices[DEVICES_MAX];
    /* Returns false to drop. */
    bool (*pass)(struct world *world, struct datagram *datagram);
    unsigned duplicate;      /* each datagram arrives this many times more */
    unsigned sent[2];        /* datagrams put on the wire, [1] = to the server */
    size_t trace[TRACE_MAX]; /* sizes of what the server sent */
    unsigned trace_count;
    enum resolve_mode resolve_mode;
    const struct device_files *files; /* of devices that start now; NULL = they have keys */
    bool respond_at_once;
    bool refuse_next;           /* with 4.04, by endpoint_refuse */
    struct association_ref ref; /* of the latest event */
    bool cid;                   /* devices ask for Connection IDs, and have one of their own */
    bool reroute; /* what the server sends goes to device `route`, whatever the port */
    unsigned route;
    struct net_path sent_to; /* the latest */
    unsigned resolves, established, requests, responded, answers, no_answers, closed, rejected,
        timers;
    enum cause cause;
    uint8_t alert;
    struct endpoint_answer answer;
    uint8_t answer_payload[20000];
    uint64_t answer_at;
    uint16_t attempts;
    char rejected_identity[IDENTITY_MAX + 1], rejected_detail[128];
    struct association_info info; /* at `established` */
};

static const char test_key[] = "0123456789abcdef";

/* ---- the wire ---- */

static inline void wire_put(struct world *world, bool to_server, unsigned device, const void *data,
                            size_t len)
{
    world->sent[to_server]++;
    for (unsigned copy = 0; copy <= world->duplicate; copy++) {
        struct datagram *slot = NULL;
        for (unsigned i = 0; i < WIRE_MAX && slot == NULL; i++)
            if (!world->wire[i].used)
                slot = &world->wire[i];
        assert_non_null(slot);
        assert_true(len <= sizeof slot->data);
        *slot = (struct datagram){.used = true,
                                  .to_server = to_server,
                                  .device = device,
                                  .due = world->now + world->delay_ms + copy,
                                  .len = len};
        memcpy(slot->data, data, len);
        if (world->pass != NULL && !world->pass(world, slot))
            slot->used = false;
    }
}

/* ---- the endpoint's owner ---- */

static inline void on_send(void *context, const struct net_path *path, struct bytes datagram)
{
    struct world *world = context;
    unsigned device = world->reroute ? world->route : path->remote.port % 10;

    world->sent_to = *path;
    if (world->trace_count < TRACE_MAX)
        world->trace[world->trace_count++] = datagram.len;
    wire_put(world, false, device, datagram.data, datagram.len);
}

static inline void give_key(struct world *world, struct association_ref ref, struct bytes identity)
{
    struct secret key;
    bool known = bytes_equal(identity, bytes_of_text("lamp")) ||
                 bytes_equal(identity, bytes_of_text("pole"));
    bool blocked = world->resolve_mode == RESOLVE_BLOCKED;

    if (known && !blocked)
        secret_set(&key, bytes_of_text(test_key));
    else
        secret_random(&key, 32);
    endpoint_resolved(world->endpoint, ref, identity, &key, !known || blocked,
                      !known    ? CAUSE_UNKNOWN_IDENTITY
                      : blocked ? CAUSE_BLOCKED
                                : CAUSE_NONE);
    secret_clear(&key);
}

static inline void on_resolve(void *context, struct association_ref ref, struct bytes identity)
{
    struct world *world = context;

    world->resolves++;
    world->ref = ref;
    if (world->resolve_mode == RESOLVE_FAILS)
        endpoint_resolve_failed(world->endpoint, ref);
    else if (world->resolve_mode != RESOLVE_LATER)
        give_key(world, ref, identity);
}

static inline void on_established(void *context, struct association_ref ref)
{
    struct world *world = context;

    world->established++;
    world->ref = ref;
    assert_true(endpoint_info(world->endpoint, ref, &world->info));
}

static inline void on_request(void *context, struct association_ref ref,
                              const struct coap_message *message)
{
    struct world *world = context;

    world->requests++;
    world->ref = ref;
    if (world->refuse_next)
        assert_true(endpoint_refuse(world->endpoint, ref, COAP_NOT_FOUND));
    else if (world->respond_at_once)
        assert_true(endpoint_respond(world->endpoint, ref, COAP_CHANGED));
}

static inline void on_responded(void *context, struct association_ref ref)
{
    ((struct world *)context)->responded++;
}

static inline void on_answer(void *context, struct association_ref ref,
                             const struct endpoint_answer *answer)
{
    struct world *world = context;

    world->answers++;
    world->answer = *answer;
    world->answer_at = world->now;
    assert_true(answer->payload.len <= sizeof world->answer_payload);
    if (answer->payload.len > 0)
        memcpy(world->answer_payload, answer->payload.data, answer->payload.len);
}

static inline void on_no_answer(void *context, struct association_ref ref, enum cause cause,
                                uint16_t attempts)
{
    struct world *world = context;

    world->no_answers++;
    world->cause = cause;
    world->attempts = attempts;
    world->answer_at = world->now;
}

static inline void on_closed(void *context, struct association_ref ref, enum cause cause,
                             uint8_t alert)
{
    struct world *world = context;

    world->closed++;
    world->cause = cause;
    world->alert = alert;
}

static inline void on_timer(void *context, struct association_ref ref)
{
    ((struct world *)context)->timers++;
}

static inline void on_rejected(void *context, const struct net_path *path, struct bytes identity,
                               enum cause cause, const char *detail)
{
    struct world *world = context;

    world->rejected++;
    world->cause = cause;
    snprintf(world->rejected_detail, sizeof world->rejected_detail, "%s", detail);
    snprintf(world->rejected_identity, sizeof world->rejected_identity, "%.*s", (int)identity.len,
             (const char *)identity.data);
}

/* ---- a device ---- */

static inline int device_random(void *context, unsigned char *data, size_t len)
{
    bytes_random(data, len);
    return 0;
}

static inline int device_put(void *context, const unsigned char *data, size_t len)
{
    struct device *device = context;

    wire_put(device->world, true, device->index, data, len);
    return (int)len;
}

static inline int device_get(void *context, unsigned char *out, size_t cap)
{
    struct device *device = context;
    size_t len = device->input.len;

    if (len == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    assert_true(len <= cap);
    memcpy(out, device->input.data, len);
    device->input.len = 0;
    return (int)len;
}

static inline void device_set_timer(void *context, uint32_t intermediate_ms, uint32_t final_ms)
{
    struct device *device = context;

    device->intermediate = device->world->now + intermediate_ms;
    device->final = final_ms == 0 ? 0 : device->world->now + final_ms;
}

static inline int device_get_timer(void *context)
{
    const struct device *device = context;

    if (device->final == 0)
        return -1;
    if (device->world->now >= device->final)
        return 2;
    return device->world->now >= device->intermediate ? 1 : 0;
}

static inline void device_run(struct device *device)
{
    int result = 0;

    if (!device->open && device->error == 0) {
        result = mbedtls_ssl_handshake(&device->ssl);
        if (result == 0)
            device->open = true;
    }
    while (device->open && device->error == 0) {
        assert_true(device->inbox_count < INBOX_MAX);
        result =
            mbedtls_ssl_read(&device->ssl, device->inbox[device->inbox_count].data, DATAGRAM_SIZE);
        if (result <= 0)
            break;
        device->inbox[device->inbox_count].at = device->world->now;
        device->inbox[device->inbox_count++].len = (size_t)result;
    }
    if (result < 0 && result != MBEDTLS_ERR_SSL_WANT_READ) {
        device->error = result;
        device->final = 0;
        if (result == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE)
            device->alert = device->ssl.MBEDTLS_PRIVATE(in_msg)[1];
    }
}

static inline void device_forget(struct device *device)
{
    if (!device->made)
        return;
    mbedtls_ssl_free(&device->ssl);
    mbedtls_ssl_config_free(&device->tls);
    mbedtls_x509_crt_free(&device->chain);
    mbedtls_x509_crt_free(&device->ca);
    mbedtls_pk_free(&device->key);
    memset(device, 0, sizeof *device);
}

static inline void device_take_files(struct device *device, const struct device_files *files)
{
    if (files->chain != NULL) {
        assert_int_equal(mbedtls_x509_crt_parse_file(&device->chain, files->chain), 0);
#if MBEDTLS_VERSION_NUMBER < 0x03000000
        assert_int_equal(mbedtls_pk_parse_keyfile(&device->key, files->key, NULL), 0);
#else
        assert_int_equal(
            mbedtls_pk_parse_keyfile(&device->key, files->key, NULL, device_random, NULL), 0);
#endif
        assert_int_equal(mbedtls_ssl_conf_own_cert(&device->tls, &device->chain, &device->key), 0);
    }
    assert_int_equal(mbedtls_x509_crt_parse_file(&device->ca, files->ca), 0);
    mbedtls_ssl_conf_ca_chain(&device->tls, &device->ca, NULL);
    mbedtls_ssl_conf_authmode(&device->tls, MBEDTLS_SSL_VERIFY_REQUIRED);
}

/* Powers a device up (again): same address and port, new DTLS. The first hello is sent. */
static inline struct device *device_start(struct world *world, unsigned index, const char *identity,
                                          const char *key, const int *suites,
                                          uint32_t handshake_min_ms)
{
    struct device *device = &world->devices[index];
    static const int ccm8[] = {MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, 0};

    device_forget(device);
    for (unsigned i = 0; i < WIRE_MAX; i++) /* booting takes longer than a datagram */
        if (world->wire[i].device == index)
            world->wire[i].used = false;
    device->world = world;
    device->index = index;
    device->made = true;
    device->path.local = (struct net_address){.family = 4, .port = 5684, .ip = {192, 0, 2, 1}};
    device->path.remote =
        (struct net_address){.family = 4, .port = (uint16_t)(40000 + index), .ip = {192, 0, 2, 2}};
    mbedtls_ssl_init(&device->ssl);
    mbedtls_ssl_config_init(&device->tls);
    assert_int_equal(mbedtls_ssl_config_defaults(&device->tls, MBEDTLS_SSL_IS_CLIENT,
                                                 MBEDTLS_SSL_TRANSPORT_DATAGRAM,
                                                 MBEDTLS_SSL_PRESET_DEFAULT),
                     0);
    mbedtls_ssl_conf_min_version(&device->tls, MBEDTLS_SSL_MAJOR_VERSION_3,
                                 MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_max_version(&device->tls, MBEDTLS_SSL_MAJOR_VERSION_3,
                                 MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_ciphersuites(&device->tls, suites == NULL ? ccm8 : suites);
    mbedtls_ssl_conf_rng(&device->tls, device_random, NULL);
    mbedtls_ssl_conf_handshake_timeout(&device->tls, handshake_min_ms, 60000);
    mbedtls_x509_crt_init(&device->chain);
    mbedtls_x509_crt_init(&device->ca);
    mbedtls_pk_init(&device->key);
    if (world->files != NULL)
        device_take_files(device, world->files);
    else
        assert_int_equal(mbedtls_ssl_conf_psk(&device->tls, (const unsigned char *)key, strlen(key),
                                              (const unsigned char *)identity, strlen(identity)),
                         0);
#if defined(MBEDTLS_SSL_DTLS_CONNECTION_ID) && MBEDTLS_VERSION_NUMBER >= 0x03000000
    static const unsigned char own_cid[] = "dev";
    if (world->cid)
        assert_int_equal(mbedtls_ssl_conf_cid(&device->tls, 3, MBEDTLS_SSL_UNEXPECTED_CID_IGNORE),
                         0);
    assert_int_equal(mbedtls_ssl_setup(&device->ssl, &device->tls), 0);
    if (world->cid)
        assert_int_equal(mbedtls_ssl_set_cid(&device->ssl, MBEDTLS_SSL_CID_ENABLED, own_cid, 3), 0);
#else
    assert_int_equal(mbedtls_ssl_setup(&device->ssl, &device->tls), 0);
#endif
    if (world->files != NULL) {
        assert_int_equal(mbedtls_ssl_set_hostname(&device->ssl, "bs.city.example"), 0);
        mbedtls_ssl_set_mtu(&device->ssl, world->files->mtu);
    }
    mbedtls_ssl_set_bio(&device->ssl, device, device_put, device_get, NULL);
    mbedtls_ssl_set_timer_cb(&device->ssl, device, device_set_timer, device_get_timer);
    device_run(device);
    return device;
}

static inline void device_send(struct device *device, const struct coap_message *message)
{
    uint8_t memory[DATAGRAM_SIZE];
    struct buf out;

    buf_init_fixed(&out, memory, sizeof memory);
    assert_true(coap_build(message, &out));
    assert_int_equal(mbedtls_ssl_write(&device->ssl, memory, out.len), (int)out.len);
}

/* The next message that has arrived; borrowed from the inbox. */
static inline bool device_take(struct device *device, struct coap_message *message)
{
    if (device->inbox_read == device->inbox_count)
        return false;
    size_t at = device->inbox_read++;
    assert_int_equal(coap_parse(bytes_of(device->inbox[at].data, device->inbox[at].len), message),
                     COAP_PARSE_OK);
    return true;
}

/* POST /bs. */
static inline void device_ask(struct device *device, uint16_t id, uint8_t token)
{
    struct coap_message message = {
        .type = COAP_CON, .code = COAP_METHOD_POST, .id = id, .token_len = 1, .token = {token}};

    coap_add_option(&message, COAP_OPT_URI_PATH, bytes_of_text("bs"));
    coap_add_option(&message, COAP_OPT_URI_QUERY, bytes_of_text("ep=lamp"));
    device_send(device, &message);
}

/* A piggybacked answer to `request`. */
static inline struct coap_message answer_to(const struct coap_message *request, uint8_t code)
{
    struct coap_message message = {.type = COAP_ACK, .code = code, .id = request->id};

    message.token_len = request->token_len;
    memcpy(message.token, request->token, sizeof message.token);
    return message;
}

/* ---- time ---- */

static inline void deliver(struct world *world, struct datagram *datagram)
{
    struct device *device = &world->devices[datagram->device];
    struct datagram copy = *datagram;

    datagram->used = false;
    if (copy.to_server) {
        /* Of the very size, so that a read past its end is caught. */
        uint8_t *exact = malloc(copy.len);
        assert_non_null(exact);
        memcpy(exact, copy.data, copy.len);
        endpoint_receive(world->endpoint, &device->path, bytes_of(exact, copy.len), world->now);
        free(exact);
    } else if (device->made && !device->unplugged) {
        device->input = bytes_of(copy.data, copy.len);
        device_run(device);
        device->input.len = 0;
    }
}

static inline struct datagram *earliest(struct world *world)
{
    struct datagram *found = NULL;

    for (unsigned i = 0; i < WIRE_MAX; i++)
        if (world->wire[i].used && (found == NULL || world->wire[i].due < found->due))
            found = &world->wire[i];
    return found;
}

static inline uint64_t devices_next(const struct world *world)
{
    uint64_t at = UINT64_MAX;

    for (unsigned i = 0; i < DEVICES_MAX; i++) {
        const struct device *device = &world->devices[i];
        if (device->made && !device->unplugged && device->final != 0 && device->final < at)
            at = device->final;
    }
    return at;
}

static inline void devices_expire(struct world *world)
{
    for (unsigned i = 0; i < DEVICES_MAX; i++) {
        struct device *device = &world->devices[i];
        if (device->made && !device->unplugged && device->final != 0 && device->final <= world->now)
            device_run(device);
    }
}

/* Lets `duration` pass: datagrams arrive, timers run. */
static inline void world_run(struct world *world, uint64_t duration)
{
    uint64_t end = world->now + duration;

    for (unsigned steps = 0;; steps++) {
        assert_true(steps < 100000); /* else somebody spins */
        struct datagram *first = earliest(world);
        uint64_t next = endpoint_next(world->endpoint);
        if (next != UINT64_MAX && next < world->now)
            next = world->now;
        if (devices_next(world) < next)
            next = devices_next(world);
        if (first != NULL && first->due <= next) {
            if (first->due > end)
                break;
            if (first->due > world->now)
                world->now = first->due;
            deliver(world, first);
            continue;
        }
        if (next > end)
            break;
        world->now = next > world->now ? next : world->now;
        endpoint_expire(world->endpoint, world->now);
        devices_expire(world);
    }
    world->now = end;
    endpoint_expire(world->endpoint, world->now);
}

/* ---- life ---- */

static inline struct endpoint_config world_config(const struct endpoint_listener *listener)
{
    return (struct endpoint_config){.listeners = listener,
                                    .listener_count = 1,
                                    .half_open_max = 100,
                                    .sessions_max = 100,
                                    .idle_ms = 60000,
                                    .now = 1000000};
}

static const struct endpoint_listener usual_listener = {
    .handshake_min_ms = 1000, .handshake_max_ms = 60000, .ack_timeout_ms = 2000};

static inline struct world *world_new(const struct endpoint_config *config)
{
    struct world *world = calloc(1, sizeof *world);
    struct endpoint_config usual = world_config(&usual_listener);

    assert_non_null(world);
    if (config == NULL)
        config = &usual;
    struct endpoint_ops ops = {.send = on_send,
                               .resolve = on_resolve,
                               .established = on_established,
                               .request = on_request,
                               .responded = on_responded,
                               .answer = on_answer,
                               .no_answer = on_no_answer,
                               .closed = on_closed,
                               .timer = on_timer,
                               .rejected = on_rejected,
                               .context = world};
    world->now = config->now;
    world->delay_ms = 10;
    world->respond_at_once = true;
    struct err err;
    assert_int_equal(endpoint_new(config, &ops, &world->endpoint, &err), ERR_OK);
    return world;
}

static inline void world_free(struct world *world)
{
    endpoint_free(world->endpoint);
    for (unsigned i = 0; i < DEVICES_MAX; i++)
        device_forget(&world->devices[i]);
    free(world);
}

static inline struct endpoint_counters counters_of(const struct world *world)
{
    struct endpoint_counters counters;

    endpoint_read_counters(world->endpoint, &counters);
    return counters;
}

/* A device whose handshake is done. */
static inline struct device *device_join(struct world *world, unsigned index)
{
    unsigned before = world->established;
    struct device *device = device_start(world, index, "lamp", test_key, NULL, 1000);

    world_run(world, 500);
    assert_int_equal(world->established, before + 1);
    assert_true(device->open);
    return device;
}

static inline struct endpoint_request request_for(uint8_t method)
{
    return (struct endpoint_request){.method = method, .content_format = -1, .accept = -1};
}

#endif
