/* CoAP messages of a device: the server's requests, answers in either form. */
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
    device_request_reset(device);
    if (device->config.has_mid_start)
        device->next_id = device->config.mid_start;
    else
        device_random(device, &device->next_id, sizeof device->next_id);
}

static bool has_token(const struct sim_device *device, const struct coap_message *message)
{
    return message->token_len == DEVICE_TOKEN_LEN &&
           memcmp(message->token, device->token, DEVICE_TOKEN_LEN) == 0;
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
        device_take_response(device, message);
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
    bool separate = confirmable && (device->config.separate || answer->separate);
    if (answer->reset)
        message.type = COAP_RST;
    else if (!separate)
        fill_answer(&message, request, answer, scratch);
    if (!confirmable && !answer->reset) {
        message.type = COAP_NON;
        message.id = device->next_id++;
    }
    if (coap_build(&message, kept))
        device_transmit(device, buf_bytes(kept));
    if (separate && !answer->reset)
        hold_answer(device, request, answer);
}

static bool is_late_finish(const struct sim_device *device, const struct coap_message *request)
{
    return device->report.state == SIM_BOOTSTRAPPED && coap_path_is(request, "/bs");
}

static bool is_heard(const struct sim_device *device, const struct coap_message *request)
{
    const struct sim_quirks *quirks = &device->config.quirks;
    return !(quirks->ignores_non && request->type == COAP_NON) &&
           !(quirks->idle_is_silent && is_late_finish(device, request));
}

static void take_request(struct sim_device *device, const struct coap_message *request)
{
    struct device_answer answer;
    struct answer *known = answers_find(&device->answers, request->id);
    if (known != NULL) {
        device->report.duplicates++;
        if (device->config.quirks.repeated_finish_restarts && is_late_finish(device, request)) {
            device->restart = true;
            return;
        }
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
    if (device->ends_with != NULL)
        device_fail(device, device->ends_with, "it ends so: %.150s", answer.text);
}

void device_message(struct sim_device *device, struct bytes plain)
{
    struct coap_message message;
    uint16_t most = device->config.quirks.message_max;
    if (device->restart || device->over || (most != 0 && plain.len > most))
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
        if (is_heard(device, &message))
            take_request(device, &message);
    } else if (has_token(device, &message)) {
        if (message.type == COAP_CON)
            send_empty(device, COAP_ACK, message.id);
        device_take_response(device, &message);
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
            device_take_silence(device);
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
