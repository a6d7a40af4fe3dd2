/* Whose file is it? */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/owner.h"

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
