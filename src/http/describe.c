/* SPDX-License-Identifier: Apache-2.0 */
/* Devices and outcomes as JSON. Nothing here knows a key. */
#include "http_priv.h"

#include "usher/codec.h"
#include "usher/key_pair.h"
#include "usher/plan.h"

#include <stdio.h>
#include <string.h>

const struct live_entry *http_live_of(struct request *request, const char *endpoint, bool blocked,
                                      struct live_entry *entry)
{
    /* A blocked device's session is about to end. */
    if (blocked || !live_get(request->http->config.live, endpoint, entry))
        return NULL;
    return entry;
}

static void put_cause(struct request *request, json_t *object, enum cause cause)
{
    bool none = cause == CAUSE_NONE;
    http_put_text(request, object, "cause", none ? NULL : cause_name(cause));
    http_put_text(request, object, "cause_text", none ? NULL : cause_advice(cause));
}

json_t *http_row_json(struct request *request, const struct store_row *row,
                      const struct live_entry *live)
{
    json_t *device = json_object();
    const char *class_name = row->class_name;
    if (live != NULL && class_name[0] == '\0')
        class_name = live->class_name; /* as a profile's match has found it */
    http_put_text(request, device, "endpoint", row->endpoint);
    http_put_text(request, device, "class", class_name[0] != '\0' ? class_name : NULL);
    http_put_identity(request, device, "identity", &row->identity);
    http_put_text(request, device, "state",
                  device_state_name(live != NULL ? live->state : row->state));
    put_cause(request, device, live != NULL ? CAUSE_NONE : row->cause);
    http_put(request, device, "blocked", json_boolean(row->state == STATE_BLOCKED));
    http_put_time(request, device, "session_started", live != NULL ? live->since_wall_ms : 0);
    http_put_time(request, device, "last_bootstrap", row->last_wall_ms);
    if (row->last_wall_ms != 0)
        http_put_number(request, device, "duration_ms", row->last_duration_ms);
    else
        http_put(request, device, "duration_ms", json_null());
    http_put_number(request, device, "bootstraps", row->bootstraps);
    http_put_time(request, device, "created", row->created_wall_ms);
    http_put_time(request, device, "changed", row->changed_wall_ms);
    http_put_number(request, device, "revision", row->revision);
    return device;
}

static json_t *tags_json(struct request *request, const struct enrollment *enrollment)
{
    json_t *tags = json_object();
    for (size_t i = 0; i < enrollment->tag_count; i++)
        http_put_text(request, tags, enrollment->tags[i].name, enrollment->tags[i].value);
    return tags;
}

/* The device's own certificate, in PEM; no secret, and needed to revoke it. */
static void put_certificate(struct request *request, json_t *item, struct bytes chain)
{
    struct buf pem;
    buf_init(&pem, PUBLIC_PART_MAX * 2);
    const char *text =
        key_pair_certificate_pem(key_pair_first(chain), &pem) ? buf_text(&pem) : NULL;
    if (text != NULL)
        http_put_text(request, item, "certificate", text);
    else
        request->out_of_memory = true;
    buf_clear(&pem);
}

static json_t *credentials_json(struct request *request, const struct store_device *device)
{
    const struct enrollment *enrollment = &device->enrollment;
    json_t *list = json_array();
    for (size_t i = 0; i < enrollment->credential_count; i++) {
        const struct enrolled_credential *credential = &enrollment->credentials[i];
        json_t *item = json_object();
        http_put_number(request, item, "ssid", credential->ssid);
        http_put_text(request, item, "kind", credential_kind_name(credential->kind));
        http_put_text(request, item, "status", credential_status_name(credential->status));
        http_put_number(request, item, "generation", credential->generation);
        http_put_identity(request, item, "identity", &credential->identity);
        http_put_number(request, item, "key_length", credential->key_len);
        if (credential->kind == CREDENTIAL_KIND_X509)
            put_certificate(request, item, blob_bytes(device->publics[i]));
        http_append(request, list, item);
    }
    return list;
}

json_t *http_device_json(struct request *request, const struct store_device *device,
                         const struct live_entry *live)
{
    const struct enrollment *enrollment = &device->enrollment;
    struct store_row row = {
        .identity = enrollment->identity,
        .state = enrollment->blocked ? STATE_BLOCKED : device->state,
        .cause = device->cause,
        .revision = enrollment->revision,
        .bootstraps = enrollment->bootstraps,
        .created_wall_ms = device->created_wall_ms,
        .changed_wall_ms = device->changed_wall_ms,
        .last_wall_ms = device->last_wall_ms,
        .last_duration_ms = device->last_duration_ms,
    };
    strcpy(row.endpoint, enrollment->endpoint);
    strcpy(row.class_name, enrollment->class_name);
    json_t *json = http_row_json(request, &row, live);
    http_put_text(request, json, "group", device->group[0] != '\0' ? device->group : NULL);
    http_put_fingerprint(request, json, "key_fingerprint", &device->bootstrap_key);
    http_put(request, json, "tags", tags_json(request, enrollment));
    http_put(request, json, "credentials", credentials_json(request, device));
    return json;
}

/* "2.04"; null when no answer came. */
static void put_code(struct request *request, json_t *object, uint8_t code)
{
    char text[8];
    snprintf(text, sizeof text, "%u.%02u", code >> 5 & 7u, code & 31u);
    http_put_text(request, object, "code", code != 0 ? text : NULL);
}

static json_t *steps_json(struct request *request, const struct outcome *outcome)
{
    json_t *steps = json_array();
    for (size_t i = 0; i < outcome->step_count; i++) {
        const struct outcome_step *step = &outcome->steps[i];
        char path[PATH_TEXT_SIZE];
        path_text(&step->path, path);
        json_t *item = json_object();
        http_put_text(request, item, "operation",
                      operation_kind_name((enum operation_kind)step->operation));
        http_put_text(request, item, "path", path);
        put_code(request, item, step->code);
        http_put_number(request, item, "attempts", step->attempts);
        http_put_number(request, item, "duration_ms", step->duration_ms);
        http_append(request, steps, item);
    }
    return steps;
}

json_t *http_outcome_json(struct request *request, const struct outcome *outcome)
{
    json_t *json = json_object();
    http_put_text(request, json, "id", outcome->id);
    http_put_text(request, json, "class",
                  outcome->class_name[0] != '\0' ? outcome->class_name : NULL);
    http_put_text(request, json, "state", device_state_name(outcome->state));
    put_cause(request, json, outcome->cause);
    http_put_text(request, json, "detail", outcome->detail[0] != '\0' ? outcome->detail : NULL);
    http_put_text(request, json, "source", outcome->source);
    http_put_time(request, json, "started", outcome->started_wall_ms);
    http_put_number(request, json, "handshake_ms", outcome->handshake_ms);
    http_put_number(request, json, "duration_ms", outcome->duration_ms);
    http_put_number(request, json, "bytes_sent", outcome->bytes_sent);
    http_put_number(request, json, "bytes_received", outcome->bytes_received);
    http_put_text(request, json, "format",
                  outcome->format >= 0 ? codec_name(outcome->format) : NULL);
    http_put_text(request, json, "plan_hash",
                  outcome->profile_hash[0] != '\0' ? outcome->profile_hash : NULL);
    json_t *warnings = json_array();
    for (size_t i = 0; i < outcome->warning_count; i++)
        http_append(request, warnings, json_string(outcome->warnings[i]));
    http_put(request, json, "warnings", warnings);
    http_put(request, json, "steps", steps_json(request, outcome));
    return json;
}
