/* SPDX-License-Identifier: Apache-2.0 */
/* module: cred */
/* Which of the keys that a device may have it has. A handshake can be tried with one only: when it
 * fails, the next one has its turn, for that identity from that address; so nobody else can spoil a
 * device's attempts. A fixed table; any thread, without a lock; a forgotten hint costs one more
 * attempt. */
#ifndef USHER_KEY_HINTS_H
#define USHER_KEY_HINTS_H

#include "usher/bytes.h"
#include "usher/err.h"

struct key_hints;

struct key_hints *key_hints_new(void);        /* NULL: no memory */
void key_hints_free(struct key_hints *hints); /* NULL accepted */
/* Which of `count` keys, from 0. `source` is the peer's IP address. Without hints (NULL) it is
 * always the first one. */
size_t key_hints_choose(struct key_hints *hints, struct bytes identity, struct bytes source,
                        size_t count);
/* The handshake failed: the next key next time. */
void key_hints_turn(struct key_hints *hints, struct bytes identity, struct bytes source);

#endif
