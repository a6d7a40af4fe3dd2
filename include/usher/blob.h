/* SPDX-License-Identifier: Apache-2.0 */
/* module: base */
/* Bytes that never change and are shared by count: certificates on their way from the store to the
 * device. Not for secrets: they are not wiped. Any thread. */
#ifndef USHER_BLOB_H
#define USHER_BLOB_H

#include "usher/bytes.h"

struct blob;

struct blob *blob_new(struct bytes data);         /* a copy; NULL when out of memory */
struct blob *blob_ref(struct blob *blob);         /* NULL accepted */
void blob_unref(struct blob *blob);               /* NULL accepted */
struct bytes blob_bytes(const struct blob *blob); /* empty for NULL */

#endif
