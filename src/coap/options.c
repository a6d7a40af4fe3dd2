/* The options of a message: adding, finding, reading (RFC 7252 section 3.2 and 5.4). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/coap.h"

#include <string.h>

bool coap_add_option(struct coap_message *message, uint16_t number, struct bytes value)
{
    if (message->option_count >= COAP_OPTIONS_MAX)
        return false;
    size_t place = message->option_count++;
    for (; place > 0 && message->options[place - 1].number > number; place--)
        message->options[place] = message->options[place - 1];
    message->options[place] = (struct coap_option){.number = number, .value = value};
    return true;
}

bool coap_add_uint(struct coap_message *message, uint16_t number, uint32_t value,
                   uint8_t scratch[static 4])
{
    size_t len = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
        uint8_t byte = (uint8_t)(value >> shift);
        if (len > 0 || byte != 0)
            scratch[len++] = byte;
    }
    return coap_add_option(message, number, bytes_of(scratch, len));
}

const struct coap_option *coap_next(const struct coap_message *message, uint16_t number,
                                    const struct coap_option *previous)
{
    const struct coap_option *end = message->options + message->option_count;
    for (const struct coap_option *o = previous != NULL ? previous + 1 : message->options; o < end;
         o++) {
        if (o->number == number)
            return o;
        if (o->number > number)
            return NULL;
    }
    return NULL;
}

const struct coap_option *coap_find(const struct coap_message *message, uint16_t number)
{
    return coap_next(message, number, NULL);
}

bool coap_option_uint(const struct coap_option *option, uint32_t *out)
{
    if (option == NULL || option->value.len > 4)
        return false;
    uint32_t value = 0;
    for (size_t i = 0; i < option->value.len; i++)
        value = value << 8 | option->value.data[i];
    *out = value;
    return true;
}

const struct coap_option *coap_unknown_critical(const struct coap_message *message,
                                                const uint16_t *known)
{
    for (size_t i = 0; i < message->option_count; i++) {
        const struct coap_option *option = &message->options[i];
        if ((option->number & 1) == 0)
            continue;
        const uint16_t *at = known;
        while (*at != 0 && *at != option->number)
            at++;
        if (*at == 0)
            return option;
    }
    return NULL;
}

bool coap_path_is(const struct coap_message *message, const char *path)
{
    const struct coap_option *segment = NULL;
    const char *next = path[0] == '/' && path[1] == '\0' ? path + 1 : path;
    while ((segment = coap_next(message, COAP_OPT_URI_PATH, segment)) != NULL) {
        if (*next != '/')
            return false;
        next++;
        size_t len = strcspn(next, "/");
        if (!bytes_equal(segment->value, bytes_of(next, len)))
            return false;
        next += len;
    }
    return *next == '\0';
}
