/* The chain of the audit. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/chain.h"

#include <string.h>

static void add_number(struct digest *digest, uint64_t number, int bytes)
{
    uint8_t data[8];
    for (int i = 0; i < bytes; i++)
        data[i] = (uint8_t)(number >> (8 * (bytes - 1 - i)));
    digest_add(digest, data, (size_t)bytes);
}

static void add_text(struct digest *digest, const char *text)
{
    size_t len = strlen(text);
    add_number(digest, len, 4);
    digest_add(digest, text, len);
}

void chain_next(uint8_t hash[static DIGEST_SIZE], const struct chain_record *record)
{
    struct digest digest;
    digest_begin(&digest);
    digest_add(&digest, hash, DIGEST_SIZE);
    add_number(&digest, record->seq, 8);
    add_number(&digest, (uint64_t)record->time_ms, 8);
    add_text(&digest, record->actor);
    add_text(&digest, record->station);
    add_text(&digest, record->source);
    add_text(&digest, record->action);
    add_text(&digest, record->subject);
    add_text(&digest, record->detail);
    digest_end(&digest, hash);
}
