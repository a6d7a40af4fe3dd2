/* SPDX-License-Identifier: Apache-2.0 */
/* The table of keys, and reading a mapping by such a table. */
#include "config_priv.h"

#include <string.h>

enum { KEYS_MAX = 16, FALLBACK_LINE = 1 };

#define FIELD(name)    offsetof(struct config, name)
#define SECONDS(count) ((int64_t)(count) * 1000)
#define DAYS(count)    SECONDS((int64_t)(count) * 86400)

/* The fallbacks are those of docs/examples/usher.yaml, which a test compares, and of
 * docs/configuration.md. */
const struct config_key config_keys[] = {
    {NULL, "workers", &config_workers, FIELD(workers), 1, CONFIG_WORKERS_MAX, 0, "auto", false},
    {NULL, "listeners", &config_listeners, 0, 0, 0, 0, "0.0.0.0:5684", false},
    {NULL, "profiles", &config_paths, 0, 0, 0, 0, "profiles", true},
    {"limits", "half-open", &config_number, FIELD(half_open_max), 16, 1000000, 0, "4096", false},
    {"limits", "sessions", &config_number, FIELD(sessions_max), 16, 1000000, 0, "50000", false},
    {"limits", "handshakes-per-source", &config_number, FIELD(handshakes_per_source), 0, 1000000, 0,
     "5000", false},
    {"limits", "failures-per-source", &config_number, FIELD(failures_per_source), 0, 1000000, 0,
     "2000", false},
    {"limits", "exempt", &config_prefixes, 0, 0, 0, 0, NULL, false},
    {"store", "backend", &config_backend, FIELD(store_backend), 0, 0, 0, "sqlite", false},
    {"store", "path", &config_path, FIELD(store_path), 0, 0, 0, "/var/lib/usher/usher.db", false},
    {"store", "master-key", &config_path, FIELD(master_key), 0, 0, 0, NULL, false},
    {"store", "history", &config_history, FIELD(history_days), DAYS(1), DAYS(36500), DAYS(1), "90d",
     false},
    {"store", "audit", &config_history, FIELD(audit_days), DAYS(1), DAYS(36500), DAYS(1), "365d",
     false},
    {"store", "retire", &config_duration, FIELD(retire_seconds), SECONDS(60), DAYS(365), SECONDS(1),
     "1d", false},
    {"x509", "certificate", &config_path, FIELD(x509.certificate), 0, 0, 0, NULL, true},
    {"x509", "key", &config_path, FIELD(x509.key), 0, 0, 0, NULL, true},
    {"x509", "client-ca", &config_path, FIELD(x509.client_ca), 0, 0, 0, NULL, true},
    {"x509", "crl", &config_crls, FIELD(x509), 0, 0, 0, NULL, true},
    {"x509", "crl-expired", &config_crl_expired, FIELD(x509.expired_crl_is_good), 0, 0, 0, "refuse",
     true},
    {"x509", "pinned", &config_boolean, FIELD(x509.pinned), 0, 0, 0, "false", true},
    {"x509", "names", &config_certificate_names, FIELD(x509.names), 0, 0, 0, "all", true},
    {"http", "socket", &config_socket, FIELD(http_socket), 0, 0, 0, "/run/usher/usher.sock", false},
    {"http", "address", &config_address_kind, 0, 0, 0, 0, "none", false},
    {"http", "hosts", &config_hosts, 0, 0, 0, 0, NULL, false},
    {"http", "certificate", &config_path, FIELD(http_certificate), 0, 0, 0, NULL, false},
    {"http", "key", &config_path, FIELD(http_key), 0, 0, 0, NULL, false},
    {"http", "tokens", &config_path, FIELD(http_tokens), 0, 0, 0, NULL, false},
    {"http", "rate", &config_number, FIELD(http_rate), 1, 1000000, 0, "1000", false},
    {"http", "insecure", &config_boolean, FIELD(http_insecure), 0, 0, 0, "false", false},
    {"log", "level", &config_level, FIELD(log_level), 0, 0, 0, "info", true},
    {"log", "format", &config_format, FIELD(log_text), 0, 0, 0, "json", true},
};
const size_t config_key_count = sizeof config_keys / sizeof config_keys[0];

static bool in_section(const struct config_key *key, const char *section)
{
    if (key->section == NULL || section == NULL)
        return key->section == section;
    return strcmp(key->section, section) == 0;
}

bool config_no_memory(const struct config_reader *reader, const struct yaml_node *node)
{
    finding_add(reader->findings, FINDING_ERROR, node, "out of memory");
    return false;
}

/* A key that is absent is read from its fallback, as if that had been written. */
static bool read_key(const struct config_reader *reader, const struct config_key *key,
                     const struct yaml_node *mapping, void *base)
{
    void *field = (char *)base + key->offset;
    const struct yaml_node *node = mapping != NULL ? yaml_get(mapping, key->name) : NULL;
    if (node != NULL)
        return key->kind->read(reader, key, node, field);
    if (key->fallback == NULL)
        return true;
    const struct yaml_node written = {
        .kind = YAML_SCALAR,
        .file = mapping != NULL ? mapping->file : "built-in default",
        .line = FALLBACK_LINE,
        .column = 1,
        .text = key->fallback,
        .text_len = strlen(key->fallback),
    };
    return key->kind->read(reader, key, &written, field);
}

bool config_read_keys(const struct config_reader *reader, const struct config_key *keys,
                      size_t count, const char *section, const struct yaml_node *mapping,
                      void *base)
{
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        if (in_section(&keys[i], section))
            good = read_key(reader, &keys[i], mapping, base) && good;
    }
    return good;
}

/* At the top the names of sections are known as well. */
static void add_name(const char **names, size_t *count, const char *name)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(names[i], name) == 0)
            return;
    }
    if (*count < KEYS_MAX)
        names[(*count)++] = name;
}

bool config_check_section(const struct config_reader *reader, const struct config_key *keys,
                          size_t count, const char *section, const struct yaml_node *mapping)
{
    if (mapping->kind != YAML_MAPPING) {
        finding_add(reader->findings, FINDING_ERROR, mapping,
                    "expected keys and values, such as '%s: ..'",
                    section != NULL || count == 0 ? "key" : keys[0].name);
        return false;
    }
    const char *names[KEYS_MAX + 1] = {0};
    size_t name_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (in_section(&keys[i], section))
            add_name(names, &name_count, keys[i].name);
        else if (section == NULL)
            add_name(names, &name_count, keys[i].section);
    }
    size_t errors = reader->findings->errors;
    yaml_check_keys(mapping, names, reader->findings);
    return reader->findings->errors == errors;
}
