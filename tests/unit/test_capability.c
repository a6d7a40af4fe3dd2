/* What is known of a device: which instance is the bootstrap account, which versions hold. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/capability.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void add(struct capability *capability, uint16_t object, uint16_t instance, bool has_ssid,
                uint16_t ssid)
{
    capability->instances[capability->instance_count++] = (struct capability_instance){
        .object = object, .instance = instance, .has_ssid = has_ssid, .ssid = ssid};
}

static void starts_out_unknown(void **state)
{
    struct capability capability;
    uint16_t instance = 77;
    capability_init(&capability);
    assert_int_equal(LWM2M_VERSION_UNKNOWN, capability.version);
    assert_int_equal(-1, capability.preferred_format);
    assert_false(capability.discovered);
    assert_false(capability_bootstrap_instance(&capability, &instance));
    assert_int_equal(77, instance);
}

static void the_account_without_ssid_is_the_bootstrap_account(void **state)
{
    struct capability capability;
    uint16_t instance = 77;
    capability_init(&capability);
    add(&capability, 0, 0, true, 101);
    add(&capability, 1, 0, false, 0);
    add(&capability, 0, 3, false, 0);
    assert_true(capability_bootstrap_instance(&capability, &instance));
    assert_int_equal(3, instance);
}

static void ssid_zero_counts_as_none(void **state)
{
    struct capability capability;
    uint16_t instance = 77;
    capability_init(&capability);
    add(&capability, 0, 0, true, 0);
    add(&capability, 0, 1, true, 101);
    assert_true(capability_bootstrap_instance(&capability, &instance));
    assert_int_equal(0, instance);
}

static void two_without_ssid_leave_it_open(void **state)
{
    struct capability capability;
    uint16_t instance = 77;
    capability_init(&capability);
    add(&capability, 0, 0, false, 0);
    add(&capability, 0, 1, false, 0);
    assert_false(capability_bootstrap_instance(&capability, &instance));
    assert_int_equal(77, instance);
}

static void all_with_ssid_leave_it_open(void **state)
{
    struct capability capability;
    uint16_t instance = 77;
    capability_init(&capability);
    add(&capability, 0, 0, true, 101);
    assert_false(capability_bootstrap_instance(&capability, &instance));
}

static void objects_and_instances_are_found(void **state)
{
    struct capability capability;
    capability_init(&capability);
    add(&capability, 1, 4, true, 101);
    capability.objects[capability.object_count++] = (struct capability_object){.object = 2};
    assert_true(capability_has_object(&capability, 1));
    assert_true(capability_has_object(&capability, 2));
    assert_false(capability_has_object(&capability, 3));
    assert_true(capability_has_instance(&capability, 1, 4));
    assert_false(capability_has_instance(&capability, 1, 0));
    assert_false(capability_has_instance(&capability, 2, 0));
}

static void assert_version(enum lwm2m_version enabler, uint16_t object, int major, int minor)
{
    struct capability capability;
    uint8_t got_major = 99, got_minor = 99;
    capability_init(&capability);
    capability.version = enabler;
    capability_object_version(&capability, object, &got_major, &got_minor);
    assert_int_equal(major, got_major);
    assert_int_equal(minor, got_minor);
}

static void the_enabler_implies_object_versions(void **state)
{
    assert_version(LWM2M_VERSION_UNKNOWN, OBJECT_OSCORE, 1, 0);
    assert_version(LWM2M_1_1, OBJECT_OSCORE, 1, 0);
    assert_version(LWM2M_1_2, OBJECT_OSCORE, 2, 0);
    assert_version(LWM2M_1_0, OBJECT_SECURITY, 1, 0);
    assert_version(LWM2M_1_1, OBJECT_SECURITY, 1, 1);
    assert_version(LWM2M_1_2, OBJECT_SECURITY, 1, 2);
    assert_version(LWM2M_1_2, OBJECT_SERVER, 1, 2);
    assert_version(LWM2M_1_1, OBJECT_ACCESS_CONTROL, 1, 0);
    assert_version(LWM2M_1_2, OBJECT_ACCESS_CONTROL, 1, 1);
    assert_version(LWM2M_1_2, OBJECT_DEVICE, 1, 2);
    assert_version(LWM2M_1_2, 3303, 1, 0);
}

static void a_version_told_wins(void **state)
{
    struct capability capability;
    uint8_t major = 0, minor = 0;
    capability_init(&capability);
    capability.version = LWM2M_1_1;
    capability.objects[capability.object_count++] =
        (struct capability_object){.object = OBJECT_OSCORE, .major = 2};
    capability.objects[capability.object_count++] = (struct capability_object){.object = 1};
    capability_object_version(&capability, OBJECT_OSCORE, &major, &minor);
    assert_int_equal(2, major);
    assert_int_equal(0, minor);
    capability_object_version(&capability, OBJECT_SERVER, &major, &minor); /* listed, not said */
    assert_int_equal(1, major);
    assert_int_equal(1, minor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_out_unknown),
        cmocka_unit_test(the_account_without_ssid_is_the_bootstrap_account),
        cmocka_unit_test(ssid_zero_counts_as_none),
        cmocka_unit_test(two_without_ssid_leave_it_open),
        cmocka_unit_test(all_with_ssid_leave_it_open),
        cmocka_unit_test(objects_and_instances_are_found),
        cmocka_unit_test(the_enabler_implies_object_versions),
        cmocka_unit_test(a_version_told_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
