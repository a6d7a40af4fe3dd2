/* SPDX-License-Identifier: Apache-2.0 */
/* The register: lines of JSON, appended and never changed. A line that was cut off by a crash was
 * told to nobody, and goes. */
#include "ca_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { REGISTER_MAX = 1 << 30 };

static struct ca_entry *find(struct ca *ca, const char *serial)
{
    for (size_t i = 0; i < ca->count; i++)
        if (strcmp(ca->entries[i].serial, serial) == 0)
            return &ca->entries[i];
    return NULL;
}

static bool add(struct ca *ca, const struct ca_entry *entry)
{
    if (ca->count == ca->cap) {
        size_t cap = ca->cap * 2 + 64;
        struct ca_entry *entries = realloc(ca->entries, cap * sizeof *entries);
        if (entries == NULL)
            return false;
        ca->entries = entries;
        ca->cap = cap;
    }
    ca->entries[ca->count++] = *entry;
    return true;
}

/* ---- reading ---- */

static bool copy_text(const json_t *line, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(line, key));
    if (text == NULL || strlen(text) >= size)
        return false;
    strcpy(out, text);
    return true;
}

static bool take_issued(struct ca *ca, const json_t *line)
{
    struct ca_entry entry = {
        .server = json_is_true(json_object_get(line, "server")),
        .issued_ms = json_integer_value(json_object_get(line, "time_ms")),
        .expires_ms = json_integer_value(json_object_get(line, "expires_ms")),
    };
    return copy_text(line, "serial", entry.serial, sizeof entry.serial) &&
           copy_text(line, "name", entry.name, sizeof entry.name) &&
           copy_text(line, "sha256", entry.fingerprint, sizeof entry.fingerprint) &&
           find(ca, entry.serial) == NULL && add(ca, &entry);
}

static bool take_revoked(struct ca *ca, const json_t *line)
{
    char serial[CA_SERIAL_SIZE];
    const char *reason = json_string_value(json_object_get(line, "reason"));
    struct ca_entry *entry =
        copy_text(line, "serial", serial, sizeof serial) ? find(ca, serial) : NULL;
    if (entry == NULL || reason == NULL || !ca_reason_from_name(reason, &entry->reason))
        return false;
    entry->revoked_ms = json_integer_value(json_object_get(line, "time_ms"));
    return entry->revoked_ms > 0;
}

static bool take_line(struct ca *ca, const json_t *line)
{
    const char *what = json_string_value(json_object_get(line, "what"));
    if (what != NULL && strcmp(what, "issued") == 0)
        return take_issued(ca, line);
    if (what != NULL && strcmp(what, "revoked") == 0)
        return take_revoked(ca, line);
    if (what == NULL || strcmp(what, "crl") != 0)
        return false;
    ca->crl_number = (uint64_t)json_integer_value(json_object_get(line, "number"));
    return true;
}

static enum err_code take_text(struct ca *ca, const char *text, size_t len, struct err *err)
{
    size_t number = 1;
    for (const char *end; (end = memchr(text, '\n', len)) != NULL; number++) {
        size_t line_len = (size_t)(end - text);
        json_t *line = json_loadb(text, line_len, JSON_REJECT_DUPLICATES, NULL);
        bool good = json_is_object(line) && take_line(ca, line);
        json_decref(line);
        if (!good)
            return err_set(
                err, ERR_INVALID,
                "%s/issued.jsonl:%zu: the line is damaged; restore the file from a backup",
                ca->folder, number);
        text = end + 1;
        len -= line_len + 1;
    }
    if (len > 0 && ftruncate(ca->fd, lseek(ca->fd, 0, SEEK_END) - (off_t)len) != 0)
        return err_set(err, ERR_IO, "%s/issued.jsonl: %s", ca->folder, strerror(errno));
    return ERR_OK;
}

enum err_code ca_register_load(struct ca *ca, struct err *err)
{
    struct stat status;
    if (fstat(ca->fd, &status) != 0 || status.st_size > REGISTER_MAX)
        return err_set(err, ERR_IO, "cannot read %s/issued.jsonl", ca->folder);
    size_t len = (size_t)status.st_size, used = 0;
    char *text = malloc(len + 1);
    if (text == NULL)
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    while (used < len) {
        ssize_t got = pread(ca->fd, text + used, len - used, (off_t)used);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    enum err_code code = used == len
                             ? take_text(ca, text, len, err)
                             : err_set(err, ERR_IO, "cannot read %s/issued.jsonl", ca->folder);
    free(text);
    return code;
}

/* ---- writing ---- */

/* Takes the line over. */
static enum err_code append(struct ca *ca, json_t *line, struct err *err)
{
    char *text = line != NULL ? json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    size_t len = text != NULL ? strlen(text) : 0;
    off_t before = lseek(ca->fd, 0, SEEK_END);
    json_decref(line);
    if (text == NULL)
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    text[len] = '\n'; /* in place of the NUL: written by length */
    bool good =
        before >= 0 && write(ca->fd, text, len + 1) == (ssize_t)(len + 1) && fsync(ca->fd) == 0;
    int why = errno;
    free(text);
    if (good)
        return ERR_OK;
    if (before >= 0 && ftruncate(ca->fd, before) != 0)
        why = errno;
    return err_set(err, ERR_IO, "cannot write %s/issued.jsonl (%s); nothing was done", ca->folder,
                   strerror(why));
}

enum err_code ca_register_issued(struct ca *ca, const struct ca_entry *entry, struct err *err)
{
    enum err_code code =
        append(ca,
               json_pack("{s:s, s:s, s:s, s:b, s:I, s:I, s:s}", "what", "issued", "serial",
                         entry->serial, "name", entry->name, "server", entry->server, "time_ms",
                         (json_int_t)entry->issued_ms, "expires_ms", (json_int_t)entry->expires_ms,
                         "sha256", entry->fingerprint),
               err);
    if (code == ERR_OK && !add(ca, entry))
        code = err_set(err, ERR_NO_MEMORY, "out of memory");
    return code;
}

enum err_code ca_register_revoked(struct ca *ca, struct ca_entry *entry, struct err *err)
{
    return append(ca,
                  json_pack("{s:s, s:s, s:s, s:I}", "what", "revoked", "serial", entry->serial,
                            "reason", ca_reason_name(entry->reason), "time_ms",
                            (json_int_t)entry->revoked_ms),
                  err);
}

enum err_code ca_register_crl(struct ca *ca, int64_t now_ms, struct err *err)
{
    enum err_code code =
        append(ca,
               json_pack("{s:s, s:I, s:I}", "what", "crl", "number",
                         (json_int_t)(ca->crl_number + 1), "time_ms", (json_int_t)now_ms),
               err);
    ca->crl_number += code == ERR_OK;
    return code;
}
