/* SPDX-License-Identifier: Apache-2.0 */
/* The block `servers:`: for each LwM2M server one instance of /0 and one of /1. */
#include "servers_priv.h"

#include <string.h>

enum { DELAY_MAX_S = 30 * 86400 };

static const char *const server_keys[] = {"id",
                                          "uri",
                                          "pick",
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
                                          NULL};

static const struct {
    const char *scheme;
    bool secure;
    bool tcp;
} schemes[] = {{"coaps://", true, false},
               {"coap://", false, false},
               {"coaps+tcp://", true, true},
               {"coap+tcp://", false, true}};
enum { SCHEME_COUNT = sizeof(schemes) / sizeof(schemes[0]) };

static struct path security_path(uint16_t resource)
{
    return path_resource(OBJECT_SECURITY, 0, resource);
}

const struct yaml_node *server_wanted(struct compiler *compiler, const struct yaml_node *node,
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

size_t server_literal_length(const struct rule_value *value)
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
    if (server_literal_length(value) > 255)
        COMPILE_ERROR(compiler, node, "a URI has at most 255 bytes");
    bool secure = server_mode_is_secure(building->mode);
    if (secure && !schemes[scheme].secure)
        COMPILE_ERROR(compiler, node,
                      "security mode %s needs coaps:// (or coaps+tcp://); an unprotected server "
                      "has security: { mode: nosec }",
                      server_mode_name(building->mode));
    if (!secure && schemes[scheme].secure)
        COMPILE_ERROR(compiler, node,
                      "security mode %s needs coap:// (or coap+tcp://); a server behind DTLS has "
                      "security: { mode: psk, credential: generate }",
                      server_mode_name(building->mode));
}

bool server_read_uri(struct building *building, const struct yaml_node *mapping,
                     struct rule_value *out)
{
    struct compiler *compiler = building->compiler;
    const struct yaml_node *node =
        server_wanted(compiler, mapping, "uri", "uri: coaps://lwm2m.example:5684");
    const struct resource_definition *definition = object_table_resource(OBJECT_SECURITY, 0);
    if (!node || !compile_value(compiler, node, VALUE_STRING, definition, out))
        return false;
    check_uri(building, node, out);
    return true;
}

void server_compile_uri(struct building *building)
{
    struct path path = security_path(0);
    const struct yaml_node *pick = yaml_get(building->node, "pick");
    struct rule_value value = {.fixed = {.type = VALUE_STRING}};
    if (pick ? !server_compile_pick(building, pick)
             : !server_read_uri(building, building->node, &value))
        return;
    struct rule_record *record =
        record_list_add(building->compiler, &building->security, building->node, &path);
    if (!record)
        return;
    record->value = value;
    if (pick)
        record->source = RULE_PICK;
}

/* --- records --- */

struct rule_record *server_add_late(struct building *building, struct record_list *list,
                                    struct path path, enum rule_source source)
{
    struct rule_record *record = record_list_add(building->compiler, list, building->node, &path);
    if (record) {
        record->source = source;
        record->value.fixed.type = VALUE_OPAQUE;
    }
    return record;
}

bool server_add_scalar(struct building *building, struct record_list *list,
                       const struct yaml_node *node, struct path path)
{
    struct rule_value value;
    const struct resource_definition *definition = object_table_resource(path.ids[0], path.ids[2]);
    if (!compile_value(building->compiler, node, definition->type, definition, &value))
        return false;
    struct rule_record *record = record_list_add(building->compiler, list, node, &path);
    if (record)
        record->value = value;
    return record != NULL;
}

/* --- the rest of /0 --- */

void server_compile_hold_off(struct building *building)
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
    const struct yaml_node *pick = yaml_get(server, "pick");
    const struct yaml_node *from = pick ? yaml_get(pick, "from") : NULL;
    if (from && from->first) /* what holds for one place holds for all */
        uri = yaml_get(from->first, "uri");
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
    out->oscore =
        (struct rule_write){.path = path_instance(OBJECT_OSCORE, 0),
                            .records = record_list_keep(building->compiler, &building->oscore),
                            .count = building->oscore.count};
}

static void compile_server(struct compiler *compiler, const struct yaml_node *node,
                           const struct rule_server *first, struct rule_server *out)
{
    struct building building = {.compiler = compiler, .node = node, .first = first, .out = out};
    out->file = compile_file(compiler, node);
    out->line = node->line;
    yaml_check_keys(node, server_keys, compiler->findings);
    server_compile_security(&building);
    server_compile_uri(&building);
    struct path path = security_path(1);
    record_list_boolean(compiler, &building.security, node, &path, false);
    path = security_path(10);
    record_list_number(compiler, &building.security, node, &path, out->ssid);
    server_compile_hold_off(&building);

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
    const struct yaml_node *list = server_wanted(
        compiler, root, "servers", "a list with at least one LwM2M server; see profiles/");
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
        compile_server(compiler, node, servers, &servers[count]);
        count++;
    }
    rules->servers = servers;
    rules->server_count = count;
}
