/* Sealing and opening, with contexts that keep their key schedule. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "vault_priv.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { NONCE_SIZE = 12, TAG_SIZE = 16, PLACE_SIZE = 16, NONCES = 64 };

struct opener {
    uint32_t id;
    EVP_CIPHER_CTX *seal, *open;
};

struct sealer {
    struct vault *vault;
    unsigned epoch; /* of the keys below */
    size_t count;
    struct opener openers[VAULT_KEYS_MAX];
    uint8_t nonces[NONCES * NONCE_SIZE]; /* fetched from the kernel many at a time; no secret */
    size_t nonces_left;
};

static void drop_keys(struct sealer *sealer)
{
    for (size_t i = 0; i < sealer->count; i++) {
        EVP_CIPHER_CTX_free(sealer->openers[i].seal);
        EVP_CIPHER_CTX_free(sealer->openers[i].open);
    }
    sealer->count = 0;
}

static bool add_key(struct sealer *sealer, const struct master_key *key)
{
    struct opener *opener = &sealer->openers[sealer->count];
    *opener = (struct opener){key->id, EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_new()};
    sealer->count++;
    return opener->seal != NULL && opener->open != NULL &&
           EVP_EncryptInit_ex(opener->seal, EVP_aes_256_gcm(), NULL, key->data, NULL) == 1 &&
           EVP_DecryptInit_ex(opener->open, EVP_aes_256_gcm(), NULL, key->data, NULL) == 1;
}

static bool take_keys(struct sealer *sealer)
{
    struct key_ring ring;
    bool good = true;
    drop_keys(sealer);
    vault_copy_ring(sealer->vault, &ring, &sealer->epoch);
    for (size_t i = 0; good && i < ring.count; i++)
        good = add_key(sealer, &ring.keys[i]);
    bytes_wipe(&ring, sizeof ring);
    if (!good)
        drop_keys(sealer);
    return good;
}

/* Follows a reload of the vault. */
static bool keys_are_fresh(struct sealer *sealer)
{
    bool fresh = sealer->count > 0 && sealer->epoch == atomic_load(&sealer->vault->epoch);
    return fresh || take_keys(sealer);
}

struct sealer *sealer_new(struct vault *vault)
{
    struct sealer *sealer = calloc(1, sizeof *sealer);
    if (sealer == NULL)
        return NULL;
    sealer->vault = vault;
    if (vault != NULL && !take_keys(sealer)) {
        free(sealer);
        return NULL;
    }
    return sealer;
}

void sealer_free(struct sealer *sealer)
{
    if (sealer == NULL)
        return;
    drop_keys(sealer);
    free(sealer);
}

static void put_place(const struct vault_place *place, uint8_t out[static PLACE_SIZE])
{
    memcpy(out, "usher1", 6);
    out[6] = place->table;
    out[7] = place->column;
    for (int i = 0; i < 8; i++)
        out[8 + i] = (uint8_t)(place->row >> (56 - 8 * i));
}

static const uint8_t *next_nonce(struct sealer *sealer)
{
    if (sealer->nonces_left == 0) {
        bytes_random(sealer->nonces, sizeof sealer->nonces);
        sealer->nonces_left = NONCES;
    }
    return sealer->nonces + --sealer->nonces_left * NONCE_SIZE;
}

bool sealer_seal(struct sealer *sealer, const struct vault_place *place, struct bytes plain,
                 uint8_t *out, size_t *len, uint32_t *id)
{
    uint8_t aad[PLACE_SIZE];
    int part = 0, last = 0;
    if (sealer->vault == NULL) {
        if (plain.len > 0)
            memcpy(out, plain.data, plain.len);
        *len = plain.len;
        *id = 0;
        return true;
    }
    if (!keys_are_fresh(sealer))
        return false;
    EVP_CIPHER_CTX *context = sealer->openers[0].seal;
    put_place(place, aad);
    memcpy(out, next_nonce(sealer), NONCE_SIZE);
    if (EVP_EncryptInit_ex(context, NULL, NULL, NULL, out) != 1 ||
        EVP_EncryptUpdate(context, NULL, &part, aad, sizeof aad) != 1 ||
        EVP_EncryptUpdate(context, out + NONCE_SIZE, &part, plain.data, (int)plain.len) != 1 ||
        EVP_EncryptFinal_ex(context, out + NONCE_SIZE + part, &last) != 1 ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE,
                            out + NONCE_SIZE + plain.len) != 1)
        return false;
    *len = plain.len + VAULT_OVERHEAD;
    *id = sealer->openers[0].id;
    return true;
}

static EVP_CIPHER_CTX *find_opener(struct sealer *sealer, uint32_t id)
{
    if (sealer->vault == NULL || !keys_are_fresh(sealer))
        return NULL;
    for (size_t i = 0; i < sealer->count; i++) {
        if (sealer->openers[i].id == id)
            return sealer->openers[i].open;
    }
    return NULL;
}

enum err_code sealer_open(struct sealer *sealer, const struct vault_place *place, uint32_t id,
                          struct bytes sealed, uint8_t *out, size_t *len)
{
    uint8_t aad[PLACE_SIZE], tag[TAG_SIZE];
    int part = 0, last = 0;
    if (id == 0) {
        if (sealed.len > 0)
            memcpy(out, sealed.data, sealed.len);
        *len = sealed.len;
        return ERR_OK;
    }
    EVP_CIPHER_CTX *context = find_opener(sealer, id);
    if (context == NULL)
        return ERR_NOT_FOUND;
    if (sealed.len < VAULT_OVERHEAD)
        return ERR_INVALID;
    size_t plain = sealed.len - VAULT_OVERHEAD;
    put_place(place, aad);
    memcpy(tag, sealed.data + NONCE_SIZE + plain, TAG_SIZE);
    if (EVP_DecryptInit_ex(context, NULL, NULL, NULL, sealed.data) != 1 ||
        EVP_DecryptUpdate(context, NULL, &part, aad, sizeof aad) != 1 ||
        EVP_DecryptUpdate(context, out, &part, sealed.data + NONCE_SIZE, (int)plain) != 1 ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) != 1 ||
        EVP_DecryptFinal_ex(context, out + part, &last) != 1) {
        bytes_wipe(out, plain);
        return ERR_INVALID;
    }
    *len = plain;
    return ERR_OK;
}
