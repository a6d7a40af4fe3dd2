/* SPDX-License-Identifier: Apache-2.0 */
/* Where answers for a lane arrive from other threads. Lives as long as somebody may answer. */
#ifndef USHER_STORE_MAILBOX_PRIV_H
#define USHER_STORE_MAILBOX_PRIV_H

#include "store_priv.h"

enum err_code mailbox_new(struct mailbox **out, struct err *err);
void mailbox_hold(struct mailbox *mailbox);
void mailbox_release(struct mailbox *mailbox);
int mailbox_fd(const struct mailbox *mailbox);
void mailbox_put(struct mailbox *mailbox, struct request *request);
struct request *mailbox_take_all(struct mailbox *mailbox); /* a list, oldest first */
/* As take_all; what arrives later is dropped. */
struct request *mailbox_close(struct mailbox *mailbox);
void mailbox_wait(struct mailbox *mailbox, const struct request *request);

#endif
