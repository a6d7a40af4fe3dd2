/* What a column means, and putting its value into a row. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "row_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    KEY_LEAST = 16,
    KEY_MOST = 64,
    NAME_MAX_LEN = 127,
    NAME_SHOWN = 20, /* no key is as short, in hexadecimal or base64 */
};

static const struct {
    const char *name;
    enum column_kind kind;
} plain_columns[] = {
    {"endpoint", COLUMN_ENDPOINT}, {"class", COLUMN_CLASS},           {"identity", COLUMN_IDENTITY},
    {"key", COLUMN_KEY},           {"key_base64", COLUMN_KEY_BASE64}, {"blocked", COLUMN_BLOCKED},
    {"no_key", COLUMN_NO_KEY},
};

static const char server_prefix[] = "server.", tag_prefix[] = "tags.";

bool bulk_is_column(const char *name)
{
    for (size_t i = 0; i < sizeof plain_columns / sizeof plain_columns[0]; i++) {
        if (strcasecmp(plain_columns[i].name, name) == 0)
            return true;
    }
    return strncasecmp(name, server_prefix, strlen(server_prefix)) == 0 ||
           strncmp(name, tag_prefix, strlen(tag_prefix)) == 0;
}

/* "server.101.key" */
static bool is_server_column(const char *name, struct column *out)
{
    char *end = NULL;
    if (strncasecmp(name, server_prefix, strlen(server_prefix)) != 0)
        return false;
    const char *digits = name + strlen(server_prefix);
    unsigned long ssid = strtoul(digits, &end, 10);
    if (*digits < '1' || *digits > '9' || ssid > 65534)
        return false;
    out->ssid = (uint16_t)ssid;
    out->kind = COLUMN_SERVER_IDENTITY;
    if (strcasecmp(end, ".identity") == 0)
        return true;
    out->kind = COLUMN_SERVER_KEY;
    return strcasecmp(end, ".key") == 0;
}

enum err_code column_named(struct bytes name, struct column *out, struct err *err)
{
    char text[NAME_MAX_LEN + 1];
    *out = (struct column){.kind = COLUMN_TAG};
    if (name.len == 0)
        return err_set(err, ERR_INVALID, "a column has no name");
    if (name.len > NAME_MAX_LEN)
        return err_set(err, ERR_INVALID, "a column's name is longer than %d bytes", NAME_MAX_LEN);
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    for (size_t i = 0; i < sizeof plain_columns / sizeof plain_columns[0]; i++) {
        if (strcasecmp(plain_columns[i].name, text) == 0) {
            out->kind = plain_columns[i].kind;
            return ERR_OK;
        }
    }
    if (is_server_column(text, out))
        return ERR_OK;
    *out = (struct column){.kind = COLUMN_TAG};
    bool prefixed = strncmp(text, tag_prefix, strlen(tag_prefix)) == 0;
    const char *tag = prefixed ? text + strlen(tag_prefix) : text;
    struct err why = {0};
    enum err_code code = enrollment_check_tag(tag, "", &why);
    if (code != ERR_OK && name.len > NAME_SHOWN)
        return err_set(err, ERR_INVALID,
                       "a name of %zu bytes is none that is known here, and no tag; it is not "
                       "shown, as it may be a key (is the line with the names missing?)",
                       name.len);
    if (code != ERR_OK)
        return err_set(err, ERR_INVALID, "column '%s' is none that is known here, and no tag (%s)",
                       text, why.text);
    strcpy(out->tag, tag); /* its length was checked */
    return ERR_OK;
}

/* ---- the row ---- */

void row_begin(struct row_builder *row)
{
    struct enrollment *enrollment = &row->device.enrollment;
    enrollment->endpoint[0] = enrollment->class_name[0] = '\0';
    enrollment->identity.len = 0;
    enrollment->blocked = false;
    enrollment->credential_count = 0;
    enrollment->tags = row->tags;
    enrollment->tag_count = 0;
    row->device.bootstrap_key.len = 0;
    row->given = 0;
    row->no_key = false;
}

void row_wipe(struct row_builder *row)
{
    row->device.enrollment.tags = NULL;
    bytes_wipe(&row->device, sizeof row->device);
}

static enum err_code set_text(char *out, size_t size, const char *what, struct bytes value,
                              struct err *err)
{
    if (value.len >= size)
        return err_set(err, ERR_RANGE, "the %s has %zu bytes; at most %zu are allowed", what,
                       value.len, size - 1);
    memcpy(out, value.data, value.len);
    out[value.len] = '\0';
    return ERR_OK;
}

/* Text, or "hex:" and hexadecimal digits: the form in which lists show identities. */
static enum err_code set_identity(struct identity *out, struct bytes value, struct err *err)
{
    uint8_t data[IDENTITY_MAX];
    size_t len = 0;
    bool good = value.len > 4 && memcmp(value.data, "hex:", 4) == 0
                    ? bytes_from_hex((const char *)value.data + 4, value.len - 4, data, sizeof data,
                                     &len) &&
                          identity_set(out, bytes_of(data, len))
                    : identity_set(out, value);
    return good ? ERR_OK
                : err_set(err, ERR_RANGE,
                          "the identity must be text of 1 to %d bytes, or 'hex:' and hexadecimal "
                          "digits",
                          IDENTITY_MAX);
}

static enum err_code set_key(struct secret *out, bool base64, struct bytes value, struct err *err)
{
    const char *text = (const char *)value.data;
    size_t len = 0;
    if (base64 ? !bytes_from_base64(text, value.len, out->data, sizeof out->data, &len)
               : !bytes_from_hex(text, value.len, out->data, sizeof out->data, &len)) {
        if (!base64 && value.len % 2 != 0)
            return err_set(err, ERR_INVALID,
                           "the key has an odd number of hexadecimal digits (%zu)", value.len);
        return err_set(err, ERR_INVALID, "the key is not %s",
                       base64 ? "base64" : "all hexadecimal digits");
    }
    out->len = (uint16_t)len;
    if (len < KEY_LEAST || len > KEY_MOST)
        return err_set(err, ERR_RANGE, "the key has %zu bytes; it must have %d to %d", len,
                       KEY_LEAST, KEY_MOST);
    return ERR_OK;
}

static bool read_truth(struct bytes value, bool *out)
{
    static const struct {
        const char *word;
        bool truth;
    } words[] = {{"true", true}, {"false", false}, {"yes", true},
                 {"no", false},  {"1", true},      {"0", false}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (value.len == strlen(words[i].word) &&
            strncasecmp((const char *)value.data, words[i].word, value.len) == 0) {
            *out = words[i].truth;
            return true;
        }
    }
    return false;
}

static enum err_code set_blocked(struct row_builder *row, struct bytes value, struct err *err)
{
    if (!read_truth(value, &row->device.enrollment.blocked))
        return err_set(err, ERR_INVALID, "'blocked' must be true or false");
    row->given |= STORE_GIVEN_BLOCKED;
    return ERR_OK;
}

/* The credential of that server, made when it is the first that is heard of it. */
static struct enrolled_credential *find_server(struct row_builder *row, uint16_t ssid)
{
    struct enrollment *enrollment = &row->device.enrollment;
    for (size_t i = 0; i < enrollment->credential_count; i++) {
        if (enrollment->credentials[i].ssid == ssid)
            return &enrollment->credentials[i];
    }
    if (enrollment->credential_count == SERVERS_MAX)
        return NULL;
    size_t at = enrollment->credential_count++;
    enrollment->credentials[at] =
        (struct enrolled_credential){.ssid = ssid, .status = CREDENTIAL_ACTIVE};
    row->device.keys[at].len = 0;
    return &enrollment->credentials[at];
}

static enum err_code set_server(struct row_builder *row, const struct column *column,
                                struct bytes value, struct err *err)
{
    struct enrolled_credential *credential = find_server(row, column->ssid);
    if (credential == NULL)
        return err_set(err, ERR_RANGE, "more than %d servers", SERVERS_MAX);
    row->given |= STORE_GIVEN_CREDENTIALS;
    if (column->kind == COLUMN_SERVER_IDENTITY)
        return set_identity(&credential->identity, value, err);
    struct secret *key = &row->device.keys[credential - row->device.enrollment.credentials];
    enum err_code code = set_key(key, false, value, err);
    credential->key_len = key->len;
    return code;
}

static enum err_code set_tag(struct row_builder *row, const char *name, struct bytes value,
                             struct err *err)
{
    struct enrollment *enrollment = &row->device.enrollment;
    if (enrollment->tag_count == TAGS_MAX)
        return err_set(err, ERR_RANGE, "more than %d tags", TAGS_MAX);
    struct tag *tag = &row->tags[enrollment->tag_count];
    snprintf(tag->name, sizeof tag->name, "%s", name);
    enum err_code code = set_text(tag->value, sizeof tag->value, name, value, err);
    if (code == ERR_OK)
        code = enrollment_check_tag(tag->name, tag->value, err);
    if (code == ERR_OK) {
        enrollment->tag_count++;
        row->given |= STORE_GIVEN_TAGS;
    }
    return code;
}

enum err_code row_set(struct row_builder *row, const struct column *column, struct bytes value,
                      struct err *err)
{
    struct enrollment *enrollment = &row->device.enrollment;
    if (value.len == 0)
        return ERR_OK;
    switch (column->kind) {
    case COLUMN_ENDPOINT:
        return set_text(enrollment->endpoint, sizeof enrollment->endpoint, "endpoint", value, err);
    case COLUMN_CLASS:
        row->given |= STORE_GIVEN_CLASS;
        return set_text(enrollment->class_name, sizeof enrollment->class_name, "class", value, err);
    case COLUMN_IDENTITY:
        row->given |= STORE_GIVEN_IDENTITY;
        return set_identity(&enrollment->identity, value, err);
    case COLUMN_KEY:
    case COLUMN_KEY_BASE64:
        if ((row->given & STORE_GIVEN_KEY) != 0)
            return err_set(err, ERR_INVALID, "there are two keys");
        row->given |= STORE_GIVEN_KEY;
        return set_key(&row->device.bootstrap_key, column->kind == COLUMN_KEY_BASE64, value, err);
    case COLUMN_NO_KEY:
        return read_truth(value, &row->no_key)
                   ? ERR_OK
                   : err_set(err, ERR_INVALID, "'no_key' must be true or false");
    case COLUMN_BLOCKED:
        return set_blocked(row, value, err);
    case COLUMN_SERVER_IDENTITY:
    case COLUMN_SERVER_KEY:
        return set_server(row, column, value, err);
    case COLUMN_TAG:
        break;
    }
    return set_tag(row, column->tag, value, err);
}

/* Both halves of each server's credential; without an identity the endpoint is it. */
static enum err_code complete_servers(struct row_builder *row, struct err *err)
{
    struct enrollment *enrollment = &row->device.enrollment;
    for (size_t i = 0; i < enrollment->credential_count; i++) {
        struct enrolled_credential *credential = &enrollment->credentials[i];
        if (row->device.keys[i].len == 0)
            return err_set(err, ERR_INVALID, "server %u has an identity but no key",
                           credential->ssid);
        if (credential->identity.len == 0 &&
            !identity_set(&credential->identity, bytes_of_text(enrollment->endpoint)))
            return err_set(err, ERR_INVALID, "server %u needs an identity", credential->ssid);
    }
    return ERR_OK;
}

static enum err_code add_defaults(struct row_builder *row, struct err *err)
{
    const struct bulk_options *options = row->options;
    struct enrollment *enrollment = &row->device.enrollment;
    if (options->class_name[0] != '\0' && (row->given & STORE_GIVEN_CLASS) == 0) {
        snprintf(enrollment->class_name, sizeof enrollment->class_name, "%s", options->class_name);
        row->given |= STORE_GIVEN_CLASS;
    }
    if (options->batch[0] != '\0' && enrollment_tag(enrollment, "batch") == NULL)
        return set_tag(row, "batch", bytes_of_text(options->batch), err);
    return ERR_OK;
}

/* What store_device_check asks for, but for the key that a row may leave as it is. */
static enum err_code check(struct row_builder *row, struct err *err)
{
    struct identity kept = row->device.enrollment.identity;
    bool alone = row->device.bootstrap_key.len == 0 && !identity_is_pin(&kept);
    enum err_code code = ERR_OK;
    if (alone && kept.len > 0)
        code = enrollment_check_identity(identity_bytes(&kept), err);
    if (alone)
        row->device.enrollment.identity.len = 0;
    else if (kept.len == 0)
        identity_set(&row->device.enrollment.identity, bytes_of_text("x"));
    if (code == ERR_OK)
        code = store_device_check(&row->device, err);
    row->device.enrollment.identity = kept;
    return code;
}

/* Known by the name in its certificate, or by nothing: it has neither key nor identity, and both
 * are said of it. */
static enum err_code settle_no_key(struct row_builder *row, struct err *err)
{
    if (!row->no_key)
        return ERR_OK;
    if ((row->given & (STORE_GIVEN_KEY | STORE_GIVEN_IDENTITY)) != 0)
        return err_set(
            err, ERR_INVALID,
            "'no_key' goes without a key and without an identity: such a device is known "
            "by the name in its certificate");
    row->given |= STORE_GIVEN_KEY | STORE_GIVEN_IDENTITY;
    return ERR_OK;
}

enum err_code row_end(struct row_builder *row, struct err *err)
{
    if (row->device.enrollment.endpoint[0] == '\0')
        return err_set(err, ERR_INVALID, "the endpoint is missing");
    enum err_code code = settle_no_key(row, err);
    if (code == ERR_OK)
        code = complete_servers(row, err);
    if (code == ERR_OK)
        code = add_defaults(row, err);
    return code == ERR_OK ? check(row, err) : code;
}
