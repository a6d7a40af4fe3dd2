/* What floor and load share: the one suite, random numbers, and the keys of the bench's devices. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_TLS_H
#define BENCH_TLS_H

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
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
    /* With certificates instead of keys: */
    bool x509;
    mbedtls_x509_crt authorities;
    mbedtls_pk_context key;
    mbedtls_x509_crt *chains; /* the server's, or one for each device */
    unsigned chain_count;
};

/* Ends the program with "PROGRAM: TEXT" and exit code 1. */
noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

void bench_tls_init(struct bench_tls *tls);
void bench_tls_free(struct bench_tls *tls);
/* From now on certificates (TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8) of the folder: root.pem, then
 * server.pem with server.key, or bench-000000.pem to N-1 with device.key. */
void bench_tls_use_server_certificate(struct bench_tls *tls, const char *folder);
void bench_tls_use_certificates(struct bench_tls *tls, const char *folder, unsigned devices);
/* DTLS 1.2 with TLS_PSK_WITH_AES_128_CCM_8 (0xC0A8) and nothing else, as usherd's listeners; or
 * with certificates on both sides. */
void bench_tls_configure(struct bench_tls *tls, mbedtls_ssl_config *config, int endpoint);

/* The same for one device, with its key or certificate. */
void bench_tls_client(struct bench_tls *tls, mbedtls_ssl_config *config, unsigned device,
                      const char *name);

/* "bench-000017", its endpoint name and identity; the key of it is "bench-key-000017". */
void bench_name(unsigned device, char out[static BENCH_NAME_SIZE]);
/* False when it is no such name. */
bool bench_key(const unsigned char *name, size_t len, unsigned char out[static BENCH_KEY_LEN]);

#endif
