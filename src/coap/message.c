/* CoAP messages from and to bytes (RFC 7252 section 3). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/coap.h"

#include "option_wire_priv.h"

#include <string.h>

enum { VERSION = 1, PAYLOAD_MARKER = 0xff };

/* Section 4.2 and 4.3: what a message of that type may carry. */
static bool code_fits_type(enum coap_type type, uint8_t code)
{
    unsigned class = COAP_CODE_CLASS(code);
    if (class == 1 || class > 5)
        return false;
    if (type == COAP_RST)
        return code == 0;
    if (type == COAP_ACK)
        return code == 0 || class != 0;
    return type == COAP_CON || code != 0;
}

static bool take_options(struct bytes *rest, struct coap_message *out)
{
    uint32_t number = 0;
    while (rest->len > 0 && rest->data[0] != PAYLOAD_MARKER) {
        uint32_t delta;
        struct bytes value;
        if (out->option_count == COAP_OPTIONS_MAX || !option_take(rest, &delta, &value))
            return false;
        number += delta;
        if (number > UINT16_MAX)
            return false;
        out->options[out->option_count++] =
            (struct coap_option){.number = (uint16_t)number, .value = value};
    }
    return true;
}

static bool take_payload(struct bytes rest, struct bytes *payload)
{
    if (rest.len == 0)
        return true;
    *payload = bytes_of(rest.data + 1, rest.len - 1);
    return payload->len > 0; /* section 3: a marker followed by nothing is a format error */
}

/* Token, options and payload, after the four bytes of header. */
static bool parse_rest(struct bytes rest, struct coap_message *out)
{
    if (out->token_len > COAP_TOKEN_MAX || rest.len < out->token_len)
        return false;
    if (out->code == 0) /* section 4.1: an empty message is its header only */
        return out->token_len == 0 && rest.len == 0;
    memcpy(out->token, rest.data, out->token_len);
    rest = bytes_of(rest.data + out->token_len, rest.len - out->token_len);
    return take_options(&rest, out) && take_payload(rest, &out->payload);
}

enum coap_parse coap_parse(struct bytes datagram, struct coap_message *out)
{
    struct reader reader;
    reader_init(&reader, datagram);
    uint8_t first = reader_u8(&reader);
    uint8_t code = reader_u8(&reader);
    uint16_t id = reader_u16(&reader);
    if (reader.failed || first >> 6 != VERSION)
        return COAP_PARSE_IGNORE;

    /* The option table is filled only as far as it is used: it is most of the struct. */
    out->type = (enum coap_type)(first >> 4 & 3);
    out->code = code;
    out->id = id;
    out->token_len = first & 15;
    memset(out->token, 0, sizeof out->token);
    out->option_count = 0;
    out->payload = (struct bytes){0};
    struct bytes rest = bytes_of(reader.next, reader_left(&reader));
    if (code_fits_type(out->type, code) && parse_rest(rest, out))
        return COAP_PARSE_OK;

    out->token_len = 0;
    out->option_count = 0;
    out->payload = (struct bytes){0};
    return COAP_PARSE_REJECT;
}

static bool put_options(const struct coap_message *message, struct buf *out)
{
    uint16_t number = 0;
    for (size_t i = 0; i < message->option_count; i++) {
        const struct coap_option *option = &message->options[i];
        if (option->number < number)
            return false;
        if (!option_put(out, (uint16_t)(option->number - number), option->value))
            return false;
        number = option->number;
    }
    return true;
}

bool coap_build(const struct coap_message *message, struct buf *out)
{
    if (message->token_len > COAP_TOKEN_MAX || message->option_count > COAP_OPTIONS_MAX) {
        out->failed = true;
        return false;
    }
    buf_put_u8(out, (uint8_t)(VERSION << 6 | (message->type & 3) << 4 | message->token_len));
    buf_put_u8(out, message->code);
    buf_put_u16(out, message->id);
    buf_put(out, message->token, message->token_len);
    if (!put_options(message, out))
        out->failed = true;
    if (message->payload.len > 0) {
        buf_put_u8(out, PAYLOAD_MARKER);
        buf_put_bytes(out, message->payload);
    }
    return !out->failed;
}
