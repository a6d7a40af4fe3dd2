/* Whose file is it? */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool owner_is_trusted(uid_t owner, uid_t who)
{
    return owner == who || owner == 0;
}

enum err_code owner_check(const char *what, const char *path, const struct stat *status,
                          struct err *err)
{
    unsigned who = (unsigned)geteuid();
    if (owner_is_trusted(status->st_uid, geteuid()))
        return ERR_OK;
    return err_set(err, ERR_DENIED,
                   "%s '%s' belongs to user %u, who can change it at any time, and this process "
                   "is user %u; run it as user %u, or: chown %u '%s'",
                   what, path, (unsigned)status->st_uid, who, (unsigned)status->st_uid, who, path);
}

enum err_code owner_check_secret(const char *what, const char *path, const struct stat *status,
                                 struct err *err)
{
    if (!S_ISREG(status->st_mode))
        return err_set(err, ERR_INVALID, "%s '%s' is not a file", what, path);
    if ((status->st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return err_set(err, ERR_DENIED,
                       "%s '%s' may be used by others than its owner (mode %03o); run: chmod 400 "
                       "'%s'",
                       what, path, (unsigned)status->st_mode & 0777, path);
    return owner_check(what, path, status, err);
}

FILE *owner_open(const char *what, const char *path, struct stat *status, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file = NULL;
    if (fd < 0 || fstat(fd, status) != 0)
        err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: cannot read %s (%s)", what,
                path, strerror(errno));
    else if (!S_ISREG(status->st_mode))
        err_set(err, ERR_INVALID, "%s: %s is not a file", what, path);
    else if ((file = fdopen(fd, "r")) == NULL)
        err_set(err, ERR_IO, "%s: cannot read %s (%s)", what, path, strerror(errno));
    if (file == NULL && fd >= 0)
        close(fd);
    return file;
}
