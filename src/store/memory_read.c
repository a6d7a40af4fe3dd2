/* Finding and listing in memory. Callbacks run outside the lock, on copies. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "device_priv.h"
#include "memory_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum err_code not_found(struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "no such device");
}

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NO_MEMORY, "store: out of memory");
}

enum err_code memory_find(struct store_reader *reader, const struct identity *identity,
                          struct bytes endpoint, struct store_device *out, struct err *err)
{
    struct store_backend *backend = reader->backend;
    enum err_code code = ERR_OK;
    out->as_of = atomic_load(&backend->setup->stamps.commits);
    pthread_rwlock_rdlock(&backend->lock);
    const struct memory_device *device = identity != NULL
                                             ? memory_table_identity(&backend->table, identity)
                                             : memory_table_endpoint(&backend->table, endpoint);
    if (device == NULL)
        code = not_found(err);
    else if (!memory_show(backend, device, out))
        code = no_memory(err);
    pthread_rwlock_unlock(&backend->lock);
    return code;
}

static bool has_tags(const struct store_filter *filter, const struct memory_device *device)
{
    char line[TAG_NAME_MAX + TAG_VALUE_MAX + 4];
    for (size_t i = 0; i < filter->tag_count; i++) {
        int len =
            snprintf(line, sizeof line, "%s=%s\n", filter->tags[i].name, filter->tags[i].value);
        const char *at = device->tags;
        while (strncmp(at, line, (size_t)len) != 0) {
            const char *end = strchr(at, '\n');
            if (end == NULL)
                return false;
            at = end + 1;
        }
    }
    return true;
}

static bool matches(const struct store_filter *filter, const struct memory_device *device)
{
    enum device_state state = device_shown_state(device->blocked, device->state);
    const char *prefix = filter->prefix != NULL ? filter->prefix : "";
    return (filter->class_name == NULL || strcmp(filter->class_name, device->class_name) == 0) &&
           (filter->state < 0 || filter->state == (int)state) &&
           (filter->since_wall_ms == 0 || device->last_ms >= filter->since_wall_ms) &&
           (filter->cause < 0 || filter->cause == (int)device->cause) &&
           strncmp(device->endpoint, prefix, strlen(prefix)) == 0 && has_tags(filter, device) &&
           (filter->after == NULL || strcmp(device->endpoint, filter->after) > 0);
}

static int compare_devices(const void *a, const void *b)
{
    const struct memory_device *const *left = a, *const *right = b;
    return strcmp((*left)->endpoint, (*right)->endpoint);
}

static void fill_row(const struct memory_device *device, struct store_row *row)
{
    *row = (struct store_row){
        .identity = device->identity,
        .state = device_shown_state(device->blocked, device->state),
        .cause = device->cause,
        .revision = device->revision,
        .bootstraps = device->bootstraps,
        .created_wall_ms = device->created_ms,
        .changed_wall_ms = device->changed_ms,
        .last_wall_ms = device->last_ms,
        .last_duration_ms = device->last_duration_ms,
    };
    memcpy(row->endpoint, device->endpoint, sizeof row->endpoint);
    memcpy(row->class_name, device->class_name, sizeof row->class_name);
}

static size_t select_rows(const struct memory_table *table, const struct store_filter *filter,
                          const struct memory_device **sorted, struct store_row *rows)
{
    size_t count = 0;
    for (size_t i = 0; i < table->cap; i++) {
        for (const struct memory_device *device = table->by_endpoint[i]; device != NULL;
             device = device->next_by_endpoint) {
            if (matches(filter, device))
                sorted[count++] = device;
        }
    }
    qsort(sorted, count, sizeof(*sorted), compare_devices);
    if (count > filter->limit)
        count = filter->limit;
    for (size_t i = 0; i < count; i++)
        fill_row(sorted[i], &rows[i]);
    return count;
}

enum err_code memory_list(struct store_reader *reader, const struct store_filter *filter,
                          bool (*row)(void *context, const struct store_row *row), void *context,
                          struct err *err)
{
    struct store_backend *backend = reader->backend;
    struct store_row *rows = malloc(filter->limit * sizeof *rows);
    size_t count = 0;
    bool more = true;
    pthread_rwlock_rdlock(&backend->lock);
    const struct memory_device **sorted = malloc((backend->table.count + 1) * sizeof(*sorted));
    bool ready = rows != NULL && sorted != NULL;
    if (ready)
        count = select_rows(&backend->table, filter, sorted, rows);
    pthread_rwlock_unlock(&backend->lock);
    for (size_t i = 0; more && i < count; i++)
        more = row(context, &rows[i]);
    free(sorted);
    free(rows);
    return ready ? ERR_OK : no_memory(err);
}

/* Index after the first outcome to show; 0 = none. */
static size_t find_start(const struct memory_device *device, const char *before)
{
    size_t at = device->history_count;
    if (before == NULL)
        return at;
    while (at > 0 && strcmp(device->history[at - 1]->id, before) != 0)
        at--;
    return at > 0 ? at - 1 : 0;
}

enum err_code memory_history(struct store_reader *reader, struct bytes endpoint, const char *before,
                             size_t limit,
                             bool (*each)(void *context, const struct outcome *outcome),
                             void *context, struct err *err)
{
    struct store_backend *backend = reader->backend;
    struct outcome *outcomes = NULL;
    size_t count = 0;
    bool more = true;
    enum err_code code = ERR_OK;
    pthread_rwlock_rdlock(&backend->lock);
    const struct memory_device *device = memory_table_endpoint(&backend->table, endpoint);
    if (device == NULL) {
        code = not_found(err);
    } else {
        size_t start = find_start(device, before);
        count = start < limit ? start : limit;
        outcomes = malloc(count * sizeof *outcomes + 1);
        if (outcomes == NULL)
            code = no_memory(err);
        for (size_t i = 0; outcomes != NULL && i < count; i++)
            outcomes[i] = *device->history[start - 1 - i];
    }
    pthread_rwlock_unlock(&backend->lock);
    for (size_t i = 0; code == ERR_OK && more && i < count; i++)
        more = each(context, &outcomes[i]);
    free(outcomes);
    return code;
}

struct place_count {
    uint16_t ssid;
    char place[PLACE_NAME_MAX + 1];
    uint64_t devices;
};

static int compare_places(const struct place_count *a, const struct place_count *b)
{
    return a->ssid != b->ssid ? (int)a->ssid - (int)b->ssid : strcmp(a->place, b->place);
}

/* The least place after `last`, with its devices; false: there is none. */
static bool next_place(const struct memory_table *table, struct place_count *last)
{
    struct place_count best = {0};
    for (size_t i = 0; i < table->cap; i++) {
        for (const struct memory_device *device = table->by_endpoint[i]; device != NULL;
             device = device->next_by_endpoint) {
            for (size_t at = 0; at < device->server_count; at++) {
                const struct slot *slot = &device->servers[at].slot[CREDENTIAL_ACTIVE];
                struct place_count found = {.ssid = device->servers[at].ssid, .devices = 1};
                memcpy(found.place, slot->place, sizeof found.place);
                if (found.place[0] == '\0' || compare_places(&found, last) <= 0)
                    continue;
                int order = best.devices == 0 ? -1 : compare_places(&found, &best);
                if (order < 0)
                    best = found;
                else if (order == 0)
                    best.devices++;
            }
        }
    }
    *last = best;
    return best.devices > 0;
}

enum err_code memory_place_counts(struct store_reader *reader,
                                  bool (*each)(void *context, uint16_t ssid, const char *place,
                                               uint64_t devices),
                                  void *context, struct err *err)
{
    struct store_backend *backend = reader->backend;
    struct place_count at = {0};
    bool more = true;
    (void)err;
    while (more) {
        pthread_rwlock_rdlock(&backend->lock);
        more = next_place(&backend->table, &at);
        pthread_rwlock_unlock(&backend->lock);
        more = more && each(context, at.ssid, at.place, at.devices);
    }
    return ERR_OK;
}

/* The least name after `name`; false: there is none. */
static bool next_tag_name(const struct memory_table *table, char name[static TAG_NAME_MAX + 1])
{
    char best[TAG_NAME_MAX + 1] = "";
    for (size_t i = 0; i < table->cap; i++) {
        for (const struct memory_device *device = table->by_endpoint[i]; device != NULL;
             device = device->next_by_endpoint) {
            for (const char *at = device->tags; *at != '\0'; at = strchr(at, '\n') + 1) {
                char found[TAG_NAME_MAX + 1] = "";
                memcpy(found, at, strcspn(at, "="));
                if (strcmp(found, name) > 0 && (best[0] == '\0' || strcmp(found, best) < 0))
                    strcpy(best, found);
            }
        }
    }
    strcpy(name, best);
    return best[0] != '\0';
}

enum err_code memory_tag_names(struct store_reader *reader,
                               bool (*each)(void *context, const char *name), void *context,
                               struct err *err)
{
    struct store_backend *backend = reader->backend;
    char name[TAG_NAME_MAX + 1] = "";
    bool more = true;
    (void)err;
    while (more) {
        pthread_rwlock_rdlock(&backend->lock);
        more = next_tag_name(&backend->table, name);
        pthread_rwlock_unlock(&backend->lock);
        more = more && each(context, name);
    }
    return ERR_OK;
}
