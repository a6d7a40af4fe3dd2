/* The floor of scripts/bench: a bare Mbed TLS loop, one thread and one socket, that plays messages
 * recorded from usherd. No store, no plan, no retransmission: what DTLS and the kernel cost. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <mbedtls/md.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BUCKET_BITS = 17,
    BUCKETS = 1 << BUCKET_BITS,
    MESSAGES_MAX = 64,
    RECEIVE_BUFFER = 4 << 20,
    COOKIE_LEN = 32,
    /* CoAP, RFC 7252 section 3 */
    HEADER_LEN = 4,
    TYPE_MASK = 0x30,
    TYPE_ACK = 0x20,
    CODE_GET = 0x01,
    CODE_POST = 0x02,
    CODE_CHANGED = 0x44,
    CODE_NOT_FOUND = 0x84,
};

/* One request of usherd as it was recorded; its message id is replaced. */
struct message {
    unsigned char data[BENCH_DATAGRAM_MAX];
    size_t len;
};

struct floor;

struct peer {
    struct floor *floor;
    struct peer *next; /* in its bucket */
    struct sockaddr_in address;
    mbedtls_ssl_context ssl;
    uint32_t timer_ms; /* 0 = not armed; on loopback none ever needs to elapse */
    bool open;
    size_t sent; /* messages of the script */
    uint16_t next_id;
};

struct floor {
    struct bench_tls tls;
    mbedtls_ssl_config config;
    int fd;
    unsigned char secret[COOKIE_LEN];
    struct peer *buckets[BUCKETS];
    struct message messages[MESSAGES_MAX];
    size_t message_count;
    unsigned char input[BENCH_DATAGRAM_MAX]; /* the datagram just received */
    size_t input_len;                        /* 0 = taken */
    uint64_t bootstraps, failures;
};

static volatile sig_atomic_t ending;

static void end(int signal)
{
    ending = 1;
}

/* ---- what Mbed TLS calls ---- */

static int peer_send(void *context, const unsigned char *data, size_t len)
{
    const struct peer *peer = context;
    ssize_t sent = sendto(peer->floor->fd, data, len, 0, (const struct sockaddr *)&peer->address,
                          sizeof peer->address);

    return sent < 0 ? MBEDTLS_ERR_SSL_WANT_WRITE : (int)sent;
}

static int peer_receive(void *context, unsigned char *out, size_t cap)
{
    struct floor *floor = ((struct peer *)context)->floor;
    size_t len = floor->input_len;

    if (len == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    if (len > cap)
        len = cap;
    memcpy(out, floor->input, len);
    floor->input_len = 0;
    return (int)len;
}

static void timer_set(void *context, uint32_t intermediate_ms, uint32_t final_ms)
{
    *(uint32_t *)context = final_ms;
}

static int timer_get(void *context)
{
    return *(uint32_t *)context == 0 ? -1 : 0;
}

static int find_key(void *context, mbedtls_ssl_context *ssl, const unsigned char *identity,
                    size_t len)
{
    unsigned char key[BENCH_KEY_LEN];

    if (!bench_key(identity, len, key))
        return MBEDTLS_ERR_SSL_UNKNOWN_IDENTITY;
    return mbedtls_ssl_set_hs_psk(ssl, key, sizeof key);
}

/* Mbed TLS's own cookies are not part of this build, so that it is the very one of usherd. */
static int make_cookie(const struct floor *floor, const unsigned char *client, size_t len,
                       unsigned char out[static COOKIE_LEN])
{
    return mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), floor->secret,
                           sizeof floor->secret, client, len, out);
}

static int cookie_write(void *context, unsigned char **at, unsigned char *end,
                        const unsigned char *client, size_t len)
{
    unsigned char cookie[COOKIE_LEN];

    if (end - *at < COOKIE_LEN || make_cookie(context, client, len, cookie) != 0)
        return MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL;
    memcpy(*at, cookie, sizeof cookie);
    *at += sizeof cookie;
    return 0;
}

static int cookie_check(void *context, const unsigned char *cookie, size_t cookie_len,
                        const unsigned char *client, size_t len)
{
    unsigned char good[COOKIE_LEN];

    if (cookie_len != sizeof good || make_cookie(context, client, len, good) != 0)
        return -1;
    return memcmp(cookie, good, sizeof good) == 0 ? 0 : -1;
}

/* ---- peers ---- */

static struct peer **place_of(struct floor *floor, const struct sockaddr_in *address)
{
    uint32_t hash = (address->sin_addr.s_addr ^ address->sin_port) * UINT32_C(2654435761);
    struct peer **place = &floor->buckets[hash >> (32 - BUCKET_BITS)];

    while (*place != NULL && ((*place)->address.sin_port != address->sin_port ||
                              (*place)->address.sin_addr.s_addr != address->sin_addr.s_addr))
        place = &(*place)->next;
    return place;
}

static void peer_remove(struct peer **place)
{
    struct peer *peer = *place;

    *place = peer->next;
    mbedtls_ssl_free(&peer->ssl);
    free(peer);
}

static bool set_transport_id(struct peer *peer)
{
    return mbedtls_ssl_set_client_transport_id(&peer->ssl, (const unsigned char *)&peer->address,
                                               sizeof peer->address) == 0;
}

static struct peer *peer_new(struct floor *floor, const struct sockaddr_in *address)
{
    struct peer *peer = calloc(1, sizeof *peer);

    if (peer == NULL)
        bench_die("out of memory");
    peer->floor = floor;
    peer->address = *address;
    mbedtls_ssl_init(&peer->ssl);
    if (mbedtls_ssl_setup(&peer->ssl, &floor->config) != 0 || !set_transport_id(peer))
        bench_die("out of memory");
    mbedtls_ssl_set_bio(&peer->ssl, peer, peer_send, peer_receive, NULL);
    mbedtls_ssl_set_timer_cb(&peer->ssl, &peer->timer_ms, timer_set, timer_get);
    return peer;
}

/* ---- one bootstrap ---- */

static bool send_message(struct peer *peer, unsigned char *data, size_t len)
{
    return mbedtls_ssl_write(&peer->ssl, data, len) == (int)len;
}

static bool send_next(struct peer *peer)
{
    unsigned char data[BENCH_DATAGRAM_MAX];
    const struct message *message = &peer->floor->messages[peer->sent];

    if (peer->sent == peer->floor->message_count)
        return true;
    memcpy(data, message->data, message->len);
    data[2] = (unsigned char)(peer->next_id >> 8);
    data[3] = (unsigned char)peer->next_id;
    peer->next_id++;
    peer->sent++;
    return send_message(peer, data, message->len);
}

/* An acknowledgement with the token of the request and nothing else. */
static bool send_answer(struct peer *peer, const unsigned char *request, size_t len,
                        unsigned char code)
{
    unsigned char answer[HEADER_LEN + 8];
    size_t token_len = request[0] & 0x0f;

    if (token_len > 8 || len < HEADER_LEN + token_len)
        return false;
    memcpy(answer, request, HEADER_LEN + token_len);
    answer[0] = (unsigned char)((request[0] & ~TYPE_MASK) | TYPE_ACK);
    answer[1] = code;
    return send_message(peer, answer, HEADER_LEN + token_len);
}

/* False ends the peer. */
static bool take_message(struct peer *peer, const unsigned char *data, size_t len)
{
    if (len < HEADER_LEN)
        return false;
    if ((data[0] & TYPE_MASK) != TYPE_ACK && data[1] == CODE_GET) /* a message on an open session */
        return send_answer(peer, data, len, CODE_NOT_FOUND);
    if ((data[0] & TYPE_MASK) != TYPE_ACK)
        return data[1] == CODE_POST && send_answer(peer, data, len, CODE_CHANGED) &&
               send_next(peer);
    if (data[1] >> 5 != 2)
        return false;
    if (peer->sent == peer->floor->message_count) {
        peer->floor->bootstraps++;
        return true;
    }
    return send_next(peer);
}

static bool run_open(struct peer *peer)
{
    unsigned char data[BENCH_DATAGRAM_MAX];
    int result;

    while ((result = mbedtls_ssl_read(&peer->ssl, data, sizeof data)) > 0)
        if (!take_message(peer, data, (size_t)result))
            return false;
    return result == MBEDTLS_ERR_SSL_WANT_READ;
}

static bool run_handshake(struct peer *peer)
{
    int result = mbedtls_ssl_handshake(&peer->ssl);

    if (result == MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED)
        return mbedtls_ssl_session_reset(&peer->ssl) == 0 && set_transport_id(peer);
    peer->open = result == 0;
    return result == 0 || result == MBEDTLS_ERR_SSL_WANT_READ;
}

static void take_datagram(struct floor *floor, const struct sockaddr_in *from)
{
    struct peer **place = place_of(floor, from);

    if (*place == NULL)
        *place = peer_new(floor, from);
    struct peer *peer = *place;
    bool stays = peer->open || run_handshake(peer);
    if (stays && peer->open)
        stays = run_open(peer);
    floor->input_len = 0;
    if (stays)
        return;
    /* As the standard asks (RFC 5246 section 7.2.1), and as usherd does. */
    if (peer->open)
        mbedtls_ssl_close_notify(&peer->ssl);
    if (!peer->open || peer->sent < floor->message_count)
        floor->failures++;
    peer_remove(place);
}

/* ---- set-up and end ---- */

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    return at == NULL ? -1 : (int)(at - digits);
}

static bool read_message(const char *line, struct message *out)
{
    out->len = 0;
    for (; *line != '\n' && *line != '\0'; line += 2) {
        int high = hex_digit(line[0]), low = high < 0 ? -1 : hex_digit(line[1]);
        if (low < 0 || out->len == sizeof out->data)
            return false;
        out->data[out->len++] = (unsigned char)(high << 4 | low);
    }
    return out->len >= HEADER_LEN;
}

static void read_script(struct floor *floor, const char *path)
{
    char line[2 * BENCH_DATAGRAM_MAX + 2];
    FILE *file = fopen(path, "r");

    if (file == NULL)
        bench_die("%s: %s", path, strerror(errno));
    while (fgets(line, sizeof line, file) != NULL) {
        if (floor->message_count == MESSAGES_MAX ||
            !read_message(line, &floor->messages[floor->message_count]))
            bench_die("%s:%zu: not a message in hexadecimal, or too many", path,
                      floor->message_count + 1);
        floor->message_count++;
    }
    fclose(file);
    if (floor->message_count == 0)
        bench_die("%s: no messages", path);
}

/* A free port of loopback, printed for whoever started this. */
static void open_socket(struct floor *floor)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int size = RECEIVE_BUFFER;

    floor->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (floor->fd < 0 || bind(floor->fd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(floor->fd, (struct sockaddr *)&address, &len) != 0)
        bench_die("cannot open a socket: %s", strerror(errno));
    if (setsockopt(floor->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
        setsockopt(floor->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
}

static void serve(struct floor *floor)
{
    struct sockaddr_in from;

    while (!ending) {
        socklen_t from_len = sizeof from;
        ssize_t len = recvfrom(floor->fd, floor->input, sizeof floor->input, 0,
                               (struct sockaddr *)&from, &from_len);
        if (len > 0) {
            floor->input_len = (size_t)len;
            take_datagram(floor, &from);
        } else if (len < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){.fd = floor->fd, .events = POLLIN}, 1, 100);
        }
    }
}

static void print_summary(const struct floor *floor)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    double cpu_us = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
                    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    printf("{\"bootstraps\": %llu, \"failures\": %llu, \"cpu_us\": %.0f, \"us_each\": %.1f}\n",
           (unsigned long long)floor->bootstraps, (unsigned long long)floor->failures, cpu_us,
           floor->bootstraps == 0 ? 0.0 : cpu_us / (double)floor->bootstraps);
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 3) {
        fputs("Usage: bench-floor MESSAGES [FOLDER OF CERTIFICATES]\n"
              "Serves what the file holds (bench-load --record) to every device; prints its port.\n"
              "SIGTERM ends it; then it prints its CPU time per bootstrap.\n",
              stderr);
        return 2;
    }
    struct floor *floor = calloc(1, sizeof *floor);
    if (floor == NULL)
        bench_die("out of memory");
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    read_script(floor, argv[1]);
    bench_tls_init(&floor->tls);
    if (argc == 3)
        bench_tls_use_server_certificate(&floor->tls, argv[2]);
    bench_tls_configure(&floor->tls, &floor->config, MBEDTLS_SSL_IS_SERVER);
    mbedtls_ssl_conf_psk_cb(&floor->config, find_key, NULL);
    mbedtls_ssl_conf_dtls_cookies(&floor->config, cookie_write, cookie_check, floor);
    if (mbedtls_ctr_drbg_random(&floor->tls.drbg, floor->secret, sizeof floor->secret) != 0)
        bench_die("no random numbers");
    open_socket(floor);
    serve(floor);
    print_summary(floor);
    for (size_t i = 0; i < BUCKETS; i++)
        while (floor->buckets[i] != NULL)
            peer_remove(&floor->buckets[i]);
    close(floor->fd);
    mbedtls_ssl_config_free(&floor->config);
    bench_tls_free(&floor->tls);
    free(floor);
    return 0;
}
