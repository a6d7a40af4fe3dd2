/* SPDX-License-Identifier: Apache-2.0 */
/* Texts with variables, while loading. */
#ifndef TEMPLATE_PRIV_H
#define TEMPLATE_PRIV_H

#include "profile_priv.h"

enum { TEMPLATE_PARTS_MAX = 32 };

/* Takes the node's text apart into out->parts; a text without variables leaves out->part_count at
 * 0. `literal`: the text in front of the first variable, `$${` undone. False after an error. */
bool template_parse(struct compiler *compiler, const struct yaml_node *node, struct rule_value *out,
                    struct bytes *literal);

#endif
