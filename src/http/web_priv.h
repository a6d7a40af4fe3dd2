/* SPDX-License-Identifier: Apache-2.0 */
/* Inside http: files that are built in (scripts/embed). */
#ifndef USHER_WEB_PRIV_H
#define USHER_WEB_PRIV_H

#include <stddef.h>

struct web_file {
    const char *name, *content_type;
    const unsigned char *data;
    size_t len;
};

extern const struct web_file web_files[];
extern const size_t web_file_count;

#endif
