/* SPDX-License-Identifier: Apache-2.0 */
/* module: config */
/* usher.yaml: what usherd serves. One table of keys with type, range, default and whether a reload
 * can change them; unknown keys are errors with file:line:col. */
#ifndef USHER_CONFIG_H
#define USHER_CONFIG_H

#include "usher/log.h"
#include "usher/net.h"
#include "usher/yaml.h"

#include <sys/socket.h>

enum {
    CONFIG_LISTENERS_MAX = 16,
    CONFIG_PATHS_MAX = 16,
    CONFIG_WORKERS_MAX = 64,
    CONFIG_HOSTS_MAX = 16,
    CONFIG_PREFIXES_MAX = 32
};

struct config_listener {
    const char *text;                /* as written: "0.0.0.0:5684", "[::]:5684" */
    struct sockaddr_storage address; /* IPv4 or IPv6 literal with port; port 0 = any free one */
    socklen_t address_len;
    bool gcm, cbc;    /* suites with AES_128_GCM_SHA256, AES_128_CBC_SHA256 beside CCM_8 */
    uint32_t unknown; /* devices that have proved a name and are not enrolled: 0 refuse, 1 silent, 2
                         hold */
    bool psk, x509;   /* devices with pre-shared keys, with certificates */
    bool plain;       /* `security: none`: no DTLS at all */
    bool insecure;    /* that also at an address that others reach */
    uint32_t handshake_min_ms, handshake_max_ms; /* flight timers; 1 s and 60 s by default, 9 s for
                                                    slow networks (RFC 7925) */
    uint32_t ack_timeout_ms;      /* RFC 7252 ACK_TIMEOUT; a class may say otherwise */
    const struct yaml_node *node; /* for messages */
};

/* Where a certificate says the endpoint name; several. */
enum config_names { CONFIG_NAME_CN = 1, CONFIG_NAME_URI = 2, CONFIG_NAME_DNS = 4 };

/* docs/certificates.md; all paths NULL = no certificates. */
struct config_x509 {
    const char *certificate, *key, *client_ca;
    size_t crl_count;
    const char *crls[CONFIG_PATHS_MAX];
    bool expired_crl_is_good;
    bool pinned;    /* devices may be enrolled by their certificate or its key, whoever issued it */
    uint32_t names; /* enum config_names */
};

struct config {
    unsigned workers; /* 1..64; default: processors */
    size_t listener_count;
    struct config_listener listeners[CONFIG_LISTENERS_MAX];
    struct config_x509 x509;
    size_t profile_count;
    const char *profiles[CONFIG_PATHS_MAX]; /* directories or files */
    const char *store_backend, *store_path;
    const char *master_key; /* file that seals keys in the store, NULL = not named */
    uint32_t history_days, audit_days, retire_seconds;
    uint32_t half_open_max, sessions_max;                /* per server, shared out to the workers */
    uint32_t handshakes_per_source, failures_per_source; /* a second, shared out too; 0 = any */
    size_t exempt_count;
    struct net_prefix exempt[CONFIG_PREFIXES_MAX]; /* sources without such a limit */
    const char *http_socket;                       /* UNIX socket path, NULL = none */
    const char *http_text;                         /* as written, NULL = none */
    struct sockaddr_storage http_address;
    socklen_t http_address_len; /* 0 = none */
    size_t http_host_count;
    const char *http_hosts[CONFIG_HOSTS_MAX]; /* Host names accepted besides the address itself */
    const char *http_certificate, *http_key;  /* PEM files, for TLS; both or none */
    const char *http_tokens;                  /* file of bearer tokens; NULL = none are taken */
    uint32_t http_rate;                       /* requests a second and TCP address */
    bool http_insecure; /* `insecure: true`: a public HTTP address without TLS or tokens */
    enum log_level log_level;
    bool log_text;
    struct arena *arena;
    const struct yaml_node *root; /* for messages */
    const char *file; /* where it came from; relative paths inside are relative to its folder */
};

/* NULL after an error finding. All or nothing. */
struct config *config_load(const char *path, struct findings *findings);
struct config *config_load_text(const char *name, struct bytes text, struct findings *findings);
void config_free(struct config *config); /* NULL accepted */
/* Adds an error for each changed key that only a restart can change. */
bool config_check_reload(const struct config *now, const struct config *next,
                         struct findings *findings);

#endif
