/* What floor and load share: the one suite, random numbers, and the keys of the bench's devices. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_TLS_H
#define BENCH_TLS_H

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdnoreturn.h>

enum {
    BENCH_DATAGRAM_MAX = 4096,
    BENCH_NAME_SIZE = 32,
    BENCH_KEY_LEN = 16,
    BENCH_DEVICES_MAX = 1000000
};

struct bench_tls {
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context drbg;
};

/* Ends the program with "PROGRAM: TEXT" and exit code 1. */
noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

void bench_tls_init(struct bench_tls *tls);
void bench_tls_free(struct bench_tls *tls);
/* DTLS 1.2 with TLS_PSK_WITH_AES_128_CCM_8 (0xC0A8) and nothing else, as usherd's listeners. */
void bench_tls_configure(struct bench_tls *tls, mbedtls_ssl_config *config, int endpoint);

/* The same for one device, with its key. `name` must live as long as the configuration. */
void bench_tls_client(struct bench_tls *tls, mbedtls_ssl_config *config, const char *name);

/* "bench-000017", its endpoint name and identity; the key of it is "bench-key-000017". */
void bench_name(unsigned device, char out[static BENCH_NAME_SIZE]);
/* False when it is no such name. */
bool bench_key(const unsigned char *name, size_t len, unsigned char out[static BENCH_KEY_LEN]);

#endif
