/* SPDX-License-Identifier: Apache-2.0 */
/* Internet addresses as plain values. */
#include "usher/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool net_from_sockaddr(const struct sockaddr *address, struct net_address *out)
{
    struct net_address result = {0};

    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        result.family = 4;
        result.port = ntohs(in.sin_port);
        memcpy(result.ip, &in.sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        result.family = 6;
        result.port = ntohs(in6.sin6_port);
        result.scope = in6.sin6_scope_id;
        memcpy(result.ip, &in6.sin6_addr, 16);
    } else {
        return false;
    }
    *out = result;
    return true;
}

socklen_t net_to_sockaddr(const struct net_address *address, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (address->family == 4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(address->port)};
        memcpy(&in.sin_addr, address->ip, 4);
        memcpy(out, &in, sizeof in);
        return sizeof in;
    }
    struct sockaddr_in6 in6 = {
        .sin6_family = AF_INET6,
        .sin6_port = htons(address->port),
        .sin6_scope_id = address->scope,
    };
    memcpy(&in6.sin6_addr, address->ip, 16);
    memcpy(out, &in6, sizeof in6);
    return sizeof in6;
}

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool is_mapped(const struct net_address *address)
{
    return address->family == 6 && memcmp(address->ip, mapped_prefix, sizeof mapped_prefix) == 0;
}

/* "192.0.2.7"; the place behind it. */
static char *put_ipv4(const uint8_t ip[static 4], char *out)
{
    for (unsigned i = 0; i < 4; i++) {
        char digits[BYTES_DECIMAL_SIZE];
        size_t len = bytes_to_decimal(ip[i], digits);
        memcpy(out, digits, len);
        out[len] = '.';
        out += len + 1;
    }
    return out - 1;
}

static char *put_host(const struct net_address *address, bool in_brackets, char *out)
{
    char host[INET6_ADDRSTRLEN] = "?";

    if (address->family == 4)
        return put_ipv4(address->ip, out);
    if (is_mapped(address))
        return put_ipv4(address->ip + 12, out);
    if (address->family == 6)
        inet_ntop(AF_INET6, address->ip, host, sizeof host);
    return out + sprintf(out, in_brackets ? "[%s]" : "%s", host);
}

void net_text(const struct net_address *address, bool with_port, char out[static NET_TEXT_SIZE])
{
    char *end = put_host(address, with_port, out);

    if (with_port) {
        char digits[BYTES_DECIMAL_SIZE];
        size_t len = bytes_to_decimal(address->port, digits);
        *end++ = ':';
        memcpy(end, digits, len);
        end += len;
    }
    *end = '\0';
}

bool net_path_equal(const struct net_path *a, const struct net_path *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

bool net_is_loopback(const struct net_address *address)
{
    static const uint8_t ipv6_loopback[16] = {[15] = 1};

    if (address->family == 4)
        return address->ip[0] == 127;
    if (is_mapped(address))
        return address->ip[12] == 127;
    return memcmp(address->ip, ipv6_loopback, sizeof ipv6_loopback) == 0;
}

/* Whether two addresses of one family agree in their first bits. */
static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8;
    uint8_t rest = (uint8_t)(0xff00 >> (bits % 8));

    return memcmp(a, b, whole) == 0 && (bits % 8 == 0 || ((a[whole] ^ b[whole]) & rest) == 0);
}

static bool parse_bits(const char *text, unsigned most, uint8_t *out)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 3 || text[digits] != '\0')
        return false;
    long bits = strtol(text, NULL, 10);
    *out = (uint8_t)bits;
    return bits <= (long)most;
}

bool net_prefix_parse(const char *text, struct net_prefix *out)
{
    static const uint8_t nothing[16];
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    struct net_prefix prefix = {0};
    char address[INET6_ADDRSTRLEN];

    if (len >= sizeof address)
        return false;
    memcpy(address, text, len);
    address[len] = '\0';
    prefix.network.family = strchr(address, ':') == NULL ? 4 : 6;
    unsigned most = prefix.network.family == 4 ? 32 : 128;
    prefix.bits = (uint8_t)most;
    if (inet_pton(most == 32 ? AF_INET : AF_INET6, address, prefix.network.ip) != 1 ||
        (slash != NULL && !parse_bits(slash + 1, most, &prefix.bits)))
        return false;
    uint8_t behind[16];
    memcpy(behind, prefix.network.ip, sizeof behind);
    memset(behind, 0, prefix.bits / 8);
    if (prefix.bits % 8 != 0)
        behind[prefix.bits / 8] &= (uint8_t)(0xff >> (prefix.bits % 8));
    if (memcmp(behind, nothing, sizeof behind) != 0)
        return false;
    *out = prefix;
    return true;
}

bool net_prefix_contains(const struct net_prefix *prefix, const struct net_address *address)
{
    return prefix->network.family == address->family &&
           same_bits(prefix->network.ip, address->ip, prefix->bits);
}
