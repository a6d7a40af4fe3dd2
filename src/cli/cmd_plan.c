/* SPDX-License-Identifier: Apache-2.0 */
/* usher plan: what a device would receive, by a running server or by profiles in files. */
#include "plan_priv.h"

#include "usher/yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DISCOVER_MAX = 65536, SERVER_DISCOVER_MAX = 4096, TARGET_MAX = 16384 };

/* The options as they were typed. */
struct words {
    const char *version, *discover, *format;
};

/* --- options --- */

static int read_version(const struct words *words, struct plan_request *request)
{
    static const char *const names[] = {"1.0", "1.1", "1.2", NULL};
    static const enum lwm2m_version versions[] = {LWM2M_1_0, LWM2M_1_1, LWM2M_1_2};
    request->version = LWM2M_VERSION_UNKNOWN;
    if (!words->version)
        return CLI_OK;
    for (size_t i = 0; names[i]; i++) {
        if (strcmp(names[i], words->version) == 0) {
            request->version = versions[i];
            return CLI_OK;
        }
    }
    cli_say("--lwm2m takes 1.0, 1.1 or 1.2, not '%s'", words->version);
    return CLI_USAGE;
}

static int read_format(const struct words *words, struct plan_request *request)
{
    static const char *const names[] = {"text",       "tlv",        "senml-json",
                                        "senml-cbor", "lwm2m-cbor", NULL};
    request->format = FORMAT_NONE;
    if (!words->format || strcmp(words->format, "text") == 0)
        return CLI_OK;
    for (size_t i = 0; names[i]; i++) {
        if (strcmp(names[i], words->format) == 0) {
            request->format = codec_from_name(names[i]);
            return CLI_OK;
        }
    }
    const char *meant = yaml_suggest(words->format, names);
    cli_say("--format takes text, tlv, senml-json, senml-cbor or lwm2m-cbor, not '%s'%s%s%s",
            words->format, meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
    return CLI_USAGE;
}

/* Reads all of a file into `text`; false after a message. */
static bool read_all(FILE *file, const char *name, char *text)
{
    size_t len = fread(text, 1, DISCOVER_MAX + 1, file);
    if (ferror(file) || len > DISCOVER_MAX || memchr(text, 0, len)) {
        cli_say("cannot read '%s' (%s)", name,
                ferror(file)         ? strerror(errno)
                : len > DISCOVER_MAX ? "more than 64 KiB"
                                     : "a zero byte in it: this is no link format");
        return false;
    }
    /* Files made by people end with a line break; payloads do not. */
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    text[len] = '\0';
    return true;
}

static int read_discover(const struct words *words, struct plan_request *request, char **text)
{
    const char *name = words->discover;
    if (!name)
        return CLI_OK;
    bool standard_input = strcmp(name, "-") == 0;
    FILE *file = standard_input ? stdin : fopen(name, "re");
    if (!file) {
        cli_say("cannot open '%s' (%s)", name, strerror(errno));
        return CLI_INVALID;
    }
    *text = cli_memory(malloc(DISCOVER_MAX + 1));
    bool good = read_all(file, name, *text);
    if (!standard_input)
        fclose(file);
    request->discover = *text;
    request->discover_name = name;
    return good ? CLI_OK : CLI_INVALID;
}

/* --- by a server --- */

static void put_parameter(struct buf *target, const char *name, const char *value)
{
    if (!value)
        return;
    buf_printf(target, "&%s=", name);
    client_put_escaped(target, value);
}

static int ask_server(const struct plan_request *request, const struct words *words,
                      struct cli_server *server, json_t **answer)
{
    char path[CLI_PATH_MAX];
    int exit_code = CLI_OK;
    if (request->discover && strlen(request->discover) > SERVER_DISCOVER_MAX) {
        cli_say(
            "'%s' is too long for a server, which takes %d bytes; with --class it may have 64 KiB",
            request->discover_name, SERVER_DISCOVER_MAX);
        return CLI_INVALID;
    }
    if (!cli_device_path(request->endpoint, "/plan", path, sizeof(path)))
        return CLI_INVALID;
    if (!cli_connect(server, &exit_code))
        return exit_code;
    struct buf target;
    buf_init(&target, TARGET_MAX);
    buf_printf(&target, "%s?text=%s", path, request->json ? "false" : "true");
    put_parameter(&target, "lwm2m", words->version);
    put_parameter(&target, "discover", request->discover);
    if (request->format != FORMAT_NONE)
        put_parameter(&target, "format", codec_name(request->format));
    const char *text = buf_text(&target);
    exit_code = CLI_FAILED;
    if (text)
        exit_code = cli_call(server, "GET", text, NULL, answer);
    else
        cli_say("out of memory");
    if (exit_code == CLI_OK && !*answer) {
        cli_say("the server's answer is empty; is this usherd?");
        exit_code = CLI_FAILED;
    }
    if (exit_code == CLI_OK && !request->discover && !request->json)
        cli_say("made without the device's answer to Discover, which can change version and "
                "instance numbers; --discover FILE takes one");
    buf_clear(&target);
    cli_disconnect(server);
    return exit_code;
}

/* Whatever describes the device or names profiles means: by files. With nothing said, a directory
 * of profiles is good enough where no server is in sight. */
static bool is_offline(const struct plan_request *request, const struct cli_server *server)
{
    if (request->class_name || request->profiles || request->identity || request->tags.count > 0)
        return true;
    if (cli_server_in_sight(server) || access("profiles", R_OK) != 0)
        return false;
    cli_say(
        "no server is running here: by the profiles in ./profiles, as if the device had no tags");
    return true;
}

/* --- the command --- */

/* The text holds names from the command line and from profiles. */
static void put_lines(const char *text)
{
    char *copy = cli_memory(strdup(text)), *rest = copy, *line;
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (!rest && line[0] == '\0')
            break;
        cli_put_text(stdout, line);
        putchar('\n');
    }
    free(copy);
}

static int print_answer(const struct plan_request *request, json_t *answer)
{
    if (request->json)
        return cli_print_json(answer);
    const char *text = json_string_value(json_object_get(answer, "text"));
    put_lines(text ? text : "");
    return cli_finish(CLI_OK);
}

static int run_plan(struct plan_request *request, const struct words *words,
                    struct cli_server *server)
{
    char *discover = NULL;
    json_t *answer = NULL;
    int exit_code = read_format(words, request);
    if (exit_code == CLI_OK)
        exit_code = read_version(words, request);
    if (exit_code == CLI_OK)
        exit_code = read_discover(words, request, &discover);
    if (exit_code == CLI_OK && is_offline(request, server))
        exit_code = plan_offline(request, &answer);
    else if (exit_code == CLI_OK)
        exit_code = ask_server(request, words, server, &answer);
    if (exit_code == CLI_OK)
        exit_code = print_answer(request, answer);
    json_decref(answer);
    free(discover);
    return exit_code;
}

/* An enrolled device is what its server knows of it. */
static bool contradicts(const struct plan_request *request, const struct cli_server *server)
{
    const char *offline = request->class_name       ? "--class"
                          : request->profiles       ? "--profiles"
                          : request->identity       ? "--identity"
                          : request->tags.count > 0 ? "--tag"
                                                    : NULL;
    const char *online = server->socket ? "--socket" : server->url ? "--url" : NULL;
    if (!offline || !online)
        return false;
    cli_say("%s asks a server for an enrolled device, %s describes one without a server: give one "
            "of them",
            online, offline);
    return true;
}

int cmd_plan(int argc, char **argv)
{
    struct plan_request request = {0};
    struct words words = {0};
    struct cli_server server = {0};
    const struct cli_option options[] = {
        CLI_SERVER_OPTIONS(&server),
        {.name = "lwm2m",
         .kind = CLI_TEXT,
         .value = &words.version,
         .argument = "1.0|1.1|1.2",
         .help = "version that the device speaks (default: what the profile says, else 1.0)"},
        {.name = "discover",
         .kind = CLI_TEXT,
         .value = &words.discover,
         .argument = "FILE",
         .help = "answer to Bootstrap-Discover, in link format; - reads standard input"},
        {.name = "format",
         .kind = CLI_TEXT,
         .value = &words.format,
         .argument = "FORMAT",
         .help = "show the payloads too: tlv, senml-json, senml-cbor or lwm2m-cbor; or text"},
        {.name = "class",
         .kind = CLI_TEXT,
         .value = &request.class_name,
         .argument = "NAME",
         .help = "without a server: class of the device (default: the one whose 'match' takes it)"},
        {.name = "profiles",
         .kind = CLI_TEXT,
         .value = &request.profiles,
         .argument = "DIR",
         .help = "without a server: directory or file with profiles (default: profiles)"},
        {.name = "tag",
         .kind = CLI_LIST,
         .value = &request.tags,
         .argument = "NAME=VALUE",
         .help = "without a server: value of ${tags.NAME}; may be given several times"},
        {.name = "identity",
         .kind = CLI_TEXT,
         .value = &request.identity,
         .argument = "TEXT",
         .help = "without a server: value of ${identity} (default: the endpoint)"},
    };
    const struct cli_usage usage = {
        .synopsis = "plan ENDPOINT [--format FORMAT] [--discover FILE]\n"
                    "       usher plan ENDPOINT --class NAME [--profiles DIR] [--tag NAME=VALUE].. "
                    "[OPTION..]",
        .summary =
            "Shows what a device would receive if it called now, in order. The first form asks "
            "the\n"
            "server about an enrolled device; the second asks nobody and reads profiles from "
            "files.\n"
            "No key is made or shown: references such as <psk-key of server 101> stand for them.",
        .examples = "  usher plan urn:dev:os:0042-lamp7\n"
                    "  usher plan urn:dev:os:0042-lamp7 --format tlv\n"
                    "  usher plan urn:dev:os:0042-lamp7 --class street-light\n"
                    "  usher plan urn:imei:860000000000001 --tag district=north --tag bay=B12\n"
                    "  usher plan lamp --class street-light --lwm2m 1.1 --format senml-cbor\n"
                    "  echo '</>;lwm2m=1.1,</0/0>,</1>' | usher plan lamp --class street-light "
                    "--discover -\n",
        .options = options,
        .option_count = sizeof(options) / sizeof(options[0]),
        .operands_least = 1,
        .operands_most = 1,
    };
    size_t operands = 0;
    int exit_code = CLI_OK;
    if (!cli_parse(&usage, argc, argv, &operands, &exit_code))
        return exit_code;
    request.endpoint = argv[1];
    request.json = server.json;
    if (contradicts(&request, &server))
        return CLI_USAGE;
    return run_plan(&request, &words, &server);
}
