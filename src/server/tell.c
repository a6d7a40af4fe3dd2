/* SPDX-License-Identifier: Apache-2.0 */
/* Events of a worker's sessions; docs/status.md lists their fields. */
#include "driver_priv.h"

#include "usher/coap.h"

#include <string.h>

enum { CODE_TEXT_SIZE = 8 };

#define FIELD_COUNT(fields) (sizeof(fields) / sizeof(fields)[0])

static void post(const struct teller *teller, enum event_kind kind, const char *endpoint,
                 const char *class_name, const struct log_field *fields, size_t count)
{
    const struct event event = {
        .kind = kind,
        .wall_ms = teller->now->wall_ms,
        .endpoint = endpoint,
        .class_name = class_name,
        .fields = fields,
        .field_count = count,
    };
    events_post(teller->events, teller->worker, &event);
}

/* "2.04" */
static void put_code(uint8_t code, char out[static CODE_TEXT_SIZE])
{
    unsigned detail = code & 31u;
    memcpy(out,
           (const char[]){(char)('0' + (code >> 5)), '.', (char)('0' + detail / 10),
                          (char)('0' + detail % 10), '\0'},
           5);
}

/* Without an identity (NoSec) the field is null. */
static struct log_field identity_field(struct bytes identity)
{
    return identity.len > 0 ? LOG_BYTES("identity", identity) : LOG_TEXT("identity", NULL);
}

void tell_handshake(const struct teller *teller, const struct association_info *info)
{
    char source[NET_TEXT_SIZE];
    net_text(&info->path.remote, true, source);
    const struct log_field fields[] = {
        identity_field(identity_bytes(&info->identity)),
        LOG_TEXT("source", source),
        LOG_NUMBER("duration_ms", info->handshake_ms),
        LOG_NUMBER("bytes_received", info->bytes_received),
        LOG_NUMBER("bytes_sent", info->bytes_sent),
    };
    metrics_handshake(teller->metrics, (unsigned)teller->worker, info->handshake_ms);
    post(teller, EVENT_HANDSHAKE, NULL, NULL, fields, FIELD_COUNT(fields));
}

void tell_request(const struct teller *teller, const struct association_info *info,
                  const char *endpoint, const char *class_name)
{
    char source[NET_TEXT_SIZE];
    net_text(&info->path.remote, true, source);
    const struct log_field fields[] = {
        identity_field(identity_bytes(&info->identity)),
        LOG_TEXT("source", source),
        LOG_NUMBER("handshake_ms", info->handshake_ms),
    };
    post(teller, EVENT_REQUEST, endpoint, class_name, fields, FIELD_COUNT(fields));
}

void tell_operation(const struct teller *teller, struct tell_operation *operation,
                    const struct association_info *info, const struct enrollment *enrollment,
                    uint8_t code, enum cause cause, uint16_t attempts)
{
    char path[PATH_TEXT_SIZE], code_text[CODE_TEXT_SIZE];
    if (operation->kind == 0)
        return;
    path_text(&operation->path, path);
    put_code(code, code_text);
    const struct log_field fields[] = {
        LOG_TEXT("operation", operation_kind_name(operation->kind)),
        LOG_TEXT("path", operation->kind == OPERATION_FINISH ? "/bs" : path),
        LOG_TEXT("code", code != 0 ? code_text : NULL),
        LOG_TEXT("cause", code != 0 ? NULL : cause_name(cause)),
        LOG_NUMBER("attempts", attempts),
        LOG_NUMBER("duration_ms", (int64_t)(teller->now->monotonic_ms - operation->sent_ms)),
        LOG_NUMBER("bytes_sent", info->bytes_sent - operation->bytes_sent),
        LOG_NUMBER("bytes_received", info->bytes_received - operation->bytes_received),
    };
    post(teller, EVENT_OPERATION, enrollment != NULL ? enrollment->endpoint : NULL,
         enrollment != NULL ? enrollment->class_name : NULL, fields, FIELD_COUNT(fields));
    operation->kind = 0;
}

void tell_outcome(const struct teller *teller, const struct outcome *outcome)
{
    bool failed = outcome->cause != CAUSE_NONE;
    const struct log_field fields[] = {
        LOG_TEXT("state", device_state_name(outcome->state)),
        LOG_TEXT("cause", failed ? cause_name(outcome->cause) : NULL),
        LOG_TEXT("cause_text", failed ? cause_advice(outcome->cause) : NULL),
        LOG_TEXT("detail", outcome->detail[0] != '\0' ? outcome->detail : NULL),
        LOG_TEXT("source", outcome->source),
        LOG_NUMBER("duration_ms", outcome->duration_ms),
        LOG_NUMBER("handshake_ms", outcome->handshake_ms),
        LOG_NUMBER("operations", (int64_t)outcome->step_count),
        LOG_NUMBER("warnings", (int64_t)outcome->warning_count),
        LOG_NUMBER("bytes_sent", outcome->bytes_sent),
        LOG_NUMBER("bytes_received", outcome->bytes_received),
        LOG_TEXT("id", outcome->id),
    };
    metrics_outcome(teller->metrics, (unsigned)teller->worker, outcome, teller->now->wall_ms);
    post(teller, EVENT_OUTCOME, outcome->endpoint, outcome->class_name, fields,
         FIELD_COUNT(fields));
}

void tell_reject(const struct teller *teller, struct bytes identity, const char *source,
                 enum cause cause, bool told)
{
    const struct log_field fields[] = {
        identity_field(identity),
        LOG_TEXT("source", source),
        LOG_TEXT("cause", cause_name(cause)),
        LOG_TEXT("cause_text", cause_advice(cause)),
    };
    metrics_reject(teller->metrics, (unsigned)teller->worker, teller->now->wall_ms);
    if (told)
        post(teller, EVENT_REJECT, NULL, NULL, fields, FIELD_COUNT(fields));
}

void tell_counters(const struct teller *teller, const struct endpoint *endpoint)
{
    struct endpoint_counters counters;
    endpoint_read_counters(endpoint, &counters);
    const uint64_t values[METRIC_COUNT] = {
        [METRIC_DATAGRAMS] = counters.datagrams,
        [METRIC_BYTES_RECEIVED] = counters.bytes_received,
        [METRIC_BYTES_SENT] = counters.bytes_sent,
        [METRIC_HELLO_VERIFY_SENT] = counters.hello_verify_sent,
        [METRIC_HELLO_ACCEPTED] = counters.hello_accepted,
        [METRIC_HELLO_MALFORMED] = counters.hello_malformed,
        [METRIC_HELLO_BAD_COOKIE] = counters.hello_bad_cookie,
        [METRIC_HANDSHAKES_DONE] = counters.handshakes_done,
        [METRIC_HANDSHAKES_FAILED] = counters.handshakes_failed,
        [METRIC_DROPPED_UNKNOWN] = counters.dropped_unknown,
        [METRIC_DROPPED_SIZE] = counters.dropped_size,
        [METRIC_DROPPED_RECORD] = counters.dropped_record,
        [METRIC_DROPPED_LIMIT] = counters.dropped_limit,
        [METRIC_DROPPED_RATE] = counters.dropped_rate,
        [METRIC_DROPPED_DRAIN] = counters.dropped_drain,
        [METRIC_DROPPED_CID] = counters.dropped_cid,
        [METRIC_DROPPED_UNVERIFIED] = counters.dropped_unverified,
        [METRIC_MOVED] = counters.moved,
        [METRIC_EVICTED_HALF_OPEN] = counters.evicted_half_open,
        [METRIC_EVICTED_IDLE] = counters.evicted_idle,
        [METRIC_REPLACED] = counters.replaced_by_candidate,
        [METRIC_COAP_MALFORMED] = counters.coap_malformed,
        [METRIC_COAP_DUPLICATES] = counters.coap_duplicates,
        [METRIC_COAP_RETRANSMISSIONS] = counters.coap_retransmissions,
        [METRIC_HALF_OPEN] = counters.half_open,
        [METRIC_OPEN] = counters.open,
    };
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        metrics_set(teller->metrics, (unsigned)teller->worker, (enum metric)i, values[i]);
}
