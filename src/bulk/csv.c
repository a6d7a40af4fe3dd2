/* CSV (RFC 4180) with a header. A row is a line: no value of ours can hold a line's end, so a quote
 * that is never closed spoils its own row and no other. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "row_priv.h"

#include <string.h>

/* Walks over the fields of a line. */
struct fields {
    const uint8_t *next, *end;
    char delimiter;
    bool more; /* another field follows */
    uint8_t unquoted[BULK_ROW_MAX];
};

/* A field in quotes, from behind the first; doubled quotes stand for one. */
static bool take_quoted(struct fields *fields, struct bytes *out)
{
    size_t len = 0;
    const uint8_t *at = fields->next;
    for (; at < fields->end; at++) {
        if (*at == '"' && at + 1 < fields->end && at[1] == '"')
            at++;
        else if (*at == '"')
            break;
        fields->unquoted[len++] = *at;
    }
    if (at == fields->end)
        return false; /* never closed */
    at++;
    if (at < fields->end && *at != (uint8_t)fields->delimiter)
        return false; /* text behind the closing quote */
    fields->more = at < fields->end;
    fields->next = at + (at < fields->end);
    *out = bytes_of(fields->unquoted, len);
    return true;
}

static bool take_field(struct fields *fields, struct bytes *out)
{
    if (fields->next < fields->end && *fields->next == '"') {
        fields->next++;
        return take_quoted(fields, out);
    }
    const uint8_t *begin = fields->next;
    size_t left = (size_t)(fields->end - begin);
    const uint8_t *stop = left > 0 ? memchr(begin, fields->delimiter, left) : NULL;
    fields->more = stop != NULL;
    if (stop == NULL)
        stop = fields->end;
    fields->next = stop + (fields->more ? 1 : 0);
    *out = bytes_of(begin, (size_t)(stop - begin));
    return true;
}

static void fields_begin(struct fields *fields, struct bytes line, char delimiter)
{
    fields->next = line.data;
    fields->end = line.data + line.len;
    fields->delimiter = delimiter;
    fields->more = true;
}

static struct bytes trimmed(struct bytes text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = bytes_of(text.data + 1, text.len - 1);
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* Spreadsheets of half the world write semicolons. */
static char find_delimiter(struct bytes line)
{
    static const char candidates[] = {',', ';', '\t'};
    for (size_t i = 0; i < sizeof candidates; i++) {
        if (memchr(line.data, candidates[i], line.len) != NULL)
            return candidates[i];
    }
    return ',';
}

static bool same_column(const struct column *a, const struct column *b)
{
    return a->kind == b->kind && a->ssid == b->ssid && strcmp(a->tag, b->tag) == 0;
}

static enum err_code add_column(struct row_builder *row, struct bytes name, struct err *err)
{
    struct column *column = &row->columns[row->column_count];
    if (row->column_count == COLUMNS_MAX)
        return err_set(err, ERR_TOO_LARGE, "more than %d columns", COLUMNS_MAX);
    struct err why = {0};
    enum err_code code = column_named(name, column, &why);
    if (code != ERR_OK)
        return err_set(err, code, "column %zu: %s", row->column_count + 1, why.text);
    /* Names are not repeated: in a file without a header they may be keys. */
    for (size_t i = 0; i < row->column_count; i++) {
        if (same_column(&row->columns[i], column))
            return err_set(err, ERR_INVALID, "columns %zu and %zu have the same name twice", i + 1,
                           row->column_count + 1);
    }
    row->column_count++;
    return ERR_OK;
}

static bool has_endpoint(const struct row_builder *row)
{
    for (size_t i = 0; i < row->column_count; i++) {
        if (row->columns[i].kind == COLUMN_ENDPOINT)
            return true;
    }
    return false;
}

enum err_code csv_header(struct row_builder *row, struct bytes line, struct err *err)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf};
    struct fields fields;
    enum err_code code = ERR_OK;
    if (line.len >= sizeof mark && memcmp(line.data, mark, sizeof mark) == 0)
        line = bytes_of(line.data + sizeof mark, line.len - sizeof mark);
    if (!bytes_is_utf8(line))
        return err_set(err, ERR_INVALID, "the header is not UTF-8 text");
    row->column_count = 0;
    row->delimiter = line.len > 0 ? find_delimiter(line) : ',';
    fields_begin(&fields, line, row->delimiter);
    while (code == ERR_OK && fields.more) {
        struct bytes name;
        code = take_field(&fields, &name)
                   ? add_column(row, trimmed(name), err)
                   : err_set(err, ERR_INVALID, "a quote in the header is not closed");
    }
    if (code == ERR_OK && !has_endpoint(row))
        code = err_set(err, ERR_INVALID,
                       "the first line must name the columns, and one must be 'endpoint'; others "
                       "are class, identity, key, key_base64, no_key, blocked, "
                       "server.SSID.identity, "
                       "server.SSID.key, and names of tags");
    return code;
}

enum err_code csv_row(struct row_builder *row, struct bytes line, struct err *err)
{
    struct fields fields;
    size_t count = 0;
    enum err_code code = ERR_OK;
    if (!bytes_is_utf8(line))
        return err_set(err, ERR_INVALID, "%s",
                       memchr(line.data, 0, line.len) != NULL ? "a NUL byte is in the row"
                                                              : "the row is not UTF-8 text");
    row_begin(row);
    fields_begin(&fields, line, row->delimiter);
    while (code == ERR_OK && fields.more) {
        struct bytes value;
        if (!take_field(&fields, &value))
            code = err_set(err, ERR_INVALID,
                           "column %zu: a quote is not closed, or text is behind "
                           "it",
                           count + 1);
        else if (count < row->column_count)
            code = row_set(row, &row->columns[count], value, err);
        count++;
    }
    if (code == ERR_OK && count != row->column_count)
        code = err_set(err, ERR_INVALID, "the row has %zu columns, the header %zu", count,
                       row->column_count);
    bytes_wipe(fields.unquoted, line.len); /* a key may stand in quotes */
    return code == ERR_OK ? row_end(row, err) : code;
}
