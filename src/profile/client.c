/* SPDX-License-Identifier: Apache-2.0 */
/* The block `client:`: how the devices of a class behave. */
#include "profile_priv.h"

#include <stddef.h>
#include <string.h>

/* Defaults of a whole bootstrap and of one operation (reference section 9, rule 7). */
enum { DEADLINE_MS = 180000, REQUEST_TIMEOUT_MS = 93000 };

static const char *const client_keys[] = {"preset",
                                          "discover",
                                          "delete",
                                          "format",
                                          "version",
                                          "bootstrap-instance",
                                          "first-security-instance",
                                          "first-server-instance",
                                          "empty-resources",
                                          "ack-timeout",
                                          "deadline",
                                          "request-timeout",
                                          "identity-max",
                                          "key-max",
                                          "key-encoding",
                                          "message-max",
                                          "split",
                                          "refusals",
                                          "pack",
                                          "read",
                                          NULL};

static void read_discover(struct compiler *compiler, const struct yaml_node *block)
{
    static const char *const words[] = {[DISCOVER_AUTO] = "auto", [DISCOVER_NEVER] = "never", NULL};
    const struct yaml_node *node = yaml_get(block, "discover");
    int word = node ? compile_word(compiler, node, words) : -1;
    if (word >= 0)
        compiler->profile->client.discover = (enum client_discover)word;
}

static void read_preset(struct compiler *compiler, const struct yaml_node *block)
{
    struct client_behaviour *client = &compiler->profile->client;
    const struct yaml_node *node = yaml_get(block, "preset");
    const struct profile_preset *preset = node ? compile_preset(compiler, node) : NULL;
    if (!preset)
        return;
    *client = preset->client;
    client->preset = preset;
}

static void read_pack(struct compiler *compiler, const struct yaml_node *block)
{
    static const char *const words[] = {"auto", "never", NULL};
    const struct yaml_node *node = yaml_get(block, "pack");
    int word = node ? compile_word(compiler, node, words) : -1;
    if (word >= 0)
        compiler->profile->client.refuse_pack = word == 1;
}

static void read_read(struct compiler *compiler, const struct yaml_node *block)
{
    static const char *const words[] = {[READ_NEVER] = "never", [READ_AUTO] = "auto", NULL};
    const struct yaml_node *node = yaml_get(block, "read");
    int word = node ? compile_word(compiler, node, words) : -1;
    if (word >= 0)
        compiler->profile->client.read = (enum client_read)word;
}

static void read_delete(struct compiler *compiler, const struct yaml_node *block)
{
    static const char *const words[] = {[DELETE_AUTO] = "auto",
                                        [DELETE_OBJECT] = "object",
                                        [DELETE_LISTED] = "listed",
                                        [DELETE_NONE] = "none",
                                        NULL};
    const struct yaml_node *node = yaml_get(block, "delete");
    int word = node ? compile_word(compiler, node, words) : -1;
    if (word < 0)
        return;
    compiler->profile->client.delete_style = (enum client_delete)word;
    if (word == DELETE_LISTED && compiler->profile->client.discover == DISCOVER_NEVER)
        COMPILE_ERROR(compiler, node,
                      "'listed' deletes what Discover names, but client.discover is never");
}

/* Content-Formats by the names that codec.h gives them; profiles do not encode. */
static void read_format(struct compiler *compiler, const struct yaml_node *block)
{
    static const char *const words[] = {"auto",       "tlv",        "senml-json",
                                        "senml-cbor", "lwm2m-cbor", "oma-json",
                                        "tlv-1542",   "json-1543",  NULL};
    static const int formats[] = {-1, 11542, 110, 112, 11544, 11543, 1542, 1543};
    const struct yaml_node *node = yaml_get(block, "format");
    int word = node ? compile_word(compiler, node, words) : -1;
    if (word >= 0)
        compiler->profile->client.format = formats[word];
}

static void read_version(struct compiler *compiler, const struct yaml_node *block)
{
    static const char *const words[] = {"auto", "1.0", "1.1", "1.2", NULL};
    static const enum lwm2m_version versions[] = {LWM2M_VERSION_UNKNOWN, LWM2M_1_0, LWM2M_1_1,
                                                  LWM2M_1_2};
    const struct yaml_node *node = yaml_get(block, "version");
    int word = node ? compile_word(compiler, node, words) : -1;
    if (word >= 0)
        compiler->profile->client.version = versions[word];
}

static void read_key_encoding(struct compiler *compiler, const struct yaml_node *block)
{
    static const char *const words[] = {
        [KEY_ENCODING_PKCS8] = "pkcs8", [KEY_ENCODING_SEC1] = "sec1", NULL};
    const struct yaml_node *node = yaml_get(block, "key-encoding");
    int word = node ? compile_word(compiler, node, words) : -1;
    if (word >= 0)
        compiler->profile->client.key_encoding = (enum key_encoding)word;
}

static void read_split(struct compiler *compiler, const struct yaml_node *block)
{
    static const char *const words[] = {"never", "resource", NULL};
    const struct yaml_node *node = yaml_get(block, "split");
    int word = node ? compile_word(compiler, node, words) : -1;
    if (word >= 0)
        compiler->profile->client.split = word == 1;
}

static void read_refusals(struct compiler *compiler, const struct yaml_node *block)
{
    static const char *const words[] = {"code", "silent", NULL};
    const struct yaml_node *node = yaml_get(block, "refusals");
    int word = node ? compile_word(compiler, node, words) : -1;
    if (word >= 0)
        compiler->profile->client.silent_refusals = word == 1;
}

static void read_instance(struct compiler *compiler, const struct yaml_node *block, const char *key,
                          int *out)
{
    const struct yaml_node *node = yaml_get(block, key);
    int64_t number;
    if (node && yaml_integer(node, 0, 65534 - SERVERS_MAX, &number, compiler->findings))
        *out = (int)number;
}

static void read_limit(struct compiler *compiler, const struct yaml_node *block, const char *key,
                       int64_t least, int64_t most, uint16_t *out)
{
    const struct yaml_node *node = yaml_get(block, key);
    int64_t number;
    if (node && yaml_integer(node, least, most, &number, compiler->findings))
        *out = (uint16_t)number;
}

static void read_timeout(struct compiler *compiler, const struct yaml_node *block, const char *key,
                         int64_t least_ms, int64_t most_ms, uint32_t *out)
{
    const struct yaml_node *node = yaml_get(block, key);
    int64_t ms;
    if (node && yaml_duration_ms(node, least_ms, most_ms, &ms, compiler->findings))
        *out = (uint32_t)ms;
}

static void check_first(struct compiler *compiler, const struct yaml_node *block)
{
    const struct client_behaviour *client = &compiler->profile->client;
    const struct yaml_node *node = yaml_get(block, "first-security-instance");
    if (node && client->bootstrap_instance >= 0 &&
        client->first_security_instance == client->bootstrap_instance)
        COMPILE_ERROR(compiler, node, "the bootstrap account is there (client.bootstrap-instance)");
}

static void check_times(struct compiler *compiler, const struct yaml_node *block)
{
    const struct client_behaviour *client = &compiler->profile->client;
    const struct yaml_node *node = yaml_get(block, "request-timeout");
    if (node && client->request_timeout_ms > client->deadline_ms)
        COMPILE_ERROR(compiler, node,
                      "one request may not take longer than the whole bootstrap "
                      "(client.deadline)");
}

void compile_client(struct compiler *compiler, const struct yaml_node *root)
{
    struct client_behaviour *client = &compiler->profile->client;
    const struct yaml_node *block = yaml_get(root, "client");
    *client = (struct client_behaviour){.format = -1,
                                        .bootstrap_instance = -1,
                                        .first_security_instance = -1,
                                        .first_server_instance = -1,
                                        .deadline_ms = DEADLINE_MS,
                                        .request_timeout_ms = REQUEST_TIMEOUT_MS};
    if (!block ||
        !compile_expect(compiler, block, YAML_MAPPING, "a mapping such as { discover: never }"))
        return;
    read_preset(compiler, block); /* first: all other keys say what is different */
    yaml_check_keys(block, client_keys, compiler->findings);
    read_discover(compiler, block);
    read_pack(compiler, block);
    read_read(compiler, block);
    read_delete(compiler, block);
    read_format(compiler, block);
    read_version(compiler, block);
    read_key_encoding(compiler, block);
    read_split(compiler, block);
    read_refusals(compiler, block);
    read_instance(compiler, block, "bootstrap-instance", &client->bootstrap_instance);
    read_instance(compiler, block, "first-security-instance", &client->first_security_instance);
    read_instance(compiler, block, "first-server-instance", &client->first_server_instance);
    const struct yaml_node *empty = yaml_get(block, "empty-resources");
    if (empty)
        yaml_boolean(empty, &client->empty_resources, compiler->findings);
    read_timeout(compiler, block, "ack-timeout", 100, 60000, &client->ack_timeout_ms);
    read_timeout(compiler, block, "deadline", 10000, 3600000, &client->deadline_ms);
    read_timeout(compiler, block, "request-timeout", 5000, 900000, &client->request_timeout_ms);
    read_limit(compiler, block, "identity-max", 1, IDENTITY_MAX, &client->identity_max);
    read_limit(compiler, block, "key-max", 16, 64, &client->key_max);
    read_limit(compiler, block, "message-max", 64, 65535, &client->message_max);
    check_first(compiler, block);
    check_times(compiler, block);
}
