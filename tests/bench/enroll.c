/* Fills a database for scripts/bench: the devices bench-000000 to N-1 with their keys. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_tls.h"

#include "usher/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64, SSID = 101 };

static void fill_device(struct store_device *device, unsigned number, bool with_credential)
{
    struct enrollment *enrollment = &device->enrollment;
    unsigned char key[BENCH_KEY_LEN];
    char name[BENCH_NAME_SIZE];

    bench_name(number, name);
    struct bytes name_bytes = bytes_of_text(name);
    *device = (struct store_device){0};
    memcpy(enrollment->endpoint, name, sizeof name);
    memcpy(enrollment->class_name, "bench", sizeof "bench");
    if (!bench_key(name_bytes.data, name_bytes.len, key) ||
        !identity_set(&enrollment->identity, name_bytes) ||
        !secret_set(&device->bootstrap_key, bytes_of(key, sizeof key)))
        bench_die("%s cannot be enrolled", name);
    if (!with_credential)
        return;
    enrollment->credential_count = 1;
    enrollment->credentials[0] = (struct enrolled_credential){.ssid = SSID,
                                                              .status = CREDENTIAL_ACTIVE,
                                                              .identity = enrollment->identity,
                                                              .key_len = BENCH_KEY_LEN};
    device->keys[0] = device->bootstrap_key;
}

static void enroll(struct store_lane *lane, unsigned devices, bool with_credential)
{
    static struct store_device batch[BATCH];
    static struct store_enrolled results[BATCH];

    for (unsigned first = 0; first < devices; first += BATCH) {
        unsigned count = devices - first < BATCH ? devices - first : BATCH;
        for (unsigned i = 0; i < count; i++)
            fill_device(&batch[i], first + i, with_credential);
        store_enroll_many(lane, batch, count, false, results);
        for (unsigned i = 0; i < count; i++) {
            if (results[i].code != ERR_OK)
                bench_die("device %u: %s", first + i, results[i].err.text);
            store_device_clear(&batch[i]);
        }
    }
}

int main(int argc, char **argv)
{
    struct store_config config = {.backend = "sqlite"};
    struct store_lane *lane = NULL;
    struct store *store = NULL;
    struct err err = {0};
    unsigned devices = argc == 4 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;

    if (devices == 0 || devices > BENCH_DEVICES_MAX ||
        (strcmp(argv[3], "enrolled") != 0 && strcmp(argv[3], "generate") != 0)) {
        fputs("Usage: bench-enroll DATABASE DEVICES enrolled|generate\n", stderr);
        return 2;
    }
    config.path = argv[1];
    if (store_open(&config, &store, &err) != ERR_OK ||
        store_lane_open(store, &lane, &err) != ERR_OK)
        bench_die("%s", err.text);
    enroll(lane, devices, strcmp(argv[3], "enrolled") == 0);
    store_lane_close(lane);
    store_close(store);
    return 0;
}
