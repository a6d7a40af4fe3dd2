/* SPDX-License-Identifier: Apache-2.0 */
/* What a write looks like on the wire, without its secrets. Where they are is found by encoding
 * twice with different filler: what differs is secret, in whatever form the format gives it. */
#include "plan_priv.h"

#include "usher/codec.h"

#include <stdio.h>
#include <string.h>

enum { PAYLOAD_MAX = 4 << 20, FILLER_MAX = PUBLIC_PART_MAX, FILLER_DEFAULT = 16 };

struct filler {
    uint8_t bytes[FILLER_MAX];
    uint8_t opaque, text; /* which byte fills */
};

static bool fill_in(void *context, const struct secret_ref *ref, struct bytes *out)
{
    struct filler *filler = context;
    size_t len = ref->len > 0 ? ref->len : FILLER_DEFAULT;
    if (len > sizeof(filler->bytes))
        return false;
    memset(filler->bytes, ref->as_text ? filler->text : filler->opaque, len);
    *out = bytes_of(filler->bytes, len);
    return true;
}

static enum err_code encode(const struct operation *write, int format, struct filler *filler,
                            struct buf *out, struct err *err)
{
    const struct codec_reveal reveal = {fill_in, filler};
    return codec_encode(format, &write->path, write->records, write->record_count, &reveal, out,
                        err);
}

enum err_code plan_payload_size(const struct operation *write, int format, size_t *out,
                                struct err *err)
{
    struct filler filler = {.opaque = 0x00, .text = '0'};
    struct buf payload;
    buf_init(&payload, PAYLOAD_MAX);
    enum err_code code = encode(write, format, &filler, &payload, err);
    if (code == ERR_OK)
        *out = payload.len;
    buf_clear(&payload);
    return code;
}

static const struct secret_ref *next_secret(const struct operation *write, size_t *at)
{
    while (*at < write->record_count && write->records[*at].value.type != VALUE_SECRET)
        (*at)++;
    return *at < write->record_count ? &write->records[(*at)++].value.secret : NULL;
}

/* Values are never back to back: each format puts a header or a mark before one. */
static enum err_code find_spans(const struct operation *write, struct bytes other,
                                struct plan_payload *out, struct err *err)
{
    const uint8_t *bytes = out->bytes.data;
    size_t at = 0, record = 0;
    if (other.len != out->bytes.len)
        return err_set(err, ERR_INTERNAL, "the length of a payload depends on its secrets");
    while (at < other.len) {
        if (bytes[at] == other.data[at]) {
            at++;
            continue;
        }
        const struct secret_ref *secret = next_secret(write, &record);
        if (!secret || out->span_count == PLAN_SPANS_MAX)
            return err_set(err, ERR_TOO_LARGE, "more than %d secrets in one write", PLAN_SPANS_MAX);
        struct plan_span *span = &out->spans[out->span_count++];
        *span = (struct plan_span){.offset = at, .secret = *secret};
        while (at < other.len && bytes[at] != other.data[at])
            at++;
        span->len = at - span->offset;
    }
    return ERR_OK;
}

enum err_code plan_payload(const struct operation *write, int format, struct plan_payload *out,
                           struct err *err)
{
    struct filler shown = {.opaque = 0x00, .text = '0'}, hidden = {.opaque = 0xff, .text = 'O'};
    struct buf other;
    out->span_count = 0;
    buf_init(&out->bytes, PAYLOAD_MAX);
    buf_init(&other, PAYLOAD_MAX);
    enum err_code code = encode(write, format, &shown, &out->bytes, err);
    if (code == ERR_OK)
        code = encode(write, format, &hidden, &other, err);
    if (code == ERR_OK)
        code = find_spans(write, buf_bytes(&other), out, err);
    buf_clear(&other);
    return code;
}

void plan_payload_clear(struct plan_payload *payload)
{
    buf_clear(&payload->bytes);
    payload->span_count = 0;
}

/* --- for people --- */

static void put_hex(struct bytes bytes, struct buf *out)
{
    for (size_t i = 0; i < bytes.len; i++)
        buf_printf(out, "%02x", bytes.data[i]);
}

/* As many characters as the hexadecimal form of the secret has. */
static void put_reference(const struct plan_span *span, struct buf *out)
{
    char text[80];
    size_t width = 2 * span->len;
    const char *name = secret_kind_name(span->secret.kind);
    int len = span->secret.ssid != 0
                  ? snprintf(text, sizeof(text), "<%s of server %u>", name, span->secret.ssid)
                  : snprintf(text, sizeof(text), "<%s>", name);
    size_t used = len > 0 && (size_t)len <= width ? (size_t)len : 0;
    buf_put(out, text, used);
    for (; used < width; used++)
        buf_put_u8(out, '.');
}

static void put_payload(const struct plan_payload *payload, struct buf *out)
{
    size_t at = 0;
    for (size_t i = 0; i < payload->span_count; i++) {
        const struct plan_span *span = &payload->spans[i];
        put_hex(bytes_of(payload->bytes.data + at, span->offset - at), out);
        put_reference(span, out);
        at = span->offset + span->len;
    }
    put_hex(bytes_of(payload->bytes.data + at, payload->bytes.len - at), out);
}

enum err_code plan_print_payloads(const struct plan *plan, int format, struct buf *out,
                                  struct err *err)
{
    enum err_code code = ERR_OK;
    buf_printf(out, "\npayloads in %s; references stand in the place of keys\n",
               codec_name(format));
    for (size_t i = 0; i < plan->count && code == ERR_OK; i++) {
        const struct operation *operation = &plan->operations[i];
        if (operation->kind != OPERATION_WRITE)
            continue;
        struct plan_payload payload;
        char path[PATH_TEXT_SIZE];
        path_text(&operation->path, path);
        code = plan_payload(operation, format, &payload, err);
        if (code == ERR_OK) {
            buf_printf(out, "%s, %zu bytes\n    ", path, payload.bytes.len);
            put_payload(&payload, out);
            buf_put_text(out, "\n");
        }
        plan_payload_clear(&payload);
    }
    return code;
}
