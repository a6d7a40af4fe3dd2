/* The N-th read, write or sync fails, for every N: a clear error, nothing half done, and the store
 * works again when the disk does. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "power_vfs.h"
#include "scenario.h"

#include "usher/clock.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { LEAST_OPERATIONS = 100, MOST_OPERATIONS = 5000 };

static void run_with_fault(enum power_fault fault, unsigned operation, bool lasting, bool *reached)
{
    struct bed bed;
    struct scenario scenario;
    bed_prepare(&bed, "sqlite");
    bed.config.vfs = "power";
    bed.config.gather_ms = 1;
    power_vfs_fail_at(fault, operation, lasting);
    scenario_run(&bed, &scenario);
    *reached = power_vfs_has_failed();
    if (!scenario.opened) {
        assert_true(*reached);
        assert_int_equal(scenario.open_err.code, scenario.open_code);
        assert_non_null(strstr(scenario.open_err.text, bed.path));
    }
    if (!*reached)
        assert_int_equal(scenario.failures, 0);
    power_vfs_forget();
    scenario_check(&bed, &scenario);
    power_vfs_forget();
    bed_close(&bed);
}

static void run_for_every_operation(enum power_fault fault, bool lasting)
{
    bool reached = true;
    unsigned operation = 0;
    while (reached) {
        assert_true(++operation < MOST_OPERATIONS);
        run_with_fault(fault, operation, lasting, &reached);
    }
    print_message("%u operations\n", operation - 1);
    assert_true(operation > LEAST_OPERATIONS);
}

static void test_each_operation_fails_once(void **state)
{
    run_for_every_operation(POWER_FAULT_IO, false);
}

static void test_each_operation_and_all_later_writes_fail(void **state)
{
    run_for_every_operation(POWER_FAULT_IO, true);
}

/* The operations that write, only: FULL spares reads and moves on to the next write. */
static void test_disk_fills_up_anywhere(void **state)
{
    bool reached = true;
    for (unsigned operation = 1; reached; operation += 3)
        run_with_fault(POWER_FAULT_FULL, operation, true, &reached);
}

/* ---- health ---- */

static void open_on_power(struct bed *bed)
{
    bed_prepare(bed, "sqlite");
    bed->config.vfs = "power";
    bed_start(bed);
    enroll(bed->lane, "lamp-1");
}

static enum err_code try_enroll(struct bed *bed, const char *name, struct err *err)
{
    struct store_device device;
    enum store_change change;
    device_make(&device, name);
    enum err_code code = store_enroll(bed->lane, &device, false, &change, err);
    store_device_clear(&device);
    return code;
}

static void await_health(struct bed *bed)
{
    uint64_t deadline = clock_monotonic_ms() + 20000;
    struct err err;
    while (store_health(bed->store, &err) != ERR_OK) {
        assert_true(clock_monotonic_ms() < deadline);
        poll(NULL, 0, 5); /* there is no event for it: health is asked */
    }
}

static void test_full_disk_is_told_and_heals(void **state)
{
    struct bed bed;
    struct err err = {0};
    struct store_metrics metrics;
    struct answer answer = {0};
    open_on_power(&bed);
    power_vfs_fail_at(POWER_FAULT_FULL, power_vfs_operations() + 1, true);
    assert_int_equal(try_enroll(&bed, "lamp-2", &err), ERR_IO);
    assert_non_null(strstr(err.text, "disk is full"));
    assert_non_null(strstr(err.text, bed.path));
    assert_int_equal(store_health(bed.store, &err), ERR_IO);
    assert_non_null(strstr(err.text, "disk is full"));
    assert_int_equal(store_health(bed.store, NULL), ERR_IO);
    store_metrics(bed.store, &metrics);
    assert_true(metrics.failures >= 1);
    /* Reading goes on; a session is told to try later. */
    assert_int_equal(find_identity(bed.lane, "id-lamp-1", &answer), ERR_OK);
    assert_int_equal(find_identity(bed.lane, "id-lamp-2", &answer), ERR_NOT_FOUND);
    assert_int_equal(make_pending(bed.lane, "lamp-1", 101, "key", &answer), ERR_UNAVAILABLE);
    power_vfs_fail_at(POWER_FAULT_NONE, 0, false);
    await_health(&bed); /* by its own probe */
    assert_int_equal(make_pending(bed.lane, "lamp-1", 101, "key", &answer), ERR_OK);
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_PENDING), 1);
    assert_int_equal(try_enroll(&bed, "lamp-2", &err), ERR_OK);
    answer_clear(&answer);
    bed_close(&bed);
    power_vfs_forget();
}

static void test_a_success_heals_at_once(void **state)
{
    struct bed bed;
    struct err err = {0};
    open_on_power(&bed);
    power_vfs_fail_at(POWER_FAULT_IO, power_vfs_operations() + 1, true);
    assert_int_equal(try_enroll(&bed, "lamp-2", &err), ERR_IO);
    power_vfs_fail_at(POWER_FAULT_NONE, 0, false);
    assert_int_equal(try_enroll(&bed, "lamp-2", &err), ERR_OK);
    assert_int_equal(store_health(bed.store, &err), ERR_OK);
    bed_close(&bed);
    power_vfs_forget();
}

static void test_failing_reads_show_in_health(void **state)
{
    struct bed bed;
    struct err err = {0};
    struct answer answer = {0};
    open_on_power(&bed);
    /* Lasting, so that the probe fails too and health can be seen. */
    power_vfs_fail_at(POWER_FAULT_IO, power_vfs_operations() + 1, true);
    assert_int_equal(find_identity(bed.lane, "id-lamp-1", &answer), ERR_UNAVAILABLE);
    assert_int_equal(store_health(bed.store, &err), ERR_IO);
    power_vfs_fail_at(POWER_FAULT_NONE, 0, false);
    await_health(&bed);
    assert_int_equal(find_identity(bed.lane, "id-lamp-1", &answer), ERR_OK);
    answer_clear(&answer);
    bed_close(&bed);
    power_vfs_forget();
}

/* Outcomes are accepted while the device rows cannot be brought up to date: lists fail, nothing is
 * lost, and what waits does not pile up unseen. */
static void test_failing_folds_lose_nothing(void **state)
{
    struct bed bed;
    struct err err = {0};
    struct outcome outcome;
    struct answer answer = {0};
    struct store_metrics metrics;
    struct store_filter filter = {.state = STATE_FAILED, .cause = -1, .limit = 10};
    open_on_power(&bed);
    for (unsigned i = 1; i <= 5; i++) {
        outcome_make(&outcome, "lamp-1", STATE_FAILED, i);
        assert_int_equal(record(bed.lane, &outcome, 0, 0), ERR_OK);
    }
    store_metrics(bed.store, &metrics);
    assert_int_equal(metrics.unfolded, 5);
    power_vfs_fail_at(POWER_FAULT_FULL, power_vfs_operations() + 1, true);
    assert_int_equal(store_list(bed.lane, &filter, NULL, NULL, &err), ERR_IO);
    assert_non_null(strstr(err.text, "disk is full"));
    assert_int_equal(find_endpoint(bed.lane, "lamp-1", &answer), ERR_OK);
    assert_int_equal(answer.device.state, STATE_FAILED);
    bed_stop(&bed); /* closing cannot fold either */
    power_vfs_forget();
    bed_start(&bed);
    store_metrics(bed.store, &metrics);
    assert_int_equal(metrics.unfolded, 0);
    assert_int_equal(find_endpoint(bed.lane, "lamp-1", &answer), ERR_OK);
    assert_int_equal(answer.device.state, STATE_FAILED);
    assert_int_equal(answer.device.last_duration_ms, 905);
    assert_int_equal(count_of(bed.store, "lamp", STATE_FAILED), 1);
    answer_clear(&answer);
    bed_close(&bed);
    power_vfs_forget();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_operation_fails_once),
        cmocka_unit_test(test_each_operation_and_all_later_writes_fail),
        cmocka_unit_test(test_disk_fills_up_anywhere),
        cmocka_unit_test(test_full_disk_is_told_and_heals),
        cmocka_unit_test(test_a_success_heals_at_once),
        cmocka_unit_test(test_failing_reads_show_in_health),
        cmocka_unit_test(test_failing_folds_lose_nothing),
    };
    power_vfs_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
