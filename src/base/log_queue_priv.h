/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines on their way to the thread that writes them. */
#ifndef USHER_BASE_LOG_QUEUE_PRIV_H
#define USHER_BASE_LOG_QUEUE_PRIV_H

#include "usher/bytes.h"
#include "usher/err.h"

/* PIPE_BUF on Linux: what is written at once and is no longer reaches a pipe whole, whoever else
 * writes to it. No line is longer. */
enum { LOG_LINE_MAX = 4096 };

struct log_queue_ops {
    /* Writes whole lines; may wait for whoever reads them. */
    void (*write)(struct bytes lines);
    /* Makes the line that says how many could not be kept; returns its length. */
    size_t (*describe_dropped)(uint64_t dropped, uint8_t out[static LOG_LINE_MAX]);
};

enum err_code log_queue_start(const struct log_queue_ops *ops, struct err *err);
/* False: no thread runs, write it yourself. A line that finds no room is dropped and counted. Never
 * waits for a reader. */
bool log_queue_put(struct bytes line);
/* Waits until all is written, for at most that long; false: it is not, and the thread goes on. */
bool log_queue_stop(unsigned wait_ms);
uint64_t log_queue_dropped(void); /* since the program began */

#endif
