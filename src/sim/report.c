/* What a device has been through and holds, for people and programs. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "report_priv.h"

#include "usher/coap.h"

#include <errno.h>
#include <inttypes.h>
#include <mbedtls/md.h>
#include <string.h>

enum { FINGERPRINT_BYTES = 8, SHA256_SIZE = 32, SHOWN_BYTES_MAX = 250 };

/* Enough to compare by, too little to be of use. */
static void put_fingerprint(struct bytes secret, char out[static REPORT_VALUE_SIZE])
{
    uint8_t digest[SHA256_SIZE];
    char hex[BYTES_HEX_SIZE(FINGERPRINT_BYTES)];
    const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    if (sha256 == NULL || mbedtls_md(sha256, secret.data, secret.len, digest) != 0) {
        (void)snprintf(out, REPORT_VALUE_SIZE, "secret (%zu bytes)", secret.len);
        return;
    }
    bytes_to_hex(bytes_of(digest, FINGERPRINT_BYTES), hex);
    (void)snprintf(out, REPORT_VALUE_SIZE, "sha256:%s (%zu bytes)", hex, secret.len);
}

static bool is_printable(struct bytes text)
{
    if (!bytes_is_utf8(text))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < 0x20 || text.data[i] == 0x7f)
            return false;
    return true;
}

static void put_bytes(struct bytes bytes, char out[static REPORT_VALUE_SIZE])
{
    size_t len = bytes.len < SHOWN_BYTES_MAX ? bytes.len : SHOWN_BYTES_MAX;
    char hex[BYTES_HEX_SIZE(SHOWN_BYTES_MAX)];
    if (is_printable(bytes) && len > 0) {
        (void)snprintf(out, REPORT_VALUE_SIZE, "%.*s", (int)len, (const char *)bytes.data);
        return;
    }
    bytes_to_hex(bytes_of(bytes.data, len), hex);
    (void)snprintf(out, REPORT_VALUE_SIZE, "hex:%s%s", hex, len < bytes.len ? ".." : "");
}

void report_value(const struct record *record, bool reveal, char out[static REPORT_VALUE_SIZE])
{
    const struct value *value = &record->value;
    bool has_bytes = value->type == VALUE_STRING || value->type == VALUE_OPAQUE;
    if (has_bytes && sim_is_secret(&record->path) && !reveal) {
        put_fingerprint(value->bytes, out);
        return;
    }
    switch (value->type) {
    case VALUE_STRING:
    case VALUE_OPAQUE:
        put_bytes(value->bytes, out);
        break;
    case VALUE_INTEGER:
    case VALUE_TIME:
        (void)snprintf(out, REPORT_VALUE_SIZE, "%" PRId64, value->integer);
        break;
    case VALUE_UNSIGNED:
        (void)snprintf(out, REPORT_VALUE_SIZE, "%" PRIu64, value->natural);
        break;
    case VALUE_FLOAT:
        (void)snprintf(out, REPORT_VALUE_SIZE, "%.17g", value->real);
        break;
    case VALUE_BOOLEAN:
        (void)snprintf(out, REPORT_VALUE_SIZE, "%s", value->boolean ? "true" : "false");
        break;
    case VALUE_OBJLINK:
        (void)snprintf(out, REPORT_VALUE_SIZE, "%u:%u", value->link.object, value->link.instance);
        break;
    default:
        out[0] = '\0';
    }
}

static json_t *operation_json(const struct sim_operation *operation)
{
    char path[PATH_TEXT_SIZE], code[8];
    path_text(&operation->path, path);
    coap_code_text(operation->code, code);
    return json_pack("{s:s, s:s, s:s?, s:s?, s:i, s:i}", "method",
                     coap_code_name(operation->method), "path", operation->finish ? "/bs" : path,
                     "format", operation->format >= 0 ? codec_name(operation->format) : NULL,
                     "code", operation->code != 0 ? code : NULL, "payload_bytes",
                     (int)operation->payload_len, "at_ms", (int)operation->at_ms);
}

static json_t *operations_json(const struct sim_report *report)
{
    json_t *list = json_array();
    for (size_t i = 0; i < report->operation_count && i < SIM_OPERATIONS_MAX; i++)
        json_array_append_new(list, operation_json(&report->operations[i]));
    return list;
}

static json_t *objects_json(const struct sim_device *device, bool reveal)
{
    size_t count;
    const struct record *records = sim_device_objects(device, &count);
    json_t *objects = json_object();
    for (size_t i = 0; i < count; i++) {
        char path[PATH_TEXT_SIZE], text[REPORT_VALUE_SIZE];
        path_text(&records[i].path, path);
        report_value(&records[i], reveal, text);
        json_object_set_new(objects, path, json_string(text));
        bytes_wipe(text, sizeof text);
    }
    return objects;
}

json_t *report_json(const struct sim_device *device, const char *endpoint, bool reveal)
{
    const struct sim_report *report = sim_device_report(device);
    return json_pack(
        "{s:s?, s:s, s:s?, s:s?, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:b, s:b, s:I, s:I, s:I, s:I, "
        "s:o, s:o}",
        "endpoint", endpoint, "state", sim_state_name(report->state), "reason",
        report->reason[0] != '\0' ? report->reason : NULL, "detail",
        report->detail[0] != '\0' ? report->detail : NULL, "handshake_ms",
        (int)report->handshake_ms, "duration_ms", (int)report->duration_ms, "retransmissions",
        (int)report->retransmissions, "duplicates", (int)report->duplicates, "reboots",
        (int)report->reboots, "moves", (int)report->moves, "requests", (int)report->requests,
        "packed", (int)report->packed, "cid", (int)report->cid, "datagrams_sent",
        (json_int_t)report->datagrams_sent, "datagrams_received",
        (json_int_t)report->datagrams_received, "bytes_sent", (json_int_t)report->bytes_sent,
        "bytes_received", (json_int_t)report->bytes_received, "operations", operations_json(report),
        "objects", objects_json(device, reveal));
}

static void put_operations(const struct sim_report *report, FILE *out)
{
    if (report->operation_count > 0)
        fprintf(out, "\n%7s  %-7s %-12s %-11s %s\n", "MS", "METHOD", "PATH", "FORMAT", "ANSWER");
    for (size_t i = 0; i < report->operation_count && i < SIM_OPERATIONS_MAX; i++) {
        const struct sim_operation *operation = &report->operations[i];
        char path[PATH_TEXT_SIZE], code[8];
        path_text(&operation->path, path);
        coap_code_text(operation->code, code);
        fprintf(out, "%7" PRIu32 "  %-7s %-12s %-11s %s\n", operation->at_ms,
                coap_code_name(operation->method), operation->finish ? "/bs" : path,
                operation->format >= 0 ? codec_name(operation->format) : "-",
                operation->code != 0 ? code : "none");
    }
}

void report_table(const struct sim_device *device, bool reveal, FILE *out)
{
    size_t count;
    const struct record *records = sim_device_objects(device, &count);
    put_operations(sim_device_report(device), out);
    fprintf(out, "\n%-12s %-34s %s\n", "PATH", "RESOURCE", "VALUE");
    for (size_t i = 0; i < count; i++) {
        char path[PATH_TEXT_SIZE], text[REPORT_VALUE_SIZE];
        const struct resource_definition *definition =
            object_table_resource(records[i].path.ids[0], records[i].path.ids[2]);
        path_text(&records[i].path, path);
        report_value(&records[i], reveal, text);
        fprintf(out, "%-12s %-34s %s\n", path, definition != NULL ? definition->name : "", text);
        bytes_wipe(text, sizeof text);
    }
}

bool report_write_line(const struct sim_device *device, const char *endpoint, FILE *out)
{
    json_t *report = report_json(device, endpoint, false);
    bool fine = report != NULL && json_dumpf(report, out, JSON_COMPACT | JSON_ENSURE_ASCII) == 0 &&
                fputc('\n', out) != EOF;
    json_decref(report);
    return fine;
}

bool report_write(const json_t *report, const char *path)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *out = standard ? stdout : fopen(path, "w");
    bool fine =
        out != NULL &&
        json_dumpf(report, out, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6)) == 0 &&
        fputc('\n', out) != EOF && fflush(out) == 0;
    if (!fine)
        fprintf(stderr, "usher-sim: cannot write %s (%s)\n", path, strerror(errno));
    if (out != NULL && !standard && fclose(out) != 0)
        fine = false;
    return fine;
}
