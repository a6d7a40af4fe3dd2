/* SPDX-License-Identifier: Apache-2.0 */
/* module: codec */
/* CoRE link format (RFC 6690) as Bootstrap-Discover uses it: tolerant reading, exact writing. */
#ifndef USHER_CORELINK_H
#define USHER_CORELINK_H

#include "usher/buf.h"
#include "usher/capability.h"

/* Reads a Bootstrap-Discover answer into `capability` (fields discovered, version, instances,
 * objects). Takes the forms of lwm2m-bootstrap.md section 1.2: quoted or bare values, blanks after
 * commas, trailing slashes, `ssid=0` on the bootstrap account, `lwm2m=` without a link, unknown
 * attributes and links. Links that are not LwM2M paths are skipped. ERR_INVALID when nothing could
 * be read at all; `capability` is then untouched. */
enum err_code corelink_read(struct bytes payload, struct capability *capability, struct err *err);

/* Writing, for simulated devices: one link at a time into `out`. */
struct corelink_writer {
    struct buf *out;
    bool any;
};
void corelink_begin(struct corelink_writer *writer, struct buf *out);
/* `attributes`: ready text such as `;ssid=101;uri="coaps://x"`, or "". */
void corelink_put(struct corelink_writer *writer, const struct path *path, const char *attributes);

#endif
