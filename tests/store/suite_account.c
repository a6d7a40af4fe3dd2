/* The bootstrap account's own key: made pending, promoted, kept in its grace, replaced by others.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* The device has acknowledged Finish after that key was written. */
static void promote(struct bed *bed, const char *endpoint, uint64_t generation)
{
    struct store_promotion promotion = {.ssid = 0, .generation = generation};
    struct answer answer = {0};
    struct outcome outcome;
    outcome_make(&outcome, endpoint, STATE_BOOTSTRAPPED, (unsigned)generation);
    store_record(bed->lane, &outcome, &promotion, 1, answer_done, &answer);
    answer_wait(bed->lane, &answer);
    assert_int_equal(answer.result, ERR_OK);
}

static void give(struct bed *bed, const char *endpoint, const char *key, uint64_t generation)
{
    struct answer answer = {0};
    assert_int_equal(make_pending(bed->lane, endpoint, 0, key, &answer), ERR_OK);
    assert_int_equal(generation_of(&answer.device, 0, CREDENTIAL_PENDING), generation);
    answer_clear(&answer);
    promote(bed, endpoint, generation);
}

static bool is_key(const struct secret *key, const char *text)
{
    return bytes_equal(secret_bytes(key), bytes_of_text(text));
}

static void assert_keys(struct bed *bed, const char *identity, const char *first,
                        const char *second, const char *third)
{
    const char *const others[] = {second, third};
    struct answer answer = {0};
    assert_int_equal(find_identity(bed->lane, identity, &answer), ERR_OK);
    assert_true(is_key(&answer.device.bootstrap_key, first));
    size_t count = (second != NULL) + (third != NULL);
    assert_int_equal(answer.device.other_key_count, count);
    for (size_t i = 0; i < count; i++)
        assert_true(is_key(&answer.device.other_keys[i], others[i]));
    answer_clear(&answer);
}

static void test_both_keys_count_until_finish(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    bed_restart_with_grace(bed, 100);
    enroll(bed->lane, "lamp-7");
    assert_int_equal(make_pending(bed->lane, "lamp-7", 0, "fresh-1", &answer), ERR_OK);
    assert_keys(bed, "id-lamp-7", "key-lamp-7", "fresh-1", NULL);
    /* What is pending is sent again, not made again. */
    assert_int_equal(make_pending(bed->lane, "lamp-7", 0, "fresh-2", &answer), ERR_OK);
    answer_clear(&answer);
    assert_keys(bed, "id-lamp-7", "key-lamp-7", "fresh-1", NULL);
    promote(bed, "lamp-7", 1);
    assert_keys(bed, "id-lamp-7", "fresh-1", "key-lamp-7", NULL);
}

static void test_the_one_before_has_a_grace(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    bed_restart_with_grace(bed, 100);
    enroll(bed->lane, "lamp-7");
    give(bed, "lamp-7", "fresh-1", 1);
    atomic_store(&bed_clock_offset_ms, 99000);
    assert_keys(bed, "id-lamp-7", "fresh-1", "key-lamp-7", NULL);
    give(bed, "lamp-7", "fresh-2", 2);
    assert_keys(bed, "id-lamp-7", "fresh-2", "fresh-1", NULL);
    assert_int_equal(make_pending(bed->lane, "lamp-7", 0, "fresh-3", &answer), ERR_OK);
    answer_clear(&answer);
    assert_keys(bed, "id-lamp-7", "fresh-2", "fresh-3", "fresh-1");
    atomic_store(&bed_clock_offset_ms, 200000);
    assert_keys(bed, "id-lamp-7", "fresh-2", "fresh-3", NULL);
}

/* The list from the factory comes again, or somebody changes a tag: nobody may be locked out. */
static void test_enrolling_again_keeps_what_came_since(void **state)
{
    struct bed *bed = *state;
    struct store_device device;
    struct err err = {0};
    enum store_change change;
    bed_restart_with_grace(bed, 100);
    enroll(bed->lane, "lamp-7");
    give(bed, "lamp-7", "fresh-1", 1);
    atomic_store(&bed_clock_offset_ms, 101000);
    device_make(&device, "lamp-7");
    assert_int_equal(store_enroll(bed->lane, &device, false, &change, &err), ERR_OK);
    assert_int_equal(change, STORE_UNCHANGED);
    device_add_tag(&device, "pole", "7");
    assert_int_equal(store_enroll(bed->lane, &device, true, &change, &err), ERR_OK);
    assert_int_equal(change, STORE_CHANGED);
    assert_keys(bed, "id-lamp-7", "fresh-1", NULL, NULL);
    assert_true(secret_set(&device.bootstrap_key, bytes_of_text("fresh-1")));
    assert_int_equal(store_enroll(bed->lane, &device, false, &change, &err), ERR_OK);
    assert_int_equal(change, STORE_UNCHANGED);
    /* Read before the last bootstrap, written after it. */
    give(bed, "lamp-7", "fresh-2", 2);
    strcpy(device.enrollment.class_name, "meter");
    assert_int_equal(store_enroll(bed->lane, &device, true, &change, &err), ERR_OK);
    assert_int_equal(change, STORE_CHANGED);
    assert_keys(bed, "id-lamp-7", "fresh-2", "fresh-1", NULL);
    store_device_clear(&device);
}

static void test_another_key_takes_the_place_of_all(void **state)
{
    struct bed *bed = *state;
    struct store_device device;
    struct answer answer = {0};
    struct err err = {0};
    enum store_change change;
    bed_restart_with_grace(bed, 100);
    enroll(bed->lane, "lamp-7");
    give(bed, "lamp-7", "fresh-1", 1);
    assert_int_equal(make_pending(bed->lane, "lamp-7", 0, "fresh-2", &answer), ERR_OK);
    answer_clear(&answer);
    device_make(&device, "lamp-7");
    assert_true(secret_set(&device.bootstrap_key, bytes_of_text("from-the-workshop")));
    assert_int_equal(store_enroll(bed->lane, &device, true, &change, &err), ERR_OK);
    store_device_clear(&device);
    assert_keys(bed, "id-lamp-7", "from-the-workshop", NULL, NULL);
    /* A session that is still under way must not bring the old one back. */
    promote(bed, "lamp-7", 2);
    assert_keys(bed, "id-lamp-7", "from-the-workshop", NULL, NULL);
    give(bed, "lamp-7", "fresh-3", 3);
    assert_keys(bed, "id-lamp-7", "fresh-3", "from-the-workshop", NULL);
}

static struct bytes no_sum(void *context)
{
    return bytes_of(NULL, 0);
}

static enum store_verdict import(struct bed *bed, const char *key)
{
    struct store_device device;
    struct buf packed;
    struct err err = {0};
    device_make(&device, "lamp-7");
    assert_true(secret_set(&device.bootstrap_key, bytes_of_text(key)));
    buf_init(&packed, 4096);
    assert_true(store_row_pack(&device, STORE_GIVEN_CLASS | STORE_GIVEN_IDENTITY | STORE_GIVEN_KEY,
                               &packed));
    struct store_bulk_row row = {.packed = buf_bytes(&packed)};
    struct store_bulk bulk = {
        .id = "i", .conflict = STORE_CONFLICT_REPLACE, .count = 1, .rows = &row, .sum = no_sum};
    assert_int_equal(store_bulk_apply(bed->lane, &bulk, &err), ERR_OK);
    buf_clear(&packed);
    store_device_clear(&device);
    return row.verdict;
}

static void test_imports_keep_it_too(void **state)
{
    struct bed *bed = *state;
    bed_restart_with_grace(bed, 100);
    enroll(bed->lane, "lamp-7");
    give(bed, "lamp-7", "fresh-1", 1);
    assert_int_equal(import(bed, "key-lamp-7"), STORE_ROW_UNCHANGED);
    assert_int_equal(import(bed, "fresh-1"), STORE_ROW_UNCHANGED);
    assert_keys(bed, "id-lamp-7", "fresh-1", "key-lamp-7", NULL);
    assert_int_equal(import(bed, "another"), STORE_ROW_CHANGED);
    assert_keys(bed, "id-lamp-7", "another", NULL, NULL);
}

static void test_a_group_lets_in_by_the_old_key_in_its_grace_only(void **state)
{
    struct bed *bed = *state;
    struct store_group group = {.scheme = DERIVE_HKDF, .label = "L", .key_len = 16};
    struct answer answer = {0};
    struct err err = {0};
    enum store_change change;
    bed_restart_with_grace(bed, 100);
    strcpy(group.name, "B7");
    strcpy(group.pattern, "lamp-*");
    strcpy(group.class_name, "lamp");
    assert_true(secret_set(&group.primary, bytes_of_text("primary-key-of-the-group")));
    assert_true(secret_set(&group.secondary, bytes_of_text("secondary-key-of-the-group")));
    assert_int_equal(store_group_put(bed->lane, &group, false, &change, &err), ERR_OK);
    assert_int_equal(find_identity(bed->lane, "lamp-7", &answer), ERR_OK);
    struct secret derived = answer.device.bootstrap_key;
    assert_int_equal(make_pending(bed->lane, "lamp-7", 0, "fresh-1", &answer), ERR_OK);
    assert_int_equal(find_identity(bed->lane, "lamp-7", &answer), ERR_OK);
    assert_int_equal(answer.device.other_key_count, 2);
    promote(bed, "lamp-7", 1);
    assert_int_equal(find_identity(bed->lane, "lamp-7", &answer), ERR_OK);
    assert_true(is_key(&answer.device.bootstrap_key, "fresh-1"));
    assert_int_equal(answer.device.other_key_count, 2);
    assert_true(secret_equal(&answer.device.other_keys[0], &derived));
    atomic_store(&bed_clock_offset_ms, 101000);
    assert_keys(bed, "lamp-7", "fresh-1", NULL, NULL);
    answer_clear(&answer);
}

/* Nine accounts; the bootstrap account never gives way to a server. */
static void test_it_has_a_place_of_its_own(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    bed_restart_with_grace(bed, 100);
    enroll(bed->lane, "lamp-7");
    give(bed, "lamp-7", "fresh-1", 1);
    for (unsigned ssid = 1; ssid <= 2 * SERVERS_MAX; ssid++)
        assert_int_equal(make_pending(bed->lane, "lamp-7", (uint16_t)ssid, "key", &answer), ERR_OK);
    assert_int_equal(answer.device.enrollment.credential_count, SERVERS_MAX + 1);
    answer_clear(&answer);
    assert_keys(bed, "id-lamp-7", "fresh-1", "key-lamp-7", NULL);
}

int suite_account(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(test_both_keys_count_until_finish),
        SUITE_TEST(test_the_one_before_has_a_grace),
        SUITE_TEST(test_enrolling_again_keeps_what_came_since),
        SUITE_TEST(test_another_key_takes_the_place_of_all),
        SUITE_TEST(test_imports_keep_it_too),
        SUITE_TEST(test_a_group_lets_in_by_the_old_key_in_its_grace_only),
        SUITE_TEST(test_it_has_a_place_of_its_own),
    };
    return cmocka_run_group_tests_name("account", tests, NULL, NULL);
}
