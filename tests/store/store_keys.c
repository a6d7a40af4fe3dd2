/* Prints what a store holds of its devices, for tests that compare it with what devices hold: a
 * line "device ENDPOINT STATE BOOTSTRAPS" each, then its credentials as "key ENDPOINT SSID STATUS
 * GENERATION FINGERPRINT". Fingerprints are those of usher-sim's reports. Nobody else may have the
 * store open. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/store.h"

#include <inttypes.h>
#include <mbedtls/md.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FINGERPRINT_BYTES = 8, SHA256_SIZE = 32, AT_ONCE = 1000 };

struct names {
    size_t count;
    char names[AT_ONCE][ENDPOINT_MAX + 1];
};

static bool keep_name(void *context, const struct store_row *row)
{
    struct names *names = context;
    memcpy(names->names[names->count++], row->endpoint, sizeof row->endpoint);
    return true;
}

static void print_key(const struct store_device *device, size_t at)
{
    static const char *const statuses[] = {
        [CREDENTIAL_PENDING] = "pending",
        [CREDENTIAL_ACTIVE] = "active",
        [CREDENTIAL_RETIRING] = "retiring",
    };
    const struct enrolled_credential *credential = &device->enrollment.credentials[at];
    struct bytes key = secret_bytes(&device->keys[at]);
    uint8_t digest[SHA256_SIZE];
    char hex[BYTES_HEX_SIZE(FINGERPRINT_BYTES)];
    if (mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), key.data, key.len, digest) != 0)
        exit(1);
    bytes_to_hex(bytes_of(digest, FINGERPRINT_BYTES), hex);
    printf("key %s %u %s %" PRIu64 " sha256:%s (%zu bytes)\n", device->enrollment.endpoint,
           credential->ssid, statuses[credential->status], credential->generation, hex, key.len);
}

static enum err_code print_device(struct store_lane *lane, const char *endpoint, struct err *err)
{
    struct store_device device = {0};
    enum err_code code = store_get(lane, bytes_of_text(endpoint), &device, err);
    if (code != ERR_OK)
        return code;
    printf("device %s %s %" PRIu64 "\n", endpoint, device_state_name(device.state),
           (uint64_t)device.enrollment.bootstraps);
    for (size_t i = 0; i < device.enrollment.credential_count; i++)
        print_key(&device, i);
    store_device_clear(&device);
    return ERR_OK;
}

static enum err_code print_all(struct store_lane *lane, struct err *err)
{
    static struct names names;
    char last[ENDPOINT_MAX + 1] = "";
    enum err_code code = ERR_OK;
    do {
        struct store_filter filter = {.state = -1, .cause = -1, .limit = AT_ONCE};
        filter.after = last[0] != '\0' ? last : NULL;
        names.count = 0;
        code = store_list(lane, &filter, keep_name, &names, err);
        for (size_t i = 0; code == ERR_OK && i < names.count; i++)
            code = print_device(lane, names.names[i], err);
        if (names.count > 0)
            memcpy(last, names.names[names.count - 1], sizeof last);
    } while (code == ERR_OK && names.count == AT_ONCE);
    return code;
}

int main(int argc, char **argv)
{
    struct store_config config = {.backend = "sqlite"};
    struct store *store = NULL;
    struct store_lane *lane = NULL;
    struct err err = {0};
    if (argc != 2)
        return 2;
    config.path = argv[1];
    enum err_code code = store_open(&config, &store, &err);
    if (code == ERR_OK)
        code = store_lane_open(store, &lane, &err);
    if (code == ERR_OK)
        code = print_all(lane, &err);
    store_lane_close(lane);
    store_close(store);
    if (code != ERR_OK)
        fprintf(stderr, "store-keys: %s\n", err.text);
    return code == ERR_OK ? 0 : 1;
}
