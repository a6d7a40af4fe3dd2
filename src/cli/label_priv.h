/* SPDX-License-Identifier: Apache-2.0 */
/* Drawing labels as SVG. Lengths are tenths of a millimetre. */
#ifndef USHER_CLI_LABEL_PRIV_H
#define USHER_CLI_LABEL_PRIV_H

#include "cli_priv.h"

#include <stdint.h>

enum { LABEL_WIDTH = 620, LABEL_HEIGHT = 290 };

/* A document of so many labels, one below the other. */
void label_begin(FILE *out, size_t count);
/* A label at that height. False: the code is too long for a QR code. */
bool label_draw(FILE *out, const char *endpoint, const char *class_name, const char *code,
                uint64_t top);
void label_end(FILE *out);

#endif
