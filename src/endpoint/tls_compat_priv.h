/* SPDX-License-Identifier: Apache-2.0 */
/* One header for the differences between Mbed TLS 2.28 and 3.6. */
#ifndef USHER_TLS_COMPAT_PRIV_H
#define USHER_TLS_COMPAT_PRIV_H

#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

#if MBEDTLS_VERSION_NUMBER < 0x03000000
#define MBEDTLS_PRIVATE(member) member
#elif defined(MBEDTLS_SSL_DTLS_CONNECTION_ID)
/* 2.28 has Connection IDs of a draft only, which nobody speaks any more. */
#define ENDPOINT_HAS_CID
#endif

#endif
