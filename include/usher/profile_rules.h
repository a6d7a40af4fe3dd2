/* SPDX-License-Identifier: Apache-2.0 */
/* module: profile */
/* What a profile says, compiled: everything that can be decided while loading is decided, so that a
 * plan only fills in instance ids, variables and credentials. Constant; lives as long as its set.
 */
#ifndef USHER_PROFILE_RULES_H
#define USHER_PROFILE_RULES_H

#include "usher/profile.h"

/* A piece of a text with variables: a literal, or ${endpoint} ${identity} ${short} ${now}
 * ${tags.NAME}. */
enum rule_part_kind { PART_TEXT, PART_ENDPOINT, PART_IDENTITY, PART_NOW, PART_TAG, PART_SHORT };
enum { SHORT_NAME_LEN = 7 }; /* bytes of ${short}: fits an OSCORE Sender ID */

struct rule_part {
    enum rule_part_kind kind;
    struct bytes text; /* the literal, or the tag's name (NUL-terminated) */
};

struct rule_value {
    struct value fixed; /* part_count 0: the value; else only its type counts */
    const struct rule_part *parts;
    size_t part_count;
    bool has_now;
    const struct resource_definition *definition; /* NULL = not in the object table */
    const char *file;
    unsigned line;
};

/* Where the value of a record comes from. */
enum rule_source {
    RULE_VALUE,       /* `value` */
    RULE_IDENTITY,    /* PSK identity or Sender ID of the server's credential */
    RULE_KEY,         /* reference to its key */
    RULE_PUBLIC_PART, /* reference to its certificates or raw public key */
    RULE_PICK,        /* URI of the place that was picked */
    RULE_LINK,        /* the server's instance of /21 */
    RULE_DELAY,       /* `delay` */
    RULE_BINDING,     /* the server's binding, as the device's version spells it */
};

/* A wait in seconds: `after`, plus a share of `spread` that is the same for a device every time. */
struct rule_delay {
    uint32_t after;
    uint32_t spread;
};

struct rule_record {
    struct path
        path; /* resource or resource instance; ids[1] of /0 /1 /2 is filled in by the plan */
    enum rule_source source;
    enum lwm2m_version since; /* older devices do not get it */
    struct rule_delay delay;
    struct rule_value value;
};

/* Records of one instance, by path. */
struct rule_write {
    struct path path; /* /o/i, or /o/i/r for one optional resource beside others */
    bool optional;
    const struct rule_record *records;
    size_t count;
};

enum { RULE_VERSIONS = 3 }; /* LwM2M 1.0, 1.1, 1.2 */

/* `pick:`: which of several places a device gets as this server. */
enum pick_by { PICK_BY_WEIGHT, PICK_BY_HASH, PICK_BY_TAG };

struct rule_place {
    const char *name;
    struct rule_value uri;
    uint32_t weight;
    const char *region; /* NULL = any */
};

struct rule_pick {
    enum pick_by by;
    bool keep;       /* a device stays where it was, while that place is there */
    const char *tag; /* whose value is the region */
    const struct rule_place *places;
    size_t count;
};

/* What a derived key or an issued certificate is made with. */
struct rule_maker {
    const char *path;  /* of the key's file, or of the CA's folder */
    int scheme;        /* enum derive_scheme */
    const char *label; /* of HKDF */
    unsigned days;     /* that a certificate is good for */
    const char *file;
    unsigned line;
};

struct rule_server {
    uint16_t ssid;
    enum credential_source credential;
    enum credential_kind kind;
    uint16_t key_len;
    struct rule_value identity;          /* of a generated PSK; Sender ID of a generated context */
    struct rule_value recipient;         /* OSCORE: Recipient ID */
    uint8_t id_most;                     /* OSCORE: most bytes of an id */
    struct bytes binding[RULE_VERSIONS]; /* empty: nothing of it exists in that version */
    bool binding_cut[RULE_VERSIONS];     /* letters were left out */
    struct rule_write security;          /* /0, by resource */
    struct rule_write server;            /* /1 */
    struct rule_write oscore;            /* /21; count 0 = none */
    const struct rule_maker *maker;      /* of CREDENTIAL_DERIVE and CREDENTIAL_ISSUE */
    const struct rule_pick *pick;        /* NULL: its URI stands among its records */
    const char *file;
    unsigned line;
};

struct rule_delete {
    struct path path;
    const char *file;
    unsigned line;
};

struct profile_rules {
    const struct rule_server *servers;
    size_t server_count;
    const struct rule_server
        *bootstrap;                  /* the bootstrap account, ssid 0; NULL: it is not touched */
    const struct rule_write *access; /* /2 */
    size_t access_count;
    const struct rule_write *writes; /* all others, by path */
    size_t write_count;
    const struct rule_delete *deletes; /* in order, the usual ones included */
    size_t delete_count;
    size_t record_count; /* of everything above */
};

const struct profile_rules *profile_rules(const struct profile *profile);
struct profile_set *profile_owner(const struct profile *profile);

struct rule_scope {
    const struct enrollment *enrollment;
    int64_t now_wall_ms;
    struct arena *arena; /* for what variables expand to */
};

/* The value for one device. ERR_INVALID or ERR_RANGE when a variable has no value or gives a wrong
 * one; `err` names the profile's line, the variable and the device. Fixed bytes stay borrowed. */
enum err_code rule_value_resolve(const struct rule_value *value, const struct rule_scope *scope,
                                 struct value *out, struct err *err);

/* The place for a device: where its credential was made for, else by hash; the same on every
 * machine. NULL: its tag names no region. */
const struct rule_place *rule_pick_place(const struct rule_server *server,
                                         const struct enrollment *enrollment, struct err *err);

#endif
