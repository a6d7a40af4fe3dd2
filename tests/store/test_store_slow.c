/* A database on a disk that hangs: one look-up finds out, those after it do not wait on the
 * worker's thread (D6). The linker leads sqlite3_step through here. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <time.h>

enum { HANG_MS = 400 };

static atomic_uint hang_ms; /* of every step of a reading connection */

int __real_sqlite3_step(sqlite3_stmt *statement);
int __wrap_sqlite3_step(sqlite3_stmt *statement);

int __wrap_sqlite3_step(sqlite3_stmt *statement)
{
    unsigned ms = atomic_load(&hang_ms);
    bool reads = strncmp(sqlite3_sql(statement), "SELECT", 6) == 0;
    if (ms > 0 && reads) {
        struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
        nanosleep(&pause, NULL);
    }
    return __real_sqlite3_step(statement);
}

static int open_bed(void **state)
{
    static struct bed bed;
    bed_open(&bed, "sqlite");
    *state = &bed;
    return 0;
}

static int close_bed(void **state)
{
    atomic_store(&hang_ms, 0);
    bed_close(*state);
    return 0;
}

static void test_only_the_first_slow_lookup_holds_the_lane_up(void **state)
{
    enum { DEVICES = 20 };
    struct bed *bed = *state;
    struct answer answers[DEVICES] = {0};
    char name[16];
    for (int i = 0; i < DEVICES; i++) {
        snprintf(name, sizeof name, "lamp-%d", i);
        enroll(bed->lane, name);
    }
    atomic_store(&hang_ms, HANG_MS);
    for (int i = 0; i < DEVICES; i++) {
        snprintf(name, sizeof name, "id-lamp-%d", i);
        store_find_identity(bed->lane, bytes_of_text(name), answer_device, &answers[i]);
    }
    assert_int_equal(answers[0].calls, 1);
    for (int i = 1; i < DEVICES; i++)
        assert_int_equal(answers[i].calls, 0);
    atomic_store(&hang_ms, 0);
    for (int i = 1; i < DEVICES; i++)
        answer_wait(bed->lane, &answers[i]);
    for (int i = 0; i < DEVICES; i++) {
        assert_int_equal(answers[i].result, ERR_OK);
        snprintf(name, sizeof name, "lamp-%d", i);
        assert_string_equal(answers[i].device.enrollment.endpoint, name);
        answer_clear(&answers[i]);
    }
    /* Once a reader has found the disk quick again, it is back on the lane's own thread. */
    unsigned direct = 0;
    for (int i = 0; i < 1000 && direct == 0; i++) {
        store_find_identity(bed->lane, bytes_of_text("id-lamp-1"), answer_device, &answers[0]);
        direct += answers[0].calls;
        answer_wait(bed->lane, &answers[0]);
        answer_clear(&answers[0]);
    }
    assert_int_equal(direct, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_only_the_first_slow_lookup_holds_the_lane_up, open_bed,
                                        close_bed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
