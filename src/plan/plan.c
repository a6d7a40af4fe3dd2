/* SPDX-License-Identifier: Apache-2.0 */
/* A finished plan, and the formats to try. */
#include "plan_priv.h"

#include "usher/codec.h"

void plan_free(struct plan *plan)
{
    if (!plan)
        return;
    profile_set_unref(plan->set);
    arena_free(plan->arena);
}

size_t plan_count(const struct plan *plan)
{
    return plan->count;
}

const struct operation *plan_operation(const struct plan *plan, size_t index)
{
    return index < plan->count ? &plan->operations[index] : NULL;
}

enum lwm2m_version plan_version(const struct plan *plan)
{
    return plan->version;
}

uint64_t plan_hash(const struct plan *plan)
{
    return plan->hash;
}

size_t plan_warning_count(const struct plan *plan)
{
    return plan->warning_count;
}

const char *plan_warning(const struct plan *plan, size_t index)
{
    return index < plan->warning_count ? plan->warnings[index] : NULL;
}

static void offer(struct plan *plan, int format)
{
    if (plan->format_count == PROFILE_FORMATS_MAX || !codec_can_encode_instance(format))
        return;
    for (size_t i = 0; i < plan->format_count; i++)
        if (plan->formats[i] == format)
            return;
    plan->formats[plan->format_count++] = format;
}

/* Reference section 9, rule 2: what the device or its class names, else TLV; then SenML CBOR before
 * TLV, since who names another one may have no TLV at all (Wakaama can be built so), and tells it
 * by a 5.00 that is taken for that once only. Devices of 1.0 all have TLV. */
void plan_choose_formats(struct plan *plan, const struct client_behaviour *client,
                         const struct capability *capability)
{
    offer(plan, capability->preferred_format);
    offer(plan, client->format);
    if (plan->format_count > 0 && plan->version != LWM2M_1_0)
        offer(plan, FORMAT_SENML_CBOR);
    offer(plan, FORMAT_TLV);
    offer(plan, FORMAT_SENML_CBOR);
    offer(plan, FORMAT_SENML_JSON);
    if (plan->version == LWM2M_1_0)
        offer(plan, FORMAT_OMA_JSON);
}

size_t plan_formats(const struct plan *plan, int formats[static PROFILE_FORMATS_MAX])
{
    for (size_t i = 0; i < plan->format_count; i++)
        formats[i] = plan->formats[i];
    return plan->format_count;
}

const char *operation_kind_name(enum operation_kind kind)
{
    switch (kind) {
    case OPERATION_DISCOVER:
        return "discover";
    case OPERATION_READ:
        return "read";
    case OPERATION_DELETE:
        return "delete";
    case OPERATION_WRITE:
        return "write";
    case OPERATION_FINISH:
        return "finish";
    case OPERATION_PACK:
        return "pack";
    }
    return "unknown";
}
