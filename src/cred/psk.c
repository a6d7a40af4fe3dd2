/* Making pre-shared keys. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/psk.h"

#include <mbedtls/md.h>

enum { SERVER_SECRET_LEN = 32, SHA256_LEN = 32 };

enum err_code psk_generate(struct secret *out, size_t len)
{
    if (len < PSK_KEY_LEAST || len > PSK_KEY_MOST)
        return ERR_RANGE;
    secret_random(out, len);
    return ERR_OK;
}

void psk_decoy(const uint8_t server_secret[static PSK_SERVER_SECRET_SIZE], struct bytes identity,
               struct secret *out)
{
    uint8_t mac[SHA256_LEN];
    const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    const uint8_t *data = identity.len > 0 ? identity.data : server_secret;
    /* Without memory a random key does as well: it is wrong, too. */
    if (sha256 != NULL &&
        mbedtls_md_hmac(sha256, server_secret, SERVER_SECRET_LEN, data, identity.len, mac) == 0)
        secret_set(out, bytes_of(mac, PSK_DECOY_LEN));
    else
        secret_random(out, PSK_DECOY_LEN);
    bytes_wipe(mac, sizeof mac);
}
