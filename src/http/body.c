/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of an enrolment. Messages name the member that is wrong and never quote a key. */
#include "http_priv.h"

#include "usher/key_pair.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_LEAST = 16, KEY_MOST = 64, MATERIAL_MAX = 32768 };

static bool refuse_err(struct request *request, const char *place, const struct err *err)
{
    return http_refuse(request, "%s%s%s", place, place[0] != '\0' ? ": " : "", err->text);
}

/* Text without NUL inside, which JSON allows and nothing here does. */
static const char *text_of(const json_t *value)
{
    const char *text = json_string_value(value);
    return text != NULL && strlen(text) == json_string_length(value) ? text : NULL;
}

static bool check_members(struct request *request, json_t *object, const char *const *known,
                          const char *place)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], key) != 0)
            i++;
        if (known[i] == NULL)
            return http_refuse(request, "unknown member '%.64s' in %s", key, place);
    }
    return true;
}

static bool decode_key(const char *text, bool hex, struct secret *key)
{
    uint8_t data[SECRET_MAX];
    size_t len = 0;
    bool good = hex ? bytes_from_hex(text, strlen(text), data, sizeof data, &len)
                    : bytes_from_base64(text, strlen(text), data, sizeof data, &len);
    good = good && secret_set(key, bytes_of(data, len));
    bytes_wipe(data, sizeof data);
    return good;
}

/* `key` in hexadecimal or `key_base64`; at most one of them. */
static bool read_key(struct request *request, const json_t *object, const char *place,
                     struct secret *key, bool *given)
{
    const json_t *hex = json_object_get(object, "key");
    const json_t *base64 = json_object_get(object, "key_base64");
    *given = hex != NULL || base64 != NULL;
    if (!*given)
        return true;
    if (hex != NULL && base64 != NULL)
        return http_refuse(request, "%s: give 'key' or 'key_base64', not both", place);
    const char *text = text_of(hex != NULL ? hex : base64);
    if (text == NULL || !decode_key(text, hex != NULL, key))
        return http_refuse(request, "%s: '%s' must be a key in %s", place,
                           hex != NULL ? "key" : "key_base64",
                           hex != NULL ? "hexadecimal digits" : "base64");
    if (key->len < KEY_LEAST || key->len > KEY_MOST)
        return http_refuse(request, "%s: the key has %u bytes; it must have %d to %d", place,
                           key->len, KEY_LEAST, KEY_MOST);
    return true;
}

static bool read_identity(struct request *request, const json_t *object, const char *place,
                          struct identity *identity, bool *given)
{
    const json_t *value = json_object_get(object, "identity");
    *given = value != NULL;
    if (!*given)
        return true;
    const char *text = text_of(value);
    if (text != NULL && http_identity_from_text(text, identity))
        return true;
    return http_refuse(
        request, "%s: 'identity' must be text of 1 to %d bytes, or 'hex:' and hexadecimal digits",
        place, IDENTITY_MAX);
}

/* ---- server credentials ---- */

static const char place[] = "server_credentials";

static bool read_kind(struct request *request, const json_t *item, enum credential_kind *kind)
{
    const json_t *value = json_object_get(item, "kind");
    const char *text = text_of(value);
    *kind = CREDENTIAL_KIND_PSK;
    return value == NULL || (text != NULL && credential_kind_from_name(text, kind)) ||
           http_refuse(request, "%s: 'kind' must be one of psk, oscore, rpk, x509", place);
}

static bool decode_material(const char *text, struct buf *out)
{
    size_t len = strlen(text), decoded = 0;
    if (strstr(text, "-----BEGIN ") != NULL) {
        buf_put(out, text, len);
        return true;
    }
    uint8_t *room = buf_claim(out, len);
    if (room == NULL || !bytes_from_base64(text, len, room, len, &decoded))
        return room == NULL;
    out->len -= len - decoded;
    return true;
}

/* PEM as text, or base64 of DER: as bytes in `out`. */
static bool read_material(struct request *request, const json_t *item, const char *member,
                          struct buf *out)
{
    const char *text = text_of(json_object_get(item, member));
    if (text == NULL)
        return http_refuse(request, "%s: '%s' must be text: PEM, or DER in base64", place, member);
    if (!decode_material(text, out))
        return http_refuse(request, "%s: '%s' is neither PEM nor base64", place, member);
    return !out->failed || http_refuse(request, "%s: '%s' is too long", place, member);
}

static bool take_private_key(struct request *request, const json_t *item, struct secret *out)
{
    struct buf text;
    struct err err = {0};
    buf_init(&text, MATERIAL_MAX);
    bool good = read_material(request, item, "private_key", &text);
    if (good && key_pair_read_private(buf_bytes(&text), out, &err) != ERR_OK)
        good = http_refuse(request, "%s: 'private_key': %s", place, err.text);
    buf_clear(&text);
    return good;
}

/* The public half of a raw key follows from the private one; certificates are given. */
static bool read_public_part(struct request *request, const json_t *item,
                             const struct secret *private_key, bool raw, struct buf *out)
{
    struct buf text;
    struct err err = {0};
    buf_init(&text, MATERIAL_MAX);
    bool good = raw || read_material(request, item, "certificate", &text);
    enum err_code code = ERR_OK;
    if (good && raw)
        code = key_pair_public_of(private_key, out, &err);
    else if (good)
        code = key_pair_read_certificates(buf_bytes(&text), out, &err);
    if (good && !raw && code == ERR_OK)
        code = key_pair_check(private_key, buf_bytes(out), &err);
    buf_clear(&text);
    return good && (code == ERR_OK || http_refuse(request, "%s: '%s': %s", place,
                                                  raw ? "private_key" : "certificate", err.text));
}

static bool read_key_pair(struct request *request, json_t *item, struct store_device *device,
                          size_t at)
{
    static const char *const with_key[] = {"ssid", "kind", "private_key", NULL};
    static const char *const with_certificate[] = {"ssid", "kind", "private_key", "certificate",
                                                   NULL};
    struct enrolled_credential *credential = &device->enrollment.credentials[at];
    bool raw = credential->kind == CREDENTIAL_KIND_RPK;
    struct buf der;
    buf_init(&der, PUBLIC_PART_MAX);
    bool good = check_members(request, item, raw ? with_key : with_certificate, place) &&
                take_private_key(request, item, &device->keys[at]) &&
                read_public_part(request, item, &device->keys[at], raw, &der);
    if (good && (device->publics[at] = blob_new(buf_bytes(&der))) == NULL) {
        request->out_of_memory = true;
        good = false;
    }
    credential->public_len = (uint16_t)der.len;
    buf_clear(&der);
    return good;
}

static bool read_shared_key(struct request *request, json_t *item, struct store_device *device,
                            size_t at)
{
    static const char *const known[] = {"ssid", "kind", "identity", "key", "key_base64", NULL};
    struct enrolled_credential *credential = &device->enrollment.credentials[at];
    bool has_identity = false, has_key = false;
    if (!check_members(request, item, known, place) ||
        !read_identity(request, item, place, &credential->identity, &has_identity) ||
        !read_key(request, item, place, &device->keys[at], &has_key))
        return false;
    return (has_identity && has_key) ||
           http_refuse(request, "%s: server %u needs 'identity' and 'key'", place,
                       credential->ssid);
}

static bool read_credential(struct request *request, json_t *item, struct store_device *device)
{
    static const char *const known[] = {"ssid",       "kind",        "identity",    "key",
                                        "key_base64", "private_key", "certificate", NULL};
    size_t at = device->enrollment.credential_count;
    struct enrolled_credential *credential = &device->enrollment.credentials[at];
    const json_t *ssid = json_object_get(item, "ssid");
    if (!json_is_object(item))
        return http_refuse(request, "%s: each entry must be an object", place);
    if (!check_members(request, item, known, place))
        return false;
    if (!json_is_integer(ssid) || json_integer_value(ssid) < 1 || json_integer_value(ssid) > 65534)
        return http_refuse(request, "%s: 'ssid' must be a whole number from 1 to 65534", place);
    for (size_t i = 0; i < at; i++) {
        if (device->enrollment.credentials[i].ssid == json_integer_value(ssid))
            return http_refuse(request, "%s: server %u is named twice", place,
                               device->enrollment.credentials[i].ssid);
    }
    credential->ssid = (uint16_t)json_integer_value(ssid);
    if (!read_kind(request, item, &credential->kind))
        return false;
    bool shared =
        credential->kind == CREDENTIAL_KIND_PSK || credential->kind == CREDENTIAL_KIND_OSCORE;
    if (!(shared ? read_shared_key : read_key_pair)(request, item, device, at))
        return false;
    credential->status = CREDENTIAL_ACTIVE;
    credential->key_len = device->keys[at].len;
    device->enrollment.credential_count++;
    return true;
}

static bool read_credentials(struct request *request, const json_t *object,
                             struct store_device *device)
{
    const json_t *list = json_object_get(object, "server_credentials");
    if (list == NULL)
        return true;
    if (!json_is_array(list) || json_array_size(list) > SERVERS_MAX)
        return http_refuse(request, "'server_credentials' must be a list of at most %d entries",
                           SERVERS_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!read_credential(request, json_array_get(list, i), device))
            return false;
    }
    return true;
}

/* ---- tags ---- */

static bool read_tags(struct request *request, json_t *object, struct enrolment *out)
{
    json_t *tags = json_object_get(object, "tags");
    struct enrollment *enrollment = &out->device.enrollment;
    out->has_tags = tags != NULL;
    if (!out->has_tags)
        return true;
    if (!json_is_object(tags) || json_object_size(tags) > TAGS_MAX)
        return http_refuse(request, "'tags' must be an object of at most %d names and texts",
                           TAGS_MAX);
    enrollment->tags = calloc(json_object_size(tags) + 1, sizeof *enrollment->tags);
    if (enrollment->tags == NULL) {
        request->out_of_memory = true;
        return false;
    }
    const char *name;
    json_t *value;
    json_object_foreach(tags, name, value)
    {
        struct err err = {0};
        const char *text = text_of(value);
        if (text == NULL)
            return http_refuse(request, "tag '%.64s' must have a text", name);
        if (enrollment_check_tag(name, text, &err) != ERR_OK)
            return refuse_err(request, "tags", &err);
        struct tag *tag = &enrollment->tags[enrollment->tag_count++];
        strcpy(tag->name, name);
        strcpy(tag->value, text);
    }
    return true;
}

/* ---- the whole ---- */

static bool read_class(struct request *request, const json_t *object, struct enrolment *out)
{
    const json_t *value = json_object_get(object, "class");
    struct err err = {0};
    out->has_class = value != NULL;
    if (!out->has_class)
        return true;
    const char *text = text_of(value);
    if (text == NULL)
        return http_refuse(request, "'class' must be text");
    if (enrollment_check_class(bytes_of_text(text), &err) != ERR_OK)
        return refuse_err(request, "", &err);
    strcpy(out->device.enrollment.class_name, text);
    return true;
}

static bool read_generate(struct request *request, const json_t *object, struct enrolment *out)
{
    const json_t *value = json_object_get(object, "generate");
    if (value != NULL && !json_is_boolean(value))
        return http_refuse(request, "'generate' must be true or false");
    out->generate = json_is_true(value);
    if (out->generate && out->has_key)
        return http_refuse(request, "give a key or 'generate', not both");
    value = json_object_get(object, "no_key");
    if (value != NULL && !json_is_boolean(value))
        return http_refuse(request, "'no_key' must be true or false");
    out->no_key = json_is_true(value);
    if (out->no_key && (out->generate || out->has_key || out->has_identity))
        return http_refuse(request, "'no_key' goes without a key, 'generate' and 'identity'");
    return true;
}

bool http_read_pin(struct request *request, const json_t *object, const char *member,
                   enum pin_kind kind, uint8_t out[static PIN_HASH_SIZE])
{
    const char *text = text_of(json_object_get(object, member));
    struct err err = {0};
    struct buf der;
    buf_init(&der, MATERIAL_MAX);
    bool good = text != NULL && decode_material(text, &der) && !der.failed;
    enum err_code code = good ? key_pair_pin(buf_bytes(&der), kind, out, &err) : ERR_OK;
    buf_clear(&der);
    if (!good)
        return http_refuse(request, "'%s' must be text: PEM, or DER in base64", member);
    return code == ERR_OK || http_refuse(request, "'%s': %s", member, err.text);
}

/* The device proves itself by this certificate, or by any with this key: its identity says so. */
static bool read_pin(struct request *request, const json_t *object, const char *member,
                     enum pin_kind kind, struct enrolment *out)
{
    uint8_t hash[PIN_HASH_SIZE];
    if (json_object_get(object, member) == NULL)
        return true;
    if (out->has_identity || out->has_key || out->generate || out->no_key)
        return http_refuse(request,
                           "give one of a certificate, a public key, 'no_key', or a key and its "
                           "identity");
    if (!http_read_pin(request, object, member, kind, hash))
        return false;
    identity_set_pin(&out->device.enrollment.identity, kind, hash);
    out->has_identity = out->no_key = true;
    return true;
}

/* The identity itself may be of that kind, as an export tells it. */
static bool read_pins(struct request *request, const json_t *object, struct enrolment *out)
{
    bool pinned = out->has_identity && identity_is_pin(&out->device.enrollment.identity);
    if (pinned && (out->has_key || out->generate))
        return http_refuse(request,
                           "this identity stands for a certificate: it goes without a key");
    out->no_key = out->no_key || pinned;
    return read_pin(request, object, "certificate", PIN_CERTIFICATE, out) &&
           read_pin(request, object, "public_key", PIN_PUBLIC_KEY, out);
}

static bool read_members(struct request *request, json_t *object, struct enrolment *out)
{
    static const char *const known[] = {"class",       "identity",   "key",
                                        "key_base64",  "generate",   "no_key",
                                        "certificate", "public_key", "server_credentials",
                                        "tags",        NULL};
    struct store_device *device = &out->device;
    return check_members(request, object, known, "the enrolment") &&
           read_class(request, object, out) &&
           read_identity(request, object, "enrolment", &device->enrollment.identity,
                         &out->has_identity) &&
           read_key(request, object, "enrolment", &device->bootstrap_key, &out->has_key) &&
           read_generate(request, object, out) && read_pins(request, object, out) &&
           read_credentials(request, object, device) && read_tags(request, object, out);
}

bool http_read_enrolment(struct request *request, struct enrolment *out)
{
    json_error_t why;
    struct bytes text = buf_bytes(&request->body);
    json_t *object = json_loadb(text.data != NULL ? (const char *)text.data : "", text.len,
                                JSON_REJECT_DUPLICATES, &why);
    strcpy(out->device.enrollment.endpoint, request->endpoint);
    bool good = false;
    if (object == NULL)
        /* Not jansson's own text: it quotes what is near, which may be a key. */
        http_refuse(request, "the body is not JSON: error in line %d, column %d", why.line,
                    why.column);
    else if (!json_is_object(object))
        http_refuse(request, "the body must be a JSON object");
    else
        good = read_members(request, object, out);
    json_decref(object);
    return good;
}
