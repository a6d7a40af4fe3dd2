/* Fuzzes the CoAP reader: what parses must build again to a message of the same meaning. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/coap.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static bool same_meaning(const struct coap_message *a, const struct coap_message *b)
{
    if (a->type != b->type || a->code != b->code || a->id != b->id ||
        !bytes_equal(bytes_of(a->token, a->token_len), bytes_of(b->token, b->token_len)) ||
        a->option_count != b->option_count || !bytes_equal(a->payload, b->payload))
        return false;
    for (size_t i = 0; i < a->option_count; i++)
        if (a->options[i].number != b->options[i].number ||
            !bytes_equal(a->options[i].value, b->options[i].value))
            return false;
    return true;
}

static void read_options(const struct coap_message *message)
{
    static const uint16_t known[] = {COAP_OPT_URI_PATH, COAP_OPT_URI_QUERY, 0};
    struct coap_block block;
    bool present;
    uint32_t number;
    char text[8];
    (void)coap_unknown_critical(message, known);
    (void)coap_path_is(message, "/0/1");
    (void)coap_get_block(message, COAP_OPT_BLOCK1, &block, &present);
    (void)coap_get_block(message, COAP_OPT_BLOCK2, &block, &present);
    (void)coap_option_uint(coap_find(message, COAP_OPT_CONTENT_FORMAT), &number);
    coap_code_text(message->code, text);
    check(coap_code_name(message->code) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct coap_message message, again;
    if (coap_parse(bytes_of(data, size), &message) != COAP_PARSE_OK)
        return 0;
    read_options(&message);
    struct buf out;
    buf_init(&out, size + 16);
    check(coap_build(&message, &out));
    check(coap_parse(buf_bytes(&out), &again) == COAP_PARSE_OK);
    check(same_meaning(&message, &again));
    buf_clear(&out);
    return 0;
}
