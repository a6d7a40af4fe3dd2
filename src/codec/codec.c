/* The table of formats, and what all of them need checked before and after. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "codec_priv.h"

#include <string.h>

/* Longest payload decoded: far beyond a device's /1 and /2, small enough for one worker. */
enum { PAYLOAD_MAX = 64 * 1024 };

struct format {
    int number;
    const char *name;
    enum err_code (*encode)(const struct encoder *encoder); /* NULL = cannot */
    enum err_code (*decode)(struct decoder *decoder);
    uint8_t base_least, base_most; /* depth of the paths a payload can be addressed to */
};

static const struct format formats[] = {
    {FORMAT_TEXT, "text", text_encode, text_decode, 3, 4},
    {FORMAT_LINK, "link", NULL, NULL, 0, 0},
    {FORMAT_OPAQUE, "opaque", opaque_encode, opaque_decode, 3, 4},
    {FORMAT_CBOR, "cbor", cbor_encode, cbor_decode, 3, 4},
    {FORMAT_OLD_TEXT, "text-1541", text_encode, text_decode, 3, 4},
    {FORMAT_OLD_TLV, "tlv-1542", tlv_encode, tlv_decode, 1, 3},
    {FORMAT_OLD_JSON, "json-1543", oma_json_encode, oma_json_decode, 1, 4},
    {FORMAT_SENML_JSON, "senml-json", senml_json_encode, senml_json_decode, 0, 4},
    {FORMAT_SENML_CBOR, "senml-cbor", senml_cbor_encode, senml_cbor_decode, 0, 4},
    {FORMAT_TLV, "tlv", tlv_encode, tlv_decode, 1, 3},
    {FORMAT_OMA_JSON, "oma-json", oma_json_encode, oma_json_decode, 1, 4},
    {FORMAT_LWM2M_CBOR, "lwm2m-cbor", lwm2m_cbor_encode, lwm2m_cbor_decode, 0, 4},
};
enum { FORMAT_COUNT = sizeof formats / sizeof formats[0] };

static const struct format *find_format(int number)
{
    for (int i = 0; i < FORMAT_COUNT; i++) {
        if (formats[i].number == number)
            return &formats[i];
    }
    return NULL;
}

bool codec_can_encode(int format)
{
    const struct format *found = find_format(format);
    return found != NULL && found->encode != NULL;
}

bool codec_can_decode(int format)
{
    const struct format *found = find_format(format);
    return found != NULL && found->decode != NULL;
}

bool codec_can_encode_instance(int format)
{
    const struct format *found = find_format(format);
    return found != NULL && found->encode != NULL && found->base_least <= 2 &&
           found->base_most >= 2;
}

const char *codec_name(int format)
{
    const struct format *found = find_format(format);
    return found != NULL ? found->name : "unknown";
}

int codec_from_name(const char *name)
{
    for (int i = 0; i < FORMAT_COUNT; i++) {
        if (strcmp(name, formats[i].name) == 0)
            return formats[i].number;
    }
    return FORMAT_NONE;
}

enum value_type codec_types_from_table(void *version, uint16_t object, uint16_t resource)
{
    const enum lwm2m_version *known = version;
    return object_table_type(object, resource, known != NULL ? *known : LWM2M_1_2);
}

static enum err_code check_base(const struct format *format, const struct path *base,
                                struct err *err)
{
    if (base->depth >= format->base_least && base->depth <= format->base_most)
        return ERR_OK;
    char text[PATH_TEXT_SIZE];
    path_text(base, text);
    return err_set(err, ERR_UNSUPPORTED, "%s cannot be addressed to %s", format->name, text);
}

/* Undoes what was written, which may be a key. */
static void rewind_output(struct buf *out, size_t len)
{
    if (out->len > len)
        bytes_wipe(out->data + len, out->len - len);
    out->len = len;
    out->failed = false;
}

enum err_code codec_encode(int format, const struct path *base, const struct record *records,
                           size_t count, const struct codec_reveal *reveal, struct buf *out,
                           struct err *err)
{
    const struct format *found = find_format(format);
    if (found == NULL || found->encode == NULL)
        return err_set(err, ERR_UNSUPPORTED, "content format %d cannot be written", format);
    if (out->failed)
        return err_set(err, ERR_TOO_LARGE, "the output buffer is full");
    const struct encoder encoder = {base, records, count, reveal, out, err};
    enum err_code code = check_base(found, base, err);
    if (code == ERR_OK)
        code = encoder_check(&encoder);
    if (code != ERR_OK)
        return code;
    size_t before = out->len;
    code = found->encode(&encoder);
    if (code == ERR_OK && out->failed)
        code = err_set(err, ERR_TOO_LARGE, "%s payload does not fit into %zu bytes", found->name,
                       out->max - before);
    if (code != ERR_OK)
        rewind_output(out, before);
    return code;
}

enum err_code codec_decode(int format, const struct path *base, struct bytes payload,
                           const struct codec_types *types, struct records *out, struct err *err)
{
    static const struct codec_types table = {codec_types_from_table, NULL};
    const struct format *found = find_format(format);
    if (found == NULL || found->decode == NULL)
        return err_set(err, ERR_UNSUPPORTED, "content format %d cannot be read", format);
    enum err_code code = check_base(found, base, err);
    if (code != ERR_OK)
        return code;
    if (payload.len > PAYLOAD_MAX)
        return err_set(err, ERR_TOO_LARGE, "%s payload of %zu bytes; at most %d are read",
                       found->name, payload.len, PAYLOAD_MAX);
    struct decoder decoder = {
        .base = base,
        .payload = payload,
        .types = types != NULL ? types : &table,
        .out = out,
        .first = out->count,
        .err = err,
    };
    code = found->decode(&decoder);
    if (code != ERR_OK) {
        out->count = decoder.first;
        err_prefix(err, "%s payload", found->name);
    }
    return code;
}
