/* The command line of usher-sim: exit codes, and what it refuses. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { OK = 0, FAILED = 1, USAGE = 2, INVALID = 3, ARGUMENTS_MAX = 16 };

/* One line, words parted by single blanks; @ stands for the test's file. */
static int run(const char *line, const char *file)
{
    char text[512];
    char *words[ARGUMENTS_MAX + 1] = {0};
    int count = 0;
    size_t used = 0;
    for (const char *at = line; *at != '\0' && used + 100 < sizeof text; at++) {
        if (*at == '@')
            used += (size_t)snprintf(text + used, sizeof text - used, "%s", file);
        else
            text[used++] = *at;
    }
    text[used] = '\0';
    for (char *word = strtok(text, " "); word != NULL && count < ARGUMENTS_MAX;
         word = strtok(NULL, " "))
        words[count++] = word;
    return sim_main(count, words);
}

static void write_file(char name[static 32], const char *content)
{
    strcpy(name, "/tmp/usher-sim-test-XXXXXX");
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    close(fd);
}

static void test_help_and_usage(void **state)
{
    assert_int_equal(run("usher-sim --help", ""), OK);
    assert_int_equal(run("usher-sim device --help", ""), OK);
    assert_int_equal(run("usher-sim fleet -h", ""), OK);
    assert_int_equal(run("usher-sim --version", ""), OK);
    assert_int_equal(run("usher-sim", ""), USAGE);
    assert_int_equal(run("usher-sim devise", ""), USAGE);
    assert_int_equal(run("usher-sim device", ""), USAGE);
    assert_int_equal(run("usher-sim device --server", ""), USAGE);
    assert_int_equal(run("usher-sim device --servers coap://[::1]", ""), USAGE);
    assert_int_equal(run("usher-sim device extra", ""), USAGE);
}

static void test_values_refused(void **state)
{
    static const char *const bad[] = {
        "--key 000102030405060708090a0b0c0d0e0f", /* keys come from files */
        "--lwm2m 1.3",
        "--as nobody",
        "--pack nonsense",
        "--pct nonsense",
        "--cipher rc4",
        "--drop 1001",
        "--drop -1",
        "--drop 5x",
        "--timeout 5parsecs",
        "--timeout 25h",
        "--block-size 100",
        "--rule PUT",
        "--delay 80ms..20ms",
        "--old-account 0@1",
        "--old-account 5",
        "--object 65535",
        "--mid-start 65536",
        "--show=1",
        "--devices 5", /* of a fleet only */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char line[200];
        (void)snprintf(line, sizeof line, "usher-sim device --server coap://127.0.0.1:1 %s",
                       bad[i]);
        if (run(line, "") != USAGE)
            fail_msg("'%s' was taken", bad[i]);
    }
}

static void test_floods_refused(void **state)
{
    static const char *const bad[] = {
        "--rate 0",    "--rate fast",       "--for 11min",    "--for 0s",
        "--sources 0", "--sources 2000000", "--await 100000", "--keys nobody.csv",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char line[200];
        (void)snprintf(line, sizeof line, "usher-sim flood --server coaps://127.0.0.1:1 %s",
                       bad[i]);
        if (run(line, "") != USAGE)
            fail_msg("'%s' was taken", bad[i]);
    }
    assert_int_equal(run("usher-sim flood --help", ""), OK);
    assert_int_equal(run("usher-sim flood", ""), USAGE);
    /* A flood never leaves the machine. */
    assert_int_equal(run("usher-sim flood --server coaps://192.0.2.1", ""), INVALID);
    assert_int_equal(run("usher-sim flood --server coaps://[::1]", ""), INVALID);
    assert_int_equal(run("usher-sim flood --server coaps://128.0.0.1", ""), INVALID);
    assert_int_equal(
        run("usher-sim flood --server coaps://127.0.0.1:1 --count 1000 --rate max --json /dev/null",
            ""),
        OK);
}

static void test_files_refused(void **state)
{
    char name[32];
    write_file(name, "not hexadecimal\n");
    assert_int_equal(
        run("usher-sim device --server coaps://127.0.0.1:1 --endpoint a --key-file @", name),
        INVALID);
    assert_int_equal(run("usher-sim fleet --server coaps://127.0.0.1:1 --keys @", name), INVALID);
    unlink(name);
    assert_int_equal(
        run("usher-sim device --server coaps://127.0.0.1:1 --endpoint a --key-file @", name),
        INVALID);
    assert_int_equal(run("usher-sim device --server coaps://127.0.0.1:1 --endpoint a", ""),
                     INVALID);
    assert_int_equal(run("usher-sim fleet --server coap://127.0.0.1:1", ""), INVALID);
    assert_int_equal(run("usher-sim device --server http://127.0.0.1 --endpoint a", ""), INVALID);
}

/* Nobody is there: the reason comes in time. */
static void test_silence_ends(void **state)
{
    char name[32];
    write_file(name, "000102030405060708090a0b0c0d0e0f\n");
    assert_int_equal(
        run("usher-sim device --server coap://127.0.0.1:1 --endpoint a --timeout 50ms", ""),
        FAILED);
    assert_int_equal(
        run("usher-sim device --server coaps://[::1]:1 --endpoint a --key-file @ --timeout 50ms "
            "--json /dev/null --show",
            name),
        FAILED);
    assert_int_equal(run("usher-sim fleet --server coaps://127.0.0.1:1 --prefix a --devices 7 "
                         "--concurrency 3 --threads 2 --key-file @ --timeout 50ms --json /dev/null",
                         name),
                     FAILED);
    unlink(name);
}

static void test_key_lists(void **state)
{
    static const char *const bad[] = {"a,b\n", "a,b,xyz\n", "a,b,\n", ",b,0011\n", "\n# none\n"};
    char name[32];
    write_file(name, "endpoint,identity,key\n# a street\n\na,b,00112233445566778899aabbccddeeff\n"
                     "c,,00112233445566778899aabbccddeeff\r\n");
    assert_int_equal(
        run("usher-sim fleet --server coaps://127.0.0.1:1 --keys @ --timeout 50ms", name), FAILED);
    unlink(name);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_file(name, bad[i]);
        assert_int_equal(run("usher-sim fleet --server coaps://127.0.0.1:1 --keys @", name),
                         INVALID);
        unlink(name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help_and_usage), cmocka_unit_test(test_values_refused),
        cmocka_unit_test(test_floods_refused), cmocka_unit_test(test_files_refused),
        cmocka_unit_test(test_silence_ends),   cmocka_unit_test(test_key_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
