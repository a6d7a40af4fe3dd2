/* SPDX-License-Identifier: Apache-2.0 */
/* A fixed piece of work that meets every part of the store, for tests in which the N-th step of
 * something fails. */
#ifndef USHER_TESTS_STORE_SCENARIO_H
#define USHER_TESTS_STORE_SCENARIO_H

#include "bed.h"

struct scenario {
    bool opened;
    enum err_code open_code;
    struct err open_err;
    /* What was acknowledged. */
    bool enrolled[3];
    bool replaced, blocked, removed; /* `replaced`: another key for server 102, among others */
    uint64_t pending, promoted;
    unsigned outcomes;
    unsigned callbacks_asked, callbacks_run;
    unsigned failures; /* calls that failed in any way */
};

/* Opens the store, works, closes. Every failure is taken as it comes; callbacks are counted. */
void scenario_run(struct bed *bed, struct scenario *scenario);
/* Opens the store again and fails the test when something acknowledged is missing or something is
 * half there; ends with a change, to see that the store works. */
void scenario_check(struct bed *bed, const struct scenario *scenario);

#endif
