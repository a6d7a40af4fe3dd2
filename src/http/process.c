/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel tells about our process, under the names that Prometheus's own clients use. */
#include "http_priv.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Fields of /proc/self/stat (proc(5)), counted from the one behind the command's name, which may
 * hold blanks and brackets. */
enum { STAT_UTIME = 11, STAT_STIME = 12, STAT_START = 19, STAT_VSIZE = 20, STAT_RSS = 21 };

static bool read_stat(unsigned long long fields[STAT_RSS + 1])
{
    char text[1024] = "";
    FILE *file = fopen("/proc/self/stat", "re");
    size_t len = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    text[len] = '\0';
    const char *at = strrchr(text, ')');
    if (at == NULL)
        return false;
    at += 3; /* ") S" */
    for (int i = 1; i <= STAT_RSS; i++) {
        int used = 0;
        if (sscanf(at, " %llu%n", &fields[i], &used) != 1 && sscanf(at, " %*d%n", &used) != 0)
            return false;
        if (used == 0)
            return false;
        at += used;
    }
    return true;
}

static void put(struct buf *out, const char *name, const char *type, const char *help, double value)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", name, help, name, type, name, value);
}

static size_t count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;
    while (folder != NULL && readdir(folder) != NULL)
        count++;
    if (folder != NULL)
        closedir(folder);
    return count > 3 ? count - 3 : 0; /* ".", ".." and the folder itself */
}

static double boot_time(void)
{
    struct timespec wall, since_boot;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &since_boot);
    return (double)(wall.tv_sec - since_boot.tv_sec) +
           (double)(wall.tv_nsec - since_boot.tv_nsec) / 1e9;
}

void http_put_process_metrics(struct buf *out)
{
    unsigned long long fields[STAT_RSS + 1] = {0};
    struct rlimit limit;
    double ticks = (double)sysconf(_SC_CLK_TCK);
    if (read_stat(fields)) {
        put(out, "process_cpu_seconds_total", "counter", "CPU time, user and system.",
            (double)(fields[STAT_UTIME] + fields[STAT_STIME]) / ticks);
        put(out, "process_start_time_seconds", "gauge", "When the process began, since 1970.",
            boot_time() + (double)fields[STAT_START] / ticks);
        put(out, "process_virtual_memory_bytes", "gauge", "Virtual memory.",
            (double)fields[STAT_VSIZE]);
        put(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
            (double)fields[STAT_RSS] * (double)sysconf(_SC_PAGESIZE));
    }
    put(out, "process_open_fds", "gauge", "Open file descriptors.", (double)count_descriptors());
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        put(out, "process_max_fds", "gauge", "File descriptors that may be open.",
            (double)limit.rlim_cur);
}
