/* What a device asks for: a Bootstrap-Pack if it knows these, or else a bootstrap step by step. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "device_priv.h"

#include <stdio.h>
#include <string.h>

enum { INSISTS_MAX = 2 };

void device_request_reset(struct sim_device *device)
{
    device->pack_refused = device->plain_request = false;
    device->deaf = device->account_rewritten = false;
    device->ends_with = NULL;
    device->insisted = device->retried = 0;
    device->pack_blocks = 0;
    buf_reset(&device->pack);
}

static bool asks_for_pack(const struct sim_device *device)
{
    return device->config.pack && !device->pack_refused;
}

static void add_text(struct coap_message *message, uint16_t option, const char *text)
{
    (void)coap_add_option(message, option, bytes_of_text(text));
}

/* What comes after the path; `scratch` outlives the message. */
static void add_pack_options(const struct sim_device *device, struct coap_message *message,
                             uint8_t scratch[static 2][4])
{
    struct coap_block block = {.number = device->pack_blocks, .szx = device->config.block_szx};
    if (device->config.pack_format != FORMAT_NONE)
        (void)coap_add_uint(message, COAP_OPT_ACCEPT, (uint32_t)device->config.pack_format,
                            scratch[0]);
    if (block.number > 0 || block.szx < 6)
        (void)coap_add_block(message, COAP_OPT_BLOCK2, &block, scratch[1]);
}

void device_send_request(struct sim_device *device)
{
    char endpoint[DEVICE_ENDPOINT_MAX + 4], format[16];
    uint8_t scratch[2][4];
    bool pack = asks_for_pack(device);
    struct coap_message message = {.type = COAP_CON,
                                   .code = pack ? COAP_METHOD_GET : COAP_METHOD_POST,
                                   .id = device->next_id++,
                                   .token_len = DEVICE_TOKEN_LEN};
    device_random(device, device->token, sizeof device->token);
    memcpy(message.token, device->token, sizeof device->token);
    add_text(&message, COAP_OPT_URI_PATH, pack ? "bspack" : "bs");
    if (device->config.endpoint != NULL) {
        (void)snprintf(endpoint, sizeof endpoint, "ep=%s", device->endpoint);
        add_text(&message, COAP_OPT_URI_QUERY, endpoint);
    }
    if (!pack && device->config.preferred_format != FORMAT_NONE && !device->plain_request) {
        (void)snprintf(format, sizeof format, "pct=%d", device->config.preferred_format);
        add_text(&message, COAP_OPT_URI_QUERY, format);
    }
    if (pack)
        add_pack_options(device, &message, scratch);
    device->report.state = SIM_REQUESTING;
    device->report.requests++;
    if (!confirmable_open(&device->request, &message, device_first_timeout(device), device->now))
        device_fail(device, "request-too-long", "the Bootstrap-Request does not fit a message");
    else
        device_transmit(device, buf_bytes(&device->request.message));
}

/* ---- a pack ---- */

/* OMA Core 1.2 section 6.1.7.8: whatever is wrong with the pack, step by step may still do. */
static void ask_step_by_step(struct sim_device *device)
{
    device->pack_refused = true;
    device_send_request(device);
}

static int format_of(const struct coap_message *message)
{
    uint32_t format;
    const struct coap_option *option = coap_find(message, COAP_OPT_CONTENT_FORMAT);
    return option != NULL && coap_option_uint(option, &format) && format <= UINT16_MAX
               ? (int)format
               : FORMAT_NONE;
}

static void apply_pack(struct sim_device *device, int format)
{
    struct err err = {0};
    struct bytes pack = buf_bytes(&device->pack);
    uint8_t code = objects_write_pack(&device->objects, format, pack, &err);
    if (code == COAP_CHANGED)
        code = objects_finish(&device->objects, &err);
    if (code == COAP_CHANGED) {
        device->report.packed = true;
        device_bootstrapped(device);
        return;
    }
    (void)snprintf(device->report.detail, sizeof device->report.detail, "pack: %.150s", err.text);
    if (device_objects_restore(device))
        ask_step_by_step(device);
}

static void take_pack(struct sim_device *device, const struct coap_message *message)
{
    struct coap_block block = {0};
    bool present = false;
    bool fine = message->code == COAP_CONTENT &&
                (coap_get_block(message, COAP_OPT_BLOCK2, &block, &present) || !present) &&
                (!present || block.number == device->pack_blocks);
    if (fine)
        buf_put_bytes(&device->pack, message->payload);
    if (!fine || device->pack.failed) {
        ask_step_by_step(device);
        return;
    }
    if (!block.more) {
        apply_pack(device, format_of(message));
        return;
    }
    device->config.block_szx = block.szx;
    device->pack_blocks++;
    device_send_request(device);
}

/* ---- answers ---- */

static void take_refusal(struct sim_device *device, uint8_t answer)
{
    const struct sim_quirks *quirks = &device->config.quirks;
    char code[8], reason[SIM_REASON_MAX];
    if (quirks->insists && answer == COAP_UNAUTHORIZED && device->insisted < INSISTS_MAX) {
        device->insisted++;
        device_send_request(device);
        return;
    }
    if (quirks->plain_request_next && COAP_CODE_CLASS(answer) == 4 && !device->plain_request) {
        device->plain_request = true;
        device_send_request(device);
        return;
    }
    coap_code_text(answer, code);
    (void)snprintf(reason, sizeof reason, "request-refused-%s", code);
    device_fail(device, reason, "the server answered the Bootstrap-Request with %s %s", code,
                coap_code_name(answer));
}

void device_take_response(struct sim_device *device, const struct coap_message *message)
{
    device->request.open = false;
    if (device->report.state != SIM_REQUESTING)
        return;
    if (asks_for_pack(device))
        take_pack(device, message);
    else if (message->code == COAP_CHANGED)
        device->report.state = SIM_SERVED;
    else
        take_refusal(device, message->code);
}

void device_take_silence(struct sim_device *device)
{
    if (device->retried < device->config.quirks.silence_retries) {
        device->retried++;
        device_send_request(device);
        return;
    }
    device_fail(device, "no-answer", "no answer to the Bootstrap-Request");
}
