/* What SenML JSON and OMA JSON share in reading. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "json_priv.h"

enum err_code json_read(struct decoder *decoder, json_t **out)
{
    json_error_t error;
    const char *text = decoder->payload.data != NULL ? (const char *)decoder->payload.data : "";
    json_t *document = json_loadb(text, decoder->payload.len, JSON_REJECT_DUPLICATES, &error);
    if (document == NULL) {
        /* jansson's own text may quote the payload, which may hold a key. */
        bool short_of = json_error_code(&error) == json_error_premature_end_of_input;
        return err_set(decoder->err, short_of ? ERR_TRUNCATED : ERR_INVALID, "byte %d: %s",
                       error.position, short_of ? "ends too early" : "is not well-formed JSON");
    }
    *out = document;
    return ERR_OK;
}

struct bytes json_text(const json_t *string)
{
    return bytes_of(json_string_value(string), json_string_length(string));
}

struct bytes json_base64(struct decoder *decoder, const json_t *string)
{
    struct bytes text = json_text(string);
    size_t cap = text.len / 4 * 3 + 3, len = 0;
    uint8_t *data = arena_alloc(decoder->out->arena, cap);
    if (data == NULL || !bytes_from_base64((const char *)text.data, text.len, data, cap, &len))
        return (struct bytes){0};
    return bytes_of(data, len);
}
