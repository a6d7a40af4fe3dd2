/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of the store have in common: a store in a directory of its own, devices, outcomes, and
 * asynchronous calls that are waited for. */
#ifndef USHER_TESTS_STORE_BED_H
#define USHER_TESTS_STORE_BED_H

#include "usher/store.h"

struct bed {
    char directory[64];
    char path[96];
    struct store_config config;
    struct store *store;
    struct store_lane *lane;
};

/* A store of that backend, with a lane. Whatever fails fails the test. */
void bed_open(struct bed *bed, const char *backend);
/* The directory only; the config is filled in. */
void bed_prepare(struct bed *bed, const char *backend);
void bed_start(struct bed *bed);
/* Closed and anew, with so long a grace for what is replaced and a clock that runs ahead of the
 * real one by bed_clock_offset_ms, which is 0 then. */
void bed_restart_with_grace(struct bed *bed, unsigned retire_seconds);
extern _Atomic int64_t bed_clock_offset_ms;
int64_t bed_wall_ms(void);
/* What a query of the database itself gives, beside the store. */
int64_t bed_number(const struct bed *bed, const char *sql);
void bed_stop(struct bed *bed);  /* closes lane and store */
void bed_close(struct bed *bed); /* and removes the directory */

/* The answer to an asynchronous call. */
struct answer {
    unsigned calls;
    enum err_code result;
    bool has_device;
    struct store_device device;
};
void answer_device(void *context, enum err_code result, const struct store_device *device);
void answer_done(void *context, enum err_code result);
void answer_clear(struct answer *answer); /* ready for the next call */
/* Polls the lane until the answer is there; fails the test after a while. */
void answer_wait(struct store_lane *lane, const struct answer *answer);

/* Calls that wait; the result is the callback's. */
enum err_code find_identity(struct store_lane *lane, const char *identity, struct answer *answer);
enum err_code find_endpoint(struct store_lane *lane, const char *endpoint, struct answer *answer);
enum err_code make_pending(struct store_lane *lane, const char *endpoint, uint16_t ssid,
                           const char *key, struct answer *answer);
enum err_code record(struct store_lane *lane, const struct outcome *outcome, uint16_t ssid,
                     uint64_t generation); /* ssid 0: no promotion */

/* A device with identity "id-ENDPOINT", key "key-ENDPOINT" and class "lamp". To be cleared. */
void device_make(struct store_device *device, const char *endpoint);
void device_add_tag(struct store_device *device, const char *name, const char *value);
void device_add_credential(struct store_device *device, uint16_t ssid, const char *identity,
                           const char *key);
/* Enrols it; fails the test unless it is new. */
void enroll(struct store_lane *lane, const char *endpoint);
/* The same, with a key for a server. */
void enroll_with_key(struct store_lane *lane, const char *endpoint, uint16_t ssid, const char *key);
enum err_code get_device(struct store_lane *lane, const char *endpoint, struct answer *answer);

/* For store_list, when what it does besides is wanted: it folds. */
bool ignore_row(void *context, const struct store_row *row);
/* For store_history: counts into the unsigned that is its context. */
bool count_outcome(void *context, const struct outcome *outcome);
/* The id tells the `number`. */
void outcome_make(struct outcome *outcome, const char *endpoint, enum device_state state,
                  unsigned number);
const struct secret *key_of(const struct store_device *device, uint16_t ssid,
                            enum credential_status status); /* NULL: none */
uint64_t generation_of(const struct store_device *device, uint16_t ssid,
                       enum credential_status status); /* 0: none */

/* Small, fast, and the same on every machine. */
struct random {
    uint64_t state;
};
uint64_t random_next(struct random *random);
unsigned random_below(struct random *random, unsigned bound);

/* Devices of a class in a state, by store_counts. */
uint64_t count_of(struct store *store, const char *class_name, enum device_state state);

#endif
