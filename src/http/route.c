/* SPDX-License-Identifier: Apache-2.0 */
/* The table of routes, and what may reach one. */
#include "http_priv.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char endpoint_segment[] = "{endpoint}";

const struct route http_routes[] = {
    {"GET", "/livez", http_get_livez, HTTP_PUBLIC},
    {"GET", "/readyz", http_get_readyz, HTTP_PUBLIC},
    {"GET", "/metrics", http_get_metrics, HTTP_VIEWER},
    {"GET", "/", http_get_dashboard, HTTP_PUBLIC},
    {"GET", "/assets/{id}", http_get_asset, HTTP_PUBLIC},
    {"GET", "/openapi.yaml", http_get_openapi, HTTP_PUBLIC},
    {"GET", "/v1/status", http_get_status, HTTP_VIEWER},
    {"GET", "/v1/rejects", http_get_rejects, HTTP_VIEWER},
    {"GET", "/v1/profiles", http_get_profiles, HTTP_VIEWER},
    {"GET", "/v1/servers", http_get_servers, HTTP_VIEWER},
    {"GET", "/v1/events", http_get_events, HTTP_VIEWER},
    {"GET", "/v1/series", http_get_series, HTTP_VIEWER},
    {"GET", "/v1/devices", http_get_devices, HTTP_VIEWER},
    {"GET", "/v1/devices/{endpoint}", http_get_device, HTTP_VIEWER},
    {"PUT", "/v1/devices/{endpoint}", http_put_device, HTTP_ENROLLER},
    {"DELETE", "/v1/devices/{endpoint}", http_delete_device, HTTP_OPERATOR},
    {"GET", "/v1/devices/{endpoint}/history", http_get_history, HTTP_VIEWER},
    {"GET", "/v1/devices/{endpoint}/plan", http_get_plan, HTTP_VIEWER},
    {"GET", "/v1/plans", http_get_plans, HTTP_VIEWER},
    {"POST", "/v1/devices/{endpoint}/block", http_block_device, HTTP_OPERATOR},
    {"POST", "/v1/devices/{endpoint}/unblock", http_unblock_device, HTTP_OPERATOR},
    {"POST", "/v1/devices/{endpoint}/accept", http_accept_device, HTTP_OPERATOR},
    {"POST", "/v1/devices/{endpoint}/pick", http_pick_place, HTTP_OPERATOR},
    {"POST", "/v1/rekey", http_rekey, HTTP_ADMIN},
    {"GET", "/v1/whoami", http_get_whoami, HTTP_VIEWER},
    {"GET", "/v1/tokens", http_get_tokens, HTTP_ADMIN},
    {"POST", "/v1/tokens", http_post_token, HTTP_ADMIN},
    {"DELETE", "/v1/tokens/{id}", http_delete_token, HTTP_ADMIN},
    {"GET", "/v1/imports", http_get_imports, HTTP_VIEWER},
    {"POST", "/v1/imports", http_end_upload, HTTP_OPERATOR, http_begin_import, http_upload},
    {"GET", "/v1/imports/{id}", http_get_import, HTTP_VIEWER},
    {"POST", "/v1/imports/{id}", http_end_upload, HTTP_OPERATOR, http_continue_import, http_upload},
    {"POST", "/v1/imports/{id}/stop", http_stop_import, HTTP_OPERATOR},
    {"GET", "/v1/imports/{id}/report", http_get_report, HTTP_VIEWER},
    {"GET", "/v1/export", http_get_export, HTTP_VIEWER},
    {"GET", "/v1/audit", http_get_audit, HTTP_OPERATOR},
    {"GET", "/v1/groups", http_get_groups, HTTP_VIEWER},
    {"GET", "/v1/groups/{id}", http_get_group, HTTP_VIEWER},
    {"PUT", "/v1/groups/{id}", http_put_group, HTTP_OPERATOR},
    {"DELETE", "/v1/groups/{id}", http_delete_group, HTTP_OPERATOR},
    {"POST", "/v1/groups/{id}/block", http_block_group, HTTP_OPERATOR},
    {"POST", "/v1/groups/{id}/unblock", http_unblock_group, HTTP_OPERATOR},
};
const size_t http_route_count = sizeof http_routes / sizeof http_routes[0];
_Static_assert(sizeof http_routes / sizeof http_routes[0] <= HTTP_ROUTES_MAX, "each is counted");

const unsigned http_status_kinds[HTTP_STATUS_KINDS] = {200, 201, 202, 204, 304, 400, 401, 403,
                                                       404, 405, 406, 409, 412, 413, 415, 421,
                                                       422, 428, 429, 500, 501, 503, 504, 0};

void http_count_answer(struct request *request)
{
    size_t kind = 0;
    size_t route =
        request->route != NULL ? (size_t)(request->route - http_routes) : http_route_count;
    while (http_status_kinds[kind] != 0 && http_status_kinds[kind] != request->status)
        kind++;
    atomic_fetch_add_explicit(&request->http->answered[route][kind], 1, memory_order_relaxed);
}

/* ---- paths ---- */

bool http_percent_decode(const char *text, size_t len, char *out, size_t cap)
{
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        int value = (unsigned char)text[i];
        if (text[i] == '%') {
            int high = i + 2 < len ? bytes_hex_digit(text[i + 1]) : -1;
            int low = i + 2 < len ? bytes_hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            value = high << 4 | low;
            i += 2;
        }
        if (value == 0 || used + 1 >= cap)
            return false;
        out[used++] = (char)value;
    }
    out[used] = '\0';
    return true;
}

/* A segment of a path that stands in the place of "{endpoint}" or "{id}", as it came. */
struct segment {
    const char *text; /* NULL = none */
    size_t len;
    bool is_endpoint;
};

/* Compares segment by segment. */
static bool path_matches(const char *pattern, const char *path, struct segment *found)
{
    *found = (struct segment){0};
    while (*pattern == '/' && *path == '/') {
        pattern++;
        path++;
        size_t wanted = strcspn(pattern, "/"), given = strcspn(path, "/");
        if (*pattern == '{') {
            bool is_endpoint = strncmp(pattern, endpoint_segment, wanted) == 0;
            *found = (struct segment){path, given, is_endpoint};
        } else if (wanted != given || memcmp(pattern, path, wanted) != 0) {
            return false;
        }
        pattern += wanted;
        path += given;
    }
    return *pattern == '\0' && *path == '\0' && (found->text == NULL || found->len > 0);
}

static void read_endpoint(struct request *request, const char *text, size_t len)
{
    struct err err = {0};
    if (!http_percent_decode(text, len, request->endpoint, sizeof request->endpoint))
        http_problem(
            request, 400, "invalid",
            "the endpoint in the path is not well percent-encoded, or longer than %d bytes",
            ENDPOINT_MAX);
    else if (enrollment_check_endpoint(bytes_of_text(request->endpoint), &err) != ERR_OK)
        http_problem(request, 400, "invalid", "%s", err.text);
}

static void read_item(struct request *request, const char *text, size_t len)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (len >= sizeof request->item || strspn(text, plain) < len) {
        http_problem(request, 400, "invalid", "the id in the path is none of this server's");
        return;
    }
    memcpy(request->item, text, len);
    request->item[len] = '\0';
}

static void add_method(struct request *request, const char *method)
{
    const char *text = strcmp(method, "GET") == 0 ? "GET, HEAD" : method;
    size_t used = strlen(request->allow);
    snprintf(request->allow + used, sizeof request->allow - used, "%s%s", used > 0 ? ", " : "",
             text);
}

void http_find_route(struct request *request, const char *method)
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    for (size_t i = 0; i < http_route_count; i++) {
        const struct route *route = &http_routes[i];
        struct segment found;
        if (!path_matches(route->path, request->path, &found))
            continue;
        add_method(request, route->method);
        if (strcmp(route->method, wanted) != 0)
            continue;
        request->route = route;
        request->allow[0] = '\0';
        if (found.text != NULL && found.is_endpoint)
            read_endpoint(request, found.text, found.len);
        else if (found.text != NULL)
            read_item(request, found.text, found.len);
        return;
    }
    if (request->allow[0] != '\0')
        http_problem(request, 405, "invalid", "the method %.16s is not offered here; %s are",
                     method, request->allow);
    else
        http_problem(request, 404, "not-found", "there is nothing at this path; see the HTTP API");
}

/* ---- Host and Origin ---- */

/* The host of "host", "host:port", "[v6]:port"; false when it is malformed. */
static bool split_host(const char *text, char *host, size_t cap)
{
    size_t len = text[0] == '[' ? strcspn(text, "]") + 1 : strcspn(text, ":");
    if (len >= cap || len > strlen(text))
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    const char *port = text + len;
    return len > 0 &&
           (*port == '\0' || (*port == ':' && strspn(port + 1, "0123456789") == strlen(port + 1)));
}

static bool is_ip_literal(const char *host)
{
    struct in6_addr address;
    size_t len = strlen(host);
    if (host[0] != '[')
        return inet_pton(AF_INET, host, &address) == 1;
    char inner[INET6_ADDRSTRLEN];
    if (len < 2 || host[len - 1] != ']' || len - 2 >= sizeof inner)
        return false;
    memcpy(inner, host + 1, len - 2);
    inner[len - 2] = '\0';
    return inet_pton(AF_INET6, inner, &address) == 1;
}

/* A name that a stranger's DNS server answers for is what rebinding needs. An address is no name,
 * and localhost is never asked for. */
static bool host_is_ours(const struct http *http, const char *text)
{
    char host[256];
    if (!split_host(text, host, sizeof host))
        return false;
    if (strcasecmp(host, "localhost") == 0 || is_ip_literal(host))
        return true;
    for (size_t i = 0; i < http->config.host_count; i++) {
        if (strcasecmp(host, http->hosts[i]) == 0)
            return true;
    }
    return false;
}

/* The page that a browser shows came from here: same scheme, host and port. */
static bool origin_is_ours(const struct request *request, const char *origin, const char *host)
{
    bool tls = !request->door->is_unix && request->http->certificate_path != NULL;
    const char *scheme = tls ? "https://" : "http://";
    return strncmp(origin, scheme, strlen(scheme)) == 0 &&
           strcasecmp(origin + strlen(scheme), host) == 0;
}

struct header_search {
    const char *name;
    const char *value;
    size_t count;
};

static enum MHD_Result count_header(void *context, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    (void)kind;
    struct header_search *search = context;
    if (strcasecmp(name, search->name) == 0) {
        search->value = value;
        search->count++;
    }
    return MHD_YES;
}

static struct header_search find_header(const struct request *request, const char *name)
{
    struct header_search search = {.name = name};
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, count_header, &search);
    return search;
}

bool http_check_origin(struct request *request)
{
    struct header_search host = find_header(request, MHD_HTTP_HEADER_HOST);
    struct header_search origin = find_header(request, MHD_HTTP_HEADER_ORIGIN);
    if (host.count != 1 || host.value == NULL) {
        http_problem(request, 400, "invalid", "one Host header is needed, %zu were sent",
                     host.count);
        return false;
    }
    if (!host_is_ours(request->http, host.value)) {
        http_problem(request, 421, "denied",
                     "this server is not known as '%.200s'; use its IP address or localhost, or "
                     "list the name under http.hosts",
                     host.value);
        return false;
    }
    bool foreign = origin.count > 1 ||
                   (origin.count == 1 &&
                    (origin.value == NULL || !origin_is_ours(request, origin.value, host.value)));
    if (foreign)
        http_problem(request, 403, "denied", "pages of other origins may not use this server");
    return !foreign;
}
