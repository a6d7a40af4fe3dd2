/* Waiting for locks of the database and for the disk: not on a thread that is in a hurry. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_priv.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

enum { PATIENCE_MS = 5000, STEP_MS = 5 };

static const char vfs_name[] = "usher";
static _Thread_local bool in_a_hurry, would_wait;
static atomic_bool no_such_read; /* the file system reads in one way only */
static sqlite3_vfs vfs;
static int (*real_sleep)(sqlite3_vfs *of, int microseconds);
static ssize_t (*real_pread)(int fd, void *data, size_t size, off64_t at);
static int (*real_read)(sqlite3_file *file, void *data, int size, sqlite3_int64 at);
static int (*real_open)(sqlite3_vfs *of, const char *name, sqlite3_file *file, int flags,
                        int *got_flags);

void sqlite_hurry(bool hurry)
{
    in_a_hurry = hurry;
    would_wait = false;
}

bool sqlite_would_wait(void)
{
    return would_wait;
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

/* What is not in memory is read by a thread that has the time. */
static ssize_t read_unless_hurried(int fd, void *data, size_t size, off64_t at)
{
    if (!in_a_hurry || atomic_load_explicit(&no_such_read, memory_order_relaxed))
        return real_pread(fd, data, size, at);
    ssize_t got = preadv2(fd, &(struct iovec){data, size}, 1, at, RWF_NOWAIT);
    if (got >= 0 || errno == EINTR)
        return got;
    if (errno == EAGAIN) {
        would_wait = true;
        return -1;
    }
    atomic_store(&no_such_read, true);
    return real_pread(fd, data, size, at);
}

/* After an error of the disk SQLite ends the transaction, and begins the next one with an empty
 * cache. A page that is only not here yet is no such error: the transaction goes on. */
static int read_or_say_busy(sqlite3_file *file, void *data, int size, sqlite3_int64 at)
{
    int got = real_read(file, data, size, at);
    return got == SQLITE_IOERR_READ && in_a_hurry && would_wait ? SQLITE_BUSY : got;
}

/* What stands for a table of methods of the usual VFS, which has one for each kind of lock. */
static const sqlite3_io_methods *methods_instead_of(const sqlite3_io_methods *usual)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct {
        const sqlite3_io_methods *usual;
        sqlite3_io_methods ours;
    } known[4];
    const sqlite3_io_methods *found = usual;
    pthread_mutex_lock(&lock);
    if (real_read == NULL)
        real_read = usual->xRead;
    for (size_t i = 0; found == usual && i < sizeof known / sizeof known[0]; i++) {
        if (known[i].usual == NULL && usual->xRead == real_read) {
            known[i].usual = usual;
            known[i].ours = *usual;
            known[i].ours.xRead = read_or_say_busy;
        }
        if (known[i].usual == usual)
            found = &known[i].ours;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

static int open_with_patience(sqlite3_vfs *of, const char *name, sqlite3_file *file, int flags,
                              int *got_flags)
{
    int got = real_open(of, name, file, flags, got_flags);
    if (got == SQLITE_OK && file->pMethods != NULL)
        file->pMethods = methods_instead_of(file->pMethods);
    return got;
}

/* A copy of the usual VFS that sleeps as we say. Its files are those of the usual one, which lets
 * its system calls be replaced. */
static void make_vfs(void)
{
    sqlite3_vfs *usual = sqlite3_vfs_find(NULL);
    if (usual == NULL)
        return;
    vfs = *usual;
    vfs.zName = vfs_name;
    real_sleep = vfs.xSleep;
    vfs.xSleep = sleep_unless_hurried;
    real_open = vfs.xOpen;
    vfs.xOpen = open_with_patience;
    sqlite3_vfs_register(&vfs, 0);
    if (usual->iVersion < 3)
        return;
    sqlite3_syscall_ptr found = usual->xGetSystemCall(usual, "pread64");
    if (found == NULL) /* a build that reads in another way: only slowness is noticed */
        return;
    real_pread = (ssize_t(*)(int, void *, size_t, off64_t))found;
    usual->xSetSystemCall(usual, "pread64", (sqlite3_syscall_ptr)read_unless_hurried);
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
