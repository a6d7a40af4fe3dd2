/* SPDX-License-Identifier: Apache-2.0 */
/* A simulated device without DTLS, and the server's part by hand-made CoAP messages. */
#ifndef USHER_TESTS_SIM_BENCH_H
#define USHER_TESTS_SIM_BENCH_H

#include "usher/coap.h"
#include "usher/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Vector V1 of the protocol reference: account A for /0/1. */
#define ACCOUNT_A                                                                                  \
    "c8001f636f6170733a2f2f6c776d326d2e636974792e6578616d706c653a35363834c10100c10200c803157572"   \
    "6e3a6465763a6f733a303034322d6c616d7037c80510101112131415161718191a1b1c1d1e1fc10a65"
/* Vector V5: the server of it. */
#define SERVER_A "c10065c40100015180c10601c10755c11001c11700"

struct bench {
    struct sim_device *device;
    uint64_t now;
    uint16_t id;
    uint8_t sent[8][1500]; /* the latest datagrams */
    size_t sent_len[8];
    size_t sent_count;
    struct coap_message answer; /* points into sent */
};

static inline void keep(void *context, struct bytes datagram)
{
    struct bench *bench = context;
    size_t at = bench->sent_count++ % 8;
    assert_true(datagram.len <= sizeof bench->sent[at]);
    memcpy(bench->sent[at], datagram.data, datagram.len);
    bench->sent_len[at] = datagram.len;
}

static inline struct coap_message last_sent(const struct bench *bench)
{
    struct coap_message message;
    assert_true(bench->sent_count > 0);
    size_t at = (bench->sent_count - 1) % 8;
    assert_int_equal(coap_parse(bytes_of(bench->sent[at], bench->sent_len[at]), &message),
                     COAP_PARSE_OK);
    return message;
}

static inline void receive(struct bench *bench, const struct coap_message *message)
{
    uint8_t memory[4096];
    struct buf out;
    buf_init_fixed(&out, memory, sizeof memory);
    assert_true(coap_build(message, &out));
    sim_device_receive(bench->device, buf_bytes(&out), bench->now);
}

static inline struct sim_config plain_config(void)
{
    struct sim_config config;
    sim_config_init(&config);
    config.server_uri = "coap://127.0.0.1:5683";
    config.endpoint = "lamp7";
    config.linger_ms = 1000;
    return config;
}

static inline struct bench *bench_new(const struct sim_config *config)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct err err;
    assert_non_null(bench);
    bench->now = 1000;
    bench->id = 0x1000;
    if (sim_device_new(config, keep, bench, &bench->device, &err) != ERR_OK)
        fail_msg("%s", err.text);
    sim_device_start(bench->device, bench->now);
    struct coap_message request = last_sent(bench);
    assert_int_equal(request.code, COAP_METHOD_POST);
    request.type = COAP_ACK;
    request.code = COAP_CHANGED;
    request.option_count = 0;
    receive(bench, &request);
    assert_int_equal(sim_device_report(bench->device)->state, SIM_SERVED);
    return bench;
}

static inline void bench_free(struct bench *bench)
{
    sim_device_free(bench->device);
    free(bench);
}

static inline struct coap_message request(struct bench *bench, uint8_t method, const char *path)
{
    struct coap_message message = {
        .type = COAP_CON, .code = method, .id = bench->id++, .token_len = 1, .token = {0xb1}};
    for (const char *at = path; *at == '/' && at[1] != '\0';) {
        size_t len = strcspn(at + 1, "/");
        assert_true(coap_add_option(&message, COAP_OPT_URI_PATH, bytes_of(at + 1, len)));
        at += 1 + len;
    }
    return message;
}

/* Sends it and takes the piggybacked answer; 0 = none came. */
static inline uint8_t ask(struct bench *bench, const struct coap_message *message)
{
    size_t before = bench->sent_count;
    receive(bench, message);
    if (bench->sent_count == before)
        return 0;
    bench->answer = last_sent(bench);
    assert_int_equal(bench->answer.id, message->id);
    return bench->answer.code;
}

static inline uint8_t write_bytes(struct bench *bench, const char *path, int format,
                                  struct bytes payload)
{
    uint8_t scratch[4];
    struct coap_message message = request(bench, COAP_METHOD_PUT, path);
    if (format >= 0)
        assert_true(coap_add_uint(&message, COAP_OPT_CONTENT_FORMAT, (uint32_t)format, scratch));
    message.payload = payload;
    return ask(bench, &message);
}

static inline uint8_t write_hex(struct bench *bench, const char *path, int format, const char *hex)
{
    uint8_t payload[512];
    size_t len;
    assert_true(bytes_from_hex(hex, strlen(hex), payload, sizeof payload, &len));
    return write_bytes(bench, path, format, bytes_of(payload, len));
}

static inline uint8_t erase(struct bench *bench, const char *path)
{
    struct coap_message message = request(bench, COAP_METHOD_DELETE, path);
    return ask(bench, &message);
}

static inline uint8_t get(struct bench *bench, const char *path, int accept)
{
    uint8_t scratch[4];
    struct coap_message message = request(bench, COAP_METHOD_GET, path);
    if (accept >= 0)
        assert_true(coap_add_uint(&message, COAP_OPT_ACCEPT, (uint32_t)accept, scratch));
    return ask(bench, &message);
}

static inline uint8_t finish(struct bench *bench)
{
    struct coap_message message = request(bench, COAP_METHOD_POST, "/bs");
    return ask(bench, &message);
}

static inline void write_accounts(struct bench *bench)
{
    assert_int_equal(write_hex(bench, "/0/1", FORMAT_TLV, ACCOUNT_A), COAP_CHANGED);
    assert_int_equal(write_hex(bench, "/1/0", FORMAT_TLV, SERVER_A), COAP_CHANGED);
}

static inline bool holds(const struct bench *bench, const char *text)
{
    struct path path;
    assert_true(path_parse(text, strlen(text), &path));
    return sim_device_value(bench->device, &path) != NULL;
}

static inline void expect_detail(const struct bench *bench, const char *word)
{
    const char *text = (const char *)bench->answer.payload.data;
    if (bench->answer.payload.len == 0 ||
        memmem(text, bench->answer.payload.len, word, strlen(word)) == NULL)
        fail_msg("'%.*s' does not say '%s'", (int)bench->answer.payload.len, text, word);
}

#endif
