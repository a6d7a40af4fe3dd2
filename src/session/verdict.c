/* What a device's answer means (docs/session.md; OMA Core 1.2 section 6.1.7). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "session_priv.h"

/* Codes that stand for several: a whole class, or whatever no line above names. */
enum { ANY_SUCCESS = -2, ANY_CODE = -1 };

/* The first line that fits decides. A success code that we do not know counts as its class does
 * (RFC 7252 section 5.9), but 2.31 says that the payload has not been taken yet. */
static const struct {
    enum operation_kind operation;
    int code;
    enum verdict verdict;
} rules[] = {
    {OPERATION_DISCOVER, CODE_CONTENT, VERDICT_LISTED},
    {OPERATION_DISCOVER, ANY_CODE, VERDICT_DONE},
    {OPERATION_READ, ANY_CODE, VERDICT_DONE},
    {OPERATION_DELETE, ANY_SUCCESS, VERDICT_DONE},
    {OPERATION_DELETE, CODE_NOT_FOUND, VERDICT_DONE},
    {OPERATION_DELETE, ANY_CODE, VERDICT_WARN},
    {OPERATION_WRITE, CODE_CONTINUE, VERDICT_REFUSED},
    {OPERATION_WRITE, ANY_SUCCESS, VERDICT_DONE},
    {OPERATION_WRITE, CODE_UNSUPPORTED_FORMAT, VERDICT_OTHER_FORMAT},
    {OPERATION_WRITE, CODE_TOO_LARGE, VERDICT_TOO_LARGE},
    {OPERATION_WRITE, CODE_BAD_REQUEST, VERDICT_GUESS_FORMAT},
    {OPERATION_WRITE, CODE_INTERNAL_ERROR, VERDICT_GUESS_FORMAT},
    {OPERATION_WRITE, ANY_CODE, VERDICT_REFUSED},
    {OPERATION_FINISH, CODE_CONTINUE, VERDICT_REFUSED},
    {OPERATION_FINISH, ANY_SUCCESS, VERDICT_DONE},
    {OPERATION_FINISH, CODE_NOT_ACCEPTABLE, VERDICT_REPAIR},
    {OPERATION_FINISH, CODE_BAD_REQUEST, VERDICT_REPAIR},
    {OPERATION_FINISH, ANY_CODE, VERDICT_REFUSED},
};

static bool code_fits(int rule, uint8_t code)
{
    if (rule == ANY_SUCCESS)
        return code >> 5 == 2;
    return rule == ANY_CODE || rule == code;
}

enum verdict verdict_of(enum operation_kind operation, uint8_t code)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (rules[i].operation == operation && code_fits(rules[i].code, code))
            return rules[i].verdict;
    }
    return VERDICT_REFUSED;
}

static bool write_links_to(const struct operation *write, const struct path *target)
{
    for (size_t i = 0; i < write->record_count; i++) {
        const struct value *value = &write->records[i].value;
        if (value->type == VALUE_OBJLINK && value->link.object == target->ids[0] &&
            (target->depth < 2 || value->link.instance == target->ids[1]))
            return true;
    }
    return false;
}

/* A Security instance whose link leads nowhere is broken (/0/x/17, 26, 27). */
static bool is_linked(const struct plan *plan, const struct path *target)
{
    for (size_t i = 0; i < plan_count(plan); i++) {
        const struct operation *operation = plan_operation(plan, i);
        if (operation->kind == OPERATION_WRITE && operation->path.ids[0] == OBJECT_SECURITY &&
            write_links_to(operation, target))
            return true;
    }
    return false;
}

/* Two writes to different instances of /1: then ACLs decide who may do what (OMA Core 1.2 section
 * 8.2). With one server account a client ignores them. */
static bool has_several_servers(const struct plan *plan)
{
    const struct operation *first = NULL;
    for (size_t i = 0; i < plan_count(plan); i++) {
        const struct operation *operation = plan_operation(plan, i);
        if (operation->kind != OPERATION_WRITE || operation->path.ids[0] != OBJECT_SERVER)
            continue;
        if (first != NULL && operation->path.ids[1] != first->path.ids[1])
            return true;
        first = operation;
    }
    return false;
}

static bool is_vital(const struct plan *plan, const struct operation *write)
{
    switch (write->path.ids[0]) {
    case OBJECT_SECURITY:
    case OBJECT_SERVER:
        return true;
    case OBJECT_ACCESS_CONTROL:
        return has_several_servers(plan);
    default:
        return is_linked(plan, &write->path);
    }
}

/* A client that lacks Access Control loses nothing while there is one server. */
bool verdict_tolerable(const struct plan *plan, const struct operation *write, uint8_t code)
{
    if (is_vital(plan, write))
        return false;
    return write->optional ||
           (code == CODE_NOT_FOUND && write->path.ids[0] == OBJECT_ACCESS_CONTROL);
}
