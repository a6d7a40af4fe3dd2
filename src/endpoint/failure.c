/* SPDX-License-Identifier: Apache-2.0 */
/* Why a handshake failed, for counters and people, and what the device is told. */
#include "endpoint_priv.h"

#include <mbedtls/ecp.h>
#include <stdio.h>

static bool is_without_certificate(int result)
{
#if MBEDTLS_VERSION_NUMBER < 0x03000000
    return result == MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE ||
           result == MBEDTLS_ERR_SSL_BAD_HS_CERTIFICATE;
#else
    return result == MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE;
#endif
}

/* The device's CertificateVerify does not verify: the certificate is not its own. Mbed TLS has gone
 * on to the next state by then, and what it returns is the signature's error. */
static bool is_without_key(const struct association *association, int result)
{
    int state = association->ssl.MBEDTLS_PRIVATE(state);
    bool of_signature = result > MBEDTLS_ERR_ECP_BAD_INPUT_DATA - 0x80 &&
                        result <= MBEDTLS_ERR_ECP_SIG_LEN_MISMATCH;

    return association->handshake->device != NULL && of_signature &&
           (state == MBEDTLS_SSL_CERTIFICATE_VERIFY ||
            state == MBEDTLS_SSL_CLIENT_CHANGE_CIPHER_SPEC);
}

/* Did the handshake end over the device's certificates? */
static bool concerns_certificate(const struct association *association, int result)
{
    if (is_without_key(association, result))
        return true;
    return association->ssl.MBEDTLS_PRIVATE(state) == MBEDTLS_SSL_CLIENT_CERTIFICATE &&
           result != MBEDTLS_ERR_SSL_TIMEOUT && result != MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE &&
           result != MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE;
}

enum cause failure_cause(const struct association *association, int result)
{
    const struct handshake *handshake = association->handshake;

    if (concerns_certificate(association, result))
        return CAUSE_BAD_CERTIFICATE;
    switch (result) {
    case MBEDTLS_ERR_SSL_TIMEOUT:
        return CAUSE_HANDSHAKE_TIMEOUT;
    case MBEDTLS_ERR_SSL_INVALID_MAC:
#if MBEDTLS_VERSION_NUMBER < 0x03000000
    case MBEDTLS_ERR_SSL_BAD_HS_FINISHED:
    case MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN:
        if (result == MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN)
            return CAUSE_NO_CIPHERSUITE;
#else
    case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE:
#endif
        if (handshake->decoy)
            return handshake->decoy_cause;
        if (handshake->answered)
            return CAUSE_BAD_KEY;
        return result == MBEDTLS_ERR_SSL_INVALID_MAC ? CAUSE_HANDSHAKE_FAILED
                                                     : CAUSE_NO_CIPHERSUITE;
    default:
        return CAUSE_HANDSHAKE_FAILED;
    }
}

void failure_describe(const struct association *association, enum cause cause, int result,
                      char out[static FAILURE_DETAIL_SIZE])
{
    const mbedtls_ssl_context *ssl = &association->ssl;
    uint32_t flags = mbedtls_ssl_get_verify_result(ssl);

    out[0] = '\0';
    if (result == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE)
        (void)snprintf(out, FAILURE_DETAIL_SIZE, "the device sent alert %u",
                       ssl->MBEDTLS_PRIVATE(in_msg)[1]);
    else if (cause != CAUSE_BAD_CERTIFICATE)
        return;
    else if (is_without_key(association, result))
        (void)snprintf(out, FAILURE_DETAIL_SIZE,
                       "is not the device's own: it does not hold the key");
    else if (association->handshake->device != NULL && flags != 0 && flags != UINT32_MAX)
        (void)snprintf(out, FAILURE_DETAIL_SIZE, "%s", x509_explain(flags));
    else if (is_without_certificate(result))
        (void)snprintf(out, FAILURE_DETAIL_SIZE, "is missing");
    else
        (void)snprintf(out, FAILURE_DETAIL_SIZE, "cannot be read (-0x%04x)", (unsigned)-result);
}

void failure_alert(struct association *association, int result)
{
    int alert = is_without_certificate(result)        ? MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE
                : is_without_key(association, result) ? MBEDTLS_SSL_ALERT_MSG_DECRYPT_ERROR
                                                      : 0;
    if (alert != 0)
        mbedtls_ssl_send_alert_message(&association->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                       (unsigned char)alert);
}
