/* SPDX-License-Identifier: Apache-2.0 */
/* How a listener shakes hands: suites, keys, certificates. A setup never changes; a reload makes a
 * new one, and associations that began with the old one keep it (I7). */
#include "endpoint_priv.h"

#include <mbedtls/ssl_ciphersuites.h>
#include <stdlib.h>

/* Never fails: an alert 115 here would tell who is enrolled (trap 5). Without a resolved key for
 * exactly this identity, the handshake goes on with a key that nobody has. */
static int tls_psk(void *context, mbedtls_ssl_context *ssl, const unsigned char *identity,
                   size_t identity_len)
{
    struct endpoint *endpoint = context;
    struct handshake *handshake = endpoint->in_tls->handshake;
    struct bytes wanted = bytes_of(identity, identity_len);

    if (handshake != NULL && handshake->answered &&
        bytes_equal(wanted, bytes_of(handshake->identity, handshake->identity_len)) &&
        mbedtls_ssl_set_hs_psk(ssl, handshake->key.data, handshake->key.len) == 0)
        return 0;

    uint8_t nobody[16];
    bytes_random(nobody, sizeof nobody);
    if (handshake != NULL) {
        handshake->decoy = true;
        handshake->decoy_cause = CAUSE_UNKNOWN_IDENTITY;
    }
    return mbedtls_ssl_set_hs_psk(ssl, nobody, sizeof nobody);
}

/* For each certificate of the device's chain. Without memory the chain counts as refused. */
static int tls_verify(void *context, mbedtls_x509_crt *certificate, int depth, uint32_t *flags)
{
    const struct tls_setup *setup = context;
    struct handshake *handshake = setup->endpoint->in_tls->handshake;

    if (handshake->device == NULL)
        handshake->device = calloc(1, sizeof *handshake->device);
    if (handshake->device == NULL)
        return MBEDTLS_ERR_SSL_ALLOC_FAILED;
    return x509_check(setup->x509, handshake->device, certificate, depth, flags);
}

/* The gate has checked the cookie before the context was made. */
static int tls_cookie_write(void *context, unsigned char **out, unsigned char *end,
                            const unsigned char *client_id, size_t client_id_len)
{
    return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

static int tls_cookie_check(void *context, const unsigned char *cookie, size_t cookie_len,
                            const unsigned char *client_id, size_t client_id_len)
{
    return 0;
}

/* Pre-shared keys first: a device that has one offers it, and most offer certificates without
 * having any. */
static void choose_suites(struct tls_setup *setup, const struct endpoint_listener *settings)
{
    size_t count = 0;

    if (!settings->without_psk) {
        setup->suites[count++] = MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8;
        if (settings->gcm)
            setup->suites[count++] = MBEDTLS_TLS_PSK_WITH_AES_128_GCM_SHA256;
        if (settings->cbc)
            setup->suites[count++] = MBEDTLS_TLS_PSK_WITH_AES_128_CBC_SHA256;
    }
    if (setup->x509 != NULL) {
        setup->suites[count++] = MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8;
        if (settings->gcm)
            setup->suites[count++] = MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
        if (settings->cbc)
            setup->suites[count++] = MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256;
    }
    setup->suites[count] = 0;
}

static void only_curves_and_hashes_of_ours(mbedtls_ssl_config *tls)
{
#if MBEDTLS_VERSION_NUMBER < 0x03000000
    static const mbedtls_ecp_group_id curves[] = {MBEDTLS_ECP_DP_SECP256R1,
                                                  MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_ECP_DP_NONE};
    static const int hashes[] = {MBEDTLS_MD_SHA256, MBEDTLS_MD_SHA384, MBEDTLS_MD_SHA512,
                                 MBEDTLS_MD_NONE};
    mbedtls_ssl_conf_curves(tls, curves);
    mbedtls_ssl_conf_sig_hashes(tls, hashes);
#else
    static const uint16_t curves[] = {MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
                                      MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
                                      MBEDTLS_SSL_IANA_TLS_GROUP_NONE};
    mbedtls_ssl_conf_groups(tls, curves);
#endif
}

static bool configure(struct tls_setup *setup, const struct endpoint_listener *settings)
{
    struct endpoint *endpoint = setup->endpoint;
    mbedtls_ssl_config *tls = &setup->tls;

    if (mbedtls_ssl_config_defaults(tls, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_DATAGRAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0)
        return false;
    mbedtls_ssl_conf_min_version(tls, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_max_version(tls, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_rng(tls, mbedtls_ctr_drbg_random, &endpoint->drbg);
    mbedtls_ssl_conf_ciphersuites(tls, setup->suites);
    mbedtls_ssl_conf_dtls_cookies(tls, tls_cookie_write, tls_cookie_check, endpoint);
    mbedtls_ssl_conf_dtls_anti_replay(tls, MBEDTLS_SSL_ANTI_REPLAY_ENABLED);
    mbedtls_ssl_conf_handshake_timeout(tls, settings->handshake_min_ms, settings->handshake_max_ms);
    only_curves_and_hashes_of_ours(tls);
#if defined(ENDPOINT_HAS_CID)
    if (mbedtls_ssl_conf_cid(tls, CID_SIZE, MBEDTLS_SSL_UNEXPECTED_CID_IGNORE) != 0)
        return false;
#endif
    if (!settings->without_psk)
        mbedtls_ssl_conf_psk_cb(tls, tls_psk, endpoint);
    if (setup->x509 == NULL)
        return true;
    mbedtls_ssl_conf_verify(tls, tls_verify, setup);
    return x509_configure(setup->x509, tls) == ERR_OK;
}

struct tls_setup *tls_setup_new(struct endpoint *endpoint, const struct endpoint_listener *settings,
                                struct x509 *x509)
{
    struct tls_setup *setup = calloc(1, sizeof *setup);

    if (setup == NULL)
        return NULL;
    setup->users = 1;
    setup->endpoint = endpoint;
    setup->x509 = settings->x509 ? x509_ref(x509) : NULL;
    choose_suites(setup, settings);
    mbedtls_ssl_config_init(&setup->tls);
    if (!configure(setup, settings)) {
        tls_setup_unref(setup);
        return NULL;
    }
    return setup;
}

void tls_setup_unref(struct tls_setup *setup)
{
    if (setup == NULL || --setup->users > 0)
        return;
    mbedtls_ssl_config_free(&setup->tls);
    x509_unref(setup->x509);
    free(setup);
}
