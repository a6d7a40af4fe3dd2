/* SPDX-License-Identifier: Apache-2.0 */
/* module: model */
/* LwM2M paths: / /o /o/i /o/i/r /o/i/r/ri (OMA Core 1.2 section 7.3). */
#ifndef USHER_PATH_H
#define USHER_PATH_H

#include "usher/bytes.h"

enum { PATH_DEPTH_MAX = 4, PATH_TEXT_SIZE = 25 };

struct path {
    uint16_t ids[PATH_DEPTH_MAX]; /* object, instance, resource, resource instance */
    uint8_t depth;                /* 0 = root */
};

struct path path_root(void);
struct path path_object(uint16_t object);
struct path path_instance(uint16_t object, uint16_t instance);
struct path path_resource(uint16_t object, uint16_t instance, uint16_t resource);
struct path path_resource_instance(uint16_t object, uint16_t instance, uint16_t resource,
                                   uint16_t resource_instance);
/* Text without blanks, decimal ids 0..65534 without leading zeros; a trailing slash is allowed,
 * an empty segment is not. False: `out` untouched. */
bool path_parse(const char *text, size_t len, struct path *out);
void path_text(const struct path *path, char out[static PATH_TEXT_SIZE]);
bool path_equal(const struct path *a, const struct path *b);
int path_compare(const struct path *a, const struct path *b); /* id by id, shorter first */
/* True when `path` equals `base` or lies under it. */
bool path_under(const struct path *path, const struct path *base);

#endif
