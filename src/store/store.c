/* Opening and closing, and the calls of the interface. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "device_priv.h"
#include "readers_priv.h"
#include "store_priv.h"
#include "store_test.h"

#include "usher/clock.h"
#include "usher/pool.h"

#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_GATHER_MS = 5,
    DEFAULT_PATIENCE_MS = 20,
    DEFAULT_GATHER_ROWS = 256,
    DEFAULT_QUEUE_MAX = 65536,
    DEFAULT_RETIRE_SECONDS = 86400,
    LIST_MAX = 1000,
};

static unsigned value_or(unsigned value, unsigned fallback)
{
    return value != 0 ? value : fallback;
}

static enum err_code choose_backend(struct store *store, struct err *err)
{
    const struct store_config *config = &store->setup.config;
    const char *path = config->path != NULL ? config->path : "";
    if (config->backend != NULL && strcmp(config->backend, "sqlite") == 0)
        store->ops = &store_sqlite_ops;
    else if (config->backend == NULL || strcmp(config->backend, "memory") != 0)
        return err_set(err, ERR_INVALID, "store: backend '%s' is not known; use sqlite or memory",
                       config->backend != NULL ? config->backend : "");
    else
        store->ops = strncmp(path, "delay=", 6) == 0 ? &store_memory_slow_ops : &store_memory_ops;
    return ERR_OK;
}

static enum err_code copy_config(struct store *store, const struct store_config *config,
                                 struct err *err)
{
    struct store_config *copy = &store->setup.config;
    *copy = *config;
    copy->gather_ms = value_or(config->gather_ms, DEFAULT_GATHER_MS);
    copy->patience_ms = value_or(config->patience_ms, DEFAULT_PATIENCE_MS);
    copy->gather_rows = value_or(config->gather_rows, DEFAULT_GATHER_ROWS);
    copy->queue_max = value_or(config->queue_max, DEFAULT_QUEUE_MAX);
    copy->retire_seconds = value_or(config->retire_seconds, DEFAULT_RETIRE_SECONDS);
    if (config->path != NULL && (store->path = strdup(config->path)) == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    if (config->vfs != NULL && (store->vfs = strdup(config->vfs)) == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    copy->path = store->path;
    copy->vfs = store->vfs;
    return ERR_OK;
}

static void free_store(struct store *store)
{
    readers_stop(store->readers);
    if (store->backend != NULL)
        store->ops->close(store->backend);
    counts_clear(&store->counts);
    groups_clear(&store->groups);
    health_clear(&store->health);
    pthread_cond_destroy(&store->wake);
    pthread_mutex_destroy(&store->lock);
    free(store->path);
    free(store->vfs);
    free(store);
}

static struct store *new_store(void)
{
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return NULL;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&store->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&store->lock, NULL);
    counts_init(&store->counts);
    groups_init(&store->groups);
    health_init(&store->health);
    store->last = &store->first;
    store->setup.counts = &store->counts;
    store->setup.groups = &store->groups;
    atomic_store(&store->setup.wall_ms, clock_wall_ms);
    return store;
}

enum err_code store_open(const struct store_config *config, struct store **out, struct err *err)
{
    struct store *store = new_store();
    if (store == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    enum err_code code = copy_config(store, config, err);
    if (code != ERR_OK)
        goto out;
    code = choose_backend(store, err);
    if (code != ERR_OK)
        goto out;
    code = store->ops->open(&store->setup, &store->backend, err);
    if (code != ERR_OK)
        goto out;
    counts_commit(&store->counts);
    groups_commit(&store->groups);
    if (store->ops->hurry != NULL)
        code = readers_start(store, &store->readers, err);
    if (code == ERR_OK)
        code = writer_start(store, err);
    if (code != ERR_OK)
        goto out;
    *out = store;
    store = NULL;
out:
    if (store != NULL)
        free_store(store);
    return code;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    readers_stop(store->readers); /* before the writer, which they may nudge */
    store->readers = NULL;
    writer_stop(store);
    free_store(store);
}

enum err_code store_health(struct store *store, struct err *err)
{
    return health_read(&store->health, err);
}

void store_test_set_clock(struct store *store, int64_t (*wall_ms)(void))
{
    atomic_store(&store->setup.wall_ms, wall_ms);
}

/* ---- the path of a bootstrap ---- */

static bool can_be_endpoint(struct bytes endpoint)
{
    return endpoint.len > 0 && endpoint.len <= ENDPOINT_MAX &&
           memchr(endpoint.data, 0, endpoint.len) == NULL;
}

void store_find_identity(struct store_lane *lane, struct bytes identity, store_device_fn done,
                         void *context)
{
    struct identity wanted;
    if (identity_set(&wanted, identity))
        lane_find(lane, &wanted, bytes_of(NULL, 0), done, context);
    else
        done(context, ERR_NOT_FOUND, NULL);
}

void store_find_endpoint(struct store_lane *lane, struct bytes endpoint, store_device_fn done,
                         void *context)
{
    if (can_be_endpoint(endpoint))
        lane_find(lane, NULL, endpoint, done, context);
    else
        done(context, ERR_NOT_FOUND, NULL);
}

/* A look-up by name on its way. */
struct named {
    struct store_lane *lane;
    char endpoint[ENDPOINT_MAX + 1];
    bool has_authority;
    uint8_t authority[PIN_HASH_SIZE];
    store_device_fn done;
    void *context;
};

/* What the group says of a device that has come, or that comes for the first time. */
static void named_found(void *context, enum err_code result, const struct store_device *device)
{
    struct named *named = context;
    struct store *store = lane_store(named->lane);
    bool of_group =
        result == ERR_OK && device->group_id != 0 && device->enrollment.identity.len == 0;
    struct store_device own = {0};
    if (of_group || (result == ERR_NOT_FOUND && named->has_authority)) {
        if (of_group && !store_device_copy(&own, device))
            result = ERR_NO_MEMORY;
        else
            result = groups_vouch(&store->groups, bytes_of_text(named->endpoint),
                                  named->has_authority ? named->authority : NULL,
                                  atomic_load(&store->setup.wall_ms)(), of_group, &own);
        device = result == ERR_OK ? &own : NULL;
    }
    named->done(named->context, result, device);
    store_device_clear(&own);
    free(named);
}

void store_find_named(struct store_lane *lane, struct bytes endpoint,
                      const uint8_t authority[PIN_HASH_SIZE], store_device_fn done, void *context)
{
    struct named *named = can_be_endpoint(endpoint) ? calloc(1, sizeof *named) : NULL;
    if (named == NULL) {
        done(context, can_be_endpoint(endpoint) ? ERR_UNAVAILABLE : ERR_NOT_FOUND, NULL);
        return;
    }
    named->lane = lane;
    memcpy(named->endpoint, endpoint.data, endpoint.len);
    named->has_authority = authority != NULL;
    if (authority != NULL)
        memcpy(named->authority, authority, sizeof named->authority);
    named->done = done;
    named->context = context;
    lane_find(lane, NULL, endpoint, named_found, named);
}

static enum err_code check_new_credentials(const struct store_new_credential *credentials,
                                           size_t count)
{
    size_t servers = 0;
    if (count > ACCOUNTS_MAX)
        return ERR_INVALID;
    for (size_t i = 0; i < count; i++) {
        if (credentials[i].ssid == 0 && credentials[i].kind != CREDENTIAL_KIND_PSK)
            return ERR_INVALID;
        servers += credentials[i].ssid != 0;
    }
    return servers <= SERVERS_MAX ? ERR_OK : ERR_INVALID;
}

static struct request *pending_request(struct bytes endpoint,
                                       const struct store_new_credential *credentials, size_t count)
{
    struct request *request = request_new(REQUEST_MAKE_PENDING);
    if (request == NULL)
        return NULL;
    if (count > 0) {
        request->credentials = malloc(count * sizeof *credentials);
        if (request->credentials == NULL) {
            request_free(request);
            return NULL;
        }
        memcpy(request->credentials, credentials, count * sizeof *credentials);
        for (size_t i = 0; i < count; i++)
            blob_ref(credentials[i].public_part);
        request->count = count;
    }
    memcpy(request->endpoint, endpoint.data, endpoint.len);
    return request;
}

void store_make_pending(struct store_lane *lane, struct bytes endpoint,
                        const struct store_new_credential *credentials, size_t count,
                        store_device_fn done, void *context)
{
    if (!can_be_endpoint(endpoint)) {
        done(context, ERR_NOT_FOUND, NULL);
        return;
    }
    enum err_code code = check_new_credentials(credentials, count);
    struct request *request = NULL;
    if (code == ERR_OK && (request = pending_request(endpoint, credentials, count)) == NULL)
        code = ERR_UNAVAILABLE;
    if (code != ERR_OK) {
        done(context, code, NULL);
        return;
    }
    request->device_done = done;
    request->context = context;
    lane_submit(lane, request);
}

static struct request *record_request(const struct outcome *outcome,
                                      const struct store_promotion *promotions, size_t count)
{
    struct request *request = request_new(REQUEST_RECORD);
    if (request == NULL)
        return NULL;
    request->outcome = pool_alloc(sizeof *outcome);
    if (request->outcome == NULL) {
        request_free(request);
        return NULL;
    }
    outcome_copy(request->outcome, outcome);
    memcpy(request->endpoint, outcome->endpoint, sizeof request->endpoint);
    if (count > 0)
        memcpy(request->promotions, promotions, count * sizeof *promotions);
    request->count = count;
    return request;
}

void store_record(struct store_lane *lane, const struct outcome *outcome,
                  const struct store_promotion *promotions, size_t count, store_done_fn done,
                  void *context)
{
    enum err_code code = count <= ACCOUNTS_MAX ? ERR_OK : ERR_INVALID;
    struct request *request = NULL;
    if (code == ERR_OK && (request = record_request(outcome, promotions, count)) == NULL)
        code = ERR_UNAVAILABLE;
    if (code != ERR_OK) {
        if (done != NULL)
            done(context, code);
        return;
    }
    request->done = done;
    request->context = context;
    lane_submit(lane, request);
}

/* ---- administration ---- */

static enum err_code no_such_endpoint(struct bytes endpoint, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "endpoint '%.*s' is not enrolled",
                   (int)(endpoint.len < ENDPOINT_MAX ? endpoint.len : ENDPOINT_MAX),
                   endpoint.len > 0 ? (const char *)endpoint.data : "");
}

/* A change of one device by name. */
static enum err_code run_change(struct store_lane *lane, enum request_kind kind,
                                struct bytes endpoint, bool flag, enum store_change *change,
                                struct err *err)
{
    if (!can_be_endpoint(endpoint))
        return no_such_endpoint(endpoint, err);
    struct request *request = request_new(kind);
    if (request == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    memcpy(request->endpoint, endpoint.data, endpoint.len);
    request->flag = flag;
    request->err = err;
    enum err_code code = lane_submit_and_wait(lane, request);
    if (code == ERR_OK && change != NULL)
        *change = request->change;
    else if (code == ERR_NOT_FOUND)
        no_such_endpoint(endpoint, err);
    request_free(request);
    return code;
}

enum err_code store_accept(struct store_lane *lane, const struct outcome *outcome, struct err *err)
{
    struct bytes endpoint = bytes_of_text(outcome->endpoint);
    if (!can_be_endpoint(endpoint) || outcome->state != STATE_NEW)
        return no_such_endpoint(endpoint, err);
    struct store_device device = {0};
    enum err_code code = store_get(lane, endpoint, &device, err);
    store_device_clear(&device);
    if (code != ERR_OK)
        return code;
    struct request *request = record_request(outcome, NULL, 0);
    if (request == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    request->err = err;
    code = lane_submit_and_wait(lane, request);
    request_free(request);
    return code;
}

enum err_code store_set_blocked(struct store_lane *lane, struct bytes endpoint, bool blocked,
                                enum store_change *change, struct err *err)
{
    return run_change(lane, REQUEST_SET_BLOCKED, endpoint, blocked, change, err);
}

enum err_code store_set_place(struct store_lane *lane, struct bytes endpoint, uint16_t ssid,
                              const char *place, enum store_change *change, struct err *err)
{
    const struct store_place wanted = {ssid, place};
    if (!can_be_endpoint(endpoint))
        return no_such_endpoint(endpoint, err);
    if (place[0] == '\0' || strlen(place) > PLACE_NAME_MAX)
        return err_set(err, ERR_RANGE, "a place's name has 1 to %d bytes", PLACE_NAME_MAX);
    struct request *request = request_new(REQUEST_PLACE);
    if (request == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    memcpy(request->endpoint, endpoint.data, endpoint.len);
    request->place = &wanted;
    request->err = err;
    enum err_code code = lane_submit_and_wait(lane, request);
    if (code == ERR_OK)
        *change = request->change;
    else if (code == ERR_NOT_FOUND)
        no_such_endpoint(endpoint, err);
    request_free(request);
    return code;
}

enum err_code store_remove(struct store_lane *lane, struct bytes endpoint, struct err *err)
{
    return run_change(lane, REQUEST_REMOVE, endpoint, false, NULL, err);
}

enum err_code store_enroll(struct store_lane *lane, const struct store_device *device, bool replace,
                           enum store_change *change, struct err *err)
{
    struct store_enrolled result = {0};
    store_enroll_many(lane, device, 1, replace, &result);
    if (result.code == ERR_OK)
        *change = result.change;
    else if (err != NULL)
        *err = result.err;
    return result.code;
}

static struct request *enroll_request(const struct store_device *device, bool replace,
                                      struct store_enrolled *result)
{
    result->code = device_check(device, &result->err);
    if (result->code != ERR_OK)
        return NULL;
    struct request *request = request_new(REQUEST_ENROLL);
    if (request == NULL) {
        result->code = err_set(&result->err, ERR_NO_MEMORY, "store: out of memory");
        return NULL;
    }
    memcpy(request->endpoint, device->enrollment.endpoint, sizeof request->endpoint);
    request->given = device;
    request->flag = replace;
    request->err = &result->err;
    return request;
}

void store_enroll_many(struct store_lane *lane, const struct store_device *devices, size_t count,
                       bool replace, struct store_enrolled *results)
{
    enum { AT_ONCE = 64 };
    struct request *requests[AT_ONCE];
    for (size_t first = 0; first < count; first += AT_ONCE) {
        size_t some = count - first < AT_ONCE ? count - first : AT_ONCE;
        for (size_t i = 0; i < some; i++) {
            struct store_enrolled *result = &results[first + i];
            *result = (struct store_enrolled){0};
            requests[i] = enroll_request(&devices[first + i], replace, result);
            if (requests[i] != NULL && !lane_submit_waited(lane, requests[i])) {
                result->code = result->err.code;
                request_free(requests[i]);
                requests[i] = NULL;
            }
        }
        for (size_t i = 0; i < some; i++) {
            if (requests[i] == NULL)
                continue;
            lane_wait(lane, requests[i]);
            results[first + i].code = requests[i]->result;
            results[first + i].change = requests[i]->change;
            request_free(requests[i]);
        }
    }
}

enum err_code store_get(struct store_lane *lane, struct bytes endpoint, struct store_device *out,
                        struct err *err)
{
    if (!can_be_endpoint(endpoint))
        return no_such_endpoint(endpoint, err);
    enum err_code code = lane_find_and_wait(lane, endpoint, out, err);
    return code == ERR_NOT_FOUND ? no_such_endpoint(endpoint, err) : code;
}

enum err_code store_reload_keys(struct store *store, struct err *err)
{
    struct vault *vault = store->setup.config.vault;
    if (vault == NULL)
        return err_set(err, ERR_CONFLICT,
                       "no master key is configured: name its file with store: { master-key: FILE "
                       "} and restart");
    return vault_reload(vault, err);
}

enum err_code store_rekey(struct store_lane *lane, struct store_rekey *rekey, struct err *err)
{
    struct request *request = request_new(REQUEST_REKEY);
    struct store_rekey slice = *rekey;
    if (request == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    request->rekey = &slice;
    request->err = err;
    enum err_code code = lane_submit_and_wait(lane, request);
    request_free(request);
    if (code == ERR_OK)
        *rekey = slice;
    return code;
}

enum err_code store_note(struct store_lane *lane, const char *action, const char *subject,
                         const char *detail, struct err *err)
{
    const struct store_note note = {action, subject, detail};
    struct request *request = request_new(REQUEST_NOTE);
    if (request == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    request->note = &note;
    request->err = err;
    enum err_code code = lane_submit_and_wait(lane, request);
    request_free(request);
    return code;
}

static enum err_code read_result(struct store_lane *lane, enum err_code code,
                                 const struct err *cause, struct err *err)
{
    if (code == ERR_OK)
        return code;
    if (code != ERR_NOT_FOUND)
        lane_read_failed(lane, code, cause);
    if (err != NULL)
        *err = *cause;
    return code;
}

/* ---- groups ---- */

static enum err_code run_group(struct store_lane *lane, enum request_kind kind,
                               const struct store_group *group, bool flag,
                               enum store_change *change, struct err *err)
{
    struct request *request = request_new(kind);
    if (request == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    request->group = group;
    request->flag = flag;
    request->err = err;
    enum err_code code = lane_submit_and_wait(lane, request);
    if (code == ERR_OK && change != NULL)
        *change = request->change;
    request_free(request);
    return code;
}

enum err_code store_group_put(struct store_lane *lane, const struct store_group *group,
                              bool replace, enum store_change *change, struct err *err)
{
    enum err_code code = group_check(group, err);
    return code != ERR_OK ? code : run_group(lane, REQUEST_GROUP_PUT, group, replace, change, err);
}

enum err_code store_group_remove(struct store_lane *lane, const char *name, bool force,
                                 struct err *err)
{
    struct store_group group = {0};
    strncpy(group.name, name, GROUP_NAME_MAX);
    return run_group(lane, REQUEST_GROUP_REMOVE, &group, force, NULL, err);
}

static bool copy_group(struct store_group *to, const struct store_group *from)
{
    *to = *from;
    to->tags = (struct enrollment){0};
    if (enrollment_copy(&to->tags, &from->tags))
        return true;
    store_group_clear(to);
    return false;
}

enum err_code store_group_get(struct store_lane *lane, const char *name, struct store_group *out,
                              struct err *err)
{
    struct groups *groups = &lane_store(lane)->groups;
    enum err_code code = ERR_OK;
    pthread_rwlock_rdlock(&groups->lock);
    const struct group_entry *entry = groups_find(groups, name);
    if (entry == NULL)
        code = err_set(err, ERR_NOT_FOUND, "there is no group '%.63s'", name);
    else if (!copy_group(out, &entry->group))
        code = err_set(err, ERR_NO_MEMORY, "store: out of memory");
    pthread_rwlock_unlock(&groups->lock);
    return code;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

enum err_code store_group_list(struct store_lane *lane,
                               bool (*each)(void *context, const struct store_group *group),
                               void *context, struct err *err)
{
    struct groups *groups = &lane_store(lane)->groups;
    char names[GROUPS_MAX][GROUP_NAME_MAX + 1];
    size_t count = 0;
    bool more = true;
    pthread_rwlock_rdlock(&groups->lock);
    for (; count < groups->count; count++)
        strcpy(names[count], groups->entries[count]->group.name);
    pthread_rwlock_unlock(&groups->lock);
    qsort(names, count, sizeof names[0], compare_names);
    for (size_t i = 0; more && i < count; i++) {
        struct store_group group;
        enum err_code code = store_group_get(lane, names[i], &group, err);
        if (code == ERR_NOT_FOUND)
            continue; /* removed in between */
        if (code != ERR_OK)
            return code;
        more = each(context, &group);
        store_group_clear(&group);
    }
    return ERR_OK;
}

enum err_code store_audit(struct store_lane *lane, uint64_t after, int64_t since_wall_ms,
                          size_t limit,
                          bool (*each)(void *context, const struct chain_record *record,
                                       const uint8_t hash[static DIGEST_SIZE]),
                          void *context, struct err *err)
{
    const struct store_ops *ops = lane_store(lane)->ops;
    struct err cause = {0};
    if (ops->audit == NULL)
        return err_set(err, ERR_UNSUPPORTED, "the memory store keeps no audit");
    enum err_code code =
        ops->audit(lane_reader(lane), after, since_wall_ms, limit, each, context, &cause);
    return read_result(lane, code, &cause, err);
}

enum err_code store_device_check(const struct store_device *device, struct err *err)
{
    return device_check(device, err);
}

static enum err_code run_bulk(struct store_lane *lane, enum request_kind kind,
                              struct store_bulk *bulk, struct bytes state, struct err *err)
{
    struct request *request = request_new(kind);
    if (request == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    request->bulk = bulk;
    request->state = state;
    request->err = err;
    enum err_code code = lane_submit_and_wait(lane, request);
    request_free(request);
    return code;
}

enum err_code store_bulk_apply(struct store_lane *lane, struct store_bulk *bulk, struct err *err)
{
    return run_bulk(lane, REQUEST_BULK, bulk, bytes_of(NULL, 0), err);
}

enum err_code store_bulk_save(struct store_lane *lane, const char *id, struct bytes state,
                              struct err *err)
{
    struct store_bulk bulk = {.id = id};
    return run_bulk(lane, REQUEST_BULK_SAVE, &bulk, state, err);
}

enum err_code store_bulk_load(struct store_lane *lane,
                              bool (*each)(void *context, const char *id, struct bytes state),
                              void *context, struct err *err)
{
    struct err cause = {0};
    enum err_code code = lane_store(lane)->ops->bulk_load(lane_reader(lane), each, context, &cause);
    return read_result(lane, code, &cause, err);
}

/* Lists show rows: bring them up to date when outcomes are waiting for that. */
static enum err_code settle(struct store_lane *lane, struct err *err)
{
    struct store *store = lane_store(lane);
    if (store->ops->unfolded(store->backend) == 0)
        return ERR_OK;
    struct request *request = request_new(REQUEST_SETTLE);
    if (request == NULL)
        return err_set(err, ERR_NO_MEMORY, "store: out of memory");
    request->err = err;
    enum err_code code = lane_submit_and_wait(lane, request);
    request_free(request);
    return code;
}

enum err_code store_list(struct store_lane *lane, const struct store_filter *filter,
                         bool (*row)(void *context, const struct store_row *row), void *context,
                         struct err *err)
{
    if (filter->limit < 1 || filter->limit > LIST_MAX)
        return err_set(err, ERR_RANGE, "limit is %zu; 1 to %d rows can be listed at once",
                       filter->limit, LIST_MAX);
    enum err_code code = settle(lane, err);
    if (code != ERR_OK)
        return code;
    struct err cause = {0};
    code = lane_store(lane)->ops->list(lane_reader(lane), filter, row, context, &cause);
    return read_result(lane, code, &cause, err);
}

enum err_code store_tag_names(struct store_lane *lane,
                              bool (*each)(void *context, const char *name), void *context,
                              struct err *err)
{
    struct err cause = {0};
    enum err_code code = lane_store(lane)->ops->tag_names(lane_reader(lane), each, context, &cause);
    return read_result(lane, code, &cause, err);
}

enum err_code store_place_counts(struct store_lane *lane,
                                 bool (*each)(void *context, uint16_t ssid, const char *place,
                                              uint64_t devices),
                                 void *context, struct err *err)
{
    /* An outcome may have made another credential active. */
    enum err_code code = settle(lane, err);
    if (code != ERR_OK)
        return code;
    struct err cause = {0};
    code = lane_store(lane)->ops->place_counts(lane_reader(lane), each, context, &cause);
    return read_result(lane, code, &cause, err);
}

enum err_code store_history(struct store_lane *lane, struct bytes endpoint, const char *before,
                            size_t limit,
                            bool (*each)(void *context, const struct outcome *outcome),
                            void *context, struct err *err)
{
    if (!can_be_endpoint(endpoint))
        return no_such_endpoint(endpoint, err);
    enum err_code code = settle(lane, err);
    if (code != ERR_OK)
        return code;
    struct err cause = {0};
    code = lane_store(lane)->ops->history(lane_reader(lane), endpoint, before, limit, each, context,
                                          &cause);
    if (code == ERR_NOT_FOUND)
        return no_such_endpoint(endpoint, err);
    return read_result(lane, code, &cause, err);
}

size_t store_counts(struct store *store, struct store_count *counts, size_t cap)
{
    return counts_copy(&store->counts, counts, cap);
}

void store_metrics(struct store *store, struct store_metrics *out)
{
    *out = (struct store_metrics){
        .commits = atomic_load(&store->commits),
        .rows = atomic_load(&store->rows),
        .failures = atomic_load(&store->failures),
        .commit_us = atomic_load(&store->commit_us),
        .unfolded = store->ops->unfolded(store->backend),
        .schema_version = store->ops->schema_version(store->backend),
        .backend = store->ops->name,
    };
    for (size_t i = 0; i < STORE_LATENCY_BUCKETS; i++)
        out->commit_buckets[i] = atomic_load(&store->commit_buckets[i]);
    pthread_mutex_lock(&store->lock);
    out->queue_depth = store->depth;
    pthread_mutex_unlock(&store->lock);
}
