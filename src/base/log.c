/* Log lines: made in a buffer on the stack, and written at once or by a thread of their own. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/log.h"

#include "log_queue_priv.h"
#include "usher/buf.h"
#include "usher/clock.h"
#include "utf8_priv.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static atomic_int log_fd = STDERR_FILENO;
static atomic_int log_least = LOG_INFO;
static atomic_bool log_as_text;
static atomic_uint_fast64_t lost;

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARNING] = "warning",
    [LOG_ERROR] = "error",
};
static const char *const level_titles[] = {
    [LOG_DEBUG] = "DEBUG",
    [LOG_INFO] = "INFO",
    [LOG_WARNING] = "WARNING",
    [LOG_ERROR] = "ERROR",
};
enum { LEVEL_COUNT = sizeof level_names / sizeof level_names[0] };

/* One rendering of a line. A value stops after `limit` bytes, marked by three dots. */
struct line {
    struct buf out;
    bool as_text;
    size_t limit;
};

void log_configure(int fd, enum log_level least, bool text)
{
    atomic_store(&log_fd, fd);
    atomic_store(&log_least, (int)least);
    atomic_store(&log_as_text, text);
}

enum log_level log_level_from_name(const char *name, bool *known)
{
    *known = true;
    for (int i = 0; i < LEVEL_COUNT; i++) {
        if (strcmp(name, level_names[i]) == 0)
            return (enum log_level)i;
    }
    *known = false;
    return LOG_INFO;
}

static size_t escape(uint32_t code_point, char out[static 8])
{
    static const char digits[] = "0123456789abcdef";
    const char *shorts = "\"\"\\\\\nn\tt\rr";
    for (const char *s = shorts; *s != '\0'; s += 2) {
        if (code_point == (uint32_t)*s) {
            out[0] = '\\';
            out[1] = s[1];
            return 2;
        }
    }
    memcpy(out, "\\u00", 4);
    out[4] = digits[code_point >> 4 & 15];
    out[5] = digits[code_point & 15];
    return 6;
}

/* JSON demands the first group; the others would let a device's name steer a terminal. */
static bool must_escape(uint32_t code_point)
{
    return code_point < 0x20 || code_point == '"' || code_point == '\\' ||
           (code_point >= 0x7f && code_point < 0xa0);
}

/* How many bytes of the text are ASCII that stands for itself. */
static size_t plain_span(struct bytes text)
{
    size_t len = 0;
    while (len < text.len && text.data[len] >= 0x20 && text.data[len] < 0x7f &&
           text.data[len] != '"' && text.data[len] != '\\')
        len++;
    return len;
}

/* The text with escapes, ill-formed UTF-8 replaced by U+FFFD. */
static void put_escaped(struct line *line, struct bytes text)
{
    size_t written = plain_span(text); /* nearly always all of it */
    if (written > line->limit)
        written = line->limit;
    buf_put(&line->out, text.data, written);
    text = bytes_of(text.data + written, text.len - written);
    while (text.len > 0 && !line->out.failed) {
        uint32_t code_point = 0;
        size_t taken = utf8_next(text, &code_point);
        char unit[8] = "\xef\xbf\xbd";
        size_t unit_len = 3;
        if (taken > 0 && must_escape(code_point)) {
            unit_len = escape(code_point, unit);
        } else if (taken > 0) {
            memcpy(unit, text.data, taken);
            unit_len = taken;
        }
        if (written + unit_len > line->limit) {
            buf_put_text(&line->out, "...");
            return;
        }
        buf_put(&line->out, unit, unit_len);
        written += unit_len;
        text.data += taken > 0 ? taken : 1;
        text.len -= taken > 0 ? taken : 1;
    }
}

static void put_hex(struct line *line, struct bytes data)
{
    buf_put_text(&line->out, "hex:");
    size_t whole = data.len;
    if (data.len > line->limit / 2)
        data.len = line->limit / 2;
    for (size_t i = 0; i < data.len && !line->out.failed; i++) {
        char digits[BYTES_HEX_SIZE(1)];
        bytes_to_hex(bytes_of(data.data + i, 1), digits);
        buf_put_text(&line->out, digits);
    }
    if (data.len < whole)
        buf_put_text(&line->out, "...");
}

/* In lines for people, a value of plain visible ASCII goes without quotes. */
static bool needs_quotes(const struct line *line, struct bytes text)
{
    if (!line->as_text || text.len == 0)
        return true;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f)
            return true;
    }
    return false;
}

static void put_text_value(struct line *line, struct bytes text, bool as_hex)
{
    bool quotes = as_hex ? !line->as_text : needs_quotes(line, text);
    if (quotes)
        buf_put_u8(&line->out, '"');
    if (as_hex)
        put_hex(line, text);
    else
        put_escaped(line, text);
    if (quotes)
        buf_put_u8(&line->out, '"');
}

static void put_value(struct line *line, const struct log_field *field)
{
    switch (field->type) {
    case LOG_FIELD_TEXT:
        if (field->text == NULL)
            buf_put_text(&line->out, "null");
        else
            put_text_value(line, bytes_of_text(field->text), false);
        break;
    case LOG_FIELD_BYTES:
        put_text_value(line, field->bytes, !bytes_is_utf8(field->bytes));
        break;
    case LOG_FIELD_NUMBER:
        buf_put_decimal(&line->out, field->number);
        break;
    case LOG_FIELD_BOOL:
        buf_put_text(&line->out, field->boolean ? "true" : "false");
        break;
    case LOG_FIELD_END:
        break;
    }
}

static void put_field(struct line *line, const struct log_field *field)
{
    buf_put_text(&line->out, line->as_text ? " " : ",\"");
    buf_put_text(&line->out, field->key);
    buf_put_text(&line->out, line->as_text ? "=" : "\":");
    put_value(line, field);
}

static void put_head(struct line *line, const char *time, enum log_level level, const char *event)
{
    if (line->as_text) {
        /* The time of day out of 2026-11-23T09:18:10.042Z. */
        buf_put(&line->out, time + 11, 12);
        buf_put_u8(&line->out, ' ');
        buf_put_text(&line->out, level_titles[level]);
        buf_put_u8(&line->out, ' ');
        buf_put_text(&line->out, event);
        return;
    }
    buf_put_text(&line->out, "{\"time\":\"");
    buf_put_text(&line->out, time);
    buf_put_text(&line->out, "\",\"level\":\"");
    buf_put_text(&line->out, level_names[level]);
    buf_put_text(&line->out, "\",\"event\":\"");
    buf_put_text(&line->out, event);
    buf_put_u8(&line->out, '"');
}

static bool put_fields(struct line *line, size_t head_len, const struct log_field *fields,
                       size_t count, size_t limit)
{
    line->limit = limit;
    line->out.failed = false;
    line->out.len = head_len;
    for (size_t i = 0; i < count && fields[i].type != LOG_FIELD_END; i++)
        put_field(line, &fields[i]);
    buf_put_text(&line->out, line->as_text ? "\n" : "}\n");
    return !line->out.failed;
}

/* The largest limit that lets the line fit: cuts the longest value, or the longest few alike. */
static void put_fields_cut(struct line *line, size_t head_len, const struct log_field *fields,
                           size_t count)
{
    size_t fits = 0, too_long = LOG_LINE_MAX;
    while (too_long - fits > 1) {
        size_t middle = (fits + too_long) / 2;
        if (put_fields(line, head_len, fields, count, middle))
            fits = middle;
        else
            too_long = middle;
    }
    if (!put_fields(line, head_len, fields, count, fits))
        put_fields(line, head_len, (const struct log_field[]){LOG_BOOL("truncated", true)}, 1, 0);
}

/* ---- writing ---- */

static uint64_t count_lines(struct bytes lines)
{
    uint64_t count = 0;
    for (size_t i = 0; i < lines.len; i++)
        count += lines.data[i] == '\n';
    return count;
}

/* `patient`: a descriptor that would block is waited for; for the thread that has the time. */
static void write_whole(struct bytes lines, bool patient)
{
    int fd = atomic_load(&log_fd);
    while (lines.len > 0) {
        ssize_t written = write(fd, lines.data, lines.len);
        if (written > 0) {
            lines = bytes_of(lines.data + written, lines.len - (size_t)written);
            continue;
        }
        bool again = written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
        if (again && patient)
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        else if (!(written < 0 && errno == EINTR))
            break;
    }
    if (lines.len > 0)
        atomic_fetch_add(&lost, count_lines(lines));
}

static void write_patiently(struct bytes lines)
{
    write_whole(lines, true);
}

/* ---- making lines ---- */

static struct bytes make_line(enum log_level level, const char *event,
                              const struct log_field *fields, size_t count,
                              uint8_t memory[static LOG_LINE_MAX])
{
    char time[CLOCK_TEXT_SIZE];
    clock_wall_text(clock_wall_ms(), time);
    struct line line = {.as_text = atomic_load(&log_as_text)};
    buf_init_fixed(&line.out, memory, LOG_LINE_MAX);
    put_head(&line, time, level, event);
    size_t head_len = line.out.len;
    if (!put_fields(&line, head_len, fields, count, SIZE_MAX))
        put_fields_cut(&line, head_len, fields, count);
    return buf_bytes(&line.out);
}

static size_t describe_dropped(uint64_t dropped, uint8_t out[static LOG_LINE_MAX])
{
    const struct log_field fields[] = {
        LOG_NUMBER("lines", (int64_t)dropped),
        LOG_TEXT("advice", "whoever reads the log is too slow, or has stopped reading"),
    };
    return make_line(LOG_WARNING, "log.dropped", fields, sizeof fields / sizeof fields[0], out).len;
}

void log_event_fields(enum log_level level, const char *event, const struct log_field *fields,
                      size_t count)
{
    if ((int)level < atomic_load(&log_least) || (unsigned)level >= LEVEL_COUNT)
        return;
    int saved_errno = errno;
    uint8_t memory[LOG_LINE_MAX];
    struct bytes line = make_line(level, event, fields, count, memory);
    if (!log_queue_put(line))
        write_whole(line, false);
    errno = saved_errno;
}

enum err_code log_start(struct err *err)
{
    const struct log_queue_ops ops = {write_patiently, describe_dropped};
    return log_queue_start(&ops, err);
}

bool log_stop(unsigned wait_ms)
{
    return log_queue_stop(wait_ms);
}

uint64_t log_lost(void)
{
    return atomic_load(&lost) + log_queue_dropped();
}
