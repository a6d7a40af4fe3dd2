/* SPDX-License-Identifier: Apache-2.0 */
/* module: client */
/* Asks a running usherd over HTTP: by its UNIX socket (which may change things) or a URL. */
#ifndef USHER_CLIENT_H
#define USHER_CLIENT_H

#include "usher/buf.h"
#include "usher/err.h"

struct client;

struct client_config {
    const char *socket;  /* path of the UNIX socket; used when `url` is NULL */
    const char *url;     /* "http://127.0.0.1:8080" or "https://..", without a path */
    const char *token;   /* sent as bearer token over a URL; NULL = none; copied, and wiped */
    const char *ca_file; /* PEM of the authorities for https; NULL = the system's */
    unsigned timeout_ms; /* of one request; 0 = 30 s */
};

/* An answer of the server, whatever its status. */
struct client_answer {
    int status;
    struct buf body; /* at most 16 MiB */
};

enum err_code client_new(const struct client_config *config, struct client **out, struct err *err);
void client_free(struct client *client); /* NULL accepted */

/* `path` begins with '/' and is percent-encoded; `body` is sent as application/json when it is not
 * empty. One connection is kept for all requests. ERR_OK: an answer came, see its status. Else
 * `err` says what to do about it: ERR_UNAVAILABLE nobody listens, ERR_DENIED the socket's
 * permissions, ERR_TIMEOUT, ERR_TOO_LARGE, ERR_INVALID the URL, ERR_IO. `answer` is cleared by the
 * caller. */
enum err_code client_request(struct client *client, const char *method, const char *path,
                             struct bytes body, struct client_answer *answer, struct err *err);
/* GET of a stream that goes on: `take` gets what comes, as it comes; false ends it (ERR_OK). An
 * answer that is no success goes into `answer`, as above. ERR_OK too when the server ends the
 * stream; ERR_TIMEOUT when nothing came for a minute. `last_event_id` may be NULL. */
enum err_code client_stream(struct client *client, const char *path, const char *last_event_id,
                            bool (*take)(void *context, const char *data, size_t len),
                            void *context, struct client_answer *answer, struct err *err);

void client_answer_init(struct client_answer *answer);
void client_answer_clear(struct client_answer *answer); /* wipes */

/* ERR_OK for a 2xx answer; else the error that its status means, with the `detail` of a problem
 * document (RFC 9457), or else the status, as text. */
enum err_code client_problem(const struct client_answer *answer, struct err *err);

/* Appends text with everything percent-encoded but the unreserved characters (RFC 3986
 * section 2.3): safe as one path segment and as a query value. */
void client_put_escaped(struct buf *out, const char *text);

#endif
