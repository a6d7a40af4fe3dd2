/* The bump allocator. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/arena.h"
#include "usher/pool.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 4096 - 64 };

struct block {
    struct block *previous;
    size_t used;
    size_t size;
    alignas(max_align_t) uint8_t data[];
};

struct arena {
    struct block *newest;
    size_t used;
    size_t max;
};

struct arena *arena_new(size_t max)
{
    struct arena *arena = pool_calloc(1, sizeof *arena);
    if (arena != NULL)
        arena->max = max;
    return arena;
}

void arena_free(struct arena *arena)
{
    if (arena == NULL)
        return;
    for (struct block *block = arena->newest, *previous; block != NULL; block = previous) {
        previous = block->previous;
        bytes_wipe(block->data, block->used);
        pool_free(block);
    }
    pool_free(arena);
}

/* A large object gets a block of its own behind the newest, whose rest stays in use. */
static struct block *add_block(struct arena *arena, size_t len)
{
    size_t size = len > BLOCK_SIZE / 4 ? len : BLOCK_SIZE;
    struct block *block = pool_alloc(sizeof *block + size);
    if (block == NULL)
        return NULL;
    block->used = 0;
    block->size = size;
    if (size == len && arena->newest != NULL) {
        block->previous = arena->newest->previous;
        arena->newest->previous = block;
    } else {
        block->previous = arena->newest;
        arena->newest = block;
    }
    return block;
}

void *arena_alloc(struct arena *arena, size_t len)
{
    size_t limit = arena->max > 0 ? arena->max : SIZE_MAX / 2;
    if (len > limit)
        return NULL;
    const size_t unit = alignof(max_align_t);
    size_t rounded = len == 0 ? unit : (len + unit - 1) / unit * unit;
    if (len > limit - arena->used)
        return NULL;
    struct block *block = arena->newest;
    if (block == NULL || rounded > block->size - block->used)
        block = add_block(arena, rounded);
    if (block == NULL)
        return NULL;
    void *room = block->data + block->used;
    block->used += rounded;
    arena->used += len;
    memset(room, 0, rounded);
    return room;
}

char *arena_text_n(struct arena *arena, const char *text, size_t len)
{
    char *copy = len < SIZE_MAX ? arena_alloc(arena, len + 1) : NULL;
    if (copy != NULL && len > 0)
        memcpy(copy, text, len);
    return copy;
}

char *arena_text(struct arena *arena, const char *text)
{
    return arena_text_n(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
    if (text == NULL)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}

struct bytes arena_bytes(struct arena *arena, struct bytes data)
{
    void *copy = arena_alloc(arena, data.len);
    if (copy != NULL && data.len > 0)
        memcpy(copy, data.data, data.len);
    return bytes_of(copy, data.len);
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}
