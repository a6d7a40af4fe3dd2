/* SPDX-License-Identifier: Apache-2.0 */
/* How well-known clients behave, by name. What is here was read in their sources, issue trackers or
 * manuals (docs/interop.md); what is not known of one is left as usual. */
#include "profile_priv.h"

#include <string.h>

enum {
    MODE_BIT_PSK = 1 << 0,
    MODE_BIT_RPK = 1 << 1,
    MODE_BIT_X509 = 1 << 2,
    MODE_BIT_NOSEC = 1 << 3,
    MODE_BIT_EST = 1 << 4,
    MODE_BIT_OSCORE = 1 << 5,
    TLV = 11542,
};

/* What may not be zero when it is not known. */
#define CLIENT(its_format, its_bootstrap_instance, ...)                                            \
    {.format = (its_format),                                                                       \
     .bootstrap_instance = (its_bootstrap_instance),                                               \
     .first_security_instance = -1,                                                                \
     .first_server_instance = -1,                                                                  \
     .deadline_ms = 180000,                                                                        \
     .request_timeout_ms = 93000,                                                                  \
     __VA_ARGS__}

static const char loops[] = "some begin anew at once, for ever";
static const uint16_t mbed_objects[] = {OBJECT_SECURITY, OBJECT_SERVER, OBJECT_DEVICE};

static const struct profile_preset presets[] = {
    {
        .name = "anjay",
        .about = "AVSystem Anjay 3: asks for a Bootstrap-Pack first when built for LwM2M 1.2",
        .client = CLIENT(-1, -1, .discover = DISCOVER_AUTO),
        .account_advice = "3.2.0 and 3.2.1 crash at Finish",
    },
    {
        .name = "anjay-lite",
        .about = "AVSystem Anjay Lite: messages of 1200 bytes, 4.06 ends its session",
        .client = CLIENT(-1, -1, .message_max = 1024),
    },
    {
        .name = "leshan",
        .about = "Eclipse Leshan client: PKCS#8 only, one certificate; /0/x/3 to 5 as its own "
                 "server writes them",
        .client = CLIENT(-1, -1, .empty_resources = true),
        .modes = MODE_BIT_PSK | MODE_BIT_RPK | MODE_BIT_X509 | MODE_BIT_NOSEC | MODE_BIT_OSCORE,
    },
    {
        .name = "mbed-cloud-client",
        .about = "Pelion Device Management client: TLV only; objects 0, 1 and 3 only",
        .client = CLIENT(TLV, -1, .delete_style = DELETE_OBJECT),
        .objects = mbed_objects,
        .object_count = sizeof(mbed_objects) / sizeof(mbed_objects[0]),
    },
    {
        .name = "module-1.0",
        .about = "a modem with LwM2M 1.0 of which nothing more is known: TLV, no Discover",
        .client = CLIENT(TLV, -1, .version = LWM2M_1_0, .discover = DISCOVER_NEVER,
                         .ack_timeout_ms = 10000),
        .modes = MODE_BIT_PSK | MODE_BIT_NOSEC,
        .account_advice = loops,
    },
    {
        .name = "quectel-bc66",
        .about = "Quectel BC66 (NB-IoT), LwM2M 1.0: its PSK suites are CBC only (listener: "
                 "ciphers)",
        .client = CLIENT(TLV, -1, .version = LWM2M_1_0, .ack_timeout_ms = 10000),
        .modes = MODE_BIT_PSK | MODE_BIT_NOSEC,
        .account_advice = loops,
    },
    {
        .name = "quectel-bg95",
        .about =
            "Quectel BG95: asks as urn:imei-msisdn:.., registers as urn:imei:..; server 102 is "
            "its own usual one",
        .client = CLIENT(TLV, -1, .ack_timeout_ms = 8000),
        .modes = MODE_BIT_PSK | MODE_BIT_NOSEC,
        .account_advice = loops,
    },
    {
        .name = "telit",
        .about = "Telit ME910: 4.04 to Discover and Read",
        .client = CLIENT(TLV, -1, .version = LWM2M_1_0, .discover = DISCOVER_NEVER,
                         .ack_timeout_ms = 8000),
        .modes = MODE_BIT_PSK | MODE_BIT_NOSEC,
        .account_advice = loops,
    },
    {
        .name = "u-blox",
        .about = "u-blox SARA: its Short Server IDs are set beforehand (721, for one)",
        .client = CLIENT(TLV, -1, .version = LWM2M_1_0, .ack_timeout_ms = 8000),
        .modes = MODE_BIT_PSK | MODE_BIT_NOSEC,
        .account_advice = loops,
    },
    {
        .name = "wakaama",
        .about = "Eclipse Wakaama: older ones lose the bootstrap account with DELETE /0",
        .client = CLIENT(-1, 0, .delete_style = DELETE_LISTED),
        .modes = MODE_BIT_PSK | MODE_BIT_NOSEC,
    },
    {
        .name = "zephyr",
        .about =
            "Zephyr LwM2M: 16 bytes for identity and key unless configured otherwise, one server "
            "beside the bootstrap account, no blocks in writes; an error code parks it",
        .client = CLIENT(-1, -1, .identity_max = 16, .key_max = 16, .message_max = 1024,
                         .split = true, .silent_refusals = true),
        .servers_max = 1,
        .modes = MODE_BIT_PSK | MODE_BIT_X509 | MODE_BIT_NOSEC,
    },
};
enum { PRESET_COUNT = sizeof(presets) / sizeof(presets[0]) };

const struct profile_preset *profile_preset(size_t index)
{
    return index < PRESET_COUNT ? &presets[index] : NULL;
}

const struct profile_preset *compile_preset(struct compiler *compiler, const struct yaml_node *node)
{
    const char *names[PRESET_COUNT + 1] = {0};
    for (size_t i = 0; i < PRESET_COUNT; i++)
        names[i] = presets[i].name;
    int word = compile_word(compiler, node, names);
    return word >= 0 ? &presets[word] : NULL;
}

/* --- what a class asks for beyond its preset --- */

static bool knows_object(const struct profile_preset *preset, uint16_t object)
{
    for (size_t i = 0; i < preset->object_count; i++)
        if (preset->objects[i] == object)
            return true;
    return preset->object_count == 0;
}

static uint8_t mode_bit(const struct rule_server *server)
{
    for (size_t i = 0; i < server->security.count; i++) {
        const struct rule_record *record = &server->security.records[i];
        if (record->path.ids[2] == 2 && server->oscore.count == 0)
            return (uint8_t)(1u << record->value.fixed.integer);
    }
    return MODE_BIT_OSCORE;
}

static struct yaml_node place_of(const struct rule_server *server)
{
    return (struct yaml_node){.file = server->file, .line = server->line, .column = 1};
}

static void check_servers(struct compiler *compiler, const struct profile_preset *preset)
{
    const struct profile_rules *rules = &compiler->profile->rules;
    for (size_t i = 0; i < rules->server_count; i++) {
        struct yaml_node place = place_of(&rules->servers[i]);
        if (preset->servers_max > 0 && i == preset->servers_max)
            COMPILE_WARNING(compiler, &place, "clients of preset %s have room for %u server%s",
                            preset->name, preset->servers_max, preset->servers_max > 1 ? "s" : "");
        if (preset->modes != 0 && (preset->modes & mode_bit(&rules->servers[i])) == 0)
            COMPILE_WARNING(compiler, &place,
                            "clients of preset %s do not know this security mode (server %u)",
                            preset->name, rules->servers[i].ssid);
    }
}

void check_preset(struct compiler *compiler, const struct yaml_node *root)
{
    const struct profile_preset *preset = compiler->profile->client.preset;
    const struct profile_rules *rules = &compiler->profile->rules;
    const struct yaml_node *write = yaml_get(root, "write");
    const struct yaml_node *access = yaml_get(root, "access-control");
    if (!preset)
        return;
    check_servers(compiler, preset);
    if (rules->bootstrap && preset->account_advice)
        COMPILE_WARNING(compiler, yaml_get(root, "bootstrap-account")->key,
                        "a rewritten bootstrap account can break clients of preset %s: %s; "
                        "try one first",
                        preset->name, preset->account_advice);
    if (rules->access_count > 0 && !knows_object(preset, OBJECT_ACCESS_CONTROL))
        COMPILE_WARNING(compiler, access->key, "clients of preset %s do not know object 2",
                        preset->name);
    for (size_t i = 0; write && i < rules->write_count; i++) {
        uint16_t object = rules->writes[i].path.ids[0];
        bool told = i > 0 && rules->writes[i - 1].path.ids[0] == object;
        if (!told && !knows_object(preset, object))
            COMPILE_WARNING(compiler, write->key, "clients of preset %s do not know object %u",
                            preset->name, object);
    }
}
