/* What floor and load share: the one suite, random numbers, and the keys of the bench's devices. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_tls.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = 6 };

static const char name_prefix[] = "bench-";
static const char key_prefix[] = "bench-key-";

void bench_die(const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "%s: ", program_invocation_short_name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

void bench_tls_init(struct bench_tls *tls)
{
    *tls = (struct bench_tls){0};
    mbedtls_entropy_init(&tls->entropy);
    mbedtls_ctr_drbg_init(&tls->drbg);
    if (mbedtls_ctr_drbg_seed(&tls->drbg, mbedtls_entropy_func, &tls->entropy, NULL, 0) != 0)
        bench_die("no random numbers");
}

static void read_certificate(mbedtls_x509_crt *out, const char *folder, const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s.pem", folder, name);
    mbedtls_x509_crt_init(out);
    if (mbedtls_x509_crt_parse_file(out, path) != 0)
        bench_die("%s is no certificate", path);
}

static void use_certificates(struct bench_tls *tls, const char *folder, const char *key,
                             unsigned count)
{
    char path[512];
    int result;

    tls->x509 = true;
    tls->chains = calloc(count, sizeof *tls->chains);
    tls->chain_count = count;
    if (tls->chains == NULL)
        bench_die("out of memory");
    read_certificate(&tls->authorities, folder, "root");
    snprintf(path, sizeof path, "%s/%s.key", folder, key);
    mbedtls_pk_init(&tls->key);
#if MBEDTLS_VERSION_NUMBER < 0x03000000
    result = mbedtls_pk_parse_keyfile(&tls->key, path, NULL);
#else
    result = mbedtls_pk_parse_keyfile(&tls->key, path, NULL, mbedtls_ctr_drbg_random, &tls->drbg);
#endif
    if (result != 0)
        bench_die("%s is no key", path);
}

void bench_tls_use_server_certificate(struct bench_tls *tls, const char *folder)
{
    use_certificates(tls, folder, "server", 1);
    read_certificate(&tls->chains[0], folder, "server");
}

void bench_tls_use_certificates(struct bench_tls *tls, const char *folder, unsigned devices)
{
    char name[BENCH_NAME_SIZE];

    use_certificates(tls, folder, "device", devices);
    for (unsigned i = 0; i < devices; i++) {
        bench_name(i, name);
        read_certificate(&tls->chains[i], folder, name);
    }
}

void bench_tls_free(struct bench_tls *tls)
{
    for (unsigned i = 0; i < tls->chain_count; i++)
        mbedtls_x509_crt_free(&tls->chains[i]);
    free(tls->chains);
    if (tls->x509) {
        mbedtls_x509_crt_free(&tls->authorities);
        mbedtls_pk_free(&tls->key);
    }
    mbedtls_ctr_drbg_free(&tls->drbg);
    mbedtls_entropy_free(&tls->entropy);
}

void bench_tls_configure(struct bench_tls *tls, mbedtls_ssl_config *config, int endpoint)
{
    static const int psk[] = {MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, 0};
    static const int x509[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, 0};

    mbedtls_ssl_config_init(config);
    if (mbedtls_ssl_config_defaults(config, endpoint, MBEDTLS_SSL_TRANSPORT_DATAGRAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0)
        bench_die("Mbed TLS cannot be set up");
    mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_max_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_rng(config, mbedtls_ctr_drbg_random, &tls->drbg);
    mbedtls_ssl_conf_ciphersuites(config, tls->x509 ? x509 : psk);
    if (!tls->x509)
        return;
    mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(config, &tls->authorities, NULL);
    if (endpoint == MBEDTLS_SSL_IS_SERVER &&
        mbedtls_ssl_conf_own_cert(config, tls->chains, &tls->key) != 0)
        bench_die("the certificate cannot be used");
}

void bench_tls_client(struct bench_tls *tls, mbedtls_ssl_config *config, unsigned device,
                      const char *name)
{
    unsigned char key[BENCH_KEY_LEN];
    const unsigned char *identity = (const unsigned char *)name;
    size_t len = strlen(name);

    bench_tls_configure(tls, config, MBEDTLS_SSL_IS_CLIENT);
    if (tls->x509) {
        if (mbedtls_ssl_conf_own_cert(config, &tls->chains[device % tls->chain_count], &tls->key) !=
            0)
            bench_die("no certificate for %s", name);
    } else if (!bench_key(identity, len, key) ||
               mbedtls_ssl_conf_psk(config, key, sizeof key, identity, len) != 0) {
        bench_die("no key for %s", name);
    }
}

void bench_name(unsigned device, char out[static BENCH_NAME_SIZE])
{
    snprintf(out, BENCH_NAME_SIZE, "%s%0*u", name_prefix, DIGITS, device);
}

bool bench_key(const unsigned char *name, size_t len, unsigned char out[static BENCH_KEY_LEN])
{
    static_assert(sizeof key_prefix - 1 + DIGITS == BENCH_KEY_LEN, "prefix and digits fill it");

    if (len != sizeof name_prefix - 1 + DIGITS ||
        memcmp(name, name_prefix, sizeof name_prefix - 1) != 0)
        return false;
    memcpy(out, key_prefix, sizeof key_prefix - 1);
    memcpy(out + sizeof key_prefix - 1, name + sizeof name_prefix - 1, DIGITS);
    return true;
}
