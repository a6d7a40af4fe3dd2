/* Inside of a device: its association, its messages, its objects. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_SIM_DEVICE_PRIV_H
#define USHER_SIM_DEVICE_PRIV_H

#include "confirmable_priv.h"
#include "dtls_client_priv.h"
#include "faults_priv.h"
#include "objects_priv.h"

enum { DEVICE_TOKEN_LEN = 4, DEVICE_URI_MAX = 255, DEVICE_ENDPOINT_MAX = 512 };

struct sim_device {
    struct sim_config config; /* its pointers point to the copies below, or are NULL */
    char server_uri[DEVICE_URI_MAX + 1];
    char endpoint[DEVICE_ENDPOINT_MAX + 1];
    struct secret identity, key;
    sim_send_fn send;
    void *send_context;

    struct line line;
    struct dtls_client *dtls; /* NULL without security, and between associations */
    bool secured;
    struct objects objects;
    struct tree saved; /* what a reboot goes back to */

    uint64_t now, started, handshake_started, deadline, linger_until;
    uint64_t ask_at; /* end of hold_ms; UINT64_MAX = has asked, or has nothing to hold */
    bool restart;    /* a reboot is due as soon as the library's callbacks have returned */
    bool rebooted_handshake, rebooted_operation;
    bool over, closing;
    const char *ends_with;            /* reason for which it ends when its answer is out; or NULL */
    bool deaf;                        /* a refused Finish was the end of its bootstrap */
    bool account_rewritten;           /* its bootstrap account was written */
    bool pack_refused, plain_request; /* what it asks for next */
    unsigned insisted, retried;
    struct buf pack; /* as far as it has come */
    uint32_t pack_blocks;
    uint16_t next_id;
    uint8_t token[DEVICE_TOKEN_LEN];
    struct confirmable request;  /* GET /bspack or POST /bs */
    struct confirmable response; /* a separate answer */
    uint64_t separate_at;        /* when the answer in `held` goes; UINT64_MAX = none is held */
    struct coap_message held_header;
    struct buf held_payload;
    uint8_t held_scratch[2][4];
    struct answers answers;
    struct assembly assembly;
    struct {
        bool valid;
        struct path path;
        int format;
        struct buf payload;
    } body;              /* of an answer that goes in blocks */
    unsigned operations; /* since the start, reboots included */
    unsigned rules_used[SIM_RULES_MAX];
    char finish_reason[SIM_DETAIL_MAX];
    struct sim_report report;
};

void device_random(struct sim_device *device, void *data, size_t len);
/* Ends the bootstrap; the association is closed. */
void device_fail(struct sim_device *device, const char *reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void device_bootstrapped(struct sim_device *device);
/* Back to what it held when it started. False: no memory, it has failed. */
bool device_objects_restore(struct sim_device *device);
/* Plain CoAP bytes into the association. */
void device_transmit(struct sim_device *device, struct bytes message);
uint32_t device_first_timeout(struct sim_device *device);

/* A CoAP message that came in (messages.c). */
void device_message(struct sim_device *device, struct bytes plain);
void device_send_request(struct sim_device *device);
/* The request by itself, and what came in answer (request.c). */
void device_take_response(struct sim_device *device, const struct coap_message *message);
/* Nobody answers the request. */
void device_take_silence(struct sim_device *device);
void device_request_reset(struct sim_device *device);
void device_messages_expire(struct sim_device *device);
/* Takes another address when the operation at hand is the one to do so at. */
void device_move_if_due(struct sim_device *device);
uint64_t device_messages_next(const struct sim_device *device);
void device_messages_reset(struct sim_device *device);

/* What the server asks of the device (serve.c). `*payload` is the answer's, borrowed. */
struct device_answer {
    bool silent, reset;
    bool separate; /* in a message of its own, whatever the configuration says */
    uint8_t code;
    int format; /* of the payload; -1 = none, or a diagnostic text */
    bool has_block;
    uint16_t block_option;
    struct coap_block block;
    struct bytes payload;
    char text[ERR_TEXT_MAX];
};
void device_serve(struct sim_device *device, const struct coap_message *request,
                  struct device_answer *answer);

/* The objects a device starts with (provision.c). */
enum err_code device_provision(struct sim_device *device, const struct sim_config *config,
                               struct err *err);

#endif
