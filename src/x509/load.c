/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshot: reading the files, its life, handing it to DTLS. */
#include "x509_priv.h"

#include "usher/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <mbedtls/error.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 64 << 20, REASON_SIZE = 128 };

/* ---- files ---- */

/* A file's bytes with a NUL behind them, which the PEM reader counts. */
struct content {
    uint8_t *data;
    size_t len; /* without the NUL */
};

static void content_free(struct content *content)
{
    if (content->data != NULL)
        bytes_wipe(content->data, content->len);
    free(content->data);
    *content = (struct content){0};
}

static enum err_code cannot_read(const char *what, const char *path, struct err *err)
{
    return err_set(err, errno == EACCES ? ERR_DENIED : ERR_IO, "%s '%s': %s", what, path,
                   strerror(errno));
}

static enum err_code check_file(const char *what, const char *path, int fd, bool secret,
                                size_t *size, struct err *err)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return cannot_read(what, path, err);
    if (!S_ISREG(status.st_mode))
        return err_set(err, ERR_INVALID, "%s '%s' is not a file", what, path);
    if (status.st_size > FILE_MAX)
        return err_set(err, ERR_TOO_LARGE, "%s '%s' is larger than %d MiB", what, path,
                       FILE_MAX >> 20);
    if (secret && owner_check_secret(what, path, &status, err) != ERR_OK)
        return err->code;
    *size = (size_t)status.st_size;
    return ERR_OK;
}

static enum err_code read_all(const char *what, const char *path, int fd, size_t size,
                              struct content *out, struct err *err)
{
    struct content content = {.data = malloc(size + 1)};
    ssize_t got = 0;

    if (content.data == NULL)
        return err_set(err, ERR_NO_MEMORY, "%s '%s': out of memory", what, path);
    while (content.len < size &&
           (got = read(fd, content.data + content.len, size - content.len)) > 0)
        content.len += (size_t)got;
    if (got < 0) {
        enum err_code code = cannot_read(what, path, err);
        content_free(&content);
        return code;
    }
    content.data[content.len] = '\0';
    *out = content;
    return ERR_OK;
}

static enum err_code read_file(const char *what, const char *path, bool secret, struct content *out,
                               struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t size = 0;

    if (fd < 0)
        return cannot_read(what, path, err);
    enum err_code code = check_file(what, path, fd, secret, &size, err);
    if (code == ERR_OK)
        code = read_all(what, path, fd, size, out, err);
    close(fd);
    return code;
}

/* The PEM reader wants the NUL counted, the DER reader not. */
static size_t parsed_len(const struct content *content)
{
    bool pem = strstr((const char *)content->data, "-----BEGIN ") != NULL;

    return content->len + (pem ? 1 : 0);
}

/* ---- parsing ---- */

static enum err_code cannot_parse(const char *what, const char *path, int result,
                                  const char *advice, struct err *err)
{
    char reason[REASON_SIZE] = "";

    if (result > 0)
        return err_set(err, ERR_UNSUPPORTED, "%s '%s': %d of its certificates cannot be used; %s",
                       what, path, result, advice);
    mbedtls_strerror(result, reason, sizeof reason);
    return err_set(err, ERR_INVALID, "%s '%s': %s; %s", what, path, reason, advice);
}

static enum err_code load_certificates(const char *what, const char *path, mbedtls_x509_crt *out,
                                       struct err *err)
{
    struct content content = {0};
    enum err_code code = read_file(what, path, false, &content, err);

    if (code != ERR_OK)
        return code;
    int result = mbedtls_x509_crt_parse(out, content.data, parsed_len(&content));
    content_free(&content);
    return result == 0 ? ERR_OK
                       : cannot_parse(what, path, result,
                                      "expected are certificates in PEM or DER, with ECDSA keys on "
                                      "P-256 or P-384 and SHA-256 or better",
                                      err);
}

static enum err_code load_key(const char *path, mbedtls_pk_context *out, struct err *err)
{
    static const char what[] = "x509: key";
    struct content content = {0};
    enum err_code code = read_file(what, path, true, &content, err);

    if (code != ERR_OK)
        return code;
#if MBEDTLS_VERSION_NUMBER < 0x03000000
    int result = mbedtls_pk_parse_key(out, content.data, parsed_len(&content), NULL, 0);
#else
    int result =
        mbedtls_pk_parse_key(out, content.data, parsed_len(&content), NULL, 0, x509_random, NULL);
#endif
    content_free(&content);
    return result == 0
               ? ERR_OK
               : cannot_parse(what, path, result,
                              "expected is a private key on P-256 or P-384 in PEM or DER, not "
                              "encrypted",
                              err);
}

static enum err_code load_crls(struct x509_loading *loading)
{
    static const char what[] = "x509: crl";
    const struct x509_settings *settings = loading->settings;
    enum err_code code = ERR_OK;

    for (size_t i = 0; code == ERR_OK && i < settings->crl_count; i++) {
        struct content content = {0};
        code = read_file(what, settings->crls[i], false, &content, loading->err);
        if (code != ERR_OK)
            break;
        int result =
            mbedtls_x509_crl_parse(&loading->x509->crls, content.data, parsed_len(&content));
        content_free(&content);
        if (result != 0)
            code = cannot_parse(what, settings->crls[i], result,
                                "expected is a certificate revocation list in PEM or DER",
                                loading->err);
    }
    loading->x509->has_crl = settings->crl_count > 0;
    return code;
}

/* ---- life ---- */

static struct x509 *snapshot_new(const struct x509_settings *settings)
{
    struct x509 *x509 = calloc(1, sizeof *x509);

    if (x509 == NULL)
        return NULL;
    atomic_init(&x509->references, 1);
    mbedtls_x509_crt_init(&x509->chain);
    mbedtls_x509_crt_init(&x509->authorities);
    mbedtls_x509_crl_init(&x509->crls);
    mbedtls_pk_init(&x509->key);
    x509->expired_crl_is_good = settings->expired_crl_is_good;
    x509->pinned = settings->pinned;
    x509->names = settings->names;
    return x509;
}

struct x509 *x509_ref(struct x509 *x509)
{
    if (x509 != NULL)
        atomic_fetch_add_explicit(&x509->references, 1, memory_order_relaxed);
    return x509;
}

void x509_unref(struct x509 *x509)
{
    if (x509 == NULL || atomic_fetch_sub_explicit(&x509->references, 1, memory_order_acq_rel) != 1)
        return;
    mbedtls_x509_crt_free(&x509->chain);
    mbedtls_x509_crt_free(&x509->authorities);
    mbedtls_x509_crl_free(&x509->crls);
    mbedtls_pk_free(&x509->key); /* wipes */
    free(x509->authority_hashes);
    free(x509);
}

/* 2.28 computes multiples of the generator at a key's first use, into the key: not while several
 * threads look at it. 3.6 has them in read-only memory. */
static bool settle_key(mbedtls_pk_context *key)
{
#if MBEDTLS_VERSION_NUMBER < 0x03000000
    mbedtls_ecp_group *group = &mbedtls_pk_ec(*key)->grp;
    mbedtls_ecp_point point;
    mbedtls_mpi two;

    mbedtls_ecp_point_init(&point);
    mbedtls_mpi_init(&two);
    bool done = mbedtls_mpi_lset(&two, 2) == 0 &&
                mbedtls_ecp_mul(group, &point, &two, &group->G, x509_random, NULL) == 0;
    mbedtls_ecp_point_free(&point);
    mbedtls_mpi_free(&two);
    return done;
#else
    (void)key;
    return true;
#endif
}

static enum err_code settle_keys(struct x509_loading *loading)
{
    bool done = settle_key(&loading->x509->key);

    for (mbedtls_x509_crt *each = &loading->x509->authorities; done && each != NULL;
         each = each->next)
        done = settle_key(&each->pk);
    done = done && x509_hash_authorities(loading->x509);
    return done ? ERR_OK : err_set(loading->err, ERR_NO_MEMORY, "x509: out of memory");
}

static enum err_code load(struct x509_loading *loading)
{
    const struct x509_settings *settings = loading->settings;
    struct x509 *x509 = loading->x509;
    enum err_code code =
        load_certificates("x509: certificate", settings->certificate, &x509->chain, loading->err);

    if (code == ERR_OK)
        code = load_key(settings->key, &x509->key, loading->err);
    if (code == ERR_OK)
        code = x509_check_own(loading);
    if (code == ERR_OK)
        code = load_certificates("x509: client-ca", settings->client_ca, &x509->authorities,
                                 loading->err);
    if (code == ERR_OK)
        code = x509_check_authorities(loading);
    if (code == ERR_OK)
        code = load_crls(loading);
    if (code == ERR_OK)
        code = settle_keys(loading);
    if (code == ERR_OK)
        x509_check_crls(loading);
    return code;
}

enum err_code x509_load(const struct x509_settings *settings, int64_t wall_ms, x509_warn_fn warn,
                        void *context, struct x509 **out, struct err *err)
{
    struct x509_loading loading = {
        .x509 = snapshot_new(settings),
        .settings = settings,
        .wall_ms = wall_ms,
        .warn = warn,
        .context = context,
        .err = err,
    };

    if (loading.x509 == NULL)
        return err_set(err, ERR_NO_MEMORY, "x509: out of memory");
    enum err_code code = load(&loading);
    if (code == ERR_OK)
        *out = loading.x509;
    else
        x509_unref(loading.x509);
    return code;
}

/* ---- for DTLS ---- */

enum err_code x509_configure(struct x509 *x509, struct mbedtls_ssl_config *config)
{
    mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_cert_profile(config, &x509_profile);
    mbedtls_ssl_conf_ca_chain(config, &x509->authorities, x509->has_crl ? &x509->crls : NULL);
    /* A device has one certificate and needs no list of CAs to choose from. */
    mbedtls_ssl_conf_cert_req_ca_list(config, MBEDTLS_SSL_CERT_REQ_CA_LIST_DISABLED);
    return mbedtls_ssl_conf_own_cert(config, &x509->chain, &x509->key) == 0 ? ERR_OK
                                                                            : ERR_NO_MEMORY;
}
