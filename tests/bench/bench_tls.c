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
    mbedtls_entropy_init(&tls->entropy);
    mbedtls_ctr_drbg_init(&tls->drbg);
    if (mbedtls_ctr_drbg_seed(&tls->drbg, mbedtls_entropy_func, &tls->entropy, NULL, 0) != 0)
        bench_die("no random numbers");
}

void bench_tls_free(struct bench_tls *tls)
{
    mbedtls_ctr_drbg_free(&tls->drbg);
    mbedtls_entropy_free(&tls->entropy);
}

void bench_tls_configure(struct bench_tls *tls, mbedtls_ssl_config *config, int endpoint)
{
    static const int suites[] = {MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, 0};

    mbedtls_ssl_config_init(config);
    if (mbedtls_ssl_config_defaults(config, endpoint, MBEDTLS_SSL_TRANSPORT_DATAGRAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0)
        bench_die("Mbed TLS cannot be set up");
    mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_max_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_rng(config, mbedtls_ctr_drbg_random, &tls->drbg);
    mbedtls_ssl_conf_ciphersuites(config, suites);
}

void bench_tls_client(struct bench_tls *tls, mbedtls_ssl_config *config, const char *name)
{
    unsigned char key[BENCH_KEY_LEN];
    const unsigned char *identity = (const unsigned char *)name;
    size_t len = strlen(name);

    bench_tls_configure(tls, config, MBEDTLS_SSL_IS_CLIENT);
    if (!bench_key(identity, len, key) ||
        mbedtls_ssl_conf_psk(config, key, sizeof key, identity, len) != 0)
        bench_die("no key for %s", name);
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
