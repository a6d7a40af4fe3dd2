/* SPDX-License-Identifier: Apache-2.0 */
/* module: cred */
/* Key pairs and certificates that a device is to hold for a server: read in the forms that people
 * have them in, kept in one form, given in the form that a model takes (OMA Transport 1.2 section
 * 5.2.8). */
#ifndef USHER_KEY_PAIR_H
#define USHER_KEY_PAIR_H

#include "usher/buf.h"
#include "usher/enrollment.h"
#include "usher/err.h"
#include "usher/secret.h"

/* An EC private key, PEM or DER, PKCS#8 or SEC1 (ECPrivateKey), not encrypted: as PKCS#8 DER. */
enum err_code key_pair_read_private(struct bytes text, struct secret *out, struct err *err);
/* Certificates, the device's own first: PEM, or one in DER. As DER, one behind the other. */
enum err_code key_pair_read_certificates(struct bytes text, struct buf *out, struct err *err);
/* The SubjectPublicKeyInfo (DER) of a private key. */
enum err_code key_pair_public_of(const struct secret *private_key, struct buf *out,
                                 struct err *err);
/* ERR_CONFLICT when the first certificate is not of this key. */
enum err_code key_pair_check(const struct secret *private_key, struct bytes certificates,
                             struct err *err);

/* By what a device is enrolled that has a certificate: SHA-256 of it, or of its public key; PEM or
 * DER, a certificate, for PIN_PUBLIC_KEY also the key alone (SubjectPublicKeyInfo). */
enum err_code key_pair_pin(struct bytes text, enum pin_kind kind, uint8_t out[static PIN_HASH_SIZE],
                           struct err *err);

/* One certificate (DER) as PEM. False: no memory. */
bool key_pair_certificate_pem(struct bytes certificate, struct buf *out);

/* The same private key as ECPrivateKey (SEC1). False: it is none that we have stored. */
bool key_pair_to_sec1(const struct secret *private_key, struct secret *out);
/* The first of several DER structures; all of it when it is none. */
struct bytes key_pair_first(struct bytes certificates);

#endif
