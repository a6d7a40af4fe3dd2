/* Power cuts: after each of several hundred, everything that was reported durable is there, nothing
 * is half there, and the file is sound (I1). With a weaker setting the same test must find loss. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "power_vfs.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DEVICES = 10, GENERATIONS = 4096, CRASHES = 400, HISTORY_MAX = 8192 };

/* What a device is known to have (acknowledged), and what it may have (asked for). */
struct device_model {
    char name[16];
    bool enrolled;        /* acknowledged */
    bool present;         /* as last seen or acknowledged; wrong only while `uncertain` */
    bool uncertain;       /* an enrolment or removal is unanswered */
    unsigned tag_durable; /* number in the tag of the last acknowledged change */
    unsigned tag_asked;
    uint64_t generation; /* highest acknowledged pending */
    uint64_t promoted;   /* highest acknowledged promotion */
    unsigned outcomes;   /* acknowledged */
    unsigned asked;      /* outcomes asked for: numbers 1 to this */
    bool durable[HISTORY_MAX];
    uint8_t key[GENERATIONS]; /* first byte of the key of each acknowledged generation */
};

struct world {
    struct bed bed;
    struct random random;
    struct device_model devices[DEVICES];
    unsigned losses; /* what was durable and is gone */
    char first_loss[128];
    bool tolerant;    /* count losses instead of failing */
    unsigned changes; /* acknowledged */
};

static void lost(struct world *world, const struct device_model *model, const char *what)
{
    if (world->losses++ == 0)
        snprintf(world->first_loss, sizeof world->first_loss, "%s: %s", model->name, what);
    if (!world->tolerant)
        fail_msg("%s", world->first_loss);
}

/* ---- the work ---- */

static void change_tag(struct world *world, struct device_model *model)
{
    struct store_device device;
    struct err err;
    enum store_change change;
    char text[16];
    device_make(&device, model->name);
    snprintf(text, sizeof text, "%u", ++model->tag_asked);
    device_add_tag(&device, "number", text);
    bool new = !model->present;
    model->uncertain = new;
    if (store_enroll(world->bed.lane, &device, true, &change, &err) == ERR_OK) {
        model->tag_durable = model->tag_asked;
        model->present = true;
        model->uncertain = false;
        world->changes++;
    }
    store_device_clear(&device);
}

/* Only the last two devices come and go. */
static void remove_device(struct world *world, struct device_model *model)
{
    struct err err;
    if (model < &world->devices[DEVICES - 2] || !model->present)
        return;
    model->uncertain = true;
    if (store_remove(world->bed.lane, bytes_of_text(model->name), &err) != ERR_OK)
        return;
    unsigned tag = model->tag_asked;
    char name[16];
    memcpy(name, model->name, sizeof name);
    *model = (struct device_model){.tag_asked = tag, .tag_durable = tag};
    memcpy(model->name, name, sizeof name);
    world->changes++;
}

struct pending_call {
    struct answer answer;
    struct device_model *model;
    uint8_t key;
    struct store_promotion promotion;
    unsigned outcome;
};

static void start_pending(struct world *world, struct pending_call *call)
{
    struct store_new_credential credential = {.ssid = 101};
    call->key = (uint8_t)random_below(&world->random, 256);
    assert_true(identity_set(&credential.identity, bytes_of_text("me")));
    secret_random(&credential.key, 16);
    credential.key.data[0] = call->key;
    store_make_pending(world->bed.lane, bytes_of_text(call->model->name), &credential, 1,
                       answer_device, &call->answer);
}

static void end_pending(struct world *world, struct pending_call *call)
{
    if (call->answer.result == ERR_OK) {
        const struct store_device *device = &call->answer.device;
        uint64_t generation = generation_of(device, 101, CREDENTIAL_PENDING);
        assert_true(generation > 0 && generation < GENERATIONS);
        call->model->generation = generation;
        call->model->key[generation] = key_of(device, 101, CREDENTIAL_PENDING)->data[0];
        call->promotion = (struct store_promotion){.ssid = 101, .generation = generation};
        world->changes++;
    }
}

static void start_record(struct world *world, struct pending_call *call)
{
    struct outcome outcome;
    bool promote = call->promotion.generation > 0;
    call->outcome = ++call->model->asked;
    assert_true(call->outcome < HISTORY_MAX);
    outcome_make(&outcome, call->model->name, promote ? STATE_BOOTSTRAPPED : STATE_FAILED,
                 call->outcome);
    /* A bootstrap that promoted says which generation: both must be there, or none. */
    snprintf(outcome.detail, sizeof outcome.detail, "%llu",
             (unsigned long long)call->promotion.generation);
    answer_clear(&call->answer);
    store_record(world->bed.lane, &outcome, &call->promotion, promote, answer_done, &call->answer);
}

static void end_record(struct world *world, struct pending_call *call)
{
    if (call->answer.result == ERR_OK) {
        call->model->durable[call->outcome] = true;
        call->model->outcomes++;
        if (call->promotion.generation > call->model->promoted)
            call->model->promoted = call->promotion.generation;
        world->changes++;
    }
    answer_clear(&call->answer);
}

/* Several devices bootstrap at once, so that their rows share commits. */
static void bootstrap_some(struct world *world)
{
    enum { MOST = 6 };
    struct pending_call *calls = calloc(MOST, sizeof *calls);
    unsigned count = 0, first = random_below(&world->random, DEVICES);
    assert_non_null(calls);
    for (unsigned i = 0; i < MOST; i++) {
        struct device_model *model = &world->devices[(first + i) % DEVICES];
        if (model->present)
            calls[count++].model = model;
    }
    for (unsigned i = 0; i < count; i++)
        start_pending(world, &calls[i]);
    for (unsigned i = 0; i < count; i++) {
        answer_wait(world->bed.lane, &calls[i].answer);
        end_pending(world, &calls[i]);
    }
    for (unsigned i = 0; i < count; i++)
        start_record(world, &calls[i]);
    for (unsigned i = 0; i < count; i++) {
        answer_wait(world->bed.lane, &calls[i].answer);
        end_record(world, &calls[i]);
    }
    free(calls);
}

static void work_until_cut(struct world *world)
{
    struct store_filter filter = {.state = -1, .cause = -1, .limit = 5};
    struct err err;
    for (unsigned step = 0; step < 200 && !power_vfs_is_cut(); step++) {
        struct device_model *model = &world->devices[random_below(&world->random, DEVICES)];
        switch (random_below(&world->random, 8)) {
        case 0:
        case 1:
            change_tag(world, model);
            break;
        case 2:
            remove_device(world, model);
            break;
        case 3:
            store_list(world->bed.lane, &filter, ignore_row, NULL, &err); /* folds */
            break;
        default:
            bootstrap_some(world);
            break;
        }
    }
}

/* ---- what is left ---- */

struct seen_history {
    struct world *world;
    struct device_model *model;
    bool seen[HISTORY_MAX];
    unsigned bootstrapped, last;
    uint64_t promoted;
};

static bool see_outcome(void *context, const struct outcome *outcome)
{
    struct seen_history *history = context;
    unsigned number = (unsigned)strtoul(outcome->id, NULL, 16);
    uint64_t generation = strtoull(outcome->detail, NULL, 10);
    assert_true(number >= 1 && number <= history->model->asked);
    assert_false(history->seen[number]);
    assert_true(number < history->last); /* newest first */
    history->last = number;
    history->seen[number] = true;
    history->bootstrapped += outcome->state == STATE_BOOTSTRAPPED;
    if (generation > history->promoted)
        history->promoted = generation;
    return true;
}

static void check_history(struct world *world, struct device_model *model,
                          const struct store_device *device)
{
    struct seen_history *history = calloc(1, sizeof *history);
    struct err err;
    assert_non_null(history);
    *history = (struct seen_history){.world = world, .model = model, .last = HISTORY_MAX};
    assert_int_equal(store_history(world->bed.lane, bytes_of_text(model->name), NULL, HISTORY_MAX,
                                   see_outcome, history, &err),
                     ERR_OK);
    for (unsigned i = 1; i <= model->asked; i++) {
        if (model->durable[i] && !history->seen[i])
            lost(world, model, "an outcome");
        model->durable[i] = history->seen[i];
    }
    /* Folded once, not twice; promoted with its outcome, not without it. */
    assert_int_equal(device->enrollment.bootstraps, history->bootstrapped);
    assert_int_equal(generation_of(device, 101, CREDENTIAL_ACTIVE), history->promoted);
    model->promoted = history->promoted;
    free(history);
}

static void check_credentials(struct world *world, struct device_model *model,
                              const struct store_device *device)
{
    uint64_t active = generation_of(device, 101, CREDENTIAL_ACTIVE);
    uint64_t pending = generation_of(device, 101, CREDENTIAL_PENDING);
    if (active < model->promoted)
        lost(world, model, "a promotion");
    if (active < model->generation && pending < model->generation)
        lost(world, model, "a pending credential that the device may hold");
    for (size_t i = 0; i < device->enrollment.credential_count; i++) {
        uint64_t generation = device->enrollment.credentials[i].generation;
        if (generation <= model->generation && model->key[generation] != 0 &&
            model->key[generation] != device->keys[i].data[0])
            lost(world, model, "a generation that was durable, for another key");
    }
    model->generation = active > pending ? active : pending;
    if (pending > 0)
        model->key[pending] = key_of(device, 101, CREDENTIAL_PENDING)->data[0];
}

static void check_device(struct world *world, struct device_model *model)
{
    struct answer answer = {0};
    bool there = find_endpoint(world->bed.lane, model->name, &answer) == ERR_OK;
    if (!there && answer.result != ERR_NOT_FOUND)
        fail_msg("%s: %s", model->name, err_name(answer.result));
    if (there != model->present && !model->uncertain)
        lost(world, model, there ? "a removal" : "an enrolment");
    bool known = there && model->present;
    model->present = there;
    model->uncertain = false;
    if (known) {
        const char *tag = enrollment_tag(&answer.device.enrollment, "number");
        unsigned number = tag != NULL ? (unsigned)atoi(tag) : 0;
        assert_true(number <= model->tag_asked);
        if (number < model->tag_durable)
            lost(world, model, "a change");
        model->tag_durable = number;
        check_credentials(world, model, &answer.device);
        check_history(world, model, &answer.device);
    } else {
        /* New, or gone: what came before is over. */
        unsigned tag = model->tag_asked, asked = there ? 0 : model->asked;
        char name[16];
        memcpy(name, model->name, sizeof name);
        *model = (struct device_model){.present = there, .tag_asked = tag, .asked = asked};
        memcpy(model->name, name, sizeof name);
        assert_int_equal(there ? answer.device.enrollment.credential_count : 0, 0);
    }
    answer_clear(&answer);
}

static bool integrity_is_ok(const char *path)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    bool good = strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return good;
}

/* Opens with the power on, checks everything, closes. */
static void check_world(struct world *world)
{
    bed_start(&world->bed);
    for (unsigned i = 0; i < DEVICES; i++)
        check_device(world, &world->devices[i]);
    bed_stop(&world->bed);
    power_vfs_forget();
    assert_true(integrity_is_ok(world->bed.path));
}

/* The power goes somewhere in opening, working or closing. */
static void run_until_cut(struct world *world)
{
    struct err err;
    static const unsigned reach[] = {20, 100, 400};
    power_vfs_cut_at(1 + random_below(&world->random, reach[random_below(&world->random, 3)]));
    if (store_open(&world->bed.config, &world->bed.store, &err) != ERR_OK)
        return;
    if (store_lane_open(world->bed.store, &world->bed.lane, &err) == ERR_OK)
        work_until_cut(world);
    bed_stop(&world->bed);
}

static struct world *new_world(unsigned seed)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->random.state = seed;
    for (unsigned i = 0; i < DEVICES; i++)
        snprintf(world->devices[i].name, sizeof world->devices[i].name, "device-%u", i);
    bed_prepare(&world->bed, "sqlite");
    world->bed.config.vfs = "power";
    world->bed.config.gather_ms = 1;
    return world;
}

static void free_world(struct world *world)
{
    power_vfs_forget();
    bed_close(&world->bed);
    free(world);
}

static unsigned crash_many(struct world *world, unsigned crashes)
{
    unsigned cuts = 0;
    for (unsigned i = 0; i < crashes && world->losses == 0; i++) {
        run_until_cut(world);
        cuts += power_vfs_is_cut();
        power_vfs_restore(&world->random);
        check_world(world);
    }
    return cuts;
}

static void test_nothing_durable_is_lost(void **state)
{
    struct world *world = new_world(20261123);
    unsigned cuts = crash_many(world, CRASHES);
    print_message("%u power cuts, %u acknowledged changes\n", cuts, world->changes);
    assert_true(cuts > CRASHES * 3 / 4);
    assert_true(world->changes > CRASHES);
    assert_int_equal(world->losses, 0);
    free_world(world);
}

/* Cuts while the file is first made: it opens afterwards, as an empty store. */
static void test_cut_while_the_file_is_made(void **state)
{
    struct random random = {.state = 3};
    for (unsigned at = 1; at <= 80; at++) {
        struct world *world = new_world(at);
        struct err err;
        power_vfs_cut_at(at);
        if (store_open(&world->bed.config, &world->bed.store, &err) == ERR_OK)
            store_close(world->bed.store);
        world->bed.store = NULL;
        power_vfs_restore(&random);
        check_world(world);
        free_world(world);
    }
}

/* The negative control: a log that is not synced at each commit loses what was reported. */
static void test_weaker_setting_is_found_out(void **state)
{
    struct world *world = new_world(99);
    world->tolerant = true;
    power_vfs_weaken(true);
    crash_many(world, CRASHES);
    power_vfs_weaken(false);
    if (world->losses == 0)
        fail_msg("synchronous=NORMAL lost nothing: this test cannot see loss");
    print_message("with synchronous=NORMAL: %s was lost\n", world->first_loss);
    free_world(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_durable_is_lost),
        cmocka_unit_test(test_cut_while_the_file_is_made),
        cmocka_unit_test(test_weaker_setting_is_found_out),
    };
    power_vfs_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
