/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/export: every device, or those of a filter, in the form that imports take. Read page by
 * page, so that neither end holds more than a page. */
#include "http_priv.h"

#include "usher/bulk.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 256, TEXT_MAX = 4 << 20, BLOCK_SIZE = 65536, NAMES_MAX = 256 };

struct export
{
    struct http *http;
    struct http_caller who;
    bool csv, reveal;
    bool has_begun, at_end;
    char class_name[CLASS_MAX + 1], prefix[ENDPOINT_MAX + 1];
    struct tag tags[FILTER_TAGS_MAX];
    struct store_filter filter;
    char after[ENDPOINT_MAX + 1];
    size_t name_count; /* columns of CSV for tags */
    char names[NAMES_MAX][TAG_NAME_MAX + 1];
    struct buf text; /* of the page */
    size_t sent;
    size_t found; /* devices of the page */
    char page[PAGE][ENDPOINT_MAX + 1];
};

/* ---- CSV ---- */

static void put_field(struct buf *out, const char *text)
{
    if (strpbrk(text, ",\"\r\n;\t") == NULL) {
        buf_put_text(out, text);
        return;
    }
    buf_put_u8(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"')
            buf_put_u8(out, '"');
        buf_put_u8(out, (uint8_t)*text);
    }
    buf_put_u8(out, '"');
}

static void put_header(struct export *export)
{
    struct buf *out = &export->text;
    buf_put_text(out, "endpoint,class,identity,blocked");
    if (export->reveal)
        buf_put_text(out, ",key");
    for (size_t i = 0; i < export->name_count; i++)
        buf_printf(out, ",%s%s", bulk_is_column(export->names[i]) ? "tags." : "", export->names[i]);
    buf_put_text(out, ",no_key\n");
}

static void put_key(struct buf *out, const struct secret *key)
{
    char text[BYTES_HEX_SIZE(SECRET_MAX)];
    bytes_to_hex(secret_bytes(key), text);
    buf_put_text(out, text);
    bytes_wipe(text, sizeof text);
}

static void put_identity(struct buf *out, const struct identity *identity)
{
    struct bytes data = identity_bytes(identity);
    char text[IDENTITY_MAX + 1], hex[4 + BYTES_HEX_SIZE(IDENTITY_MAX)] = "hex:";
    memcpy(text, data.data, data.len);
    text[data.len] = '\0';
    bytes_to_hex(data, hex + 4);
    put_field(out, http_identity_is_readable(identity) ? text : hex);
}

static void put_csv(struct export *export, const struct store_device *device)
{
    const struct enrollment *enrollment = &device->enrollment;
    struct buf *out = &export->text;
    put_field(out, enrollment->endpoint);
    buf_put_u8(out, ',');
    put_field(out, enrollment->class_name);
    buf_put_u8(out, ',');
    put_identity(out, &enrollment->identity);
    buf_printf(out, ",%s", enrollment->blocked ? "true" : "false");
    if (export->reveal) {
        buf_put_u8(out, ',');
        put_key(out, &device->bootstrap_key);
    }
    for (size_t i = 0; i < export->name_count; i++) {
        const char *value = enrollment_tag(enrollment, export->names[i]);
        buf_put_u8(out, ',');
        put_field(out, value != NULL ? value : "");
    }
    buf_put_text(out, store_device_is_keyless(device) ? ",true\n" : ",\n");
}

/* ---- JSON lines ---- */

static json_t *key_json(const struct secret *key)
{
    char text[BYTES_HEX_SIZE(SECRET_MAX)];
    bytes_to_hex(secret_bytes(key), text);
    json_t *json = json_string(text);
    bytes_wipe(text, sizeof text);
    return json;
}

/* Pre-shared keys in use; what a session has pending is its own affair. */
static json_t *credentials_json(struct request *request, const struct store_device *device)
{
    json_t *list = json_array();
    for (size_t i = 0; i < device->enrollment.credential_count; i++) {
        const struct enrolled_credential *credential = &device->enrollment.credentials[i];
        if (credential->status != CREDENTIAL_ACTIVE || credential->kind != CREDENTIAL_KIND_PSK ||
            credential->ssid == 0)
            continue;
        json_t *item = json_object();
        http_put_number(request, item, "ssid", credential->ssid);
        http_put_identity(request, item, "identity", &credential->identity);
        http_put(request, item, "key", key_json(&device->keys[i]));
        http_append(request, list, item);
    }
    return list;
}

static int append(const char *data, size_t len, void *context)
{
    struct buf *out = context;
    buf_put(out, data, len);
    return out->failed ? -1 : 0;
}

static void put_json(struct export *export, const struct store_device *device)
{
    const struct enrollment *enrollment = &device->enrollment;
    struct request unused = {.http = export->http}; /* for what the functions below latch */
    json_t *json = json_object(), *tags = json_object();
    http_put_text(&unused, json, "endpoint", enrollment->endpoint);
    if (enrollment->class_name[0] != '\0')
        http_put_text(&unused, json, "class", enrollment->class_name);
    if (enrollment->identity.len > 0)
        http_put_identity(&unused, json, "identity", &enrollment->identity);
    if (export->reveal && device->bootstrap_key.len > 0)
        http_put(&unused, json, "key", key_json(&device->bootstrap_key));
    if (store_device_is_keyless(device))
        http_put(&unused, json, "no_key", json_true());
    if (enrollment->blocked)
        http_put(&unused, json, "blocked", json_true());
    for (size_t i = 0; i < enrollment->tag_count; i++)
        http_put_text(&unused, tags, enrollment->tags[i].name, enrollment->tags[i].value);
    http_put(&unused, json, "tags", tags);
    if (export->reveal)
        http_put(&unused, json, "server_credentials", credentials_json(&unused, device));
    if (unused.out_of_memory || json_dump_callback(json, append, &export->text, JSON_COMPACT) != 0)
        export->text.failed = true;
    buf_put_u8(&export->text, '\n');
    json_decref(json);
}

/* ---- pages ---- */

static bool note_row(void *context, const struct store_row *row)
{
    struct export *export = context;
    strcpy(export->page[export->found++], row->endpoint);
    return true;
}

static bool note_name(void *context, const char *name)
{
    struct export *export = context;
    if (export->name_count == NAMES_MAX)
        return false;
    strcpy(export->names[export->name_count++], name);
    return true;
}

static enum err_code put_device(struct export *export, struct store_lane *lane,
                                const char *endpoint, struct store_device *device, struct err *err)
{
    enum err_code code = store_get(lane, bytes_of_text(endpoint), device, err);
    if (code == ERR_NOT_FOUND) /* removed in between */
        return ERR_OK;
    if (code == ERR_OK && export->csv)
        put_csv(export, device);
    else if (code == ERR_OK)
        put_json(export, device);
    store_device_clear(device);
    return code;
}

static enum err_code fill_page(struct export *export, struct store_lane *lane, struct err *err)
{
    enum err_code code = ERR_OK;
    struct store_device *device = calloc(1, sizeof *device);
    if (device == NULL)
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    if (!export->has_begun && export->csv) {
        code = store_tag_names(lane, note_name, export, err);
        put_header(export);
    }
    export->has_begun = true;
    export->found = 0;
    export->filter.after = export->after[0] != '\0' ? export->after : NULL;
    if (code == ERR_OK)
        code = store_list(lane, &export->filter, note_row, export, err);
    for (size_t i = 0; code == ERR_OK && i < export->found; i++)
        code = put_device(export, lane, export->page[i], device, err);
    if (export->found > 0)
        strcpy(export->after, export->page[export->found - 1]);
    export->at_end = export->found < PAGE;
    free(device);
    return code == ERR_OK && export->text.failed ? err_set(err, ERR_NO_MEMORY, "out of memory")
                                                 : code;
}

static ssize_t read_export(void *context, uint64_t position, char *out, size_t cap)
{
    struct export *export = context;
    struct err err = {0};
    (void)position;
    if (!http_tokens_still_good(export->http->tokens, &export->who))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    while (export->sent == export->text.len) {
        buf_reset(&export->text);
        export->sent = 0;
        if (export->has_begun && export->at_end)
            return MHD_CONTENT_READER_END_OF_STREAM;
        struct store_lane *lane = http_lane_take(export->http);
        enum err_code code = fill_page(export, lane, &err);
        http_lane_return(export->http, lane);
        /* The reader sees that the end is missing. */
        if (code != ERR_OK)
            return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    size_t left = export->text.len - export->sent;
    size_t some = left < cap ? left : cap;
    memcpy(out, export->text.data + export->sent, some);
    export->sent += some;
    return (ssize_t)some;
}

static void free_export(void *context)
{
    struct export *export = context;
    buf_clear(&export->text);
    bytes_wipe(export, sizeof *export);
    free(export);
}

static bool read_filter(struct request *request, struct export *export)
{
    const char *class_name = http_parameter(request, "class");
    const char *prefix = http_parameter(request, "prefix");
    const char *format = http_parameter(request, "format");
    export->csv = format != NULL && strcmp(format, "csv") == 0;
    if (format != NULL && !export->csv && strcmp(format, "jsonl") != 0) {
        http_problem(request, 400, "invalid", "query parameter 'format' must be csv or jsonl");
        return false;
    }
    struct store_filter *filter = &export->filter;
    *filter = (struct store_filter){.state = -1, .cause = -1, .limit = PAGE, .tags = export->tags};
    /* A filter that was dropped would export every device. */
    if ((class_name != NULL && strlen(class_name) >= sizeof export->class_name) ||
        (prefix != NULL && strlen(prefix) >= sizeof export->prefix)) {
        http_problem(request, 400, "invalid", "query parameter '%s' is too long",
                     prefix != NULL && strlen(prefix) >= sizeof export->prefix ? "prefix"
                                                                               : "class");
        return false;
    }
    if (class_name != NULL)
        filter->class_name = strcpy(export->class_name, class_name);
    if (prefix != NULL)
        filter->prefix = strcpy(export->prefix, prefix);
    return http_read_tags(request, export->tags, &filter->tag_count) &&
           http_boolean_parameter(request, "reveal", &export->reveal);
}

/* Keys that leave the server without a record of it must not. */
static bool note_reveal(struct request *request)
{
    struct err err = {0};
    struct store_lane *lane = http_lane_take(request->http);
    http_begin_change(request, lane);
    enum err_code code =
        store_note(lane, "keys.exported", "", "an export with the keys of devices", &err);
    http_lane_return(request->http, lane);
    if (code != ERR_OK)
        http_problem_of(request, &err);
    return code == ERR_OK;
}

void http_get_export(struct request *request)
{
    static const char *const known[] = {"format", "reveal", "class", "prefix",
                                        "tag",    "batch",  NULL};
    struct export *export = calloc(1, sizeof *export);
    struct MHD_Response *response = NULL;
    if (export == NULL) {
        request->out_of_memory = true;
        return;
    }
    export->http = request->http;
    export->who = request->who;
    buf_init(&export->text, TEXT_MAX);
    if (!http_read_query(request, known) || !read_filter(request, export))
        goto out;
    if (export->reveal && request->who.scope < HTTP_ADMIN) {
        http_problem(request, 403, "denied",
                     "keys are only shown over the UNIX socket of this server, or to a token of "
                     "scope admin");
        goto out;
    }
    if (export->reveal && !note_reveal(request))
        goto out;
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, read_export, export,
                                                 free_export);
    if (response == NULL) {
        request->out_of_memory = true;
        goto out;
    }
    http_answer_with(request, 200, export->csv ? "text/csv; charset=utf-8" : "application/x-ndjson",
                     response);
    export = NULL;
out:
    if (export != NULL)
        free_export(export);
}
