/* The rows by which devices are found by tag. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "device_priv.h"
#include "sqlite_priv.h"

#include <stdlib.h>

/* A line "name=value" of a text of tags. */
struct tag_line {
    const char *name, *value;
    size_t name_len, value_len, len; /* len: of the line, without its end */
};

/* False: no line is left. */
static bool next_line(const char **text, struct tag_line *line)
{
    const char *end = strchr(*text, '\n');
    if (end == NULL)
        return false;
    line->name = *text;
    line->len = (size_t)(end - *text);
    const char *equals = memchr(*text, '=', line->len);
    line->value = equals != NULL ? equals + 1 : end;
    line->name_len = equals != NULL ? (size_t)(equals - *text) : line->len;
    line->value_len = (size_t)(end - line->value);
    *text = end + 1;
    return true;
}

static bool has_line(const char *text, const struct tag_line *wanted)
{
    struct tag_line line;
    while (next_line(&text, &line)) {
        if (line.len == wanted->len && memcmp(line.name, wanted->name, line.len) == 0)
            return true;
    }
    return false;
}

/* Runs the statement for each line of `text` that `other` lacks. */
static enum err_code run_lines(struct sqlite_session *session, enum sql_id id, const char *endpoint,
                               const char *text, const char *other, struct err *err)
{
    struct tag_line line;
    enum err_code code = ERR_OK;
    while (code == ERR_OK && next_line(&text, &line)) {
        if (has_line(other, &line))
            continue;
        sqlite3_stmt *statement = sqlite_use(session, id, err);
        if (statement == NULL)
            return err->code;
        sqlite3_bind_text(statement, 1, line.name, (int)line.name_len, SQLITE_STATIC);
        sqlite3_bind_text(statement, 2, line.value, (int)line.value_len, SQLITE_STATIC);
        bind_text(statement, 3, endpoint);
        code = sqlite_finish(session, statement, "storing a tag", err);
    }
    return code;
}

enum err_code sqlite_change_tags(struct sqlite_session *session, const char *endpoint,
                                 const char *before, const char *after, struct err *err)
{
    enum err_code code = run_lines(session, SQL_TAG_DELETE, endpoint, before, after, err);
    return code != ERR_OK ? code : run_lines(session, SQL_TAG_INSERT, endpoint, after, before, err);
}

enum err_code sqlite_drop_tags(struct sqlite_session *session, const char *endpoint,
                               struct err *err)
{
    char tags[TAGS_TEXT_MAX + 1] = "";
    sqlite3_stmt *statement = sqlite_use(session, SQL_TAGS_OF, err);
    if (statement == NULL)
        return err->code;
    bind_text(statement, 1, endpoint);
    enum err_code code = ERR_OK;
    int got = sqlite3_step(statement);
    if (got == SQLITE_ROW && !column_text(statement, 0, tags, sizeof tags))
        code = sqlite_damaged(session, "a device's row", err);
    else if (got != SQLITE_ROW && got != SQLITE_DONE)
        code = sqlite_session_error(session, "reading tags", err);
    sqlite_done(statement);
    return code != ERR_OK ? code : sqlite_change_tags(session, endpoint, tags, "", err);
}

enum err_code sqlite_tag_names(struct store_reader *reader,
                               bool (*each)(void *context, const char *name), void *context,
                               struct err *err)
{
    struct sqlite_session *session = &reader->session;
    char name[TAG_NAME_MAX + 1] = "";
    enum err_code code = ERR_OK;
    bool more = true;
    while (code == ERR_OK && more) {
        sqlite3_stmt *statement = sqlite_use(session, SQL_TAG_NEXT_NAME, err);
        if (statement == NULL)
            return err->code;
        bind_text(statement, 1, name);
        if (sqlite3_step(statement) != SQLITE_ROW)
            code = sqlite_session_error(session, "reading tags", err);
        else if (sqlite3_column_type(statement, 0) == SQLITE_NULL)
            more = false;
        else if (!column_text(statement, 0, name, sizeof name))
            code = sqlite_damaged(session, "a tag's row", err);
        sqlite_done(statement);
        more = more && code == ERR_OK && each(context, name);
    }
    return code;
}

/* ---- devices from before there were such rows ---- */

struct tagged {
    char endpoint[ENDPOINT_MAX + 1];
    char tags[TAGS_TEXT_MAX + 1];
};

static enum err_code read_some(struct sqlite_session *session, int64_t *after,
                               struct tagged *devices, size_t cap, size_t *count, struct err *err)
{
    sqlite3_stmt *statement = sqlite_use(session, SQL_TAGS_AFTER, err);
    if (statement == NULL)
        return err->code;
    bind_number(statement, 1, *after);
    enum err_code code = ERR_OK;
    int got = SQLITE_DONE;
    *count = 0;
    while (code == ERR_OK && *count < cap && (got = sqlite3_step(statement)) == SQLITE_ROW) {
        struct tagged *device = &devices[*count];
        *after = sqlite3_column_int64(statement, 0);
        if (!column_text(statement, 1, device->endpoint, sizeof device->endpoint) ||
            !column_text(statement, 2, device->tags, sizeof device->tags))
            code = sqlite_damaged(session, "a device's row", err);
        ++*count;
    }
    if (code == ERR_OK && got != SQLITE_ROW && got != SQLITE_DONE)
        code = sqlite_session_error(session, "reading tags", err);
    sqlite_done(statement);
    return code;
}

enum err_code sqlite_fill_tags(struct sqlite_session *session, struct err *err)
{
    enum { AT_ONCE = 64 };
    struct tagged *devices = calloc(AT_ONCE, sizeof *devices);
    size_t count = AT_ONCE;
    int64_t after = 0;
    enum err_code code = ERR_OK;
    if (devices == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    while (code == ERR_OK && count == AT_ONCE) {
        code = read_some(session, &after, devices, AT_ONCE, &count, err);
        for (size_t i = 0; code == ERR_OK && i < count; i++)
            code =
                run_lines(session, SQL_TAG_INSERT, devices[i].endpoint, devices[i].tags, "", err);
    }
    free(devices);
    return code;
}
