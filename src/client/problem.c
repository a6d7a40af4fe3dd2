/* What an answer that is no success means. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/client.h"

#include <jansson.h>

static enum err_code code_of_status(int status)
{
    static const struct {
        int status;
        enum err_code code;
    } codes[] = {
        {400, ERR_INVALID},  {401, ERR_DENIED},   {403, ERR_DENIED},      {404, ERR_NOT_FOUND},
        {405, ERR_DENIED},   {408, ERR_TIMEOUT},  {409, ERR_CONFLICT},    {413, ERR_TOO_LARGE},
        {415, ERR_INVALID},  {421, ERR_DENIED},   {422, ERR_INVALID},     {429, ERR_BUSY},
        {500, ERR_INTERNAL}, {501, ERR_INTERNAL}, {503, ERR_UNAVAILABLE}, {504, ERR_TIMEOUT},
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].status == status)
            return codes[i].code;
    }
    return ERR_IO;
}

enum err_code client_problem(const struct client_answer *answer, struct err *err)
{
    if (answer->status >= 200 && answer->status < 300)
        return ERR_OK;
    enum err_code code = code_of_status(answer->status);
    json_t *problem =
        json_loadb((const char *)answer->body.data, answer->body.len, JSON_REJECT_DUPLICATES, NULL);
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    /* 409 is said of two things: a device that is there already, and a clash with another one. */
    const char *name = json_string_value(json_object_get(problem, "code"));
    if (answer->status == 409 && name != NULL &&
        bytes_equal(bytes_of_text(name), bytes_of_text("exists")))
        code = ERR_EXISTS;
    if (detail != NULL)
        err_set(err, code, "%s", detail);
    else
        err_set(err, code, "the server answered with HTTP status %d", answer->status);
    json_decref(problem);
    return code;
}
