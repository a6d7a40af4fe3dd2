/* A line on a terminal that tells how far a long command is. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_priv.h"

#include "usher/clock.h"

#include <unistd.h>

enum { EVERY_MS = 100, WIDTH = 30 };

static uint64_t shown_ms;
static bool shown;

static void put_bar(uint64_t done, uint64_t whole)
{
    int filled = (int)((double)(done < whole ? done : whole) * WIDTH / (double)whole);
    fputc('[', stderr);
    for (int i = 0; i < WIDTH; i++)
        fputc(i < filled ? '#' : '.', stderr);
    fprintf(stderr, "] %3d%% ", (int)((double)(done < whole ? done : whole) * 100 / (double)whole));
}

void cli_progress(const char *what, uint64_t done, uint64_t whole, const char *unit)
{
    uint64_t now = clock_monotonic_ms();
    if (isatty(STDERR_FILENO) != 1 || (shown && now - shown_ms < EVERY_MS))
        return;
    shown_ms = now;
    shown = true;
    fprintf(stderr, "\r\033[K%s ", what);
    if (whole > 0)
        put_bar(done, whole);
    fprintf(stderr, "%llu %s", (unsigned long long)done, unit);
    fflush(stderr);
}

void cli_progress_end(void)
{
    if (shown)
        fputs("\r\033[K", stderr);
    shown = false;
}
