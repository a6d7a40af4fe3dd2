/* SPDX-License-Identifier: Apache-2.0 */
/* The imperative shell of session_step: its face, draining, and the end of sessions. */
#include "bootstrap_priv.h"
#include "usher/log.h"

#include <stdlib.h>

enum {
    SILENCE_MS = 10000,     /* how long a device may be silent while the server stops, at least */
    SILENCE_STEP_MS = 500,  /* how often that is looked at */
    SILENCE_ROUND_TRIPS = 3 /* of a slow device */
};

enum err_code driver_new(const struct driver_config *config, struct driver **out, struct err *err)
{
    struct driver *driver = calloc(1, sizeof *driver);

    if (driver == NULL)
        return err_set(err, ERR_NO_MEMORY, "worker: out of memory");
    const struct endpoint_ops ops = hear_ops(driver);
    driver->config = *config;
    driver->config.endpoint.now = config->time.monotonic_ms;
    driver->config.endpoint.worker = (uint8_t)config->worker;
    driver->now = config->time;
    driver->teller =
        (struct teller){config->events, config->metrics, (int)config->worker, &driver->now};
    seen_init(&driver->seen, config->live, config->worker);
    for (size_t i = 0; i < config->endpoint.listener_count; i++)
        if (config->endpoint.listeners[i].ack_timeout_ms > driver->slow_listener_ms)
            driver->slow_listener_ms = config->endpoint.listeners[i].ack_timeout_ms;
    enum err_code code = endpoint_new(&driver->config.endpoint, &ops, &driver->endpoint, err);
    if (code != ERR_OK) {
        free(driver);
        return code;
    }
    driver->profiles = profile_set_ref(config->profiles);
    *out = driver;
    return ERR_OK;
}

void driver_free(struct driver *driver)
{
    if (driver == NULL)
        return;
    while (driver->first != NULL) {
        driver->first->associated = false;
        driver->first->calls = 0;
        bootstrap_free_if_done(driver->first);
    }
    endpoint_free(driver->endpoint);
    profile_set_unref(driver->profiles);
    seen_clear(&driver->seen);
    free(driver);
}

struct endpoint *driver_endpoint(struct driver *driver)
{
    return driver->endpoint;
}

/* ---- draining ---- */

static uint64_t patience_with(const struct bootstrap *bootstrap)
{
    uint64_t slowest = bootstrap->driver->slow_listener_ms;

    if (bootstrap->ack_timeout_ms > slowest)
        slowest = bootstrap->ack_timeout_ms;
    if (bootstrap->info.round_trip_ms > slowest)
        slowest = bootstrap->info.round_trip_ms;
    slowest *= SILENCE_ROUND_TRIPS;
    return slowest > SILENCE_MS ? slowest : SILENCE_MS;
}

/* A device that has vanished must not hold the server up until its operation times out. While the
 * store is asked it is not the device that is silent. */
static bool is_silent(struct bootstrap *bootstrap)
{
    uint64_t now = bootstrap->driver->now.monotonic_ms;

    endpoint_info(bootstrap->driver->endpoint, bootstrap->ref, &bootstrap->info);
    if (bootstrap->calls > 0 || bootstrap->info.bytes_received != bootstrap->heard_bytes) {
        bootstrap->heard_ms = now;
        bootstrap->heard_bytes = bootstrap->info.bytes_received;
    }
    return now - bootstrap->heard_ms >= patience_with(bootstrap);
}

static void end_silent(struct driver *driver)
{
    struct bootstrap *next;

    driver->silence_at = driver->now.monotonic_ms + SILENCE_STEP_MS;
    for (struct bootstrap *bootstrap = driver->first; bootstrap != NULL; bootstrap = next) {
        struct live_holder holder = bootstrap_holder(bootstrap);
        next = bootstrap->next;
        if (bootstrap->associated && !bootstrap->finished && is_silent(bootstrap))
            driver_abort(driver, &holder, CAUSE_SHUTDOWN);
    }
}

void driver_drain(struct driver *driver)
{
    driver->draining = true;
    driver->silence_at = driver->now.monotonic_ms;
    for (struct bootstrap *bootstrap = driver->first; bootstrap != NULL;
         bootstrap = bootstrap->next)
        bootstrap->heard_ms = driver->now.monotonic_ms;
    endpoint_drain(driver->endpoint);
}

void driver_set_time(struct driver *driver, const struct driver_time *time)
{
    driver->now = *time;
}

void driver_expire(struct driver *driver)
{
    endpoint_expire(driver->endpoint, driver->now.monotonic_ms);
    if (driver->draining && driver->running > 0 && driver->silence_at <= driver->now.monotonic_ms)
        end_silent(driver);
}

uint64_t driver_next(const struct driver *driver)
{
    uint64_t next = endpoint_next(driver->endpoint);

    if (driver->draining && driver->running > 0 && driver->silence_at < next)
        next = driver->silence_at;
    return next;
}

void driver_datagram(void *context, const struct net_path *path, struct bytes datagram)
{
    struct driver *driver = context;

    endpoint_receive(driver->endpoint, path, datagram, driver->now.monotonic_ms);
}

void driver_set_profiles(struct driver *driver, struct profile_set *profiles)
{
    struct profile_set *old = driver->profiles;

    driver->profiles = profile_set_ref(profiles);
    profile_set_unref(old);
}

void driver_set_x509(struct driver *driver, struct x509 *x509)
{
    enum err_code code = endpoint_set_x509(driver->endpoint, x509);

    if (code != ERR_OK)
        log_event(LOG_ERROR, "worker.certificates-kept", LOG_TEXT("cause", err_name(code)));
}

static void tell_holder(struct driver *driver, const struct live_holder *holder,
                        const struct session_event *event)
{
    struct association_ref ref = {.slot = holder->slot, .generation = (uint32_t)holder->generation};

    hear_deliver(driver, ref, event);
}

/* A session that has asked again since the message was sent is the newest itself (I2): ending it
 * would leave the device with none. */
static bool holds_claim(const struct driver *driver, const struct live_holder *holder)
{
    struct association_ref ref = {.slot = holder->slot, .generation = (uint32_t)holder->generation};
    const struct bootstrap *bootstrap = endpoint_user(driver->endpoint, ref);
    struct live_entry entry;

    return bootstrap != NULL && bootstrap->endpoint[0] != '\0' &&
           live_get(driver->config.live, bootstrap->endpoint, &entry) &&
           holder_is_same(&entry.holder, holder);
}

void driver_supersede(struct driver *driver, const struct live_holder *holder)
{
    struct session_event event = {.kind = SESSION_SUPERSEDED, .cause = CAUSE_SUPERSEDED};

    if (holds_claim(driver, holder))
        return;
    tell_holder(driver, holder, &event);
}

void driver_abort(struct driver *driver, const struct live_holder *holder, enum cause cause)
{
    struct session_event event = {.kind = SESSION_ABORT, .cause = cause};
    struct association_ref ref = {.slot = holder->slot, .generation = (uint32_t)holder->generation};

    if (endpoint_user(driver->endpoint, ref) == NULL) { /* it has not asked yet */
        seen_forget(&driver->seen, ref, "");
        endpoint_close(driver->endpoint, ref, false);
        return;
    }
    tell_holder(driver, holder, &event);
}

void driver_abort_all(struct driver *driver, enum cause cause)
{
    struct bootstrap *next;

    for (struct bootstrap *bootstrap = driver->first; bootstrap != NULL; bootstrap = next) {
        struct live_holder holder = bootstrap_holder(bootstrap);
        next = bootstrap->next;
        if (bootstrap->associated)
            driver_abort(driver, &holder, cause);
    }
}

void driver_tell_counters(const struct driver *driver)
{
    tell_counters(&driver->teller, driver->endpoint);
}

size_t driver_running(const struct driver *driver)
{
    return driver->running;
}

bool driver_settled(const struct driver *driver)
{
    for (const struct bootstrap *bootstrap = driver->first; bootstrap != NULL;
         bootstrap = bootstrap->next)
        if (bootstrap->calls > 0)
            return false;
    return true;
}
