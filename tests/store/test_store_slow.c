/* A database on a disk that hangs: one look-up finds out, those after it do not wait on the
 * worker's thread (D6). The linker leads sqlite3_step through here. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <sys/uio.h>
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

enum { IN_MEMORY, ON_DISK, UNKNOWN };

static atomic_int place; /* where the file system says that a page is */
static atomic_uint asked;

ssize_t __wrap_preadv64v2(int fd, const struct iovec *parts, int count, off64_t at, int flags);

ssize_t __wrap_preadv64v2(int fd, const struct iovec *parts, int count, off64_t at, int flags)
{
    assert_int_equal(flags, RWF_NOWAIT);
    atomic_fetch_add(&asked, 1);
    if (atomic_load(&place) == IN_MEMORY)
        return preadv(fd, parts, count, at);
    errno = atomic_load(&place) == ON_DISK ? EAGAIN : EOPNOTSUPP;
    return -1;
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
    atomic_store(&place, IN_MEMORY);
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

/* A look-up that would have to read the disk comes back at once; its answer comes from another
 * thread. */
static void test_what_is_not_in_memory_is_read_elsewhere(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    enroll(bed->lane, "lamp-7");
    atomic_store(&asked, 0);
    atomic_store(&place, ON_DISK);
    store_find_identity(bed->lane, bytes_of_text("id-lamp-7"), answer_device, &answer);
    assert_int_equal(answer.calls, 0);
    assert_int_equal(atomic_load(&asked), 1);
    answer_wait(bed->lane, &answer);
    assert_int_equal(answer.result, ERR_OK);
    assert_string_equal(answer.device.enrollment.endpoint, "lamp-7");
    assert_int_equal(atomic_load(&asked), 1); /* the other thread took its time */
    answer_clear(&answer);
    /* Somebody has read it, so it is in memory now. */
    atomic_store(&place, IN_MEMORY);
    store_find_identity(bed->lane, bytes_of_text("id-lamp-7"), answer_device, &answer);
    assert_int_equal(answer.calls, 1);
    assert_int_equal(answer.result, ERR_OK);
    answer_clear(&answer);
    /* A synchronous call waits for the disk by itself. */
    enroll(bed->lane, "lamp-8");
    atomic_store(&place, ON_DISK);
    assert_int_equal(get_device(bed->lane, "lamp-8", &answer), ERR_OK);
    answer_clear(&answer);
    struct err err = {0};
    assert_int_equal(store_health(bed->store, &err), ERR_OK); /* nothing has failed */
}

/* Nor does it cost the finds that follow what the lane has read by then. */
static void test_what_was_read_is_kept_meanwhile(void **state)
{
    enum { DEVICES = 400 };
    struct bed *bed = *state;
    struct answer answer = {0};
    char name[32], tag[129];
    memset(tag, 'x', sizeof tag - 1);
    tag[sizeof tag - 1] = '\0';
    for (int i = 0; i < DEVICES; i++) {
        struct store_device device;
        struct err err = {0};
        enum store_change change;
        snprintf(name, sizeof name, "lamp-%03d", i);
        device_make(&device, name);
        device_add_tag(&device, "note", tag);
        assert_int_equal(store_enroll(bed->lane, &device, false, &change, &err), ERR_OK);
        store_device_clear(&device);
    }
    store_lane_rest(bed->lane); /* from here on finds share what they read */
    assert_int_equal(find_identity(bed->lane, "id-lamp-000", &answer), ERR_OK);
    atomic_store(&asked, 0);
    assert_int_equal(find_identity(bed->lane, "id-lamp-001", &answer), ERR_OK);
    assert_int_equal(atomic_load(&asked), 0); /* a neighbour, on the same page */
    enroll(bed->lane, "other"); /* whoever begins anew from here on has to read anew */
    atomic_store(&place, ON_DISK);
    assert_int_equal(find_identity(bed->lane, "id-lamp-399", &answer), ERR_OK);
    assert_int_equal(atomic_load(&asked), 1);
    atomic_store(&place, IN_MEMORY);
    assert_int_equal(find_identity(bed->lane, "id-lamp-002", &answer), ERR_OK);
    assert_int_equal(atomic_load(&asked), 1);
    answer_clear(&answer);
}

/* Not every file system can read like that: then it is asked once, and read as ever. The last test,
 * as it is remembered. */
static void test_file_system_that_cannot_tell(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    enroll(bed->lane, "lamp-7");
    atomic_store(&asked, 0);
    atomic_store(&place, UNKNOWN);
    store_find_identity(bed->lane, bytes_of_text("id-lamp-7"), answer_device, &answer);
    assert_int_equal(answer.calls, 1);
    assert_int_equal(answer.result, ERR_OK);
    assert_int_equal(atomic_load(&asked), 1);
    answer_clear(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_not_in_memory_is_read_elsewhere, open_bed,
                                        close_bed),
        cmocka_unit_test_setup_teardown(test_what_was_read_is_kept_meanwhile, open_bed, close_bed),
        cmocka_unit_test_setup_teardown(test_only_the_first_slow_lookup_holds_the_lane_up, open_bed,
                                        close_bed),
        cmocka_unit_test_setup_teardown(test_file_system_that_cannot_tell, open_bed, close_bed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
