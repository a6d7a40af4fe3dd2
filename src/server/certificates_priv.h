/* SPDX-License-Identifier: Apache-2.0 */
/* The files of certificates that the configuration names. */
#ifndef USHER_CERTIFICATES_PRIV_H
#define USHER_CERTIFICATES_PRIV_H

#include "usher/config.h"
#include "usher/x509.h"

/* False after an error finding. *out is NULL when no listener takes certificates; else the caller
 * lets go of it with x509_unref. */
bool certificates_load(const struct config *config, int64_t wall_ms, struct findings *findings,
                       struct x509 **out);

#endif
