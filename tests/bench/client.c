/* A device of the load: handshake, bootstrap, and messages on an open session. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include "usher/coap.h"

#include <string.h>

enum { CONTENT_LINK_FORMAT = 40 };

/* A device that comes back: it has its bootstrap account and an old one, which has to go first. */
static const char discovered[] =
    "</>;lwm2m=1.1,</0/0>,</0/1>;ssid=101,</1/0>;ssid=101,</3/0>,</5/0>";

/* ---- what Mbed TLS calls ---- */

static int give_datagram(void *context, const unsigned char *data, size_t len)
{
    const struct client *client = context;

    net_send(client->world->net, client->source, data, len);
    return (int)len;
}

static int take_datagram(void *context, unsigned char *out, size_t cap)
{
    struct client *client = context;
    size_t len = client->input_len < cap ? client->input_len : cap;

    if (len == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    memcpy(out, client->input, len);
    client->input_len = 0;
    return (int)len;
}

static void timer_set(void *context, uint32_t intermediate_ms, uint32_t final_ms)
{
    struct client *client = context;

    client->intermediate_ms = final_ms == 0 ? 0 : client->world->now_ms + intermediate_ms;
    client->final_ms = final_ms == 0 ? 0 : client->world->now_ms + final_ms;
}

static int timer_get(void *context)
{
    const struct client *client = context;

    if (client->final_ms == 0)
        return -1;
    if (client->world->now_ms >= client->final_ms)
        return 2;
    return client->world->now_ms >= client->intermediate_ms;
}

/* ---- messages ---- */

static bool send_message(struct client *client, const struct coap_message *message)
{
    uint8_t data[BENCH_DATAGRAM_MAX];
    struct buf out;

    buf_init_fixed(&out, data, sizeof data);
    if (!coap_build(message, &out))
        bench_die("a message does not fit");
    struct bytes bytes = buf_bytes(&out);
    return mbedtls_ssl_write(&client->ssl, bytes.data, bytes.len) == (int)bytes.len;
}

static bool request_bootstrap(struct client *client)
{
    struct coap_message request = {.type = COAP_CON,
                                   .code = COAP_METHOD_POST,
                                   .id = client->next_id++,
                                   .token_len = 1,
                                   .token = {1}};
    char query[BENCH_NAME_SIZE + 3];

    snprintf(query, sizeof query, "ep=%s", client->name);
    coap_add_option(&request, COAP_OPT_URI_PATH, bytes_of_text("bs"));
    coap_add_option(&request, COAP_OPT_URI_QUERY, bytes_of_text(query));
    return send_message(client, &request);
}

void client_ask(struct client *client)
{
    struct coap_message request = {.type = COAP_CON,
                                   .code = COAP_METHOD_GET,
                                   .id = client->next_id++,
                                   .token_len = 1,
                                   .token = {2}};

    coap_add_option(&request, COAP_OPT_URI_PATH, bytes_of_text("bench"));
    if (!send_message(client, &request))
        client->state = CLIENT_FAILED;
}

static bool answer(struct client *client, const struct coap_message *request)
{
    struct coap_message reply = {
        .type = COAP_ACK, .id = request->id, .token_len = request->token_len};
    uint8_t format[4];

    memcpy(reply.token, request->token, request->token_len);
    switch (request->code) {
    case COAP_METHOD_GET:
        reply.code = COAP_CONTENT;
        coap_add_uint(&reply, COAP_OPT_CONTENT_FORMAT, CONTENT_LINK_FORMAT, format);
        reply.payload = bytes_of_text(discovered);
        break;
    case COAP_METHOD_DELETE:
        reply.code = COAP_DELETED;
        break;
    case COAP_METHOD_PUT:
        reply.code = COAP_CHANGED;
        break;
    case COAP_METHOD_POST:
        reply.code = COAP_CHANGED;
        client->state = CLIENT_DONE;
        break;
    default: /* an answer to the Bootstrap-Request in a message of its own is acknowledged */
        reply.token_len = 0;
        if (COAP_CODE_CLASS(request->code) != 2)
            return false;
    }
    return send_message(client, &reply);
}

static void record_message(FILE *file, struct bytes message)
{
    for (size_t i = 0; i < message.len; i++)
        fprintf(file, "%02x", message.data[i]);
    fputc('\n', file);
}

/* False: this device has failed. */
static bool take_message(struct client *client, struct bytes data)
{
    struct coap_message message;

    if (coap_parse(data, &message) != COAP_PARSE_OK)
        return false;
    if (message.type == COAP_ACK) {
        client->answers += message.code == COAP_NOT_FOUND;
        return message.code == 0 || message.code == COAP_CHANGED || message.code == COAP_NOT_FOUND;
    }
    if (message.type != COAP_CON)
        return false;
    if (client->world->record != NULL && COAP_CODE_CLASS(message.code) == 0)
        record_message(client->world->record, data);
    return answer(client, &message);
}

/* ---- running ---- */

static void read_messages(struct client *client)
{
    uint8_t data[BENCH_DATAGRAM_MAX];

    while (client->state == CLIENT_OPEN) {
        int result = mbedtls_ssl_read(&client->ssl, data, sizeof data);
        if (result == MBEDTLS_ERR_SSL_WANT_READ)
            return;
        if (result <= 0 || !take_message(client, bytes_of(data, (size_t)result)))
            client->state = CLIENT_FAILED;
    }
}

static void shake_hands(struct client *client)
{
    int result = mbedtls_ssl_handshake(&client->ssl);

    if (result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE)
        return;
    client->state = result == 0 ? CLIENT_OPEN : CLIENT_FAILED;
    if (result == 0 && client->bootstraps && !request_bootstrap(client))
        client->state = CLIENT_FAILED;
}

static void run(struct client *client)
{
    if (client->state == CLIENT_HANDSHAKE)
        shake_hands(client);
    read_messages(client);
    client->input_len = 0;
}

void client_start(struct client *client, struct client_world *world, unsigned device,
                  unsigned source, bool bootstraps)
{
    *client = (struct client){.world = world,
                              .state = CLIENT_HANDSHAKE,
                              .source = source,
                              .bootstraps = bootstraps,
                              .next_id = 1};
    bench_name(device, client->name);
    bench_tls_client(world->tls, &client->config, device, client->name);
    mbedtls_ssl_init(&client->ssl);
    if (mbedtls_ssl_setup(&client->ssl, &client->config) != 0)
        bench_die("out of memory");
    if (world->tls->x509 && mbedtls_ssl_set_hostname(&client->ssl, "bs.city.example") != 0)
        bench_die("out of memory");
    mbedtls_ssl_set_bio(&client->ssl, client, give_datagram, take_datagram, NULL);
    mbedtls_ssl_set_timer_cb(&client->ssl, client, timer_set, timer_get);
    run(client);
}

void client_receive(struct client *client, const unsigned char *data, size_t len)
{
    client->input = data;
    client->input_len = len;
    run(client);
}

void client_expire(struct client *client)
{
    if (client->state == CLIENT_HANDSHAKE && client->final_ms != 0 &&
        client->world->now_ms >= client->final_ms)
        run(client);
}

void client_stop(struct client *client)
{
    if (client->state == CLIENT_OPEN || client->state == CLIENT_DONE)
        mbedtls_ssl_close_notify(&client->ssl);
    mbedtls_ssl_free(&client->ssl);
    mbedtls_ssl_config_free(&client->config);
    client->state = CLIENT_IDLE;
}
