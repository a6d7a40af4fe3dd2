/* SPDX-License-Identifier: Apache-2.0 */
/* For tests in which a DTLS handshake runs out of memory under the address sanitizer. */
#ifndef USHER_TESTS_KNOWN_OVERREAD_H
#define USHER_TESTS_KNOWN_OVERREAD_H

/* Mbed TLS 3.6.6 does not look whether the hash for the extended master secret could be made
 * (ssl_compute_master), and then reads 16 bytes behind its place on the stack. The handshake comes
 * to nothing, since the other side has another secret. */
__attribute__((visibility("default"))) const char *__asan_default_suppressions(void);
const char *__asan_default_suppressions(void)
{
    return "interceptor_via_fun:tls_prf_generic\n";
}

#endif
