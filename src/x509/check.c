/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of our own files when they are loaded, so that faults show before the first device does.
 */
#include "x509_priv.h"

#include <inttypes.h>
#include <mbedtls/oid.h>
#include <mbedtls/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { TEXT_SIZE = ERR_TEXT_MAX, DAY_MS = 86400000, DATE_SIZE = 24 };

int x509_random(void *context, unsigned char *out, size_t len)
{
    (void)context;
    bytes_random(out, len);
    return 0;
}

int64_t x509_time_ms(const mbedtls_x509_time *time)
{
    struct tm parts = {
        .tm_year = time->year - 1900,
        .tm_mon = time->mon - 1,
        .tm_mday = time->day,
        .tm_hour = time->hour,
        .tm_min = time->min,
        .tm_sec = time->sec,
    };

    return time->year == 0 ? 0 : (int64_t)timegm(&parts) * 1000;
}

static void warn(const struct x509_loading *loading, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void warn(const struct x509_loading *loading, const char *format, ...)
{
    char text[TEXT_SIZE];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    loading->warn(loading->context, text);
}

static void date_text(const mbedtls_x509_time *time, char out[static DATE_SIZE])
{
    (void)snprintf(out, DATE_SIZE, "%04d-%02d-%02d", time->year % 10000, time->mon % 100,
                   time->day % 100);
}

/* Nothing here keeps usherd from serving: devices without a clock do not look, and the others will
 * say so. */
static void warn_of_times(const struct x509_loading *loading, const char *what, const char *path,
                          const mbedtls_x509_crt *certificate)
{
    char subject[IDENTITY_MAX + 1], date[DATE_SIZE];
    int64_t until = x509_time_ms(&certificate->valid_to);

    x509_subject(certificate, subject);
    date_text(&certificate->valid_to, date);
    if (until < loading->wall_ms)
        warn(loading, "%s '%s': '%s' expired on %s", what, path, subject, date);
    else if (until < loading->wall_ms + (int64_t)X509_WARN_DAYS * DAY_MS)
        warn(loading, "%s '%s': '%s' expires on %s, in %" PRId64 " days", what, path, subject, date,
             (until - loading->wall_ms) / DAY_MS);
    date_text(&certificate->valid_from, date);
    if (x509_time_ms(&certificate->valid_from) > loading->wall_ms)
        warn(loading, "%s '%s': '%s' is not valid before %s; is the clock right?", what, path,
             subject, date);
}

/* ---- our chain ---- */

static bool same_name(const mbedtls_x509_buf *a, const mbedtls_x509_buf *b)
{
    return bytes_equal(bytes_of(a->p, a->len), bytes_of(b->p, b->len));
}

static bool fits_key(struct x509 *x509)
{
#if MBEDTLS_VERSION_NUMBER < 0x03000000
    return mbedtls_pk_check_pair(&x509->chain.pk, &x509->key) == 0;
#else
    return mbedtls_pk_check_pair(&x509->chain.pk, &x509->key, x509_random, NULL) == 0;
#endif
}

static bool is_supported_key(const mbedtls_pk_context *key)
{
    if (!mbedtls_pk_can_do(key, MBEDTLS_PK_ECDSA))
        return false;
    mbedtls_ecp_group_id id = mbedtls_pk_ec(*key)->MBEDTLS_PRIVATE(grp).id;
    return id == MBEDTLS_ECP_DP_SECP256R1 || id == MBEDTLS_ECP_DP_SECP384R1;
}

/* RFC 5246 section 7.4.2: each certificate directly certifies the one before it. */
static enum err_code check_order(struct x509_loading *loading)
{
    const char *path = loading->settings->certificate;
    mbedtls_x509_crt *last = &loading->x509->chain;
    int count = 1;
    size_t size = 3 + 3 + last->raw.len;

    for (; last->next != NULL; last = last->next, count++) {
        size += 3 + last->next->raw.len;
        if (!same_name(&last->issuer_raw, &last->next->subject_raw))
            return err_set(loading->err, ERR_INVALID,
                           "x509: certificate '%s': number %d is not issued by number %d; put the "
                           "server's own first, then its issuer, then the issuer of that",
                           path, count, count + 1);
    }
    if (count > X509_CHAIN_MAX)
        return err_set(loading->err, ERR_TOO_LARGE,
                       "x509: certificate '%s' holds %d certificates; at most %d fit a handshake "
                       "(the root can be left out)",
                       path, count, X509_CHAIN_MAX);
#if defined(MBEDTLS_SSL_OUT_CONTENT_LEN)
    if (size + 4 > MBEDTLS_SSL_OUT_CONTENT_LEN)
        return err_set(
            loading->err, ERR_TOO_LARGE,
            "x509: certificate '%s': the chain takes %zu bytes, a handshake has room for "
            "%d; leave the root out, or use certificates on P-256",
            path, size, MBEDTLS_SSL_OUT_CONTENT_LEN - 4);
#endif
    uint32_t flags = 0;
    if (count > 1 &&
        mbedtls_x509_crt_verify_with_profile(&loading->x509->chain, last, NULL, &x509_profile, NULL,
                                             &flags, NULL, NULL) != 0 &&
        (flags & ~(uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE)) != 0)
        return err_set(
            loading->err, ERR_INVALID,
            "x509: certificate '%s': the signatures in the chain do not verify; were all "
            "made by the issuer that stands below?",
            path);
    return ERR_OK;
}

static enum err_code check_usage(struct x509_loading *loading)
{
    const mbedtls_x509_crt *own = &loading->x509->chain;
    const char *path = loading->settings->certificate;

    if (mbedtls_x509_crt_check_key_usage(own, MBEDTLS_X509_KU_DIGITAL_SIGNATURE) != 0)
        return err_set(loading->err, ERR_INVALID,
                       "x509: certificate '%s' is not for digital signatures (key usage); devices "
                       "would refuse it",
                       path);
    if (mbedtls_x509_crt_check_extended_key_usage(own, MBEDTLS_OID_SERVER_AUTH,
                                                  MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)) != 0)
        return err_set(
            loading->err, ERR_INVALID,
            "x509: certificate '%s' is not for TLS servers (extended key usage); devices "
            "would refuse it",
            path);
    return ERR_OK;
}

enum err_code x509_check_own(struct x509_loading *loading)
{
    const struct x509_settings *settings = loading->settings;
    struct x509 *x509 = loading->x509;

    if (!is_supported_key(&x509->key) || !is_supported_key(&x509->chain.pk))
        return err_set(loading->err, ERR_UNSUPPORTED,
                       "x509: key '%s' and certificate '%s': both need ECDSA on P-256 or P-384",
                       settings->key, settings->certificate);
    if (!fits_key(x509))
        return err_set(loading->err, ERR_INVALID,
                       "x509: key '%s' does not belong to the first certificate in '%s'",
                       settings->key, settings->certificate);
    enum err_code code = check_order(loading);
    if (code == ERR_OK)
        code = check_usage(loading);
    if (code != ERR_OK)
        return code;
    for (const mbedtls_x509_crt *each = &x509->chain; each != NULL; each = each->next)
        warn_of_times(loading, "x509: certificate", settings->certificate, each);
    return ERR_OK;
}

/* ---- CAs of devices ---- */

static enum err_code check_authority(struct x509_loading *loading,
                                     const mbedtls_x509_crt *authority)
{
    const char *path = loading->settings->client_ca, *why = NULL;
    char subject[IDENTITY_MAX + 1];

    if (!authority->MBEDTLS_PRIVATE(ca_istrue))
        why = "is no CA (basic constraints)";
    else if (mbedtls_x509_crt_check_key_usage(authority, MBEDTLS_X509_KU_KEY_CERT_SIGN) != 0)
        why = "may not sign certificates (key usage)";
    else if (x509_has_name_constraints(authority))
        why = "has name constraints, which Mbed TLS does not apply";
    else if (!is_supported_key(&authority->pk))
        why = "has no key on P-256 or P-384";
    if (why == NULL) {
        warn_of_times(loading, "x509: client-ca", path, authority);
        return ERR_OK;
    }
    x509_subject(authority, subject);
    return err_set(loading->err, ERR_INVALID, "x509: client-ca '%s': '%s' %s", path, subject, why);
}

enum err_code x509_check_authorities(struct x509_loading *loading)
{
    enum err_code code = ERR_OK;

    for (const mbedtls_x509_crt *each = &loading->x509->authorities; code == ERR_OK && each != NULL;
         each = each->next)
        code = check_authority(loading, each);
    return code;
}

/* ---- CRLs ---- */

static const mbedtls_x509_crt *issuer_of(const struct x509 *x509, const mbedtls_x509_crl *crl)
{
    for (const mbedtls_x509_crt *each = &x509->authorities; each != NULL; each = each->next)
        if (same_name(&each->subject_raw, &crl->issuer_raw))
            return each;
    return NULL;
}

static const mbedtls_x509_crl *crl_of(const struct x509 *x509, const mbedtls_x509_crt *authority)
{
    for (const mbedtls_x509_crl *each = &x509->crls; each != NULL; each = each->next)
        if (each->raw.p != NULL && same_name(&authority->subject_raw, &each->issuer_raw))
            return each;
    return NULL;
}

static void check_crl(const struct x509_loading *loading, const mbedtls_x509_crl *crl)
{
    char issuer[IDENTITY_MAX + 1] = "", date[DATE_SIZE];
    const mbedtls_x509_crt *authority = issuer_of(loading->x509, crl);
    int64_t until = x509_time_ms(&crl->next_update);

    if (authority != NULL)
        x509_subject(authority, issuer);
    else if (mbedtls_x509_dn_gets(issuer, sizeof issuer, &crl->issuer) < 0)
        issuer[0] = '\0';
    date_text(&crl->next_update, date);
    if (until != 0 && until < loading->wall_ms)
        warn(loading, "x509: crl of '%s' expired on %s: %s", issuer, date,
             loading->x509->expired_crl_is_good ? "later revocations are not known"
                                                : "every certificate of this CA is refused "
                                                  "('crl-expired: warn' would accept them)");
    if (authority != NULL &&
        mbedtls_x509_crt_check_key_usage(authority, MBEDTLS_X509_KU_CRL_SIGN) != 0)
        warn(loading,
             "x509: client-ca: '%s' may not sign CRLs (key usage): with its CRL here, every "
             "certificate of this CA is refused",
             issuer);
}

void x509_check_crls(struct x509_loading *loading)
{
    char subject[IDENTITY_MAX + 1];

    if (!loading->x509->has_crl)
        return;
    for (const mbedtls_x509_crl *each = &loading->x509->crls; each != NULL; each = each->next)
        check_crl(loading, each);
    for (const mbedtls_x509_crt *each = &loading->x509->authorities; each != NULL;
         each = each->next) {
        if (crl_of(loading->x509, each) != NULL)
            continue;
        x509_subject(each, subject);
        warn(loading, "x509: no crl of '%s': whether its certificates are revoked is not checked",
             subject);
    }
}

/* ---- facts ---- */

static void take_earlier(int64_t *earliest, int64_t time)
{
    if (time != 0 && (*earliest == 0 || time < *earliest))
        *earliest = time;
}

void x509_read_facts(const struct x509 *x509, struct x509_facts *out)
{
    struct x509_facts facts = {0};

    for (const mbedtls_x509_crt *each = &x509->chain; each != NULL; each = each->next)
        take_earlier(&facts.certificate_until_ms, x509_time_ms(&each->valid_to));
    for (const mbedtls_x509_crt *each = &x509->authorities; each != NULL; each = each->next)
        facts.authorities++;
    for (const mbedtls_x509_crl *each = &x509->crls; x509->has_crl && each != NULL;
         each = each->next) {
        facts.crls++;
        take_earlier(&facts.crl_issued_ms, x509_time_ms(&each->this_update));
        take_earlier(&facts.crl_until_ms, x509_time_ms(&each->next_update));
    }
    *out = facts;
}
