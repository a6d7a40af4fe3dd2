/* The audit: every change and every bootstrap is in it, chained; it expires without losing its
 * proof. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bed.h"

#include "usher/clock.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/store_test.h"

enum { RECORDS_MAX = 4096 };

/* What was read: "action subject actor detail" a line, and whether the chain holds. */
struct reading {
    char text[65536];
    uint64_t first, last, count;
    uint8_t hash[DIGEST_SIZE];
    bool holds;
};

static bool take(void *context, const struct chain_record *record,
                 const uint8_t hash[static DIGEST_SIZE])
{
    struct reading *reading = context;
    size_t used = strlen(reading->text);
    if (reading->count == 0) {
        reading->first = record->seq;
        reading->holds = true;
        if (strcmp(record->action, CHAIN_EXPIRED) == 0)
            memcpy(reading->hash, hash, DIGEST_SIZE);
        else
            chain_next(reading->hash, record);
    } else {
        reading->holds = reading->holds && record->seq == reading->last + 1;
        chain_next(reading->hash, record);
    }
    reading->holds = reading->holds && memcmp(reading->hash, hash, DIGEST_SIZE) == 0;
    reading->last = record->seq;
    reading->count++;
    snprintf(reading->text + used, sizeof reading->text - used, "%s %s %s %s|", record->action,
             record->subject, record->actor, record->detail);
    return true;
}

static void read_all(struct bed *bed, struct reading *reading)
{
    struct err err = {0};
    *reading = (struct reading){0};
    if (store_audit(bed->lane, 0, 0, RECORDS_MAX, take, reading, &err) != ERR_OK)
        fail_msg("%s", err.text);
}

static int setup(void **state)
{
    struct bed *bed = calloc(1, sizeof *bed);
    assert_non_null(bed);
    bed_open(bed, "sqlite");
    *state = bed;
    return 0;
}

static int teardown(void **state)
{
    bed_close(*state);
    free(*state);
    return 0;
}

static void act_as(struct bed *bed, const char *name)
{
    struct store_actor actor = {.source = "unix", .station = "jig 3"};
    snprintf(actor.name, sizeof actor.name, "%s", name);
    store_lane_act_as(bed->lane, &actor);
}

static struct bytes no_state(void *context)
{
    return bytes_of(NULL, 0);
}

static void import_one(struct bed *bed, const char *endpoint)
{
    struct store_device device;
    struct buf packed;
    struct err err = {0};
    buf_init(&packed, 4096);
    device_make(&device, endpoint);
    assert_true(store_row_pack(&device, STORE_GIVEN_KEY | STORE_GIVEN_IDENTITY, &packed));
    struct store_bulk_row row = {.packed = buf_bytes(&packed)};
    struct store_bulk bulk = {.id = "import-1", .count = 1, .rows = &row, .sum = no_state};
    assert_int_equal(store_bulk_apply(bed->lane, &bulk, &err), ERR_OK);
    buf_clear(&packed);
    store_device_clear(&device);
}

static void test_everything_is_in_it(void **state)
{
    struct bed *bed = *state;
    struct reading *reading = calloc(1, sizeof *reading);
    struct store_device device;
    struct outcome outcome;
    struct err err = {0};
    enum store_change change;
    assert_non_null(reading);
    act_as(bed, "uid:1000");
    enroll(bed->lane, "lamp-1");
    device_make(&device, "lamp-1");
    assert_int_equal(store_enroll(bed->lane, &device, false, &change, &err),
                     ERR_OK); /* no change */
    device_add_tag(&device, "a", "b");
    act_as(bed, "token:line");
    assert_int_equal(store_enroll(bed->lane, &device, true, &change, &err), ERR_OK);
    store_device_clear(&device);
    outcome_make(&outcome, "lamp-1", STATE_BOOTSTRAPPED, 1);
    assert_int_equal(record(bed->lane, &outcome, 0, 0), ERR_OK);
    outcome_make(&outcome, "lamp-1", STATE_FAILED, 2);
    assert_int_equal(record(bed->lane, &outcome, 0, 0), ERR_OK);
    outcome_make(&outcome, "nobody", STATE_FAILED, 3);
    assert_int_equal(record(bed->lane, &outcome, 0, 0), ERR_NOT_FOUND);
    assert_int_equal(store_set_blocked(bed->lane, bytes_of_text("lamp-1"), true, &change, &err),
                     ERR_OK);
    assert_int_equal(store_set_blocked(bed->lane, bytes_of_text("lamp-1"), true, &change, &err),
                     ERR_OK);
    struct store_group group = {
        .name = "B7", .pattern = "b7-*", .scheme = DERIVE_HKDF, .key_len = 16};
    assert_true(secret_set(&group.primary, bytes_of_text("sixteen bytes...")));
    assert_int_equal(store_group_put(bed->lane, &group, false, &change, &err), ERR_OK);
    assert_int_equal(store_group_remove(bed->lane, "B7", false, &err), ERR_OK);
    import_one(bed, "lamp-2");
    assert_int_equal(store_remove(bed->lane, bytes_of_text("lamp-1"), &err), ERR_OK);
    read_all(bed, reading);
    assert_true(reading->holds);
    assert_int_equal(reading->first, 1);
    static const char expected[] =
        "device.enrolled lamp-1 uid:1000 class lamp|"
        "device.changed lamp-1 token:line class lamp|"
        "bootstrap lamp-1 device bootstrapped, class lamp|"
        "bootstrap lamp-1 device failed: timeout, class lamp|"
        "device.blocked lamp-1 token:line |"
        "group.created B7 token:line b7-*|"
        "group.removed B7 token:line |"
        "import.chunk import-1 token:line 1 rows: 1 created, 0 changed, 0 unchanged, 0 skipped, 0 "
        "failed; sha256:";
    if (strncmp(reading->text, expected, strlen(expected)) != 0)
        fail_msg("%s", reading->text);
    assert_non_null(strstr(reading->text, "|device.removed lamp-1 token:line |"));
    assert_null(strstr(reading->text, "key-lamp"));
    free(reading);
}

static void test_chain_goes_on_after_a_restart(void **state)
{
    struct bed *bed = *state;
    struct reading *reading = calloc(1, sizeof *reading);
    assert_non_null(reading);
    enroll(bed->lane, "lamp-1");
    bed_stop(bed);
    bed_start(bed);
    enroll(bed->lane, "lamp-2");
    read_all(bed, reading);
    assert_true(reading->holds);
    assert_int_equal(reading->count, 2);
    free(reading);
}

static _Atomic int64_t false_now; /* the writer asks as well */

static int64_t false_clock(void)
{
    return false_now;
}

static void test_old_records_leave_their_hash(void **state)
{
    const int64_t day = 86400000;
    struct bed *bed = *state;
    struct reading *reading = calloc(1, sizeof *reading);
    struct err err = {0};
    char name[32];
    assert_non_null(reading);
    bed->config.audit_days = 30;
    false_now = clock_wall_ms() - 60 * day;
    store_test_set_clock(bed->store, false_clock);
    for (unsigned i = 0; i < 20; i++) { /* the last is 22 days old */
        snprintf(name, sizeof name, "lamp-%u", i);
        enroll(bed->lane, name);
        false_now += 2 * day;
    }
    read_all(bed, reading);
    assert_int_equal(reading->count, 20);
    bed_stop(bed);
    bed_start(bed); /* with the true time: what is past its time is looked for at once */
    uint64_t limit = clock_monotonic_ms() + 30000;
    do {
        poll(NULL, 0, 5);
        read_all(bed, reading);
        assert_true(clock_monotonic_ms() < limit);
    } while (reading->first == 1);
    assert_true(reading->holds);
    assert_int_equal(strncmp(reading->text, CHAIN_EXPIRED, strlen(CHAIN_EXPIRED)), 0);
    assert_null(strstr(reading->text, "lamp-0 "));
    assert_non_null(strstr(reading->text, "lamp-19 "));
    enroll(bed->lane, "late");
    read_all(bed, reading);
    assert_true(reading->holds);
    *reading = (struct reading){0};
    assert_int_equal(
        store_audit(bed->lane, 0, clock_wall_ms() - 23 * day, RECORDS_MAX, take, reading, &err),
        ERR_OK);
    assert_non_null(strstr(reading->text, "lamp-19 "));
    assert_null(strstr(reading->text, "lamp-17 "));
    free(reading);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_everything_is_in_it),
        TEST(test_chain_goes_on_after_a_restart),
        TEST(test_old_records_leave_their_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
