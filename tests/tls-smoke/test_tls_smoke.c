/* Smoke test of the linked Mbed TLS: DTLS over memory, with PSK and with a certificate. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { DATAGRAM_MAX = 1500, QUEUE_MAX = 16 };

/* One direction of the pipe; keeps the borders of datagrams. */
struct queue {
    unsigned char data[QUEUE_MAX][DATAGRAM_MAX];
    size_t len[QUEUE_MAX];
    size_t first, count;
};

struct peer {
    struct queue *in, *out;
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config config;
    uint32_t timer_ms; /* 0 = not armed */
};

struct fixture {
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context drbg;
    mbedtls_pk_context key;
    mbedtls_x509_crt certificate;
    struct queue to_server, to_client;
    struct peer server, client;
};

static const unsigned char identity[] = "urn:dev:os:0042-lamp7";
static const unsigned char right_key[16] = "sixteen bytes ..";
static const unsigned char wrong_key[16] = "not the same key";

static int queue_send(void *context, const unsigned char *data, size_t len)
{
    struct queue *queue = ((struct peer *)context)->out;
    assert_true(len <= DATAGRAM_MAX && queue->count < QUEUE_MAX);
    size_t slot = (queue->first + queue->count++) % QUEUE_MAX;
    memcpy(queue->data[slot], data, len);
    queue->len[slot] = len;
    return (int)len;
}

static int queue_receive(void *context, unsigned char *data, size_t size)
{
    struct queue *queue = ((struct peer *)context)->in;
    if (queue->count == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    size_t slot = queue->first;
    assert_true(queue->len[slot] <= size);
    memcpy(data, queue->data[slot], queue->len[slot]);
    queue->first = (slot + 1) % QUEUE_MAX;
    queue->count--;
    return (int)queue->len[slot];
}

/* Nothing is lost in memory, so no timer ever expires. */
static void timer_set(void *context, uint32_t intermediate_ms, uint32_t final_ms)
{
    *(uint32_t *)context = final_ms;
}

static int timer_get(void *context)
{
    return *(uint32_t *)context == 0 ? -1 : 0;
}

static int cookie_write(void *context, unsigned char **at, unsigned char *end,
                        const unsigned char *client, size_t client_len)
{
    assert_true(end - *at >= 4);
    memcpy(*at, "bake", 4);
    *at += 4;
    return 0;
}

static int cookie_check(void *context, const unsigned char *cookie, size_t cookie_len,
                        const unsigned char *client, size_t client_len)
{
    return cookie_len == 4 && memcmp(cookie, "bake", 4) == 0 ? 0 : -1;
}

static void peer_init(struct fixture *f, struct peer *peer, int endpoint)
{
    mbedtls_ssl_config_init(&peer->config);
    mbedtls_ssl_init(&peer->ssl);
    assert_int_equal(mbedtls_ssl_config_defaults(&peer->config, endpoint,
                                                 MBEDTLS_SSL_TRANSPORT_DATAGRAM,
                                                 MBEDTLS_SSL_PRESET_DEFAULT),
                     0);
    mbedtls_ssl_conf_rng(&peer->config, mbedtls_ctr_drbg_random, &f->drbg);
    mbedtls_ssl_conf_authmode(&peer->config, MBEDTLS_SSL_VERIFY_NONE);
    if (endpoint == MBEDTLS_SSL_IS_SERVER)
        mbedtls_ssl_conf_dtls_cookies(&peer->config, cookie_write, cookie_check, NULL);
}

static void peer_start(struct peer *peer)
{
    assert_int_equal(mbedtls_ssl_setup(&peer->ssl, &peer->config), 0);
    mbedtls_ssl_set_timer_cb(&peer->ssl, &peer->timer_ms, timer_set, timer_get);
    mbedtls_ssl_set_bio(&peer->ssl, peer, queue_send, queue_receive, NULL);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    mbedtls_entropy_init(&f->entropy);
    mbedtls_ctr_drbg_init(&f->drbg);
    mbedtls_pk_init(&f->key);
    mbedtls_x509_crt_init(&f->certificate);
    assert_int_equal(mbedtls_ctr_drbg_seed(&f->drbg, mbedtls_entropy_func, &f->entropy, NULL, 0),
                     0);
    f->server.in = f->client.out = &f->to_server;
    f->server.out = f->client.in = &f->to_client;
    peer_init(f, &f->server, MBEDTLS_SSL_IS_SERVER);
    peer_init(f, &f->client, MBEDTLS_SSL_IS_CLIENT);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    mbedtls_ssl_free(&f->server.ssl);
    mbedtls_ssl_free(&f->client.ssl);
    mbedtls_ssl_config_free(&f->server.config);
    mbedtls_ssl_config_free(&f->client.config);
    mbedtls_x509_crt_free(&f->certificate);
    mbedtls_pk_free(&f->key);
    mbedtls_ctr_drbg_free(&f->drbg);
    mbedtls_entropy_free(&f->entropy);
    free(f);
    return 0;
}

/* Runs both ends in turn until both are done or one fails; the server's result counts first. */
static int handshake(struct fixture *f, const int suites[2])
{
    mbedtls_ssl_conf_ciphersuites(&f->client.config, suites);
    mbedtls_ssl_conf_ciphersuites(&f->server.config, suites);
    peer_start(&f->server);
    peer_start(&f->client);
    assert_int_equal(
        mbedtls_ssl_set_client_transport_id(&f->server.ssl, (const unsigned char *)"peer", 4), 0);
    for (int round = 0; round < 20; round++) {
        int client = mbedtls_ssl_handshake(&f->client.ssl);
        int server = mbedtls_ssl_handshake(&f->server.ssl);
        if (server == MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED) {
            assert_int_equal(mbedtls_ssl_session_reset(&f->server.ssl), 0);
            assert_int_equal(mbedtls_ssl_set_client_transport_id(&f->server.ssl,
                                                                 (const unsigned char *)"peer", 4),
                             0);
            server = MBEDTLS_ERR_SSL_WANT_READ;
        }
        if (server != 0 && server != MBEDTLS_ERR_SSL_WANT_READ)
            return server;
        if (client != 0 && client != MBEDTLS_ERR_SSL_WANT_READ)
            return client;
        if (server == 0 && client == 0)
            return 0;
    }
    return MBEDTLS_ERR_SSL_TIMEOUT;
}

static void check_exchange(struct fixture *f)
{
    static const unsigned char text[] = "POST /bs?ep=lamp7";
    unsigned char received[64];
    assert_int_equal(mbedtls_ssl_write(&f->client.ssl, text, sizeof text), sizeof text);
    assert_int_equal(mbedtls_ssl_read(&f->server.ssl, received, sizeof received), sizeof text);
    assert_memory_equal(received, text, sizeof text);
}

static void set_psk(struct peer *peer, const unsigned char key[static 16])
{
    assert_int_equal(mbedtls_ssl_conf_psk(&peer->config, key, 16, identity, sizeof identity - 1),
                     0);
}

static void test_psk_handshake(void **state)
{
    static const int suites[2] = {MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, 0};
    struct fixture *f = *state;
    set_psk(&f->server, right_key);
    set_psk(&f->client, right_key);
    assert_int_equal(handshake(f, suites), 0);
    assert_string_equal(mbedtls_ssl_get_ciphersuite(&f->server.ssl), "TLS-PSK-WITH-AES-128-CCM-8");
    check_exchange(f);
}

static void test_psk_cbc_handshake(void **state)
{
    static const int suites[2] = {MBEDTLS_TLS_PSK_WITH_AES_128_CBC_SHA256, 0};
    struct fixture *f = *state;
    set_psk(&f->server, right_key);
    set_psk(&f->client, right_key);
    assert_int_equal(handshake(f, suites), 0);
    check_exchange(f);
}

static void test_wrong_key_is_refused(void **state)
{
    static const int suites[2] = {MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, 0};
    struct fixture *f = *state;
    set_psk(&f->server, right_key);
    set_psk(&f->client, wrong_key);
    assert_int_equal(handshake(f, suites), MBEDTLS_ERR_SSL_INVALID_MAC);
}

/* The call of 2.28 is deprecated in 3.6, the one of 3.6 not yet known in 2.28. */
static int set_serial(mbedtls_x509write_cert *writer, unsigned char serial)
{
#if MBEDTLS_VERSION_NUMBER >= 0x03040000
    return mbedtls_x509write_crt_set_serial_raw(writer, &serial, 1);
#else
    mbedtls_mpi number;
    mbedtls_mpi_init(&number);
    int result = mbedtls_mpi_lset(&number, serial);
    if (result == 0)
        result = mbedtls_x509write_crt_set_serial(writer, &number);
    mbedtls_mpi_free(&number);
    return result;
#endif
}

/* A self-signed P-256 certificate, written and read back. */
static void make_certificate(struct fixture *f)
{
    mbedtls_x509write_cert writer;
    unsigned char der[1024];
    assert_int_equal(mbedtls_pk_setup(&f->key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), 0);
    assert_int_equal(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(f->key),
                                         mbedtls_ctr_drbg_random, &f->drbg),
                     0);
    mbedtls_x509write_crt_init(&writer);
    mbedtls_x509write_crt_set_md_alg(&writer, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_version(&writer, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_subject_key(&writer, &f->key);
    mbedtls_x509write_crt_set_issuer_key(&writer, &f->key);
    assert_int_equal(set_serial(&writer, 7), 0);
    assert_int_equal(mbedtls_x509write_crt_set_subject_name(&writer, "CN=bs.example"), 0);
    assert_int_equal(mbedtls_x509write_crt_set_issuer_name(&writer, "CN=bs.example"), 0);
    assert_int_equal(
        mbedtls_x509write_crt_set_validity(&writer, "20200101000000", "20991231235959"), 0);
    assert_int_equal(mbedtls_x509write_crt_set_basic_constraints(&writer, 1, -1), 0);
    int len =
        mbedtls_x509write_crt_der(&writer, der, sizeof der, mbedtls_ctr_drbg_random, &f->drbg);
    assert_true(len > 0);
    assert_int_equal(
        mbedtls_x509_crt_parse_der(&f->certificate, der + sizeof der - len, (size_t)len), 0);
    mbedtls_x509write_crt_free(&writer);
}

static void test_certificate_handshake(void **state)
{
    static const int suites[2] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, 0};
    struct fixture *f = *state;
    make_certificate(f);
    assert_int_equal(mbedtls_ssl_conf_own_cert(&f->server.config, &f->certificate, &f->key), 0);
    mbedtls_ssl_conf_authmode(&f->client.config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(&f->client.config, &f->certificate, NULL);
    assert_int_equal(mbedtls_ssl_set_hostname(&f->client.ssl, "bs.example"), 0);
    assert_int_equal(handshake(f, suites), 0);
    assert_int_equal(mbedtls_ssl_get_verify_result(&f->client.ssl), 0);
    check_exchange(f);
}

/* The bundled library is built with our header, and the header says what the design asks for. */
static void test_configuration(void **state)
{
    assert_true(mbedtls_version_get_number() >= 0x021C0000);
    assert_int_equal(mbedtls_version_get_number(), MBEDTLS_VERSION_NUMBER);
#if defined(USHER_MBEDTLS_BUNDLED)
    assert_int_equal(MBEDTLS_VERSION_NUMBER, 0x03060600);
    assert_int_equal(MBEDTLS_SSL_IN_CONTENT_LEN, 4096);
    assert_int_equal(MBEDTLS_SSL_OUT_CONTENT_LEN, 3072);
#if !defined(MBEDTLS_SSL_DTLS_CONNECTION_ID) || !defined(MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH)
    fail_msg("the bundled Mbed TLS lacks Connection ID or small buffers");
#endif
#if defined(MBEDTLS_SSL_DTLS_CLIENT_PORT_REUSE) || defined(MBEDTLS_SSL_RENEGOTIATION)
    fail_msg("the bundled Mbed TLS has what must be off");
#endif
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configuration),
        cmocka_unit_test_setup_teardown(test_psk_handshake, setup, teardown),
        cmocka_unit_test_setup_teardown(test_psk_cbc_handshake, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_key_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_certificate_handshake, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
