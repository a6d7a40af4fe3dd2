/* SPDX-License-Identifier: Apache-2.0 */
/* For tests that refuse the N-th allocation: the pool would have a block from before. Linked with
 * --wrap=pool_alloc and --wrap=pool_calloc; what comes from malloc may be given to pool_free. */
#ifndef USHER_TESTS_PAST_POOL_H
#define USHER_TESTS_PAST_POOL_H

#include <stdlib.h>

void *__wrap_pool_alloc(size_t size);
void *__wrap_pool_calloc(size_t count, size_t size);

void *__wrap_pool_alloc(size_t size)
{
    return malloc(size);
}

void *__wrap_pool_calloc(size_t count, size_t size)
{
    return calloc(count, size);
}

#endif
