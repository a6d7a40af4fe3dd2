/* What a device checks at Finish (OMA Core 1.2 section 6.1.7.6): are the accounts consistent? */
/* SPDX-License-Identifier: Apache-2.0 */
#include "objects_priv.h"

#include "usher/coap.h"

#include <inttypes.h>
#include <string.h>

enum {
    MODE_PSK = 0,
    MODE_RPK = 1,
    MODE_CERTIFICATE = 2,
    MODE_NONE = 3,
    MODE_EST = 4,
    SSID_LAST = 65534,
    OWNER_BOOTSTRAP = 65535
};

struct check {
    const struct objects *objects;
    const struct tree *tree;
    struct err *err;
};

#define COMPLAIN(check, ...) (err_set((check)->err, ERR_INVALID, __VA_ARGS__), false)

static bool next_instance(const struct check *check, uint16_t object, uint32_t *from,
                          uint16_t *instance)
{
    if (!tree_next_instance(check->tree, object, *from, instance))
        return false;
    *from = *instance + 1u;
    return true;
}

/* How many /1 instances have that Short Server ID. */
static unsigned count_servers(const struct check *check, int64_t ssid)
{
    unsigned count = 0;
    uint16_t instance;
    for (uint32_t from = 0; next_instance(check, OBJECT_SERVER, &from, &instance);) {
        int64_t found;
        count += tree_number(check->tree, OBJECT_SERVER, instance, 0, &found) && found == ssid;
    }
    return count;
}

static unsigned count_accounts(const struct check *check, int64_t ssid)
{
    unsigned count = 0;
    uint16_t instance;
    for (uint32_t from = 0; next_instance(check, OBJECT_SECURITY, &from, &instance);)
        count += ssid != 0 && objects_account_ssid(check->objects, instance) == ssid;
    return count;
}

static bool has_bytes(const struct check *check, uint16_t instance, uint16_t resource)
{
    return tree_bytes(check->tree, OBJECT_SECURITY, instance, resource).len > 0;
}

/* RFC 5958: SEQUENCE, then the version 0 or 1 and an AlgorithmIdentifier; RFC 5915 (SEC1) has
 * version 1 and an OCTET STRING. */
static bool is_pkcs8(struct bytes key)
{
    size_t at = key.len > 1 && key.data[1] > 0x80 ? 2u + (key.data[1] & 0x7f) : 2;
    return key.len > at + 3 && key.data[0] == 0x30 && key.data[at] == 0x02 &&
           key.data[at + 3] == 0x30;
}

static bool check_private_key(const struct check *check, uint16_t instance)
{
    struct bytes key = tree_bytes(check->tree, OBJECT_SECURITY, instance, 5);
    if (check->objects->quirks.pkcs8_only && !is_pkcs8(key))
        return COMPLAIN(check, "/0/%u/5 is no PKCS#8", instance);
    return true;
}

static bool check_unused(const struct check *check, uint16_t instance)
{
    size_t first;
    for (uint16_t id = 3; check->objects->quirks.wants_unused && id <= 5; id++) {
        struct path path = path_resource(OBJECT_SECURITY, instance, id);
        if (tree_range(check->tree, &path, &first) == 0)
            return COMPLAIN(check, "/0/%u/%u is absent, which this client does not expect",
                            instance, id);
    }
    return true;
}

static bool check_credential(const struct check *check, uint16_t instance, int64_t mode)
{
    static const struct {
        const char *name;
        bool identity, server, key;
    } needs[] = {
        [MODE_PSK] = {"pre-shared key", true, false, true},
        [MODE_RPK] = {"raw public key", true, true, true},
        [MODE_CERTIFICATE] = {"certificate", true, true, true},
        [MODE_NONE] = {"no security", false, false, false},
        [MODE_EST] = {"EST", false, true, false},
    };
    if (mode < 0 || mode > MODE_EST)
        return COMPLAIN(check, "/0/%u/2: security mode %" PRId64 " is unknown", instance, mode);
    if (needs[mode].identity && !has_bytes(check, instance, 3))
        return COMPLAIN(check, "/0/%u/3 is missing (mode %s)", instance, needs[mode].name);
    if (needs[mode].server && !has_bytes(check, instance, 4))
        return COMPLAIN(check, "/0/%u/4 is missing (mode %s)", instance, needs[mode].name);
    if (needs[mode].key && !has_bytes(check, instance, 5))
        return COMPLAIN(check, "/0/%u/5 is missing (mode %s)", instance, needs[mode].name);
    if (mode == MODE_RPK || mode == MODE_CERTIFICATE)
        return check_private_key(check, instance);
    return true;
}

static bool starts_with(struct bytes text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len > len && memcmp(text.data, prefix, len) == 0;
}

static bool check_uri(const struct check *check, uint16_t instance, int64_t mode)
{
    struct bytes uri = tree_bytes(check->tree, OBJECT_SECURITY, instance, 0);
    bool secured = starts_with(uri, "coaps://") || starts_with(uri, "coaps+tcp://");
    bool plain = starts_with(uri, "coap://") || starts_with(uri, "coap+tcp://");
    if (!secured && !plain)
        return COMPLAIN(check, "/0/%u/0: not a URI of CoAP", instance);
    if (plain && mode != MODE_NONE)
        return COMPLAIN(check, "/0/%u/0: a coap URI has no use for security mode %" PRId64,
                        instance, mode);
    if (secured && mode == MODE_NONE)
        return COMPLAIN(check, "/0/%u/0: a coaps URI with security mode 3 (none)", instance);
    return true;
}

static bool check_oscore(const struct check *check, uint16_t instance)
{
    struct objlink link, other;
    uint16_t second;
    if (!tree_link(check->tree, OBJECT_SECURITY, instance, 17, &link) ||
        (link.object == UINT16_MAX && link.instance == UINT16_MAX))
        return true;
    struct path target = path_instance(link.object, link.instance);
    size_t first;
    if (link.object != OBJECT_OSCORE || tree_range(check->tree, &target, &first) == 0)
        return COMPLAIN(check, "/0/%u/17 links %u:%u, which is not there", instance, link.object,
                        link.instance);
    for (uint32_t from = instance + 1u; next_instance(check, OBJECT_SECURITY, &from, &second);)
        if (tree_link(check->tree, OBJECT_SECURITY, second, 17, &other) &&
            other.object == link.object && other.instance == link.instance)
            return COMPLAIN(check, "/0/%u and /0/%u link the same /21/%u", instance, second,
                            link.instance);
    return true;
}

static bool check_pairing(const struct check *check, uint16_t instance)
{
    int64_t ssid;
    if (!tree_number(check->tree, OBJECT_SECURITY, instance, 10, &ssid))
        return COMPLAIN(check, "/0/%u/10 is missing", instance);
    if (ssid < 1 || ssid > SSID_LAST)
        return COMPLAIN(check, "/0/%u/10: %" PRId64 " is no Short Server ID", instance, ssid);
    if (count_accounts(check, ssid) != 1)
        return COMPLAIN(check, "two instances of /0 have Short Server ID %" PRId64, ssid);
    unsigned servers = count_servers(check, ssid);
    if (servers != 1)
        return COMPLAIN(check, "%s instance of /1 has Short Server ID %" PRId64,
                        servers == 0 ? "no" : "more than one", ssid);
    return true;
}

static bool check_account(const struct check *check, uint16_t instance, unsigned *servers,
                          unsigned *bootstraps)
{
    bool bootstrap;
    int64_t mode;
    if (!tree_boolean(check->tree, OBJECT_SECURITY, instance, 1, &bootstrap))
        return COMPLAIN(check, "/0/%u/1 is missing", instance);
    if (!tree_number(check->tree, OBJECT_SECURITY, instance, 2, &mode))
        return COMPLAIN(check, "/0/%u/2 is missing", instance);
    if (!check_credential(check, instance, mode) || !check_uri(check, instance, mode) ||
        !check_oscore(check, instance))
        return false;
    *bootstraps += bootstrap;
    *servers += !bootstrap;
    return bootstrap || (check_unused(check, instance) && check_pairing(check, instance));
}

static bool check_accounts(const struct check *check)
{
    unsigned servers = 0, bootstraps = 0;
    uint16_t instance;
    for (uint32_t from = 0; next_instance(check, OBJECT_SECURITY, &from, &instance);)
        if (!check_account(check, instance, &servers, &bootstraps))
            return false;
    if (bootstraps > 1)
        return COMPLAIN(check, "%u bootstrap accounts: one is allowed", bootstraps);
    if (servers == 0)
        return COMPLAIN(check, "no server account: /0 holds no instance with resource 1 = false");
    return true;
}

static bool check_servers(const struct check *check)
{
    uint16_t instance;
    for (uint32_t from = 0; next_instance(check, OBJECT_SERVER, &from, &instance);) {
        int64_t ssid;
        if (!tree_number(check->tree, OBJECT_SERVER, instance, 0, &ssid))
            return COMPLAIN(check, "/1/%u/0 is missing", instance);
        if (count_accounts(check, ssid) != 1)
            return COMPLAIN(check, "/1/%u has no account in /0 with Short Server ID %" PRId64,
                            instance, ssid);
    }
    return true;
}

static bool is_server(const struct check *check, int64_t ssid)
{
    return count_servers(check, ssid) > 0;
}

static bool check_rights(const struct check *check)
{
    uint16_t instance;
    for (uint32_t from = 0; next_instance(check, OBJECT_ACCESS_CONTROL, &from, &instance);) {
        int64_t owner;
        struct path list = path_resource(OBJECT_ACCESS_CONTROL, instance, 2);
        size_t first;
        size_t count = tree_range(check->tree, &list, &first);
        for (size_t i = first; i < first + count; i++) {
            uint16_t ssid = check->tree->items[i].path.ids[3];
            if (ssid != 0 && !is_server(check, ssid))
                return COMPLAIN(check, "/2/%u/2/%u names a server that is not there", instance,
                                ssid);
        }
        if (tree_number(check->tree, OBJECT_ACCESS_CONTROL, instance, 3, &owner) &&
            owner != OWNER_BOOTSTRAP && !is_server(check, owner))
            return COMPLAIN(check, "/2/%u/3: owner %" PRId64 " is not there", instance, owner);
    }
    return true;
}

static bool check_mandatory(const struct check *check, uint16_t object, uint16_t instance)
{
    size_t count, first;
    const struct resource_definition *rows = object_table_resources(object, &count);
    for (size_t i = 0; i < count; i++) {
        struct path path = path_resource(object, instance, rows[i].id);
        /* Which of 3, 4 and 5 of /0 are needed is for the security mode to say. */
        if (!rows[i].mandatory || rows[i].executable ||
            (object == OBJECT_SECURITY && rows[i].id >= 3) ||
            tree_range(check->tree, &path, &first) > 0)
            continue;
        return COMPLAIN(check, "/%u/%u/%u (%s) is mandatory and missing", object, instance,
                        rows[i].id, rows[i].name);
    }
    return true;
}

static bool check_all_mandatory(const struct check *check)
{
    for (size_t i = 0; i < check->objects->known_count; i++) {
        uint16_t instance, object = check->objects->known[i];
        if (object == OBJECT_DEVICE) /* its mandatory values are the device's own affair */
            continue;
        for (uint32_t from = 0; next_instance(check, object, &from, &instance);)
            if (!check_mandatory(check, object, instance))
                return false;
    }
    return true;
}

uint8_t objects_finish(const struct objects *objects, struct err *err)
{
    struct check check = {.objects = objects, .tree = &objects->tree, .err = err};
    bool consistent = check_all_mandatory(&check) && check_accounts(&check) &&
                      check_servers(&check) && check_rights(&check);
    return consistent ? COAP_CHANGED : COAP_NOT_ACCEPTABLE;
}
