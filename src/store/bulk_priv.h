/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of an import: what each asks for, held against what is stored. */
#ifndef USHER_STORE_BULK_PRIV_H
#define USHER_STORE_BULK_PRIV_H

#include "usher/store.h"

/* Room for one row at a time. */
struct bulk_work {
    struct store_device given;     /* the row */
    struct store_device completed; /* what the device shall be; its tags lie below */
    struct tag tags[TAGS_MAX];
};

struct bulk_work *bulk_work_new(void);       /* NULL: no memory */
void bulk_work_free(struct bulk_work *work); /* wipes; NULL accepted */
/* Decides about a row: its verdict, what changes, and work->completed where something shall be
 * written. `stored` NULL: the endpoint is new. False: out of memory. */
bool bulk_decide(struct bulk_work *work, struct store_bulk_row *row,
                 const struct store_device *stored, enum store_conflict conflict);
/* The row fails, with a reason. False: out of memory. */
bool bulk_fail_row(struct store_bulk_row *row, const char *why);
/* Between rows. */
void bulk_work_reset(struct bulk_work *work);

#endif
