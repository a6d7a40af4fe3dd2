/* SPDX-License-Identifier: Apache-2.0 */
/* The block `bootstrap-account:`: the device's account at this server, written anew (OMA Core 1.2
 * section 6.1.7.6). Without it that account is never touched. It keeps its key, or gets another at
 * each bootstrap. */
#include "servers_priv.h"

#include <string.h>

enum { ACCOUNT_TIMEOUT = 12, TIMEOUT_MAX_S = 30 * 86400 };

static const char *const account_keys[] = {"uri",        "hold-off",   "account-timeout",
                                           "credential", "key-length", NULL};

static struct path account_path(uint16_t resource)
{
    return path_resource(OBJECT_SECURITY, 0, resource);
}

static void compile_timeout(struct building *building)
{
    const struct yaml_node *node = yaml_get(building->node, "account-timeout");
    struct path path = account_path(ACCOUNT_TIMEOUT);
    int64_t seconds;
    if (node && compile_seconds(building->compiler, node, TIMEOUT_MAX_S, &seconds))
        record_list_number(building->compiler, &building->security, node, &path, seconds);
}

/* Some clients put the path of this URI before that of their request, and nothing is there. */
static void check_path(struct building *building)
{
    const struct yaml_node *node = yaml_get(building->node, "uri");
    const char *host = node && node->kind == YAML_SCALAR ? strstr(node->text, "://") : NULL;
    const char *rest = host ? strpbrk(host + strlen("://"), "/?") : NULL;
    if (rest && strcmp(rest, "/") != 0)
        COMPILE_WARNING(building->compiler, node,
                        "devices ask at /bs, and some put the path of this URI before it, where "
                        "nobody answers: leave out '%s'",
                        rest);
}

static void compile_credential(struct building *building)
{
    static const char *const words[] = {"keep", "generate", NULL};
    const struct yaml_node *node = yaml_get(building->node, "credential");
    if (node && compile_word(building->compiler, node, words) == 1)
        building->out->credential = CREDENTIAL_GENERATE;
    server_compile_key_length(building, building->node);
}

void compile_bootstrap_account(struct compiler *compiler, const struct yaml_node *root)
{
    const struct yaml_node *block = yaml_get(root, "bootstrap-account");
    if (!block || !compile_expect(compiler, block, YAML_MAPPING,
                                  "a mapping such as { uri: \"coaps://bootstrap.example\" }"))
        return;
    struct rule_server *account = compile_alloc(compiler, sizeof(*account));
    if (!account)
        return;
    yaml_check_keys(block, account_keys, compiler->findings);
    struct building building = {
        .compiler = compiler, .node = block, .first = account, .out = account, .mode = MODE_PSK};
    *account = (struct rule_server){.credential = CREDENTIAL_ENROLLED,
                                    .kind = CREDENTIAL_KIND_PSK,
                                    .file = compile_file(compiler, block),
                                    .line = block->line};
    server_compile_uri(&building);
    check_path(&building);
    compile_credential(&building);
    struct path path = account_path(1);
    record_list_boolean(compiler, &building.security, block, &path, true);
    path = account_path(2);
    record_list_number(compiler, &building.security, block, &path, 0);
    server_add_late(&building, &building.security, account_path(3), RULE_IDENTITY);
    server_add_late(&building, &building.security, account_path(5), RULE_KEY);
    server_compile_hold_off(&building);
    compile_timeout(&building);
    account->security = (struct rule_write){
        .path = path_instance(OBJECT_SECURITY, 0),
        .records = record_list_keep(compiler, &building.security),
        .count = building.security.count,
    };
    compiler->profile->rules.bootstrap = account;
}
