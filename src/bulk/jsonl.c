/* JSON lines: one object a row, with the members of an enrolment over HTTP. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "row_priv.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* A text, number or boolean as text; false: anything else, or a NUL inside. */
static bool value_text(const json_t *value, char number[static 32], struct bytes *out)
{
    if (json_is_string(value)) {
        *out = bytes_of(json_string_value(value), json_string_length(value));
        return out->len == 0 || memchr(out->data, 0, out->len) == NULL;
    }
    if (json_is_integer(value))
        snprintf(number, 32, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        snprintf(number, 32, "%.17g", json_real_value(value));
    else if (json_is_boolean(value))
        snprintf(number, 32, "%s", json_is_true(value) ? "true" : "false");
    else if (json_is_null(value))
        number[0] = '\0';
    else
        return false;
    *out = bytes_of_text(number);
    return true;
}

static enum err_code set_member(struct row_builder *row, const struct column *column,
                                const char *name, const json_t *value, struct err *err)
{
    char number[32];
    struct bytes text;
    if (!value_text(value, number, &text))
        return err_set(err, ERR_INVALID, "'%.64s' must be text", name);
    return row_set(row, column, text, err);
}

static enum err_code set_tags(struct row_builder *row, json_t *tags, struct err *err)
{
    const char *name;
    json_t *value;
    enum err_code code = ERR_OK;
    if (!json_is_object(tags))
        return err_set(err, ERR_INVALID, "'tags' must be an object of names and texts");
    json_object_foreach(tags, name, value)
    {
        struct column column = {.kind = COLUMN_TAG};
        if (code != ERR_OK)
            break;
        if (strlen(name) > TAG_NAME_MAX)
            return err_set(err, ERR_RANGE, "tag '%.64s..': the name is longer than %d bytes", name,
                           TAG_NAME_MAX);
        snprintf(column.tag, sizeof column.tag, "%s", name);
        code = set_member(row, &column, name, value, err);
    }
    return code;
}

static enum err_code set_server(struct row_builder *row, json_t *item, struct err *err)
{
    const json_t *ssid = json_object_get(item, "ssid");
    const char *name;
    json_t *value;
    if (!json_is_integer(ssid) || json_integer_value(ssid) < 1 || json_integer_value(ssid) > 65534)
        return err_set(err, ERR_INVALID,
                       "'server_credentials': each needs 'ssid', a number from 1 to 65534");
    enum err_code code = ERR_OK;
    json_object_foreach(item, name, value)
    {
        struct column column = {.ssid = (uint16_t)json_integer_value(ssid)};
        if (code != ERR_OK)
            break;
        if (strcmp(name, "ssid") == 0)
            continue;
        if (strcmp(name, "identity") == 0)
            column.kind = COLUMN_SERVER_IDENTITY;
        else if (strcmp(name, "key") == 0)
            column.kind = COLUMN_SERVER_KEY;
        else
            return err_set(err, ERR_INVALID, "'server_credentials': unknown member '%.64s'", name);
        code = set_member(row, &column, name, value, err);
    }
    return code;
}

static enum err_code set_servers(struct row_builder *row, const json_t *list, struct err *err)
{
    enum err_code code = ERR_OK;
    if (!json_is_array(list))
        return err_set(err, ERR_INVALID, "'server_credentials' must be a list");
    for (size_t i = 0; code == ERR_OK && i < json_array_size(list); i++)
        code = set_server(row, json_array_get(list, i), err);
    return code;
}

static enum err_code set_any(struct row_builder *row, const char *name, json_t *value,
                             struct err *err)
{
    struct column column;
    if (strcmp(name, "tags") == 0)
        return set_tags(row, value, err);
    if (strcmp(name, "server_credentials") == 0)
        return set_servers(row, value, err);
    enum err_code code = column_named(bytes_of_text(name), &column, err);
    return code == ERR_OK ? set_member(row, &column, name, value, err) : code;
}

enum err_code jsonl_row(struct row_builder *row, struct bytes line, struct err *err)
{
    json_error_t why;
    const char *name;
    json_t *value;
    enum err_code code = ERR_OK;
    row_begin(row);
    json_t *object = json_loadb((const char *)line.data, line.len, JSON_REJECT_DUPLICATES, &why);
    if (object == NULL) /* not jansson's own text: it quotes what is near, which may be a key */
        return err_set(err, ERR_INVALID, "the row is not JSON: error at column %d", why.column);
    if (!json_is_object(object))
        code = err_set(err, ERR_INVALID, "the row must be a JSON object");
    json_object_foreach(object, name, value)
    {
        if (code == ERR_OK)
            code = set_any(row, name, value, err);
    }
    json_decref(object);
    return code == ERR_OK ? row_end(row, err) : code;
}
