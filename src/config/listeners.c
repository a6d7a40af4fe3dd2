/* SPDX-License-Identifier: Apache-2.0 */
/* The list of listeners: where devices knock, with which ciphers and patience. */
#include "config_priv.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static bool read_listen_address(const struct config_reader *reader, const struct config_key *key,
                                const struct yaml_node *node, void *field)
{
    (void)key;
    struct config_listener *listener = field;
    listener->text = node->text;
    return config_read_address(reader, node, &listener->address, &listener->address_len);
}

/* CCM_8 is what every LwM2M device must have (OMA Transport 1.2 section 5.2.8): it is always on,
 * and naming it is for the reader. */
static bool read_cipher(const struct config_reader *reader, const struct yaml_node *node,
                        struct config_listener *listener, bool *ccm8)
{
    static const char *const names[] = {"ccm8", "gcm", "cbc", NULL};
    const char *name = NULL;
    if (!yaml_text(node, &name, reader->findings))
        return false;
    *ccm8 = *ccm8 || strcmp(name, "ccm8") == 0;
    listener->gcm = listener->gcm || strcmp(name, "gcm") == 0;
    listener->cbc = listener->cbc || strcmp(name, "cbc") == 0;
    for (size_t i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    const char *near = yaml_suggest(name, names);
    finding_add(reader->findings, FINDING_ERROR, node,
                "expected one of ccm8, gcm, cbc, found '%.40s'%s%s%s", name,
                near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                near != NULL ? "'?" : "");
    return false;
}

static bool read_ciphers(const struct config_reader *reader, const struct config_key *key,
                         const struct yaml_node *node, void *field)
{
    (void)key;
    struct config_listener *listener = field;
    if (node->kind == YAML_SCALAR && strcmp(node->text, "all") == 0) {
        listener->gcm = listener->cbc = true;
        return true;
    }
    if (node->kind != YAML_SEQUENCE) {
        finding_add(reader->findings, FINDING_ERROR, node,
                    "expected a list such as [ccm8, gcm, cbc], or all");
        return false;
    }
    bool good = true, ccm8 = false;
    for (const struct yaml_node *item = node->first; item != NULL; item = item->next)
        good = read_cipher(reader, item, listener, &ccm8) && good;
    if (good && !ccm8) {
        finding_add(reader->findings, FINDING_ERROR, node,
                    "ccm8 cannot be left out: it is the one cipher that every device has");
        good = false;
    }
    return good;
}

/* `security: psk`, `x509` or a list of both: how devices prove who they are; or `none`. */
static bool read_security(const struct config_reader *reader, const struct config_key *key,
                          const struct yaml_node *node, void *field)
{
    static const char *const words[] = {"psk", "x509", "none", NULL};
    struct config_listener *listener = field;
    uint32_t bits = 0;

    (void)key;
    if (!config_read_words(reader, node, words, &bits))
        return false;
    listener->psk = (bits & 1) != 0;
    listener->x509 = (bits & 2) != 0;
    listener->plain = (bits & 4) != 0;
    if (!listener->plain || bits == 4)
        return true;
    finding_add(reader->findings, FINDING_ERROR, node,
                "'none' stands alone: a listener either speaks DTLS or does not");
    return false;
}

static bool read_unknown(const struct config_reader *reader, const struct config_key *key,
                         const struct yaml_node *node, void *field)
{
    static const char *const words[] = {"refuse", "silent", "hold", NULL};
    struct config_listener *listener = field;
    uint32_t bits = 0;

    (void)key;
    if (node->kind == YAML_SEQUENCE) {
        finding_add(reader->findings, FINDING_ERROR, node, "expected one of: refuse, silent, hold");
        return false;
    }
    if (!config_read_words(reader, node, words, &bits))
        return false;
    listener->unknown = bits == 4 ? 2 : bits == 2 ? 1 : 0;
    return true;
}

static const struct config_kind unknown = {.read = read_unknown};
static const struct config_kind security = {.read = read_security};
static const struct config_kind listen_address = {.read = read_listen_address};
static const struct config_kind ciphers = {.read = read_ciphers};
static const struct config_kind handshake;

#define FIELD(name) offsetof(struct config_listener, name)
static const struct config_key listener_keys[] = {
    {NULL, "address", &listen_address, 0, 0, 0, 0, NULL, false},
    {NULL, "security", &security, 0, 0, 0, 0, "psk", false},
    {NULL, "insecure", &config_boolean, FIELD(insecure), 0, 0, 0, "false", false},
    {NULL, "unknown", &unknown, 0, 0, 0, 0, "refuse", false},
    {NULL, "ciphers", &ciphers, 0, 0, 0, 0, "all", false},
    {NULL, "handshake-timeout", &handshake, 0, 0, 0, 0, NULL, false},
    {NULL, "ack-timeout", &config_duration, FIELD(ack_timeout_ms), 500, 60000, 1, "2s", false},
    {"handshake-timeout", "min", &config_duration, FIELD(handshake_min_ms), 200, 60000, 1, "1s",
     false},
    {"handshake-timeout", "max", &config_duration, FIELD(handshake_max_ms), 1000, 600000, 1, "60s",
     false},
};
enum { LISTENER_KEY_COUNT = sizeof listener_keys / sizeof listener_keys[0] };

/* `handshake-timeout: {min: 9s, max: 60s}`: the first repeat of a flight comes after min, each
 * further one after twice the time, until max. */
static bool read_handshake(const struct config_reader *reader, const struct config_key *key,
                           const struct yaml_node *node, void *field)
{
    struct config_listener *listener = field;
    if (!config_check_section(reader, listener_keys, LISTENER_KEY_COUNT, key->name, node) ||
        !config_read_keys(reader, listener_keys, LISTENER_KEY_COUNT, key->name, node, listener))
        return false;
    if (listener->handshake_min_ms <= listener->handshake_max_ms)
        return true;
    finding_add(reader->findings, FINDING_ERROR, node, "min is longer than max");
    return false;
}

static const struct config_kind handshake = {.read = read_handshake};

/* What somebody on the way, or anybody at all, could do at an address that others reach. */
static bool check_plain(const struct config_reader *reader, const struct config_listener *listener)
{
    if (!listener->plain || listener->insecure || config_is_loopback(&listener->address))
        return true;
    finding_add(reader->findings, FINDING_ERROR, listener->node,
                "%s can be reached from other machines, and with 'security: none' keys cross the "
                "network in clear and anybody can claim any name. Use psk or x509, use 127.0.0.1, "
                "or say 'insecure: true' in a laboratory's network",
                listener->text);
    return false;
}

static bool read_mapping(const struct config_reader *reader, const struct yaml_node *node,
                         struct config_listener *listener)
{
    if (!config_check_section(reader, listener_keys, LISTENER_KEY_COUNT, NULL, node))
        return false;
    if (yaml_get(node, "address") == NULL) {
        finding_add(reader->findings, FINDING_ERROR, node,
                    "a listener needs an 'address', such as 0.0.0.0:5684");
        return false;
    }
    return config_read_keys(reader, listener_keys, LISTENER_KEY_COUNT, NULL, node, listener) &&
           check_plain(reader, listener);
}

/* "0.0.0.0:5684" alone stands for a listener with nothing else said. */
static bool read_listener(const struct config_reader *reader, const struct yaml_node *node,
                          struct config_listener *listener)
{
    *listener = (struct config_listener){.node = node};
    /* The times first: the mapping may have no handshake-timeout at all. */
    config_read_keys(reader, listener_keys, LISTENER_KEY_COUNT, "handshake-timeout", NULL,
                     listener);
    if (node->kind != YAML_SCALAR)
        return read_mapping(reader, node, listener);
    return config_read_keys(reader, listener_keys, LISTENER_KEY_COUNT, NULL, NULL, listener) &&
           read_listen_address(reader, NULL, node, listener);
}

static uint16_t port_of(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)address)->sin_port);
    return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
}

static bool add_listener(const struct config_reader *reader, const struct yaml_node *node,
                         struct config *config)
{
    if (config->listener_count == CONFIG_LISTENERS_MAX) {
        finding_add(reader->findings, FINDING_ERROR, node, "more than %d listeners",
                    CONFIG_LISTENERS_MAX);
        return false;
    }
    struct config_listener *listener = &config->listeners[config->listener_count];
    if (!read_listener(reader, node, listener))
        return false;
    for (size_t i = 0; i < config->listener_count && port_of(&listener->address) != 0; i++) {
        if (!config_same_address(&config->listeners[i].address, &listener->address))
            continue;
        finding_add(reader->findings, FINDING_ERROR, node, "another listener has the same address");
        return false;
    }
    config->listener_count++;
    return true;
}

static bool read_listeners(const struct config_reader *reader, const struct config_key *key,
                           const struct yaml_node *node, void *field)
{
    (void)key;
    struct config *config = field;
    if (node->kind == YAML_SCALAR)
        return add_listener(reader, node, config);
    if (node->kind != YAML_SEQUENCE || node->first == NULL) {
        finding_add(reader->findings, FINDING_ERROR, node,
                    "expected a list of listeners, such as '- address: 0.0.0.0:5684'");
        return false;
    }
    bool good = true;
    for (const struct yaml_node *item = node->first; item != NULL; item = item->next)
        good = add_listener(reader, item, config) && good;
    return good;
}

static bool same_listener(const struct config_listener *a, const struct config_listener *b)
{
    return config_same_address(&a->address, &b->address) && a->gcm == b->gcm && a->cbc == b->cbc &&
           a->psk == b->psk && a->x509 == b->x509 && a->plain == b->plain &&
           a->handshake_min_ms == b->handshake_min_ms &&
           a->handshake_max_ms == b->handshake_max_ms && a->ack_timeout_ms == b->ack_timeout_ms;
}

static bool same_listeners(const void *a, const void *b)
{
    const struct config *left = a, *right = b;
    if (left->listener_count != right->listener_count)
        return false;
    for (size_t i = 0; i < left->listener_count; i++) {
        if (!same_listener(&left->listeners[i], &right->listeners[i]))
            return false;
    }
    return true;
}

const struct config_kind config_listeners = {read_listeners, same_listeners};
