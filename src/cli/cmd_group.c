/* usher group: one key for many devices. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_priv.h"

#include <stdlib.h>
#include <string.h>

struct group_command {
    struct cli_server server;
    const char *verb, *name;
    const char *class_name, *pattern, *scheme, *label, *key, *secondary, *not_before, *not_after;
    const char *authority;
    int64_t key_length, max;
    bool generate, generate_secondary, no_secondary, replace, force;
    struct cli_list tags;
};

static bool group_path(const struct group_command *group, const char *tail, char *out, size_t size)
{
    struct buf path;
    buf_init_fixed(&path, out, size);
    buf_put_text(&path, "/v1/groups");
    if (group->name != NULL) {
        buf_put_u8(&path, '/');
        client_put_escaped(&path, group->name);
    }
    buf_put_text(&path, tail);
    if (buf_text(&path) != NULL)
        return true;
    cli_say("the group's name is too long");
    return false;
}

static void print_group(const json_t *group)
{
    static const char *const lines[][2] = {
        {"group", "name"},
        {"class", "class"},
        {"pattern", "pattern"},
        {"CA, sha256", "authority_sha256"},
        {"scheme", "scheme"},
        {"label", "label"},
        {"primary key", "primary_fingerprint"},
        {"secondary key", "secondary_fingerprint"},
        {"not before", "not_before"},
        {"not after", "not_after"},
        {"created", "created"},
    };
    const char *name;
    json_t *value;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        cli_put_line(lines[i][0], cli_text_of(group, lines[i][1]));
    printf("%-16s %lld", "devices",
           (long long)json_integer_value(json_object_get(group, "devices")));
    if (json_is_integer(json_object_get(group, "max_devices")))
        printf(" of at most %lld",
               (long long)json_integer_value(json_object_get(group, "max_devices")));
    putchar('\n');
    json_object_foreach(json_object_get(group, "tags"), name, value)
    {
        printf("tag              ");
        cli_put_text(stdout, name);
        putchar('=');
        cli_put_text(stdout, json_string_value(value));
        putchar('\n');
    }
    if (json_is_true(json_object_get(group, "blocked")))
        puts("blocked          yes: nobody of it is let in");
}

static int print_list(const json_t *answer)
{
    static const char *const titles[] = {"group", "class", "pattern", "devices", "blocked"};
    struct cli_table *table = cli_table_new(5, titles);
    size_t i;
    json_t *group;
    json_array_foreach(json_object_get(answer, "groups"), i, group)
    {
        char devices[24];
        snprintf(devices, sizeof devices, "%lld",
                 (long long)json_integer_value(json_object_get(group, "devices")));
        bool blocked = json_is_true(json_object_get(group, "blocked"));
        const char *cells[] = {cli_text_of(group, "name"), cli_text_of(group, "class"),
                               cli_text_of(group, "pattern"), devices, blocked ? "yes" : NULL};
        cli_table_row(table, cells, blocked ? CLI_DIM : CLI_PLAIN);
    }
    cli_table_print(table, stdout);
    cli_table_free(table);
    if (json_array_size(json_object_get(answer, "groups")) == 0)
        puts("there is no group");
    return CLI_OK;
}

/* ---- add ---- */

static int add_key(json_t *body, const char *member, const char *source, bool generate, bool none)
{
    struct err err = {0};
    if ((source != NULL) + generate + none > 1) {
        cli_say("give one of the options for the %s key", member);
        return CLI_USAGE;
    }
    if (generate)
        json_object_set_new(body, member, json_true());
    if (none)
        json_object_set_new(body, member, json_null());
    if (source == NULL)
        return CLI_OK;
    json_t *key = cli_read_key(source, &err);
    if (key == NULL)
        return cli_fail(&err);
    json_object_set_new(body, member, key);
    return CLI_OK;
}

static int add_texts(const struct group_command *group, json_t *body)
{
    const char *const texts[][2] = {
        {"class", group->class_name},      {"pattern", group->pattern},
        {"scheme", group->scheme},         {"label", group->label},
        {"not_before", group->not_before}, {"not_after", group->not_after},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i][1] == NULL)
            continue;
        json_t *value = json_string(texts[i][1]);
        if (value == NULL) {
            cli_say("--%s is not UTF-8", texts[i][0]);
            return CLI_INVALID;
        }
        json_object_set_new(body, texts[i][0], value);
    }
    if (group->key_length > 0)
        json_object_set_new(body, "key_length", json_integer(group->key_length));
    if (group->max > 0)
        json_object_set_new(body, "max_devices", json_integer(group->max));
    return group->tags.count > 0 ? cli_add_tags(&group->tags, body) : CLI_OK;
}

static int print_added(const struct group_command *group, const json_t *answer)
{
    const char *primary = cli_text_of(answer, "primary"),
               *secondary = cli_text_of(answer, "secondary");
    if (group->server.json)
        return cli_print_json(answer);
    cli_put_text(stdout, group->name);
    printf(": %s\n", cli_text_of(answer, "change"));
    if (primary[0] != '\0')
        printf("primary key: %s\n", primary);
    if (secondary[0] != '\0')
        printf("secondary key: %s\n", secondary);
    if (primary[0] != '\0' || secondary[0] != '\0')
        puts("This is shown once. Whoever has it can make the key of every device of the group.");
    return CLI_OK;
}

static int add(struct group_command *group)
{
    char path[CLI_PATH_MAX];
    json_t *body = cli_memory(json_object()), *answer = NULL;
    int code = add_texts(group, body);
    if (code == CLI_OK && group->authority != NULL)
        code = cli_add_public_material(body, "authority", group->authority);
    if (code == CLI_OK)
        code = add_key(body, "primary", group->key, group->generate, false);
    if (code == CLI_OK)
        code = add_key(body, "secondary", group->secondary, group->generate_secondary,
                       group->no_secondary);
    if (code == CLI_OK &&
        !group_path(group, group->replace ? "?replace=true" : "", path, sizeof path))
        code = CLI_INVALID;
    if (code == CLI_OK)
        code = cli_call(&group->server, "PUT", path, body, &answer);
    if (code == CLI_OK)
        code = print_added(group, answer);
    json_decref(body);
    json_decref(answer);
    return code;
}

/* ---- the others ---- */

static int call_simply(struct group_command *group, const char *method, const char *tail)
{
    char path[CLI_PATH_MAX];
    json_t *answer = NULL;
    if (!group_path(group, tail, path, sizeof path))
        return CLI_INVALID;
    int code = cli_call(&group->server, method, path, NULL, &answer);
    if (code == CLI_OK && group->server.json) {
        code = cli_print_json(answer);
    } else if (code == CLI_OK && strcmp(method, "GET") == 0) {
        if (group->name != NULL)
            print_group(answer);
        else
            code = print_list(answer);
    } else if (code == CLI_OK) {
        cli_put_text(stdout, group->name);
        printf(": %s\n", cli_text_of(answer, "change"));
    }
    json_decref(answer);
    return code;
}

static int run(struct group_command *group)
{
    if (strcmp(group->verb, "list") == 0 && group->name == NULL)
        return call_simply(group, "GET", "");
    if (group->name == NULL) {
        cli_say("name the group; see 'usher group --help'");
        return CLI_USAGE;
    }
    if (strcmp(group->verb, "add") == 0)
        return add(group);
    if (strcmp(group->verb, "show") == 0)
        return call_simply(group, "GET", "");
    if (strcmp(group->verb, "remove") == 0)
        return call_simply(group, "DELETE", group->force ? "?force=true" : "");
    if (strcmp(group->verb, "block") == 0)
        return call_simply(group, "POST", "/block");
    if (strcmp(group->verb, "unblock") == 0)
        return call_simply(group, "POST", "/unblock");
    cli_say("unknown verb '%s'; there are add, list, show, remove, block, unblock", group->verb);
    return CLI_USAGE;
}

#define TEXT_OPTION(field, option, word, text)                                                     \
    {.name = (option), .kind = CLI_TEXT, .value = &group.field, .argument = (word), .help = (text)}
#define FLAG_OPTION(field, option, text)                                                           \
    {.name = (option), .kind = CLI_FLAG, .value = &group.field, .help = (text)}

int cmd_group(int argc, char **argv)
{
    struct group_command group = {0};
    const struct cli_option options[] = {
        TEXT_OPTION(pattern, "pattern", "GLOB", "of the identities, which are the endpoints too"),
        TEXT_OPTION(class_name, "class", "CLASS", "the profile that its devices follow"),
        TEXT_OPTION(key, "key", "@FILE", "file with the group's key in hexadecimal"),
        FLAG_OPTION(generate, "generate", "let the server make the key; it is shown once"),
        TEXT_OPTION(authority, "ca", "@FILE",
                    "certificate of a CA that names its devices; no key then"),
        TEXT_OPTION(secondary, "secondary", "@FILE", "a second key, for the time of a change"),
        FLAG_OPTION(generate_secondary, "generate-secondary", "let the server make that one"),
        FLAG_OPTION(no_secondary, "no-secondary", "take it away"),
        TEXT_OPTION(scheme, "scheme", "NAME", "hkdf-sha256 (default) or hmac-sha256 (Azure DPS)"),
        TEXT_OPTION(label, "label", "TEXT", "of hkdf-sha256 (default: usher bootstrap psk)"),
        {.name = "key-length",
         .kind = CLI_NUMBER,
         .value = &group.key_length,
         .argument = "BYTES",
         .help = "of the devices' keys by hkdf-sha256 (default: 16)",
         .least = 16,
         .most = 64},
        {.name = "max",
         .kind = CLI_NUMBER,
         .value = &group.max,
         .argument = "N",
         .help = "devices that may join",
         .least = 1,
         .most = INT64_C(1000000000000)},
        TEXT_OPTION(not_before, "not-before", "TIME", "its key lets nobody in before"),
        TEXT_OPTION(not_after, "not-after", "TIME", "nor from then on: 2026-12-31T00:00:00Z"),
        {.name = "tag",
         .letter = 't',
         .kind = CLI_LIST,
         .value = &group.tags,
         .argument = "NAME=VALUE",
         .help = "its devices get it; may be repeated"},
        FLAG_OPTION(replace, "replace", "change a group that is there; what is not said stays"),
        FLAG_OPTION(force, "force", "remove it although devices have joined"),
        CLI_SERVER_OPTIONS(&group.server),
    };
    const struct cli_usage usage = {
        .synopsis = "group add|list|show|remove|block|unblock [NAME] [OPTION..]",
        .summary =
            "One key for a batch or a class: each device's own key is derived from it and from "
            "the\n"
            "device's identity, so that devices need not be enrolled one by one. A device gets "
            "its\n"
            "row when it first calls. A blocked device stays blocked, whatever its group says.",
        .examples =
            "  usher group add B7 --pattern 'urn:dev:os:0042-*' --class street-light "
            "--generate --max 500\n"
            "  usher group add meters --pattern 'meter-*' --class water-meter --ca @ca.pem\n"
            "  usher derive --key @b7.key urn:dev:os:0042-lamp7\n"
            "  usher group show B7\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .operands_least = 1,
        .operands_most = 2,
    };
    size_t operands = 0;
    int code = CLI_OK;
    if (!cli_parse(&usage, argc, argv, &operands, &code))
        return code;
    group.verb = argv[1];
    group.name = operands > 1 ? argv[2] : NULL;
    if (!cli_connect(&group.server, &code))
        return code;
    code = run(&group);
    cli_disconnect(&group.server);
    return cli_finish(code);
}
