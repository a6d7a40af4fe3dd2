/* SPDX-License-Identifier: Apache-2.0 */
/* Changing devices: enrol, remove, block, unblock. Only by the UNIX socket. */
#include "http_priv.h"

#include "usher/clock.h"
#include "usher/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { GENERATED_KEY_LEN = 16 };

static const char *change_name(enum store_change change)
{
    return change == STORE_CREATED ? "created" : change == STORE_CHANGED ? "changed" : "unchanged";
}

/* `event` is the log's: "device.enrolled" is told as "enrolled". */
static void post_change(const struct request *request, const char *event, const char *class_name)
{
    const struct log_field fields[] = {LOG_TEXT("change", strchr(event, '.') + 1)};
    const struct event change = {.kind = EVENT_ENROLMENT,
                                 .wall_ms = clock_wall_ms(),
                                 .endpoint = request->endpoint,
                                 .class_name = class_name,
                                 .fields = fields,
                                 .field_count = 1};
    events_post(request->http->config.events, EVENTS_SHARED, &change);
}

/* Who did it: the login is the socket's file permissions. */
static struct ucred peer_of(const struct request *request)
{
    struct ucred peer = {.pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1};
    socklen_t len = sizeof peer;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info != NULL)
        getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
    return peer;
}

void http_actor(const struct request *request, char out[static STORE_ACTOR_MAX + 1])
{
    snprintf(out, STORE_ACTOR_MAX + 1, "%.*s", STORE_ACTOR_MAX, request->who.name);
}

void http_begin_change(const struct request *request, struct store_lane *lane)
{
    struct store_actor actor = {0};
    snprintf(actor.source, sizeof actor.source, "%.*s", STORE_ACTOR_MAX,
             request->door->is_unix ? "unix" : request->peer);
    http_actor(request, actor.name);
    http_station(request, actor.station);
    store_lane_act_as(lane, &actor);
}

void http_station(const struct request *request, char out[static STORE_ACTOR_MAX + 1])
{
    const char *text =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "X-Usher-Station");
    struct err unused = {0};
    out[0] = '\0';
    if (text != NULL && strlen(text) <= STORE_ACTOR_MAX &&
        enrollment_check_tag("station", text, &unused) == ERR_OK)
        strcpy(out, text);
}

static void log_change(const struct request *request, const char *event, const char *class_name,
                       enum store_change change)
{
    struct ucred peer = peer_of(request);
    if (change != STORE_UNCHANGED)
        post_change(request, event, class_name);
    log_event(change == STORE_UNCHANGED ? LOG_DEBUG : LOG_INFO, event,
              LOG_TEXT("endpoint", request->endpoint), LOG_TEXT("class", class_name),
              LOG_TEXT("change", change_name(change)), LOG_NUMBER("uid", peer.uid),
              LOG_NUMBER("gid", peer.gid), LOG_NUMBER("pid", peer.pid),
              LOG_TEXT("request", request->id));
}

/* Reading what is there and writing what shall be is one step for each endpoint. */
static pthread_mutex_t *lock_endpoint(struct request *request)
{
    struct http *http = request->http;
    uint64_t hash = bytes_hash(http->hash_key, bytes_of_text(request->endpoint));
    pthread_mutex_t *lock = &http->edit_locks[hash % HTTP_EDIT_LOCKS];
    pthread_mutex_lock(lock);
    return lock;
}

/* ---- enrolling ---- */

/* One PUT: what was asked for, what is there, and what shall be. */
struct edit {
    struct request *request;
    struct store_lane *lane;
    bool replace;
    struct enrolment wanted;    /* its device is completed and stored */
    struct store_device stored; /* when `known` */
    bool known;
    bool made_key;
    enum store_change change;
};

static bool refuse_class(struct request *request, const struct profile_set *set, const char *what)
{
    char list[400];
    size_t len = 0;
    list[0] = '\0';
    for (size_t i = 0; i < profile_set_count(set) && len < sizeof list; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i > 0 ? ", " : "",
                                profile_class(profile_set_at(set, i)));
    http_problem(request, 422, "unknown-class", "%s; classes are: %s", what, list);
    return false;
}

/* A class that no profile has would only show when the device knocks. */
enum err_code http_check_class(const struct http *http, const struct enrollment *enrollment,
                               struct err *err)
{
    struct profile_set *set = http->config.profiles(http->config.context);
    struct err why = {0};
    enum err_code code = ERR_OK;
    if (enrollment->class_name[0] != '\0' && profile_set_find(set, enrollment->class_name) == NULL)
        code = err_set(err, ERR_INVALID, "no profile has the class '%s'", enrollment->class_name);
    else if (enrollment->class_name[0] == '\0' && profile_set_select(set, enrollment, &why) == NULL)
        code = err_set(err, ERR_INVALID, "no class is given and none can be chosen (%.300s)",
                       why.text);
    profile_set_unref(set);
    return code;
}

static bool check_class(struct edit *edit)
{
    const struct http *http = edit->request->http;
    struct err err = {0};
    if (http_check_class(http, &edit->wanted.device.enrollment, &err) == ERR_OK)
        return true;
    struct profile_set *set = http->config.profiles(http->config.context);
    refuse_class(edit->request, set, err.text);
    profile_set_unref(set);
    return false;
}

/* What is not said stays as it is; the identity of a new device is its endpoint, unless said. */
static bool complete_names(struct edit *edit)
{
    struct enrollment *enrollment = &edit->wanted.device.enrollment;
    const struct enrollment *stored = &edit->stored.enrollment;
    if (edit->known && !edit->wanted.has_class)
        strcpy(enrollment->class_name, stored->class_name);
    if (edit->wanted.no_key)
        return true;
    if (edit->known && !edit->wanted.has_identity)
        enrollment->identity = stored->identity;
    /* Of a group by certificate: it has none, and gets none. */
    bool by_certificate = edit->known && edit->stored.group_id != 0 && stored->identity.len == 0;
    if (by_certificate && !edit->wanted.has_key && !edit->wanted.generate)
        return true;
    if (enrollment->identity.len > 0 ||
        identity_set(&enrollment->identity, bytes_of_text(enrollment->endpoint)))
        return true;
    http_problem(edit->request, 400, "invalid",
                 "the endpoint is longer than the %d bytes of an identity; give an 'identity'",
                 IDENTITY_MAX);
    return false;
}

/* A device that has a key keeps it when one shall be made, unless it is to be replaced: the same
 * command twice must not lock a device out. */
static bool complete_key(struct edit *edit)
{
    struct enrolment *wanted = &edit->wanted;
    struct secret *key = &wanted->device.bootstrap_key;
    bool has_stored = edit->known && edit->stored.bootstrap_key.len > 0;
    if (wanted->no_key)
        return true;
    edit->made_key = wanted->generate && (edit->replace || !has_stored);
    if (edit->made_key)
        secret_random(key, GENERATED_KEY_LEN);
    else if (!wanted->has_key && has_stored)
        *key = edit->stored.bootstrap_key;
    /* A group's device goes on with the key that is derived for it. */
    if (edit->known && !wanted->has_key && !edit->made_key)
        wanted->device.group_id = edit->stored.group_id;
    if (key->len > 0 || wanted->device.group_id != 0)
        return true;
    http_problem(edit->request, 400, "invalid",
                 "a new device needs 'key', 'key_base64' or 'generate': true; one that proves "
                 "itself by a certificate, 'no_key': true");
    return false;
}

static bool complete_tags(struct edit *edit)
{
    struct enrollment *enrollment = &edit->wanted.device.enrollment;
    const struct enrollment *stored = &edit->stored.enrollment;
    if (!edit->known || edit->wanted.has_tags || stored->tag_count == 0)
        return true;
    enrollment->tags = calloc(stored->tag_count, sizeof *enrollment->tags);
    if (enrollment->tags == NULL) {
        edit->request->out_of_memory = true;
        return false;
    }
    memcpy(enrollment->tags, stored->tags, stored->tag_count * sizeof *enrollment->tags);
    enrollment->tag_count = stored->tag_count;
    return true;
}

static bool complete(struct edit *edit)
{
    bool class_matters = edit->wanted.has_class || !edit->known;
    return complete_names(edit) && (!class_matters || check_class(edit)) && complete_key(edit) &&
           complete_tags(edit);
}

static bool read_stored(struct edit *edit)
{
    struct err err = {0};
    enum err_code code =
        store_get(edit->lane, bytes_of_text(edit->request->endpoint), &edit->stored, &err);
    edit->known = code == ERR_OK;
    if (code == ERR_OK || code == ERR_NOT_FOUND)
        return true;
    http_problem_of(edit->request, &err);
    return false;
}

static bool store_wanted(struct edit *edit)
{
    struct err err = {0};
    enum err_code code =
        store_enroll(edit->lane, &edit->wanted.device, edit->replace, &edit->change, &err);
    if (code == ERR_OK)
        return true;
    if (code == ERR_EXISTS)
        http_problem(edit->request, 409, "exists",
                     "'%s' is enrolled with other data; say replace=true to change it",
                     edit->request->endpoint);
    else
        http_problem_of(edit->request, &err);
    return false;
}

/* {"change": .., "device": .., "key": ..}; the key only when it was made here, and only this once.
 */
static void answer_edit(struct edit *edit)
{
    struct request *request = edit->request;
    struct store_device *device = &edit->stored;
    struct live_entry entry;
    struct err err = {0};
    store_device_clear(device);
    json_t *answer = json_object();
    http_put_text(request, answer, "change", change_name(edit->change));
    if (store_get(edit->lane, bytes_of_text(request->endpoint), device, &err) == ERR_OK)
        http_put(request, answer, "device",
                 http_device_json(
                     request, device,
                     http_live_of(request, request->endpoint, device->enrollment.blocked, &entry)));
    else
        http_put(request, answer, "device", json_null());
    if (edit->made_key) {
        char text[BYTES_HEX_SIZE(GENERATED_KEY_LEN)];
        bytes_to_hex(secret_bytes(&edit->wanted.device.bootstrap_key), text);
        http_put_text(request, answer, "key", text);
        bytes_wipe(text, sizeof text);
    }
    http_answer(request, edit->change == STORE_CREATED ? 201 : 200, answer);
}

static void run_edit(struct edit *edit)
{
    struct request *request = edit->request;
    pthread_mutex_t *lock = lock_endpoint(request);
    if (read_stored(edit) && complete(edit) && store_wanted(edit)) {
        log_change(request, "device.enrolled", edit->wanted.device.enrollment.class_name,
                   edit->change);
        answer_edit(edit);
    }
    pthread_mutex_unlock(lock);
}

void http_put_device(struct request *request)
{
    static const char *const known[] = {"replace", NULL};
    struct edit *edit = calloc(1, sizeof *edit);
    if (edit == NULL) {
        request->out_of_memory = true;
        return;
    }
    edit->request = request;
    if (http_read_query(request, known) &&
        http_boolean_parameter(request, "replace", &edit->replace) &&
        http_read_enrolment(request, &edit->wanted)) {
        edit->lane = http_lane_take(request->http);
        http_begin_change(request, edit->lane);
        run_edit(edit);
        http_lane_return(request->http, edit->lane);
    }
    store_device_clear(&edit->wanted.device);
    store_device_clear(&edit->stored);
    free(edit);
}

/* ---- removing, blocking ---- */

static bool has_no_parameters(struct request *request)
{
    static const char *const known[] = {NULL};
    return http_read_query(request, known);
}

static void evict(const struct request *request)
{
    const struct http_config *config = &request->http->config;
    config->evict(config->context, request->endpoint);
}

void http_delete_device(struct request *request)
{
    struct err err = {0};
    if (!has_no_parameters(request))
        return;
    struct store_lane *lane = http_lane_take(request->http);
    pthread_mutex_t *lock = lock_endpoint(request);
    http_begin_change(request, lane);
    enum err_code code = store_remove(lane, bytes_of_text(request->endpoint), &err);
    pthread_mutex_unlock(lock);
    http_lane_return(request->http, lane);
    if (code != ERR_OK) {
        http_problem_of(request, &err);
        return;
    }
    evict(request);
    log_change(request, "device.removed", NULL, STORE_CHANGED);
    http_answer(request, 200, json_pack("{s:s}", "change", "removed"));
}

static void set_blocked(struct request *request, bool blocked)
{
    struct err err = {0};
    enum store_change change = STORE_UNCHANGED;
    if (!has_no_parameters(request))
        return;
    struct store_lane *lane = http_lane_take(request->http);
    pthread_mutex_t *lock = lock_endpoint(request);
    http_begin_change(request, lane);
    enum err_code code =
        store_set_blocked(lane, bytes_of_text(request->endpoint), blocked, &change, &err);
    pthread_mutex_unlock(lock);
    http_lane_return(request->http, lane);
    if (code != ERR_OK) {
        http_problem_of(request, &err);
        return;
    }
    if (blocked)
        evict(request);
    log_change(request, blocked ? "device.blocked" : "device.unblocked", NULL, change);
    http_answer(request, 200, json_pack("{s:s}", "change", change_name(change)));
}

void http_block_device(struct request *request)
{
    set_blocked(request, true);
}

void http_unblock_device(struct request *request)
{
    set_blocked(request, false);
}

/* ---- accepting ---- */

/* 48 bits of time, then chance, as all outcomes have. */
static void make_outcome_id(int64_t wall_ms, char out[static 33])
{
    uint8_t id[16];
    char hex[BYTES_HEX_SIZE(sizeof id)];
    bytes_random(id, sizeof id);
    for (unsigned i = 0; i < 6; i++)
        id[i] = (uint8_t)((uint64_t)wall_ms >> (40 - 8 * i));
    bytes_to_hex(bytes_of(id, sizeof id), hex);
    memcpy(out, hex, sizeof hex);
}

/* A device that is held, or may bootstrap once only, may do so once more. */
void http_accept_device(struct request *request)
{
    struct err err = {0};
    struct outcome *outcome = calloc(1, sizeof *outcome);
    if (outcome == NULL) {
        request->out_of_memory = true;
        return;
    }
    if (has_no_parameters(request)) {
        strcpy(outcome->endpoint, request->endpoint);
        outcome->state = STATE_NEW;
        outcome->format = -1;
        outcome->started_wall_ms = clock_wall_ms();
        make_outcome_id(outcome->started_wall_ms, outcome->id);
        strcpy(outcome->detail, "accepted by an operator: the next bootstrap is allowed");
        struct store_lane *lane = http_lane_take(request->http);
        pthread_mutex_t *lock = lock_endpoint(request);
        enum err_code code = store_accept(lane, outcome, &err);
        pthread_mutex_unlock(lock);
        http_lane_return(request->http, lane);
        if (code != ERR_OK) {
            http_problem_of(request, &err);
        } else {
            log_change(request, "device.accepted", NULL, STORE_CHANGED);
            http_answer(request, 200, json_pack("{s:s}", "change", "accepted"));
        }
    }
    free(outcome);
}
