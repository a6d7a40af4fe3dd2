/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the reader of profiles: any text gives a set or an error. What loads is planned for a
 * device that has, and one that lacks, what profiles may ask for. */
#include "usher/codec.h"
#include "usher/plan.h"
#include "usher/profile_rules.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void describe_device(struct enrollment *enrollment, struct tag *tag,
                            struct capability *capability)
{
    *enrollment = (struct enrollment){.endpoint = "lamp-1", .tags = tag, .tag_count = 1};
    *tag = (struct tag){"t", "7"};
    check(identity_set(&enrollment->identity, bytes_of("\xff\x00i", 3)));
    enrollment->credentials[0] =
        (struct enrolled_credential){.ssid = 1, .status = CREDENTIAL_ACTIVE, .key_len = 16};
    enrollment->credential_count = 1;
    capability_init(capability);
    capability->version = LWM2M_1_1;
    capability->discovered = true;
    capability->instance_count = 3;
    capability->instances[1] =
        (struct capability_instance){.instance = 1, .has_ssid = true, .ssid = 1};
    capability->instances[2] = (struct capability_instance){.object = OBJECT_SERVER};
}

/* Never the bootstrap account, never an account that may be refused. */
static void check_plan(const struct plan *plan)
{
    for (size_t i = 0; i < plan_count(plan); i++) {
        const struct operation *operation = plan_operation(plan, i);
        bool account = operation->path.depth > 0 && operation->path.ids[0] <= OBJECT_SERVER;
        check(!account || !operation->optional);
        check(operation->kind != OPERATION_WRITE || operation->record_count > 0);
        check(!account || operation->path.ids[0] != OBJECT_SECURITY || operation->path.depth < 2 ||
              operation->path.ids[1] != 0);
    }
    struct buf out;
    buf_init(&out, 1 << 24);
    plan_print_text(plan, &out);
    struct err err = {0};
    plan_print_json(plan, FORMAT_TLV, &out, &err);
    plan_print_payloads(plan, FORMAT_SENML_JSON, &out, &err);
    buf_clear(&out);
}

static void try_plan(const struct profile *profile)
{
    struct enrollment enrollment;
    struct tag tag;
    struct capability capability;
    struct plan_context context = {.now_wall_ms = 1767225600000};
    struct credential_need needs[ACCOUNTS_MAX];
    size_t count = 0;
    struct plan *plan = NULL;
    struct err err;
    describe_device(&enrollment, &tag, &capability);
    if (profile_credentials(profile, &enrollment, needs, &count, &err) == ERR_OK)
        check(count <= ACCOUNTS_MAX);
    if (plan_build(profile, &enrollment, &capability, &context, &plan, &err) == ERR_OK)
        check_plan(plan);
    else
        check(err.text[0] != '\0');
    plan_free(plan);
    profile_set_select(profile_owner(profile), &enrollment, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct findings findings;
    findings_init(&findings);
    struct profile_set *set = profile_set_load_text("f.yaml", bytes_of(data, size), &findings);
    check((set == NULL) == (findings.errors > 0));
    for (size_t i = 0; set && i < profile_set_count(set) && i < 8; i++)
        try_plan(profile_set_at(set, i));
    profile_set_unref(set);
    findings_clear(&findings);
    return 0;
}
