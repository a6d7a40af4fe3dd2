/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that answer look-ups later: when the database is locked by somebody, or slow. */
#ifndef USHER_STORE_READERS_PRIV_H
#define USHER_STORE_READERS_PRIV_H

#include "store_priv.h"

/* A look-up that took longer than this is one too many on a worker. Not less: a busy machine takes
 * the processor away for some milliseconds, which is nothing that another thread could help. */
enum { READERS_SLOW_US = 10000 };

enum err_code readers_start(struct store *store, struct readers **out, struct err *err);
void readers_stop(struct readers *readers); /* after the lanes are closed; NULL accepted */
/* Takes a FIND request, to be completed later. False: the queue is full, or there are none. */
bool readers_submit(struct readers *readers, struct request *request);
/* How long a look-up took. After a slow one all go to the readers (readers_are_due), until one of
 * them is quick again: so a disk that hangs stalls a worker once, not once a device. Any thread;
 * NULL accepted. */
void readers_note(struct readers *readers, uint64_t took_us);
bool readers_are_due(const struct readers *readers);

#endif
