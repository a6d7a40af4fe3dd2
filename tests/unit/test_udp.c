/* The sockets of a worker over loopback: who sent it, where to, and from where the answer goes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/udp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

enum { LONGEST = 2048, MANY = 100, BATCH = 32, WAIT_MS = 10000 };

static struct udp_listener listener_at(const char *ip, uint16_t port)
{
    struct udp_listener listener = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    if (inet_pton(AF_INET, ip, &v4.sin_addr) == 1) {
        memcpy(&listener.address, &v4, sizeof v4);
        listener.address_len = sizeof v4;
    } else {
        assert_int_equal(inet_pton(AF_INET6, ip, &v6.sin6_addr), 1);
        memcpy(&listener.address, &v6, sizeof v6);
        listener.address_len = sizeof v6;
    }
    return listener;
}

static uint16_t port_of(const struct udp_listener *listener)
{
    struct net_address address;

    assert_true(net_from_sockaddr((const struct sockaddr *)&listener->address, &address));
    return address.port;
}

static bool has_ipv6(void)
{
    struct udp_listener listener = listener_at("::1", 0);
    struct udp *udp = NULL;
    struct err err;
    bool there = udp_open(&listener, 1, &udp, &err) == ERR_OK;

    udp_close(udp);
    return there;
}

/* ---- a client ---- */

struct client {
    int fd;
    char ip[INET6_ADDRSTRLEN];
    uint16_t port;
};

static struct client client_new(const char *ip)
{
    struct udp_listener at = listener_at(ip, 0);
    struct client client = {.fd = socket(at.address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0)};

    assert_true(client.fd >= 0);
    assert_int_equal(bind(client.fd, (struct sockaddr *)&at.address, at.address_len), 0);
    assert_int_equal(getsockname(client.fd, (struct sockaddr *)&at.address, &at.address_len), 0);
    client.port = port_of(&at);
    snprintf(client.ip, sizeof client.ip, "%s", ip);
    return client;
}

static void client_send(const struct client *client, const char *ip, uint16_t port,
                        struct bytes data)
{
    struct udp_listener to = listener_at(ip, port);

    assert_int_equal(
        sendto(client->fd, data.data, data.len, 0, (struct sockaddr *)&to.address, to.address_len),
        data.len);
}

/* Waits for a datagram: its text, and where it came from. */
static void client_expect(const struct client *client, const char *ip, uint16_t port,
                          const char *text)
{
    struct pollfd ready = {.fd = client->fd, .events = POLLIN};
    struct sockaddr_storage from;
    socklen_t from_len = sizeof from;
    struct net_address address;
    char got[LONGEST + 1], source[NET_TEXT_SIZE];

    assert_int_equal(poll(&ready, 1, WAIT_MS), 1);
    ssize_t len = recvfrom(client->fd, got, LONGEST, 0, (struct sockaddr *)&from, &from_len);
    assert_true(len >= 0);
    got[len] = '\0';
    assert_string_equal(got, text);
    assert_true(net_from_sockaddr((struct sockaddr *)&from, &address));
    net_text(&address, false, source);
    assert_string_equal(source, ip);
    assert_int_equal(address.port, port);
}

/* ---- the worker ---- */

struct seen {
    unsigned count;
    struct net_path path; /* of the last */
    size_t len, longest;
    char data[LONGEST + 2];
    bool in_order; /* the datagrams are numbers from 0 on */
    struct udp *echo;
};

static void see(void *context, const struct net_path *path, struct bytes datagram)
{
    struct seen *seen = context;

    assert_true(datagram.len <= LONGEST + 1);
    seen->path = *path;
    seen->len = datagram.len;
    if (datagram.len > seen->longest)
        seen->longest = datagram.len;
    memcpy(seen->data, datagram.data, datagram.len);
    seen->data[datagram.len] = '\0';
    seen->in_order = seen->in_order && (unsigned)atoi(seen->data) == seen->count;
    seen->count++;
    if (seen->echo != NULL)
        udp_send(seen->echo, path, datagram);
}

/* Reads until that many have come. */
static void receive(struct udp *udp, size_t index, struct seen *seen, unsigned count)
{
    while (seen->count < count) {
        struct pollfd ready = {.fd = udp_fd(udp, index), .events = POLLIN};
        assert_int_equal(poll(&ready, 1, WAIT_MS), 1);
        udp_receive(udp, index, see, seen);
    }
}

static void assert_address(const struct net_address *address, const char *ip, uint16_t port)
{
    char text[NET_TEXT_SIZE];

    net_text(address, false, text);
    assert_string_equal(text, ip);
    assert_int_equal(address->port, port);
}

/* A datagram to `asked` on a socket bound to `bound`, and the answer to it. */
static void there_and_back(const char *bound, const char *asked, const char *from)
{
    struct udp_listener listener = listener_at(bound, 0);
    struct client client = client_new(from);
    struct udp *udp = NULL;
    struct err err;
    struct seen seen = {0};

    assert_int_equal(udp_open(&listener, 1, &udp, &err), ERR_OK);
    assert_int_equal(udp_count(udp), 1);
    uint16_t port = port_of(&listener);
    assert_true(port != 0);
    client_send(&client, asked, port, bytes_of_text("hello"));
    receive(udp, 0, &seen, 1);
    assert_string_equal(seen.data, "hello");
    assert_int_equal(seen.path.listener, 0);
    assert_address(&seen.path.remote, from, client.port);
    assert_address(&seen.path.local, asked, port);
    udp_send(udp, &seen.path, bytes_of_text("answer"));
    udp_flush(udp);
    client_expect(&client, asked, port, "answer");
    assert_int_equal(udp_dropped(udp), 0);
    assert_false(udp_receive(udp, 0, see, &seen));
    assert_int_equal(seen.count, 1);
    udp_close(udp);
    close(client.fd);
}

static void test_one_address(void **state)
{
    there_and_back("127.0.0.1", "127.0.0.1", "127.0.0.1");
    there_and_back("127.0.0.2", "127.0.0.2", "127.0.0.3");
}

static void test_one_address_of_ipv6(void **state)
{
    if (!has_ipv6())
        skip();
    there_and_back("::1", "::1", "::1");
}

/* Trap 7: the answer leaves from the address that was asked, not from the first that fits. */
static void test_wildcard_answers_from_where_it_was_asked(void **state)
{
    there_and_back("0.0.0.0", "127.0.0.1", "127.0.0.1");
    there_and_back("0.0.0.0", "127.0.0.2", "127.0.0.1");
    there_and_back("0.0.0.0", "127.1.2.3", "127.0.0.9");
    if (has_ipv6())
        there_and_back("::", "::1", "::1");
}

/* An IPv6 socket leaves IPv4 to one of its own: both can be bound to the same port. */
static void test_both_families_share_a_port(void **state)
{
    struct udp_listener listeners[2] = {listener_at("0.0.0.0", 0)};
    struct client client = client_new("127.0.0.1");
    struct udp *udp = NULL;
    struct seen seen = {0};
    struct err err;

    if (!has_ipv6())
        skip();
    assert_int_equal(udp_open(listeners, 1, &udp, &err), ERR_OK);
    udp_close(udp);
    listeners[1] = listener_at("::", port_of(&listeners[0]));
    assert_int_equal(udp_open(listeners, 2, &udp, &err), ERR_OK);
    client_send(&client, "127.0.0.1", port_of(&listeners[1]), bytes_of_text("hello"));
    receive(udp, 0, &seen, 1);
    assert_int_equal(seen.path.local.family, 4);
    udp_close(udp);
    close(client.fd);
}

static void test_listeners_are_told_apart(void **state)
{
    struct udp_listener listeners[2] = {listener_at("127.0.0.1", 0), listener_at("127.0.0.2", 0)};
    struct client client = client_new("127.0.0.1");
    struct udp *udp = NULL;
    struct err err;
    struct seen seen = {0};

    assert_int_equal(udp_open(listeners, 2, &udp, &err), ERR_OK);
    assert_int_equal(udp_count(udp), 2);
    client_send(&client, "127.0.0.2", port_of(&listeners[1]), bytes_of_text("hello"));
    receive(udp, 1, &seen, 1);
    assert_int_equal(seen.path.listener, 1);
    udp_send(udp, &seen.path, bytes_of_text("second"));
    seen.path.listener = 0;
    seen.path.local = (struct net_address){.family = 4, .ip = {127, 0, 0, 1}};
    udp_send(udp, &seen.path, bytes_of_text("first"));
    udp_flush(udp);
    client_expect(&client, "127.0.0.2", port_of(&listeners[1]), "second");
    client_expect(&client, "127.0.0.1", port_of(&listeners[0]), "first");
    seen.path.listener = 2; /* there is none */
    udp_send(udp, &seen.path, bytes_of_text("nobody"));
    assert_int_equal(udp_dropped(udp), 1);
    udp_close(udp);
    close(client.fd);
}

/* ---- batches ---- */

static void test_batches(void **state)
{
    struct udp_listener listener = listener_at("0.0.0.0", 0);
    struct client client = client_new("127.0.0.1");
    struct udp *udp = NULL;
    struct err err;
    struct seen seen = {.in_order = true};
    char text[8];

    assert_int_equal(udp_open(&listener, 1, &udp, &err), ERR_OK);
    seen.echo = udp;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "%u", i);
        client_send(&client, "127.0.0.1", port_of(&listener), bytes_of_text(text));
    }
    /* Each call reads one batch, and says when there may be more. */
    for (unsigned batch = 1; batch <= MANY / BATCH; batch++) {
        assert_true(udp_receive(udp, 0, see, &seen));
        assert_int_equal(seen.count, batch * BATCH);
    }
    assert_false(udp_receive(udp, 0, see, &seen));
    assert_int_equal(seen.count, MANY);
    assert_true(seen.in_order);
    udp_flush(udp);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "%u", i);
        client_expect(&client, "127.0.0.1", port_of(&listener), text);
    }
    assert_int_equal(udp_dropped(udp), 0);
    udp_close(udp);
    close(client.fd);
}

static void test_length_has_a_limit(void **state)
{
    static uint8_t data[LONGEST + 9];
    struct udp_listener listener = listener_at("127.0.0.1", 0);
    struct client client = client_new("127.0.0.1");
    struct udp *udp = NULL;
    struct err err;
    struct seen seen = {0};

    memset(data, 'x', sizeof data);
    assert_int_equal(udp_open(&listener, 1, &udp, &err), ERR_OK);
    client_send(&client, "127.0.0.1", port_of(&listener), bytes_of(data, LONGEST + 9));
    client_send(&client, "127.0.0.1", port_of(&listener), bytes_of(data, 0));
    client_send(&client, "127.0.0.1", port_of(&listener), bytes_of(data, LONGEST));
    receive(udp, 0, &seen, 3);
    assert_int_equal(seen.longest, LONGEST + 1); /* cut, and still too long: the endpoint counts */
    assert_int_equal(seen.len, LONGEST);
    udp_send(udp, &seen.path, bytes_of(data, LONGEST + 1));
    assert_int_equal(udp_dropped(udp), 1);
    udp_close(udp);
    close(client.fd);
}

/* One that the kernel does not take is left out; those around it go. */
static void test_unsendable_does_not_hold_up_others(void **state)
{
    struct udp_listener listener = listener_at("127.0.0.1", 0);
    struct client client = client_new("127.0.0.1");
    struct udp *udp = NULL;
    struct err err;
    struct net_path good = {.local = {.family = 4, .ip = {127, 0, 0, 1}},
                            .remote = {.family = 4, .port = client.port, .ip = {127, 0, 0, 1}}};
    struct net_path bad = good;

    bad.remote.port = 0; /* no address to send to */
    assert_int_equal(udp_open(&listener, 1, &udp, &err), ERR_OK);
    udp_send(udp, &good, bytes_of_text("before"));
    udp_send(udp, &bad, bytes_of_text("lost"));
    udp_send(udp, &good, bytes_of_text("after"));
    udp_flush(udp);
    client_expect(&client, "127.0.0.1", port_of(&listener), "before");
    client_expect(&client, "127.0.0.1", port_of(&listener), "after");
    assert_int_equal(udp_dropped(udp), 1);
    udp_close(udp);
    close(client.fd);
}

/* ---- opening ---- */

static void test_port_in_use(void **state)
{
    struct client other = client_new("127.0.0.1"); /* does not share */
    struct udp_listener listener = listener_at("127.0.0.1", other.port);
    struct udp *udp = NULL;
    struct err err = {0};
    char address[32];

    snprintf(address, sizeof address, "127.0.0.1:%u", other.port);
    assert_int_equal(udp_open(&listener, 1, &udp, &err), ERR_EXISTS);
    assert_null(udp);
    assert_non_null(strstr(err.text, address));
    assert_non_null(strstr(err.text, "in use"));
    err = (struct err){0};
    assert_false(udp_probe(&listener, &err));
    assert_int_equal(err.code, ERR_EXISTS);
    assert_non_null(strstr(err.text, address));
    close(other.fd);
    assert_true(udp_probe(&listener, &err));
}

/* Workers share a port; a second server must not, although the kernel would let it. */
static void test_probe_sees_who_shares(void **state)
{
    struct udp_listener listener = listener_at("127.0.0.1", 0);
    struct udp *first = NULL, *second = NULL;
    struct err err;

    assert_int_equal(udp_open(&listener, 1, &first, &err), ERR_OK);
    uint16_t port = port_of(&listener);
    assert_int_equal(udp_open(&listener, 1, &second, &err), ERR_OK);
    assert_int_equal(port_of(&listener), port);
    assert_false(udp_probe(&listener, &err));
    udp_close(first);
    assert_false(udp_probe(&listener, &err));
    udp_close(second);
    assert_true(udp_probe(&listener, &err));
}

static void test_address_of_another_machine(void **state)
{
    struct udp_listener listener = listener_at("192.0.2.1", 0); /* RFC 5737: nobody's */
    struct udp *udp = NULL;
    struct err err = {0};
    enum err_code code = udp_open(&listener, 1, &udp, &err);

    udp_close(udp);
    if (code == ERR_OK) /* net.ipv4.ip_nonlocal_bind */
        skip();
    assert_int_equal(code, ERR_IO);
    assert_non_null(strstr(err.text, "192.0.2.1"));
    assert_non_null(strstr(err.text, "no such address"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_address),
        cmocka_unit_test(test_one_address_of_ipv6),
        cmocka_unit_test(test_wildcard_answers_from_where_it_was_asked),
        cmocka_unit_test(test_both_families_share_a_port),
        cmocka_unit_test(test_listeners_are_told_apart),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_length_has_a_limit),
        cmocka_unit_test(test_unsendable_does_not_hold_up_others),
        cmocka_unit_test(test_port_in_use),
        cmocka_unit_test(test_probe_sees_who_shares),
        cmocka_unit_test(test_address_of_another_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
