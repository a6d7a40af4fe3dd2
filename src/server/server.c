/* SPDX-License-Identifier: Apache-2.0 */
/* usherd put together: store, profiles, workers, HTTP; signals; reload; orderly end. */
#include "usher/server.h"

#include "certificates_priv.h"
#include "usher/clock.h"
#include "usher/http.h"
#include "usher/makers.h"
#include "worker_priv.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#ifndef USHER_VERSION
#error "USHER_VERSION comes from the build"
#endif

enum {
    DRAIN_MS = 60000,
    DRAIN_STEP_MS = 50,
    LOG_END_MS = 2000, /* for a reader of the log that has stalled */
    REJECTS_MAX = 4096,
    FINDINGS_TOLD = 200,
    IDLE_MS = 300000,
};

struct server {
    struct config *config;
    const char *config_path;
    struct vault *vault; /* NULL: keys are not sealed */
    struct store *store;
    struct live *live;
    struct rejects *rejects;
    struct events *events;
    struct metrics *metrics;
    struct http *http;
    pthread_mutex_t lock;     /* of `profiles`, `findings` and `x509` */
    struct findings findings; /* of the reading that is in force */
    struct profile_set *profiles;
    struct x509 *x509; /* NULL = no listener takes certificates */
    struct key_hints *hints;
    uint8_t decoy_secret[PSK_SERVER_SECRET_SIZE];
    struct udp_listener listeners[CONFIG_LISTENERS_MAX];
    struct endpoint_listener endpoint_listeners[CONFIG_LISTENERS_MAX];
    enum unknown_policy unknown[CONFIG_LISTENERS_MAX];
    struct worker *workers[CONFIG_WORKERS_MAX];
    size_t worker_count;
    atomic_bool draining;
};

const char *server_version(void)
{
    return USHER_VERSION;
}

/* ---- profiles ---- */

static struct profile_set *load_profiles(const struct config *config, struct findings *findings)
{
    struct profile_set *set = profile_set_load(config->profiles, config->profile_count, findings);

    const struct yaml_node here = {.file = config->file, .line = 1, .column = 1};
    if (set != NULL && profile_set_count(set) == 0)
        finding_add(findings, FINDING_WARNING, &here,
                    "no profile was found: every device will be turned away");
    if (set != NULL && !makers_load(set, findings)) {
        profile_set_unref(set);
        set = NULL;
    }
    return set;
}

static struct profile_set *current_profiles(void *context)
{
    struct server *server = context;

    pthread_mutex_lock(&server->lock);
    struct profile_set *set = profile_set_ref(server->profiles);
    pthread_mutex_unlock(&server->lock);
    return set;
}

/* ---- store ---- */

/* *out stays NULL when no master key is named and systemd gives none. */
static enum err_code open_vault(const struct config *config, struct vault **out, struct err *err)
{
    char given[4096];

    if (config->master_key != NULL)
        return vault_open(config->master_key, out, err);
    if (vault_default_path(given, sizeof given))
        return vault_open(given, out, err);
    return ERR_OK;
}

static enum err_code open_store(const struct config *config, struct vault *vault,
                                struct store **out, struct err *err)
{
    struct store_config store = {
        .vault = vault,
        .backend = config->store_backend,
        .path = config->store_path,
        .history_days = config->history_days,
        .audit_days = config->audit_days,
        .retire_seconds = config->retire_seconds,
    };

    return store_open(&store, out, err);
}

bool server_check(const struct config *config, struct findings *findings, struct err *err)
{
    struct store *store = NULL;
    struct vault *vault = NULL;
    struct profile_set *profiles = load_profiles(config, findings);
    struct x509 *x509 = NULL;
    bool good = certificates_load(config, clock_wall_ms(), findings, &x509) && profiles != NULL;

    x509_unref(x509);
    profile_set_unref(profiles);
    enum err_code code = open_vault(config, &vault, err);
    if (code == ERR_OK)
        code = open_store(config, vault, &store, err);
    store_close(store);
    vault_free(vault);
    if (code ==
        ERR_BUSY) { /* the usual check before a reload: the server runs, so its store is fine */
        const struct yaml_node here = {.file = config->file, .line = 1, .column = 1};
        finding_add(findings, FINDING_NOTE, &here,
                    "the store is in use by a running usherd and was not checked");
        *err = (struct err){0};
        return good;
    }
    return code == ERR_OK && good;
}

/* ---- what HTTP asks ---- */

static size_t check_ready(void *context, struct http_check *checks, size_t cap)
{
    struct server *server = context;
    struct err err = {0};
    size_t count = 0;

    if (cap < 3)
        return 0;
    checks[count] = (struct http_check){.name = "store", .ok = true};
    if (store_health(server->store, &err) != ERR_OK) {
        checks[count].ok = false;
        snprintf(checks[count].reason, sizeof checks[count].reason, "%.150s", err.text);
    }
    count++;
    checks[count] = (struct http_check){.name = "listeners", .ok = true};
    if (atomic_load(&server->draining)) { /* newcomers are turned away (I9) */
        checks[count].ok = false;
        snprintf(checks[count].reason, sizeof checks[count].reason, "the server is stopping");
    }
    for (size_t i = 0; i < server->worker_count; i++)
        if (!worker_serves(server->workers[i])) {
            checks[count].ok = false;
            snprintf(checks[count].reason, sizeof checks[count].reason,
                     "worker %zu serves nobody: it hangs, or has ended", i);
        }
    count++;
    struct profile_set *profiles = current_profiles(server);
    checks[count] = (struct http_check){.name = "profiles", .ok = profile_set_count(profiles) > 0};
    if (!checks[count].ok)
        snprintf(checks[count].reason, sizeof checks[count].reason, "no profile is loaded");
    profile_set_unref(profiles);
    return count + 1;
}

static bool read_certificates(void *context, struct http_certificates *out)
{
    struct server *server = context;
    struct x509_facts facts;

    pthread_mutex_lock(&server->lock);
    struct x509 *x509 = x509_ref(server->x509);
    pthread_mutex_unlock(&server->lock);
    if (x509 == NULL)
        return false;
    x509_read_facts(x509, &facts);
    x509_unref(x509);
    *out = (struct http_certificates){
        .until_ms = facts.certificate_until_ms,
        .crl_issued_ms = facts.crl_issued_ms,
        .crl_until_ms = facts.crl_until_ms,
    };
    return true;
}

static void post_to(struct server *server, const struct live_holder *holder,
                    enum worker_message_kind kind, enum cause cause)
{
    struct worker_message message = {.kind = kind, .holder = *holder, .cause = cause};

    if (holder->worker < server->worker_count)
        worker_post(server->workers[holder->worker], &message);
}

static void supersede(void *context, const struct live_holder *holder)
{
    post_to(context, holder, WORKER_SUPERSEDE, CAUSE_SUPERSEDED);
}

static void evict(void *context, const char *endpoint)
{
    struct server *server = context;
    struct live_entry entry;

    if (live_get(server->live, endpoint, &entry))
        post_to(server, &entry.holder, WORKER_ABORT, CAUSE_REMOVED);
}

/* Called by http: the remarks on the files in force. */
static void tell_findings(void *context,
                          void (*each)(void *each_context, const struct http_finding *finding),
                          void *each_context)
{
    static const char *const levels[] = {
        [FINDING_ERROR] = "error", [FINDING_WARNING] = "warning", [FINDING_NOTE] = "note"};
    struct server *server = context;
    size_t count = 0;

    pthread_mutex_lock(&server->lock);
    for (const struct finding *finding = server->findings.first;
         finding != NULL && count < FINDINGS_TOLD; finding = finding->next, count++) {
        const struct http_finding told = {.severity = levels[finding->level],
                                          .file = finding->file,
                                          .text = finding->text,
                                          .line = finding->line,
                                          .column = finding->column};
        each(each_context, &told);
    }
    pthread_mutex_unlock(&server->lock);
}

/* Takes what is in `findings`, and leaves it empty. */
static void keep_findings(struct server *server, struct findings *findings)
{
    pthread_mutex_lock(&server->lock);
    struct findings old = server->findings;
    server->findings = *findings;
    pthread_mutex_unlock(&server->lock);
    findings_clear(&old);
    findings_init(findings);
}

/* ---- start ---- */

/* A source's datagrams are shared out to the workers, and so is its rate. 0 stays 0: any. */
static uint32_t share(uint32_t rate, const struct config *config)
{
    return rate == 0 ? 0 : rate / config->workers + 1;
}

static enum err_code start_workers(struct server *server, struct err *err)
{
    const struct config *config = server->config;
    struct worker_config worker = {
        .listeners = server->listeners,
        .listener_count = config->listener_count,
        .endpoint =
            {
                .listeners = server->endpoint_listeners,
                .listener_count = config->listener_count,
                .half_open_max = config->half_open_max / config->workers + 1,
                .sessions_max = config->sessions_max / config->workers + 1,
                .idle_ms = IDLE_MS,
                .x509 = server->x509,
                .limits =
                    {
                        .handshakes_per_second = share(config->handshakes_per_source, config),
                        .failures_per_second = share(config->failures_per_source, config),
                        .exempt = config->exempt,
                        .exempt_count = config->exempt_count,
                    },
            },
        .unknown = server->unknown,
        .store = server->store,
        .live = server->live,
        .rejects = server->rejects,
        .events = server->events,
        .metrics = server->metrics,
        .profiles = server->profiles,
        .hints = server->hints,
        .decoy_secret = server->decoy_secret,
        .supersede = supersede,
        .context = server,
    };

    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *from = &config->listeners[i];
        server->listeners[i] = (struct udp_listener){
            .address = from->address,
            .address_len = from->address_len,
            .workers = config->workers,
        };
        server->endpoint_listeners[i] = (struct endpoint_listener){
            .gcm = from->gcm,
            .cbc = from->cbc,
            .without_psk = !from->psk,
            .x509 = from->x509,
            .silent = from->unknown != 0,
            .plain = from->plain,
            .handshake_min_ms = from->handshake_min_ms,
            .handshake_max_ms = from->handshake_max_ms,
            .ack_timeout_ms = from->ack_timeout_ms,
        };
        server->unknown[i] = from->unknown == 2   ? UNKNOWN_HOLD
                             : from->unknown == 1 ? UNKNOWN_SILENT
                                                  : UNKNOWN_REFUSE;
        if (!udp_probe(&server->listeners[i], err))
            return err->code;
    }
    /* All are bound, in order, before the first thread runs: the kernel shares datagrams out among
     * all sockets of a port from the moment they are bound. */
    for (worker.index = 0; worker.index < config->workers; worker.index++) {
        enum err_code code = worker_new(&worker, &server->workers[worker.index], err);
        if (code != ERR_OK)
            return code;
        server->worker_count++;
    }
    for (size_t i = 0; i < server->worker_count; i++) {
        enum err_code code = worker_start(server->workers[i], err);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

static enum err_code start_http(struct server *server, struct err *err)
{
    const struct config *config = server->config;
    char folder[4096];
    bool on_disk = strcmp(config->store_backend, "memory") != 0;
    int len = snprintf(folder, sizeof folder, "%s.imports", config->store_path);
    struct http_config http = {
        .socket_path = config->http_socket,
        .address = config->http_address_len > 0 ? &config->http_address : NULL,
        .address_len = config->http_address_len,
        .hosts = config->http_hosts,
        .host_count = config->http_host_count,
        .certificate_path = config->http_certificate,
        .key_path = config->http_key,
        .tokens_path = config->http_tokens,
        .rate = config->http_rate,
        .version = USHER_VERSION,
        .store = server->store,
        .import_folder = on_disk && (size_t)len < sizeof folder ? folder : NULL,
        .vault = server->vault,
        .live = server->live,
        .rejects = server->rejects,
        .events = server->events,
        .metrics = server->metrics,
        .profiles = current_profiles,
        .ready = check_ready,
        .certificates = read_certificates,
        .evict = evict,
        .findings = tell_findings,
        .context = server,
    };

    if (http.socket_path == NULL && http.address == NULL)
        return ERR_OK;
    return http_start(&http, &server->http, err);
}

static enum err_code print_findings(struct findings *findings, struct err *err)
{
    findings_print(findings, STDERR_FILENO);
    return findings->errors == 0 ? ERR_OK
                                 : err_set(err, ERR_INVALID, "%zu error%s, see above",
                                           findings->errors, findings->errors == 1 ? "" : "s");
}

static enum err_code start(struct server *server, struct err *err)
{
    struct findings findings;

    findings_init(&findings);
    server->profiles = load_profiles(server->config, &findings);
    certificates_load(server->config, clock_wall_ms(), &findings, &server->x509);
    enum err_code code = print_findings(&findings, err);
    keep_findings(server, &findings);
    findings_clear(&findings);
    if (code != ERR_OK)
        return code;
    bytes_random(server->decoy_secret, sizeof server->decoy_secret);
    server->live = live_new(server->config->sessions_max);
    server->rejects = rejects_new(REJECTS_MAX);
    server->hints = key_hints_new();
    if (server->live == NULL || server->rejects == NULL || server->hints == NULL)
        return err_set(err, ERR_NO_MEMORY, "usherd: out of memory");
    server->metrics = metrics_new(server->config->workers);
    if (server->metrics == NULL)
        return err_set(err, ERR_NO_MEMORY, "usherd: out of memory");
    const struct events_config events = {.producers = server->config->workers};
    code = events_new(&events, &server->events, err);
    if (code == ERR_OK)
        code = open_vault(server->config, &server->vault, err);
    if (code == ERR_OK)
        code = open_store(server->config, server->vault, &server->store, err);
    if (code == ERR_OK)
        code = start_workers(server, err);
    if (code == ERR_OK)
        code = start_http(server, err);
    return code;
}

static void log_ready(const struct server *server)
{
    char listeners[1024] = "";
    size_t used = 0;

    for (size_t i = 0; i < server->config->listener_count; i++) {
        struct net_address address;
        char text[NET_TEXT_SIZE] = "";
        if (net_from_sockaddr((const struct sockaddr *)&server->listeners[i].address, &address))
            net_text(&address, true, text);
        int wrote =
            snprintf(listeners + used, sizeof listeners - used, "%s%s", i > 0 ? " " : "", text);
        if (wrote < 0 || (size_t)wrote >= sizeof listeners - used)
            break;
        used += (size_t)wrote;
    }
    log_event(LOG_INFO, "server.ready", LOG_TEXT("version", USHER_VERSION),
              LOG_TEXT("tls", endpoint_tls_version()), LOG_TEXT("listeners", listeners),
              LOG_NUMBER("workers", (int64_t)server->worker_count),
              LOG_NUMBER("classes", (int64_t)profile_set_count(server->profiles)),
              LOG_TEXT("http_socket", server->config->http_socket),
              LOG_NUMBER("http_port", server->http == NULL ? 0 : http_port(server->http)),
              LOG_NUMBER("pid", getpid()));
    if (server->vault == NULL && strcmp(server->config->store_backend, "memory") != 0)
        log_event(LOG_WARNING, "store.keys-not-sealed",
                  LOG_TEXT("cause", "keys lie in the store as they are; name a master key with "
                                    "store: { master-key: FILE }"));
}

/* ---- reload ---- */

static void log_findings(const char *event, enum log_level level, enum finding_level of,
                         const struct findings *findings)
{
    for (const struct finding *finding = findings->first; finding != NULL; finding = finding->next)
        if (finding->level == of)
            log_event(level, event, LOG_TEXT("file", finding->file),
                      LOG_NUMBER("line", finding->line), LOG_NUMBER("column", finding->column),
                      LOG_TEXT("cause", finding->text));
}

static void swap_profiles(struct server *server, struct profile_set *fresh)
{
    pthread_mutex_lock(&server->lock);
    struct profile_set *old = server->profiles;
    server->profiles = fresh;
    pthread_mutex_unlock(&server->lock);
    profile_set_unref(old);
    for (size_t i = 0; i < server->worker_count; i++) {
        struct worker_message message = {.kind = WORKER_PROFILES,
                                         .profiles = profile_set_ref(fresh)};
        if (!worker_post(server->workers[i], &message))
            profile_set_unref(message.profiles);
    }
}

static void swap_certificates(struct server *server, struct x509 *fresh)
{
    pthread_mutex_lock(&server->lock);
    struct x509 *old = server->x509;
    server->x509 = fresh;
    pthread_mutex_unlock(&server->lock);
    x509_unref(old);
    for (size_t i = 0; i < server->worker_count; i++) {
        struct worker_message message = {.kind = WORKER_X509, .x509 = x509_ref(fresh)};
        if (!worker_post(server->workers[i], &message))
            x509_unref(message.x509);
    }
}

static void report_reload(struct server *server, bool done, size_t classes, size_t errors)
{
    const struct log_field fields[] = {LOG_BOOL("ok", done),
                                       LOG_NUMBER("classes", (int64_t)classes),
                                       LOG_NUMBER("errors", (int64_t)errors)};
    const struct event event = {.kind = EVENT_RELOAD,
                                .wall_ms = clock_wall_ms(),
                                .fields = fields,
                                .field_count = sizeof fields / sizeof fields[0]};

    events_post(server->events, EVENTS_SHARED, &event);
    metrics_add(server->metrics, done ? METRIC_RELOAD_DONE : METRIC_RELOAD_REFUSED, 1);
}

/* Tokens, certificate and key. */
static void reload_http(struct server *server, const struct config *next, struct findings *findings)
{
    struct err err = {0};
    const struct yaml_node here = {.file = next->file, .line = 1, .column = 1};

    if (server->http != NULL && http_reload(server->http, &err) != ERR_OK)
        finding_add(findings, FINDING_ERROR, &here, "%s", err.text);
}

/* All or nothing (I7): a running session keeps the snapshot that it began with. */
static void reload(struct server *server)
{
    struct findings findings;

    findings_init(&findings);
    struct config *next = config_load(server->config_path, &findings);
    struct profile_set *fresh = NULL;
    struct x509 *x509 = NULL;
    if (next != NULL && config_check_reload(server->config, next, &findings)) {
        fresh = load_profiles(next, &findings);
        certificates_load(next, clock_wall_ms(), &findings, &x509);
    }
    if (fresh != NULL && findings.errors == 0)
        reload_http(server, next, &findings);
    if (fresh == NULL || findings.errors > 0) {
        log_findings("server.reload-refused", LOG_ERROR, FINDING_ERROR, &findings);
        log_event(LOG_ERROR, "server.reload-failed",
                  LOG_TEXT("cause", "the configuration in force stays"),
                  LOG_NUMBER("errors", (int64_t)findings.errors));
        report_reload(server, false, 0, findings.errors);
        x509_unref(x509);
        profile_set_unref(fresh);
        config_free(next);
    } else {
        log_configure(STDERR_FILENO, next->log_level, next->log_text);
        log_findings("server.reload-warning", LOG_WARNING, FINDING_WARNING, &findings);
        swap_profiles(server, fresh);
        swap_certificates(server, x509);
        config_free(server->config);
        server->config = next;
        size_t warnings = findings.warnings;
        keep_findings(server, &findings);
        report_reload(server, true, profile_set_count(fresh), 0);
        log_event(LOG_INFO, "server.reloaded",
                  LOG_NUMBER("classes", (int64_t)profile_set_count(fresh)),
                  LOG_NUMBER("warnings", (int64_t)warnings));
    }
    findings_clear(&findings);
}

/* ---- end ---- */

static void post_all(struct server *server, enum worker_message_kind kind)
{
    struct worker_message message = {.kind = kind};

    for (size_t i = 0; i < server->worker_count; i++)
        worker_post(server->workers[i], &message);
}

static size_t running(const struct server *server)
{
    size_t count = 0;

    for (size_t i = 0; i < server->worker_count; i++)
        count += worker_running(server->workers[i]);
    return count;
}

/* No newcomers; what runs may finish, unless a second signal says otherwise. */
static void drain(struct server *server, const sigset_t *signals)
{
    uint64_t limit = clock_monotonic_ms() + DRAIN_MS;
    struct timespec pause = {.tv_nsec = DRAIN_STEP_MS * 1000000L};

    log_event(LOG_INFO, "server.draining", LOG_NUMBER("sessions", (int64_t)running(server)));
    atomic_store(&server->draining, true);
    post_all(server, WORKER_DRAIN);
    do {
        int again = sigtimedwait(signals, NULL, &pause);
        if (again == SIGTERM || again == SIGINT)
            break;
    } while (running(server) > 0 && clock_monotonic_ms() < limit);
}

static void stop(struct server *server)
{
    post_all(server, WORKER_STOP);
    for (size_t i = 0; i < server->worker_count; i++)
        worker_join(server->workers[i]);
    http_stop(server->http);
    for (size_t i = 0; i < CONFIG_WORKERS_MAX; i++)
        worker_free(server->workers[i]);
    if (server->store != NULL)
        store_close(server->store);
    events_free(server->events);
    vault_free(server->vault);
    metrics_free(server->metrics);
    live_free(server->live);
    rejects_free(server->rejects);
    key_hints_free(server->hints);
    profile_set_unref(server->profiles);
    x509_unref(server->x509);
    findings_clear(&server->findings);
    config_free(server->config);
    pthread_mutex_destroy(&server->lock);
    bytes_wipe(server->decoy_secret, sizeof server->decoy_secret);
}

static void serve(struct server *server, const sigset_t *signals)
{
    for (;;) {
        int number = sigwaitinfo(signals, NULL);
        if (number == SIGHUP)
            reload(server);
        else if (number == SIGTERM || number == SIGINT)
            break;
    }
    drain(server, signals);
}

enum err_code server_run(struct config *config, const char *config_path, struct err *err)
{
    struct server server = {
        .config = config,
        .config_path = config_path,
        .lock = PTHREAD_MUTEX_INITIALIZER,
    };
    sigset_t signals;

    /* No core dump with keys in it (I4), and no pipe or socket ends the process. */
    prctl(PR_SET_DUMPABLE, 0);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before the threads, who inherit it */

    if (log_start(err) != ERR_OK)
        log_event(LOG_WARNING, "server.log-not-apart", LOG_TEXT("cause", err->text));
    enum err_code code = start(&server, err);
    if (code == ERR_OK) {
        log_ready(&server);
        serve(&server, &signals);
    }
    stop(&server);
    if (code == ERR_OK)
        log_event(LOG_INFO, "server.stopped", LOG_NUMBER("pid", getpid()));
    log_stop(LOG_END_MS);
    return code;
}
