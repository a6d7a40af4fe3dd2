/* SenML CBOR, reading (RFC 8428 section 6; OMA Core 1.2 section 7.4.4). */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cbor_priv.h"
#include "senml_cbor_priv.h"
#include "senml_priv.h"

enum { LABEL_LINK = 100 }; /* stands for the text label "vlo" below */

/* What one record is read into. */
struct record_state {
    struct senml_record record;
    struct bytes base_name;
    bool has_base_name;
};

static enum err_code read_text(struct decoder *decoder, struct reader *reader, struct bytes *out)
{
    struct cbor_item item;
    if (!cbor_next(reader, &item) || item.major != CBOR_TEXT)
        return cbor_fail(decoder, reader, "a name must be a text string");
    return cbor_string(decoder, reader, &item, out);
}

/* Text labels other than "vlo" are left to `ignore`, unless they must be understood. */
static enum err_code read_label(struct decoder *decoder, struct reader *reader, int64_t *label,
                                bool *ignore)
{
    struct cbor_item item;
    struct bytes text;
    *ignore = false;
    if (!cbor_next(reader, &item))
        return cbor_fail(decoder, reader, "is not well-formed CBOR");
    if (item.major == CBOR_UNSIGNED || item.major == CBOR_NEGATIVE) {
        bool small = item.argument < LABEL_LINK;
        *label = item.major == CBOR_UNSIGNED ? (int64_t)item.argument : -1 - (int64_t)item.argument;
        *ignore = !small;
        return ERR_OK;
    }
    if (item.major != CBOR_TEXT)
        return cbor_fail(decoder, reader, "a label must be a number or a text string");
    enum err_code code = cbor_string(decoder, reader, &item, &text);
    if (code != ERR_OK)
        return code;
    if (text.len > 0 && text.data[text.len - 1] == '_')
        return cbor_fail(decoder, reader, "has a label that LwM2M does not use");
    *label = LABEL_LINK;
    *ignore = !bytes_equal(text, bytes_of_text(LABEL_OBJLINK));
    return ERR_OK;
}

static bool label_fits(int64_t label, const struct value *value)
{
    switch (label) {
    case LABEL_VALUE:
        return value->type == VALUE_INTEGER || value->type == VALUE_UNSIGNED ||
               value->type == VALUE_FLOAT;
    case LABEL_BOOLEAN:
        return value->type == VALUE_BOOLEAN;
    case LABEL_DATA:
        return value->type == VALUE_OPAQUE;
    default:
        return value->type == VALUE_STRING;
    }
}

static enum err_code read_value(struct decoder *decoder, struct reader *reader, int64_t label,
                                struct senml_record *record)
{
    struct cbor_item item;
    struct value value = {0};
    if (record->has_value)
        return cbor_fail(decoder, reader, "a record has two values");
    if (!cbor_next(reader, &item))
        return cbor_fail(decoder, reader, "is not well-formed CBOR");
    enum err_code code = cbor_value(decoder, reader, &item, &value);
    if (code != ERR_OK)
        return code;
    if (!label_fits(label, &value))
        return cbor_fail(decoder, reader, "a value is not of the type its label says");
    if (label == LABEL_LINK) {
        struct value link = {.type = VALUE_OBJLINK};
        if (!objlink_parse(value.bytes, &link.link))
            return cbor_fail(decoder, reader, "a link must be like 21:1");
        value = link;
    }
    record->value = value;
    record->has_value = true;
    return ERR_OK;
}

static enum err_code read_name(struct decoder *decoder, struct reader *reader, bool *seen,
                               struct bytes *out)
{
    if (*seen)
        return cbor_fail(decoder, reader, "a record has a label twice");
    *seen = true;
    return read_text(decoder, reader, out);
}

static enum err_code read_pair(struct decoder *decoder, struct reader *reader,
                               struct record_state *state)
{
    int64_t label = 0;
    bool ignore = false;
    enum err_code code = read_label(decoder, reader, &label, &ignore);
    if (code != ERR_OK)
        return code;
    switch (ignore ? INT64_MAX : label) {
    case LABEL_BASE_NAME:
        return read_name(decoder, reader, &state->has_base_name, &state->base_name);
    case LABEL_NAME:
        return read_name(decoder, reader, &state->record.has_name, &state->record.name);
    case LABEL_VALUE:
    case LABEL_STRING:
    case LABEL_BOOLEAN:
    case LABEL_DATA:
    case LABEL_LINK:
        return read_value(decoder, reader, label, &state->record);
    case LABEL_BASE_VALUE:
    case LABEL_BASE_SUM:
    case LABEL_SUM:
        /* These would change what the value means (RFC 8428 section 4.1). */
        return cbor_fail(decoder, reader, "has a label that LwM2M does not use");
    default:
        return cbor_skip(reader)
                   ? ERR_OK
                   : cbor_fail(decoder, reader, "is not well-formed CBOR, or too deep");
    }
}

static enum err_code read_record(struct decoder *decoder, struct reader *reader,
                                 struct senml_base *base, size_t index)
{
    struct record_state state = {.record.index = index};
    struct cbor_item item;
    if (!cbor_next(reader, &item) || item.major != CBOR_MAP)
        return cbor_fail(decoder, reader, "a record must be a map");
    struct cbor_walk walk;
    enum err_code code = ERR_OK;
    cbor_walk_begin(&walk, &item);
    while (code == ERR_OK && cbor_walk_next(&walk, reader))
        code = read_pair(decoder, reader, &state);
    if (code == ERR_OK && state.has_base_name)
        code = senml_set_base(decoder, base, state.base_name, index);
    return code == ERR_OK ? senml_add(decoder, base, &state.record) : code;
}

enum err_code senml_cbor_decode(struct decoder *decoder)
{
    struct reader reader;
    struct cbor_item item;
    reader_init(&reader, decoder->payload);
    if (!cbor_next(&reader, &item) || item.major != CBOR_ARRAY)
        return cbor_fail(decoder, &reader, "must be an array of records");
    struct senml_base base = {0};
    struct cbor_walk walk;
    enum err_code code = ERR_OK;
    cbor_walk_begin(&walk, &item);
    for (size_t index = 1; code == ERR_OK && cbor_walk_next(&walk, &reader); index++)
        code = read_record(decoder, &reader, &base, index);
    if (code == ERR_OK && reader_left(&reader) > 0)
        code = cbor_fail(decoder, &reader, "something follows after the array");
    return code;
}
