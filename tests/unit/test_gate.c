/* The cookie gate: nothing for a source that has not returned a cookie, whatever it sends. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "gate_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { COOKIE_AT = 13 + 12 + 2 + 32 + 1, COOKIE_SIZE = 17, HELLO_MAX = 200 };

struct hello {
    uint8_t data[HELLO_MAX];
    size_t len;
};

static struct net_path usual_path(void)
{
    return (struct net_path){.local = {.family = 4, .port = 5684, .ip = {192, 0, 2, 1}},
                             .remote = {.family = 4, .port = 40000, .ip = {192, 0, 2, 2}}};
}

static struct hello hello_with(struct bytes cookie, uint8_t random)
{
    struct hello hello;
    struct buf out;
    size_t body = 2 + 32 + 1 + 1 + cookie.len + 4 + 2;

    buf_init_fixed(&out, hello.data, sizeof hello.data);
    buf_put_u8(&out, 22);
    buf_put_u16(&out, 0xfeff);
    buf_put_u16(&out, 0);
    buf_put(&out, "\0\0\0\0\1\2", 6); /* record sequence */
    buf_put_u16(&out, (uint16_t)(12 + body));
    buf_put_u8(&out, 1);
    buf_put_u24(&out, (uint32_t)body);
    buf_put_u16(&out, 5); /* message sequence */
    buf_put_u24(&out, 0);
    buf_put_u24(&out, (uint32_t)body);
    buf_put_u16(&out, 0xfefd);
    for (unsigned i = 0; i < 32; i++)
        buf_put_u8(&out, random);
    buf_put_u8(&out, 0);
    buf_put_u8(&out, (uint8_t)cookie.len);
    buf_put_bytes(&out, cookie);
    buf_put_u16(&out, 2);
    buf_put_u16(&out, 0xc0a8);
    buf_put_u8(&out, 1);
    buf_put_u8(&out, 0);
    assert_false(out.failed);
    hello.len = out.len;
    return hello;
}

struct outcome_of_check {
    enum gate_verdict verdict;
    struct gate_hello hello;
    uint8_t reply[GATE_REPLY_MAX];
    size_t reply_len;
};

/* On a copy of the very size, so that a read past the end is caught. */
static struct outcome_of_check check(struct gate *gate, const struct net_path *path,
                                     const void *data, size_t len, uint64_t now)
{
    struct outcome_of_check result = {0};
    struct buf reply;
    uint8_t *exact = malloc(len > 0 ? len : 1);

    assert_non_null(exact);
    memcpy(exact, data, len);
    buf_init_fixed(&reply, result.reply, sizeof result.reply);
    result.verdict = gate_check(gate, path, bytes_of(exact, len), now, &result.hello, &reply);
    result.reply_len = reply.len;
    assert_true(reply.len <= len); /* I5 */
    free(exact);
    return result;
}

static struct outcome_of_check challenge(struct gate *gate, uint8_t random, uint64_t now)
{
    struct net_path path = usual_path();
    struct hello hello = hello_with(bytes_of(NULL, 0), random);
    struct outcome_of_check result = check(gate, &path, hello.data, hello.len, now);

    assert_int_equal(result.verdict, GATE_CHALLENGE);
    assert_int_equal(result.reply_len, 13 + 12 + 3 + COOKIE_SIZE);
    return result;
}

static struct bytes cookie_in(const struct outcome_of_check *result)
{
    return bytes_of(result->reply + 13 + 12 + 3, COOKIE_SIZE);
}

static enum gate_verdict verdict_on(struct gate *gate, const struct net_path *path,
                                    struct bytes cookie, uint8_t random, uint64_t now)
{
    struct hello hello = hello_with(cookie, random);

    return check(gate, path, hello.data, hello.len, now).verdict;
}

static void test_challenge_and_pass(void **state)
{
    struct gate *gate = gate_new(1000);
    struct net_path path = usual_path();
    struct outcome_of_check first = challenge(gate, 7, 1000);
    static const uint8_t header[] = {22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 1, 2,  0,    32,   3,
                                     0,  0,    20,   0, 5, 0, 0, 0, 0, 0, 20, 0xfe, 0xff, 17};

    assert_false(first.hello.had_cookie);
    assert_memory_equal(first.reply, header, sizeof header);
    struct hello again = hello_with(cookie_in(&first), 7);
    memcpy(again.data + again.len, "more", 4); /* another record behind it */
    struct outcome_of_check second = check(gate, &path, again.data, again.len + 4, 1500);
    assert_int_equal(second.verdict, GATE_PASS);
    assert_int_equal(second.reply_len, 0);
    assert_true(second.hello.had_cookie);
    assert_int_equal(second.hello.record_len, again.len);
    gate_free(gate);
}

static void test_cookie_of_another(void **state)
{
    struct gate *gate = gate_new(1000);
    struct outcome_of_check first = challenge(gate, 7, 1000);
    struct bytes cookie = cookie_in(&first);
    struct net_path port = usual_path(), address = usual_path(), local = usual_path(),
                    listener = usual_path(), same = usual_path();

    port.remote.port++;
    address.remote.ip[3]++;
    local.local.ip[3]++;
    listener.listener++;
    assert_int_equal(verdict_on(gate, &port, cookie, 7, 1000), GATE_CHALLENGE);
    assert_int_equal(verdict_on(gate, &address, cookie, 7, 1000), GATE_CHALLENGE);
    assert_int_equal(verdict_on(gate, &local, cookie, 7, 1000), GATE_CHALLENGE);
    assert_int_equal(verdict_on(gate, &listener, cookie, 7, 1000), GATE_CHALLENGE);
    assert_int_equal(verdict_on(gate, &same, cookie, 8, 1000), GATE_CHALLENGE); /* random */
    assert_int_equal(verdict_on(gate, &same, cookie, 7, 1000), GATE_PASS);
    for (unsigned at = 0; at < COOKIE_SIZE; at++) {
        uint8_t damaged[COOKIE_SIZE];
        memcpy(damaged, cookie.data, sizeof damaged);
        damaged[at] ^= 1;
        assert_int_equal(verdict_on(gate, &same, bytes_of(damaged, sizeof damaged), 7, 1000),
                         GATE_CHALLENGE);
        assert_int_equal(verdict_on(gate, &same, bytes_of(cookie.data, at), 7, 1000),
                         GATE_CHALLENGE);
    }
    struct hello other_suite = hello_with(cookie, 7);
    other_suite.data[COOKIE_AT + 1 + COOKIE_SIZE + 3] ^= 1;
    assert_int_equal(check(gate, &same, other_suite.data, other_suite.len, 1000).verdict,
                     GATE_CHALLENGE);
    gate_free(gate);
}

/* Valid while its secret or the one after is the newest. */
static void test_rotation(void **state)
{
    struct gate *gate = gate_new(0);
    struct net_path path = usual_path();
    struct outcome_of_check first = challenge(gate, 7, 59000);
    struct bytes cookie = cookie_in(&first);

    assert_int_equal(verdict_on(gate, &path, cookie, 7, 61000), GATE_PASS);
    assert_int_equal(verdict_on(gate, &path, cookie, 7, 119000), GATE_PASS);
    assert_int_equal(verdict_on(gate, &path, cookie, 7, 122000), GATE_CHALLENGE);
    first = challenge(gate, 7, 123000);
    assert_int_equal(verdict_on(gate, &path, cookie_in(&first), 7, 123000), GATE_PASS);
    /* After a long silence none of the old secrets counts. */
    assert_int_equal(verdict_on(gate, &path, cookie_in(&first), 7, 1000000), GATE_CHALLENGE);
    gate_free(gate);
}

static void test_truncated(void **state)
{
    struct gate *gate = gate_new(0);
    struct net_path path = usual_path();
    struct hello hello = hello_with(bytes_of_text("cookie"), 7);

    for (size_t len = 0; len < hello.len; len++) {
        assert_int_equal(check(gate, &path, hello.data, len, 0).verdict, GATE_MALFORMED);
        (void)gate_is_hello(bytes_of(hello.data, len));
    }
    gate_free(gate);
}

static void damaged(struct gate *gate, size_t at, uint8_t value)
{
    struct net_path path = usual_path();
    struct hello hello = hello_with(bytes_of(NULL, 0), 7);

    hello.data[at] = value;
    assert_int_equal(check(gate, &path, hello.data, hello.len, 0).verdict, GATE_MALFORMED);
}

static void test_malformed(void **state)
{
    struct gate *gate = gate_new(0);

    damaged(gate, 0, 23);             /* not a handshake */
    damaged(gate, 1, 3);              /* TLS */
    damaged(gate, 4, 1);              /* epoch 1 */
    damaged(gate, 12, 255);           /* longer than the datagram */
    damaged(gate, 13, 2);             /* not a ClientHello */
    damaged(gate, 21, 1);             /* a fragment: offset */
    damaged(gate, 24, 10);            /* a fragment: length */
    damaged(gate, COOKIE_AT - 1, 33); /* session id too long */
    damaged(gate, COOKIE_AT, 250);    /* cookie beyond the end */
    damaged(gate, COOKIE_AT + 2, 1);  /* odd length of suites */
    damaged(gate, COOKIE_AT + 2, 0);  /* no suites */
    gate_free(gate);
}

static void test_garbage(void **state)
{
    struct gate *gate = gate_new(0);
    struct net_path path = usual_path();
    uint64_t dice = 1;

    for (unsigned round = 0; round < 20000; round++) {
        struct hello hello = hello_with(bytes_of_text("cookie"), 7);
        for (unsigned change = 0; change < 1 + round % 4; change++) {
            dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
            hello.data[(dice >> 40) % hello.len] = (uint8_t)(dice >> 32);
        }
        assert_int_not_equal(check(gate, &path, hello.data, hello.len, 0).verdict, GATE_PASS);
    }
    gate_free(gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_challenge_and_pass), cmocka_unit_test(test_cookie_of_another),
        cmocka_unit_test(test_rotation),           cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_malformed),          cmocka_unit_test(test_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
