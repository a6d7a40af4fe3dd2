/* SPDX-License-Identifier: Apache-2.0 */
/* What a device is to expect of a server that shows a certificate or a raw public key: /0/x/4 from
 * a file that the profile names, and how it counts (OMA Transport 1.2 section 5.2.9). Secrets have
 * no place in such files. */
#include "servers_priv.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

enum { FILE_MAX = 65536, SERVER_PUBLIC_KEY = 4, MATCHING_TYPE = 13, CERTIFICATE_USAGE = 15 };

/* Certificate Usage (RFC 6698 section 2.1.1), in order of its numbers. */
enum usage { USAGE_CA_CONSTRAINT, USAGE_SERVICE, USAGE_TRUST_ANCHOR, USAGE_DOMAIN_ISSUED };
static const char *const usage_names[] = {"ca-constraint", "service", "trust-anchor",
                                          "domain-issued", NULL};
static const char *const matching_names[] = {"exact", "sha256", "sha384", "sha512", NULL};

/* --- files --- */

static bool holds_private_key(struct bytes file)
{
    static const char mark[] = "PRIVATE KEY-----";
    return memmem(file.data, file.len, mark, sizeof(mark) - 1) != NULL;
}

static bool read_named_file(struct building *building, const struct yaml_node *node,
                            struct bytes *out)
{
    struct compiler *compiler = building->compiler;
    const char *path;
    if (!yaml_text(node, &path, compiler->findings) ||
        !yaml_read_beside(compiler->scratch, node, path, FILE_MAX, out, compiler->findings))
        return false;
    if (holds_private_key(*out)) {
        COMPILE_ERROR(compiler, node,
                      "'%.80s' holds a private key: name a file with the public part alone", path);
        return false;
    }
    compile_note_file(compiler, *out);
    return true;
}

static X509 *parse_certificate(struct bytes file)
{
    const uint8_t *at = file.data;
    X509 *certificate = d2i_X509(NULL, &at, (long)file.len);
    if (certificate)
        return certificate;
    BIO *bio = BIO_new_mem_buf(file.data, (int)file.len);
    certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error(); /* of the attempts that failed */
    return certificate;
}

static EVP_PKEY *parse_public_key(struct bytes file)
{
    const uint8_t *at = file.data;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)file.len);
    if (key)
        return key;
    BIO *bio = BIO_new_mem_buf(file.data, (int)file.len);
    key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    if (key)
        return key;
    X509 *certificate = parse_certificate(file);
    key = certificate ? X509_get_pubkey(certificate) : NULL;
    X509_free(certificate);
    return key;
}

/* Takes what libcrypto made over into the set's memory. */
static bool keep_der(struct building *building, unsigned char *der, int len, struct bytes *out)
{
    if (len <= 0)
        return false;
    uint8_t *copy = compile_alloc(building->compiler, (size_t)len);
    if (copy)
        memcpy(copy, der, (size_t)len);
    OPENSSL_free(der);
    *out = bytes_of(copy, (size_t)len);
    return copy != NULL;
}

/* --- advice --- */

/* The one curve that every LwM2M device knows. */
static void check_curve(struct building *building, const struct yaml_node *node,
                        const EVP_PKEY *key)
{
    char group[32] = "";
    size_t len;
    if (key && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC)
        EVP_PKEY_get_group_name(key, group, sizeof(group), &len);
    if (strcmp(group, "prime256v1") != 0 && strcmp(group, "P-256") != 0)
        COMPILE_WARNING(building->compiler, node,
                        "the key in it is no EC key on secp256r1: few devices can use it");
}

static void check_authority(struct building *building, const struct yaml_node *node,
                            X509 *certificate, enum usage usage)
{
    bool authority = X509_check_ca(certificate) > 0;
    bool wants_authority = usage == USAGE_TRUST_ANCHOR || usage == USAGE_CA_CONSTRAINT;
    if (authority && !wants_authority)
        COMPILE_WARNING(building->compiler, node,
                        "this is the certificate of an authority, and certificate-usage: %s takes "
                        "the server's own; did you mean certificate-usage: trust-anchor?",
                        usage_names[usage]);
    if (!authority && wants_authority)
        COMPILE_WARNING(building->compiler, node,
                        "certificate-usage: %s takes the certificate of an authority, and this is "
                        "none (no basicConstraints CA)",
                        usage_names[usage]);
}

/* --- /0/x/4, 13, 15 --- */

static void add_opaque(struct building *building, const struct yaml_node *node, struct bytes data)
{
    struct path path = path_resource(OBJECT_SECURITY, 0, SERVER_PUBLIC_KEY);
    struct rule_record *record =
        record_list_add(building->compiler, &building->security, node, &path);
    if (record)
        record->value.fixed = (struct value){.type = VALUE_OPAQUE, .bytes = data};
}

static bool digest(struct building *building, int matching, struct bytes data, struct bytes *out)
{
    const EVP_MD *const kinds[] = {NULL, EVP_sha256(), EVP_sha384(), EVP_sha512()};
    uint8_t *hash = compile_alloc(building->compiler, EVP_MAX_MD_SIZE);
    unsigned len = 0;
    if (!hash || EVP_Digest(data.data, data.len, hash, &len, kinds[matching], NULL) != 1)
        return false;
    *out = bytes_of(hash, len);
    return true;
}

/* Index of a word, or `usual` without one; what is said is written. */
static int read_choice(struct building *building, const struct yaml_node *security, const char *key,
                       const char *const *words, int usual, uint16_t resource)
{
    const struct yaml_node *node = yaml_get(security, key);
    int word = node ? compile_word(building->compiler, node, words) : -1;
    struct path path = path_resource(OBJECT_SECURITY, 0, resource);
    if (word >= 0)
        record_list_number(building->compiler, &building->security, node, &path, word);
    return word >= 0 ? word : usual;
}

void server_compile_certificate(struct building *building, const struct yaml_node *security)
{
    int usage = read_choice(building, security, "certificate-usage", usage_names,
                            USAGE_DOMAIN_ISSUED, CERTIFICATE_USAGE);
    int matching = read_choice(building, security, "matching", matching_names, 0, MATCHING_TYPE);
    const struct yaml_node *node =
        server_wanted(building->compiler, security, "server-certificate",
                      "a file beside the profile, such as certs/lwm2m-server.pem");
    struct bytes file, data;
    if (!node || !read_named_file(building, node, &file))
        return;
    X509 *certificate = parse_certificate(file);
    if (!certificate) {
        COMPILE_ERROR(building->compiler, node, "'%.80s' holds no X.509 certificate (PEM or DER)",
                      node->text);
        return;
    }
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);
    check_curve(building, node, X509_get0_pubkey(certificate));
    check_authority(building, node, certificate, (enum usage)usage);
    X509_free(certificate);
    if (keep_der(building, der, len, &data) &&
        (matching == 0 || digest(building, matching, data, &data)))
        add_opaque(building, node, data);
}

void server_compile_public_key(struct building *building, const struct yaml_node *security)
{
    const struct yaml_node *node =
        server_wanted(building->compiler, security, "server-key",
                      "a file beside the profile, such as certs/lwm2m-server.pub.pem");
    struct bytes file, data;
    if (!node || !read_named_file(building, node, &file))
        return;
    EVP_PKEY *key = parse_public_key(file);
    if (!key) {
        COMPILE_ERROR(building->compiler, node,
                      "'%.80s' holds no public key (SubjectPublicKeyInfo or a certificate, PEM or "
                      "DER)",
                      node->text);
        return;
    }
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    check_curve(building, node, key);
    EVP_PKEY_free(key);
    if (keep_der(building, der, len, &data))
        add_opaque(building, node, data);
}
