/* usher enroll: makes a device known. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_priv.h"

#include <stdlib.h>
#include <string.h>

struct enrolment {
    struct cli_server server;
    const char *class_name, *identity, *key, *key_file;
    const char *certificate, *public_key;
    bool key_stdin, generate, no_key, replace, if_absent;
    struct cli_list server_keys, server_oscore, server_certificates, server_key_pairs, tags;
};

/* "NAME=VALUE" */
int cli_add_tags(const struct cli_list *list, json_t *body)
{
    json_t *tags = cli_memory(json_object());

    json_object_set_new(body, "tags", tags);
    for (size_t i = 0; i < list->count; i++) {
        const char *equals = strchr(list->items[i], '=');
        if (equals == NULL || equals == list->items[i]) {
            cli_say("--tag %s: write NAME=VALUE", list->items[i]);
            return CLI_USAGE;
        }
        char *name = cli_memory(strndup(list->items[i], (size_t)(equals - list->items[i])));
        json_t *value = json_string(equals + 1);
        if (value == NULL) {
            cli_say("--tag %s: the value is not UTF-8", name);
            free(name);
            return CLI_INVALID;
        }
        json_object_set_new(tags, name, value);
        free(name);
    }
    return CLI_OK;
}

/* What stands behind "SSID=", or NULL after a message. */
static const char *take_ssid(const char *option, const char *text, const char *form, long *ssid)
{
    char *rest;
    *ssid = strtol(text, &rest, 10);
    if (rest != text && *rest == '=' && *ssid >= 1 && *ssid <= 65534)
        return rest + 1;
    cli_say("%s %s: write %s", option, text, form);
    return NULL;
}

/* "SSID=IDENTITY,@FILE"; without an identity the endpoint is it. */
static int add_server_key(const char *text, const char *endpoint, json_t *list)
{
    struct err err = {0};
    long ssid;
    const char *file = strrchr(text, ',');
    const char *identity =
        take_ssid("--server-key", text, "SSID=IDENTITY,@FILE or SSID=@FILE", &ssid);

    if (identity == NULL)
        return CLI_USAGE;
    json_t *name =
        file == NULL ? json_string(endpoint) : json_stringn(identity, (size_t)(file - identity));
    json_t *key = cli_read_key(file == NULL ? identity : file + 1, &err);
    if (key == NULL || name == NULL) {
        json_decref(key);
        json_decref(name);
        return key == NULL ? cli_fail(&err) : CLI_INVALID;
    }
    json_t *entry =
        cli_memory(json_pack("{s:i, s:o, s:o}", "ssid", (int)ssid, "identity", name, "key", key));
    json_array_append_new(list, entry);
    return CLI_OK;
}

/* "SSID=SENDER,@FILE" */
static int add_server_oscore(const char *text, json_t *list)
{
    struct err err = {0};
    long ssid;
    const char *sender = take_ssid("--server-oscore", text, "SSID=SENDER-ID,@FILE", &ssid);
    const char *file = strrchr(text, ',');

    if (sender == NULL || file == NULL || file < sender) {
        if (sender != NULL)
            cli_say("--server-oscore %s: write SSID=SENDER-ID,@FILE", text);
        return CLI_USAGE;
    }
    json_t *name = json_stringn(sender, (size_t)(file - sender));
    json_t *key = cli_read_key(file + 1, &err);
    if (key == NULL || name == NULL) {
        json_decref(key);
        json_decref(name);
        return key == NULL ? cli_fail(&err) : CLI_INVALID;
    }
    json_array_append_new(list,
                          cli_memory(json_pack("{s:i, s:s, s:o, s:o}", "ssid", (int)ssid, "kind",
                                               "oscore", "identity", name, "key", key)));
    return CLI_OK;
}

/* "SSID=@CERTIFICATES,@PRIVATE-KEY" */
static int add_server_certificate(const char *text, json_t *list)
{
    struct err err = {0};
    long ssid;
    const char *form = "SSID=@CERTIFICATES,@PRIVATE-KEY";
    const char *files = take_ssid("--server-certificate", text, form, &ssid);
    const char *comma = files != NULL ? strchr(files, ',') : NULL;

    if (comma == NULL) {
        if (files != NULL)
            cli_say("--server-certificate %s: write %s", text, form);
        return CLI_USAGE;
    }
    char *first = cli_memory(strndup(files, (size_t)(comma - files)));
    json_t *certificate = cli_read_material(first, &err);
    json_t *key = certificate != NULL ? cli_read_material(comma + 1, &err) : NULL;
    free(first);
    if (key == NULL) {
        json_decref(certificate);
        return cli_fail(&err);
    }
    json_array_append_new(
        list, cli_memory(json_pack("{s:i, s:s, s:o, s:o}", "ssid", (int)ssid, "kind", "x509",
                                   "certificate", certificate, "private_key", key)));
    return CLI_OK;
}

/* "SSID=@PRIVATE-KEY" */
static int add_server_key_pair(const char *text, json_t *list)
{
    struct err err = {0};
    long ssid;
    const char *file = take_ssid("--server-key-pair", text, "SSID=@PRIVATE-KEY", &ssid);

    if (file == NULL)
        return CLI_USAGE;
    json_t *key = cli_read_material(file, &err);
    if (key == NULL)
        return cli_fail(&err);
    json_array_append_new(list, cli_memory(json_pack("{s:i, s:s, s:o}", "ssid", (int)ssid, "kind",
                                                     "rpk", "private_key", key)));
    return CLI_OK;
}

static int add_server_credentials(const struct enrolment *enrolment, const char *endpoint,
                                  json_t *body)
{
    int code = CLI_OK;
    json_t *list = cli_memory(json_array());

    for (size_t i = 0; code == CLI_OK && i < enrolment->server_keys.count; i++)
        code = add_server_key(enrolment->server_keys.items[i], endpoint, list);
    for (size_t i = 0; code == CLI_OK && i < enrolment->server_oscore.count; i++)
        code = add_server_oscore(enrolment->server_oscore.items[i], list);
    for (size_t i = 0; code == CLI_OK && i < enrolment->server_certificates.count; i++)
        code = add_server_certificate(enrolment->server_certificates.items[i], list);
    for (size_t i = 0; code == CLI_OK && i < enrolment->server_key_pairs.count; i++)
        code = add_server_key_pair(enrolment->server_key_pairs.items[i], list);
    if (json_array_size(list) > 0)
        json_object_set(body, "server_credentials", list);
    json_decref(list);
    return code;
}

static int check_options(const struct enrolment *enrolment)
{
    int sources = (enrolment->key != NULL) + (enrolment->key_file != NULL) + enrolment->key_stdin +
                  enrolment->generate + enrolment->no_key + (enrolment->certificate != NULL) +
                  (enrolment->public_key != NULL);

    if (sources > 1)
        cli_say(
            "give one of --key, --key-file, --key-stdin, --generate, --no-key, --certificate and "
            "--public-key");
    else if (enrolment->replace && enrolment->if_absent)
        cli_say("--replace and --if-absent contradict each other");
    else if (enrolment->key != NULL && enrolment->key[0] != '@' && strcmp(enrolment->key, "-") != 0)
        /* Not repeated: it may be the key itself. */
        cli_say("--key takes @FILE: keys are not given on the command line, where others on this "
                "machine can read them");
    else
        return CLI_OK;
    return CLI_USAGE;
}

static int add_text(json_t *body, const char *member, const char *text)
{
    json_t *value = text == NULL ? NULL : json_string(text);

    if (text != NULL && value == NULL) {
        cli_say("the %s is not UTF-8", member);
        return CLI_INVALID;
    }
    if (value != NULL)
        json_object_set_new(body, member, value);
    return CLI_OK;
}

static int add_key(const struct enrolment *enrolment, json_t *body)
{
    struct err err = {0};
    const char *source = enrolment->key_stdin          ? "-"
                         : enrolment->key_file != NULL ? enrolment->key_file
                                                       : enrolment->key;

    if (enrolment->generate)
        json_object_set_new(body, "generate", json_true());
    if (enrolment->no_key)
        json_object_set_new(body, "no_key", json_true());
    if (enrolment->certificate != NULL)
        return cli_add_public_material(body, "certificate", enrolment->certificate);
    if (enrolment->public_key != NULL)
        return cli_add_public_material(body, "public_key", enrolment->public_key);
    if (source == NULL)
        return CLI_OK;
    json_t *key = cli_read_key(source, &err);
    if (key == NULL)
        return cli_fail(&err);
    json_object_set_new(body, "key", key);
    return CLI_OK;
}

static int make_body(const struct enrolment *enrolment, const char *endpoint, json_t *body)
{
    int code = check_options(enrolment);

    if (code == CLI_OK)
        code = add_text(body, "class", enrolment->class_name);
    if (code == CLI_OK)
        code = add_text(body, "identity", enrolment->identity);
    if (code == CLI_OK)
        code = add_key(enrolment, body);
    if (code == CLI_OK && enrolment->tags.count > 0)
        code = cli_add_tags(&enrolment->tags, body);
    if (code == CLI_OK)
        code = add_server_credentials(enrolment, endpoint, body);
    return code;
}

/* The key that the server made is shown by this call and by no later one. */
static int print_answer(const struct enrolment *enrolment, const char *endpoint,
                        const json_t *answer)
{
    const char *change = json_string_value(json_object_get(answer, "change"));
    const char *key = json_string_value(json_object_get(answer, "key"));

    if (enrolment->server.json)
        return cli_print_json(answer);
    cli_put_text(stdout, endpoint);
    printf(": %s\n", change == NULL ? "done" : change);
    if (key != NULL)
        printf("key: %s\nThis key is shown once. Put it into the device now.\n", key);
    return CLI_OK;
}

static int enroll(struct enrolment *enrolment, const char *endpoint, json_t *body)
{
    char path[CLI_PATH_MAX];
    json_t *answer = NULL;
    struct err err = {0};
    int status = 0, code = CLI_OK;

    if (!cli_device_path(endpoint, enrolment->replace ? "?replace=true" : "", path, sizeof path))
        return CLI_INVALID;
    if (!cli_connect(&enrolment->server, &code))
        return code;
    enum err_code result =
        cli_call_quiet(&enrolment->server, "PUT", path, body, &answer, &status, &err);
    if (result == ERR_EXISTS && enrolment->if_absent) {
        answer = cli_memory(json_pack("{s:s}", "change", "unchanged"));
        result = ERR_OK;
    }
    if (result == ERR_EXISTS)
        err_set(&err, ERR_EXISTS,
                "'%s' is enrolled with other data; --replace changes it, --if-absent leaves it",
                endpoint);
    code = result == ERR_OK ? print_answer(enrolment, endpoint, answer) : cli_fail(&err);
    json_decref(answer);
    cli_disconnect(&enrolment->server);
    return code;
}

int cmd_enroll(int argc, char **argv)
{
    struct enrolment enrolment = {0};
    const struct cli_option options[] = {
        {.name = "class",
         .letter = 'c',
         .kind = CLI_TEXT,
         .value = &enrolment.class_name,
         .argument = "CLASS",
         .help = "the profile that the device follows"},
        {.name = "identity",
         .letter = 'i',
         .kind = CLI_TEXT,
         .value = &enrolment.identity,
         .argument = "TEXT",
         .help = "PSK identity (default: the endpoint)"},
        {.name = "key",
         .letter = 'k',
         .kind = CLI_TEXT,
         .value = &enrolment.key,
         .argument = "@FILE",
         .help = "file with the bootstrap key in hexadecimal; @- is standard input"},
        {.name = "key-file",
         .kind = CLI_TEXT,
         .value = &enrolment.key_file,
         .argument = "FILE",
         .help = "the same"},
        {.name = "key-stdin",
         .kind = CLI_FLAG,
         .value = &enrolment.key_stdin,
         .help = "read the key from standard input"},
        {.name = "generate",
         .letter = 'g',
         .kind = CLI_FLAG,
         .value = &enrolment.generate,
         .help = "let the server make the key; it is shown once"},
        {.name = "no-key",
         .kind = CLI_FLAG,
         .value = &enrolment.no_key,
         .help = "no pre-shared key: it proves itself by a certificate"},
        {.name = "certificate",
         .kind = CLI_TEXT,
         .value = &enrolment.certificate,
         .argument = "@FILE",
         .help = "it proves itself by exactly this certificate"},
        {.name = "public-key",
         .kind = CLI_TEXT,
         .value = &enrolment.public_key,
         .argument = "@FILE",
         .help = "it proves itself by any certificate with this key"},
        {.name = "server-key",
         .kind = CLI_LIST,
         .value = &enrolment.server_keys,
         .argument = "SSID=IDENTITY,@FILE",
         .help = "PSK for a server with `credential: enrolled`; may be repeated"},
        {.name = "server-oscore",
         .kind = CLI_LIST,
         .value = &enrolment.server_oscore,
         .argument = "SSID=SENDER-ID,@FILE",
         .help = "the same for OSCORE: Sender ID and Master Secret"},
        {.name = "server-certificate",
         .kind = CLI_LIST,
         .value = &enrolment.server_certificates,
         .argument = "SSID=@CERTIFICATES,@PRIVATE-KEY",
         .help = "the same for X.509; PEM or DER, the device's own certificate first"},
        {.name = "server-key-pair",
         .kind = CLI_LIST,
         .value = &enrolment.server_key_pairs,
         .argument = "SSID=@PRIVATE-KEY",
         .help = "the same for raw public keys"},
        {.name = "tag",
         .letter = 't',
         .kind = CLI_LIST,
         .value = &enrolment.tags,
         .argument = "NAME=VALUE",
         .help = "for ${tags.NAME} in profiles; may be repeated"},
        {.name = "replace",
         .kind = CLI_FLAG,
         .value = &enrolment.replace,
         .help = "change a device that is enrolled; what is not said stays as it is"},
        {.name = "if-absent",
         .kind = CLI_FLAG,
         .value = &enrolment.if_absent,
         .help = "leave a device that is enrolled as it is"},
        CLI_SERVER_OPTIONS(&enrolment.server),
    };
    const struct cli_usage usage = {
        .synopsis = "enroll ENDPOINT --class CLASS (--key @FILE | --key-stdin | --generate | "
                    "--no-key | --certificate @FILE | --public-key @FILE) [OPTION..]",
        .summary = "Makes a device known. The same command twice changes nothing.",
        .examples = "  usher enroll urn:dev:os:0042-lamp7 --class street-light --key @lamp7.key\n"
                    "  usher enroll urn:dev:os:0042-lamp8 --class street-light --generate\n"
                    "  usher enroll meter-1 --class water-meter --key @m1.key --server-key "
                    "301=meter-1,@m1.301\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .operands_least = 1,
        .operands_most = 1,
    };
    size_t operands = 0;
    int code = CLI_OK;

    if (!cli_parse(&usage, argc, argv, &operands, &code))
        return code;
    json_t *body = cli_memory(json_object());
    code = make_body(&enrolment, argv[1], body);
    if (code == CLI_OK)
        code = enroll(&enrolment, argv[1], body);
    json_decref(body);
    return cli_finish(code);
}
