/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and lists (RFC 5280) by libcrypto, which writes CRLs as well; Mbed TLS does not. No
 * name goes through its text forms, where a comma would begin another one. */
#include "ca_priv.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

enum {
    SERIAL_BYTES = 16,
    COMMON_NAME_MAX = 64,    /* ub-common-name */
    BACKDATED_SECONDS = 300, /* clocks of devices are not that good */
    SECONDS_A_DAY = 86400,
};

/* ---- text ---- */

static char *take_memory(BIO *bio)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);
    char *text = len > 0 ? malloc((size_t)len + 1) : NULL;
    if (text != NULL) {
        memcpy(text, data, (size_t)len);
        text[len] = '\0';
        bytes_wipe(data, (size_t)len);
    }
    BIO_free(bio);
    return text;
}

char *ca_certificate_pem(X509 *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio != NULL)
        PEM_write_bio_X509(bio, certificate);
    return bio != NULL ? take_memory(bio) : NULL;
}

char *ca_key_pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    if (bio != NULL)
        PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    return bio != NULL ? take_memory(bio) : NULL;
}

X509 *ca_read_certificate(struct bytes text)
{
    const uint8_t *at = text.data;
    X509 *certificate = d2i_X509(NULL, &at, (long)text.len);
    BIO *bio = certificate == NULL ? BIO_new_mem_buf(text.data, (int)text.len) : NULL;
    if (bio != NULL)
        certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    ERR_clear_error();
    return certificate;
}

bool ca_serial_text(const X509 *certificate, char out[static CA_SERIAL_SIZE])
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
    if (serial->length < 1 || serial->length > SERIAL_BYTES)
        return false;
    bytes_to_hex(bytes_of(serial->data, (size_t)serial->length), out);
    return true;
}

bool ca_key_der(EVP_PKEY *key, struct secret *out)
{
    unsigned char *der = NULL;
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    int len = info != NULL ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : 0;
    bool done = len > 0 && secret_set(out, bytes_of(der, (size_t)len));
    PKCS8_PRIV_KEY_INFO_free(info);
    OPENSSL_clear_free(der, len > 0 ? (size_t)len : 0);
    return done;
}

bool ca_certificate_der(X509 *certificate, struct buf *out)
{
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);
    if (len > 0)
        buf_put(out, der, (size_t)len);
    OPENSSL_free(der);
    return len > 0 && !out->failed;
}

/* ---- keys ---- */

EVP_PKEY *ca_make_key(void)
{
    return EVP_EC_gen("P-256");
}

static bool is_good_curve(EVP_PKEY *key)
{
    char group[32] = "";
    size_t len = 0;
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
           EVP_PKEY_get_group_name(key, group, sizeof group, &len) == 1 &&
           (strcmp(group, "prime256v1") == 0 || strcmp(group, "secp384r1") == 0);
}

static X509_REQ *parse_request(struct bytes csr)
{
    const uint8_t *at = csr.data;
    X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)csr.len);
    BIO *bio = request == NULL ? BIO_new_mem_buf(csr.data, (int)csr.len) : NULL;
    if (bio != NULL)
        request = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return request;
}

enum err_code ca_read_request(struct bytes csr, EVP_PKEY **out, struct err *err)
{
    X509_REQ *request = parse_request(csr);
    EVP_PKEY *key = request != NULL ? X509_REQ_get_pubkey(request) : NULL;
    enum err_code code = ERR_OK;
    if (request == NULL)
        code = err_set(err, ERR_INVALID, "no certificate request (PKCS#10, PEM or DER)");
    else if (key == NULL || !is_good_curve(key))
        code = err_set(err, ERR_INVALID, "the request's key is not on P-256 or P-384");
    else if (X509_REQ_verify(request, key) != 1)
        code = err_set(err, ERR_INVALID,
                       "the request was not signed with the key that it names, so whoever sends it "
                       "need not have that key");
    X509_REQ_free(request);
    ERR_clear_error();
    if (code == ERR_OK)
        *out = key;
    else
        EVP_PKEY_free(key);
    return code;
}

/* ---- parts of certificates ---- */

static bool set_name(X509_NAME *name, const char *text)
{
    return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                      (const unsigned char *)text, -1, -1, 0) == 1;
}

/* Two bits of 128 are given away: it is positive and never short (RFC 5280 section 4.1.2.2). */
static bool set_serial(X509 *certificate)
{
    uint8_t number[SERIAL_BYTES];
    bytes_random(number, sizeof number);
    number[0] = (uint8_t)((number[0] & 0x3f) | 0x40);
    BIGNUM *big = BN_bin2bn(number, sizeof number, NULL);
    bool done = big != NULL && BN_to_ASN1_INTEGER(big, X509_get_serialNumber(certificate)) != NULL;
    BN_free(big);
    return done;
}

static bool add_extension(X509 *certificate, int nid, void *value, bool critical)
{
    return value != NULL &&
           X509_add1_ext_i2d(certificate, nid, value, critical, X509V3_ADD_DEFAULT) == 1;
}

static bool add_constraints(X509 *certificate, bool authority)
{
    BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();
    bool done = constraints != NULL;
    if (done && authority) {
        constraints->ca = 0xff;
        constraints->pathlen = ASN1_INTEGER_new();
        done = constraints->pathlen != NULL && ASN1_INTEGER_set(constraints->pathlen, 0) == 1;
    }
    done = done && add_extension(certificate, NID_basic_constraints, constraints, true);
    BASIC_CONSTRAINTS_free(constraints);
    return done;
}

static bool add_key_usage(X509 *certificate, bool authority)
{
    enum { DIGITAL_SIGNATURE = 0, KEY_CERT_SIGN = 5, CRL_SIGN = 6 };
    ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
    bool done = usage != NULL &&
                (authority ? ASN1_BIT_STRING_set_bit(usage, KEY_CERT_SIGN, 1) == 1 &&
                                 ASN1_BIT_STRING_set_bit(usage, CRL_SIGN, 1) == 1
                           : ASN1_BIT_STRING_set_bit(usage, DIGITAL_SIGNATURE, 1) == 1) &&
                add_extension(certificate, NID_key_usage, usage, true);
    ASN1_BIT_STRING_free(usage);
    return done;
}

static bool add_extended_usage(X509 *certificate, bool server)
{
    EXTENDED_KEY_USAGE *usage = sk_ASN1_OBJECT_new_null();
    bool done =
        usage != NULL &&
        sk_ASN1_OBJECT_push(usage, OBJ_nid2obj(server ? NID_server_auth : NID_client_auth)) > 0 &&
        add_extension(certificate, NID_ext_key_usage, usage, false);
    sk_ASN1_OBJECT_pop_free(usage, ASN1_OBJECT_free);
    return done;
}

/* Constant texts only: these two are hashes over keys. */
static bool add_key_ids(X509 *certificate, X509 *issuer)
{
    static const struct {
        int nid;
        const char *text;
    } ids[] = {{NID_subject_key_identifier, "hash"},
               {NID_authority_key_identifier, "keyid:always"}};
    X509V3_CTX context;
    bool done = true;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    for (size_t i = 0; done && i < sizeof ids / sizeof ids[0]; i++) {
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, ids[i].nid, ids[i].text);
        done = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
        X509_EXTENSION_free(extension);
    }
    return done;
}

/* ---- names ---- */

static bool consists_of(const char *text, const char *marks)
{
    for (; *text != '\0'; text++) {
        bool plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
                     (*text >= '0' && *text <= '9');
        if (!plain && strchr(marks, *text) == NULL)
            return false;
    }
    return true;
}

static bool is_uri(const char *name)
{
    const char *colon = strchr(name, ':');
    return colon != NULL && colon != name && consists_of(name, "-._~:/?#[]@!$&'()*+,;=%");
}

static bool is_dns_name(const char *name)
{
    return strlen(name) <= 253 && consists_of(name, "-.");
}

/* The name in subjectAltName; NULL: it fits none of its kinds. */
static GENERAL_NAME *make_general_name(const struct ca_entry *entry)
{
    ASN1_OCTET_STRING *address = entry->server ? a2i_IPADDRESS(entry->name) : NULL;
    int kind = address != NULL                         ? GEN_IPADD
               : !entry->server && is_uri(entry->name) ? GEN_URI
               : is_dns_name(entry->name)              ? GEN_DNS
                                                       : -1;
    GENERAL_NAME *name = kind >= 0 ? GENERAL_NAME_new() : NULL;
    ASN1_IA5STRING *text = name != NULL && address == NULL ? ASN1_IA5STRING_new() : NULL;
    ERR_clear_error(); /* of what was no address */
    if (text != NULL && ASN1_STRING_set(text, entry->name, -1) != 1) {
        ASN1_IA5STRING_free(text);
        text = NULL;
    }
    if (name != NULL && (address != NULL || text != NULL)) {
        GENERAL_NAME_set0_value(name, kind, address != NULL ? (void *)address : (void *)text);
        return name;
    }
    ASN1_OCTET_STRING_free(address);
    GENERAL_NAME_free(name);
    return NULL;
}

static enum err_code add_names(X509 *certificate, const struct ca_entry *entry, struct err *err)
{
    bool fits_subject = strlen(entry->name) <= COMMON_NAME_MAX;
    GENERAL_NAME *name = make_general_name(entry);
    GENERAL_NAMES *names = name != NULL ? GENERAL_NAMES_new() : NULL;
    bool done = true;
    if (!fits_subject && name == NULL)
        return err_set(err, ERR_INVALID,
                       "a name of more than %d bytes must be a URI or a DNS name to stand in a "
                       "certificate",
                       COMMON_NAME_MAX);
    if (entry->server && name == NULL)
        return err_set(err, ERR_INVALID, "a server's name is a host name or an IP address");
    if (fits_subject)
        done = set_name(X509_get_subject_name(certificate), entry->name);
    if (names != NULL && sk_GENERAL_NAME_push(names, name) > 0)
        /* Critical where the subject is empty (RFC 5280 section 4.2.1.6). */
        done = done && add_extension(certificate, NID_subject_alt_name, names, !fits_subject);
    else
        GENERAL_NAME_free(name);
    GENERAL_NAMES_free(names);
    return done ? ERR_OK : err_set(err, ERR_NO_MEMORY, "out of memory");
}

/* ---- certificates ---- */

static bool set_times(X509 *certificate, unsigned days)
{
    return X509_gmtime_adj(X509_getm_notBefore(certificate), -BACKDATED_SECONDS) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(certificate), (int)days, 0, NULL) != NULL;
}

X509 *ca_make_root(EVP_PKEY *key, const char *name, unsigned days)
{
    X509 *root = X509_new();
    if (root != NULL && X509_set_version(root, X509_VERSION_3) == 1 && set_serial(root) &&
        set_times(root, days) && set_name(X509_get_subject_name(root), name) &&
        X509_set_issuer_name(root, X509_get_subject_name(root)) == 1 &&
        X509_set_pubkey(root, key) == 1 && add_constraints(root, true) &&
        add_key_usage(root, true) && add_key_ids(root, root) &&
        X509_sign(root, key, EVP_sha256()) > 0)
        return root;
    X509_free(root);
    return NULL;
}

/* A certificate that outlives its issuer would end with it all the same, and say otherwise. */
static bool cut_to_issuer(X509 *certificate, const X509 *issuer)
{
    const ASN1_TIME *end = X509_get0_notAfter(issuer);
    return ASN1_TIME_compare(X509_get0_notAfter(certificate), end) <= 0 ||
           X509_set1_notAfter(certificate, end) == 1;
}

static int64_t time_ms(const ASN1_TIME *time)
{
    struct tm broken = {0};
    return ASN1_TIME_to_tm(time, &broken) == 1 ? (int64_t)timegm(&broken) * 1000 : 0;
}

static bool describe(const X509 *certificate, struct ca_entry *entry)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (!ca_serial_text(certificate, entry->serial) ||
        X509_digest(certificate, EVP_sha256(), digest, &len) != 1)
        return false;
    bytes_to_hex(bytes_of(digest, len), entry->fingerprint);
    entry->issued_ms =
        time_ms(X509_get0_notBefore(certificate)) + (int64_t)BACKDATED_SECONDS * 1000;
    entry->expires_ms = time_ms(X509_get0_notAfter(certificate));
    return true;
}

enum err_code ca_make_certificate(const struct ca *ca, EVP_PKEY *public_key, unsigned days,
                                  struct ca_entry *entry, X509 **out, struct err *err)
{
    X509 *certificate = X509_new();
    enum err_code code = err_set(err, ERR_NO_MEMORY, "out of memory");
    if (X509_cmp_current_time(X509_get0_notAfter(ca->certificate)) < 0)
        code = err_set(err, ERR_INVALID, "the CA itself has expired; make a new one");
    else if (certificate != NULL && X509_set_version(certificate, X509_VERSION_3) == 1 &&
             set_serial(certificate) && set_times(certificate, days) &&
             cut_to_issuer(certificate, ca->certificate) &&
             X509_set_issuer_name(certificate, X509_get_subject_name(ca->certificate)) == 1 &&
             X509_set_pubkey(certificate, public_key) == 1 && add_constraints(certificate, false) &&
             add_key_usage(certificate, false) && add_extended_usage(certificate, entry->server) &&
             add_key_ids(certificate, ca->certificate))
        code = add_names(certificate, entry, err);
    if (code == ERR_OK &&
        (X509_sign(certificate, ca->key, EVP_sha256()) <= 0 || !describe(certificate, entry)))
        code = err_set(err, ERR_NO_MEMORY, "out of memory");
    if (code == ERR_OK)
        *out = certificate;
    else
        X509_free(certificate);
    return code;
}

/* The name that add_names gave it: the common name, or else the first of subjectAltName. */
static bool read_name(X509 *certificate, char out[static CA_NAME_MAX + 1])
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    GENERAL_NAMES *names = NULL;
    if (X509_NAME_get_text_by_NID(subject, NID_commonName, out, CA_NAME_MAX + 1) > 0)
        return true;
    names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    const GENERAL_NAME *first =
        sk_GENERAL_NAME_num(names) > 0 ? sk_GENERAL_NAME_value(names, 0) : NULL;
    const ASN1_IA5STRING *text =
        first != NULL && (first->type == GEN_URI || first->type == GEN_DNS) ? first->d.ia5 : NULL;
    bool fits = text != NULL && text->length > 0 && text->length <= CA_NAME_MAX;
    if (fits) {
        memcpy(out, text->data, (size_t)text->length);
        out[text->length] = '\0';
    }
    GENERAL_NAMES_free(names);
    return fits;
}

bool ca_describe(X509 *certificate, struct ca_entry *entry)
{
    *entry = (struct ca_entry){
        .server = (X509_get_extended_key_usage(certificate) & XKU_SSL_SERVER) != 0 &&
                  (X509_get_extension_flags(certificate) & EXFLAG_XKUSAGE) != 0};
    return describe(certificate, entry) && read_name(certificate, entry->name);
}

/* ---- lists ---- */

static bool set_date(ASN1_TIME *time, int64_t wall_ms)
{
    return time != NULL && ASN1_TIME_adj(time, (time_t)(wall_ms / 1000), 0, 0) != NULL;
}

static ASN1_INTEGER *serial_of(const struct ca_entry *entry)
{
    BIGNUM *big = NULL;
    ASN1_INTEGER *serial =
        BN_hex2bn(&big, entry->serial) > 0 ? BN_to_ASN1_INTEGER(big, NULL) : NULL;
    BN_free(big);
    return serial;
}

static bool set_reason(X509_REVOKED *revoked, enum ca_reason reason)
{
    if (reason == CA_UNSPECIFIED) /* is not to be said: RFC 5280 section 5.3.1 */
        return true;
    ASN1_ENUMERATED *value = ASN1_ENUMERATED_new();
    bool done =
        value != NULL && ASN1_ENUMERATED_set(value, reason) == 1 &&
        X509_REVOKED_add1_ext_i2d(revoked, NID_crl_reason, value, 0, X509V3_ADD_DEFAULT) == 1;
    ASN1_ENUMERATED_free(value);
    return done;
}

static bool add_revoked(X509_CRL *crl, const struct ca_entry *entry)
{
    X509_REVOKED *revoked = X509_REVOKED_new();
    ASN1_INTEGER *serial = serial_of(entry);
    ASN1_TIME *time = ASN1_TIME_new();
    bool done = revoked != NULL && serial != NULL && set_date(time, entry->revoked_ms) &&
                X509_REVOKED_set_serialNumber(revoked, serial) == 1 &&
                X509_REVOKED_set_revocationDate(revoked, time) == 1 &&
                set_reason(revoked, entry->reason) && X509_CRL_add0_revoked(crl, revoked) == 1;
    ASN1_INTEGER_free(serial);
    ASN1_TIME_free(time);
    if (!done)
        X509_REVOKED_free(revoked);
    return done;
}

static bool add_number(X509_CRL *crl, uint64_t value)
{
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    bool done = number != NULL && ASN1_INTEGER_set_uint64(number, value) == 1 &&
                X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, X509V3_ADD_DEFAULT) == 1;
    ASN1_INTEGER_free(number);
    return done;
}

static bool add_authority(X509_CRL *crl, X509 *issuer)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, NULL, NULL, crl, 0);
    X509_EXTENSION *extension =
        X509V3_EXT_conf_nid(NULL, &context, NID_authority_key_identifier, "keyid:always");
    bool done = extension != NULL && X509_CRL_add_ext(crl, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return done;
}

static bool set_crl_times(X509_CRL *crl, int64_t now_ms, unsigned days)
{
    ASN1_TIME *from = ASN1_TIME_new(), *until = ASN1_TIME_new();
    bool done =
        set_date(from, now_ms) && set_date(until, now_ms + (int64_t)days * SECONDS_A_DAY * 1000) &&
        X509_CRL_set1_lastUpdate(crl, from) == 1 && X509_CRL_set1_nextUpdate(crl, until) == 1;
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    return done;
}

static bool add_all_revoked(X509_CRL *crl, const struct ca *ca, int64_t now_ms)
{
    bool done = true;
    for (size_t i = 0; done && i < ca->count; i++) {
        const struct ca_entry *entry = &ca->entries[i];
        if (entry->revoked_ms != 0 && entry->expires_ms > now_ms)
            done = add_revoked(crl, entry);
    }
    return done;
}

static char *crl_pem(X509_CRL *crl)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio != NULL)
        PEM_write_bio_X509_CRL(bio, crl);
    return bio != NULL ? take_memory(bio) : NULL;
}

enum err_code ca_make_crl(const struct ca *ca, int64_t now_ms, unsigned days, char **out,
                          struct err *err)
{
    X509_CRL *crl = X509_CRL_new();
    char *text = NULL;
    if (crl != NULL && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
        X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->certificate)) == 1 &&
        set_crl_times(crl, now_ms, days) && add_all_revoked(crl, ca, now_ms) &&
        add_number(crl, ca->crl_number) && add_authority(crl, ca->certificate) &&
        X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, ca->key, EVP_sha256()) > 0)
        text = crl_pem(crl);
    X509_CRL_free(crl);
    *out = text;
    return text != NULL ? ERR_OK : err_set(err, ERR_NO_MEMORY, "out of memory");
}
