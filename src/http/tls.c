/* SPDX-License-Identifier: Apache-2.0 */
/* The daemons of libmicrohttpd: starting one, with TLS or without; changing the certificate. TLS
 * here is GnuTLS's, inside libmicrohttpd. */
#include "http_priv.h"

#include "usher/log.h"
#include "usher/owner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PEM_MAX = 1 << 20, OPTIONS_MAX = 16 };

/* TLS 1.2 and 1.3 with forward secrecy, nothing older. */
static const char priorities[] =
    "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA";

/* Complaints of the library are about what clients did: of interest to who looks for them. */
static void library_says(void *context, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static void library_says(void *context, const char *format, va_list args)
{
    (void)context;
    char text[512];
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    log_event(LOG_DEBUG, "http.library", LOG_TEXT("message", text));
}

/* Paths and queries are decoded by us, after they were split, and once only. */
static size_t leave_as_it_is(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

/* ---- certificate and key ---- */

struct pem {
    struct buf certificate, key;
};

static enum err_code read_pem(const char *name, const char *path, bool secret, struct buf *out,
                              struct err *err)
{
    struct stat status;
    char block[4096];
    size_t got;
    FILE *file = owner_open(name, path, &status, err);
    if (file == NULL)
        return err->code;
    if (secret && (status.st_mode & S_IRWXO) != 0) {
        fclose(file);
        return err_set(err, ERR_DENIED, "%s: everybody may read %s; chmod o-rwx %s", name, path,
                       path);
    }
    if (secret && owner_check(name, path, &status, err) != ERR_OK) {
        fclose(file);
        return err->code;
    }
    setvbuf(file, NULL, _IONBF, 0); /* no copy of a key stays in a buffer */
    while ((got = fread(block, 1, sizeof block, file)) > 0)
        buf_put(out, block, got);
    bytes_wipe(block, sizeof block);
    bool good = ferror(file) == 0 && buf_text(out) != NULL;
    fclose(file);
    if (!good || strstr((const char *)out->data, "-----BEGIN ") == NULL)
        return err_set(err, ERR_INVALID, "%s: %s is not a PEM file", name, path);
    return ERR_OK;
}

static enum err_code read_pair(const struct http *http, struct pem *pem, struct err *err)
{
    buf_init(&pem->certificate, PEM_MAX);
    buf_init(&pem->key, PEM_MAX);
    if (http->certificate_path == NULL)
        return ERR_OK;
    enum err_code code =
        read_pem("http.certificate", http->certificate_path, false, &pem->certificate, err);
    return code != ERR_OK ? code : read_pem("http.key", http->key_path, true, &pem->key, err);
}

/* ---- a daemon ---- */

static struct MHD_OptionItem number_option(enum MHD_OPTION option, size_t number)
{
    return (struct MHD_OptionItem){option, (intptr_t)number, NULL};
}

static struct MHD_OptionItem text_option(enum MHD_OPTION option, const char *text)
{
    return (struct MHD_OptionItem){option, 0, (void *)(uintptr_t)text};
}

static struct MHD_Daemon *start_daemon(struct http_door *door, unsigned threads,
                                       const struct pem *pem)
{
    bool tls = pem->key.len > 0;
    /* Not epoll: there MHD_quiesce_daemon races with the threads of the pool, which both remove the
     * listening socket, and whoever comes second aborts the process. */
    unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                     (tls ? (unsigned)MHD_USE_TLS : 0u);
    struct MHD_OptionItem options[OPTIONS_MAX];
    size_t count = 0;
    options[count++] = number_option(MHD_OPTION_LISTEN_SOCKET, (size_t)door->fd);
    options[count++] = number_option(MHD_OPTION_THREAD_POOL_SIZE, threads);
    options[count++] = number_option(MHD_OPTION_CONNECTION_LIMIT, HTTP_CONNECTIONS_MAX);
    options[count++] = number_option(MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                                     door->is_unix ? 0 : HTTP_ADDRESS_CONNECTIONS_MAX);
    options[count++] = number_option(MHD_OPTION_CONNECTION_TIMEOUT, HTTP_IDLE_SECONDS);
    options[count++] = number_option(MHD_OPTION_CONNECTION_MEMORY_LIMIT, HTTP_CONNECTION_MEMORY);
    options[count++] = number_option(MHD_OPTION_STRICT_FOR_CLIENT, 1);
    if (tls) {
        options[count++] =
            text_option(MHD_OPTION_HTTPS_MEM_CERT, (const char *)pem->certificate.data);
        options[count++] = text_option(MHD_OPTION_HTTPS_MEM_KEY, (const char *)pem->key.data);
        options[count++] = text_option(MHD_OPTION_HTTPS_PRIORITIES, priorities);
    }
    options[count++] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    return MHD_start_daemon(flags, 0, NULL, NULL, http_handle, door, MHD_OPTION_EXTERNAL_LOGGER,
                            library_says, NULL, MHD_OPTION_UNESCAPE_CALLBACK, leave_as_it_is, NULL,
                            MHD_OPTION_NOTIFY_COMPLETED, http_completed, door, MHD_OPTION_ARRAY,
                            options, MHD_OPTION_END);
}

enum err_code http_open_door(struct http_door *door, struct MHD_Daemon **out, struct err *err)
{
    struct pem pem = {0};
    unsigned threads = door->is_unix ? HTTP_UNIX_THREADS : HTTP_TCP_THREADS;
    enum err_code code = ERR_OK;
    if (door->is_unix) {
        buf_init(&pem.certificate, 1);
        buf_init(&pem.key, 1);
    } else {
        code = read_pair(door->http, &pem, err);
    }
    if (code == ERR_OK && (*out = start_daemon(door, threads, &pem)) == NULL)
        code = pem.key.len > 0
                   ? err_set(err, ERR_INVALID,
                             "http.certificate, http.key: %s and %s do not go together, or are "
                             "damaged",
                             door->http->certificate_path, door->http->key_path)
                   : err_set(err, ERR_INTERNAL, "http: libmicrohttpd could not be started");
    buf_clear(&pem.certificate);
    buf_clear(&pem.key);
    return code;
}

/* ---- changing ---- */

static unsigned connections_of(struct MHD_Daemon *daemon)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info != NULL ? info->num_connections : 0;
}

/* Old daemons without connections end; the place of one, NULL when all are still in use. */
static struct MHD_Daemon **free_place(struct http_door *door)
{
    struct MHD_Daemon **place = NULL;
    for (size_t i = 0; i < HTTP_OLD_DAEMONS_MAX; i++) {
        if (door->old[i] != NULL && connections_of(door->old[i]) == 0) {
            MHD_stop_daemon(door->old[i]);
            door->old[i] = NULL;
        }
        if (door->old[i] == NULL)
            place = &door->old[i];
    }
    return place;
}

static enum err_code change_certificate(struct http_door *door, struct err *err)
{
    struct MHD_Daemon *fresh = NULL, **place = free_place(door);
    if (place == NULL)
        return err_set(err, ERR_BUSY,
                       "http: connections of the last %d certificates are still open; try again "
                       "in half a minute",
                       HTTP_OLD_DAEMONS_MAX);
    /* Both listen for a moment: no newcomer meets a closed door. */
    enum err_code code = http_open_door(door, &fresh, err);
    if (code != ERR_OK)
        return code;
    MHD_quiesce_daemon(door->daemon);
    *place = door->daemon;
    door->daemon = fresh;
    atomic_fetch_add(&door->generation, 1);
    return ERR_OK;
}

enum err_code http_reload(struct http *http, struct err *err)
{
    enum err_code code = ERR_OK;
    if (http->tokens != NULL)
        code = http_tokens_reload(http->tokens, false, err);
    if (code == ERR_OK && http->tcp_door.daemon != NULL && http->certificate_path != NULL)
        code = change_certificate(&http->tcp_door, err);
    if (code == ERR_OK && http->tokens != NULL)
        code = http_tokens_reload(http->tokens, true, err);
    return code;
}
