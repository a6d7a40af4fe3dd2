/* Well-known clients, as read in their sources, issue trackers and manuals (docs/interop.md). What
 * is not known of one is left as usual. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/coap.h"
#include "usher/sim.h"

#include <string.h>

#define FORMATS(list) .formats = (list), .format_count = sizeof(list) / sizeof((list)[0])
#define OBJECTS(list) .objects = (list), .object_count = sizeof(list) / sizeof((list)[0])

static const int tlv_only[] = {FORMAT_TLV};
static const int wakaama_formats[] = {FORMAT_SENML_CBOR, FORMAT_SENML_JSON};
static const int zephyr_formats[] = {FORMAT_TLV, FORMAT_SENML_CBOR, FORMAT_SENML_JSON, FORMAT_TEXT,
                                     FORMAT_OPAQUE};
static const uint16_t mbed_objects[] = {OBJECT_SECURITY, OBJECT_SERVER, OBJECT_DEVICE};

static const struct sim_personality personalities[] = {
    {
        .name = "anjay",
        .about = "AVSystem Anjay 3 built for LwM2M 1.2: a Bootstrap-Pack first; a Delete of its "
                 "bootstrap account by its instance loses it",
        .version = LWM2M_1_2,
        .preferred_format = FORMAT_SENML_CBOR,
        .pack = true,
        .timeout_restarts = true,
        .quirks = {.plain_request_next = true,
                   .account_delete = SIM_ACCOUNT_LOST,
                   .one_bootstrap_account = true,
                   .empty_segment_code = COAP_BAD_OPTION},
    },
    {
        .name = "anjay-lite",
        .about = "AVSystem Anjay Lite: messages of 1200 bytes, deaf to NON, CCM_8 only; a refused "
                 "Finish ends the session",
        .version = LWM2M_1_2,
        .preferred_format = FORMAT_SENML_CBOR,
        .cipher = SIM_CIPHER_CCM8,
        .quirks = {.message_max = 1200, .ignores_non = true, .refused_finish = SIM_FINISH_ENDS},
    },
    {
        .name = "leshan",
        .about = "Eclipse Leshan client: Finish answered separately, says 1.0, wants /0/x/3 to 5, "
                 "PKCS#8 only; after a refused Finish everything is 5.00",
        .version = LWM2M_1_1,
        .preferred_format = FORMAT_SENML_CBOR,
        .quirks = {.separate_finish = true,
                   .says_1_0 = true,
                   .wants_unused = true,
                   .pkcs8_only = true,
                   .refused_finish = SIM_FINISH_DEAF},
    },
    {
        .name = "mbed-cloud-client",
        .about = "Pelion Device Management client: TLV, objects 0, 1 and 3, Deletes of one digit; "
                 "every answer is a message of its own; another format ends its bootstrap",
        .version = LWM2M_1_0,
        .preferred_format = FORMAT_NONE,
        FORMATS(tlv_only),
        OBJECTS(mbed_objects),
        .separate = true,
        .quirks = {.one_digit_delete = true, .format_code = COAP_BAD_REQUEST, .format_ends = true},
    },
    {
        .name = "module-1.0",
        .about = "a modem with LwM2M 1.0: TLV, no Discover, loops when its bootstrap account is "
                 "written",
        .version = LWM2M_1_0,
        .preferred_format = FORMAT_NONE,
        FORMATS(tlv_only),
        .quirks = {.discover_code = COAP_METHOD_NOT_ALLOWED, .account_write_loops = true},
    },
    {
        .name = "quectel-bc66",
        .about = "Quectel BC66: LwM2M 1.0, TLV, PSK with CBC suites only",
        .version = LWM2M_1_0,
        .preferred_format = FORMAT_NONE,
        .cipher = SIM_CIPHER_CBC,
        FORMATS(tlv_only),
        .quirks = {.account_write_loops = true},
    },
    {
        .name = "quectel-bg95",
        .about = "Quectel BG95: LwM2M 1.0, TLV; delivered with server 102; asks as "
                 "urn:imei-msisdn:..",
        .version = LWM2M_1_0,
        .preferred_format = FORMAT_NONE,
        FORMATS(tlv_only),
        .held_account = 102,
        .quirks = {.account_write_loops = true},
    },
    {
        .name = "telit",
        .about = "Telit ME910: LwM2M 1.0, TLV; 4.04 to Discover and Read",
        .version = LWM2M_1_0,
        .preferred_format = FORMAT_NONE,
        FORMATS(tlv_only),
        .quirks = {.discover_code = COAP_NOT_FOUND,
                   .read_code = COAP_NOT_FOUND,
                   .account_write_loops = true},
    },
    {
        .name = "u-blox",
        .about = "u-blox SARA: LwM2M 1.0, TLV; delivered with server 721",
        .version = LWM2M_1_0,
        .preferred_format = FORMAT_NONE,
        FORMATS(tlv_only),
        .held_account = 721,
        .quirks = {.account_write_loops = true},
    },
    {
        .name = "wakaama",
        .about = "Eclipse Wakaama without TLV: DELETE /0 takes the bootstrap account, unknown "
                 "formats are 5.00, base64 of the older alphabet, Writes of instances only",
        .version = LWM2M_1_1,
        .preferred_format = FORMAT_NONE,
        FORMATS(wakaama_formats),
        .timeout_restarts = true,
        .quirks = {.insists = true,
                   .idle_is_silent = true,
                   .object_delete_takes_account = true,
                   .instance_writes_only = true,
                   .format_code = COAP_INTERNAL_ERROR,
                   .standard_base64 = true},
    },
    {
        .name = "zephyr",
        .about = "Zephyr LwM2M: identity and key of 16 bytes, names of 32, two accounts, Writes of "
                 "1024 bytes without blocks, malformed Discover; any error code parks it",
        .version = LWM2M_1_0,
        .preferred_format = FORMAT_NONE,
        FORMATS(zephyr_formats),
        .identity_max = 16,
        .key_max = 16,
        .payload_max = 1024,
        .merge_writes = true,
        .quirks = {.endpoint_max = 32,
                   .silence_retries = 3,
                   .no_block1 = true,
                   .repeated_finish_restarts = true,
                   .account_delete = SIM_ACCOUNT_NOT_ALLOWED,
                   .accounts_max = 2,
                   .malformed_links = true},
    },
};
enum { PERSONALITY_COUNT = sizeof personalities / sizeof personalities[0] };

const struct sim_personality *sim_personality(size_t index)
{
    return index < PERSONALITY_COUNT ? &personalities[index] : NULL;
}

const struct sim_personality *sim_personality_find(const char *name)
{
    for (size_t i = 0; i < PERSONALITY_COUNT; i++)
        if (strcmp(personalities[i].name, name) == 0)
            return &personalities[i];
    return NULL;
}

void sim_config_as(struct sim_config *config, const struct sim_personality *personality)
{
    config->version = personality->version;
    config->preferred_format = personality->preferred_format;
    config->pack = personality->pack;
    config->pack_format = personality->pack ? FORMAT_SENML_CBOR : FORMAT_NONE;
    config->cipher = personality->cipher;
    config->formats = personality->formats;
    config->format_count = personality->format_count;
    config->objects = personality->objects;
    config->object_count = personality->object_count;
    config->identity_max = personality->identity_max;
    config->key_max = personality->key_max;
    if (personality->payload_max != 0)
        config->payload_max = personality->payload_max;
    config->held_account = personality->held_account;
    config->separate = personality->separate;
    config->merge_writes = personality->merge_writes;
    config->timeout_restarts = personality->timeout_restarts;
    config->quirks = personality->quirks;
}
