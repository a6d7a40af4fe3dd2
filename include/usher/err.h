/* SPDX-License-Identifier: Apache-2.0 */
/* module: base */
/* Errors: few codes, the detail in the text. The core returns errors; the shell logs each once. */
#ifndef USHER_ERR_H
#define USHER_ERR_H

enum err_code {
    ERR_OK = 0,
    ERR_NO_MEMORY,
    ERR_INVALID,     /* input is malformed or contradicts itself */
    ERR_RANGE,       /* a number or a length is outside what is allowed */
    ERR_TRUNCATED,   /* input ends too early */
    ERR_TOO_LARGE,   /* output or input exceeds a stated cap */
    ERR_UNSUPPORTED, /* understood, but not offered by this build or this peer */
    ERR_NOT_FOUND,
    ERR_EXISTS,
    ERR_CONFLICT, /* a revision or generation is no longer the current one */
    ERR_DENIED,
    ERR_IO,
    ERR_UNAVAILABLE, /* a part we depend on (the store) does not answer now; try again later */
    ERR_TIMEOUT,
    ERR_BUSY,          /* a cap is reached */
    ERR_NEWER_VERSION, /* data was written by a newer usher */
    ERR_READ_ONLY,
    ERR_INTERNAL, /* our own fault */
    ERR_CODE_COUNT
};

enum { ERR_TEXT_MAX = 512 };

/* An error with its cause. `text` is one line for a person: what failed, where, what to do. */
struct err {
    enum err_code code;
    char text[ERR_TEXT_MAX];
};

/* Fills `err` (may be NULL) and returns `code`, so that `return err_set(...)` reads well. */
enum err_code err_set(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the text that is there. `err` may be NULL. Returns err's code. */
enum err_code err_prefix(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Stable lower-case name, such as "not-found"; never NULL. */
const char *err_name(enum err_code code);

#endif
