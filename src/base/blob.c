/* SPDX-License-Identifier: Apache-2.0 */
/* Shared bytes. */
#include "usher/blob.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct blob {
    atomic_size_t references;
    size_t len;
    uint8_t data[];
};

struct blob *blob_new(struct bytes data)
{
    struct blob *blob = malloc(sizeof *blob + data.len);
    if (blob == NULL)
        return NULL;
    atomic_init(&blob->references, 1);
    blob->len = data.len;
    if (data.len > 0)
        memcpy(blob->data, data.data, data.len);
    return blob;
}

struct blob *blob_ref(struct blob *blob)
{
    if (blob != NULL)
        atomic_fetch_add_explicit(&blob->references, 1, memory_order_relaxed);
    return blob;
}

void blob_unref(struct blob *blob)
{
    if (blob != NULL && atomic_fetch_sub_explicit(&blob->references, 1, memory_order_acq_rel) == 1)
        free(blob);
}

struct bytes blob_bytes(const struct blob *blob)
{
    return blob != NULL ? bytes_of(blob->data, blob->len) : bytes_of(NULL, 0);
}
