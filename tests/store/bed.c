/* What tests of the store have in common. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bed.h"

#include "store/store_test.h"
#include "usher/clock.h"

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

void bed_prepare(struct bed *bed, const char *backend)
{
    /* In memory where that is possible: these tests make thousands of files, and what a disk loses
     * is the power VFS's business. */
    *bed = (struct bed){.directory = "/dev/shm/usher-store-XXXXXX"};
    if (mkdtemp(bed->directory) == NULL) {
        strcpy(bed->directory, "/tmp/usher-store-XXXXXX");
        assert_non_null(mkdtemp(bed->directory));
    }
    snprintf(bed->path, sizeof bed->path, "%s/usher.db", bed->directory);
    bed->config = (struct store_config){.backend = backend, .patience_ms = 1};
    if (strcmp(backend, "sqlite") == 0)
        bed->config.path = bed->path;
}

void bed_start(struct bed *bed)
{
    struct err err = {0};
    if (store_open(&bed->config, &bed->store, &err) != ERR_OK)
        fail_msg("%s", err.text);
    if (store_lane_open(bed->store, &bed->lane, &err) != ERR_OK)
        fail_msg("%s", err.text);
}

void bed_open(struct bed *bed, const char *backend)
{
    bed_prepare(bed, backend);
    bed_start(bed);
}

_Atomic int64_t bed_clock_offset_ms;

int64_t bed_wall_ms(void)
{
    return clock_wall_ms() + atomic_load(&bed_clock_offset_ms);
}

void bed_restart_with_grace(struct bed *bed, unsigned retire_seconds)
{
    const char *backend = bed->config.backend;
    bed_close(bed);
    bed_prepare(bed, backend);
    bed->config.retire_seconds = retire_seconds;
    bed_start(bed);
    atomic_store(&bed_clock_offset_ms, 0);
    store_test_set_clock(bed->store, bed_wall_ms);
}

int64_t bed_number(const struct bed *bed, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(bed->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

void bed_stop(struct bed *bed)
{
    store_lane_close(bed->lane);
    store_close(bed->store);
    bed->lane = NULL;
    bed->store = NULL;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    return remove(path);
}

void bed_close(struct bed *bed)
{
    bed_stop(bed);
    nftw(bed->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

void answer_device(void *context, enum err_code result, const struct store_device *device)
{
    struct answer *answer = context;
    answer->calls++;
    answer->result = result;
    assert_true((device != NULL) == (result == ERR_OK));
    if (device == NULL)
        return;
    store_device_clear(&answer->device);
    assert_true(store_device_copy(&answer->device, device));
    answer->has_device = true;
}

void answer_done(void *context, enum err_code result)
{
    struct answer *answer = context;
    answer->calls++;
    answer->result = result;
}

void answer_clear(struct answer *answer)
{
    store_device_clear(&answer->device);
    *answer = (struct answer){0};
}

void answer_wait(struct store_lane *lane, const struct answer *answer)
{
    uint64_t deadline = clock_monotonic_ms() + 30000;
    while (answer->calls == 0) {
        struct pollfd ready = {.fd = store_lane_fd(lane), .events = POLLIN};
        assert_true(clock_monotonic_ms() < deadline);
        poll(&ready, 1, 1000);
        store_lane_poll(lane);
    }
    assert_int_equal(answer->calls, 1);
}

enum err_code find_identity(struct store_lane *lane, const char *identity, struct answer *answer)
{
    answer_clear(answer);
    store_find_identity(lane, bytes_of_text(identity), answer_device, answer);
    answer_wait(lane, answer);
    return answer->result;
}

enum err_code find_endpoint(struct store_lane *lane, const char *endpoint, struct answer *answer)
{
    answer_clear(answer);
    store_find_endpoint(lane, bytes_of_text(endpoint), answer_device, answer);
    answer_wait(lane, answer);
    return answer->result;
}

enum err_code make_pending(struct store_lane *lane, const char *endpoint, uint16_t ssid,
                           const char *key, struct answer *answer)
{
    struct store_new_credential credential = {.ssid = ssid};
    answer_clear(answer);
    assert_true(identity_set(&credential.identity, bytes_of_text(endpoint)));
    assert_true(secret_set(&credential.key, bytes_of_text(key)));
    store_make_pending(lane, bytes_of_text(endpoint), &credential, 1, answer_device, answer);
    answer_wait(lane, answer);
    return answer->result;
}

enum err_code record(struct store_lane *lane, const struct outcome *outcome, uint16_t ssid,
                     uint64_t generation)
{
    struct answer answer = {0};
    struct store_promotion promotion = {.ssid = ssid, .generation = generation};
    store_record(lane, outcome, &promotion, ssid != 0 ? 1 : 0, answer_done, &answer);
    answer_wait(lane, &answer);
    return answer.result;
}

void device_make(struct store_device *device, const char *endpoint)
{
    char text[ENDPOINT_MAX + 8];
    *device = (struct store_device){0};
    snprintf(device->enrollment.endpoint, sizeof device->enrollment.endpoint, "%s", endpoint);
    snprintf(device->enrollment.class_name, sizeof device->enrollment.class_name, "lamp");
    snprintf(text, sizeof text, "id-%s", endpoint);
    assert_true(identity_set(&device->enrollment.identity, bytes_of_text(text)));
    snprintf(text, sizeof text, "key-%s", endpoint);
    assert_true(secret_set(&device->bootstrap_key, bytes_of_text(text)));
}

void device_add_tag(struct store_device *device, const char *name, const char *value)
{
    struct enrollment *enrollment = &device->enrollment;
    enrollment->tags =
        realloc(enrollment->tags, (enrollment->tag_count + 1) * sizeof *enrollment->tags);
    assert_non_null(enrollment->tags);
    struct tag *tag = &enrollment->tags[enrollment->tag_count++];
    snprintf(tag->name, sizeof tag->name, "%s", name);
    snprintf(tag->value, sizeof tag->value, "%s", value);
}

void device_add_credential(struct store_device *device, uint16_t ssid, const char *identity,
                           const char *key)
{
    size_t at = device->enrollment.credential_count++;
    struct enrolled_credential *credential = &device->enrollment.credentials[at];
    *credential = (struct enrolled_credential){.ssid = ssid};
    if (identity[0] != '\0')
        assert_true(identity_set(&credential->identity, bytes_of_text(identity)));
    assert_true(secret_set(&device->keys[at], bytes_of_text(key)));
    credential->key_len = device->keys[at].len;
}

static void enroll_new(struct store_lane *lane, struct store_device *device)
{
    struct err err = {0};
    enum store_change change = STORE_UNCHANGED;
    if (store_enroll(lane, device, false, &change, &err) != ERR_OK)
        fail_msg("%s", err.text);
    assert_int_equal(change, STORE_CREATED);
    store_device_clear(device);
}

void enroll(struct store_lane *lane, const char *endpoint)
{
    struct store_device device;
    device_make(&device, endpoint);
    enroll_new(lane, &device);
}

void enroll_with_key(struct store_lane *lane, const char *endpoint, uint16_t ssid, const char *key)
{
    struct store_device device;
    device_make(&device, endpoint);
    device_add_credential(&device, ssid, endpoint, key);
    enroll_new(lane, &device);
}

enum err_code get_device(struct store_lane *lane, const char *endpoint, struct answer *answer)
{
    struct err err = {0};
    answer_clear(answer);
    return store_get(lane, bytes_of_text(endpoint), &answer->device, &err);
}

bool ignore_row(void *context, const struct store_row *row)
{
    (void)context, (void)row;
    return true;
}

bool count_outcome(void *context, const struct outcome *outcome)
{
    (void)outcome;
    ++*(unsigned *)context;
    return true;
}

void outcome_make(struct outcome *outcome, const char *endpoint, enum device_state state,
                  unsigned number)
{
    *outcome = (struct outcome){
        .class_name = "lamp",
        .state = state,
        .cause = state == STATE_FAILED ? CAUSE_TIMEOUT : CAUSE_NONE,
        .detail = "PUT /0/1 was not answered",
        .source = "[2001:db8::7]:56830",
        .started_wall_ms = 1767225600000 + (int64_t)number * 1000,
        .handshake_ms = 120,
        .duration_ms = 900 + number,
        .bytes_sent = 1500,
        .bytes_received = 700,
        .format = 11542,
        .profile_hash = "0123456789abcdef",
        .warnings = {"identity is longer than 16 bytes", "no Discover\nat all"},
        .warning_count = 2,
        .step_count = 3,
        .steps = {{.operation = 1, .path = {.depth = 0}, .code = 0x45, .attempts = 1},
                  {.operation = 4,
                   .path = {.ids = {0, 1}, .depth = 2},
                   .code = 0x44,
                   .attempts = 2,
                   .duration_ms = 2100},
                  {.operation = 5, .path = {.depth = 0}, .code = 0x44, .attempts = 1}},
    };
    snprintf(outcome->id, sizeof outcome->id, "%032x", number);
    snprintf(outcome->endpoint, sizeof outcome->endpoint, "%s", endpoint);
}

static const struct enrolled_credential *
find_credential(const struct store_device *device, uint16_t ssid, enum credential_status status)
{
    return enrollment_credential(&device->enrollment, ssid, status);
}

const struct secret *key_of(const struct store_device *device, uint16_t ssid,
                            enum credential_status status)
{
    const struct enrolled_credential *credential = find_credential(device, ssid, status);
    return credential != NULL ? &device->keys[credential - device->enrollment.credentials] : NULL;
}

uint64_t generation_of(const struct store_device *device, uint16_t ssid,
                       enum credential_status status)
{
    const struct enrolled_credential *credential = find_credential(device, ssid, status);
    return credential != NULL ? credential->generation : 0;
}

uint64_t random_next(struct random *random)
{
    uint64_t mixed = random->state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

unsigned random_below(struct random *random, unsigned bound)
{
    return (unsigned)(random_next(random) % bound);
}

uint64_t count_of(struct store *store, const char *class_name, enum device_state state)
{
    struct store_count counts[64];
    size_t count = store_counts(store, counts, 64);
    assert_true(count <= 64);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(counts[i].class_name, class_name) == 0)
            return counts[i].by_state[state];
    }
    return 0;
}
