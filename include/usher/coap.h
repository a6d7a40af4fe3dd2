/* SPDX-License-Identifier: Apache-2.0 */
/* module: coap */
/* CoAP messages over UDP (RFC 7252 section 3) and block options (RFC 7959): bytes to struct and
 * back, no state. Option coding is libcoap's; header, token and checks are ours. No allocation. */
#ifndef USHER_COAP_H
#define USHER_COAP_H

#include "usher/buf.h"

enum coap_type { COAP_CON = 0, COAP_NON = 1, COAP_ACK = 2, COAP_RST = 3 };

#define COAP_MAKE_CODE(class, detail) ((uint8_t)((class) << 5 | (detail)))
#define COAP_CODE_CLASS(code)         ((code) >> 5)
#define COAP_CODE_DETAIL(code)        ((code) & 31)

enum {
    COAP_METHOD_GET = 1,
    COAP_METHOD_POST = 2,
    COAP_METHOD_PUT = 3,
    COAP_METHOD_DELETE = 4,
    COAP_CREATED = COAP_MAKE_CODE(2, 1),
    COAP_DELETED = COAP_MAKE_CODE(2, 2),
    COAP_VALID = COAP_MAKE_CODE(2, 3),
    COAP_CHANGED = COAP_MAKE_CODE(2, 4),
    COAP_CONTENT = COAP_MAKE_CODE(2, 5),
    COAP_CONTINUE = COAP_MAKE_CODE(2, 31),
    COAP_BAD_REQUEST = COAP_MAKE_CODE(4, 0),
    COAP_UNAUTHORIZED = COAP_MAKE_CODE(4, 1),
    COAP_BAD_OPTION = COAP_MAKE_CODE(4, 2),
    COAP_FORBIDDEN = COAP_MAKE_CODE(4, 3),
    COAP_NOT_FOUND = COAP_MAKE_CODE(4, 4),
    COAP_METHOD_NOT_ALLOWED = COAP_MAKE_CODE(4, 5),
    COAP_NOT_ACCEPTABLE = COAP_MAKE_CODE(4, 6),
    COAP_INCOMPLETE = COAP_MAKE_CODE(4, 8),
    COAP_TOO_LARGE = COAP_MAKE_CODE(4, 13),
    COAP_UNSUPPORTED_FORMAT = COAP_MAKE_CODE(4, 15),
    COAP_INTERNAL_ERROR = COAP_MAKE_CODE(5, 0),
    COAP_NOT_IMPLEMENTED = COAP_MAKE_CODE(5, 1),
    COAP_UNAVAILABLE = COAP_MAKE_CODE(5, 3),
};

enum {
    COAP_OPT_URI_HOST = 3,
    COAP_OPT_ETAG = 4,
    COAP_OPT_OBSERVE = 6,
    COAP_OPT_URI_PORT = 7,
    COAP_OPT_OSCORE = 9,
    COAP_OPT_URI_PATH = 11,
    COAP_OPT_CONTENT_FORMAT = 12,
    COAP_OPT_MAX_AGE = 14,
    COAP_OPT_URI_QUERY = 15,
    COAP_OPT_ACCEPT = 17,
    COAP_OPT_BLOCK2 = 23,
    COAP_OPT_BLOCK1 = 27,
    COAP_OPT_SIZE2 = 28,
    COAP_OPT_SIZE1 = 60,
    COAP_OPT_ECHO = 252,
    COAP_OPT_REQUEST_TAG = 292,
};

enum { COAP_OPTIONS_MAX = 32, COAP_TOKEN_MAX = 8 };

struct coap_option {
    uint16_t number;
    struct bytes value; /* borrowed */
};

struct coap_message {
    enum coap_type type;
    uint8_t code; /* 0 = empty message */
    uint16_t id;
    uint8_t token_len;
    uint8_t token[COAP_TOKEN_MAX];
    size_t option_count;
    struct coap_option options[COAP_OPTIONS_MAX]; /* ascending by number */
    struct bytes payload;                         /* borrowed */
};

/* What was wrong decides the reaction (RFC 7252 section 4.2, 4.3): a message whose header is
 * readable but whose rest is not is answered with RST when CON. */
enum coap_parse {
    COAP_PARSE_OK,
    COAP_PARSE_IGNORE /* no readable header or wrong version */,
    COAP_PARSE_REJECT /* type and id are set */
};
enum coap_parse coap_parse(struct bytes datagram, struct coap_message *out);

/* Appends the encoded message; options must be in ascending order. False: did not fit (buf failed).
 */
bool coap_build(const struct coap_message *message, struct buf *out);

/* Options are added in any order; insertion keeps them ascending and equal numbers in call order.
 * Values are borrowed and must outlive the build. False when the table is full. */
bool coap_add_option(struct coap_message *message, uint16_t number, struct bytes value);
/* Unsigned option values, RFC 7252 section 3.2: shortest form. `scratch` holds the bytes. */
bool coap_add_uint(struct coap_message *message, uint16_t number, uint32_t value,
                   uint8_t scratch[static 4]);
const struct coap_option *coap_find(const struct coap_message *message, uint16_t number);
/* Next option of that number after `previous` (NULL = first). */
const struct coap_option *coap_next(const struct coap_message *message, uint16_t number,
                                    const struct coap_option *previous);
bool coap_option_uint(const struct coap_option *option,
                      uint32_t *out); /* false: longer than 4 bytes */
/* First option that is critical (odd number) and not in `known` (0-terminated), or NULL. */
const struct coap_option *coap_unknown_critical(const struct coap_message *message,
                                                const uint16_t *known);
/* True when the Uri-Path options spell exactly `path` ("/bs", "/0/1", "/"). */
bool coap_path_is(const struct coap_message *message, const char *path);

struct coap_block {
    uint32_t number; /* 20 bits */
    bool more;
    uint8_t szx; /* 0..6: 16..1024 bytes; 7 is reserved and refused */
};
#define COAP_BLOCK_SIZE(szx) ((size_t)16 << (szx))
/* False when absent (present = false) or malformed (present = true). */
bool coap_get_block(const struct coap_message *message, uint16_t number, struct coap_block *out,
                    bool *present);
bool coap_add_block(struct coap_message *message, uint16_t number, const struct coap_block *block,
                    uint8_t scratch[static 4]);

/* "2.04" into at least 5 bytes; and "Changed". */
void coap_code_text(uint8_t code, char out[static 8]);
const char *coap_code_name(uint8_t code); /* "" when unknown */

/* RFC 7252 section 4.8 defaults, milliseconds. */
enum { COAP_ACK_TIMEOUT_MS = 2000, COAP_MAX_RETRANSMIT = 4, COAP_EXCHANGE_LIFETIME_MS = 247000 };

#endif
