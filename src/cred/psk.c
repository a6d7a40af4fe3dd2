/* SPDX-License-Identifier: Apache-2.0 */
/* Pre-shared keys. */
#include "usher/psk.h"

#include <mbedtls/md.h>

void psk_generate(struct secret *key, size_t len)
{
    secret_random(key, len);
}

bool psk_decoy(const uint8_t server_secret[static PSK_SERVER_SECRET_SIZE], struct bytes identity,
               struct secret *key)
{
    uint8_t mac[32];
    const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    bool done = sha256 != NULL && mbedtls_md_hmac(sha256, server_secret, PSK_SERVER_SECRET_SIZE,
                                                  identity.data, identity.len, mac) == 0;

    if (done)
        secret_set(key, bytes_of(mac, PSK_DECOY_SIZE));
    else
        secret_random(key, PSK_DECOY_SIZE);
    bytes_wipe(mac, sizeof mac);
    return done;
}
