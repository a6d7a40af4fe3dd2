/* A fixed piece of work that meets every part of the store. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "scenario.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[3] = {"device-0", "device-1", "device-2"};

struct call {
    struct scenario *scenario;
    struct answer answer;
};

static void call_device(void *context, enum err_code result, const struct store_device *device)
{
    struct call *call = context;
    call->scenario->callbacks_run++;
    call->answer.calls++;
    call->answer.result = result;
    assert_true((device != NULL) == (result == ERR_OK));
    if (device != NULL) {
        assert_true(store_device_copy(&call->answer.device, device));
    }
}

static void call_done(void *context, enum err_code result)
{
    struct call *call = context;
    call->scenario->callbacks_run++;
    call->answer.calls++;
    call->answer.result = result;
}

static bool ended(struct bed *bed, struct call *call)
{
    while (call->answer.calls == 0) {
        struct pollfd ready = {.fd = store_lane_fd(bed->lane), .events = POLLIN};
        poll(&ready, 1, 1000);
        store_lane_poll(bed->lane);
    }
    call->scenario->failures += call->answer.result != ERR_OK;
    return call->answer.result == ERR_OK;
}

/* Whatever an administrator's call says, it says it with a text. */
static bool good(struct scenario *scenario, enum err_code code, const struct err *err)
{
    if (code == ERR_OK)
        return true;
    assert_int_equal(err->code, code);
    assert_true(err->text[0] != '\0');
    scenario->failures++;
    return false;
}

static void work_on_enrolment(struct bed *bed, struct scenario *scenario)
{
    struct store_device device;
    struct err err = {0};
    enum store_change change;
    for (unsigned i = 0; i < 3; i++) {
        device_make(&device, names[i]);
        device_add_credential(&device, 102, names[i], "first");
        scenario->enrolled[i] =
            good(scenario, store_enroll(bed->lane, &device, false, &change, &err), &err);
        store_device_clear(&device);
    }
    device_make(&device, names[1]);
    snprintf(device.enrollment.class_name, sizeof device.enrollment.class_name, "meter");
    device.enrollment.tags = NULL;
    device_add_credential(&device, 102, names[1], "second");
    scenario->replaced =
        good(scenario, store_enroll(bed->lane, &device, true, &change, &err), &err);
    store_device_clear(&device);
}

static void work_on_bootstrap(struct bed *bed, struct scenario *scenario)
{
    struct call found = {.scenario = scenario}, pending = found, recorded = found;
    struct store_new_credential credential = {.ssid = 101, .identity = {.len = 1, .data = {'i'}}};
    struct store_promotion promotion = {.ssid = 101, .generation = 1};
    struct outcome outcome;
    secret_random(&credential.key, 16);
    scenario->callbacks_asked += 3;
    store_find_identity(bed->lane, bytes_of_text("id-device-0"), call_device, &found);
    ended(bed, &found);
    store_make_pending(bed->lane, bytes_of_text(names[0]), &credential, 1, call_device, &pending);
    if (ended(bed, &pending))
        scenario->pending = generation_of(&pending.answer.device, 101, CREDENTIAL_PENDING);
    outcome_make(&outcome, names[0], STATE_BOOTSTRAPPED, 1);
    store_record(bed->lane, &outcome, &promotion, 1, call_done, &recorded);
    if (ended(bed, &recorded)) {
        scenario->outcomes++;
        scenario->promoted = scenario->pending;
    }
    bytes_wipe(&pending, sizeof pending);
}

static bool ignore_outcome(void *context, const struct outcome *outcome)
{
    return true;
}

static void work_on_lists(struct bed *bed, struct scenario *scenario)
{
    struct store_filter filter = {.state = -1, .cause = -1, .limit = 10};
    struct bytes name = bytes_of_text(names[0]);
    struct err err = {0};
    enum store_change change;
    good(scenario, store_list(bed->lane, &filter, ignore_row, NULL, &err), &err);
    good(scenario, store_history(bed->lane, name, NULL, 10, ignore_outcome, NULL, &err), &err);
    scenario->blocked = good(
        scenario, store_set_blocked(bed->lane, bytes_of_text(names[1]), true, &change, &err), &err);
    scenario->removed =
        good(scenario, store_remove(bed->lane, bytes_of_text(names[2]), &err), &err);
}

void scenario_run(struct bed *bed, struct scenario *scenario)
{
    *scenario = (struct scenario){0};
    scenario->open_code = store_open(&bed->config, &bed->store, &scenario->open_err);
    if (scenario->open_code != ERR_OK)
        return;
    scenario->open_code = store_lane_open(bed->store, &bed->lane, &scenario->open_err);
    if (scenario->open_code == ERR_OK) {
        scenario->opened = true;
        work_on_enrolment(bed, scenario);
        work_on_bootstrap(bed, scenario);
        work_on_lists(bed, scenario);
        store_lane_close(bed->lane);
    }
    store_close(bed->store);
    bed->lane = NULL;
    bed->store = NULL;
}

static void check_bootstrap(struct bed *bed, const struct scenario *scenario)
{
    struct answer answer = {0};
    if (find_endpoint(bed->lane, names[0], &answer) != ERR_OK) {
        assert_false(scenario->enrolled[0]);
        return;
    }
    uint64_t pending = generation_of(&answer.device, 101, CREDENTIAL_PENDING);
    uint64_t active = generation_of(&answer.device, 101, CREDENTIAL_ACTIVE);
    assert_int_equal(generation_of(&answer.device, 102, CREDENTIAL_ACTIVE), 1);
    assert_true(pending >= scenario->pending || active >= scenario->pending);
    assert_true(active >= scenario->promoted);
    assert_true(answer.device.enrollment.bootstraps >= scenario->outcomes);
    /* The promotion and its outcome go together. */
    if (active > 0)
        assert_int_equal(answer.device.enrollment.bootstraps, 1);
    assert_true(pending == 0 || active == 0);
    answer_clear(&answer);
}

static void check_changes(struct bed *bed, const struct scenario *scenario)
{
    struct answer answer = {0};
    if (find_endpoint(bed->lane, names[1], &answer) == ERR_OK) {
        bool replaced = strcmp(answer.device.enrollment.class_name, "meter") == 0;
        assert_true(replaced || !scenario->replaced);
        /* All of it or nothing. */
        const struct secret *key = key_of(&answer.device, 102, CREDENTIAL_ACTIVE);
        assert_non_null(key);
        assert_true(bytes_equal(secret_bytes(key), bytes_of_text(replaced ? "second" : "first")));
        if (scenario->blocked)
            assert_true(answer.device.enrollment.blocked);
    } else {
        assert_false(scenario->enrolled[1]);
    }
    enum err_code code = find_endpoint(bed->lane, names[2], &answer);
    if (scenario->removed)
        assert_int_equal(code, ERR_NOT_FOUND);
    answer_clear(&answer);
}

void scenario_check(struct bed *bed, const struct scenario *scenario)
{
    struct err err = {0};
    assert_int_equal(scenario->callbacks_asked, scenario->callbacks_run);
    bed_start(bed);
    check_bootstrap(bed, scenario);
    check_changes(bed, scenario);
    enroll(bed->lane, "afterwards");
    assert_int_equal(store_health(bed->store, &err), ERR_OK);
    bed_stop(bed);
}
