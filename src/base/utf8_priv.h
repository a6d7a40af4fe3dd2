/* One step through UTF-8 text, shared by the check in bytes and by log. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_UTF8_PRIV_H
#define USHER_UTF8_PRIV_H

#include "usher/bytes.h"

/* Length of the well-formed sequence (RFC 3629) that `text` begins with, and its code point; 0
 * when it begins with none. */
size_t utf8_next(struct bytes text, uint32_t *code_point);

#endif
