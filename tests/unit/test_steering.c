/* Which worker's socket gets a datagram, on loopback: by Connection ID, ClientHellos apart, all
 * else by source. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORKERS = 3, SOURCES = 24, WAIT_MS = 5000, RECORD_SIZE = 40 };

enum { RECORDS, HELLOS };

struct group {
    struct udp_listener listener;
    struct udp *workers[WORKERS];
};

struct seen {
    unsigned count;
    struct net_path path;
    uint8_t first;
};

static void note(void *context, const struct net_path *path, struct bytes datagram)
{
    struct seen *seen = context;

    seen->count++;
    seen->path = *path;
    seen->first = datagram.data[0];
}

/* Skips the test where the machine has no such address or the system no filter. */
static void open_group(struct group *group, const char *address)
{
    struct err err = {0};

    memset(group, 0, sizeof *group);
    group->listener.workers = WORKERS;
    if (strchr(address, ':') == NULL) {
        struct sockaddr_in in = {.sin_family = AF_INET};
        assert_int_equal(inet_pton(AF_INET, address, &in.sin_addr), 1);
        memcpy(&group->listener.address, &in, sizeof in);
        group->listener.address_len = sizeof in;
    } else {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
        assert_int_equal(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
        memcpy(&group->listener.address, &in6, sizeof in6);
        group->listener.address_len = sizeof in6;
    }
    for (uint32_t i = 0; i < WORKERS; i++) {
        group->listener.worker = i;
        enum err_code code = udp_open(&group->listener, 1, &group->workers[i], &err);
        if (code == ERR_IO && i == 0) {
            print_message("skipped: %s\n", err.text);
            skip();
        }
        assert_int_equal(code, ERR_OK);
        if (i == 0 && !group->listener.steered) {
            udp_close(group->workers[0]);
            print_message("skipped: this system has no SO_ATTACH_REUSEPORT_CBPF\n");
            skip();
        }
        assert_int_equal(udp_count(group->workers[i]), 2);
        assert_false(udp_for_hellos(group->workers[i], RECORDS));
        assert_true(udp_for_hellos(group->workers[i], HELLOS));
    }
}

static void close_group(struct group *group)
{
    for (unsigned i = 0; i < WORKERS; i++)
        udp_close(group->workers[i]);
}

/* A socket of its own source port. */
static int open_source(const struct group *group)
{
    int fd = socket(group->listener.address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(
        connect(fd, (const struct sockaddr *)&group->listener.address, group->listener.address_len),
        0);
    return fd;
}

/* Number of the socket that the datagram arrived at: two a worker. */
static unsigned arrival(struct group *group, int source, const uint8_t *data, size_t len,
                        struct seen *seen)
{
    struct pollfd polled[2 * WORKERS];

    assert_int_equal(send(source, data, len, 0), (ssize_t)len);
    for (unsigned i = 0; i < 2 * WORKERS; i++)
        polled[i] = (struct pollfd){udp_fd(group->workers[i / 2], i % 2), POLLIN, 0};
    assert_int_equal(poll(polled, 2 * WORKERS, WAIT_MS), 1);
    for (unsigned i = 0; i < 2 * WORKERS; i++) {
        if (polled[i].revents == 0)
            continue;
        *seen = (struct seen){0};
        assert_false(udp_receive(group->workers[i / 2], i % 2, note, seen)); /* no full batch */
        assert_int_equal(seen->count, 1);
        assert_int_equal(seen->first, data[0]);
        assert_true(net_is_loopback(&seen->path.local)); /* also on a wildcard socket */
        return i;
    }
    fail();
    return 0;
}

static void with_connection_id(uint8_t *record, uint8_t first)
{
    memset(record, 0, RECORD_SIZE);
    memcpy(record, "\x19\xfe\xfd\0\1\0\0\0\0\0\7", 11);
    record[11] = first;
}

static void as_hello(uint8_t *record)
{
    memset(record, 0, RECORD_SIZE);
    memcpy(record, "\x16\xfe\xfd\0\0\0\0\0\0\0\0\0\x1b\1", 14);
}

static void check_group(const char *address)
{
    struct group group;
    struct seen seen;
    uint8_t record[RECORD_SIZE], hello[RECORD_SIZE], data[RECORD_SIZE] = {0x17, 0xfe, 0xfd, 0, 1};
    uint8_t key_exchange[RECORD_SIZE];
    unsigned workers_used[WORKERS] = {0};

    open_group(&group, address);
    as_hello(hello);
    memcpy(key_exchange, hello, sizeof key_exchange);
    key_exchange[13] = 16;
    for (unsigned i = 0; i < SOURCES; i++) {
        int source = open_source(&group);
        unsigned home = arrival(&group, source, data, sizeof data, &seen);
        assert_int_equal(home % 2, RECORDS);
        workers_used[home / 2]++;
        /* The same source stays with its worker, its hellos beside. */
        assert_int_equal(arrival(&group, source, hello, sizeof hello, &seen), home + 1);
        assert_int_equal(arrival(&group, source, key_exchange, sizeof key_exchange, &seen), home);
        hello[4] = 1; /* no epoch-0 record */
        assert_int_equal(arrival(&group, source, hello, sizeof hello, &seen), home);
        hello[4] = 0;
        assert_int_equal(arrival(&group, source, data, 1, &seen), home);
        /* A Connection ID goes where it says, wherever it comes from. */
        for (uint8_t worker = 0; worker < WORKERS; worker++) {
            with_connection_id(record, worker);
            assert_int_equal(arrival(&group, source, record, sizeof record, &seen), 2 * worker);
        }
        with_connection_id(record, WORKERS);
        assert_int_equal(arrival(&group, source, record, sizeof record, &seen), home);
        with_connection_id(record, 255);
        assert_int_equal(arrival(&group, source, record, sizeof record, &seen), home);
        assert_int_equal(arrival(&group, source, record, 13, &seen), home); /* ends before the ID */
        close(source);
    }
    unsigned used = 0;
    for (unsigned i = 0; i < WORKERS; i++)
        used += workers_used[i] > 0;
    assert_true(used > 1); /* one of three for all of 24 sources: 3^-23 */
    close_group(&group);
}

static void test_ipv4(void **state)
{
    check_group("127.0.0.1");
}

static void test_ipv4_wildcard(void **state)
{
    check_group("0.0.0.0");
}

static void test_ipv6(void **state)
{
    check_group("::1");
}

/* Without workers there is one socket, and no filter. */
static void test_alone(void **state)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct udp_listener listener = {.address_len = sizeof in};
    struct udp *udp = NULL;
    struct err err = {0};

    memcpy(&listener.address, &in, sizeof in);
    assert_int_equal(udp_open(&listener, 1, &udp, &err), ERR_OK);
    assert_int_equal(udp_count(udp), 1);
    assert_false(udp_for_hellos(udp, 0));
    assert_false(listener.steered);
    udp_close(udp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_ipv4_wildcard),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
