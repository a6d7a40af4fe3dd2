/* Server URIs and local addresses as socket addresses. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "loop_priv.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum err_code look_up(const char *host, const char *port, int flags,
                             struct loop_address *out, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = flags};
    struct addrinfo *found = NULL;
    int result = getaddrinfo(host, port, &hints, &found);
    if (result != 0)
        return err_set(err, ERR_INVALID, "cannot find '%s' port %s (%s)", host, port,
                       gai_strerror(result));
    memcpy(&out->address, found->ai_addr, found->ai_addrlen);
    out->len = found->ai_addrlen;
    freeaddrinfo(found);
    return ERR_OK;
}

/* "host", "host:port", "[v6]:port" into its parts. */
static bool split(const char *text, char host[static 256], char port[static 8])
{
    size_t len = strcspn(text, "/");
    const char *colon = memrchr(text, ':', len);
    const char *end = text + len;
    if (text[0] == '[') {
        const char *close = memchr(text, ']', len);
        if (close == NULL || (close + 1 != end && close[1] != ':'))
            return false;
        colon = close + 1 == end ? NULL : close + 1;
        end = close;
        text++;
    } else if (colon != NULL) {
        end = colon;
    }
    size_t host_len = (size_t)(end - text);
    if (host_len == 0 || host_len > 255)
        return false;
    memcpy(host, text, host_len);
    host[host_len] = '\0';
    if (colon == NULL)
        return true;
    return snprintf(port, 8, "%.*s", (int)strcspn(colon + 1, "/"), colon + 1) < 8 &&
           port[0] != '\0';
}

enum err_code loop_resolve(const char *uri, struct loop_address *out, struct err *err)
{
    char host[256], port[8];
    bool secured = strncmp(uri, "coaps://", 8) == 0;
    if (!secured && strncmp(uri, "coap://", 7) != 0)
        return err_set(err, ERR_INVALID, "'%s' is no server; write coaps://HOST:PORT", uri);
    strcpy(port, secured ? "5684" : "5683");
    if (!split(uri + (secured ? 8 : 7), host, port))
        return err_set(err, ERR_INVALID, "'%s' is no server; write coaps://HOST:PORT", uri);
    return look_up(host, port, 0, out, err);
}

enum err_code loop_local(const char *text, struct loop_address *out, struct err *err)
{
    char host[256], port[8] = "0";
    bool bare_v6 = text[0] != '[' && strchr(text, ':') != strrchr(text, ':');
    if (bare_v6)
        return look_up(text, "0", AI_NUMERICHOST, out, err);
    if (!split(text, host, port))
        return err_set(err, ERR_INVALID, "'%s' is no address; write ADDRESS or ADDRESS:PORT", text);
    return look_up(host, port, AI_NUMERICHOST, out, err);
}
