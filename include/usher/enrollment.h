/* SPDX-License-Identifier: Apache-2.0 */
/* module: model */
/* An enrolled device as the core sees it: no key bytes, only what is needed to plan. */
#ifndef USHER_ENROLLMENT_H
#define USHER_ENROLLMENT_H

#include "usher/object_table.h"

enum {
    ENDPOINT_MAX = 255, /* bytes of an endpoint client name */
    IDENTITY_MAX = 128, /* bytes of a PSK identity (OMA Transport 1.2 section 5.2.8) */
    CLASS_MAX = 63,
    SERVERS_MAX = 8,                /* LwM2M servers of one device */
    ACCOUNTS_MAX = SERVERS_MAX + 1, /* and the account for bootstraps */
    TAGS_MAX = 32,
    TAG_NAME_MAX = 63,
    TAG_VALUE_MAX = 255,
    PLACE_NAME_MAX = 31,    /* of a server's places, see `pick` in profiles */
    PUBLIC_PART_MAX = 8192, /* bytes of a credential's certificates */
};

/* Where a credential stands (I2): at most one of each per device and server. */
enum credential_status { CREDENTIAL_PENDING, CREDENTIAL_ACTIVE, CREDENTIAL_RETIRING };

/* What a credential is: stored by number, append only. */
enum credential_kind {
    CREDENTIAL_KIND_PSK = 0,    /* identity and key */
    CREDENTIAL_KIND_OSCORE = 1, /* identity: the device's Sender ID; key: the Master Secret */
    CREDENTIAL_KIND_RPK = 2,    /* public part: SubjectPublicKeyInfo; key: its private key */
    CREDENTIAL_KIND_X509 = 3,   /* public part: certificates, end entity first; key: as for RPK */
    CREDENTIAL_KIND_COUNT
};

struct identity {
    uint8_t len;
    uint8_t data[IDENTITY_MAX];
};

/* An identity can also stand for a certificate that the device was enrolled with, in place of a
 * pre-shared key: "certificate:sha256:" or "public-key:sha256:" and 64 hexadecimal digits, of the
 * certificate or of its SubjectPublicKeyInfo (DER). Such a device has no key. */
enum pin_kind { PIN_CERTIFICATE, PIN_PUBLIC_KEY };
enum { PIN_HASH_SIZE = 32 };

struct enrolled_credential {
    uint16_t ssid; /* 0 = the bootstrap account itself */
    enum credential_status status;
    enum credential_kind kind;
    uint64_t generation; /* counts up per device and server, from 1 */
    struct identity identity;
    uint16_t key_len;               /* length only, as below */
    uint16_t public_len;            /* of the public part in DER */
    char place[PLACE_NAME_MAX + 1]; /* that was picked when it was made; "" = none */
};

struct tag {
    char name[TAG_NAME_MAX + 1];
    char value[TAG_VALUE_MAX + 1];
};

struct enrollment {
    char endpoint[ENDPOINT_MAX + 1]; /* UTF-8 */
    char class_name[CLASS_MAX + 1];  /* "" = chosen by a profile's match */
    struct identity identity;        /* of the bootstrap PSK, or a pin */
    bool blocked;
    uint64_t revision;   /* counts up with every change; 0 = not stored yet */
    uint64_t bootstraps; /* completed so far */
    struct enrolled_credential credentials[ACCOUNTS_MAX * 3];
    size_t credential_count;
    struct tag *tags; /* tag_count of them, owned: enrollment_clear frees */
    size_t tag_count;
};

void enrollment_clear(struct enrollment *enrollment);
bool enrollment_copy(struct enrollment *to, const struct enrollment *from); /* false: no memory */
const struct enrolled_credential *enrollment_credential(const struct enrollment *enrollment,
                                                        uint16_t ssid,
                                                        enum credential_status status);
const char *enrollment_tag(const struct enrollment *enrollment, const char *name); /* or NULL */
bool enrollment_same_tags(const struct enrollment *a, const struct enrollment *b);
/* Endpoint: 1..255 bytes of UTF-8 without control characters. Class: [a-z0-9-], 1..63. Tag name:
 * [A-Za-z0-9_.-], 1..63; `err` says what is wrong. */
enum err_code enrollment_check_endpoint(struct bytes endpoint, struct err *err);
enum err_code enrollment_check_class(struct bytes name, struct err *err);
enum err_code enrollment_check_identity(struct bytes identity, struct err *err);
enum err_code enrollment_check_tag(const char *name, const char *value, struct err *err);
const char *credential_status_name(enum credential_status status);
const char *credential_kind_name(enum credential_kind kind); /* "psk" "oscore" "rpk" "x509" */
bool credential_kind_from_name(const char *name, enum credential_kind *out);
void identity_set_pin(struct identity *identity, enum pin_kind kind,
                      const uint8_t hash[static PIN_HASH_SIZE]);
bool identity_is_pin(const struct identity *identity);
bool identity_set(struct identity *identity, struct bytes data); /* false: empty or too long */
struct bytes identity_bytes(const struct identity *identity);

#endif
