/* Master keys: reading their file, and what is asked of them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "vault_priv.h"

#include "usher/digest.h"
#include "usher/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_SIZE_MAX = 4096, HEX_DIGITS = MASTER_KEY_SIZE * 2 };

/* The first bits of a hash: short enough for messages, and it says nothing about the key. */
static uint32_t id_of(const uint8_t key[static MASTER_KEY_SIZE])
{
    static const char label[] = "usher master key id";
    struct digest digest;
    uint8_t hash[DIGEST_SIZE];
    digest_begin(&digest);
    digest_add(&digest, label, sizeof label);
    digest_add(&digest, key, MASTER_KEY_SIZE);
    digest_end(&digest, hash);
    uint32_t id =
        ((uint32_t)hash[0] << 24 | (uint32_t)hash[1] << 16 | (uint32_t)hash[2] << 8 | hash[3]) &
        0x7fffffff;
    return id != 0 ? id : 1;
}

static enum err_code take_line(const char *path, size_t number, const char *line, size_t len,
                               struct key_ring *ring, struct err *err)
{
    size_t got = 0;
    while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t' || line[len - 1] == '\r'))
        len--;
    if (len == 0 || line[0] == '#')
        return ERR_OK;
    if (ring->count == VAULT_KEYS_MAX)
        return err_set(err, ERR_TOO_LARGE, "master key '%s': more than %d keys; remove old ones",
                       path, VAULT_KEYS_MAX);
    struct master_key *key = &ring->keys[ring->count];
    if (len != HEX_DIGITS || !bytes_from_hex(line, len, key->data, sizeof key->data, &got))
        return err_set(err, ERR_INVALID,
                       "master key '%s', line %zu: %d hexadecimal digits are expected; make a key "
                       "with: openssl rand -hex 32",
                       path, number, HEX_DIGITS);
    key->id = id_of(key->data);
    for (size_t i = 0; i < ring->count; i++) {
        if (ring->keys[i].id == key->id)
            return err_set(err, ERR_INVALID, "master key '%s', line %zu: this key is there twice",
                           path, number);
    }
    ring->count++;
    return ERR_OK;
}

static enum err_code take_text(const char *path, const char *text, size_t len,
                               struct key_ring *ring, struct err *err)
{
    const char *line = text, *end = text + len;
    for (size_t number = 1; line < end; number++) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (stop == NULL)
            stop = end;
        enum err_code code = take_line(path, number, line, (size_t)(stop - line), ring, err);
        if (code != ERR_OK)
            return code;
        line = stop + 1;
    }
    if (ring->count == 0)
        return err_set(err, ERR_INVALID,
                       "master key '%s' holds no key; make one with: openssl rand -hex 32", path);
    return ERR_OK;
}

static enum err_code check_file(const char *path, int fd, struct err *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return err_set(err, ERR_IO, "master key '%s': %s", path, strerror(errno));
    return owner_check_secret("master key", path, &status, err);
}

static enum err_code open_file(const char *path, int *fd, struct err *err)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd >= 0)
        return ERR_OK;
    if (errno == ENOENT)
        return err_set(err, ERR_NOT_FOUND,
                       "master key '%s' does not exist; restore it, or for a new store make one: "
                       "(umask 077; openssl rand -hex 32 >'%s')",
                       path, path);
    return err_set(err, errno == EACCES ? ERR_DENIED : ERR_IO, "master key '%s': %s", path,
                   strerror(errno));
}

static enum err_code read_ring(const char *path, struct key_ring *ring, struct err *err)
{
    char text[FILE_SIZE_MAX + 1];
    size_t len = 0;
    ssize_t got = 0;
    int fd;
    ring->count = 0;
    enum err_code code = open_file(path, &fd, err);
    if (code != ERR_OK)
        return code;
    code = check_file(path, fd, err);
    while (code == ERR_OK && len < sizeof text &&
           (got = read(fd, text + len, sizeof text - len)) > 0)
        len += (size_t)got;
    if (code == ERR_OK && got < 0)
        code = err_set(err, ERR_IO, "master key '%s': %s", path, strerror(errno));
    close(fd);
    if (code == ERR_OK && len > FILE_SIZE_MAX)
        code = err_set(err, ERR_TOO_LARGE, "master key '%s' is larger than %d bytes", path,
                       FILE_SIZE_MAX);
    if (code == ERR_OK)
        code = take_text(path, text, len, ring, err);
    bytes_wipe(text, sizeof text);
    return code;
}

enum err_code vault_open(const char *path, struct vault **out, struct err *err)
{
    struct vault *vault = calloc(1, sizeof *vault);
    if (vault == NULL || (vault->path = strdup(path)) == NULL) {
        free(vault);
        return err_set(err, ERR_NO_MEMORY, "master key: out of memory");
    }
    pthread_mutex_init(&vault->lock, NULL);
    enum err_code code = read_ring(path, &vault->ring, err);
    if (code != ERR_OK) {
        vault_free(vault);
        return code;
    }
    *out = vault;
    return ERR_OK;
}

enum err_code vault_reload(struct vault *vault, struct err *err)
{
    struct key_ring fresh;
    enum err_code code = read_ring(vault->path, &fresh, err);
    if (code == ERR_OK) {
        pthread_mutex_lock(&vault->lock);
        vault->ring = fresh;
        atomic_fetch_add(&vault->epoch, 1);
        pthread_mutex_unlock(&vault->lock);
    }
    bytes_wipe(&fresh, sizeof fresh);
    return code;
}

void vault_free(struct vault *vault)
{
    if (vault == NULL)
        return;
    pthread_mutex_destroy(&vault->lock);
    free(vault->path);
    bytes_wipe(vault, sizeof *vault);
    free(vault);
}

void vault_copy_ring(struct vault *vault, struct key_ring *out, unsigned *epoch)
{
    pthread_mutex_lock(&vault->lock);
    *out = vault->ring;
    *epoch = atomic_load(&vault->epoch);
    pthread_mutex_unlock(&vault->lock);
}

uint32_t vault_current(struct vault *vault)
{
    if (vault == NULL)
        return 0;
    pthread_mutex_lock(&vault->lock);
    uint32_t id = vault->ring.keys[0].id;
    pthread_mutex_unlock(&vault->lock);
    return id;
}

bool vault_has(struct vault *vault, uint32_t id)
{
    bool found = id == 0;
    if (vault == NULL)
        return found;
    pthread_mutex_lock(&vault->lock);
    for (size_t i = 0; i < vault->ring.count; i++)
        found |= vault->ring.keys[i].id == id;
    pthread_mutex_unlock(&vault->lock);
    return found;
}

bool vault_default_path(char *out, size_t size)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    if (folder == NULL || folder[0] != '/')
        return false;
    int len = snprintf(out, size, "%s/usher-master-key", folder);
    return len > 0 && (size_t)len < size && access(out, F_OK) == 0;
}
