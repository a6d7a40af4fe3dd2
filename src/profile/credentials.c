/* SPDX-License-Identifier: Apache-2.0 */
/* The server credentials that a bootstrap needs, asked before it is planned. */
#include "profile_priv.h"

#include <stdio.h>

enum { IDENTITY_ARENA = 4 * PROFILE_TEXT_MAX };

bool credential_is_fresh(enum credential_source source)
{
    return source == CREDENTIAL_GENERATE || source == CREDENTIAL_ISSUE;
}

static enum err_code generated_identity(const struct rule_server *server,
                                        const struct rule_scope *scope, struct identity *out,
                                        struct err *err)
{
    struct value value;
    enum err_code code = rule_value_resolve(&server->identity, scope, &value, err);
    if (code != ERR_OK)
        return code;
    if (!identity_set(out, value.bytes))
        return err_set(err, ERR_RANGE,
                       "%s:%u: the identity of server %u has %zu bytes for device '%s'; 1 to %d "
                       "are allowed",
                       server->identity.file, server->identity.line, server->ssid, value.bytes.len,
                       scope->enrollment->endpoint, IDENTITY_MAX);
    return ERR_OK;
}

bool profile_identity(const struct profile *profile, const struct enrollment *enrollment,
                      uint16_t ssid, struct identity *out)
{
    const struct profile_rules *rules = &profile->rules;
    struct arena *arena = arena_new(IDENTITY_ARENA);
    struct rule_scope scope = {.enrollment = enrollment, .arena = arena};
    struct err unused;
    bool found = false;
    for (size_t i = 0; arena && i < rules->server_count && !found; i++)
        found = rules->servers[i].ssid == ssid && rules->servers[i].kind == CREDENTIAL_KIND_PSK &&
                generated_identity(&rules->servers[i], &scope, out, &unused) == ERR_OK;
    arena_free(arena);
    return found;
}

enum err_code profile_credentials(const struct profile *profile,
                                  const struct enrollment *enrollment,
                                  struct credential_need *needs, size_t *count, struct err *err)
{
    const struct profile_rules *rules = &profile->rules;
    struct credential_need found[ACCOUNTS_MAX];
    size_t found_count = 0;
    enum err_code code = ERR_OK;
    struct arena *arena = arena_new(IDENTITY_ARENA);
    if (!arena)
        return err_set(err, ERR_NO_MEMORY, "out of memory");
    struct rule_scope scope = {.enrollment = enrollment, .arena = arena};
    /* One without such an account, as with a certificate, is told so by the plan. */
    if (rules->bootstrap && rules->bootstrap->credential == CREDENTIAL_GENERATE &&
        enrollment->identity.len > 0 && !identity_is_pin(&enrollment->identity))
        found[found_count++] = (struct credential_need){.source = CREDENTIAL_GENERATE,
                                                        .kind = CREDENTIAL_KIND_PSK,
                                                        .key_len = rules->bootstrap->key_len,
                                                        .identity = enrollment->identity};
    for (size_t i = 0; i < rules->server_count && code == ERR_OK; i++) {
        const struct rule_server *server = &rules->servers[i];
        if (server->credential == CREDENTIAL_NONE)
            continue;
        struct credential_need *need = &found[found_count++];
        *need = (struct credential_need){
            .ssid = server->ssid, .source = server->credential, .kind = server->kind};
        if (!credential_is_fresh(server->credential))
            continue;
        const struct rule_place *place =
            server->pick ? rule_pick_place(server, enrollment, err) : NULL;
        if (server->pick && !place)
            code = ERR_INVALID;
        if (place)
            snprintf(need->place, sizeof(need->place), "%s", place->name);
        if (code != ERR_OK)
            continue;
        if (server->credential == CREDENTIAL_ISSUE)
            continue;
        need->key_len = server->key_len;
        code = generated_identity(server, &scope, &need->identity, err);
    }
    arena_free(arena);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < found_count; i++)
        needs[i] = found[i];
    *count = found_count;
    return ERR_OK;
}
