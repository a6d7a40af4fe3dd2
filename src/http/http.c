/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and stopping the two daemons: the UNIX socket and TCP. */
#include "http_priv.h"

#include "usher/clock.h"
#include "usher/log.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STOP_PATIENCE_SECONDS = 3 };

static bool copy_hosts(struct http *http, const struct http_config *config)
{
    http->hosts = calloc(config->host_count + 1, sizeof *http->hosts);
    for (size_t i = 0; http->hosts != NULL && i < config->host_count; i++) {
        http->hosts[i] = strdup(config->hosts[i]);
        if (http->hosts[i] == NULL)
            return false;
    }
    return http->hosts != NULL;
}

/* NULL stays NULL. */
static bool copy_text(const char *from, char **to)
{
    *to = from != NULL ? strdup(from) : NULL;
    return from == NULL || *to != NULL;
}

static void free_http(struct http *http)
{
    bulk_close(http->bulk);
    http_lanes_close(http);
    for (size_t i = 0; http->hosts != NULL && i < http->config.host_count; i++)
        free(http->hosts[i]);
    free(http->hosts);
    free(http->socket_path);
    free(http->version);
    free(http->certificate_path);
    free(http->key_path);
    http_tokens_close(http->tokens);
    http_repeats_clear(&http->repeats);
    pthread_mutex_destroy(&http->repeats.lock);
    pthread_mutex_destroy(&http->rates.lock);
    pthread_mutex_destroy(&http->logins.lock);
    for (size_t i = 0; i < HTTP_EDIT_LOCKS; i++)
        pthread_mutex_destroy(&http->edit_locks[i]);
    pthread_mutex_destroy(&http->lanes.lock);
    pthread_mutex_destroy(&http->places.lock);
    free(http->places.items);
    pthread_cond_destroy(&http->lanes.returned);
    pthread_mutex_destroy(&http->open_lock);
    pthread_cond_destroy(&http->all_done);
    free(http);
}

static struct http *new_http(const struct http_config *config)
{
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL)
        return NULL;
    http->config = *config;
    http->unix_door = (struct http_door){.http = http, .fd = -1, .is_unix = true};
    http->tcp_door = (struct http_door){.http = http, .fd = -1};
    http->started_ms = clock_monotonic_ms();
    http->started_wall_ms = clock_wall_ms();
    bytes_random(http->hash_key, sizeof http->hash_key);
    for (size_t i = 0; i < HTTP_EDIT_LOCKS; i++)
        pthread_mutex_init(&http->edit_locks[i], NULL);
    pthread_mutex_init(&http->lanes.lock, NULL);
    pthread_mutex_init(&http->places.lock, NULL);
    pthread_cond_init(&http->lanes.returned, NULL);
    pthread_mutex_init(&http->open_lock, NULL);
    pthread_cond_init(&http->all_done, NULL);
    pthread_mutex_init(&http->repeats.lock, NULL);
    pthread_mutex_init(&http->rates.lock, NULL);
    pthread_mutex_init(&http->logins.lock, NULL);
    http->version = strdup(config->version != NULL ? config->version : "");
    bool complete = http->version != NULL && copy_hosts(http, config) &&
                    copy_text(config->socket_path, &http->socket_path) &&
                    copy_text(config->certificate_path, &http->certificate_path) &&
                    copy_text(config->key_path, &http->key_path);
    if (complete)
        return http;
    free_http(http);
    return NULL;
}

static enum err_code open_doors(struct http *http, struct err *err)
{
    const struct http_config *config = &http->config;
    enum err_code code = ERR_OK;
    if (config->address != NULL)
        code = http_listen_tcp(config->address, config->address_len, &http->tcp_door.fd,
                               &http->port, err);
    if (code == ERR_OK && config->socket_path != NULL)
        code = http_listen_unix(http, config->socket_path, &http->unix_door.fd, err);
    if (code == ERR_OK && http->tcp_door.fd >= 0)
        code = http_open_door(&http->tcp_door, &http->tcp_door.daemon, err);
    if (code == ERR_OK && http->unix_door.fd >= 0)
        code = http_open_door(&http->unix_door, &http->unix_door.daemon, err);
    return code;
}

static enum err_code check_import(void *context, const struct enrollment *enrollment,
                                  struct err *err)
{
    return http_check_class(context, enrollment, err);
}

static void evict_imported(void *context, const char *endpoint)
{
    const struct http_config *config = &((struct http *)context)->config;
    config->evict(config->context, endpoint);
}

static enum err_code open_bulk(struct http *http, struct err *err)
{
    const struct bulk_config bulk = {
        .store = http->config.store,
        .vault = http->config.vault,
        .folder = http->config.import_folder,
        .check = check_import,
        .evict = evict_imported,
        .changed = http_import_changed,
        .context = http,
    };
    return bulk_open(&bulk, &http->bulk, err);
}

enum err_code http_start(const struct http_config *config, struct http **out, struct err *err)
{
    /* Requests may hold keys: what jansson frees is wiped first. */
    json_set_alloc_funcs(malloc, bytes_wipe_free);
    struct http *http = new_http(config);
    if (http == NULL)
        return err_set(err, ERR_NO_MEMORY, "http: out of memory");
    enum err_code code = http_lanes_open(http, err);
    if (code == ERR_OK && config->tokens_path != NULL)
        code = http_tokens_open(config->tokens_path, &http->tokens, err);
    if (code == ERR_OK)
        code = open_bulk(http, err);
    if (code == ERR_OK)
        code = open_doors(http, err);
    if (code == ERR_OK)
        *out = http;
    else
        http_stop(http);
    return code;
}

uint16_t http_port(const struct http *http)
{
    return http->port;
}

/* The library's threads may look at the listening socket until they have ended. */
static void close_door(struct http_door *door)
{
    if (door->daemon != NULL)
        MHD_stop_daemon(door->daemon);
    for (size_t i = 0; i < HTTP_OLD_DAEMONS_MAX; i++)
        if (door->old[i] != NULL)
            MHD_stop_daemon(door->old[i]);
    if (door->fd >= 0)
        close(door->fd);
}

/* Answers that are being made or sent get a few seconds; idle connections are just closed. */
static void await_open_requests(struct http *http)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += STOP_PATIENCE_SECONDS;
    pthread_mutex_lock(&http->open_lock);
    int result = 0;
    while (http->open_requests > 0 && result == 0)
        result = pthread_cond_timedwait(&http->all_done, &http->open_lock, &end);
    pthread_mutex_unlock(&http->open_lock);
}

void http_stop(struct http *http)
{
    if (http == NULL)
        return;
    http_unlink_socket(http);
    if (http->unix_door.daemon != NULL)
        MHD_quiesce_daemon(http->unix_door.daemon);
    if (http->tcp_door.daemon != NULL)
        MHD_quiesce_daemon(http->tcp_door.daemon);
    if (http->config.events != NULL)
        events_close(http->config.events);
    await_open_requests(http);
    close_door(&http->unix_door);
    close_door(&http->tcp_door);
    free_http(http);
}
