/* The HTTP client: libcurl, one kept connection, errors that say what to do. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ANSWER_MAX = 16 << 20,
    DEFAULT_TIMEOUT_MS = 30000,
    CONNECT_TIMEOUT_MS = 5000,
    SILENCE_SECONDS = 60 /* of a stream, whose server says something every 15 s */
};

struct client {
    CURL *curl;
    struct curl_slist *headers;
    char *socket; /* NULL when a URL is used */
    char *base;   /* URL without a path */
    char *token, *ca_file;
    unsigned timeout_ms;
    char detail[CURL_ERROR_SIZE];
};

void client_answer_init(struct client_answer *answer)
{
    answer->status = 0;
    buf_init(&answer->body, ANSWER_MAX);
}

void client_answer_clear(struct client_answer *answer)
{
    answer->status = 0;
    buf_clear(&answer->body);
}

void client_free(struct client *client)
{
    if (client == NULL)
        return;
    curl_easy_cleanup(client->curl);
    curl_slist_free_all(client->headers);
    free(client->socket);
    free(client->base);
    free(client->ca_file);
    if (client->token != NULL)
        bytes_wipe(client->token, strlen(client->token));
    free(client->token);
    free(client);
}

/* The host that begins there is this machine. */
static bool is_loopback(const char *host)
{
    size_t len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
    if (strncmp(host, "127.", 4) == 0)
        return strspn(host, "0123456789.") == len;
    return (len == 9 && strncmp(host, "localhost", len) == 0) ||
           (len == 5 && strncmp(host, "[::1]", len) == 0);
}

/* "http://host:port" or "https://host:port" without anything behind. A token goes over a network
 * only under TLS. */
static enum err_code check_url(const struct client_config *config, struct err *err)
{
    static const char plain[] = "http://", tls[] = "https://";
    const char *url = config->url;
    bool is_tls = strncmp(url, tls, strlen(tls)) == 0;
    size_t len = is_tls ? strlen(tls) : strlen(plain);
    if ((!is_tls && strncmp(url, plain, len) != 0) || url[len] == '\0')
        return err_set(err, ERR_INVALID, "'%s' is not a URL such as http://127.0.0.1:8080", url);
    const char *path = strchr(url + len, '/');
    if (path != NULL && path[1] != '\0')
        return err_set(err, ERR_INVALID, "the URL '%s' must not have a path", url);
    if (strchr(url, '@') != NULL)
        return err_set(err, ERR_INVALID, "the URL must not have a login in it; use a token");
    if (config->token != NULL && !is_tls && !is_loopback(url + len))
        return err_set(err, ERR_INVALID,
                       "'%s' would send the token in the clear; use https://, or a tunnel to "
                       "127.0.0.1",
                       url);
    return ERR_OK;
}

static char *copy_base(const struct client_config *config)
{
    char *base = strdup(config->url != NULL ? config->url : "http://localhost");
    size_t len = base == NULL ? 0 : strlen(base);
    if (len > 0 && base[len - 1] == '/')
        base[len - 1] = '\0';
    return base;
}

/* NULL stays NULL. */
static bool copy_text(const char *from, char **to)
{
    *to = from != NULL ? strdup(from) : NULL;
    return from == NULL || *to != NULL;
}

/* Where this runs, for the audit of the server. */
static void add_station(struct client *client, const char *station)
{
    char *header = NULL;
    if (strpbrk(station, "\r\n") != NULL || asprintf(&header, "X-Usher-Station: %s", station) < 0)
        return;
    curl_slist_append(client->headers, header);
    free(header);
}

static bool fill(struct client *client, const struct client_config *config)
{
    client->timeout_ms = config->timeout_ms > 0 ? config->timeout_ms : DEFAULT_TIMEOUT_MS;
    client->base = copy_base(config);
    if (config->url == NULL)
        client->socket = strdup(config->socket);
    bool copied = copy_text(config->url != NULL ? config->token : NULL, &client->token) &&
                  copy_text(config->ca_file, &client->ca_file);
    /* Without "Expect" the server's 100 Continue is not awaited. */
    client->headers = curl_slist_append(NULL, "Expect:");
    struct curl_slist *more = curl_slist_append(client->headers, "Content-Type: application/json");
    const char *station = getenv("USHER_STATION");
    if (station != NULL && station[0] != '\0')
        add_station(client, station);
    client->curl = curl_easy_init();
    return copied && client->base != NULL && client->headers != NULL && more != NULL &&
           client->curl != NULL && (config->url != NULL || client->socket != NULL);
}

enum err_code client_new(const struct client_config *config, struct client **out, struct err *err)
{
    enum err_code code = config->url != NULL ? check_url(config, err) : ERR_OK;
    if (code != ERR_OK)
        return code;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, ERR_INTERNAL, "libcurl cannot be used");
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL || !fill(client, config)) {
        client_free(client);
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    }
    *out = client;
    return ERR_OK;
}

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
    struct client_answer *answer = context;
    buf_put(&answer->body, data, size * count);
    return answer->body.failed ? 0 : size * count;
}

static void set_options(struct client *client, const char *method, const char *url,
                        struct bytes body, struct client_answer *answer)
{
    CURL *curl = client->curl;
    curl_easy_reset(curl); /* keeps the connection */
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->detail);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    /* Nothing but our server is ever asked: no proxy, no redirect, no other protocol. */
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (client->ca_file != NULL)
        curl_easy_setopt(curl, CURLOPT_CAINFO, client->ca_file);
    if (client->token != NULL) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, client->token);
    }
    /* An endpoint may be called "..". */
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)client->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "usher");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    if (client->socket != NULL)
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->socket);
    if (strcmp(method, "HEAD") == 0)
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    if (strcmp(method, "GET") != 0)
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, client->headers);
    if (body.len > 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data);
    }
}

static const char *place(const struct client *client)
{
    return client->socket != NULL ? client->socket : client->base;
}

static enum err_code connect_error(const struct client *client, struct err *err)
{
    long os_error = 0;
    curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &os_error);
    if (os_error == EACCES || os_error == EPERM)
        return err_set(err, ERR_DENIED,
                       "you may not use %s; ask for membership in the group that owns it, or run "
                       "this as the user of usherd",
                       place(client));
    return err_set(err, ERR_UNAVAILABLE,
                   "no server answers at %s%s%s%s; start usherd, or name the right place with "
                   "--socket or --url",
                   place(client), os_error != 0 ? " (" : "",
                   os_error != 0 ? strerror((int)os_error) : "", os_error != 0 ? ")" : "");
}

static enum err_code transfer_error(const struct client *client, CURLcode result,
                                    const struct client_answer *answer, struct err *err)
{
    const char *detail = client->detail[0] != '\0' ? client->detail : curl_easy_strerror(result);
    switch (result) {
    case CURLE_COULDNT_CONNECT:
        return connect_error(client, err);
    case CURLE_OPERATION_TIMEDOUT:
        return err_set(err, ERR_TIMEOUT, "the server at %s did not answer within %u seconds",
                       place(client), client->timeout_ms / 1000);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return err_set(err, ERR_DENIED,
                       "the certificate of %s is not trusted (%s); name its authority with "
                       "--ca-file",
                       place(client), detail);
    case CURLE_URL_MALFORMAT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return err_set(err, ERR_INVALID, "cannot use %s: %s", place(client), detail);
    case CURLE_WRITE_ERROR:
        if (answer->body.failed)
            return err_set(err, ERR_TOO_LARGE, "the answer of %s is larger than %d MiB",
                           place(client), ANSWER_MAX >> 20);
        break;
    default:
        break;
    }
    return err_set(err, ERR_IO, "the exchange with %s failed: %s", place(client), detail);
}

enum err_code client_request(struct client *client, const char *method, const char *path,
                             struct bytes body, struct client_answer *answer, struct err *err)
{
    char *url = NULL;
    buf_reset(&answer->body);
    answer->status = 0;
    client->detail[0] = '\0';
    if (asprintf(&url, "%s%s", client->base, path) < 0)
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    set_options(client, method, url, body, answer);
    CURLcode result = curl_easy_perform(client->curl);
    free(url);
    if (result != CURLE_OK)
        return transfer_error(client, result, answer, err);
    long status = 0;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    answer->status = (int)status;
    return ERR_OK;
}

/* ---- streams ---- */

struct stream {
    struct client *client;
    struct client_answer *answer;
    bool (*take)(void *context, const char *data, size_t len);
    void *context;
    bool ended; /* by `take` */
};

static size_t take_piece(char *data, size_t size, size_t count, void *context)
{
    struct stream *stream = context;
    long status = 0;
    curl_easy_getinfo(stream->client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200 || status > 299)
        return take_body(data, size, count, stream->answer);
    stream->ended = !stream->take(stream->context, data, size * count);
    return stream->ended ? 0 : size * count;
}

enum err_code client_stream(struct client *client, const char *path, const char *last_event_id,
                            bool (*take)(void *context, const char *data, size_t len),
                            void *context, struct client_answer *answer, struct err *err)
{
    struct stream stream = {client, answer, take, context, false};
    struct curl_slist *headers = NULL;
    char *url = NULL, *header = NULL;
    CURLcode result = CURLE_OUT_OF_MEMORY;
    buf_reset(&answer->body);
    answer->status = 0;
    client->detail[0] = '\0';
    if (asprintf(&url, "%s%s", client->base, path) < 0)
        url = NULL;
    if (asprintf(&header, "Last-Event-ID: %s", last_event_id != NULL ? last_event_id : "") < 0)
        header = NULL;
    if (url == NULL || header == NULL || (headers = curl_slist_append(NULL, header)) == NULL)
        goto out;
    set_options(client, "GET", url, bytes_of(NULL, 0), answer);
    curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, 0L);
    curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_SECONDS);
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_piece);
    curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &stream);
    if (last_event_id != NULL)
        curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
    result = curl_easy_perform(client->curl);
    long status = 0;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    answer->status = (int)status;
out:
    curl_slist_free_all(headers);
    free(header);
    free(url);
    if (result == CURLE_OUT_OF_MEMORY)
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    return result == CURLE_OK || stream.ended ? ERR_OK
                                              : transfer_error(client, result, answer, err);
}

void client_put_escaped(struct buf *out, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789-._~";
    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL)
            buf_put_u8(out, (uint8_t)*text);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
    }
}
