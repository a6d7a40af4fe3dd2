/* CoAP message layer of a device: confirmable messages, answers kept for duplicates, blocks. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_SIM_CONFIRMABLE_PRIV_H
#define USHER_SIM_CONFIRMABLE_PRIV_H

#include "usher/coap.h"
#include "usher/path.h"

enum { ANSWERS_KEPT = 8, MESSAGE_MAX = 1400 };

/* One confirmable message that waits for its acknowledgement (RFC 7252 section 4.2). */
struct confirmable {
    bool open;
    uint16_t id;
    unsigned attempts;
    uint32_t timeout;
    uint64_t deadline;
    struct buf message;
};

void confirmable_init(struct confirmable *confirmable);
void confirmable_clear(struct confirmable *confirmable);
/* `first_timeout` with the random factor already in it. False: the message is too long. */
bool confirmable_open(struct confirmable *confirmable, const struct coap_message *message,
                      uint32_t first_timeout, uint64_t now);
enum confirmable_turn { CONFIRMABLE_WAIT, CONFIRMABLE_REPEAT, CONFIRMABLE_GIVE_UP };
enum confirmable_turn confirmable_expire(struct confirmable *confirmable, uint64_t now);
uint64_t confirmable_next(const struct confirmable *confirmable);

/* The latest answers by message id, for requests that come again (section 4.5). */
struct answers {
    struct answer {
        bool used;
        uint16_t id;
        struct buf message; /* empty: left without an answer, again */
    } items[ANSWERS_KEPT];
    size_t next;
};

void answers_init(struct answers *answers);
void answers_clear(struct answers *answers);
struct answer *answers_find(struct answers *answers, uint16_t id);
struct answer *answers_add(struct answers *answers, uint16_t id); /* takes the oldest's place */

/* A payload that arrives in blocks (RFC 7959 section 2.5). */
struct assembly {
    bool active;
    struct path path;
    int format;
    struct buf payload;
};

/* Code of the answer: 0 = payload complete, 2.31, 4.08, 4.13. `block` becomes what to answer with.
 */
uint8_t assembly_take(struct assembly *assembly, const struct path *path, int format,
                      struct coap_block *block, uint8_t szx_max, struct bytes payload);

#endif
