/* SPDX-License-Identifier: Apache-2.0 */
/* A plan as one Bootstrap-Pack (OMA Core 1.2 section 6.1.7.7): the same records, in the same order.
 * They stand back to back in the plan already. */
#include "plan_priv.h"

static bool is_written(const struct plan *plan, uint16_t object)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->operations[i].kind == OPERATION_WRITE &&
            plan->operations[i].path.ids[0] == object)
            return true;
    return false;
}

/* The device itself drops the old instances of objects that the pack names. Others it would keep;
 * of /2 and /21 that does no harm, as no account refers to them any more. */
static bool is_implied(const struct plan *plan, const struct path *path)
{
    uint16_t object = path->ids[0];
    return path->depth > 0 &&
           (is_written(plan, object) || object == OBJECT_ACCESS_CONTROL || object == OBJECT_OSCORE);
}

enum err_code plan_pack(const struct plan *plan, struct operation *out, struct err *err)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct operation *operation = &plan->operations[i];
        if (operation->kind != OPERATION_DELETE || is_implied(plan, &operation->path))
            continue;
        char path[PATH_TEXT_SIZE];
        path_text(&operation->path, path);
        return err_set(err, ERR_UNSUPPORTED, "a Bootstrap-Pack cannot delete %s", path);
    }
    *out = (struct operation){.kind = OPERATION_PACK,
                              .path = path_root(),
                              .records = plan->records,
                              .record_count = plan->record_count};
    return ERR_OK;
}
