/* The path of a bootstrap: pending credentials, promotion, outcomes and history. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

#include "store/store_test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_pending_is_made_once_and_sent_again(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    enroll(bed->lane, "lamp-7");
    assert_int_equal(make_pending(bed->lane, "lamp-7", 101, "first", &answer), ERR_OK);
    assert_string_equal(answer.device.enrollment.endpoint, "lamp-7");
    assert_int_equal(answer.device.enrollment.credential_count, 1);
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_PENDING), 1);
    struct secret first = *key_of(&answer.device, 101, CREDENTIAL_PENDING);
    assert_memory_equal(first.data, "first", 5);
    /* The device asks again: it gets what it may hold already. */
    assert_int_equal(make_pending(bed->lane, "lamp-7", 101, "second", &answer), ERR_OK);
    assert_int_equal(answer.device.enrollment.credential_count, 1);
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_PENDING), 1);
    assert_true(secret_equal(key_of(&answer.device, 101, CREDENTIAL_PENDING), &first));
    assert_int_equal(find_endpoint(bed->lane, "lamp-7", &answer), ERR_OK);
    assert_true(secret_equal(key_of(&answer.device, 101, CREDENTIAL_PENDING), &first));
    answer_clear(&answer);
}

/* A key that was made for DTLS is no Master Secret: the profile has changed meanwhile. */
static void test_pending_of_another_kind_gives_way(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    struct store_new_credential credential = {.ssid = 101, .kind = CREDENTIAL_KIND_OSCORE};
    enroll(bed->lane, "lamp-7");
    assert_int_equal(make_pending(bed->lane, "lamp-7", 101, "psk", &answer), ERR_OK);
    for (int i = 0; i < 2; i++) {
        assert_true(identity_set(&credential.identity, bytes_of_text("sender")));
        assert_true(secret_set(&credential.key, bytes_of_text(i == 0 ? "master" : "other")));
        strcpy(credential.place, i == 0 ? "dm-north" : "dm-south");
        answer_clear(&answer);
        store_make_pending(bed->lane, bytes_of_text("lamp-7"), &credential, 1, answer_device,
                           &answer);
        answer_wait(bed->lane, &answer);
        assert_int_equal(answer.result, ERR_OK);
        assert_int_equal(answer.device.enrollment.credential_count, 1);
        assert_int_equal(answer.device.enrollment.credentials[0].kind, CREDENTIAL_KIND_OSCORE);
        assert_string_equal(answer.device.enrollment.credentials[0].place, "dm-north");
        assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_PENDING), 2);
        assert_memory_equal(key_of(&answer.device, 101, CREDENTIAL_PENDING)->data, "master", 6);
    }
    answer_clear(&answer);
}

/* On command only: what is pending and what is active go along, what is kept of them stays. */
static void test_place_on_command(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    struct err err = {0};
    enum store_change change;
    struct bytes lamp = bytes_of_text("lamp-7");
    enroll(bed->lane, "lamp-7");
    assert_int_equal(store_set_place(bed->lane, lamp, 101, "north", &change, &err), ERR_CONFLICT);
    assert_int_equal(make_pending(bed->lane, "lamp-7", 101, "psk", &answer), ERR_OK);
    uint64_t generation = generation_of(&answer.device, 101, CREDENTIAL_PENDING);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store_set_place(bed->lane, lamp, 101, "north", &change, &err), ERR_OK);
        assert_int_equal(change, i == 0 ? STORE_CHANGED : STORE_UNCHANGED);
    }
    if (strcmp(suite_backend, "memory") != 0) { /* it is in the file */
        bed_stop(bed);
        bed_start(bed);
    }
    assert_int_equal(get_device(bed->lane, "lamp-7", &answer), ERR_OK);
    assert_int_equal(answer.device.enrollment.credential_count, 1);
    assert_string_equal(answer.device.enrollment.credentials[0].place, "north");
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_PENDING), generation);
    assert_memory_equal(key_of(&answer.device, 101, CREDENTIAL_PENDING)->data, "psk", 3);
    assert_int_equal(store_set_place(bed->lane, lamp, 102, "north", &change, &err), ERR_CONFLICT);
    assert_int_equal(store_set_place(bed->lane, lamp, 101, "", &change, &err), ERR_RANGE);
    assert_int_equal(
        store_set_place(bed->lane, bytes_of_text("nobody"), 101, "north", &change, &err),
        ERR_NOT_FOUND);
    answer_clear(&answer);
}

static bool note_places(void *context, uint16_t ssid, const char *place, uint64_t devices)
{
    struct buf *out = context;
    buf_printf(out, "%u %s %u, ", ssid, place, (unsigned)devices);
    return true;
}

static void come_by(struct bed *bed, const char *endpoint, uint16_t ssid, const char *place)
{
    struct store_new_credential credential = {.ssid = ssid};
    struct answer answer = {0};
    struct outcome outcome;
    assert_true(identity_set(&credential.identity, bytes_of_text(endpoint)));
    assert_true(secret_set(&credential.key, bytes_of_text("key")));
    strcpy(credential.place, place);
    store_make_pending(bed->lane, bytes_of_text(endpoint), &credential, 1, answer_device, &answer);
    answer_wait(bed->lane, &answer);
    assert_int_equal(answer.result, ERR_OK);
    uint64_t generation = generation_of(&answer.device, ssid, CREDENTIAL_PENDING);
    outcome_make(&outcome, endpoint, STATE_BOOTSTRAPPED, (unsigned)generation);
    assert_int_equal(record(bed->lane, &outcome, ssid, generation), ERR_OK);
    answer_clear(&answer);
}

static void assert_places(struct bed *bed, const char *expected)
{
    struct buf text;
    struct err err = {0};
    buf_init(&text, 4096);
    assert_int_equal(store_place_counts(bed->lane, note_places, &text, &err), ERR_OK);
    assert_string_equal(text.len > 0 ? buf_text(&text) : "", expected);
    buf_clear(&text);
}

static void test_devices_in_each_place(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    struct err err = {0};
    enroll(bed->lane, "lamp-1");
    enroll(bed->lane, "lamp-2");
    enroll(bed->lane, "lamp-3");
    assert_places(bed, "");
    assert_int_equal(make_pending(bed->lane, "lamp-3", 101, "key", &answer), ERR_OK);
    answer_clear(&answer);
    come_by(bed, "lamp-1", 101, "north");
    come_by(bed, "lamp-1", 102, "a");
    come_by(bed, "lamp-2", 101, "north");
    assert_places(bed, "101 north 2, 102 a 1, ");
    come_by(bed, "lamp-2", 101, "east");
    assert_places(bed, "101 east 1, 101 north 1, 102 a 1, ");
    assert_int_equal(store_remove(bed->lane, bytes_of_text("lamp-1"), &err), ERR_OK);
    assert_places(bed, "101 east 1, ");
}

static bool ignore_a_row(void *context, const struct store_row *row)
{
    (void)context, (void)row;
    return true;
}

/* An operator lets a device in again: its bootstraps count from there, folded or not. */
static void test_accepting(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    struct outcome outcome;
    struct err err = {0};
    enroll(bed->lane, "lamp-7");
    for (unsigned i = 0; i < 2; i++) {
        outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, 10 * i + 1);
        assert_int_equal(record(bed->lane, &outcome, 0, 0), ERR_OK);
        outcome_make(&outcome, "lamp-7", STATE_HELD, 10 * i + 2);
        outcome.cause = CAUSE_NOT_ALLOWED;
        assert_int_equal(record(bed->lane, &outcome, 0, 0), ERR_OK);
        assert_int_equal(find_endpoint(bed->lane, "lamp-7", &answer), ERR_OK);
        assert_int_equal(answer.device.enrollment.bootstraps, 1);
        assert_int_equal(answer.device.state, STATE_HELD);
        assert_int_equal(count_of(bed->store, "lamp", STATE_HELD), 1);
        outcome_make(&outcome, "lamp-7", STATE_NEW, 10 * i + 3);
        assert_int_equal(store_accept(bed->lane, &outcome, &err), ERR_OK);
        assert_int_equal(find_endpoint(bed->lane, "lamp-7", &answer), ERR_OK);
        assert_int_equal(answer.device.enrollment.bootstraps, 0);
        assert_int_equal(answer.device.state, STATE_NEW);
        assert_int_equal(count_of(bed->store, "lamp", STATE_HELD), 0);
        if (i == 0) {
            outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, 4);
            assert_int_equal(record(bed->lane, &outcome, 0, 0), ERR_OK);
            assert_int_equal(find_endpoint(bed->lane, "lamp-7", &answer), ERR_OK);
            assert_int_equal(answer.device.enrollment.bootstraps, 1);
            /* The second round starts from zero, with everything in the row. */
            outcome_make(&outcome, "lamp-7", STATE_NEW, 5);
            assert_int_equal(store_accept(bed->lane, &outcome, &err), ERR_OK);
            struct store_filter all = {.state = -1, .cause = -1, .limit = 10};
            assert_int_equal(store_list(bed->lane, &all, ignore_a_row, NULL, &err), ERR_OK);
            assert_int_equal(find_endpoint(bed->lane, "lamp-7", &answer), ERR_OK);
            assert_int_equal(answer.device.enrollment.bootstraps, 0);
        }
    }
    answer_clear(&answer);
    outcome_make(&outcome, "lamp-8", STATE_NEW, 30);
    assert_int_equal(store_accept(bed->lane, &outcome, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "lamp-8"));
}

static void test_pending_for_several_servers(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    struct store_new_credential credentials[SERVERS_MAX + 1] = {0};
    for (unsigned i = 0; i <= SERVERS_MAX; i++) {
        credentials[i].ssid = (uint16_t)(1 + i);
        assert_true(identity_set(&credentials[i].identity, bytes_of_text("me")));
        secret_random(&credentials[i].key, 16);
    }
    struct bytes name = bytes_of_text("lamp-7");
    enroll(bed->lane, "lamp-7");
    assert_int_equal(make_pending(bed->lane, "lamp-7", 3, "early", &answer), ERR_OK);
    answer_clear(&answer);
    store_make_pending(bed->lane, name, credentials, SERVERS_MAX, answer_device, &answer);
    answer_wait(bed->lane, &answer);
    assert_int_equal(answer.result, ERR_OK);
    assert_int_equal(answer.device.enrollment.credential_count, SERVERS_MAX);
    assert_memory_equal(key_of(&answer.device, 3, CREDENTIAL_PENDING)->data, "early", 5);
    assert_true(secret_equal(key_of(&answer.device, 8, CREDENTIAL_PENDING), &credentials[7].key));
    /* None at all: the device as it is. */
    answer_clear(&answer);
    store_make_pending(bed->lane, name, NULL, 0, answer_device, &answer);
    answer_wait(bed->lane, &answer);
    assert_int_equal(answer.result, ERR_OK);
    assert_int_equal(answer.device.enrollment.credential_count, SERVERS_MAX);

    answer_clear(&answer);
    store_make_pending(bed->lane, name, credentials, SERVERS_MAX + 1, answer_device, &answer);
    assert_int_equal(answer.result, ERR_INVALID);
    credentials[0].ssid = 0; /* the bootstrap account has a key, nothing else */
    credentials[0].kind = CREDENTIAL_KIND_OSCORE;
    answer_clear(&answer);
    store_make_pending(bed->lane, name, credentials, 1, answer_device, &answer);
    assert_int_equal(answer.result, ERR_INVALID);
    answer_clear(&answer);
}

static void test_promotion_by_generation(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    struct outcome outcome;
    enroll(bed->lane, "lamp-7");
    for (unsigned round = 1; round <= 3; round++) {
        char key[16];
        snprintf(key, sizeof key, "key-%u", round);
        assert_int_equal(make_pending(bed->lane, "lamp-7", 101, key, &answer), ERR_OK);
        assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_PENDING), round);
        outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, round);
        assert_int_equal(record(bed->lane, &outcome, 101, round), ERR_OK);
        assert_int_equal(find_endpoint(bed->lane, "lamp-7", &answer), ERR_OK);
        assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_PENDING), 0);
        assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_ACTIVE), round);
        assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_RETIRING), round - 1);
        assert_memory_equal(key_of(&answer.device, 101, CREDENTIAL_ACTIVE)->data, key, 5);
        assert_int_equal(answer.device.enrollment.bootstraps, round);
    }
    assert_memory_equal(key_of(&answer.device, 101, CREDENTIAL_RETIRING)->data, "key-2", 5);
    answer_clear(&answer);
}

static void test_loser_cannot_promote(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    struct outcome outcome;
    const uint64_t wrong[] = {0, 2, 3, UINT64_MAX};
    enroll(bed->lane, "lamp-7");
    assert_int_equal(make_pending(bed->lane, "lamp-7", 101, "one", &answer), ERR_OK);
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, i);
        assert_int_equal(record(bed->lane, &outcome, 101, wrong[i]), ERR_OK);
        outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, 10 + i);
        assert_int_equal(record(bed->lane, &outcome, 102, 1), ERR_OK);
    }
    assert_int_equal(find_endpoint(bed->lane, "lamp-7", &answer), ERR_OK);
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_PENDING), 1);
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_ACTIVE), 0);
    /* Promoted once, a repeat is a loser too. */
    assert_int_equal(record(bed->lane, &outcome, 101, 1), ERR_OK);
    assert_int_equal(make_pending(bed->lane, "lamp-7", 101, "two", &answer), ERR_OK);
    assert_int_equal(record(bed->lane, &outcome, 101, 1), ERR_OK);
    assert_int_equal(find_endpoint(bed->lane, "lamp-7", &answer), ERR_OK);
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_ACTIVE), 1);
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_PENDING), 2);
    answer_clear(&answer);
}

static void test_enrolled_credential_takes_the_place(void **state)
{
    struct bed *bed = *state;
    struct store_device device;
    struct answer answer = {0};
    struct outcome outcome;
    struct err err;
    enum store_change change;
    device_make(&device, "lamp-7");
    device_add_credential(&device, 101, "dm", "enrolled-1");
    assert_int_equal(store_enroll(bed->lane, &device, false, &change, &err), ERR_OK);
    assert_int_equal(make_pending(bed->lane, "lamp-7", 101, "made", &answer), ERR_OK);
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_PENDING), 2);
    assert_true(secret_set(&device.keys[0], bytes_of_text("enrolled-2")));
    assert_int_equal(store_enroll(bed->lane, &device, true, &change, &err), ERR_OK);
    assert_int_equal(change, STORE_CHANGED);
    assert_int_equal(find_endpoint(bed->lane, "lamp-7", &answer), ERR_OK);
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_ACTIVE), 3);
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_RETIRING), 1);
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_PENDING), 0);
    /* The session that sent the pending one ends: too late. */
    outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, 1);
    assert_int_equal(record(bed->lane, &outcome, 101, 2), ERR_OK);
    assert_int_equal(find_endpoint(bed->lane, "lamp-7", &answer), ERR_OK);
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_ACTIVE), 3);
    answer_clear(&answer);
    store_device_clear(&device);
}

static void test_retiring_has_a_grace(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    struct outcome outcome;
    bed_restart_with_grace(bed, 100);
    enroll(bed->lane, "lamp-7");
    for (unsigned round = 1; round <= 2; round++) {
        assert_int_equal(make_pending(bed->lane, "lamp-7", 101, "key", &answer), ERR_OK);
        outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, round);
        assert_int_equal(record(bed->lane, &outcome, 101, round), ERR_OK);
    }
    atomic_store(&bed_clock_offset_ms, 60000);
    assert_int_equal(find_endpoint(bed->lane, "lamp-7", &answer), ERR_OK);
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_RETIRING), 1);
    atomic_store(&bed_clock_offset_ms, 101000);
    assert_int_equal(find_endpoint(bed->lane, "lamp-7", &answer), ERR_OK);
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_RETIRING), 0);
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_ACTIVE), 2);
    assert_int_equal(make_pending(bed->lane, "lamp-7", 101, "key", &answer), ERR_OK);
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_PENDING), 3);
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_RETIRING), 0);
    answer_clear(&answer);
}

/* Profiles name other servers over the years: the oldest gives way, and no generation comes again.
 */
static void test_servers_beyond_the_cap(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    struct outcome outcome;
    uint64_t highest = 0;
    store_test_set_clock(bed->store, bed_wall_ms);
    enroll(bed->lane, "lamp-7");
    for (unsigned i = 0; i < 5 * SERVERS_MAX; i++) {
        uint16_t ssid = (uint16_t)(1 + i % (2 * SERVERS_MAX));
        atomic_store(&bed_clock_offset_ms, 1000 * (int64_t)i);
        assert_int_equal(make_pending(bed->lane, "lamp-7", ssid, "key", &answer), ERR_OK);
        uint64_t generation = generation_of(&answer.device, ssid, CREDENTIAL_PENDING);
        assert_true(generation > 0);
        if (i >= SERVERS_MAX)
            assert_true(generation > highest);
        highest = generation;
        outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, i);
        assert_int_equal(record(bed->lane, &outcome, ssid, generation), ERR_OK);
        assert_int_equal(find_endpoint(bed->lane, "lamp-7", &answer), ERR_OK);
        assert_int_equal(generation_of(&answer.device, ssid, CREDENTIAL_ACTIVE), generation);
        assert_int_equal(answer.device.enrollment.credential_count,
                         i < SERVERS_MAX ? i + 1 : SERVERS_MAX);
    }
    answer_clear(&answer);
}

/* It was enrolled with a key for a server that no profile names any more. */
static void test_server_that_gave_way_does_not_come_back(void **state)
{
    struct bed *bed = *state;
    struct store_filter filter = {.state = -1, .cause = -1, .limit = 1};
    struct answer answer = {0};
    struct store_device device;
    struct err err = {0};
    enum store_change change;
    store_test_set_clock(bed->store, bed_wall_ms);
    device_make(&device, "lamp-7");
    device_add_credential(&device, 200, "dm-7", "of another day");
    device_add_credential(&device, 300, "dm-7", "of a server that stays");
    atomic_store(&bed_clock_offset_ms, 0);
    assert_int_equal(store_enroll(bed->lane, &device, false, &change, &err), ERR_OK);
    atomic_store(&bed_clock_offset_ms, 1000);
    assert_int_equal(make_pending(bed->lane, "lamp-7", 300, "newer", &answer), ERR_OK);
    for (unsigned ssid = 1; ssid < SERVERS_MAX; ssid++) {
        assert_non_null(key_of(&answer.device, 200, CREDENTIAL_ACTIVE));
        atomic_store(&bed_clock_offset_ms, 1000 + 1000 * (int64_t)ssid);
        assert_int_equal(make_pending(bed->lane, "lamp-7", (uint16_t)ssid, "key", &answer), ERR_OK);
    }
    for (unsigned look = 0; look < 2; look++) {
        assert_int_equal(find_endpoint(bed->lane, "lamp-7", &answer), ERR_OK);
        assert_null(key_of(&answer.device, 200, CREDENTIAL_ACTIVE));
        assert_memory_equal(key_of(&answer.device, 300, CREDENTIAL_ACTIVE)->data, "of a s", 6);
        assert_memory_equal(key_of(&answer.device, 300, CREDENTIAL_PENDING)->data, "newer", 5);
        assert_int_equal(answer.device.enrollment.credential_count, SERVERS_MAX + 1);
        /* A list brings all rows to where they belong. */
        assert_int_equal(store_list(bed->lane, &filter, ignore_row, NULL, &err), ERR_OK);
    }
    answer_clear(&answer);
    store_device_clear(&device);
}

static void test_outcome_shows_in_the_device(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    struct outcome outcome;
    enroll(bed->lane, "lamp-7");
    outcome_make(&outcome, "lamp-7", STATE_FAILED, 1);
    assert_int_equal(record(bed->lane, &outcome, 0, 0), ERR_OK);
    assert_int_equal(find_identity(bed->lane, "id-lamp-7", &answer), ERR_OK);
    assert_int_equal(answer.device.state, STATE_FAILED);
    assert_int_equal(answer.device.cause, CAUSE_TIMEOUT);
    assert_int_equal(answer.device.enrollment.bootstraps, 0);
    assert_int_equal(answer.device.last_wall_ms, outcome.started_wall_ms + outcome.duration_ms);
    assert_int_equal(answer.device.last_duration_ms, outcome.duration_ms);
    assert_int_equal(answer.device.enrollment.revision, 1);
    for (unsigned i = 2; i <= 4; i++) {
        outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, i);
        assert_int_equal(record(bed->lane, &outcome, 0, 0), ERR_OK);
        assert_int_equal(get_device(bed->lane, "lamp-7", &answer), ERR_OK);
        assert_int_equal(answer.device.enrollment.bootstraps, i - 1);
    }
    assert_int_equal(answer.device.state, STATE_BOOTSTRAPPED);
    assert_int_equal(answer.device.cause, CAUSE_NONE);
    assert_int_equal(make_pending(bed->lane, "lamp-7", 101, "key", &answer), ERR_OK);
    assert_int_equal(answer.device.state, STATE_BOOTSTRAPPED);
    assert_int_equal(answer.device.enrollment.bootstraps, 3);
    answer_clear(&answer);
}

static void test_superseded_is_history_only(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    struct outcome outcome;
    enroll(bed->lane, "lamp-7");
    for (unsigned i = 0; i < 2; i++) {
        outcome_make(&outcome, "lamp-7", STATE_FAILED, 10 + i);
        outcome.cause = CAUSE_SUPERSEDED;
        assert_int_equal(record(bed->lane, &outcome, 0, 0), ERR_OK);
        assert_int_equal(find_identity(bed->lane, "id-lamp-7", &answer), ERR_OK);
        assert_int_equal(answer.device.state, i == 0 ? STATE_NEW : STATE_BOOTSTRAPPED);
        assert_int_equal(answer.device.last_duration_ms, i == 0 ? 0 : 901);
        outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, 1);
        assert_int_equal(record(bed->lane, &outcome, 0, 0), ERR_OK);
    }
    assert_int_equal(count_of(bed->store, "lamp", STATE_BOOTSTRAPPED), 1);
    assert_int_equal(count_of(bed->store, "lamp", STATE_FAILED), 0);
    answer_clear(&answer);
}

/* ---- history ---- */

struct page {
    struct outcome outcomes[32];
    size_t count, most;
};

static bool take_outcome(void *context, const struct outcome *outcome)
{
    struct page *page = context;
    assert_true(page->count < 32);
    page->outcomes[page->count++] = *outcome;
    return page->count < page->most;
}

static enum err_code history(struct bed *bed, const char *endpoint, const char *before,
                             size_t limit, struct page *page)
{
    struct err err = {0};
    page->count = 0;
    page->most = 32;
    return store_history(bed->lane, bytes_of_text(endpoint), before, limit, take_outcome, page,
                         &err);
}

static void assert_same_outcome(const struct outcome *a, const struct outcome *b)
{
    assert_string_equal(a->id, b->id);
    assert_string_equal(a->endpoint, b->endpoint);
    assert_string_equal(a->class_name, b->class_name);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->cause, b->cause);
    assert_string_equal(a->detail, b->detail);
    assert_string_equal(a->source, b->source);
    assert_int_equal(a->started_wall_ms, b->started_wall_ms);
    assert_int_equal(a->handshake_ms, b->handshake_ms);
    assert_int_equal(a->duration_ms, b->duration_ms);
    assert_int_equal(a->bytes_sent, b->bytes_sent);
    assert_int_equal(a->bytes_received, b->bytes_received);
    assert_int_equal(a->format, b->format);
    assert_string_equal(a->profile_hash, b->profile_hash);
    assert_int_equal(a->warning_count, b->warning_count);
    for (size_t i = 0; i < a->warning_count; i++)
        assert_string_equal(a->warnings[i], b->warnings[i]);
    assert_int_equal(a->step_count, b->step_count);
    for (size_t i = 0; i < a->step_count; i++) {
        assert_int_equal(a->steps[i].operation, b->steps[i].operation);
        assert_true(path_equal(&a->steps[i].path, &b->steps[i].path));
        assert_int_equal(a->steps[i].code, b->steps[i].code);
        assert_int_equal(a->steps[i].attempts, b->steps[i].attempts);
        assert_int_equal(a->steps[i].duration_ms, b->steps[i].duration_ms);
    }
}

static void test_history_keeps_everything(void **state)
{
    struct bed *bed = *state;
    struct outcome outcome;
    struct page *page = calloc(1, sizeof *page);
    assert_non_null(page);
    enroll(bed->lane, "lamp-7");
    assert_int_equal(history(bed, "lamp-7", NULL, 10, page), ERR_OK);
    assert_int_equal(page->count, 0);
    outcome_make(&outcome, "lamp-7", STATE_FAILED, 1);
    outcome.step_count = OUTCOME_STEPS_MAX;
    for (unsigned i = 0; i < OUTCOME_STEPS_MAX; i++)
        outcome.steps[i] = (struct outcome_step){
            .operation = 4,
            .path = {.ids = {65535, 65534, (uint16_t)i, 7}, .depth = (uint8_t)(i % 5)},
            .code = 0x80,
            .attempts = 65535,
            .duration_ms = UINT32_MAX,
        };
    outcome.warning_count = OUTCOME_WARNINGS_MAX;
    for (unsigned i = 0; i < OUTCOME_WARNINGS_MAX; i++) {
        memset(outcome.warnings[i], 'w', 95);
        outcome.warnings[i][95] = '\0';
    }
    memset(outcome.detail, 'd', sizeof outcome.detail - 1);
    outcome.format = -1;
    assert_int_equal(record(bed->lane, &outcome, 0, 0), ERR_OK);
    assert_int_equal(history(bed, "lamp-7", NULL, 10, page), ERR_OK);
    assert_int_equal(page->count, 1);
    for (unsigned i = 0; i < OUTCOME_STEPS_MAX; i++) {
        /* Ids beyond the depth do not exist. */
        for (unsigned level = outcome.steps[i].path.depth; level < PATH_DEPTH_MAX; level++)
            outcome.steps[i].path.ids[level] = 0;
    }
    assert_same_outcome(&page->outcomes[0], &outcome);
    outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, 2);
    outcome.warning_count = outcome.step_count = 0;
    assert_int_equal(record(bed->lane, &outcome, 0, 0), ERR_OK);
    assert_int_equal(history(bed, "lamp-7", NULL, 1, page), ERR_OK);
    assert_same_outcome(&page->outcomes[0], &outcome);
    free(page);
}

static void test_history_order_and_pages(void **state)
{
    struct bed *bed = *state;
    struct outcome outcome;
    struct page *page = calloc(1, sizeof *page);
    assert_non_null(page);
    enroll(bed->lane, "lamp-1");
    enroll(bed->lane, "lamp-2");
    for (unsigned i = 1; i <= 25; i++) {
        outcome_make(&outcome, i % 5 == 0 ? "lamp-2" : "lamp-1", STATE_BOOTSTRAPPED, i);
        assert_int_equal(record(bed->lane, &outcome, 0, 0), ERR_OK);
        /* Some are folded before the next, some with it. */
        if (i % 7 == 0)
            assert_int_equal(history(bed, "lamp-1", NULL, 1, page), ERR_OK);
    }
    unsigned expected = 24, seen = 0;
    const char *before = NULL;
    char last[33];
    do {
        assert_int_equal(history(bed, "lamp-1", before, 6, page), ERR_OK);
        for (size_t i = 0; i < page->count; i++) {
            char id[33];
            snprintf(id, sizeof id, "%032x", expected);
            assert_string_equal(page->outcomes[i].id, id);
            assert_string_equal(page->outcomes[i].endpoint, "lamp-1");
            expected--;
            expected -= expected % 5 == 0 && expected > 0;
            seen++;
        }
        if (page->count > 0)
            memcpy(last, page->outcomes[page->count - 1].id, sizeof last);
        before = last;
    } while (page->count == 6);
    assert_int_equal(seen, 20);
    assert_int_equal(history(bed, "lamp-2", NULL, 32, page), ERR_OK);
    assert_int_equal(page->count, 5);
    /* A cursor that is no outcome of the device shows nothing. */
    assert_int_equal(history(bed, "lamp-2", "ffffffffffffffffffffffffffffffff", 32, page), ERR_OK);
    assert_int_equal(page->count, 0);
    assert_int_equal(history(bed, "nobody", NULL, 32, page), ERR_NOT_FOUND);
    /* The callback ends it. */
    struct err err;
    page->most = 2;
    page->count = 0;
    assert_int_equal(
        store_history(bed->lane, bytes_of_text("lamp-1"), NULL, 10, take_outcome, page, &err),
        ERR_OK);
    assert_int_equal(page->count, 2);
    free(page);
}

static void test_changing_the_identity_keeps_history(void **state)
{
    struct bed *bed = *state;
    struct store_device device;
    struct outcome outcome;
    struct answer answer = {0};
    struct err err;
    enum store_change change;
    struct page *page = calloc(1, sizeof *page);
    assert_non_null(page);
    enroll(bed->lane, "lamp-7");
    assert_int_equal(make_pending(bed->lane, "lamp-7", 101, "key", &answer), ERR_OK);
    outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, 1);
    assert_int_equal(record(bed->lane, &outcome, 101, 1), ERR_OK);
    device_make(&device, "lamp-7");
    assert_true(identity_set(&device.enrollment.identity, bytes_of_text("new")));
    assert_true(secret_set(&device.bootstrap_key, bytes_of_text("new key")));
    assert_int_equal(store_enroll(bed->lane, &device, true, &change, &err), ERR_OK);
    assert_int_equal(history(bed, "lamp-7", NULL, 10, page), ERR_OK);
    assert_int_equal(page->count, 1);
    assert_int_equal(find_identity(bed->lane, "new", &answer), ERR_OK);
    assert_int_equal(answer.device.state, STATE_BOOTSTRAPPED);
    assert_int_equal(answer.device.enrollment.bootstraps, 1);
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_ACTIVE), 1);
    store_device_clear(&device);
    answer_clear(&answer);
    free(page);
}

int suite_bootstrap(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(test_pending_is_made_once_and_sent_again),
        SUITE_TEST(test_pending_of_another_kind_gives_way),
        SUITE_TEST(test_accepting),
        SUITE_TEST(test_pending_for_several_servers),
        SUITE_TEST(test_promotion_by_generation),
        SUITE_TEST(test_loser_cannot_promote),
        SUITE_TEST(test_enrolled_credential_takes_the_place),
        SUITE_TEST(test_place_on_command),
        SUITE_TEST(test_devices_in_each_place),
        SUITE_TEST(test_retiring_has_a_grace),
        SUITE_TEST(test_servers_beyond_the_cap),
        SUITE_TEST(test_server_that_gave_way_does_not_come_back),
        SUITE_TEST(test_outcome_shows_in_the_device),
        SUITE_TEST(test_superseded_is_history_only),
        SUITE_TEST(test_history_keeps_everything),
        SUITE_TEST(test_history_order_and_pages),
        SUITE_TEST(test_changing_the_identity_keeps_history),
    };
    return cmocka_run_group_tests_name("bootstrap", tests, NULL, NULL);
}
