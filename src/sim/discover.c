/* Discover of the bootstrap interface: CoRE links by version (OMA Core 1.2 section 6.1.7.3). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "objects_priv.h"

#include "usher/coap.h"
#include "usher/corelink.h"

#include <stdio.h>
#include <string.h>

enum { ATTRIBUTES_MAX = 320 };

/* The Short Server ID of the account that links this /21 instance. */
static uint16_t linking_ssid(const struct objects *objects, uint16_t instance)
{
    uint16_t account;
    for (uint32_t from = 0; tree_next_instance(&objects->tree, OBJECT_SECURITY, from, &account);
         from = account + 1u) {
        struct objlink link;
        if (tree_link(&objects->tree, OBJECT_SECURITY, account, 17, &link) &&
            link.object == OBJECT_OSCORE && link.instance == instance)
            return objects_account_ssid(objects, account);
    }
    return 0;
}

static uint16_t ssid_of(const struct objects *objects, uint16_t object, uint16_t instance)
{
    int64_t ssid;
    switch (object) {
    case OBJECT_SECURITY:
        return objects_account_ssid(objects, instance);
    case OBJECT_SERVER:
        return tree_number(&objects->tree, object, instance, 0, &ssid) && ssid > 0 && ssid <= 65534
                   ? (uint16_t)ssid
                   : 0;
    case OBJECT_OSCORE:
        return linking_ssid(objects, instance);
    default:
        return 0;
    }
}

/* As some clients write it: </0/1/>, with blanks, and an impossible Short Server ID. */
static void put_malformed(struct corelink_writer *writer, uint16_t object, uint16_t instance,
                          const char *attributes)
{
    char link[32];
    bool account = object == OBJECT_SECURITY && strstr(attributes, ";ssid=") == NULL;
    (void)snprintf(link, sizeof link, "%s</%u/%u/>%s", writer->any ? ", " : "", object, instance,
                   account ? ";ssid=0" : "");
    buf_put_text(writer->out, link);
    buf_put_text(writer->out, attributes);
    writer->any = true;
}

static void put_link(struct corelink_writer *writer, const struct objects *objects, uint16_t object,
                     uint16_t instance, const char *attributes)
{
    struct path path = path_instance(object, instance);
    if (objects->quirks.malformed_links)
        put_malformed(writer, object, instance, attributes);
    else
        corelink_put(writer, &path, attributes);
}

static void put_instance(struct corelink_writer *writer, const struct objects *objects,
                         uint16_t object, uint16_t instance)
{
    char attributes[ATTRIBUTES_MAX] = "";
    size_t used = 0;
    uint16_t ssid = ssid_of(objects, object, instance);
    struct bytes uri = tree_bytes(&objects->tree, object, instance, 0);
    if (ssid != 0)
        used = (size_t)snprintf(attributes, sizeof attributes, ";ssid=%u", ssid);
    if (object == OBJECT_SECURITY && objects->version >= LWM2M_1_1 && uri.len <= 255)
        (void)snprintf(attributes + used, sizeof attributes - used, ";uri=\"%.*s\"", (int)uri.len,
                       uri.data != NULL ? (const char *)uri.data : "");
    put_link(writer, objects, object, instance, attributes);
}

static void put_object(struct corelink_writer *writer, const struct objects *objects,
                       uint16_t object)
{
    uint16_t instance;
    struct path path = path_object(object);
    bool any = false;
    for (uint32_t from = 0; tree_next_instance(&objects->tree, object, from, &instance);
         from = instance + 1u) {
        put_instance(writer, objects, object, instance);
        any = true;
    }
    if (!any)
        corelink_put(writer, &path, "");
}

/* Version 1.0 writes the attribute without a link, and its value in quotes. */
static void put_version(struct corelink_writer *writer, const struct objects *objects)
{
    struct path root = path_root();
    if (objects->version < LWM2M_1_1) {
        buf_put_text(writer->out, "lwm2m=\"1.0\"");
        writer->any = true;
        return;
    }
    corelink_put(writer, &root,
                 objects->quirks.says_1_0       ? ";lwm2m=1.0"
                 : objects->version < LWM2M_1_2 ? ";lwm2m=1.1"
                                                : ";lwm2m=1.2");
}

uint8_t objects_discover(const struct objects *objects, const struct path *path, struct buf *out,
                         struct err *err)
{
    struct corelink_writer writer;
    if (objects->quirks.discover_code != 0) {
        (void)err_set(err, ERR_UNSUPPORTED, "this client knows no Discover");
        return objects->quirks.discover_code;
    }
    if (path->depth > 1) {
        (void)err_set(err, ERR_INVALID, "Discover reaches down to objects only");
        return COAP_BAD_REQUEST;
    }
    if (path->depth == 1 && !objects_knows(objects, path->ids[0])) {
        (void)err_set(err, ERR_NOT_FOUND, "object %u is not known", path->ids[0]);
        return COAP_NOT_FOUND;
    }
    corelink_begin(&writer, out);
    put_version(&writer, objects);
    for (size_t i = 0; i < objects->known_count; i++)
        if (path->depth == 0 || path->ids[0] == objects->known[i])
            put_object(&writer, objects, objects->known[i]);
    return out->failed ? COAP_INTERNAL_ERROR : COAP_CONTENT;
}
