/* The session state machine: parameters, bounds, texts, and storms of random events. What follows
 * what is told by the scripts in tests/replay. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CODE(class, detail) ((uint8_t)((class) << 5 | (detail)))

static const char profiles[] =
    "- class: lamp\n"
    "  servers:\n"
    "    - { id: 101, uri: \"coaps://a\", security: { mode: psk, credential: generate } }\n"
    "- class: slow\n"
    "  extends: lamp\n"
    "  client: { ack-timeout: 9s, request-timeout: 120s, message-max: 512 }\n"
    "- class: talkative\n"
    "  extends: lamp\n"
    "  client: { discover: never, delete: none }\n"
    "  write:\n"
    "    /33001/0/1: { type: integer, value: 1, optional: true }\n"
    "    /33002/0/1: { type: integer, value: 1, optional: true }\n"
    "    /33003/0/1: { type: integer, value: 1, optional: true }\n"
    "    /33004/0/1: { type: integer, value: 1, optional: true }\n"
    "    /33005/0/1: { type: integer, value: 1, optional: true }\n"
    "    /33006/0/1: { type: integer, value: 1, optional: true }\n"
    "    /33007/0/1: { type: integer, value: 1, optional: true }\n"
    "    /33008/0/1: { type: integer, value: 1, optional: true }\n"
    "    /33009/0/1: { type: integer, value: 1, optional: true }\n"
    "- class: shared\n"
    "  rebootstrap: once\n"
    "  servers:\n"
    "    - { id: 101, uri: \"coaps://a\", security: { mode: psk, credential: generate } }\n"
    "    - { id: 102, uri: \"coaps://b\", security: { mode: psk, credential: generate } }\n"
    "  access-control: [{ object: /3/0, owner: 101, grant: { 102: [read] } }]\n"
    "  write:\n"
    "    /33001/0/1: { type: integer, value: 1 }\n"
    "    /33002/0/1: { type: integer, value: 1, optional: true }\n"
    "- class: clock\n"
    "  servers: [{ id: 1, uri: \"coap://d\", security: { mode: nosec } }]\n"
    "  write: { /3/0/13: \"${now}\" }\n"
    "  client: { discover: never, delete: none }\n"
    "- class: enrolled\n"
    "  servers:\n"
    "    - { id: 103, uri: \"coaps://c\", security: { mode: psk, credential: enrolled } }\n"
    "  client: { discover: never }\n";

/* One session and what it works with. */
struct bench {
    struct world world;
    struct session *session;
    struct session_actions actions;
    struct watch watch;
    uint64_t now;
    struct outcome outcome; /* of the last RECORD */
};

static void bench_connect(struct bench *bench, const char *identity)
{
    struct session_start start = {.started_ms = bench->now, .started_wall_ms = 5000};
    assert_true(identity_set(&start.identity, bytes_of_text(identity)));
    session_free(bench->session);
    watch_next_session(&bench->watch);
    bench->session = session_new(&start);
    assert_non_null(bench->session);
}

static void bench_init(struct bench *bench, const char *class_name)
{
    *bench = (struct bench){.now = 1000};
    assert_true(world_load_profiles(&bench->world, "test.yaml", profiles));
    assert_non_null(world_enroll(&bench->world, "lamp7", class_name, "id-7"));
    bench_connect(bench, "id-7");
}

static void bench_clear(struct bench *bench)
{
    session_free(bench->session);
    world_clear(&bench->world);
}

static void bench_step(struct bench *bench, const struct session_event *event)
{
    (void)watch_event(&bench->watch, event);
    session_step(bench->session, event, bench->now, &bench->actions);
    (void)watch_actions(&bench->watch, bench->session, &bench->actions);
    assert_string_equal(bench->watch.broken, "");
    for (size_t i = 0; i < bench->actions.count; i++) {
        if (bench->actions.items[i].kind == ACTION_RECORD)
            bench->outcome = *bench->actions.items[i].outcome;
    }
}

static const struct session_action *find_action(const struct bench *bench,
                                                enum session_action_kind kind)
{
    for (size_t i = 0; i < bench->actions.count; i++) {
        if (bench->actions.items[i].kind == kind)
            return &bench->actions.items[i];
    }
    return NULL;
}

static void answer(struct bench *bench, uint8_t code, const char *payload)
{
    bench_step(bench, &(struct session_event){.kind = SESSION_ANSWER,
                                              .code = code,
                                              .format = FORMAT_NONE,
                                              .payload = bytes_of_text(payload),
                                              .attempts = 1});
}

static void request(struct bench *bench, const char *endpoint)
{
    bench_step(bench, &(struct session_event){.kind = SESSION_REQUEST,
                                              .endpoint = bytes_of_text(endpoint)});
}

static void resolved(struct bench *bench)
{
    bench_step(bench, &(struct session_event){.kind = SESSION_RESOLVED,
                                              .enrollment = &bench->world.devices[0],
                                              .profiles = bench->world.profiles});
}

/* Up to the first operation. */
static void bench_start(struct bench *bench)
{
    request(bench, "lamp7");
    resolved(bench);
    const struct session_action *commit = find_action(bench, ACTION_COMMIT);
    if (commit != NULL) {
        world_commit(&bench->world.devices[0], commit->needs, commit->need_count);
        bench_step(bench, &(struct session_event){.kind = SESSION_COMMITTED,
                                                  .enrollment = &bench->world.devices[0]});
    }
    bench_step(bench, &(struct session_event){.kind = SESSION_RESPONDED});
}

/* Answers every operation with `code` up to Finish, which stays open. */
static void answer_until_finish(struct bench *bench, uint8_t delete_code, uint8_t write_code)
{
    const struct session_action *send = find_action(bench, ACTION_SEND);
    for (int i = 0; i < 1000; i++) {
        assert_non_null(send);
        if (send->operation->kind == OPERATION_FINISH)
            return;
        bool account = send->operation->kind == OPERATION_WRITE && send->operation->path.ids[0] < 2;
        bool write = send->operation->kind == OPERATION_WRITE;
        answer(bench, account ? CODE(2, 4) : write ? write_code : delete_code, "");
        send = find_action(bench, ACTION_SEND);
    }
    fail();
}

/* I8, should the driver ever look up the wrong device: the certificate has the last word. The names
 * are the session's own copy. */
static void test_certificate_does_not_name_the_device(void **state)
{
    struct bench bench;
    struct names names = {0};
    struct session_start start = {.proof = PROOF_CERTIFICATE, .names = &names};

    bench_init(&bench, "lamp");
    names_add(&names, bytes_of_text("lamp8"));
    session_free(bench.session);
    watch_next_session(&bench.watch);
    bench.session = session_new(&start);
    assert_non_null(bench.session);
    memset(&names, 0, sizeof names);
    request(&bench, "lamp7");
    assert_string_equal(session_lookup(bench.session), "lamp8");
    resolved(&bench); /* lamp7 */
    assert_int_equal(find_action(&bench, ACTION_RESPOND)->code, 4 << 5);
    assert_int_equal(bench.outcome.cause, CAUSE_ENDPOINT_MISMATCH);
    assert_string_equal(bench.outcome.endpoint, "");
    bench_clear(&bench);
}

static void test_send_has_what_the_class_says(void **state)
{
    struct bench bench;
    bench_init(&bench, "slow");
    bench_start(&bench);
    const struct session_action *send = find_action(&bench, ACTION_SEND);
    assert_non_null(send);
    assert_int_equal(send->ack_timeout_ms, 9000);
    assert_int_equal(send->request_timeout_ms, 120000);
    assert_int_equal(send->message_max, 512);
    bench_clear(&bench);
}

static void test_send_defaults(void **state)
{
    struct bench bench;
    bench_init(&bench, "lamp");
    bench_start(&bench);
    const struct session_action *send = find_action(&bench, ACTION_SEND);
    assert_non_null(send);
    assert_int_equal(send->operation->kind, OPERATION_DISCOVER);
    assert_int_equal(send->operation->path.depth, 0);
    assert_int_equal(send->format, FORMAT_NONE);
    assert_int_equal(send->ack_timeout_ms, 0);
    assert_int_equal(send->request_timeout_ms, 93000);
    assert_int_equal(send->message_max, 0);
    bench_clear(&bench);
}

/* The bytes of a key come from the store while encoding: a write holds references to the pending
 * generation, and the enrolment that the driver looks them up in has that generation. */
static void test_write_names_the_pending_generation(void **state)
{
    struct bench bench;
    bench_init(&bench, "talkative");
    world_add_credential(&bench.world.devices[0], 101, CREDENTIAL_ACTIVE, 6);
    world_add_credential(&bench.world.devices[0], 101, CREDENTIAL_PENDING, 7);
    bench_start(&bench);
    const struct session_action *send = find_action(&bench, ACTION_SEND);
    assert_non_null(send);
    bool found = false;
    for (size_t i = 0; i < send->operation->record_count; i++) {
        const struct value *value = &send->operation->records[i].value;
        if (value->type != VALUE_SECRET)
            continue;
        assert_int_equal(value->secret.generation, 7);
        found = true;
    }
    assert_true(found);
    assert_int_equal(
        enrollment_credential(session_enrollment(bench.session), 101, CREDENTIAL_PENDING)
            ->generation,
        7);
    bench_clear(&bench);
}

/* ${now} is the wall clock at the step that makes the plan. */
static void test_now_is_the_time_of_the_plan(void **state)
{
    struct bench bench;
    bench_init(&bench, "clock");
    request(&bench, "lamp7");
    resolved(&bench);
    bench_step(&bench,
               &(struct session_event){.kind = SESSION_RESPONDED, .wall_ms = 1767225600000});
    const struct session_action *send = find_action(&bench, ACTION_SEND);
    while (send != NULL && send->operation->path.ids[0] != OBJECT_DEVICE) {
        answer(&bench, CODE(2, 4), "");
        send = find_action(&bench, ACTION_SEND);
    }
    assert_non_null(send);
    assert_int_equal(send->operation->records[0].value.integer, 1767225600);
    bench_clear(&bench);
}

static void test_outcome_is_filled(void **state)
{
    struct bench bench;
    bench_init(&bench, "talkative");
    bench.now += 70;
    bench_start(&bench);
    bench.now += 30;
    answer_until_finish(&bench, CODE(2, 2), CODE(2, 4));
    bench.now += 400;
    answer(&bench, CODE(2, 4), "");
    assert_int_equal(bench.outcome.state, STATE_BOOTSTRAPPED);
    assert_string_equal(bench.outcome.endpoint, "lamp7");
    assert_string_equal(bench.outcome.class_name, "talkative");
    assert_int_equal(bench.outcome.started_wall_ms, 5000);
    assert_int_equal(bench.outcome.duration_ms, 500);
    assert_int_equal(bench.outcome.steps[bench.outcome.step_count - 1].duration_ms, 400);
    assert_int_equal(strlen(bench.outcome.profile_hash), 16);
    assert_string_not_equal(bench.outcome.profile_hash, "0000000000000000");
    bench_clear(&bench);
}

static void test_recorded_lets_go(void **state)
{
    struct bench bench;
    bench_init(&bench, "talkative");
    assert_null(session_enrollment(bench.session));
    bench_start(&bench);
    answer_until_finish(&bench, CODE(2, 2), CODE(2, 4));
    answer(&bench, CODE(2, 4), "");
    assert_non_null(session_enrollment(bench.session)); /* for the promotion */
    session_recorded(bench.session);
    assert_null(session_enrollment(bench.session));
    session_recorded(bench.session);
    assert_int_equal(session_state(bench.session), STATE_BOOTSTRAPPED);
    assert_string_equal(session_endpoint(bench.session), "lamp7");
    assert_false(session_over(bench.session));
    bench_step(&bench, &(struct session_event){.kind = SESSION_CLOSED, .cause = CAUSE_CLOSED});
    assert_true(session_over(bench.session));
    bench_clear(&bench);
}

static void test_more_warnings_than_are_kept(void **state)
{
    struct bench bench;
    bench_init(&bench, "talkative");
    bench_start(&bench);
    answer_until_finish(&bench, CODE(2, 2), CODE(4, 5));
    answer(&bench, CODE(2, 4), "");
    assert_int_equal(bench.outcome.state, STATE_BOOTSTRAPPED);
    assert_int_equal(bench.outcome.warning_count, OUTCOME_WARNINGS_MAX);
    assert_string_equal(bench.outcome.warnings[0],
                        "PUT /33001/0 as tlv was answered 4.05 Method Not Allowed");
    assert_string_equal(bench.outcome.warnings[OUTCOME_WARNINGS_MAX - 1],
                        "there were more warnings than are kept");
    bench_clear(&bench);
}

/* A device with a hundred old accounts: the last step stays visible. */
static void test_more_steps_than_are_kept(void **state)
{
    struct bench bench;
    char listing[8192] = "</>;lwm2m=1.1,</0/0>";
    for (int i = 1; i <= 100; i++) {
        size_t len = strlen(listing);
        snprintf(listing + len, sizeof listing - len, ",</0/%d>;ssid=%d", i, i);
    }
    bench_init(&bench, "lamp");
    bench_start(&bench);
    answer(&bench, CODE(2, 5), listing);
    answer_until_finish(&bench, CODE(2, 2), CODE(2, 4));
    answer(&bench, CODE(4, 4), "");
    assert_int_equal(bench.outcome.cause, CAUSE_FINISH_REJECTED);
    assert_int_equal(bench.outcome.step_count, OUTCOME_STEPS_MAX);
    const struct outcome_step *last = &bench.outcome.steps[OUTCOME_STEPS_MAX - 1];
    assert_int_equal(last->operation, OPERATION_FINISH);
    assert_int_equal(last->code, CODE(4, 4));
    bench_clear(&bench);
}

/* A sentence that is too long is cut between characters, wherever they stand. */
static void test_long_names_are_cut_between_characters(void **state)
{
    for (size_t shift = 0; shift < 4; shift++) {
        struct bench bench;
        char name[ENDPOINT_MAX + 1] = "abc";
        name[shift] = '\0';
        while (strlen(name) + 4 <= ENDPOINT_MAX)
            strcat(name, "\xf0\x9f\x92\xa1");
        bench_init(&bench, "lamp");
        request(&bench, name);
        resolved(&bench);
        assert_int_equal(bench.outcome.cause, CAUSE_ENDPOINT_MISMATCH);
        assert_true(bytes_is_utf8(bytes_of_text(bench.outcome.detail)));
        assert_true(strlen(bench.outcome.detail) >= sizeof bench.outcome.detail - 4);
        bench_clear(&bench);
    }
}

static void test_unknown_codes_are_told_as_numbers(void **state)
{
    struct bench bench;
    bench_init(&bench, "talkative");
    bench_start(&bench);
    answer(&bench, CODE(4, 30), "");
    assert_string_equal(bench.outcome.detail, "PUT /0/1 as tlv was answered 4.30");
    bench_clear(&bench);
}

/* RESOLVED without an enrolment, or with a store error of any kind: never a 2.04, and silence
 * unless the device is to know that it must begin anew. */
static void test_store_errors_are_silent(void **state)
{
    for (int result = ERR_OK; result < ERR_CODE_COUNT; result++) {
        struct bench bench;
        bench_init(&bench, "lamp");
        request(&bench, "lamp7");
        bench_step(&bench, &(struct session_event){.kind = SESSION_RESOLVED,
                                                   .result = (enum err_code)result,
                                                   .profiles = bench.world.profiles});
        const struct session_action *respond = find_action(&bench, ACTION_RESPOND);
        assert_non_null(respond);
        bool told = result == ERR_NOT_FOUND || result == ERR_DENIED;
        assert_int_equal(respond->silent, !told);
        assert_int_equal(respond->code, told ? CODE(4, 0) : 0);
        assert_string_equal(bench.outcome.endpoint, "");
        bench_clear(&bench);
    }
}

/* ---- storms ---- */

enum { STORM_STEPS = 300000 };

struct storm {
    struct bench bench;
    uint64_t random;
    struct credential_need needs[ACCOUNTS_MAX];
    size_t need_count;
    uint64_t timer_at;
    unsigned wild; /* percent of events that nobody asked for */
};

/* splitmix64: the same storm for the same seed, anywhere. */
static uint64_t roll(struct storm *storm, uint64_t sides)
{
    uint64_t value = storm->random += 0x9e3779b97f4a7c15;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
    value = (value ^ value >> 27) * 0x94d049bb133111eb;
    return (value ^ value >> 31) % sides;
}

static const char *const endpoints[] = {"lamp7", "lamp7", "lamp7", "lamp8", "\xff", "", NULL};
static const char *const preferred[] = {"112", "110", "11542", "11544", "60", "x", NULL, NULL};
static const char *const listings[] = {
    "</>;lwm2m=1.1,</0/0>,</0/1>;ssid=101,</1/0>;ssid=101,</2/0>,</3/0>",
    "lwm2m=\"1.0\",</0/1>,</0/0>;ssid=101",
    "</>;lwm2m=1.2,</0/5>,</1>,</2>,</21>;ver=2.0",
    "garbage",
    "",
};
#define PICK(storm, list) ((list)[roll(storm, sizeof(list) / sizeof((list)[0]))])

static void storm_request(struct storm *storm)
{
    const char *endpoint = PICK(storm, endpoints);
    const char *format = PICK(storm, preferred);
    static const int accepts[] = {-1, 112, 110, 11544, 11542, 65535};
    static const char *const known[] = {NULL, NULL, "</0/0>", "</0/2>,</21/0>", "no link"};
    const char *account = PICK(storm, known);
    struct session_event event = {.kind = SESSION_REQUEST,
                                  .payload_present = roll(storm, 40) == 0,
                                  .pack = roll(storm, 4) == 0,
                                  .accept = PICK(storm, accepts)};
    if (account != NULL)
        event.known = bytes_of_text(account);
    if (endpoint != NULL)
        event.endpoint = bytes_of_text(endpoint);
    if (format != NULL)
        event.preferred_format = bytes_of_text(format);
    bench_step(&storm->bench, &event);
}

static enum err_code storm_result(struct storm *storm)
{
    static const enum err_code results[] = {ERR_NOT_FOUND, ERR_UNAVAILABLE, ERR_CONFLICT, ERR_BUSY};
    return roll(storm, 20) != 0 ? ERR_OK : PICK(storm, results);
}

static void storm_store(struct storm *storm, enum session_event_kind kind)
{
    struct enrollment *device = &storm->bench.world.devices[0];
    struct session_event event = {.kind = kind, .result = storm_result(storm)};
    if (kind == SESSION_COMMITTED && event.result == ERR_OK && roll(storm, 20) != 0)
        world_commit(device, storm->needs, storm->need_count);
    event.enrollment = event.result == ERR_OK ? device : NULL;
    event.profiles = kind == SESSION_RESOLVED ? storm->bench.world.profiles : NULL;
    bench_step(&storm->bench, &event);
}

static void storm_answer(struct storm *storm)
{
    static const uint8_t refusals[] = {CODE(4, 0),  CODE(4, 4),  CODE(4, 5), CODE(4, 6),
                                       CODE(4, 13), CODE(4, 15), CODE(5, 0), CODE(2, 31),
                                       CODE(0, 0),  CODE(7, 31)};
    static const uint8_t successes[] = {CODE(2, 4), CODE(2, 2), CODE(2, 5), CODE(2, 1)};
    bool well = roll(storm, 12) != 0;
    uint8_t code = well ? PICK(storm, successes) : PICK(storm, refusals);
    answer(&storm->bench, code, PICK(storm, listings));
}

static void storm_end(struct storm *storm, enum session_event_kind kind)
{
    static const enum cause causes[] = {CAUSE_CLOSED,   CAUSE_DTLS_ALERT, CAUSE_SUPERSEDED,
                                        CAUSE_SHUTDOWN, CAUSE_REMOVED,    CAUSE_NONE};
    bench_step(&storm->bench, &(struct session_event){.kind = kind,
                                                      .cause = PICK(storm, causes),
                                                      .alert = (uint8_t)roll(storm, 256)});
}

static void storm_no_answer(struct storm *storm)
{
    bench_step(&storm->bench,
               &(struct session_event){.kind = SESSION_NO_ANSWER,
                                       .cause = roll(storm, 2) ? CAUSE_TIMEOUT : CAUSE_RESET,
                                       .attempts = 5});
}

/* Any event, in any state. */
static void storm_anything(struct storm *storm)
{
    switch ((enum session_event_kind)roll(storm, SESSION_ABORT + 1)) {
    case SESSION_REQUEST:
        storm_request(storm);
        break;
    case SESSION_RESOLVED:
        storm_store(storm, SESSION_RESOLVED);
        break;
    case SESSION_COMMITTED:
        storm_store(storm, SESSION_COMMITTED);
        break;
    case SESSION_RESPONDED:
        bench_step(&storm->bench, &(struct session_event){.kind = SESSION_RESPONDED});
        break;
    case SESSION_ANSWER:
        storm_answer(storm);
        break;
    case SESSION_NO_ANSWER:
        storm_no_answer(storm);
        break;
    case SESSION_TIMER:
        bench_step(&storm->bench, &(struct session_event){.kind = SESSION_TIMER});
        break;
    case SESSION_SUPERSEDED:
        storm_end(storm, SESSION_SUPERSEDED);
        break;
    case SESSION_CLOSED:
        storm_end(storm, SESSION_CLOSED);
        break;
    case SESSION_ABORT:
        storm_end(storm, SESSION_ABORT);
        break;
    }
}

static void wait_for_timer(struct storm *storm)
{
    if (storm->bench.now < storm->timer_at)
        storm->bench.now = storm->timer_at;
    bench_step(&storm->bench, &(struct session_event){.kind = SESSION_TIMER});
}

/* The event that the last action asked for; when nothing is open, time or the device moves on. */
static void storm_expected(struct storm *storm, const struct session_action *last)
{
    enum session_action_kind kind = last != NULL ? last->kind : ACTION_CLOSE;
    if (kind == ACTION_RESOLVE)
        storm_store(storm, SESSION_RESOLVED);
    else if (kind == ACTION_COMMIT)
        storm_store(storm, SESSION_COMMITTED);
    else if (kind == ACTION_RESPOND)
        bench_step(&storm->bench, &(struct session_event){.kind = SESSION_RESPONDED});
    else if (kind == ACTION_SEND)
        storm_answer(storm);
    else if (roll(storm, 4) == 0)
        wait_for_timer(storm);
    else
        storm_request(storm);
}

/* The last action that asks for an answer. */
static const struct session_action *asking(const struct bench *bench)
{
    const struct session_action *last = NULL;
    for (size_t i = 0; i < bench->actions.count; i++) {
        enum session_action_kind kind = bench->actions.items[i].kind;
        if (kind == ACTION_RESOLVE || kind == ACTION_COMMIT || kind == ACTION_RESPOND ||
            kind == ACTION_SEND)
            last = &bench->actions.items[i];
    }
    return last;
}

static void storm_note(struct storm *storm)
{
    for (size_t i = 0; i < storm->bench.actions.count; i++) {
        const struct session_action *action = &storm->bench.actions.items[i];
        if (action->kind == ACTION_ARM)
            storm->timer_at = action->at;
        if (action->kind == ACTION_RECORD && action->promote)
            world_promote(&storm->bench.world.devices[0]);
        if (action->kind != ACTION_COMMIT)
            continue;
        storm->need_count = action->need_count;
        memcpy(storm->needs, action->needs, action->need_count * sizeof *action->needs);
    }
}

/* At most one pending, one active, one retiring credential of a server (I2). */
static void check_credentials(const struct enrollment *device)
{
    for (size_t i = 0; i < device->credential_count; i++) {
        for (size_t k = i + 1; k < device->credential_count; k++)
            assert_false(device->credentials[i].ssid == device->credentials[k].ssid &&
                         device->credentials[i].status == device->credentials[k].status);
    }
}

static void storm_connect(struct storm *storm)
{
    static const char *const classes[] = {"lamp",   "slow",     "talkative",
                                          "shared", "enrolled", "absent"};
    struct world *world = &storm->bench.world;
    if (roll(storm, 4) == 0) {
        struct enrollment *device = world_enroll(world, "lamp7", PICK(storm, classes), "id-7");
        assert_non_null(device);
        device->blocked = roll(storm, 20) == 0;
        if (roll(storm, 2))
            assert_true(world_add_credential(device, 103, CREDENTIAL_ACTIVE, 1));
    }
    bench_connect(&storm->bench, "id-7");
    storm->bench.actions.count = 0;
    storm->timer_at = 0;
}

static void storm_step(struct storm *storm)
{
    const struct session_action *last = asking(&storm->bench);
    storm->bench.now += roll(storm, 2000);
    if (roll(storm, 100) < storm->wild)
        storm_anything(storm);
    else if (roll(storm, 50) == 0)
        storm_no_answer(storm);
    else
        storm_expected(storm, last);
    storm_note(storm);
    check_credentials(&storm->bench.world.devices[0]);
    if (session_over(storm->bench.session) && roll(storm, 3) != 0)
        storm_connect(storm);
}

static uint64_t seed(void)
{
    const char *text = getenv("USHER_TEST_SEED");
    return text != NULL ? strtoull(text, NULL, 0) : 20261123;
}

static void run_storm(unsigned wild)
{
    struct storm storm = {.random = seed() + wild, .wild = wild};
    bench_init(&storm.bench, "lamp");
    for (unsigned i = 0; i < STORM_STEPS; i++)
        storm_step(&storm);
    const struct watch *watch = &storm.bench.watch;
    printf("storm of %u%%, USHER_TEST_SEED=%llu: %u bootstraps, %u bootstrapped, %u unconfirmed\n",
           wild, (unsigned long long)seed(), watch->begun, watch->by_state[STATE_BOOTSTRAPPED],
           watch->by_state[STATE_UNCONFIRMED]);
    /* A storm in which nothing happens would prove nothing. */
    static const enum cause seen[] = {CAUSE_NONE,
                                      CAUSE_ENDPOINT_MISMATCH,
                                      CAUSE_NO_PROFILE,
                                      CAUSE_WRITE_REJECTED,
                                      CAUSE_TIMEOUT,
                                      CAUSE_STORE_UNAVAILABLE,
                                      CAUSE_SUPERSEDED,
                                      CAUSE_RESET,
                                      CAUSE_BAD_REQUEST,
                                      CAUSE_UNSUPPORTED_FORMAT,
                                      CAUSE_FINISH_REJECTED,
                                      CAUSE_PLAN_FAILED,
                                      CAUSE_NOT_ALLOWED,
                                      CAUSE_BLOCKED,
                                      CAUSE_UNKNOWN_IDENTITY};
    for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
        if (watch->by_cause[seen[i]] == 0)
            fail_msg("cause %s never came", cause_name(seen[i]));
    }
    assert_true(watch->by_state[STATE_UNCONFIRMED] > 0);
    assert_true(watch->begun - watch->records <= 1);
    bench_clear(&storm.bench);
}

static void test_storm_with_some_noise(void **state)
{
    run_storm(3);
}

static void test_storm_with_much_noise(void **state)
{
    run_storm(15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificate_does_not_name_the_device),
        cmocka_unit_test(test_send_has_what_the_class_says),
        cmocka_unit_test(test_send_defaults),
        cmocka_unit_test(test_write_names_the_pending_generation),
        cmocka_unit_test(test_now_is_the_time_of_the_plan),
        cmocka_unit_test(test_outcome_is_filled),
        cmocka_unit_test(test_recorded_lets_go),
        cmocka_unit_test(test_more_warnings_than_are_kept),
        cmocka_unit_test(test_more_steps_than_are_kept),
        cmocka_unit_test(test_long_names_are_cut_between_characters),
        cmocka_unit_test(test_unknown_codes_are_told_as_numbers),
        cmocka_unit_test(test_store_errors_are_silent),
        cmocka_unit_test(test_storm_with_some_noise),
        cmocka_unit_test(test_storm_with_much_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
