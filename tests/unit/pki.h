/* Certificates, keys and CRLs for tests, made by libcrypto: what Mbed TLS reads is not its own. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PKI_H
#define PKI_H

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PKI_PATH_SIZE = 128, PKI_FILES_MAX = 32 };

/* What a certificate shall be; what is 0 has a usual value. */
struct pki_wish {
    const char *name;   /* common name; "" = none */
    const char *second; /* a further common name */
    bool ca;
    int from_days, until_days; /* from now; usual: -1 and 400 */
    const char *digest;        /* usual: SHA256 */
    const char *curve;         /* usual: P-256; "rsa" = RSA with 2048 bits */
    const char *usage, *extended_usage, *alternatives, *constraints; /* as in openssl.cnf */
};

struct pki {
    X509 *certificate;
    EVP_PKEY *key;
};

static inline void pki_need(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "pki: %s\n", what);
    abort();
}

static inline void pki_extend(X509 *certificate, X509 *issuer, int kind, const char *value)
{
    X509V3_CTX context;

    if (value == NULL)
        return;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    pki_need(extension != NULL && X509_add_ext(certificate, extension, -1) == 1, value);
    X509_EXTENSION_free(extension);
}

static inline void pki_add_name(X509_NAME *subject, const char *name)
{
    if (name != NULL && name[0] != '\0')
        pki_need(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                            (const unsigned char *)name, -1, -1, 0) == 1,
                 name);
}

static inline EVP_PKEY *pki_new_key(const char *curve)
{
    EVP_PKEY *key = curve != NULL && strcmp(curve, "rsa") == 0
                        ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)
                        : EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve == NULL ? "P-256" : curve);
    pki_need(key != NULL, "no key");
    return key;
}

/* Signed by `issuer`, or by itself. */
static inline struct pki pki_make(const struct pki_wish *wish, const struct pki *issuer)
{
    static long serial = 1000;
    struct pki made = {X509_new(), pki_new_key(wish->curve)};
    X509_NAME *subject = X509_NAME_new();
    int from = wish->from_days != 0 ? wish->from_days : -1;
    int until = wish->until_days != 0 ? wish->until_days : 400;
    X509 *issued_by = issuer != NULL ? issuer->certificate : made.certificate;

    pki_need(made.certificate != NULL && subject != NULL, "no memory");
    X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8, (const unsigned char *)"City", -1, -1,
                               0);
    pki_add_name(subject, wish->second);
    pki_add_name(subject, wish->name);
    X509_set_version(made.certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), serial++);
    X509_set_subject_name(made.certificate, subject);
    X509_set_issuer_name(made.certificate,
                         issuer != NULL ? X509_get_subject_name(issued_by) : subject);
    X509_gmtime_adj(X509_getm_notBefore(made.certificate), (long)from * 86400);
    X509_gmtime_adj(X509_getm_notAfter(made.certificate), (long)until * 86400);
    X509_set_pubkey(made.certificate, made.key);
    pki_extend(made.certificate, issued_by, NID_basic_constraints,
               wish->ca ? "critical,CA:TRUE" : NULL);
    pki_extend(made.certificate, issued_by, NID_key_usage,
               wish->usage != NULL ? wish->usage
               : wish->ca          ? "critical,keyCertSign,cRLSign"
                                   : NULL);
    pki_extend(made.certificate, issued_by, NID_ext_key_usage, wish->extended_usage);
    pki_extend(made.certificate, issued_by, NID_subject_alt_name, wish->alternatives);
    pki_extend(made.certificate, issued_by, NID_name_constraints, wish->constraints);
    pki_need(X509_sign(made.certificate, issuer != NULL ? issuer->key : made.key,
                       EVP_get_digestbyname(wish->digest != NULL ? wish->digest : "SHA256")) > 0,
             "not signed");
    X509_NAME_free(subject);
    return made;
}

static inline void pki_clear(struct pki *pki)
{
    X509_free(pki->certificate);
    EVP_PKEY_free(pki->key);
    *pki = (struct pki){0};
}

/* ---- files, in a folder that goes with pki_folder_remove ---- */

struct pki_folder {
    char path[32];
    char files[PKI_FILES_MAX][PKI_PATH_SIZE];
    size_t count;
};

static inline void pki_folder_make(struct pki_folder *folder)
{
    *folder = (struct pki_folder){.path = "/tmp/usher-pki-XXXXXX"};
    pki_need(mkdtemp(folder->path) != NULL, "no folder");
}

static inline void pki_folder_remove(struct pki_folder *folder)
{
    for (size_t i = 0; i < folder->count; i++)
        (void)unlink(folder->files[i]);
    (void)rmdir(folder->path);
}

/* The path is the folder's. A file of that name is written anew. */
static inline const char *pki_path(struct pki_folder *folder, const char *name)
{
    char path[PKI_PATH_SIZE];

    (void)snprintf(path, sizeof path, "%s/%s", folder->path, name);
    for (size_t i = 0; i < folder->count; i++)
        if (strcmp(folder->files[i], path) == 0)
            return folder->files[i];
    pki_need(folder->count < PKI_FILES_MAX, "too many files");
    memcpy(folder->files[folder->count], path, sizeof path);
    return folder->files[folder->count++];
}

static inline FILE *pki_open(const char *path, unsigned mode)
{
    (void)unlink(path);
    FILE *file = fopen(path, "w");
    pki_need(file != NULL && fchmod(fileno(file), mode) == 0, path);
    return file;
}

/* The certificates given, up to NULL, one after another. */
static inline const char *pki_write(struct pki_folder *folder, const char *name, ...)
{
    const char *path = pki_path(folder, name);
    FILE *file = pki_open(path, 0644);
    va_list list;

    va_start(list, name);
    for (const struct pki *each; (each = va_arg(list, const struct pki *)) != NULL;)
        PEM_write_X509(file, each->certificate);
    va_end(list);
    fclose(file);
    return path;
}

static inline const char *pki_write_key(struct pki_folder *folder, const char *name,
                                        const struct pki *pki, unsigned mode)
{
    const char *path = pki_path(folder, name);
    FILE *file = pki_open(path, mode);

    PEM_write_PrivateKey(file, pki->key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    return path;
}

static inline const char *pki_write_text(struct pki_folder *folder, const char *name,
                                         const char *text, unsigned mode)
{
    const char *path = pki_path(folder, name);
    FILE *file = pki_open(path, mode);

    fputs(text, file);
    fclose(file);
    return path;
}

/* The CRL of `issuer`, until so many days from now, with `revoked` (NULL = none). */
static inline const char *pki_write_crl(struct pki_folder *folder, const char *name,
                                        const struct pki *issuer, const struct pki *revoked,
                                        int until_days)
{
    const char *path = pki_path(folder, name);
    FILE *file = pki_open(path, 0644);
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *time = ASN1_TIME_new();

    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->certificate));
    X509_gmtime_adj(time, (long)(until_days - 10) * 86400);
    X509_CRL_set1_lastUpdate(crl, time);
    if (revoked != NULL) {
        X509_REVOKED *entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked->certificate));
        X509_REVOKED_set_revocationDate(entry, time);
        X509_CRL_add0_revoked(crl, entry);
    }
    X509_gmtime_adj(time, (long)until_days * 86400);
    X509_CRL_set1_nextUpdate(crl, time);
    X509_CRL_sort(crl);
    pki_need(X509_CRL_sign(crl, issuer->key, EVP_sha256()) > 0, "crl not signed");
    PEM_write_X509_CRL(file, crl);
    fclose(file);
    ASN1_TIME_free(time);
    X509_CRL_free(crl);
    return path;
}

#endif
