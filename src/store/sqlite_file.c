/* The database file itself: who may read it, what it is, and the lock beside it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "sqlite_priv.h"

#include "usher/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char sqlite_magic[16] = "SQLite format 3";

static enum err_code cannot_open(const char *path, struct err *err)
{
    switch (errno) {
    case EACCES:
    case EPERM:
        return err_set(err, ERR_DENIED,
                       "store: cannot open '%s': permission denied; give it to the user that "
                       "usherd runs as (chown)",
                       path);
    case EROFS:
        return err_set(err, ERR_READ_ONLY, "store: cannot write '%s': the file system is read-only",
                       path);
    case ENOENT:
        return err_set(err, ERR_IO,
                       "store: cannot open '%s': its directory does not exist; create it, "
                       "writable for the user that usherd runs as",
                       path);
    case ENOSPC:
        return err_set(err, ERR_IO, "store: cannot make '%s': the disk is full; free some space",
                       path);
    default:
        return err_set(err, ERR_IO, "store: cannot open '%s': %s", path, strerror(errno));
    }
}

/* The directory of `path`, to be freed. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* A new file is only there after a power cut when its directory was written too. */
static enum err_code sync_directory(const char *path, struct err *err)
{
    char *directory = directory_of(path);
    if (directory == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err_code code = ERR_OK;
    if (fd < 0 || fsync(fd) != 0)
        code = err_set(err, ERR_IO, "store: cannot sync directory '%s': %s", directory,
                       strerror(errno));
    if (fd >= 0)
        close(fd);
    free(directory);
    return code;
}

static enum err_code create_file(const char *path, struct err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return ERR_OK; /* another usherd is faster: the lock will tell */
    if (fd < 0)
        return cannot_open(path, err);
    close(fd);
    return sync_directory(path, err);
}

static enum err_code check_directory(const char *path, struct err *err)
{
    char *directory = directory_of(path);
    if (directory == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    enum err_code code = ERR_OK;
    /* SQLite keeps two files beside the database while it is open. */
    if (faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) != 0)
        code = errno == ENOENT || errno == ENOTDIR
                   ? err_set(err, ERR_IO, "store: directory '%s' of '%s' does not exist; create it",
                             directory, path)
                   : err_set(err, ERR_READ_ONLY,
                             "store: directory '%s' is not writable (%s), yet the store makes "
                             "files beside '%s'",
                             directory, strerror(errno), path);
    free(directory);
    return code;
}

static bool has_content(const char *path, const char *suffix)
{
    char name[4096];
    struct stat status;
    int len = snprintf(name, sizeof name, "%s%s", path, suffix);
    return len > 0 && (size_t)len < sizeof name && stat(name, &status) == 0 && status.st_size > 0;
}

static enum err_code check_header(const char *path, int fd, off_t size, struct err *err)
{
    char header[sizeof sqlite_magic] = {0};
    if (size == 0 && !has_content(path, "-wal"))
        return ERR_OK; /* a file made for us, or by us just before a crash */
    if (has_content(path, "-journal"))
        return ERR_OK; /* a crash while it was made: SQLite goes back to the empty file */
    if (size < 512)
        return err_set(err, ERR_INVALID,
                       "store: '%s' is cut short (%lld bytes); restore it from a backup", path,
                       (long long)size);
    if (pread(fd, header, sizeof header, 0) != (ssize_t)sizeof header)
        return err_set(err, ERR_IO, "store: cannot read '%s': %s", path, strerror(errno));
    if (memcmp(header, sqlite_magic, sizeof header) != 0)
        return err_set(err, ERR_INVALID,
                       "store: '%s' is not a database of usher; name another file", path);
    return ERR_OK;
}

static enum err_code check_file(const char *path, int fd, struct err *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return cannot_open(path, err);
    if (!S_ISREG(status.st_mode))
        return err_set(err, ERR_INVALID, "store: '%s' is not a file", path);
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return err_set(err, ERR_DENIED,
                       "store: '%s' holds keys, but others than its owner may use it (mode %03o); "
                       "run: chmod 600 '%s'",
                       path, (unsigned)status.st_mode & 0777, path);
    if (owner_check("store:", path, &status, err) != ERR_OK)
        return err->code;
    return check_header(path, fd, status.st_size, err);
}

/* Only its owner may change its mode. */
static enum err_code not_writable(const char *path, struct err *err)
{
    struct stat status;
    unsigned who = (unsigned)geteuid();
    if (stat(path, &status) != 0)
        return cannot_open(path, err);
    if (status.st_uid == geteuid())
        return err_set(err, ERR_READ_ONLY, "store: '%s' is read-only; run: chmod 600 '%s'", path,
                       path);
    return err_set(
        err, ERR_READ_ONLY,
        "store: user %u may not write '%s', which belongs to user %u; run: chown %u '%s' "
        "&& chmod 600 '%s'",
        who, path, (unsigned)status.st_uid, who, path, path);
}

enum err_code sqlite_file_check(const char *path, struct err *err)
{
    enum err_code code = check_directory(path, err);
    if (code != ERR_OK)
        return code;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return create_file(path, err);
    if (fd < 0 && errno == EISDIR)
        return err_set(err, ERR_INVALID, "store: '%s' is a directory; name a file in it", path);
    if (fd < 0 && (errno == EACCES || errno == EPERM) && access(path, R_OK) == 0)
        return not_writable(path, err);
    if (fd < 0)
        return cannot_open(path, err);
    code = check_file(path, fd, err);
    close(fd);
    return code;
}

static void read_holder(int fd, char *out, size_t size)
{
    ssize_t len = pread(fd, out, size - 1, 0);
    out[len > 0 ? len : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

enum err_code sqlite_file_lock(const char *path, int *fd, struct err *err)
{
    char name[4096], holder[32];
    int len = snprintf(name, sizeof name, "%s.lock", path);
    if (len < 0 || (size_t)len >= sizeof name)
        return err_set(err, ERR_RANGE, "store: the path '%.64s...' is too long", path);
    int lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0)
        return cannot_open(name, err);
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        bool taken = errno == EWOULDBLOCK;
        read_holder(lock, holder, sizeof holder);
        close(lock);
        return taken ? err_set(err, ERR_BUSY,
                               "store: '%s' is in use by another usherd (process %s); stop that "
                               "one, or name another file",
                               path, holder)
                     : err_set(err, ERR_IO, "store: cannot lock '%s': %s", name, strerror(errno));
    }
    len = snprintf(holder, sizeof holder, "%ld\n", (long)getpid());
    /* Only for the message above: the lock holds without it. */
    bool noted = ftruncate(lock, 0) == 0 && pwrite(lock, holder, (size_t)len, 0) == len;
    (void)noted;
    *fd = lock;
    return ERR_OK;
}
