/* Keys from files: one, or a list with endpoints. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_SIM_KEYS_PRIV_H
#define USHER_SIM_KEYS_PRIV_H

#include "usher/err.h"
#include "usher/secret.h"

#include <stdio.h>

/* Hexadecimal text, "-" = standard input. */
enum err_code key_read(const char *file, struct secret *out, struct err *err);

struct key_entry {
    char *endpoint, *identity; /* owned */
    uint8_t key[64];
    uint8_t key_len;
};

struct key_list {
    struct key_entry *items;
    size_t count, cap;
};

/* Lines endpoint,identity,hexkey; blank lines, lines with # and a header line are skipped. */
enum err_code key_list_read(const char *file, struct key_list *out, struct err *err);
void key_list_clear(struct key_list *list); /* wipes */

#endif
