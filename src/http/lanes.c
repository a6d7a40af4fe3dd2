/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes of the store, lent to one request at a time. */
#include "http_priv.h"

enum err_code http_lanes_open(struct http *http, struct err *err)
{
    struct http_lanes *lanes = &http->lanes;
    while (lanes->open_count < HTTP_LANES) {
        struct store_lane *lane = NULL;
        enum err_code code = store_lane_open(http->config.store, &lane, err);
        if (code != ERR_OK)
            return code;
        lanes->all[lanes->open_count++] = lane;
        lanes->free[lanes->free_count++] = lane;
    }
    return ERR_OK;
}

void http_lanes_close(struct http *http)
{
    for (size_t i = 0; i < http->lanes.open_count; i++)
        store_lane_close(http->lanes.all[i]);
    http->lanes.open_count = http->lanes.free_count = 0;
}

struct store_lane *http_lane_take(struct http *http)
{
    struct http_lanes *lanes = &http->lanes;
    pthread_mutex_lock(&lanes->lock);
    while (lanes->free_count == 0)
        pthread_cond_wait(&lanes->returned, &lanes->lock);
    struct store_lane *lane = lanes->free[--lanes->free_count];
    pthread_mutex_unlock(&lanes->lock);
    return lane;
}

void http_lane_return(struct http *http, struct store_lane *lane)
{
    struct http_lanes *lanes = &http->lanes;
    pthread_mutex_lock(&lanes->lock);
    lanes->free[lanes->free_count++] = lane;
    pthread_cond_signal(&lanes->returned);
    pthread_mutex_unlock(&lanes->lock);
}
