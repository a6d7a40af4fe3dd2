/* Lists by filter with a cursor, and counts. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 1000 };

struct rows {
    struct store_row rows[ROWS_MAX];
    size_t count, most;
};

static bool take_row(void *context, const struct store_row *row)
{
    struct rows *rows = context;
    assert_true(rows->count < ROWS_MAX);
    rows->rows[rows->count++] = *row;
    return rows->count < rows->most;
}

static struct store_filter all(void)
{
    return (struct store_filter){.state = -1, .cause = -1, .limit = ROWS_MAX};
}

static void list(struct bed *bed, const struct store_filter *filter, struct rows *rows)
{
    struct err err = {0};
    rows->count = 0;
    rows->most = ROWS_MAX + 1;
    if (store_list(bed->lane, filter, take_row, rows, &err) != ERR_OK)
        fail_msg("%s", err.text);
}

/* The endpoints, each with a blank behind it. */
static void assert_listed(struct bed *bed, const struct store_filter *filter, const char *expected)
{
    struct rows *rows = calloc(1, sizeof *rows);
    char text[2048] = "";
    assert_non_null(rows);
    list(bed, filter, rows);
    for (size_t i = 0; i < rows->count; i++) {
        assert_true(strlen(text) + strlen(rows->rows[i].endpoint) + 2 < sizeof text);
        strcat(text, rows->rows[i].endpoint);
        strcat(text, " ");
    }
    assert_string_equal(text, expected);
    free(rows);
}

static void put(struct bed *bed, const char *endpoint, const char *class_name)
{
    struct store_device device;
    struct err err = {0};
    enum store_change change;
    device_make(&device, endpoint);
    snprintf(device.enrollment.class_name, sizeof device.enrollment.class_name, "%s", class_name);
    if (store_enroll(bed->lane, &device, false, &change, &err) != ERR_OK)
        fail_msg("%s", err.text);
    store_device_clear(&device);
}

static void set_state(struct bed *bed, const char *endpoint, enum device_state state,
                      enum cause cause, unsigned number)
{
    struct outcome outcome;
    outcome_make(&outcome, endpoint, state, number);
    outcome.cause = cause;
    assert_int_equal(record(bed->lane, &outcome, 0, 0), ERR_OK);
}

static void test_filters(void **state)
{
    struct bed *bed = *state;
    struct err err;
    enum store_change change;
    put(bed, "b1", "lamp");
    put(bed, "a2", "lamp");
    put(bed, "a1", "meter");
    put(bed, "b", "");
    put(bed, "B9", "lamp");
    put(bed, "\xc3\xa4", "meter");
    put(bed, "a10", "lamp");
    set_state(bed, "a1", STATE_FAILED, CAUSE_TIMEOUT, 1);
    set_state(bed, "a2", STATE_FAILED, CAUSE_WRITE_REJECTED, 2);
    set_state(bed, "b1", STATE_BOOTSTRAPPED, CAUSE_NONE, 3);
    set_state(bed, "a10", STATE_UNCONFIRMED, CAUSE_TIMEOUT, 4);
    set_state(bed, "B9", STATE_FAILED, CAUSE_TIMEOUT, 5);
    assert_int_equal(store_set_blocked(bed->lane, bytes_of_text("B9"), true, &change, &err),
                     ERR_OK);

    struct store_filter filter = all();
    assert_listed(bed, &filter, "B9 a1 a10 a2 b b1 \xc3\xa4 ");
    filter.class_name = "lamp";
    assert_listed(bed, &filter, "B9 a10 a2 b1 ");
    filter.state = STATE_FAILED;
    assert_listed(bed, &filter, "a2 ");
    filter.class_name = NULL;
    assert_listed(bed, &filter, "a1 a2 ");
    filter.cause = CAUSE_TIMEOUT;
    assert_listed(bed, &filter, "a1 ");
    filter.state = -1;
    assert_listed(bed, &filter, "B9 a1 a10 ");
    filter = all();
    filter.state = STATE_BLOCKED;
    assert_listed(bed, &filter, "B9 ");
    filter.state = STATE_NEW;
    assert_listed(bed, &filter, "b \xc3\xa4 ");
    filter.state = STATE_BOOTSTRAPPED;
    assert_listed(bed, &filter, "b1 ");
    filter.state = STATE_HELD;
    assert_listed(bed, &filter, "");
    filter = all();
    filter.cause = CAUSE_NONE;
    assert_listed(bed, &filter, "b b1 \xc3\xa4 ");
    filter = all();
    filter.class_name = "";
    assert_listed(bed, &filter, "b ");
    filter.class_name = "no-such";
    assert_listed(bed, &filter, "");
}

static void test_prefix_and_cursor(void **state)
{
    struct bed *bed = *state;
    const char *const names[] = {"a", "a%", "aa", "ab", "a_b", "b", "a\xc3\xbf", "A"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        put(bed, names[i], "lamp");
    struct store_filter filter = all();
    filter.prefix = "a";
    assert_listed(bed, &filter, "a a% a_b aa ab a\xc3\xbf ");
    filter.prefix = "a%";
    assert_listed(bed, &filter, "a% ");
    filter.prefix = "a_";
    assert_listed(bed, &filter, "a_b ");
    filter.prefix = "a\xc3\xbf";
    assert_listed(bed, &filter, "a\xc3\xbf ");
    filter.prefix = "";
    assert_listed(bed, &filter, "A a a% a_b aa ab a\xc3\xbf b ");
    filter.prefix = "a";
    filter.after = "a_b";
    assert_listed(bed, &filter, "aa ab a\xc3\xbf ");
    filter.limit = 2;
    assert_listed(bed, &filter, "aa ab ");
    /* The cursor need not be a device. */
    filter.after = "a_";
    assert_listed(bed, &filter, "a_b aa ");
    filter.class_name = "lamp";
    assert_listed(bed, &filter, "a_b aa ");
}

/* The end of what outcome_make makes with that number. */
static int64_t end_of(unsigned number)
{
    struct outcome outcome;
    outcome_make(&outcome, "x", STATE_FAILED, number);
    return outcome.started_wall_ms + outcome.duration_ms;
}

static void test_since(void **state)
{
    struct bed *bed = *state;
    const char *const names[] = {"e", "d", "c", "b", "a", "never"};
    for (size_t i = 0; i < 6; i++)
        put(bed, names[i], i < 3 ? "lamp" : "meter");
    for (unsigned i = 0; i < 5; i++)
        set_state(bed, names[i], STATE_FAILED, CAUSE_TIMEOUT, 10 * i);
    struct store_filter filter = all();
    filter.since_wall_ms = end_of(20);
    assert_listed(bed, &filter, "a b c ");
    filter.since_wall_ms = end_of(20) + 1;
    assert_listed(bed, &filter, "a b ");
    filter.since_wall_ms = end_of(40) + 1;
    assert_listed(bed, &filter, "");
    filter.since_wall_ms = 1;
    assert_listed(bed, &filter, "a b c d e ");
    filter.class_name = "lamp";
    filter.after = "c";
    filter.limit = 1;
    assert_listed(bed, &filter, "d ");
    /* The last attempt counts, whatever came before. */
    set_state(bed, "e", STATE_BOOTSTRAPPED, CAUSE_NONE, 50);
    filter = all();
    filter.since_wall_ms = end_of(50);
    assert_listed(bed, &filter, "e ");
    filter.state = STATE_FAILED;
    assert_listed(bed, &filter, "");
    filter.since_wall_ms = end_of(30);
    assert_listed(bed, &filter, "a b ");
}

/* The devices of those names call in turn, `count` times; returns when all of it is stored. */
static void call_often(struct bed *bed, const char *const names[3], unsigned first, unsigned count)
{
    struct outcome outcome;
    for (unsigned i = 0; i + 1 < count; i++) {
        outcome_make(&outcome, names[i % 3], STATE_FAILED, first + i);
        store_record(bed->lane, &outcome, NULL, 0, NULL, NULL);
    }
    set_state(bed, names[(count - 1) % 3], STATE_FAILED, CAUSE_TIMEOUT, first + count - 1);
}

/* More outcomes than a list by time goes through one by one. */
static void test_since_among_many(void **state)
{
    static const char *const names[] = {"d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "e1"};
    enum { MANY = 4500 };
    struct bed *bed = *state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        put(bed, names[i], i < 5 ? "lamp" : "meter");
    set_state(bed, "d0", STATE_FAILED, CAUSE_TIMEOUT, 1);
    set_state(bed, "d7", STATE_FAILED, CAUSE_TIMEOUT, 2);
    call_often(bed, (const char *const[3]){"d5", "d1", "d3"}, 100, MANY);
    struct store_filter filter = all();
    filter.since_wall_ms = end_of(100);
    assert_listed(bed, &filter, "d1 d3 d5 ");
    filter.class_name = "lamp";
    assert_listed(bed, &filter, "d1 d3 ");
    filter = all();
    filter.since_wall_ms = end_of(100);
    filter.after = "d1";
    filter.limit = 1;
    assert_listed(bed, &filter, "d3 ");
    call_often(bed, (const char *const[3]){"e1", "d2", "d6"}, 100 + MANY, MANY);
    filter = all();
    filter.since_wall_ms = end_of(100);
    assert_listed(bed, &filter, "d1 d2 d3 d5 d6 e1 ");
    filter.prefix = "d";
    filter.after = "d2";
    assert_listed(bed, &filter, "d3 d5 d6 ");
    filter = all();
    filter.since_wall_ms = end_of(100 + MANY);
    assert_listed(bed, &filter, "d2 d6 e1 ");
    filter.since_wall_ms = end_of(1);
    assert_listed(bed, &filter, "d0 d1 d2 d3 d5 d6 d7 e1 ");
    struct err err = {0};
    assert_int_equal(store_remove(bed->lane, bytes_of_text("d5"), &err), ERR_OK);
    filter.since_wall_ms = end_of(100);
    assert_listed(bed, &filter, "d1 d2 d3 d6 e1 ");
}

static void test_rows_show_the_device(void **state)
{
    struct bed *bed = *state;
    struct rows *rows = calloc(1, sizeof *rows);
    struct answer answer = {0};
    assert_non_null(rows);
    put(bed, "lamp-7", "lamp");
    set_state(bed, "lamp-7", STATE_BOOTSTRAPPED, CAUSE_NONE, 1);
    set_state(bed, "lamp-7", STATE_FAILED, CAUSE_DEADLINE, 2);
    struct store_filter filter = all();
    list(bed, &filter, rows);
    assert_int_equal(rows->count, 1);
    const struct store_row *row = &rows->rows[0];
    assert_int_equal(get_device(bed->lane, "lamp-7", &answer), ERR_OK);
    assert_string_equal(row->endpoint, "lamp-7");
    assert_string_equal(row->class_name, "lamp");
    assert_true(bytes_equal(identity_bytes(&row->identity), bytes_of_text("id-lamp-7")));
    assert_int_equal(row->state, STATE_FAILED);
    assert_int_equal(row->cause, CAUSE_DEADLINE);
    assert_int_equal(row->revision, 1);
    assert_int_equal(row->bootstraps, 1);
    assert_int_equal(row->created_wall_ms, answer.device.created_wall_ms);
    assert_int_equal(row->changed_wall_ms, answer.device.changed_wall_ms);
    assert_int_equal(row->last_wall_ms, answer.device.last_wall_ms);
    assert_int_equal(row->last_duration_ms, 902);
    answer_clear(&answer);
    free(rows);
}

static void test_limits_and_early_end(void **state)
{
    struct bed *bed = *state;
    struct rows *rows = calloc(1, sizeof *rows);
    struct err err;
    assert_non_null(rows);
    put(bed, "a", "lamp");
    put(bed, "b", "lamp");
    struct store_filter filter = all();
    filter.limit = 0;
    assert_int_equal(store_list(bed->lane, &filter, take_row, rows, &err), ERR_RANGE);
    filter.limit = 1001;
    assert_int_equal(store_list(bed->lane, &filter, take_row, rows, &err), ERR_RANGE);
    filter.limit = 10;
    rows->most = 1;
    assert_int_equal(store_list(bed->lane, &filter, take_row, rows, &err), ERR_OK);
    assert_int_equal(rows->count, 1);
    free(rows);
}

/* Going page by page while devices come, go and change state meets every device that was there all
 * the time exactly once. */
static void test_cursor_is_stable_while_rows_change(void **state)
{
    enum { STAYING = 200, PAGE = 17 };
    struct bed *bed = *state;
    struct rows *rows = calloc(1, sizeof *rows);
    struct random random = {.state = 7};
    unsigned met[STAYING] = {0};
    char name[ENDPOINT_MAX + 1];
    char after[ENDPOINT_MAX + 1] = "";
    assert_non_null(rows);
    for (unsigned i = 0; i < STAYING; i++) {
        snprintf(name, sizeof name, "s%03u", i);
        put(bed, name, "lamp");
    }
    struct store_filter filter = all();
    filter.limit = PAGE;
    for (unsigned page = 0;; page++) {
        filter.after = page > 0 ? after : NULL;
        list(bed, &filter, rows);
        for (size_t i = 0; i < rows->count; i++) {
            const char *endpoint = rows->rows[i].endpoint;
            assert_true(strcmp(endpoint, after) > 0);
            memcpy(after, endpoint, sizeof after);
            if (strlen(endpoint) == 4)
                met[atoi(endpoint + 1)]++;
        }
        if (rows->count < PAGE)
            break;
        /* A guest before the cursor, a guest behind it, one of the first guests goes. */
        struct err err;
        snprintf(name, sizeof name, "s%03u-%u", random_below(&random, STAYING), page);
        put(bed, name, "guest");
        snprintf(name, sizeof name, "a%u", page);
        put(bed, name, "guest");
        if (page % 2 == 1)
            assert_int_equal(store_remove(bed->lane, bytes_of_text(name), &err), ERR_OK);
        snprintf(name, sizeof name, "s%03u", random_below(&random, STAYING));
        set_state(bed, name, STATE_FAILED, CAUSE_TIMEOUT, page);
    }
    for (unsigned i = 0; i < STAYING; i++)
        assert_int_equal(met[i], 1);
    free(rows);
}

/* ---- counts ---- */

static const char *const classes[] = {"", "lamp", "meter", "valve"};
enum { CLASSES = 4, DEVICES = 60 };

static void recount(struct bed *bed, uint64_t counted[CLASSES][STATE_COUNT], struct rows *rows)
{
    struct store_filter filter = all();
    memset(counted, 0, sizeof(uint64_t[CLASSES][STATE_COUNT]));
    list(bed, &filter, rows);
    for (size_t i = 0; i < rows->count; i++) {
        for (int class = 0; class < CLASSES; class ++) {
            if (strcmp(rows->rows[i].class_name, classes[class]) == 0)
                counted[class][rows->rows[i].state]++;
        }
    }
}

static void assert_counts_agree(struct bed *bed, struct rows *rows)
{
    uint64_t counted[CLASSES][STATE_COUNT];
    recount(bed, counted, rows);
    for (int class = 0; class < CLASSES; class ++) {
        for (int state = 0; state < STATE_COUNT; state++)
            assert_int_equal(count_of(bed->store, classes[class], (enum device_state)state),
                             counted[class][state]);
    }
}

static void do_something(struct bed *bed, struct random *random, unsigned step)
{
    static const enum device_state states[] = {STATE_BOOTSTRAPPED, STATE_FAILED, STATE_UNCONFIRMED};
    struct store_device device;
    struct outcome outcome;
    struct err err;
    enum store_change change;
    char name[16];
    snprintf(name, sizeof name, "d%u", random_below(random, DEVICES));
    switch (random_below(random, 6)) {
    case 0:
    case 1:
        device_make(&device, name);
        snprintf(device.enrollment.class_name, sizeof device.enrollment.class_name, "%s",
                 classes[random_below(random, CLASSES)]);
        device.enrollment.blocked = random_below(random, 4) == 0;
        store_enroll(bed->lane, &device, random_below(random, 2) == 0, &change, &err);
        store_device_clear(&device);
        break;
    case 2:
        store_set_blocked(bed->lane, bytes_of_text(name), random_below(random, 2) == 0, &change,
                          &err);
        break;
    case 3:
        if (random_below(random, 3) == 0)
            store_remove(bed->lane, bytes_of_text(name), &err);
        break;
    default:
        outcome_make(&outcome, name, states[random_below(random, 3)], step);
        if (random_below(random, 5) == 0)
            outcome.cause = CAUSE_SUPERSEDED;
        store_record(bed->lane, &outcome, NULL, 0, NULL, NULL);
        break;
    }
}

static void test_counts_agree_with_a_recount(void **state)
{
    struct bed *bed = *state;
    struct random random = {.state = 4711};
    struct rows *rows = calloc(1, sizeof *rows);
    struct answer answer = {0};
    assert_non_null(rows);
    for (unsigned step = 0; step < 1200; step++) {
        do_something(bed, &random, step);
        if (step % 100 != 99)
            continue;
        /* An answered change comes after all records before it. */
        enroll(bed->lane, "barrier");
        assert_counts_agree(bed, rows);
        assert_int_equal(get_device(bed->lane, "barrier", &answer), ERR_OK);
        struct err err;
        assert_int_equal(store_remove(bed->lane, bytes_of_text("barrier"), &err), ERR_OK);
    }
    assert_true(rows->count > DEVICES / 4);
    if (bed->config.path != NULL) {
        uint64_t before[CLASSES][STATE_COUNT], after[CLASSES][STATE_COUNT];
        recount(bed, before, rows);
        bed_stop(bed);
        bed_start(bed);
        assert_counts_agree(bed, rows);
        recount(bed, after, rows);
        assert_memory_equal(before, after, sizeof before);
    }
    /* The caller's space is respected, the number of classes told. */
    struct store_count one[2] = {{.class_name = "x"}, {.class_name = "untouched"}};
    assert_int_equal(store_counts(bed->store, one, 1), CLASSES);
    assert_string_equal(one[0].class_name, "");
    assert_string_equal(one[1].class_name, "untouched");
    answer_clear(&answer);
    free(rows);
}

static void put_tagged(struct bed *bed, const char *endpoint, const char *district,
                       const char *batch)
{
    struct store_device device;
    struct err err = {0};
    enum store_change change;
    device_make(&device, endpoint);
    device_add_tag(&device, "district", district);
    if (batch != NULL)
        device_add_tag(&device, "batch", batch);
    assert_int_equal(store_enroll(bed->lane, &device, true, &change, &err), ERR_OK);
    store_device_clear(&device);
}

static void test_list_by_tag_and_time(void **state)
{
    struct bed *bed = *state;
    put_tagged(bed, "c", "north", "B7");
    put_tagged(bed, "a", "north", "B8");
    put_tagged(bed, "b", "north", "B7");
    put_tagged(bed, "d", "south", "B7");
    set_state(bed, "b", STATE_FAILED, CAUSE_TIMEOUT, 1);
    set_state(bed, "d", STATE_FAILED, CAUSE_TIMEOUT, 20);
    set_state(bed, "a", STATE_BOOTSTRAPPED, CAUSE_NONE, 21);
    set_state(bed, "c", STATE_FAILED, CAUSE_TIMEOUT, 22);
    struct tag tags[2] = {{"district", "north"}, {"batch", "B7"}};
    struct store_filter filter = all();
    filter.tags = tags;
    filter.tag_count = 1;
    filter.since_wall_ms = end_of(20);
    assert_listed(bed, &filter, "a c ");
    filter.after = "a";
    assert_listed(bed, &filter, "c ");
    filter.after = NULL;
    filter.state = STATE_BOOTSTRAPPED;
    assert_listed(bed, &filter, "a ");
    filter.state = -1;
    filter.tag_count = 2;
    assert_listed(bed, &filter, "c ");
    filter.since_wall_ms = end_of(1);
    assert_listed(bed, &filter, "b c ");
}

static void test_list_by_tag(void **state)
{
    struct bed *bed = *state;
    struct err err = {0};
    put_tagged(bed, "c", "north", "B7");
    put_tagged(bed, "a", "north", "B8");
    put_tagged(bed, "b", "north", "B7");
    put_tagged(bed, "d", "north-west", NULL);
    enroll(bed->lane, "e");
    struct tag tags[2] = {{"district", "north"}, {"batch", "B7"}};
    struct store_filter filter = all();
    filter.tags = tags;
    filter.tag_count = 1;
    assert_listed(bed, &filter, "a b c ");
    filter.after = "a";
    assert_listed(bed, &filter, "b c ");
    filter.limit = 1;
    assert_listed(bed, &filter, "b ");
    filter = all();
    filter.tags = tags;
    filter.tag_count = 2;
    assert_listed(bed, &filter, "b c ");
    filter.prefix = "c";
    assert_listed(bed, &filter, "c ");
    put_tagged(bed, "c", "south", "B7"); /* the old tag no longer finds it */
    filter.prefix = NULL;
    assert_listed(bed, &filter, "b ");
    assert_int_equal(store_remove(bed->lane, bytes_of_text("b"), &err), ERR_OK);
    assert_listed(bed, &filter, "");
    put_tagged(bed, "b", "east", NULL); /* nor do those of a removed device */
    assert_listed(bed, &filter, "");
}

int suite_list(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(test_list_by_tag),
        SUITE_TEST(test_list_by_tag_and_time),
        SUITE_TEST(test_filters),
        SUITE_TEST(test_prefix_and_cursor),
        SUITE_TEST(test_since),
        SUITE_TEST(test_since_among_many),
        SUITE_TEST(test_rows_show_the_device),
        SUITE_TEST(test_limits_and_early_end),
        SUITE_TEST(test_cursor_is_stable_while_rows_change),
        SUITE_TEST(test_counts_agree_with_a_recount),
    };
    return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
