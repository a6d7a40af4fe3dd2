/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks are ordinary blocks of malloc, so either may free what the other has allocated. */
#include "usher/pool.h"

#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/* Kept blocks would hide what sanitizers look for. */
void *pool_calloc(size_t count, size_t size)
{
    return calloc(count, size);
}

void *pool_alloc(size_t size)
{
    return malloc(size);
}

void pool_free(void *memory)
{
    free(memory);
}
#else

enum {
    UNIT = 16, /* malloc's blocks have 16 n + 8 usable bytes */
    OVERLAP = 8,
    LARGEST = 12288 + OVERLAP,
    CLASSES = LARGEST / UNIT + 1,
    KEPT_MAX = 8 << 20, /* bytes, a thread: of some 300 sessions that have just ended */
};

struct block {
    struct block *next;
};

struct pool {
    struct block *free[CLASSES];
    size_t kept;
    bool registered; /* to be emptied at the thread's end */
};

static _Thread_local struct pool pool;
static pthread_key_t at_thread_end;
static bool have_key;

static size_t usable_of(size_t class)
{
    return class * UNIT + OVERLAP;
}

static void empty(void *memory)
{
    struct pool *own = memory;

    for (size_t class = 0; class < CLASSES; class ++)
        while (own->free[class] != NULL) {
            struct block *block = own->free[class];
            own->free[class] = block->next;
            free(block);
        }
    own->kept = 0;
    own->registered = false;
}

static void make_key(void)
{
    have_key = pthread_key_create(&at_thread_end, empty) == 0;
}

static bool will_be_emptied(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    if (pool.registered)
        return true;
    pthread_once(&once, make_key);
    pool.registered = have_key && pthread_setspecific(at_thread_end, &pool) == 0;
    return pool.registered;
}

void *pool_alloc(size_t size)
{
    if (size > LARGEST)
        return malloc(size);
    size_t class = size <= OVERLAP ? 1 : (size - OVERLAP + UNIT - 1) / UNIT;
    struct block *block = pool.free[class];
    if (block == NULL)
        return malloc(usable_of(class));
    pool.free[class] = block->next;
    pool.kept -= usable_of(class);
    return block;
}

void *pool_calloc(size_t count, size_t size)
{
    size_t all;

    if (__builtin_mul_overflow(count, size, &all))
        return NULL;
    if (all > LARGEST)
        return calloc(1, all);
    void *block = pool_alloc(all);
    return block != NULL ? memset(block, 0, all) : NULL;
}

void pool_free(void *memory)
{
    if (memory == NULL)
        return;
    size_t usable = malloc_usable_size(memory), class = (usable - OVERLAP) / UNIT;
    if (usable > LARGEST || usable != usable_of(class) || pool.kept + usable > KEPT_MAX ||
        !will_be_emptied()) {
        free(memory);
        return;
    }
    struct block *block = memory;
    block->next = pool.free[class];
    pool.free[class] = block;
    pool.kept += usable;
}
#endif
