/* The two backends side by side: the same changes in no order, and after each of them both tell the
 * same credentials. The memory backend writes down no rows, so that it has no place where one could
 * be out of date. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bed.h"

#include "store/store_test.h"
#include "usher/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* More servers than a device may have. */
enum { DEVICES = 6, SERVERS = 10, FIRST_SSID = 101, STEPS = 700, GRACE_SECONDS = 1000 };

/* Goes on between changes alone: both see the same times. */
static _Atomic int64_t clock_ms;

static int64_t wall_ms(void)
{
    return atomic_load(&clock_ms);
}

struct twin {
    struct bed bed;
    struct store_lane *watcher; /* finds, and keeps what it has found as a busy thread does */
    struct answer answer;
};

struct world {
    struct twin twins[2]; /* memory, SQLite */
    struct random random;
    unsigned crashes, keys, outcomes, settled;
};

static void start_twin(struct twin *twin)
{
    struct err err = {0};
    bed_start(&twin->bed);
    store_test_set_clock(twin->bed.store, wall_ms);
    if (store_lane_open(twin->bed.store, &twin->watcher, &err) != ERR_OK)
        fail_msg("%s", err.text);
    store_lane_rest(twin->watcher);
}

static void stop_twin(struct twin *twin)
{
    answer_clear(&twin->answer);
    store_lane_close(twin->watcher);
    bed_stop(&twin->bed);
}

static void prepare_twin(struct twin *twin, const char *backend)
{
    bed_prepare(&twin->bed, backend);
    twin->bed.config.retire_seconds = GRACE_SECONDS;
    twin->bed.config.gather_ms = 1;
    start_twin(twin);
}

static int setup(void **state)
{
    static struct world world;
    memset(&world, 0, sizeof world);
    /* A store that has just been opened still has the true clock: nothing is over by that. */
    atomic_store(&clock_ms, clock_wall_ms() + INT64_C(86400) * 1000);
    prepare_twin(&world.twins[0], "memory");
    prepare_twin(&world.twins[1], "sqlite");
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 2; i++) {
        answer_clear(&world->twins[i].answer);
        store_lane_close(world->twins[i].watcher);
        bed_close(&world->twins[i].bed);
    }
    return 0;
}

/* ---- are they the same? ---- */

static void assert_same_credentials(const struct store_device *one, const struct store_device *two)
{
    const struct enrollment *a = &one->enrollment, *b = &two->enrollment;
    assert_int_equal(a->credential_count, b->credential_count);
    for (size_t i = 0; i < a->credential_count; i++) {
        const struct enrolled_credential *left = &a->credentials[i];
        const struct enrolled_credential *right =
            enrollment_credential(b, left->ssid, left->status);
        assert_non_null(right);
        assert_int_equal(left->generation, right->generation);
        assert_string_equal(left->place, right->place);
        assert_true(secret_equal(key_of(one, left->ssid, left->status),
                                 key_of(two, left->ssid, left->status)));
    }
}

static void assert_same_answers(struct world *world)
{
    struct answer *one = &world->twins[0].answer, *two = &world->twins[1].answer;
    assert_int_equal(one->result, two->result);
    assert_int_equal(one->has_device, two->has_device);
    if (one->has_device)
        assert_same_credentials(&one->device, &two->device);
}

static void assert_both_show_the_same(struct world *world, const char *endpoint)
{
    for (int i = 0; i < 2; i++) {
        struct twin *twin = &world->twins[i];
        find_endpoint(twin->watcher, endpoint, &twin->answer);
        store_lane_rest(twin->watcher);
    }
    assert_same_answers(world);
}

/* ---- changes ---- */

static uint16_t any_server(struct world *world)
{
    return (uint16_t)(FIRST_SSID + random_below(&world->random, SERVERS));
}

/* One pending credential or two; both devices get the same. */
static void pend(struct world *world, const char *endpoint)
{
    struct store_new_credential credentials[2] = {0};
    size_t count = 1 + random_below(&world->random, 2);
    uint16_t first = any_server(world);
    for (size_t i = 0; i < count; i++) {
        char key[32];
        snprintf(key, sizeof key, "key-%u", ++world->keys);
        credentials[i].ssid = (uint16_t)(FIRST_SSID + (first - FIRST_SSID + i) % SERVERS);
        assert_true(identity_set(&credentials[i].identity, bytes_of_text(endpoint)));
        assert_true(secret_set(&credentials[i].key, bytes_of_text(key)));
    }
    for (int i = 0; i < 2; i++) {
        struct twin *twin = &world->twins[i];
        answer_clear(&twin->answer);
        store_make_pending(twin->bed.lane, bytes_of_text(endpoint), credentials, count,
                           answer_device, &twin->answer);
        answer_wait(twin->bed.lane, &twin->answer);
    }
    assert_same_answers(world);
}

/* A session ends, and all that was pending becomes active; or too late, for another's. */
static void finish(struct world *world, const char *endpoint)
{
    struct outcome outcome;
    bool late = random_below(&world->random, 8) == 0;
    outcome_make(&outcome, endpoint, STATE_BOOTSTRAPPED, ++world->outcomes);
    for (int i = 0; i < 2; i++) {
        struct twin *twin = &world->twins[i];
        struct store_promotion promotions[SERVERS] = {0};
        size_t count = 0;
        find_endpoint(twin->bed.lane, endpoint, &twin->answer);
        for (uint16_t ssid = FIRST_SSID; ssid < FIRST_SSID + SERVERS; ssid++) {
            uint64_t generation = generation_of(&twin->answer.device, ssid, CREDENTIAL_PENDING);
            if (generation != 0)
                promotions[count++] =
                    (struct store_promotion){.ssid = ssid, .generation = generation + late};
        }
        answer_clear(&twin->answer);
        store_record(twin->bed.lane, &outcome, promotions, count, answer_done, &twin->answer);
        answer_wait(twin->bed.lane, &twin->answer);
    }
    assert_same_answers(world);
}

/* New, or with another credential for a server than it has. */
static void enroll_both(struct world *world, const char *endpoint)
{
    struct store_device device;
    struct err err = {0};
    char key[32];
    snprintf(key, sizeof key, "key-%u", ++world->keys);
    device_make(&device, endpoint);
    if (random_below(&world->random, 2) == 0)
        device_add_credential(&device, any_server(world), endpoint, key);
    enum store_change changes[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(store_enroll(world->twins[i].bed.lane, &device, true, &changes[i], &err),
                         ERR_OK);
    assert_int_equal(changes[0], changes[1]);
    store_device_clear(&device);
}

static void remove_both(struct world *world, const char *endpoint)
{
    struct err err = {0};
    enum err_code codes[2];
    for (int i = 0; i < 2; i++)
        codes[i] = store_remove(world->twins[i].bed.lane, bytes_of_text(endpoint), &err);
    assert_int_equal(codes[0], codes[1]);
}

static void place_both(struct world *world, const char *endpoint)
{
    static const char *const places[] = {"north", "south"};
    const char *place = places[random_below(&world->random, 2)];
    uint16_t ssid = any_server(world);
    struct err err = {0};
    enum store_change change;
    enum err_code codes[2];
    for (int i = 0; i < 2; i++)
        codes[i] = store_set_place(world->twins[i].bed.lane, bytes_of_text(endpoint), ssid, place,
                                   &change, &err);
    assert_int_equal(codes[0], codes[1]);
}

static bool add_row(void *context, const struct store_row *row)
{
    (void)row;
    ++*(unsigned *)context;
    return true;
}

/* A list brings all rows up to date. */
static void settle(struct world *world)
{
    struct store_filter filter = {.state = -1, .cause = -1, .limit = 1};
    struct err err = {0};
    unsigned rows = 0;
    assert_int_equal(store_list(world->twins[1].bed.lane, &filter, add_row, &rows, &err), ERR_OK);
    world->settled++;
}

/* Both clocks go on by a part of the grace. */
static void let_time_pass(void)
{
    atomic_fetch_add(&clock_ms, INT64_C(400) * 1000);
}

static void restart(struct world *world)
{
    stop_twin(&world->twins[1]);
    start_twin(&world->twins[1]);
}

/* The server goes on with the files as they lay at that moment, as after a kill. */
static void crash(struct world *world)
{
    struct twin *twin = &world->twins[1];
    char command[1024];
    snprintf(command, sizeof command, "cd '%.60s' && mkdir copy && cp usher.db usher.db-wal copy/",
             twin->bed.directory);
    assert_int_equal(system(command), 0);
    stop_twin(twin);
    snprintf(command, sizeof command, "cd '%.60s' && mv copy/* . && rmdir copy",
             twin->bed.directory);
    assert_int_equal(system(command), 0);
    start_twin(twin);
    world->crashes++;
}

static void change_something(struct world *world, const char *endpoint)
{
    unsigned what = random_below(&world->random, 100);
    if (what < 35)
        pend(world, endpoint);
    else if (what < 65)
        finish(world, endpoint);
    else if (what < 75)
        enroll_both(world, endpoint);
    else if (what < 80)
        remove_both(world, endpoint);
    else if (what < 86)
        place_both(world, endpoint);
    else if (what < 90)
        let_time_pass();
    else if (what < 95)
        settle(world);
    else if (what < 97)
        restart(world);
    else
        crash(world);
}

static void assert_file_is_in_order(struct world *world)
{
    const struct bed *bed = &world->twins[1].bed;
    restart(world);
    assert_int_equal(bed_number(bed, "SELECT COUNT(*) FROM credential_news"), 0);
    assert_int_equal(bed_number(bed, "SELECT COUNT(*) FROM credential WHERE id / 65536 NOT IN "
                                     "(SELECT id FROM device)"),
                     0);
    assert_true(bed_number(bed, "SELECT COUNT(*) FROM credential") > 0);
}

static void run_seed(struct world *world, unsigned seed)
{
    char endpoint[16];
    world->random.state = seed;
    print_message("seed %u\n", seed);
    for (unsigned step = 0; step < STEPS; step++) {
        snprintf(endpoint, sizeof endpoint, "lamp-%u", random_below(&world->random, DEVICES));
        atomic_fetch_add(&clock_ms, 1);
        change_something(world, endpoint);
        assert_both_show_the_same(world, endpoint);
    }
    for (unsigned i = 0; i < DEVICES; i++) {
        snprintf(endpoint, sizeof endpoint, "lamp-%u", i);
        assert_both_show_the_same(world, endpoint);
    }
    assert_file_is_in_order(world);
    /* The steps were what they are meant to be. */
    assert_true(world->crashes > 0 && world->settled > 0 && world->outcomes > 0);
}

static void test_any_order_of_changes(void **state)
{
    run_seed(*state, 1);
}

static void test_another_order_of_changes(void **state)
{
    run_seed(*state, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_any_order_of_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_order_of_changes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
