/* SPDX-License-Identifier: Apache-2.0 */
/* module: cred */
/* What makes server credentials out of keys of ours: pre-shared keys that are derived (`credential:
 * derive`), certificates that are issued (`credential: issue`). Belongs to a set of profiles and
 * lives as long as it; immutable, any thread. Holds key material, wiped at the end. */
#ifndef USHER_MAKERS_H
#define USHER_MAKERS_H

#include "usher/blob.h"
#include "usher/profile.h"
#include "usher/secret.h"

/* Reads the files that the profiles of the set name, and keeps what it makes of them with the set.
 * Findings name the profile's line: a file that is missing, that others may read, or that is none.
 * False: there are errors. */
bool makers_load(struct profile_set *set, struct findings *findings);

/* The key for that identity. False: the server of this profile derives none. */
bool makers_derive(const struct profile *profile, uint16_t ssid, struct bytes identity,
                   struct secret *out);
/* A fresh P-256 key (PKCS#8 DER) and its certificate in the endpoint's name (DER); `*certificate`
 * is the caller's reference. */
enum err_code makers_issue(const struct profile *profile, uint16_t ssid, const char *endpoint,
                           struct secret *key, struct blob **certificate, struct err *err);

#endif
