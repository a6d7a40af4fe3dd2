/* One CoAP option on the wire (RFC 7252 section 3.1). The only face of the foreign option codec. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_COAP_OPTION_WIRE_PRIV_H
#define USHER_COAP_OPTION_WIRE_PRIV_H

#include "usher/buf.h"

/* What the two extended bytes of a length can say. */
enum { OPTION_LENGTH_MAX = 65535 + 269 };

/* Takes one option off the front of `rest`: how far its number lies above the one before, and its
 * value. False: malformed, outputs untouched. `rest` must not start with the payload marker. */
bool option_take(struct bytes *rest, uint32_t *delta, struct bytes *value);
/* Appends one option; false: it does not fit or is too long (buf failed). */
bool option_put(struct buf *out, uint16_t delta, struct bytes value);

#endif
