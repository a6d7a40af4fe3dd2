/* SPDX-License-Identifier: Apache-2.0 */
/* What a device would receive if it called now: its enrolment and the profiles in use, without a
 * key. */
#include "http_priv.h"

#include "usher/clock.h"
#include "usher/codec.h"
#include "usher/corelink.h"
#include "usher/plan.h"

#include <stdlib.h>
#include <string.h>

enum { PLAN_TEXT_MAX = 16 << 20 };

/* What a plan is made of, and the plan. */
struct preview {
    struct request *request;
    struct store_device device;
    struct profile_set *profiles;
    const struct profile *profile;
    struct capability capability;
    int format; /* FORMAT_NONE: no payloads are wanted */
    bool with_text;
    struct plan *plan;
};

/* ---- the query ---- */

static bool read_version(struct preview *preview)
{
    static const struct {
        const char *name;
        enum lwm2m_version version;
    } versions[] = {{"1.0", LWM2M_1_0}, {"1.1", LWM2M_1_1}, {"1.2", LWM2M_1_2}};
    const char *text = http_parameter(preview->request, "lwm2m");
    if (text == NULL)
        return true;
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        if (strcmp(text, versions[i].name) == 0) {
            preview->capability.version = versions[i].version;
            return true;
        }
    }
    http_problem(preview->request, 400, "invalid",
                 "query parameter 'lwm2m' must be 1.0, 1.1 or 1.2");
    return false;
}

static bool read_format(struct preview *preview)
{
    const char *text = http_parameter(preview->request, "format");
    preview->format = text != NULL ? codec_from_name(text) : FORMAT_NONE;
    bool whole = preview->format == FORMAT_TLV || preview->format == FORMAT_SENML_JSON ||
                 preview->format == FORMAT_SENML_CBOR || preview->format == FORMAT_LWM2M_CBOR;
    if (text == NULL || whole)
        return true;
    http_problem(preview->request, 400, "invalid",
                 "query parameter 'format' must be tlv, senml-json, senml-cbor or lwm2m-cbor");
    return false;
}

static bool read_discover(struct preview *preview)
{
    const char *text = http_parameter(preview->request, "discover");
    struct err err = {0};
    if (text == NULL || corelink_read(bytes_of_text(text), &preview->capability, &err) == ERR_OK)
        return true;
    http_problem(preview->request, 400, "invalid", "query parameter 'discover': %s", err.text);
    return false;
}

static bool read_query(struct preview *preview)
{
    static const char *const known[] = {"lwm2m", "format", "discover", "text", NULL};
    capability_init(&preview->capability);
    return http_read_query(preview->request, known) && read_version(preview) &&
           read_format(preview) && read_discover(preview) &&
           http_boolean_parameter(preview->request, "text", &preview->with_text);
}

/* ---- the plan ---- */

static bool read_device(struct preview *preview)
{
    struct request *request = preview->request;
    struct err err = {0};
    struct store_lane *lane = http_lane_take(request->http);
    enum err_code code = store_get(lane, bytes_of_text(request->endpoint), &preview->device, &err);
    http_lane_return(request->http, lane);
    if (code != ERR_OK)
        http_problem_of(request, &err);
    return code == ERR_OK;
}

static bool make_plan(struct preview *preview)
{
    const struct http_config *config = &preview->request->http->config;
    const struct enrollment *enrollment = &preview->device.enrollment;
    struct plan_context context = {.now_wall_ms = clock_wall_ms()};
    struct err err = {0};
    preview->profiles = config->profiles(config->context);
    preview->profile = profile_set_select(preview->profiles, enrollment, &err);
    if (preview->profile == NULL) {
        http_problem(preview->request, 422, cause_name(CAUSE_NO_PROFILE), "%s", err.text);
        return false;
    }
    if (plan_build(preview->profile, enrollment, &preview->capability, &context, &preview->plan,
                   &err) != ERR_OK) {
        http_problem(preview->request, 422, cause_name(CAUSE_PLAN_FAILED), "%s", err.text);
        return false;
    }
    return true;
}

/* Why the device would be turned away before it gets any of it, or NULL. */
static const char *find_refusal(const struct preview *preview)
{
    const struct enrollment *enrollment = &preview->device.enrollment;
    if (enrollment->blocked)
        return "the device is blocked";
    if (profile_rebootstrap(preview->profile) != REBOOTSTRAP_ALLOW && enrollment->bootstraps > 0)
        return "it was bootstrapped before, and its profile does not allow that again "
               "('rebootstrap')";
    return NULL;
}

/* ---- the answer ---- */

static enum err_code print_text(const struct preview *preview, struct buf *text, struct err *err)
{
    const char *refusal = find_refusal(preview);
    plan_print_text(preview->plan, text);
    if (refusal != NULL)
        buf_printf(text, "warning: it receives none of this: %s\n", refusal);
    if (preview->format == FORMAT_NONE)
        return ERR_OK;
    return plan_print_payloads(preview->plan, preview->format, text, err);
}

static enum err_code describe(struct preview *preview, struct buf *buf, json_t **answer,
                              struct err *err)
{
    struct request *request = preview->request;
    enum err_code code = plan_print_json(preview->plan, preview->format, buf, err);
    if (code != ERR_OK)
        return code;
    if (buf->failed)
        return err_set(err, ERR_TOO_LARGE, "the plan is too large to show");
    *answer = json_loadb((const char *)buf->data, buf->len, 0, NULL);
    http_put_text(request, *answer, "endpoint", request->endpoint);
    http_put(request, *answer, "discovered", json_boolean(preview->capability.discovered));
    http_put_text(request, *answer, "refused", find_refusal(preview));
    if (!preview->with_text)
        return ERR_OK;
    buf_reset(buf);
    code = print_text(preview, buf, err);
    if (code == ERR_OK)
        http_put_text(request, *answer, "text", buf_text(buf));
    return code;
}

static void answer_plan(struct preview *preview)
{
    struct request *request = preview->request;
    struct err err = {0};
    struct buf buf;
    json_t *answer = NULL;
    buf_init(&buf, PLAN_TEXT_MAX);
    if (describe(preview, &buf, &answer, &err) == ERR_OK) {
        http_answer(request, 200, answer);
    } else {
        json_decref(answer);
        http_problem(request, 422, cause_name(CAUSE_PLAN_FAILED), "%s", err.text);
    }
    buf_clear(&buf);
}

void http_get_plan(struct request *request)
{
    struct preview *preview = calloc(1, sizeof *preview);
    if (preview == NULL) {
        request->out_of_memory = true;
        return;
    }
    preview->request = request;
    if (read_query(preview) && read_device(preview) && make_plan(preview))
        answer_plan(preview);
    plan_free(preview->plan);
    profile_set_unref(preview->profiles);
    store_device_clear(&preview->device);
    free(preview);
}
