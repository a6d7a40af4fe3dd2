/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of the query: known ones, once each, decoded once. */
#include "http_priv.h"

#include "usher/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct query {
    struct request *request;
    const char *const *known;
};

static const char *find_known(const char *const *known, const char *name)
{
    for (; *known != NULL; known++) {
        if (strcmp(*known, name) == 0)
            return *known;
    }
    return NULL;
}

static void refuse_unknown(struct request *request, const char *name, const char *const *known)
{
    char list[256];
    size_t len = 0;
    list[0] = '\0';
    for (size_t i = 0; known[i] != NULL; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i > 0 ? ", " : "", known[i]);
    http_problem(request, 400, "invalid", "unknown query parameter '%.64s'; %s%s", name,
                 len > 0 ? "known here: " : "none is known here", list);
}

/* '+' means a blank in queries; the library has replaced it already. */
static enum MHD_Result add_parameter(void *context, enum MHD_ValueKind kind, const char *name,
                                     const char *value)
{
    (void)kind;
    struct query *query = context;
    struct request *request = query->request;
    const char *known = find_known(query->known, name);
    if (request->parameter_count == HTTP_PARAMETERS_MAX) {
        http_problem(request, 400, "invalid", "too many query parameters");
    } else if (known == NULL) {
        refuse_unknown(request, name, query->known);
    } else if (http_parameter(request, known) != NULL && strcmp(known, "tag") != 0) {
        http_problem(request, 400, "invalid", "query parameter '%s' is given twice", known);
    } else {
        struct parameter *parameter = &request->parameters[request->parameter_count];
        const char *text = value != NULL ? value : "";
        if (http_percent_decode(text, strlen(text), parameter->value, sizeof parameter->value)) {
            parameter->name = known;
            request->parameter_count++;
        } else {
            http_problem(request, 400, "invalid",
                         "query parameter '%s' is too long or not well percent-encoded", known);
        }
    }
    return request->status == 0 ? MHD_YES : MHD_NO;
}

bool http_read_query(struct request *request, const char *const *known)
{
    request->parameters = calloc(HTTP_PARAMETERS_MAX, sizeof *request->parameters);
    if (request->parameters == NULL) {
        request->out_of_memory = true;
        return false;
    }
    struct query query = {.request = request, .known = known};
    MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, add_parameter, &query);
    return request->status == 0;
}

const char *http_parameter(const struct request *request, const char *name)
{
    for (size_t i = 0; i < request->parameter_count; i++) {
        if (strcmp(request->parameters[i].name, name) == 0)
            return request->parameters[i].value;
    }
    return NULL;
}

bool http_number_parameter(struct request *request, const char *name, uint64_t least, uint64_t most,
                           uint64_t fallback, uint64_t *out)
{
    const char *text = http_parameter(request, name);
    *out = fallback;
    if (text == NULL)
        return true;
    size_t digits = strspn(text, "0123456789");
    uint64_t value = digits > 0 && digits <= 18 ? strtoull(text, NULL, 10) : 0;
    if (digits == 0 || digits > 18 || text[digits] != '\0' || value < least || value > most) {
        http_problem(request, 400, "invalid",
                     "query parameter '%s' must be a whole number from %llu to %llu", name,
                     (unsigned long long)least, (unsigned long long)most);
        return false;
    }
    *out = value;
    return true;
}

bool http_boolean_parameter(struct request *request, const char *name, bool *out)
{
    const char *text = http_parameter(request, name);
    *out = text != NULL && strcmp(text, "true") == 0;
    if (text == NULL || *out || strcmp(text, "false") == 0)
        return true;
    http_problem(request, 400, "invalid", "query parameter '%s' must be true or false", name);
    return false;
}

/* "2026-11-23T09:18:10Z", or such with a fraction of a second or another offset of whole minutes.
 */
static bool read_time(const char *text, int64_t *wall_ms)
{
    struct tm parts = {0};
    int used = 0, year, month, hours = 0, minutes = 0;
    char sign = 'Z';
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &year, &month, &parts.tm_mday, &parts.tm_hour,
               &parts.tm_min, &parts.tm_sec, &used) != 6)
        return false;
    text += used;
    int64_t fraction = 0, unit = 100;
    if (*text == '.')
        for (text++; *text >= '0' && *text <= '9'; text++, unit /= 10)
            fraction += (*text - '0') * unit;
    if (*text != 'Z' || text[1] != '\0') {
        sign = *text;
        if ((sign != '+' && sign != '-') ||
            sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || text[1 + used] != '\0')
            return false;
    }
    bool in_range = year >= 1970 && month >= 1 && month <= 12 && parts.tm_mday >= 1 &&
                    parts.tm_mday <= 31 && parts.tm_hour <= 23 && parts.tm_min <= 59 &&
                    parts.tm_sec <= 60 && hours <= 23 && minutes <= 59;
    parts.tm_year = year - 1900;
    parts.tm_mon = month - 1;
    int64_t offset = (hours * 60 + minutes) * 60 * (sign == '-' ? -1 : 1);
    *wall_ms = ((int64_t)timegm(&parts) - offset) * 1000 + fraction;
    return in_range;
}

bool http_time_parameter(struct request *request, const char *name, int64_t *wall_ms)
{
    const char *text = http_parameter(request, name);
    *wall_ms = 0;
    /* Also as people type it: a date, or no seconds. */
    if (text == NULL || read_time(text, wall_ms) || clock_wall_from_text(text, wall_ms))
        return true;
    http_problem(request, 400, "invalid",
                 "query parameter '%s' must be a time such as 2026-11-23T09:18:10Z", name);
    return false;
}

/* "NAME:VALUE", or "NAME=VALUE" as commands write it: whichever sign comes first. */
static bool add_tag(struct request *request, const char *text, struct tag *tag)
{
    struct err err = {0};
    size_t len = strcspn(text, ":=");
    *tag = (struct tag){0};
    if (text[len] == '\0' || len == 0 || len > TAG_NAME_MAX ||
        strlen(text + len + 1) > TAG_VALUE_MAX) {
        http_problem(request, 400, "invalid",
                     "query parameter 'tag' must be NAME:VALUE, such as district:north");
        return false;
    }
    memcpy(tag->name, text, len);
    strcpy(tag->value, text + len + 1);
    if (enrollment_check_tag(tag->name, tag->value, &err) == ERR_OK)
        return true;
    http_problem(request, 400, "invalid", "query parameter 'tag': %s", err.text);
    return false;
}

bool http_read_tags(struct request *request, struct tag tags[static FILTER_TAGS_MAX], size_t *count)
{
    char batch[TAG_VALUE_MAX + 8];
    *count = 0;
    for (size_t i = 0; i < request->parameter_count; i++) {
        const struct parameter *parameter = &request->parameters[i];
        const char *text = parameter->value;
        if (strcmp(parameter->name, "batch") == 0) {
            snprintf(batch, sizeof batch, "batch:%.*s", TAG_VALUE_MAX, text);
            text = batch;
        } else if (strcmp(parameter->name, "tag") != 0) {
            continue;
        }
        if (*count == FILTER_TAGS_MAX) {
            http_problem(request, 400, "invalid", "at most %d tags can be asked for at once",
                         FILTER_TAGS_MAX);
            return false;
        }
        if (!add_tag(request, text, &tags[(*count)++]))
            return false;
    }
    return true;
}
