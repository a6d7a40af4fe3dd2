/* SPDX-License-Identifier: Apache-2.0 */
/* Inside http: a request on its way from libmicrohttpd to a handler and back. */
#ifndef USHER_HTTP_PRIV_H
#define USHER_HTTP_PRIV_H

#include "tokens_priv.h"
#include "usher/buf.h"
#include "usher/http.h"
#include "usher/net.h"

#include <jansson.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    HTTP_BODY_MAX = 1 << 20,     /* of one request */
    HTTP_BODIES_MAX = 16 << 20,  /* of all requests at one time */
    HTTP_DISCARD_MAX = 16 << 20, /* read and dropped, so that a refusal reaches its sender */
    HTTP_ANSWER_MAX = 32 << 20,
    HTTP_LANES = 6,        /* one for each thread of both daemons */
    HTTP_UNIX_THREADS = 4, /* writers wait for commits, which then hold several rows */
    HTTP_TCP_THREADS = HTTP_LANES - HTTP_UNIX_THREADS,
    HTTP_CONNECTIONS_MAX = 640,         /* of each daemon, readers of events among them */
    HTTP_ADDRESS_CONNECTIONS_MAX = 320, /* of one TCP address */
    HTTP_IDLE_SECONDS = 15,
    HTTP_CONNECTION_MEMORY = 32768, /* request line and headers */
    HTTP_EDIT_LOCKS = 64,
    HTTP_PARAMETERS_MAX = 16,
    HTTP_PARAMETER_MAX = 4096, /* bytes of one value: the answer to a Discover fits */
    HTTP_LIST_MAX = 1000,
    HTTP_LIST_DEFAULT = 100,
    HTTP_HISTORY_DEFAULT = 20,
    HTTP_ROUTES_MAX = 48,
    HTTP_STATUS_KINDS = 24,
    HTTP_LIMIT_BUCKETS = 4096,
    HTTP_REPEATS_MAX = 256,
    HTTP_REPEAT_KEY_MAX = 128,
    HTTP_REQUEST_ID_MAX = 64,
    HTTP_ETAG_SIZE = 19,
    HTTP_OLD_DAEMONS_MAX = 4,
};

/* One of the two daemons. */
struct http_door {
    struct http *http;
    struct MHD_Daemon *daemon;
    /* Those before a change of certificate, until their connections have ended. */
    struct MHD_Daemon *old[HTTP_OLD_DAEMONS_MAX];
    atomic_uint generation; /* counts the changes: streams of an old daemon end */
    bool is_unix;
    int fd;
};

/* Fills by one with every period, up to the burst. */
struct http_bucket {
    uint64_t key, at_ms;
    double left;
};

struct http_limits {
    pthread_mutex_t lock;
    struct http_bucket buckets[HTTP_LIMIT_BUCKETS];
};

enum http_repeat_state { HTTP_REPEAT_FREE, HTTP_REPEAT_RUNNING, HTTP_REPEAT_DONE };

/* A POST with an Idempotency-Key, and its answer. */
struct http_repeat {
    enum http_repeat_state state;
    char key[HTTP_REPEAT_KEY_MAX + 1];
    char who[sizeof((struct http_caller){0}.name)];
    uint64_t fingerprint, at_ms;
    unsigned status;
    bool is_problem, kept;
    struct buf answer;
};

struct http_repeats {
    pthread_mutex_t lock;
    struct http_repeat list[HTTP_REPEATS_MAX];
};

struct http_lanes {
    pthread_mutex_t lock;
    pthread_cond_t returned;
    struct store_lane *free[HTTP_LANES];
    size_t free_count, open_count;
    struct store_lane *all[HTTP_LANES];
};

/* How many devices stand in which place, as of the last count. */
enum { HTTP_PLACES_MAX = 1024 };
struct http_places {
    pthread_mutex_t lock;
    struct http_place {
        uint16_t ssid;
        char name[PLACE_NAME_MAX + 1];
        uint64_t devices;
    } *items; /* NULL until somebody asks */
    size_t count;
    uint64_t until_ms; /* monotonic; it serves until then */
    int64_t counted_wall_ms;
};

struct http {
    struct http_config config;
    char **hosts; /* copies */
    char *socket_path, *version;
    uint64_t socket_device, socket_inode; /* of the socket file, to remove only our own */
    char *certificate_path, *key_path;    /* NULL = no TLS */
    struct http_tokens *tokens;           /* NULL = none are taken */
    struct http_limits rates, logins;
    struct http_repeats repeats;
    uint16_t port;
    struct http_door unix_door, tcp_door;
    struct http_lanes lanes;
    struct http_places places;
    struct bulk *bulk;
    uint8_t hash_key[16];
    pthread_mutex_t edit_locks[HTTP_EDIT_LOCKS]; /* by endpoint: read, change, write is one step */
    atomic_size_t body_bytes;
    atomic_uint_fast64_t next_id;
    uint64_t started_ms;
    int64_t started_wall_ms;
    pthread_mutex_t open_lock; /* requests that were begun and not yet completed */
    pthread_cond_t all_done;
    size_t open_requests;
    /* Answers by route and status; the row behind the last route is of requests that found none. */
    atomic_uint_fast64_t answered[HTTP_ROUTES_MAX + 1][HTTP_STATUS_KINDS];
};

struct request;

struct route {
    const char *method; /* GET also serves HEAD */
    const char *path;   /* "{endpoint}" and "{id}" stand for one segment */
    void (*handle)(struct request *request);
    enum http_scope scope; /* the least that is needed */
    /* For bodies of any size, NULL otherwise: before the body, and for each piece of it. */
    void (*begin)(struct request *request);
    void (*piece)(struct request *request, struct bytes data);
};

struct parameter {
    const char *name; /* of the handler's list */
    char value[HTTP_PARAMETER_MAX + 1];
};

struct request {
    struct http_door *door;
    struct http *http;
    struct MHD_Connection *connection;
    const char *path; /* as it came, percent-encoded; of the connection */
    const struct route *route;
    char endpoint[ENDPOINT_MAX + 1]; /* out of the path */
    char item[65];                   /* the {id} of the path */
    struct http_caller who;
    char peer[NET_TEXT_SIZE]; /* address over TCP, "" else */
    uint64_t address;         /* hashed */
    struct buf body;
    size_t body_counted; /* in http->body_bytes */
    size_t discarded;    /* bytes of a body that nobody wants */
    uint64_t started_us;
    char id[HTTP_REQUEST_ID_MAX + 1]; /* X-Request-Id */
    struct http_repeat *repeat;       /* to be filled with the answer */
    uint64_t offset;                  /* of the next piece of an upload */
    bool more;                        /* an upload goes on with another request */
    bool feeds;                       /* an import has got bytes that are not settled yet */
    struct parameter *parameters;
    size_t parameter_count;
    /* the answer */
    unsigned status; /* 0 = not decided yet */
    char allow[48];  /* methods, for 405 */
    json_t *answer;
    struct MHD_Response *response; /* instead of `answer`: something that is not JSON */
    struct buf text;               /* when has_text: instead of `answer`, too */
    bool has_text;
    const char *content_type;  /* of `response` or `text` */
    char etag[HTTP_ETAG_SIZE]; /* "" = none */
    bool holds_secret;         /* the answer must not be kept anywhere */
    bool replayed;
    unsigned retry_seconds; /* Retry-After, 0 = none */
    bool is_problem;
    bool out_of_memory;
};

/* ---- routes ---- */
extern const struct route http_routes[];
extern const size_t http_route_count;
/* Finds the route and takes the endpoint out of the path; else the request is refused. */
void http_find_route(struct request *request, const char *method);
/* Percent-decodes once. False: malformed, a NUL, or longer than `cap` - 1. */
bool http_percent_decode(const char *text, size_t len, char *out, size_t cap);
/* True when Host and Origin are such that no foreign web page can be behind the request. */
bool http_check_origin(struct request *request);

/* The statuses that are counted apart; 0 = all others. */
extern const unsigned http_status_kinds[HTTP_STATUS_KINDS];
void http_count_answer(struct request *request);

/* ---- who asks ---- */
/* Fills `who` and refuses what he may not do. */
void http_check_access(struct request *request);
/* Takes one from the bucket of `key`; false: it is empty, *wait_ms tells for how long. */
bool http_limit_take(struct http_limits *limits, uint64_t key, uint64_t now_ms, double burst,
                     double period_ms, uint64_t *wait_ms);

/* ---- POST once ---- */
/* False: the request is answered, from memory or with a problem. */
bool http_repeat_begin(struct request *request);
/* Keeps the answer for the next time. Also after a connection that broke off. */
void http_repeat_end(struct request *request, struct bytes answer);
void http_repeats_clear(struct http_repeats *repeats);

/* ---- what the caller has already, what he wants of it ---- */
void http_make_etag(const struct http *http, struct bytes answer, char out[static HTTP_ETAG_SIZE]);
bool http_has_it_already(const struct request *request);
/* False after a refusal: `fields` names one that is not in the NULL-terminated list. */
bool http_check_fields(struct request *request, const char *const *known);
/* Leaves only the fields that are wanted. */
void http_pick_fields(const struct request *request, json_t *object);

/* ---- parameters of the query ---- */
/* Reads them; false after a refusal that names the wrong one. `known` is NULL-terminated. */
bool http_read_query(struct request *request, const char *const *known);
const char *http_parameter(const struct request *request, const char *name); /* or NULL */
/* A whole number in a range, `fallback` when absent; false after a refusal. */
bool http_number_parameter(struct request *request, const char *name, uint64_t least, uint64_t most,
                           uint64_t fallback, uint64_t *out);
/* A time by RFC 3339, 0 when absent; false after a refusal. */
bool http_time_parameter(struct request *request, const char *name, int64_t *wall_ms);
bool http_boolean_parameter(struct request *request, const char *name, bool *out);

/* ---- answers ---- */
void http_answer(struct request *request, unsigned status,
                 json_t *answer); /* takes the reference */
/* A problem document (RFC 9457). */
void http_problem(struct request *request, unsigned status, const char *code, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));
/* The same, with the time after which to try again. */
void http_retry_later(struct request *request, unsigned status, unsigned seconds, const char *code,
                      const char *detail);
/* The same, 400 "invalid"; returns false. */
bool http_refuse(struct request *request, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Something that is not JSON; takes the response. */
void http_answer_with(struct request *request, unsigned status, const char *content_type,
                      struct MHD_Response *response);
/* Text; takes the content of `text`. */
void http_answer_text(struct request *request, unsigned status, const char *content_type,
                      struct buf *text);
/* The same for an error of the store or another module. */
void http_problem_of(struct request *request, const struct err *err);
/* Sends what was decided. */
enum MHD_Result http_send(struct request *request);

/* Adds to an object; a failure is remembered and answered with 500. Text that is not UTF-8 goes as
 * "hex:..". NULL text and time 0 are null. */
void http_put(struct request *request, json_t *object, const char *key, json_t *value);
void http_put_text(struct request *request, json_t *object, const char *key, const char *text);
void http_put_number(struct request *request, json_t *object, const char *key, uint64_t number);
void http_put_time(struct request *request, json_t *object, const char *key, int64_t wall_ms);
void http_put_identity(struct request *request, json_t *object, const char *key,
                       const struct identity *identity);
void http_append(struct request *request, json_t *array, json_t *value);
/* By which a person can tell whether two keys are one; null for no key, and
 * for those who may not change devices. */
void http_put_fingerprint(struct request *request, json_t *object, const char *key,
                          const struct secret *secret);
bool http_identity_is_readable(const struct identity *identity); /* else as "hex:.." */
/* "tag=NAME:VALUE", several times, and "batch=VALUE"; false after a refusal. */
bool http_read_tags(struct request *request, struct tag tags[static FILTER_TAGS_MAX],
                    size_t *count);
/* Reads what http_put_identity writes. */
bool http_identity_from_text(const char *text, struct identity *out);

/* ---- what devices look like ---- */
/* `live` is NULL when no session of the device is running. */
json_t *http_row_json(struct request *request, const struct store_row *row,
                      const struct live_entry *live);
json_t *http_device_json(struct request *request, const struct store_device *device,
                         const struct live_entry *live);
json_t *http_outcome_json(struct request *request, const struct outcome *outcome);
/* The session that is running, if the state it has is to be shown. */
const struct live_entry *http_live_of(struct request *request, const char *endpoint, bool blocked,
                                      struct live_entry *entry);

/* All classes with their counts, for the caller to free. NULL when out of memory. */
struct store_count *http_read_counts(struct store *store, size_t *count);
void http_put_process_metrics(struct buf *out);

/* ---- the body of an enrolment ---- */
struct enrolment {
    bool has_class, has_identity, has_key, generate, no_key, has_tags;
    struct store_device device; /* what was given; credentials: the server credentials */
};
/* False after a refusal. The caller clears `out->device` in every case. */
bool http_read_enrolment(struct request *request, struct enrolment *out);
/* What stands for a certificate or its key: PEM, or DER in base64. False: answered already. */
bool http_read_pin(struct request *request, const json_t *object, const char *member,
                   enum pin_kind kind, uint8_t out[static PIN_HASH_SIZE]);

/* Who asks, by the name that the log has too: "uid:1000", a token's. */
void http_actor(const struct request *request, char out[static STORE_ACTOR_MAX + 1]);
/* Where it was done, as the header X-Usher-Station says: "" when it says nothing usable. */
void http_station(const struct request *request, char out[static STORE_ACTOR_MAX + 1]);
/* A change follows: the lane is told who makes it, for the audit. */
void http_begin_change(const struct request *request, struct store_lane *lane);
/* Is this a class that devices can have? http_config's profiles decide; for imports too. */
enum err_code http_check_class(const struct http *http, const struct enrollment *enrollment,
                               struct err *err);

/* ---- lanes of the store ---- */
enum err_code http_lanes_open(struct http *http, struct err *err);
void http_lanes_close(struct http *http);
struct store_lane *http_lane_take(struct http *http); /* waits for one */
void http_lane_return(struct http *http, struct store_lane *lane);

/* ---- sockets ---- */
/* A daemon that serves the door's socket. */
enum err_code http_open_door(struct http_door *door, struct MHD_Daemon **out, struct err *err);
enum err_code http_listen_unix(struct http *http, const char *path, int *fd, struct err *err);
enum err_code http_listen_tcp(const struct sockaddr_storage *address, socklen_t len, int *fd,
                              uint16_t *port, struct err *err);
void http_unlink_socket(const struct http *http);

/* ---- callbacks of libmicrohttpd ---- */
enum MHD_Result http_handle(void *door, struct MHD_Connection *connection, const char *path,
                            const char *method, const char *version, const char *data,
                            size_t *data_len, void **context);
void http_completed(void *door, struct MHD_Connection *connection, void **context,
                    enum MHD_RequestTerminationCode why);

/* ---- handlers ---- */
void http_get_livez(struct request *request);
void http_get_readyz(struct request *request);
void http_get_status(struct request *request);
void http_get_rejects(struct request *request);
void http_get_profiles(struct request *request);
void http_get_devices(struct request *request);
void http_get_device(struct request *request);
void http_get_history(struct request *request);
void http_get_plan(struct request *request);
void http_get_openapi(struct request *request);
void http_get_dashboard(struct request *request);
void http_get_asset(struct request *request);
void http_get_whoami(struct request *request);
void http_get_tokens(struct request *request);
void http_post_token(struct request *request);
void http_delete_token(struct request *request);
void http_get_plans(struct request *request);
void http_get_metrics(struct request *request);
void http_get_series(struct request *request);
void http_get_servers(struct request *request);
/* A server's address as the profile has it; "by device" where it has variables or places. */
struct rule_server;
struct rule_value;
json_t *http_uri_json(const struct rule_value *uri);
json_t *http_server_uri_json(const struct rule_server *server);
void http_get_events(struct request *request);
void http_put_device(struct request *request);
void http_delete_device(struct request *request);
void http_block_device(struct request *request);
void http_unblock_device(struct request *request);
void http_pick_place(struct request *request);
void http_accept_device(struct request *request);
void http_rekey(struct request *request);
void http_get_audit(struct request *request);
void http_get_groups(struct request *request);
void http_get_group(struct request *request);
void http_put_group(struct request *request);
void http_delete_group(struct request *request);
void http_block_group(struct request *request);
void http_unblock_group(struct request *request);
/* Tells the event feed and the metrics; `http` is the struct http. */
void http_import_changed(void *http, const struct bulk_status *status);
void http_get_imports(struct request *request);
void http_begin_import(struct request *request);
void http_continue_import(struct request *request);
void http_upload(struct request *request, struct bytes data);
void http_leave_upload(struct request *request); /* when the request ends */
void http_end_upload(struct request *request);
void http_get_import(struct request *request);
void http_stop_import(struct request *request);
void http_get_report(struct request *request);
void http_get_export(struct request *request);

#endif
