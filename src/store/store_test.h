/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks for tests of the store; no other code includes this. */
#ifndef USHER_STORE_TEST_H
#define USHER_STORE_TEST_H

#include "usher/store.h"

/* Where the store takes the time of day from: graces and ages can then pass without waiting. */
void store_test_set_clock(struct store *store, int64_t (*wall_ms)(void));

/* Sets SQLite up as store_open does, for a test that uses SQLite before it opens a store. */
void store_test_prepare_sqlite(void);

/* The memory backend with the path "delay=MS" answers find calls that many milliseconds later,
 * through the lane's descriptor, as a remote store does. */

#endif
