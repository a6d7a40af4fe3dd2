/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of the store: keys for handshakes, devices for requests, fresh credentials. */
#include "bootstrap_priv.h"
#include "usher/log.h"
#include "usher/makers.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- keys for handshakes (D6) ---- */

/* A look-up on its way. */
struct resolution {
    struct driver *driver;
    struct association_ref ref;
    uint8_t identity_len;
    uint8_t identity[IDENTITY_MAX];
};

/* The one whose turn it is of the keys that the device may have. */
static const struct secret *choose_key(const struct resolution *resolution,
                                       const struct store_device *device)
{
    struct driver *driver = resolution->driver;
    struct association_info info;

    if (device->other_key_count == 0 || !endpoint_info(driver->endpoint, resolution->ref, &info))
        return &device->bootstrap_key;
    struct bytes identity = bytes_of(resolution->identity, resolution->identity_len);
    struct bytes source = bytes_of(info.path.remote.ip, sizeof info.path.remote.ip);
    size_t choice =
        key_hints_choose(driver->config.hints, identity, source, 1 + device->other_key_count);
    return choice == 0 ? &device->bootstrap_key : &device->other_keys[choice - 1];
}

static void key_found(void *context, enum err_code result, const struct store_device *device)
{
    struct resolution *resolution = context;
    struct driver *driver = resolution->driver;
    struct bytes identity = bytes_of(resolution->identity, resolution->identity_len);

    if (result == ERR_OK && device->bootstrap_key.len == 0)
        result = ERR_NOT_FOUND; /* its identity stands for a certificate */
    if (result == ERR_OK && !device->enrollment.blocked) {
        seen_remember(&driver->seen, resolution->ref, device->enrollment.endpoint);
        endpoint_resolved(driver->endpoint, resolution->ref, identity,
                          choose_key(resolution, device), false, CAUSE_NONE);
    } else if (result == ERR_OK || result == ERR_NOT_FOUND) {
        struct secret decoy;
        psk_decoy(driver->config.decoy_secret, identity, &decoy);
        endpoint_resolved(driver->endpoint, resolution->ref, identity, &decoy, true,
                          result == ERR_OK ? CAUSE_BLOCKED : CAUSE_UNKNOWN_IDENTITY);
        secret_clear(&decoy);
    } else {
        endpoint_resolve_failed(driver->endpoint, resolution->ref);
    }
    free(resolution);
}

void driver_resolve_key(void *context, struct association_ref ref, struct bytes identity)
{
    struct driver *driver = context;
    struct resolution *resolution = calloc(1, sizeof *resolution);

    if (resolution == NULL)
        return; /* the endpoint drops the handshake in time */
    resolution->driver = driver;
    resolution->ref = ref;
    resolution->identity_len = (uint8_t)identity.len;
    memcpy(resolution->identity, identity.data, identity.len);
    store_find_identity(driver->config.lane, bytes_of(resolution->identity, identity.len),
                        key_found, resolution);
}

/* ---- devices for requests ---- */

struct call {
    struct bootstrap *bootstrap;
    uint64_t epoch;
    bool commit;
    int pins; /* kinds of pins that are still to be looked for */
};

static struct call *call_new(struct bootstrap *bootstrap, bool commit)
{
    struct call *call = calloc(1, sizeof *call);

    if (call == NULL)
        return NULL;
    *call = (struct call){.bootstrap = bootstrap, .epoch = bootstrap->epoch, .commit = commit};
    bootstrap->calls++;
    return call;
}

/* The bootstrap account's key that counts now stands behind those of the servers, as server 0 and
 * without generation. */
static bool keep_keys(struct bootstrap *bootstrap, const struct store_device *device)
{
    size_t count = device->enrollment.credential_count;

    bootstrap_forget_keys(bootstrap);
    bootstrap->keys = calloc(count + 1, sizeof *bootstrap->keys);
    if (bootstrap->keys == NULL)
        return false;
    bootstrap->key_count = count + 1;
    for (size_t i = 0; i < count; i++) {
        bootstrap->keys[i].ssid = device->enrollment.credentials[i].ssid;
        bootstrap->keys[i].generation = device->enrollment.credentials[i].generation;
        bootstrap->keys[i].kind = device->enrollment.credentials[i].kind;
        bootstrap->keys[i].key = device->keys[i];
        bootstrap->keys[i].public_part = blob_ref(device->publics[i]);
    }
    bootstrap->keys[count].key = device->bootstrap_key;
    return true;
}

bool holder_is_same(const struct live_holder *a, const struct live_holder *b)
{
    return a->worker == b->worker && a->slot == b->slot && a->generation == b->generation;
}

/* Newest request wins (I2): the claim names the session that it replaces. */
static enum err_code claim(struct bootstrap *bootstrap, const char *endpoint)
{
    struct driver *driver = bootstrap->driver;
    struct live_holder holder = bootstrap_holder(bootstrap), previous;
    bool had_previous = false;

    if (strcmp(bootstrap->endpoint, endpoint) != 0)
        bootstrap_release_claim(bootstrap);
    enum err_code code = live_claim(driver->config.live, endpoint, &holder, driver->now.wall_ms,
                                    &previous, &had_previous);
    if (code != ERR_OK)
        return code;
    /* Longer ones were refused. */
    memcpy(bootstrap->endpoint, endpoint, strlen(endpoint) + 1);
    seen_forget(&driver->seen, bootstrap->ref, endpoint);
    if (had_previous && !holder_is_same(&previous, &holder))
        driver->config.supersede(driver->config.context, &previous);
    return ERR_OK;
}

/* What the device proved to have may have been replaced since its handshake. */
static bool has_its_key(const struct bootstrap *bootstrap, const struct store_device *device)
{
    const struct endpoint *endpoint = bootstrap->driver->endpoint;
    bool has = bootstrap->info.proof != PROOF_PSK || bootstrap->info.identity.len == 0 ||
               endpoint_opened_with(endpoint, bootstrap->ref, &device->bootstrap_key);

    for (size_t i = 0; !has && i < device->other_key_count; i++)
        has = endpoint_opened_with(endpoint, bootstrap->ref, &device->other_keys[i]);
    return has;
}

/* Who has proved nothing must not end the session of the device that he says he is (I8), nor one
 * with another certificate than the one that the device is enrolled with. */
static bool may_claim(const struct bootstrap *bootstrap, const struct store_device *device)
{
    const struct identity *identity = &device->enrollment.identity;
    bool certified = bootstrap->info.proof == PROOF_CERTIFICATE;
    bool proved = certified || bootstrap->info.identity.len > 0;

    if (certified && identity_is_pin(identity) && !names_fit_pin(bootstrap->info.names, identity))
        return false;

    return !device->enrollment.blocked &&
           (proved || session_takes_unproven(bootstrap->driver->profiles, &device->enrollment));
}

static void device_found(void *context, enum err_code result, const struct store_device *device)
{
    struct call *call = context;
    struct bootstrap *bootstrap = call->bootstrap;
    bool commit = call->commit;
    /* A late answer must not claim the endpoint for a session that has ended: that would supersede
     * a newer one (I2). */
    bool current = call->epoch == bootstrap->epoch && !session_over(bootstrap->session);

    free(call);
    if (current && result == ERR_OK && !commit && !has_its_key(bootstrap, device))
        result = ERR_DENIED;
    if (current && result == ERR_OK && !keep_keys(bootstrap, device))
        result = ERR_NO_MEMORY;
    if (current && result == ERR_OK && !commit && may_claim(bootstrap, device))
        result = claim(bootstrap, device->enrollment.endpoint);
    if (current && result == ERR_OK && !commit)
        tell_request(&bootstrap->driver->teller, &bootstrap->info, device->enrollment.endpoint,
                     device->enrollment.class_name);
    if (current) {
        struct session_event event = {
            .kind = commit ? SESSION_COMMITTED : SESSION_RESOLVED,
            .result = result,
            .enrollment = result == ERR_OK ? &device->enrollment : NULL,
            .profiles = bootstrap->driver->profiles,
        };
        bootstrap_step(bootstrap, &event);
    }
    bootstrap->calls--;
    bootstrap_free_if_done(bootstrap);
}

static void find_by_name(struct call *call)
{
    const struct bootstrap *bootstrap = call->bootstrap;

    const struct names *names = bootstrap->info.names;
    struct bytes name = bytes_of_text(session_lookup(bootstrap->session));

    if (bootstrap->info.proof == PROOF_CERTIFICATE)
        store_find_named(bootstrap->driver->config.lane, name,
                         names->has_authority ? names->authority : NULL, device_found, call);
    else
        store_find_endpoint(bootstrap->driver->config.lane, name, device_found, call);
}

/* Whom its key was enrolled for, then whom its certificate; else the names count that a CA vouches
 * for. */
static void pin_found(void *context, enum err_code result, const struct store_device *device)
{
    struct call *call = context;
    const struct bootstrap *bootstrap = call->bootstrap;
    const struct names *names = bootstrap->info.names;
    struct identity pin;

    /* The association may be gone by now, and its names with it. */
    if (result != ERR_NOT_FOUND || !bootstrap->associated) {
        device_found(call, result, device);
    } else if (call->pins > 0) {
        call->pins--;
        identity_set_pin(&pin, (enum pin_kind)call->pins, names->hashes[call->pins]);
        store_find_identity(bootstrap->driver->config.lane, identity_bytes(&pin), pin_found, call);
    } else if (names->unvouched) {
        device_found(call, ERR_DENIED, NULL);
    } else {
        find_by_name(call);
    }
}

void bootstrap_resolve(struct bootstrap *bootstrap)
{
    struct driver *driver = bootstrap->driver;
    struct bytes identity = identity_bytes(&bootstrap->info.identity);

    endpoint_cancel(driver->endpoint, bootstrap->ref);
    bootstrap->epoch++;
    bootstrap_set_finished(bootstrap,
                           false); /* here, as an abandoned attempt may just have been recorded */
    struct call *call = call_new(bootstrap, false);
    if (call == NULL) {
        struct session_event event = {.kind = SESSION_RESOLVED, .result = ERR_NO_MEMORY};
        bootstrap_step(bootstrap, &event);
    } else if (bootstrap->info.proof == PROOF_PSK && identity.len > 0) {
        store_find_identity(driver->config.lane, identity, device_found, call);
    } else if (bootstrap->info.proof == PROOF_CERTIFICATE && bootstrap->info.names->hashed) {
        call->pins = PIN_PUBLIC_KEY + 1;
        pin_found(call, ERR_NOT_FOUND, NULL);
    } else {
        find_by_name(call);
    }
}

static enum err_code make_credential(struct bootstrap *bootstrap,
                                     const struct credential_need *need,
                                     struct store_new_credential *out)
{
    struct err err = {0};

    *out = (struct store_new_credential){
        .ssid = need->ssid, .kind = need->kind, .identity = need->identity};
    memcpy(out->place, need->place, sizeof out->place);
    enum err_code code = need->source == CREDENTIAL_ISSUE
                             ? makers_issue(session_profile(bootstrap->session), need->ssid,
                                            bootstrap->endpoint, &out->key, &out->public_part, &err)
                             : psk_generate(&out->key, need->key_len);
    if (code != ERR_OK) /* a CA that has expired; lengths of keys were checked with the profile */
        log_event(LOG_ERROR, "session.no-credential", LOG_TEXT("endpoint", bootstrap->endpoint),
                  LOG_NUMBER("server", need->ssid), LOG_TEXT("cause", err.text));
    return code;
}

void bootstrap_commit(struct bootstrap *bootstrap, const struct session_action *action)
{
    struct driver *driver = bootstrap->driver;
    struct store_new_credential fresh[ACCOUNTS_MAX];
    struct call *call = NULL;
    enum err_code code = ERR_OK;
    size_t made = 0;

    while (made < action->need_count && code == ERR_OK) {
        code = make_credential(bootstrap, &action->needs[made], &fresh[made]);
        made++;
    }
    if (code == ERR_OK && (call = call_new(bootstrap, true)) == NULL)
        code = ERR_NO_MEMORY;
    if (code == ERR_OK) {
        store_make_pending(driver->config.lane, bytes_of_text(bootstrap->endpoint), fresh, made,
                           device_found, call);
    } else {
        struct session_event event = {.kind = SESSION_COMMITTED, .result = code};
        bootstrap_step(bootstrap, &event);
    }
    for (size_t i = 0; i < made; i++)
        blob_unref(fresh[i].public_part);
    bytes_wipe(fresh, sizeof fresh);
}
