/* SPDX-License-Identifier: Apache-2.0 */
/* The packed columns of an outcome. */
#ifndef USHER_STORE_PACK_PRIV_H
#define USHER_STORE_PACK_PRIV_H

#include "usher/buf.h"
#include "usher/outcome.h"

/* A version byte, then each step: operation, code, attempts (2), duration (4), depth, ids (2 each).
 */
enum { STEPS_PACKED_MAX = 1 + OUTCOME_STEPS_MAX * (9 + 2 * PATH_DEPTH_MAX) };
void steps_pack(const struct outcome *outcome, struct buf *out);
bool steps_unpack(struct bytes packed, struct outcome *outcome);

/* Each with its final NUL. */
enum { WARNINGS_PACKED_MAX = OUTCOME_WARNINGS_MAX * 96 };
void warnings_pack(const struct outcome *outcome, struct buf *out);
bool warnings_unpack(struct bytes packed, struct outcome *outcome);

#endif
