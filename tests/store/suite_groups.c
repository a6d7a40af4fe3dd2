/* Groups: devices without rows, joining, limits, keys, blocking. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

#include "usher/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void group_make(struct store_group *group, const char *name, const char *pattern)
{
    *group = (struct store_group){.scheme = DERIVE_HKDF, .label = "L", .key_len = 16};
    snprintf(group->name, sizeof group->name, "%s", name);
    snprintf(group->pattern, sizeof group->pattern, "%s", pattern);
    snprintf(group->class_name, sizeof group->class_name, "lamp");
    assert_true(secret_set(&group->primary, bytes_of_text("primary-key-of-the-group")));
}

static enum err_code put(struct bed *bed, const struct store_group *group, bool replace,
                         enum store_change *change)
{
    struct err err = {0};
    return store_group_put(bed->lane, group, replace, change, &err);
}

static void put_new(struct bed *bed, const struct store_group *group)
{
    enum store_change change;
    assert_int_equal(put(bed, group, false, &change), ERR_OK);
    assert_int_equal(change, STORE_CREATED);
}

static void derived(const char *key, const char *name, struct secret *out)
{
    struct derive derive;
    struct err err;
    assert_int_equal(derive_begin(&derive, DERIVE_HKDF, bytes_of_text(key), "L", 16, &err), ERR_OK);
    derive_key(&derive, bytes_of_text(name), out);
    derive_clear(&derive);
}

static bool count_row(void *context, const struct store_row *row)
{
    ++*(unsigned *)context;
    return true;
}

static unsigned rows_of(struct bed *bed)
{
    struct store_filter filter = {.state = -1, .cause = -1, .limit = 1000};
    struct err err = {0};
    unsigned count = 0;
    assert_int_equal(store_list(bed->lane, &filter, count_row, &count, &err), ERR_OK);
    return count;
}

static uint64_t members_of(struct bed *bed, const char *name)
{
    struct store_group group;
    struct err err = {0};
    assert_int_equal(store_group_get(bed->lane, name, &group, &err), ERR_OK);
    uint64_t devices = group.devices;
    store_group_clear(&group);
    return devices;
}

static enum err_code bootstrap(struct bed *bed, const char *endpoint, unsigned number)
{
    struct outcome outcome;
    outcome_make(&outcome, endpoint, STATE_BOOTSTRAPPED, number);
    return record(bed->lane, &outcome, 0, 0);
}

static void test_device_without_a_row_is_found(void **state)
{
    struct bed *bed = *state;
    struct store_group group;
    struct answer answer = {0};
    struct secret expected;
    group_make(&group, "B7", "urn:dev:os:0042-*");
    struct tag tag = {"batch", "B7"};
    group.tags = (struct enrollment){.tags = &tag, .tag_count = 1};
    put_new(bed, &group);
    assert_int_equal(find_identity(bed->lane, "urn:dev:os:0042-lamp7", &answer), ERR_OK);
    const struct enrollment *found = &answer.device.enrollment;
    assert_string_equal(found->endpoint, "urn:dev:os:0042-lamp7");
    assert_string_equal(found->class_name, "lamp");
    assert_string_equal(enrollment_tag(found, "batch"), "B7");
    assert_string_equal(answer.device.group, "B7");
    derived("primary-key-of-the-group", "urn:dev:os:0042-lamp7", &expected);
    assert_true(secret_equal(&answer.device.bootstrap_key, &expected));
    assert_int_equal(answer.device.other_key_count, 0);
    assert_int_equal(rows_of(bed), 0);
    assert_int_equal(find_identity(bed->lane, "urn:dev:os:0043-lamp7", &answer), ERR_NOT_FOUND);
    assert_int_equal(find_identity(bed->lane, "urn:dev:os:0042-\x01", &answer), ERR_NOT_FOUND);
    assert_int_equal(find_identity(bed->lane, "urn:dev:os:0042-\xff", &answer), ERR_NOT_FOUND);
    answer_clear(&answer);
}

static void test_first_call_makes_the_row(void **state)
{
    struct bed *bed = *state;
    struct store_group group;
    struct answer answer = {0};
    struct secret expected;
    group_make(&group, "B7", "lamp-*");
    put_new(bed, &group);
    assert_int_equal(make_pending(bed->lane, "lamp-1", 101, "pending-key", &answer), ERR_OK);
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_PENDING), 1);
    assert_int_equal(bootstrap(bed, "lamp-2", 1), ERR_OK);
    assert_int_equal(bootstrap(bed, "lamp-2", 2), ERR_OK);
    assert_int_equal(bootstrap(bed, "sensor-2", 3), ERR_NOT_FOUND);
    assert_int_equal(rows_of(bed), 2);
    assert_int_equal(members_of(bed, "B7"), 2);
    assert_int_equal(find_identity(bed->lane, "lamp-2", &answer), ERR_OK);
    assert_int_equal(answer.device.enrollment.bootstraps, 2);
    derived("primary-key-of-the-group", "lamp-2", &expected);
    assert_true(secret_equal(&answer.device.bootstrap_key, &expected));
    /* Derived keys are not stored: whoever reads the device has none. */
    assert_int_equal(get_device(bed->lane, "lamp-2", &answer), ERR_OK);
    assert_int_equal(answer.device.bootstrap_key.len, 0);
    assert_string_equal(answer.device.group, "B7");
    assert_int_equal(count_of(bed->store, "lamp", STATE_BOOTSTRAPPED), 1);
    answer_clear(&answer);
}

static void test_number_of_devices_is_bounded(void **state)
{
    struct bed *bed = *state;
    struct store_group group;
    struct answer answer = {0};
    struct err err = {0};
    group_make(&group, "B7", "lamp-*");
    group.device_max = 2;
    put_new(bed, &group);
    assert_int_equal(bootstrap(bed, "lamp-1", 1), ERR_OK);
    assert_int_equal(bootstrap(bed, "lamp-2", 2), ERR_OK);
    assert_int_equal(bootstrap(bed, "lamp-3", 3), ERR_NOT_FOUND);
    assert_int_equal(find_identity(bed->lane, "lamp-3", &answer), ERR_NOT_FOUND);
    assert_int_equal(find_identity(bed->lane, "lamp-1", &answer), ERR_OK);
    assert_int_equal(store_remove(bed->lane, bytes_of_text("lamp-1"), &err), ERR_OK);
    assert_int_equal(members_of(bed, "B7"), 1);
    assert_int_equal(find_identity(bed->lane, "lamp-3", &answer), ERR_OK);
    answer_clear(&answer);
}

static void test_blocked_device_stays_blocked(void **state)
{
    struct bed *bed = *state;
    struct store_group group;
    struct answer answer = {0};
    struct err err = {0};
    enum store_change change;
    group_make(&group, "B7", "lamp-*");
    put_new(bed, &group);
    /* One that has not called yet can be blocked too. */
    assert_int_equal(store_set_blocked(bed->lane, bytes_of_text("lamp-1"), true, &change, &err),
                     ERR_OK);
    assert_int_equal(change, STORE_CHANGED);
    assert_int_equal(store_set_blocked(bed->lane, bytes_of_text("x-1"), true, &change, &err),
                     ERR_NOT_FOUND);
    assert_int_equal(store_set_blocked(bed->lane, bytes_of_text("lamp-9"), false, &change, &err),
                     ERR_NOT_FOUND);
    assert_int_equal(find_identity(bed->lane, "lamp-1", &answer), ERR_OK);
    assert_true(answer.device.enrollment.blocked);
    assert_true(secret_set(&group.primary, bytes_of_text("another-key-of-the-group")));
    assert_int_equal(put(bed, &group, true, &change), ERR_OK);
    assert_int_equal(find_identity(bed->lane, "lamp-1", &answer), ERR_OK);
    assert_true(answer.device.enrollment.blocked);
    /* A blocked group blocks all, and gives nobody free when it is let in again. */
    group.blocked = true;
    assert_int_equal(put(bed, &group, true, &change), ERR_OK);
    assert_int_equal(find_identity(bed->lane, "lamp-2", &answer), ERR_OK);
    assert_true(answer.device.enrollment.blocked);
    group.blocked = false;
    assert_int_equal(put(bed, &group, true, &change), ERR_OK);
    assert_int_equal(find_identity(bed->lane, "lamp-2", &answer), ERR_OK);
    assert_false(answer.device.enrollment.blocked);
    assert_int_equal(find_identity(bed->lane, "lamp-1", &answer), ERR_OK);
    assert_true(answer.device.enrollment.blocked);
    answer_clear(&answer);
}

static void test_two_keys_and_validity(void **state)
{
    struct bed *bed = *state;
    struct store_group group;
    struct answer answer = {0};
    struct secret expected;
    enum store_change change;
    int64_t now = clock_wall_ms();
    group_make(&group, "B7", "lamp-*");
    assert_true(secret_set(&group.secondary, bytes_of_text("secondary-key-of-the-group")));
    group.not_after_wall_ms = now + 3600000;
    put_new(bed, &group);
    assert_int_equal(find_identity(bed->lane, "lamp-1", &answer), ERR_OK);
    derived("secondary-key-of-the-group", "lamp-1", &expected);
    assert_true(secret_equal(&answer.device.other_keys[0], &expected));
    assert_int_equal(bootstrap(bed, "lamp-1", 1), ERR_OK);
    group.not_before_wall_ms = now - 7200000;
    group.not_after_wall_ms = now - 3600000;
    assert_int_equal(put(bed, &group, true, &change), ERR_OK);
    assert_int_equal(find_identity(bed->lane, "lamp-1", &answer), ERR_NOT_FOUND);
    assert_int_equal(find_identity(bed->lane, "lamp-2", &answer), ERR_NOT_FOUND);
    assert_int_equal(bootstrap(bed, "lamp-2", 2), ERR_NOT_FOUND);
    assert_int_equal(get_device(bed->lane, "lamp-1", &answer), ERR_OK);
    group.not_before_wall_ms = now + 3600000;
    group.not_after_wall_ms = 0;
    assert_int_equal(put(bed, &group, true, &change), ERR_OK);
    assert_int_equal(find_identity(bed->lane, "lamp-1", &answer), ERR_NOT_FOUND);
    answer_clear(&answer);
}

static void test_most_literal_pattern_wins(void **state)
{
    struct bed *bed = *state;
    struct store_group group;
    struct answer answer = {0};
    static const char *const groups[][2] = {
        {"all", "urn:*"}, {"lamps", "urn:dev:lamp-*"}, {"odd", "urn:dev:lamp-?1"}};
    for (size_t i = 0; i < 3; i++) {
        group_make(&group, groups[i][0], groups[i][1]);
        put_new(bed, &group);
    }
    static const char *const identities[][2] = {
        {"urn:dev:lamp-21", "odd"}, {"urn:dev:lamp-22", "lamps"}, {"urn:x", "all"}};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(find_identity(bed->lane, identities[i][0], &answer), ERR_OK);
        assert_string_equal(answer.device.group, identities[i][1]);
    }
    /* A device of its own right is nobody's. */
    struct store_device device;
    struct err err = {0};
    enum store_change change;
    device_make(&device, "urn:dev:lamp-99");
    assert_true(identity_set(&device.enrollment.identity, bytes_of_text("urn:dev:lamp-99")));
    assert_int_equal(store_enroll(bed->lane, &device, false, &change, &err), ERR_OK);
    assert_int_equal(find_identity(bed->lane, "urn:dev:lamp-99", &answer), ERR_OK);
    assert_string_equal(answer.device.group, "");
    assert_true(secret_equal(&answer.device.bootstrap_key, &device.bootstrap_key));
    store_device_clear(&device);
    answer_clear(&answer);
}

static void test_changing_and_removing(void **state)
{
    struct bed *bed = *state;
    struct store_group group;
    struct err err = {0};
    enum store_change change;
    group_make(&group, "B7", "lamp-*");
    put_new(bed, &group);
    assert_int_equal(put(bed, &group, false, &change), ERR_OK);
    assert_int_equal(change, STORE_UNCHANGED);
    group.device_max = 5;
    assert_int_equal(put(bed, &group, false, &change), ERR_EXISTS);
    assert_int_equal(put(bed, &group, true, &change), ERR_OK);
    assert_int_equal(change, STORE_CHANGED);
    assert_int_equal(bootstrap(bed, "lamp-1", 1), ERR_OK);
    assert_int_equal(store_group_remove(bed->lane, "B7", false, &err), ERR_CONFLICT);
    assert_int_equal(store_group_remove(bed->lane, "B8", false, &err), ERR_NOT_FOUND);
    assert_int_equal(store_group_remove(bed->lane, "B7", true, &err), ERR_OK);
    struct answer answer = {0};
    assert_int_equal(find_identity(bed->lane, "lamp-1", &answer), ERR_NOT_FOUND);
    assert_int_equal(get_device(bed->lane, "lamp-1", &answer), ERR_OK);
    answer_clear(&answer);
}

static void test_key_of_its_own_leaves_the_group(void **state)
{
    struct bed *bed = *state;
    struct store_group group;
    struct store_device device;
    struct answer answer = {0};
    struct err err = {0};
    enum store_change change;
    group_make(&group, "B7", "lamp-*");
    put_new(bed, &group);
    assert_int_equal(bootstrap(bed, "lamp-1", 1), ERR_OK);
    device_make(&device, "lamp-1");
    assert_int_equal(store_enroll(bed->lane, &device, true, &change, &err), ERR_OK);
    assert_int_equal(change, STORE_CHANGED);
    assert_int_equal(members_of(bed, "B7"), 0);
    assert_int_equal(find_identity(bed->lane, "id-lamp-1", &answer), ERR_OK);
    assert_true(secret_equal(&answer.device.bootstrap_key, &device.bootstrap_key));
    assert_int_equal(answer.device.enrollment.bootstraps, 1);
    /* The key that the group derives for that name opens nothing any more, blocked or not (I8). */
    assert_int_equal(find_identity(bed->lane, "lamp-1", &answer), ERR_NOT_FOUND);
    assert_int_equal(store_set_blocked(bed->lane, bytes_of_text("lamp-1"), true, &change, &err),
                     ERR_OK);
    assert_int_equal(find_identity(bed->lane, "lamp-1", &answer), ERR_NOT_FOUND);
    assert_int_equal(find_identity(bed->lane, "lamp-2", &answer), ERR_OK);
    store_device_clear(&device);
    answer_clear(&answer);
}

static void test_bad_groups_are_refused(void **state)
{
    struct bed *bed = *state;
    struct store_group group;
    enum store_change change;
    group_make(&group, "", "lamp-*");
    assert_int_equal(put(bed, &group, false, &change), ERR_INVALID);
    group_make(&group, "B7", "**?");
    assert_int_equal(put(bed, &group, false, &change), ERR_INVALID);
    group_make(&group, "B7", "lamp-*");
    group.primary.len = 8;
    assert_int_equal(put(bed, &group, false, &change), ERR_RANGE);
    group_make(&group, "B7", "lamp-*");
    group.key_len = 65;
    assert_int_equal(put(bed, &group, false, &change), ERR_RANGE);
    group_make(&group, "B7", "lamp-*");
    group.not_before_wall_ms = 10;
    group.not_after_wall_ms = 5;
    assert_int_equal(put(bed, &group, false, &change), ERR_INVALID);
    group_make(&group, "B7", "lamp-*");
    strcpy(group.class_name, "No Class");
    assert_int_equal(put(bed, &group, false, &change), ERR_INVALID);
}

/* What only a file can show: groups and their devices after a restart. */
static void test_groups_outlive_a_restart(void **state)
{
    struct bed *bed = *state;
    struct store_group group;
    struct answer answer = {0};
    struct secret expected;
    if (strcmp(suite_backend, "memory") == 0)
        skip();
    group_make(&group, "B7", "lamp-*");
    struct tag tag = {"batch", "B7"};
    group.tags = (struct enrollment){.tags = &tag, .tag_count = 1};
    group.device_max = 2;
    put_new(bed, &group);
    assert_int_equal(bootstrap(bed, "lamp-1", 1), ERR_OK);
    bed_stop(bed);
    bed_start(bed);
    assert_int_equal(members_of(bed, "B7"), 1);
    assert_int_equal(find_identity(bed->lane, "lamp-1", &answer), ERR_OK);
    derived("primary-key-of-the-group", "lamp-1", &expected);
    assert_true(secret_equal(&answer.device.bootstrap_key, &expected));
    assert_string_equal(enrollment_tag(&answer.device.enrollment, "batch"), "B7");
    assert_int_equal(bootstrap(bed, "lamp-2", 2), ERR_OK);
    assert_int_equal(bootstrap(bed, "lamp-3", 3), ERR_NOT_FOUND);
    answer_clear(&answer);
}

/* A device that a removed group has left behind does not become one of the next group. */
static void test_ids_are_not_used_again(void **state)
{
    struct bed *bed = *state;
    struct store_group group;
    struct answer answer = {0};
    struct err err = {0};
    if (strcmp(suite_backend, "memory") == 0)
        skip();
    group_make(&group, "B7", "lamp-*");
    put_new(bed, &group);
    assert_int_equal(bootstrap(bed, "lamp-1", 1), ERR_OK);
    assert_int_equal(store_group_remove(bed->lane, "B7", true, &err), ERR_OK);
    bed_stop(bed);
    bed_start(bed);
    group_make(&group, "B8", "meter-*");
    put_new(bed, &group);
    assert_int_equal(get_device(bed->lane, "lamp-1", &answer), ERR_OK);
    assert_string_equal(answer.device.group, "");
    assert_int_equal(members_of(bed, "B8"), 0);
    assert_int_equal(find_identity(bed->lane, "lamp-1", &answer), ERR_NOT_FOUND);
    answer_clear(&answer);
}

int suite_groups(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(test_device_without_a_row_is_found),
        SUITE_TEST(test_first_call_makes_the_row),
        SUITE_TEST(test_number_of_devices_is_bounded),
        SUITE_TEST(test_blocked_device_stays_blocked),
        SUITE_TEST(test_two_keys_and_validity),
        SUITE_TEST(test_most_literal_pattern_wins),
        SUITE_TEST(test_changing_and_removing),
        SUITE_TEST(test_key_of_its_own_leaves_the_group),
        SUITE_TEST(test_bad_groups_are_refused),
        SUITE_TEST(test_groups_outlive_a_restart),
        SUITE_TEST(test_ids_are_not_used_again),
    };
    return cmocka_run_group_tests_name("groups", tests, NULL, NULL);
}
