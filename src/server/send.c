/* SPDX-License-Identifier: Apache-2.0 */
/* Operations and packs on their way to the device, with the secrets that a plan only refers to. */
#include "bootstrap_priv.h"
#include "usher/key_pair.h"
#include "usher/log.h"
#include "usher/makers.h"

#include <stdlib.h>

enum { PAYLOAD_MAX = 65536 };

struct session_key *bootstrap_key(const struct bootstrap *bootstrap, uint16_t ssid,
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
    struct session_key *key = bootstrap_key(bootstrap, ref->ssid, ref->generation);

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
void bootstrap_send(struct bootstrap *bootstrap, const struct session_action *action)
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
    bootstrap_step(bootstrap, &event);
}

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

void bootstrap_respond(struct bootstrap *bootstrap, const struct session_action *action)
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
