/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing the store's keys anew: each request does a slice and says where the next one begins. */
#include "http_priv.h"

#include "usher/clock.h"
#include "usher/log.h"

#include <inttypes.h>
#include <stdio.h>

enum { SLICE_US = 200000 };

/* "TABLE:ROW", as an earlier answer gave it. */
static bool read_place(struct request *request, struct store_rekey *rekey)
{
    const char *text = http_parameter(request, "from");
    char end = 0;
    if (text == NULL ||
        (sscanf(text, "%4u:%19" SCNd64 "%c", &rekey->table, &rekey->after, &end) == 2 &&
         rekey->after >= 0))
        return true;
    http_problem(request, 400, "invalid",
                 "query parameter 'from' is not one that this server gave");
    return false;
}

static enum err_code run_slice(struct request *request, struct store_rekey *rekey, struct err *err)
{
    uint64_t until = clock_monotonic_us() + SLICE_US;
    enum err_code code = ERR_OK;
    struct store_lane *lane = http_lane_take(request->http);
    http_begin_change(request, lane);
    while (code == ERR_OK && !rekey->done && clock_monotonic_us() < until)
        code = store_rekey(lane, rekey, err);
    http_lane_return(request->http, lane);
    return code;
}

void http_rekey(struct request *request)
{
    static const char *const known[] = {"from", NULL};
    struct store_rekey rekey = {0};
    struct err err = {0};
    char next[32];
    if (!http_read_query(request, known) || !read_place(request, &rekey))
        return;
    bool begins = http_parameter(request, "from") == NULL;
    enum err_code code = begins ? store_reload_keys(request->http->config.store, &err) : ERR_OK;
    if (code == ERR_OK)
        code = run_slice(request, &rekey, &err);
    if (code != ERR_OK) {
        http_problem_of(request, &err);
        return;
    }
    if (begins || rekey.done)
        log_event(LOG_INFO, rekey.done ? "store.rekeyed" : "store.rekey-begun",
                  LOG_TEXT("request", request->id));
    snprintf(next, sizeof next, "%u:%" PRId64, rekey.table, rekey.after);
    json_t *answer = json_object();
    http_put(request, answer, "done", json_boolean(rekey.done));
    http_put_number(request, answer, "sealed", rekey.sealed);
    http_put_text(request, answer, "next", rekey.done ? NULL : next);
    http_answer(request, 200, answer);
}
