/* Enrolling, changing, blocking, removing, looking up. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum err_code enroll_device(struct bed *bed, const struct store_device *device, bool replace,
                                   enum store_change *change, struct err *err)
{
    *err = (struct err){0};
    return store_enroll(bed->lane, device, replace, change, err);
}

static void test_enrolled_device_is_found_whole(void **state)
{
    struct bed *bed = *state;
    struct store_device device;
    struct answer answer = {0};
    struct err err;
    enum store_change change;
    device_make(&device, "lamp-7");
    device_add_tag(&device, "street",
                   "Seestra\xc3\x9f"
                   "e 12 = south");
    device_add_tag(&device, "batch", "");
    device_add_credential(&device, 101, "dm-7", "dm-key-7");
    device_add_credential(&device, 102, "fw-7", "fw-key-7");
    assert_int_equal(enroll_device(bed, &device, false, &change, &err), ERR_OK);
    assert_int_equal(change, STORE_CREATED);

    assert_int_equal(find_identity(bed->lane, "id-lamp-7", &answer), ERR_OK);
    const struct enrollment *found = &answer.device.enrollment;
    assert_string_equal(found->endpoint, "lamp-7");
    assert_string_equal(found->class_name, "lamp");
    assert_true(
        bytes_equal(identity_bytes(&found->identity), identity_bytes(&device.enrollment.identity)));
    assert_true(secret_equal(&answer.device.bootstrap_key, &device.bootstrap_key));
    assert_false(found->blocked);
    assert_int_equal(found->revision, 1);
    assert_int_equal(found->bootstraps, 0);
    assert_int_equal(found->tag_count, 2);
    assert_string_equal(enrollment_tag(found, "street"), "Seestra\xc3\x9f"
                                                         "e 12 = south");
    assert_string_equal(enrollment_tag(found, "batch"), "");
    assert_int_equal(found->credential_count, 2);
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_ACTIVE), 1);
    assert_true(secret_equal(key_of(&answer.device, 101, CREDENTIAL_ACTIVE), &device.keys[0]));
    assert_true(secret_equal(key_of(&answer.device, 102, CREDENTIAL_ACTIVE), &device.keys[1]));
    assert_int_equal(found->credentials[0].key_len, strlen("dm-key-7"));
    assert_int_equal(answer.device.state, STATE_NEW);
    assert_int_equal(answer.device.cause, CAUSE_NONE);
    assert_true(answer.device.created_wall_ms > 1700000000000);
    assert_int_equal(answer.device.last_wall_ms, 0);

    struct store_device same = answer.device;
    answer.device = (struct store_device){0};
    assert_int_equal(find_endpoint(bed->lane, "lamp-7", &answer), ERR_OK);
    assert_string_equal(answer.device.enrollment.endpoint, same.enrollment.endpoint);
    assert_int_equal(answer.device.enrollment.credential_count, 2);
    assert_int_equal(get_device(bed->lane, "lamp-7", &answer), ERR_OK);
    assert_string_equal(enrollment_tag(&answer.device.enrollment, "batch"), "");
    answer_clear(&answer);
    store_device_clear(&same);
    store_device_clear(&device);
}

static struct bytes public_of(const struct answer *answer, enum credential_status status)
{
    const struct enrolled_credential *credential =
        enrollment_credential(&answer->device.enrollment, 101, status);
    assert_non_null(credential);
    assert_int_equal(credential->kind, CREDENTIAL_KIND_X509);
    struct bytes data =
        blob_bytes(answer->device.publics[credential - answer->device.enrollment.credentials]);
    assert_int_equal(credential->public_len, data.len);
    return data;
}

static void test_certificates_are_kept_with_their_key(void **state)
{
    struct bed *bed = *state;
    struct store_device device;
    struct answer answer = {0};
    struct err err = {0};
    enum store_change change;
    uint8_t first[PUBLIC_PART_MAX], second[700];
    memset(first, 0x30, sizeof first);
    memset(second, 0x31, sizeof second);
    device_make(&device, "lamp-7");
    device_add_credential(&device, 101, "", "private key");
    device.enrollment.credentials[0].kind = CREDENTIAL_KIND_X509;
    device.enrollment.credentials[0].public_len = sizeof first;
    device.publics[0] = blob_new(bytes_of(first, sizeof first));
    assert_int_equal(enroll_device(bed, &device, false, &change, &err), ERR_OK);
    assert_int_equal(enroll_device(bed, &device, false, &change, &err), ERR_OK);
    assert_int_equal(change, STORE_UNCHANGED);
    blob_unref(device.publics[0]);
    device.enrollment.credentials[0].public_len = sizeof second;
    device.publics[0] = blob_new(bytes_of(second, sizeof second));
    assert_int_equal(enroll_device(bed, &device, false, &change, &err), ERR_EXISTS);
    assert_int_equal(enroll_device(bed, &device, true, &change, &err), ERR_OK);
    assert_int_equal(change, STORE_CHANGED);
    assert_int_equal(find_endpoint(bed->lane, "lamp-7", &answer), ERR_OK);
    assert_true(
        bytes_equal(public_of(&answer, CREDENTIAL_ACTIVE), bytes_of(second, sizeof second)));
    assert_true(
        bytes_equal(public_of(&answer, CREDENTIAL_RETIRING), bytes_of(first, sizeof first)));
    answer_clear(&answer);
    store_device_clear(&device);
}

static void test_unknown_is_not_found(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    char long_name[ENDPOINT_MAX + 2];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    enroll(bed->lane, "lamp-7");
    assert_int_equal(find_identity(bed->lane, "lamp-7", &answer), ERR_NOT_FOUND);
    assert_int_equal(find_identity(bed->lane, "", &answer), ERR_NOT_FOUND);
    assert_int_equal(find_identity(bed->lane, long_name, &answer), ERR_NOT_FOUND);
    assert_int_equal(find_endpoint(bed->lane, "id-lamp-7", &answer), ERR_NOT_FOUND);
    assert_int_equal(find_endpoint(bed->lane, "lamp-", &answer), ERR_NOT_FOUND);
    assert_int_equal(find_endpoint(bed->lane, "lamp-77", &answer), ERR_NOT_FOUND);
    assert_int_equal(find_endpoint(bed->lane, long_name, &answer), ERR_NOT_FOUND);
    answer_clear(&answer);
    store_find_endpoint(bed->lane, bytes_of("lamp-7\0x", 8), answer_device, &answer);
    assert_int_equal(answer.calls, 1);
    assert_int_equal(answer.result, ERR_NOT_FOUND);
    assert_int_equal(get_device(bed->lane, "nobody", &answer), ERR_NOT_FOUND);
    assert_int_equal(make_pending(bed->lane, "nobody", 101, "k", &answer), ERR_NOT_FOUND);
    answer_clear(&answer);
}

static void test_lookup_answers_at_once(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    enroll(bed->lane, "lamp-7");
    store_find_identity(bed->lane, bytes_of_text("id-lamp-7"), answer_device, &answer);
    assert_int_equal(answer.calls, 1);
    assert_int_equal(answer.result, ERR_OK);
    answer_clear(&answer);
}

static void test_same_data_again_changes_nothing(void **state)
{
    struct bed *bed = *state;
    struct store_device device;
    struct answer answer = {0};
    struct err err;
    enum store_change change;
    device_make(&device, "lamp-7");
    device_add_tag(&device, "b", "2");
    device_add_tag(&device, "a", "1");
    device_add_credential(&device, 101, "dm-7", "dm-key-7");
    assert_int_equal(enroll_device(bed, &device, false, &change, &err), ERR_OK);
    for (int replace = 0; replace <= 1; replace++) {
        assert_int_equal(enroll_device(bed, &device, replace, &change, &err), ERR_OK);
        assert_int_equal(change, STORE_UNCHANGED);
    }
    /* The order of tags says nothing. */
    struct tag first = device.enrollment.tags[0];
    device.enrollment.tags[0] = device.enrollment.tags[1];
    device.enrollment.tags[1] = first;
    assert_int_equal(enroll_device(bed, &device, false, &change, &err), ERR_OK);
    assert_int_equal(change, STORE_UNCHANGED);
    assert_int_equal(get_device(bed->lane, "lamp-7", &answer), ERR_OK);
    assert_int_equal(answer.device.enrollment.revision, 1);
    assert_int_equal(generation_of(&answer.device, 101, CREDENTIAL_ACTIVE), 1);
    answer_clear(&answer);
    store_device_clear(&device);
}

static void vary(struct store_device *device, int what)
{
    if (what == 0)
        snprintf(device->enrollment.class_name, sizeof device->enrollment.class_name, "meter");
    else if (what == 1)
        assert_true(identity_set(&device->enrollment.identity, bytes_of_text("other")));
    else if (what == 2)
        assert_true(secret_set(&device->bootstrap_key, bytes_of_text("other key")));
    else if (what == 3)
        device_add_tag(device, "a", "1");
    else
        device_add_credential(device, 101, "dm", "dm-key");
}

static void test_other_data_needs_replace(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    struct err err;
    enum store_change change = STORE_UNCHANGED;
    for (int what = 0; what < 5; what++) {
        struct store_device device;
        char name[16];
        snprintf(name, sizeof name, "lamp-%d", what);
        enroll(bed->lane, name);
        device_make(&device, name);
        vary(&device, what);
        assert_int_equal(enroll_device(bed, &device, false, &change, &err), ERR_EXISTS);
        assert_non_null(strstr(err.text, name));
        assert_int_equal(get_device(bed->lane, name, &answer), ERR_OK);
        assert_int_equal(answer.device.enrollment.revision, 1);
        assert_int_equal(enroll_device(bed, &device, true, &change, &err), ERR_OK);
        assert_int_equal(change, STORE_CHANGED);
        assert_int_equal(get_device(bed->lane, name, &answer), ERR_OK);
        assert_int_equal(answer.device.enrollment.revision, 2);
        assert_int_equal(enroll_device(bed, &device, false, &change, &err), ERR_OK);
        assert_int_equal(change, STORE_UNCHANGED);
        store_device_clear(&device);
        /* The next one may have the identity "other". */
        if (what == 1)
            assert_int_equal(store_remove(bed->lane, bytes_of_text(name), &err), ERR_OK);
    }
    answer_clear(&answer);
}

static void test_identity_belongs_to_one(void **state)
{
    struct bed *bed = *state;
    struct store_device device;
    struct answer answer = {0};
    struct err err;
    enum store_change change;
    enroll(bed->lane, "lamp-1");
    enroll(bed->lane, "lamp-2");
    device_make(&device, "lamp-3");
    assert_true(identity_set(&device.enrollment.identity, bytes_of_text("id-lamp-1")));
    assert_int_equal(enroll_device(bed, &device, false, &change, &err), ERR_CONFLICT);
    assert_non_null(strstr(err.text, "lamp-1"));
    assert_non_null(strstr(err.text, "lamp-3"));
    assert_int_equal(get_device(bed->lane, "lamp-3", &answer), ERR_NOT_FOUND);
    store_device_clear(&device);

    device_make(&device, "lamp-2");
    assert_true(identity_set(&device.enrollment.identity, bytes_of_text("id-lamp-1")));
    assert_int_equal(enroll_device(bed, &device, true, &change, &err), ERR_CONFLICT);
    assert_int_equal(find_identity(bed->lane, "id-lamp-2", &answer), ERR_OK);
    store_device_clear(&device);

    /* Free again once its owner gave it up. */
    device_make(&device, "lamp-1");
    assert_true(identity_set(&device.enrollment.identity, bytes_of_text("fresh")));
    assert_int_equal(enroll_device(bed, &device, true, &change, &err), ERR_OK);
    assert_int_equal(find_identity(bed->lane, "id-lamp-1", &answer), ERR_NOT_FOUND);
    assert_int_equal(find_identity(bed->lane, "fresh", &answer), ERR_OK);
    assert_string_equal(answer.device.enrollment.endpoint, "lamp-1");
    store_device_clear(&device);
    device_make(&device, "lamp-3");
    assert_true(identity_set(&device.enrollment.identity, bytes_of_text("id-lamp-1")));
    assert_int_equal(enroll_device(bed, &device, false, &change, &err), ERR_OK);
    store_device_clear(&device);
    answer_clear(&answer);
}

static void test_devices_without_identity(void **state)
{
    struct bed *bed = *state;
    struct store_device device = {0};
    struct answer answer = {0};
    struct err err;
    enum store_change change;
    for (int i = 0; i < 3; i++) {
        snprintf(device.enrollment.endpoint, sizeof device.enrollment.endpoint, "cert-%d", i);
        assert_int_equal(enroll_device(bed, &device, false, &change, &err), ERR_OK);
        assert_int_equal(change, STORE_CREATED);
    }
    assert_int_equal(find_endpoint(bed->lane, "cert-1", &answer), ERR_OK);
    assert_int_equal(answer.device.enrollment.identity.len, 0);
    assert_string_equal(answer.device.enrollment.class_name, "");
    answer_clear(&answer);
}

static void spoil(struct store_device *device, int what)
{
    struct enrollment *enrollment = &device->enrollment;
    if (what == 0) {
        enrollment->endpoint[0] = '\0';
    } else if (what == 1) {
        enrollment->endpoint[0] = '\n';
    } else if (what == 2) {
        enrollment->class_name[0] = 'L';
    } else if (what == 3) {
        enrollment->identity.len = 0;
    } else if (what == 4) {
        secret_clear(&device->bootstrap_key);
    } else if (what == 5) {
        device_add_tag(device, "two words", "x");
    } else if (what == 6) {
        device_add_tag(device, "a", "1");
        device_add_tag(device, "a", "2");
    } else if (what == 7) {
        device_add_credential(device, 0, "a", "b");
    } else if (what == 8) {
        device_add_credential(device, 5, "a", "b");
        device_add_credential(device, 5, "c", "d");
    } else {
        device_add_tag(device, "a", "line\nbreak");
    }
}

static void test_malformed_devices_are_refused(void **state)
{
    struct bed *bed = *state;
    for (int what = 0; what < 10; what++) {
        struct store_device device;
        struct err err;
        enum store_change change;
        device_make(&device, "lamp-7");
        spoil(&device, what);
        enum err_code code = enroll_device(bed, &device, true, &change, &err);
        assert_true(code == ERR_INVALID || code == ERR_RANGE);
        assert_int_equal(err.code, code);
        assert_true(strlen(err.text) > 10);
        store_device_clear(&device);
    }
    assert_int_equal(count_of(bed->store, "lamp", STATE_NEW), 0);
}

static void test_longest_values_fit(void **state)
{
    struct bed *bed = *state;
    struct store_device device = {0};
    struct answer answer = {0};
    struct err err;
    enum store_change change;
    uint8_t raw[IDENTITY_MAX];
    for (size_t i = 0; i < sizeof raw; i++)
        raw[i] = (uint8_t)(i * 2 + 1); /* not UTF-8 */
    memset(device.enrollment.endpoint, 'e', ENDPOINT_MAX);
    memset(device.enrollment.class_name, 'c', CLASS_MAX);
    assert_true(identity_set(&device.enrollment.identity, bytes_of(raw, sizeof raw)));
    secret_random(&device.bootstrap_key, SECRET_MAX);
    for (int i = 0; i < TAGS_MAX; i++) {
        char name[TAG_NAME_MAX + 1], value[TAG_VALUE_MAX + 1];
        memset(name, 'n', TAG_NAME_MAX);
        memset(value, 'v', TAG_VALUE_MAX);
        name[TAG_NAME_MAX] = value[TAG_VALUE_MAX] = '\0';
        name[0] = (char)('A' + i % 26);
        name[1] = (char)('a' + i / 26);
        device_add_tag(&device, name, value);
    }
    for (int i = 0; i < SERVERS_MAX; i++) {
        device_add_credential(&device, (uint16_t)(65534 - i), "x", "y");
        device.enrollment.credentials[i].identity = device.enrollment.identity;
        secret_random(&device.keys[i], SECRET_MAX);
    }
    assert_int_equal(enroll_device(bed, &device, false, &change, &err), ERR_OK);
    answer_clear(&answer);
    store_find_identity(bed->lane, bytes_of(raw, sizeof raw), answer_device, &answer);
    answer_wait(bed->lane, &answer);
    assert_int_equal(answer.result, ERR_OK);
    assert_string_equal(answer.device.enrollment.endpoint, device.enrollment.endpoint);
    assert_true(secret_equal(&answer.device.bootstrap_key, &device.bootstrap_key));
    assert_int_equal(answer.device.enrollment.tag_count, TAGS_MAX);
    for (int i = 0; i < SERVERS_MAX; i++)
        assert_true(secret_equal(key_of(&answer.device, (uint16_t)(65534 - i), CREDENTIAL_ACTIVE),
                                 &device.keys[i]));
    assert_int_equal(enroll_device(bed, &device, false, &change, &err), ERR_OK);
    assert_int_equal(change, STORE_UNCHANGED);
    answer_clear(&answer);
    store_device_clear(&device);
}

static void test_blocking(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    struct outcome outcome;
    struct err err;
    enum store_change change;
    struct bytes name = bytes_of_text("lamp-7");
    enroll(bed->lane, "lamp-7");
    outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, 1);
    assert_int_equal(record(bed->lane, &outcome, 0, 0), ERR_OK);
    assert_int_equal(store_set_blocked(bed->lane, name, true, &change, &err), ERR_OK);
    assert_int_equal(change, STORE_CHANGED);
    assert_int_equal(store_set_blocked(bed->lane, name, true, &change, &err), ERR_OK);
    assert_int_equal(change, STORE_UNCHANGED);
    assert_int_equal(find_identity(bed->lane, "id-lamp-7", &answer), ERR_OK);
    assert_true(answer.device.enrollment.blocked);
    assert_int_equal(answer.device.state, STATE_BLOCKED);
    assert_int_equal(answer.device.enrollment.revision, 2);
    assert_int_equal(count_of(bed->store, "lamp", STATE_BLOCKED), 1);
    assert_int_equal(count_of(bed->store, "lamp", STATE_BOOTSTRAPPED), 0);

    /* What a session that was under way reports shows once the device is unblocked. */
    outcome_make(&outcome, "lamp-7", STATE_FAILED, 2);
    assert_int_equal(record(bed->lane, &outcome, 0, 0), ERR_OK);
    assert_int_equal(count_of(bed->store, "lamp", STATE_BLOCKED), 1);
    assert_int_equal(store_set_blocked(bed->lane, name, false, &change, &err), ERR_OK);
    assert_int_equal(change, STORE_CHANGED);
    assert_int_equal(find_identity(bed->lane, "id-lamp-7", &answer), ERR_OK);
    assert_int_equal(answer.device.state, STATE_FAILED);
    assert_int_equal(count_of(bed->store, "lamp", STATE_FAILED), 1);
    assert_int_equal(store_set_blocked(bed->lane, bytes_of_text("nobody"), true, &change, &err),
                     ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "nobody"));

    /* Enrolling again, even with replace, does not unblock. */
    assert_int_equal(store_set_blocked(bed->lane, name, true, &change, &err), ERR_OK);
    struct store_device device;
    device_make(&device, "lamp-7");
    device_add_tag(&device, "a", "1");
    assert_int_equal(store_enroll(bed->lane, &device, true, &change, &err), ERR_OK);
    assert_int_equal(get_device(bed->lane, "lamp-7", &answer), ERR_OK);
    assert_true(answer.device.enrollment.blocked);
    store_device_clear(&device);
    answer_clear(&answer);
}

static void test_removal_leaves_nothing(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    struct outcome outcome;
    struct err err;
    unsigned outcomes = 0;
    struct bytes name = bytes_of_text("lamp-7");
    enroll(bed->lane, "lamp-7");
    assert_int_equal(make_pending(bed->lane, "lamp-7", 101, "k1", &answer), ERR_OK);
    outcome_make(&outcome, "lamp-7", STATE_BOOTSTRAPPED, 1);
    assert_int_equal(record(bed->lane, &outcome, 101, 1), ERR_OK);
    assert_int_equal(store_remove(bed->lane, name, &err), ERR_OK);
    assert_int_equal(store_remove(bed->lane, name, &err), ERR_NOT_FOUND);
    assert_int_equal(find_identity(bed->lane, "id-lamp-7", &answer), ERR_NOT_FOUND);
    assert_int_equal(store_history(bed->lane, name, NULL, 10, count_outcome, &outcomes, &err),
                     ERR_NOT_FOUND);
    /* Outcomes of sessions that outlived the device are dropped. */
    outcome_make(&outcome, "lamp-7", STATE_FAILED, 2);
    assert_int_equal(record(bed->lane, &outcome, 0, 0), ERR_NOT_FOUND);
    store_record(bed->lane, &outcome, NULL, 0, NULL, NULL);
    assert_int_equal(count_of(bed->store, "lamp", STATE_BOOTSTRAPPED), 0);
    assert_int_equal(count_of(bed->store, "lamp", STATE_FAILED), 0);

    enroll(bed->lane, "lamp-7");
    assert_int_equal(get_device(bed->lane, "lamp-7", &answer), ERR_OK);
    assert_int_equal(answer.device.enrollment.credential_count, 0);
    assert_int_equal(answer.device.enrollment.bootstraps, 0);
    assert_int_equal(answer.device.state, STATE_NEW);
    assert_int_equal(store_history(bed->lane, name, NULL, 10, count_outcome, &outcomes, &err),
                     ERR_OK);
    assert_int_equal(outcomes, 0);
    answer_clear(&answer);
}

/* What only a file can show: the number of a removed device comes again after a restart, and
 * nothing else of it. */
static void test_the_next_device_inherits_nothing(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    struct outcome outcome;
    struct err err;
    unsigned outcomes = 0;
    if (strcmp(suite_backend, "memory") == 0)
        skip();
    enroll(bed->lane, "lamp-1");
    outcome_make(&outcome, "lamp-1", STATE_FAILED, 1);
    assert_int_equal(record(bed->lane, &outcome, 0, 0), ERR_OK);
    bed_stop(bed); /* which folds it */
    bed_start(bed);
    assert_int_equal(get_device(bed->lane, "lamp-1", &answer), ERR_OK);
    assert_int_equal(answer.device.state, STATE_FAILED);
    int64_t id = answer.device.id;
    assert_int_equal(store_remove(bed->lane, bytes_of_text("lamp-1"), &err), ERR_OK);
    bed_stop(bed);
    bed_start(bed);
    enroll(bed->lane, "lamp-2");
    assert_int_equal(get_device(bed->lane, "lamp-2", &answer), ERR_OK);
    assert_int_equal(answer.device.id, id);
    assert_int_equal(answer.device.state, STATE_NEW);
    assert_int_equal(answer.device.cause, CAUSE_NONE);
    assert_int_equal(answer.device.last_wall_ms, 0);
    assert_int_equal(
        store_history(bed->lane, bytes_of_text("lamp-2"), NULL, 10, count_outcome, &outcomes, &err),
        ERR_OK);
    assert_int_equal(outcomes, 0);
    bed_stop(bed);
    bed_start(bed);
    assert_int_equal(count_of(bed->store, "lamp", STATE_NEW), 1);
    answer_clear(&answer);
}

static void test_enroll_many(void **state)
{
    enum { MANY = 150 };
    struct bed *bed = *state;
    struct store_device *devices = calloc(MANY, sizeof *devices);
    struct store_enrolled *results = calloc(MANY, sizeof *results);
    struct answer answer = {0};
    assert_true(devices != NULL && results != NULL);
    for (unsigned i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "lamp-%03u", i);
        device_make(&devices[i], name);
    }
    /* One repeats another's identity, one is malformed, one is there twice with other data. */
    devices[70].enrollment.identity = devices[3].enrollment.identity;
    devices[71].enrollment.endpoint[0] = '\t';
    memcpy(devices[72].enrollment.endpoint, "lamp-004", sizeof "lamp-004");
    store_enroll_many(bed->lane, devices, MANY, false, results);
    for (unsigned i = 0; i < MANY; i++) {
        enum err_code wanted = i == 70   ? ERR_CONFLICT
                               : i == 71 ? ERR_INVALID
                               : i == 72 ? ERR_EXISTS
                                         : ERR_OK;
        assert_int_equal(results[i].code, wanted);
        if (wanted == ERR_OK)
            assert_int_equal(results[i].change, STORE_CREATED);
        else
            assert_true(results[i].err.text[0] != '\0');
    }
    assert_int_equal(count_of(bed->store, "lamp", STATE_NEW), MANY - 3);
    store_enroll_many(bed->lane, devices, 3, false, results);
    assert_int_equal(results[2].change, STORE_UNCHANGED);
    assert_int_equal(find_identity(bed->lane, "id-lamp-149", &answer), ERR_OK);
    answer_clear(&answer);
    for (unsigned i = 0; i < MANY; i++)
        store_device_clear(&devices[i]);
    free(devices);
    free(results);
}

static void test_metrics(void **state)
{
    struct bed *bed = *state;
    struct store_metrics metrics;
    struct err err;
    enroll(bed->lane, "lamp-1");
    enroll(bed->lane, "lamp-2");
    store_metrics(bed->store, &metrics);
    assert_string_equal(metrics.backend, suite_backend);
    assert_int_equal(metrics.rows, 2);
    assert_true(metrics.commits >= 1 && metrics.commits <= 2);
    assert_int_equal(metrics.failures, 0);
    assert_int_equal(metrics.queue_depth, 0);
    assert_int_equal(store_health(bed->store, &err), ERR_OK);
}

int suite_enroll(void)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(test_enrolled_device_is_found_whole),
        SUITE_TEST(test_certificates_are_kept_with_their_key),
        SUITE_TEST(test_unknown_is_not_found),
        SUITE_TEST(test_lookup_answers_at_once),
        SUITE_TEST(test_same_data_again_changes_nothing),
        SUITE_TEST(test_other_data_needs_replace),
        SUITE_TEST(test_identity_belongs_to_one),
        SUITE_TEST(test_devices_without_identity),
        SUITE_TEST(test_malformed_devices_are_refused),
        SUITE_TEST(test_longest_values_fit),
        SUITE_TEST(test_blocking),
        SUITE_TEST(test_removal_leaves_nothing),
        SUITE_TEST(test_the_next_device_inherits_nothing),
        SUITE_TEST(test_enroll_many),
        SUITE_TEST(test_metrics),
    };
    return cmocka_run_group_tests_name("enroll", tests, NULL, NULL);
}
