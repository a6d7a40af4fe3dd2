/* CoAP message layer of a device: confirmable messages, answers kept for duplicates, blocks. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "confirmable_priv.h"

void confirmable_init(struct confirmable *confirmable)
{
    *confirmable = (struct confirmable){0};
    buf_init(&confirmable->message, MESSAGE_MAX);
}

void confirmable_clear(struct confirmable *confirmable)
{
    buf_clear(&confirmable->message);
    confirmable->open = false;
}

bool confirmable_open(struct confirmable *confirmable, const struct coap_message *message,
                      uint32_t first_timeout, uint64_t now)
{
    buf_reset(&confirmable->message);
    if (!coap_build(message, &confirmable->message))
        return false;
    confirmable->open = true;
    confirmable->id = message->id;
    confirmable->attempts = 1;
    confirmable->timeout = first_timeout;
    confirmable->deadline = now + first_timeout;
    return true;
}

enum confirmable_turn confirmable_expire(struct confirmable *confirmable, uint64_t now)
{
    if (!confirmable->open || now < confirmable->deadline)
        return CONFIRMABLE_WAIT;
    if (confirmable->attempts > COAP_MAX_RETRANSMIT) {
        confirmable->open = false;
        return CONFIRMABLE_GIVE_UP;
    }
    confirmable->attempts++;
    confirmable->timeout *= 2;
    confirmable->deadline = now + confirmable->timeout;
    return CONFIRMABLE_REPEAT;
}

uint64_t confirmable_next(const struct confirmable *confirmable)
{
    return confirmable->open ? confirmable->deadline : UINT64_MAX;
}

void answers_init(struct answers *answers)
{
    *answers = (struct answers){0};
    for (size_t i = 0; i < ANSWERS_KEPT; i++)
        buf_init(&answers->items[i].message, MESSAGE_MAX);
}

void answers_clear(struct answers *answers)
{
    for (size_t i = 0; i < ANSWERS_KEPT; i++) {
        buf_clear(&answers->items[i].message);
        answers->items[i].used = false;
    }
}

struct answer *answers_find(struct answers *answers, uint16_t id)
{
    for (size_t i = 0; i < ANSWERS_KEPT; i++)
        if (answers->items[i].used && answers->items[i].id == id)
            return &answers->items[i];
    return NULL;
}

struct answer *answers_add(struct answers *answers, uint16_t id)
{
    struct answer *answer = &answers->items[answers->next];
    answers->next = (answers->next + 1) % ANSWERS_KEPT;
    answer->used = true;
    answer->id = id;
    buf_reset(&answer->message);
    return answer;
}

static bool is_expected(const struct assembly *assembly, const struct path *path, int format,
                        const struct coap_block *block, size_t len)
{
    if (!assembly->active || !path_equal(&assembly->path, path) || assembly->format != format)
        return false;
    if ((size_t)block->number * COAP_BLOCK_SIZE(block->szx) != assembly->payload.len)
        return false;
    return !block->more || len == COAP_BLOCK_SIZE(block->szx);
}

uint8_t assembly_take(struct assembly *assembly, const struct path *path, int format,
                      struct coap_block *block, uint8_t szx_max, struct bytes payload)
{
    if (block->number == 0) {
        buf_reset(&assembly->payload);
        assembly->active = true;
        assembly->path = *path;
        assembly->format = format;
    }
    if (!is_expected(assembly, path, format, block, payload.len)) {
        assembly->active = false;
        return COAP_INCOMPLETE;
    }
    buf_put_bytes(&assembly->payload, payload);
    /* Section 2.5: a smaller size in the answer asks the client to go on with that. */
    if (block->szx > szx_max)
        block->szx = szx_max;
    if (assembly->payload.failed) {
        assembly->active = false;
        block->more = false;
        return COAP_TOO_LARGE;
    }
    if (block->more)
        return COAP_CONTINUE;
    assembly->active = false;
    return 0;
}
