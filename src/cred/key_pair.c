/* SPDX-License-Identifier: Apache-2.0 */
/* Key pairs by libcrypto, which writes PKCS#8 and SEC1 alike. */
#include "usher/key_pair.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

/* --- private keys --- */

/* No passphrase: the library would ask on the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
    (void)buffer, (void)size, (void)writing, (void)context;
    return -1;
}

static EVP_PKEY *parse_private(struct bytes text)
{
    const uint8_t *at = text.data;
    EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &at, (long)text.len);
    BIO *bio = key == NULL ? BIO_new_mem_buf(text.data, (int)text.len) : NULL;
    if (bio != NULL)
        key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    ERR_clear_error(); /* of the attempts that failed */
    return key;
}

/* Takes over what libcrypto made; wipes it. */
static bool take_secret(unsigned char *der, int len, struct secret *out)
{
    bool good = len > 0 && secret_set(out, bytes_of(der, (size_t)len));
    OPENSSL_clear_free(der, len > 0 ? (size_t)len : 0);
    return good;
}

static bool to_pkcs8(const EVP_PKEY *key, struct secret *out)
{
    unsigned char *der = NULL;
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    int len = info != NULL ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : 0;
    PKCS8_PRIV_KEY_INFO_free(info);
    return take_secret(der, len, out);
}

enum err_code key_pair_read_private(struct bytes text, struct secret *out, struct err *err)
{
    EVP_PKEY *key = parse_private(text);
    enum err_code code = ERR_OK;
    if (key == NULL)
        code = err_set(err, ERR_INVALID,
                       "no private key in it: PKCS#8 or SEC1 is read, PEM or DER, without a "
                       "passphrase");
    else if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC)
        code = err_set(err, ERR_UNSUPPORTED, "the private key is no EC key");
    else if (!to_pkcs8(key, out))
        code = err_set(err, ERR_TOO_LARGE, "the private key is longer than %d bytes", SECRET_MAX);
    EVP_PKEY_free(key);
    return code;
}

bool key_pair_to_sec1(const struct secret *private_key, struct secret *out)
{
    EVP_PKEY *key = parse_private(secret_bytes(private_key));
    unsigned char *der = NULL;
    int len = key != NULL ? i2d_PrivateKey(key, &der) : 0;
    EVP_PKEY_free(key);
    return take_secret(der, len, out);
}

/* --- public halves --- */

enum err_code key_pair_public_of(const struct secret *private_key, struct buf *out, struct err *err)
{
    EVP_PKEY *key = parse_private(secret_bytes(private_key));
    unsigned char *der = NULL;
    int len = key != NULL ? i2d_PUBKEY(key, &der) : 0;
    EVP_PKEY_free(key);
    if (len > 0)
        buf_put(out, der, (size_t)len);
    OPENSSL_free(der);
    return len > 0 ? ERR_OK : err_set(err, ERR_INVALID, "the private key has no public half");
}

static void put_certificate(X509 *certificate, struct buf *out)
{
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);
    if (len > 0)
        buf_put(out, der, (size_t)len);
    else
        out->failed = true;
    OPENSSL_free(der);
    X509_free(certificate);
}

enum err_code key_pair_read_certificates(struct bytes text, struct buf *out, struct err *err)
{
    const uint8_t *at = text.data;
    size_t before = out->len;
    X509 *certificate = d2i_X509(NULL, &at, (long)text.len);
    BIO *bio = certificate == NULL ? BIO_new_mem_buf(text.data, (int)text.len) : NULL;
    if (certificate != NULL)
        put_certificate(certificate, out);
    while (bio != NULL && (certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL)
        put_certificate(certificate, out);
    BIO_free(bio);
    ERR_clear_error();
    if (out->failed)
        return err_set(err, ERR_TOO_LARGE, "the certificates are longer than %zu bytes", out->max);
    return out->len > before ? ERR_OK
                             : err_set(err, ERR_INVALID, "no X.509 certificate in it, PEM or DER");
}

enum err_code key_pair_check(const struct secret *private_key, struct bytes certificates,
                             struct err *err)
{
    const uint8_t *at = certificates.data;
    X509 *certificate = d2i_X509(NULL, &at, (long)certificates.len);
    EVP_PKEY *key = parse_private(secret_bytes(private_key));
    bool same = certificate != NULL && key != NULL && X509_check_private_key(certificate, key) == 1;
    EVP_PKEY_free(key);
    X509_free(certificate);
    ERR_clear_error();
    return same ? ERR_OK
                : err_set(err, ERR_CONFLICT,
                          "the first certificate is not of this private key: put the device's own "
                          "first");
}

/* --- pins --- */

static EVP_PKEY *parse_public(struct bytes text)
{
    const uint8_t *at = text.data;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)text.len);
    BIO *bio = key == NULL ? BIO_new_mem_buf(text.data, (int)text.len) : NULL;
    if (bio != NULL)
        key = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    return key;
}

static int public_part_of(struct bytes certificate, unsigned char **der)
{
    const uint8_t *at = certificate.data;
    X509 *parsed = d2i_X509(NULL, &at, (long)certificate.len);
    int len = parsed != NULL ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(parsed), der) : 0;
    X509_free(parsed);
    return len;
}

/* As it stands in the certificate, or as it is usually written. */
static int public_key_der(struct bytes certificate, struct bytes text, unsigned char **der)
{
    if (certificate.len > 0)
        return public_part_of(certificate, der);
    EVP_PKEY *key = parse_public(text);
    int len = key != NULL ? i2d_PUBKEY(key, der) : 0;
    EVP_PKEY_free(key);
    return len;
}

static bool sha256(struct bytes data, uint8_t out[static PIN_HASH_SIZE])
{
    return data.len > 0 && EVP_Digest(data.data, data.len, out, NULL, EVP_sha256(), NULL) == 1;
}

enum err_code key_pair_pin(struct bytes text, enum pin_kind kind, uint8_t out[static PIN_HASH_SIZE],
                           struct err *err)
{
    struct buf chain;
    struct err unused;
    unsigned char *der = NULL;
    buf_init(&chain, text.len);
    bool found = key_pair_read_certificates(text, &chain, &unused) == ERR_OK;
    struct bytes certificate = found ? key_pair_first(buf_bytes(&chain)) : bytes_of(NULL, 0);
    int len = kind == PIN_PUBLIC_KEY ? public_key_der(certificate, text, &der) : 0;
    bool done = sha256(
        kind == PIN_PUBLIC_KEY ? bytes_of(der, len > 0 ? (size_t)len : 0) : certificate, out);
    buf_clear(&chain);
    OPENSSL_free(der);
    ERR_clear_error(); /* of the attempts that failed */
    return done ? ERR_OK
                : err_set(err, ERR_INVALID, "no %s in it, PEM or DER",
                          kind == PIN_PUBLIC_KEY ? "certificate and no public key"
                                                 : "X.509 certificate");
}

bool key_pair_certificate_pem(struct bytes certificate, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long len = 0;
    if (bio != NULL &&
        PEM_write_bio(bio, PEM_STRING_X509, "", certificate.data, (long)certificate.len) > 0)
        len = BIO_get_mem_data(bio, &text);
    if (len > 0)
        buf_put(out, text, (size_t)len);
    BIO_free(bio);
    return len > 0 && !out->failed;
}

/* A DER sequence says how long it is (X.690 section 8.1.3). */
struct bytes key_pair_first(struct bytes certificates)
{
    struct reader reader;
    reader_init(&reader, certificates);
    reader_u8(&reader);
    size_t len = reader_u8(&reader);
    if (len == 0x81)
        len = reader_u8(&reader);
    else if (len == 0x82)
        len = reader_u16(&reader);
    reader_take(&reader, len);
    if (reader.failed)
        return certificates;
    return bytes_of(certificates.data, certificates.len - reader_left(&reader));
}
