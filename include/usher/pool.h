/* SPDX-License-Identifier: Apache-2.0 */
/* module: base */
/* Memory for what comes and goes with each session: blocks that are given back are kept by thread,
 * by size, for the next one; at most 8 MiB a thread. What malloc keeps itself (seven of a size) is
 * soon used up with hundreds of sessions under way, and then each block is split and merged again
 * and again. Blocks are ordinary ones of malloc: any thread may free them, with free as well. */
#ifndef USHER_POOL_H
#define USHER_POOL_H

#include <stddef.h>

void *pool_alloc(size_t size);                /* as malloc */
void *pool_calloc(size_t count, size_t size); /* as calloc */
void pool_free(void *memory);                 /* as free; does not wipe */

#endif
