/* The rows behind object_table. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USHER_OBJECT_TABLE_PRIV_H
#define USHER_OBJECT_TABLE_PRIV_H

#include "usher/object_table.h"

struct object_rows {
    struct object_definition definition;
    const struct resource_definition *resources; /* in order of id */
    size_t count;
};

extern const struct object_rows object_rows[];
extern const size_t object_rows_count;

#endif
