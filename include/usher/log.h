/* SPDX-License-Identifier: Apache-2.0 */
/* module: base */
/* Structured logs: one JSON object a line, stable event names, no secret ever. Any thread. */
#ifndef USHER_LOG_H
#define USHER_LOG_H

#include "usher/bytes.h"
#include "usher/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* Until log_start each line is written by who logs it, and waits for whoever reads it. From then on
 * a thread writes: up to 1 MiB of lines waits for it, then lines are dropped, counted, and a line
 * "log.dropped" stands where they are missing. ERR_BUSY, ERR_IO: lines are written as before. */
enum err_code log_start(struct err *err);
/* Waits until everything is written, for at most that long; false: some is not, and is lost when
 * the program ends now. Afterwards lines are written as before log_start. */
bool log_stop(unsigned wait_ms);
/* `text`: human-readable lines instead of JSON (for a terminal). */
void log_configure(int fd, enum log_level least, bool text);
enum log_level log_level_from_name(const char *name, bool *known); /* debug info warning error */

enum log_field_type {
    LOG_FIELD_END,
    LOG_FIELD_TEXT,
    LOG_FIELD_BYTES,
    LOG_FIELD_NUMBER,
    LOG_FIELD_BOOL
};

struct log_field {
    enum log_field_type type;
    const char *key;
    const char *text;   /* TEXT; NULL is written as null */
    struct bytes bytes; /* BYTES: UTF-8 as text, else as "hex:..." */
    int64_t number;
    bool boolean;
};

#define LOG_TEXT(k, v)   ((struct log_field){.type = LOG_FIELD_TEXT, .key = (k), .text = (v)})
#define LOG_BYTES(k, v)  ((struct log_field){.type = LOG_FIELD_BYTES, .key = (k), .bytes = (v)})
#define LOG_NUMBER(k, v) ((struct log_field){.type = LOG_FIELD_NUMBER, .key = (k), .number = (v)})
#define LOG_BOOL(k, v)   ((struct log_field){.type = LOG_FIELD_BOOL, .key = (k), .boolean = (v)})

/* Writes one line: {"time":..,"level":..,"event":"session.bootstrapped",..fields}. `event` is
 * "subsystem.what-happened" in lower case and never changes its meaning. Lines over 4 KiB lose
 * the tail of their longest field. A failed write is counted. */
void log_event_fields(enum log_level level, const char *event, const struct log_field *fields,
                      size_t count);

#define log_event(level, event, ...)                                                               \
    log_event_fields(level, event, (const struct log_field[]){__VA_ARGS__},                        \
                     sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

uint64_t log_lost(void); /* lines dropped, or not written for an error */

#endif
