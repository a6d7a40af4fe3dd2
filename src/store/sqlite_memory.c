/* SQLite's memory: wiped when it is freed, since pages and rows hold keys (I4). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_priv.h"
#include "store_test.h"
#include "usher/pool.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

static void *wiping_malloc(int size)
{
    return pool_alloc((size_t)size);
}

static void wiping_free(void *memory)
{
    if (memory != NULL)
        bytes_wipe(memory, malloc_usable_size(memory));
    pool_free(memory);
}

static int wiping_size(void *memory)
{
    return memory != NULL ? (int)malloc_usable_size(memory) : 0;
}

/* Not realloc(), which leaves the old bytes behind. */
static void *wiping_realloc(void *memory, int size)
{
    size_t old = malloc_usable_size(memory);
    if ((size_t)size <= old && (size_t)size * 2 >= old)
        return memory;
    void *grown = wiping_malloc(size);
    if (grown == NULL)
        return NULL;
    memcpy(grown, memory, old < (size_t)size ? old : (size_t)size);
    wiping_free(memory);
    return grown;
}

static int wiping_roundup(int size)
{
    return (size + 7) & ~7;
}

static int wiping_init(void *unused)
{
    (void)unused;
    return SQLITE_OK;
}

static void wiping_shutdown(void *unused)
{
    (void)unused;
}

static void prepare(void)
{
    static const sqlite3_mem_methods methods = {
        .xMalloc = wiping_malloc,
        .xFree = wiping_free,
        .xRealloc = wiping_realloc,
        .xSize = wiping_size,
        .xRoundup = wiping_roundup,
        .xInit = wiping_init,
        .xShutdown = wiping_shutdown,
    };
    /* These are refused when another part of the program has started SQLite already; it then works
     * with its own memory. Statistics would make every allocation take one lock. */
    sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_initialize();
}

void sqlite_prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare);
}

void store_test_prepare_sqlite(void)
{
    sqlite_prepare();
}
