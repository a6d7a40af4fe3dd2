/* SPDX-License-Identifier: Apache-2.0 */
/* usher plan: what a device would receive, without asking anybody. */
#include "cli_priv.h"

#include "usher/clock.h"
#include "usher/codec.h"
#include "usher/corelink.h"
#include "usher/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DISCOVER_MAX = 65536, OUTPUT_MAX = 16 << 20, PAYLOAD_MAX = 4 << 20, ENROLLED_KEY_LEN = 16 };

/* What the command line says. */
struct request {
    const char *endpoint;
    const char *class_name;
    const char *profiles;
    const char *identity;
    const char *version;
    const char *discover;
    const char *format_name;
    struct cli_list tags;
    bool json;
};

/* What a plan is made of, and the plan. */
struct preview {
    struct profile_set *set;
    const struct profile *profile;
    struct enrollment enrollment;
    struct tag tags[TAGS_MAX];
    struct capability capability;
    struct credential_need needs[SERVERS_MAX];
    size_t need_count;
    int format; /* FORMAT_NONE: no payloads are wanted */
    struct plan *plan;
};

/* --- the device, as the command line describes it --- */

static int set_tags(const struct request *request, struct preview *preview)
{
    struct err err;
    preview->enrollment.tags = preview->tags;
    for (size_t i = 0; i < request->tags.count; i++) {
        const char *text = request->tags.items[i], *equals = strchr(text, '=');
        if (!equals || equals - text > TAG_NAME_MAX || strlen(equals + 1) > TAG_VALUE_MAX) {
            cli_say("--tag takes NAME=VALUE, not '%s'", text);
            return CLI_USAGE;
        }
        if (i == TAGS_MAX) {
            cli_say("a device has at most %d tags", TAGS_MAX);
            return CLI_USAGE;
        }
        struct tag *tag = &preview->tags[preview->enrollment.tag_count++];
        snprintf(tag->name, sizeof(tag->name), "%.*s", (int)(equals - text), text);
        snprintf(tag->value, sizeof(tag->value), "%s", equals + 1);
        if (enrollment_check_tag(tag->name, tag->value, &err) != ERR_OK)
            return cli_fail(&err);
    }
    return CLI_OK;
}

static int describe_device(const struct request *request, struct preview *preview)
{
    struct enrollment *enrollment = &preview->enrollment;
    struct err err;
    struct bytes endpoint = bytes_of_text(request->endpoint);
    struct bytes identity = request->identity ? bytes_of_text(request->identity) : endpoint;
    if (enrollment_check_endpoint(endpoint, &err) != ERR_OK)
        return cli_fail(&err);
    snprintf(enrollment->endpoint, sizeof(enrollment->endpoint), "%s", request->endpoint);
    /* Long endpoint names are no identities; then ${identity} shows the part that would fit. */
    if (!request->identity && identity.len > IDENTITY_MAX)
        identity.len = IDENTITY_MAX;
    if (!identity_set(&enrollment->identity, identity)) {
        cli_say("--identity takes 1 to %d bytes", IDENTITY_MAX);
        return CLI_USAGE;
    }
    return set_tags(request, preview);
}

static int set_version(const struct request *request, struct preview *preview)
{
    static const char *const names[] = {"1.0", "1.1", "1.2", NULL};
    static const enum lwm2m_version versions[] = {LWM2M_1_0, LWM2M_1_1, LWM2M_1_2};
    capability_init(&preview->capability);
    if (!request->version)
        return CLI_OK;
    for (size_t i = 0; names[i]; i++) {
        if (strcmp(names[i], request->version) == 0) {
            preview->capability.version = versions[i];
            return CLI_OK;
        }
    }
    cli_say("--lwm2m takes 1.0, 1.1 or 1.2, not '%s'", request->version);
    return CLI_USAGE;
}

static int read_discover(const struct request *request, struct preview *preview)
{
    if (!request->discover)
        return CLI_OK;
    struct err err;
    bool standard_input = strcmp(request->discover, "-") == 0;
    FILE *file = standard_input ? stdin : fopen(request->discover, "re");
    if (!file) {
        cli_say("cannot open '%s' (%s)", request->discover, strerror(errno));
        return CLI_INVALID;
    }
    char *text = cli_memory(malloc(DISCOVER_MAX + 1));
    size_t len = fread(text, 1, DISCOVER_MAX + 1, file);
    int exit_code = CLI_OK;
    if (ferror(file) || len > DISCOVER_MAX) {
        cli_say("cannot read '%s' (%s)", request->discover,
                len > DISCOVER_MAX ? "more than 64 KiB" : strerror(errno));
        exit_code = CLI_INVALID;
    } else {
        /* Files made by people end with a line break; payloads do not. */
        while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
            len--;
        if (corelink_read(bytes_of(text, len), &preview->capability, &err) != ERR_OK) {
            err_prefix(&err, "in '%s'", request->discover);
            exit_code = cli_fail(&err);
        }
    }
    free(text);
    if (!standard_input)
        fclose(file);
    return exit_code;
}

/* --- the profile --- */

static int load_profiles(const struct request *request, struct preview *preview)
{
    struct findings findings;
    findings_init(&findings);
    preview->set = profile_set_load(&request->profiles, 1, &findings);
    if (!preview->set)
        findings_print(&findings, STDERR_FILENO);
    findings_clear(&findings);
    return preview->set ? CLI_OK : CLI_INVALID;
}

static int unknown_class(const struct request *request, const struct profile_set *set)
{
    size_t count = profile_set_count(set);
    const char **names = cli_memory(calloc(count + 1, sizeof(*names)));
    for (size_t i = 0; i < count; i++)
        names[i] = profile_class(profile_set_at(set, i));
    const char *meant = yaml_suggest(request->class_name, names);
    cli_say("no class '%s' in '%s'%s%s%s", request->class_name, request->profiles,
            meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
    free(names);
    return CLI_INVALID;
}

static int choose_profile(const struct request *request, struct preview *preview)
{
    struct err err;
    if (request->class_name) {
        preview->profile = profile_set_find(preview->set, request->class_name);
        return preview->profile ? CLI_OK : unknown_class(request, preview->set);
    }
    preview->profile = profile_set_select(preview->set, &preview->enrollment, &err);
    if (preview->profile)
        return CLI_OK;
    cli_say("%s (here: --class NAME)", err.text);
    return CLI_INVALID;
}

/* An enrolled key is not known here: a stand-in with the endpoint as its identity. */
static int set_credentials(struct preview *preview)
{
    struct enrollment *enrollment = &preview->enrollment;
    struct err err;
    if (profile_credentials(preview->profile, enrollment, preview->needs, &preview->need_count,
                            &err) != ERR_OK)
        return cli_fail(&err);
    for (size_t i = 0; i < preview->need_count; i++) {
        struct credential_need *need = &preview->needs[i];
        if (need->source != CREDENTIAL_ENROLLED)
            continue;
        need->key_len = ENROLLED_KEY_LEN;
        enrollment->credentials[enrollment->credential_count++] =
            (struct enrolled_credential){.ssid = need->ssid,
                                         .status = CREDENTIAL_ACTIVE,
                                         .identity = enrollment->identity,
                                         .key_len = ENROLLED_KEY_LEN};
    }
    return CLI_OK;
}

static int make_plan(struct preview *preview)
{
    struct plan_context context = {.now_wall_ms = clock_wall_ms()};
    struct err err;
    if (plan_build(preview->profile, &preview->enrollment, &preview->capability, &context,
                   &preview->plan, &err) != ERR_OK)
        return cli_fail(&err);
    return CLI_OK;
}

/* --- payloads --- */

/* Zero bytes of the right length in the place of a key. */
static bool reveal_zeros(void *context, const struct secret_ref *ref, struct bytes *out)
{
    static const uint8_t zeros[64] = {0};
    const struct preview *preview = context;
    for (size_t i = 0; i < preview->need_count; i++) {
        if (preview->needs[i].ssid == ref->ssid && preview->needs[i].key_len <= sizeof(zeros)) {
            *out = bytes_of(zeros, preview->needs[i].key_len);
            return true;
        }
    }
    return false;
}

static int encode(struct preview *preview, const struct operation *operation, struct buf *payload,
                  char **hex)
{
    struct codec_reveal reveal = {reveal_zeros, preview};
    struct err err;
    buf_reset(payload);
    if (codec_encode(preview->format, &operation->path, operation->records, operation->record_count,
                     &reveal, payload, &err) != ERR_OK)
        return cli_fail(&err);
    *hex = cli_memory(malloc(BYTES_HEX_SIZE(payload->len)));
    bytes_to_hex(buf_bytes(payload), *hex);
    return CLI_OK;
}

static int print_payloads(struct preview *preview, struct buf *payload)
{
    printf("\npayloads in %s; zero bytes stand in the place of keys\n",
           codec_name(preview->format));
    int exit_code = CLI_OK;
    for (size_t i = 0; i < plan_count(preview->plan) && exit_code == CLI_OK; i++) {
        const struct operation *operation = plan_operation(preview->plan, i);
        char path[PATH_TEXT_SIZE], *hex = NULL;
        if (operation->kind != OPERATION_WRITE)
            continue;
        exit_code = encode(preview, operation, payload, &hex);
        path_text(&operation->path, path);
        if (exit_code == CLI_OK)
            printf("%s, %zu bytes\n    %s\n", path, payload->len, hex);
        free(hex);
    }
    return exit_code;
}

/* The text holds names from the command line and from profiles. */
static void put_lines(char *text)
{
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        cli_put_text(stdout, line);
        putchar('\n');
    }
}

static int print_text(struct preview *preview, struct buf *text, struct buf *payload)
{
    plan_print_text(preview->plan, text);
    buf_put_u8(text, '\0');
    if (text->failed) {
        cli_say("the plan is too large to show");
        return CLI_FAILED;
    }
    put_lines((char *)text->data);
    int exit_code = preview->format != FORMAT_NONE ? print_payloads(preview, payload) : CLI_OK;
    return cli_finish(exit_code);
}

static int add_payloads(struct preview *preview, json_t *operations, struct buf *payload)
{
    int exit_code = CLI_OK;
    for (size_t i = 0; i < plan_count(preview->plan) && exit_code == CLI_OK; i++) {
        const struct operation *operation = plan_operation(preview->plan, i);
        char *hex = NULL;
        if (operation->kind != OPERATION_WRITE)
            continue;
        exit_code = encode(preview, operation, payload, &hex);
        if (exit_code == CLI_OK)
            json_object_set_new(json_array_get(operations, i), "payload", json_string(hex));
        free(hex);
    }
    return exit_code;
}

static int print_json(struct preview *preview, struct buf *text, struct buf *payload)
{
    plan_print_json(preview->plan, text);
    if (text->failed) {
        cli_say("the plan is too large to show");
        return CLI_FAILED;
    }
    json_t *answer = cli_memory(json_loadb((const char *)text->data, text->len, 0, NULL));
    json_object_set_new(answer, "endpoint", json_string(preview->enrollment.endpoint));
    int exit_code = CLI_OK;
    if (preview->format != FORMAT_NONE) {
        json_object_set_new(answer, "payload_format", json_string(codec_name(preview->format)));
        json_object_set_new(answer, "payload_keys", json_string("zeros"));
        exit_code = add_payloads(preview, json_object_get(answer, "operations"), payload);
    }
    if (exit_code == CLI_OK)
        exit_code = cli_print_json(answer);
    json_decref(answer);
    return exit_code;
}

static int print_plan(struct preview *preview, bool json)
{
    struct buf text, payload;
    buf_init(&text, OUTPUT_MAX);
    buf_init(&payload, PAYLOAD_MAX);
    int exit_code =
        json ? print_json(preview, &text, &payload) : print_text(preview, &text, &payload);
    buf_clear(&text);
    buf_clear(&payload);
    return exit_code;
}

/* --- the command --- */

static int choose_format(const struct request *request, struct preview *preview)
{
    static const char *const names[] = {"text",       "tlv",        "senml-json",
                                        "senml-cbor", "lwm2m-cbor", NULL};
    preview->format = FORMAT_NONE;
    if (!request->format_name || strcmp(request->format_name, "text") == 0)
        return CLI_OK;
    int format = codec_from_name(request->format_name);
    for (size_t i = 0; names[i] && codec_can_encode(format); i++) {
        if (strcmp(names[i], request->format_name) == 0) {
            preview->format = format;
            return CLI_OK;
        }
    }
    const char *meant = yaml_suggest(request->format_name, names);
    cli_say("--format takes text, tlv, senml-json, senml-cbor or lwm2m-cbor, not '%s'%s%s%s",
            request->format_name, meant ? "; did you mean '" : "", meant ? meant : "",
            meant ? "'?" : "");
    return CLI_USAGE;
}

static int run_plan(const struct request *request)
{
    struct preview preview = {0};
    int exit_code = choose_format(request, &preview);
    if (exit_code == CLI_OK)
        exit_code = set_version(request, &preview);
    if (exit_code == CLI_OK)
        exit_code = describe_device(request, &preview);
    if (exit_code == CLI_OK)
        exit_code = read_discover(request, &preview);
    if (exit_code == CLI_OK)
        exit_code = load_profiles(request, &preview);
    if (exit_code == CLI_OK)
        exit_code = choose_profile(request, &preview);
    if (exit_code == CLI_OK)
        exit_code = set_credentials(&preview);
    if (exit_code == CLI_OK)
        exit_code = make_plan(&preview);
    if (exit_code == CLI_OK)
        exit_code = print_plan(&preview, request->json);
    plan_free(preview.plan);
    profile_set_unref(preview.set);
    return exit_code;
}

int cmd_plan(int argc, char **argv)
{
    struct request request = {.profiles = "profiles"};
    const struct cli_option options[] = {
        {.name = "class",
         .kind = CLI_TEXT,
         .value = &request.class_name,
         .argument = "NAME",
         .help = "class of the device (default: the one whose 'match' takes the endpoint)"},
        {.name = "profiles",
         .kind = CLI_TEXT,
         .value = &request.profiles,
         .argument = "DIR",
         .help = "directory or file with profiles (default: profiles)"},
        {.name = "tag",
         .kind = CLI_LIST,
         .value = &request.tags,
         .argument = "NAME=VALUE",
         .help = "value of ${tags.NAME}; may be given several times"},
        {.name = "identity",
         .kind = CLI_TEXT,
         .value = &request.identity,
         .argument = "TEXT",
         .help = "value of ${identity} (default: the endpoint)"},
        {.name = "lwm2m",
         .kind = CLI_TEXT,
         .value = &request.version,
         .argument = "1.0|1.1|1.2",
         .help = "version that the device speaks (default: what the profile says, else 1.0)"},
        {.name = "discover",
         .kind = CLI_TEXT,
         .value = &request.discover,
         .argument = "FILE",
         .help = "answer to Bootstrap-Discover, in link format; - reads standard input"},
        {.name = "format",
         .kind = CLI_TEXT,
         .value = &request.format_name,
         .argument = "FORMAT",
         .help = "show the payloads too: tlv, senml-json, senml-cbor or lwm2m-cbor; or text"},
        CLI_JSON_OPTION(&request.json),
    };
    const struct cli_usage usage = {
        .synopsis = "plan ENDPOINT [--class NAME] [--profiles DIR] [--tag NAME=VALUE].. [OPTION..]",
        .summary =
            "Shows what a device of that name would receive in a bootstrap, in order. Reads\n"
            "profiles only, asks no server, makes no key: keys are shown as references.",
        .examples = "  usher plan urn:dev:os:0042-lamp7 --class street-light\n"
                    "  usher plan urn:imei:860000000000001 --tag district=north --tag bay=B12\n"
                    "  usher plan lamp --class street-light --lwm2m 1.1 --format senml-cbor\n"
                    "  echo '</>;lwm2m=1.1,</0/0>,</1>' |\n"
                    "    usher plan lamp --class street-light --discover -\n",
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
    return run_plan(&request);
}
