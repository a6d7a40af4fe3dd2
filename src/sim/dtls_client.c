/* A DTLS 1.2 client with a pre-shared key or a certificate, on Mbed TLS 3.6 or 2.28. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "dtls_client_priv.h"

#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <mbedtls/version.h>

#include <stdlib.h>
#include <string.h>

#if MBEDTLS_VERSION_NUMBER < 0x03000000
#define MBEDTLS_PRIVATE(member) member
#endif

/* Below the smallest IPv6 MTU with its headers (RFC 7925 section 11). */
enum { DATAGRAM_MAX = 1232, PLAIN_MAX = 2048 };

struct dtls_client {
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config tls;
    mbedtls_x509_crt chain, authorities;
    mbedtls_pk_context key;
    int suites[4];
    struct dtls_client_config config;
    enum dtls_client_state state;
    int error;
    uint8_t alert;
    struct bytes input; /* the datagram that the library may read now */
    uint64_t now;
    bool timer_set;
    uint64_t intermediate, final; /* of the library's one timer */
};

static int give_random(void *context, unsigned char *data, size_t len)
{
    const struct dtls_client *client = context;
    if (client->config.random != NULL)
        client->config.random(client->config.random_context, data, len);
    else
        bytes_random(data, len);
    return 0;
}

static int give_datagram(void *context, const unsigned char *data, size_t len)
{
    struct dtls_client *client = context;
    client->config.send(client->config.context, bytes_of(data, len));
    return (int)len;
}

static int take_datagram(void *context, unsigned char *data, size_t cap)
{
    struct dtls_client *client = context;
    size_t len = client->input.len;
    if (len == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    if (len > cap)
        len = cap;
    memcpy(data, client->input.data, len);
    client->input = (struct bytes){0};
    return (int)len;
}

static void set_timer(void *context, uint32_t intermediate_ms, uint32_t final_ms)
{
    struct dtls_client *client = context;
    client->timer_set = final_ms != 0;
    client->intermediate = client->now + intermediate_ms;
    client->final = client->now + final_ms;
}

/* -1 cancelled, 0 running, 1 intermediate passed, 2 final passed: the library's convention. */
static int get_timer(void *context)
{
    const struct dtls_client *client = context;
    if (!client->timer_set)
        return -1;
    if (client->now >= client->final)
        return 2;
    return client->now >= client->intermediate ? 1 : 0;
}

/* For each AES, the suite with a pre-shared key and the one with certificates. */
static const int suites[][2] = {
    {MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8},
    {MBEDTLS_TLS_PSK_WITH_AES_128_GCM_SHA256, MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
    {MBEDTLS_TLS_PSK_WITH_AES_128_CBC_SHA256, MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256},
};
enum { SUITE_COUNT = sizeof suites / sizeof suites[0] };

/* False: it is none of them. */
static bool choose_suites(struct dtls_client *client, const struct dtls_client_config *config)
{
    bool certificates = config->authorities != NULL;
    size_t count = 0;

    for (size_t i = 0; i < SUITE_COUNT; i++)
        if (config->cipher == 0 || config->cipher == suites[i][0])
            client->suites[count++] = suites[i][certificates];
    client->suites[count] = 0;
    return count > 0;
}

/* 3.6 is built with DTLS 1.2 alone; 2.28 knows older ones too. */
static void only_version_1_2(mbedtls_ssl_config *tls)
{
#if MBEDTLS_VERSION_NUMBER < 0x03000000
    mbedtls_ssl_conf_min_version(tls, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_max_version(tls, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#else
    mbedtls_ssl_conf_min_tls_version(tls, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_max_tls_version(tls, MBEDTLS_SSL_VERSION_TLS1_2);
#endif
}

#if defined(MBEDTLS_SSL_DTLS_CONNECTION_ID) && MBEDTLS_VERSION_NUMBER >= 0x03000000
static int configure_cid(struct dtls_client *client, size_t len)
{
    uint8_t own[MBEDTLS_SSL_CID_IN_LEN_MAX];

    if (len > sizeof own)
        return MBEDTLS_ERR_SSL_BAD_INPUT_DATA;
    give_random(client, own, len);
    int result = mbedtls_ssl_conf_cid(&client->tls, len, MBEDTLS_SSL_UNEXPECTED_CID_IGNORE);
    return result != 0 ? result
                       : mbedtls_ssl_set_cid(&client->ssl, MBEDTLS_SSL_CID_ENABLED, own, len);
}

bool dtls_client_has_cid(struct dtls_client *client)
{
    int enabled = MBEDTLS_SSL_CID_DISABLED;

    return client->state != DTLS_CLIENT_HANDSHAKE &&
           mbedtls_ssl_get_peer_cid(&client->ssl, &enabled, NULL, NULL) == 0 &&
           enabled == MBEDTLS_SSL_CID_ENABLED;
}
#else
static int configure_cid(struct dtls_client *client, size_t len)
{
    return MBEDTLS_ERR_SSL_FEATURE_UNAVAILABLE;
}

bool dtls_client_has_cid(struct dtls_client *client)
{
    return false;
}
#endif

static int read_key_file(struct dtls_client *client, const char *path)
{
#if MBEDTLS_VERSION_NUMBER < 0x03000000
    return mbedtls_pk_parse_keyfile(&client->key, path, NULL);
#else
    return mbedtls_pk_parse_keyfile(&client->key, path, NULL, give_random, client);
#endif
}

static enum err_code cannot_use(const char *what, const char *path, int result, struct err *err)
{
    return err_set(err, ERR_INVALID, "%s '%s' cannot be used (-0x%04x)", what, path,
                   (unsigned)(result < 0 ? -result : result));
}

static enum err_code use_certificates(struct dtls_client *client,
                                      const struct dtls_client_config *config, struct err *err)
{
    mbedtls_ssl_config *tls = &client->tls;
    int result = mbedtls_x509_crt_parse_file(&client->authorities, config->authorities);

    if (result != 0)
        return cannot_use("the CA file", config->authorities, result, err);
    mbedtls_ssl_conf_ca_chain(tls, &client->authorities, NULL);
    mbedtls_ssl_conf_authmode(tls, MBEDTLS_SSL_VERIFY_REQUIRED);
    if (config->certificate == NULL)
        return ERR_OK;
    result = mbedtls_x509_crt_parse_file(&client->chain, config->certificate);
    if (result != 0)
        return cannot_use("the certificate", config->certificate, result, err);
    result = read_key_file(client, config->certificate_key);
    if (result != 0)
        return cannot_use("the key of the certificate", config->certificate_key, result, err);
    result = mbedtls_ssl_conf_own_cert(tls, &client->chain, &client->key);
    return result == 0 ? ERR_OK : cannot_use("the certificate", config->certificate, result, err);
}

static enum err_code use_key(struct dtls_client *client, const struct dtls_client_config *config,
                             struct err *err)
{
    int result = mbedtls_ssl_conf_psk(&client->tls, config->key.data, config->key.len,
                                      config->identity.data, config->identity.len);

    return result == 0
               ? ERR_OK
               : err_set(err, ERR_INVALID, "the pre-shared key cannot be used for DTLS (-0x%04x)",
                         (unsigned)-result);
}

static enum err_code configure(struct dtls_client *client, const struct dtls_client_config *config,
                               struct err *err)
{
    mbedtls_ssl_config *tls = &client->tls;

    if (mbedtls_ssl_config_defaults(tls, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_DATAGRAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0)
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    only_version_1_2(tls);
    mbedtls_ssl_conf_ciphersuites(tls, client->suites);
    mbedtls_ssl_conf_rng(tls, give_random, client);
    mbedtls_ssl_conf_handshake_timeout(tls, config->handshake_min_ms, config->handshake_max_ms);
    enum err_code code = config->authorities != NULL ? use_certificates(client, config, err)
                                                     : use_key(client, config, err);
    if (code != ERR_OK)
        return code;
    int result = mbedtls_ssl_setup(&client->ssl, tls);
    /* Named even when any name will do: 3.6 wants the question answered. */
    if (result == 0 && config->authorities != NULL)
        result = mbedtls_ssl_set_hostname(&client->ssl, config->server_name);
    if (result == 0 && config->cid)
        result = configure_cid(client, config->cid_len);
    return result == 0
               ? ERR_OK
               : err_set(err, ERR_INVALID, "DTLS cannot be set up (-0x%04x)", (unsigned)-result);
}

enum err_code dtls_client_new(const struct dtls_client_config *config, struct dtls_client **out,
                              struct err *err)
{
#if MBEDTLS_VERSION_NUMBER < 0x03000000
    if (config->cid)
        return err_set(err, ERR_UNSUPPORTED,
                       "Connection IDs need a build with Mbed TLS 3.6 (-Dmbedtls=bundled)");
#endif
    struct dtls_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    client->config = *config;
    mbedtls_ssl_init(&client->ssl);
    mbedtls_ssl_config_init(&client->tls);
    mbedtls_x509_crt_init(&client->chain);
    mbedtls_x509_crt_init(&client->authorities);
    mbedtls_pk_init(&client->key);
    enum err_code code =
        choose_suites(client, config)
            ? configure(client, config, err)
            : err_set(err, ERR_UNSUPPORTED, "cipher suite 0x%04x is not one of C0A8, 00A8, 00AE",
                      config->cipher);
    if (code != ERR_OK) {
        dtls_client_free(client);
        return code;
    }
    /* The library keeps its own copies. */
    client->config.identity = client->config.key = (struct bytes){0};
    mbedtls_ssl_set_bio(&client->ssl, client, give_datagram, take_datagram, NULL);
    mbedtls_ssl_set_timer_cb(&client->ssl, client, set_timer, get_timer);
    mbedtls_ssl_set_mtu(&client->ssl, DATAGRAM_MAX);
    *out = client;
    return ERR_OK;
}

void dtls_client_free(struct dtls_client *client)
{
    if (client == NULL)
        return;
    mbedtls_ssl_free(&client->ssl);
    mbedtls_ssl_config_free(&client->tls);
    mbedtls_x509_crt_free(&client->chain);
    mbedtls_x509_crt_free(&client->authorities);
    mbedtls_pk_free(&client->key);
    bytes_wipe(client, sizeof *client);
    free(client);
}

static void note_failure(struct dtls_client *client, int result)
{
    client->timer_set = false;
    client->error = result;
    switch (result) {
    case MBEDTLS_ERR_SSL_TIMEOUT:
        client->state = DTLS_CLIENT_TIMED_OUT;
        break;
    case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
        client->state = DTLS_CLIENT_ALERT;
        client->alert = client->ssl.MBEDTLS_PRIVATE(in_msg)[1];
        break;
    case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
        client->state = DTLS_CLIENT_CLOSED;
        break;
    default:
        client->state = DTLS_CLIENT_ERROR;
    }
}

static bool is_waiting(int result)
{
    return result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE;
}

static void shake_hands(struct dtls_client *client)
{
    int result = mbedtls_ssl_handshake(&client->ssl);
    if (result == 0) {
        client->state = DTLS_CLIENT_OPEN;
        client->timer_set = false;
    } else if (!is_waiting(result)) {
        note_failure(client, result);
    }
}

/* The owner may close or free nothing from inside `received`; it acts when this has returned. */
static void read_plain(struct dtls_client *client)
{
    uint8_t plain[PLAIN_MAX];
    while (client->state == DTLS_CLIENT_OPEN) {
        int result = mbedtls_ssl_read(&client->ssl, plain, sizeof plain);
        if (result > 0)
            client->config.received(client->config.context, bytes_of(plain, (size_t)result));
        else if (is_waiting(result))
            break;
        else if (result != 0)
            note_failure(client, result);
        else
            note_failure(client, MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
    }
    bytes_wipe(plain, sizeof plain);
}

enum dtls_client_state dtls_client_start(struct dtls_client *client, uint64_t now)
{
    client->now = now;
    shake_hands(client);
    return client->state;
}

enum dtls_client_state dtls_client_receive(struct dtls_client *client, struct bytes datagram,
                                           uint64_t now)
{
    client->now = now;
    client->input = datagram;
    if (client->state == DTLS_CLIENT_HANDSHAKE)
        shake_hands(client);
    read_plain(client);
    client->input = (struct bytes){0};
    return client->state;
}

enum dtls_client_state dtls_client_expire(struct dtls_client *client, uint64_t now)
{
    client->now = now;
    if (client->state == DTLS_CLIENT_HANDSHAKE && client->timer_set && now >= client->final)
        shake_hands(client);
    return client->state;
}

uint64_t dtls_client_next(const struct dtls_client *client)
{
    return client->state == DTLS_CLIENT_HANDSHAKE && client->timer_set ? client->final : UINT64_MAX;
}

bool dtls_client_send(struct dtls_client *client, struct bytes plain)
{
    return client->state == DTLS_CLIENT_OPEN &&
           mbedtls_ssl_write(&client->ssl, plain.data, plain.len) == (int)plain.len;
}

void dtls_client_close(struct dtls_client *client)
{
    if (client->state == DTLS_CLIENT_OPEN)
        (void)mbedtls_ssl_close_notify(&client->ssl);
    client->timer_set = false;
}

enum dtls_client_state dtls_client_state(const struct dtls_client *client)
{
    return client->state;
}

uint8_t dtls_client_alert(const struct dtls_client *client)
{
    return client->alert;
}

int dtls_client_error(const struct dtls_client *client)
{
    return client->error;
}

const char *dtls_client_cipher(const struct dtls_client *client)
{
    const char *name =
        client->state == DTLS_CLIENT_HANDSHAKE ? NULL : mbedtls_ssl_get_ciphersuite(&client->ssl);
    return name != NULL ? name : "";
}

const char *dtls_alert_name(uint8_t alert)
{
    switch (alert) {
    case MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE:
        return "unexpected_message";
    case MBEDTLS_SSL_ALERT_MSG_BAD_RECORD_MAC:
        return "bad_record_mac";
    case MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE:
        return "handshake_failure";
    case MBEDTLS_SSL_ALERT_MSG_BAD_CERT:
        return "bad_certificate";
    case MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT:
        return "unsupported_certificate";
    case MBEDTLS_SSL_ALERT_MSG_CERT_REVOKED:
        return "certificate_revoked";
    case MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED:
        return "certificate_expired";
    case MBEDTLS_SSL_ALERT_MSG_CERT_UNKNOWN:
        return "certificate_unknown";
    case MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA:
        return "unknown_ca";
    case MBEDTLS_SSL_ALERT_MSG_ILLEGAL_PARAMETER:
        return "illegal_parameter";
    case MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR:
        return "decode_error";
    case MBEDTLS_SSL_ALERT_MSG_DECRYPT_ERROR:
        return "decrypt_error";
    case MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION:
        return "protocol_version";
    case MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR:
        return "internal_error";
    case MBEDTLS_SSL_ALERT_MSG_USER_CANCELED:
        return "user_canceled";
    case MBEDTLS_SSL_ALERT_MSG_NO_RENEGOTIATION:
        return "no_renegotiation";
    case MBEDTLS_SSL_ALERT_MSG_UNKNOWN_PSK_IDENTITY:
        return "unknown_psk_identity";
    default:
        return "";
    }
}
