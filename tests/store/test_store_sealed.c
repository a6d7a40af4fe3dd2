/* Keys at rest: what lies in the file, wrong master keys, changing them; older files of ours. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bed.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#define KEY_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_B "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

struct world {
    struct bed bed;
    char key_path[128];
    struct vault *vault;
};

static void write_keys(struct world *world, const char *text)
{
    unlink(world->key_path);
    int fd = open(world->key_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void open_vault(struct world *world, const char *keys)
{
    struct err err = {0};
    vault_free(world->vault);
    world->vault = NULL;
    if (keys != NULL) {
        write_keys(world, keys);
        if (vault_open(world->key_path, &world->vault, &err) != ERR_OK)
            fail_msg("%s", err.text);
    }
    world->bed.config.vault = world->vault;
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    bed_prepare(&world->bed, "sqlite");
    snprintf(world->key_path, sizeof world->key_path, "%s/master.key", world->bed.directory);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    bed_close(&world->bed);
    vault_free(world->vault);
    free(world);
    return 0;
}

/* Is it in the database's files, its log included? */
static bool on_disk(const struct world *world, const char *text)
{
    static const char *const suffixes[] = {"", "-wal"};
    bool found = false;
    for (size_t i = 0; i < 2; i++) {
        char name[128];
        struct stat status;
        snprintf(name, sizeof name, "%s%s", world->bed.path, suffixes[i]);
        int fd = open(name, O_RDONLY);
        if (fd < 0)
            continue;
        assert_int_equal(fstat(fd, &status), 0);
        char *data = malloc((size_t)status.st_size + 1);
        assert_non_null(data);
        assert_int_equal(read(fd, data, (size_t)status.st_size), status.st_size);
        found |= memmem(data, (size_t)status.st_size, text, strlen(text)) != NULL;
        free(data);
        close(fd);
    }
    return found;
}

static void run_sql(const struct world *world, const char *sql)
{
    sqlite3 *db = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(world->bed.path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    sqlite3_close(db);
}

/* Opening must fail so, with a message that has each of the words. */
static void assert_refused(struct world *world, enum err_code expected, const char *word)
{
    struct store *store = NULL;
    struct err err = {0};
    assert_int_equal(store_open(&world->bed.config, &store, &err), expected);
    assert_null(store);
    assert_non_null(strstr(err.text, word));
    assert_null(strstr(err.text, "112233"));
}

static void enroll_with_credentials(struct bed *bed)
{
    struct store_device device;
    struct err err = {0};
    enum store_change change;
    struct answer answer = {0};
    device_make(&device, "lamp-7");
    device_add_credential(&device, 101, "dm-7", "dm-key-of-lamp-7");
    assert_int_equal(store_enroll(bed->lane, &device, false, &change, &err), ERR_OK);
    assert_int_equal(make_pending(bed->lane, "lamp-7", 101, "fresh-key-lamp-7", &answer), ERR_OK);
    answer_clear(&answer);
    store_device_clear(&device);
}

static void assert_all_keys(struct bed *bed)
{
    struct answer answer = {0};
    assert_int_equal(find_identity(bed->lane, "id-lamp-7", &answer), ERR_OK);
    assert_true(
        bytes_equal(secret_bytes(&answer.device.bootstrap_key), bytes_of_text("key-lamp-7")));
    assert_true(bytes_equal(secret_bytes(key_of(&answer.device, 101, CREDENTIAL_ACTIVE)),
                            bytes_of_text("dm-key-of-lamp-7")));
    assert_true(bytes_equal(secret_bytes(key_of(&answer.device, 101, CREDENTIAL_PENDING)),
                            bytes_of_text("fresh-key-lamp-7")));
    answer_clear(&answer);
}

static void test_no_key_lies_in_the_file(void **state)
{
    struct world *world = *state;
    open_vault(world, KEY_A "\n");
    bed_start(&world->bed);
    enroll_with_credentials(&world->bed);
    assert_true(on_disk(world, "id-lamp-7"));
    assert_false(on_disk(world, "key-lamp-7"));
    assert_false(on_disk(world, "dm-key-of"));
    assert_all_keys(&world->bed);
    bed_stop(&world->bed);
    assert_false(on_disk(world, "key-lamp-7"));
    bed_start(&world->bed);
    assert_all_keys(&world->bed);
}

static void test_wrong_master_key_is_said_at_start(void **state)
{
    struct world *world = *state;
    open_vault(world, KEY_A "\n");
    bed_start(&world->bed);
    bed_stop(&world->bed);
    open_vault(world, KEY_B "\n");
    assert_refused(world, ERR_DENIED, "which is not in the key file");
    open_vault(world, NULL);
    assert_refused(world, ERR_DENIED, "master-key");
    open_vault(world, KEY_B "\n" KEY_A "\n");
    bed_start(&world->bed);
    bed_stop(&world->bed);
    open_vault(world, KEY_A "\n"); /* the store has been opened under B meanwhile */
    assert_refused(world, ERR_DENIED, "rekey");
    open_vault(world, KEY_B "\n" KEY_A "\n");
    bed_start(&world->bed);
}

static void test_key_moved_to_another_row_does_not_open(void **state)
{
    struct world *world = *state;
    struct answer answer = {0};
    open_vault(world, KEY_A "\n");
    bed_start(&world->bed);
    enroll(world->bed.lane, "lamp-1");
    enroll(world->bed.lane, "lamp-2");
    bed_stop(&world->bed);
    run_sql(world, "UPDATE device SET psk = (SELECT psk FROM device WHERE endpoint = 'lamp-1') "
                   "WHERE endpoint = 'lamp-2'");
    bed_start(&world->bed);
    assert_int_equal(find_endpoint(world->bed.lane, "lamp-1", &answer), ERR_OK);
    assert_int_equal(find_endpoint(world->bed.lane, "lamp-2", &answer), ERR_UNAVAILABLE);
    answer_clear(&answer);
}

static uint64_t rekey(struct world *world)
{
    struct store_rekey rekey = {0};
    struct err err = {0};
    assert_int_equal(store_reload_keys(world->bed.store, &err), ERR_OK);
    while (!rekey.done) {
        if (store_rekey(world->bed.lane, &rekey, &err) != ERR_OK)
            fail_msg("%s", err.text);
    }
    return rekey.sealed;
}

static void test_rekey_while_it_serves(void **state)
{
    enum { MANY = 1500 }; /* more than one slice */
    struct world *world = *state;
    struct answer answer = {0};
    open_vault(world, KEY_A "\n");
    bed_start(&world->bed);
    enroll_with_credentials(&world->bed);
    for (unsigned i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "meter-%u", i);
        enroll(world->bed.lane, name);
    }
    write_keys(world, KEY_B "\n" KEY_A "\n");
    assert_int_equal(rekey(world), MANY + 2);
    assert_int_equal(rekey(world), 0);
    assert_all_keys(&world->bed);
    bed_stop(&world->bed);
    open_vault(world, KEY_B "\n"); /* the old key is no longer needed */
    bed_start(&world->bed);
    assert_all_keys(&world->bed);
    assert_int_equal(find_endpoint(world->bed.lane, "meter-1499", &answer), ERR_OK);
    answer_clear(&answer);
}

/* Credentials that a session has just made are sealed anew as well, and a lane that has looked
 * before sees them all the same. */
static void test_rekey_with_fresh_credentials(void **state)
{
    struct world *world = *state;
    struct bed *bed = &world->bed;
    struct store_lane *busy = NULL;
    struct answer answer = {0};
    struct err err = {0};
    open_vault(world, KEY_A "\n");
    bed_start(bed);
    enroll(bed->lane, "lamp-1");
    enroll(bed->lane, "lamp-2");
    assert_int_equal(make_pending(bed->lane, "lamp-1", 101, "fresh-1", &answer), ERR_OK);
    assert_int_equal(make_pending(bed->lane, "lamp-2", 101, "fresh-2", &answer), ERR_OK);
    assert_int_equal(store_lane_open(bed->store, &busy, &err), ERR_OK);
    store_lane_rest(busy);
    assert_int_equal(find_identity(busy, "id-lamp-1", &answer), ERR_OK);
    write_keys(world, KEY_B "\n" KEY_A "\n");
    assert_int_equal(rekey(world), 2 + 2);
    assert_int_equal(find_identity(busy, "id-lamp-2", &answer), ERR_OK);
    assert_true(bytes_equal(secret_bytes(key_of(&answer.device, 101, CREDENTIAL_PENDING)),
                            bytes_of_text("fresh-2")));
    store_lane_close(busy);
    bed_stop(bed);
    open_vault(world, KEY_B "\n");
    bed_start(bed);
    assert_int_equal(find_identity(bed->lane, "id-lamp-1", &answer), ERR_OK);
    assert_true(bytes_equal(secret_bytes(key_of(&answer.device, 101, CREDENTIAL_PENDING)),
                            bytes_of_text("fresh-1")));
    answer_clear(&answer);
}

/* Enrolled keys stand with their device alone, until something happens to them. */
static void test_settled_keys_have_no_other_row(void **state)
{
    struct world *world = *state;
    struct bed *bed = &world->bed;
    struct store_device device;
    struct err err = {0};
    enum store_change change;
    open_vault(world, KEY_A "\n");
    bed_start(bed);
    device_make(&device, "lamp-7");
    device_add_credential(&device, 101, "dm-7", "dm-key-of-lamp-7");
    assert_int_equal(store_enroll(bed->lane, &device, false, &change, &err), ERR_OK);
    device_add_credential(&device, 102, "dm-7", "another");
    assert_int_equal(store_enroll(bed->lane, &device, true, &change, &err), ERR_OK);
    assert_int_equal(
        bed_number(&world->bed, "SELECT COUNT(*) FROM device WHERE settled IS NOT NULL"), 1);
    assert_int_equal(bed_number(&world->bed, "SELECT COUNT(*) FROM credential"), 0);
    write_keys(world, KEY_B "\n" KEY_A "\n");
    assert_int_equal(rekey(world), 1);
    bed_stop(bed);
    open_vault(world, KEY_B "\n");
    bed_start(bed);
    assert_int_equal(
        store_set_place(bed->lane, bytes_of_text("lamp-7"), 102, "north", &change, &err), ERR_OK);
    assert_int_equal(
        bed_number(&world->bed, "SELECT COUNT(*) FROM device WHERE settled IS NOT NULL"), 0);
    assert_int_equal(bed_number(&world->bed, "SELECT COUNT(*) FROM credential"), 2);
    assert_int_equal(store_remove(bed->lane, bytes_of_text("lamp-7"), &err), ERR_OK);
    assert_int_equal(bed_number(&world->bed, "SELECT COUNT(*) FROM credential"), 0);
    store_device_clear(&device);
}

static void test_settled_keys_moved_to_another_row_do_not_open(void **state)
{
    struct world *world = *state;
    struct bed *bed = &world->bed;
    struct answer answer = {0};
    open_vault(world, KEY_A "\n");
    bed_start(bed);
    enroll_with_key(bed->lane, "lamp-1", 101, "dm-key-of-lamp-1");
    enroll(bed->lane, "lamp-2");
    bed_stop(bed);
    run_sql(world, "UPDATE device SET (settled, settled_sealed) = (SELECT settled, settled_sealed "
                   "FROM device WHERE endpoint = 'lamp-1') WHERE endpoint = 'lamp-2'");
    bed_start(bed);
    assert_int_equal(find_endpoint(bed->lane, "lamp-1", &answer), ERR_OK);
    assert_int_equal(find_endpoint(bed->lane, "lamp-2", &answer), ERR_UNAVAILABLE);
    answer_clear(&answer);
}

/* Whether it was a session or an administrator that replaced it. */
static void test_replaced_key_leaves_the_file(void **state)
{
    struct world *world = *state;
    struct bed *bed = &world->bed;
    struct answer answer = {0};
    struct store_device device;
    struct outcome outcome;
    struct err err = {0};
    enum store_change change;
    bed_start(bed); /* without a vault: keys can be read in the file */
    enroll_with_key(bed->lane, "lamp-7", 101, "first-of-7");
    enroll_with_key(bed->lane, "lamp-8", 101, "first-of-8");
    assert_true(on_disk(world, "first-of-7") && on_disk(world, "first-of-8"));
    device_make(&device, "lamp-7");
    device_add_credential(&device, 101, "lamp-7", "second-of-7");
    assert_int_equal(store_enroll(bed->lane, &device, true, &change, &err), ERR_OK);
    assert_int_equal(make_pending(bed->lane, "lamp-8", 101, "second-of-8", &answer), ERR_OK);
    outcome_make(&outcome, "lamp-8", STATE_BOOTSTRAPPED, 1);
    assert_int_equal(record(bed->lane, &outcome, 101, 2), ERR_OK);
    bed_stop(bed);
    run_sql(world, "UPDATE credential SET retire_at_ms = 1 WHERE retire_at_ms > 0");
    bed_start(bed);
    /* What is past its time goes between these two. */
    enroll(bed->lane, "lamp-9");
    enroll(bed->lane, "lamp-10");
    bed_stop(bed);
    assert_false(on_disk(world, "first-of-7"));
    assert_false(on_disk(world, "first-of-8"));
    assert_true(on_disk(world, "second-of-7") && on_disk(world, "second-of-8"));
    store_device_clear(&device);
    answer_clear(&answer);
}

static void test_rekey_seals_what_was_not(void **state)
{
    struct world *world = *state;
    bed_start(&world->bed);
    enroll_with_credentials(&world->bed);
    struct store_rekey none = {0};
    struct err err = {0};
    assert_int_equal(store_reload_keys(world->bed.store, &err), ERR_CONFLICT);
    assert_int_equal(store_rekey(world->bed.lane, &none, &err), ERR_CONFLICT);
    bed_stop(&world->bed);
    assert_true(on_disk(world, "key-lamp-7"));
    open_vault(world, KEY_A "\n");
    bed_start(&world->bed);
    assert_all_keys(&world->bed);
    assert_int_equal(rekey(world), 2);
    bed_stop(&world->bed);
    assert_false(on_disk(world, "key-lamp-7"));
    bed_start(&world->bed);
    assert_all_keys(&world->bed);
}

/* ---- a file of version 1 ---- */

static void copy_old_file(struct world *world)
{
    char source[512], command[1024];
    snprintf(source, sizeof source, "%s/tests/store/data/schema-1.db", getenv("USHER_TEST_SOURCE"));
    snprintf(command, sizeof command, "cp '%s' '%s' && chmod 600 '%s'", source, world->bed.path,
             world->bed.path);
    assert_int_equal(system(command), 0);
}

static bool note_row(void *context, const struct store_row *row)
{
    strcat(context, row->endpoint);
    strcat(context, " ");
    return true;
}

static void assert_listed(struct bed *bed, const char *name, const char *value,
                          const char *expected)
{
    struct tag tag = {0};
    struct store_filter filter = {
        .state = -1, .cause = -1, .limit = 10, .tags = &tag, .tag_count = 1};
    struct err err = {0};
    char text[256] = "";
    snprintf(tag.name, sizeof tag.name, "%s", name);
    snprintf(tag.value, sizeof tag.value, "%s", value);
    assert_int_equal(store_list(bed->lane, &filter, note_row, text, &err), ERR_OK);
    assert_string_equal(text, expected);
}

static void assert_in_state(struct bed *bed, enum device_state state, const char *expected)
{
    struct store_filter filter = {.state = (int)state, .cause = -1, .limit = 10};
    struct err err = {0};
    char text[256] = "";
    assert_int_equal(store_list(bed->lane, &filter, note_row, text, &err), ERR_OK);
    assert_string_equal(text, expected);
}

static void test_file_of_version_1_is_taken_over(void **state)
{
    struct world *world = *state;
    struct bed *bed = &world->bed;
    struct answer answer = {0};
    struct store_metrics metrics;
    copy_old_file(world);
    run_sql(world,
            "UPDATE device SET state = 6, cause = 5, last_ms = 77 WHERE endpoint = 'lamp-2'");
    /* The file is of some day; the grace of what retires in it shall not be over. */
    run_sql(world, "UPDATE credential SET retire_at_ms = 4102444800000 WHERE retire_at_ms > 0");
    open_vault(world, KEY_A "\n");
    bed_start(bed);
    store_metrics(bed->store, &metrics);
    assert_int_equal(metrics.schema_version, 8);
    assert_int_equal(find_identity(bed->lane, "psk-2", &answer), ERR_OK);
    assert_string_equal(answer.device.enrollment.endpoint, "lamp-2");
    assert_int_equal(find_identity(bed->lane, "lamp-1", &answer), ERR_OK);
    assert_int_equal(answer.device.enrollment.bootstraps, 2);
    assert_int_equal(answer.device.state, STATE_BOOTSTRAPPED);
    assert_int_equal(answer.device.last_wall_ms, 1795672213619);
    assert_int_equal(answer.device.bootstrap_key.data[15], 1);
    assert_string_equal(enrollment_tag(&answer.device.enrollment, "pole"), "17");
    assert_non_null(key_of(&answer.device, 101, CREDENTIAL_ACTIVE));
    assert_int_equal(get_device(bed->lane, "lamp-4", &answer), ERR_OK);
    assert_true(answer.device.enrollment.blocked);
    assert_int_equal(count_of(bed->store, "lamp", STATE_NEW), 3);
    assert_int_equal(count_of(bed->store, "lamp", STATE_FAILED), 1);
    assert_in_state(bed, STATE_NEW, "lamp-3 lamp-5 lamp-6 ");
    assert_in_state(bed, STATE_BOOTSTRAPPED, "lamp-1 ");
    assert_in_state(bed, STATE_FAILED, "lamp-2 ");
    assert_in_state(bed, STATE_BLOCKED, "lamp-4 ");
    assert_int_equal(get_device(bed->lane, "lamp-2", &answer), ERR_OK);
    assert_int_equal(answer.device.cause, 5);
    assert_int_equal(answer.device.last_wall_ms, 77);
    assert_int_equal(answer.device.enrollment.bootstraps, 1);
    unsigned outcomes = 0;
    struct err err = {0};
    assert_int_equal(
        store_history(bed->lane, bytes_of_text("lamp-1"), NULL, 10, count_outcome, &outcomes, &err),
        ERR_OK);
    assert_int_equal(outcomes, 2);
    assert_listed(bed, "batch", "B7", "lamp-1 lamp-2 ");
    assert_listed(bed, "street",
                  "Seestra\xc3\x9f"
                  "e 12",
                  "lamp-1 ");
    assert_int_equal(rekey(world), 6 + 3);
    assert_int_equal(find_identity(bed->lane, "lamp-1", &answer), ERR_OK);
    assert_int_equal(answer.device.bootstrap_key.data[15], 1);
    bed_stop(bed);
    bed_start(bed); /* and again: nothing is left to do */
    assert_listed(bed, "pole", "17", "lamp-1 ");
    answer_clear(&answer);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_no_key_lies_in_the_file),
        TEST(test_wrong_master_key_is_said_at_start),
        TEST(test_key_moved_to_another_row_does_not_open),
        TEST(test_rekey_while_it_serves),
        TEST(test_rekey_with_fresh_credentials),
        TEST(test_rekey_seals_what_was_not),
        TEST(test_settled_keys_have_no_other_row),
        TEST(test_settled_keys_moved_to_another_row_do_not_open),
        TEST(test_replaced_key_leaves_the_file),
        TEST(test_file_of_version_1_is_taken_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
