/* Texts, warnings and steps of an outcome. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "session_priv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* RFC 7252 section 12.1.2, RFC 7959, RFC 8132: what a device may answer to a bootstrap operation.
 */
static const struct {
    uint8_t class, detail;
    const char *name;
} code_names[] = {
    {2, 1, "Created"},
    {2, 2, "Deleted"},
    {2, 3, "Valid"},
    {2, 4, "Changed"},
    {2, 5, "Content"},
    {2, 31, "Continue"},
    {4, 0, "Bad Request"},
    {4, 1, "Unauthorized"},
    {4, 2, "Bad Option"},
    {4, 3, "Forbidden"},
    {4, 4, "Not Found"},
    {4, 5, "Method Not Allowed"},
    {4, 6, "Not Acceptable"},
    {4, 8, "Request Entity Incomplete"},
    {4, 9, "Conflict"},
    {4, 12, "Precondition Failed"},
    {4, 13, "Request Entity Too Large"},
    {4, 15, "Unsupported Content-Format"},
    {4, 22, "Unprocessable Entity"},
    {4, 29, "Too Many Requests"},
    {5, 0, "Internal Server Error"},
    {5, 1, "Not Implemented"},
    {5, 2, "Bad Gateway"},
    {5, 3, "Service Unavailable"},
    {5, 4, "Gateway Timeout"},
    {5, 5, "Proxying Not Supported"},
};

void report_code(uint8_t code, char out[static CODE_TEXT_SIZE])
{
    const char *name = NULL;
    for (size_t i = 0; i < sizeof code_names / sizeof code_names[0] && name == NULL; i++) {
        if (code >> 5 == code_names[i].class && (code & 31) == code_names[i].detail)
            name = code_names[i].name;
    }
    snprintf(out, CODE_TEXT_SIZE, "%d.%02d%s%s", code >> 5, code & 31, name != NULL ? " " : "",
             name != NULL ? name : "");
}

void report_operation(const struct operation *operation, char out[static OPERATION_TEXT_SIZE])
{
    static const char *const methods[] = {
        [OPERATION_DISCOVER] = "GET", [OPERATION_READ] = "GET",    [OPERATION_DELETE] = "DELETE",
        [OPERATION_WRITE] = "PUT",    [OPERATION_FINISH] = "POST", [OPERATION_PACK] = "GET",
    };
    char path[PATH_TEXT_SIZE];
    path_text(&operation->path, path);
    snprintf(out, OPERATION_TEXT_SIZE, "%s %s", methods[operation->kind],
             operation->kind == OPERATION_FINISH ? "/bs"
             : operation->kind == OPERATION_PACK ? "/bspack"
                                                 : path);
}

/* Takes off the bytes of a character that was cut in two. */
static void trim_to_utf8(char *text)
{
    size_t len = strlen(text);
    for (int i = 0; i < 3 && len > 0 && !bytes_is_utf8(bytes_of(text, len)); i++)
        text[--len] = '\0';
}

void report_text_list(char *out, size_t size, const char *format, va_list args)
{
    int wanted = vsnprintf(out, size, format, args);
    assert(wanted >= 0);
    if ((size_t)wanted >= size)
        trim_to_utf8(out);
}

void report_text(char *out, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report_text_list(out, size, format, args);
    va_end(args);
}

void report_warning(struct outcome *outcome, const char *format, ...)
{
    if (outcome->warning_count == OUTCOME_WARNINGS_MAX) {
        report_text(outcome->warnings[OUTCOME_WARNINGS_MAX - 1], sizeof outcome->warnings[0],
                    "there were more warnings than are kept");
        return;
    }
    va_list args;
    va_start(args, format);
    report_text_list(outcome->warnings[outcome->warning_count++], sizeof outcome->warnings[0],
                     format, args);
    va_end(args);
}

void report_step(struct outcome *outcome, const struct operation *operation, uint8_t code,
                 uint16_t attempts, uint64_t duration_ms)
{
    if (outcome->step_count < OUTCOME_STEPS_MAX)
        outcome->step_count++;
    outcome->steps[outcome->step_count - 1] = (struct outcome_step){
        .operation = (uint8_t)operation->kind,
        .path = operation->path,
        .code = code,
        .attempts = attempts,
        .duration_ms = duration_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)duration_ms,
    };
}
