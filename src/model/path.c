/* LwM2M paths as text and in comparison. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/path.h"

#include "usher/bytes.h"

#include <string.h>

enum { ID_LAST = 65534 }; /* 65535 is reserved (OMA Core 1.2 section 7.3) */

struct path path_root(void)
{
    return (struct path){.depth = 0};
}

struct path path_object(uint16_t object)
{
    return (struct path){.ids = {object}, .depth = 1};
}

struct path path_instance(uint16_t object, uint16_t instance)
{
    return (struct path){.ids = {object, instance}, .depth = 2};
}

struct path path_resource(uint16_t object, uint16_t instance, uint16_t resource)
{
    return (struct path){.ids = {object, instance, resource}, .depth = 3};
}

struct path path_resource_instance(uint16_t object, uint16_t instance, uint16_t resource,
                                   uint16_t resource_instance)
{
    return (struct path){.ids = {object, instance, resource, resource_instance}, .depth = 4};
}

/* One decimal id without leading zeros. Returns the bytes taken, 0 when there is none. */
static size_t parse_id(const char *text, size_t len, uint16_t *id)
{
    uint32_t value = 0;
    size_t taken = 0;
    while (taken < len && text[taken] >= '0' && text[taken] <= '9') {
        value = value * 10 + (uint32_t)(text[taken] - '0');
        taken++;
        if (value > ID_LAST)
            return 0;
    }
    if (taken > 1 && text[0] == '0')
        return 0;
    *id = (uint16_t)value;
    return taken;
}

bool path_parse(const char *text, size_t len, struct path *out)
{
    struct path path = path_root();
    if (len == 0 || text[0] != '/')
        return false;
    text++;
    len--;
    while (len > 0) {
        uint16_t id = 0;
        size_t taken = parse_id(text, len, &id);
        if (taken == 0 || path.depth == PATH_DEPTH_MAX)
            return false;
        path.ids[path.depth++] = id;
        text += taken;
        len -= taken;
        if (len > 0 && *text != '/')
            return false;
        if (len > 0) {
            text++;
            len--;
        }
    }
    *out = path;
    return true;
}

void path_text(const struct path *path, char out[static PATH_TEXT_SIZE])
{
    char digits[BYTES_DECIMAL_SIZE];
    size_t at = 0;
    for (unsigned i = 0; i < path->depth && i < PATH_DEPTH_MAX; i++) {
        size_t len = bytes_to_decimal(path->ids[i], digits);
        out[at++] = '/';
        memcpy(out + at, digits, len);
        at += len;
    }
    if (at == 0)
        out[at++] = '/';
    out[at] = '\0';
}

int path_compare(const struct path *a, const struct path *b)
{
    for (unsigned i = 0; i < a->depth && i < b->depth; i++) {
        if (a->ids[i] != b->ids[i])
            return a->ids[i] < b->ids[i] ? -1 : 1;
    }
    return (a->depth > b->depth) - (a->depth < b->depth);
}

bool path_equal(const struct path *a, const struct path *b)
{
    return path_compare(a, b) == 0;
}

bool path_under(const struct path *path, const struct path *base)
{
    if (path->depth < base->depth)
        return false;
    for (unsigned i = 0; i < base->depth; i++) {
        if (path->ids[i] != base->ids[i])
            return false;
    }
    return true;
}
