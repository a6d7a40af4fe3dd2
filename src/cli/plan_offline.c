/* SPDX-License-Identifier: Apache-2.0 */
/* usher plan without a server: profiles from files, the device as the command line describes it. */
#include "plan_priv.h"

#include "usher/clock.h"
#include "usher/corelink.h"
#include "usher/plan.h"
#include "usher/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OUTPUT_MAX = 16 << 20, ENROLLED_KEY_LEN = 16 };

/* What a plan is made of, and the plan. */
struct preview {
    struct profile_set *set;
    const struct profile *profile;
    struct enrollment enrollment;
    struct tag tags[TAGS_MAX];
    struct capability capability;
    struct plan *plan;
};

/* --- the device, as the command line describes it --- */

static int set_tags(const struct plan_request *request, struct preview *preview)
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

static int describe_device(const struct plan_request *request, struct preview *preview)
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

/* The version was checked with the options, the link format is checked here. */
static int set_capability(const struct plan_request *request, struct preview *preview)
{
    struct err err;
    capability_init(&preview->capability);
    preview->capability.version = request->version;
    if (!request->discover ||
        corelink_read(bytes_of_text(request->discover), &preview->capability, &err) == ERR_OK)
        return CLI_OK;
    err_prefix(&err, "in '%s'", request->discover_name);
    return cli_fail(&err);
}

/* --- the profile --- */

static const char *profiles_of(const struct plan_request *request)
{
    return request->profiles ? request->profiles : "profiles";
}

static int load_profiles(const struct plan_request *request, struct preview *preview)
{
    const char *profiles = profiles_of(request);
    struct findings findings;
    findings_init(&findings);
    preview->set = profile_set_load(&profiles, 1, &findings);
    if (!preview->set)
        findings_print(&findings, STDERR_FILENO);
    findings_clear(&findings);
    return preview->set ? CLI_OK : CLI_INVALID;
}

static int unknown_class(const struct plan_request *request, const struct profile_set *set)
{
    size_t count = profile_set_count(set);
    const char **names = cli_memory(calloc(count + 1, sizeof(*names)));
    for (size_t i = 0; i < count; i++)
        names[i] = profile_class(profile_set_at(set, i));
    const char *meant = yaml_suggest(request->class_name, names);
    cli_say("no class '%s' in '%s'%s%s%s", request->class_name, profiles_of(request),
            meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
    free(names);
    return CLI_INVALID;
}

static int choose_profile(const struct plan_request *request, struct preview *preview)
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
    struct credential_need needs[ACCOUNTS_MAX];
    size_t count = 0;
    struct err err;
    if (profile_credentials(preview->profile, enrollment, needs, &count, &err) != ERR_OK)
        return cli_fail(&err);
    for (size_t i = 0; i < count; i++) {
        const struct credential_need *need = &needs[i];
        if (need->source != CREDENTIAL_ENROLLED)
            continue;
        struct enrolled_credential *stand_in =
            &enrollment->credentials[enrollment->credential_count++];
        *stand_in = (struct enrolled_credential){.ssid = need->ssid,
                                                 .status = CREDENTIAL_ACTIVE,
                                                 .kind = need->kind,
                                                 .identity = enrollment->identity,
                                                 .key_len = ENROLLED_KEY_LEN};
        if (need->kind == CREDENTIAL_KIND_OSCORE)
            identity_set(&stand_in->identity, bytes_of_text("sender"));
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

/* --- the answer, as a server would give it --- */

static enum err_code print_text(const struct preview *preview, int format, struct buf *text,
                                struct err *err)
{
    plan_print_text(preview->plan, text);
    return format == FORMAT_NONE ? ERR_OK : plan_print_payloads(preview->plan, format, text, err);
}

static int describe(const struct plan_request *request, const struct preview *preview,
                    json_t **answer)
{
    struct buf buf;
    struct err err = {0};
    buf_init(&buf, OUTPUT_MAX);
    enum err_code code = plan_print_json(preview->plan, request->format, &buf, &err);
    json_t *plan = NULL;
    if (code == ERR_OK && !buf.failed) {
        plan = cli_memory(json_loadb((const char *)buf.data, buf.len, 0, NULL));
        json_object_set_new(plan, "endpoint", json_string(preview->enrollment.endpoint));
        json_object_set_new(plan, "discovered", json_boolean(preview->capability.discovered));
        json_object_set_new(plan, "refused", json_null());
        buf_reset(&buf);
        if (!request->json)
            code = print_text(preview, request->format, &buf, &err);
    }
    if (code == ERR_OK && buf.failed)
        code = err_set(&err, ERR_TOO_LARGE, "the plan is too large to show");
    if (code == ERR_OK && !request->json)
        json_object_set_new(plan, "text", json_string(buf_text(&buf)));
    if (code == ERR_OK) {
        *answer = plan;
        plan = NULL;
    }
    json_decref(plan);
    buf_clear(&buf);
    return code == ERR_OK ? CLI_OK : cli_fail(&err);
}

int plan_offline(const struct plan_request *request, json_t **answer)
{
    struct preview preview = {0};
    int exit_code = describe_device(request, &preview);
    if (exit_code == CLI_OK)
        exit_code = set_capability(request, &preview);
    if (exit_code == CLI_OK)
        exit_code = load_profiles(request, &preview);
    if (exit_code == CLI_OK)
        exit_code = choose_profile(request, &preview);
    if (exit_code == CLI_OK)
        exit_code = set_credentials(&preview);
    if (exit_code == CLI_OK)
        exit_code = make_plan(&preview);
    if (exit_code == CLI_OK)
        exit_code = describe(request, &preview, answer);
    plan_free(preview.plan);
    profile_set_unref(preview.set);
    return exit_code;
}
