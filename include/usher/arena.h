/* SPDX-License-Identifier: Apache-2.0 */
/* module: base */
/* A bump allocator: many small objects of one life, freed (and wiped) at once. One thread. */
#ifndef USHER_ARENA_H
#define USHER_ARENA_H

#include "usher/bytes.h"

struct arena;

/* `max`: most bytes it hands out in all; 0 = no cap. NULL when out of memory. */
struct arena *arena_new(size_t max);
void arena_free(struct arena *arena); /* wipes; NULL accepted */
/* Zeroed, aligned for any type; NULL when out of memory or over the cap. */
void *arena_alloc(struct arena *arena, size_t len);
char *arena_text(struct arena *arena, const char *text);
char *arena_text_n(struct arena *arena, const char *text, size_t len); /* adds a NUL */
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A copy; on failure `data` is NULL while `len` stays. */
struct bytes arena_bytes(struct arena *arena, struct bytes data);
size_t arena_used(const struct arena *arena);

#endif
