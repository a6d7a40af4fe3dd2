/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of plain values: numbers, times, words, paths, lists of text. */
#include "config_priv.h"

#include <assert.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static bool same_number(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(uint32_t)) == 0;
}

static bool same_boolean(const void *a, const void *b)
{
    return *(const bool *)a == *(const bool *)b;
}

static bool same_text(const void *a, const void *b)
{
    const char *left = *(const char *const *)a, *right = *(const char *const *)b;
    if (left == NULL || right == NULL)
        return left == right;
    return strcmp(left, right) == 0;
}

static bool is_word(const struct yaml_node *node, const char *word)
{
    return node->kind == YAML_SCALAR && strcmp(node->text, word) == 0;
}

static bool read_number(const struct config_reader *reader, const struct config_key *key,
                        const struct yaml_node *node, void *field)
{
    int64_t value = 0;
    if (!yaml_integer(node, key->least, key->most, &value, reader->findings))
        return false;
    *(uint32_t *)field = (uint32_t)value;
    return true;
}

/* Processors that this process may use, which in a container are fewer than there are. */
static unsigned processors(void)
{
    cpu_set_t usable;
    CPU_ZERO(&usable);
    if (sched_getaffinity(0, sizeof usable, &usable) != 0)
        return 1;
    int count = CPU_COUNT(&usable);
    return count < 1 ? 1 : count > CONFIG_WORKERS_MAX ? CONFIG_WORKERS_MAX : (unsigned)count;
}

static bool read_workers(const struct config_reader *reader, const struct config_key *key,
                         const struct yaml_node *node, void *field)
{
    static_assert(sizeof(unsigned) == sizeof(uint32_t), "workers are read as any number");
    if (!is_word(node, "auto"))
        return read_number(reader, key, node, field);
    *(unsigned *)field = processors();
    return true;
}

static bool read_duration(const struct config_reader *reader, const struct config_key *key,
                          const struct yaml_node *node, void *field)
{
    int64_t ms = 0;
    if (!yaml_duration_ms(node, key->least, key->most, &ms, reader->findings))
        return false;
    if (ms % key->unit != 0) {
        finding_add(reader->findings, FINDING_ERROR, node, "expected whole %s, found '%s'",
                    key->unit == 1000 ? "seconds" : "days", node->text);
        return false;
    }
    *(uint32_t *)field = (uint32_t)(ms / key->unit);
    return true;
}

/* "forever" rather than 0, which reads like "keep nothing". */
static bool read_history(const struct config_reader *reader, const struct config_key *key,
                         const struct yaml_node *node, void *field)
{
    if (!is_word(node, "forever"))
        return read_duration(reader, key, node, field);
    *(uint32_t *)field = 0;
    return true;
}

static bool read_boolean(const struct config_reader *reader, const struct config_key *key,
                         const struct yaml_node *node, void *field)
{
    (void)key;
    return yaml_boolean(node, field, reader->findings);
}

/* The place of a word in a NULL-terminated list, or -1 after an error finding. */
static int read_word(const struct config_reader *reader, const struct yaml_node *node,
                     const char *const *words)
{
    const char *text = NULL;
    if (!yaml_text(node, &text, reader->findings))
        return -1;
    char list[128];
    size_t len = 0;
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0)
            return i;
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    const char *near = yaml_suggest(text, words);
    finding_add(reader->findings, FINDING_ERROR, node, "expected one of %s, found '%s'%s%s%s", list,
                text, near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                near != NULL ? "'?" : "");
    return -1;
}

/* One or several out of a list; a word twice counts once. */
bool config_read_words(const struct config_reader *reader, const struct yaml_node *node,
                       const char *const *words, uint32_t *out)
{
    uint32_t bits = 0;
    bool good = true;
    const struct yaml_node *item = node->kind == YAML_SEQUENCE ? node->first : node;

    if (item == NULL) {
        finding_add(reader->findings, FINDING_ERROR, node, "expected at least one word");
        return false;
    }
    for (; item != NULL; item = node->kind == YAML_SEQUENCE ? item->next : NULL) {
        int word = read_word(reader, item, words);
        if (word >= 0)
            bits |= 1u << word;
        good = good && word >= 0;
    }
    if (good)
        *out = bits;
    return good;
}

static bool read_certificate_names(const struct config_reader *reader, const struct config_key *key,
                                   const struct yaml_node *node, void *field)
{
    static const char *const words[] = {"cn", "uri", "dns", NULL};
    static_assert(CONFIG_NAME_CN == 1 << 0 && CONFIG_NAME_URI == 1 << 1 &&
                      CONFIG_NAME_DNS == 1 << 2,
                  "the words in their order");

    (void)key;
    if (is_word(node, "all")) {
        *(uint32_t *)field = CONFIG_NAME_CN | CONFIG_NAME_URI | CONFIG_NAME_DNS;
        return true;
    }
    return config_read_words(reader, node, words, field);
}

static bool read_crl_expired(const struct config_reader *reader, const struct config_key *key,
                             const struct yaml_node *node, void *field)
{
    static const char *const words[] = {"refuse", "warn", NULL};
    int word = read_word(reader, node, words);

    (void)key;
    if (word >= 0)
        *(bool *)field = word == 1;
    return word >= 0;
}

static bool read_backend(const struct config_reader *reader, const struct config_key *key,
                         const struct yaml_node *node, void *field)
{
    (void)key;
    static const char *const words[] = {"sqlite", "memory", NULL};
    int word = read_word(reader, node, words);
    if (word >= 0)
        *(const char **)field = words[word];
    return word >= 0;
}

static bool read_level(const struct config_reader *reader, const struct config_key *key,
                       const struct yaml_node *node, void *field)
{
    (void)key;
    static const char *const words[] = {"debug", "info", "warning", "error", NULL};
    int word = read_word(reader, node, words);
    bool known = false;
    if (word >= 0)
        *(enum log_level *)field = log_level_from_name(words[word], &known);
    return known;
}

static bool read_format(const struct config_reader *reader, const struct config_key *key,
                        const struct yaml_node *node, void *field)
{
    (void)key;
    static const char *const words[] = {"json", "text", NULL};
    int word = read_word(reader, node, words);
    if (word >= 0)
        *(bool *)field = word == 1;
    return word >= 0;
}

const char *config_resolve_path(const struct config_reader *reader, const struct yaml_node *node)
{
    const char *text = NULL;
    if (!yaml_text(node, &text, reader->findings))
        return NULL;
    if (text[0] == '\0') {
        finding_add(reader->findings, FINDING_ERROR, node, "expected a path, found nothing");
        return NULL;
    }
    const char *path =
        arena_printf(reader->arena, "%s%s", text[0] == '/' ? "" : reader->folder, text);
    if (path == NULL)
        config_no_memory(reader, node);
    return path;
}

static bool read_path(const struct config_reader *reader, const struct config_key *key,
                      const struct yaml_node *node, void *field)
{
    (void)key;
    const char *path = config_resolve_path(reader, node);
    if (path != NULL)
        *(const char **)field = path;
    return path != NULL;
}

/* The kernel takes no longer path for a UNIX socket. */
static bool read_socket(const struct config_reader *reader, const struct config_key *key,
                        const struct yaml_node *node, void *field)
{
    enum { SOCKET_PATH_MAX = sizeof((struct sockaddr_un *)0)->sun_path - 1 };
    if (is_word(node, "none")) {
        *(const char **)field = NULL;
        return true;
    }
    if (!read_path(reader, key, node, field))
        return false;
    size_t len = strlen(*(const char **)field);
    if (len <= SOCKET_PATH_MAX)
        return true;
    finding_add(reader->findings, FINDING_ERROR, node,
                "the path of the socket, with its folder, has %zu bytes; the system allows %d", len,
                SOCKET_PATH_MAX);
    return false;
}

/* ---- lists of text; one item may stand without the list ---- */

struct text_list {
    const char **items;
    size_t count, max;
    const char *(*read)(const struct config_reader *reader, const struct yaml_node *node);
};

static bool add_item(const struct config_reader *reader, const struct yaml_node *node,
                     struct text_list *list)
{
    if (list->count == list->max) {
        finding_add(reader->findings, FINDING_ERROR, node, "more than %zu entries", list->max);
        return false;
    }
    const char *text = list->read(reader, node);
    if (text != NULL)
        list->items[list->count++] = text;
    return text != NULL;
}

static bool read_list(const struct config_reader *reader, const struct yaml_node *node,
                      struct text_list *list)
{
    if (node->kind == YAML_SCALAR)
        return add_item(reader, node, list);
    if (node->kind != YAML_SEQUENCE) {
        finding_add(reader->findings, FINDING_ERROR, node, "expected a list of text");
        return false;
    }
    bool good = true;
    for (const struct yaml_node *item = node->first; item != NULL; item = item->next)
        good = add_item(reader, item, list) && good;
    return good;
}

static bool same_list(const char *const *a, size_t a_count, const char *const *b, size_t b_count)
{
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++) {
        if (strcmp(a[i], b[i]) != 0)
            return false;
    }
    return true;
}

static bool read_profiles(const struct config_reader *reader, const struct config_key *key,
                          const struct yaml_node *node, void *field)
{
    (void)key;
    struct config *config = field;
    struct text_list list = {
        .items = config->profiles, .max = CONFIG_PATHS_MAX, .read = config_resolve_path};
    bool good = read_list(reader, node, &list);
    config->profile_count = list.count;
    if (good && list.count == 0) {
        finding_add(reader->findings, FINDING_ERROR, node,
                    "expected at least one directory or file of profiles");
        good = false;
    }
    return good;
}

static bool read_crls(const struct config_reader *reader, const struct config_key *key,
                      const struct yaml_node *node, void *field)
{
    (void)key;
    struct config_x509 *x509 = field;
    struct text_list list = {
        .items = x509->crls, .max = CONFIG_PATHS_MAX, .read = config_resolve_path};
    bool good = read_list(reader, node, &list);
    x509->crl_count = list.count;
    return good;
}

static bool same_profiles(const void *a, const void *b)
{
    const struct config *left = a, *right = b;
    return same_list(left->profiles, left->profile_count, right->profiles, right->profile_count);
}

static const char *read_host(const struct config_reader *reader, const struct yaml_node *node)
{
    const char *text = NULL;
    if (!yaml_text(node, &text, reader->findings))
        return NULL;
    size_t good = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");
    if (good > 0 && good <= 253 && text[good] == '\0')
        return text;
    finding_add(reader->findings, FINDING_ERROR, node,
                "expected a host name without scheme and port, such as usher.city.example, "
                "found '%.80s'",
                text);
    return NULL;
}

static bool read_hosts(const struct config_reader *reader, const struct config_key *key,
                       const struct yaml_node *node, void *field)
{
    (void)key;
    struct config *config = field;
    struct text_list list = {
        .items = config->http_hosts, .max = CONFIG_HOSTS_MAX, .read = read_host};
    bool good = read_list(reader, node, &list);
    config->http_host_count = list.count;
    return good;
}

static bool same_hosts(const void *a, const void *b)
{
    const struct config *left = a, *right = b;
    return same_list(left->http_hosts, left->http_host_count, right->http_hosts,
                     right->http_host_count);
}

const struct config_kind config_number = {read_number, same_number};
const struct config_kind config_workers = {read_workers, same_number};
const struct config_kind config_duration = {read_duration, same_number};
const struct config_kind config_history = {read_history, same_number};
const struct config_kind config_boolean = {read_boolean, same_boolean};
const struct config_kind config_path = {read_path, same_text};
const struct config_kind config_socket = {read_socket, same_text};
const struct config_kind config_backend = {read_backend, same_text};
const struct config_kind config_level = {read_level, same_number};
const struct config_kind config_format = {read_format, same_boolean};
const struct config_kind config_paths = {read_profiles, same_profiles};
const struct config_kind config_hosts = {read_hosts, same_hosts};
/* Of keys that a reload can change: what they were does not matter. */
const struct config_kind config_crls = {.read = read_crls};
const struct config_kind config_crl_expired = {.read = read_crl_expired};
const struct config_kind config_certificate_names = {.read = read_certificate_names};

static bool read_prefix(const struct config_reader *reader, const struct yaml_node *node,
                        struct config *config)
{
    const char *text = NULL;
    if (config->exempt_count == CONFIG_PREFIXES_MAX) {
        finding_add(reader->findings, FINDING_ERROR, node, "more than %d entries",
                    CONFIG_PREFIXES_MAX);
        return false;
    }
    if (!yaml_text(node, &text, reader->findings))
        return false;
    if (net_prefix_parse(text, &config->exempt[config->exempt_count])) {
        config->exempt_count++;
        return true;
    }
    finding_add(reader->findings, FINDING_ERROR, node,
                "expected a network such as 192.0.2.0/24 or \"2001:db8::/32\", with zeros behind "
                "its bits, found '%.80s'",
                text);
    return false;
}

static bool read_prefixes(const struct config_reader *reader, const struct config_key *key,
                          const struct yaml_node *node, void *field)
{
    (void)key;
    bool good = true;
    if (node->kind == YAML_SCALAR)
        return read_prefix(reader, node, field);
    if (node->kind != YAML_SEQUENCE) {
        finding_add(reader->findings, FINDING_ERROR, node, "expected a list of networks");
        return false;
    }
    for (const struct yaml_node *item = node->first; item != NULL; item = item->next)
        good = read_prefix(reader, item, field) && good;
    return good;
}

static bool same_prefixes(const void *a, const void *b)
{
    const struct config *left = a, *right = b;
    return left->exempt_count == right->exempt_count &&
           memcmp(left->exempt, right->exempt, left->exempt_count * sizeof left->exempt[0]) == 0;
}

const struct config_kind config_prefixes = {read_prefixes, same_prefixes};
