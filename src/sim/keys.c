/* Keys from files: one, or a list with endpoints. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "keys_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 1024, FIRST_ENTRIES = 64 };

static FILE *open_input(const char *file, struct err *err)
{
    FILE *in = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
    if (in == NULL)
        (void)err_set(err, ERR_IO, "cannot read '%s' (%s)", file, strerror(errno));
    return in;
}

static void close_input(FILE *in)
{
    if (in != stdin)
        (void)fclose(in);
}

static size_t trimmed_len(const char *line)
{
    size_t len = strlen(line);
    while (len > 0 && strchr(" \t\r\n", line[len - 1]) != NULL)
        len--;
    return len;
}

enum err_code key_read(const char *file, struct secret *out, struct err *err)
{
    char line[LINE_SIZE];
    size_t len;
    struct secret key = {0};
    FILE *in = open_input(file, err);
    if (in == NULL)
        return ERR_IO;
    bool fine = fgets(line, sizeof line, in) != NULL &&
                bytes_from_hex(line, trimmed_len(line), key.data, sizeof key.data, &len) && len > 0;
    close_input(in);
    bytes_wipe(line, sizeof line);
    if (!fine)
        return err_set(err, ERR_INVALID, "'%s' holds no key in hexadecimal", file);
    key.len = (uint16_t)len;
    *out = key;
    secret_clear(&key);
    return ERR_OK;
}

static struct key_entry *add_entry(struct key_list *list)
{
    if (list->count == list->cap) {
        size_t cap = list->cap == 0 ? FIRST_ENTRIES : list->cap * 2;
        struct key_entry *items = calloc(cap, sizeof *items);
        if (items == NULL)
            return NULL;
        if (list->count > 0) { /* not realloc: what it leaves behind holds keys */
            memcpy(items, list->items, list->count * sizeof *items);
            bytes_wipe(list->items, list->count * sizeof *items);
        }
        free(list->items);
        list->items = items;
        list->cap = cap;
    }
    return &list->items[list->count++];
}

static bool read_entry(char *line, struct key_entry *entry)
{
    char *identity = strchr(line, ',');
    char *key = identity != NULL ? strchr(identity + 1, ',') : NULL;
    size_t len;
    if (key == NULL)
        return false;
    *identity++ = '\0';
    *key++ = '\0';
    size_t key_len = strcspn(key, ",");
    if (!bytes_from_hex(key, key_len, entry->key, sizeof entry->key, &len) || len == 0)
        return false;
    entry->key_len = (uint8_t)len;
    entry->endpoint = strdup(line);
    entry->identity = strdup(identity[0] != '\0' ? identity : line);
    return entry->endpoint != NULL && entry->identity != NULL && line[0] != '\0';
}

enum err_code key_list_read(const char *file, struct key_list *out, struct err *err)
{
    char line[LINE_SIZE];
    unsigned number = 0;
    struct key_list list = {0};
    enum err_code result = ERR_OK;
    FILE *in = open_input(file, err);
    if (in == NULL)
        return ERR_IO;
    while (result == ERR_OK && fgets(line, sizeof line, in) != NULL) {
        number++;
        line[trimmed_len(line)] = '\0';
        if (line[0] == '\0' || line[0] == '#' ||
            (number == 1 && strncmp(line, "endpoint,", 9) == 0))
            continue;
        struct key_entry *entry = add_entry(&list);
        if (entry == NULL)
            result = err_set(err, ERR_NO_MEMORY, "out of memory");
        else if (!read_entry(line, entry))
            result = err_set(err, ERR_INVALID,
                             "%s:%u: expected endpoint,identity,key in hexadecimal", file, number);
    }
    close_input(in);
    bytes_wipe(line, sizeof line);
    if (result == ERR_OK && list.count == 0)
        result = err_set(err, ERR_INVALID, "'%s' names no device", file);
    if (result == ERR_OK)
        *out = list;
    else
        key_list_clear(&list);
    return result;
}

void key_list_clear(struct key_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].endpoint);
        free(list->items[i].identity);
    }
    if (list->items != NULL)
        bytes_wipe(list->items, list->cap * sizeof *list->items);
    free(list->items);
    *list = (struct key_list){0};
}
