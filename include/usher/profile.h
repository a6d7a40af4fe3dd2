/* SPDX-License-Identifier: Apache-2.0 */
/* module: profile */
/* Profiles: what the devices of a class receive. Read from YAML, checked as a whole, then
 * immutable; a set is counted and shared by all threads, a reload makes a new set. */
#ifndef USHER_PROFILE_H
#define USHER_PROFILE_H

#include "usher/enrollment.h"
#include "usher/yaml.h"

struct profile;     /* one class, parents merged in; lives as long as its set */
struct profile_set; /* all classes of a directory or of some files */

enum { PROFILE_FORMATS_MAX = 4 };

/* `client:` block: how devices of the class behave. */
enum client_discover { DISCOVER_AUTO, DISCOVER_NEVER };
enum client_delete {
    DELETE_AUTO,   /* what Discover listed, else whole objects */
    DELETE_OBJECT, /* DELETE /o */
    DELETE_LISTED, /* DELETE /o/i for what Discover listed, nothing without it */
    DELETE_NONE
};

enum client_read { READ_NEVER, READ_AUTO };
enum key_encoding { KEY_ENCODING_PKCS8, KEY_ENCODING_SEC1 };

struct profile_preset;

struct client_behaviour {
    const struct profile_preset *preset; /* the client these are; NULL = not said */
    enum client_discover discover;
    enum client_read read; /* /1 before it is written, to tell how it differs */
    bool refuse_pack; /* Bootstrap-Pack-Requests are answered 4.05: the device then asks step by
                         step */
    enum client_delete delete_style;
    int format;                 /* content format, or -1: pct, else TLV */
    enum lwm2m_version version; /* LWM2M_VERSION_UNKNOWN: as discovered or hinted, else 1.0 */
    int bootstrap_instance; /* /0 instance of the bootstrap account when not discovered; -1: 0 */
    int first_security_instance;    /* -1: the lowest free one */
    int first_server_instance;      /* -1: 0 */
    enum key_encoding key_encoding; /* of private keys */
    bool empty_resources;           /* write /0/x/3, 4, 5 empty rather than leave them out */
    uint32_t ack_timeout_ms;     /* first CoAP timeout, RFC 7252 ACK_TIMEOUT; 0 = the listener's */
    uint32_t deadline_ms;        /* of the whole bootstrap; default 180 s */
    uint32_t request_timeout_ms; /* of one operation with all its repeats; default 93 s */
    uint16_t identity_max, key_max; /* bytes; 0 = no limit known */
    bool split;                     /* writes over message_max go in pieces rather than by Block1 */
    bool silent_refusals;           /* refuse by silence: error codes park these devices */
    uint16_t message_max; /* bytes of one CoAP payload; 0 = no limit known: Block1 over 1024 */
};

/* A well-known client: how it behaves, and what it cannot take (`usher check` warns). */
struct profile_preset {
    const char *name, *about;
    struct client_behaviour client; /* where the profile does not say otherwise */
    uint16_t servers_max;           /* 0 = no limit known */
    uint8_t modes;           /* security modes by bit: number of /0/x/2, bit 5 OSCORE; 0 = all */
    const uint16_t *objects; /* that it knows; object_count 0 = all */
    size_t object_count;
    const char *account_advice; /* what becomes of it when its bootstrap account is written; NULL =
                                   nothing known */
};
const struct profile_preset *profile_preset(size_t index); /* by name; NULL at the end */

enum rebootstrap_policy {
    REBOOTSTRAP_ALLOW,
    REBOOTSTRAP_ONCE,
    REBOOTSTRAP_APPROVE,
    REBOOTSTRAP_QUARANTINE
};

/* How a server's credential comes to be. */
enum credential_source {
    CREDENTIAL_NONE,     /* NoSec */
    CREDENTIAL_GENERATE, /* a fresh PSK at every bootstrap */
    CREDENTIAL_ENROLLED, /* the PSK stored with the device */
    CREDENTIAL_DERIVE,   /* a PSK that the server works out as well; not stored */
    CREDENTIAL_ISSUE,    /* a fresh key and its certificate at every bootstrap */
};

/* Made anew at each bootstrap, and pending until the device has acknowledged Finish (I2). */
bool credential_is_fresh(enum credential_source source);

/* Reads every *.yaml (not starting with '.') of a directory, or the one file. All or nothing: NULL
 * when any error was found. `findings` also gets warnings. A reference is returned. */
struct profile_set *profile_set_load(const char *const *paths, size_t count,
                                     struct findings *findings);
struct profile_set *profile_set_load_text(const char *name, struct bytes text,
                                          struct findings *findings);
struct profile_set *profile_set_ref(struct profile_set *set);
void profile_set_unref(struct profile_set *set); /* NULL accepted */
/* Something that belongs to the set and ends with it, by `drop`. Once, before others have the set.
 */
void profile_set_keep(struct profile_set *set, void *companion, void (*drop)(void *companion));
size_t profile_set_count(const struct profile_set *set);
const struct profile *profile_set_at(const struct profile_set *set, size_t index); /* by name */
const struct profile *profile_set_find(const struct profile_set *set, const char *class_name);
/* The class of a device: its enrolled class, else the most specific `match`. NULL with
 * ERR_NOT_FOUND (no class, or a class that the set does not hold) or ERR_CONFLICT (two match
 * equally well). */
const struct profile *profile_set_select(const struct profile_set *set,
                                         const struct enrollment *enrollment, struct err *err);

/* What is kept with its set, or NULL. */
void *profile_companion(const struct profile *profile);
const char *profile_class(const struct profile *profile);
const char *profile_file(const struct profile *profile);
unsigned profile_line(const struct profile *profile);
const struct client_behaviour *profile_client(const struct profile *profile);
enum rebootstrap_policy profile_rebootstrap(const struct profile *profile);
/* Its devices may come without DTLS, where a listener offers that. */
bool profile_insecure(const struct profile *profile);
/* Hash of everything the profile says, parents merged: changes when a plan could change. */
uint64_t profile_hash(const struct profile *profile);

/* A server credential that a bootstrap by this profile needs. */
struct credential_need {
    uint16_t ssid; /* 0 = the bootstrap account */
    enum credential_source source;
    enum credential_kind kind;
    uint16_t key_len;               /* bytes to generate; 16 by default */
    char place[PLACE_NAME_MAX + 1]; /* picked for the server; "" = it has but one */
    struct identity identity;       /* to generate, variables resolved; else empty */
};

/* Fills at most ACCOUNTS_MAX needs. ERR_INVALID when a variable has no value for this device. */
enum err_code profile_credentials(const struct profile *profile,
                                  const struct enrollment *enrollment,
                                  struct credential_need *needs, size_t *count, struct err *err);

/* The identity that a generated or derived PSK for that server has. False: there is none. */
bool profile_identity(const struct profile *profile, const struct enrollment *enrollment,
                      uint16_t ssid, struct identity *out);

/* The place of a server that stands in several: `wanted`, or the one that a device gets which has
 * none yet (NULL). ERR_NOT_FOUND: the class has no such server, or one in one place only;
 * ERR_INVALID: no such place, or not one for this device; err lists those that there are. */
enum err_code profile_pick(const struct profile *profile, const struct enrollment *enrollment,
                           uint16_t ssid, const char *wanted, char out[static PLACE_NAME_MAX + 1],
                           struct err *err);

#endif
