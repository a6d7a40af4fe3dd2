/* SPDX-License-Identifier: Apache-2.0 */
/* The path of a datagram: gate, association, DTLS; and the endpoint's public face. */
#include "endpoint_priv.h"

#include <mbedtls/platform.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

static int entropy_source(void *context, unsigned char *out, size_t len)
{
    bytes_random(out, len);
    return 0;
}

static enum err_code start_drbg(struct endpoint *endpoint)
{
    static const unsigned char purpose[] = "usher endpoint";

    mbedtls_ctr_drbg_init(&endpoint->drbg);
    return mbedtls_ctr_drbg_seed(&endpoint->drbg, entropy_source, NULL, purpose,
                                 sizeof purpose - 1) == 0
               ? ERR_OK
               : ERR_INTERNAL;
}

static enum err_code build(struct endpoint *endpoint, const struct endpoint_config *config)
{
    endpoint->config = *config;
    endpoint->config.listeners = NULL;
    endpoint->config.x509 = NULL;
    if (endpoint->config.mtu == 0)
        endpoint->config.mtu = 1232;
    endpoint->now = config->now;
    bytes_random(endpoint->hash_key, sizeof endpoint->hash_key);
    timers_init(&endpoint->timers, config->now);
    if (start_drbg(endpoint) != ERR_OK)
        return ERR_INTERNAL;
    endpoint->gate = gate_new(config->now);
    endpoint->limits = limits_new(&config->limits);
    endpoint->listeners = calloc(config->listener_count, sizeof *endpoint->listeners);
    if (endpoint->gate == NULL || endpoint->limits == NULL || endpoint->listeners == NULL ||
        !peers_init(endpoint))
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < config->listener_count; i++)
        endpoint->listeners[i].settings = config->listeners[i];
    return endpoint_set_x509(endpoint, config->x509);
}

/* All or nothing: what is made anew takes the place of the old only when all is made. */
enum err_code endpoint_set_x509(struct endpoint *endpoint, struct x509 *x509)
{
    size_t count = endpoint->config.listener_count, made = 0;
    struct tls_setup **fresh = calloc(count, sizeof(struct tls_setup *));

    while (fresh != NULL && made < count) {
        fresh[made] = tls_setup_new(endpoint, &endpoint->listeners[made].settings, x509);
        if (fresh[made] == NULL)
            break;
        made++;
    }
    bool all = fresh != NULL && made == count;
    for (size_t i = 0; i < made; i++) {
        tls_setup_unref(all ? endpoint->listeners[i].setup : fresh[i]);
        if (all)
            endpoint->listeners[i].setup = fresh[i];
    }
    free(fresh);
    return all ? ERR_OK : ERR_NO_MEMORY;
}

/* Mbed TLS allocates some thirty times in a handshake. */
static void install_pool(void)
{
#if defined(MBEDTLS_PLATFORM_MEMORY)
    mbedtls_platform_set_calloc_free(pool_calloc, pool_free);
#endif
}

static void use_pool(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, install_pool);
}

enum err_code endpoint_new(const struct endpoint_config *config, const struct endpoint_ops *ops,
                           struct endpoint **out, struct err *err)
{
    struct endpoint *endpoint = calloc(1, sizeof *endpoint);

    use_pool();
    if (endpoint == NULL)
        return err_set(err, ERR_NO_MEMORY, "endpoint: out of memory");
    endpoint->ops = *ops;
    enum err_code code = build(endpoint, config);
    if (code != ERR_OK) {
        endpoint_free(endpoint);
        return err_set(err, code, "endpoint: cannot set up DTLS (%s)", err_name(code));
    }
    *out = endpoint;
    return ERR_OK;
}

void endpoint_free(struct endpoint *endpoint)
{
    if (endpoint == NULL)
        return;
    peers_clear(endpoint);
    if (endpoint->listeners != NULL)
        for (size_t i = 0; i < endpoint->config.listener_count; i++)
            tls_setup_unref(endpoint->listeners[i].setup);
    free(endpoint->listeners);
    gate_free(endpoint->gate);
    limits_free(endpoint->limits);
    mbedtls_ctr_drbg_free(&endpoint->drbg);
    bytes_wipe(endpoint, sizeof *endpoint);
    free(endpoint);
}

void endpoint_enter(struct endpoint *endpoint)
{
    endpoint->depth++;
}

void endpoint_leave(struct endpoint *endpoint)
{
    if (--endpoint->depth > 0)
        return;
    while (endpoint->dead != NULL) {
        struct association *association = endpoint->dead;
        endpoint->dead = association->bucket_next;
        association_free(association);
    }
}

/* For jitter, tokens and message ids: they need not be secret inside DTLS, only unlike. */
uint32_t endpoint_random(struct endpoint *endpoint)
{
    endpoint->counter++;
    return (uint32_t)bytes_hash(endpoint->hash_key,
                                bytes_of(&endpoint->counter, sizeof endpoint->counter));
}

/* ---- key resolution (D6) ---- */

static void queue_waiting(struct handshake *handshake, struct bytes datagram)
{
    size_t at = 0;

    while (at < handshake->waiting_len) { /* a repeat brings nothing new */
        size_t len = (size_t)handshake->waiting[at] << 8 | handshake->waiting[at + 1];
        if (bytes_equal(bytes_of(handshake->waiting + at + 2, len), datagram))
            return;
        at += 2 + len;
    }
    if (handshake->waiting_count >= WAITING_DATAGRAMS_MAX ||
        handshake->waiting_len + 2 + datagram.len > WAITING_BYTES_MAX)
        return;
    uint8_t *entry = handshake->waiting + handshake->waiting_len;
    entry[0] = (uint8_t)(datagram.len >> 8);
    entry[1] = (uint8_t)datagram.len;
    memcpy(entry + 2, datagram.data, datagram.len);
    handshake->waiting_len += 2 + datagram.len;
    handshake->waiting_count++;
}

static bool waits_for_key(const struct association *association)
{
    const struct handshake *handshake = association->handshake;

    return handshake != NULL && handshake->asked && !handshake->answered;
}

/* The flight's timer stands still while the key is looked up: the device has sent its part. */
static void ask_for_key(struct association *association, struct bytes identity)
{
    struct endpoint *endpoint = association->endpoint;
    struct handshake *handshake = association->handshake;

    memcpy(handshake->identity, identity.data, identity.len);
    handshake->identity_len = identity.len;
    handshake->asked = true;
    handshake->deadline = endpoint->now + RESOLVE_TIMEOUT_MS;
    if (association->flight_final > endpoint->now)
        handshake->flight_left = association->flight_final - endpoint->now;
    association->flight_intermediate = association->flight_final = 0;
    association->resolving = true;
    endpoint->ops.resolve(endpoint->ops.context, association->ref,
                          bytes_of(handshake->identity, handshake->identity_len));
    association->resolving = false;
}

/* True when a ClientHello stands behind another record: past the gate, where it has no business. A
 * library with port reuse would start an open session over (trap 2). */
static bool hides_hello(struct bytes datagram)
{
    struct reader reader;

    reader_init(&reader, datagram);
    while (reader_left(&reader) >= 13) {
        struct bytes rest = bytes_of(reader.next, reader_left(&reader));
        if (gate_is_hello(rest))
            return true;
        reader_skip(&reader, cid_is_record(rest) ? 11 + CID_SIZE : 11);
        reader_skip(&reader, reader_u16(&reader));
    }
    return false;
}

/* A datagram for a handshake. The record with the identity is fed only once its key is known. */
static void handshake_receive(struct association *association, struct bytes datagram)
{
    struct handshake *handshake = association->handshake;
    struct bytes identity = {0};

    /* The first answer to our flight, be it a key exchange or a certificate. */
    if (handshake->flight_sent_at != 0 && association->round_trip_ms == 0)
        association->round_trip_ms =
            (uint32_t)(association->endpoint->now - handshake->flight_sent_at);
    if (!waits_for_key(association) && !handshake->asked &&
        key_exchange_find(datagram, &identity) == KEY_EXCHANGE_WHOLE && identity.len > 0 &&
        identity.len <= IDENTITY_MAX)
        ask_for_key(association, identity);
    if (association->state != ASSOCIATION_HANDSHAKE)
        return;
    if (waits_for_key(association)) {
        queue_waiting(handshake, datagram);
        association_rearm(association);
        return;
    }
    dtls_feed(association, datagram);
}

/* A device that falls silent after this still runs into the handshake's timeout. */
static void restart_flight_timer(struct association *association)
{
    uint64_t left = association->handshake->flight_left;

    if (left != 0)
        association->flight_intermediate = association->flight_final =
            association->endpoint->now + left;
}

static void feed_waiting(struct association *association)
{
    uint8_t waiting[WAITING_BYTES_MAX];
    size_t len = association->handshake->waiting_len;

    memcpy(waiting, association->handshake->waiting, len);
    association->handshake->waiting_len = 0;
    for (size_t at = 0; at < len && association->state != ASSOCIATION_DEAD;) {
        size_t entry = (size_t)waiting[at] << 8 | waiting[at + 1];
        dtls_feed(association, bytes_of(waiting + at + 2, entry));
        at += 2 + entry;
    }
}

static uint64_t hash_of_key(const struct endpoint *endpoint, const struct secret *key)
{
    return bytes_hash(endpoint->hash_key, secret_bytes(key)) | 1;
}

bool endpoint_opened_with(const struct endpoint *endpoint, struct association_ref ref,
                          const struct secret *key)
{
    const struct association *association = peers_by_ref(endpoint, ref);

    return association != NULL && key->len > 0 &&
           association->key_hash == hash_of_key(endpoint, key);
}

void endpoint_resolved(struct endpoint *endpoint, struct association_ref ref, struct bytes identity,
                       const struct secret *key, bool decoy, enum cause cause)
{
    struct association *association = peers_by_ref(endpoint, ref);

    if (association == NULL || !waits_for_key(association))
        return;
    struct handshake *handshake = association->handshake;
    if (!bytes_equal(identity, bytes_of(handshake->identity, handshake->identity_len)))
        return;
    handshake->key = *key;
    association->key_hash = decoy ? 0 : hash_of_key(endpoint, key);
    handshake->decoy = decoy;
    handshake->decoy_cause = cause;
    handshake->answered = true;
    restart_flight_timer(association);
    if (association->resolving)
        return; /* the caller up the stack feeds the datagram */
    endpoint_enter(endpoint);
    feed_waiting(association);
    endpoint_leave(endpoint);
}

void endpoint_resolve_failed(struct endpoint *endpoint, struct association_ref ref)
{
    struct association *association = peers_by_ref(endpoint, ref);

    if (association == NULL || !waits_for_key(association))
        return;
    endpoint_enter(endpoint);
    endpoint->counters.handshakes_failed++;
    peers_remove(association);
    endpoint_leave(endpoint);
}

/* ---- the path of a datagram ---- */

static void start_association(struct endpoint *endpoint, const struct net_path *path,
                              struct bytes hello_record, const uint8_t *random,
                              const struct path_peers *peers)
{
    struct association *association =
        peers_add(endpoint, path, peers->hash, peers->current != NULL);

    if (association == NULL)
        return;
    memcpy(association->random, random, GATE_RANDOM_SIZE);
    association->started_ms = endpoint->now;
    endpoint->counters.hello_accepted++;
    if (!dtls_start(association)) {
        peers_remove(association);
        return;
    }
    dtls_feed(association, hello_record);
}

/* Whether this source may begin one more handshake. */
static bool within_rates(struct endpoint *endpoint, const struct net_path *path)
{
    const struct net_address *source = &path->remote;

    if (!limits_reached(endpoint->limits, LIMIT_FAILURES, source, endpoint->now) &&
        limits_count(endpoint->limits, LIMIT_HANDSHAKES, source, endpoint->now))
        return true;
    endpoint->counters.dropped_rate++;
    endpoint->ops.rejected(endpoint->ops.context, path, bytes_of(NULL, 0), CAUSE_LIMIT, "");
    return false;
}

static bool same_random(const struct association *association, const uint8_t *random)
{
    return association != NULL && memcmp(association->random, random, GATE_RANDOM_SIZE) == 0;
}

/* A ClientHello with a good cookie (trap 3): the repeat of one that is under way goes to its
 * context; the late repeat of one that led to an open association is dropped; any other starts a
 * handshake, beside the old association where there is one. */
static void receive_hello(struct endpoint *endpoint, const struct net_path *path,
                          struct bytes datagram, const struct gate_hello *hello)
{
    struct path_peers peers = peers_find(endpoint, path);
    struct bytes record = bytes_of(datagram.data, hello->record_len);

    struct association *same = same_random(peers.candidate, hello->random) ? peers.candidate
                               : same_random(peers.current, hello->random) ? peers.current
                                                                           : NULL;
    if (same != NULL) {
        if (same->state == ASSOCIATION_HANDSHAKE && !waits_for_key(same))
            dtls_feed(same, record);
        return;
    }
    if (endpoint->draining) {
        endpoint->counters.dropped_drain++;
        return;
    }
    if (!within_rates(endpoint, path))
        return;
    if (peers.candidate != NULL) /* the device has started over once more */
        peers_remove(peers.candidate);
    /* So it has here: what its former self is still owed, perhaps after a slow key look-up, would
     * only break the new handshake. */
    if (peers.current != NULL && peers.current->state == ASSOCIATION_HANDSHAKE) {
        peers_remove(peers.current);
        peers.current = NULL;
    }
    start_association(endpoint, path, record, hello->random, &peers);
}

static void pass_gate(struct endpoint *endpoint, const struct net_path *path, struct bytes datagram)
{
    uint8_t memory[GATE_REPLY_MAX];
    struct buf reply;
    struct gate_hello hello;

    buf_init_fixed(&reply, memory, sizeof memory);
    switch (gate_check(endpoint->gate, path, datagram, endpoint->now, &hello, &reply)) {
    case GATE_MALFORMED:
        endpoint->counters.hello_malformed++;
        break;
    case GATE_CHALLENGE:
        endpoint->counters.hello_bad_cookie += hello.had_cookie;
        endpoint->counters.hello_verify_sent++;
        endpoint->counters.bytes_sent += reply.len;
        endpoint->ops.send(endpoint->ops.context, path, buf_bytes(&reply));
        break;
    case GATE_PASS:
        receive_hello(endpoint, path, datagram, &hello);
        break;
    }
}

static void feed(struct association *association, struct bytes datagram)
{
    if (association->state == ASSOCIATION_HANDSHAKE)
        handshake_receive(association, datagram);
    else
        dtls_feed(association, datagram);
}

/* Which of the two associations of a path a record is for: epoch 0 is the newer handshake's; later
 * epochs are tried, candidate first. */
static struct association *addressee(struct endpoint *endpoint, const struct net_path *path,
                                     struct bytes datagram)
{
    struct path_peers peers = peers_find(endpoint, path);
    bool epoch_zero = datagram.data[3] == 0 && datagram.data[4] == 0;

    if (peers.candidate == NULL || peers.current == NULL)
        return peers.candidate != NULL ? peers.candidate : peers.current;
    if (epoch_zero || dtls_accepts(peers.candidate, datagram))
        return peers.candidate;
    return peers.current;
}

/* By Connection ID, wherever it comes from. A handshake stays at its address: what is on the way
 * there goes to that only. */
static void receive_cid_record(struct endpoint *endpoint, const struct net_path *path,
                               struct bytes datagram)
{
    struct association *association = cid_find(endpoint, datagram);
    bool elsewhere = association != NULL && !net_path_equal(&association->path, path);

    if (association == NULL || (elsewhere && association->state != ASSOCIATION_OPEN)) {
        endpoint->counters.dropped_cid++;
        return;
    }
    association->from = elsewhere ? path : NULL;
    feed(association, datagram);
    association->from = NULL;
}

static void receive_record(struct endpoint *endpoint, const struct net_path *path,
                           struct bytes datagram)
{
    if (hides_hello(datagram)) {
        endpoint->counters.dropped_unknown++;
        return;
    }
    if (cid_is_record(datagram)) {
        receive_cid_record(endpoint, path, datagram);
        return;
    }
    struct association *association = addressee(endpoint, path, datagram);
    if (association == NULL)
        endpoint->counters.dropped_unknown++;
    else
        feed(association, datagram);
}

/* ---- without DTLS ---- */

static bool asks_for_bootstrap(struct bytes datagram)
{
    struct coap_message message;

    return coap_parse(datagram, &message) == COAP_PARSE_OK &&
           (message.type == COAP_CON || message.type == COAP_NON) &&
           ((message.code == COAP_METHOD_POST && coap_path_is(&message, "/bs")) ||
            (message.code == COAP_METHOD_GET && coap_path_is(&message, "/bspack")));
}

/* Of strangers only a request for a bootstrap is heard; all else meets with silence. */
static struct association *plain_newcomer(struct endpoint *endpoint, const struct net_path *path,
                                          struct bytes datagram, uint64_t path_hash)
{
    if (!asks_for_bootstrap(datagram)) {
        endpoint->counters.dropped_unknown++;
        return NULL;
    }
    if (endpoint->draining) {
        endpoint->counters.dropped_drain++;
        return NULL;
    }
    if (!within_rates(endpoint, path))
        return NULL;
    if (endpoint->unverified >= UNVERIFIED_MAX) {
        endpoint->counters.dropped_limit++;
        return NULL;
    }
    struct association *association = peers_add(endpoint, path, path_hash, false);
    if (association == NULL)
        return NULL;
    handshake_free(association->handshake);
    association->handshake = NULL;
    association->plain = association->unverified = true;
    endpoint->unverified++;
    association->state = ASSOCIATION_OPEN;
    association->started_ms = endpoint->now;
    association->next_id = (uint16_t)endpoint_random(endpoint);
    peers_move(association, &endpoint->idle);
    return association;
}

static void receive_plain(struct endpoint *endpoint, const struct net_path *path,
                          struct bytes datagram)
{
    struct path_peers peers = peers_find(endpoint, path);
    struct association *association = peers.current != NULL
                                          ? peers.current
                                          : plain_newcomer(endpoint, path, datagram, peers.hash);

    if (association != NULL)
        plain_feed(association, datagram);
}

static bool has_a_size(const struct endpoint *endpoint, const struct net_path *path,
                       struct bytes datagram)
{
    enum { COAP_HEADER = 4, RECORD_HEADER = 13 };

    return path->listener < endpoint->config.listener_count &&
           datagram.len <= ENDPOINT_DATAGRAM_MAX &&
           datagram.len >=
               (endpoint->listeners[path->listener].settings.plain ? COAP_HEADER : RECORD_HEADER);
}

void endpoint_receive(struct endpoint *endpoint, const struct net_path *path, struct bytes datagram,
                      uint64_t now)
{
    endpoint->now = now;
    endpoint->counters.datagrams++;
    endpoint->counters.bytes_received += datagram.len;
    if (!has_a_size(endpoint, path, datagram)) {
        endpoint->counters.dropped_size++;
        return;
    }
    endpoint_enter(endpoint);
    if (endpoint->listeners[path->listener].settings.plain)
        receive_plain(endpoint, path, datagram);
    else if (gate_is_hello(datagram))
        pass_gate(endpoint, path, datagram);
    else
        receive_record(endpoint, path, datagram);
    endpoint_leave(endpoint);
}

/* ---- timers ---- */

void association_rearm(struct association *association)
{
    uint64_t at = association->idle_at;
    const struct exchange *exchange = association->exchange;

    if (association->state == ASSOCIATION_DEAD)
        return;
    if (association->flight_final != 0 && association->flight_final < at)
        at = association->flight_final;
    if (waits_for_key(association) && association->handshake->deadline < at)
        at = association->handshake->deadline;
    if (association->owner_at < at)
        at = association->owner_at;
    if (association->ack_at < at)
        at = association->ack_at;
    if (exchange != NULL && exchange->retransmit_at < at)
        at = exchange->retransmit_at;
    if (exchange != NULL && exchange->deadline < at)
        at = exchange->deadline;
    /* A deadline that moves away, as that of idleness with each message, leaves the timer where it
     * is: when it runs, it finds nothing due and is armed anew. */
    if (timers_runs_by(&association->timer, at))
        return;
    if (at == UINT64_MAX)
        timers_cancel(&association->endpoint->timers, &association->timer);
    else
        timers_arm(&association->endpoint->timers, &association->timer, at);
}

static void expire_open(struct association *association)
{
    struct endpoint *endpoint = association->endpoint;

    if (association->ack_at <= endpoint->now)
        exchange_ack_due(association);
    if (association->state == ASSOCIATION_OPEN)
        exchange_expire(association);
    struct association_ref ref = association->ref;
    if (association->state == ASSOCIATION_OPEN && association->owner_at <= endpoint->now) {
        association->owner_at = UINT64_MAX;
        endpoint->ops.timer(endpoint->ops.context, ref);
    }
    if (association->state != ASSOCIATION_OPEN || association->idle_at > endpoint->now)
        return;
    if (association->exchange != NULL) { /* waits for the device, so it is not idle */
        association->idle_at = endpoint->now + endpoint->config.idle_ms;
        return;
    }
    endpoint->ops.closed(endpoint->ops.context, ref, CAUSE_TIMEOUT, 0);
    if (peers_by_ref(endpoint, ref) == association) {
        dtls_close(association);
        peers_remove(association);
    }
}

static void expire(struct association *association)
{
    uint64_t now = association->endpoint->now;

    if (waits_for_key(association)) {
        if (association->handshake->deadline <= now)
            endpoint_resolve_failed(association->endpoint, association->ref);
    } else if (association->flight_final != 0 && association->flight_final <= now) {
        dtls_feed(association, bytes_of(NULL, 0));
    }
    if (association->state == ASSOCIATION_OPEN)
        expire_open(association);
    association_rearm(association);
}

void endpoint_expire(struct endpoint *endpoint, uint64_t now)
{
    struct timer *timer;

    endpoint->now = now;
    endpoint_enter(endpoint);
    while ((timer = timers_expired(&endpoint->timers, now)) != NULL) {
        size_t offset = offsetof(struct association, timer);
        expire((struct association *)(void *)((char *)timer - offset));
    }
    endpoint_leave(endpoint);
}

uint64_t endpoint_next(const struct endpoint *endpoint)
{
    return timers_next(&endpoint->timers);
}

/* ---- small faces ---- */

void endpoint_drain(struct endpoint *endpoint)
{
    endpoint->draining = true;
}

void endpoint_close(struct endpoint *endpoint, struct association_ref ref, bool quiet)
{
    struct association *association = peers_by_ref(endpoint, ref);

    if (association == NULL)
        return;
    endpoint_enter(endpoint);
    if (!quiet)
        dtls_close(association);
    peers_remove(association);
    endpoint_leave(endpoint);
}

void endpoint_arm(struct endpoint *endpoint, struct association_ref ref, uint64_t at_ms)
{
    struct association *association = peers_by_ref(endpoint, ref);

    if (association == NULL)
        return;
    association->owner_at = at_ms;
    association_rearm(association);
}

void endpoint_set_user(struct endpoint *endpoint, struct association_ref ref, void *user)
{
    struct association *association = peers_by_ref(endpoint, ref);

    if (association != NULL)
        association->user = user;
}

void *endpoint_user(struct endpoint *endpoint, struct association_ref ref)
{
    struct association *association = peers_by_ref(endpoint, ref);

    return association == NULL ? NULL : association->user;
}

bool endpoint_info(const struct endpoint *endpoint, struct association_ref ref,
                   struct association_info *out)
{
    const struct association *association = peers_by_ref(endpoint, ref);

    if (association == NULL)
        return false;
    *out = (struct association_info){
        .path = association->path,
        .proof = association->names != NULL ? PROOF_CERTIFICATE : PROOF_PSK,
        .identity = association->identity,
        .names = association->names,
        .started_ms = association->started_ms,
        .handshake_ms = association->handshake_ms,
        .round_trip_ms = association->round_trip_ms,
        .bytes_sent = association->bytes_sent,
        .bytes_received = association->bytes_received,
        .plain = association->plain,
    };
    return true;
}

void endpoint_read_counters(const struct endpoint *endpoint, struct endpoint_counters *out)
{
    *out = endpoint->counters;
    out->half_open = endpoint->half_open.count;
    out->open = endpoint->idle.count + endpoint->busy.count;
}
