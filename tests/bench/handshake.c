/* SPDX-License-Identifier: Apache-2.0 */
/* The server's CPU time of one handshake in memory: no network, and the client's time not counted.
 * Run it from a build with -Dcrypto=libcrypto and from one with -Dcrypto=mbedtls to compare. */
#include "bench_tls.h"

#include <mbedtls/x509_crt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { QUEUE_MAX = 32, ROUNDS_MAX = 20, CERTIFICATE_MAX = 1024 };

/* Datagrams on their way to one end. */
struct queue {
    unsigned char data[QUEUE_MAX][BENCH_DATAGRAM_MAX];
    size_t len[QUEUE_MAX];
    size_t first, count;
};

struct end {
    struct queue *in, *out;
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config config;
    uint32_t timer_ms;
};

static struct queue to_server, to_client;
static struct bench_tls tls;
static mbedtls_pk_context key, authority_key;
static mbedtls_x509_crt certificate, authority; /* of both ends */

static double cpu_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int put(void *context, const unsigned char *data, size_t len)
{
    struct queue *queue = ((struct end *)context)->out;
    size_t slot = (queue->first + queue->count++) % QUEUE_MAX;

    if (queue->count > QUEUE_MAX || len > BENCH_DATAGRAM_MAX)
        bench_die("more datagrams than there is room for");
    memcpy(queue->data[slot], data, len);
    queue->len[slot] = len;
    return (int)len;
}

static int get(void *context, unsigned char *data, size_t size)
{
    struct queue *queue = ((struct end *)context)->in;

    if (queue->count == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    size_t slot = queue->first, len = queue->len[slot] < size ? queue->len[slot] : size;
    memcpy(data, queue->data[slot], len);
    queue->first = (slot + 1) % QUEUE_MAX;
    queue->count--;
    return (int)len;
}

static void set_timer(void *context, uint32_t intermediate_ms, uint32_t final_ms)
{
    *(uint32_t *)context = final_ms;
}

static int get_timer(void *context)
{
    return *(uint32_t *)context == 0 ? -1 : 0; /* nothing is lost here */
}

static int write_cookie(void *context, unsigned char **at, unsigned char *end,
                        const unsigned char *client, size_t client_len)
{
    *(*at)++ = 1;
    return 0;
}

static int check_cookie(void *context, const unsigned char *cookie, size_t cookie_len,
                        const unsigned char *client, size_t client_len)
{
    return 0;
}

/* On P-256, named `subject`, signed by `issuer`'s key. */
static void make(mbedtls_x509_crt *out, mbedtls_pk_context *subject_key, const char *subject,
                 mbedtls_pk_context *issuer_key, int is_ca)
{
    static const char issuer[] = "CN=ca", from[] = "20200101000000", until[] = "20991231235959";
    mbedtls_x509write_cert writer;
    unsigned char der[CERTIFICATE_MAX], serial[] = {1};

    mbedtls_x509_crt_init(out);
    mbedtls_x509write_crt_init(&writer);
    mbedtls_x509write_crt_set_md_alg(&writer, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(&writer, subject_key);
    mbedtls_x509write_crt_set_issuer_key(&writer, issuer_key);
    if (mbedtls_x509write_crt_set_serial_raw(&writer, serial, sizeof serial) != 0 ||
        mbedtls_x509write_crt_set_subject_name(&writer, subject) != 0 ||
        mbedtls_x509write_crt_set_issuer_name(&writer, issuer) != 0 ||
        mbedtls_x509write_crt_set_validity(&writer, from, until) != 0 ||
        mbedtls_x509write_crt_set_basic_constraints(&writer, is_ca, -1) != 0)
        bench_die("no certificate");
    int len =
        mbedtls_x509write_crt_der(&writer, der, sizeof der, mbedtls_ctr_drbg_random, &tls.drbg);
    if (len <= 0 || mbedtls_x509_crt_parse_der(out, der + sizeof der - len, (size_t)len) != 0)
        bench_die("no certificate");
    mbedtls_x509write_crt_free(&writer);
}

static void make_key(mbedtls_pk_context *out)
{
    mbedtls_pk_init(out);
    if (mbedtls_pk_setup(out, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)) != 0 ||
        mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*out), mbedtls_ctr_drbg_random,
                            &tls.drbg) != 0)
        bench_die("no key");
}

static void use_certificate(struct end *end)
{
    if (mbedtls_ssl_conf_own_cert(&end->config, &certificate, &key) != 0)
        bench_die("no certificate");
    mbedtls_ssl_conf_ca_chain(&end->config, &authority, NULL);
    mbedtls_ssl_conf_authmode(&end->config, MBEDTLS_SSL_VERIFY_REQUIRED);
}

static void configure(struct end *end, int side, bool certificates)
{
    static const int suites[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, 0};
    static const unsigned char psk[] = "0123456789abcdef", identity[] = "bench";

    end->in = side == MBEDTLS_SSL_IS_SERVER ? &to_server : &to_client;
    end->out = side == MBEDTLS_SSL_IS_SERVER ? &to_client : &to_server;
    bench_tls_configure(&tls, &end->config, side);
    if (side == MBEDTLS_SSL_IS_SERVER)
        mbedtls_ssl_conf_dtls_cookies(&end->config, write_cookie, check_cookie, NULL);
    if (certificates) {
        mbedtls_ssl_conf_ciphersuites(&end->config, suites);
        use_certificate(end);
    } else if (mbedtls_ssl_conf_psk(&end->config, psk, 16, identity, 5) != 0) {
        bench_die("no key");
    }
}

static void start(struct end *end)
{
    mbedtls_ssl_init(&end->ssl);
    if (mbedtls_ssl_setup(&end->ssl, &end->config) != 0)
        bench_die("no memory");
    mbedtls_ssl_set_hostname(&end->ssl, NULL);
    mbedtls_ssl_set_bio(&end->ssl, end, put, get, NULL);
    mbedtls_ssl_set_timer_cb(&end->ssl, &end->timer_ms, set_timer, get_timer);
}

static int serve(struct end *server)
{
    static const unsigned char peer[] = "peer";
    int result = mbedtls_ssl_handshake(&server->ssl);

    if (result == MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED) {
        mbedtls_ssl_session_reset(&server->ssl);
        mbedtls_ssl_set_client_transport_id(&server->ssl, peer, 4);
    }
    return result;
}

/* The server's CPU time in microseconds. */
static double handshake(struct end *server, struct end *client)
{
    static const unsigned char peer[] = "peer";
    int server_result = 1, client_result = 1;
    double begin = cpu_us(), used;

    start(server);
    mbedtls_ssl_set_client_transport_id(&server->ssl, peer, 4);
    used = cpu_us() - begin;
    start(client);
    for (int i = 0; i < ROUNDS_MAX && (server_result != 0 || client_result != 0); i++) {
        if (client_result != 0)
            client_result = mbedtls_ssl_handshake(&client->ssl);
        begin = cpu_us();
        if (server_result != 0)
            server_result = serve(server);
        used += cpu_us() - begin;
    }
    if (server_result != 0 || client_result != 0)
        bench_die("the handshake fails: server -0x%04x, client -0x%04x", (unsigned)-server_result,
                  (unsigned)-client_result);
    begin = cpu_us();
    mbedtls_ssl_free(&server->ssl);
    used += cpu_us() - begin;
    mbedtls_ssl_free(&client->ssl);
    return used;
}

static double mean(bool certificates, unsigned count)
{
    struct end server = {0}, client = {0};
    double sum = 0;

    configure(&server, MBEDTLS_SSL_IS_SERVER, certificates);
    configure(&client, MBEDTLS_SSL_IS_CLIENT, certificates);
    for (unsigned i = 0; i < count; i++)
        sum += handshake(&server, &client);
    mbedtls_ssl_config_free(&server.config);
    mbedtls_ssl_config_free(&client.config);
    return sum / count;
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 500;

    if (count == 0 || count > 1000000)
        bench_die("usage: bench-handshake [HANDSHAKES]");
    bench_tls_init(&tls);
    make_key(&authority_key);
    make_key(&key);
    make(&authority, &authority_key, "CN=ca", &authority_key, 1);
    make(&certificate, &key, "CN=bench", &authority_key, 0);
    printf("psk_handshake_us %.1f\n", mean(false, count));
    printf("x509_handshake_us %.1f\n", mean(true, count));
    mbedtls_x509_crt_free(&certificate);
    mbedtls_x509_crt_free(&authority);
    mbedtls_pk_free(&key);
    mbedtls_pk_free(&authority_key);
    bench_tls_free(&tls);
    return 0;
}
