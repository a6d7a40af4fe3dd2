/* Fuzzes the reader of Bootstrap-Discover answers. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/corelink.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct capability capability;
    struct err err;
    uint16_t instance = 0;
    capability_init(&capability);
    if (corelink_read(bytes_of(data, size), &capability, &err) != ERR_OK) {
        check(!capability.discovered);
        return 0;
    }
    check(capability.discovered);
    check(capability.instance_count <= CAPABILITY_INSTANCES_MAX);
    check(capability.object_count <= CAPABILITY_OBJECTS_MAX);
    if (capability_bootstrap_instance(&capability, &instance))
        check(capability_has_instance(&capability, OBJECT_SECURITY, instance));
    return 0;
}
