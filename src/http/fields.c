/* SPDX-License-Identifier: Apache-2.0 */
/* fields=a,b: only these of each object of an answer. */
#include "http_priv.h"

#include <stdio.h>
#include <string.h>

static bool is_known(const char *const *known, const char *name, size_t len)
{
    for (; *known != NULL; known++)
        if (strlen(*known) == len && memcmp(*known, name, len) == 0)
            return true;
    return false;
}

static void refuse(struct request *request, const char *name, size_t len, const char *const *known)
{
    char list[512];
    size_t used = 0;
    list[0] = '\0';
    for (size_t i = 0; known[i] != NULL && used < sizeof list; i++)
        used +=
            (size_t)snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", known[i]);
    http_problem(request, 400, "invalid", "query parameter 'fields': '%.*s' is none; there are %s",
                 (int)(len < 64 ? len : 64), name, list);
}

bool http_check_fields(struct request *request, const char *const *known)
{
    const char *text = http_parameter(request, "fields");
    while (text != NULL) {
        size_t len = strcspn(text, ",");
        if (!is_known(known, text, len)) {
            refuse(request, text, len, known);
            return false;
        }
        text = text[len] == ',' ? text + len + 1 : NULL;
    }
    return true;
}

static bool is_wanted(const char *fields, const char *name)
{
    size_t len = strlen(name);
    while (fields != NULL) {
        size_t part = strcspn(fields, ",");
        if (part == len && memcmp(fields, name, len) == 0)
            return true;
        fields = fields[part] == ',' ? fields + part + 1 : NULL;
    }
    return false;
}

void http_pick_fields(const struct request *request, json_t *object)
{
    const char *fields = http_parameter(request, "fields");
    const char *name;
    json_t *value;
    void *next;
    if (fields == NULL)
        return;
    json_object_foreach_safe(object, next, name, value)
    {
        if (!is_wanted(fields, name))
            json_object_del(object, name);
    }
}
