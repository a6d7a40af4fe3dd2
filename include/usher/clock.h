/* SPDX-License-Identifier: Apache-2.0 */
/* module: base */
/* The two clocks. Only the shell reads them; the core is told the time. */
#ifndef USHER_CLOCK_H
#define USHER_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Milliseconds of a clock that never goes back. What `now` means everywhere below the driver. */
uint64_t clock_monotonic_ms(void);
uint64_t clock_monotonic_us(void);
/* Milliseconds since 1970-01-01T00:00Z, for records and people. */
int64_t clock_wall_ms(void);
/* RFC 3339 UTC with milliseconds, such as 2026-11-23T09:18:10.042Z. */
enum { CLOCK_TEXT_SIZE = 32 };
void clock_wall_text(int64_t wall_ms, char out[static CLOCK_TEXT_SIZE]);
/* The reverse; always UTC; seconds, their parts and the Z may lack; a date alone is its begin.
 * False: no such time. */
bool clock_wall_from_text(const char *text, int64_t *wall_ms);

#endif
