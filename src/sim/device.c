/* A device's life: handshake, request, being served, end; and power losses in between. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "device_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_MAX = 16384, TRANSFER_MAX_DEFAULT = 16384, PAYLOAD_MAX_DEFAULT = 1024 };

void sim_config_init(struct sim_config *config)
{
    *config = (struct sim_config){.version = LWM2M_1_1,
                                  .preferred_format = FORMAT_NONE,
                                  .pack_format = FORMAT_NONE,
                                  .handshake_min_ms = 1000,
                                  .handshake_max_ms = 60000,
                                  .ack_timeout_ms = COAP_ACK_TIMEOUT_MS,
                                  .timeout_ms = COAP_EXCHANGE_LIFETIME_MS,
                                  .block_szx = 6,
                                  .payload_max = PAYLOAD_MAX_DEFAULT,
                                  .transfer_max = TRANSFER_MAX_DEFAULT};
}

void device_random(struct sim_device *device, void *data, size_t len)
{
    if (device->config.random != NULL)
        device->config.random(device->config.random_context, data, len);
    else
        bytes_random(data, len);
}

/* RFC 7252 section 4.2: times a random factor of 1 to 1.5. */
uint32_t device_first_timeout(struct sim_device *device)
{
    uint16_t random;
    device_random(device, &random, sizeof random);
    uint32_t timeout = device->config.ack_timeout_ms;
    return timeout + (uint32_t)((uint64_t)timeout * random / 131072);
}

/* ---- datagrams ---- */

static void dispatch_state(struct sim_device *device, enum dtls_client_state state);

static void receive_now(struct sim_device *device, struct bytes datagram)
{
    device->report.datagrams_received++;
    device->report.bytes_received += datagram.len;
    if (device->over)
        return;
    if (!device->secured) {
        device_message(device, datagram);
        return;
    }
    if (device->report.state == SIM_HANDSHAKE && device->config.faults.reboot_in_handshake &&
        !device->rebooted_handshake && datagram.len > 100) {
        device->rebooted_handshake = device->restart = true;
        return;
    }
    if (device->dtls != NULL)
        dispatch_state(device, dtls_client_receive(device->dtls, datagram, device->now));
}

static void deliver(void *context, bool outgoing, struct bytes datagram)
{
    struct sim_device *device = context;
    if (!outgoing) {
        receive_now(device, datagram);
        return;
    }
    device->report.datagrams_sent++;
    device->report.bytes_sent += datagram.len;
    device->send(device->send_context, datagram);
}

static void send_datagram(void *context, struct bytes datagram)
{
    struct sim_device *device = context;
    line_put(&device->line, true, datagram, device->now);
}

static void receive_plain(void *context, struct bytes plain)
{
    device_message(context, plain);
}

void device_transmit(struct sim_device *device, struct bytes message)
{
    if (!device->secured)
        send_datagram(device, message);
    else if (device->dtls != NULL)
        (void)dtls_client_send(device->dtls, message);
}

/* ---- the end ---- */

static void close_association(struct sim_device *device)
{
    if (device->dtls != NULL && !device->closing) {
        device->closing = true;
        dtls_client_close(device->dtls);
    }
    device->request.open = device->response.open = false;
    device->separate_at = device->ask_at = UINT64_MAX;
    device->over = true;
}

void device_fail(struct sim_device *device, const char *reason, const char *format, ...)
{
    if (device->report.state == SIM_BOOTSTRAPPED || device->report.state == SIM_FAILED)
        return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(device->report.detail, sizeof device->report.detail, format, arguments);
    va_end(arguments);
    (void)snprintf(device->report.reason, sizeof device->report.reason, "%s", reason);
    device->report.state = SIM_FAILED;
    device->report.duration_ms = (uint32_t)(device->now - device->started);
    close_association(device);
}

void device_bootstrapped(struct sim_device *device)
{
    if (device->report.state == SIM_BOOTSTRAPPED)
        return;
    device->report.state = SIM_BOOTSTRAPPED;
    device->report.duration_ms = (uint32_t)(device->now - device->started);
    device->request.open = false;
    device->linger_until = device->now + device->config.linger_ms;
}

static void fail_of_alert(struct sim_device *device)
{
    uint8_t alert = dtls_client_alert(device->dtls);
    char reason[SIM_REASON_MAX];
    (void)snprintf(reason, sizeof reason, "dtls-alert-%u", alert);
    device_fail(device, reason, "the server ended the association with alert %u %s", alert,
                dtls_alert_name(alert));
}

static void fail_of_close(struct sim_device *device)
{
    if (device->finish_reason[0] != '\0')
        device_fail(device, "finish-refused", "closed after a refused Finish: %.150s",
                    device->finish_reason);
    else
        device_fail(device, "closed-by-server", "the server closed the association before Finish");
}

static void opened(struct sim_device *device)
{
    device->report.cid = dtls_client_has_cid(device->dtls);
    device->report.handshake_ms = (uint32_t)(device->now - device->handshake_started);
    if (device->config.hold_ms == 0) {
        device_send_request(device);
        return;
    }
    device->ask_at = device->now + device->config.hold_ms;
    device->started += device->config.hold_ms; /* the silence does not count */
    device->deadline += device->config.hold_ms;
}

static void ask_if_due(struct sim_device *device)
{
    if (device->ask_at > device->now)
        return;
    device->ask_at = UINT64_MAX;
    device_send_request(device);
}

static void dispatch_state(struct sim_device *device, enum dtls_client_state state)
{
    switch (state) {
    case DTLS_CLIENT_HANDSHAKE:
        return;
    case DTLS_CLIENT_OPEN:
        if (device->report.state == SIM_HANDSHAKE && !device->restart &&
            device->ask_at == UINT64_MAX)
            opened(device);
        return;
    case DTLS_CLIENT_TIMED_OUT:
        device_fail(device, "handshake-timeout", "the server did not answer the DTLS handshake");
        break;
    case DTLS_CLIENT_ALERT:
        fail_of_alert(device);
        break;
    case DTLS_CLIENT_CLOSED:
        fail_of_close(device);
        break;
    case DTLS_CLIENT_ERROR:
        device_fail(device, "tls-error", "DTLS failed on our side: -0x%04x",
                    (unsigned)-dtls_client_error(device->dtls));
        break;
    }
    close_association(device);
}

/* ---- the beginning ---- */

void device_move_if_due(struct sim_device *device)
{
    if (device->config.move == NULL || device->report.moves > 0 ||
        device->config.faults.move_after != device->operations)
        return;
    device->report.moves++;
    device->config.move(device->send_context);
}

static bool new_association(struct sim_device *device)
{
    struct secret key = device->key;
    if (device->config.faults.wrong_key)
        key.data[0] ^= 1;
    struct dtls_client_config config = {
        .identity = secret_bytes(&device->identity),
        .key = secret_bytes(&key),
        .certificate = device->config.certificate,
        .certificate_key = device->config.certificate_key,
        .authorities = device->config.authorities,
        .server_name = device->config.server_name,
        .cipher = device->config.cipher,
        .cid = device->config.cid,
        .cid_len = device->config.cid_len,
        .handshake_min_ms = device->config.handshake_min_ms,
        .handshake_max_ms = device->config.handshake_max_ms,
        .random = device->config.random,
        .random_context = device->config.random_context,
        .send = send_datagram,
        .received = receive_plain,
        .context = device,
    };
    struct err err = {0};
    dtls_client_free(device->dtls);
    device->dtls = NULL;
    bool made = dtls_client_new(&config, &device->dtls, &err) == ERR_OK;
    secret_clear(&key);
    if (!made)
        device_fail(device, "tls-error", "%.150s", err.text);
    return made;
}

static void connect_again(struct sim_device *device)
{
    device->restart = device->over = device->closing = false;
    device->handshake_started = device->now;
    device->ask_at = UINT64_MAX;
    device_messages_reset(device);
    if (!device->secured) {
        device_send_request(device);
        return;
    }
    device->report.state = SIM_HANDSHAKE;
    if (new_association(device))
        dispatch_state(device, dtls_client_start(device->dtls, device->now));
}

static bool tree_copy(struct tree *to, const struct tree *from)
{
    tree_clear(to);
    return tree_put_all(to, from->items, from->count);
}

bool device_objects_restore(struct sim_device *device)
{
    bool restored = tree_copy(&device->objects.tree, &device->saved);
    if (!restored)
        device_fail(device, "no-memory", "out of memory");
    return restored;
}

void sim_device_start(struct sim_device *device, uint64_t now)
{
    device->now = device->started = now;
    device->deadline = now + device->config.timeout_ms;
    device->report = (struct sim_report){.state = SIM_IDLE};
    device->operations = 0;
    device->finish_reason[0] = '\0';
    memset(device->rules_used, 0, sizeof device->rules_used);
    if (tree_copy(&device->saved, &device->objects.tree))
        connect_again(device);
    else
        device_fail(device, "no-memory", "out of memory");
}

void sim_device_reboot(struct sim_device *device, uint64_t now)
{
    device->now = now;
    device->report.reboots++;
    if (device_objects_restore(device))
        connect_again(device);
}

bool sim_device_ask_again(struct sim_device *device, uint64_t now)
{
    device->now = now;
    if (device->report.state != SIM_REQUESTING && device->report.state != SIM_SERVED &&
        device->report.state != SIM_BOOTSTRAPPED)
        return false;
    device_send_request(device);
    return true;
}

/* A reboot asked for while the library was at work. */
static void settle(struct sim_device *device)
{
    while (device->restart && !device->over)
        sim_device_reboot(device, device->now);
}

void sim_device_receive(struct sim_device *device, struct bytes datagram, uint64_t now)
{
    device->now = now;
    uint32_t repeated = device->line.repeated;
    line_put(&device->line, false, datagram, now);
    device->report.duplicates += device->line.repeated - repeated;
    settle(device);
    if (device->report.state == SIM_BOOTSTRAPPED && now >= device->linger_until &&
        !device->response.open && device->separate_at == UINT64_MAX)
        close_association(device);
}

static void fail_of_time(struct sim_device *device)
{
    if (device->report.state == SIM_HANDSHAKE)
        device_fail(device, "handshake-timeout", "the handshake took too long");
    else if (device->report.state == SIM_REQUESTING)
        device_fail(device, "no-answer", "no answer to the Bootstrap-Request");
    else if (device->finish_reason[0] != '\0')
        device_fail(device, "finish-refused", "Finish was refused: %.150s", device->finish_reason);
    else
        device_fail(device, "no-finish", "the server did not finish the bootstrap in time");
}

void sim_device_expire(struct sim_device *device, uint64_t now)
{
    device->now = now;
    line_expire(&device->line, now);
    if (device->over)
        return;
    if (device->dtls != NULL)
        dispatch_state(device, dtls_client_expire(device->dtls, now));
    ask_if_due(device);
    device_messages_expire(device);
    settle(device);
    if (device->report.state == SIM_BOOTSTRAPPED) {
        if (now >= device->linger_until && !device->response.open &&
            device->separate_at == UINT64_MAX)
            close_association(device);
    } else if (device->report.state != SIM_FAILED && now >= device->deadline) {
        fail_of_time(device);
    }
}

uint64_t sim_device_next(const struct sim_device *device)
{
    uint64_t next = line_next(&device->line);
    if (device->over || device->report.state == SIM_IDLE)
        return next;
    uint64_t messages = device_messages_next(device);
    uint64_t dtls = device->dtls != NULL ? dtls_client_next(device->dtls) : UINT64_MAX;
    uint64_t own = device->deadline < device->ask_at ? device->deadline : device->ask_at;
    if (device->report.state == SIM_BOOTSTRAPPED)
        own = device->response.open || device->separate_at != UINT64_MAX ? UINT64_MAX
                                                                         : device->linger_until;
    next = messages < next ? messages : next;
    next = dtls < next ? dtls : next;
    return own < next ? own : next;
}

bool sim_device_over(const struct sim_device *device)
{
    return device->over && line_next(&device->line) == UINT64_MAX;
}

/* ---- making and reading ---- */

static enum err_code copy_names(struct sim_device *device, const struct sim_config *config,
                                struct err *err)
{
    const char *uri = config->server_uri != NULL ? config->server_uri : "";
    device->secured = strncmp(uri, "coaps://", 8) == 0;
    if (!device->secured && strncmp(uri, "coap://", 7) != 0)
        return err_set(err, ERR_INVALID, "'%s' is no server; write coaps://HOST:PORT", uri);
    if (strlen(uri) > DEVICE_URI_MAX)
        return err_set(err, ERR_RANGE, "the server's URI is longer than %d bytes", DEVICE_URI_MAX);
    if (config->endpoint != NULL && strlen(config->endpoint) > DEVICE_ENDPOINT_MAX)
        return err_set(err, ERR_RANGE, "the endpoint name is longer than %d bytes",
                       DEVICE_ENDPOINT_MAX);
    uint16_t most = config->quirks.endpoint_max;
    if (most != 0 && config->endpoint != NULL && strlen(config->endpoint) > most)
        return err_set(err, ERR_RANGE, "this client has room for endpoint names of %u bytes", most);
    strcpy(device->server_uri, uri);
    strcpy(device->endpoint, config->endpoint != NULL ? config->endpoint : "");
    if (!device->secured || config->authorities != NULL)
        return ERR_OK;
    if (config->identity.len == 0 || config->key.len == 0)
        return err_set(err, ERR_INVALID, "a coaps server needs an identity and a key");
    if (!secret_set(&device->identity, config->identity) || !secret_set(&device->key, config->key))
        return err_set(err, ERR_RANGE, "the identity or the key is longer than %d bytes",
                       SECRET_MAX);
    return ERR_OK;
}

static void fill_defaults(struct sim_config *config)
{
    struct sim_config defaults;
    sim_config_init(&defaults);
    /* What is copied or only needed at the beginning is not looked at again. */
    config->identity = config->key = (struct bytes){0};
    config->holds = NULL;
    config->objects = config->more_objects = NULL;
    config->formats = NULL;
    if (config->handshake_min_ms == 0)
        config->handshake_min_ms = defaults.handshake_min_ms;
    if (config->handshake_max_ms == 0)
        config->handshake_max_ms = defaults.handshake_max_ms;
    if (config->ack_timeout_ms == 0)
        config->ack_timeout_ms = defaults.ack_timeout_ms;
    if (config->timeout_ms == 0)
        config->timeout_ms = defaults.timeout_ms;
    if (config->payload_max == 0)
        config->payload_max = defaults.payload_max;
    if (config->transfer_max == 0)
        config->transfer_max = defaults.transfer_max;
    if (config->block_szx > 6)
        config->block_szx = 6;
}

enum err_code sim_device_new(const struct sim_config *config, sim_send_fn send, void *context,
                             struct sim_device **out, struct err *err)
{
    struct sim_device *device = calloc(1, sizeof *device);
    if (device == NULL)
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    device->config = *config;
    fill_defaults(&device->config);
    device->send = send;
    device->send_context = context;
    device->separate_at = device->ask_at = UINT64_MAX;
    device->over = true;
    line_init(&device->line, &device->config.faults, deliver, device);
    confirmable_init(&device->request);
    confirmable_init(&device->response);
    answers_init(&device->answers);
    buf_init(&device->held_payload, MESSAGE_MAX);
    buf_init(&device->assembly.payload, device->config.transfer_max);
    buf_init(&device->body.payload, BODY_MAX);
    buf_init(&device->pack, device->config.transfer_max);
    enum err_code result = copy_names(device, config, err);
    if (result == ERR_OK) {
        if (config->endpoint != NULL)
            device->config.endpoint = device->endpoint;
        device->config.server_uri = device->server_uri;
        result = device_provision(device, config, err);
    }
    if (result != ERR_OK) {
        sim_device_free(device);
        return result;
    }
    *out = device;
    return ERR_OK;
}

void sim_device_free(struct sim_device *device)
{
    if (device == NULL)
        return;
    dtls_client_free(device->dtls);
    line_clear(&device->line);
    tree_clear(&device->objects.tree);
    tree_clear(&device->saved);
    confirmable_clear(&device->request);
    confirmable_clear(&device->response);
    answers_clear(&device->answers);
    buf_clear(&device->held_payload);
    buf_clear(&device->assembly.payload);
    buf_clear(&device->body.payload);
    buf_clear(&device->pack);
    bytes_wipe(device, sizeof *device);
    free(device);
}

const struct sim_report *sim_device_report(const struct sim_device *device)
{
    return &device->report;
}

const struct record *sim_device_objects(const struct sim_device *device, size_t *count)
{
    *count = device->objects.tree.count;
    return device->objects.tree.items;
}

const struct value *sim_device_value(const struct sim_device *device, const struct path *path)
{
    return tree_find(&device->objects.tree, path);
}

const char *sim_state_name(enum sim_state state)
{
    static const char *const names[] = {"idle",   "handshake",    "requesting",
                                        "served", "bootstrapped", "failed"};
    return names[state];
}

bool sim_is_secret(const struct path *path)
{
    static const struct {
        uint16_t object, resource;
    } secrets[] = {{0, 5}, {0, 8}, {21, 0}, {23, 2}, {24, 8}, {11, 6}};
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
        if (path->depth >= 3 && path->ids[0] == secrets[i].object &&
            path->ids[2] == secrets[i].resource)
            return true;
    return false;
}
