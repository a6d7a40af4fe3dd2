/* SPDX-License-Identifier: Apache-2.0 */
/* Groups over HTTP: made, changed, shown without their keys, blocked, removed. */
#include "http_priv.h"

#include "usher/clock.h"
#include "usher/derive.h"
#include "usher/digest.h"
#include "usher/log.h"

#include <stdlib.h>
#include <string.h>

enum { GENERATED_LEN = 32, KEY_LEN_DEFAULT = 16 };

/* ---- showing ---- */

/* By what its devices are known: a CA, or keys. */
static void put_proof(struct request *request, json_t *json, const struct store_group *group)
{
    char hex[BYTES_HEX_SIZE(PIN_HASH_SIZE)];
    bytes_to_hex(bytes_of(group->authority, sizeof group->authority), hex);
    http_put_text(request, json, "authority_sha256", group->by_certificate ? hex : NULL);
    if (group->by_certificate)
        return;
    http_put_text(request, json, "scheme", derive_scheme_name(group->scheme));
    http_put_text(request, json, "label", group->scheme == DERIVE_HKDF ? group->label : NULL);
    http_put_number(request, json, "key_length",
                    group->scheme == DERIVE_HMAC ? DIGEST_SIZE : group->key_len);
    http_put_fingerprint(request, json, "primary_fingerprint", &group->primary);
    http_put_fingerprint(request, json, "secondary_fingerprint", &group->secondary);
}

static json_t *group_json(struct request *request, const struct store_group *group)
{
    json_t *json = json_object(), *tags = json_object();
    http_put_text(request, json, "name", group->name);
    http_put_text(request, json, "class", group->class_name[0] != '\0' ? group->class_name : NULL);
    http_put_text(request, json, "pattern", group->pattern);
    put_proof(request, json, group);
    http_put_time(request, json, "not_before", group->not_before_wall_ms);
    http_put_time(request, json, "not_after", group->not_after_wall_ms);
    if (group->device_max != 0)
        http_put_number(request, json, "max_devices", group->device_max);
    else
        http_put(request, json, "max_devices", json_null());
    http_put_number(request, json, "devices", group->devices);
    http_put(request, json, "blocked", json_boolean(group->blocked));
    for (size_t i = 0; i < group->tags.tag_count; i++)
        http_put_text(request, tags, group->tags.tags[i].name, group->tags.tags[i].value);
    http_put(request, json, "tags", tags);
    http_put_time(request, json, "created", group->created_wall_ms);
    http_put_time(request, json, "changed", group->changed_wall_ms);
    http_put_number(request, json, "revision", group->revision);
    return json;
}

static bool has_no_parameters(struct request *request)
{
    static const char *const known[] = {NULL};
    return http_read_query(request, known);
}

struct listing {
    struct request *request;
    json_t *groups;
};

static bool add_group(void *context, const struct store_group *group)
{
    struct listing *listing = context;
    http_append(listing->request, listing->groups, group_json(listing->request, group));
    return true;
}

void http_get_groups(struct request *request)
{
    struct listing listing = {.request = request};
    struct err err = {0};
    if (!has_no_parameters(request))
        return;
    listing.groups = json_array();
    struct store_lane *lane = http_lane_take(request->http);
    enum err_code code = store_group_list(lane, add_group, &listing, &err);
    http_lane_return(request->http, lane);
    json_t *answer = json_object();
    http_put(request, answer, "groups", listing.groups);
    http_answer(request, 200, answer);
    if (code != ERR_OK)
        http_problem_of(request, &err);
}

/* The one that the path names; false after a refusal. */
static bool get_group(struct request *request, struct store_group *out)
{
    struct err err = {0};
    struct store_lane *lane = http_lane_take(request->http);
    enum err_code code = store_group_get(lane, request->item, out, &err);
    http_lane_return(request->http, lane);
    if (code != ERR_OK)
        http_problem_of(request, &err);
    return code == ERR_OK;
}

void http_get_group(struct request *request)
{
    struct store_group group;
    if (!has_no_parameters(request) || !get_group(request, &group))
        return;
    http_answer(request, 200, group_json(request, &group));
    store_group_clear(&group);
}

/* ---- the body ---- */

/* One PUT: what the group is, or shall be, and which keys were made here. */
struct group_edit {
    struct request *request;
    json_t *body;
    struct store_group group;
    bool made_primary, made_secondary;
};

/* The text of a member, NULL when it is absent; *wrong when it is no text, or too long. */
static const char *text_member(struct group_edit *edit, const char *name, size_t size, bool *wrong)
{
    const json_t *value = json_object_get(edit->body, name);
    const char *text = json_string_value(value);
    if (value == NULL)
        return NULL;
    if (text == NULL || strlen(text) != json_string_length(value) || strlen(text) >= size) {
        *wrong = true;
        http_refuse(edit->request, "'%s' must be text of at most %zu bytes", name, size - 1);
        return NULL;
    }
    return text;
}

static bool read_texts(struct group_edit *edit)
{
    struct store_group *group = &edit->group;
    const struct {
        const char *name;
        char *out;
        size_t size;
    } texts[] = {{"class", group->class_name, sizeof group->class_name},
                 {"pattern", group->pattern, sizeof group->pattern},
                 {"label", group->label, sizeof group->label}};
    bool wrong = false;
    for (size_t i = 0; !wrong && i < sizeof texts / sizeof texts[0]; i++) {
        const char *text = text_member(edit, texts[i].name, texts[i].size, &wrong);
        if (text != NULL)
            strcpy(texts[i].out, text);
    }
    const char *scheme = wrong ? NULL : text_member(edit, "scheme", 32, &wrong);
    if (scheme != NULL && !derive_scheme_from_name(scheme, &group->scheme))
        return http_refuse(edit->request, "'scheme' must be hkdf-sha256 or hmac-sha256");
    return !wrong;
}

/* "primary" and "secondary": hexadecimal, or base64 behind "base64:"; true makes one; null takes
 * the secondary away. */
static bool read_key(struct group_edit *edit, const char *name, struct secret *key, bool *made)
{
    static const char prefix[] = "base64:";
    const json_t *value = json_object_get(edit->body, name);
    const char *text = json_string_value(value);
    size_t len = 0;
    if (value == NULL)
        return true;
    if (json_is_true(value)) {
        *made = true;
        secret_random(key, GENERATED_LEN);
        return true;
    }
    if (json_is_null(value)) {
        secret_clear(key);
        return true;
    }
    bool base64 = text != NULL && strncmp(text, prefix, strlen(prefix)) == 0;
    bool good = text != NULL &&
                (base64 ? bytes_from_base64(text + strlen(prefix), strlen(text) - strlen(prefix),
                                            key->data, sizeof key->data, &len)
                        : bytes_from_hex(text, strlen(text), key->data, sizeof key->data, &len));
    if (!good)
        return http_refuse(edit->request,
                           "'%s' must be hexadecimal digits, or 'base64:' and base64, or true",
                           name);
    key->len = (uint16_t)len;
    return true;
}

static bool read_time(struct group_edit *edit, const char *name, int64_t *out)
{
    const json_t *value = json_object_get(edit->body, name);
    if (value == NULL)
        return true;
    if (json_is_null(value)) {
        *out = 0;
        return true;
    }
    if (json_is_string(value) && clock_wall_from_text(json_string_value(value), out))
        return true;
    return http_refuse(edit->request, "'%s' must be a time such as 2026-01-31T12:00:00Z", name);
}

static bool read_numbers(struct group_edit *edit)
{
    struct store_group *group = &edit->group;
    const json_t *most = json_object_get(edit->body, "max_devices");
    const json_t *len = json_object_get(edit->body, "key_length");
    if (most != NULL && !json_is_null(most) &&
        (!json_is_integer(most) || json_integer_value(most) < 1))
        return http_refuse(edit->request, "'max_devices' must be a whole number above 0, or null");
    if (len != NULL && (!json_is_integer(len) || json_integer_value(len) < DERIVE_KEY_LEAST ||
                        json_integer_value(len) > DERIVE_KEY_MOST))
        return http_refuse(edit->request, "'key_length' must be %d to %d bytes", DERIVE_KEY_LEAST,
                           DERIVE_KEY_MOST);
    if (most != NULL)
        group->device_max = json_is_null(most) ? 0 : (uint64_t)json_integer_value(most);
    if (len != NULL)
        group->key_len = (uint16_t)json_integer_value(len);
    return read_time(edit, "not_before", &group->not_before_wall_ms) &&
           read_time(edit, "not_after", &group->not_after_wall_ms);
}

static bool read_tags(struct group_edit *edit)
{
    json_t *tags = json_object_get(edit->body, "tags"), *value;
    struct enrollment *out = &edit->group.tags;
    const char *name;
    if (tags == NULL)
        return true;
    if (!json_is_object(tags) || json_object_size(tags) > TAGS_MAX)
        return http_refuse(edit->request, "'tags' must be an object of at most %d names and texts",
                           TAGS_MAX);
    enrollment_clear(out);
    out->tags = calloc(json_object_size(tags) + 1, sizeof *out->tags);
    if (out->tags == NULL) {
        edit->request->out_of_memory = true;
        return false;
    }
    json_object_foreach(tags, name, value)
    {
        struct err err = {0};
        const char *text = json_string_value(value);
        if (text == NULL || enrollment_check_tag(name, text, &err) != ERR_OK)
            return http_refuse(edit->request, "tag '%.64s': %s", name,
                               text == NULL ? "must have a text" : err.text);
        struct tag *tag = &out->tags[out->tag_count++];
        strcpy(tag->name, name);
        strcpy(tag->value, text);
    }
    return true;
}

/* "authority": the certificate of a CA, which takes the place of keys; a key takes its place. */
static bool read_authority(struct group_edit *edit)
{
    struct store_group *group = &edit->group;
    if (json_object_get(edit->body, "authority") == NULL) {
        group->by_certificate = group->by_certificate && group->primary.len == 0;
        return true;
    }
    if (json_object_get(edit->body, "primary") != NULL ||
        json_object_get(edit->body, "secondary") != NULL)
        return http_refuse(edit->request, "a group has an 'authority' or keys, not both");
    if (!http_read_pin(edit->request, edit->body, "authority", PIN_PUBLIC_KEY, group->authority))
        return false;
    secret_clear(&group->primary);
    secret_clear(&group->secondary);
    group->by_certificate = true;
    return true;
}

static bool check_members(struct group_edit *edit)
{
    static const char *const known[] = {
        "class",      "pattern",   "scheme",      "label", "key_length", "primary", "secondary",
        "not_before", "not_after", "max_devices", "tags",  "authority",  NULL};
    const char *name;
    json_t *value;
    json_object_foreach(edit->body, name, value)
    {
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], name) != 0)
            i++;
        if (known[i] == NULL)
            return http_refuse(edit->request, "unknown member '%.64s' in the group", name);
    }
    return true;
}

static bool read_body(struct group_edit *edit)
{
    json_error_t why;
    struct bytes text = buf_bytes(&edit->request->body);
    edit->body = json_loadb(text.data != NULL ? (const char *)text.data : "", text.len,
                            JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(edit->body))
        return http_refuse(edit->request, "the body must be a JSON object");
    struct store_group *group = &edit->group;
    return check_members(edit) && read_texts(edit) &&
           read_key(edit, "primary", &group->primary, &edit->made_primary) &&
           read_key(edit, "secondary", &group->secondary, &edit->made_secondary) &&
           read_authority(edit) && read_numbers(edit) && read_tags(edit);
}

static bool check_class(struct group_edit *edit)
{
    struct enrollment named = {0};
    struct err err = {0};
    strcpy(named.class_name, edit->group.class_name);
    if (named.class_name[0] == '\0' ||
        http_check_class(edit->request->http, &named, &err) == ERR_OK)
        return true;
    http_problem(edit->request, 422, "unknown-class", "%s", err.text);
    return false;
}

/* ---- changing ---- */

static void put_key(struct request *request, json_t *answer, const char *name,
                    const struct secret *key)
{
    char text[BYTES_HEX_SIZE(SECRET_MAX)];
    bytes_to_hex(secret_bytes(key), text);
    http_put_text(request, answer, name, text);
    bytes_wipe(text, sizeof text);
}

/* Keys that were made here are in this answer and in no later one. */
static void answer_edit(struct group_edit *edit, enum store_change change)
{
    static const char *const names[] = {"created", "changed", "unchanged"};
    struct request *request = edit->request;
    struct store_group stored;
    log_event(LOG_INFO, "group.put", LOG_TEXT("group", request->item),
              LOG_TEXT("change", names[change]));
    if (!get_group(request, &stored))
        return;
    json_t *answer = json_object();
    http_put_text(request, answer, "change", names[change]);
    http_put(request, answer, "group", group_json(request, &stored));
    if (edit->made_primary)
        put_key(request, answer, "primary", &edit->group.primary);
    if (edit->made_secondary)
        put_key(request, answer, "secondary", &edit->group.secondary);
    http_answer(request, change == STORE_CREATED ? 201 : 200, answer);
    store_group_clear(&stored);
}

/* What is not said stays as it is. False after a refusal. */
static bool begin_edit(struct group_edit *edit, struct store_lane *lane)
{
    struct request *request = edit->request;
    struct err err = {0};
    enum err_code code = store_group_get(lane, request->item, &edit->group, &err);
    if (code != ERR_OK && code != ERR_NOT_FOUND) {
        http_problem_of(request, &err);
        return false;
    }
    if (code == ERR_NOT_FOUND) {
        edit->group = (struct store_group){
            .scheme = DERIVE_HKDF, .label = DERIVE_DEFAULT_LABEL, .key_len = KEY_LEN_DEFAULT};
        if (strlen(request->item) > GROUP_NAME_MAX)
            return http_refuse(request, "a group's name has at most %d bytes", GROUP_NAME_MAX);
        strcpy(edit->group.name, request->item);
    }
    return true;
}

static void store_edit(struct group_edit *edit, struct store_lane *lane, bool replace)
{
    enum store_change change = STORE_UNCHANGED;
    struct err err = {0};
    http_begin_change(edit->request, lane);
    if (store_group_put(lane, &edit->group, replace, &change, &err) == ERR_OK)
        answer_edit(edit, change);
    else
        http_problem_of(edit->request, &err);
}

void http_put_group(struct request *request)
{
    static const char *const known[] = {"replace", NULL};
    struct group_edit *edit = calloc(1, sizeof *edit);
    bool replace = false;
    if (edit == NULL) {
        request->out_of_memory = true;
        return;
    }
    edit->request = request;
    if (http_read_query(request, known) && http_boolean_parameter(request, "replace", &replace)) {
        struct store_lane *lane = http_lane_take(request->http);
        if (begin_edit(edit, lane) && read_body(edit) && check_class(edit))
            store_edit(edit, lane, replace);
        http_lane_return(request->http, lane);
    }
    json_decref(edit->body);
    store_group_clear(&edit->group);
    bytes_wipe(edit, sizeof *edit);
    free(edit);
}

void http_delete_group(struct request *request)
{
    static const char *const known[] = {"force", NULL};
    bool force = false;
    struct err err = {0};
    if (!http_read_query(request, known) || !http_boolean_parameter(request, "force", &force))
        return;
    struct store_lane *lane = http_lane_take(request->http);
    http_begin_change(request, lane);
    enum err_code code = store_group_remove(lane, request->item, force, &err);
    http_lane_return(request->http, lane);
    if (code != ERR_OK) {
        http_problem_of(request, &err);
        return;
    }
    log_event(LOG_INFO, "group.removed", LOG_TEXT("group", request->item));
    http_answer(request, 200, json_pack("{s:s}", "change", "removed"));
}

static void set_blocked(struct request *request, bool blocked)
{
    struct store_group group;
    struct err err = {0};
    enum store_change change = STORE_UNCHANGED;
    if (!has_no_parameters(request) || !get_group(request, &group))
        return;
    group.blocked = blocked;
    struct store_lane *lane = http_lane_take(request->http);
    http_begin_change(request, lane);
    enum err_code code = store_group_put(lane, &group, true, &change, &err);
    http_lane_return(request->http, lane);
    store_group_clear(&group);
    if (code != ERR_OK) {
        http_problem_of(request, &err);
        return;
    }
    log_event(LOG_INFO, blocked ? "group.blocked" : "group.unblocked",
              LOG_TEXT("group", request->item));
    http_answer(request, 200,
                json_pack("{s:s}", "change", change == STORE_CHANGED ? "changed" : "unchanged"));
}

void http_block_group(struct request *request)
{
    set_blocked(request, true);
}

void http_unblock_group(struct request *request)
{
    set_blocked(request, false);
}
