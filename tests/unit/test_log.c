/* Log lines: JSON, text, hostile values, long lines, many threads. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIPE_SIZE = 60000 };

static int ends[2];
static char got[PIPE_SIZE + 1];

static int open_pipe(void **state)
{
    return pipe2(ends, O_NONBLOCK);
}

static int close_pipe(void **state)
{
    log_configure(STDERR_FILENO, LOG_INFO, false);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

/* What was logged since the last call. */
static const char *logged(void)
{
    ssize_t len = read(ends[0], got, PIPE_SIZE);
    got[len > 0 ? len : 0] = '\0';
    return got;
}

/* The line without its time, which is checked for its form. */
static const char *after_time(const char *line)
{
    assert_memory_equal("{\"time\":\"20", line, 11);
    assert_int_equal('T', line[19]);
    assert_memory_equal("Z\",", line + 32, 3);
    return line + 35;
}

static void writes_json(void **state)
{
    log_configure(ends[1], LOG_INFO, false);
    log_event(LOG_INFO, "session.bootstrapped", LOG_TEXT("endpoint", "lamp7"),
              LOG_NUMBER("ms", -42), LOG_BOOL("pack", true), LOG_TEXT("class", NULL));
    assert_string_equal("\"level\":\"info\",\"event\":\"session.bootstrapped\","
                        "\"endpoint\":\"lamp7\",\"ms\":-42,\"pack\":true,\"class\":null}\n",
                        after_time(logged()));
}

static void writes_without_fields(void **state)
{
    log_configure(ends[1], LOG_DEBUG, false);
    log_event_fields(LOG_DEBUG, "a.b", NULL, 0);
    assert_string_equal("\"level\":\"debug\",\"event\":\"a.b\"}\n", after_time(logged()));
}

static void writes_lines_for_people(void **state)
{
    log_configure(ends[1], LOG_INFO, true);
    log_event(LOG_WARNING, "store.slow", LOG_TEXT("file", "a b"), LOG_NUMBER("ms", 7),
              LOG_TEXT("plain", "x:1/[::1]"), LOG_TEXT("empty", ""), LOG_TEXT("eq", "a=b"),
              LOG_BYTES("raw", bytes_of("\xff\x00", 2)), LOG_BOOL("ok", false));
    const char *line = logged();
    assert_int_equal(':', line[2]);
    assert_int_equal(':', line[5]);
    assert_int_equal('.', line[8]);
    assert_string_equal(" WARNING store.slow file=\"a b\" ms=7 plain=x:1/[::1] empty=\"\" "
                        "eq=\"a=b\" raw=hex:ff00 ok=false\n",
                        line + 12);
}

static void least_level_holds(void **state)
{
    log_configure(ends[1], LOG_WARNING, false);
    log_event(LOG_INFO, "a.b", LOG_NUMBER("n", 1));
    assert_string_equal("", logged());
    log_event(LOG_ERROR, "a.c", LOG_NUMBER("n", 1));
    assert_string_equal("\"level\":\"error\",\"event\":\"a.c\",\"n\":1}\n", after_time(logged()));
}

static void escapes_what_json_and_terminals_mind(void **state)
{
    log_configure(ends[1], LOG_INFO, false);
    log_event(LOG_INFO, "a.b",
              LOG_TEXT("v", "q\" b\\ n\n t\t r\r e\x1b d\x7f c\xc2\x9b u\xc3\xa4"));
    assert_string_equal(
        "\"level\":\"info\",\"event\":\"a.b\","
        "\"v\":\"q\\\" b\\\\ n\\n t\\t r\\r e\\u001b d\\u007f c\\u009b u\xc3\xa4\"}\n",
        after_time(logged()));
    log_configure(ends[1], LOG_INFO, true);
    log_event(LOG_INFO, "a.b", LOG_TEXT("v", "x\n09:00:00.000 ERROR faked"));
    const char *line = logged();
    assert_ptr_equal(line + strlen(line) - 1, strchr(line, '\n'));
}

static void invalid_utf8_is_replaced_in_text_and_hex_in_bytes(void **state)
{
    log_configure(ends[1], LOG_INFO, false);
    log_event(LOG_INFO, "a.b", LOG_TEXT("t", "a\xff\xc3"), LOG_BYTES("b", bytes_of("a\xff", 2)),
              LOG_BYTES("n", bytes_of("a\0", 2)), LOG_BYTES("u", bytes_of("\xc3\xa4", 2)),
              LOG_BYTES("e", ((struct bytes){0})));
    assert_string_equal("\"level\":\"info\",\"event\":\"a.b\",\"t\":\"a\xef\xbf\xbd\xef\xbf\xbd\","
                        "\"b\":\"hex:61ff\",\"n\":\"hex:6100\",\"u\":\"\xc3\xa4\",\"e\":\"\"}\n",
                        after_time(logged()));
}

static void long_lines_lose_the_tail_of_their_longest_field(void **state)
{
    char long_text[20001];
    memset(long_text, 'x', 20000);
    long_text[20000] = '\0';
    log_configure(ends[1], LOG_INFO, false);
    log_event(LOG_INFO, "a.b", LOG_TEXT("long", long_text), LOG_TEXT("short", "kept whole"));
    const char *line = logged();
    assert_true(strlen(line) <= 4096);
    assert_true(strlen(line) > 4090);
    assert_non_null(strstr(line, "xxx...\",\"short\":\"kept whole\"}\n"));

    struct bytes raw = bytes_of(long_text, 20000);
    memset(long_text, 0xff, 20000);
    log_event(LOG_INFO, "a.b", LOG_BYTES("long", raw), LOG_TEXT("short", "kept whole"));
    line = logged();
    assert_true(strlen(line) <= 4096);
    assert_true(strlen(line) > 4090);
    assert_non_null(strstr(line, "ffff...\",\"short\":\"kept whole\"}\n"));
}

static void a_cut_never_splits_an_escape_or_a_character(void **state)
{
    for (size_t pad = 0; pad < 8; pad++) {
        char text[6001];
        for (size_t i = 0; i < 6000; i += 3)
            memcpy(text + i, i % 2 ? "\n\n\n" : "\xe2\x82\xac", 3);
        text[6000] = '\0';
        log_configure(ends[1], LOG_INFO, false);
        log_event(LOG_INFO, "a.b", LOG_TEXT("p", &"pppppppp"[pad]), LOG_TEXT("v", text));
        const char *line = logged();
        const char *dots = strstr(line, "...\"}\n");
        assert_non_null(dots);
        assert_true(bytes_is_utf8(bytes_of_text(line)));
        assert_true(dots[-1] == 'n' || memcmp(dots - 3, "\xe2\x82\xac", 3) == 0);
    }
}

static void too_many_fields_still_make_a_line(void **state)
{
    static struct log_field fields[2000];
    for (size_t i = 0; i < 2000; i++)
        fields[i] = LOG_NUMBER("k", (int64_t)i);
    log_configure(ends[1], LOG_INFO, false);
    log_event_fields(LOG_INFO, "a.b", fields, 2000);
    assert_string_equal("\"level\":\"info\",\"event\":\"a.b\",\"truncated\":true}\n",
                        after_time(logged()));
}

static void failed_writes_are_counted_not_waited_for(void **state)
{
    int full = open("/dev/full", O_WRONLY);
    assert_true(full >= 0);
    uint64_t before = log_lost();
    log_configure(full, LOG_INFO, false);
    errno = 1234;
    log_event(LOG_INFO, "a.b", LOG_NUMBER("n", 1));
    assert_int_equal(1234, errno);
    assert_int_equal(before + 1, log_lost());
    close(full);
}

static void levels_have_names(void **state)
{
    bool known = false;
    assert_int_equal(LOG_DEBUG, log_level_from_name("debug", &known));
    assert_int_equal(LOG_WARNING, log_level_from_name("warning", &known));
    assert_int_equal(LOG_ERROR, log_level_from_name("error", &known));
    assert_true(known);
    assert_int_equal(LOG_INFO, log_level_from_name("loud", &known));
    assert_false(known);
}

enum { THREADS = 4, LINES = 100 };

static void *log_lines(void *argument)
{
    for (int i = 0; i < LINES; i++)
        log_event(LOG_INFO, "thread.line", LOG_TEXT("who", argument), LOG_NUMBER("i", i));
    return NULL;
}

static void threads_do_not_mix_their_lines(void **state)
{
    static char names[THREADS][41];
    pthread_t threads[THREADS];
    log_configure(ends[1], LOG_INFO, true);
    for (int i = 0; i < THREADS; i++) {
        memset(names[i], 'a' + i, 40);
        assert_int_equal(0, pthread_create(&threads[i], NULL, log_lines, names[i]));
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    int next[THREADS] = {0};
    char *rest = NULL;
    logged();
    for (char *line = strtok_r(got, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *who = strstr(line, "who=");
        assert_non_null(who);
        int thread = who[4] - 'a', number = -1;
        assert_in_range(thread, 0, THREADS - 1);
        assert_memory_equal(names[thread], who + 4, 40);
        assert_int_equal(1, sscanf(who + 44, " i=%d", &number));
        assert_int_equal(next[thread]++, number);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(LINES, next[i]);
}

/* ---- a thread writes ---- */

static struct err err;

static void start_writer(void)
{
    log_configure(ends[1], LOG_INFO, false);
    assert_int_equal(ERR_OK, log_start(&err));
}

static void the_thread_keeps_the_order(void **state)
{
    start_writer();
    assert_int_equal(ERR_BUSY, log_start(&err));
    for (int i = 0; i < 500; i++)
        log_event(LOG_INFO, "a.b", LOG_NUMBER("i", i));
    assert_true(log_stop(10000));
    char *rest = NULL;
    int next = 0;
    logged();
    for (char *line = strtok_r(got, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        assert_int_equal(next++, atoi(strstr(line, "\"i\":") + 4));
    assert_int_equal(500, next);
    /* Stopped: lines are written by who logs them. */
    log_event(LOG_INFO, "a.c", LOG_NUMBER("i", 1));
    assert_non_null(strstr(logged(), "a.c"));
}

static void one_line_does_not_wait_for_others(void **state)
{
    start_writer();
    log_event(LOG_INFO, "a.b", LOG_NUMBER("i", 1));
    struct pollfd reading = {.fd = ends[0], .events = POLLIN};
    assert_int_equal(1, poll(&reading, 1, 10000));
    assert_non_null(strstr(logged(), "a.b"));
    assert_true(log_stop(10000));
}

struct tally {
    uint64_t lines, missing;
    int next;   /* number that the next line should have */
    bool whole; /* each line ends, numbers rise, and gaps are where a line says so */
};

static void count_line(struct tally *tally, char *line)
{
    char *number = strstr(line, "\"i\":");
    char *dropped = strstr(line, "\"log.dropped\",\"lines\":");
    if (dropped != NULL) {
        uint64_t missing = strtoull(dropped + 22, NULL, 10);
        tally->missing += missing;
        tally->next += (int)missing;
    } else if (number == NULL || atoi(number + 4) != tally->next) {
        tally->whole = false;
    } else {
        tally->next++;
        tally->lines++;
    }
}

/* Reads to the end of the pipe. */
static void *read_all(void *argument)
{
    FILE *from = fdopen(dup(ends[0]), "r");
    struct tally *tally = argument;
    char *line = NULL;
    size_t size = 0;
    tally->whole = true;
    while (getline(&line, &size, from) > 0)
        count_line(tally, line);
    free(line);
    fclose(from);
    return NULL;
}

/* The pipe is full and nobody reads: whoever logs goes on, and what is missing is said when
 * somebody reads again. */
static void a_stalled_reader_stops_nobody(void **state)
{
    enum { MANY = 20000 };
    struct tally tally = {0};
    pthread_t reader;
    fcntl(ends[0], F_SETFL, 0); /* the other end stays non-blocking: a parent may have made it so */
    uint64_t before = log_lost();
    start_writer();
    for (int i = 0; i < MANY; i++)
        log_event(LOG_INFO, "a.b", LOG_NUMBER("i", i), LOG_TEXT("filling", "0123456789012345"));
    assert_true(log_lost() > before); /* it came this far, and not all found room */
    assert_false(log_stop(50));
    assert_int_equal(0, pthread_create(&reader, NULL, read_all, &tally));
    assert_true(log_stop(30000));
    log_event(LOG_INFO, "a.b", LOG_NUMBER("i", MANY));
    close(ends[1]);
    pthread_join(reader, NULL);
    assert_true(tally.whole);
    assert_true(tally.missing > 0);
    assert_int_equal(log_lost() - before, tally.missing);
    assert_int_equal(MANY + 1, tally.lines + tally.missing);
    ends[1] = dup(STDERR_FILENO); /* for close_pipe */
}

/* After a stall what comes later is written again, behind the line that tells of the gap. */
static void logging_recovers_after_a_stall(void **state)
{
    enum { MANY = 20000, LATER = 200 };
    struct tally tally = {0};
    pthread_t reader;
    fcntl(ends[0], F_SETFL, 0);
    fcntl(ends[1], F_SETFL, 0);
    start_writer();
    for (int i = 0; i < MANY; i++)
        log_event(LOG_INFO, "a.b", LOG_NUMBER("i", i), LOG_TEXT("filling", "0123456789012345"));
    assert_int_equal(0, pthread_create(&reader, NULL, read_all, &tally));
    assert_true(log_stop(30000));
    start_writer();
    for (int i = 0; i < LATER; i++)
        log_event(LOG_INFO, "a.b", LOG_NUMBER("i", MANY + i));
    assert_true(log_stop(30000));
    close(ends[1]);
    pthread_join(reader, NULL);
    assert_true(tally.whole);
    assert_true(tally.missing > 0);
    assert_int_equal(MANY + LATER, tally.lines + tally.missing);
    ends[1] = dup(STDERR_FILENO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_json, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(writes_without_fields, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(writes_lines_for_people, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(least_level_holds, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(escapes_what_json_and_terminals_mind, open_pipe,
                                        close_pipe),
        cmocka_unit_test_setup_teardown(invalid_utf8_is_replaced_in_text_and_hex_in_bytes,
                                        open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(long_lines_lose_the_tail_of_their_longest_field, open_pipe,
                                        close_pipe),
        cmocka_unit_test_setup_teardown(a_cut_never_splits_an_escape_or_a_character, open_pipe,
                                        close_pipe),
        cmocka_unit_test_setup_teardown(too_many_fields_still_make_a_line, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(failed_writes_are_counted_not_waited_for, open_pipe,
                                        close_pipe),
        cmocka_unit_test(levels_have_names),
        cmocka_unit_test_setup_teardown(threads_do_not_mix_their_lines, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(the_thread_keeps_the_order, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(one_line_does_not_wait_for_others, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(a_stalled_reader_stops_nobody, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(logging_recovers_after_a_stall, open_pipe, close_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
