/* CoRE links (RFC 6690) of Bootstrap-Discover: read with tolerance, written exactly. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/corelink.h"

#include <string.h>

enum { SSID_UNREADABLE = 65535 };

/* One link, or attributes without a link (LwM2M 1.0 gives the enabler version so). */
struct link {
    bool has_path;
    struct path path;
    bool has_ssid, has_uri, has_version, has_enabler;
    uint16_t ssid;
    uint8_t major, minor;
    enum lwm2m_version enabler;
};

struct scanner {
    const char *next;
    const char *end;
};

static bool at(const struct scanner *scanner, char c)
{
    return scanner->next < scanner->end && *scanner->next == c;
}

static void skip_blanks(struct scanner *scanner)
{
    while (at(scanner, ' ') || at(scanner, '\t') || at(scanner, '\r') || at(scanner, '\n'))
        scanner->next++;
}

/* Everything up to one of `stops` or the end. */
static struct bytes take_until(struct scanner *scanner, const char *stops)
{
    const char *start = scanner->next;
    size_t count = strlen(stops);
    while (scanner->next < scanner->end && memchr(stops, *scanner->next, count) == NULL)
        scanner->next++;
    return bytes_of(start, (size_t)(scanner->next - start));
}

/* The inside of "..."; a quote that never ends takes all the rest. */
static struct bytes take_quoted(struct scanner *scanner)
{
    const char *start = ++scanner->next;
    while (scanner->next < scanner->end && *scanner->next != '"')
        scanner->next += *scanner->next == '\\' && scanner->next + 1 < scanner->end ? 2 : 1;
    struct bytes inside = bytes_of(start, (size_t)(scanner->next - start));
    if (at(scanner, '"'))
        scanner->next++;
    return inside;
}

static struct bytes trim(struct bytes text)
{
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

static bool is_name(struct bytes text, const char *name)
{
    return bytes_equal(text, bytes_of_text(name));
}

/* Decimal digits up to the end or a dot; moves `text` behind them. */
static bool take_number(struct bytes *text, uint32_t most, uint32_t *out)
{
    uint32_t value = 0;
    size_t i = 0;
    for (; i < text->len && text->data[i] >= '0' && text->data[i] <= '9'; i++) {
        value = value * 10 + (uint32_t)(text->data[i] - '0');
        if (value > most)
            return false;
    }
    if (i == 0 || (i < text->len && text->data[i] != '.'))
        return false;
    text->data += i;
    text->len -= i;
    *out = value;
    return true;
}

/* "1.1"; a third part as in "1.2.1" is left alone. */
static bool parse_version(struct bytes text, uint8_t *major, uint8_t *minor)
{
    uint32_t first = 0, second = 0;
    if (!take_number(&text, UINT8_MAX, &first))
        return false;
    if (text.len > 0) {
        text.data++;
        text.len--;
        if (!take_number(&text, UINT8_MAX, &second))
            return false;
    }
    *major = (uint8_t)first;
    *minor = (uint8_t)second;
    return true;
}

static void set_enabler(struct link *link, struct bytes value)
{
    uint8_t major = 0, minor = 0;
    if (!parse_version(value, &major, &minor) || major != 1)
        return;
    link->has_enabler = true;
    link->enabler = minor == 0 ? LWM2M_1_0 : minor == 1 ? LWM2M_1_1 : LWM2M_1_2;
}

/* An ssid that cannot be read is still an ssid: the instance must not pass for the bootstrap
 * account, the one without. */
static void set_ssid(struct link *link, struct bytes value)
{
    uint32_t ssid = SSID_UNREADABLE;
    if (!take_number(&value, UINT16_MAX, &ssid) || value.len > 0)
        ssid = SSID_UNREADABLE;
    link->has_ssid = ssid != 0;
    link->ssid = (uint16_t)ssid;
}

static void set_attribute(struct link *link, struct bytes name, struct bytes value)
{
    if (is_name(name, "lwm2m"))
        set_enabler(link, value);
    else if (is_name(name, "ssid"))
        set_ssid(link, value);
    else if (is_name(name, "uri"))
        link->has_uri = value.len > 0;
    else if (is_name(name, "ver"))
        link->has_version = parse_version(value, &link->major, &link->minor);
}

static void read_attribute(struct scanner *scanner, struct link *link)
{
    skip_blanks(scanner);
    struct bytes name = trim(take_until(scanner, "=;,"));
    struct bytes value = {0};
    if (at(scanner, '=')) {
        scanner->next++;
        skip_blanks(scanner);
        value = at(scanner, '"') ? take_quoted(scanner) : trim(take_until(scanner, ";,"));
    }
    set_attribute(link, name, value);
    take_until(scanner, ";,");
}

/* One link with its attributes, and the comma after it. */
static void read_link(struct scanner *scanner, struct link *link)
{
    *link = (struct link){0};
    skip_blanks(scanner);
    if (at(scanner, '<')) {
        scanner->next++;
        struct bytes target = take_until(scanner, ">,");
        link->has_path =
            at(scanner, '>') && path_parse((const char *)target.data, target.len, &link->path);
        take_until(scanner, ";,");
    } else if (!at(scanner, ';') && !at(scanner, ',')) {
        read_attribute(scanner, link);
    }
    while (at(scanner, ';')) {
        scanner->next++;
        read_attribute(scanner, link);
    }
    if (at(scanner, ','))
        scanner->next++;
}

static struct capability_instance *put_instance(struct capability *capability, uint16_t object,
                                                uint16_t instance)
{
    for (size_t i = 0; i < capability->instance_count; i++) {
        struct capability_instance *known = &capability->instances[i];
        if (known->object == object && known->instance == instance)
            return known;
    }
    if (capability->instance_count == CAPABILITY_INSTANCES_MAX) {
        capability->truncated = true;
        return NULL;
    }
    struct capability_instance *added = &capability->instances[capability->instance_count++];
    *added = (struct capability_instance){.object = object, .instance = instance};
    return added;
}

static struct capability_object *put_object(struct capability *capability, uint16_t object)
{
    for (size_t i = 0; i < capability->object_count; i++) {
        if (capability->objects[i].object == object)
            return &capability->objects[i];
    }
    if (capability->object_count == CAPABILITY_OBJECTS_MAX) {
        capability->truncated = true;
        return NULL;
    }
    struct capability_object *added = &capability->objects[capability->object_count++];
    *added = (struct capability_object){.object = object};
    return added;
}

/* Returns whether the link said anything. Links below instances do not belong here; Discover of a
 * bootstrap stops at instances (OMA Core 1.2 section 6.1.7.3). */
static bool apply_link(struct capability *capability, const struct link *link)
{
    if (link->has_enabler)
        capability->version = link->enabler;
    if (!link->has_path)
        return link->has_enabler;
    if (link->path.depth == 1 || (link->path.depth == 2 && link->has_version)) {
        struct capability_object *object = put_object(capability, link->path.ids[0]);
        if (object != NULL && link->has_version) {
            object->major = link->major;
            object->minor = link->minor;
        }
    }
    if (link->path.depth == 2) {
        struct capability_instance *instance =
            put_instance(capability, link->path.ids[0], link->path.ids[1]);
        if (instance != NULL && link->has_ssid) {
            instance->has_ssid = true;
            instance->ssid = link->ssid;
        }
        if (instance != NULL && link->has_uri)
            instance->has_uri = true;
    }
    return link->path.depth <= 2;
}

enum err_code corelink_read(struct bytes payload, struct capability *capability, struct err *err)
{
    struct capability read = *capability;
    read.discovered = true;
    read.truncated = false;
    read.instance_count = 0;
    read.object_count = 0;
    const char *text = payload.len > 0 ? (const char *)payload.data : "";
    struct scanner scanner = {.next = text, .end = text + payload.len};
    bool any = false;
    while (scanner.next < scanner.end) {
        struct link link;
        read_link(&scanner, &link);
        any = apply_link(&read, &link) || any;
    }
    if (!any)
        return err_set(err, ERR_INVALID, "Discover answer: no LwM2M link in %zu bytes",
                       payload.len);
    *capability = read;
    return ERR_OK;
}

void corelink_begin(struct corelink_writer *writer, struct buf *out)
{
    *writer = (struct corelink_writer){.out = out};
}

void corelink_put(struct corelink_writer *writer, const struct path *path, const char *attributes)
{
    char text[PATH_TEXT_SIZE];
    path_text(path, text);
    buf_printf(writer->out, "%s<%s>", writer->any ? "," : "", text);
    buf_put_text(writer->out, attributes);
    writer->any = true;
}
