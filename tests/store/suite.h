/* SPDX-License-Identifier: Apache-2.0 */
/* The tests that every backend passes. */
#ifndef USHER_TESTS_STORE_SUITE_H
#define USHER_TESTS_STORE_SUITE_H

#include "bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

extern const char *suite_backend;

int suite_setup(void **state); /* *state becomes an open bed */
int suite_teardown(void **state);
#define SUITE_TEST(function) cmocka_unit_test_setup_teardown(function, suite_setup, suite_teardown)

int suite_enroll(void);
int suite_bootstrap(void);
int suite_list(void);
int suite_lanes(void);
int suite_groups(void);
int suite_account(void);

#endif
