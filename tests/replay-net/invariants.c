/* SPDX-License-Identifier: Apache-2.0 */
/* What must never happen, looked for after every event. */
#include "net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct net_device *device_named(struct net *net, const char *endpoint)
{
    for (unsigned i = 0; i < net->settings.devices; i++)
        if (strcmp(net->devices[i].endpoint, endpoint) == 0)
            return &net->devices[i];
    fail_msg("no device '%s'", endpoint);
    return NULL;
}

/* The account of usherd itself: its key is the device's own. */
static bool is_bootstrap_account(const struct net_device *device, uint16_t instance)
{
    struct path path = path_resource(0, instance, 1);
    const struct value *value = sim_device_value(device->sim, &path);

    return value != NULL && value->boolean;
}

/* I1: a key that a device holds is in the store. */
static void check_keys(struct net_device *device, const struct store_device *stored)
{
    size_t count;
    const struct record *records = sim_device_objects(device->sim, &count);

    for (size_t i = 0; i < count; i++) {
        const struct path *path = &records[i].path;
        if (path->ids[0] != 0 || path->ids[2] != 5 || is_bootstrap_account(device, path->ids[1]))
            continue;
        bool durable = false;
        for (size_t k = 0; k < stored->enrollment.credential_count; k++)
            durable =
                durable || bytes_equal(records[i].value.bytes, secret_bytes(&stored->keys[k]));
        if (!durable)
            fail_msg("I1: %s holds a key that the store does not have", device->endpoint);
    }
}

/* I2: one credential of a kind a server; a pending one is sent again, not made again. */
static void check_credentials(const struct net_device *device, const struct store_device *stored)
{
    const struct enrollment *enrollment = &stored->enrollment;

    for (size_t i = 0; i < enrollment->credential_count; i++) {
        const struct enrolled_credential *credential = &enrollment->credentials[i];
        if (enrollment_credential(enrollment, credential->ssid, credential->status) != credential)
            fail_msg("I2: %s has two credentials of one kind", device->endpoint);
        if (credential->generation > device->owner->successes + 1)
            fail_msg("I2: %s has key %u after %u bootstraps: a pending one was made again",
                     device->endpoint, (unsigned)credential->generation, device->owner->successes);
    }
}

void net_check(struct net *net)
{
    /* I2: two sessions of one endpoint only until the newer has claimed the name and the older was
     * told. */
    size_t names = net->settings.twins ? 1 : net->settings.devices;
    if (net->mail == NULL && net->late == NULL && net_running(net) > names)
        fail_msg("I2: %zu sessions of %zu devices", net_running(net), names);
    for (unsigned i = 0; i < net->settings.devices; i++) {
        struct net_device *device = &net->devices[i];
        struct store_device stored = {0};
        if (device->starts == 0)
            continue;
        net_get(net, i, &stored);
        check_keys(device, &stored);
        check_credentials(device, &stored);
        store_device_clear(&stored);
    }
}

/* An object that the device does not have, other than the accounts: a warning. */
static bool is_tolerated(const struct sim_operation *operation)
{
    return operation->path.ids[0] > 1 && operation->code == COAP_NOT_FOUND;
}

/* I3: the last answer to each Write was good. */
static void check_writes(const struct net_device *device)
{
    const struct sim_report *report = sim_device_report(device->sim);

    for (size_t i = 0; i < report->operation_count; i++) {
        const struct sim_operation *operation = &report->operations[i];
        bool again = false;
        for (size_t j = i + 1; j < report->operation_count; j++)
            again = again || (report->operations[j].method == operation->method &&
                              path_compare(&report->operations[j].path, &operation->path) == 0);
        if (operation->method == COAP_METHOD_PUT && !again && operation->code >> 5 != 2 &&
            !is_tolerated(operation))
            fail_msg("I3: %s refused a Write, and its bootstrap counts as a success",
                     device->endpoint);
    }
}

void net_note_outcome(struct net *net, const struct outcome *outcome)
{
    struct net_device *device = device_named(net, outcome->endpoint);

    struct net_outcome *kept = &net->outcomes[net->outcome_count++ % NET_OUTCOMES_MAX];
    *kept = (struct net_outcome){.state = outcome->state, .cause = outcome->cause, .at = net->now};
    memcpy(kept->detail, outcome->detail, sizeof kept->detail);
    memcpy(kept->endpoint, device->endpoint, sizeof kept->endpoint);
    if (outcome->state != STATE_BOOTSTRAPPED)
        return;
    if (++device->successes > device->finishes)
        fail_msg("I3: %s has not accepted Finish, and its bootstrap counts as a success",
                 device->endpoint);
    if (device->state == SIM_BOOTSTRAPPED)
        check_writes(device);
}
