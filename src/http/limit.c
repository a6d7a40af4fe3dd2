/* SPDX-License-Identifier: Apache-2.0 */
/* Limits by address: a fixed table of buckets that fill with time. Two addresses that share a place
 * push each other out, to the good of the one who pushes: nobody is locked out by a stranger. */
#include "http_priv.h"

static struct http_bucket *bucket_of(struct http_limits *limits, uint64_t key, uint64_t now_ms,
                                     double burst)
{
    struct http_bucket *bucket = &limits->buckets[key % HTTP_LIMIT_BUCKETS];
    if (bucket->key != key || bucket->at_ms == 0)
        *bucket = (struct http_bucket){.key = key, .at_ms = now_ms, .left = burst};
    return bucket;
}

bool http_limit_take(struct http_limits *limits, uint64_t key, uint64_t now_ms, double burst,
                     double period_ms, uint64_t *wait_ms)
{
    pthread_mutex_lock(&limits->lock);
    struct http_bucket *bucket = bucket_of(limits, key, now_ms, burst);
    bucket->left += (double)(now_ms - bucket->at_ms) / period_ms;
    if (bucket->left > burst)
        bucket->left = burst;
    bucket->at_ms = now_ms;
    bool good = bucket->left >= 1;
    if (good)
        bucket->left -= 1;
    else
        *wait_ms = (uint64_t)((1 - bucket->left) * period_ms);
    pthread_mutex_unlock(&limits->lock);
    return good;
}
