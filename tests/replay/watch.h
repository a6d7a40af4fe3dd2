/* Watches a session from outside: what must never happen (I1, I2, I3, I8), checked at every step.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPLAY_WATCH_H
#define REPLAY_WATCH_H

#include "usher/session.h"

enum { WATCH_WRITES_MAX = 64, WATCH_TEXT_SIZE = 160 };

struct watch_write {
    struct path path;
    bool refused; /* its last answer was a refusal that matters */
};

struct watch {
    bool attempt; /* begun and not recorded */
    bool committing, commit_failed;
    bool responded_with_2_04, response_is_out;
    bool pack, pack_is_out;
    bool open; /* an operation is */
    struct path open_path;
    enum operation_kind open_kind;
    bool open_optional;
    bool finish_sent, finish_acknowledged;
    bool over;
    size_t write_count;
    struct watch_write writes[WATCH_WRITES_MAX];
    /* how often what was seen, so that a test can tell that it tested something */
    unsigned begun, records, closes, sends, by_state[STATE_COUNT], by_cause[CAUSE_LAST];
    char broken[WATCH_TEXT_SIZE]; /* the first rule that did not hold, "" = none */
};

/* Takes part in one step: call with the event just before session_step, and with the actions just
 * after. False: `broken` says what happened. */
bool watch_event(struct watch *watch, const struct session_event *event);
bool watch_actions(struct watch *watch, const struct session *session,
                   const struct session_actions *actions);
/* Forgets the session but keeps the counts: the next session begins. */
void watch_next_session(struct watch *watch);

#endif
