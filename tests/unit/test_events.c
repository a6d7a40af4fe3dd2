/* SPDX-License-Identifier: Apache-2.0 */
/* The event feed: what readers get, in which order, from where on; gaps; slow readers; the end. */
#include "usher/clock.h"
#include "usher/events.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { PATIENCE_SECONDS = 30 };

/* A reader that waits as an HTTP connection would: parked until it is woken. */
struct listener {
    struct events_reader *reader;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool parked;
    unsigned parks, wakes;
    char text[1 << 20];
    size_t len;
    bool over;
};

static void park(void *context)
{
    struct listener *listener = context;
    pthread_mutex_lock(&listener->lock);
    assert_false(listener->parked);
    listener->parked = true;
    listener->parks++;
    pthread_mutex_unlock(&listener->lock);
}

static void wake(void *context)
{
    struct listener *listener = context;
    pthread_mutex_lock(&listener->lock);
    listener->parked = false;
    listener->wakes++;
    pthread_cond_signal(&listener->woken);
    pthread_mutex_unlock(&listener->lock);
}

static enum err_code subscribe(struct events *events, const struct events_filter *filter,
                               const char *last_id, struct listener **out)
{
    struct listener *listener = calloc(1, sizeof *listener);
    pthread_mutex_init(&listener->lock, NULL);
    pthread_cond_init(&listener->woken, NULL);
    struct events_waiting waiting = {park, wake, listener};
    enum err_code code = events_subscribe(events, filter, last_id, &waiting, &listener->reader);
    if (code == ERR_OK)
        *out = listener;
    else
        free(listener);
    return code;
}

static struct listener *listen_from(struct events *events, const char *last_id)
{
    const struct events_filter all = {0};
    struct listener *listener = NULL;
    assert_int_equal(subscribe(events, &all, last_id, &listener), ERR_OK);
    return listener;
}

static void forget(struct listener *listener)
{
    events_unsubscribe(listener->reader);
    pthread_mutex_destroy(&listener->lock);
    pthread_cond_destroy(&listener->woken);
    free(listener);
}

static void await_wake(struct listener *listener)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += PATIENCE_SECONDS;
    pthread_mutex_lock(&listener->lock);
    int result = 0;
    while (listener->parked && result == 0)
        result = pthread_cond_timedwait(&listener->woken, &listener->lock, &end);
    pthread_mutex_unlock(&listener->lock);
    assert_int_equal(result, 0);
}

static bool is_parked(struct listener *listener)
{
    pthread_mutex_lock(&listener->lock);
    bool parked = listener->parked;
    pthread_mutex_unlock(&listener->lock);
    return parked;
}

/* Takes what there is, in pieces of `piece` bytes, until parked or over. */
static void take(struct listener *listener, size_t piece)
{
    while (!is_parked(listener)) {
        assert_true(listener->len + piece < sizeof listener->text);
        long got = events_read(listener->reader, listener->text + listener->len, piece);
        listener->over = got < 0;
        if (got <= 0)
            break;
        listener->len += (size_t)got;
    }
    listener->text[listener->len] = '\0';
}

static void read_until(struct listener *listener, const char *text)
{
    take(listener, 1000);
    while (strstr(listener->text, text) == NULL && !listener->over) {
        await_wake(listener);
        take(listener, 1000);
    }
    assert_non_null(strstr(listener->text, text));
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (; (text = strstr(text, part)) != NULL; text++)
        count++;
    return count;
}

static struct events *start(struct events_config config)
{
    struct events *events = NULL;
    struct err err = {0};
    if (config.producers == 0)
        config.producers = 2;
    if (events_new(&config, &events, &err) != ERR_OK)
        fail_msg("%s", err.text);
    return events;
}

static void post(struct events *events, int producer, const char *endpoint, const char *class_name,
                 int64_t number)
{
    const struct log_field fields[] = {LOG_NUMBER("n", number)};
    const struct event event = {.kind = EVENT_OPERATION,
                                .wall_ms = 1700000000123,
                                .endpoint = endpoint,
                                .class_name = class_name,
                                .fields = fields,
                                .field_count = 1};
    events_post(events, producer, &event);
}

/* The id before the first event that contains `text`. */
static void id_of(const struct listener *listener, const char *text, char out[EVENTS_ID_SIZE])
{
    const char *at = strstr(listener->text, text);
    assert_non_null(at);
    while (strncmp(at, "\nid: ", 5) != 0)
        at--;
    assert_int_equal(sscanf(at, "\nid: %39s", out), 1);
}

static void test_text_of_an_event(void **state)
{
    (void)state;
    struct events *events = start((struct events_config){0});
    struct listener *listener = listen_from(events, NULL);
    const uint8_t raw[] = {0xff, 0x00, 0x1a};
    const struct log_field fields[] = {LOG_TEXT("text", "a \"quote\", a \\ and a \n line"),
                                       LOG_TEXT("nothing", NULL),
                                       LOG_BYTES("raw", bytes_of(raw, 3)),
                                       LOG_NUMBER("least", INT64_MIN),
                                       LOG_NUMBER("zero", 0),
                                       LOG_BOOL("yes", true)};
    const struct event event = {.kind = EVENT_OUTCOME,
                                .wall_ms = 1700000000007,
                                .endpoint = "urn:dev:ä",
                                .class_name = "",
                                .fields = fields,
                                .field_count = 6};
    events_post(events, 0, &event);
    read_until(listener, "true}");
    const char *text = strstr(listener->text, "event: outcome");
    assert_non_null(text);
    assert_string_equal(
        text, "event: outcome\ndata: {\"event\":\"outcome\",\"time\":\"2023-11-14T22:13:20.007Z\","
              "\"endpoint\":\"urn:dev:ä\",\"class\":null,"
              "\"text\":\"a \\\"quote\\\", a \\\\ and a \\u000a line\",\"nothing\":null,"
              "\"raw\":\"hex:ff001a\",\"least\":-9223372036854775808,\"zero\":0,\"yes\":true}\n\n");
    forget(listener);
    events_free(events);
}

static void await_published(struct events *events, uint64_t count)
{
    struct events_stats stats;
    events_stats(events, &stats);
    while (stats.published < count) {
        sched_yield();
        events_stats(events, &stats);
    }
}

/* What came while nobody read is told as what came while somebody did, filters included. */
static void test_events_before_the_first_reader(void **state)
{
    (void)state;
    struct events *events = start((struct events_config){0});
    struct listener *listener = listen_from(events, NULL);
    const uint8_t raw[] = {0xff, 0x00, 0x1a};
    const struct log_field fields[] = {LOG_TEXT("text", "\"\\\n"),
                                       LOG_TEXT("empty", ""),
                                       LOG_TEXT("nothing", NULL),
                                       LOG_BYTES("raw", bytes_of(raw, 3)),
                                       LOG_BYTES("none", bytes_of(NULL, 0)),
                                       LOG_NUMBER("n", -5),
                                       LOG_BOOL("yes", true)};
    const struct event event = {.kind = EVENT_OUTCOME,
                                .wall_ms = 1700000000007,
                                .endpoint = "urn:dev:ä",
                                .class_name = "lamp",
                                .fields = fields,
                                .field_count = 7};
    char id[EVENTS_ID_SIZE];
    events_post(events, 0, &event);
    read_until(listener, "true}");
    id_of(listener, "true}", id);
    events_unsubscribe(listener->reader);
    listener->reader = NULL;
    events_post(events, 0, &event);
    post(events, 1, "m-1", "meter", 2);
    await_published(events, 3);
    const struct events_filter lamps = {.class_name = "lamp"}, meter = {.endpoint = "m-1"};
    struct listener *late = NULL, *other = NULL;
    assert_int_equal(subscribe(events, &lamps, id, &late), ERR_OK);
    take(late, 11);
    assert_int_equal(count_of(late->text, "event: "), 1);
    assert_string_equal(strstr(late->text, "event: outcome"),
                        strstr(listener->text, "event: outcome"));
    assert_int_equal(subscribe(events, &meter, id, &other), ERR_OK);
    take(other, 1000);
    assert_int_equal(count_of(other->text, "event: "), 1);
    /* The same ring holds what is told from now on. */
    events_post(events, 0, &event);
    read_until(late, "-4\n");
    assert_int_equal(count_of(late->text, "event: outcome"), 2);
    forget(listener);
    forget(late);
    forget(other);
    events_free(events);
}

/* Only what can be told is taken: not 700 bytes that each need six in a text of 4096, nor more than
 * that to begin with. */
static void test_event_whose_text_is_too_long(void **state)
{
    (void)state;
    struct events *events = start((struct events_config){0});
    char hostile[701], harmless[701], longest[4097];
    memset(hostile, 1, 700);
    memset(harmless, 'a', 700);
    memset(longest, 'a', 4096);
    hostile[700] = harmless[700] = longest[4096] = '\0';
    struct log_field fields[] = {LOG_TEXT("text", hostile)};
    const struct event event = {.kind = EVENT_OUTCOME, .fields = fields, .field_count = 1};
    events_post(events, 0, &event);
    fields[0].text = longest;
    events_post(events, 0, &event);
    fields[0].text = harmless;
    events_post(events, 0, &event);
    await_published(events, 1);
    struct events_stats stats;
    events_stats(events, &stats);
    assert_int_equal(stats.lost, 2);
    assert_int_equal(stats.published, 1);
    events_free(events);
}

static void test_order_and_broken_pieces(void **state)
{
    (void)state;
    struct events *events = start((struct events_config){0});
    struct listener *listener = listen_from(events, NULL);
    for (int i = 0; i < 100; i++)
        post(events, 0, "lamp-1", "lamp", i);
    read_until(listener, "\"n\":99}");
    struct listener *second = listen_from(events, NULL);
    char id[EVENTS_ID_SIZE];
    id_of(listener, "\"n\":0}", id);
    struct listener *again = listen_from(events, id);
    take(again, 7); /* pieces smaller than anything */
    assert_int_equal(count_of(again->text, "event: operation\n"), 99);
    const char *whole = strstr(listener->text, "\"n\":0}\n\n");
    const char *rest = strstr(again->text, "id: ");
    assert_string_equal(rest, whole + strlen("\"n\":0}\n\n"));
    take(second, 1000);
    assert_int_equal(count_of(second->text, "event: "), 0);
    forget(listener);
    forget(second);
    forget(again);
    events_free(events);
}

static void test_filters(void **state)
{
    (void)state;
    struct events *events = start((struct events_config){0});
    const struct {
        struct events_filter filter;
        size_t expected;
    } cases[] = {{{.class_name = "lamp"}, 2},
                 {{.endpoint = "m-2"}, 1},
                 {{.class_name = "meter", .endpoint = "m-1"}, 1},
                 {{.class_name = "lamp", .endpoint = "m-1"}, 0},
                 {{.kinds = 1u << EVENT_REJECT}, 0},
                 {{.kinds = 1u << EVENT_REJECT | 1u << EVENT_OPERATION}, 5}};
    struct listener *all = listen_from(events, NULL);
    post(events, 0, "l-1", "lamp", 1);
    read_until(all, "\"n\":1}");
    post(events, 1, "m-1", "meter", 2);
    post(events, EVENTS_SHARED, "l-2", "lamp", 3);
    post(events, 0, "m-2", "meter", 4);
    post(events, 0, NULL, NULL, 5);
    read_until(all, "\"n\":5}");
    char id[EVENTS_ID_SIZE];
    id_of(all, "\"n\":", id);
    strcpy(strchr(id, '-'), "-0");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct listener *listener = NULL;
        assert_int_equal(subscribe(events, &cases[i].filter, id, &listener), ERR_OK);
        take(listener, 512);
        assert_int_equal(count_of(listener->text, "event: operation\n"), cases[i].expected);
        forget(listener);
    }
    forget(all);
    events_free(events);
}

static void test_resume_that_comes_too_late(void **state)
{
    (void)state;
    struct events *events = start((struct events_config){.ring_events = 10});
    struct listener *listener = listen_from(events, NULL);
    post(events, 0, "lamp-1", "lamp", 0);
    read_until(listener, "\"n\":0}");
    char id[EVENTS_ID_SIZE], other[EVENTS_ID_SIZE];
    id_of(listener, "\"n\":0}", id);
    for (int i = 1; i <= 30; i++) {
        char last[16];
        post(events, 0, "lamp-1", "lamp", i);
        snprintf(last, sizeof last, "\"n\":%d}", i);
        read_until(listener, last);
    }
    struct listener *late = listen_from(events, id);
    take(late, 1000);
    assert_non_null(strstr(late->text, "event: gap\ndata: {\"event\":\"gap\",\"missed\":20,"
                                       "\"reason\":\"too-late\"}\n\n"));
    assert_int_equal(count_of(late->text, "event: operation\n"), 10);
    /* An id of another run of the server: all that is there, and that something may be missing. */
    snprintf(other, sizeof other, "abc%s", strchr(id, '-'));
    struct listener *stranger = listen_from(events, other);
    take(stranger, 1000);
    assert_non_null(strstr(stranger->text, "\"missed\":null,\"reason\":\"restart\""));
    assert_int_equal(count_of(stranger->text, "event: operation\n"), 10);
    /* A number that was never given. */
    snprintf(strchr(id, '-'), 12, "-9999");
    struct listener *liar = listen_from(events, id);
    take(liar, 1000);
    assert_non_null(strstr(liar->text, "\"reason\":\"restart\""));
    forget(listener);
    forget(late);
    forget(stranger);
    forget(liar);
    events_free(events);
}

static void test_ids_that_are_none(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "-",
                                        "x-1",
                                        "1-",
                                        "1-x",
                                        "12",
                                        "1-1 ",
                                        " 1-1",
                                        "1--1",
                                        "1-1-1",
                                        "1234567890abcdef1-1",
                                        "1-1234567890123456789"};
    struct events *events = start((struct events_config){0});
    const struct events_filter all = {0};
    struct listener *listener = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(subscribe(events, &all, wrong[i], &listener), ERR_INVALID);
    events_free(events);
}

static void test_no_more_readers_than_allowed(void **state)
{
    (void)state;
    struct events *events = start((struct events_config){.readers_max = 2});
    const struct events_filter all = {0};
    struct listener *first = listen_from(events, NULL), *second = listen_from(events, NULL);
    struct listener *third = NULL;
    assert_int_equal(subscribe(events, &all, NULL, &third), ERR_BUSY);
    forget(first);
    assert_int_equal(subscribe(events, &all, NULL, &third), ERR_OK);
    struct events_stats stats;
    events_stats(events, &stats);
    assert_int_equal(stats.readers, 2);
    forget(second);
    forget(third);
    events_free(events);
}

/* A reader whose connection takes nothing while the ring goes round is dropped; others are not. */
static void test_slow_reader_is_dropped(void **state)
{
    (void)state;
    struct events *events = start((struct events_config){.ring_events = 16});
    struct listener *slow = listen_from(events, NULL), *good = listen_from(events, NULL);
    char byte;
    assert_int_equal(events_read(slow->reader, &byte, 1), 1); /* a piece, and then no more */
    for (int i = 0; i < 100; i++) {
        char last[16];
        post(events, 0, "lamp-1", "lamp", i);
        snprintf(last, sizeof last, "\"n\":%d}", i);
        read_until(good, last);
    }
    take(slow, 1000);
    assert_true(slow->over);
    struct events_stats stats;
    events_stats(events, &stats);
    assert_int_equal(stats.dropped, 1);
    assert_int_equal(stats.published, 100);
    assert_int_equal(count_of(good->text, "event: operation\n"), 100);
    forget(slow);
    /* One whose connection is given up counts too, and once. */
    struct listener *silent = listen_from(events, NULL);
    assert_int_equal(events_read(silent->reader, &byte, 1), 1);
    for (int i = 100; i < 200; i++) {
        char last[16];
        post(events, 0, "lamp-1", "lamp", i);
        snprintf(last, sizeof last, "\"n\":%d}", i);
        read_until(good, last);
    }
    forget(silent);
    events_stats(events, &stats);
    assert_int_equal(stats.dropped, 2);
    forget(good);
    events_free(events);
}

/* More than all readers together may be sent: a gap says what is left out, the stream goes on. */
static void test_pace_leaves_a_gap(void **state)
{
    (void)state;
    struct events *events =
        start((struct events_config){.ring_events = 64, .bytes_per_second = 20000});
    struct listener *listener = listen_from(events, NULL);
    for (int round = 0; round < 3; round++) {
        listener->len = 0;
        take(listener, 1000);
        assert_true(is_parked(listener));
        for (int i = 0; i < 200; i++)
            post(events, 0, "lamp-1", "lamp", i);
        while (strstr(listener->text, "\"n\":199}") == NULL) {
            await_wake(listener);
            take(listener, 1000);
            assert_false(listener->over);
        }
        assert_non_null(strstr(listener->text, "\"reason\":\"pace\""));
        assert_true(count_of(listener->text, "event: operation\n") < 200);
    }
    forget(listener);
    events_free(events);
}

static void test_full_lane_is_told(void **state)
{
    (void)state;
#if defined(__SANITIZE_THREAD__)
    skip(); /* it makes this thread slower than the publisher */
#endif
    struct events *events = start((struct events_config){0});
    struct events_stats stats = {0};
    uint64_t posted = 0;
    /* Faster than the publisher can be. */
    while (stats.lost == 0 && posted < 10000000) {
        for (int j = 0; j < 1000; j++)
            post(events, 0, "lamp-1", "lamp", j);
        posted += 1000;
        events_stats(events, &stats);
    }
    assert_true(stats.lost > 0);
    uint64_t end = clock_monotonic_ms() + PATIENCE_SECONDS * 1000;
    while (stats.published + stats.lost < posted) {
        assert_true(clock_monotonic_ms() < end);
        sched_yield();
        events_stats(events, &stats);
    }
    assert_int_equal(stats.published + stats.lost, posted);
    /* The losses were the last that happened: they are still in the ring. */
    const struct events_filter once = {.once = true, .kinds = 1u << EVENT_REJECT};
    struct listener *listener = NULL;
    assert_int_equal(subscribe(events, &once, "0-0", &listener), ERR_OK);
    take(listener, 4000);
    assert_true(listener->over);
    assert_non_null(strstr(listener->text, "\"reason\":\"overload\""));
    forget(listener);
    events_free(events);
}

static void test_heartbeat(void **state)
{
    (void)state;
    struct events *events = start((struct events_config){.heartbeat_ms = 20});
    struct listener *listener = listen_from(events, NULL);
    read_until(listener, ": still here\n\n");
    forget(listener);
    events_free(events);
}

static void test_close_ends_streams(void **state)
{
    (void)state;
    struct events *events = start((struct events_config){0});
    struct listener *listener = listen_from(events, NULL);
    take(listener, 1000);
    assert_true(is_parked(listener));
    events_close(events);
    await_wake(listener);
    take(listener, 1000);
    assert_true(listener->over);
    forget(listener);
    events_free(events);
}

struct poster {
    struct events *events;
    int producer;
};

static void *post_many(void *context)
{
    struct poster *poster = context;
    for (int i = 0; i < 2000; i++) {
        post(poster->events, poster->producer, "lamp-1", "lamp", i);
        if (i % 100 == 99) {
            struct timespec pause = {.tv_nsec = 1000000}; /* less than a lane a round */
            nanosleep(&pause, NULL);
        }
    }
    return NULL;
}

/* Every event of several threads arrives once, each thread's in order. */
static void test_many_threads(void **state)
{
    (void)state;
    struct events *events = start((struct events_config){.producers = 2});
    struct listener *listener = listen_from(events, NULL);
    struct poster posters[3] = {{events, 0}, {events, 1}, {events, EVENTS_SHARED}};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    uint64_t end = clock_monotonic_ms() + PATIENCE_SECONDS * 1000;
    struct events_stats stats = {0};
    while (stats.published + stats.lost < 6000) {
        assert_true(clock_monotonic_ms() < end);
        take(listener, 4000);
        if (is_parked(listener) && stats.published < 6000)
            await_wake(listener);
        events_stats(events, &stats);
    }
    assert_int_equal(stats.published + stats.lost, 6000);
    take(listener, 4000);
    while (count_of(listener->text, "event: operation\n") < stats.published) {
        await_wake(listener);
        take(listener, 4000);
    }
    assert_int_equal(count_of(listener->text, "event: operation\n"), stats.published);
    forget(listener);
    events_free(events);
}

static void test_kind_names(void **state)
{
    (void)state;
    enum event_kind kind = EVENT_KIND_COUNT;
    for (int i = 0; i < EVENT_KIND_COUNT; i++) {
        assert_true(event_kind_from_name(event_kind_name((enum event_kind)i), &kind));
        assert_int_equal(kind, i);
    }
    assert_false(event_kind_from_name("nothing", &kind));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_of_an_event),
        cmocka_unit_test(test_events_before_the_first_reader),
        cmocka_unit_test(test_event_whose_text_is_too_long),
        cmocka_unit_test(test_order_and_broken_pieces),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_resume_that_comes_too_late),
        cmocka_unit_test(test_ids_that_are_none),
        cmocka_unit_test(test_no_more_readers_than_allowed),
        cmocka_unit_test(test_slow_reader_is_dropped),
        cmocka_unit_test(test_pace_leaves_a_gap),
        cmocka_unit_test(test_full_lane_is_told),
        cmocka_unit_test(test_heartbeat),
        cmocka_unit_test(test_close_ends_streams),
        cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_kind_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
