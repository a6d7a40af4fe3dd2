/* Cutting a stream into lines. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "row_priv.h"

#include <string.h>

void lines_init(struct lines *lines)
{
    *lines = (struct lines){0};
    buf_init(&lines->partial, BULK_ROW_MAX);
}

void lines_clear(struct lines *lines)
{
    buf_clear(&lines->partial);
}

static struct bytes without_return(struct bytes line)
{
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* A line is whole: `rest` is what of it is not in `partial`. */
static enum err_code end_line(struct lines *lines, struct bytes rest, line_fn take, void *context,
                              struct err *err)
{
    struct bytes line = rest;
    bool too_long = lines->too_long || rest.len > BULK_ROW_MAX - lines->partial.len;
    if (!too_long && lines->partial.len > 0) {
        buf_put_bytes(&lines->partial, rest);
        line = buf_bytes(&lines->partial);
        if (lines->partial.failed)
            return err_set(err, ERR_NO_MEMORY, "import: out of memory");
    }
    lines->number++;
    enum err_code code = take(context, lines->number,
                              too_long ? bytes_of(NULL, 0) : without_return(line), too_long, err);
    buf_reset(&lines->partial);
    lines->too_long = false;
    return code;
}

static enum err_code keep_partial(struct lines *lines, struct bytes rest, struct err *err)
{
    if (lines->too_long)
        return ERR_OK;
    if (rest.len > BULK_ROW_MAX - lines->partial.len) {
        lines->too_long = true;
        buf_reset(&lines->partial);
        return ERR_OK;
    }
    buf_put_bytes(&lines->partial, rest);
    return lines->partial.failed ? err_set(err, ERR_NO_MEMORY, "import: out of memory") : ERR_OK;
}

enum err_code lines_feed(struct lines *lines, struct bytes data, line_fn take, void *context,
                         struct err *err)
{
    enum err_code code = ERR_OK;
    while (code == ERR_OK && data.len > 0) {
        const uint8_t *end = memchr(data.data, '\n', data.len);
        if (end == NULL)
            return keep_partial(lines, data, err);
        size_t len = (size_t)(end - data.data);
        code = end_line(lines, bytes_of(data.data, len), take, context, err);
        data = bytes_of(end + 1, data.len - len - 1);
    }
    return code;
}

enum err_code lines_end(struct lines *lines, line_fn take, void *context, struct err *err)
{
    if (lines->partial.len == 0 && !lines->too_long)
        return ERR_OK;
    return end_line(lines, bytes_of(NULL, 0), take, context, err);
}
