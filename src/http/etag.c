/* SPDX-License-Identifier: Apache-2.0 */
/* ETag and If-None-Match (RFC 9110 section 8.8.3, 13.1.2): an answer that the caller has is not
 * sent again. The tag is a keyed hash of the bytes; it changes with the server's start. */
#include "http_priv.h"

#include <stdio.h>
#include <string.h>

void http_make_etag(const struct http *http, struct bytes answer, char out[static HTTP_ETAG_SIZE])
{
    snprintf(out, HTTP_ETAG_SIZE, "\"%016llx\"",
             (unsigned long long)bytes_hash(http->hash_key, answer));
}

/* A weak tag is as good as a strong one for GET. */
static bool list_has(const char *list, const char *etag)
{
    size_t len = strlen(etag);
    while (*list != '\0') {
        list += strspn(list, " \t,");
        if (*list == '*')
            return true;
        if (strncmp(list, "W/", 2) == 0)
            list += 2;
        size_t part = strcspn(list, ",");
        while (part > 0 && (list[part - 1] == ' ' || list[part - 1] == '\t'))
            part--;
        if (part == len && memcmp(list, etag, len) == 0)
            return true;
        list += strcspn(list, ",");
    }
    return false;
}

bool http_has_it_already(const struct request *request)
{
    const char *list = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
                                                   MHD_HTTP_HEADER_IF_NONE_MATCH);
    return list != NULL && request->etag[0] != '\0' && list_has(list, request->etag);
}
