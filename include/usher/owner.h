/* module: base */
/* SPDX-License-Identifier: Apache-2.0 */
/* Whose file is it? One that decides who is let in is ours, or root's. */
#ifndef USHER_OWNER_H
#define USHER_OWNER_H

#include "usher/err.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

/* May `who` rely on what `owner` can change at any time? */
bool owner_is_trusted(uid_t owner, uid_t who);
/* ERR_DENIED when the open file belongs to somebody else than root and the user of this process.
 * `what` names it: "master key". */
enum err_code owner_check(const char *what, const char *path, const struct stat *status,
                          struct err *err);

#endif
