/* Imports: what rows mean, policies, bad input, and going on after a cut-off upload or merge. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/bulk.h"
#include "usher/clock.h"
#include "usher/log.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY  "00112233445566778899aabbccddeeff"
#define KEY2 "ffeeddccbbaa99887766554433221100"

struct world {
    char directory[64], path[96], folder[96];
    struct store *store;
    struct store_lane *lane;
    struct bulk *bulk;
    char evicted[ENDPOINT_MAX + 1];
    char id[BULK_ID_SIZE];
    struct bulk_status status;
};

static enum err_code check_class(void *context, const struct enrollment *enrollment,
                                 struct err *err)
{
    if (strcmp(enrollment->class_name, "nope") != 0)
        return ERR_OK;
    return err_set(err, ERR_INVALID, "no profile has the class 'nope'");
}

static void evict(void *context, const char *endpoint)
{
    strcpy(((struct world *)context)->evicted, endpoint);
}

static void start(struct world *world)
{
    struct err err = {0};
    const struct store_config store = {.backend = "sqlite", .path = world->path};
    if (store_open(&store, &world->store, &err) != ERR_OK ||
        store_lane_open(world->store, &world->lane, &err) != ERR_OK)
        fail_msg("%s", err.text);
    const struct bulk_config bulk = {.store = world->store,
                                     .folder = world->folder,
                                     .check = check_class,
                                     .evict = evict,
                                     .context = world};
    if (bulk_open(&bulk, &world->bulk, &err) != ERR_OK)
        fail_msg("%s", err.text);
}

static void stop(struct world *world)
{
    bulk_close(world->bulk);
    store_lane_close(world->lane);
    store_close(world->store);
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    strcpy(world->directory, "/tmp/usher-bulk-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    snprintf(world->path, sizeof world->path, "%s/usher.db", world->directory);
    snprintf(world->folder, sizeof world->folder, "%s/imports", world->directory);
    start(world);
    *state = world;
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    return remove(path);
}

static int teardown(void **state)
{
    struct world *world = *state;
    stop(world);
    nftw(world->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(world);
    return 0;
}

/* ---- running an import ---- */

static void begin(struct world *world, const struct bulk_options *options)
{
    struct err err = {0};
    if (bulk_begin(world->bulk, options, world->id, &err) != ERR_OK)
        fail_msg("%s", err.text);
}

static enum err_code feed(struct world *world, uint64_t offset, const char *text, bool last)
{
    struct err err = {0};
    enum err_code code = bulk_feed(world->bulk, world->id, offset, bytes_of_text(text), &err);
    return code == ERR_OK ? bulk_settle(world->bulk, world->id, last, &err) : code;
}

static void await_end(struct world *world)
{
    uint64_t limit = clock_monotonic_ms() + 30000;
    const struct timespec pause = {.tv_nsec = 1000000};
    struct err err = {0};
    do {
        assert_true(clock_monotonic_ms() < limit);
        assert_int_equal(bulk_status(world->bulk, world->id, &world->status, &err), ERR_OK);
        nanosleep(&pause, NULL);
    } while (world->status.phase < BULK_DONE);
}

static void import_with(struct world *world, const struct bulk_options *options, const char *text)
{
    begin(world, options);
    feed(world, 0, text, true);
    await_end(world);
}

static void import(struct world *world, enum store_conflict conflict, const char *text)
{
    const struct bulk_options options = {.conflict = conflict, .report_all = true};
    import_with(world, &options, text);
}

/* created, changed, unchanged, skipped, failed (bad rows too) */
static void assert_counts(const struct world *world, unsigned created, unsigned changed,
                          unsigned unchanged, unsigned skipped, unsigned failed)
{
    const uint64_t *verdicts = world->status.verdicts;
    assert_int_equal(verdicts[STORE_ROW_CREATED], created);
    assert_int_equal(verdicts[STORE_ROW_CHANGED], changed);
    assert_int_equal(verdicts[STORE_ROW_UNCHANGED], unchanged);
    assert_int_equal(verdicts[STORE_ROW_SKIPPED], skipped);
    assert_int_equal(verdicts[STORE_ROW_FAILED] + world->status.bad, failed);
}

static char *report_of(struct world *world)
{
    struct err err = {0};
    uint64_t len = 0;
    int fd = -1;
    assert_int_equal(bulk_report(world->bulk, world->id, &fd, &len, &err), ERR_OK);
    char *text = calloc(1, len + 1);
    assert_non_null(text);
    assert_int_equal(read(fd, text, len), len);
    close(fd);
    return text;
}

static void assert_reported(struct world *world, unsigned line, const char *words)
{
    char begin_text[32];
    char *report = report_of(world);
    snprintf(begin_text, sizeof begin_text, "{\"line\":%u,", line);
    const char *at = strstr(report, begin_text);
    if (at == NULL)
        fail_msg("line %u is not in the report:\n%s", line, report);
    const char *end = strchr(at, '\n');
    assert_non_null(end);
    if (memmem(at, (size_t)(end - at), words, strlen(words)) == NULL)
        fail_msg("'%s' is not said of line %u:\n%s", words, line, report);
    free(report);
}

static void get(struct world *world, const char *endpoint, struct store_device *out)
{
    struct err err = {0};
    *out = (struct store_device){0};
    if (store_get(world->lane, bytes_of_text(endpoint), out, &err) != ERR_OK)
        fail_msg("%s", err.text);
}

static void assert_absent(struct world *world, const char *endpoint)
{
    struct store_device device = {0};
    struct err err = {0};
    assert_int_equal(store_get(world->lane, bytes_of_text(endpoint), &device, &err), ERR_NOT_FOUND);
}

/* ---- what rows mean ---- */

static void test_columns(void **state)
{
    struct world *world = *state;
    struct store_device device;
    import(world, STORE_CONFLICT_SKIP,
           "\xef\xbb\xbf"
           "Endpoint,CLASS,identity,key,server.101.identity,server.101.key,blocked,tags.pole,"
           "district\r\n"
           "lamp-1,lamp,hex:00ff,\"" KEY "\",dm-1," KEY2 ",yes,17,\"north, \"\"old\"\"\"\r\n"
           "lamp-2,lamp,,FFEEDDCCBBAA99887766554433221100,," KEY ",,,");
    assert_counts(world, 2, 0, 0, 0, 0);
    get(world, "lamp-1", &device);
    assert_int_equal(device.enrollment.identity.len, 2);
    assert_int_equal(device.enrollment.identity.data[1], 0xff);
    assert_true(device.enrollment.blocked);
    assert_int_equal(device.bootstrap_key.len, 16);
    assert_string_equal(enrollment_tag(&device.enrollment, "district"), "north, \"old\"");
    assert_string_equal(enrollment_tag(&device.enrollment, "pole"), "17");
    assert_int_equal(device.enrollment.credential_count, 1);
    assert_int_equal(device.enrollment.credentials[0].ssid, 101);
    assert_memory_equal(device.enrollment.credentials[0].identity.data, "dm-1", 4);
    store_device_clear(&device);
    get(world, "lamp-2", &device);
    assert_memory_equal(device.enrollment.identity.data, "lamp-2", 6);
    assert_memory_equal(device.enrollment.credentials[0].identity.data, "lamp-2", 6);
    assert_int_equal(device.enrollment.tag_count, 0);
    assert_false(device.enrollment.blocked);
    store_device_clear(&device);
    import(world, STORE_CONFLICT_MERGE,
           "endpoint,server.101.identity,server.101.key\n"
           "lamp-1,dm-1," KEY2 "\nlamp-2,lamp-2," KEY2 "\n");
    assert_counts(world, 0, 1, 1, 0, 0);
    assert_reported(world, 3, "\"server_credentials\"");
}

static void test_json_lines(void **state)
{
    struct world *world = *state;
    struct store_device device;
    const struct bulk_options options = {.format = BULK_JSONL, .class_name = "lamp", .batch = "B7"};
    import_with(world, &options,
                "{\"endpoint\":\"lamp-1\",\"key\":\"" KEY "\",\"pole\":17,\"tags\":{\"a\":\"b\"},"
                "\"server_credentials\":[{\"ssid\":101,\"identity\":\"dm\",\"key\":\"" KEY2
                "\"}]}\n"
                "\n"
                "{\"endpoint\":\"lamp-2\",\"key_base64\":\"ABEiM0RVZneImaq7zN3u/w==\","
                "\"batch\":\"B8\"}\n"
                "{\"endpoint\":\"lamp-3\",\"key\":\"" KEY "\",\"tags\":[]}\n"
                "[1]\n"
                "{\"endpoint\":\"lamp-4\",\"key\":\"" KEY "\"\n"
                "{\"endpoint\":\"lamp\\u0000-5\",\"key\":\"" KEY "\"}\n");
    assert_counts(world, 2, 0, 0, 0, 4);
    get(world, "lamp-1", &device);
    assert_string_equal(device.enrollment.class_name, "lamp");
    assert_string_equal(enrollment_tag(&device.enrollment, "pole"), "17");
    assert_string_equal(enrollment_tag(&device.enrollment, "a"), "b");
    assert_string_equal(enrollment_tag(&device.enrollment, "batch"), "B7");
    assert_int_equal(device.enrollment.credential_count, 1);
    store_device_clear(&device);
    get(world, "lamp-2", &device);
    assert_string_equal(enrollment_tag(&device.enrollment, "batch"), "B8");
    assert_int_equal(device.bootstrap_key.data[1], 0x11);
    store_device_clear(&device);
    assert_reported(world, 4, "tags");
    assert_reported(world, 5, "object");
    assert_reported(world, 6, "not JSON");
    char *report = report_of(world);
    assert_null(strstr(report, "00112233")); /* no key is repeated */
    free(report);
}

static void test_bad_rows_are_named_and_lose_nothing(void **state)
{
    static char text[200000];
    struct world *world = *state;
    static const char *const rows[][2] = {
        /* row, what is said of it; NULL: it is good */
        {"good-1,lamp,," KEY ",1", NULL},
        {"odd,lamp,,00112233445566778899aabbccddeef,1", "odd number of hexadecimal digits (31)"},
        {"short,lamp,,0011,1", "the key has 2 bytes"},
        {"nothex,lamp,,zz112233445566778899aabbccddeeff,1", "hexadecimal"},
        {"\"quote,lamp,," KEY ",1", "quote"},
        {"\"behind\"x,lamp,," KEY ",1", "quote"},
        {"few,lamp", "2 columns, the header 5"},
        {"many,lamp,," KEY ",1,2", "6 columns"},
        {",lamp,," KEY ",1", "endpoint is missing"},
        {"latin-\xe9,lamp,," KEY ",1", "UTF-8"},
        {"tab\there,lamp,," KEY ",1", "control"},
        {"unknown,nope,," KEY ",1", "no profile has the class"},
        {"class,La mp,," KEY ",1", "class"},
        {"nokey,lamp,,,1", "needs a key"},
        {"good-1,lamp,,ffeeddccbbaa99887766554433221100,1", "also in line 2"},
        {"taken,lamp,good-1," KEY ",1", "belongs to endpoint 'good-1'"},
        {"good-2,lamp,," KEY ",1", NULL},
    };
    enum { COUNT = sizeof rows / sizeof rows[0] };
    strcpy(text, "endpoint,class,identity,key,pole\n");
    for (size_t i = 0; i < COUNT; i++) {
        strcat(text, rows[i][0]);
        strcat(text, i % 2 == 0 ? "\n" : "\r\n");
    }
    size_t len = strlen(text);
    memset(text + len, 'x', 100000); /* a line that is much too long */
    text[len + 100000] = '\0';
    strcat(text, "\ngood-3,lamp,," KEY ",1");
    import(world, STORE_CONFLICT_SKIP, text);
    assert_counts(world, 3, 0, 0, 0, COUNT - 2 + 1);
    for (unsigned i = 0; i < COUNT; i++)
        assert_reported(world, i + 2, rows[i][1] != NULL ? rows[i][1] : "\"created\"");
    assert_reported(world, COUNT + 2, "longer than");
    assert_reported(world, COUNT + 3, "good-3");
    import(world, STORE_CONFLICT_SKIP, text);
    assert_counts(world, 0, 0, 3, 0, COUNT - 2 + 1);
}

static void test_nul_in_a_row(void **state)
{
    struct world *world = *state;
    static const char text[] = "endpoint,key\na\0b," KEY "\nlamp-2," KEY "\n";
    const struct bulk_options options = {.report_all = true};
    struct err err = {0};
    begin(world, &options);
    assert_int_equal(bulk_feed(world->bulk, world->id, 0, bytes_of(text, sizeof text - 1), &err),
                     ERR_OK);
    assert_int_equal(bulk_settle(world->bulk, world->id, true, &err), ERR_OK);
    await_end(world);
    assert_counts(world, 1, 0, 0, 0, 1);
    assert_reported(world, 2, "NUL");
}

static void test_wrong_header_ends_it(void **state)
{
    struct world *world = *state;
    static const char *const headers[][2] = {
        {"", "empty"},
        {"ep,class\nx,y\n", "endpoint"},
        {"endpoint,key,endpoint\n", "twice"},
        {"endpoint,pole no\n", "pole no"},
        {"endpoint,,key\n", "no name"},
        {"endpoint,\"key\n", "quote"},
        {"endpoint,k\xe9y\n", "UTF-8"},
        {"lamp-1,lamp," KEY "," KEY "\n", "columns 3 and 4"},
        {"lamp-1,lamp,AAECAwQFBgcICQoLDA0ODw==\n", "column 3: a name of 24 bytes"},
        {"lamp-1,lamp,server.101.key=" KEY "\n", "column 3"},
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        const struct bulk_options options = {0};
        begin(world, &options);
        assert_int_equal(feed(world, 0, headers[i][0], true), ERR_INVALID);
        await_end(world);
        assert_int_equal(world->status.phase, BULK_FAILED);
        assert_non_null(strstr(world->status.error, "line 1"));
        assert_non_null(strstr(world->status.error, headers[i][1]));
        assert_null(strstr(world->status.error, KEY)); /* a file without a header has keys there */
        assert_null(strstr(world->status.error, "AAECAwQF"));
        assert_int_equal(feed(world, world->status.offset, "x\n", true), ERR_CONFLICT);
    }
}

static void test_semicolons_and_no_rows(void **state)
{
    struct world *world = *state;
    import(world, STORE_CONFLICT_SKIP, "endpoint;key;pole\nlamp-1;" KEY ";1,5\n");
    assert_counts(world, 1, 0, 0, 0, 0);
    struct store_device device;
    get(world, "lamp-1", &device);
    assert_string_equal(enrollment_tag(&device.enrollment, "pole"), "1,5");
    store_device_clear(&device);
    import(world, STORE_CONFLICT_SKIP, "endpoint,key\n");
    assert_int_equal(world->status.phase, BULK_DONE);
    assert_counts(world, 0, 0, 0, 0, 0);
}

/* ---- policies ---- */

static void test_skip(void **state)
{
    struct world *world = *state;
    struct store_device device;
    import(world, STORE_CONFLICT_SKIP, "endpoint,key,pole\nlamp-1," KEY ",1\n");
    import(world, STORE_CONFLICT_SKIP, "endpoint,key,pole\nlamp-1," KEY2 ",2\nlamp-2," KEY ",3\n");
    assert_counts(world, 1, 0, 0, 1, 0);
    assert_reported(world, 2, "\"skipped\",\"differs\":[\"key\",\"tags\"]");
    get(world, "lamp-1", &device);
    assert_string_equal(enrollment_tag(&device.enrollment, "pole"), "1");
    store_device_clear(&device);
    /* What a row does not say is not different. */
    import(world, STORE_CONFLICT_SKIP, "endpoint\nlamp-1\n");
    assert_counts(world, 0, 0, 1, 0, 0);
}

static void test_merge_changes_what_is_said(void **state)
{
    struct world *world = *state;
    struct store_device device;
    import(world, STORE_CONFLICT_SKIP,
           "endpoint,class,identity,key,a,b\nlamp-1,lamp,id-1," KEY ",1,2\n");
    import(world, STORE_CONFLICT_MERGE, "endpoint,b,c\nlamp-1,3,4\n");
    assert_counts(world, 0, 1, 0, 0, 0);
    get(world, "lamp-1", &device);
    assert_string_equal(device.enrollment.class_name, "lamp");
    assert_memory_equal(device.enrollment.identity.data, "id-1", 4);
    assert_string_equal(enrollment_tag(&device.enrollment, "a"), "1");
    assert_string_equal(enrollment_tag(&device.enrollment, "b"), "3");
    assert_string_equal(enrollment_tag(&device.enrollment, "c"), "4");
    store_device_clear(&device);
    import(world, STORE_CONFLICT_MERGE, "endpoint,b,c\nlamp-1,3,4\n");
    assert_counts(world, 0, 0, 1, 0, 0);
}

static void test_replace_is_what_the_row_says(void **state)
{
    struct world *world = *state;
    struct store_device device;
    import(world, STORE_CONFLICT_SKIP, "endpoint,class,key,a,b\nlamp-1,lamp," KEY ",1,2\n");
    import(world, STORE_CONFLICT_REPLACE, "endpoint,class,b\nlamp-1,sensor,3\n");
    assert_counts(world, 0, 1, 0, 0, 0);
    get(world, "lamp-1", &device);
    assert_string_equal(device.enrollment.class_name, "sensor");
    assert_null(enrollment_tag(&device.enrollment, "a"));
    assert_string_equal(enrollment_tag(&device.enrollment, "b"), "3");
    assert_int_equal(device.bootstrap_key.len, 16); /* no file locks a device out by silence */
    store_device_clear(&device);
    import(world, STORE_CONFLICT_REPLACE, "endpoint,class,b\nlamp-1,sensor,3\n");
    assert_counts(world, 0, 0, 1, 0, 0);
}

static void test_fail_changes_nothing(void **state)
{
    struct world *world = *state;
    import(world, STORE_CONFLICT_SKIP, "endpoint,key\nlamp-1," KEY "\n");
    import(world, STORE_CONFLICT_FAIL, "endpoint,key\nlamp-0," KEY "\nlamp-1," KEY2 "\n");
    assert_int_equal(world->status.phase, BULK_FAILED);
    assert_non_null(strstr(world->status.error, "nothing was changed"));
    assert_reported(world, 3, "enrolled with other data");
    assert_absent(world, "lamp-0");
    import(world, STORE_CONFLICT_FAIL, "endpoint,key\nlamp-0," KEY "\nlamp-2,zz\n");
    assert_int_equal(world->status.phase, BULK_FAILED);
    assert_absent(world, "lamp-0");
    import(world, STORE_CONFLICT_FAIL, "endpoint,key\nlamp-0," KEY "\nlamp-1," KEY "\n");
    assert_int_equal(world->status.phase, BULK_DONE);
    assert_counts(world, 1, 0, 1, 0, 0);
}

static void test_dry_run_changes_nothing(void **state)
{
    struct world *world = *state;
    import(world, STORE_CONFLICT_SKIP, "endpoint,key\nlamp-1," KEY "\n");
    const struct bulk_options options = {
        .conflict = STORE_CONFLICT_MERGE, .dry_run = true, .report_all = true};
    import_with(world, &options, "endpoint,key,p\nlamp-0," KEY ",\nlamp-1,,1\nlamp-2,,\n");
    assert_int_equal(world->status.phase, BULK_DONE);
    assert_counts(world, 1, 1, 0, 0, 1);
    assert_reported(world, 3, "\"changed\",\"differs\":[\"tags\"]");
    assert_absent(world, "lamp-0");
}

static void test_blocking_ends_sessions(void **state)
{
    struct world *world = *state;
    struct store_device device;
    import(world, STORE_CONFLICT_SKIP, "endpoint,key\nlamp-1," KEY "\nlamp-2," KEY "\n");
    import(world, STORE_CONFLICT_MERGE, "endpoint,blocked\nlamp-1,true\nlamp-2,false\n");
    assert_counts(world, 0, 1, 1, 0, 0);
    assert_string_equal(world->evicted, "lamp-1");
    get(world, "lamp-1", &device);
    assert_true(device.enrollment.blocked);
    store_device_clear(&device);
    struct store_count count;
    assert_int_equal(store_counts(world->store, &count, 1), 1);
    assert_int_equal(count.by_state[STATE_BLOCKED], 1);
    assert_int_equal(count.by_state[STATE_NEW], 1);
}

/* ---- size, order, going on ---- */

/* Rows in an order of no order: i * 7919 mod count, which is prime to it. */
static char *many_rows(unsigned count)
{
    char *text = malloc(64 + (size_t)count * 80), *at = text;
    assert_non_null(text);
    at += sprintf(at, "endpoint,key,pole\n");
    for (unsigned i = 0; i < count; i++) {
        unsigned number = (unsigned)((uint64_t)i * 7919 % count);
        at += sprintf(at, "lamp-%06u,%032x,%u\n", number, number + 1, number);
    }
    return text;
}

static bool count_row(void *context, const struct store_row *row)
{
    ++*(unsigned *)context;
    return true;
}

static unsigned count_devices(struct world *world)
{
    struct store_filter filter = {.state = -1, .cause = -1, .limit = 1000};
    char last[ENDPOINT_MAX + 1];
    unsigned count = 0, before;
    struct err err = {0};
    do {
        before = count;
        assert_int_equal(store_list(world->lane, &filter, count_row, &count, &err), ERR_OK);
        snprintf(last, sizeof last, "lamp-%06u", count - 1);
        filter.after = last;
    } while (count > before);
    return count;
}

static void test_many_rows_in_pieces(void **state)
{
    enum { COUNT = 20000, PIECE = 70001 };
    struct world *world = *state;
    char *text = many_rows(COUNT);
    const struct bulk_options options = {0};
    size_t len = strlen(text), at = 0;
    struct err err = {0};
    begin(world, &options);
    while (at < len) {
        size_t some = len - at < PIECE ? len - at : PIECE;
        assert_int_equal(bulk_feed(world->bulk, world->id, at, bytes_of(text + at, some), &err),
                         ERR_OK);
        at += some;
        assert_int_equal(bulk_settle(world->bulk, world->id, at == len, &err), ERR_OK);
    }
    await_end(world);
    assert_counts(world, COUNT, 0, 0, 0, 0);
    assert_int_equal(count_devices(world), COUNT);
    import(world, STORE_CONFLICT_SKIP, text);
    assert_counts(world, 0, 0, COUNT, 0, 0);
    struct store_device device;
    get(world, "lamp-012345", &device);
    assert_int_equal(device.bootstrap_key.data[15], 12346 & 0xff);
    store_device_clear(&device);
    free(text);
}

static void test_upload_goes_on_after_a_restart(void **state)
{
    struct world *world = *state;
    const struct bulk_options options = {.report_all = true};
    static const char text[] = "endpoint,key\nlamp-1," KEY "\nbad,zz\nlamp-2," KEY "\nlamp-3," KEY;
    struct err err = {0};
    begin(world, &options);
    size_t cut = (size_t)(strstr(text, "lamp-2") - text) + 10;
    assert_int_equal(bulk_feed(world->bulk, world->id, 0, bytes_of(text, cut), &err), ERR_OK);
    assert_int_equal(bulk_settle(world->bulk, world->id, false, &err), ERR_OK);
    assert_int_equal(bulk_feed(world->bulk, world->id, 0, bytes_of(text, cut), &err), ERR_CONFLICT);
    assert_non_null(strstr(err.text, "goes on at offset"));
    stop(world);
    start(world);
    assert_int_equal(bulk_status(world->bulk, world->id, &world->status, &err), ERR_OK);
    assert_int_equal(world->status.phase, BULK_UPLOADING);
    assert_int_equal(world->status.offset, strstr(text, "lamp-2") - text);
    assert_int_equal(feed(world, world->status.offset, text + world->status.offset, true), ERR_OK);
    await_end(world);
    assert_counts(world, 3, 0, 0, 0, 1);
    assert_int_equal(world->status.rows, 4);
    assert_reported(world, 3, "hexadecimal");
    assert_reported(world, 5, "lamp-3");
}

static void test_merge_goes_on_after_a_restart(void **state)
{
    enum { COUNT = 20000 };
    struct world *world = *state;
    char *text = many_rows(COUNT);
    const struct bulk_options options = {.report_all = true};
    struct err err = {0};
    begin(world, &options);
    assert_int_equal(feed(world, 0, text, true), ERR_OK);
    unsigned restarts = 0;
    do { /* each start merges a few chunks, and is then ended between two */
        stop(world);
        start(world);
        assert_int_equal(bulk_status(world->bulk, world->id, &world->status, &err), ERR_OK);
        restarts++;
    } while (world->status.phase != BULK_DONE && restarts < 1000);
    await_end(world);
    assert_counts(world, COUNT, 0, 0, 0, 0);
    assert_int_equal(count_devices(world), COUNT);
    char *report = report_of(world);
    unsigned lines = 0;
    for (const char *at = report; *at != '\0'; at++)
        lines += *at == '\n';
    assert_int_equal(lines, COUNT);
    free(report);
    free(text);
}

static void test_stopping(void **state)
{
    struct world *world = *state;
    const struct bulk_options options = {0};
    struct err err = {0};
    begin(world, &options);
    assert_int_equal(feed(world, 0, "endpoint,key\nlamp-1," KEY "\n", false), ERR_OK);
    assert_int_equal(bulk_cancel(world->bulk, world->id, &err), ERR_OK);
    await_end(world);
    assert_int_equal(world->status.phase, BULK_STOPPED);
    assert_absent(world, "lamp-1");
    assert_int_equal(bulk_cancel(world->bulk, world->id, &err), ERR_OK);
    assert_int_equal(bulk_cancel(world->bulk, "00", &err), ERR_NOT_FOUND);
}

/* Senders that died leave uploads behind; they must not shut out those who come. */
static void test_forgotten_uploads_give_way(void **state)
{
    struct world *world = *state;
    const struct bulk_options options = {0};
    struct err err = {0};
    char first[BULK_ID_SIZE];
    begin(world, &options);
    strcpy(first, world->id);
    for (unsigned i = 0; i < 20; i++)
        begin(world, &options);
    assert_int_equal(bulk_status(world->bulk, first, &world->status, &err), ERR_OK);
    assert_int_equal(world->status.phase, BULK_STOPPED);
    import(world, STORE_CONFLICT_SKIP, "endpoint,key\nlamp-1," KEY "\n");
    assert_counts(world, 1, 0, 0, 0, 0);
}

static void test_finished_ones_are_bounded(void **state)
{
    struct world *world = *state;
    struct bulk_status *list = calloc(100, sizeof *list);
    assert_non_null(list);
    for (unsigned i = 0; i < BULK_KEPT + 5; i++)
        import(world, STORE_CONFLICT_SKIP, "endpoint,key\nlamp-1," KEY "\n");
    size_t count = bulk_list(world->bulk, list, 100);
    assert_in_range(count, BULK_KEPT, BULK_KEPT + 1);
    assert_string_equal(list[0].id, world->id);
    stop(world);
    start(world);
    assert_int_equal(bulk_list(world->bulk, list, 100), count);
    assert_int_equal(bulk_list(world->bulk, list, 2), 2);
    assert_string_equal(list[0].id, world->id);
    free(list);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_columns),
        TEST(test_json_lines),
        TEST(test_bad_rows_are_named_and_lose_nothing),
        TEST(test_nul_in_a_row),
        TEST(test_wrong_header_ends_it),
        TEST(test_semicolons_and_no_rows),
        TEST(test_skip),
        TEST(test_merge_changes_what_is_said),
        TEST(test_replace_is_what_the_row_says),
        TEST(test_fail_changes_nothing),
        TEST(test_dry_run_changes_nothing),
        TEST(test_blocking_ends_sessions),
        TEST(test_many_rows_in_pieces),
        TEST(test_upload_goes_on_after_a_restart),
        TEST(test_merge_goes_on_after_a_restart),
        TEST(test_stopping),
        TEST(test_forgotten_uploads_give_way),
        TEST(test_finished_ones_are_bounded),
    };
    log_configure(STDERR_FILENO, LOG_ERROR, false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
