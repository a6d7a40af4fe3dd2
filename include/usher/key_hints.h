/* SPDX-License-Identifier: Apache-2.0 */
/* module: cred */
/* Which of a group's two keys a device has. A handshake can be tried with one only: when it fails,
 * the other's turn is next, for that identity from that address; so nobody else can spoil a
 * device's attempts. A fixed table; any thread, without a lock; a forgotten hint costs one more
 * attempt. */
#ifndef USHER_KEY_HINTS_H
#define USHER_KEY_HINTS_H

#include "usher/bytes.h"
#include "usher/err.h"

struct key_hints;

struct key_hints *key_hints_new(void);        /* NULL: no memory */
void key_hints_free(struct key_hints *hints); /* NULL accepted */
/* `source` is the peer's IP address. Without hints (NULL) it is always the first key. */
bool key_hints_second(struct key_hints *hints, struct bytes identity, struct bytes source);
/* The handshake failed: the other key next time. */
void key_hints_turn(struct key_hints *hints, struct bytes identity, struct bytes source);

#endif
