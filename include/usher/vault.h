/* SPDX-License-Identifier: Apache-2.0 */
/* module: vault */
/* Secrets at rest: AES-256-GCM under a master key from a file or a systemd credential. Every sealed
 * secret is bound to its place (table, column, row) and names the master key it is under. */
#ifndef USHER_VAULT_H
#define USHER_VAULT_H

#include "usher/err.h"
#include "usher/secret.h"

enum {
    VAULT_KEYS_MAX = 8,       /* master keys in one file */
    VAULT_OVERHEAD = 12 + 16, /* nonce and tag, beside the secret's own length */
    VAULT_SEALED_MAX = SECRET_MAX + VAULT_OVERHEAD,
};

/* The master keys, shared by threads. */
struct vault;

/* Reads the file: 64 hexadecimal digits a line, the key for new seals first, older ones below;
 * empty lines and lines with '#' are skipped. ERR_DENIED: its group or others may use the file, or
 * it cannot be read; ERR_NOT_FOUND; ERR_INVALID: the line is named, never shown. */
enum err_code vault_open(const char *path, struct vault **out, struct err *err);
/* Reads the file again; on failure the keys in use stay. Any thread. */
enum err_code vault_reload(struct vault *vault, struct err *err);
void vault_free(struct vault *vault); /* wipes; NULL accepted; all sealers must be gone */
/* Ids are 1 to 2^31 - 1; 0 stands for "not sealed". */
uint32_t vault_current(struct vault *vault);
bool vault_has(struct vault *vault, uint32_t id);
/* Where the key lies when nothing is configured: $CREDENTIALS_DIRECTORY/usher-master-key, if there
 * is such a file. False: none, or the path is too long. */
bool vault_default_path(char *out, size_t size);

/* Where a secret lies. */
struct vault_place {
    uint8_t table, column; /* of the caller's own numbering, which never changes */
    uint64_t row;
};

/* Seals and opens for one thread at a time. */
struct sealer;

/* `vault` NULL: secrets stay as they are and only those that are not sealed can be opened. NULL: no
 * memory. */
struct sealer *sealer_new(struct vault *vault);
void sealer_free(struct sealer *sealer); /* NULL accepted */
/* Seals under the current master key. `out` has VAULT_OVERHEAD more bytes than `plain` (as many,
 * when there is no vault); *id names the key. False: libcrypto has failed. */
bool sealer_seal(struct sealer *sealer, const struct vault_place *place, struct bytes plain,
                 uint8_t *out, size_t *len, uint32_t *id);
/* The reverse, into at least as many bytes as `sealed` has. ERR_NOT_FOUND: no such master key;
 * ERR_INVALID: it was altered, or moved from another place. */
enum err_code sealer_open(struct sealer *sealer, const struct vault_place *place, uint32_t id,
                          struct bytes sealed, uint8_t *out, size_t *len);

#endif
