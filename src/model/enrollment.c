/* Enrolled devices: lookups, copies and the rules for names. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/enrollment.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const char *const status_names[] = {
    [CREDENTIAL_PENDING] = "pending",
    [CREDENTIAL_ACTIVE] = "active",
    [CREDENTIAL_RETIRING] = "retiring",
};

const char *credential_status_name(enum credential_status status)
{
    size_t count = sizeof status_names / sizeof status_names[0];
    return (size_t)status < count ? status_names[status] : "unknown";
}

static const char *const kind_names[] = {
    [CREDENTIAL_KIND_PSK] = "psk",
    [CREDENTIAL_KIND_OSCORE] = "oscore",
    [CREDENTIAL_KIND_RPK] = "rpk",
    [CREDENTIAL_KIND_X509] = "x509",
};
static_assert(sizeof kind_names / sizeof kind_names[0] == CREDENTIAL_KIND_COUNT,
              "every kind is named");

const char *credential_kind_name(enum credential_kind kind)
{
    return (size_t)kind < CREDENTIAL_KIND_COUNT ? kind_names[kind] : "unknown";
}

bool credential_kind_from_name(const char *name, enum credential_kind *out)
{
    for (int i = 0; i < CREDENTIAL_KIND_COUNT; i++) {
        if (strcmp(name, kind_names[i]) == 0) {
            *out = (enum credential_kind)i;
            return true;
        }
    }
    return false;
}

void enrollment_clear(struct enrollment *enrollment)
{
    free(enrollment->tags);
    /* Of the places for credentials, which are nearly all of it, those behind the last are zero. */
    memset(enrollment->credentials, 0,
           enrollment->credential_count * sizeof enrollment->credentials[0]);
    enrollment->credential_count = 0;
    enrollment->tags = NULL;
    enrollment->tag_count = 0;
    memset(enrollment, 0, offsetof(struct enrollment, credentials));
}

bool enrollment_copy(struct enrollment *to, const struct enrollment *from)
{
    struct tag *tags = NULL;
    if (from->tag_count > 0) {
        tags = calloc(from->tag_count, sizeof *tags);
        if (tags == NULL)
            return false;
        memcpy(tags, from->tags, from->tag_count * sizeof *tags);
    }
    /* The credentials are most of it, and few of them are used. */
    size_t used = from->credential_count * sizeof from->credentials[0];
    memcpy(to, from, offsetof(struct enrollment, credentials) + used);
    to->credential_count = from->credential_count;
    to->tags = tags;
    to->tag_count = from->tag_count;
    return true;
}

const struct enrolled_credential *enrollment_credential(const struct enrollment *enrollment,
                                                        uint16_t ssid,
                                                        enum credential_status status)
{
    for (size_t i = 0; i < enrollment->credential_count; i++) {
        const struct enrolled_credential *credential = &enrollment->credentials[i];
        if (credential->ssid == ssid && credential->status == status)
            return credential;
    }
    return NULL;
}

const char *enrollment_tag(const struct enrollment *enrollment, const char *name)
{
    for (size_t i = 0; i < enrollment->tag_count; i++) {
        if (strcmp(enrollment->tags[i].name, name) == 0)
            return enrollment->tags[i].value;
    }
    return NULL;
}

bool enrollment_same_tags(const struct enrollment *a, const struct enrollment *b)
{
    if (a->tag_count != b->tag_count)
        return false;
    for (size_t i = 0; i < a->tag_count; i++) {
        const char *value = enrollment_tag(b, a->tags[i].name);
        if (value == NULL || strcmp(value, a->tags[i].value) != 0)
            return false;
    }
    return true;
}

static enum err_code check_length(const char *what, size_t len, size_t least, size_t most,
                                  struct err *err)
{
    if (len < least)
        return err_set(err, ERR_INVALID, "%s is empty", what);
    if (len > most)
        return err_set(err, ERR_RANGE, "%s has %zu bytes; at most %zu are allowed", what, len,
                       most);
    return ERR_OK;
}

/* UTF-8 that can be shown on a terminal: no C0, DEL or C1 control characters. */
static enum err_code check_readable(const char *what, struct bytes text, struct err *err)
{
    if (!bytes_is_utf8(text))
        return err_set(err, ERR_INVALID, "%s is not valid UTF-8 text", what);
    for (size_t i = 0; i < text.len; i++) {
        bool c1 = text.data[i] == 0xc2 && i + 1 < text.len && text.data[i + 1] < 0xa0;
        if (text.data[i] < 0x20 || text.data[i] == 0x7f || c1)
            return err_set(err, ERR_INVALID, "%s has a control character at byte %zu", what, i + 1);
    }
    return ERR_OK;
}

static bool is_lower_or_digit(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

enum err_code enrollment_check_endpoint(struct bytes endpoint, struct err *err)
{
    enum err_code code = check_length("endpoint", endpoint.len, 1, ENDPOINT_MAX, err);
    return code != ERR_OK ? code : check_readable("endpoint", endpoint, err);
}

enum err_code enrollment_check_class(struct bytes name, struct err *err)
{
    enum err_code code = check_length("class", name.len, 1, CLASS_MAX, err);
    for (size_t i = 0; code == ERR_OK && i < name.len; i++) {
        if (!is_lower_or_digit(name.data[i]) && name.data[i] != '-')
            code =
                err_set(err, ERR_INVALID,
                        "class has a character at byte %zu that is none of a-z, 0-9, '-'", i + 1);
    }
    return code;
}

static const char *const pin_prefixes[] = {
    [PIN_CERTIFICATE] = "certificate:sha256:",
    [PIN_PUBLIC_KEY] = "public-key:sha256:",
};

void identity_set_pin(struct identity *identity, enum pin_kind kind,
                      const uint8_t hash[static PIN_HASH_SIZE])
{
    char text[IDENTITY_MAX];
    size_t len = strlen(pin_prefixes[kind]);
    memcpy(text, pin_prefixes[kind], len);
    bytes_to_hex(bytes_of(hash, PIN_HASH_SIZE), text + len);
    identity_set(identity, bytes_of_text(text));
}

/* Bytes of the prefix; 0: it is no pin, whatever follows. */
static size_t pin_prefix(struct bytes identity)
{
    for (size_t i = 0; i < sizeof pin_prefixes / sizeof pin_prefixes[0]; i++) {
        size_t len = strlen(pin_prefixes[i]);
        if (identity.len >= len && memcmp(identity.data, pin_prefixes[i], len) == 0)
            return len;
    }
    return 0;
}

bool identity_is_pin(const struct identity *identity)
{
    return pin_prefix(identity_bytes(identity)) > 0;
}

enum err_code enrollment_check_identity(struct bytes identity, struct err *err)
{
    size_t prefix = pin_prefix(identity), digits = identity.len - prefix;
    bool good = prefix == 0 || digits == (size_t)PIN_HASH_SIZE * 2;
    for (size_t i = prefix; prefix > 0 && i < identity.len; i++)
        good = good && ((identity.data[i] >= '0' && identity.data[i] <= '9') ||
                        (identity.data[i] >= 'a' && identity.data[i] <= 'f'));
    if (!good)
        return err_set(err, ERR_INVALID,
                       "an identity that begins with '%.*s' goes on with 64 hexadecimal digits, "
                       "a-f in lower case",
                       (int)prefix, (const char *)identity.data);
    return check_length("identity", identity.len, 1, IDENTITY_MAX, err);
}

static bool is_tag_name_character(uint8_t c)
{
    return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '-';
}

enum err_code enrollment_check_tag(const char *name, const char *value, struct err *err)
{
    enum err_code code = check_length("tag name", strlen(name), 1, TAG_NAME_MAX, err);
    for (size_t i = 0; code == ERR_OK && name[i] != '\0'; i++) {
        if (!is_tag_name_character((uint8_t)name[i]))
            code = err_set(err, ERR_INVALID,
                           "tag name has a character at byte %zu that is none of "
                           "A-Z, a-z, 0-9, '_', '.', '-'",
                           i + 1);
    }
    if (code == ERR_OK)
        code = check_length("tag value", strlen(value), 0, TAG_VALUE_MAX, err);
    return code != ERR_OK ? code : check_readable("tag value", bytes_of_text(value), err);
}

bool identity_set(struct identity *identity, struct bytes data)
{
    static_assert(IDENTITY_MAX <= UINT8_MAX, "len holds every length");
    if (data.len == 0 || data.len > IDENTITY_MAX)
        return false;
    *identity = (struct identity){.len = (uint8_t)data.len};
    memcpy(identity->data, data.data, data.len);
    return true;
}

struct bytes identity_bytes(const struct identity *identity)
{
    return bytes_of(identity->data, identity->len);
}
