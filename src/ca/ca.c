/* SPDX-License-Identifier: Apache-2.0 */
/* Making, opening and using a CA. */
#include "ca_priv.h"

#include "usher/clock.h"
#include "usher/enrollment.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char certificate_file[] = "ca.pem", key_file[] = "ca.key",
                  register_file[] = "issued.jsonl";

static const struct {
    enum ca_reason reason;
    const char *name;
} reasons[] = {
    {CA_UNSPECIFIED, "unspecified"},
    {CA_KEY_COMPROMISE, "key-compromise"},
    {CA_AFFILIATION_CHANGED, "affiliation-changed"},
    {CA_SUPERSEDED, "superseded"},
    {CA_CESSATION, "cessation-of-operation"},
};

const char *ca_reason_name(enum ca_reason reason)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].reason == reason)
            return reasons[i].name;
    return "unspecified";
}

bool ca_reason_from_name(const char *name, enum ca_reason *out)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (strcmp(reasons[i].name, name) == 0) {
            *out = reasons[i].reason;
            return true;
        }
    }
    return false;
}

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NO_MEMORY, "out of memory");
}

/* ---- making ---- */

static enum err_code write_file(const char *folder, const char *name, const char *text,
                                unsigned mode, struct err *err)
{
    char *path = ca_path(folder, name);
    enum err_code code =
        path != NULL && text != NULL ? ca_write_new(path, text, mode, err) : no_memory(err);
    free(path);
    return code;
}

/* The key first: a certificate whose key is missing would be a CA that can do nothing. What an
 * interrupted ca_init leaves behind is said by the next one. */
static enum err_code write_files(const char *folder, EVP_PKEY *key, X509 *root, struct err *err)
{
    char *key_text = ca_key_pem(key), *root_text = ca_certificate_pem(root);
    enum err_code code = write_file(folder, key_file, key_text, 0600, err);
    if (code == ERR_OK)
        code = write_file(folder, register_file, "", 0600, err);
    if (code == ERR_OK)
        code = write_file(folder, certificate_file, root_text, 0644, err);
    if (code == ERR_EXISTS)
        err_set(err, code, "there is a CA in %s already, or the rest of one; name another folder",
                folder);
    if (key_text != NULL)
        bytes_wipe(key_text, strlen(key_text));
    free(key_text);
    free(root_text);
    return code;
}

enum err_code ca_init(const char *folder, const char *name, unsigned days, struct err *err)
{
    struct err why;
    if (strlen(name) > 64 || enrollment_check_endpoint(bytes_of_text(name), &why) != ERR_OK)
        return err_set(err, ERR_INVALID,
                       "the CA's name must be 1 to 64 bytes of UTF-8 without control characters");
    if (days < 1 || days > CA_DAYS_MAX)
        return err_set(err, ERR_RANGE, "a CA is good for 1 to %d days", CA_DAYS_MAX);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return err_set(err, ERR_IO, "cannot make the folder %s (%s)", folder, strerror(errno));
    EVP_PKEY *key = ca_make_key();
    X509 *root = key != NULL ? ca_make_root(key, name, days) : NULL;
    enum err_code code = root != NULL ? write_files(folder, key, root, err) : no_memory(err);
    X509_free(root);
    EVP_PKEY_free(key);
    return code;
}

/* ---- opening ---- */

static enum err_code open_register(struct ca *ca, struct err *err)
{
    char *path = ca_path(ca->folder, register_file);
    if (path == NULL)
        return no_memory(err);
    ca->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    enum err_code code = ERR_OK;
    if (ca->fd < 0)
        code = err_set(err, errno == ENOENT ? ERR_INVALID : ERR_IO,
                       "there is no CA in %s (%s: %s); 'usher ca init' makes one", ca->folder,
                       register_file, strerror(errno));
    else if (flock(ca->fd, LOCK_EX | LOCK_NB) != 0)
        code = err_set(err, ERR_BUSY, "another program uses the CA in %s; try again", ca->folder);
    free(path);
    return code;
}

static enum err_code load_certificate(struct ca *ca, struct err *err)
{
    char *path = ca_path(ca->folder, certificate_file);
    if (path == NULL)
        return no_memory(err);
    enum err_code code = ca_read_file(path, false, &ca->pem, err);
    if (code == ERR_OK && (ca->certificate = ca_read_certificate(bytes_of_text(ca->pem))) == NULL)
        code = err_set(err, ERR_INVALID, "%s is no certificate in PEM", path);
    free(path);
    return code;
}

/* The library would ask for one on the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
    (void)buffer, (void)size, (void)writing, (void)context;
    return -1;
}

static EVP_PKEY *parse_key(const char *text)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    return key;
}

static enum err_code load_key(struct ca *ca, struct err *err)
{
    char *path = ca_path(ca->folder, key_file), *text = NULL;
    if (path == NULL)
        return no_memory(err);
    enum err_code code = ca_read_file(path, true, &text, err);
    if (code == ERR_OK && ((ca->key = parse_key(text)) == NULL ||
                           X509_check_private_key(ca->certificate, ca->key) != 1))
        code = err_set(err, ERR_INVALID, "%s is not the key of %s/%s", path, ca->folder,
                       certificate_file);
    if (text != NULL)
        bytes_wipe(text, strlen(text));
    free(text);
    free(path);
    return code;
}

static enum err_code open_folder(const char *folder, bool with_register, struct ca **out,
                                 struct err *err)
{
    struct ca *ca = calloc(1, sizeof *ca);
    if (ca == NULL)
        return no_memory(err);
    ca->fd = -1;
    ca->folder = strdup(folder);
    enum err_code code = ca->folder != NULL ? ERR_OK : no_memory(err);
    if (code == ERR_OK && with_register)
        code = open_register(ca, err);
    if (code == ERR_OK)
        code = load_certificate(ca, err);
    if (code == ERR_OK)
        code = load_key(ca, err);
    if (code == ERR_OK && with_register)
        code = ca_register_load(ca, err);
    if (code == ERR_OK)
        *out = ca;
    else
        ca_close(ca);
    return code;
}

enum err_code ca_open(const char *folder, struct ca **out, struct err *err)
{
    return open_folder(folder, true, out, err);
}

enum err_code ca_open_to_sign(const char *folder, struct ca **out, struct err *err)
{
    return open_folder(folder, false, out, err);
}

void ca_close(struct ca *ca)
{
    if (ca == NULL)
        return;
    if (ca->fd >= 0)
        close(ca->fd);
    X509_free(ca->certificate);
    EVP_PKEY_free(ca->key); /* wipes */
    free(ca->pem);
    free(ca->entries);
    free(ca->folder);
    free(ca);
}

size_t ca_count(const struct ca *ca)
{
    return ca->count;
}

const struct ca_entry *ca_at(const struct ca *ca, size_t index)
{
    return &ca->entries[index];
}

const char *ca_certificate(const struct ca *ca)
{
    return ca->pem;
}

/* ---- issuing ---- */

static enum err_code check_wish(const struct ca_wish *wish, struct err *err)
{
    if (wish->days < 1 || wish->days > CA_DAYS_MAX)
        return err_set(err, ERR_RANGE, "a certificate is good for 1 to %d days", CA_DAYS_MAX);
    return enrollment_check_endpoint(bytes_of_text(wish->name), err);
}

static enum err_code render(X509 *certificate, EVP_PKEY *own, struct ca_issued *out,
                            struct err *err)
{
    out->certificate = ca_certificate_pem(certificate);
    out->key = own != NULL ? ca_key_pem(own) : NULL;
    return out->certificate != NULL && (own == NULL || out->key != NULL) ? ERR_OK : no_memory(err);
}

enum err_code ca_issue(struct ca *ca, const struct ca_wish *wish, struct ca_issued *out,
                       struct err *err)
{
    bool asked = wish->csr.len > 0;
    EVP_PKEY *key = NULL;
    X509 *certificate = NULL;
    *out = (struct ca_issued){.entry = {.server = wish->server}};
    enum err_code code = check_wish(wish, err);
    if (code != ERR_OK)
        return code;
    strcpy(out->entry.name, wish->name);
    if (asked)
        code = ca_read_request(wish->csr, &key, err);
    else if ((key = ca_make_key()) == NULL)
        code = no_memory(err);
    if (code == ERR_OK)
        code = ca_make_certificate(ca, key, wish->days, &out->entry, &certificate, err);
    if (code == ERR_OK)
        code = render(certificate, asked ? NULL : key, out, err);
    if (code == ERR_OK)
        code = ca_register_issued(ca, &out->entry, err);
    X509_free(certificate);
    EVP_PKEY_free(key);
    if (code != ERR_OK)
        ca_issued_clear(out);
    return code;
}

enum err_code ca_certify(const struct ca *ca, const char *name, unsigned days, struct secret *key,
                         struct buf *certificate, struct err *err)
{
    struct ca_entry entry = {.server = false};
    X509 *made = NULL;
    enum err_code code = enrollment_check_endpoint(bytes_of_text(name), err);
    if (code != ERR_OK)
        return code;
    strcpy(entry.name, name);
    EVP_PKEY *pair = ca_make_key();
    code = pair != NULL ? ca_make_certificate(ca, pair, days, &entry, &made, err) : no_memory(err);
    if (code == ERR_OK && (!ca_key_der(pair, key) || !ca_certificate_der(made, certificate)))
        code = no_memory(err);
    X509_free(made);
    EVP_PKEY_free(pair);
    return code;
}

void ca_issued_clear(struct ca_issued *issued)
{
    if (issued->key != NULL)
        bytes_wipe(issued->key, strlen(issued->key));
    free(issued->key);
    free(issued->certificate);
    *issued = (struct ca_issued){0};
}

/* ---- revoking ---- */

enum err_code ca_revoke(struct ca *ca, const char *what, enum ca_reason reason, size_t *revoked,
                        struct err *err)
{
    bool found = false;
    enum err_code code = ERR_OK;
    *revoked = 0;
    for (size_t i = 0; code == ERR_OK && i < ca->count; i++) {
        struct ca_entry *entry = &ca->entries[i];
        if (strcasecmp(entry->serial, what) != 0 && strcmp(entry->name, what) != 0)
            continue;
        found = true;
        if (entry->revoked_ms != 0)
            continue;
        struct ca_entry changed = *entry;
        changed.revoked_ms = clock_wall_ms();
        changed.reason = reason;
        code = ca_register_revoked(ca, &changed, err);
        if (code == ERR_OK) {
            *entry = changed;
            ++*revoked;
        }
    }
    return found || code != ERR_OK
               ? code
               : err_set(err, ERR_NOT_FOUND, "this CA has issued nothing of that serial or name");
}

static bool is_registered(const struct ca *ca, const char *serial)
{
    for (size_t i = 0; i < ca->count; i++)
        if (strcmp(ca->entries[i].serial, serial) == 0)
            return true;
    return false;
}

enum err_code ca_adopt(struct ca *ca, struct bytes text, char out[static CA_SERIAL_SIZE],
                       struct err *err)
{
    X509 *certificate = ca_read_certificate(text);
    struct ca_entry entry;
    enum err_code code = ERR_OK;
    if (certificate == NULL)
        code = err_set(err, ERR_INVALID, "it is no certificate in PEM or DER");
    else if (X509_verify(certificate, ca->key) != 1 || !ca_serial_text(certificate, out))
        code = err_set(err, ERR_INVALID, "it is no certificate of this CA");
    else if (X509_cmp(certificate, ca->certificate) == 0)
        code = err_set(err, ERR_INVALID, "it is the CA's own certificate");
    else if (is_registered(ca, out))
        code = ERR_OK;
    else if (!ca_describe(certificate, &entry))
        code = err_set(err, ERR_INVALID, "it has no name that this CA gives");
    else
        code = ca_register_issued(ca, &entry, err);
    X509_free(certificate);
    return code;
}

enum err_code ca_crl(struct ca *ca, unsigned days, char **out, struct err *err)
{
    int64_t now_ms = clock_wall_ms();
    if (days < 1 || days > CA_DAYS_MAX)
        return err_set(err, ERR_RANGE, "a list is good for 1 to %d days", CA_DAYS_MAX);
    enum err_code code = ca_register_crl(ca, now_ms, err);
    return code == ERR_OK ? ca_make_crl(ca, now_ms, days, out, err) : code;
}
