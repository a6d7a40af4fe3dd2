/* SPDX-License-Identifier: Apache-2.0 */
/* module: sim */
/* Simulated LwM2M devices that bootstrap over DTLS with a pre-shared key (or plain CoAP), well- and
 * ill-behaved. A device is a state machine without socket and clock: datagrams and the time come
 * in, datagrams go out by a callback; so whole networks run on a false clock. One thread a device.
 */
#ifndef USHER_SIM_H
#define USHER_SIM_H

#include "usher/codec.h"
#include "usher/secret.h"

struct sim_device;

enum { SIM_CIPHER_CCM8 = 0xc0a8, SIM_CIPHER_GCM = 0x00a8, SIM_CIPHER_CBC = 0x00ae };

enum { SIM_CID_MAX = 16 };

/* ---- misbehaviour ---- */

enum sim_answer_kind { SIM_ANSWER_CODE, SIM_ANSWER_NONE, SIM_ANSWER_RESET };

/* Answers chosen operations otherwise; such an operation is not carried out. */
struct sim_answer_rule {
    uint8_t method; /* 0 = any */
    bool has_path;
    bool finish;      /* the path is /bs */
    struct path path; /* exactly this one */
    unsigned ordinal; /* only the n-th operation of the device, from 1; 0 = any */
    unsigned times;   /* only so often; 0 = always */
    enum sim_answer_kind kind;
    uint8_t code;
};

enum { SIM_RULES_MAX = 16 };

struct sim_faults {
    uint64_t seed;
    /* What happens to each datagram, both ways, in thousandths. A reordered one comes 40 ms late.
     */
    unsigned drop, duplicate, reorder;
    uint32_t delay_min_ms, delay_max_ms;
    struct sim_answer_rule rules[SIM_RULES_MAX];
    size_t rule_count;
    unsigned reboot_after; /* restarts instead of answering its n-th operation, once; 0 = never */
    bool reboot_in_handshake; /* restarts when the server's first flight arrives, once */
    unsigned move_after; /* goes on from another address with its n-th operation, once; 0 = never */
    bool wrong_key;
};

/* "PUT:/0/1=4.15", "POST:/bs=4.06x1" (once), "3=none" (the third operation), "DELETE=rst". */
enum err_code sim_rule_parse(const char *text, struct sim_answer_rule *out, struct err *err);

/* ---- habits of real clients ---- */

/* What becomes of the bootstrap account when its instance is named in a Delete. */
enum sim_account_delete { SIM_ACCOUNT_BAD_REQUEST, SIM_ACCOUNT_NOT_ALLOWED, SIM_ACCOUNT_LOST };
/* What follows on a Finish that was refused. */
enum sim_refused_finish {
    SIM_FINISH_REPAIRABLE,
    SIM_FINISH_ENDS, /* the association */
    SIM_FINISH_DEAF, /* everything later is answered 5.00 */
};

/* Where a client differs from the text of the specification. All zero: it does not. */
struct sim_quirks {
    /* its request */
    uint16_t endpoint_max;   /* longest endpoint name it has room for; 0 = no limit */
    bool plain_request_next; /* a 4.xx answer: once more without pct= */
    bool insists;            /* 4.01: asks again, twice */
    uint8_t silence_retries; /* asks again so often when nobody answers at all */
    /* its messages */
    bool ignores_non;
    uint16_t message_max; /* longer CoAP messages are not heard; 0 = no limit */
    bool separate_finish; /* Finish is answered in a message of its own */
    bool idle_is_silent;  /* a Finish after Finish has no answer, not even a repeated one */
    bool repeated_finish_restarts; /* a Finish that comes again starts the device anew */
    uint8_t empty_segment_code;    /* an empty segment in a path; 0 = 4.00 */
    bool no_block1;                /* Writes in blocks: 4.13 */
    /* its objects */
    enum sim_account_delete account_delete;
    bool object_delete_takes_account; /* DELETE /0 and DELETE / remove it as well */
    bool one_digit_delete;            /* DELETE of ids with two digits and more: 4.00 */
    bool instance_writes_only;        /* PUT of a whole object: 4.05 */
    uint8_t format_code;              /* of a Content-Format that it does not know; 0 = 4.15 */
    bool format_ends;                 /* and the bootstrap is over */
    bool standard_base64;             /* SenML JSON with - or _ in vd: 5.00 */
    uint16_t accounts_max;      /* instances of /0 and of /1 that there is room for; 0 = any */
    bool one_bootstrap_account; /* a second one: 4.00 on Write */
    bool account_write_loops;   /* its bootstrap account written: begins anew after Finish */
    /* Discover, Read */
    uint8_t discover_code, read_code; /* refused with; 0 = answered */
    bool malformed_links; /* blanks, trailing slashes, ssid=0 on the bootstrap account */
    bool says_1_0;        /* Discover names version 1.0, whatever it is */
    /* Finish */
    bool wants_unused; /* resources 3, 4 and 5 of /0 absent: 4.06 */
    bool pkcs8_only;   /* a private key that is no PKCS#8: 4.06 */
    enum sim_refused_finish refused_finish;
};

/* ---- a device ---- */

struct sim_config {
    const char *server_uri;     /* coaps://host:port, or coap:// for no security; also in /0/x/0 */
    const char *endpoint;       /* ep=; NULL = not sent */
    struct bytes identity, key; /* copied */
    /* With certificates instead: files in PEM, which outlive the device. `authorities` (of the
     * server) is what chooses them; without `certificate` the device shows none. `server_name` is
     * the name that the server's certificate has to have; NULL = any. */
    const char *certificate, *certificate_key, *authorities, *server_name;
    enum lwm2m_version version;
    int preferred_format; /* pct=; FORMAT_NONE = not sent */
    bool pack;            /* asks for a Bootstrap-Pack first (GET /bspack) */
    int pack_format;      /* Accept= of that; FORMAT_NONE = not sent */
    struct sim_quirks quirks;
    uint16_t cipher;             /* SIM_CIPHER_*: the only one offered; 0 = all */
    bool cid;                    /* asks for Connection IDs (RFC 9146); not with Mbed TLS 2.28 */
    uint8_t cid_len;             /* of the one that it wants itself: 0 (none) to 16 bytes */
    uint16_t bootstrap_instance; /* of its bootstrap account in /0 */
    const struct record
        *holds; /* what it holds besides its account and /3/0, such as old accounts; copied */
    size_t hold_count;
    uint16_t held_account; /* Short Server ID of an account in /0 and /1 that it is delivered with,
                              in the first free instance; 0 = none */
    const uint16_t *objects; /* it knows only these; NULL = 0 1 2 3 4 5 and by version 21 23 24 */
    size_t object_count;
    const uint16_t *more_objects; /* it knows these as well */
    size_t more_object_count;
    const int *formats; /* it takes only these; NULL = all by version */
    size_t format_count;
    uint16_t identity_max, key_max; /* longest it takes in a Write of /0; 0 = no limit */
    uint32_t handshake_min_ms, handshake_max_ms; /* 0 = 1000, 60000 */
    uint32_t ack_timeout_ms;                     /* 0 = 2000 */
    uint32_t timeout_ms;   /* of the whole bootstrap, handshake included; 0 = 247000 */
    bool timeout_restarts; /* counted anew from each operation */
    uint32_t hold_ms;      /* stays silent so long between handshake and request; timeout_ms is
                              counted from then */
    uint32_t linger_ms;    /* stays after Finish to answer repeats, then closes */
    uint8_t block_szx;     /* largest block it takes and sends, 0..6 */
    uint32_t payload_max;  /* longest Write without Block1; 0 = 1024 */
    uint32_t transfer_max; /* longest Write in all; 0 = 16384 */
    bool late_mandatory;   /* a missing mandatory resource: 4.06 at Finish, not 4.00 at once */
    bool merge_writes;     /* a Write keeps resources that it does not name */
    bool separate;         /* answers in messages of their own after an empty ACK */
    bool separate_non;     /* those are non-confirmable */
    uint32_t separate_delay_ms;
    bool has_mid_start;
    uint16_t mid_start; /* first message id, also after a reboot; else random */
    struct sim_faults faults;
    void (*random)(void *context, void *data, size_t len); /* NULL = the kernel's */
    void *random_context;
    void (*move)(void *context); /* takes another address; with the context of `send` */
};

/* 1.1, no pct, everything else usual. */
void sim_config_init(struct sim_config *config);

/* Well-known clients by name; docs/interop.md says where each habit was seen. */
struct sim_personality {
    const char *name, *about;
    enum lwm2m_version version;
    int preferred_format; /* FORMAT_NONE = no pct= */
    bool pack;            /* for a SenML CBOR pack */
    uint16_t cipher;      /* SIM_CIPHER_*; 0 = all */
    const int *formats;   /* NULL = all by version */
    size_t format_count;
    const uint16_t *objects; /* NULL = as usual by version */
    size_t object_count;
    uint16_t identity_max, key_max, payload_max; /* 0 = as usual */
    uint16_t held_account; /* Short Server ID of an account it is delivered with; 0 = none */
    bool separate, merge_writes, timeout_restarts;
    struct sim_quirks quirks;
};
const struct sim_personality *sim_personality(size_t index);          /* by name; NULL at the end */
const struct sim_personality *sim_personality_find(const char *name); /* or NULL */
/* Behaves so from now on; what the personality does not speak of stays. */
void sim_config_as(struct sim_config *config, const struct sim_personality *personality);

enum sim_state {
    SIM_IDLE, /* not started */
    SIM_HANDSHAKE,
    SIM_REQUESTING,   /* GET /bspack or POST /bs is under way */
    SIM_SERVED,       /* it was accepted: operations come in */
    SIM_BOOTSTRAPPED, /* Finish was answered 2.04, or a pack was applied */
    SIM_FAILED,
};

/* One operation of the server on the device. */
struct sim_operation {
    uint8_t method;
    bool finish;
    struct path path;
    int format;   /* of the request's payload, or what was accepted; -1 = none */
    uint8_t code; /* of the answer; 0 = none was given */
    uint32_t payload_len;
    uint32_t at_ms; /* since the start */
};

enum { SIM_OPERATIONS_MAX = 128, SIM_REASON_MAX = 48, SIM_DETAIL_MAX = 200 };

struct sim_report {
    enum sim_state state;
    char reason[SIM_REASON_MAX]; /* stable, "" until failed: handshake-timeout dtls-alert-20
                                    request-refused-4.00 no-answer no-finish finish-refused
                                    format-refused account-rewritten
                                    closed-by-server reset tls-error */
    char detail[SIM_DETAIL_MAX]; /* for people */
    uint32_t handshake_ms, duration_ms;
    uint64_t datagrams_sent, datagrams_received, bytes_sent, bytes_received; /* UDP payloads */
    uint32_t retransmissions; /* CoAP messages sent again */
    uint32_t duplicates;      /* datagrams and requests of the server seen again */
    uint32_t reboots, moves;
    uint32_t requests;      /* Bootstrap- and Pack-Requests, blocks of a pack included */
    bool packed;            /* bootstrapped by a pack */
    bool cid;               /* its records carry a Connection ID of the server */
    size_t operation_count; /* more than SIM_OPERATIONS_MAX: the rest is not kept */
    struct sim_operation operations[SIM_OPERATIONS_MAX];
};

typedef void (*sim_send_fn)(void *context, struct bytes datagram);

/* `config` may go afterwards, what it points to is copied. */
enum err_code sim_device_new(const struct sim_config *config, sim_send_fn send, void *context,
                             struct sim_device **out, struct err *err);
void sim_device_free(struct sim_device *device); /* wipes; NULL accepted */

/* Begins a bootstrap with a new handshake; again after its end, with the objects it then holds. */
void sim_device_start(struct sim_device *device, uint64_t now);
/* Power loss in mid-bootstrap: the objects are again those of the last start, a new handshake
 * begins. */
void sim_device_reboot(struct sim_device *device, uint64_t now);
/* Sends another Bootstrap-Request on the association that it has, as a device whose application
 * loses patience. False: it has none. */
bool sim_device_ask_again(struct sim_device *device, uint64_t now);
void sim_device_receive(struct sim_device *device, struct bytes datagram, uint64_t now);
void sim_device_expire(struct sim_device *device, uint64_t now);
uint64_t sim_device_next(const struct sim_device *device); /* UINT64_MAX = no timer */
/* Bootstrapped or failed, and nothing left to send. */
bool sim_device_over(const struct sim_device *device);

const struct sim_report *sim_device_report(const struct sim_device *device);
/* What it holds, in order of path; valid until the next call that changes the device. */
const struct record *sim_device_objects(const struct sim_device *device, size_t *count);
const struct value *sim_device_value(const struct sim_device *device,
                                     const struct path *path); /* or NULL */
/* True for resources whose bytes are never shown: keys of /0, /21, /23, /24. */
bool sim_is_secret(const struct path *path);
const char *sim_state_name(enum sim_state state);

/* The program usher-sim. */
int sim_main(int argc, char **argv);

#endif
