/* Keys for enrolment: from a file or standard input, never from the command line. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_priv.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_LEAST = 16, KEY_MOST = 64, TEXT_MAX = KEY_MOST * 2 + 64, MATERIAL_MAX = 16384 };

/* Somebody gave the key itself, in hexadecimal or base64: it must not be repeated in a message.
 * Names of files have a dot or begin with a slash. */
static bool looks_like_key(const char *name)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "+/=-_";
    return strlen(name) >= KEY_LEAST && name[0] != '/' && strspn(name, digits) == strlen(name);
}

static FILE *open_key(const char *name, struct err *err)
{
    if (strcmp(name, "-") == 0)
        return stdin;
    FILE *file = fopen(name, "re");
    if (file == NULL && looks_like_key(name))
        err_set(err, ERR_INVALID,
                "a key on the command line can be read by others on this machine: make another "
                "one, write it to a file and name that file");
    else if (file == NULL)
        err_set(err, ERR_INVALID, "cannot read the key file '%s' (%s)", name, strerror(errno));
    return file;
}

static enum err_code check_hex(const char *name, const char *text, struct err *err)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if (!isxdigit((unsigned char)text[i]))
            return err_set(err, ERR_INVALID,
                           "key file '%s': character %zu is not a hexadecimal digit", name, i + 1);
    if (len % 2 != 0)
        return err_set(err, ERR_INVALID, "key file '%s': an odd number of hexadecimal digits (%zu)",
                       name, len);
    if (len / 2 < KEY_LEAST || len / 2 > KEY_MOST)
        return err_set(err, ERR_INVALID, "key file '%s': the key has %zu bytes; %d to %d are taken",
                       name, len / 2, KEY_LEAST, KEY_MOST);
    return ERR_OK;
}

/* PEM travels as text; DER has bytes that JSON has not. */
static json_t *material_json(const uint8_t *data, size_t len)
{
    static const char mark[] = "-----BEGIN ";
    if (memmem(data, len, mark, sizeof mark - 1) != NULL && bytes_is_utf8(bytes_of(data, len)))
        return json_stringn((const char *)data, len);
    char *text = cli_memory(malloc(BYTES_BASE64_SIZE(len)));
    bytes_to_base64(bytes_of(data, len), false, text);
    json_t *json = json_string(text);
    bytes_wipe(text, strlen(text));
    free(text);
    return json;
}

json_t *cli_read_material(const char *name, struct err *err)
{
    uint8_t data[MATERIAL_MAX + 1];
    json_t *json = NULL;

    if (name[0] == '@')
        name++;
    FILE *file = open_key(name, err);
    if (file == NULL)
        return NULL;
    size_t len = fread(data, 1, sizeof data, file);
    if (ferror(file) || len == 0 || len > MATERIAL_MAX)
        err_set(err, ERR_INVALID, "'%s': %s", name,
                len > MATERIAL_MAX ? "longer than 16 KiB" : "nothing can be read from it");
    else
        json = cli_memory(material_json(data, len));
    if (file != stdin)
        fclose(file);
    bytes_wipe(data, sizeof data);
    return json;
}

int cli_add_public_material(json_t *body, const char *member, const char *name)
{
    struct err err = {0};
    json_t *material = cli_read_material(name, &err);

    if (material == NULL)
        return cli_fail(&err);
    if (strstr(json_string_value(material), "PRIVATE KEY-----") != NULL) {
        json_decref(material);
        cli_say("%s: it holds a private key; name a file with the public part alone", name);
        return CLI_INVALID;
    }
    json_object_set_new(body, member, material);
    return CLI_OK;
}

json_t *cli_read_key(const char *name, struct err *err)
{
    char text[TEXT_MAX + 1];
    json_t *key = NULL;

    if (name[0] == '@')
        name++;
    FILE *file = open_key(name, err);
    if (file == NULL)
        return NULL;
    size_t len = fread(text, 1, TEXT_MAX, file);
    if (file != stdin)
        fclose(file);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    text[len] = '\0';
    if (strlen(text) != len)
        err_set(err, ERR_INVALID, "key file '%s': holds a NUL; the key is written in hexadecimal",
                name);
    else if (check_hex(name, text, err) == ERR_OK)
        key = cli_memory(json_string(text));
    bytes_wipe(text, sizeof text);
    return key;
}
