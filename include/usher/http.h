/* SPDX-License-Identifier: Apache-2.0 */
/* module: http */
/* The status endpoint: libmicrohttpd on a UNIX socket (login = file permissions) and on TCP (login
 * = bearer tokens; without them read-only and without secrets), there with or without TLS. Own
 * threads and own store lanes. */
#ifndef USHER_HTTP_H
#define USHER_HTTP_H

#include "usher/bulk.h"
#include "usher/events.h"
#include "usher/live.h"
#include "usher/metrics.h"
#include "usher/profile.h"
#include "usher/rejects.h"
#include "usher/store.h"

#include <sys/socket.h>

struct http;

/* One reason that the service cannot serve (I9). */
struct http_check {
    const char *name; /* "store" "listeners" "profiles" */
    bool ok;
    char reason[160];
};

/* A remark on a file of the configuration. */
struct http_finding {
    const char *severity; /* "error" "warning" "note" */
    const char *file, *text;
    unsigned line, column;
};

/* Of the certificates in force; milliseconds since 1970, 0 = there is none. */
struct http_certificates {
    int64_t until_ms;      /* the server's own chain ends */
    int64_t crl_issued_ms; /* of the oldest revocation list */
    int64_t crl_until_ms;  /* the earliest next update */
};

struct http_config {
    const char *socket_path;                /* NULL = none; created 0660, removed on stop */
    const struct sockaddr_storage *address; /* NULL = none */
    socklen_t address_len;
    const char *const *hosts; /* accepted in Host, besides IP addresses and localhost; copied */
    size_t host_count;
    const char *certificate_path, *key_path; /* PEM, for TLS at `address`; NULL = none */
    const char *tokens_path;                 /* file of bearer tokens, NULL = none are taken */
    unsigned rate;                           /* requests a second and TCP address; 0 = no limit */
    const char *version;
    struct store *store;
    const char *import_folder; /* of staged imports, NULL = imports are refused */
    struct vault *vault;       /* seals them; may be NULL */
    struct live *live;
    struct rejects *rejects;
    struct metrics *metrics;
    struct events *events; /* http_stop ends its readers */
    /* These are called from http's own threads. */
    /* A counted reference to the current profiles; the caller drops it. */
    struct profile_set *(*profiles)(void *context);
    /* Fills `checks`; returns how many. */
    size_t (*ready)(void *context, struct http_check *checks, size_t cap);
    /* Calls `each` for the remarks of the last reading of the files; NULL = there are none. */
    void (*findings)(void *context, void (*each)(void *each_context, const struct http_finding *),
                     void *each_context);
    /* NULL, or false: devices with certificates are not served. */
    bool (*certificates)(void *context, struct http_certificates *out);
    /* A device was blocked or removed: end its running session. */
    void (*evict)(void *context, const char *endpoint);
    void *context;
};

enum err_code http_start(const struct http_config *config, struct http **out, struct err *err);
/* Port that TCP is bound to (for port 0), 0 = none. */
uint16_t http_port(const struct http *http);
/* Reads tokens, certificate and key again. On failure what was in force stays. */
enum err_code http_reload(struct http *http, struct err *err);
void http_stop(struct http *http); /* answers what is open, then ends; NULL accepted */

#endif
