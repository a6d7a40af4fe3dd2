/* SPDX-License-Identifier: Apache-2.0 */
/* GET, POST /v1/tokens; DELETE /v1/tokens/{id}. */
#include "http_priv.h"

#include "usher/clock.h"
#include "usher/log.h"

#include <stdio.h>
#include <string.h>

enum { EXPIRY_MOST_DAYS = 3650 };

static const char *const no_parameters[] = {NULL};

static bool tokens_are_on(struct request *request)
{
    if (request->http->tokens != NULL)
        return true;
    http_problem(request, 409, "conflict",
                 "this server takes no tokens: name a file for them under http.tokens in "
                 "usher.yaml and start it again");
    return false;
}

static json_t *row_json(struct request *request, const struct http_token_row *row)
{
    json_t *object = json_object();
    http_put_text(request, object, "id", row->id);
    http_put_text(request, object, "name", row->name);
    http_put_text(request, object, "scope", http_scope_name(row->scope));
    http_put_time(request, object, "created", row->created_wall_ms);
    http_put_time(request, object, "expires", row->expires_wall_ms);
    http_put_time(request, object, "last_used", row->used_wall_ms);
    return object;
}

struct listing {
    struct request *request;
    json_t *list;
};

static void add_row(void *context, const struct http_token_row *row)
{
    struct listing *listing = context;
    http_append(listing->request, listing->list, row_json(listing->request, row));
}

void http_get_tokens(struct request *request)
{
    if (!http_read_query(request, no_parameters) || !tokens_are_on(request))
        return;
    struct listing listing = {request, json_array()};
    http_tokens_each(request->http->tokens, add_row, &listing);
    json_t *answer = json_object();
    http_put(request, answer, "tokens", listing.list);
    http_answer(request, 200, answer);
}

/* ---- making ---- */

struct wish {
    const char *name;
    enum http_scope scope;
    int64_t expires_wall_ms;
};

/* Something that can stand in a log line and a terminal. */
static bool is_plain_name(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len <= HTTP_TOKEN_NAME_MAX &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._- @") ==
               len;
}

static bool read_wish(struct request *request, const json_t *body, struct wish *out)
{
    const char *key;
    json_t *value;
    const json_t *days = NULL;
    const char *scope = NULL;
    *out = (struct wish){0};
    json_object_foreach((json_t *)(uintptr_t)body, key, value)
    {
        if (strcmp(key, "name") == 0)
            out->name = json_string_value(value);
        else if (strcmp(key, "scope") == 0)
            scope = json_string_value(value);
        else if (strcmp(key, "expires_days") == 0)
            days = value;
        else
            return http_refuse(request, "unknown key in the body; known here: name, scope, "
                                        "expires_days");
    }
    if (out->name == NULL || !is_plain_name(out->name))
        return http_refuse(request, "name: 1 to 63 letters, digits, blanks or ._-@ are needed");
    if (scope == NULL || !http_scope_from_name(scope, &out->scope))
        return http_refuse(request, "scope: one of viewer, enroller, operator, admin is needed");
    if (days != NULL && !json_is_null(days)) {
        json_int_t count = json_integer_value(days);
        if (!json_is_integer(days) || count < 1 || count > EXPIRY_MOST_DAYS)
            return http_refuse(request, "expires_days: a whole number from 1 to 3650 is needed");
        out->expires_wall_ms = clock_wall_ms() + count * 86400000;
    }
    return true;
}

static enum err_code note(struct request *request, const char *action, const char *name,
                          const char *scope, struct err *err)
{
    char detail[HTTP_TOKEN_ID_SIZE + 64];
    struct store_lane *lane = http_lane_take(request->http);
    snprintf(detail, sizeof detail, "scope %s", scope);
    http_begin_change(request, lane);
    enum err_code code = store_note(lane, action, name, scope[0] != '\0' ? detail : "", err);
    http_lane_return(request->http, lane);
    return code;
}

/* No token without a record of who made it. */
static enum err_code note_created(struct request *request, const struct http_token_row *row,
                                  struct err *err)
{
    struct err unused = {0};
    enum err_code code =
        note(request, "token.created", row->name, http_scope_name(row->scope), err);
    if (code != ERR_OK)
        (void)http_tokens_revoke(request->http->tokens, row->id, &unused);
    return code;
}

static void make(struct request *request, const struct wish *wish)
{
    struct http_token_row row;
    struct err err = {0};
    char text[HTTP_TOKEN_TEXT_SIZE];
    enum err_code code = http_tokens_create(request->http->tokens, wish->name, wish->scope,
                                            wish->expires_wall_ms, &row, text, &err);
    if (code == ERR_OK)
        code = note_created(request, &row, &err);
    if (code != ERR_OK) {
        bytes_wipe(text, sizeof text);
        http_problem_of(request, &err);
        return;
    }
    log_event(LOG_INFO, "http.token-created", LOG_TEXT("id", row.id), LOG_TEXT("name", row.name),
              LOG_TEXT("scope", http_scope_name(row.scope)), LOG_TEXT("by", request->who.name));
    json_t *answer = row_json(request, &row);
    http_put_text(request, answer, "token", text);
    bytes_wipe(text, sizeof text);
    http_answer(request, 201, answer);
    request->holds_secret = true;
}

void http_post_token(struct request *request)
{
    struct wish wish;
    json_error_t why;
    if (!http_read_query(request, no_parameters) || !tokens_are_on(request))
        return;
    json_t *body = json_loadb((const char *)request->body.data, request->body.len,
                              JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(body))
        http_refuse(request, "a JSON object with name and scope is needed");
    else if (read_wish(request, body, &wish))
        make(request, &wish);
    json_decref(body);
}

void http_delete_token(struct request *request)
{
    struct err err = {0};
    if (!http_read_query(request, no_parameters) || !tokens_are_on(request))
        return;
    if (http_tokens_revoke(request->http->tokens, request->item, &err) != ERR_OK) {
        http_problem_of(request, &err);
        return;
    }
    if (note(request, "token.revoked", request->item, "", &err) != ERR_OK)
        log_event(LOG_ERROR, "http.audit-failed", LOG_TEXT("action", "token.revoked"),
                  LOG_TEXT("reason", err.text));
    log_event(LOG_INFO, "http.token-revoked", LOG_TEXT("id", request->item),
              LOG_TEXT("by", request->who.name));
    http_answer(request, 200, json_pack("{s:s}", "change", "revoked"));
}
