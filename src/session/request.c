/* The Bootstrap-Request's query (OMA Core 1.2 section 6.1.7.1): raw and hostile. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "session_priv.h"

#include "usher/corelink.h"

#include <string.h>

static void reject(struct request *request, uint8_t code, enum cause cause)
{
    request->code = code;
    request->cause = cause;
}

/* A garbled name shows as hexadecimal, so that stray bytes can be seen. */
static void describe_bad_endpoint(struct bytes endpoint, struct request *out)
{
    char hex[BYTES_HEX_SIZE(32)];
    size_t shown = endpoint.len < 32 ? endpoint.len : 32;
    bytes_to_hex(bytes_of(endpoint.data, shown), hex);
    report_text(out->detail, sizeof out->detail,
                "ep= is not a usable endpoint name; its bytes in hexadecimal: %s%s", hex,
                shown < endpoint.len ? "..." : "");
}

static struct bytes own_name(const struct session_start *start)
{
    return start->proof == PROOF_CERTIFICATE ? bytes_of_text(names_first(start->names))
                                             : identity_bytes(&start->identity);
}

static void read_endpoint(const struct session_event *event, const struct session_start *start,
                          struct request *out)
{
    out->implied = event->endpoint.data == NULL;
    struct bytes name = out->implied ? own_name(start) : event->endpoint;
    struct err err;
    if (enrollment_check_endpoint(name, &err) == ERR_OK) {
        memcpy(out->endpoint, name.data, name.len);
        out->endpoint[name.len] = '\0';
        return;
    }
    reject(out, CODE_BAD_REQUEST, CAUSE_BAD_REQUEST);
    if (!out->implied)
        describe_bad_endpoint(name, out);
    else
        report_text(out->detail, sizeof out->detail,
                    "the request has no ep= and the identity cannot take its place");
}

static bool parse_number(struct bytes text, uint32_t most, uint32_t *out)
{
    uint32_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(text.data[i] - '0');
        if (value > most)
            return false;
    }
    if (text.len == 0)
        return false;
    *out = value;
    return true;
}

static void read_format(struct bytes text, struct request *out)
{
    if (text.data == NULL || out->code != 0)
        return;
    uint32_t number;
    if (!parse_number(text, UINT16_MAX, &number)) {
        reject(out, CODE_BAD_REQUEST, CAUSE_BAD_REQUEST);
        report_text(out->detail, sizeof out->detail, "pct= is not a content format number");
    } else if (!codec_can_encode_instance((int)number)) {
        reject(out, CODE_UNSUPPORTED_FORMAT, CAUSE_UNSUPPORTED_FORMAT);
        report_text(out->detail, sizeof out->detail,
                    "the device wants content format %u, which this server does not write",
                    (unsigned)number);
    } else {
        out->format = (int)number;
    }
}

/* Formats that hold several objects (Core 1.2 section 6.1.7.7): TLV and plain values do not. */
static bool can_hold_pack(int format)
{
    return format == FORMAT_SENML_CBOR || format == FORMAT_SENML_JSON ||
           format == FORMAT_LWM2M_CBOR;
}

static void read_accept(int accept, struct request *out)
{
    out->format = accept;
    if (out->code != 0 || accept == FORMAT_NONE || can_hold_pack(accept))
        return;
    reject(out, CODE_NOT_ACCEPTABLE, CAUSE_UNSUPPORTED_FORMAT);
    report_text(out->detail, sizeof out->detail,
                "the device wants a Bootstrap-Pack in content format %d, which cannot hold one",
                accept);
}

static void read_known(struct bytes text, struct request *out)
{
    struct capability unused;
    struct err err;
    if (text.data == NULL || out->code != 0)
        return;
    capability_init(&unused);
    if (text.len <= KNOWN_TEXT_MAX && corelink_read(text, &unused, &err) == ERR_OK) {
        memcpy(out->known, text.data, text.len);
        out->known[text.len] = '\0';
        return;
    }
    reject(out, CODE_BAD_REQUEST, CAUSE_BAD_REQUEST);
    report_text(out->detail, sizeof out->detail, "acc= is not a list of links");
}

/* The first finding stands: what comes after it adds nothing that helps. */
void request_read(const struct session_event *event, const struct session_start *start,
                  struct request *out)
{
    *out = (struct request){.format = FORMAT_NONE, .pack = event->pack};
    read_endpoint(event, start, out);
    if (event->pack) {
        read_accept(event->accept, out);
        read_known(event->known, out);
    } else {
        read_format(event->preferred_format, out);
    }
    if (event->payload_present && out->code == 0) {
        reject(out, CODE_BAD_REQUEST, CAUSE_BAD_REQUEST);
        report_text(out->detail, sizeof out->detail, "the Bootstrap-Request has a payload");
    }
}
