/* module: base */
/* SPDX-License-Identifier: Apache-2.0 */
/* Whose file is it? One that decides who is let in is ours, or root's. */
#ifndef USHER_OWNER_H
#define USHER_OWNER_H

#include "usher/err.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>

/* May `who` rely on what `owner` can change at any time? */
bool owner_is_trusted(uid_t owner, uid_t who);
/* ERR_DENIED when the open file belongs to somebody else than root and the user of this process.
 * `what` names it: "master key". */
enum err_code owner_check(const char *what, const char *path, const struct stat *status,
                          struct err *err);
/* The same for a file that holds a secret: a regular one (else ERR_INVALID) that nobody but its
 * owner may use (else ERR_DENIED). */
enum err_code owner_check_secret(const char *what, const char *path, const struct stat *status,
                                 struct err *err);
/* Opens a regular file for reading, and never waits for anybody who writes to what is none.
 * `what` begins the message: "http.tokens". NULL: ERR_NOT_FOUND, ERR_IO, ERR_INVALID. */
FILE *owner_open(const char *what, const char *path, struct stat *status, struct err *err);

#endif
