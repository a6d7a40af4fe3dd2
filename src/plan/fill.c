/* SPDX-License-Identifier: Apache-2.0 */
/* Values that only a plan knows: credentials, links, shares of a delay, the binding's spelling. */
#include "plan_priv.h"

#include <assert.h>
#include <string.h>

enum err_code plan_no_memory(struct err *err)
{
    return err_set(err, ERR_NO_MEMORY, "out of memory");
}

size_t plan_version_index(enum lwm2m_version version)
{
    size_t index = (size_t)(version - LWM2M_1_0);
    return index < RULE_VERSIONS ? index : RULE_VERSIONS - 1;
}

/* --- credentials --- */

static const struct enrolled_credential *find_of_kind(const struct planner *planner,
                                                      const struct rule_server *server,
                                                      enum credential_status status)
{
    const struct enrolled_credential *found =
        enrollment_credential(planner->enrollment, server->ssid, status);
    return found && found->kind == server->kind ? found : NULL;
}

/* The credential that the device is to hold after this bootstrap, or NULL. */
static const struct enrolled_credential *find_credential(const struct planner *planner,
                                                         const struct rule_server *server)
{
    const struct enrolled_credential *pending = find_of_kind(planner, server, CREDENTIAL_PENDING);
    if (credential_is_fresh(server->credential))
        return pending;
    if (server->credential == CREDENTIAL_DERIVE)
        return NULL; /* it is worked out when it is written */
    const struct enrolled_credential *active = find_of_kind(planner, server, CREDENTIAL_ACTIVE);
    return active ? active : pending;
}

static enum err_code require_credential(const struct planner *planner,
                                        const struct rule_server *server,
                                        const struct enrolled_credential **out)
{
    static const struct {
        const char *name, *option;
    } kinds[] = {
        [CREDENTIAL_KIND_PSK] = {"key", "--server-key"},
        [CREDENTIAL_KIND_OSCORE] = {"OSCORE context", "--server-oscore"},
        [CREDENTIAL_KIND_RPK] = {"key pair", "--server-key-pair"},
        [CREDENTIAL_KIND_X509] = {"certificate", "--server-certificate"},
    };
    static_assert(sizeof(kinds) / sizeof(kinds[0]) == CREDENTIAL_KIND_COUNT, "one for each");
    *out = find_credential(planner, server);
    if (*out || server->credential != CREDENTIAL_ENROLLED)
        return ERR_OK;
    const char *endpoint = planner->enrollment->endpoint;
    return err_set(planner->err, ERR_INVALID,
                   "%s:%u: device '%s' has no enrolled %s for server %u; give it one: usher "
                   "enroll '%s' %s%s",
                   server->file, server->line, endpoint, kinds[server->kind].name, server->ssid,
                   endpoint, kinds[server->kind].option,
                   server->kind == CREDENTIAL_KIND_PSK || server->kind == CREDENTIAL_KIND_OSCORE
                       ? ", or let the profile say credential: generate"
                       : "");
}

static enum err_code check_identity(struct planner *planner, const struct rule_server *server,
                                    size_t len)
{
    bool oscore = server->kind == CREDENTIAL_KIND_OSCORE;
    size_t most = oscore ? server->id_most : IDENTITY_MAX;
    if (len == 0 || len > most)
        return err_set(planner->err, ERR_RANGE,
                       "%s:%u: the %s of server %u has %zu bytes for device '%s'; 1 to %zu "
                       "are allowed",
                       server->file, server->line, oscore ? "sender-id" : "identity", server->ssid,
                       len, planner->enrollment->endpoint, most);
    uint16_t taken = planner->client->identity_max;
    if (!oscore && taken > 0 && len > taken)
        plan_warn(planner,
                  "the identity for server %u has %zu bytes; devices of this class take %u "
                  "(client.identity-max)",
                  server->ssid, len, taken);
    return ERR_OK;
}

/* A context with the same name at both ends would protect nothing (RFC 8613 section 3.3). */
static enum err_code check_ends_differ(struct planner *planner, const struct rule_server *server,
                                       struct bytes sender)
{
    struct value recipient;
    enum err_code code =
        rule_value_resolve(&server->recipient, &planner->scope, &recipient, planner->err);
    if (code != ERR_OK)
        return code;
    if (recipient.bytes.len == 0 || recipient.bytes.len > server->id_most)
        return err_set(planner->err, ERR_RANGE,
                       "%s:%u: the recipient-id of server %u has %zu bytes for device '%s'; 1 to "
                       "%u are allowed",
                       server->file, server->line, server->ssid, recipient.bytes.len,
                       planner->enrollment->endpoint, server->id_most);
    if (bytes_equal(sender, recipient.bytes))
        return err_set(planner->err, ERR_INVALID,
                       "%s:%u: sender-id and recipient-id of server %u are the same for device "
                       "'%s'; they must differ",
                       server->file, server->line, server->ssid, planner->enrollment->endpoint);
    return ERR_OK;
}

/* The bootstrap account keeps the name that the device has just proved itself with. */
static enum err_code fill_own_identity(struct planner *planner, const struct rule_server *account,
                                       struct value *out)
{
    struct bytes identity = identity_bytes(&planner->enrollment->identity);
    struct bytes copy = arena_bytes(planner->plan->arena, identity);
    if (identity.len == 0 || identity_is_pin(&planner->enrollment->identity))
        return err_set(planner->err, ERR_INVALID,
                       "%s:%u: device '%s' has no identity and key for its bootstrap account",
                       account->file, account->line, planner->enrollment->endpoint);
    if (!copy.data)
        return plan_no_memory(planner->err);
    *out = (struct value){.type = VALUE_OPAQUE, .bytes = copy};
    return ERR_OK;
}

static enum err_code fill_identity(struct planner *planner, const struct rule_server *server,
                                   struct value *out)
{
    if (server == planner->rules->bootstrap)
        return fill_own_identity(planner, server, out);
    const struct enrolled_credential *credential;
    enum err_code code = require_credential(planner, server, &credential);
    if (code != ERR_OK)
        return code;
    struct value value;
    if (credential && credential->identity.len > 0) {
        value.bytes = arena_bytes(planner->plan->arena, identity_bytes(&credential->identity));
        if (!value.bytes.data)
            return plan_no_memory(planner->err);
    } else {
        code = rule_value_resolve(&server->identity, &planner->scope, &value, planner->err);
    }
    if (code == ERR_OK)
        code = check_identity(planner, server, value.bytes.len);
    if (code == ERR_OK && server->kind == CREDENTIAL_KIND_OSCORE)
        code = check_ends_differ(planner, server, value.bytes);
    if (code == ERR_OK)
        *out = (struct value){.type = VALUE_OPAQUE, .bytes = value.bytes};
    return code;
}

static void check_key_room(struct planner *planner, const struct rule_server *server,
                           const struct enrolled_credential *credential)
{
    uint16_t len = credential ? credential->key_len : server->key_len;
    uint16_t most = planner->client->key_max;
    if (server->kind == CREDENTIAL_KIND_PSK && most > 0 && len > most)
        plan_warn(planner,
                  "the key for server %u has %u bytes; devices of this class take %u "
                  "(client.key-max)",
                  server->ssid, len, most);
}

static uint16_t reference_len(const struct rule_server *server,
                              const struct enrolled_credential *credential, bool public_part)
{
    if (!credential)
        return public_part ? 0 : server->key_len;
    return public_part ? credential->public_len : credential->key_len;
}

/* Its key is the one that the device has, or a fresh one. */
static void fill_own_key(const struct planner *planner, const struct rule_server *account,
                         struct value *out)
{
    const struct enrolled_credential *pending =
        account->credential == CREDENTIAL_GENERATE
            ? enrollment_credential(planner->enrollment, 0, CREDENTIAL_PENDING)
            : NULL;
    *out = (struct value){
        .type = VALUE_SECRET,
        .secret = {.kind = SECRET_BOOTSTRAP_KEY,
                   .len = pending ? pending->key_len : account->key_len,
                   .generation = pending ? pending->generation : 0},
    };
}

static enum err_code fill_reference(struct planner *planner, const struct rule_server *server,
                                    bool public_part, struct value *out)
{
    static const enum secret_kind kinds[] = {
        [CREDENTIAL_KIND_PSK] = SECRET_PSK_KEY,
        [CREDENTIAL_KIND_OSCORE] = SECRET_OSCORE_MASTER,
        [CREDENTIAL_KIND_RPK] = SECRET_PRIVATE_KEY,
        [CREDENTIAL_KIND_X509] = SECRET_PRIVATE_KEY,
    };
    static_assert(sizeof(kinds) / sizeof(kinds[0]) == CREDENTIAL_KIND_COUNT, "one for each");
    if (server == planner->rules->bootstrap) {
        fill_own_key(planner, server, out);
        return ERR_OK;
    }
    const struct enrolled_credential *credential;
    enum err_code code = require_credential(planner, server, &credential);
    if (code != ERR_OK)
        return code;
    if (!public_part)
        check_key_room(planner, server, credential);
    bool private_key = !public_part && kinds[server->kind] == SECRET_PRIVATE_KEY;
    *out = (struct value){
        .type = VALUE_SECRET,
        .secret = {.kind = public_part ? SECRET_PUBLIC_PART : kinds[server->kind],
                   .ssid = server->ssid,
                   .len = reference_len(server, credential, public_part),
                   .as_sec1 = private_key && planner->client->key_encoding == KEY_ENCODING_SEC1,
                   .derived = server->credential == CREDENTIAL_DERIVE,
                   /* Chains came with 1.2.1; before, a resource holds one certificate. */
                   .first_only = public_part && planner->plan->version < LWM2M_1_2,
                   .generation = credential ? credential->generation : 0},
    };
    return ERR_OK;
}

static enum err_code fill_place(struct planner *planner, const struct rule_server *server,
                                struct value *out)
{
    const struct rule_place *place = rule_pick_place(server, planner->enrollment, planner->err);
    if (!place)
        return ERR_INVALID;
    plan_note(planner, "server %u is at %s, picked from %zu", server->ssid, place->name,
              server->pick->count);
    return rule_value_resolve(&place->uri, &planner->scope, out, planner->err);
}

static void fill_link(const struct planner *planner, const struct rule_server *server,
                      struct value *out)
{
    size_t index = (size_t)(server - planner->rules->servers);
    *out =
        (struct value){.type = VALUE_OBJLINK, .link = {OBJECT_OSCORE, planner->oscore_ids[index]}};
}

/* --- /21 in its two versions --- */

/* Its bytes were text before version 2.0, which LwM2M 1.2 brought. */
static bool oscore_takes_text(const struct planner *planner)
{
    const struct capability *capability = planner->capability;
    for (size_t i = 0; capability->discovered && i < capability->object_count; i++)
        if (capability->objects[i].object == OBJECT_OSCORE && capability->objects[i].major > 0)
            return capability->objects[i].major < 2;
    return planner->plan->version < LWM2M_1_2;
}

static enum err_code as_oscore_type(struct planner *planner, const struct rule_record *rule,
                                    const struct rule_server *server, struct value *value)
{
    bool bytes = value->type == VALUE_OPAQUE || value->type == VALUE_STRING;
    bool text = oscore_takes_text(planner);
    if (value->type == VALUE_SECRET)
        value->secret.as_text = text;
    if (!bytes)
        return ERR_OK;
    value->type = text ? VALUE_STRING : VALUE_OPAQUE;
    if (!text || bytes_is_utf8(value->bytes))
        return ERR_OK;
    return err_set(planner->err, ERR_INVALID,
                   "%s:%u: /21/x/%u of server %u has bytes that are no text, and device '%s' has "
                   "version 1 of object 21, which takes text",
                   server->file, server->line, rule->path.ids[2], server->ssid,
                   planner->enrollment->endpoint);
}

/* --- delays and bindings --- */

/* The share of a device never changes, so that each bootstrap spreads a street in the same way.
 * The key only has to be the same everywhere; endpoints gain nothing by choosing their share. */
static uint32_t share_of(const struct planner *planner, uint32_t spread)
{
    static const uint8_t key[16] = "usher hold-off 1";
    uint8_t text[ENDPOINT_MAX + CLASS_MAX + 2];
    size_t endpoint_len = strlen(planner->enrollment->endpoint);
    size_t class_len = strlen(planner->plan->class_name);
    memcpy(text, planner->enrollment->endpoint, endpoint_len + 1);
    memcpy(text + endpoint_len + 1, planner->plan->class_name, class_len + 1);
    return (uint32_t)(bytes_hash(key, bytes_of(text, endpoint_len + class_len + 2)) %
                      ((uint64_t)spread + 1));
}

void plan_fill_delay(const struct planner *planner, const struct rule_record *rule,
                     struct value *out)
{
    uint32_t seconds = rule->delay.after;
    if (rule->delay.spread > 0)
        seconds += share_of(planner, rule->delay.spread);
    *out = (struct value){.type = rule->value.fixed.type};
    if (out->type == VALUE_UNSIGNED)
        out->natural = seconds;
    else
        out->integer = seconds;
}

static enum err_code fill_binding(struct planner *planner, const struct rule_server *server,
                                  struct value *out)
{
    size_t index = plan_version_index(planner->plan->version);
    if (server->binding[index].len == 0)
        return err_set(
            planner->err, ERR_INVALID,
            "%s:%u: the binding of server %u does not exist in LwM2M 1.%zu, which device "
            "'%s' speaks",
            server->file, server->line, server->ssid, index, planner->enrollment->endpoint);
    if (server->binding_cut[index])
        plan_warn(planner, "server %u: binding %.*s; the other letters do not exist in LwM2M 1.%zu",
                  server->ssid, (int)server->binding[index].len,
                  (const char *)server->binding[index].data, index);
    *out = (struct value){.type = VALUE_STRING, .bytes = server->binding[index]};
    return ERR_OK;
}

static enum err_code fill_by_source(struct planner *planner, const struct rule_record *rule,
                                    const struct rule_server *server, struct value *out)
{
    switch (rule->source) {
    case RULE_VALUE:
        return rule_value_resolve(&rule->value, &planner->scope, out, planner->err);
    case RULE_IDENTITY:
        return fill_identity(planner, server, out);
    case RULE_KEY:
        return fill_reference(planner, server, false, out);
    case RULE_PUBLIC_PART:
        return fill_reference(planner, server, true, out);
    case RULE_PICK:
        return fill_place(planner, server, out);
    case RULE_LINK:
        fill_link(planner, server, out);
        return ERR_OK;
    case RULE_DELAY:
        plan_fill_delay(planner, rule, out);
        return ERR_OK;
    case RULE_BINDING:
        return fill_binding(planner, server, out);
    }
    return err_set(planner->err, ERR_INTERNAL, "a record without a source");
}

enum err_code plan_fill(struct planner *planner, const struct rule_record *rule,
                        const struct rule_server *server, struct value *out)
{
    enum err_code code = fill_by_source(planner, rule, server, out);
    if (code == ERR_OK && server && rule->path.ids[0] == OBJECT_OSCORE)
        code = as_oscore_type(planner, rule, server, out);
    return code;
}
