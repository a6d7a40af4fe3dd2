/* SPDX-License-Identifier: Apache-2.0 */
/* Globs over endpoint names: `*` is any run of characters, `?` is one. */
#include "profile_priv.h"

#include <string.h>

/* Length of the UTF-8 character at `text`, so that `?` takes a whole one. */
static size_t character(const char *text)
{
    size_t len = 1;
    while (((unsigned char)text[len] & 0xc0) == 0x80)
        len++;
    return len;
}

/* Only the last `*` is ever tried again, so the cost is the product of the lengths at most. */
bool glob_match(const char *glob, const char *text)
{
    const char *star = NULL, *retry = NULL;
    while (*text != '\0') {
        if (*glob == '*') {
            star = ++glob;
            retry = text;
        } else if (*glob == '?') {
            glob++;
            text += character(text);
        } else if (*glob == *text) {
            glob++;
            text++;
        } else if (star) {
            glob = star;
            text = retry += character(retry);
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return *glob == '\0';
}

size_t glob_literals(const char *glob)
{
    size_t count = 0;
    for (; *glob != '\0'; glob++)
        count += *glob != '*' && *glob != '?';
    return count;
}
