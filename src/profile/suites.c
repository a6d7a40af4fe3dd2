/* SPDX-License-Identifier: Apache-2.0 */
/* Ciphersuites that LwM2M devices are known to use, by their IANA names. */
#include "profile_priv.h"

#include <string.h>

/* One list for the names and one for the numbers keeps the names usable for suggestions. */
#define SUITES(X)                                                                                  \
    X(TLS_PSK_WITH_AES_128_CCM_8, 0xc0a8)                                                          \
    X(TLS_PSK_WITH_AES_256_CCM_8, 0xc0a9)                                                          \
    X(TLS_PSK_WITH_AES_128_CCM, 0xc0a4)                                                            \
    X(TLS_PSK_WITH_AES_256_CCM, 0xc0a5)                                                            \
    X(TLS_PSK_WITH_AES_128_CBC_SHA256, 0x00ae)                                                     \
    X(TLS_PSK_WITH_AES_128_GCM_SHA256, 0x00a8)                                                     \
    X(TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256, 0xc037)                                               \
    X(TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256, 0xd001)                                               \
    X(TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256, 0xd003)                                             \
    X(TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256, 0xd005)                                               \
    X(TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, 0xc0ae)                                                  \
    X(TLS_ECDHE_ECDSA_WITH_AES_128_CCM, 0xc0ac)                                                    \
    X(TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, 0xc023)                                             \
    X(TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, 0xc02b)                                             \
    X(TLS_AES_128_GCM_SHA256, 0x1301)                                                              \
    X(TLS_AES_128_CCM_SHA256, 0x1304)                                                              \
    X(TLS_AES_128_CCM_8_SHA256, 0x1305)

#define NAME(name, number)   #name,
#define NUMBER(name, number) number,

static const char *const names[] = {SUITES(NAME) NULL};
static const uint16_t numbers[] = {SUITES(NUMBER)};

int suite_number(const char *name)
{
    for (size_t i = 0; names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return numbers[i];
    return -1;
}

const char *const *suite_names(void)
{
    return names;
}
