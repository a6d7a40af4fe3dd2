/* Names of a certificate. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/proof.h"

#include <string.h>

bool names_have(const struct names *names, const char *name)
{
    const char *next = names->text;

    for (unsigned i = 0; i < names->count; i++, next += strlen(next) + 1)
        if (strcmp(next, name) == 0)
            return true;
    return false;
}

bool names_add(struct names *names, struct bytes name)
{
    struct err err;
    char text[ENDPOINT_MAX + 1];

    if (enrollment_check_endpoint(name, &err) != ERR_OK)
        return false;
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    if (names->count == NAMES_MAX || name.len + 1 > sizeof names->text - names->used ||
        names_have(names, text))
        return false;
    memcpy(names->text + names->used, text, name.len + 1);
    names->used = (uint16_t)(names->used + name.len + 1);
    names->count++;
    return true;
}

const char *names_first(const struct names *names)
{
    return names->count > 0 ? names->text : "";
}

bool names_fit_pin(const struct names *names, const struct identity *identity)
{
    for (int kind = PIN_CERTIFICATE; names->hashed && kind <= PIN_PUBLIC_KEY; kind++) {
        struct identity pin;
        identity_set_pin(&pin, (enum pin_kind)kind, names->hashes[kind]);
        if (bytes_equal(identity_bytes(&pin), identity_bytes(identity)))
            return true;
    }
    return false;
}
