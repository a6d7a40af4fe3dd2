/* Misbehaviour: a bad line between device and network, and answers other than the right ones. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_SIM_FAULTS_PRIV_H
#define USHER_SIM_FAULTS_PRIV_H

#include "usher/sim.h"

enum { LINE_HELD_MAX = 16 };

/* Loses, repeats and delays datagrams as a seeded generator says. */
struct line {
    const struct sim_faults *faults;
    uint64_t random;
    uint32_t repeated; /* datagrams of the network that came twice */
    struct held {
        bool used, outgoing;
        uint64_t due;
        size_t len;
        uint8_t *data; /* owned */
    } held[LINE_HELD_MAX];
    void (*deliver)(void *context, bool outgoing, struct bytes datagram);
    void *context;
};

void line_init(struct line *line, const struct sim_faults *faults,
               void (*deliver)(void *context, bool outgoing, struct bytes datagram), void *context);
void line_clear(struct line *line);
void line_put(struct line *line, bool outgoing, struct bytes datagram, uint64_t now);
void line_expire(struct line *line, uint64_t now);
uint64_t line_next(const struct line *line);

/* The rule for the device's n-th operation, its `times` counted down in `used`; or NULL. */
const struct sim_answer_rule *faults_match(const struct sim_faults *faults,
                                           unsigned used[static SIM_RULES_MAX], unsigned ordinal,
                                           uint8_t method, bool finish, const struct path *path);

#endif
