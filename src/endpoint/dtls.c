/* SPDX-License-Identifier: Apache-2.0 */
/* One association's DTLS, on Mbed TLS: handshake, records, timers. All of Mbed TLS that the
 * endpoint uses for sessions is in this file, so that another engine can take its place. */
#include "endpoint_priv.h"

#include <assert.h>
#include <mbedtls/error.h>
#include <stdlib.h>
#include <string.h>

/* ---- what Mbed TLS calls ---- */

/* The alert that tells of a wrong key: the only one between the device's key and its Finished. */
static bool is_kept_back(const struct association *association, const unsigned char *data)
{
    enum { RECORD_ALERT = 21 };
    const struct handshake *handshake = association->handshake;

    return handshake != NULL && handshake->answered && data[0] == RECORD_ALERT &&
           association->endpoint->listeners[association->path.listener].settings.silent;
}

static int tls_send(void *context, const unsigned char *data, size_t len)
{
    struct association *association = context;
    struct endpoint *endpoint = association->endpoint;

    if (is_kept_back(association, data))
        return (int)len;
    /* A repeat does not count: which of the two the device answers is not known (Karn), and on a
     * slow network it is the first. */
    if (association->handshake != NULL && association->handshake->flight_sent_at == 0)
        association->handshake->flight_sent_at = endpoint->now;
    association->bytes_sent += (uint32_t)len;
    endpoint->counters.bytes_sent += len;
    endpoint->ops.send(endpoint->ops.context, &association->path, bytes_of(data, len));
    return (int)len;
}

static int tls_receive(void *context, unsigned char *out, size_t cap)
{
    struct association *association = context;
    size_t len = association->input.len;

    if (len == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    if (len > cap)
        len = cap; /* Mbed TLS finds the record truncated and drops it */
    memcpy(out, association->input.data, len);
    association->input.len = 0;
    return (int)len;
}

static void tls_set_timer(void *context, uint32_t intermediate_ms, uint32_t final_ms)
{
    struct association *association = context;
    uint64_t now = association->endpoint->now;

    association->flight_intermediate = final_ms == 0 ? 0 : now + intermediate_ms;
    association->flight_final = final_ms == 0 ? 0 : now + final_ms;
}

static int tls_get_timer(void *context)
{
    struct association *association = context;
    uint64_t now = association->endpoint->now;

    if (association->flight_final == 0)
        return -1;
    if (now >= association->flight_final)
        return 2;
    return now >= association->flight_intermediate ? 1 : 0;
}

/* Used when the device asks for Connection IDs; else this costs nothing. */
static bool offer_cid(struct association *association)
{
#if defined(ENDPOINT_HAS_CID)
    uint8_t cid[CID_SIZE];

    cid_make(association->endpoint, association->ref, cid);
    return mbedtls_ssl_set_cid(&association->ssl, MBEDTLS_SSL_CID_ENABLED, cid, sizeof cid) == 0;
#else
    (void)association;
    return true;
#endif
}

static bool cid_in_use(struct association *association)
{
#if defined(ENDPOINT_HAS_CID)
    int enabled = MBEDTLS_SSL_CID_DISABLED;

    return mbedtls_ssl_get_peer_cid(&association->ssl, &enabled, NULL, NULL) == 0 &&
           enabled == MBEDTLS_SSL_CID_ENABLED;
#else
    (void)association;
    return false;
#endif
}

bool dtls_start(struct association *association)
{
    struct endpoint *endpoint = association->endpoint;
    struct tls_setup *setup = endpoint->listeners[association->path.listener].setup;

    setup->users++;
    association->setup = setup; /* association_free lets go of it */
    if (mbedtls_ssl_setup(&association->ssl, &setup->tls) != 0) {
        /* Where memory runs out half-way it forgets the configuration, without which
         * mbedtls_ssl_free crashes (Mbed TLS 3.6.6). */
        association->ssl.MBEDTLS_PRIVATE(conf) = &setup->tls;
        return false;
    }
    if (!offer_cid(association))
        return false;
    mbedtls_ssl_set_bio(&association->ssl, association, tls_send, tls_receive, NULL);
    mbedtls_ssl_set_timer_cb(&association->ssl, association, tls_set_timer, tls_get_timer);
    mbedtls_ssl_set_mtu(&association->ssl, (uint16_t)endpoint->config.mtu);
    return true;
}

/* ---- handshake ---- */

static void handshake_failed(struct association *association, int result)
{
    struct endpoint *endpoint = association->endpoint;
    const struct handshake *handshake = association->handshake;
    enum cause cause = failure_cause(association, result);
    struct bytes who = bytes_of(handshake->identity, handshake->identity_len);
    char detail[FAILURE_DETAIL_SIZE];

    if (handshake->device != NULL)
        who = bytes_of_text(handshake->device->subject);
    failure_describe(association, cause, result, detail);
    failure_alert(association, result);
    endpoint->counters.handshakes_failed++;
    limits_count(endpoint->limits, LIMIT_FAILURES, &association->path.remote, endpoint->now);
    endpoint->ops.rejected(endpoint->ops.context, &association->path, who, cause, detail);
    peers_remove(association);
}

/* A name of a certificate is no PSK identity of the same bytes (I8). */
static bool same_device(const struct association *a, const struct association *b)
{
    return (a->names == NULL) == (b->names == NULL) &&
           bytes_equal(identity_bytes(&a->identity), identity_bytes(&b->identity));
}

/* The candidate has proved itself: the older association of this path goes, and not before. One of
 * another device, whose address has been given to this one, stays where its Connection ID finds it.
 */
static void replace_older(struct association *association)
{
    struct endpoint *endpoint = association->endpoint;
    struct association *older = peers_find(endpoint, &association->path).current;

    association->candidate = false;
    if (older == NULL || older == association)
        return;
    if (older->has_cid && !same_device(older, association)) {
        peers_unlist(older);
        return;
    }
    endpoint->counters.replaced_by_candidate++;
    struct association_ref ref = older->ref;
    if (older->state == ASSOCIATION_OPEN)
        endpoint->ops.closed(endpoint->ops.context, ref, CAUSE_SUPERSEDED, 0);
    if (peers_by_ref(endpoint, ref) == older)
        peers_remove(older);
}

/* The buffers that a chain of certificates asked for are too large for what follows. Mbed TLS sizes
 * them anew by the session's maximum fragment length when it lets go of the handshake's memory, at
 * the first record after it; here no record is larger than a datagram. */
static void shrink_buffers(struct association *association)
{
#if defined(MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH)
    static_assert(ENDPOINT_DATAGRAM_MAX <= 2048, "a record has to fit");
    mbedtls_ssl_session *session = association->ssl.MBEDTLS_PRIVATE(session);
    unsigned char *length = &session->MBEDTLS_PRIVATE(mfl_code);

    if (*length == MBEDTLS_SSL_MAX_FRAG_LEN_NONE || *length > MBEDTLS_SSL_MAX_FRAG_LEN_2048)
        *length = MBEDTLS_SSL_MAX_FRAG_LEN_2048;
#else
    (void)association;
#endif
}

/* A long name is cut for show: what counts are the names. False: no memory. */
static bool take_proof(struct association *association)
{
    const struct handshake *handshake = association->handshake;
    struct bytes shown = bytes_of(handshake->identity, handshake->identity_len);

    if (handshake->device != NULL) {
        association->names = malloc(sizeof *association->names);
        if (association->names == NULL)
            return false;
        *association->names = handshake->device->names;
        shown = bytes_of_text(names_first(association->names));
        if (shown.len > IDENTITY_MAX)
            shown.len = IDENTITY_MAX;
    }
    identity_set(&association->identity, shown);
    return true;
}

static void handshake_done(struct association *association)
{
    struct endpoint *endpoint = association->endpoint;
    struct handshake *handshake = association->handshake;

    if (!take_proof(association)) {
        peers_remove(association);
        return;
    }
    association->handshake_ms = (uint32_t)(endpoint->now - association->started_ms);
    handshake_free(handshake);
    association->handshake = NULL;
    shrink_buffers(association);
    association->state = ASSOCIATION_OPEN;
    association->has_cid = cid_in_use(association);
    association->next_id = (uint16_t)endpoint_random(endpoint);
    association->idle_at = endpoint->now + endpoint->config.idle_ms;
    endpoint->counters.handshakes_done++;
    if (association->candidate)
        replace_older(association);
    peers_move(association, &endpoint->idle);
    endpoint->ops.established(endpoint->ops.context, association->ref);
}

static void run_handshake(struct association *association)
{
    struct endpoint *endpoint = association->endpoint;
    int result;

    /* An elapsed flight timer makes Mbed TLS repeat its flight before it looks at the input. */
    for (int round = 0; round < 3; round++) {
        endpoint->in_tls = association;
        result = mbedtls_ssl_handshake(&association->ssl);
        endpoint->in_tls = NULL;
        if (result != MBEDTLS_ERR_SSL_WANT_READ || association->input.len == 0)
            break;
    }
    if (result == 0)
        handshake_done(association);
    else if (result != MBEDTLS_ERR_SSL_WANT_READ && result != MBEDTLS_ERR_SSL_WANT_WRITE)
        handshake_failed(association, result);
}

/* ---- records ---- */

static void association_ended(struct association *association, int result)
{
    struct endpoint *endpoint = association->endpoint;
    struct association_ref ref = association->ref;
    enum cause cause = CAUSE_CLOSED;
    uint8_t alert = 0;

    if (result == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
        cause = CAUSE_DTLS_ALERT;
        alert = association->ssl.MBEDTLS_PRIVATE(in_msg)[1];
    }
    endpoint->ops.closed(endpoint->ops.context, ref, cause, alert);
    if (peers_by_ref(endpoint, ref) == association)
        peers_remove(association);
}

/* The address moves only with a record that has been decrypted and is newer than all before: an old
 * one sent again from elsewhere must not take the association with it (RFC 9146 section 6). */
static void follow(struct association *association, uint64_t newest_before)
{
    if (association->from == NULL ||
        association->ssl.MBEDTLS_PRIVATE(in_window_top) <= newest_before)
        return;
    peers_readdress(association, association->from);
    association->from = NULL;
    association->endpoint->counters.moved++;
}

static void run_open(struct association *association)
{
    uint8_t message[ENDPOINT_DATAGRAM_MAX];
    size_t used = 0;

    do {
        uint64_t newest = association->ssl.MBEDTLS_PRIVATE(in_window_top);
        int result = mbedtls_ssl_read(&association->ssl, message, sizeof message);
        follow(association, newest);
        if (result > 0) {
            used = (size_t)result > used ? (size_t)result : used;
            association->idle_at =
                association->endpoint->now + association->endpoint->config.idle_ms;
            exchange_receive(association, bytes_of(message, (size_t)result));
        } else if (result == MBEDTLS_ERR_SSL_WANT_READ && association->input.len == 0) {
            break;
        } else if (result != MBEDTLS_ERR_SSL_WANT_READ && result != MBEDTLS_ERR_SSL_WANT_WRITE &&
                   result != MBEDTLS_ERR_SSL_TIMEOUT) {
            association_ended(association, result);
        }
    } while (association->state == ASSOCIATION_OPEN &&
             (association->input.len > 0 || mbedtls_ssl_check_pending(&association->ssl) != 0));
    bytes_wipe(message, used);
}

void plain_feed(struct association *association, struct bytes datagram)
{
    association->bytes_received += (uint32_t)datagram.len;
    association->idle_at = association->endpoint->now + association->endpoint->config.idle_ms;
    exchange_receive(association, datagram);
    association_rearm(association);
}

/* What Mbed TLS took for a record of this association moved its window (RFC 6347 section 4.1.2.6).
 */
struct window {
    uint64_t newest, seen;
    uint16_t epoch;
};

static struct window window_of(const struct association *association)
{
    return (struct window){
        .newest = association->ssl.MBEDTLS_PRIVATE(in_window_top),
        .seen = association->ssl.MBEDTLS_PRIVATE(in_window),
        .epoch = association->ssl.MBEDTLS_PRIVATE(in_epoch),
    };
}

static void count_dropped(struct association *association, const struct window *before)
{
    struct window now = window_of(association);

    if (now.newest == before->newest && now.seen == before->seen && now.epoch == before->epoch)
        association->endpoint->counters.dropped_record++;
}

void dtls_feed(struct association *association, struct bytes datagram)
{
    const struct window before = window_of(association);

    association->input = datagram;
    association->bytes_received += (uint32_t)datagram.len;
    if (association->state == ASSOCIATION_HANDSHAKE)
        run_handshake(association);
    if (association->state == ASSOCIATION_OPEN)
        run_open(association);
    association->input = bytes_of(NULL, 0);
    if (association->state != ASSOCIATION_DEAD && datagram.len > 0)
        count_dropped(association, &before);
    if (association->state != ASSOCIATION_DEAD)
        association_rearm(association);
}

bool dtls_accepts(struct association *association, struct bytes datagram)
{
    uint8_t copy[ENDPOINT_DATAGRAM_MAX];

    if (datagram.len > sizeof copy)
        return false;
    memcpy(copy, datagram.data, datagram.len);
    int result = mbedtls_ssl_check_record(&association->ssl, copy, datagram.len);
    bytes_wipe(copy, datagram.len);
    return result == 0;
}

/* A source that may be forged is not sent more than a few times what came from it. */
static bool send_plain(struct association *association, struct bytes message)
{
    struct endpoint *endpoint = association->endpoint;
    uint64_t most = (uint64_t)association->bytes_received * UNVERIFIED_FACTOR;

    if (association->unverified && association->bytes_sent + message.len > most) {
        endpoint->counters.dropped_unverified++;
        return true; /* as if the network had lost it */
    }
    association->bytes_sent += (uint32_t)message.len;
    endpoint->counters.bytes_sent += message.len;
    endpoint->ops.send(endpoint->ops.context, &association->path, message);
    return true;
}

bool dtls_send(struct association *association, struct bytes message)
{
    if (association->plain)
        return send_plain(association, message);
    int result = mbedtls_ssl_write(&association->ssl, message.data, message.len);

    return result == (int)message.len;
}

void dtls_close(struct association *association)
{
    if (association->state == ASSOCIATION_OPEN && !association->plain)
        mbedtls_ssl_close_notify(&association->ssl);
}

const char *endpoint_tls_version(void)
{
    static char text[64];

    if (text[0] == '\0') {
        mbedtls_version_get_string_full(text); /* at most 18 bytes */
#if defined(MBEDTLS_ECDSA_SIGN_ALT)
        strcat(text, ", curves and SHA-256 by libcrypto");
#endif
    }
    return text;
}
