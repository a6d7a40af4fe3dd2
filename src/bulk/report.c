/* The report of an import: one JSON object a row. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "import_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static void put_string(struct buf *out, struct bytes text)
{
    buf_put_u8(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\u%04x", c);
        else
            buf_put_u8(out, c);
    }
    buf_put_u8(out, '"');
}

static void put_begin(struct buf *out, uint64_t line, struct bytes endpoint)
{
    buf_printf(out, "{\"line\":%" PRIu64 ",\"endpoint\":", line);
    if (endpoint.len > 0 && bytes_is_utf8(endpoint))
        put_string(out, endpoint);
    else
        buf_put_text(out, "null");
}

static void put_why(struct buf *out, const char *why)
{
    buf_put_text(out, ",\"error\":");
    put_string(out, bytes_of_text(why));
}

void report_bad_row(struct import *import, uint64_t line, struct bytes endpoint, const char *why)
{
    struct buf *out = &import->report;
    put_begin(out, line, endpoint);
    buf_put_text(out, ",\"result\":\"failed\"");
    put_why(out, why);
    buf_put_text(out, "}\n");
}

static void put_changes(struct buf *out, unsigned changes)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {
        {STORE_GIVEN_CLASS, "class"},
        {STORE_GIVEN_IDENTITY, "identity"},
        {STORE_GIVEN_KEY, "key"},
        {STORE_GIVEN_TAGS, "tags"},
        {STORE_GIVEN_CREDENTIALS, "server_credentials"},
        {STORE_GIVEN_BLOCKED, "blocked"},
    };
    bool first = true;
    buf_put_text(out, ",\"differs\":[");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((changes & names[i].bit) == 0)
            continue;
        buf_printf(out, "%s\"%s\"", first ? "" : ",", names[i].name);
        first = false;
    }
    buf_put_u8(out, ']');
}

void report_row(struct buf *out, uint64_t line, const struct store_bulk_row *row)
{
    static const char *const results[] = {
        [STORE_ROW_CREATED] = "created",     [STORE_ROW_CHANGED] = "changed",
        [STORE_ROW_UNCHANGED] = "unchanged", [STORE_ROW_SKIPPED] = "skipped",
        [STORE_ROW_FAILED] = "failed",
    };
    put_begin(out, line, store_row_endpoint(row->packed));
    buf_printf(out, ",\"result\":\"%s\"", results[row->verdict]);
    if (row->verdict == STORE_ROW_CHANGED || row->verdict == STORE_ROW_SKIPPED)
        put_changes(out, row->changes);
    if (row->why != NULL)
        put_why(out, row->why);
    buf_put_text(out, "}\n");
}

enum err_code report_write(int fd, uint64_t at, const struct buf *text, struct err *err)
{
    struct bytes data = buf_bytes(text);
    if (text->failed)
        return err_set(err, ERR_NO_MEMORY, "import: out of memory");
    while (data.len > 0) {
        ssize_t wrote = pwrite(fd, data.data, data.len, (off_t)at);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return err_set(err, ERR_IO, "import: writing the report: %s", strerror(errno));
        data = bytes_of(data.data + wrote, data.len - (size_t)wrote);
        at += (uint64_t)wrote;
    }
    return ERR_OK;
}
