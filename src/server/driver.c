/* SPDX-License-Identifier: Apache-2.0 */
/* The imperative shell of session_step: between endpoint, store, claims and log. */
#include "driver_priv.h"
#include "seen_priv.h"
#include "usher/key_pair.h"
#include "usher/log.h"
#include "usher/makers.h"
#include "usher/pool.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHANCE_OF_ID = 10,
    KEYS_MAX = ACCOUNTS_MAX * 3,
    PAYLOAD_MAX = 65536,
    WAITING_EVENTS_MAX = 4,
    SILENCE_MS = 10000,     /* how long a device may be silent while the server stops, at least */
    SILENCE_STEP_MS = 500,  /* how often that is looked at */
    SILENCE_ROUND_TRIPS = 3 /* of a slow device */
};

/* The key bytes behind a plan's references, while the session writes. */
struct session_key {
    uint16_t ssid;
    uint64_t generation;
    enum credential_kind kind;
    bool written; /* it has been put into a Write */
    struct secret key;
    struct blob *public_part; /* a reference; NULL = none */
};

/* One association's bootstrap. Lives until the session is over, the association is gone and no
 * store call is under way. */
struct bootstrap {
    struct driver *driver;
    struct bootstrap *previous, *next;
    struct association_ref ref;
    struct session *session;
    struct association_info info;    /* as of the last look */
    char endpoint[ENDPOINT_MAX + 1]; /* claimed; "" = none */
    bool associated;                 /* the endpoint still has it */
    bool finished;                   /* an outcome has been recorded for the present request */
    uint8_t answered_instead;        /* of a pack that could not be written; 0 = it was */
    unsigned calls;                  /* store callbacks and events under way */
    bool stepping;                   /* the actions of a step are being performed */
    struct session_event waiting[WAITING_EVENTS_MAX]; /* without borrowed data */
    size_t waiting_count;
    uint64_t epoch; /* counts requests, so that late store answers are recognised */
    size_t key_count;
    struct session_key *keys;
    struct secret *converted;   /* a key worked out, or in another form, while it is written */
    struct tell_operation open; /* sent and not yet answered */
    uint32_t ack_timeout_ms;    /* of the class, as of the last operation; 0 = the listener's */
    /* While draining: when the device was last heard, and what had been received then. */
    uint64_t heard_ms;
    uint32_t heard_bytes;
};

struct driver {
    struct driver_config config;
    struct driver_time now;
    struct endpoint *endpoint;
    struct teller teller;
    struct profile_set *profiles;
    struct bootstrap *first;
    struct seen_table seen;
    size_t running;
    bool draining;
    uint64_t silence_at;               /* while draining: when to look for silent devices next */
    uint32_t slow_listener_ms;         /* the longest acknowledge time of the listeners */
    uint8_t chance[64 * CHANCE_OF_ID]; /* for ids of outcomes */
    size_t chance_left;
};

static struct live_holder holder_at(const struct driver *driver, struct association_ref ref)
{
    return (struct live_holder){
        .worker = driver->config.worker,
        .slot = ref.slot,
        .generation = ref.generation,
    };
}

/* ---- life of a bootstrap ---- */

static void forget_keys(struct bootstrap *bootstrap)
{
    for (size_t i = 0; i < bootstrap->key_count; i++)
        blob_unref(bootstrap->keys[i].public_part);
    if (bootstrap->keys != NULL)
        bytes_wipe(bootstrap->keys, bootstrap->key_count * sizeof *bootstrap->keys);
    free(bootstrap->keys);
    bootstrap->keys = NULL;
    if (bootstrap->converted != NULL)
        secret_clear(bootstrap->converted);
    free(bootstrap->converted);
    bootstrap->converted = NULL;
    bootstrap->key_count = 0;
}

static struct live_holder holder_of(const struct bootstrap *bootstrap)
{
    return holder_at(bootstrap->driver, bootstrap->ref);
}

static void release_claim(struct bootstrap *bootstrap)
{
    struct live_holder holder = holder_of(bootstrap);

    if (bootstrap->endpoint[0] != '\0')
        live_release(bootstrap->driver->config.live, bootstrap->endpoint, &holder);
    bootstrap->endpoint[0] = '\0';
}

static void set_finished(struct bootstrap *bootstrap, bool finished)
{
    if (finished == bootstrap->finished)
        return;
    bootstrap->finished = finished;
    if (finished)
        bootstrap->driver->running--;
    else
        bootstrap->driver->running++;
}

static struct bootstrap *bootstrap_new(struct driver *driver, struct association_ref ref)
{
    struct bootstrap *bootstrap = pool_calloc(1, sizeof *bootstrap);

    if (bootstrap == NULL)
        return NULL;
    bootstrap->driver = driver;
    bootstrap->ref = ref;
    bootstrap->associated = true;
    bootstrap->finished = true; /* nothing runs before the first request */
    endpoint_info(driver->endpoint, ref, &bootstrap->info);
    uint64_t age_ms = driver->now.monotonic_ms - bootstrap->info.started_ms;
    struct session_start start = {
        .unknown = driver->config.unknown == NULL
                       ? UNKNOWN_REFUSE
                       : driver->config.unknown[bootstrap->info.path.listener],
        .proof = bootstrap->info.proof,
        .identity = bootstrap->info.identity,
        .names = bootstrap->info.names,
        .started_ms = bootstrap->info.started_ms,
        .started_wall_ms = driver->now.wall_ms - (int64_t)age_ms,
        .handshake_ms = bootstrap->info.handshake_ms,
    };
    bootstrap->session = session_new(&start);
    if (bootstrap->session == NULL) {
        pool_free(bootstrap);
        return NULL;
    }
    bootstrap->next = driver->first;
    if (driver->first != NULL)
        driver->first->previous = bootstrap;
    driver->first = bootstrap;
    return bootstrap;
}

static void bootstrap_free_if_done(struct bootstrap *bootstrap)
{
    struct driver *driver = bootstrap->driver;

    if (bootstrap->associated || bootstrap->calls > 0)
        return;
    set_finished(bootstrap, true);
    release_claim(bootstrap);
    if (bootstrap->previous != NULL)
        bootstrap->previous->next = bootstrap->next;
    else
        driver->first = bootstrap->next;
    if (bootstrap->next != NULL)
        bootstrap->next->previous = bootstrap->previous;
    forget_keys(bootstrap);
    session_free(bootstrap->session);
    pool_free(bootstrap);
}

/* ---- store calls ---- */

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

static void step(struct bootstrap *bootstrap, const struct session_event *event);

/* The bootstrap account's key that counts now stands behind those of the servers, as server 0 and
 * without generation. */
static bool keep_keys(struct bootstrap *bootstrap, const struct store_device *device)
{
    size_t count = device->enrollment.credential_count;

    forget_keys(bootstrap);
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

static bool same_holder(const struct live_holder *a, const struct live_holder *b)
{
    return a->worker == b->worker && a->slot == b->slot && a->generation == b->generation;
}

/* Newest request wins (I2): the claim names the session that it replaces. */
static enum err_code claim(struct bootstrap *bootstrap, const char *endpoint)
{
    struct driver *driver = bootstrap->driver;
    struct live_holder holder = holder_of(bootstrap), previous;
    bool had_previous = false;

    if (strcmp(bootstrap->endpoint, endpoint) != 0)
        release_claim(bootstrap);
    enum err_code code = live_claim(driver->config.live, endpoint, &holder, driver->now.wall_ms,
                                    &previous, &had_previous);
    if (code != ERR_OK)
        return code;
    snprintf(bootstrap->endpoint, sizeof bootstrap->endpoint, "%s", endpoint);
    seen_forget(&driver->seen, bootstrap->ref, endpoint);
    if (had_previous && !same_holder(&previous, &holder))
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

/* Who has proved nothing must not end the session of the device that he says he is (I8). */
static bool may_claim(const struct bootstrap *bootstrap, const struct store_device *device)
{
    bool proved = bootstrap->info.proof != PROOF_PSK || bootstrap->info.identity.len > 0;

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
        step(bootstrap, &event);
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

static void perform_resolve(struct bootstrap *bootstrap)
{
    struct driver *driver = bootstrap->driver;
    struct bytes identity = identity_bytes(&bootstrap->info.identity);

    endpoint_cancel(driver->endpoint, bootstrap->ref);
    bootstrap->epoch++;
    set_finished(bootstrap, false); /* here, as an abandoned attempt may just have been recorded */
    struct call *call = call_new(bootstrap, false);
    if (call == NULL) {
        struct session_event event = {.kind = SESSION_RESOLVED, .result = ERR_NO_MEMORY};
        step(bootstrap, &event);
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

static void perform_commit(struct bootstrap *bootstrap, const struct session_action *action)
{
    struct driver *driver = bootstrap->driver;
    struct store_new_credential fresh[ACCOUNTS_MAX];
    struct call *call = call_new(bootstrap, true);

    if (call == NULL) {
        struct session_event event = {.kind = SESSION_COMMITTED, .result = ERR_NO_MEMORY};
        step(bootstrap, &event);
        return;
    }
    enum err_code code = ERR_OK;
    size_t made = 0;
    while (made < action->need_count && code == ERR_OK) {
        code = make_credential(bootstrap, &action->needs[made], &fresh[made]);
        made++;
    }
    if (code == ERR_OK)
        store_make_pending(driver->config.lane, bytes_of_text(bootstrap->endpoint), fresh, made,
                           device_found, call);
    else
        device_found(call, code, NULL);
    for (size_t i = 0; i < made; i++)
        blob_unref(fresh[i].public_part);
    bytes_wipe(fresh, sizeof fresh);
}

/* ---- sending ---- */

static struct session_key *find_key(const struct bootstrap *bootstrap, uint16_t ssid,
                                    uint64_t generation)
{
    for (size_t i = 0; i < bootstrap->key_count; i++)
        if (bootstrap->keys[i].ssid == ssid && bootstrap->keys[i].generation == generation)
            return &bootstrap->keys[i];
    return NULL;
}

/* A reference fits one kind of credential only: no key is ever written where another belongs. */
static bool fits(const struct secret_ref *ref, enum credential_kind kind)
{
    switch (ref->kind) {
    case SECRET_PSK_KEY:
    case SECRET_BOOTSTRAP_KEY:
        return kind == CREDENTIAL_KIND_PSK;
    case SECRET_OSCORE_MASTER:
        return kind == CREDENTIAL_KIND_OSCORE;
    case SECRET_PRIVATE_KEY:
    case SECRET_PUBLIC_PART:
        return kind == CREDENTIAL_KIND_RPK || kind == CREDENTIAL_KIND_X509;
    default:
        return false;
    }
}

/* The encoder keeps no bytes beyond the next question, so that one place is enough. */
static struct secret *scratch_of(struct bootstrap *bootstrap)
{
    if (bootstrap->converted == NULL)
        bootstrap->converted = calloc(1, sizeof *bootstrap->converted);
    return bootstrap->converted;
}

/* By the identity that is written with it, which the server will look for. */
static bool derive(struct bootstrap *bootstrap, const struct secret_ref *ref, struct bytes *out)
{
    const struct profile *profile = session_profile(bootstrap->session);
    const struct enrollment *enrollment = session_enrollment(bootstrap->session);
    struct secret *key = scratch_of(bootstrap);
    struct identity identity;

    if (key == NULL || profile == NULL || enrollment == NULL ||
        !profile_identity(profile, enrollment, ref->ssid, &identity) ||
        !makers_derive(profile, ref->ssid, identity_bytes(&identity), key))
        return false;
    *out = secret_bytes(key);
    return true;
}

static bool convert(struct bootstrap *bootstrap, const struct session_key *key, struct bytes *out)
{
    struct secret *converted = scratch_of(bootstrap);

    if (converted == NULL || !key_pair_to_sec1(&key->key, converted))
        return false;
    *out = secret_bytes(converted);
    return true;
}

static bool reveal(void *context, const struct secret_ref *ref, struct bytes *out)
{
    struct bootstrap *bootstrap = context;
    struct session_key *key = find_key(bootstrap, ref->ssid, ref->generation);

    if (ref->derived)
        return derive(bootstrap, ref, out);
    if (key == NULL || !fits(ref, key->kind))
        return false;
    if (ref->kind == SECRET_PUBLIC_PART) {
        *out = blob_bytes(key->public_part);
        if (ref->first_only && key->kind == CREDENTIAL_KIND_X509)
            *out = key_pair_first(*out);
        return true;
    }
    key->written = true;
    *out = secret_bytes(&key->key);
    return !ref->as_sec1 || convert(bootstrap, key, out);
}

static uint8_t method_of(enum operation_kind kind)
{
    switch (kind) {
    case OPERATION_DELETE:
        return COAP_METHOD_DELETE;
    case OPERATION_WRITE:
        return COAP_METHOD_PUT;
    case OPERATION_FINISH:
        return COAP_METHOD_POST;
    case OPERATION_DISCOVER:
    case OPERATION_READ:
    case OPERATION_PACK: /* an answer, never sent */
        break;
    }
    return COAP_METHOD_GET;
}

/* For the report of its end. */
static void note_operation(struct bootstrap *bootstrap, const struct operation *operation)
{
    endpoint_info(bootstrap->driver->endpoint, bootstrap->ref, &bootstrap->info);
    bootstrap->open = (struct tell_operation){
        .kind = operation->kind,
        .path = operation->path,
        .sent_ms = bootstrap->driver->now.monotonic_ms,
        .bytes_sent = bootstrap->info.bytes_sent,
        .bytes_received = bootstrap->info.bytes_received,
    };
}

static enum err_code send_operation(struct bootstrap *bootstrap,
                                    const struct session_action *action, struct buf *payload,
                                    struct err *err)
{
    const struct operation *operation = action->operation;
    bootstrap->ack_timeout_ms = action->ack_timeout_ms;
    const struct codec_reveal secrets = {reveal, bootstrap};
    struct endpoint_request request = {
        .method = method_of(operation->kind),
        .path = operation->path,
        .bootstrap_finish = operation->kind == OPERATION_FINISH,
        .content_format = -1,
        .accept = -1,
        .ack_timeout_ms = action->ack_timeout_ms,
        .request_timeout_ms = action->request_timeout_ms,
        .message_max = action->message_max,
    };

    if (operation->kind == OPERATION_DISCOVER)
        request.accept = FORMAT_LINK;
    if (operation->kind == OPERATION_READ)
        request.accept = action->format;
    if (operation->kind == OPERATION_WRITE) {
        enum err_code code = codec_encode(action->format, &operation->path, operation->records,
                                          operation->record_count, &secrets, payload, err);
        if (code != ERR_OK)
            return code;
        request.content_format = action->format;
        request.payload = buf_bytes(payload);
    }
    note_operation(bootstrap, operation);
    if (!endpoint_request(bootstrap->driver->endpoint, bootstrap->ref, &request))
        return err_set(err, ERR_INTERNAL, "the request could not be sent");
    return ERR_OK;
}

/* A value that the chosen format cannot carry counts as the device's 4.15: the session tries the
 * next format. Anything else is as if the device had not answered. */
static void perform_send(struct bootstrap *bootstrap, const struct session_action *action)
{
    struct buf payload;
    struct err err = {0};

    buf_init(&payload, PAYLOAD_MAX);
    enum err_code code = send_operation(bootstrap, action, &payload, &err);
    buf_clear(&payload);
    if (code == ERR_OK)
        return;
    log_event(LOG_WARNING, "session.send-failed", LOG_TEXT("endpoint", bootstrap->endpoint),
              LOG_TEXT("cause", err.text));
    struct session_event event = {
        .kind = SESSION_NO_ANSWER,
        .cause = CAUSE_TIMEOUT,
    };
    if (code == ERR_INVALID || code == ERR_UNSUPPORTED)
        event = (struct session_event){
            .kind = SESSION_ANSWER, .code = COAP_UNSUPPORTED_FORMAT, .format = -1};
    step(bootstrap, &event);
}

/* ---- outcomes ---- */

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
        release_claim(bootstrap);
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
            find_key(bootstrap, credential->ssid, credential->generation);
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
    struct store_promotion promotions[KEYS_MAX];
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

static void perform_record(struct bootstrap *bootstrap, const struct session_action *action)
{
    endpoint_info(bootstrap->driver->endpoint, bootstrap->ref, &bootstrap->info);
    if (action->outcome->endpoint[0] == '\0')
        reject_outcome(bootstrap, action);
    else
        record_outcome(bootstrap, action);
    forget_keys(bootstrap);
    set_finished(bootstrap, true);
    session_recorded(bootstrap->session);
}

/* ---- actions ---- */

/* False: it cannot be written in that format, or there is no memory. */
static bool respond_with_pack(struct bootstrap *bootstrap, const struct session_action *action)
{
    const struct operation *pack = action->operation;
    const struct codec_reveal secrets = {reveal, bootstrap};
    struct buf payload;
    struct err err = {0};

    buf_init(&payload, PAYLOAD_MAX);
    enum err_code code = codec_encode(action->format, &pack->path, pack->records,
                                      pack->record_count, &secrets, &payload, &err);
    bool sent =
        code == ERR_OK && endpoint_respond_content(bootstrap->driver->endpoint, bootstrap->ref,
                                                   action->format, buf_bytes(&payload));
    buf_clear(&payload);
    if (code != ERR_OK)
        log_event(LOG_WARNING, "session.pack-failed", LOG_TEXT("endpoint", bootstrap->endpoint),
                  LOG_TEXT("cause", err.text));
    return sent;
}

static void perform_respond(struct bootstrap *bootstrap, const struct session_action *action)
{
    struct endpoint *endpoint = bootstrap->driver->endpoint;

    bootstrap->answered_instead = 0;
    if (action->silent) {
        endpoint_ignore(endpoint, bootstrap->ref);
    } else if (action->operation == NULL) {
        endpoint_respond(endpoint, bootstrap->ref, action->code);
    } else if (!respond_with_pack(bootstrap, action)) {
        bootstrap->answered_instead = COAP_NOT_ACCEPTABLE;
        endpoint_respond(endpoint, bootstrap->ref, COAP_NOT_ACCEPTABLE);
    }
}

static void perform_state(struct bootstrap *bootstrap, const struct session_action *action)
{
    struct live_holder holder = holder_of(bootstrap);
    const struct enrollment *enrollment = session_enrollment(bootstrap->session);

    /* Final states are shown once they are durable. */
    if (bootstrap->endpoint[0] == '\0' ||
        (action->state != STATE_SEEN && action->state != STATE_WRITING &&
         action->state != STATE_VERIFYING))
        return;
    live_set_state(bootstrap->driver->config.live, bootstrap->endpoint, &holder, action->state,
                   enrollment == NULL ? "" : enrollment->class_name);
}

static void perform_close(struct bootstrap *bootstrap, const struct session_action *action)
{
    struct driver *driver = bootstrap->driver;

    if (!bootstrap->associated)
        return;
    bootstrap->associated = false;
    seen_forget(&driver->seen, bootstrap->ref, bootstrap->endpoint);
    endpoint_info(driver->endpoint, bootstrap->ref, &bootstrap->info);
    endpoint_set_user(driver->endpoint, bootstrap->ref, NULL);
    endpoint_close(driver->endpoint, bootstrap->ref, action->silent);
}

static void perform(struct bootstrap *bootstrap, const struct session_action *action)
{
    switch (action->kind) {
    case ACTION_RESOLVE:
        perform_resolve(bootstrap);
        break;
    case ACTION_COMMIT:
        perform_commit(bootstrap, action);
        break;
    case ACTION_RESPOND:
        perform_respond(bootstrap, action);
        break;
    case ACTION_SEND:
        perform_send(bootstrap, action);
        break;
    case ACTION_ARM:
        endpoint_arm(bootstrap->driver->endpoint, bootstrap->ref,
                     action->at == 0 ? UINT64_MAX : action->at);
        break;
    case ACTION_STATE:
        perform_state(bootstrap, action);
        break;
    case ACTION_RECORD:
        perform_record(bootstrap, action);
        break;
    case ACTION_CLOSE:
        perform_close(bootstrap, action);
        break;
    }
}

static bool brings_answer(const struct session_action *action)
{
    return action->kind == ACTION_RESOLVE || action->kind == ACTION_COMMIT ||
           action->kind == ACTION_SEND;
}

/* An event that an action brings before it returns (a piggybacked answer is out at once) waits
 * until all actions are done: session_step overwrites what they point to. The one action that asks
 * for an answer with data runs last, so that its answer may come at any time. */
static void step(struct bootstrap *bootstrap, const struct session_event *event)
{
    struct session_actions actions;
    struct session_event timed = *event;
    const struct session_action *last = NULL;

    if (bootstrap->stepping) {
        assert(bootstrap->waiting_count < WAITING_EVENTS_MAX);
        bootstrap->waiting[bootstrap->waiting_count++] = *event;
        return;
    }
    timed.wall_ms = bootstrap->driver->now.wall_ms;
    bootstrap->stepping = true;
    session_step(bootstrap->session, &timed, bootstrap->driver->now.monotonic_ms, &actions);
    for (size_t i = 0; i < actions.count; i++) {
        if (brings_answer(&actions.items[i]))
            last = &actions.items[i];
        else
            perform(bootstrap, &actions.items[i]);
    }
    bootstrap->stepping = false;
    if (last != NULL)
        perform(bootstrap, last);
    while (bootstrap->waiting_count > 0) {
        struct session_event next = bootstrap->waiting[0];
        bootstrap->waiting_count--;
        memmove(bootstrap->waiting, bootstrap->waiting + 1,
                bootstrap->waiting_count * sizeof *bootstrap->waiting);
        step(bootstrap, &next);
    }
}

/* ---- what the endpoint tells ---- */

static void on_send(void *context, const struct net_path *path, struct bytes datagram)
{
    struct driver *driver = context;

    driver->config.send(driver->config.send_context, path, datagram);
}

/* A key look-up for a handshake (D6). */
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

static void on_resolve(void *context, struct association_ref ref, struct bytes identity)
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

static void on_established(void *context, struct association_ref ref)
{
    struct driver *driver = context;
    struct association_info info;

    seen_show(&driver->seen, ref, driver->now.wall_ms);
    if (endpoint_info(driver->endpoint, ref, &info))
        tell_handshake(&driver->teller, &info);
    log_event(LOG_DEBUG, "endpoint.established", LOG_NUMBER("slot", ref.slot));
}

/* Value of `name=` among the Uri-Query options; data NULL = absent. */
static struct bytes query_value(const struct coap_message *message, const char *name)
{
    size_t name_len = strlen(name);
    const struct coap_option *option = NULL;

    while ((option = coap_next(message, COAP_OPT_URI_QUERY, option)) != NULL)
        if (option->value.len > name_len && option->value.data[name_len] == '=' &&
            memcmp(option->value.data, name, name_len) == 0)
            return bytes_of(option->value.data + name_len + 1, option->value.len - name_len - 1);
    return bytes_of(NULL, 0);
}

/* -1 = none; what no format number can be is none that we have. */
static int accept_of(const struct coap_message *message)
{
    const struct coap_option *option = coap_find(message, COAP_OPT_ACCEPT);
    uint32_t number;

    if (option == NULL)
        return -1;
    return coap_option_uint(option, &number) && number <= UINT16_MAX ? (int)number : UINT16_MAX;
}

static bool is_plain(const struct driver *driver, struct association_ref ref)
{
    struct association_info info;

    return endpoint_info(driver->endpoint, ref, &info) && info.plain;
}

static void on_request(void *context, struct association_ref ref,
                       const struct coap_message *message)
{
    struct driver *driver = context;
    struct bootstrap *bootstrap = endpoint_user(driver->endpoint, ref);

    bool pack = coap_path_is(message, "/bspack");

    if (!pack && !coap_path_is(message, "/bs")) {
        endpoint_refuse(driver->endpoint, ref, COAP_NOT_FOUND);
        return;
    }
    /* A pack is many times its request: whoever forges his source could have it sent to others. */
    if (pack && is_plain(driver, ref)) {
        endpoint_refuse(driver->endpoint, ref, COAP_METHOD_NOT_ALLOWED);
        return;
    }
    if (message->code != (pack ? COAP_METHOD_GET : COAP_METHOD_POST)) {
        endpoint_refuse(driver->endpoint, ref, COAP_METHOD_NOT_ALLOWED);
        return;
    }
    if (bootstrap == NULL) {
        bootstrap = bootstrap_new(driver, ref);
        endpoint_set_user(driver->endpoint, ref, bootstrap);
    }
    /* While draining, what runs may go on, also when the device asks again. */
    if (bootstrap == NULL || (driver->draining && bootstrap->finished)) {
        endpoint_ignore(driver->endpoint, ref);
        return;
    }
    struct session_event event = {
        .kind = SESSION_REQUEST,
        .endpoint = query_value(message, "ep"),
        .preferred_format = query_value(message, "pct"),
        .payload_present = message->payload.len > 0,
        .pack = pack,
        .accept = accept_of(message),
        .known = query_value(message, "acc"),
    };
    bootstrap->calls++; /* keeps it while the event runs */
    step(bootstrap, &event);
    bootstrap->calls--;
    bootstrap_free_if_done(bootstrap);
}

static void deliver(struct driver *driver, struct association_ref ref,
                    const struct session_event *event)
{
    struct bootstrap *bootstrap = endpoint_user(driver->endpoint, ref);

    if (bootstrap == NULL)
        return;
    bootstrap->calls++;
    step(bootstrap, event);
    bootstrap->calls--;
    bootstrap_free_if_done(bootstrap);
}

static void on_responded(void *context, struct association_ref ref)
{
    struct driver *driver = context;
    const struct bootstrap *bootstrap = endpoint_user(driver->endpoint, ref);
    struct session_event event = {
        .kind = SESSION_RESPONDED,
        .code = bootstrap == NULL ? 0 : bootstrap->answered_instead,
    };

    deliver(driver, ref, &event);
}

static void report_end(struct driver *driver, struct association_ref ref, uint8_t code,
                       enum cause cause, uint16_t attempts)
{
    struct bootstrap *bootstrap = endpoint_user(driver->endpoint, ref);

    if (bootstrap == NULL || bootstrap->open.kind == 0)
        return;
    endpoint_info(driver->endpoint, ref, &bootstrap->info);
    tell_operation(&driver->teller, &bootstrap->open, &bootstrap->info,
                   session_enrollment(bootstrap->session), code, cause, attempts);
}

static void on_answer(void *context, struct association_ref ref,
                      const struct endpoint_answer *answer)
{
    struct session_event event = {
        .kind = SESSION_ANSWER,
        .code = answer->code,
        .format = answer->content_format,
        .payload = answer->payload,
        .attempts = answer->attempts,
    };

    report_end(context, ref, answer->code, CAUSE_NONE, answer->attempts);
    deliver(context, ref, &event);
}

static void on_no_answer(void *context, struct association_ref ref, enum cause cause,
                         uint16_t attempts)
{
    struct session_event event = {.kind = SESSION_NO_ANSWER, .cause = cause, .attempts = attempts};

    report_end(context, ref, 0, cause, attempts);
    deliver(context, ref, &event);
}

static void on_timer(void *context, struct association_ref ref)
{
    struct session_event event = {.kind = SESSION_TIMER};

    deliver(context, ref, &event);
}

static void on_closed(void *context, struct association_ref ref, enum cause cause, uint8_t alert)
{
    struct driver *driver = context;
    struct bootstrap *bootstrap = endpoint_user(driver->endpoint, ref);
    struct session_event event = {.kind = SESSION_CLOSED, .cause = cause, .alert = alert};

    seen_forget(&driver->seen, ref, bootstrap == NULL ? "" : bootstrap->endpoint);
    if (bootstrap == NULL)
        return;
    bootstrap->calls++;
    step(bootstrap, &event);
    endpoint_info(driver->endpoint, ref, &bootstrap->info);
    endpoint_set_user(driver->endpoint, ref, NULL);
    bootstrap->associated = false;
    bootstrap->calls--;
    bootstrap_free_if_done(bootstrap);
}

static void on_rejected(void *context, const struct net_path *path, struct bytes identity,
                        enum cause cause, const char *detail)
{
    struct driver *driver = context;
    char source[NET_TEXT_SIZE];

    if (cause == CAUSE_BAD_KEY)
        key_hints_turn(driver->config.hints, identity,
                       bytes_of(path->remote.ip, sizeof path->remote.ip));
    net_text(&path->remote, false, source);
    bool told = rejects_add(driver->config.rejects, identity, source, cause, driver->now.wall_ms);
    tell_reject(&driver->teller, identity, source, cause, told);
    if (told)
        log_event(LOG_WARNING, "endpoint.rejected", LOG_TEXT("source", source),
                  LOG_BYTES("identity", identity), LOG_TEXT("cause", cause_name(cause)),
                  LOG_TEXT("detail", detail[0] != '\0' ? detail : NULL),
                  LOG_TEXT("advice", cause_advice(cause)));
}

/* ---- the driver's face ---- */

enum err_code driver_new(const struct driver_config *config, struct driver **out, struct err *err)
{
    struct driver *driver = calloc(1, sizeof *driver);
    struct endpoint_ops ops = {
        .send = on_send,
        .resolve = on_resolve,
        .established = on_established,
        .request = on_request,
        .responded = on_responded,
        .answer = on_answer,
        .no_answer = on_no_answer,
        .closed = on_closed,
        .timer = on_timer,
        .rejected = on_rejected,
        .context = driver,
    };

    if (driver == NULL)
        return err_set(err, ERR_NO_MEMORY, "worker: out of memory");
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
        struct live_holder holder = holder_of(bootstrap);
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

    deliver(driver, ref, event);
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
           same_holder(&entry.holder, holder);
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
        struct live_holder holder = holder_of(bootstrap);
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
