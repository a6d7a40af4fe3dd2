/* The load of scripts/bench: bootstraps devices over DTLS on loopback, many at a time, one thread.
 * It checks no more of the answers than that they are there: its own CPU time must stay small. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_tls.h"

#include "usher/clock.h"
#include "usher/coap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONCURRENCY_MAX = 1024,
    FAILURES_MAX = 100,
    BOOTSTRAP_LIMIT_MS = 30000,
    TICK_MS = 200,
    CONTENT_LINK_FORMAT = 40,
};

/* A device that comes back: it has its bootstrap account and an old one, which has to go first. */
static const char discovered[] =
    "</>;lwm2m=1.1,</0/0>,</0/1>;ssid=101,</1/0>;ssid=101,</3/0>,</5/0>";

struct load;

/* A place that bootstraps one device after the other. */
struct slot {
    struct load *load;
    mbedtls_ssl_config config; /* with the key of this one device */
    mbedtls_ssl_context ssl;
    int fd; /* -1 = idle */
    bool established, finished;
    uint64_t started_ms, intermediate_ms, final_ms; /* flight timer; 0 = not armed */
    char name[BENCH_NAME_SIZE];
};

struct load {
    struct bench_tls tls;
    struct sockaddr_in server;
    unsigned devices, concurrency;
    uint64_t drawn, step;
    uint64_t bootstraps, started, done, failures;
    FILE *record;
    int epoll;
    uint64_t now;
    struct slot slots[CONCURRENCY_MAX];
};

/* ---- what Mbed TLS calls ---- */

static int slot_send(void *context, const unsigned char *data, size_t len)
{
    const struct slot *slot = context;
    ssize_t sent = send(slot->fd, data, len, 0);

    return sent < 0 ? MBEDTLS_ERR_SSL_WANT_WRITE : (int)sent;
}

static int slot_receive(void *context, unsigned char *out, size_t cap)
{
    const struct slot *slot = context;
    ssize_t len = recv(slot->fd, out, cap, 0);

    return len <= 0 ? MBEDTLS_ERR_SSL_WANT_READ : (int)len;
}

static void timer_set(void *context, uint32_t intermediate_ms, uint32_t final_ms)
{
    struct slot *slot = context;

    slot->intermediate_ms = final_ms == 0 ? 0 : slot->load->now + intermediate_ms;
    slot->final_ms = final_ms == 0 ? 0 : slot->load->now + final_ms;
}

static int timer_get(void *context)
{
    const struct slot *slot = context;

    if (slot->final_ms == 0)
        return -1;
    if (slot->load->now >= slot->final_ms)
        return 2;
    return slot->load->now >= slot->intermediate_ms;
}

/* ---- begin and end of a bootstrap ---- */

static void configure(struct slot *slot)
{
    unsigned char key[BENCH_KEY_LEN];
    const unsigned char *name = (const unsigned char *)slot->name;
    size_t len = strlen(slot->name);

    bench_tls_configure(&slot->load->tls, &slot->config, MBEDTLS_SSL_IS_CLIENT);
    if (!bench_key(name, len, key) ||
        mbedtls_ssl_conf_psk(&slot->config, key, sizeof key, name, len) != 0)
        bench_die("no key for %s", slot->name);
}

static void open_socket(struct slot *slot)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = slot};

    slot->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (slot->fd < 0 ||
        connect(slot->fd, (const struct sockaddr *)&slot->load->server,
                sizeof slot->load->server) != 0 ||
        epoll_ctl(slot->load->epoll, EPOLL_CTL_ADD, slot->fd, &event) != 0)
        bench_die("cannot open a socket: %s", strerror(errno));
}

static void slot_end(struct slot *slot)
{
    struct load *load = slot->load;

    if (slot->established)
        mbedtls_ssl_close_notify(&slot->ssl);
    mbedtls_ssl_free(&slot->ssl);
    mbedtls_ssl_config_free(&slot->config);
    close(slot->fd);
    slot->fd = -1;
    if (slot->finished) {
        load->done++;
        return;
    }
    fprintf(stderr, "bench-load: %s failed\n", slot->name);
    if (++load->failures == FAILURES_MAX)
        bench_die("too many failures");
}

static void slot_run(struct slot *slot);

/* Every device once in an order without order, then again: a step that has no factor in common with
 * their number visits all. */
static unsigned draw(struct load *load)
{
    load->drawn = (load->drawn + load->step) % load->devices;
    return (unsigned)load->drawn;
}

/* Takes up the next bootstrap, if one is left. */
static void slot_start(struct slot *slot)
{
    struct load *load = slot->load;

    if (load->started == load->bootstraps)
        return;
    bench_name(draw(load), slot->name);
    load->started++;
    slot->established = slot->finished = false;
    slot->started_ms = load->now;
    slot->intermediate_ms = slot->final_ms = 0;
    open_socket(slot);
    configure(slot);
    mbedtls_ssl_init(&slot->ssl);
    if (mbedtls_ssl_setup(&slot->ssl, &slot->config) != 0)
        bench_die("out of memory");
    mbedtls_ssl_set_bio(&slot->ssl, slot, slot_send, slot_receive, NULL);
    mbedtls_ssl_set_timer_cb(&slot->ssl, slot, timer_set, timer_get);
    slot_run(slot);
}

/* ---- messages ---- */

static bool slot_write(struct slot *slot, const struct coap_message *message)
{
    uint8_t data[BENCH_DATAGRAM_MAX];
    struct buf out;

    buf_init_fixed(&out, data, sizeof data);
    if (!coap_build(message, &out))
        bench_die("a message does not fit");
    struct bytes bytes = buf_bytes(&out);
    return mbedtls_ssl_write(&slot->ssl, bytes.data, bytes.len) == (int)bytes.len;
}

static bool request_bootstrap(struct slot *slot)
{
    struct coap_message request = {
        .type = COAP_CON, .code = COAP_METHOD_POST, .id = 1, .token_len = 1, .token = {1}};
    char query[BENCH_NAME_SIZE + 3];

    snprintf(query, sizeof query, "ep=%s", slot->name);
    coap_add_option(&request, COAP_OPT_URI_PATH, bytes_of_text("bs"));
    coap_add_option(&request, COAP_OPT_URI_QUERY, bytes_of_text(query));
    return slot_write(slot, &request);
}

static bool answer(struct slot *slot, const struct coap_message *request)
{
    struct coap_message reply = {
        .type = COAP_ACK, .id = request->id, .token_len = request->token_len};
    uint8_t format[4];

    memcpy(reply.token, request->token, request->token_len);
    switch (request->code) {
    case COAP_METHOD_GET:
        reply.code = COAP_CONTENT;
        coap_add_uint(&reply, COAP_OPT_CONTENT_FORMAT, CONTENT_LINK_FORMAT, format);
        reply.payload = bytes_of_text(discovered);
        break;
    case COAP_METHOD_DELETE:
        reply.code = COAP_DELETED;
        break;
    case COAP_METHOD_PUT:
        reply.code = COAP_CHANGED;
        break;
    case COAP_METHOD_POST:
        reply.code = COAP_CHANGED;
        slot->finished = true;
        break;
    default: /* an answer to the Bootstrap-Request in a message of its own is acknowledged */
        reply.token_len = 0;
        if (COAP_CODE_CLASS(request->code) != 2)
            return false;
    }
    return slot_write(slot, &reply);
}

static void record_message(FILE *file, struct bytes message)
{
    for (size_t i = 0; i < message.len; i++)
        fprintf(file, "%02x", message.data[i]);
    fputc('\n', file);
}

/* False: this bootstrap has failed. */
static bool take_message(struct slot *slot, struct bytes data)
{
    struct coap_message message;

    if (coap_parse(data, &message) != COAP_PARSE_OK)
        return false;
    if (message.type == COAP_ACK)
        return message.code == 0 || message.code == COAP_CHANGED;
    if (message.type != COAP_CON)
        return false;
    if (slot->load->record != NULL && COAP_CODE_CLASS(message.code) == 0)
        record_message(slot->load->record, data);
    return answer(slot, &message);
}

/* ---- running ---- */

/* 0: wants more; else the bootstrap is over. */
static int read_messages(struct slot *slot)
{
    uint8_t data[BENCH_DATAGRAM_MAX];
    int result;

    while (!slot->finished &&
           (result = mbedtls_ssl_read(&slot->ssl, data, sizeof data)) != MBEDTLS_ERR_SSL_WANT_READ)
        if (result <= 0 || !take_message(slot, bytes_of(data, (size_t)result)))
            return -1;
    return slot->finished ? 1 : 0;
}

static int advance(struct slot *slot)
{
    if (!slot->established) {
        int result = mbedtls_ssl_handshake(&slot->ssl);
        if (result == MBEDTLS_ERR_SSL_WANT_READ)
            return 0;
        slot->established = result == 0;
        if (result != 0 || !request_bootstrap(slot))
            return -1;
    }
    return read_messages(slot);
}

static void slot_run(struct slot *slot)
{
    if (advance(slot) != 0)
        slot_end(slot);
}

/* Flight timers, and an end for what hangs. */
static void tick(struct load *load)
{
    for (unsigned i = 0; i < load->concurrency; i++) {
        struct slot *slot = &load->slots[i];
        if (slot->fd < 0)
            continue;
        if (load->now - slot->started_ms > BOOTSTRAP_LIMIT_MS)
            slot_end(slot);
        else if (slot->final_ms != 0 && load->now >= slot->final_ms)
            slot_run(slot);
    }
}

static void fill_slots(struct load *load)
{
    for (unsigned i = 0; i < load->concurrency; i++)
        while (load->slots[i].fd < 0 && load->started < load->bootstraps)
            slot_start(&load->slots[i]);
}

static uint64_t common_factor(uint64_t a, uint64_t b)
{
    return b == 0 ? a : common_factor(b, a % b);
}

static void run(struct load *load)
{
    struct epoll_event events[64];
    uint64_t next_tick = 0;

    load->step = load->devices * UINT64_C(618034) / 1000000 + 1;
    while (common_factor(load->step, load->devices) != 1)
        load->step++;
    load->now = clock_monotonic_ms();
    load->drawn = load->now % load->devices;
    fill_slots(load);
    while (load->done + load->failures < load->bootstraps) {
        int count = epoll_wait(load->epoll, events, 64, TICK_MS);
        load->now = clock_monotonic_ms();
        for (int i = 0; i < count; i++) {
            struct slot *slot = events[i].data.ptr;
            if (slot->fd >= 0)
                slot_run(slot);
        }
        if (load->now >= next_tick) {
            tick(load);
            next_tick = load->now + TICK_MS;
        }
        fill_slots(load);
    }
}

/* ---- command line ---- */

static void print_usage(FILE *file)
{
    fputs("Usage: bench-load --port PORT [--devices N] [--bootstraps N] [--concurrency N]\n"
          "                  [--record FILE]\n"
          "Bootstraps the devices bench-000000 to N-1 in turn at 127.0.0.1:PORT, N at a time.\n"
          "--record writes each request of the server in hexadecimal, a line each.\n",
          file);
}

static unsigned parse_number(const char *name, const char *text, unsigned most)
{
    char *rest;

    errno = 0;
    unsigned long value = strtoul(text, &rest, 10);
    if (errno != 0 || rest == text || *rest != '\0' || value == 0 || value > most)
        bench_die("--%s takes a number from 1 to %u, not '%s'", name, most, text);
    return (unsigned)value;
}

static void parse_arguments(struct load *load, int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"devices", required_argument, NULL, 'd'},
        {"bootstraps", required_argument, NULL, 'b'},
        {"concurrency", required_argument, NULL, 'c'},
        {"record", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'p') {
            load->server.sin_port = htons((uint16_t)parse_number("port", optarg, UINT16_MAX));
        } else if (option == 'd') {
            load->devices = parse_number("devices", optarg, BENCH_DEVICES_MAX);
        } else if (option == 'b') {
            load->bootstraps = parse_number("bootstraps", optarg, 100 * BENCH_DEVICES_MAX);
        } else if (option == 'c') {
            load->concurrency = parse_number("concurrency", optarg, CONCURRENCY_MAX);
        } else if (option == 'r') {
            load->record = fopen(optarg, "w");
            if (load->record == NULL)
                bench_die("%s: %s", optarg, strerror(errno));
        } else {
            print_usage(option == 'h' ? stdout : stderr);
            exit(option == 'h' ? 0 : 2);
        }
    }
    if (optind != argc || load->server.sin_port == 0) {
        print_usage(stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct load *load = calloc(1, sizeof *load);

    if (load == NULL)
        bench_die("out of memory");
    load->server.sin_family = AF_INET;
    load->server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    load->devices = 1;
    load->bootstraps = 1;
    load->concurrency = 1;
    parse_arguments(load, argc, argv);
    for (unsigned i = 0; i < load->concurrency; i++)
        load->slots[i] = (struct slot){.load = load, .fd = -1};
    bench_tls_init(&load->tls);
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load->epoll < 0)
        bench_die("epoll: %s", strerror(errno));
    run(load);
    printf("{\"bootstraps\": %llu, \"failures\": %llu}\n", (unsigned long long)load->done,
           (unsigned long long)load->failures);
    int status = load->failures == 0 ? 0 : 1;
    if (load->record != NULL && fclose(load->record) != 0)
        bench_die("cannot write the recording");
    close(load->epoll);
    bench_tls_free(&load->tls);
    free(load);
    return status;
}
