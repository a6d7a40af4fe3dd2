/* SPDX-License-Identifier: Apache-2.0 */
/* Loading usher.yaml as a whole, and what a reload may change. */
#include "config_priv.h"

#include <stdio.h>
#include <string.h>

static const char *const sections[] = {"limits", "store", "x509", "http", "log"};
enum { SECTION_COUNT = sizeof sections / sizeof sections[0] };

void config_free(struct config *config)
{
    if (config != NULL)
        arena_free(config->arena); /* `config` lies in it */
}

static bool read_sections(const struct config_reader *reader, struct config *config)
{
    const struct yaml_node *root = config->root;
    if (!config_check_section(reader, config_keys, config_key_count, NULL, root))
        return false;
    bool good = config_read_keys(reader, config_keys, config_key_count, NULL, root, config);
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        const struct yaml_node *section = yaml_get(root, sections[i]);
        if (section != NULL &&
            !config_check_section(reader, config_keys, config_key_count, sections[i], section)) {
            good = false;
            continue;
        }
        good =
            config_read_keys(reader, config_keys, config_key_count, sections[i], section, config) &&
            good;
    }
    return good;
}

static const struct yaml_node *find_node(const struct config *config, const char *section,
                                         const char *name)
{
    const struct yaml_node *mapping =
        section == NULL ? config->root : yaml_get(config->root, section);
    const struct yaml_node *node = mapping != NULL ? yaml_get(mapping, name) : NULL;
    return node != NULL ? node : mapping != NULL ? mapping : config->root;
}

/* What somebody on the way, or anybody at all, could do at an address that others reach. */
static bool check_public_http(const struct config_reader *reader, const struct config *config)
{
    if (config->http_address_len == 0 || config->http_insecure ||
        config_is_loopback(&config->http_address))
        return true;
    const struct yaml_node *node = find_node(config, "http", "address");
    if (config->http_tokens == NULL)
        finding_add(reader->findings, FINDING_ERROR, node,
                    "%s can be reached from other machines, and there is no login: anybody there "
                    "could read the list of devices. Name a file for tokens under 'tokens', use "
                    "127.0.0.1, or say 'insecure: true' in a network that you trust",
                    config->http_text);
    else if (config->http_certificate == NULL)
        finding_add(reader->findings, FINDING_ERROR, node,
                    "%s can be reached from other machines, and without TLS whoever listens on the "
                    "way has the tokens. Name 'certificate' and 'key', use 127.0.0.1 with a proxy "
                    "that speaks TLS, or say 'insecure: true' in a network that you trust",
                    config->http_text);
    return config->http_tokens != NULL && config->http_certificate != NULL;
}

static bool check_http(const struct config_reader *reader, const struct config *config)
{
    if ((config->http_certificate == NULL) == (config->http_key == NULL))
        return check_public_http(reader, config);
    bool no_key = config->http_key == NULL;
    finding_add(
        reader->findings, FINDING_ERROR, find_node(config, "http", no_key ? "certificate" : "key"),
        "'certificate' and 'key' go together: '%s' is missing", no_key ? "key" : "certificate");
    return false;
}

/* A certificate is of no use without its key, nor either without the CAs of devices. */
static bool check_x509(const struct config_reader *reader, const struct config *config)
{
    const struct config_x509 *x509 = &config->x509;
    const struct yaml_node *user = NULL;
    const char *missing = x509->certificate == NULL ? "certificate"
                          : x509->key == NULL       ? "key"
                          : x509->client_ca == NULL ? "client-ca"
                                                    : NULL;

    for (size_t i = 0; i < config->listener_count && user == NULL; i++)
        if (config->listeners[i].x509)
            user = config->listeners[i].node;
    const struct yaml_node *section = yaml_get(config->root, "x509");
    if (missing != NULL && (user != NULL || section != NULL)) {
        finding_add(reader->findings, FINDING_ERROR, section != NULL ? section : user,
                    "x509 needs a '%s': %s", missing,
                    strcmp(missing, "client-ca") == 0
                        ? "the CAs that sign the certificates of devices"
                        : "what the server shows to devices");
        return false;
    }
    if (section != NULL && user == NULL)
        finding_add(reader->findings, FINDING_WARNING, section,
                    "no listener takes certificates: say 'security: [psk, x509]' at one");
    return true;
}

/* What no single key can see. */
static bool check_together(const struct config_reader *reader, const struct config *config)
{
    bool good = true;
    if (config->half_open_max > config->sessions_max) {
        finding_add(reader->findings, FINDING_ERROR, find_node(config, "limits", "half-open"),
                    "half-open (%u) is more than sessions (%u), which counts them too",
                    config->half_open_max, config->sessions_max);
        good = false;
    }
    good = check_http(reader, config) && good;
    good = check_x509(reader, config) && good;
    if (config->http_address_len == 0 && config->http_socket == NULL)
        finding_add(reader->findings, FINDING_WARNING, find_node(config, "http", "socket"),
                    "neither a socket nor an address: the command usher cannot reach this server");
    if (strcmp(config->store_backend, "memory") == 0)
        finding_add(reader->findings, FINDING_WARNING, find_node(config, "store", "backend"),
                    "the memory store is for tests: every device is forgotten at the end");
    return good;
}

/* "etc/" for etc/usher.yaml; "" when it lies in the current folder. */
static const char *folder_of(struct arena *arena, const char *file)
{
    const char *slash = strrchr(file, '/');
    return arena_text_n(arena, file, slash != NULL ? (size_t)(slash - file) + 1 : 0);
}

/* Takes the arena over. */
static struct config *build(struct arena *arena, const char *file, const struct yaml_node *root,
                            struct findings *findings)
{
    struct config *config = arena_alloc(arena, sizeof *config);
    struct config_reader reader = {.arena = arena, .findings = findings};
    if (config != NULL)
        *config = (struct config){.arena = arena, .root = root, .file = arena_text(arena, file)};
    reader.folder = folder_of(arena, file);
    if (config == NULL || config->file == NULL || reader.folder == NULL) {
        config_no_memory(&reader, root);
    } else if (read_sections(&reader, config) && check_together(&reader, config)) {
        return config;
    }
    arena_free(arena);
    return NULL;
}

static struct config *load(const char *name, const struct bytes *text, struct findings *findings)
{
    struct arena *arena = arena_new(0);
    if (arena == NULL) {
        struct config_reader reader = {.findings = findings};
        config_no_memory(&reader, &(struct yaml_node){.file = name});
        return NULL;
    }
    struct yaml_node *root = text != NULL ? yaml_load_text(arena, name, *text, findings)
                                          : yaml_load_file(arena, name, findings);
    if (root != NULL)
        return build(arena, name, root, findings);
    arena_free(arena);
    return NULL;
}

struct config *config_load(const char *path, struct findings *findings)
{
    return load(path, NULL, findings);
}

struct config *config_load_text(const char *name, struct bytes text, struct findings *findings)
{
    return load(name, &text, findings);
}

bool config_check_reload(const struct config *now, const struct config *next,
                         struct findings *findings)
{
    bool good = true;
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (key->reloadable ||
            key->kind->same((const char *)now + key->offset, (const char *)next + key->offset))
            continue;
        finding_add(findings, FINDING_ERROR, find_node(next, key->section, key->name),
                    "'%s%s%s' can only be changed by a restart; nothing was reloaded",
                    key->section != NULL ? key->section : "", key->section != NULL ? "." : "",
                    key->name);
        good = false;
    }
    return good;
}
