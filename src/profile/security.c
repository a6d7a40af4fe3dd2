/* SPDX-License-Identifier: Apache-2.0 */
/* The block `security:` of a server: its mode, and whose credential it takes (OMA Transport 1.2
 * section 5.2). */
#include "servers_priv.h"

#include <assert.h>
#include <string.h>

enum { KEY_LENGTH_DEFAULT = 16, KEY_LENGTH_LEAST = 16, KEY_LENGTH_MOST = 64 };
enum {
    GENERATED = 1 << CREDENTIAL_GENERATE,
    ENROLLED = 1 << CREDENTIAL_ENROLLED,
    DERIVED = 1 << CREDENTIAL_DERIVE,
    ISSUED = 1 << CREDENTIAL_ISSUE,
};
enum { ENDPOINT_WARN = 32 }; /* bytes that most endpoint names have */

static const struct {
    const char *name;
    uint8_t number; /* /0/x/2 */
    bool secure;
    bool has_credential;
    unsigned sources; /* by bit: enum credential_source */
    enum credential_kind kind;
} modes[] = {
    [MODE_PSK] = {"psk", 0, true, true, GENERATED | ENROLLED | DERIVED, CREDENTIAL_KIND_PSK},
    [MODE_RPK] = {"rpk", 1, true, true, ENROLLED, CREDENTIAL_KIND_RPK},
    [MODE_X509] = {"x509", 2, true, true, ENROLLED | ISSUED, CREDENTIAL_KIND_X509},
    [MODE_NOSEC] = {"nosec", 3, false, false, 0, CREDENTIAL_KIND_PSK},
    [MODE_EST] = {"est", 4, true, false, 0, CREDENTIAL_KIND_X509},
    /* NoSec with a link to /21: what is not DTLS is protected by OSCORE alone. */
    [MODE_OSCORE] = {"oscore", 3, false, true, GENERATED | ENROLLED, CREDENTIAL_KIND_OSCORE},
};
static_assert(sizeof(modes) / sizeof(modes[0]) == MODE_COUNT, "every mode is described");

static const char *const mode_names[] = {"psk", "rpk", "x509", "nosec", "est", "oscore", NULL};

enum {
    PSK = 1 << MODE_PSK,
    RPK = 1 << MODE_RPK,
    X509 = 1 << MODE_X509,
    EST = 1 << MODE_EST,
    OSCORE = 1 << MODE_OSCORE,
    DTLS = PSK | RPK | X509 | EST,
};

/* In which modes a key says something. */
static const struct {
    const char *key;
    int modes;
} key_modes[] = {
    {"credential", PSK | RPK | X509 | OSCORE},
    {"identity", PSK},
    {"derive", PSK},
    {"issue", X509},
    {"key-length", PSK | OSCORE},
    {"sni", DTLS},
    {"ciphersuites", DTLS},
    {"server-key", RPK},
    {"server-certificate", X509 | EST},
    {"certificate-usage", X509 | EST},
    {"matching", X509 | EST},
    {"sender-id", OSCORE},
    {"recipient-id", OSCORE},
    {"aead", OSCORE},
    {"hmac", OSCORE},
    {"salt", OSCORE},
    {"id-context", OSCORE},
};

static const char *const security_keys[] = {
    "mode", "credential",         "identity",          "derive",     "issue",    "key-length",
    "sni",  "sender-id",          "ciphersuites",      "server-key", "matching", "recipient-id",
    "aead", "server-certificate", "certificate-usage", "hmac",       "salt",     "id-context",
    NULL};

bool server_mode_is_secure(enum server_mode mode)
{
    return modes[mode].secure;
}

const char *server_mode_name(enum server_mode mode)
{
    return modes[mode].name;
}

static struct path security_path(uint16_t resource)
{
    return path_resource(OBJECT_SECURITY, 0, resource);
}

/* --- keys of another mode --- */

static void list_modes(int set, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (int mode = 0; mode < MODE_COUNT; mode++) {
        if ((set & 1 << mode) == 0 || used + 12 > size)
            continue;
        const char *comma = used > 0 ? ", " : "";
        size_t len = strlen(comma) + strlen(modes[mode].name);
        strcat(strcpy(out + used, comma), modes[mode].name);
        used += len;
    }
}

static void refuse_other_keys(struct building *building, const struct yaml_node *security)
{
    for (size_t i = 0; i < sizeof(key_modes) / sizeof(key_modes[0]); i++) {
        const struct yaml_node *node = yaml_get(security, key_modes[i].key);
        char text[64];
        if (!node || key_modes[i].modes & 1 << building->mode)
            continue;
        list_modes(key_modes[i].modes, text, sizeof(text));
        COMPILE_ERROR(building->compiler, node->key,
                      "'%s' says nothing with mode: %s; it belongs to: %s", key_modes[i].key,
                      modes[building->mode].name, text);
    }
}

/* --- credentials --- */

void server_compile_identity(struct building *building, const struct yaml_node *security,
                             const char *key, const char *usual, size_t most,
                             struct rule_value *out)
{
    struct compiler *compiler = building->compiler;
    const struct yaml_node *node = yaml_get(security, key);
    if (node && building->out->credential == CREDENTIAL_ENROLLED) {
        COMPILE_ERROR(compiler, node->key,
                      "'%s' goes with credential: generate; an enrolled one has its own", key);
        return;
    }
    struct yaml_node stand_in = {
        .text = usual, .text_len = strlen(usual), .file = security->file, .line = security->line};
    if (!node)
        node = &stand_in;
    if (!compile_value(compiler, node, VALUE_STRING, NULL, out))
        return;
    /* These names are bytes; only the profile says them as text. */
    size_t len = out->part_count > 0 ? server_literal_length(out) : out->fixed.bytes.len;
    if (len > most)
        COMPILE_ERROR(compiler, node, "'%s' has at most %zu bytes", key, most);
    if (len == 0 && out->part_count == 0)
        COMPILE_ERROR(compiler, node, "'%s' has at least 1 byte", key);
    if (out->part_count == 0 && len > 0 && !compiler->abstract)
        COMPILE_WARNING(compiler, node,
                        "all devices of the class get the same %s; ${endpoint} in it tells them "
                        "apart",
                        key);
    if (out->has_now)
        COMPILE_ERROR(compiler, node, "${now} would make another %s at every attempt", key);
}

static void read_key_length(struct building *building, const struct yaml_node *security)
{
    struct compiler *compiler = building->compiler;
    const struct yaml_node *node = yaml_get(security, "key-length");
    building->out->key_len = KEY_LENGTH_DEFAULT;
    if (!node)
        return;
    int64_t length;
    if (building->out->credential != CREDENTIAL_GENERATE &&
        building->out->credential != CREDENTIAL_DERIVE)
        COMPILE_ERROR(compiler, node->key,
                      "'key-length' goes with credential: generate; any other key has its own");
    else if (yaml_integer(node, KEY_LENGTH_LEAST, KEY_LENGTH_MOST, &length, compiler->findings))
        building->out->key_len = (uint16_t)length;
}

static void check_key_limit(struct building *building, const struct yaml_node *security)
{
    uint16_t most = building->compiler->profile->client.key_max;
    const struct yaml_node *node = yaml_get(security, "key-length");
    if (building->out->credential != CREDENTIAL_ENROLLED && most > 0 &&
        building->out->key_len > most)
        COMPILE_ERROR(building->compiler, node ? node : security,
                      "a key of %u bytes, but client.key-max says these devices take %u",
                      building->out->key_len, most);
}

void server_compile_key_length(struct building *building, const struct yaml_node *block)
{
    read_key_length(building, block);
    if (building->out->kind == CREDENTIAL_KIND_PSK)
        check_key_limit(building, block);
}

static const char *sources_text(unsigned sources)
{
    if (sources & DERIVED)
        return "generate (a fresh key at each bootstrap), enrolled (the key stored with the "
               "device) or derive (from a key that the server has too)";
    if (sources & GENERATED)
        return "generate (a fresh key at each bootstrap) or enrolled (the key stored with the "
               "device)";
    if (sources & ISSUED)
        return "enrolled (the key pair stored with the device) or issue (a fresh one, certified by "
               "a CA here)";
    return "enrolled (the key pair stored with the device)";
}

static void compile_source(struct building *building, const struct yaml_node *security)
{
    static const char *const words[] = {"generate", "enrolled", "derive", "issue", NULL};
    static const enum credential_source meant[] = {CREDENTIAL_GENERATE, CREDENTIAL_ENROLLED,
                                                   CREDENTIAL_DERIVE, CREDENTIAL_ISSUE};
    struct compiler *compiler = building->compiler;
    unsigned sources = modes[building->mode].sources;
    building->out->kind = modes[building->mode].kind;
    building->out->credential = CREDENTIAL_NONE;
    if (!modes[building->mode].has_credential)
        return;
    building->out->credential = sources & GENERATED ? CREDENTIAL_GENERATE : CREDENTIAL_ENROLLED;
    const char *there_are = sources_text(sources);
    const struct yaml_node *node = server_wanted(compiler, security, "credential", there_are);
    int word = node ? compile_word(compiler, node, words) : -1;
    if (word < 0)
        return;
    if (sources & 1u << meant[word])
        building->out->credential = meant[word];
    else
        COMPILE_ERROR(compiler, node, "mode: %s has no credential: %s; it takes %s",
                      modes[building->mode].name, words[word], there_are);
}

/* What a plan would warn of for each device is told once, where it is known beforehand. */
static void check_identity_limit(struct building *building, const struct yaml_node *security)
{
    uint16_t most = building->compiler->profile->client.identity_max;
    const struct rule_value *identity = &building->out->identity;
    const struct yaml_node *node = yaml_get(security, "identity");
    size_t len =
        identity->part_count > 0 ? server_literal_length(identity) : identity->fixed.bytes.len;
    bool named = false;
    if (building->out->credential == CREDENTIAL_ENROLLED || most == 0 ||
        building->compiler->abstract)
        return;
    for (size_t i = 0; i < identity->part_count; i++) {
        named |= identity->parts[i].kind == PART_ENDPOINT;
        len += identity->parts[i].kind == PART_SHORT ? SHORT_NAME_LEN : 0;
    }
    if (len > most)
        COMPILE_WARNING(building->compiler, node ? node : security,
                        "an identity of %zu bytes or more, and these devices take %u "
                        "(client.identity-max)",
                        len, most);
    else if (named && most < ENDPOINT_WARN)
        COMPILE_WARNING(building->compiler, node ? node : security,
                        "the identity is as long as the endpoint, and these devices take %u bytes "
                        "(client.identity-max); identity: \"${short}\" has 7",
                        most);
}

static void compile_psk(struct building *building, const struct yaml_node *security)
{
    if (building->out->credential != CREDENTIAL_ENROLLED || yaml_get(security, "identity"))
        server_compile_identity(building, security, "identity", "${endpoint}", IDENTITY_MAX,
                                &building->out->identity);
    check_identity_limit(building, security);
    server_add_late(building, &building->security, security_path(3), RULE_IDENTITY);
    server_add_late(building, &building->security, security_path(5), RULE_KEY);
}

static void compile_key_pair(struct building *building)
{
    server_add_late(building, &building->security, security_path(3), RULE_PUBLIC_PART);
    server_add_late(building, &building->security, security_path(5), RULE_KEY);
}

static void compile_by_mode(struct building *building, const struct yaml_node *security)
{
    switch (building->mode) {
    case MODE_PSK:
        compile_psk(building, security);
        break;
    case MODE_RPK:
        compile_key_pair(building);
        server_compile_public_key(building, security);
        break;
    case MODE_X509:
        compile_key_pair(building);
        server_compile_certificate(building, security);
        break;
    case MODE_EST: /* the device makes its key and has it certified (RFC 9148) */
        server_compile_certificate(building, security);
        break;
    case MODE_OSCORE:
        server_compile_oscore(building, security);
        break;
    case MODE_NOSEC:
    case MODE_COUNT:
        break;
    }
}

/* --- TLS --- */

static void compile_suite(struct building *building, const struct yaml_node *item,
                          uint16_t instance)
{
    struct compiler *compiler = building->compiler;
    int64_t number = item->kind == YAML_SCALAR ? suite_number(item->text) : -1;
    bool named = item->kind == YAML_SCALAR && strncmp(item->text, "TLS_", 4) == 0;
    if (number < 0 && named) {
        const char *meant = yaml_suggest(item->text, suite_names());
        COMPILE_ERROR(compiler, item, "unknown ciphersuite '%.60s'%s%s%s", item->text,
                      meant ? "; did you mean '" : "; write its IANA number, such as 0xC0A8",
                      meant ? meant : "", meant ? "'?" : "");
        return;
    }
    if (number < 0 && !yaml_integer(item, 0, 65535, &number, compiler->findings))
        return;
    struct path path = path_resource_instance(OBJECT_SECURITY, 0, 16, instance);
    record_list_number(compiler, &building->security, item, &path, number);
}

static void compile_suites(struct building *building, const struct yaml_node *security)
{
    const struct yaml_node *list = yaml_get(security, "ciphersuites");
    if (!list || !compile_expect(building->compiler, list, YAML_SEQUENCE, "a list of ciphersuites"))
        return;
    uint16_t instance = 0;
    for (const struct yaml_node *item = list->first; item; item = item->next)
        compile_suite(building, item, instance++);
}

void server_compile_security(struct building *building)
{
    struct compiler *compiler = building->compiler;
    const struct yaml_node *security =
        server_wanted(compiler, building->node, "security",
                      "security: { mode: psk, credential: generate }, or { mode: nosec }");
    if (!security || !compile_expect(compiler, security, YAML_MAPPING,
                                     "a mapping such as { mode: psk, credential: generate }"))
        return;
    yaml_check_keys(security, security_keys, compiler->findings);
    const struct yaml_node *mode =
        server_wanted(compiler, security, "mode", "mode: psk, x509, rpk, oscore, est or nosec");
    int word = mode ? compile_word(compiler, mode, mode_names) : MODE_PSK;
    if (word < 0)
        return;
    building->mode = (enum server_mode)word;
    refuse_other_keys(building, security);
    compile_source(building, security);
    if ((PSK | OSCORE) & 1 << building->mode)
        server_compile_key_length(building, security);
    server_compile_maker(building, security);
    compile_by_mode(building, security);
    const struct yaml_node *sni = yaml_get(security, "sni");
    if (modes[word].secure && sni)
        server_add_scalar(building, &building->security, sni, security_path(14));
    if (modes[word].secure)
        compile_suites(building, security);
    struct path path = security_path(2);
    record_list_number(compiler, &building->security, security, &path, modes[word].number);
}
