/* What deriving one device's key costs: microseconds on standard output, the dearer of the schemes.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/derive.h"
#include "usher/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 200000 };

static double measure(enum derive_scheme scheme)
{
    struct derive derive;
    struct secret key = {0};
    struct err err = {0};
    uint8_t group[32], sum = 0;
    char name[32];
    bytes_random(group, sizeof group);
    if (derive_begin(&derive, scheme, bytes_of(group, sizeof group), DERIVE_DEFAULT_LABEL, 32,
                     &err) != ERR_OK)
        exit(1);
    uint64_t begin = clock_monotonic_us();
    for (unsigned i = 0; i < ROUNDS; i++) {
        snprintf(name, sizeof name, "urn:dev:os:0042-%08u", i);
        derive_key(&derive, bytes_of_text(name), &key);
        sum ^= key.data[0];
    }
    double each = (double)(clock_monotonic_us() - begin) / ROUNDS;
    return sum == 0 ? each + 1e-9 : each; /* the keys are used */
}

int main(void)
{
    double hkdf = measure(DERIVE_HKDF), hmac = measure(DERIVE_HMAC);
    printf("%.2f\n", hkdf > hmac ? hkdf : hmac);
    return 0;
}
