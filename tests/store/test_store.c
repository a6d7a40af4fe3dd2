/* Runs the suite for the backend named by the argument. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>

const char *suite_backend;

int suite_setup(void **state)
{
    struct bed *bed = calloc(1, sizeof *bed);
    assert_non_null(bed);
    bed_open(bed, suite_backend);
    *state = bed;
    return 0;
}

int suite_teardown(void **state)
{
    bed_close(*state);
    free(*state);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: test_store memory|sqlite\n");
        return 2;
    }
    suite_backend = argv[1];
    int failed = suite_enroll();
    failed += suite_bootstrap();
    failed += suite_list();
    failed += suite_lanes();
    failed += suite_groups();
    failed += suite_account();
    return failed;
}
