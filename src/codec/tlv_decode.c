/* TLV, reading (OMA Core 1.2 section 7.4.5). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "codec_priv.h"
#include "tlv_priv.h"

#include <string.h>

struct element {
    enum tlv_kind kind;
    uint16_t id;
    struct bytes value;
    size_t offset; /* of its first byte, for messages */
};

static enum err_code fail(const struct decoder *decoder, const struct element *element,
                          const char *what)
{
    return err_set(decoder->err, ERR_INVALID, "byte %zu: %s", element->offset, what);
}

static enum err_code next_element(struct decoder *decoder, struct reader *reader,
                                  struct element *out)
{
    out->offset = (size_t)(reader->next - decoder->payload.data);
    uint8_t first = reader_u8(reader);
    out->kind = (enum tlv_kind)(first >> TLV_KIND_SHIFT);
    out->id = first & TLV_WIDE_ID ? reader_u16(reader) : reader_u8(reader);
    size_t len = first & TLV_SHORT_LENGTH;
    switch (first >> TLV_LENGTH_SHIFT & 3) {
    case 1:
        len = reader_u8(reader);
        break;
    case 2:
        len = reader_u16(reader);
        break;
    case 3:
        len = reader_u24(reader);
        break;
    default:
        break;
    }
    out->value = reader_take(reader, len);
    if (reader->failed)
        return err_set(decoder->err, ERR_TRUNCATED, "byte %zu: this TLV ends too early",
                       out->offset);
    return ERR_OK;
}

static bool read_signed(struct bytes data, int64_t *out)
{
    struct reader reader;
    reader_init(&reader, data);
    switch (data.len) {
    case 1:
        *out = (int8_t)reader_u8(&reader);
        return true;
    case 2:
        *out = (int16_t)reader_u16(&reader);
        return true;
    case 4:
        *out = (int32_t)reader_u32(&reader);
        return true;
    case 8:
        *out = (int64_t)reader_u64(&reader);
        return true;
    default:
        return false;
    }
}

/* Some senders write unsigned numbers in as few bytes as hold them, others as if signed. Read as
 * unsigned, both give the same. */
static bool read_unsigned(struct bytes data, uint64_t *out)
{
    int64_t value = 0;
    if (!read_signed(data, &value))
        return false;
    uint64_t mask = data.len == 8 ? UINT64_MAX : ((uint64_t)1 << 8 * data.len) - 1;
    *out = (uint64_t)value & mask;
    return true;
}

static bool read_float(struct bytes data, double *out)
{
    struct reader reader;
    reader_init(&reader, data);
    if (data.len == 4) {
        uint32_t bits = reader_u32(&reader);
        float value;
        memcpy(&value, &bits, sizeof value);
        *out = (double)value;
    } else if (data.len == 8) {
        uint64_t bits = reader_u64(&reader);
        memcpy(out, &bits, sizeof *out);
    }
    return data.len == 4 || data.len == 8;
}

static bool read_boolean(struct bytes data, bool *out)
{
    if (data.len != 1 || data.data[0] > 1)
        return false;
    *out = data.data[0] == 1;
    return true;
}

static bool read_link(struct bytes data, struct objlink *out)
{
    struct reader reader;
    reader_init(&reader, data);
    out->object = reader_u16(&reader);
    out->instance = reader_u16(&reader);
    return data.len == 4;
}

static bool read_value(enum value_type type, struct bytes data, struct value *out)
{
    out->type = type;
    switch (type) {
    case VALUE_INTEGER:
    case VALUE_TIME:
        return read_signed(data, &out->integer);
    case VALUE_UNSIGNED:
        return read_unsigned(data, &out->natural);
    case VALUE_FLOAT:
        return read_float(data, &out->real);
    case VALUE_BOOLEAN:
        return read_boolean(data, &out->boolean);
    case VALUE_OBJLINK:
        return read_link(data, &out->link);
    case VALUE_NONE:
        out->type = VALUE_OPAQUE;
        break;
    default:
        break;
    }
    out->bytes = data;
    return true;
}

static enum err_code add_value(struct decoder *decoder, const struct path *path,
                               const struct element *element)
{
    struct value value = {0};
    enum value_type type = decoder_type(decoder, path);
    if (read_value(type, element->value, &value))
        return decoder_append(decoder, path, &value);
    char text[PATH_TEXT_SIZE];
    path_text(path, text);
    return err_set(decoder->err, ERR_INVALID, "byte %zu: %s of %zu bytes is no %s", element->offset,
                   text, element->value.len, value_type_name(type));
}

static enum err_code read_resource_instance(struct decoder *decoder, const struct path *resource,
                                            const struct element *element)
{
    if (element->kind != TLV_RESOURCE_INSTANCE)
        return fail(decoder, element, "only resource instances may stand in a multiple resource");
    struct path path =
        path_resource_instance(resource->ids[0], resource->ids[1], resource->ids[2], element->id);
    return add_value(decoder, &path, element);
}

static enum err_code read_resource_instances(struct decoder *decoder, const struct path *resource,
                                             struct bytes data)
{
    struct reader reader;
    reader_init(&reader, data);
    enum err_code code = decoder_claim(decoder, resource);
    while (code == ERR_OK && reader_left(&reader) > 0) {
        struct element element;
        code = next_element(decoder, &reader, &element);
        if (code == ERR_OK)
            code = read_resource_instance(decoder, resource, &element);
    }
    return code;
}

static enum err_code read_resource(struct decoder *decoder, const struct path *instance,
                                   const struct element *element)
{
    struct path path = path_resource(instance->ids[0], instance->ids[1], element->id);
    if (element->kind == TLV_RESOURCE)
        return add_value(decoder, &path, element);
    if (element->kind == TLV_MULTIPLE_RESOURCE)
        return read_resource_instances(decoder, &path, element->value);
    /* Addressed to a resource, its instances may come without their wrapper. */
    if (element->kind == TLV_RESOURCE_INSTANCE && decoder->base->depth == 3)
        return read_resource_instance(decoder, decoder->base, element);
    return fail(decoder, element, "only resources may stand here");
}

static enum err_code read_resources(struct decoder *decoder, const struct path *instance,
                                    struct reader *reader)
{
    enum err_code code = ERR_OK;
    while (code == ERR_OK && reader_left(reader) > 0) {
        struct element element;
        code = next_element(decoder, reader, &element);
        if (code == ERR_OK)
            code = read_resource(decoder, instance, &element);
    }
    return code;
}

static enum err_code read_instances(struct decoder *decoder, struct reader *reader)
{
    enum err_code code = ERR_OK;
    while (code == ERR_OK && reader_left(reader) > 0) {
        struct element element;
        code = next_element(decoder, reader, &element);
        if (code == ERR_OK && element.kind != TLV_OBJECT_INSTANCE)
            code = fail(decoder, &element, "only object instances may stand here");
        if (code != ERR_OK)
            break;
        struct path instance = path_instance(decoder->base->ids[0], element.id);
        struct reader inner;
        reader_init(&inner, element.value);
        code = decoder_claim(decoder, &instance);
        if (code == ERR_OK)
            code = read_resources(decoder, &instance, &inner);
    }
    return code;
}

enum err_code tlv_decode(struct decoder *decoder)
{
    struct reader reader;
    reader_init(&reader, decoder->payload);
    const struct path *base = decoder->base;
    /* The wrapper may be there for an instance path too. */
    bool wrapped = base->depth == 2 && reader_left(&reader) > 0 &&
                   *reader.next >> TLV_KIND_SHIFT == TLV_OBJECT_INSTANCE;
    if (base->depth == 1 || wrapped)
        return read_instances(decoder, &reader);
    return read_resources(decoder, base, &reader);
}
