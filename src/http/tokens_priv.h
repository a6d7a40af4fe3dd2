/* SPDX-License-Identifier: Apache-2.0 */
/* Inside http: bearer tokens, hashed in a file. */
#ifndef USHER_TOKENS_PRIV_H
#define USHER_TOKENS_PRIV_H

#include "usher/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* What a caller may do, and what a route asks for; each includes those before it. A route whose
 * scope was forgotten is for admins. */
enum http_scope {
    HTTP_FORGOTTEN,
    HTTP_PUBLIC, /* no login */
    HTTP_VIEWER,
    HTTP_ENROLLER,
    HTTP_OPERATOR,
    HTTP_ADMIN
};

const char *http_scope_name(enum http_scope scope);
bool http_scope_from_name(const char *name, enum http_scope *out);

enum { HTTP_TOKENS_MAX = 1000, HTTP_TOKEN_NAME_MAX = 63, HTTP_TOKEN_ID_SIZE = 13 };

/* Who sends a request. */
struct http_caller {
    enum http_scope scope;
    char name[96]; /* "uid:1000", "token:dashboard", "tcp:192.0.2.1" */
    unsigned uid, gid;
    int pid;                        /* of a peer of the UNIX socket */
    int64_t expires_wall_ms;        /* of a token, 0 = never */
    char token[HTTP_TOKEN_ID_SIZE]; /* its id; "" = no token */
};

struct http_tokens;

enum http_token_verdict { HTTP_TOKEN_GOOD, HTTP_TOKEN_UNKNOWN, HTTP_TOKEN_EXPIRED };

/* `path` need not exist yet. ERR_DENIED: others may write it; ERR_INVALID: not a file of tokens. */
enum err_code http_tokens_open(const char *path, struct http_tokens **out, struct err *err);
void http_tokens_close(struct http_tokens *tokens); /* NULL accepted */
/* Reads the file again, and puts it in force if `apply`; on failure what was in force stays. */
enum err_code http_tokens_reload(struct http_tokens *tokens, bool apply, struct err *err);

/* Any thread. `who` is filled when the verdict is good. */
enum http_token_verdict http_tokens_check(struct http_tokens *tokens, const char *text,
                                          struct http_caller *who);

/* Whether the token by which someone came in still lets him in; true for who came without. */
bool http_tokens_still_good(struct http_tokens *tokens, const struct http_caller *who);

struct http_token_row {
    char id[HTTP_TOKEN_ID_SIZE];
    char name[HTTP_TOKEN_NAME_MAX + 1];
    enum http_scope scope;
    int64_t created_wall_ms, expires_wall_ms; /* 0 = never */
    int64_t used_wall_ms;                     /* 0 = not since the start */
};

enum { HTTP_TOKEN_TEXT_SIZE = 80 };

/* Makes a token, durable when this returns. `text` is the only place where it ever stands. */
enum err_code http_tokens_create(struct http_tokens *tokens, const char *name,
                                 enum http_scope scope, int64_t expires_wall_ms,
                                 struct http_token_row *row, char text[static HTTP_TOKEN_TEXT_SIZE],
                                 struct err *err);
enum err_code http_tokens_revoke(struct http_tokens *tokens, const char *id, struct err *err);
/* Calls `each` for all, oldest first; it must not call this module. */
void http_tokens_each(struct http_tokens *tokens,
                      void (*each)(void *context, const struct http_token_row *row), void *context);

#endif
