/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of associations, and of Mbed TLS inside them: blocks that are given back are kept by
 * thread, by size, for the next association. What malloc keeps itself (seven of a size) is soon
 * used up with hundreds of handshakes under way, and then each block is split and merged again and
 * again. */
#ifndef USHER_POOL_PRIV_H
#define USHER_POOL_PRIV_H

#include <stddef.h>

/* Mbed TLS allocates here from now on, in all threads. May be called again. */
void pool_install(void);
/* As calloc and free, and compatible with both. */
void *pool_calloc(size_t count, size_t size);
void pool_free(void *memory);

#endif
