/* Forged ClientHellos from very many sources on loopback. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_SIM_FLOOD_PRIV_H
#define USHER_SIM_FLOOD_PRIV_H

#include "loop_priv.h"

enum {
    FLOOD_RATE_MAX = 5000000, /* a second */
    FLOOD_MS_MAX = 600000,
    FLOOD_SOURCES_MAX = 1 << 20,
    FLOOD_AWAIT_MAX = 4096,
};

struct flood_config {
    struct loop_address server; /* IPv4 in 127/8, nothing else */
    uint32_t rate;              /* hellos a second; 0 = as many as can be */
    uint32_t sources;           /* addresses and ports together */
    uint32_t duration_ms;
    uint64_t count;   /* ends after so many; 0 = when the time is up */
    uint32_t await;   /* at most so many unanswered at a time; 0 = no answer is looked at */
    bool with_cookie; /* each has a cookie, a wrong one */
    uint64_t seed;
};

struct flood_result {
    uint64_t sent, answered; /* the latter only with `await` */
    double seconds;
};

/* ERR_DENIED: the server is not on loopback. ERR_IO. Ends early when *stop. */
enum err_code flood_run(const struct flood_config *config, const volatile int *stop,
                        struct flood_result *out, struct err *err);

#endif
