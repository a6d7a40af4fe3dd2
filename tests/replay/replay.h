/* A replay under way: a session, its world, and what was expected of it. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPLAY_REPLAY_H
#define REPLAY_REPLAY_H

#include "script.h"
#include "watch.h"
#include "world.h"

enum { ACTION_TEXT_SIZE = 256, CLOCK_START_MS = 1000000 };

struct replay {
    const char *root; /* of the source tree, for profile files */
    const struct script_line *line;
    struct world world;
    struct session *session;
    struct identity identity;
    uint64_t now;
    uint64_t timer_at; /* 0 = disarmed */
    struct session_actions actions;
    size_t next;                                /* the first action that was not expected yet */
    struct credential_need needs[ACCOUNTS_MAX]; /* of the last COMMIT */
    size_t need_count;
    enum device_state shown; /* by the last STATE of this session */
    bool has_outcome;
    struct outcome outcome;
    struct watch watch;
    unsigned expected; /* EXPECT and CHECK lines that held */
};

/* The device of the association; NULL = not enrolled. */
struct enrollment *replay_device(struct replay *replay);
/* "pending 101 gen 3" at word `index`. */
bool replay_read_credential(const struct script_line *line, size_t index,
                            enum credential_status *status, uint16_t *ssid, uint64_t *generation);

/* expect.c */
bool replay_nothing_is_left(const struct replay *replay);
bool replay_expect(struct replay *replay);
bool replay_check(struct replay *replay);

#endif
