/* A device that shares no code with usher: libcoap's CoAP and OpenSSL's DTLS. It prints one line
 * for each operation of the server. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <coap3/coap.h>

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_MAX = 64, STEP_MS = 1000, PATIENCE_STEPS = 40 };

static const char discovered[] = "</>;lwm2m=1.1,</0/0>,</1>,</3/0>";

struct device {
    bool requested; /* POST /bs was answered 2.04 */
    bool finished;
    bool failed;
    bool packing; /* the Pack-Request is open */
    const char *endpoint;
};

static bool ask(coap_session_t *session, const char *endpoint);

/* The library's handlers take no context that is the same in all its versions. */
static struct device device;

static void print_request(const char *method, const coap_pdu_t *request)
{
    coap_string_t *path = coap_get_uri_path(request);
    size_t len = 0, offset = 0, total = 0;
    const uint8_t *data = NULL;
    coap_get_data_large(request, &len, &data, &offset, &total);
    printf("%s /%.*s %zu\n", method, path ? (int)path->length : 0,
           path ? (const char *)path->s : "", len);
    fflush(stdout);
    if (path)
        coap_delete_string(path);
}

static bool is_finish(const coap_pdu_t *request)
{
    coap_string_t *path = coap_get_uri_path(request);
    bool finish = path && path->length == 2 && memcmp(path->s, "bs", 2) == 0;
    if (path)
        coap_delete_string(path);
    return finish;
}

static void answer_get(coap_resource_t *resource, coap_session_t *session,
                       const coap_pdu_t *request, const coap_string_t *query, coap_pdu_t *response)
{
    (void)resource, (void)session, (void)query;
    uint8_t format[4];
    print_request("GET", request);
    coap_pdu_set_code(response, COAP_RESPONSE_CODE_CONTENT);
    coap_add_option(
        response, COAP_OPTION_CONTENT_FORMAT,
        coap_encode_var_safe(format, sizeof format, COAP_MEDIATYPE_APPLICATION_LINK_FORMAT),
        format);
    coap_add_data(response, sizeof discovered - 1, (const uint8_t *)discovered);
}

static void answer_put(coap_resource_t *resource, coap_session_t *session,
                       const coap_pdu_t *request, const coap_string_t *query, coap_pdu_t *response)
{
    (void)resource, (void)session, (void)query;
    print_request("PUT", request);
    coap_pdu_set_code(response, COAP_RESPONSE_CODE_CHANGED);
}

static void answer_delete(coap_resource_t *resource, coap_session_t *session,
                          const coap_pdu_t *request, const coap_string_t *query,
                          coap_pdu_t *response)
{
    (void)resource, (void)session, (void)query;
    print_request("DELETE", request);
    coap_pdu_set_code(response, COAP_RESPONSE_CODE_DELETED);
}

static void answer_post(coap_resource_t *resource, coap_session_t *session,
                        const coap_pdu_t *request, const coap_string_t *query, coap_pdu_t *response)
{
    (void)resource, (void)session, (void)query;
    print_request("POST", request);
    device.finished = is_finish(request);
    coap_pdu_set_code(response,
                      device.finished ? COAP_RESPONSE_CODE_CHANGED : COAP_RESPONSE_CODE_NOT_FOUND);
}

static void print_payload(const coap_pdu_t *received)
{
    size_t len = 0, offset = 0, total = 0;
    const uint8_t *data = NULL;
    coap_get_data_large(received, &len, &data, &offset, &total);
    printf("payload ");
    for (size_t i = 0; i < len; i++)
        printf("%02x", data[i]);
    puts("");
}

static coap_response_t take_response(coap_session_t *session, const coap_pdu_t *sent,
                                     const coap_pdu_t *received, const coap_mid_t mid)
{
    (void)sent, (void)mid;
    coap_pdu_code_t code = coap_pdu_get_code(received);
    printf("answer %d.%02d\n", code >> 5, code & 31);
    fflush(stdout);
    if (device.packing) {
        device.packing = false;
        device.requested = device.finished = code == COAP_RESPONSE_CODE_CONTENT;
        if (device.finished)
            print_payload(received);
        else /* then step by step */
            device.failed = !ask(session, device.endpoint);
        return COAP_RESPONSE_OK;
    }
    device.requested = code == COAP_RESPONSE_CODE_CHANGED;
    device.failed = !device.requested;
    return COAP_RESPONSE_OK;
}

static int take_event(coap_session_t *session, coap_event_t event)
{
    (void)session;
    if (event == COAP_EVENT_DTLS_ERROR || (event == COAP_EVENT_DTLS_CLOSED && !device.finished))
        device.failed = true;
    return 0;
}

static size_t read_key(const char *path, uint8_t key[static KEY_MAX])
{
    FILE *file = fopen(path, "r");
    size_t len = 0;
    unsigned byte = 0;
    while (file && len < KEY_MAX && fscanf(file, "%2x", &byte) == 1)
        key[len++] = (uint8_t)byte;
    if (file)
        fclose(file);
    return len;
}

static bool read_address(const char *host, const char *port, coap_address_t *out)
{
    coap_address_init(out);
    uint16_t number = htons((uint16_t)strtoul(port, NULL, 10));
    if (inet_pton(AF_INET, host, &out->addr.sin.sin_addr) == 1) {
        out->addr.sin.sin_family = AF_INET;
        out->addr.sin.sin_port = number;
        out->size = sizeof out->addr.sin;
        return true;
    }
    out->addr.sin6.sin6_family = AF_INET6;
    out->addr.sin6.sin6_port = number;
    out->size = sizeof out->addr.sin6;
    return inet_pton(AF_INET6, host, &out->addr.sin6.sin6_addr) == 1;
}

static void add_handlers(coap_context_t *context)
{
    coap_resource_t *any = coap_resource_unknown_init2(answer_put, 0);
    coap_register_request_handler(any, COAP_REQUEST_GET, answer_get);
    coap_register_request_handler(any, COAP_REQUEST_DELETE, answer_delete);
    coap_register_request_handler(any, COAP_REQUEST_POST, answer_post);
    coap_add_resource(context, any);
    coap_register_response_handler(context, take_response);
    coap_register_event_handler(context, take_event);
    coap_context_set_block_mode(context, COAP_BLOCK_USE_LIBCOAP | COAP_BLOCK_SINGLE_BODY);
}

static bool ask(coap_session_t *session, const char *endpoint)
{
    char query[280];
    int len = snprintf(query, sizeof query, "ep=%s", endpoint);
    coap_pdu_t *request = coap_new_pdu(COAP_MESSAGE_CON, COAP_REQUEST_CODE_POST, session);
    if (!request || len >= (int)sizeof query)
        return false;
    coap_add_token(request, 4, (const uint8_t *)"ushr");
    coap_add_option(request, COAP_OPTION_URI_PATH, 2, (const uint8_t *)"bs");
    coap_add_option(request, COAP_OPTION_URI_QUERY, (size_t)len, (const uint8_t *)query);
    return coap_send(session, request) != COAP_INVALID_MID;
}

/* A Bootstrap-Pack-Request (LwM2M 1.2). */
static bool ask_pack(coap_session_t *session, const char *endpoint, const char *format)
{
    char query[280];
    uint8_t accept[4];
    int len = snprintf(query, sizeof query, "ep=%s", endpoint);
    coap_pdu_t *request = coap_new_pdu(COAP_MESSAGE_CON, COAP_REQUEST_CODE_GET, session);
    if (!request || len >= (int)sizeof query)
        return false;
    coap_add_token(request, 4, (const uint8_t *)"pack");
    coap_add_option(request, COAP_OPTION_URI_PATH, 6, (const uint8_t *)"bspack");
    coap_add_option(request, COAP_OPTION_URI_QUERY, (size_t)len, (const uint8_t *)query);
    coap_add_option(request, COAP_OPTION_ACCEPT,
                    coap_encode_var_safe(accept, sizeof accept, (unsigned)atoi(format)), accept);
    device.packing = true;
    device.endpoint = endpoint;
    return coap_send(session, request) != COAP_INVALID_MID;
}

static coap_session_t *connect_with_key(coap_context_t *context, const coap_address_t *server,
                                        const char *identity, const char *key_file)
{
    uint8_t key[KEY_MAX];
    size_t key_len = read_key(key_file, key);
    coap_dtls_cpsk_t psk = {
        .version = COAP_DTLS_CPSK_SETUP_VERSION,
        .psk_info = {.identity = {strlen(identity), (const uint8_t *)identity},
                     .key = {key_len, key}},
    };
    if (key_len == 0)
        return NULL;
    return coap_new_client_session_psk2(context, NULL, server, COAP_PROTO_DTLS, &psk);
}

/* The server's chain is checked; its name is not, as only its address is known here. */
static coap_session_t *connect_with_certificate(coap_context_t *context,
                                                const coap_address_t *server,
                                                const char *certificate, const char *key_file,
                                                const char *ca)
{
    coap_dtls_pki_t pki = {
        .version = COAP_DTLS_PKI_SETUP_VERSION,
        .verify_peer_cert = 1,
        .check_common_ca = 1, /* makes it look at ca_file */
        .cert_chain_validation = 1,
        .cert_chain_verify_depth = 3,
        .pki_key = {.key_type = COAP_PKI_KEY_PEM,
                    .key.pem = {.ca_file = ca,
                                .public_cert = certificate,
                                .private_key = key_file}},
    };
    return coap_new_client_session_pki(context, NULL, server, COAP_PROTO_DTLS, &pki);
}

int main(int argc, char **argv)
{
    bool certificate = argc == 8 && strcmp(argv[6], "--ca") == 0;
    if (argc != 6 && argc != 7 && !certificate) {
        fputs("usage: libcoap_device HOST PORT IDENTITY KEY-FILE ENDPOINT [PACK-FORMAT]\n"
              "       libcoap_device HOST PORT CERTIFICATE KEY-FILE ENDPOINT --ca FILE\n",
              stderr);
        return 2;
    }
    coap_address_t server;
    coap_startup();
    coap_context_t *context = coap_new_context(NULL);
    if (!context || !read_address(argv[1], argv[2], &server)) {
        fputs("libcoap_device: bad address\n", stderr);
        return 2;
    }
    add_handlers(context);
    coap_session_t *session =
        certificate ? connect_with_certificate(context, &server, argv[3], argv[4], argv[7])
                    : connect_with_key(context, &server, argv[3], argv[4]);
    bool asked =
        session && (argc == 7 ? ask_pack(session, argv[5], argv[6]) : ask(session, argv[5]));
    device.failed = !asked;
    for (int i = 0; i < PATIENCE_STEPS && !device.finished && !device.failed; i++)
        coap_io_process(context, STEP_MS);
    bool good = device.requested && device.finished;
    puts(good ? "bootstrapped" : "failed");
    coap_session_release(session);
    coap_free_context(context);
    coap_cleanup();
    return good ? 0 : 1;
}
