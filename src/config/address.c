/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses with a port: literals only, since a name may mean another machine tomorrow. */
#include "config_priv.h"

#include "usher/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Decimal 0..65535. */
static bool parse_port(const char *text, uint16_t *out)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return false;
    long value = strtol(text, NULL, 10);
    *out = (uint16_t)value;
    return value <= UINT16_MAX;
}

static bool parse_ip(const char *text, struct net_address *out)
{
    bool bracketed = text[0] == '[';
    char ip[INET6_ADDRSTRLEN + 1];
    size_t len = strlen(text);
    if (bracketed && (len < 2 || text[len - 1] != ']'))
        return false;
    if (bracketed) {
        text++;
        len -= 2;
    }
    if (len >= sizeof ip)
        return false;
    memcpy(ip, text, len);
    ip[len] = '\0';
    out->family = bracketed ? 6 : 4;
    return inet_pton(bracketed ? AF_INET6 : AF_INET, ip, out->ip) == 1;
}

static bool parse_address(const char *text, struct net_address *out)
{
    const char *colon = strrchr(text, ':');
    char ip[INET6_ADDRSTRLEN + 3];
    if (colon == NULL || (size_t)(colon - text) >= sizeof ip)
        return false;
    memcpy(ip, text, (size_t)(colon - text));
    ip[colon - text] = '\0';
    return parse_port(colon + 1, &out->port) && parse_ip(ip, out);
}

bool config_read_address(const struct config_reader *reader, const struct yaml_node *node,
                         struct sockaddr_storage *out, socklen_t *len)
{
    const char *text = NULL;
    if (!yaml_text(node, &text, reader->findings))
        return false;
    struct net_address address = {0};
    if (!parse_address(text, &address)) {
        finding_add(reader->findings, FINDING_ERROR, node,
                    "expected an IP address with a port, such as 0.0.0.0:5684 or \"[::]:5684\", "
                    "found '%.80s'",
                    text);
        return false;
    }
    *len = net_to_sockaddr(&address, out);
    return true;
}

bool config_same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    struct net_address left = {0}, right = {0};
    net_from_sockaddr((const struct sockaddr *)a, &left);
    net_from_sockaddr((const struct sockaddr *)b, &right);
    return memcmp(&left, &right, sizeof left) == 0;
}

bool config_is_loopback(const struct sockaddr_storage *address)
{
    struct net_address plain = {0};
    return net_from_sockaddr((const struct sockaddr *)address, &plain) && net_is_loopback(&plain);
}

static bool read_http_address(const struct config_reader *reader, const struct config_key *key,
                              const struct yaml_node *node, void *field)
{
    (void)key;
    struct config *config = field;
    if (node->kind == YAML_SCALAR && strcmp(node->text, "none") == 0)
        return true;
    if (!config_read_address(reader, node, &config->http_address, &config->http_address_len))
        return false;
    config->http_text = node->text;
    return true;
}

static bool same_http_address(const void *a, const void *b)
{
    const struct config *left = a, *right = b;
    return left->http_address_len == right->http_address_len &&
           config_same_address(&left->http_address, &right->http_address);
}

const struct config_kind config_address_kind = {read_http_address, same_http_address};
