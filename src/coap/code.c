/* CoAP codes for people (RFC 7252 section 12.1, RFC 7959, RFC 8132, RFC 8516). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/coap.h"

#include <stdio.h>

static const struct {
    uint8_t code;
    const char *name;
} names[] = {
    {COAP_METHOD_GET, "GET"},
    {COAP_METHOD_POST, "POST"},
    {COAP_METHOD_PUT, "PUT"},
    {COAP_METHOD_DELETE, "DELETE"},
    {COAP_CREATED, "Created"},
    {COAP_DELETED, "Deleted"},
    {COAP_VALID, "Valid"},
    {COAP_CHANGED, "Changed"},
    {COAP_CONTENT, "Content"},
    {COAP_CONTINUE, "Continue"},
    {COAP_BAD_REQUEST, "Bad Request"},
    {COAP_UNAUTHORIZED, "Unauthorized"},
    {COAP_BAD_OPTION, "Bad Option"},
    {COAP_FORBIDDEN, "Forbidden"},
    {COAP_NOT_FOUND, "Not Found"},
    {COAP_METHOD_NOT_ALLOWED, "Method Not Allowed"},
    {COAP_NOT_ACCEPTABLE, "Not Acceptable"},
    {COAP_INCOMPLETE, "Request Entity Incomplete"},
    {COAP_MAKE_CODE(4, 9), "Conflict"},
    {COAP_MAKE_CODE(4, 12), "Precondition Failed"},
    {COAP_TOO_LARGE, "Request Entity Too Large"},
    {COAP_UNSUPPORTED_FORMAT, "Unsupported Content-Format"},
    {COAP_MAKE_CODE(4, 22), "Unprocessable Entity"},
    {COAP_MAKE_CODE(4, 29), "Too Many Requests"},
    {COAP_INTERNAL_ERROR, "Internal Server Error"},
    {COAP_NOT_IMPLEMENTED, "Not Implemented"},
    {COAP_MAKE_CODE(5, 2), "Bad Gateway"},
    {COAP_UNAVAILABLE, "Service Unavailable"},
    {COAP_MAKE_CODE(5, 4), "Gateway Timeout"},
};

void coap_code_text(uint8_t code, char out[static 8])
{
    (void)snprintf(out, 8, "%u.%02u", (unsigned)COAP_CODE_CLASS(code),
                   (unsigned)COAP_CODE_DETAIL(code));
}

const char *coap_code_name(uint8_t code)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].code == code)
            return names[i].name;
    return "";
}
