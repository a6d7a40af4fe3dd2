/* Errors: filling, prefixing and naming. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
    [ERR_OK] = "ok",
    [ERR_NO_MEMORY] = "no-memory",
    [ERR_INVALID] = "invalid",
    [ERR_RANGE] = "range",
    [ERR_TRUNCATED] = "truncated",
    [ERR_TOO_LARGE] = "too-large",
    [ERR_UNSUPPORTED] = "unsupported",
    [ERR_NOT_FOUND] = "not-found",
    [ERR_EXISTS] = "exists",
    [ERR_CONFLICT] = "conflict",
    [ERR_DENIED] = "denied",
    [ERR_IO] = "io",
    [ERR_UNAVAILABLE] = "unavailable",
    [ERR_TIMEOUT] = "timeout",
    [ERR_BUSY] = "busy",
    [ERR_NEWER_VERSION] = "newer-version",
    [ERR_READ_ONLY] = "read-only",
    [ERR_INTERNAL] = "internal",
};
static_assert(sizeof names / sizeof names[0] == ERR_CODE_COUNT, "every error code has a name");

enum err_code err_set(struct err *err, enum err_code code, const char *format, ...)
{
    if (err == NULL)
        return code;
    va_list args;
    va_start(args, format);
    /* Formatted aside: an argument may be err's own text. */
    char text[ERR_TEXT_MAX];
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err->code = code;
    memcpy(err->text, text, sizeof text);
    return code;
}

enum err_code err_prefix(struct err *err, const char *format, ...)
{
    if (err == NULL)
        return ERR_OK;
    va_list args;
    va_start(args, format);
    char prefix[ERR_TEXT_MAX];
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    char text[2 * ERR_TEXT_MAX + 2];
    snprintf(text, sizeof text, "%s: %s", prefix, err->text);
    text[ERR_TEXT_MAX - 1] = '\0';
    memcpy(err->text, text, ERR_TEXT_MAX);
    return err->code;
}

const char *err_name(enum err_code code)
{
    if ((unsigned)code >= ERR_CODE_COUNT)
        return "unknown";
    return names[code];
}
