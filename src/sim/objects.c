/* Delete and Read of the bootstrap interface, and what the operations share. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "objects_priv.h"

#include "usher/coap.h"

bool objects_knows(const struct objects *objects, uint16_t object)
{
    for (size_t i = 0; i < objects->known_count; i++)
        if (objects->known[i] == object)
            return true;
    return false;
}

bool objects_takes_format(const struct objects *objects, int format)
{
    for (size_t i = 0; i < objects->format_count; i++)
        if (objects->formats[i] == format)
            return true;
    return false;
}

static bool is_bootstrap_account(const struct objects *objects, uint16_t instance)
{
    bool bootstrap = false;
    return tree_boolean(&objects->tree, OBJECT_SECURITY, instance, 1, &bootstrap) && bootstrap;
}

bool objects_bootstrap_instance(const struct objects *objects, uint16_t *instance)
{
    uint16_t found;
    for (uint32_t from = 0; tree_next_instance(&objects->tree, OBJECT_SECURITY, from, &found);
         from = found + 1u) {
        if (is_bootstrap_account(objects, found)) {
            *instance = found;
            return true;
        }
    }
    return false;
}

uint16_t objects_account_ssid(const struct objects *objects, uint16_t instance)
{
    int64_t ssid;
    if (is_bootstrap_account(objects, instance) ||
        !tree_number(&objects->tree, OBJECT_SECURITY, instance, 10, &ssid) || ssid < 1 ||
        ssid > 65534)
        return 0;
    return (uint16_t)ssid;
}

/* By the bootstrap account; resource 27 may have several values. */
static bool is_linked(const struct objects *objects, uint16_t resource, uint16_t object,
                      uint16_t instance)
{
    uint16_t account;
    size_t first;
    if (!objects_bootstrap_instance(objects, &account))
        return false;
    struct path links = path_resource(OBJECT_SECURITY, account, resource);
    size_t count = tree_range(&objects->tree, &links, &first);
    for (size_t i = first; i < first + count; i++) {
        const struct value *value = &objects->tree.items[i].value;
        if (value->type == VALUE_OBJLINK && value->link.object == object &&
            value->link.instance == instance)
            return true;
    }
    return false;
}

/* Section 6.1.7.5: these survive every Delete. */
static bool is_protected(const struct objects *objects, uint16_t object, uint16_t instance)
{
    switch (object) {
    case OBJECT_SECURITY:
        return is_bootstrap_account(objects, instance);
    case OBJECT_DEVICE:
        return true;
    case OBJECT_OSCORE:
        return is_linked(objects, 17, object, instance);
    case OBJECT_MQTT:
        return is_linked(objects, 26, object, instance);
    case OBJECT_COSE:
        return is_linked(objects, 27, object, instance);
    default:
        return false;
    }
}

void objects_delete_instances(struct objects *objects, uint16_t object)
{
    uint16_t instance;
    for (uint32_t from = 0; tree_next_instance(&objects->tree, object, from, &instance);
         from = instance + 1u) {
        struct path path = path_instance(object, instance);
        if (!is_protected(objects, object, instance))
            (void)tree_remove_under(&objects->tree, &path);
    }
}

/* Some clients do as they are told, and have no bootstrap account any more. */
static bool gives_away(const struct objects *objects, const struct path *path)
{
    return objects->quirks.account_delete == SIM_ACCOUNT_LOST && path->ids[0] == OBJECT_SECURITY;
}

static uint8_t delete_instance(struct objects *objects, const struct path *path, struct err *err)
{
    if (is_protected(objects, path->ids[0], path->ids[1]) && !gives_away(objects, path)) {
        (void)err_set(err, ERR_DENIED, "this instance survives every Delete");
        return objects->quirks.account_delete == SIM_ACCOUNT_NOT_ALLOWED ? COAP_METHOD_NOT_ALLOWED
                                                                         : COAP_BAD_REQUEST;
    }
    if (tree_remove_under(&objects->tree, path) == 0) {
        (void)err_set(err, ERR_NOT_FOUND, "no such instance");
        return COAP_NOT_FOUND;
    }
    return COAP_DELETED;
}

static void delete_object(struct objects *objects, uint16_t object)
{
    struct path path = path_object(object);
    if (object == OBJECT_SECURITY && objects->quirks.object_delete_takes_account)
        (void)tree_remove_under(&objects->tree, &path);
    else
        objects_delete_instances(objects, object);
}

/* Security last: its bootstrap account says what else is protected. */
static uint8_t delete_all(struct objects *objects)
{
    for (size_t i = 0; i < objects->known_count; i++)
        if (objects->known[i] != OBJECT_SECURITY)
            delete_object(objects, objects->known[i]);
    delete_object(objects, OBJECT_SECURITY);
    return COAP_DELETED;
}

static bool is_too_long(const struct path *path)
{
    for (size_t i = 0; i < path->depth; i++)
        if (path->ids[i] > 9)
            return true;
    return false;
}

uint8_t objects_delete(struct objects *objects, const struct path *path, struct err *err)
{
    if (path->depth > 2) {
        (void)err_set(err, ERR_INVALID, "Delete reaches down to instances only");
        return COAP_BAD_REQUEST;
    }
    if (objects->quirks.one_digit_delete && is_too_long(path)) {
        (void)err_set(err, ERR_INVALID, "ids have one digit here");
        return COAP_BAD_REQUEST;
    }
    if (path->depth == 0)
        return delete_all(objects);
    if (!objects_knows(objects, path->ids[0])) {
        (void)err_set(err, ERR_NOT_FOUND, "object %u is not known", path->ids[0]);
        return COAP_NOT_FOUND;
    }
    if (path->depth == 2)
        return delete_instance(objects, path, err);
    delete_object(objects, path->ids[0]);
    return COAP_DELETED;
}

/* Asked for anything: what LwM2M 1.1 prefers. */
static int answer_format(const struct objects *objects, int wanted)
{
    if (wanted != FORMAT_NONE)
        return wanted;
    return objects_takes_format(objects, FORMAT_SENML_CBOR) ? FORMAT_SENML_CBOR : FORMAT_TLV;
}

/* Section 6.1.7.7: since 1.1, of objects 1 and 2 only, down to instances. */
uint8_t objects_read(const struct objects *objects, const struct path *path, int *format,
                     struct buf *out, struct err *err)
{
    size_t first;
    int chosen = answer_format(objects, *format);
    bool readable =
        path->depth > 0 && (path->ids[0] == OBJECT_SERVER || path->ids[0] == OBJECT_ACCESS_CONTROL);
    if (objects->quirks.read_code != 0) {
        (void)err_set(err, ERR_UNSUPPORTED, "this client knows no Read");
        return objects->quirks.read_code;
    }
    if (objects->version < LWM2M_1_1 || !readable) {
        (void)err_set(err, ERR_UNSUPPORTED, "this cannot be read by a bootstrap server");
        return COAP_METHOD_NOT_ALLOWED;
    }
    if (path->depth > 2) {
        (void)err_set(err, ERR_INVALID, "Read reaches down to instances only");
        return COAP_BAD_REQUEST;
    }
    if (!objects_takes_format(objects, chosen) || !codec_can_encode(chosen)) {
        (void)err_set(err, ERR_UNSUPPORTED, "Content-Format %d cannot be given", chosen);
        return COAP_NOT_ACCEPTABLE;
    }
    size_t count = tree_range(&objects->tree, path, &first);
    if (!objects_knows(objects, path->ids[0]) || (count == 0 && path->depth == 2)) {
        (void)err_set(err, ERR_NOT_FOUND, "there is nothing");
        return COAP_NOT_FOUND;
    }
    if (codec_encode(chosen, path, objects->tree.items + first, count, NULL, out, err) != ERR_OK)
        return COAP_INTERNAL_ERROR;
    *format = chosen;
    return COAP_CONTENT;
}
