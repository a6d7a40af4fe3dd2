/* SPDX-License-Identifier: Apache-2.0 */
/* The files of certificates that the configuration names, loaded with findings at their place. */
#include "certificates_priv.h"

#include <assert.h>

static_assert((int)CONFIG_NAME_CN == X509_CN && (int)CONFIG_NAME_URI == X509_URI &&
                  (int)CONFIG_NAME_DNS == X509_DNS,
              "the configuration's bits are those of x509");

struct place {
    struct findings *findings;
    const struct yaml_node *node;
};

static void warn(void *context, const char *text)
{
    const struct place *place = context;

    finding_add(place->findings, FINDING_WARNING, place->node, "%s", text);
}

static bool are_wanted(const struct config *config)
{
    for (size_t i = 0; i < config->listener_count; i++)
        if (config->listeners[i].x509)
            return true;
    return false;
}

bool certificates_load(const struct config *config, int64_t wall_ms, struct findings *findings,
                       struct x509 **out)
{
    const struct config_x509 *from = &config->x509;
    const struct x509_settings settings = {
        .certificate = from->certificate,
        .key = from->key,
        .client_ca = from->client_ca,
        .crls = from->crls,
        .crl_count = from->crl_count,
        .expired_crl_is_good = from->expired_crl_is_good,
        .pinned = from->pinned,
        .names = from->names,
    };
    struct place place = {findings, yaml_get(config->root, "x509")};
    struct err err;

    *out = NULL;
    if (!are_wanted(config))
        return true;
    if (x509_load(&settings, wall_ms, warn, &place, out, &err) == ERR_OK)
        return true;
    finding_add(findings, FINDING_ERROR, place.node, "%s", err.text);
    return false;
}
