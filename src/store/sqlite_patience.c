/* Waiting for locks of the database: not on a thread that is in a hurry. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_priv.h"

#include <pthread.h>

enum { PATIENCE_MS = 5000, STEP_MS = 5 };

static const char vfs_name[] = "usher";
static _Thread_local bool in_a_hurry;
static sqlite3_vfs vfs;
static int (*real_sleep)(sqlite3_vfs *of, int microseconds);

void sqlite_hurry(bool hurry)
{
    in_a_hurry = hurry;
}

static int wait_for_lock(void *unused, int count)
{
    (void)unused;
    if (in_a_hurry || count * STEP_MS >= PATIENCE_MS)
        return 0;
    sqlite3_sleep(STEP_MS);
    return 1;
}

/* Where read marks of the write-ahead log are locked SQLite does not ask the busy handler: it
 * sleeps by itself, up to ten seconds in all, and then reports SQLITE_PROTOCOL. Without the sleeps
 * it comes to that at once. */
static int sleep_unless_hurried(sqlite3_vfs *of, int microseconds)
{
    return in_a_hurry ? microseconds : real_sleep(of, microseconds);
}

static void make_vfs(void)
{
    const sqlite3_vfs *usual = sqlite3_vfs_find(NULL);
    if (usual == NULL)
        return;
    vfs = *usual;
    vfs.zName = vfs_name;
    real_sleep = vfs.xSleep;
    vfs.xSleep = sleep_unless_hurried;
    sqlite3_vfs_register(&vfs, 0);
}

const char *sqlite_patience_vfs(const char *wanted)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_vfs);
    return wanted == NULL && vfs.zName != NULL ? vfs_name : wanted;
}

void sqlite_patience_watch(sqlite3 *db)
{
    sqlite3_busy_handler(db, wait_for_lock, NULL);
}
