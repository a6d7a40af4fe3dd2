/* Block1 and Block2 options (RFC 7959 section 2.2). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/coap.h"

enum { SZX_RESERVED = 7, BLOCK_VALUE_MAX = 3, NUMBER_MAX = (1 << 20) - 1 };

bool coap_get_block(const struct coap_message *message, uint16_t number, struct coap_block *out,
                    bool *present)
{
    const struct coap_option *option = coap_find(message, number);
    uint32_t value = 0;
    *present = option != NULL;
    if (option == NULL || option->value.len > BLOCK_VALUE_MAX ||
        !coap_option_uint(option, &value) || (value & 7) == SZX_RESERVED)
        return false;
    *out = (struct coap_block){
        .number = value >> 4, .more = (value & 8) != 0, .szx = (uint8_t)(value & 7)};
    return true;
}

bool coap_add_block(struct coap_message *message, uint16_t number, const struct coap_block *block,
                    uint8_t scratch[static 4])
{
    if (block->szx >= SZX_RESERVED || block->number > NUMBER_MAX)
        return false;
    return coap_add_uint(message, number, block->number << 4 | (block->more ? 8u : 0) | block->szx,
                         scratch);
}
