/* SPDX-License-Identifier: Apache-2.0 */
/* An answer with a payload, whole or by Block2 (RFC 7959 section 2.4): kept with the association
 * until the device has fetched all of it, asks for something else, or is gone. */
#include "endpoint_priv.h"

#include <stdlib.h>
#include <string.h>

enum { SZX_MOST = 6, OPTION_SCRATCH = 4, ETAG_SIZE = 4 };

struct content {
    struct buf payload; /* may hold keys: wiped when freed */
    int format;
    uint64_t key;
    uint8_t etag[ETAG_SIZE];
    bool fetched; /* the last block is out */
};

void content_free(struct content *content)
{
    if (content == NULL)
        return;
    buf_clear(&content->payload);
    free(content);
}

void content_drop(struct association *association)
{
    content_free(association->content);
    association->content = NULL;
}

/* What makes two requests ask for the same thing: all of them but the block. */
static uint64_t key_of(const struct endpoint *endpoint, const struct coap_message *message)
{
    uint8_t memory[1024];
    struct buf text;

    buf_init_fixed(&text, memory, sizeof memory);
    buf_put_u8(&text, message->code);
    for (size_t i = 0; i < message->option_count; i++) {
        const struct coap_option *option = &message->options[i];
        if (option->number == COAP_OPT_BLOCK2 || option->number == COAP_OPT_SIZE2)
            continue;
        buf_put_u16(&text, option->number);
        buf_put_u16(&text, (uint16_t)option->value.len);
        buf_put_bytes(&text, option->value);
    }
    return text.failed ? 0 : bytes_hash(endpoint->hash_key, buf_bytes(&text));
}

void content_note_request(struct association *association, const struct coap_message *message)
{
    struct wanted_block *wanted = &association->wanted;
    struct coap_block block;
    bool present;

    *wanted = (struct wanted_block){.key = key_of(association->endpoint, message), .szx = SZX_MOST};
    if (!coap_get_block(message, COAP_OPT_BLOCK2, &block, &present))
        return;
    wanted->asked = true;
    wanted->number = block.number;
    wanted->szx = block.szx;
}

/* False when the payload has no such block. */
static bool build(struct association *association, const struct wanted_block *wanted,
                  struct coap_message *message, struct buf *out)
{
    struct content *content = association->content;
    struct bytes payload = buf_bytes(&content->payload);
    size_t unit = COAP_BLOCK_SIZE(wanted->szx), start = (size_t)wanted->number * unit;
    uint8_t format[OPTION_SCRATCH], block_bytes[OPTION_SCRATCH], size[OPTION_SCRATCH];

    if (start > 0 && start >= payload.len)
        return false;
    struct coap_block block = {
        .number = wanted->number, .more = payload.len - start > unit, .szx = wanted->szx};
    message->code = COAP_CONTENT;
    message->payload = bytes_of(payload.data + start, block.more ? unit : payload.len - start);
    coap_add_option(message, COAP_OPT_ETAG, bytes_of(content->etag, sizeof content->etag));
    coap_add_uint(message, COAP_OPT_CONTENT_FORMAT, (uint32_t)content->format, format);
    if (wanted->asked || block.more)
        coap_add_block(message, COAP_OPT_BLOCK2, &block, block_bytes);
    if (block.more && wanted->number == 0)
        coap_add_uint(message, COAP_OPT_SIZE2, (uint32_t)payload.len, size);
    content->fetched |= !block.more;
    return coap_build(message, out);
}

static void send_block(struct association *association, const struct seen_request *seen)
{
    uint8_t memory[64 + BLOCK_PAYLOAD_MAX];
    struct coap_message message = {
        .type = seen->type == COAP_CON ? COAP_ACK : COAP_NON,
        .id = seen->type == COAP_CON ? seen->id : association->next_id++,
        .token_len = seen->token_len,
    };
    struct buf out;

    memcpy(message.token, seen->token, seen->token_len);
    buf_init_fixed(&out, memory, sizeof memory);
    if (!build(association, &seen->block, &message, &out)) {
        message.code = COAP_BAD_REQUEST;
        buf_reset(&out);
        coap_build(&message, &out);
    }
    if (!out.failed)
        dtls_send(association, buf_bytes(&out));
    buf_clear(&out);
}

void content_send_again(struct association *association, const struct seen_request *seen)
{
    if (association->content != NULL)
        send_block(association, seen);
}

bool content_continue(struct association *association, const struct coap_message *message,
                      struct seen_request *seen)
{
    struct content *content = association->content;
    struct coap_block block;
    bool present;

    if (content == NULL || !coap_get_block(message, COAP_OPT_BLOCK2, &block, &present) ||
        block.number == 0 || content->key == 0 ||
        content->key != key_of(association->endpoint, message))
        return false;
    bool had_all = content->fetched;
    seen->state = SEEN_ANSWERED;
    seen->has_content = true;
    seen->block = (struct wanted_block){.asked = true, .number = block.number, .szx = block.szx};
    send_block(association, seen);
    if (content->fetched && !had_all)
        association->endpoint->ops.responded(association->endpoint->ops.context, association->ref);
    return true;
}

bool content_is_fetched(const struct association *association)
{
    return association->content == NULL || association->content->fetched;
}

bool content_set(struct association *association, int format, struct bytes payload)
{
    struct content *content = calloc(1, sizeof *content);
    uint32_t etag = endpoint_random(association->endpoint);

    content_drop(association);
    if (content == NULL)
        return false;
    buf_init(&content->payload, CONTENT_MAX);
    buf_put_bytes(&content->payload, payload);
    content->format = format;
    content->key = association->wanted.key;
    memcpy(content->etag, &etag, sizeof content->etag);
    association->content = content;
    if (!content->payload.failed)
        return true;
    content_drop(association);
    return false;
}

void content_answer(struct association *association, struct seen_request *seen)
{
    seen->state = SEEN_ANSWERED;
    seen->has_content = true;
    seen->block = association->wanted;
    send_block(association, seen);
}

bool content_build(struct association *association, struct coap_message *message, struct buf *out)
{
    return build(association, &association->wanted, message, out);
}
