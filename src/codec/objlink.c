/* Object links as text. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "codec_priv.h"

#include <stdio.h>

void objlink_text(struct objlink link, char out[static OBJLINK_TEXT_SIZE])
{
    snprintf(out, OBJLINK_TEXT_SIZE, "%u:%u", link.object, link.instance);
}

static bool parse_id(const uint8_t **next, const uint8_t *end, uint16_t *id)
{
    uint32_t value = 0;
    const uint8_t *start = *next;
    while (*next < end && **next >= '0' && **next <= '9') {
        value = value * 10 + (uint32_t)(**next - '0');
        (*next)++;
        if (value > UINT16_MAX)
            return false;
    }
    *id = (uint16_t)value;
    return *next > start;
}

bool objlink_parse(struct bytes text, struct objlink *out)
{
    struct objlink link = {0};
    if (text.len == 0)
        return false;
    const uint8_t *next = text.data, *end = text.data + text.len;
    if (!parse_id(&next, end, &link.object) || next == end || *next++ != ':' ||
        !parse_id(&next, end, &link.instance) || next != end)
        return false;
    *out = link;
    return true;
}
