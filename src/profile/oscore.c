/* SPDX-License-Identifier: Apache-2.0 */
/* OSCORE accounts: one instance of /21 for the server, which its /0 links (OMA Core 1.2 appendix
 * E.21, RFC 8613 section 3). The names are the device's view: its Sender ID is the server's
 * Recipient ID. */
#include "servers_priv.h"

#include <stdio.h>
#include <string.h>

enum {
    OSCORE_MASTER = 0,
    OSCORE_SENDER = 1,
    OSCORE_RECIPIENT = 2,
    OSCORE_AEAD = 3,
    OSCORE_HMAC = 4,
    OSCORE_SALT = 5,
    OSCORE_CONTEXT = 6,
    SECURITY_LINK = 17,
    AEAD_DEFAULT = 10, /* AES-CCM-16-64-128 */
};

/* COSE algorithms, and the most bytes of an id: nonce length less 6 (RFC 8613 section 3.3). */
static const struct {
    const char *name;
    int number;
    uint8_t id_most;
} aeads[] = {
    {"aes-ccm-16-64-128", 10, 7},  {"aes-ccm-16-64-256", 11, 7},  {"aes-ccm-64-64-128", 12, 1},
    {"aes-ccm-64-64-256", 13, 1},  {"aes-ccm-16-128-128", 30, 7}, {"aes-ccm-16-128-256", 31, 7},
    {"aes-ccm-64-128-128", 32, 1}, {"aes-ccm-64-128-256", 33, 1}, {"aes-gcm-128", 1, 6},
    {"aes-gcm-192", 2, 6},         {"aes-gcm-256", 3, 6},         {"chacha20-poly1305", 24, 6},
};
enum { AEAD_COUNT = sizeof(aeads) / sizeof(aeads[0]) };

static const struct {
    const char *name;
    int number;
} hmacs[] = {{"hkdf-sha-256", -10}, {"hkdf-sha-512", -11}};
enum { HMAC_COUNT = sizeof(hmacs) / sizeof(hmacs[0]) };

static struct path oscore_path(uint16_t resource)
{
    return path_resource(OBJECT_OSCORE, 0, resource);
}

/* Index of an algorithm, by name or by its COSE number; -1 after an error. */
static int find_aead(struct compiler *compiler, const struct yaml_node *node)
{
    const char *names[AEAD_COUNT + 1] = {0};
    for (int i = 0; i < AEAD_COUNT; i++) {
        char number[12];
        snprintf(number, sizeof(number), "%d", aeads[i].number);
        if (node->kind == YAML_SCALAR && strcmp(node->text, number) == 0)
            return i;
        names[i] = aeads[i].name;
    }
    return compile_word(compiler, node, names);
}

static int find_hmac(struct compiler *compiler, const struct yaml_node *node)
{
    const char *names[HMAC_COUNT + 1] = {0};
    for (int i = 0; i < HMAC_COUNT; i++) {
        char number[12];
        snprintf(number, sizeof(number), "%d", hmacs[i].number);
        if (node->kind == YAML_SCALAR && strcmp(node->text, number) == 0)
            return i;
        names[i] = hmacs[i].name;
    }
    return compile_word(compiler, node, names);
}

/* Devices need not know a resource that says what is usual anyway. */
static size_t compile_algorithms(struct building *building, const struct yaml_node *security)
{
    struct compiler *compiler = building->compiler;
    const struct yaml_node *aead = yaml_get(security, "aead"), *hmac = yaml_get(security, "hmac");
    struct path path = oscore_path(OSCORE_AEAD);
    int index = aead ? find_aead(compiler, aead) : 0;
    if (index > 0)
        record_list_number(compiler, &building->oscore, aead, &path, aeads[index].number);
    int hmac_index = hmac ? find_hmac(compiler, hmac) : 0;
    path = oscore_path(OSCORE_HMAC);
    if (hmac_index > 0)
        record_list_number(compiler, &building->oscore, hmac, &path, hmacs[hmac_index].number);
    return index >= 0 ? aeads[index].id_most : aeads[0].id_most;
}

/* Our side's name; the device tells its contexts apart by it. */
static void compile_recipient(struct building *building, const struct yaml_node *security,
                              size_t most)
{
    struct compiler *compiler = building->compiler;
    const struct yaml_node *node = yaml_get(security, "recipient-id");
    char usual[8];
    snprintf(usual, sizeof(usual), "%u", building->out->ssid);
    struct rule_value *out = &building->out->recipient;
    struct yaml_node stand_in = {
        .text = usual, .text_len = strlen(usual), .file = security->file, .line = security->line};
    if (!compile_value(compiler, node ? node : &stand_in, VALUE_STRING, NULL, out))
        return;
    size_t len = out->part_count > 0 ? server_literal_length(out) : out->fixed.bytes.len;
    if (out->part_count == 0 && (len == 0 || len > most))
        COMPILE_ERROR(compiler, node ? node : security,
                      "'recipient-id' has 1 to %zu byte%s with this aead", most,
                      most > 1 ? "s" : "");
    struct rule_record *record =
        server_add_late(building, &building->oscore, oscore_path(OSCORE_RECIPIENT), RULE_VALUE);
    if (record) {
        record->value = *out;
        record->value.fixed.type = VALUE_OPAQUE;
    }
}

/* Bytes as "hex:..", "base64:.." or "text:..", or just text. */
static void compile_bytes(struct building *building, const struct yaml_node *security,
                          const char *key, uint16_t resource)
{
    const struct yaml_node *node = yaml_get(security, key);
    struct rule_value value;
    if (!node || node->kind != YAML_SCALAR) {
        if (node)
            compile_expect(building->compiler, node, YAML_SCALAR, "text, or bytes as \"hex:0a1b\"");
        return;
    }
    bool coded = strncmp(node->text, "hex:", 4) == 0 || strncmp(node->text, "base64:", 7) == 0 ||
                 strncmp(node->text, "text:", 5) == 0;
    if (!compile_value(building->compiler, node, coded ? VALUE_OPAQUE : VALUE_STRING, NULL, &value))
        return;
    struct rule_record *record =
        server_add_late(building, &building->oscore, oscore_path(resource), RULE_VALUE);
    if (!record)
        return;
    record->value = value;
    if (value.part_count == 0)
        record->value.fixed.type = VALUE_OPAQUE;
}

/* Two contexts with the same recipient could not be told apart by the device. */
static void check_recipients(struct building *building, const struct yaml_node *security)
{
    const struct rule_server *out = building->out;
    const struct rule_server *first = building->first;
    for (; first != out; first++)
        if (first->kind == CREDENTIAL_KIND_OSCORE && first->recipient.part_count == 0 &&
            out->recipient.part_count == 0 &&
            bytes_equal(first->recipient.fixed.bytes, out->recipient.fixed.bytes))
            COMPILE_ERROR(building->compiler, security,
                          "servers %u and %u have the same recipient-id; a device could not tell "
                          "them apart",
                          first->ssid, out->ssid);
}

void server_compile_oscore(struct building *building, const struct yaml_node *security)
{
    struct rule_server *out = building->out;
    size_t most = compile_algorithms(building, security);
    out->id_most = (uint8_t)most;
    bool usual_fits = most >= SHORT_NAME_LEN;
    if (!usual_fits && out->credential == CREDENTIAL_GENERATE)
        server_wanted(building->compiler, security, "sender-id",
                      "with this aead it has to be shorter than the usual one");
    if (yaml_get(security, "sender-id") || (usual_fits && out->credential == CREDENTIAL_GENERATE))
        server_compile_identity(building, security, "sender-id", "${short}", most, &out->identity);
    compile_recipient(building, security, most);
    check_recipients(building, security);
    compile_bytes(building, security, "salt", OSCORE_SALT);
    compile_bytes(building, security, "id-context", OSCORE_CONTEXT);
    server_add_late(building, &building->oscore, oscore_path(OSCORE_MASTER), RULE_KEY);
    server_add_late(building, &building->oscore, oscore_path(OSCORE_SENDER), RULE_IDENTITY);
    struct rule_record *link = server_add_late(
        building, &building->security, path_resource(OBJECT_SECURITY, 0, SECURITY_LINK), RULE_LINK);
    if (link)
        link->value.fixed.type = VALUE_OBJLINK;
}
