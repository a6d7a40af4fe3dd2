/* usher derive: the keys of a group's devices, without a server. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_priv.h"

#include "usher/derive.h"
#include "usher/enrollment.h"

#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 512 };

struct derivation {
    const char *key, *scheme, *label;
    int64_t length;
    bool from_stdin, base64, json;
    struct derive derive;
};

static int take_group_key(struct derivation *derivation, const char *text)
{
    uint8_t data[DERIVE_GROUP_KEY_MOST];
    struct err err = {0};
    size_t len = 0;
    enum derive_scheme scheme = DERIVE_HKDF;
    int code = CLI_OK;
    if (!derive_scheme_from_name(derivation->scheme, &scheme)) {
        cli_say("--scheme takes hkdf-sha256 or hmac-sha256, not '%s'", derivation->scheme);
        return CLI_USAGE;
    }
    if (!bytes_from_hex(text, strlen(text), data, sizeof data, &len))
        code = CLI_INVALID; /* cli_read_key has let nothing else through */
    else if (derive_begin(&derivation->derive, scheme, bytes_of(data, len), derivation->label,
                          (size_t)derivation->length, &err) != ERR_OK)
        code = cli_fail(&err);
    bytes_wipe(data, sizeof data);
    return code;
}

static int print_key(const struct derivation *derivation, const char *name)
{
    char text[BYTES_HEX_SIZE(SECRET_MAX)];
    struct secret key = {0};
    struct err err = {0};
    if (enrollment_check_endpoint(bytes_of_text(name), &err) != ERR_OK) {
        cli_say("'%s': %s", name, err.text);
        return CLI_INVALID;
    }
    derive_key(&derivation->derive, bytes_of_text(name), &key);
    if (derivation->base64)
        bytes_to_base64(secret_bytes(&key), false, text);
    else
        bytes_to_hex(secret_bytes(&key), text);
    if (derivation->json) {
        json_t *line = cli_memory(json_pack("{s:s, s:s}", "endpoint", name,
                                            derivation->base64 ? "key_base64" : "key", text));
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(line);
    } else {
        cli_put_csv(stdout, name);
        printf(",%s\n", text);
    }
    secret_clear(&key);
    bytes_wipe(text, sizeof text);
    return CLI_OK;
}

static int derive_lines(const struct derivation *derivation)
{
    char line[LINE_SIZE];
    int code = CLI_OK;
    while (code == CLI_OK && fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] != '\0')
            code = print_key(derivation, line);
    }
    return code;
}

static int run(struct derivation *derivation, char **names, size_t count)
{
    struct err err = {0};
    json_t *key = cli_read_key(derivation->key, &err);
    if (key == NULL)
        return cli_fail(&err);
    int code = take_group_key(derivation, json_string_value(key));
    json_decref(key);
    if (code == CLI_OK && !derivation->json)
        printf("endpoint,%s\n", derivation->base64 ? "key_base64" : "key");
    if (code == CLI_OK && derivation->from_stdin)
        code = derive_lines(derivation);
    for (size_t i = 0; code == CLI_OK && i < count; i++)
        code = print_key(derivation, names[i]);
    derive_clear(&derivation->derive);
    return code;
}

int cmd_derive(int argc, char **argv)
{
    struct derivation derivation = {
        .scheme = "hkdf-sha256", .label = DERIVE_DEFAULT_LABEL, .length = 16};
    const struct cli_option options[] = {
        {.name = "key",
         .letter = 'k',
         .kind = CLI_TEXT,
         .value = &derivation.key,
         .argument = "@FILE",
         .help = "file with the group's key in hexadecimal; @- is standard input"},
        {.name = "scheme",
         .kind = CLI_TEXT,
         .value = &derivation.scheme,
         .argument = "NAME",
         .help = "hkdf-sha256 (default) or hmac-sha256 (Azure DPS)"},
        {.name = "label",
         .kind = CLI_TEXT,
         .value = &derivation.label,
         .argument = "TEXT",
         .help = "of hkdf-sha256 (default: usher bootstrap psk)"},
        {.name = "length",
         .kind = CLI_NUMBER,
         .value = &derivation.length,
         .argument = "BYTES",
         .help = "of the keys by hkdf-sha256 (default: 16)",
         .least = 16,
         .most = 64},
        {.name = "stdin",
         .kind = CLI_FLAG,
         .value = &derivation.from_stdin,
         .help = "read one endpoint a line"},
        {.name = "base64",
         .kind = CLI_FLAG,
         .value = &derivation.base64,
         .help = "print keys in base64, as tools for Azure do"},
        CLI_JSON_OPTION(&derivation.json),
    };
    const struct cli_usage usage = {
        .synopsis = "derive --key @FILE [OPTION..] ENDPOINT..|--stdin",
        .summary =
            "Prints the keys of a group's devices as CSV. Needs no server: it runs where the\n"
            "devices are made. The result can be put into devices, or imported.",
        .examples =
            "  usher derive --key @b7.key urn:dev:os:0042-lamp7\n"
            "  seq -f 'urn:dev:os:0042-%06g' 500 | usher derive --key @b7.key --stdin >b7.csv\n"
            "  usher derive --key @dps.key --scheme hmac-sha256 --base64 sn-007-888\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .operands_most = SIZE_MAX,
    };
    size_t operands = 0;
    int code = CLI_OK;
    if (!cli_parse(&usage, argc, argv, &operands, &code))
        return code;
    if (derivation.key == NULL || (operands == 0) != derivation.from_stdin) {
        cli_say("give --key @FILE, and endpoints or --stdin; see 'usher derive --help'");
        return CLI_USAGE;
    }
    return cli_finish(run(&derivation, argv + 1, operands));
}
