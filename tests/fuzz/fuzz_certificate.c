/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes what is read out of a device's certificate: whatever it says, its names are names that an
 * endpoint can have, and the subject is text. */
#include "x509_priv.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_names(const struct names *names)
{
    const char *name = names->text;
    struct err err;

    check(names->count <= NAMES_MAX && names->used <= NAMES_TEXT_MAX);
    for (unsigned i = 0; i < names->count; i++, name += strlen(name) + 1) {
        check(enrollment_check_endpoint(bytes_of_text(name), &err) == ERR_OK);
        check(names_have(names, name));
    }
    check(name == names->text + names->used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct x509 x509 = {.names = X509_ALL, .expired_crl_is_good = true};
    struct x509_device device = {0};
    mbedtls_x509_crt certificate;
    uint32_t flags = 0;

    mbedtls_x509_crt_init(&certificate);
    if (mbedtls_x509_crt_parse_der(&certificate, data, size) == 0) {
        check(x509_check(&x509, &device, &certificate, 1, &flags) == 0);
        flags = 0;
        check(x509_check(&x509, &device, &certificate, 0, &flags) == 0);
        check((device.names.count == 0) == (flags != 0));
        check(memchr(device.subject, '\0', sizeof device.subject) != NULL);
        check_names(&device.names);
        check(x509_explain(flags) != NULL);
        (void)x509_time_ms(&certificate.valid_to);
    }
    mbedtls_x509_crt_free(&certificate);
    return 0;
}
