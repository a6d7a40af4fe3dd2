/* Mbed TLS configuration of usher: DTLS 1.2 with PSK and ECDSA certificates, nothing else. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_MBEDTLS_CONFIG_H
#define USHER_MBEDTLS_CONFIG_H

/* Platform */
#define MBEDTLS_HAVE_ASM
#define MBEDTLS_HAVE_TIME
#define MBEDTLS_HAVE_TIME_DATE
#define MBEDTLS_PLATFORM_C
#define MBEDTLS_PLATFORM_MEMORY /* src/endpoint/pool.c */
#define MBEDTLS_FS_IO
#define MBEDTLS_TIMING_C
#define MBEDTLS_VERSION_C
#define MBEDTLS_ERROR_C
#define MBEDTLS_THREADING_C
#define MBEDTLS_THREADING_PTHREAD
/* MBEDTLS_DEBUG_C stays off: its deeper levels print session keys. */

/* Random numbers: getrandom() into CTR_DRBG */
#define MBEDTLS_ENTROPY_C
#define MBEDTLS_CTR_DRBG_C

/* Ciphers and digests */
#define MBEDTLS_AES_C
#if defined(__x86_64__)
#define MBEDTLS_AESNI_C
#elif defined(__aarch64__)
#define MBEDTLS_AESCE_C
#if !defined(USHER_CRYPTO_LIBCRYPTO)
#define MBEDTLS_SHA256_USE_ARMV8_A_CRYPTO_IF_PRESENT
#endif
#endif
#define MBEDTLS_CIPHER_C
#define MBEDTLS_CIPHER_MODE_CBC
#define MBEDTLS_CIPHER_MODE_CTR
#define MBEDTLS_CIPHER_PADDING_PKCS7
#define MBEDTLS_CCM_C
#define MBEDTLS_GCM_C
#define MBEDTLS_MD_C
#define MBEDTLS_SHA224_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA384_C
#define MBEDTLS_SHA512_C

/* Elliptic curves: P-256 and P-384 only. A hook replaces a function for all curves: one that is
 * added here needs a row in src/crypto. MBEDTLS_ECDSA_DETERMINISTIC and MBEDTLS_ECP_RESTARTABLE
 * stay off: they would go round the hooks. */
#define MBEDTLS_BIGNUM_C
#define MBEDTLS_ECP_C
#define MBEDTLS_ECP_DP_SECP256R1_ENABLED
#define MBEDTLS_ECP_DP_SECP384R1_ENABLED
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_ECDH_C
#define MBEDTLS_ECDSA_C
#if defined(USHER_CRYPTO_LIBCRYPTO)
#define MBEDTLS_ECDSA_SIGN_ALT
#define MBEDTLS_ECDSA_VERIFY_ALT
#define MBEDTLS_ECDH_GEN_PUBLIC_ALT
#define MBEDTLS_ECDH_COMPUTE_SHARED_ALT
#define MBEDTLS_SHA256_PROCESS_ALT
#endif

/* Keys and certificates */
#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C
#define MBEDTLS_BASE64_C
#define MBEDTLS_OID_C
#define MBEDTLS_PEM_PARSE_C
#define MBEDTLS_PEM_WRITE_C
#define MBEDTLS_PK_C
#define MBEDTLS_PK_PARSE_C
#define MBEDTLS_PK_PARSE_EC_EXTENDED
#define MBEDTLS_PK_PARSE_EC_COMPRESSED
#define MBEDTLS_PK_WRITE_C
#define MBEDTLS_X509_USE_C
#define MBEDTLS_X509_CRT_PARSE_C
#define MBEDTLS_X509_CRL_PARSE_C
#define MBEDTLS_X509_CSR_PARSE_C
#define MBEDTLS_X509_CREATE_C
#define MBEDTLS_X509_CRT_WRITE_C
#define MBEDTLS_X509_CSR_WRITE_C

/* DTLS 1.2. No renegotiation (RFC 7925, section 17), no tickets, no session cache. What counts of a
 * device's certificate is taken while it is verified: MBEDTLS_SSL_KEEP_PEER_CERTIFICATE is off. */
#define MBEDTLS_SSL_TLS_C
#define MBEDTLS_SSL_SRV_C
#define MBEDTLS_SSL_CLI_C
#define MBEDTLS_SSL_PROTO_TLS1_2
#define MBEDTLS_SSL_PROTO_DTLS
#define MBEDTLS_KEY_EXCHANGE_PSK_ENABLED
#define MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED
#define MBEDTLS_SSL_ALL_ALERT_MESSAGES
#define MBEDTLS_SSL_EXTENDED_MASTER_SECRET
#define MBEDTLS_SSL_ENCRYPT_THEN_MAC
#define MBEDTLS_SSL_SERVER_NAME_INDICATION
#define MBEDTLS_SSL_MAX_FRAGMENT_LENGTH
#define MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH
#define MBEDTLS_SSL_DTLS_ANTI_REPLAY
#define MBEDTLS_SSL_DTLS_HELLO_VERIFY
#define MBEDTLS_SSL_DTLS_CONNECTION_ID
#define MBEDTLS_SSL_DTLS_CONNECTION_ID_COMPAT 0
/* Ours are short; of the peer's, RFC 9146 allows any length. No padding: each byte costs a device
 * on a slow network, and the lengths of bootstrap messages are no secret. */
#define MBEDTLS_SSL_CID_IN_LEN_MAX                 16
#define MBEDTLS_SSL_CID_OUT_LEN_MAX                32
#define MBEDTLS_SSL_CID_TLS1_3_PADDING_GRANULARITY 1
/* MBEDTLS_SSL_DTLS_CLIENT_PORT_REUSE stays off: with a cookie gate in front of the contexts it
 * would let a forged ClientHello reset an established session. */

/* Sizes. 4096 in and 3072 out hold a chain of three certificates, ours and the device's; an open
 * session keeps half of it (endpoint/dtls.c). LwM2M keys have up to 64 bytes, the default is 32. */
#define MBEDTLS_SSL_IN_CONTENT_LEN     4096
#define MBEDTLS_SSL_OUT_CONTENT_LEN    3072
#define MBEDTLS_SSL_DTLS_MAX_BUFFERING 8192
#define MBEDTLS_PSK_MAX_LEN            64

#endif
