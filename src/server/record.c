/* SPDX-License-Identifier: Apache-2.0 */
/* The end of an attempt: to the store, to the log and to whoever listens. */
#include "bootstrap_priv.h"
#include "usher/log.h"
#include "usher/pool.h"

#include <stdio.h>
#include <string.h>

enum { PROMOTIONS_MAX = ACCOUNTS_MAX * 3 };

/* 48 bits of time, then chance: sorts by time. Chance is fetched for many ids at once. */
static void make_id(struct driver *driver, char out[static 33])
{
    uint8_t id[16];
    char hex[BYTES_HEX_SIZE(sizeof id)];
    uint64_t time = (uint64_t)driver->now.wall_ms;

    if (driver->chance_left < CHANCE_OF_ID) {
        bytes_random(driver->chance, sizeof driver->chance);
        driver->chance_left = sizeof driver->chance;
    }
    driver->chance_left -= CHANCE_OF_ID;
    memcpy(id + 6, driver->chance + driver->chance_left, CHANCE_OF_ID);
    for (unsigned i = 0; i < 6; i++)
        id[i] = (uint8_t)(time >> (40 - 8 * i));
    bytes_to_hex(bytes_of(id, sizeof id), hex);
    memcpy(out, hex, sizeof hex);
}

static void log_outcome(const struct outcome *outcome)
{
    /* A pack that nobody confirms is as good as it gets; a lost Finish is not. */
    bool good = outcome->cause == CAUSE_NONE;
    const char *name = outcome->state == STATE_BOOTSTRAPPED  ? "session.bootstrapped"
                       : outcome->state == STATE_UNCONFIRMED ? "session.unconfirmed"
                       : outcome->state == STATE_HELD        ? "session.held"
                                                             : "session.failed";

    log_event(good ? LOG_INFO : LOG_WARNING, name, LOG_TEXT("endpoint", outcome->endpoint),
              LOG_TEXT("class", outcome->class_name),
              LOG_TEXT("state", device_state_name(outcome->state)),
              LOG_TEXT("cause", cause_name(outcome->cause)), LOG_TEXT("detail", outcome->detail),
              LOG_TEXT("source", outcome->source), LOG_NUMBER("duration_ms", outcome->duration_ms),
              LOG_NUMBER("handshake_ms", outcome->handshake_ms),
              LOG_NUMBER("operations", (int64_t)outcome->step_count),
              LOG_NUMBER("warnings", (int64_t)outcome->warning_count));
}

/* An outcome on its way to the store. Nobody is told before it is durable: what a log line or an
 * event says is there after a power cut. The claim is given back then too, so that status never
 * shows a gap. */
struct recording {
    struct bootstrap *bootstrap;
    uint64_t epoch;
    struct outcome outcome;
};

static void report_lost(const struct outcome *outcome, enum err_code result)
{
    log_event(LOG_ERROR, "store.outcome-lost", LOG_TEXT("endpoint", outcome->endpoint),
              LOG_TEXT("state", device_state_name(outcome->state)),
              LOG_TEXT("session_cause", cause_name(outcome->cause)),
              LOG_TEXT("cause", err_name(result)));
}

static void outcome_recorded(void *context, enum err_code result)
{
    struct recording *recording = context;
    struct bootstrap *bootstrap = recording->bootstrap;

    if (result != ERR_OK) {
        report_lost(&recording->outcome, result);
    } else {
        log_outcome(&recording->outcome);
        tell_outcome(&bootstrap->driver->teller, &recording->outcome);
    }
    if (recording->epoch == bootstrap->epoch)
        bootstrap_release_claim(bootstrap);
    pool_free(recording);
    bootstrap->calls--;
    bootstrap_free_if_done(bootstrap);
}

/* The pending credentials that the device was given; one of a server that the profile no longer
 * names stays pending. */
static size_t promotions_of(const struct bootstrap *bootstrap, struct store_promotion *out)
{
    const struct enrollment *enrollment = session_enrollment(bootstrap->session);
    size_t count = 0;

    for (size_t i = 0; enrollment != NULL && i < enrollment->credential_count; i++) {
        const struct enrolled_credential *credential = &enrollment->credentials[i];
        const struct session_key *key =
            bootstrap_key(bootstrap, credential->ssid, credential->generation);
        if (credential->status == CREDENTIAL_PENDING && key != NULL && key->written)
            out[count++] = (struct store_promotion){credential->ssid, credential->generation};
    }
    return count;
}

/* What the session does not know of its association. */
static void complete_outcome(struct bootstrap *bootstrap, struct outcome *outcome)
{
    make_id(bootstrap->driver, outcome->id);
    net_text(&bootstrap->info.path.remote, true, outcome->source);
    outcome->bytes_sent = bootstrap->info.bytes_sent;
    outcome->bytes_received = bootstrap->info.bytes_received;
}

static void record_outcome(struct bootstrap *bootstrap, const struct session_action *action)
{
    struct store_promotion promotions[PROMOTIONS_MAX];
    size_t count = action->promote ? promotions_of(bootstrap, promotions) : 0;
    struct recording *recording = pool_alloc(sizeof *recording);

    if (recording == NULL) {
        report_lost(action->outcome, ERR_NO_MEMORY);
        return;
    }
    recording->bootstrap = bootstrap;
    recording->epoch = bootstrap->epoch;
    outcome_copy(&recording->outcome, action->outcome);
    complete_outcome(bootstrap, &recording->outcome);
    bootstrap->calls++;
    store_record(bootstrap->driver->config.lane, &recording->outcome, promotions, count,
                 outcome_recorded, recording);
}

/* Whoever asked has not proved to be a device (I8). */
static void reject_outcome(struct bootstrap *bootstrap, const struct session_action *action)
{
    struct driver *driver = bootstrap->driver;
    struct bytes identity = identity_bytes(&bootstrap->info.identity);
    struct outcome outcome = *action->outcome;
    char source[NET_TEXT_SIZE];

    complete_outcome(bootstrap, &outcome);
    log_outcome(&outcome);
    net_text(&bootstrap->info.path.remote, false, source);
    bool told =
        rejects_add(driver->config.rejects, identity, source, outcome.cause, driver->now.wall_ms);
    tell_reject(&driver->teller, identity, source, outcome.cause, told);
}

void bootstrap_record(struct bootstrap *bootstrap, const struct session_action *action)
{
    endpoint_info(bootstrap->driver->endpoint, bootstrap->ref, &bootstrap->info);
    if (action->outcome->endpoint[0] == '\0')
        reject_outcome(bootstrap, action);
    else
        record_outcome(bootstrap, action);
    bootstrap_forget_keys(bootstrap);
    bootstrap_set_finished(bootstrap, true);
    session_recorded(bootstrap->session);
}
