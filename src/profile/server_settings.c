/* SPDX-License-Identifier: Apache-2.0 */
/* What a server's block says for its /1 instance, by a table; binding; and what is given by number.
 */
#include "profile_priv.h"

#include <string.h>

enum setting_kind { SETTING_SECONDS, SETTING_DELAY, SETTING_COUNT, SETTING_BOOLEAN };

/* Longer is no setting but a slip of the unit. */
enum { SECONDS_MAX = 3650 * 86400, COUNT_MAX = 65535, LIFETIME_DEFAULT_S = 86400 };

struct setting {
    const char *key;
    uint16_t resource; /* of /1 */
    enum setting_kind kind;
};

static const struct setting server_settings[] = {
    {"lifetime", 1, SETTING_SECONDS},
    {"min-period", 2, SETTING_SECONDS},
    {"max-period", 3, SETTING_SECONDS},
    {"disable-timeout", 5, SETTING_SECONDS},
    {"store-notifications", 6, SETTING_BOOLEAN},
    {"trigger", 21, SETTING_BOOLEAN},
    {"mute-send", 23, SETTING_BOOLEAN},
    {0},
};

static const struct setting registration_settings[] = {
    {"priority", 13, SETTING_COUNT},
    {"delay", 14, SETTING_DELAY},
    {"block-on-failure", 15, SETTING_BOOLEAN},
    {"bootstrap-on-failure", 16, SETTING_BOOLEAN},
    {"retries", 17, SETTING_COUNT},
    {"retry-delay", 18, SETTING_SECONDS},
    {"sequence-delay", 19, SETTING_SECONDS},
    {"sequences", 20, SETTING_COUNT},
    {0},
};

static const char *const registration_keys[] = {
    "priority", "delay",       "block-on-failure", "bootstrap-on-failure",
    "retries",  "retry-delay", "sequence-delay",   "sequences",
    NULL};

/* --- settings --- */

bool compile_delay(struct compiler *compiler, const struct yaml_node *node, int64_t most,
                   struct rule_delay *out)
{
    static const char *const keys[] = {"spread", "after", NULL};
    int64_t after = 0, spread = 0;
    if (node->kind != YAML_MAPPING) {
        if (!compile_seconds(compiler, node, most, &after))
            return false;
        *out = (struct rule_delay){.after = (uint32_t)after};
        return true;
    }
    yaml_check_keys(node, keys, compiler->findings);
    const struct yaml_node *spread_node = yaml_get(node, "spread");
    const struct yaml_node *after_node = yaml_get(node, "after");
    if (!spread_node) {
        COMPILE_ERROR(compiler, node, "'spread' is missing: { spread: 5min, after: 10s }");
        return false;
    }
    bool good = compile_seconds(compiler, spread_node, most, &spread);
    if (after_node && !compile_seconds(compiler, after_node, most, &after))
        good = false;
    if (!good)
        return false;
    *out = (struct rule_delay){.after = (uint32_t)after, .spread = (uint32_t)spread};
    return true;
}

static void add_delay(struct compiler *compiler, const struct yaml_node *node,
                      const struct path *path, struct record_list *list)
{
    struct rule_delay delay;
    if (!compile_delay(compiler, node, SECONDS_MAX, &delay))
        return;
    struct rule_record *record = record_list_add(compiler, list, node, path);
    if (record) {
        record->source = RULE_DELAY;
        record->delay = delay;
        record->value.fixed.type = VALUE_UNSIGNED;
    }
}

static void compile_setting(struct compiler *compiler, const struct yaml_node *node,
                            const struct setting *setting, struct record_list *list)
{
    struct path path = path_resource(OBJECT_SERVER, 0, setting->resource);
    int64_t number;
    bool boolean;
    switch (setting->kind) {
    case SETTING_SECONDS:
        if (compile_seconds(compiler, node, SECONDS_MAX, &number))
            record_list_number(compiler, list, node, &path, number);
        break;
    case SETTING_COUNT:
        if (yaml_integer(node, 0, COUNT_MAX, &number, compiler->findings))
            record_list_number(compiler, list, node, &path, number);
        break;
    case SETTING_BOOLEAN:
        if (yaml_boolean(node, &boolean, compiler->findings))
            record_list_boolean(compiler, list, node, &path, boolean);
        break;
    case SETTING_DELAY:
        add_delay(compiler, node, &path, list);
        break;
    }
}

static void compile_settings(struct compiler *compiler, const struct yaml_node *mapping,
                             const struct setting *settings, struct record_list *list)
{
    for (; settings->key; settings++) {
        const struct yaml_node *node = yaml_get(mapping, settings->key);
        if (node)
            compile_setting(compiler, node, settings, list);
    }
}

static const struct rule_record *find(const struct record_list *list, uint16_t resource)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].path.ids[2] == resource)
            return &list->items[i];
    return NULL;
}

static void check_periods(struct compiler *compiler, const struct yaml_node *node,
                          const struct record_list *list)
{
    const struct rule_record *least = find(list, 2), *most = find(list, 3);
    if (least && most && least->value.fixed.integer > most->value.fixed.integer)
        COMPILE_ERROR(compiler, yaml_get(node, "min-period"),
                      "min-period is longer than max-period");
    const struct rule_record *lifetime = find(list, 1);
    if (lifetime && lifetime->value.fixed.integer == 0)
        COMPILE_ERROR(compiler, yaml_get(node, "lifetime"),
                      "a lifetime of 0 ends the registration at once");
}

/* Devices have no defaults of their own for these that a server could know of. */
static void add_defaults(struct compiler *compiler, const struct yaml_node *node,
                         struct record_list *list)
{
    struct path path = path_resource(OBJECT_SERVER, 0, 1);
    if (!yaml_get(node, "lifetime"))
        record_list_number(compiler, list, node, &path, LIFETIME_DEFAULT_S);
    path = path_resource(OBJECT_SERVER, 0, 6);
    if (!yaml_get(node, "store-notifications"))
        record_list_boolean(compiler, list, node, &path, true);
}

void compile_server_settings(struct compiler *compiler, const struct yaml_node *node,
                             struct record_list *list)
{
    compile_settings(compiler, node, server_settings, list);
    check_periods(compiler, node, list);
    add_defaults(compiler, node, list);
    const struct yaml_node *registration = yaml_get(node, "registration");
    if (registration && compile_expect(compiler, registration, YAML_MAPPING,
                                       "a mapping such as { priority: 1, retries: 5 }")) {
        yaml_check_keys(registration, registration_keys, compiler->findings);
        compile_settings(compiler, registration, registration_settings, list);
    }
    const struct yaml_node *transport = yaml_get(node, "preferred-transport");
    if (transport) {
        static const char *const letters[] = {"U", "M", "H", "T", "S", "N", NULL};
        int word = compile_word(compiler, transport, letters);
        struct path path = path_resource(OBJECT_SERVER, 0, 22);
        struct rule_record *record =
            word < 0 ? NULL : record_list_add(compiler, list, transport, &path);
        if (record)
            record->value.fixed =
                (struct value){.type = VALUE_STRING, .bytes = bytes_of_text(letters[word])};
    }
}

/* --- binding --- */

/* The letters of each version (OMA Core 1.0 5.3.1.1, 1.1 and 1.2 6.2.1.2); in 1.0 only these words.
 * From 1.1 on queue mode is no longer said here: the device says it when it registers. */
static const char *const words_1_0[] = {"U", "UQ", "S", "SQ", "US", "UQS", NULL};
static const char *const letters_of[RULE_VERSIONS] = {"UQS", "UTSN", "UTSNMH"};

/* The letters of `text` that `allowed` has; in the order of 1.0 for 1.0. */
static struct bytes pick_letters(struct compiler *compiler, const char *text, const char *allowed,
                                 bool *cut)
{
    char picked[16];
    size_t len = 0;
    for (; *text != '\0'; text++) {
        if (strchr(allowed, *text))
            picked[len++] = *text;
        else if (*text != 'Q')
            *cut = true;
    }
    return bytes_of(compile_text(compiler, picked, len), len);
}

static struct bytes pick_word(struct compiler *compiler, const char *text, bool *cut)
{
    struct bytes letters = pick_letters(compiler, text, letters_of[0], cut);
    for (size_t i = 0; words_1_0[i]; i++) {
        if (strlen(words_1_0[i]) != letters.len)
            continue;
        size_t same = 0;
        while (same < letters.len && strchr(words_1_0[i], letters.data[same]))
            same++;
        if (same == letters.len)
            return bytes_of_text(words_1_0[i]);
    }
    return bytes_of(NULL, 0);
}

static bool check_letters(struct compiler *compiler, const struct yaml_node *node, const char *text)
{
    for (const char *letter = text; *letter != '\0'; letter++) {
        if (!strchr("UTSNMHQ", *letter)) {
            COMPILE_ERROR(compiler, node,
                          "unknown binding letter '%c'; known are U (UDP), T (TCP), S (SMS), N "
                          "(non-IP), M (MQTT), H (HTTP) and Q (queue mode)",
                          *letter);
            return false;
        }
        if (strchr(letter + 1, *letter)) {
            COMPILE_ERROR(compiler, node, "binding letter '%c' is there twice", *letter);
            return false;
        }
    }
    if (text[strspn(text, "Q")] == '\0') {
        COMPILE_ERROR(compiler, node, "expected a binding such as U, UQ or UT, found '%s'", text);
        return false;
    }
    return true;
}

/* The class says of what version its devices are: then the letters must exist there. */
static void check_version(struct compiler *compiler, const struct yaml_node *node, const char *text,
                          const struct rule_server *server)
{
    enum lwm2m_version version = compiler->profile->client.version;
    if (version == LWM2M_VERSION_UNKNOWN)
        return;
    size_t index = (size_t)(version - LWM2M_1_0);
    if (server->binding_cut[index] || server->binding[index].len == 0)
        COMPILE_ERROR(compiler, node,
                      "binding '%s' does not exist in LwM2M 1.%zu (client.version)%s", text, index,
                      index == 0 ? ": U, UQ, S, SQ, US or UQS do" : "");
}

static void check_transport(struct compiler *compiler, const struct yaml_node *server,
                            const char *text)
{
    const struct yaml_node *transport = yaml_get(server, "preferred-transport");
    if (transport && transport->kind == YAML_SCALAR && strlen(transport->text) == 1 &&
        !strchr(text, transport->text[0]))
        COMPILE_ERROR(compiler, transport, "'%s' is not among the letters of binding '%s'",
                      transport->text, text);
}

void compile_binding(struct compiler *compiler, const struct yaml_node *server,
                     const char *fallback, struct rule_server *out)
{
    const struct yaml_node *node = yaml_get(server, "binding");
    const char *text = fallback;
    if (node &&
        (!yaml_text(node, &text, compiler->findings) || !check_letters(compiler, node, text)))
        return;
    out->binding[0] = pick_word(compiler, text, &out->binding_cut[0]);
    for (size_t i = 1; i < RULE_VERSIONS; i++)
        out->binding[i] = pick_letters(compiler, text, letters_of[i], &out->binding_cut[i]);
    check_version(compiler, node ? node : server, text, out);
    check_transport(compiler, server, text);
}

/* --- resources by number --- */

/* Resources that a key of the server's block speaks of: written once, by name. */
static const struct {
    uint16_t object, resource;
    const char *key;
} named[] = {
    {0, 0, "uri"},
    {0, 1, NULL},
    {0, 2, "security: mode"},
    {0, 3, "identity"},
    {0, 5, "credential"},
    {0, 10, "id"},
    {0, 11, "hold-off"},
    {0, 14, "sni"},
    {0, 16, "ciphersuites"},
    {0, 17, "oscore"},
    {1, 0, "id"},
    {1, 1, "lifetime"},
    {1, 6, "store-notifications"},
    {1, 7, "binding"},
};

static bool is_named(struct compiler *compiler, const struct yaml_node *node, uint16_t object,
                     uint16_t resource)
{
    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
        if (named[i].object != object || named[i].resource != resource)
            continue;
        if (named[i].key)
            COMPILE_ERROR(compiler, node->key, "/%u/x/%u is written by the key '%s'", object,
                          resource, named[i].key);
        else
            COMPILE_ERROR(compiler, node->key,
                          "/0/x/1 is always false here: the bootstrap account is not touched");
        return true;
    }
    return false;
}

static void compile_numbers(struct compiler *compiler, const struct yaml_node *mapping,
                            uint16_t object, struct record_list *list)
{
    if (!mapping || !compile_expect(compiler, mapping, YAML_MAPPING,
                                    "a mapping from resource numbers to values"))
        return;
    for (const struct yaml_node *node = mapping->first; node; node = node->next) {
        uint16_t resource;
        if (!compile_id(compiler, node->key, "the number of a resource", 65534, &resource) ||
            is_named(compiler, node, object, resource))
            continue;
        struct path path = path_resource(object, 0, resource);
        compile_values(compiler, node, &path, NULL, list);
    }
}

void compile_extra(struct compiler *compiler, const struct yaml_node *node,
                   struct record_list *security, struct record_list *server)
{
    static const char *const keys[] = {"security", "server", NULL};
    if (!compile_expect(compiler, node, YAML_MAPPING, "a mapping such as { server: { 26: 1 } }"))
        return;
    yaml_check_keys(node, keys, compiler->findings);
    compile_numbers(compiler, yaml_get(node, "security"), OBJECT_SECURITY, security);
    compile_numbers(compiler, yaml_get(node, "server"), OBJECT_SERVER, server);
}
