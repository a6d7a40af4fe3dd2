/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the reader of usher.yaml: any text gives a configuration or an error finding. */
#include "usher/config.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_config(const struct config *config, struct findings *findings)
{
    check(config->workers >= 1 && config->workers <= CONFIG_WORKERS_MAX);
    check(config->listener_count >= 1 && config->listener_count <= CONFIG_LISTENERS_MAX);
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];
        check(listener->text != NULL && listener->address_len > 0 && listener->node != NULL);
        check(listener->handshake_min_ms > 0 && listener->ack_timeout_ms > 0);
        check(listener->handshake_min_ms <= listener->handshake_max_ms);
    }
    check(config->profile_count >= 1 && config->profile_count <= CONFIG_PATHS_MAX);
    check(config->store_backend != NULL && config->store_path != NULL);
    check(config->half_open_max <= config->sessions_max && config->half_open_max > 0);
    check(config_check_reload(config, config, findings));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct findings findings;
    findings_init(&findings);
    struct config *config = config_load_text("f/usher.yaml", bytes_of(data, size), &findings);
    check((config == NULL) == (findings.errors > 0));
    if (config != NULL)
        check_config(config, &findings);
    config_free(config);
    findings_clear(&findings);
    return 0;
}
