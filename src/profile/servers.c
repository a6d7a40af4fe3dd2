/* SPDX-License-Identifier: Apache-2.0 */
/* The block `servers:`: for each LwM2M server one instance of /0 and one of /1. */
#include "profile_priv.h"
#include "template_priv.h"

#include <string.h>

/* Security Mode, /0/x/2 (OMA Core 1.2 appendix E.1). */
enum security_mode { MODE_PSK = 0, MODE_NOSEC = 3 };
enum { KEY_LENGTH_DEFAULT = 16, KEY_LENGTH_LEAST = 16, KEY_LENGTH_MOST = 64 };
enum { DELAY_MAX_S = 30 * 86400 };

static const char *const server_keys[] = {
    "id",
    "uri",
    "security",
    "lifetime",
    "binding",
    "min-period",
    "max-period",
    "disable-timeout",
    "hold-off",
    "trigger",
    "registration",
    "store-notifications",
    "mute-send",
    "extra",
    "preferred-transport",
    "oscore", /* known, and refused with a sentence of its own */
    NULL};

static const char *const security_keys[] = {"mode", "credential",   "identity", "key-length",
                                            "sni",  "ciphersuites", NULL};

static const struct {
    const char *scheme;
    bool secure;
    bool tcp;
} schemes[] = {{"coaps://", true, false},
               {"coap://", false, false},
               {"coaps+tcp://", true, true},
               {"coap+tcp://", false, true}};
enum { SCHEME_COUNT = sizeof(schemes) / sizeof(schemes[0]) };

/* One server while it is compiled. */
struct building {
    struct compiler *compiler;
    const struct yaml_node *node;
    struct rule_server *out;
    enum security_mode mode;
    struct record_list security, server;
};

static struct path security_path(uint16_t resource)
{
    return path_resource(OBJECT_SECURITY, 0, resource);
}

/* A key that must be there, unless the class leaves it to its children. */
static const struct yaml_node *wanted(struct compiler *compiler, const struct yaml_node *node,
                                      const char *key, const char *example)
{
    const struct yaml_node *child = yaml_get(node, key);
    if (!child && !compiler->abstract)
        COMPILE_ERROR(compiler, node, "'%s' is missing: %s", key, example);
    return child;
}

/* --- uri --- */

static int scheme_of(const char *text)
{
    for (int i = 0; i < SCHEME_COUNT; i++)
        if (strncmp(text, schemes[i].scheme, strlen(schemes[i].scheme)) == 0)
            return i;
    return -1;
}

static bool has_blank(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= ' ' || *text == 0x7f)
            return true;
    return false;
}

/* Whatever variables will expand to, the literal parts count already. */
static size_t literal_length(const struct rule_value *value)
{
    size_t len = 0;
    for (size_t i = 0; i < value->part_count; i++)
        if (value->parts[i].kind == PART_TEXT)
            len += value->parts[i].text.len;
    return len;
}

static void check_uri(struct building *building, const struct yaml_node *node,
                      const struct rule_value *value)
{
    struct compiler *compiler = building->compiler;
    int scheme = scheme_of(node->text);
    if (scheme < 0) {
        COMPILE_ERROR(compiler, node,
                      "a server's URI starts with coaps://, coap://, coaps+tcp:// or coap+tcp://");
        return;
    }
    const char *host = node->text + strlen(schemes[scheme].scheme);
    if (*host == '\0' || *host == ':' || *host == '/')
        COMPILE_ERROR(compiler, node, "the URI names no host");
    if (has_blank(node->text))
        COMPILE_ERROR(compiler, node, "a URI has no blanks");
    if (literal_length(value) > 255)
        COMPILE_ERROR(compiler, node, "a URI has at most 255 bytes");
    if (building->mode == MODE_PSK && !schemes[scheme].secure)
        COMPILE_ERROR(compiler, node,
                      "security mode psk needs coaps:// (or coaps+tcp://); an unprotected server "
                      "has security: { mode: nosec }");
    if (building->mode == MODE_NOSEC && schemes[scheme].secure)
        COMPILE_ERROR(compiler, node,
                      "security mode nosec needs coap:// (or coap+tcp://); a protected server has "
                      "security: { mode: psk, credential: generate }");
}

static void compile_uri(struct building *building)
{
    struct compiler *compiler = building->compiler;
    const struct yaml_node *node =
        wanted(compiler, building->node, "uri", "uri: coaps://lwm2m.example:5684");
    struct path path = security_path(0);
    struct rule_value value;
    const struct resource_definition *definition = object_table_resource(OBJECT_SECURITY, 0);
    if (!node || !compile_value(compiler, node, VALUE_STRING, definition, &value))
        return;
    check_uri(building, node, &value);
    struct rule_record *record = record_list_add(compiler, &building->security, node, &path);
    if (record)
        record->value = value;
}

/* --- security --- */

/* A record whose value only a plan knows. */
static void add_late(struct building *building, uint16_t resource, enum rule_source source)
{
    struct path path = security_path(resource);
    struct rule_record *record =
        record_list_add(building->compiler, &building->security, building->node, &path);
    if (record) {
        record->source = source;
        record->value.fixed.type = VALUE_OPAQUE;
    }
}

static void compile_identity(struct building *building, const struct yaml_node *security)
{
    static const struct yaml_node usual = {.text = "${endpoint}", .text_len = 11, .file = ""};
    struct compiler *compiler = building->compiler;
    const struct yaml_node *node = yaml_get(security, "identity");
    if (node && building->out->credential != CREDENTIAL_GENERATE) {
        COMPILE_ERROR(compiler, node->key,
                      "'identity' goes with credential: generate; an enrolled one has its own");
        return;
    }
    struct yaml_node stand_in = usual;
    stand_in.file = security->file;
    stand_in.line = security->line;
    if (!node)
        node = &stand_in;
    struct rule_value *identity = &building->out->identity;
    if (!compile_value(compiler, node, VALUE_STRING, NULL, identity))
        return;
    /* Identities are bytes; only the profile says them as text. */
    size_t len = identity->part_count > 0 ? literal_length(identity) : identity->fixed.bytes.len;
    if (len > IDENTITY_MAX)
        COMPILE_ERROR(compiler, node, "an identity has at most %d bytes", IDENTITY_MAX);
    if (len == 0 && identity->part_count == 0)
        COMPILE_ERROR(compiler, node, "an identity has at least 1 byte");
    if (identity->part_count == 0 && len > 0 && !compiler->abstract)
        COMPILE_WARNING(compiler, node,
                        "all devices of the class get the same identity; ${endpoint} in it tells "
                        "them apart");
    if (identity->has_now)
        COMPILE_ERROR(compiler, node, "${now} would make another identity at every attempt");
}

static void compile_key_length(struct building *building, const struct yaml_node *security)
{
    struct compiler *compiler = building->compiler;
    const struct yaml_node *node = yaml_get(security, "key-length");
    building->out->key_len = KEY_LENGTH_DEFAULT;
    if (!node)
        return;
    int64_t length;
    if (building->out->credential != CREDENTIAL_GENERATE)
        COMPILE_ERROR(compiler, node->key,
                      "'key-length' goes with credential: generate; an enrolled key has its own");
    else if (yaml_integer(node, KEY_LENGTH_LEAST, KEY_LENGTH_MOST, &length, compiler->findings))
        building->out->key_len = (uint16_t)length;
}

static void check_key_limit(struct building *building, const struct yaml_node *security)
{
    uint16_t most = building->compiler->profile->client.key_max;
    const struct yaml_node *node = yaml_get(security, "key-length");
    if (building->out->credential == CREDENTIAL_GENERATE && most > 0 &&
        building->out->key_len > most)
        COMPILE_ERROR(building->compiler, node ? node : security,
                      "a key of %u bytes, but client.key-max says these devices take %u",
                      building->out->key_len, most);
}

static void compile_psk(struct building *building, const struct yaml_node *security)
{
    static const char *const words[] = {"generate", "enrolled", NULL};
    struct compiler *compiler = building->compiler;
    const struct yaml_node *node =
        wanted(compiler, security, "credential",
               "generate (a fresh key at each bootstrap) or enrolled (the key stored with the "
               "device)");
    int word = node ? compile_word(compiler, node, words) : 0;
    building->out->credential = word == 1 ? CREDENTIAL_ENROLLED : CREDENTIAL_GENERATE;
    if (building->out->credential == CREDENTIAL_GENERATE || yaml_get(security, "identity"))
        compile_identity(building, security);
    compile_key_length(building, security);
    check_key_limit(building, security);
    add_late(building, 3, RULE_IDENTITY);
    add_late(building, 5, RULE_KEY);
}

static void refuse_psk_keys(struct building *building, const struct yaml_node *security)
{
    static const char *const keys[] = {"credential", "identity", "key-length", "ciphersuites",
                                       "sni"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const struct yaml_node *node = yaml_get(security, keys[i]);
        if (node)
            COMPILE_ERROR(building->compiler, node->key, "'%s' says nothing with mode: nosec",
                          keys[i]);
    }
}

static void compile_suites(struct building *building, const struct yaml_node *security)
{
    struct compiler *compiler = building->compiler;
    const struct yaml_node *list = yaml_get(security, "ciphersuites");
    if (!list || !compile_expect(compiler, list, YAML_SEQUENCE, "a list of ciphersuites"))
        return;
    uint16_t instance = 0;
    for (const struct yaml_node *item = list->first; item; item = item->next) {
        int64_t number = item->kind == YAML_SCALAR ? suite_number(item->text) : -1;
        bool named = item->kind == YAML_SCALAR && strncmp(item->text, "TLS_", 4) == 0;
        if (number < 0 && named) {
            const char *meant = yaml_suggest(item->text, suite_names());
            COMPILE_ERROR(compiler, item, "unknown ciphersuite '%.60s'%s%s%s", item->text,
                          meant ? "; did you mean '" : "; write its IANA number, such as 0xC0A8",
                          meant ? meant : "", meant ? "'?" : "");
            continue;
        }
        if (number < 0 && !yaml_integer(item, 0, 65535, &number, compiler->findings))
            continue;
        struct path path = security_path(16);
        path.ids[3] = instance++;
        path.depth = 4;
        record_list_number(compiler, &building->security, item, &path, number);
    }
}

static void compile_sni(struct building *building, const struct yaml_node *security)
{
    const struct yaml_node *node = yaml_get(security, "sni");
    struct path path = security_path(14);
    struct rule_value value;
    if (!node || !compile_value(building->compiler, node, VALUE_STRING,
                                object_table_resource(OBJECT_SECURITY, 14), &value))
        return;
    struct rule_record *record =
        record_list_add(building->compiler, &building->security, node, &path);
    if (record)
        record->value = value;
}

static void compile_security(struct building *building)
{
    static const char *const words[] = {"psk", "nosec", NULL};
    struct compiler *compiler = building->compiler;
    const struct yaml_node *security =
        wanted(compiler, building->node, "security",
               "security: { mode: psk, credential: generate }, or { mode: nosec }");
    if (!security || !compile_expect(compiler, security, YAML_MAPPING,
                                     "a mapping such as { mode: psk, credential: generate }"))
        return;
    yaml_check_keys(security, security_keys, compiler->findings);
    const struct yaml_node *mode = wanted(compiler, security, "mode", "mode: psk, or mode: nosec");
    int word = mode ? compile_word(compiler, mode, words) : 0;
    if (word < 0)
        return;
    building->mode = word == 1 ? MODE_NOSEC : MODE_PSK;
    if (building->mode == MODE_NOSEC) {
        building->out->credential = CREDENTIAL_NONE;
        refuse_psk_keys(building, security);
    } else {
        compile_psk(building, security);
        compile_sni(building, security);
        compile_suites(building, security);
    }
    struct path path = security_path(2);
    record_list_number(compiler, &building->security, security, &path, building->mode);
}

/* --- the rest of /0 --- */

static void compile_hold_off(struct building *building)
{
    const struct yaml_node *node = yaml_get(building->node, "hold-off");
    struct path path = security_path(11);
    struct rule_delay delay;
    if (!node || !compile_delay(building->compiler, node, DELAY_MAX_S, &delay))
        return;
    struct rule_record *record =
        record_list_add(building->compiler, &building->security, node, &path);
    if (record) {
        record->source = RULE_DELAY;
        record->delay = delay;
        record->value.fixed.type = VALUE_INTEGER;
    }
}

/* Some models want /0/x/3, 4 and 5 even when their mode does not use them. */
static void add_empty_resources(struct building *building)
{
    for (uint16_t resource = 3; resource <= 5; resource++) {
        struct path path = security_path(resource);
        if (record_list_has(&building->security, &path))
            continue;
        struct rule_record *record =
            record_list_add(building->compiler, &building->security, building->node, &path);
        if (record)
            record->value.fixed = (struct value){.type = VALUE_OPAQUE};
    }
}

static const char *default_binding(const struct yaml_node *server)
{
    const struct yaml_node *uri = yaml_get(server, "uri");
    int scheme = uri && uri->kind == YAML_SCALAR ? scheme_of(uri->text) : -1;
    return scheme >= 0 && schemes[scheme].tcp ? "T" : "U";
}

static void keep(struct building *building)
{
    struct rule_server *out = building->out;
    out->security =
        (struct rule_write){.path = path_instance(OBJECT_SECURITY, 0),
                            .records = record_list_keep(building->compiler, &building->security),
                            .count = building->security.count};
    out->server =
        (struct rule_write){.path = path_instance(OBJECT_SERVER, 0),
                            .records = record_list_keep(building->compiler, &building->server),
                            .count = building->server.count};
}

static void compile_server(struct compiler *compiler, const struct yaml_node *node,
                           struct rule_server *out)
{
    struct building building = {.compiler = compiler, .node = node, .out = out};
    out->file = compile_file(compiler, node);
    out->line = node->line;
    yaml_check_keys(node, server_keys, compiler->findings);
    const struct yaml_node *oscore = yaml_get(node, "oscore");
    if (oscore)
        COMPILE_ERROR(compiler, oscore->key,
                      "OSCORE accounts are not offered yet; protect the server with security: "
                      "{ mode: psk, credential: generate }");
    compile_security(&building);
    compile_uri(&building);
    struct path path = security_path(1);
    record_list_boolean(compiler, &building.security, node, &path, false);
    path = security_path(10);
    record_list_number(compiler, &building.security, node, &path, out->ssid);
    compile_hold_off(&building);

    path = path_resource(OBJECT_SERVER, 0, 0);
    record_list_number(compiler, &building.server, node, &path, out->ssid);
    compile_server_settings(compiler, node, &building.server);
    compile_binding(compiler, node, default_binding(node), out);
    path = path_resource(OBJECT_SERVER, 0, 7);
    struct rule_record *binding = record_list_add(compiler, &building.server, node, &path);
    if (binding) {
        binding->source = RULE_BINDING;
        binding->value.fixed.type = VALUE_STRING;
    }
    const struct yaml_node *extra = yaml_get(node, "extra");
    if (extra)
        compile_extra(compiler, extra, &building.security, &building.server);
    if (compiler->profile->client.empty_resources)
        add_empty_resources(&building);
    keep(&building);
}

/* --- the list --- */

static bool compile_ssid(struct compiler *compiler, const struct yaml_node *node,
                         const struct rule_server *servers, size_t count, uint16_t *out)
{
    const struct yaml_node *id = yaml_get(node, "id");
    int64_t number;
    if (!id) {
        COMPILE_ERROR(compiler, node, "'id' is missing: the Short Server ID, 1 to 65534");
        return false;
    }
    if (!yaml_integer(id, 1, 65534, &number, compiler->findings))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (servers[i].ssid == number) {
            COMPILE_ERROR(compiler, id, "server %d is there already, at line %u", (int)number,
                          servers[i].line);
            return false;
        }
    }
    *out = (uint16_t)number;
    return true;
}

void compile_servers(struct compiler *compiler, const struct yaml_node *root)
{
    struct profile_rules *rules = &compiler->profile->rules;
    const struct yaml_node *list =
        wanted(compiler, root, "servers", "a list with at least one LwM2M server; see profiles/");
    if (!list || !compile_expect(compiler, list, YAML_SEQUENCE, "a list of servers"))
        return;
    if (!list->first)
        COMPILE_ERROR(compiler, list, "no server in the list: a device without one cannot finish");
    struct rule_server *servers = compile_alloc(compiler, SERVERS_MAX * sizeof(*servers));
    if (!servers)
        return;
    size_t count = 0;
    for (const struct yaml_node *node = list->first; node; node = node->next) {
        if (count == SERVERS_MAX) {
            COMPILE_ERROR(compiler, node, "more than %d servers", SERVERS_MAX);
            break;
        }
        if (!compile_expect(compiler, node, YAML_MAPPING, "a mapping with id, uri and security") ||
            !compile_ssid(compiler, node, servers, count, &servers[count].ssid))
            continue;
        compile_server(compiler, node, &servers[count++]);
    }
    rules->servers = servers;
    rules->server_count = count;
}
