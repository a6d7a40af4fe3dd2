/* Key material in place. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/secret.h"

#include <assert.h>
#include <string.h>

bool secret_set(struct secret *secret, struct bytes data)
{
    if (data.len > SECRET_MAX)
        return false;
    /* memmove: `data` may be a part of this very secret. */
    if (data.len > 0)
        memmove(secret->data, data.data, data.len);
    bytes_wipe(secret->data + data.len, SECRET_MAX - data.len);
    secret->len = (uint16_t)data.len;
    return true;
}

void secret_random(struct secret *secret, size_t len)
{
    assert(len <= SECRET_MAX);
    secret_clear(secret);
    bytes_random(secret->data, len);
    secret->len = (uint16_t)len;
}

void secret_clear(struct secret *secret)
{
    bytes_wipe(secret, sizeof *secret);
}

struct bytes secret_bytes(const struct secret *secret)
{
    return bytes_of(secret->data, secret->len);
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
    return bytes_equal_constant_time(secret_bytes(a), secret_bytes(b));
}
