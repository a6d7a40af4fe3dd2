/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks, and whether he may: peers of the UNIX socket, bearer tokens, limits by address. */
#include "http_priv.h"

#include "usher/clock.h"
#include "usher/net.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum {
    LOGINS_BURST = 10, /* failed logins of an address at once */
    LOGINS_PERIOD_MS = 6000,
};

static const char *const scope_names[] = {[HTTP_PUBLIC] = "none",
                                          [HTTP_VIEWER] = "viewer",
                                          [HTTP_ENROLLER] = "enroller",
                                          [HTTP_OPERATOR] = "operator",
                                          [HTTP_ADMIN] = "admin"};

const char *http_scope_name(enum http_scope scope)
{
    return scope_names[scope];
}

bool http_scope_from_name(const char *name, enum http_scope *out)
{
    for (int i = HTTP_VIEWER; i <= HTTP_ADMIN; i++) {
        if (strcmp(name, scope_names[i]) == 0) {
            *out = (enum http_scope)i;
            return true;
        }
    }
    return false;
}

/* ---- the caller ---- */

static void know_unix_peer(struct request *request)
{
    struct ucred peer = {.pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1};
    socklen_t len = sizeof peer;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info != NULL)
        getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
    request->who = (struct http_caller){
        .scope = HTTP_ADMIN, .uid = peer.uid, .gid = peer.gid, .pid = peer.pid};
    snprintf(request->who.name, sizeof request->who.name, "uid:%u", (unsigned)peer.uid);
}

/* The address of a TCP peer without its port; IPv6 by network of 64 bits, which one host can fill.
 */
static uint64_t address_hash(const struct request *request, char text[static NET_TEXT_SIZE])
{
    struct net_address address = {0};
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info == NULL || !net_from_sockaddr(info->client_addr, &address))
        return 0;
    net_text(&address, false, text);
    size_t len = address.family == 6 ? 8 : 4;
    return bytes_hash(request->http->hash_key, bytes_of(address.ip, len));
}

/* ---- bearer tokens ---- */

static const char *bearer_of(struct request *request)
{
    static const char scheme[] = "Bearer ";
    const char *text = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
                                                   MHD_HTTP_HEADER_AUTHORIZATION);
    if (text == NULL || strncasecmp(text, scheme, strlen(scheme)) != 0)
        return NULL;
    text += strlen(scheme);
    return text + strspn(text, " ");
}

static void refuse_login(struct request *request, const char *detail)
{
    uint64_t wait_ms = 0;
    if (!http_limit_take(&request->http->logins, request->address, clock_monotonic_ms(),
                         LOGINS_BURST, LOGINS_PERIOD_MS, &wait_ms)) {
        http_retry_later(request, 429, (unsigned)(wait_ms / 1000 + 1), "denied",
                         "too many failed logins from this address; wait before the next");
        return;
    }
    http_problem(request, 401, "denied", "%s", detail);
}

static void know_token(struct request *request)
{
    const char *text = bearer_of(request);
    enum http_token_verdict verdict =
        text == NULL ? HTTP_TOKEN_UNKNOWN
                     : http_tokens_check(request->http->tokens, text, &request->who);
    if (verdict == HTTP_TOKEN_GOOD)
        return;
    request->who.scope = HTTP_PUBLIC;
    if (request->route == NULL || request->route->scope == HTTP_PUBLIC)
        return;
    if (text == NULL)
        http_problem(request, 401, "denied",
                     "a token is needed: send 'Authorization: Bearer TOKEN'; usher token create "
                     "makes one");
    else if (verdict == HTTP_TOKEN_EXPIRED)
        refuse_login(request, "the token has expired; usher token create makes another");
    else
        refuse_login(request, "the token is not known here, or was revoked");
}

static enum http_scope scope_of(const struct route *route)
{
    return route->scope == HTTP_FORGOTTEN ? HTTP_ADMIN : route->scope;
}

static void check_scope(struct request *request)
{
    if (request->status != 0 || request->route == NULL ||
        request->who.scope >= scope_of(request->route))
        return;
    if (request->http->tokens == NULL)
        http_problem(request, 403, "denied",
                     "this is only taken over the UNIX socket of this server, or over TCP with a "
                     "token: see http.tokens in usher.yaml(5)");
    else
        http_problem(request, 403, "denied", "the token's scope is %s, this needs %s",
                     http_scope_name(request->who.scope),
                     http_scope_name(scope_of(request->route)));
}

/* ---- both ---- */

static void check_rate(struct request *request)
{
    unsigned rate = request->http->config.rate;
    uint64_t wait_ms = 0;
    if (rate > 0 && !http_limit_take(&request->http->rates, request->address, clock_monotonic_ms(),
                                     2 * rate, 1000.0 / rate, &wait_ms))
        http_retry_later(request, 429, 1, "busy",
                         "more requests from this address than http.rate allows; wait a second");
}

void http_check_access(struct request *request)
{
    if (request->door->is_unix) {
        know_unix_peer(request);
        return;
    }
    request->address = address_hash(request, request->peer);
    snprintf(request->who.name, sizeof request->who.name, "tcp:%s", request->peer);
    check_rate(request);
    if (request->status == 429)
        return;
    if (request->http->tokens != NULL)
        know_token(request);
    else
        request->who.scope = HTTP_VIEWER;
    check_scope(request);
}

void http_get_whoami(struct request *request)
{
    static const char *const known[] = {NULL};
    if (!http_read_query(request, known))
        return;
    json_t *answer = json_object();
    http_put_text(request, answer, "name", request->who.name);
    http_put_text(request, answer, "scope", http_scope_name(request->who.scope));
    http_put(request, answer, "login_needed", json_boolean(request->http->tokens != NULL));
    http_put_time(request, answer, "expires", request->who.expires_wall_ms);
    http_answer(request, 200, answer);
}
