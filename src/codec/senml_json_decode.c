/* SenML JSON, reading (RFC 8428 section 5; OMA Core 1.2 section 7.4.4). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "json_priv.h"
#include "senml_priv.h"

#include <string.h>

static bool number(struct decoder *decoder, const json_t *json, struct value *out)
{
    if (json_is_integer(json))
        *out = (struct value){.type = VALUE_INTEGER, .integer = json_integer_value(json)};
    else
        *out = (struct value){.type = VALUE_FLOAT, .real = json_real_value(json)};
    return json_is_number(json);
}

static bool string(struct decoder *decoder, const json_t *json, struct value *out)
{
    *out = (struct value){.type = VALUE_STRING, .bytes = json_text(json)};
    return json_is_string(json);
}

static bool boolean(struct decoder *decoder, const json_t *json, struct value *out)
{
    *out = (struct value){.type = VALUE_BOOLEAN, .boolean = json_is_true(json)};
    return json_is_boolean(json);
}

static bool data(struct decoder *decoder, const json_t *json, struct value *out)
{
    *out = (struct value){.type = VALUE_OPAQUE};
    if (json_is_string(json))
        out->bytes = json_base64(decoder, json);
    return out->bytes.data != NULL;
}

static bool link(struct decoder *decoder, const json_t *json, struct value *out)
{
    *out = (struct value){.type = VALUE_OBJLINK};
    return json_is_string(json) && objlink_parse(json_text(json), &out->link);
}

static const struct {
    const char *label;
    bool (*read)(struct decoder *decoder, const json_t *json, struct value *out);
} value_labels[] = {
    {"v", number}, {"vs", string}, {"vb", boolean}, {"vd", data}, {"vlo", link},
};

/* Sums and base values would change what "v" means, and labels ending in "_" must be understood
 * (RFC 8428 sections 4.1 and 4.4). All others may be ignored. */
static bool must_refuse(const char *label)
{
    size_t len = strlen(label);
    return strcmp(label, "bv") == 0 || strcmp(label, "bs") == 0 || strcmp(label, "s") == 0 ||
           (len > 0 && label[len - 1] == '_');
}

static enum err_code fail(const struct decoder *decoder, size_t index, const char *label)
{
    /* The label may be any text of the sender's: it is not repeated. */
    return err_set(decoder->err, ERR_INVALID, "record %zu: %s", index, label);
}

static enum err_code read_member(struct decoder *decoder, const char *label, const json_t *json,
                                 struct senml_record *record)
{
    for (size_t i = 0; i < sizeof value_labels / sizeof value_labels[0]; i++) {
        if (strcmp(label, value_labels[i].label) != 0)
            continue;
        if (record->has_value)
            return fail(decoder, record->index, "has two values");
        record->has_value = true;
        if (value_labels[i].read(decoder, json, &record->value))
            return ERR_OK;
        return err_set(decoder->err, ERR_INVALID,
                       "record %zu: the value of \"%s\" is not of its type", record->index,
                       value_labels[i].label);
    }
    if (must_refuse(label))
        return fail(decoder, record->index, "has a label that LwM2M does not use");
    return ERR_OK;
}

static enum err_code read_names(struct decoder *decoder, const json_t *object,
                                struct senml_base *base, struct senml_record *record)
{
    const json_t *bn = json_object_get(object, "bn"), *n = json_object_get(object, "n");
    if ((bn != NULL && !json_is_string(bn)) || (n != NULL && !json_is_string(n)))
        return fail(decoder, record->index, "a name must be a string");
    record->has_name = n != NULL;
    if (n != NULL)
        record->name = json_text(n);
    return bn != NULL ? senml_set_base(decoder, base, json_text(bn), record->index) : ERR_OK;
}

static enum err_code read_record(struct decoder *decoder, json_t *object, struct senml_base *base,
                                 size_t index)
{
    struct senml_record record = {.index = index};
    if (!json_is_object(object))
        return fail(decoder, index, "is no object");
    enum err_code code = read_names(decoder, object, base, &record);
    const char *label;
    json_t *member;
    json_object_foreach(object, label, member)
    {
        if (code == ERR_OK)
            code = read_member(decoder, label, member, &record);
    }
    return code == ERR_OK ? senml_add(decoder, base, &record) : code;
}

enum err_code senml_json_decode(struct decoder *decoder)
{
    json_t *document = NULL;
    enum err_code code = json_read(decoder, &document);
    if (code != ERR_OK)
        return code;
    if (!json_is_array(document))
        code = err_set(decoder->err, ERR_INVALID, "must be an array of records");
    struct senml_base base = {0};
    for (size_t i = 0; code == ERR_OK && i < json_array_size(document); i++)
        code = read_record(decoder, json_array_get(document, i), &base, i + 1);
    json_decref(document);
    return code;
}
