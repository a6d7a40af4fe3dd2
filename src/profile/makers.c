/* SPDX-License-Identifier: Apache-2.0 */
/* The blocks `derive:` and `issue:` of a server's security: what its credentials are made with.
 * Only named here; the files hold keys, which are none of a profile's business. */
#include "servers_priv.h"

#include "usher/derive.h"

#include <string.h>

enum { DAYS_DEFAULT = 365, DAYS_MOST = 36500 };

/* Named from where the profile is. */
static const char *path_beside(struct compiler *compiler, const struct yaml_node *node)
{
    const char *text;
    char full[4096];
    if (!yaml_text(node, &text, compiler->findings))
        return NULL;
    if (text[0] == '\0' || !yaml_path_beside(node, text, full, sizeof(full))) {
        COMPILE_ERROR(compiler, node, "no name of a file");
        return NULL;
    }
    return compile_text(compiler, full, strlen(full));
}

static void compile_label(struct compiler *compiler, const struct yaml_node *node,
                          struct rule_maker *maker)
{
    const char *text;
    if (!yaml_text(node, &text, compiler->findings))
        return;
    if (maker->scheme == DERIVE_HMAC)
        COMPILE_ERROR(compiler, node, "hmac-sha256 knows no label");
    if (text[0] == '\0' || strlen(text) > DERIVE_LABEL_MAX)
        COMPILE_ERROR(compiler, node, "a label has 1 to %d bytes", DERIVE_LABEL_MAX);
    else
        maker->label = compile_text(compiler, text, strlen(text));
}

static void compile_derive(struct building *building, const struct yaml_node *block,
                           struct rule_maker *maker)
{
    static const char *const keys[] = {"key", "scheme", "label", NULL};
    static const char *const schemes[] = {"hkdf-sha256", "hmac-sha256", NULL};
    struct compiler *compiler = building->compiler;
    const struct yaml_node *scheme = yaml_get(block, "scheme"), *label = yaml_get(block, "label");
    yaml_check_keys(block, keys, compiler->findings);
    const struct yaml_node *key = server_wanted(
        compiler, block, "key", "a file with the key that the server derives from as well");
    maker->path = key ? path_beside(compiler, key) : NULL;
    maker->scheme =
        scheme && compile_word(compiler, scheme, schemes) == 1 ? DERIVE_HMAC : DERIVE_HKDF;
    maker->label = DERIVE_DEFAULT_LABEL;
    if (label)
        compile_label(compiler, label, maker);
}

static void compile_issue(struct building *building, const struct yaml_node *block,
                          struct rule_maker *maker)
{
    static const char *const keys[] = {"ca", "days", NULL};
    struct compiler *compiler = building->compiler;
    const struct yaml_node *days = yaml_get(block, "days");
    int64_t number = DAYS_DEFAULT;
    yaml_check_keys(block, keys, compiler->findings);
    const struct yaml_node *ca =
        server_wanted(compiler, block, "ca", "the folder of a CA (usher ca init)");
    maker->path = ca ? path_beside(compiler, ca) : NULL;
    if (days)
        yaml_integer(days, 1, DAYS_MOST, &number, compiler->findings);
    maker->days = (unsigned)number;
}

void server_compile_maker(struct building *building, const struct yaml_node *security)
{
    bool derives = building->out->credential == CREDENTIAL_DERIVE;
    bool issues = building->out->credential == CREDENTIAL_ISSUE;
    const struct yaml_node *derive = yaml_get(security, "derive");
    const struct yaml_node *issue = yaml_get(security, "issue");
    struct compiler *compiler = building->compiler;
    if (derive && !derives)
        COMPILE_ERROR(compiler, derive->key, "'derive' goes with credential: derive");
    if (issue && !issues)
        COMPILE_ERROR(compiler, issue->key, "'issue' goes with credential: issue");
    if (!derives && !issues)
        return;
    const struct yaml_node *block =
        derives ? server_wanted(compiler, security, "derive",
                                "derive: { key: FILE }, the key that the server derives from too")
                : server_wanted(compiler, security, "issue",
                                "issue: { ca: FOLDER }, a CA whose certificates the server takes");
    struct rule_maker *maker = compile_alloc(compiler, sizeof(*maker));
    if (!block || !maker || !compile_expect(compiler, block, YAML_MAPPING, "a mapping"))
        return;
    *maker = (struct rule_maker){.file = compile_file(compiler, block), .line = block->line};
    if (derives)
        compile_derive(building, block, maker);
    else
        compile_issue(building, block, maker);
    if (derives && maker->scheme == DERIVE_HMAC && yaml_get(security, "key-length"))
        COMPILE_ERROR(compiler, yaml_get(security, "key-length")->key,
                      "keys by hmac-sha256 have 32 bytes");
    if (derives && maker->scheme == DERIVE_HMAC)
        building->out->key_len = 32;
    building->out->maker = maker;
}
