/* SPDX-License-Identifier: Apache-2.0 */
/* module: model */
/* Typed resource values and flat lists of them (OMA Core 1.2 appendix C). */
#ifndef USHER_VALUE_H
#define USHER_VALUE_H

#include "usher/arena.h"
#include "usher/err.h"
#include "usher/path.h"

enum value_type {
    VALUE_NONE,
    VALUE_STRING,   /* bytes, UTF-8 */
    VALUE_INTEGER,  /* integer */
    VALUE_UNSIGNED, /* natural */
    VALUE_FLOAT,    /* real */
    VALUE_BOOLEAN,  /* boolean */
    VALUE_OPAQUE,   /* bytes */
    VALUE_TIME,     /* integer, seconds since 1970 */
    VALUE_OBJLINK,  /* link; 65535:65535 = null */
    VALUE_SECRET,   /* a reference; the bytes come from a reveal callback while encoding */
    VALUE_TYPE_COUNT
};

struct objlink {
    uint16_t object;
    uint16_t instance;
};

/* What a reference names. A plan holds references, never key bytes (I4). */
enum secret_kind {
    SECRET_PSK_IDENTITY,  /* public half of a server PSK: not secret, yet only known with it */
    SECRET_PSK_KEY,       /* server PSK of Short Server ID `ssid` */
    SECRET_BOOTSTRAP_KEY, /* the bootstrap account's own PSK (ssid 0) */
    SECRET_OSCORE_MASTER, /* master secret of the /21 instance linked for `ssid` */
    SECRET_PRIVATE_KEY,   /* the device's private key for server `ssid` */
    SECRET_PUBLIC_PART,   /* its certificates or raw public key: no secret, but bulky */
    SECRET_KIND_COUNT
};

struct secret_ref {
    enum secret_kind kind;
    uint16_t ssid;       /* 0 = the bootstrap account */
    bool as_text;        /* write as String (object /21 1.x) rather than Opaque */
    bool first_only;     /* the first certificate without those that follow */
    bool derived;        /* a PSK that is worked out, not stored; generation 0 */
    bool as_sec1;        /* a private key as ECPrivateKey (SEC1) rather than PKCS#8 */
    uint16_t len;        /* bytes of the secret, for previews; 0 = not known */
    uint64_t generation; /* 0 = not made yet (preview) */
};

struct value {
    enum value_type type;
    union {
        struct bytes bytes; /* borrowed */
        int64_t integer;
        uint64_t natural;
        double real;
        bool boolean;
        struct objlink link;
        struct secret_ref secret;
    };
};

const char *
value_type_name(enum value_type type); /* "string" "integer" "unsigned" "float" "boolean"
                                          "opaque" "time" "objlink" "secret" */
bool value_type_from_name(const char *name, enum value_type *out);
bool value_equal(const struct value *a, const struct value *b);
const char *secret_kind_name(enum secret_kind kind); /* "psk-identity" "psk-key" ... */

/* One resource (depth 3) or resource instance (depth 4) with its value. */
struct record {
    struct path path;
    struct value value;
};

/* A growing list. Bytes of values decoded from a payload live in `arena`. */
struct records {
    struct arena *arena; /* owned by whoever made it */
    struct record *items;
    size_t count;
    size_t cap;
    size_t max; /* 0 = 4096 */
};

/* Memory comes from the arena. ERR_TOO_LARGE beyond max. */
enum err_code records_add(struct records *records, const struct record *record);
/* First record with that path, or NULL. */
const struct record *records_find(const struct records *records, const struct path *path);

#endif
