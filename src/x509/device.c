/* SPDX-License-Identifier: Apache-2.0 */
/* A device's certificate: what is checked beyond Mbed TLS's own rules, and what it says. */
#include "x509_priv.h"

#include <mbedtls/asn1.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>
#include <stdlib.h>
#include <string.h>

enum { SAN_DNS = 2, SAN_URI = 6 }; /* tags of GeneralName, RFC 5280 section 4.2.1.6 */

const mbedtls_x509_crt_profile x509_profile = {
    .allowed_mds = MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256) |
                   MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA384) |
                   MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA512),
    .allowed_pks = MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECDSA) | MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECKEY),
    .allowed_curves = MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256R1) |
                      MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP384R1),
    .rsa_min_bitlen = UINT32_MAX,
};

/* ---- names ---- */

static bool is_common_name(const mbedtls_x509_name *part)
{
    return MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &part->oid) == 0;
}

void x509_subject(const mbedtls_x509_crt *certificate, char out[static IDENTITY_MAX + 1])
{
    for (const mbedtls_x509_name *part = &certificate->subject; part != NULL; part = part->next) {
        struct bytes name = bytes_of(part->val.p, part->val.len);
        if (part->oid.p == NULL || !is_common_name(part) || name.len == 0 ||
            name.len > IDENTITY_MAX || !bytes_is_utf8(name))
            continue;
        memcpy(out, name.data, name.len);
        out[name.len] = '\0';
        return;
    }
    if (mbedtls_x509_dn_gets(out, IDENTITY_MAX + 1, &certificate->subject) < 0)
        out[0] = '\0'; /* longer than there is room */
}

static void take_common_names(const mbedtls_x509_crt *certificate, struct names *names)
{
    for (const mbedtls_x509_name *part = &certificate->subject; part != NULL; part = part->next)
        if (part->oid.p != NULL && is_common_name(part))
            names_add(names, bytes_of(part->val.p, part->val.len));
}

static void take_alternatives(const mbedtls_x509_crt *certificate, unsigned kind,
                              struct names *names)
{
    for (const mbedtls_x509_sequence *each = &certificate->subject_alt_names; each != NULL;
         each = each->next)
        if (each->buf.p != NULL && ((unsigned)each->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) == kind)
            names_add(names, bytes_of(each->buf.p, each->buf.len));
}

static void take_names(const struct x509 *x509, const mbedtls_x509_crt *certificate,
                       struct names *names)
{
    *names = (struct names){0};
    if (x509->names & X509_CN)
        take_common_names(certificate, names);
    if (x509->names & X509_URI)
        take_alternatives(certificate, SAN_URI, names);
    if (x509->names & X509_DNS)
        take_alternatives(certificate, SAN_DNS, names);
}

/* ---- checks ---- */

/* Extensions ::= SEQUENCE OF SEQUENCE { extnID OBJECT IDENTIFIER, .. }; parsed once already. */
bool x509_has_name_constraints(const mbedtls_x509_crt *certificate)
{
    static const uint8_t wanted[] = {0x55, 0x1d, 0x1e}; /* 2.5.29.30 */
    uint8_t *at = certificate->v3_ext.p;
    size_t len;

    if (at == NULL)
        return false;
    const uint8_t *end = at + certificate->v3_ext.len;
    if (mbedtls_asn1_get_tag(&at, end, &len, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE) != 0)
        return false;
    while (at < end) {
        if (mbedtls_asn1_get_tag(&at, end, &len,
                                 MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE) != 0)
            return false;
        uint8_t *extension = at;
        at += len;
        size_t id_len;
        if (mbedtls_asn1_get_tag(&extension, at, &id_len, MBEDTLS_ASN1_OID) == 0 &&
            bytes_equal(bytes_of(extension, id_len), bytes_of(wanted, sizeof wanted)))
            return true;
    }
    return false;
}

static bool sha256(const mbedtls_x509_buf *data, uint8_t out[static PIN_HASH_SIZE])
{
    const mbedtls_md_info_t *kind = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    return mbedtls_md(kind, data->p, data->len, out) == 0;
}

bool x509_hash_authorities(struct x509 *x509)
{
    size_t count = 0;
    for (const mbedtls_x509_crt *each = &x509->authorities; each != NULL; each = each->next)
        count++;
    x509->authority_hashes = calloc(count, sizeof *x509->authority_hashes);
    bool done = x509->authority_hashes != NULL;
    count = 0;
    for (const mbedtls_x509_crt *each = &x509->authorities; done && each != NULL; each = each->next)
        done = sha256(&each->pk_raw, x509->authority_hashes[count++]);
    return done;
}

/* The chain ends with one of ours, as we have it. */
static void note_authority(const struct x509 *x509, const mbedtls_x509_crt *certificate,
                           struct x509_device *device)
{
    size_t at = 0;
    for (const mbedtls_x509_crt *each = &x509->authorities; each != NULL; each = each->next, at++)
        if (each == certificate)
            device->authority = x509->authority_hashes[at];
}

/* Under `pinned` a chain that ends nowhere is not refused here: it proves its key, and no name. */
static void take_hashes(const mbedtls_x509_crt *certificate, struct x509_device *device)
{
    struct names *names = &device->names;
    names->unvouched = device->unvouched;
    names->hashed = sha256(&certificate->raw, names->hashes[PIN_CERTIFICATE]) &&
                    sha256(&certificate->pk_raw, names->hashes[PIN_PUBLIC_KEY]);
}

int x509_check(const struct x509 *x509, struct x509_device *device,
               struct mbedtls_x509_crt *certificate, int depth, uint32_t *flags)
{
    if (x509->expired_crl_is_good)
        *flags &= ~(uint32_t)MBEDTLS_X509_BADCRL_EXPIRED;
    if (x509->pinned && (*flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0) {
        *flags &= ~(uint32_t)MBEDTLS_X509_BADCERT_NOT_TRUSTED;
        device->unvouched = true;
    }
    if (depth > 0) {
        note_authority(x509, certificate, device);
        if (x509_has_name_constraints(certificate))
            *flags |= MBEDTLS_X509_BADCERT_OTHER;
        return 0;
    }
    x509_subject(certificate, device->subject);
    take_names(x509, certificate, &device->names);
    if (x509->pinned)
        take_hashes(certificate, device);
    device->names.has_authority = device->authority != NULL && !device->unvouched;
    if (device->names.has_authority)
        memcpy(device->names.authority, device->authority, PIN_HASH_SIZE);
    if (device->names.count == 0)
        *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
    return 0;
}

/* The first that holds is said: what an operator has to see before the rest. */
const char *x509_explain(uint32_t flags)
{
    static const struct {
        uint32_t flag;
        const char *text;
    } reasons[] = {
        {MBEDTLS_X509_BADCERT_REVOKED, "has been revoked"},
        {MBEDTLS_X509_BADCERT_NOT_TRUSTED, "comes from no CA in client-ca"},
        {MBEDTLS_X509_BADCERT_EXPIRED, "has expired, or a CA of it"},
        {MBEDTLS_X509_BADCERT_FUTURE, "is not valid yet, or a CA of it; is the clock right?"},
        {MBEDTLS_X509_BADCRL_EXPIRED, "cannot be checked: the CRL of its issuer has expired"},
        {MBEDTLS_X509_BADCRL_FUTURE, "cannot be checked: the CRL of its issuer is not valid yet"},
        {MBEDTLS_X509_BADCRL_NOT_TRUSTED, "cannot be checked: its issuer did not sign the CRL"},
        {MBEDTLS_X509_BADCRL_BAD_MD | MBEDTLS_X509_BADCRL_BAD_PK | MBEDTLS_X509_BADCRL_BAD_KEY,
         "cannot be checked: the CRL of its issuer has a weak signature"},
        {MBEDTLS_X509_BADCERT_KEY_USAGE, "is not for digital signatures (key usage)"},
        {MBEDTLS_X509_BADCERT_EXT_KEY_USAGE, "is not for TLS clients (extended key usage)"},
        {MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY,
         "has a weak key or signature: ECDSA on P-256 or P-384 with SHA-256 is the least"},
        {MBEDTLS_X509_BADCERT_CN_MISMATCH, "has no name that an endpoint can have"},
        {MBEDTLS_X509_BADCERT_OTHER, "has a CA with name constraints, which are not supported"},
        {MBEDTLS_X509_BADCERT_MISSING | MBEDTLS_X509_BADCERT_SKIP_VERIFY, "is missing"},
    };

    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if ((flags & reasons[i].flag) != 0)
            return reasons[i].text;
    return flags == 0 ? "" : "is not acceptable";
}
