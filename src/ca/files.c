/* SPDX-License-Identifier: Apache-2.0 */
/* Files of a CA's folder. */
#include "ca_priv.h"

#include "usher/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 64 << 10 };

char *ca_path(const char *folder, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

static enum err_code cannot(const char *doing, const char *path, struct err *err)
{
    return err_set(err,
                   errno == EEXIST   ? ERR_EXISTS
                   : errno == EACCES ? ERR_DENIED
                                     : ERR_IO,
                   "cannot %s %s (%s)", doing, path, strerror(errno));
}

static bool write_all(int fd, const char *text)
{
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t wrote = write(fd, text, len);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return false;
        text += wrote;
        len -= (size_t)wrote;
    }
    return fsync(fd) == 0;
}

enum err_code ca_write_new(const char *path, const char *text, unsigned mode, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return cannot("make", path, err);
    enum err_code code =
        fchmod(fd, mode) == 0 && write_all(fd, text) ? ERR_OK : cannot("write", path, err);
    if (close(fd) != 0 && code == ERR_OK)
        code = cannot("write", path, err);
    if (code != ERR_OK)
        unlink(path);
    return code;
}

static enum err_code check_file(const char *path, int fd, bool secret, size_t *size,
                                struct err *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return cannot("read", path, err);
    if (!S_ISREG(status.st_mode) || status.st_size > FILE_MAX)
        return err_set(err, ERR_INVALID, "%s is not a file of a CA", path);
    if (secret && owner_check_secret("the CA's file", path, &status, err) != ERR_OK)
        return err->code;
    *size = (size_t)status.st_size;
    return ERR_OK;
}

enum err_code ca_read_file(const char *path, bool secret, char **out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t size = 0, used = 0;
    char *text = NULL;
    if (fd < 0)
        return cannot("read", path, err);
    enum err_code code = check_file(path, fd, secret, &size, err);
    if (code == ERR_OK && (text = calloc(1, size + 1)) == NULL)
        code = err_set(err, ERR_NO_MEMORY, "out of memory");
    while (code == ERR_OK && used < size) {
        ssize_t got = read(fd, text + used, size - used);
        if (got < 0 && errno != EINTR)
            code = cannot("read", path, err);
        if (got == 0)
            break;
        used += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    if (code == ERR_OK) {
        *out = text;
        return ERR_OK;
    }
    if (text != NULL)
        bytes_wipe(text, size);
    free(text);
    return code;
}
