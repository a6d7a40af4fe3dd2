/* CoAP messages of a device: its request, the server's requests, answers in either form. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "device_priv.h"

#include <stdio.h>
#include <string.h>

static void send_message(struct sim_device *device, const struct coap_message *message)
{
    uint8_t memory[MESSAGE_MAX];
    struct buf out;
    buf_init_fixed(&out, memory, sizeof memory);
    if (coap_build(message, &out))
        device_transmit(device, buf_bytes(&out));
    buf_clear(&out);
}

static void send_empty(struct sim_device *device, enum coap_type type, uint16_t id)
{
    send_message(device, &(struct coap_message){.type = type, .id = id});
}

void device_messages_reset(struct sim_device *device)
{
    confirmable_clear(&device->request);
    confirmable_clear(&device->response);
    answers_clear(&device->answers);
    buf_reset(&device->assembly.payload);
    device->assembly.active = false;
    device->body.valid = false;
    device->separate_at = UINT64_MAX;
    if (device->config.has_mid_start)
        device->next_id = device->config.mid_start;
    else
        device_random(device, &device->next_id, sizeof device->next_id);
}

void device_send_request(struct sim_device *device)
{
    char endpoint[DEVICE_ENDPOINT_MAX + 4], format[16];
    struct coap_message message = {.type = COAP_CON,
                                   .code = COAP_METHOD_POST,
                                   .id = device->next_id++,
                                   .token_len = DEVICE_TOKEN_LEN};
    device_random(device, device->token, sizeof device->token);
    memcpy(message.token, device->token, sizeof device->token);
    (void)coap_add_option(&message, COAP_OPT_URI_PATH, bytes_of_text("bs"));
    if (device->config.endpoint != NULL) {
        (void)snprintf(endpoint, sizeof endpoint, "ep=%s", device->endpoint);
        (void)coap_add_option(&message, COAP_OPT_URI_QUERY, bytes_of_text(endpoint));
    }
    if (device->config.preferred_format != FORMAT_NONE) {
        (void)snprintf(format, sizeof format, "pct=%d", device->config.preferred_format);
        (void)coap_add_option(&message, COAP_OPT_URI_QUERY, bytes_of_text(format));
    }
    device->report.state = SIM_REQUESTING;
    if (!confirmable_open(&device->request, &message, device_first_timeout(device), device->now))
        device_fail(device, "request-too-long", "the Bootstrap-Request does not fit a message");
    else
        device_transmit(device, buf_bytes(&device->request.message));
}

static bool has_token(const struct sim_device *device, const struct coap_message *message)
{
    return message->token_len == DEVICE_TOKEN_LEN &&
           memcmp(message->token, device->token, DEVICE_TOKEN_LEN) == 0;
}

/* The answer to POST /bs. */
static void take_response(struct sim_device *device, const struct coap_message *message)
{
    char code[8];
    device->request.open = false;
    if (device->report.state != SIM_REQUESTING)
        return;
    if (message->code == COAP_CHANGED) {
        device->report.state = SIM_SERVED;
        return;
    }
    coap_code_text(message->code, code);
    char reason[SIM_REASON_MAX];
    (void)snprintf(reason, sizeof reason, "request-refused-%s", code);
    device_fail(device, reason, "the server answered the Bootstrap-Request with %s %s", code,
                coap_code_name(message->code));
}

static void take_acknowledgement(struct sim_device *device, const struct coap_message *message)
{
    if (device->response.open && device->response.id == message->id) {
        device->response.open = false;
        return;
    }
    if (!device->request.open || device->request.id != message->id)
        return;
    if (message->type == COAP_RST)
        device_fail(device, "reset", "the server reset the Bootstrap-Request");
    else if (message->code == 0)
        device->request.open = false; /* the answer comes as a message of its own */
    else if (has_token(device, message))
        take_response(device, message);
}

static void fill_answer(struct coap_message *message, const struct coap_message *request,
                        const struct device_answer *answer, uint8_t scratch[static 2][4])
{
    message->code = answer->code;
    message->token_len = request->token_len;
    memcpy(message->token, request->token, sizeof message->token);
    message->payload = answer->payload;
    if (answer->format != FORMAT_NONE)
        (void)coap_add_uint(message, COAP_OPT_CONTENT_FORMAT, (uint32_t)answer->format, scratch[0]);
    if (answer->has_block)
        (void)coap_add_block(message, answer->block_option, &answer->block, scratch[1]);
}

/* Sends what was held back as a message of its own. */
static void send_separate(struct sim_device *device)
{
    struct coap_message *message = &device->held_header;
    message->id = device->next_id++;
    message->payload = buf_bytes(&device->held_payload);
    device->separate_at = UINT64_MAX;
    if (device->config.separate_non) {
        message->type = COAP_NON;
        send_message(device, message);
    } else if (confirmable_open(&device->response, message, device_first_timeout(device),
                                device->now)) {
        device_transmit(device, buf_bytes(&device->response.message));
    }
}

static void hold_answer(struct sim_device *device, const struct coap_message *request,
                        const struct device_answer *answer)
{
    if (device->separate_at != UINT64_MAX)
        send_separate(device);
    device->held_header = (struct coap_message){.type = COAP_CON};
    fill_answer(&device->held_header, request, answer, device->held_scratch);
    buf_reset(&device->held_payload);
    buf_put_bytes(&device->held_payload, answer->payload);
    device->separate_at = device->now + device->config.separate_delay_ms;
    if (device->config.separate_delay_ms == 0)
        send_separate(device);
}

static void send_answer(struct sim_device *device, const struct coap_message *request,
                        const struct device_answer *answer, struct buf *kept)
{
    uint8_t scratch[2][4];
    struct coap_message message = {.type = COAP_ACK, .id = request->id};
    bool confirmable = request->type == COAP_CON;
    if (answer->reset)
        message.type = COAP_RST;
    else if (!(device->config.separate && confirmable))
        fill_answer(&message, request, answer, scratch);
    if (!confirmable && !answer->reset) {
        message.type = COAP_NON;
        message.id = device->next_id++;
    }
    if (coap_build(&message, kept))
        device_transmit(device, buf_bytes(kept));
    if (device->config.separate && confirmable && !answer->reset)
        hold_answer(device, request, answer);
}

static void take_request(struct sim_device *device, const struct coap_message *request)
{
    struct device_answer answer;
    struct answer *known = answers_find(&device->answers, request->id);
    if (known != NULL) {
        device->report.duplicates++;
        if (known->message.len > 0)
            device_transmit(device, buf_bytes(&known->message));
        return;
    }
    if (device->report.state != SIM_BOOTSTRAPPED && device->config.timeout_restarts)
        device->deadline = device->now + device->config.timeout_ms;
    known = answers_add(&device->answers, request->id);
    device_serve(device, request, &answer);
    if (!answer.silent)
        send_answer(device, request, &answer, &known->message);
}

void device_message(struct sim_device *device, struct bytes plain)
{
    struct coap_message message;
    if (device->restart || device->over)
        return;
    switch (coap_parse(plain, &message)) {
    case COAP_PARSE_IGNORE:
        return;
    case COAP_PARSE_REJECT:
        if (message.type == COAP_CON)
            send_empty(device, COAP_RST, message.id);
        return;
    case COAP_PARSE_OK:
        break;
    }
    if (message.type == COAP_ACK || message.type == COAP_RST) {
        take_acknowledgement(device, &message);
    } else if (message.code == 0) { /* a ping, RFC 7252 section 4.3 */
        send_empty(device, COAP_RST, message.id);
    } else if (COAP_CODE_CLASS(message.code) == 0) {
        take_request(device, &message);
    } else if (has_token(device, &message)) {
        if (message.type == COAP_CON)
            send_empty(device, COAP_ACK, message.id);
        take_response(device, &message);
    } else if (message.type == COAP_CON) {
        send_empty(device, COAP_RST, message.id);
    }
}

static void repeat(struct sim_device *device, struct confirmable *confirmable)
{
    switch (confirmable_expire(confirmable, device->now)) {
    case CONFIRMABLE_WAIT:
        return;
    case CONFIRMABLE_REPEAT:
        device->report.retransmissions++;
        device_transmit(device, buf_bytes(&confirmable->message));
        return;
    case CONFIRMABLE_GIVE_UP:
        if (confirmable == &device->request)
            device_fail(device, "no-answer", "no answer to the Bootstrap-Request");
        return;
    }
}

void device_messages_expire(struct sim_device *device)
{
    repeat(device, &device->request);
    repeat(device, &device->response);
    if (device->separate_at <= device->now)
        send_separate(device);
}

uint64_t device_messages_next(const struct sim_device *device)
{
    uint64_t next = device->separate_at;
    if (confirmable_next(&device->request) < next)
        next = confirmable_next(&device->request);
    if (confirmable_next(&device->response) < next)
        next = confirmable_next(&device->response);
    return next;
}
